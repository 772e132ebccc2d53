// Op of the gradient of the input of a dense layer: grad [rows, units] @ weights^T, summed in the
// order of the units.
#include "base/device.h"
#include "products/input_grad.h"

namespace keras_slayer {

REGISTER_OP("KerasSlayer>MatmulInputGrad")
    .Input("grad: T")
    .Input("weights: T")
    .Output("grad_x: T")
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle grad, weights;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &grad));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 2, &weights));
      tensorflow::shape_inference::DimensionHandle units;
      TF_RETURN_IF_ERROR(c->Merge(c->Dim(grad, 1), c->Dim(weights, 1), &units));
      c->set_output(0, c->Matrix(c->Dim(grad, 0), c->Dim(weights, 0)));
      return absl::OkStatus();
    });

template <class Device>
class MatmulInputGrad : public OpKernel {
 public:
  explicit MatmulInputGrad(OpKernelConstruction* context) : OpKernel(context) {}
  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(0);
    const Tensor& weights = context->input(1);
    OP_REQUIRES(context,
                grad.dims() == 2 && weights.dims() == 2 && grad.dim_size(1) == weights.dim_size(1),
                InvalidArgument("grad and weights must be matrices of as many columns. Received: ",
                                "shapes ", grad.shape().DebugString(), " and ",
                                weights.shape().DebugString()));
    const int64_t rows = grad.dim_size(0), inputs = weights.dim_size(0), units = grad.dim_size(1);
    Tensor *out = nullptr, packed;
    OP_REQUIRES_OK(context, allocate_matrix<Device>(context, 0, rows, inputs, &out));
    if constexpr (Device::kGpu) {  // reads the weights as they are
      const MatmulInputGradArgs args = {rows,          inputs,  units,        false, data_of(grad),
                                        data_of(weights), nullptr, data_of(out)};
      const int64_t tiles =
          block_count(rows, kInputGradSide) * block_count(inputs, kInputGradSide);
      OP_REQUIRES_OK(context, Device::blocks(context, {"products", "matmul_input_grad"},
                                             dtype_of(grad), tiles, args));
      return;
    }
    const int64_t packs = block_count(inputs, kPackedInputs);
    const auto wide = grad.dtype() == tensorflow::DT_DOUBLE ? grad.dtype() : tensorflow::DT_FLOAT;
    OP_REQUIRES_OK(context, allocate_kept(wide, {packs * kPackedInputs, units}, &packed));
    const MatmulInputGradArgs args = {rows,          inputs,           units,
                                      is_large(*out), data_of(grad),    data_of(weights),
                                      data_of(&packed), data_of(out)};
    const Dtype dtype = dtype_of(grad);
    parallel_for(context, packs, kPackedInputs * units, [&](int64_t begin, int64_t end) {
      kernels::pack_weights(dtype, args, begin, end);
    });
    const int64_t blocks =
        block_count(rows, kInputGradRows) * block_count(inputs, kInputGradInputs);
    parallel_for(context, blocks, kInputGradRows * kInputGradInputs * (units + 16) / 32,
                 [&](int64_t begin, int64_t end) {
                   kernels::matmul_input_grad(dtype, args, begin, end);
                 });
  }
};
KS_REGISTER_DEVICES("MatmulInputGrad", MatmulInputGrad, );

}  // namespace keras_slayer
