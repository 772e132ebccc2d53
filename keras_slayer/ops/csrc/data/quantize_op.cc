// Ops that round weights (any shape) to multiples of a power of two and clip them, as a chip
// stores them; and the gradient of that.
#include <cmath>

#include "base/op.h"
#include "data/quantize.h"

namespace keras_slayer {
namespace {

class QuantizeOp : public OpKernel {
 public:
  explicit QuantizeOp(OpKernelConstruction* context) : OpKernel(context) {
    float step, low, high;
    OP_REQUIRES_OK(context, context->GetAttr("step", &step));
    OP_REQUIRES_OK(context, context->GetAttr("low", &low));
    OP_REQUIRES_OK(context, context->GetAttr("high", &high));
    int exponent;
    OP_REQUIRES(context, step > 0 && std::frexp(step, &exponent) == 0.5f && low <= high,
                InvalidArgument("step must be a power of two, and low not above high. Received: ",
                                "step=", step, ", low=", low, ", high=", high));
    step_ = step, low_ = low, high_ = high;
  }

 protected:
  // grad is null in the forward op.
  void run(OpKernelContext* context, const Tensor& weights, const Tensor* grad, Tensor* out) const {
    const int64_t size = weights.NumElements();
    const QuantizeArgs args = {size,  step_,           low_,
                               high_, data_of(weights), grad == nullptr ? nullptr : data_of(*grad),
                               data_of(out)};
    parallel_for(context, block_count(size, kItemWeights), kItemWeights / 2,
                 [&](int64_t begin, int64_t end) {
                   kernels::quantize(dtype_of(weights), args, begin, end);
                 });
  }

 private:
  double step_, low_, high_;
};

}  // namespace

#define KS_GRID_ATTRS .Attr("step: float").Attr("low: float").Attr("high: float").Attr(KS_TYPES)

REGISTER_OP("KerasSlayer>Quantize")
    .Input("weights: T")
    .Output("quantized: T")
    KS_GRID_ATTRS
    .SetShapeFn(tensorflow::shape_inference::UnchangedShape);

class Quantize : public QuantizeOp {
 public:
  using QuantizeOp::QuantizeOp;
  void Compute(OpKernelContext* context) override {
    const Tensor& weights = context->input(0);
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_large(context, 0, weights.shape(), &out));
    run(context, weights, nullptr, out);
  }
};
KS_REGISTER("Quantize", Quantize);

REGISTER_OP("KerasSlayer>QuantizeGrad")
    .Input("weights: T")
    .Input("grad: T")
    .Output("grad_weights: T")
    KS_GRID_ATTRS
    .SetShapeFn(tensorflow::shape_inference::UnchangedShape);

class QuantizeGrad : public QuantizeOp {
 public:
  using QuantizeOp::QuantizeOp;
  void Compute(OpKernelContext* context) override {
    const Tensor &weights = context->input(0), &grad = context->input(1);
    OP_REQUIRES_OK(context, same_shape(weights, "weights", grad, "grad"));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_series(context, 0, 1, &out));
    run(context, weights, &grad, out);
  }
};
KS_REGISTER("QuantizeGrad", QuantizeGrad);

}  // namespace keras_slayer
