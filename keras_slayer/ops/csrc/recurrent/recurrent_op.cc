// Ops of a layer of neurons that feed each other: RecurrentLayer, from the synaptic input that
// comes from outside [batch, time, units] to spikes (bytes) and membrane potential before reset;
// RecurrentLayerGrad, from the gradient of the spikes to that of the synaptic input.
#include "neurons/neuron_op.h"
#include "products/input_grad.h"
#include "recurrent/recurrent.h"

namespace keras_slayer {
namespace {

// Samples of a work item: as many as share the weights well, fewer if threads would be idle.
int64_t samples_per_item(OpKernelContext* context, int64_t batch, int64_t most) {
  const int64_t least = block_count(batch, most);
  const int64_t items = block_count(least, threads(context)) * threads(context);
  return std::max<int64_t>(1, block_count(batch, items));
}

absl::Status check_weights(const Tensor& weights, const Tensor& series) {
  const int64_t units = series.dims() == 3 ? series.dim_size(2) : -1;
  if (weights.dims() == 2 && weights.dim_size(0) == units && weights.dim_size(1) == units) {
    return absl::OkStatus();
  }
  return InvalidArgument("weights must be (units, units) and the series (batch, time, units). "
                         "Received: shapes ", weights.shape().DebugString(), " and ",
                         series.shape().DebugString());
}

// Starts a kernel: work items on a CPU, blocks of threads on a GPU, one for each sample.
template <class Device, class Args>
absl::Status run(OpKernelContext* context, CpuKernel<Args> kernel, gpu::Kernel on_gpu, Dtype dtype,
                 int64_t cost, const Args& args) {
  if constexpr (Device::kGpu) {
    on_gpu.source = "recurrent";
    return Device::blocks(context, on_gpu, dtype, args.shape.batch, args);
  } else {
    return Device::items(context, kernel, on_gpu, dtype,
                         block_count(args.shape.batch, args.samples), cost * args.samples, args);
  }
}

// Memory for numbers of the arithmetic type of T, or for doubles.
absl::Status allocate_numbers(OpKernelContext* context, tensorflow::DataType type, int64_t count,
                              Tensor* tensor) {
  const bool wide = type == tensorflow::DT_DOUBLE;
  return context->allocate_temp(wide ? tensorflow::DT_DOUBLE : tensorflow::DT_FLOAT,
                                TensorShape({count}), tensor);
}

}  // namespace

REGISTER_OP("KerasSlayer>RecurrentLayer")
    .Input("synaptic_input: T")
    .Input("weights: T")
    .Input("params: double")
    .Output("spikes: uint8")
    .Output("membrane: T")
    KS_STATE
    KS_NEURON_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn(like_input_and_state);

template <class Device>
class RecurrentLayer : public OpKernel {
 public:
  explicit RecurrentLayer(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, options_.init(context, false));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor &in = context->input(0), &weights = context->input(1);
    RecurrentArgs args = {};
    ChannelRows rows;
    Tensor *spikes, *membrane, scratch;
    typename Device::Check check;
    OP_REQUIRES_OK(context, check.init(gpu::Fault::kNotFinite));
    OP_REQUIRES_OK(context, check_weights(weights, in));
    OP_REQUIRES_OK(context, options_.template read<Device>(context, 2, &args.neuron, &rows));
    OP_REQUIRES_OK(context, series_shape(in, "synaptic input", &args.shape));
    OP_REQUIRES_OK(context, Device::allocate_large(context, 0, in.shape(), &spikes));
    OP_REQUIRES_OK(context, Device::allocate_large(context, 1, in.shape(), &membrane));
    const int64_t states = states_of(args.neuron.kind), units = args.shape.inner;
    OP_REQUIRES_OK(context, prepare_state(context, states + 1, in.shape(), &args.state));
    if (args.shape.batch == 0 || units == 0) return;
    if constexpr (Device::kGpu) {
      OP_REQUIRES_OK(context,
                     allocate_numbers(context, tensorflow::DT_DOUBLE,
                                      args.shape.batch * states * units, &scratch));
      args.scratch = data_of(&scratch);
    }
    const bool cached = int64_t(weights.TotalBytes()) <= second_level_cache() / 2;
    args.samples = samples_per_item(context, args.shape.batch,
                                    cached ? kForwardSamples : kRecurrentSamples);
    args.in = data_of(in);
    args.weights = data_of(weights);
    args.spikes = spikes->flat<uint8_t>().data();
    args.membrane = data_of(membrane);
    args.not_finite = check.flag();
    OP_REQUIRES_OK(context, run<Device>(context, kernels::recurrent, options_.kernel("recurrent"),
                                        dtype_of(in), 2 * args.shape.steps * units, args));
    OP_REQUIRES_OK(context, check_finite(check));
  }

 private:
  NeuronOptions options_;
};
KS_REGISTER_DEVICES("RecurrentLayer", RecurrentLayer, .HostMemory("params"));

REGISTER_OP("KerasSlayer>RecurrentLayerGrad")
    .Input("grad_spikes: T")
    .Input("membrane: T")
    .Input("weights: T")
    .Input("params: double")
    .Output("grad_input: T")
    KS_BACKWARD_STATE
    KS_NEURON_ATTRS
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn(like_input_and_earlier);

template <class Device>
class RecurrentLayerGrad : public OpKernel {
 public:
  explicit RecurrentLayerGrad(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, options_.init(context, true));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor &grad = context->input(0), &membrane = context->input(1);
    const Tensor& weights = context->input(2);
    RecurrentGradArgs args = {};
    ChannelRows rows;
    Tensor *grad_in, packed, scratch;
    OP_REQUIRES_OK(context, check_weights(weights, grad));
    OP_REQUIRES_OK(context, options_.template read<Device>(context, 3, &args.neuron, &rows));
    OP_REQUIRES_OK(context, series_shape(grad, "grad_spikes", &args.shape));
    OP_REQUIRES_OK(context, same_shape(grad, "grad_spikes", membrane, "membrane"));
    OP_REQUIRES_OK(context, Device::allocate_large(context, 0, grad.shape(), &grad_in));
    const int64_t batch = args.shape.batch, units = args.shape.inner;
    OP_REQUIRES_OK(context, prepare_backward_state(context, backward_states_of(args.neuron.kind) + 1,
                                                   grad.shape(), &args.state));
    if (batch == 0 || units == 0) return;
    args.weights = data_of(weights);
    const int64_t columns = block_count(units, kPackedInputs) * kPackedInputs;
    OP_REQUIRES_OK(context, allocate_numbers(context, grad.dtype(), columns * units, &packed));
    args.packed = data_of(&packed);
    if constexpr (Device::kGpu) {
      OP_REQUIRES_OK(context, allocate_numbers(context, grad.dtype(),
                                               batch * kRecurrentRows * units, &scratch));
      args.scratch = data_of(&scratch);
    }
    args.samples = samples_per_item(context, batch, kRecurrentSamples);
    args.grad_spikes = data_of(grad);
    args.membrane = data_of(membrane);
    args.grad_in = data_of(grad_in);
    const Dtype dtype = dtype_of(grad);
    OP_REQUIRES_OK(context, pack(context, dtype, args));
    OP_REQUIRES_OK(context,
                   run<Device>(context, kernels::recurrent_grad, options_.kernel("recurrent_grad"),
                               dtype, args.shape.steps * units * (2 + units / 16), args));
  }

 private:
  static absl::Status pack(OpKernelContext* context, Dtype dtype, const RecurrentGradArgs& args) {
    const int64_t units = args.shape.inner;
    if constexpr (Device::kGpu) {
      return Device::threads(context, {"recurrent", "recurrent_transposed"}, dtype, units * units,
                             args);
    } else {
      MatmulInputGradArgs product = {};
      product.inputs = product.units = units;
      product.weights = args.weights;
      product.packed = args.packed;
      return Device::items(context, kernels::pack_weights, {"", ""}, dtype,
                           block_count(units, kPackedInputs), kPackedInputs * units, product);
    }
  }

  NeuronOptions options_;
};
KS_REGISTER_DEVICES("RecurrentLayerGrad", RecurrentLayerGrad, .HostMemory("params"));

}  // namespace keras_slayer
