// Ops of the axonal delay of x [batch, time, ...] and of the gradient of the delays.
#include <vector>

#include "base/device.h"
#include "filters/delay.h"

namespace keras_slayer {
namespace {

// Delays must have the shape of the last axes of x.
absl::Status check_delays(const Tensor& delay, const Tensor& x) {
  bool fits = delay.dims() <= x.dims() - 2;
  for (int axis = 1; fits && axis <= delay.dims(); ++axis) {
    fits = delay.dim_size(delay.dims() - axis) == x.dim_size(x.dims() - axis);
  }
  if (fits) return absl::OkStatus();
  return InvalidArgument("delay must have one element in all, per channel or per neuron. ",
                         "Received: delay of shape ", delay.shape().DebugString(),
                         " for x of shape ", x.shape().DebugString());
}

constexpr int64_t kGpuSpan = 8;  // steps that a thread of delay_grad sums

// Longer delays have the same effect as one step more than the series has.
int64_t longest_delay(const Shape& shape) { return shape.steps + 1; }

// Each delay rounded down to whole steps. They must be finite and not negative.
template <class Device>
class Shifts;

template <>
class Shifts<OnCpu> {
 public:
  absl::Status read(OpKernelContext*, const Tensor& delay, const Shape& shape) {
    shifts_.resize(delay.NumElements());
    for (int64_t i = 0; i < int64_t(shifts_.size()); ++i) {
      const double value = delay.dtype() == tensorflow::DT_DOUBLE ? delay.flat<double>()(i)
                                                                  : delay.flat<float>()(i);
      if (!(value >= 0) || !std::isfinite(value)) {
        return InvalidArgument("delay must be finite and not negative. Received: delay[", i,
                               "] = ", value);
      }
      shifts_[i] = int64_t(std::min<double>(std::floor(value), double(longest_delay(shape))));
    }
    return absl::OkStatus();
  }
  const int64_t* data() const { return shifts_.data(); }

 private:
  std::vector<int64_t> shifts_;
};

template <>
class Shifts<OnGpu> {
 public:
  absl::Status read(OpKernelContext* context, const Tensor& delay, const Shape& shape) {
    OnGpu::Check check;
    TF_RETURN_IF_ERROR(check.init(gpu::Fault::kDelay));
    const int64_t size = delay.NumElements();
    TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_INT64, {size}, &shifts_));
    const DelayShiftsArgs args = {data_of(delay), size, longest_delay(shape),
                                  shifts_.flat<int64_t>().data(), check.flag()};
    TF_RETURN_IF_ERROR(
        OnGpu::threads(context, {"delay", "delay_shifts"}, dtype_of(delay), size, args));
    if (!check.failed()) return absl::OkStatus();
    return InvalidArgument("delay must be finite and not negative. Received: a delay that is not",
                           OnGpu::Check::when());
  }
  const int64_t* data() const { return shifts_.flat<int64_t>().data(); }

 private:
  Tensor shifts_;
};

// The sums over samples and spans of delay_grad, in a fixed order: out[d] = sum partial[..., d].
template <class Device>
absl::Status sum_of_parts(OpKernelContext* context, const DelayGradArgs& args, int64_t rows,
                          Tensor* out) {
  if constexpr (Device::kGpu) {
    const DelaySumsArgs sums = {args.partial, rows, args.delays, data_of(out)};
    return OnGpu::threads(context, {"delay", "delay_sums"}, dtype_of(*out), args.delays, sums);
  } else {
    for (int64_t d = 0; d < args.delays; ++d) {
      double sum = 0;
      for (int64_t i = 0; i < rows; ++i) sum += args.partial[i * args.delays + d];
      if (out->dtype() == tensorflow::DT_DOUBLE) {
        out->flat<double>()(d) = sum;
      } else {
        out->flat<float>()(d) = float(sum);
      }
    }
    return absl::OkStatus();
  }
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

template <class Device>
class Delay : public OpKernel {
 public:
  explicit Delay(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("reverse", &reverse_));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    Shape shape;
    Shifts<Device> shifts;
    const Tensor& delay = context->input(1);
    OP_REQUIRES_OK(context, series_shape(x, "x", &shape));
    OP_REQUIRES_OK(context, check_delays(delay, x));
    OP_REQUIRES_OK(context, shifts.read(context, delay, shape));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, Device::allocate_large(context, 0, x.shape(), &y));
    const DelayArgs args = {shape,    data_of(x), shifts.data(), delay.NumElements(),
                            reverse_, data_of(y)};
    OP_REQUIRES_OK(context, Device::series(context, kernels::delay, {"delay", "delay"},
                                           dtype_of(x), args));
  }

 private:
  bool reverse_;
};
KS_REGISTER_DEVICES("Delay", Delay, );

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

template <class Device>
class DelayGrad : public OpKernel {
 public:
  explicit DelayGrad(OpKernelConstruction* context) : OpKernel(context) {}
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const Tensor& delay = context->input(1);
    const Tensor& grad = context->input(2);
    Shape shape;
    Shifts<Device> shifts;
    OP_REQUIRES_OK(context, series_shape(x, "x", &shape));
    OP_REQUIRES_OK(context, same_shape(x, "x", grad, "grad"));
    OP_REQUIRES_OK(context, check_delays(delay, x));
    OP_REQUIRES_OK(context, shifts.read(context, delay, shape));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, delay.shape(), &out));
    // A partial sum per sample and span of steps, added in order: the result depends on sizes
    // alone.
    const int64_t delays = delay.NumElements(), span = Device::kGpu ? kGpuSpan : shape.steps;
    const int64_t rows = shape.batch * (Device::kGpu ? block_count(shape.steps, span) : 1);
    Tensor partial;
    OP_REQUIRES_OK(context,
                   context->allocate_temp(tensorflow::DT_DOUBLE, {rows, delays}, &partial));
    const DelayGradArgs args = {shape,  data_of(x), data_of(grad), shifts.data(),
                                delays, span,       partial.flat<double>().data()};
    if constexpr (Device::kGpu) {
      OP_REQUIRES_OK(context, Device::threads(context, {"delay", "delay_grad"}, dtype_of(x),
                                              rows * delays, args));
    } else {
      parallel_for(context, shape.batch, 2 * shape.steps * shape.inner,
                   [&](int64_t begin, int64_t end) {
                     kernels::delay_grad(dtype_of(x), args, begin, end);
                   });
    }
    OP_REQUIRES_OK(context, sum_of_parts<Device>(context, args, rows, out));
  }
};
KS_REGISTER_DEVICES("DelayGrad", DelayGrad, );

}  // namespace keras_slayer
