// Ops of dense layers of few units: x @ weights, summed in the order of the inputs, and the
// gradient of the weights x^T @ grad, summed in the order of the rows.
#include "base/device.h"
#include "products/few_units.h"

namespace keras_slayer {

namespace {

// A matrix in the arithmetic type. Zeros pad its rows to whole cache lines.
template <class A>
class Padded {
 public:
  absl::Status init(OpKernelContext* context, const Tensor& matrix) {
    const int64_t rows = matrix.dim_size(0), columns = matrix.dim_size(1);
    stride_ = block_count(columns, kLine) * kLine;
    TF_RETURN_IF_ERROR(
        allocate_kept(tensorflow::DataTypeToEnum<A>::value, {rows, stride_}, &values_));
    with_types(matrix.dtype(), [&](auto type, auto) {
      using T = decltype(type);
      const T* given = static_cast<const T*>(data_of(matrix));
      A* padded = values_.template flat<A>().data();
      constexpr int64_t kRows = 256;  // per work item
      parallel_for(context, block_count(rows, kRows), kRows * stride_,
                   [&](int64_t begin, int64_t end) {
        for (int64_t i = begin * kRows; i < smaller(end * kRows, rows); ++i) {
          const T* from = given + i * columns;
          A* to = padded + i * stride_;
          for (int64_t j = 0; j < columns; ++j) to[j] = static_cast<A>(from[j]);
          for (int64_t j = columns; j < stride_; ++j) to[j] = A(0);
        }
      });
    });
    return absl::OkStatus();
  }
  int64_t stride() const { return stride_; }
  const A* get() const { return values_.template flat<A>().data(); }

 private:
  static constexpr int64_t kLine = 64 / int64_t(sizeof(A));
  int64_t stride_ = 0;
  Tensor values_;
};

}  // namespace

REGISTER_OP("KerasSlayer>FewUnitsMatmul")
    .Input("x: S")
    .Input("weights: T")
    .Output("out: T")
    .Attr(KS_SPIKE_TYPES)
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle x, weights;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &x));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 2, &weights));
      c->set_output(0, c->Matrix(c->Dim(x, 0), c->Dim(weights, 1)));
      return absl::OkStatus();
    });

template <class Device>
class FewUnitsMatmul : public OpKernel {
 public:
  explicit FewUnitsMatmul(OpKernelConstruction* context) : OpKernel(context) {}
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const Tensor& weights = context->input(1);
    OP_REQUIRES(context,
                x.dims() == 2 && weights.dims() == 2 && x.dim_size(1) == weights.dim_size(0),
                InvalidArgument("x must be a matrix of as many columns as weights has rows. ",
                                "Received: shapes ", x.shape().DebugString(), " and ",
                                weights.shape().DebugString()));
    OP_REQUIRES_OK(context, check_spike_type(x, weights.dtype()));
    const int64_t rows = x.dim_size(0), inputs = x.dim_size(1), units = weights.dim_size(1);
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_matrix<Device>(context, 0, rows, units, &out));
    if constexpr (Device::kGpu) {  // reads the weights as they are
      const FewUnitsMatmulArgs args = {rows,  inputs, units, dtype_of(x), data_of(x),
                                       data_of(weights), units, data_of(out)};
      OP_REQUIRES_OK(context, Device::threads(context, {"products", "few_units_matmul"},
                                              dtype_of(weights),
                                              rows * block_count(units, gpu::kWarp) * gpu::kWarp,
                                              args));
      return;
    }
    with_types(weights.dtype(), [&](auto, auto wide) {
      Padded<decltype(wide)> padded;
      OP_REQUIRES_OK(context, padded.init(context, weights));
      const FewUnitsMatmulArgs args = {rows,         inputs,          units,       dtype_of(x),
                                     data_of(x),   padded.get(),    padded.stride(),
                                     data_of(out)};
      parallel_for(context, block_count(rows, kFewUnitsRows), kFewUnitsRows * inputs / 4,
                   [&](int64_t begin, int64_t end) {
                     kernels::few_units_matmul(dtype_of(weights), args, begin, end);
                   });
    });
  }
};
KS_REGISTER_DEVICES("FewUnitsMatmul", FewUnitsMatmul, );

REGISTER_OP("KerasSlayer>FewUnitsMatmulWeightsGrad")
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

template <class Device>
class FewUnitsMatmulWeightsGrad : public OpKernel {
 public:
  explicit FewUnitsMatmulWeightsGrad(OpKernelConstruction* context) : OpKernel(context) {}
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const Tensor& grad = context->input(1);
    OP_REQUIRES(context, x.dims() == 2 && grad.dims() == 2 && x.dim_size(0) == grad.dim_size(0),
                InvalidArgument("x and grad must be matrices of as many rows. Received: shapes ",
                                x.shape().DebugString(), " and ", grad.shape().DebugString()));
    OP_REQUIRES_OK(context, check_spike_type(x, grad.dtype()));
    const int64_t rows = x.dim_size(0), inputs = x.dim_size(1), units = grad.dim_size(1);
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_matrix<Device>(context, 0, inputs, units, &out));
    if constexpr (Device::kGpu) {
      const FewUnitsGradArgs args = {rows,          inputs, units,       dtype_of(x), data_of(x),
                                     data_of(grad), units,  data_of(out)};
      OP_REQUIRES_OK(context, Device::threads(context, {"products", "few_units_weights_grad"},
                                              dtype_of(grad),
                                              block_count(inputs, kGradInputs) *
                                                  block_count(units, gpu::kWarp) * gpu::kWarp,
                                              args));
      return;
    }
    with_types(grad.dtype(), [&](auto, auto wide) {
      Padded<decltype(wide)> padded;
      OP_REQUIRES_OK(context, padded.init(context, grad));
      const FewUnitsGradArgs args = {rows,         inputs,          units,       dtype_of(x), data_of(x),
                                   padded.get(), padded.stride(), data_of(out)};
      parallel_for(context, block_count(inputs, kFewUnitsInputs), kFewUnitsInputs * rows / 4,
                   [&](int64_t begin, int64_t end) {
                     kernels::few_units_weights_grad(dtype_of(grad), args, begin, end);
                   });
    });
  }
};
KS_REGISTER_DEVICES("FewUnitsMatmulWeightsGrad", FewUnitsMatmulWeightsGrad, );

}  // namespace keras_slayer
