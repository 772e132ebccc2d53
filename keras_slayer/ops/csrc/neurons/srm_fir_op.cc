// Ops of the SRM neuron whose refractory kernel is a list of taps. The input [batch, time, ...] is
// the response: the synaptic input filtered by eps.
#include "neurons/neuron_op.h"
#include "neurons/srm_fir.h"

namespace keras_slayer {
namespace {

// Reads threshold, surrogate_width and surrogate_height, in this order.
absl::Status read_surrogate(const Tensor& params, bool triangle, SurrogateParams* surrogate) {
  const double* values;
  const std::vector<std::string> names = {"threshold", "surrogate_width", "surrogate_height"};
  TF_RETURN_IF_ERROR(read_params(params, int64_t(names.size()), &values));
  Given given(names, values, 1);
  *surrogate = read_surrogate(given, given.number("threshold"), triangle);
  return given.status();
}

// Taps in the memory of a GPU cannot be looked at.
template <class Device>
absl::Status read_taps(const Tensor& tensor, const double** taps) {
  if (tensor.dims() != 1 || tensor.dim_size(0) < 1) {
    return InvalidArgument("refractory must be a vector of at least one tap. Received: shape ",
                           tensor.shape().DebugString());
  }
  *taps = tensor.flat<double>().data();
  if constexpr (Device::kGpu) return absl::OkStatus();
  TF_RETURN_IF_ERROR(read_params(tensor, tensor.dim_size(0), taps));
  if ((*taps)[0] != 0) {
    return InvalidArgument(
        "refractory[0] must be 0: a spike cannot act on its own step. Received: refractory[0]=",
        (*taps)[0]);
  }
  return absl::OkStatus();
}

}  // namespace

REGISTER_OP("KerasSlayer>SrmFir")
    .Input("response: T")
    .Input("params: double")
    .Input("refractory: double")
    .Output("spikes: T")
    .Output("membrane: T")
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn(like_input<0>);

template <class Device>
class SrmFir : public OpKernel {
 public:
  explicit SrmFir(OpKernelConstruction* context) : OpKernel(context) {}
  void Compute(OpKernelContext* context) override {
    const Tensor& in = context->input(0);
    SrmFirArgs args = {};
    SurrogateParams surrogate;
    Tensor *spikes, *membrane;
    OP_REQUIRES_OK(context, read_surrogate(context->input(1), false, &surrogate));
    OP_REQUIRES_OK(context, read_taps<Device>(context->input(2), &args.refractory));
    OP_REQUIRES_OK(context, series_shape(in, "synaptic input", &args.shape));
    OP_REQUIRES_OK(context, allocate_series<Device>(context, 0, 0, &spikes));
    OP_REQUIRES_OK(context, Device::allocate_large(context, 1, in.shape(), &membrane));
    args.in = data_of(in);
    args.threshold = surrogate.threshold;
    args.refractory_size = context->input(2).dim_size(0);
    args.spikes = data_of(spikes);
    args.membrane = data_of(membrane);
    OP_REQUIRES_OK(context, Device::scan(context, kernels::srm_fir, {"srm_fir", "srm_fir"},
                                         dtype_of(*spikes), args));
  }
};
KS_REGISTER_DEVICES("SrmFir", SrmFir, .HostMemory("params"));

REGISTER_OP("KerasSlayer>SrmFirGrad")
    .Input("grad_spikes: T")
    .Input("membrane: T")
    .Input("params: double")
    .Input("refractory: double")
    .Output("grad_response: T")
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn(like_input<0>);

template <class Device>
class SrmFirGrad : public OpKernel {
 public:
  explicit SrmFirGrad(OpKernelConstruction* context) : OpKernel(context) {
    std::string surrogate;
    OP_REQUIRES_OK(context, context->GetAttr("surrogate", &surrogate));
    OP_REQUIRES_OK(context, context->GetAttr("exodus", &exodus_));
    triangle_ = surrogate == "triangle";
  }
  void Compute(OpKernelContext* context) override {
    const Tensor &grad = context->input(0), &membrane = context->input(1);
    SrmFirGradArgs args = {};
    Tensor* grad_in;
    OP_REQUIRES_OK(context, read_surrogate(context->input(2), triangle_, &args.surrogate));
    OP_REQUIRES_OK(context, read_taps<Device>(context->input(3), &args.refractory));
    OP_REQUIRES_OK(context, series_shape(grad, "grad_spikes", &args.shape));
    OP_REQUIRES_OK(context, same_shape(grad, "grad_spikes", membrane, "membrane"));
    OP_REQUIRES_OK(context, allocate_series<Device>(context, 0, 0, &grad_in));
    args.grad_spikes = data_of(grad);
    args.membrane = data_of(membrane);
    args.refractory_size = context->input(3).dim_size(0);
    args.exodus = exodus_;
    args.grad_in = data_of(grad_in);
    const Dtype dtype = dtype_of(*grad_in);
    Tensor lambda;
    args.lambda = args.grad_in;
    if (Device::kGpu && tensorflow::DataTypeSize(grad.dtype()) == 2) {
      OP_REQUIRES_OK(context,
                     context->allocate_temp(tensorflow::DT_FLOAT, grad.shape(), &lambda));
      args.lambda = data_of(&lambda);
    }
    OP_REQUIRES_OK(context, Device::scan(context, kernels::srm_fir_grad,
                                         {"srm_fir", "srm_fir_grad"}, dtype, args));
  }

 private:
  bool triangle_, exodus_;
};
KS_REGISTER_DEVICES("SrmFirGrad", SrmFirGrad, .HostMemory("params"));

}  // namespace keras_slayer
