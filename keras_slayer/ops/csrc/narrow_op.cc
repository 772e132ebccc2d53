// The weights' gradient of a layer of few units: x^T @ grad, summed in the order of the rows.
#include "op_support.h"

namespace keras_slayer {

REGISTER_OP("KerasSlayer>NarrowMatmulWeightsGrad")
    .Input("x: S")
    .Input("grad: T")
    .Output("grad_weights: T")
    .Attr(KS_SPIKE_TYPES)
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle x, grad;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &x));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 2, &grad));
      c->set_output(0, c->Matrix(c->Dim(x, 1), c->Dim(grad, 1)));
      return absl::OkStatus();
    });

class NarrowMatmulWeightsGrad : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const Tensor& grad = context->input(1);
    OP_REQUIRES(context, x.dims() == 2 && grad.dims() == 2 && x.dim_size(0) == grad.dim_size(0),
                InvalidArgument("x and grad must be matrices of as many rows. Received: shapes ",
                                x.shape().DebugString(), " and ", grad.shape().DebugString()));
    OP_REQUIRES_OK(context, check_spike_type(x, grad.dtype()));
    const int64_t rows = x.dim_size(0), inputs = x.dim_size(1), units = grad.dim_size(1);
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_large(context, 0, TensorShape({inputs, units}), &out));
    with_types(grad.dtype(), [&](auto type, auto wide) {
      using A = decltype(wide);
      const int64_t line = 64 / int64_t(sizeof(A)), stride = block_count(units, line) * line;
      const Aligned<A> padded(rows * stride);
      const auto from = grad.matrix<decltype(type)>();
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < units; ++j) padded[i * stride + j] = static_cast<A>(from(i, j));
      }
      const NarrowGradArgs args = {rows,         inputs, units,        dtype_of(x), data_of(x),
                                   padded.get(), stride, data_of(out)};
      parallel_for(context, block_count(inputs, kNarrowInputs), kNarrowInputs * rows / 4,
                   [&](int64_t begin, int64_t end) {
                     kernels().narrow_weights_grad(dtype_of(grad), args, begin, end);
                   });
    });
  }
};
KS_REGISTER("NarrowMatmulWeightsGrad", NarrowMatmulWeightsGrad);

}  // namespace keras_slayer
