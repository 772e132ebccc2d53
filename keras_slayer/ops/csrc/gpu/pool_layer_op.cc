// Pool layers on a GPU: sums and neurons in two kernels, forward and backward.
#include "gpu/pool.h"
#include "layers/layer_op.h"
#include "neurons/neurons.h"

namespace keras_slayer {
namespace {

// A tensor for the time of an op: of the shape of another, in the arithmetic type.
absl::Status temporary(OpKernelContext* context, const Tensor& like, Tensor* out) {
  const bool is_double = like.dtype() == tensorflow::DT_DOUBLE;
  return context->allocate_temp(is_double ? tensorflow::DT_DOUBLE : tensorflow::DT_FLOAT,
                                like.shape(), out);
}

}  // namespace

class SumPool2DLayerOnGpu : public PoolOp {
 public:
  explicit SumPool2DLayerOnGpu(OpKernelConstruction* context) : PoolOp(context) {
    OP_REQUIRES_OK(context, neuron_.init(context, false));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& frames = context->input(0);
    PoolArgs args = {};
    TensorShape outputs;
    OP_REQUIRES_OK(context, check_spike_type(frames, context->expected_output_dtype(1)));
    OP_REQUIRES_OK(context, prepare_layer(context, &args.pool, &outputs));
    NeuronArgs neuron = {};
    ChannelRows rows;
    OnGpu::Check check;
    Tensor *spikes, *membrane, sums;
    OP_REQUIRES_OK(context, neuron_.read<OnGpu>(context, 3, &neuron.neuron, &rows));
    OP_REQUIRES_OK(context, check.init(gpu::Fault::kNotFinite));
    OP_REQUIRES_OK(context, context->allocate_output(0, outputs, &spikes));
    OP_REQUIRES_OK(context, context->allocate_output(1, outputs, &membrane));
    OP_REQUIRES_OK(context, prepare_state(context, states_of(neuron.neuron.kind), outputs,
                                          &neuron.state));
    OP_REQUIRES_OK(context, temporary(context, *membrane, &sums));
    const Dtype dtype = dtype_of(*membrane);
    args.frames = frames.dim_size(0) * frames.dim_size(1);
    args.bytes = dtype_of(frames) == Dtype::kByte;
    args.in = data_of(frames);
    args.out = data_of(&sums);
    OP_REQUIRES_OK(context, OnGpu::threads(context, {"pool", "pool_sums"}, dtype,
                                           sums.NumElements(), args));
    OP_REQUIRES_OK(context, series_shape(sums, "sums", &neuron.shape));
    neuron.in = data_of(sums);
    neuron.wide = true;
    neuron.spikes = data_of(spikes);
    neuron.bytes = true;
    neuron.membrane = data_of(membrane);
    neuron.not_finite = check.flag();
    OP_REQUIRES_OK(context, OnGpu::scan(context, CpuKernel<NeuronArgs>(), neuron_.kernel("neuron"),
                                        dtype, neuron));
    OP_REQUIRES_OK(context, check_finite(check));
  }

 private:
  NeuronOptions neuron_;
};
KS_REGISTER_GPU("SumPool2DLayer", SumPool2DLayerOnGpu, SumPool2DLayerOnGpu,
                .HostMemory("output_size").HostMemory("weight").HostMemory("params"));

class SumPool2DLayerInputGradOnGpu : public PoolOp {
 public:
  explicit SumPool2DLayerInputGradOnGpu(OpKernelConstruction* context) : PoolOp(context) {
    OP_REQUIRES_OK(context, neuron_.init(context, true));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor &grad = context->input(0), &membrane = context->input(1);
    PoolArgs args = {};
    TensorShape inputs;
    OP_REQUIRES_OK(context, prepare_gradient(context, &args.pool, &inputs));
    NeuronGradArgs neuron = {};
    ChannelRows rows;
    Tensor *out, sums;
    OP_REQUIRES_OK(context, neuron_.read<OnGpu>(context, 3, &neuron.neuron, &rows));
    OP_REQUIRES_OK(context, same_shape(grad, "grad", membrane, "membrane"));
    OP_REQUIRES_OK(context, series_shape(grad, "grad", &neuron.shape));
    OP_REQUIRES_OK(context, context->allocate_output(0, inputs, &out));
    OP_REQUIRES_OK(context, temporary(context, grad, &sums));
    neuron.grad_spikes = data_of(grad);
    neuron.membrane = data_of(membrane);
    neuron.grad_in = data_of(&sums);
    neuron.wide = true;
    OP_REQUIRES_OK(context, OnGpu::scan(context, CpuKernel<NeuronGradArgs>(),
                                        neuron_.kernel("neuron_grad"), dtype_of(grad), neuron));
    args.frames = grad.dim_size(0) * grad.dim_size(1);
    args.in = data_of(sums);
    args.out = data_of(out);
    OP_REQUIRES_OK(context, OnGpu::threads(context, {"pool", "pool_spread"}, dtype_of(grad),
                                           out->NumElements(), args));
  }

 private:
  NeuronOptions neuron_;
};
KS_REGISTER_GPU("SumPool2DLayerInputGrad", SumPool2DLayerInputGradOnGpu,
                SumPool2DLayerInputGradOnGpu,
                .HostMemory("weight").HostMemory("params").HostMemory("input_size"));

}  // namespace keras_slayer
