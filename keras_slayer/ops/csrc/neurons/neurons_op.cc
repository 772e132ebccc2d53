// Ops of neurons without synapses. Neuron: from synaptic input [batch, time, ...] to spikes and
// membrane potential before reset, all of one shape. NeuronBytes: the same with spikes as bytes,
// which have no gradient (ops/handoff.py). NeuronGrad: from the gradient of the spikes
// to the gradient of the input. NeuronParamsGrad: to that and the gradients of the parameters. Both
// run over a part of a series from the state `later` in which they left the next part.
#include "base/device.h"
#include "neurons/neuron_op.h"
#include "neurons/neurons.h"

namespace keras_slayer {

// The forward op does not use the attributes of the gradient. The gradient in Python reads them.
REGISTER_OP("KerasSlayer>Neuron")
    .Input("synaptic_input: T")
    .Input("params: double")
    .Output("spikes: T")
    .Output("membrane: T")
    KS_STATE
    KS_NEURON_ATTRS
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn(like_input_and_state);

REGISTER_OP("KerasSlayer>NeuronBytes")
    .Input("synaptic_input: T")
    .Input("params: double")
    .Output("spikes: uint8")
    .Output("membrane: T")
    KS_STATE
    KS_NEURON_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn(like_input_and_state);

template <class Device, bool bytes>
class AnyNeuronOp : public OpKernel {
 public:
  explicit AnyNeuronOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, options_.init(context, false));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& in = context->input(0);
    NeuronArgs args = {};
    ChannelRows rows;
    Tensor *spikes, *membrane;
    typename Device::Check check;
    OP_REQUIRES_OK(context, check.init(gpu::Fault::kNotFinite));
    OP_REQUIRES_OK(context, options_.template read<Device>(context, 1, &args.neuron, &rows));
    OP_REQUIRES_OK(context, series_shape(in, "synaptic input", &args.shape));
    if constexpr (bytes) {
      OP_REQUIRES_OK(context, Device::allocate_large(context, 0, in.shape(), &spikes));
    } else {
      OP_REQUIRES_OK(context, allocate_series<Device>(context, 0, 0, &spikes));
    }
    OP_REQUIRES_OK(context, Device::allocate_large(context, 1, in.shape(), &membrane));
    OP_REQUIRES_OK(context, prepare_state(context, states_of(args.neuron.kind), in.shape(),
                                          &args.state));
    args.stream = is_large(*membrane);
    args.in = data_of(in);
    args.spikes = data_of(spikes);
    args.bytes = bytes;
    args.membrane = data_of(membrane);
    args.not_finite = check.flag();
    OP_REQUIRES_OK(context, Device::scan(context, kernels::neuron, options_.kernel("neuron"),
                                         dtype_of(*membrane), args));
    OP_REQUIRES_OK(context, check_finite(check));
  }

 private:
  NeuronOptions options_;
};
template <class Device>
using NeuronOp = AnyNeuronOp<Device, false>;
template <class Device>
using NeuronBytesOp = AnyNeuronOp<Device, true>;
KS_REGISTER_DEVICES("Neuron", NeuronOp, .HostMemory("params"));
KS_REGISTER_DEVICES("NeuronBytes", NeuronBytesOp, .HostMemory("params"));

REGISTER_OP("KerasSlayer>NeuronGrad")
    .Input("grad_spikes: T")
    .Input("membrane: T")
    .Input("params: double")
    .Output("grad_input: T")
    KS_BACKWARD_STATE
    KS_NEURON_ATTRS
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn(like_input_and_earlier);

template <class Device>
class NeuronGradOp : public OpKernel {
 public:
  explicit NeuronGradOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, options_.init(context, true));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor &grad = context->input(0), &membrane = context->input(1);
    NeuronGradArgs args = {};
    ChannelRows rows;
    Tensor* grad_in;
    OP_REQUIRES_OK(context, options_.template read<Device>(context, 2, &args.neuron, &rows));
    OP_REQUIRES_OK(context, series_shape(grad, "grad_spikes", &args.shape));
    OP_REQUIRES_OK(context, same_shape(grad, "grad_spikes", membrane, "membrane"));
    OP_REQUIRES_OK(context, allocate_series<Device>(context, 0, 0, &grad_in));
    OP_REQUIRES_OK(context, prepare_backward_state(context, backward_states_of(args.neuron.kind),
                                                   grad.shape(), &args.state));
    args.stream = is_large(*grad_in);
    args.grad_spikes = data_of(grad);
    args.membrane = data_of(membrane);
    args.grad_in = data_of(grad_in);
    OP_REQUIRES_OK(context, Device::scan(context, kernels::neuron_grad,
                                         options_.kernel("neuron_grad"), dtype_of(*grad_in), args));
  }

 private:
  NeuronOptions options_;
};
KS_REGISTER_DEVICES("NeuronGrad", NeuronGradOp, .HostMemory("params"));

// The gradients of the parameters are those of each neuron of each sample, [batch, params, ...], by
// the names of `params`; zero for those of the surrogate. `state` is the one that the series started
// from. The gradient of the input is computed only if it is used.
REGISTER_OP("KerasSlayer>NeuronParamsGrad")
    .Input("grad_spikes: T")
    .Input("membrane: T")
    .Input("params: double")
    .Input("state: E * double")
    .Output("grad_input: T")
    .Output("grad_params: double")
    KS_BACKWARD_STATE
    .Attr("E: int >= 0 = 0")
    KS_NEURON_ATTRS
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle series, params, out;
      TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), 2, &series));
      TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(2), 1, &params));
      TF_RETURN_IF_ERROR(c->ReplaceDim(series, 1, c->Dim(params, 0), &out));
      c->set_output(0, series);
      c->set_output(1, out);
      return unknown_numbers(c, 2);
    });

template <class Device>
class NeuronParamsGradOp : public OpKernel {
 public:
  explicit NeuronParamsGradOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, options_.init(context, true));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor &grad = context->input(0), &membrane = context->input(1);
    NeuronParamsGradArgs args = {};
    ChannelRows rows;
    std::vector<int64_t> order;
    Tensor* sums;
    OP_REQUIRES_OK(context, options_.template read<Device>(context, 2, &args.neuron, &rows, &order));
    OP_REQUIRES_OK(context, series_shape(grad, "grad_spikes", &args.shape));
    OP_REQUIRES_OK(context, same_shape(grad, "grad_spikes", membrane, "membrane"));
    args.states = states_of(args.neuron.kind);
    OP_REQUIRES_OK(context, read_state(context, args.states, grad.shape(), &args.start));
    OP_REQUIRES_OK(context, prepare_backward_state(context, learning_states_of(args.neuron.kind),
                                                   grad.shape(), &args.state));
    TensorShape shape = grad.shape();
    args.params = context->input(2).dim_size(0);
    shape.set_dim(1, args.params);
    OP_REQUIRES_OK(context, context->allocate_output(1, shape, &sums));
    if (context->output_required(0)) {
      Tensor* grad_in;
      OP_REQUIRES_OK(context, Device::allocate_large(context, 0, grad.shape(), &grad_in));
      args.grad_in = data_of(grad_in);
      args.stream = is_large(*grad_in);
    }
    for (size_t i = 0; i < order.size(); ++i) {
      if (order[i] >= 0) args.place[order[i]] = int(i);
    }
    args.grad_spikes = data_of(grad);
    args.membrane = data_of(membrane);
    args.sums = sums->flat<double>().data();
    OP_REQUIRES_OK(context, Device::scan(context, kernels::neuron_params_grad,
                                         options_.kernel("neuron_params_grad"), dtype_of(grad),
                                         args));
  }

 private:
  NeuronOptions options_;
};
KS_REGISTER_DEVICES("NeuronParamsGrad", NeuronParamsGradOp, .HostMemory("params"));

}  // namespace keras_slayer
