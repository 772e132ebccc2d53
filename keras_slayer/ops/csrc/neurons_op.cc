// Ops of the neurons: synaptic input [batch, time, ...] in, spikes and membrane
// potential (before reset) out; and the gradient of the input.
#include "neuron_op.h"

namespace keras_slayer {
namespace {

absl::Status read_taps(const Tensor& tensor, const double** taps) {
  if (tensor.dims() != 1 || tensor.dim_size(0) < 1) {
    return InvalidArgument("refractory must be a vector of at least one tap. Received: shape ",
                           tensor.shape().DebugString());
  }
  TF_RETURN_IF_ERROR(read_params(tensor, tensor.dim_size(0), taps));
  if ((*taps)[0] != 0) {
    return InvalidArgument(
        "refractory[0] must be 0: a spike cannot act on its own step. Received: refractory[0]=",
        (*taps)[0]);
  }
  return absl::OkStatus();
}

// Input 0 as a series and the two outputs of a forward op.
absl::Status forward_tensors(OpKernelContext* context, Shape* shape, Tensor** spikes,
                             Tensor** membrane) {
  const Tensor& in = context->input(0);
  TF_RETURN_IF_ERROR(series_shape(in, "synaptic input", shape));
  TF_RETURN_IF_ERROR(allocate_series(context, 0, 0, spikes));
  return allocate_large(context, 1, in.shape(), membrane);
}

// Inputs 0 and 1 (grad_spikes, membrane) and the output of a gradient op.
absl::Status backward_tensors(OpKernelContext* context, Shape* shape, Tensor** grad_in) {
  const Tensor& grad = context->input(0);
  TF_RETURN_IF_ERROR(series_shape(grad, "grad_spikes", shape));
  TF_RETURN_IF_ERROR(same_shape(grad, "grad_spikes", context->input(1), "membrane"));
  return allocate_series(context, 0, 0, grad_in);
}

}  // namespace

// The forward ops know the gradient's attributes for the sake of their gradient ops.
#define KS_NEURON_OP(name)            \
  REGISTER_OP("KerasSlayer>" name)    \
      .Input("synaptic_input: T")     \
      .Input("params: double")        \
      .Output("spikes: T")            \
      .Output("membrane: T")          \
      KS_GRADIENT_ATTRS               \
      .Attr(KS_TYPES)                 \
      .SetShapeFn(like_input<0>)

#define KS_NEURON_GRAD_OP(name)       \
  REGISTER_OP("KerasSlayer>" name)    \
      .Input("grad_spikes: T")        \
      .Input("membrane: T")           \
      .Input("params: double")        \
      .Output("grad_input: T")        \
      KS_GRADIENT_ATTRS               \
      .Attr(KS_TYPES)                 \
      .SetShapeFn(like_input<0>)

KS_NEURON_OP("Srm");
KS_NEURON_GRAD_OP("SrmGrad");
KS_NEURON_OP("Cuba");
KS_NEURON_GRAD_OP("CubaGrad");
KS_NEURON_OP("LoihiCuba");
KS_NEURON_GRAD_OP("LoihiCubaGrad");

template <NeuronKind kind>
class NeuronOp : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    Shape shape;
    NeuronParams neuron = {};
    Tensor *spikes, *membrane;
    OP_REQUIRES_OK(context, read_neuron(context->input(1), kind, &neuron));
    OP_REQUIRES_OK(context, forward_tensors(context, &shape, &spikes, &membrane));
    bool not_finite = false;
    const NeuronArgs args = {shape,  is_large(*spikes), data_of(context->input(0)),
                             neuron, data_of(spikes),   data_of(membrane),
                             &not_finite};
    run_scan(context, kernels().neuron, dtype_of(*spikes), args);
    OP_REQUIRES_OK(context, check_finite(not_finite));
  }
};
KS_REGISTER("Srm", NeuronOp<NeuronKind::kSrm>);
KS_REGISTER("Cuba", NeuronOp<NeuronKind::kCuba>);
KS_REGISTER("LoihiCuba", NeuronOp<NeuronKind::kLoihi>);

template <NeuronKind kind>
class NeuronGradOp : public OpKernel {
 public:
  explicit NeuronGradOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, read_gradient(context, &gradient_));
  }
  void Compute(OpKernelContext* context) override {
    Shape shape;
    NeuronParams neuron = gradient_;
    Tensor* grad_in;
    OP_REQUIRES_OK(context, read_neuron(context->input(2), kind, &neuron));
    OP_REQUIRES_OK(context, backward_tensors(context, &shape, &grad_in));
    const NeuronGradArgs args = {shape,
                                 is_large(*grad_in),
                                 data_of(context->input(0)),
                                 data_of(context->input(1)),
                                 neuron,
                                 data_of(grad_in)};
    run_scan(context, kernels().neuron_grad, dtype_of(*grad_in), args);
  }

 private:
  NeuronParams gradient_ = {};
};
KS_REGISTER("SrmGrad", NeuronGradOp<NeuronKind::kSrm>);
KS_REGISTER("CubaGrad", NeuronGradOp<NeuronKind::kCuba>);
KS_REGISTER("LoihiCubaGrad", NeuronGradOp<NeuronKind::kLoihi>);

// params: threshold, surrogate width, surrogate height. The input is the
// synapse's response; the refractory kernel comes as taps.
REGISTER_OP("KerasSlayer>SrmFir")
    .Input("response: T")
    .Input("params: double")
    .Input("refractory: double")
    .Output("spikes: T")
    .Output("membrane: T")
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn(like_input<0>);

REGISTER_OP("KerasSlayer>SrmFirGrad")
    .Input("grad_spikes: T")
    .Input("membrane: T")
    .Input("params: double")
    .Input("refractory: double")
    .Output("grad_response: T")
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn(like_input<0>);

class SrmFir : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    Shape shape;
    const double *p, *taps;
    Tensor *spikes, *membrane;
    OP_REQUIRES_OK(context, read_params(context->input(1), 3, &p));
    OP_REQUIRES_OK(context, read_taps(context->input(2), &taps));
    OP_REQUIRES_OK(context, forward_tensors(context, &shape, &spikes, &membrane));
    const SrmFirArgs args = {shape,
                             data_of(context->input(0)),
                             p[0],
                             taps,
                             context->input(2).dim_size(0),
                             data_of(spikes),
                             data_of(membrane)};
    run_scan(context, kernels().srm_fir, dtype_of(*spikes), args);
  }
};
KS_REGISTER("SrmFir", SrmFir);

class SrmFirGrad : public OpKernel {
 public:
  explicit SrmFirGrad(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, read_gradient(context, &neuron_));
  }
  void Compute(OpKernelContext* context) override {
    Shape shape;
    const double *p, *taps;
    Tensor* grad_in;
    OP_REQUIRES_OK(context, read_params(context->input(2), 3, &p));
    OP_REQUIRES_OK(context, check_surrogate(p[1]));
    OP_REQUIRES_OK(context, read_taps(context->input(3), &taps));
    OP_REQUIRES_OK(context, backward_tensors(context, &shape, &grad_in));
    const SrmFirGradArgs args = {shape,
                                 data_of(context->input(0)),
                                 data_of(context->input(1)),
                                 {p[0], p[1], p[2], neuron_.surrogate.triangle},
                                 taps,
                                 context->input(3).dim_size(0),
                                 neuron_.exodus,
                                 data_of(grad_in)};
    run_scan(context, kernels().srm_fir_grad, dtype_of(*grad_in), args);
  }

 private:
  NeuronParams neuron_ = {};
};
KS_REGISTER("SrmFirGrad", SrmFirGrad);

}  // namespace keras_slayer
