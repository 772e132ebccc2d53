// Ops of causal linear filters of x [batch, time, ...] along time.
#include "base/device.h"
#include "base/state_op.h"
#include "filters/filters.h"

namespace keras_slayer {

REGISTER_OP("KerasSlayer>TemporalFilter")
    .Input("x: T")
    .Input("kernel: T")
    .Output("y: T")
    .Attr("reverse: bool = false")
    .Attr(KS_TYPES)
    .SetShapeFn(like_input<0>);

template <class Device>
class TemporalFilter : public OpKernel {
 public:
  explicit TemporalFilter(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("reverse", &reverse_));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const Tensor& kernel = context->input(1);
    Shape shape;
    OP_REQUIRES_OK(context, series_shape(x, "x", &shape));
    OP_REQUIRES(context, kernel.dims() == 1 && kernel.dim_size(0) > 0,
                InvalidArgument("kernel must be a vector of at least one tap. Received: shape ",
                                kernel.shape().DebugString()));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, Device::allocate_large(context, 0, x.shape(), &y));
    const FirArgs args = {shape,    data_of(x), data_of(kernel), kernel.dim_size(0),
                          reverse_, data_of(y)};
    OP_REQUIRES_OK(context, Device::series(context, kernels::fir, {"filters", "fir"},
                                           dtype_of(x), args));
  }

 private:
  bool reverse_;
};
KS_REGISTER_DEVICES("TemporalFilter", TemporalFilter, );

REGISTER_OP("KerasSlayer>TemporalFilterKernelGrad")
    .Input("x: T")
    .Input("grad: T")
    .Input("kernel: T")
    .Output("grad_kernel: T")
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      c->set_output(0, c->input(2));
      return absl::OkStatus();
    });

template <class Device>
class TemporalFilterKernelGrad : public OpKernel {
 public:
  explicit TemporalFilterKernelGrad(OpKernelConstruction* context) : OpKernel(context) {}
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const Tensor& grad = context->input(1);
    Shape shape;
    OP_REQUIRES_OK(context, series_shape(x, "x", &shape));
    OP_REQUIRES_OK(context, same_shape(x, "x", grad, "grad"));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(2).shape(), &out));
    const FirTapsGradArgs args = {shape, data_of(x), data_of(grad), data_of(out)};
    OP_REQUIRES_OK(context, Device::items(context, kernels::fir_taps_grad,
                                          {"filters", "fir_taps_grad"}, dtype_of(x),
                                          out->NumElements(),
                                          shape.batch * shape.steps * shape.inner, args));
  }
};
KS_REGISTER_DEVICES("TemporalFilterKernelGrad", TemporalFilterKernelGrad, );

REGISTER_OP("KerasSlayer>RecursiveFilter")
    .Input("x: T")
    .Input("decay: double")
    .Input("gain: double")
    .Output("y: T")
    KS_STATE
    .Attr("filter: {'alpha', 'exponential', 'oscillator'}")
    .Attr("reverse: bool = false")
    .Attr(KS_TYPES)
    .SetShapeFn(like_input_and_state);

template <class Device>
class RecursiveFilter : public OpKernel {
 public:
  explicit RecursiveFilter(OpKernelConstruction* context) : OpKernel(context) {
    std::string filter;
    OP_REQUIRES_OK(context, context->GetAttr("filter", &filter));
    OP_REQUIRES_OK(context, context->GetAttr("reverse", &reverse_));
    kernel_ = filter == "alpha"         ? kernels::alpha_filter
              : filter == "exponential" ? kernels::exponential_filter
                                        : kernels::oscillator_filter;
    on_gpu_ = {"filters", filter + "_filter"};
    states_ = filter == "exponential" ? 1 : 2;
    oscillates_ = filter == "oscillator";
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    RecursiveFilterArgs args = {};
    OP_REQUIRES_OK(context, series_shape(x, "x", &args.shape));
    OP_REQUIRES_OK(context, read_number(context->input(1), "decay", &args.decay));
    OP_REQUIRES_OK(context, read_number(context->input(2), "gain", &args.gain));
    if (oscillates_) {
      OP_REQUIRES(context, std::hypot(args.decay, args.gain) <= 1 + kRounding,
                  InvalidArgument("the pole decay + i gain must lie in the unit circle. Received: "
                                  "decay=", args.decay, ", gain=", args.gain));
    } else {
      OP_REQUIRES(context, args.decay >= 0 && args.decay <= 1,
                  InvalidArgument("decay must lie in [0, 1]. Received: decay=", args.decay));
    }
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, Device::allocate_large(context, 0, x.shape(), &y));
    OP_REQUIRES_OK(context, prepare_state(context, states_, x.shape(), &args.state));
    args.x = data_of(x);
    args.reverse = reverse_;
    args.y = data_of(y);
    OP_REQUIRES_OK(context, Device::scan(context, kernel_, on_gpu_, dtype_of(x), args));
  }

 private:
  static constexpr double kRounding = 1e-15;
  CpuKernel<RecursiveFilterArgs> kernel_;
  gpu::Kernel on_gpu_;
  int64_t states_;
  bool oscillates_, reverse_;
};
KS_REGISTER_DEVICES("RecursiveFilter", RecursiveFilter,
                    .HostMemory("decay").HostMemory("gain"));

}  // namespace keras_slayer
