// Ops that round weights (any shape) to multiples of a power of two and clip them, as a chip
// stores them; and the gradient of that.
#include <cmath>

#include "base/device.h"
#include "data/quantize.h"

namespace keras_slayer {

template <class Device>
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
  absl::Status run(OpKernelContext* context, const Tensor& weights, const Tensor* grad,
                   Tensor* out) const {
    const int64_t size = weights.NumElements();
    const QuantizeArgs args = {size,
                               step_,
                               1 / step_,
                               low_,
                               high_,
                               data_of(weights),
                               grad == nullptr ? nullptr : data_of(*grad),
                               data_of(out)};
    if constexpr (Device::kGpu) {
      return Device::threads(context, {"quantize", "quantize"}, dtype_of(weights), size, args);
    } else {
      return Device::items(context, kernels::quantize, {}, dtype_of(weights),
                           block_count(size, kItemWeights), kItemWeights / 2, args);
    }
  }

 private:
  double step_, low_, high_;
};

#define KS_GRID_ATTRS .Attr("step: float").Attr("low: float").Attr("high: float").Attr(KS_TYPES)

REGISTER_OP("KerasSlayer>Quantize")
    .Input("weights: T")
    .Output("quantized: T")
    KS_GRID_ATTRS
    .SetShapeFn(tensorflow::shape_inference::UnchangedShape);

template <class Device>
class Quantize : public QuantizeOp<Device> {
 public:
  using QuantizeOp<Device>::QuantizeOp;
  void Compute(OpKernelContext* context) override {
    const Tensor& weights = context->input(0);
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, Device::allocate_large(context, 0, weights.shape(), &out));
    OP_REQUIRES_OK(context, this->run(context, weights, nullptr, out));
  }
};
KS_REGISTER_DEVICES("Quantize", Quantize, );

REGISTER_OP("KerasSlayer>QuantizeGrad")
    .Input("weights: T")
    .Input("grad: T")
    .Output("grad_weights: T")
    KS_GRID_ATTRS
    .SetShapeFn(tensorflow::shape_inference::UnchangedShape);

template <class Device>
class QuantizeGrad : public QuantizeOp<Device> {
 public:
  using QuantizeOp<Device>::QuantizeOp;
  void Compute(OpKernelContext* context) override {
    const Tensor &weights = context->input(0), &grad = context->input(1);
    OP_REQUIRES_OK(context, same_shape(weights, "weights", grad, "grad"));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_series<Device>(context, 0, 1, &out));
    OP_REQUIRES_OK(context, this->run(context, weights, &grad, out));
  }
};
KS_REGISTER_DEVICES("QuantizeGrad", QuantizeGrad, );

}  // namespace keras_slayer
