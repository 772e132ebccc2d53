// Ops of the axonal delay of x [batch, time, ...] and of the gradient of the delays.
#include <memory>
#include <vector>

#include "base/op.h"
#include "filters/delay.h"

namespace keras_slayer {
namespace {

// Reads each delay rounded down to whole steps. Delays must be finite, not negative, and have the
// shape of the last axes of x.
absl::Status read_shifts(const Tensor& delay, const Tensor& x, const Shape& shape,
                         std::vector<int64_t>* shifts) {
  const int64_t size = delay.NumElements();
  bool fits = delay.dims() <= x.dims() - 2;
  for (int axis = 1; fits && axis <= delay.dims(); ++axis) {
    fits = delay.dim_size(delay.dims() - axis) == x.dim_size(x.dims() - axis);
  }
  if (!fits) {
    return InvalidArgument("delay must have one element in all, per channel or per neuron. ",
                           "Received: delay of shape ", delay.shape().DebugString(),
                           " for x of shape ", x.shape().DebugString());
  }
  shifts->resize(size);
  for (int64_t i = 0; i < size; ++i) {
    const double value = delay.dtype() == tensorflow::DT_DOUBLE ? delay.flat<double>()(i)
                                                                : delay.flat<float>()(i);
    if (!(value >= 0) || !std::isfinite(value)) {
      return InvalidArgument("delay must be finite and not negative. Received: delay[", i,
                             "] = ", value);
    }
    // Longer delays have the same effect as one step more than the series has.
    (*shifts)[i] = int64_t(std::min<double>(std::floor(value), double(shape.steps + 1)));
  }
  return absl::OkStatus();
}

}  // namespace

REGISTER_OP("KerasSlayer>Delay")
    .Input("x: T")
    .Input("delay: D")
    .Output("y: T")
    .Attr("reverse: bool = false")
    .Attr("D: {float, double}")
    .Attr(KS_TYPES)
    .SetShapeFn(like_input<0>);

class Delay : public OpKernel {
 public:
  explicit Delay(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("reverse", &reverse_));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    Shape shape;
    std::vector<int64_t> shifts;
    OP_REQUIRES_OK(context, series_shape(x, "x", &shape));
    OP_REQUIRES_OK(context, read_shifts(context->input(1), x, shape, &shifts));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, allocate_large(context, 0, x.shape(), &y));
    const DelayArgs args = {shape,    data_of(x), shifts.data(), int64_t(shifts.size()),
                            reverse_, data_of(y)};
    run_scan(context, kernels::delay, dtype_of(x), args);
  }

 private:
  bool reverse_;
};
KS_REGISTER("Delay", Delay);

REGISTER_OP("KerasSlayer>DelayGrad")
    .Input("x: T")
    .Input("delay: D")
    .Input("grad: T")
    .Output("grad_delay: D")
    .Attr("D: {float, double}")
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      c->set_output(0, c->input(1));
      return absl::OkStatus();
    });

class DelayGrad : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const Tensor& delay = context->input(1);
    const Tensor& grad = context->input(2);
    Shape shape;
    std::vector<int64_t> shifts;
    OP_REQUIRES_OK(context, series_shape(x, "x", &shape));
    OP_REQUIRES_OK(context, same_shape(x, "x", grad, "grad"));
    OP_REQUIRES_OK(context, read_shifts(delay, x, shape, &shifts));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, delay.shape(), &out));
    const int64_t delays = int64_t(shifts.size());
    // A partial sum per sample, added in order: the result does not depend on threads.
    const auto partial = std::make_unique<double[]>(size_t(shape.batch * delays));
    const DelayGradArgs args = {shape,  data_of(x),     data_of(grad), shifts.data(),
                                delays, partial.get()};
    parallel_for(context, shape.batch, 2 * shape.steps * shape.inner,
                 [&](int64_t begin, int64_t end) {
                   kernels::delay_grad(dtype_of(x), args, begin, end);
                 });
    for (int64_t d = 0; d < delays; ++d) {
      double sum = 0;
      for (int64_t b = 0; b < shape.batch; ++b) sum += partial[b * delays + d];
      if (delay.dtype() == tensorflow::DT_DOUBLE) {
        out->flat<double>()(d) = sum;
      } else {
        out->flat<float>()(d) = float(sum);
      }
    }
  }
};
KS_REGISTER("DelayGrad", DelayGrad);

}  // namespace keras_slayer
