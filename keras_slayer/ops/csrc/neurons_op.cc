// Ops of the neurons: synaptic input [batch, time, ...] in, spikes and membrane
// potential (before reset) out; and the gradient of the input.
//
// Parameters are float64 vectors rather than attributes, so that they can
// become variables. The surrogate's are width and height (dynamics.h).
#include "op_support.h"

namespace keras_slayer {
namespace {

absl::Status check_decay(double decay, const char* name) {
  if (decay >= 0 && decay <= 1) return absl::OkStatus();
  return InvalidArgument(name, " must lie in [0, 1]. Received: ", name, "=", decay);
}

absl::Status check_surrogate(double width) {
  if (width > 0) return absl::OkStatus();
  return InvalidArgument("surrogate_width must be positive. Received: surrogate_width=", width);
}

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

// The gradient ops know which gradient they compute.
class GradOp : public OpKernel {
 public:
  explicit GradOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("exodus", &exodus_));
  }

 protected:
  bool exodus_;
};

}  // namespace

#define KS_NEURON_OP(name)            \
  REGISTER_OP("KerasSlayer>" name)    \
      .Input("synaptic_input: T")     \
      .Input("params: double")        \
      .Output("spikes: T")            \
      .Output("membrane: T")          \
      .Attr("exodus: bool = false")   \
      .Attr(KS_TYPES)                 \
      .SetShapeFn(like_input<0>)

#define KS_NEURON_GRAD_OP(name)       \
  REGISTER_OP("KerasSlayer>" name)    \
      .Input("grad_spikes: T")        \
      .Input("membrane: T")           \
      .Input("params: double")        \
      .Output("grad_input: T")        \
      .Attr("exodus: bool = false")   \
      .Attr(KS_TYPES)                 \
      .SetShapeFn(like_input<0>)

// params: threshold, surrogate width, surrogate height, response decay and
// gain, refractory decay and gain
KS_NEURON_OP("Srm");
KS_NEURON_GRAD_OP("SrmGrad");

absl::Status read_srm(const Tensor& tensor, const double** p) {
  TF_RETURN_IF_ERROR(read_params(tensor, 7, p));
  TF_RETURN_IF_ERROR(check_surrogate((*p)[1]));
  TF_RETURN_IF_ERROR(check_decay((*p)[3], "response_decay"));
  return check_decay((*p)[5], "refractory_decay");
}

class Srm : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    Shape shape;
    const double* p;
    Tensor *spikes, *membrane;
    OP_REQUIRES_OK(context, read_srm(context->input(1), &p));
    OP_REQUIRES_OK(context, forward_tensors(context, &shape, &spikes, &membrane));
    const SrmArgs args = {shape, data_of(context->input(0)), p[0], p[3], p[4], p[5], p[6],
                          data_of(spikes), data_of(membrane)};
    run_scan(context, kernels().srm, dtype_of(*spikes), args);
  }
};
KS_REGISTER("Srm", Srm);

class SrmGrad : public GradOp {
 public:
  using GradOp::GradOp;
  void Compute(OpKernelContext* context) override {
    Shape shape;
    const double* p;
    Tensor* grad_in;
    OP_REQUIRES_OK(context, read_srm(context->input(2), &p));
    OP_REQUIRES_OK(context, backward_tensors(context, &shape, &grad_in));
    const SrmGradArgs args = {shape,
                              data_of(context->input(0)),
                              data_of(context->input(1)),
                              {p[0], p[1], p[2]},
                              p[3],
                              p[4],
                              p[5],
                              p[6],
                              exodus_,
                              data_of(grad_in)};
    run_scan(context, kernels().srm_grad, dtype_of(*grad_in), args);
  }
};
KS_REGISTER("SrmGrad", SrmGrad);

// params: threshold, surrogate width, surrogate height. The input is the
// synapse's response; the refractory kernel comes as taps.
REGISTER_OP("KerasSlayer>SrmFir")
    .Input("response: T")
    .Input("params: double")
    .Input("refractory: double")
    .Output("spikes: T")
    .Output("membrane: T")
    .Attr("exodus: bool = false")
    .Attr(KS_TYPES)
    .SetShapeFn(like_input<0>);

REGISTER_OP("KerasSlayer>SrmFirGrad")
    .Input("grad_spikes: T")
    .Input("membrane: T")
    .Input("params: double")
    .Input("refractory: double")
    .Output("grad_response: T")
    .Attr("exodus: bool = false")
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

class SrmFirGrad : public GradOp {
 public:
  using GradOp::GradOp;
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
                                 {p[0], p[1], p[2]},
                                 taps,
                                 context->input(3).dim_size(0),
                                 exodus_,
                                 data_of(grad_in)};
    run_scan(context, kernels().srm_fir_grad, dtype_of(*grad_in), args);
  }
};
KS_REGISTER("SrmFirGrad", SrmFirGrad);

// params: threshold, surrogate width, surrogate height, current decay, voltage
// decay (fractions lost per step)
KS_NEURON_OP("Cuba");
KS_NEURON_GRAD_OP("CubaGrad");
// params: threshold mantissa, surrogate width, surrogate height (both for
// float thresholds, mantissa / 64), current decay, voltage decay (in 1/4096)
KS_NEURON_OP("LoihiCuba");
KS_NEURON_GRAD_OP("LoihiCubaGrad");

template <bool loihi>
absl::Status read_cuba(const Tensor& tensor, const double** p) {
  TF_RETURN_IF_ERROR(read_params(tensor, 5, p));
  TF_RETURN_IF_ERROR(check_surrogate((*p)[1]));
  if (!loihi) {
    TF_RETURN_IF_ERROR(check_decay((*p)[3], "current_decay"));
    return check_decay((*p)[4], "voltage_decay");
  }
  const double limits[] = {131071, 0, 0, 4096, 4096};
  const char* names[] = {"threshold_mantissa", "", "", "current_decay", "voltage_decay"};
  for (int i : {0, 3, 4}) {
    const double value = (*p)[i];
    if (value < 0 || value > limits[i] || value != std::floor(value)) {
      return InvalidArgument(names[i], " must be an integer in [0, ", limits[i],
                             "]. Received: ", names[i], "=", value);
    }
  }
  return absl::OkStatus();
}

template <bool loihi>
class CubaOp : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    Shape shape;
    const double* p;
    Tensor *spikes, *membrane;
    OP_REQUIRES_OK(context, read_cuba<loihi>(context->input(1), &p));
    OP_REQUIRES_OK(context, forward_tensors(context, &shape, &spikes, &membrane));
    const double whole = loihi ? 4096 : 1;
    bool not_finite = false;
    const CubaArgs args = {shape,
                           data_of(context->input(0)),
                           whole - p[3],
                           whole - p[4],
                           p[0],
                           data_of(spikes),
                           data_of(membrane),
                           &not_finite};
    run_scan(context, loihi ? kernels().loihi_cuba : kernels().cuba, dtype_of(*spikes), args);
    OP_REQUIRES(context, !not_finite,
                InvalidArgument("the synaptic input of a Loihi neuron must be finite: the chip's "
                                "integers have no infinity and no NaN. Received: a value that is "
                                "not finite (did the training diverge?)"));
  }
};
KS_REGISTER("Cuba", CubaOp<false>);
KS_REGISTER("LoihiCuba", CubaOp<true>);

template <bool loihi>
class CubaGradOp : public GradOp {
 public:
  using GradOp::GradOp;
  void Compute(OpKernelContext* context) override {
    Shape shape;
    const double* p;
    Tensor* grad_in;
    OP_REQUIRES_OK(context, read_cuba<loihi>(context->input(2), &p));
    OP_REQUIRES_OK(context, backward_tensors(context, &shape, &grad_in));
    const double whole = loihi ? 4096 : 1;
    const CubaGradArgs args = {shape,
                               data_of(context->input(0)),
                               data_of(context->input(1)),
                               {loihi ? p[0] / 64 : p[0], p[1], p[2]},
                               1 - p[3] / whole,
                               1 - p[4] / whole,
                               loihi,
                               exodus_,
                               data_of(grad_in)};
    run_scan(context, kernels().cuba_grad, dtype_of(*grad_in), args);
  }
};
KS_REGISTER("CubaGrad", CubaGradOp<false>);
KS_REGISTER("LoihiCubaGrad", CubaGradOp<true>);

}  // namespace keras_slayer
