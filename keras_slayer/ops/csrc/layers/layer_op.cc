// Forward ops of fused layers (matmul, convolution, pool): from the input to spikes (bytes) and
// membrane potential before reset, both [batch, steps, ...].
//
// Matmul and convolution take events, one row per frame (sample and step). The pool takes dense
// frames. `bias` is added to each sum; it is empty for none.
#include "synapses/conv_op.h"
#include "layers/layer_op.h"
#include "products/event_matmul_op.h"

namespace keras_slayer {
namespace {

// Runs the kernel with blocks of `block` neurons and writes outputs 0 and 1.
void run_layer(OpKernelContext* context, const TensorShape& outputs, const SynapseArgs& synapse,
               int64_t block, const Tensor* bias, const NeuronParams& neuron) {
  Tensor *spikes, *membrane;
  OnCpu::Check check;
  LayerArgs args = {};
  OP_REQUIRES_OK(context, allocate_large(context, 0, outputs, &spikes));
  OP_REQUIRES_OK(context, allocate_large(context, 1, outputs, &membrane));
  OP_REQUIRES_OK(context, prepare_state(context, states_of(neuron.kind), outputs, &args.state));
  args.shape = {outputs.dim_size(0), outputs.dim_size(1), synapse.outputs};
  args.block = block;
  args.stream = is_large(*membrane);
  args.synapse = synapse;
  args.bias_size = bias == nullptr ? 0 : bias->NumElements();
  args.bias = args.bias_size == 0 ? nullptr : bias->data();
  args.neuron = neuron;
  args.spikes = spikes->flat<uint8_t>().data();
  args.membrane = data_of(membrane);
  args.not_finite = check.flag();
  const int64_t items = args.shape.batch * block_count(args.shape.inner, args.block);
  parallel_for(context, items, args.shape.steps * args.block, [&](int64_t begin, int64_t end) {
    kernels::layer(dtype_of(*membrane), args, begin, end);
  });
  OP_REQUIRES_OK(context, check_finite(check));
}

// A block of whole rows of outputs [batch, steps, height, width, channels].
int64_t rows_block(OpKernelContext* context, const TensorShape& outputs) {
  const int64_t row = outputs.dim_size(3) * outputs.dim_size(4);
  return choose_block(context, outputs.dim_size(0), outputs.dim_size(2) * row, row, kLayerBlock);
}

absl::Status check_bias(const Tensor& bias, int64_t size) {
  if (bias.dims() == 1 && (bias.dim_size(0) == 0 || bias.dim_size(0) == size)) {
    return absl::OkStatus();
  }
  return InvalidArgument("bias must be empty or have ", size, " elements. Received: shape ",
                         bias.shape().DebugString());
}

}  // namespace

REGISTER_OP("KerasSlayer>MatmulLayer")
    KS_EVENT_INPUTS
    .Input("weights: T")
    .Input("bias: T")
    .Input("params: double")
    .Input("batch_and_steps: int64")
    .Output("spikes: uint8")
    .Output("membrane: T")
    KS_STATE
    KS_NEURON_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle weights, outer;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 2, &weights));
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(6, &outer));
      TF_RETURN_IF_ERROR(c->WithRank(outer, 2, &outer));
      return layer_outputs(c, outer, {c->Dim(weights, 1)});
    });

class MatmulLayer : public OpKernel {
 public:
  explicit MatmulLayer(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, neuron_.init(context, false));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& weights = context->input(3);
    OP_REQUIRES(context, weights.dims() == 2,
                InvalidArgument("weights must be a matrix. Received: shape ",
                                weights.shape().DebugString()));
    NeuronParams neuron = {};
    ChannelRows rows;
    SynapseArgs synapse = {};
    TensorShape outputs;
    synapse.kind = SynapseKind::kMatmul;
    synapse.outputs = weights.dim_size(1);
    OP_REQUIRES_OK(context, read_events(context, weights.dim_size(0), &synapse.events));
    OP_REQUIRES_OK(context, check_bias(context->input(4), synapse.outputs));
    OP_REQUIRES_OK(context, neuron_.read(context->input(5), &neuron, &rows));
    OP_REQUIRES_OK(context, series_of(context->input(6), synapse.events.rows, {synapse.outputs},
                                      &outputs));
    constexpr int64_t kWidest = 128;  // a work item keeps its slice for all steps
    Tensor packed;
    OP_REQUIRES_OK(context, slice_matrix(context, synapse.events, weights, &packed,
                                         &synapse.matrix, kWidest));
    run_layer(context, outputs, synapse, synapse.matrix.slice, &context->input(4), neuron);
  }

 private:
  NeuronOptions neuron_;
};
KS_REGISTER("MatmulLayer", MatmulLayer);

REGISTER_OP("KerasSlayer>Conv2DLayer")
    KS_EVENT_INPUTS
    .Input("weights: T")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Input("bias: T")
    .Input("params: double")
    .Input("batch_and_steps: int64")
    .Output("spikes: uint8")
    .Output("membrane: T")
    KS_STATE
    KS_CONV_ATTRS
    KS_NEURON_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle weights, outer, size;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 4, &weights));
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(8, &outer));
      TF_RETURN_IF_ERROR(c->WithRank(outer, 2, &outer));
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(5, &size));
      TF_RETURN_IF_ERROR(c->WithRank(size, 2, &size));
      return layer_outputs(c, outer, {c->Dim(size, 0), c->Dim(size, 1), c->Dim(weights, 3)});
    });

class Conv2DLayer : public ConvOp {
 public:
  explicit Conv2DLayer(OpKernelConstruction* context) : ConvOp(context) {
    OP_REQUIRES_OK(context, neuron_.init(context, false));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& weights = context->input(3);
    NeuronParams neuron = {};
    ChannelRows channels;
    SynapseArgs synapse = {};
    ConvGeometry& g = synapse.conv;
    std::vector<int32_t> rows, columns;
    TensorShape outputs;
    OP_REQUIRES_OK(context, prepare(context->input(4), context->input(5), weights.shape(), &g,
                                    &rows, &columns));
    OP_REQUIRES_OK(context,
                   read_events(context, g.height * g.width * g.channels, &synapse.events));
    OP_REQUIRES_OK(context, check_bias(context->input(6), g.filters));
    OP_REQUIRES_OK(context, neuron_.read(context->input(7), &neuron, &channels));
    OP_REQUIRES_OK(context, series_of(context->input(8), synapse.events.rows,
                                      {g.out_height, g.out_width, g.filters}, &outputs));
    synapse.kind = SynapseKind::kConv;
    synapse.outputs = g.out_height * g.out_width * g.filters;
    with_types(weights.dtype(), [&](auto type, auto wide) {
      const auto ordered = ordered_weights<decltype(type), decltype(wide)>(g, weights);
      synapse.weights = ordered.get();
      run_layer(context, outputs, synapse, rows_block(context, outputs), &context->input(6), neuron);
    });
  }

 private:
  NeuronOptions neuron_;
};
KS_REGISTER("Conv2DLayer", Conv2DLayer);

REGISTER_OP("KerasSlayer>SumPool2DLayer")
    .Input("frames: S")
    .Input("output_size: int64")
    .Input("weight: double")
    .Input("params: double")
    .Output("spikes: uint8")
    .Output("membrane: T")
    KS_STATE
    KS_POOL_ATTRS
    KS_NEURON_ATTRS
    .Attr(KS_SPIKE_TYPES)
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle frames, size;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 5, &frames));
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(1, &size));
      TF_RETURN_IF_ERROR(c->WithRank(size, 2, &size));
      return layer_outputs(c, c->MakeShape({c->Dim(frames, 0), c->Dim(frames, 1)}),
                          {c->Dim(size, 0), c->Dim(size, 1), c->Dim(frames, 4)});
    });

class SumPool2DLayer : public PoolOp {
 public:
  explicit SumPool2DLayer(OpKernelConstruction* context) : PoolOp(context) {
    OP_REQUIRES_OK(context, neuron_.init(context, false));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& frames = context->input(0);
    OP_REQUIRES_OK(context, check_spike_type(frames, context->expected_output_dtype(1)));
    NeuronParams neuron = {};
    ChannelRows rows;
    SynapseArgs synapse = {};
    PoolGeometry& g = synapse.pool;
    TensorShape outputs;
    OP_REQUIRES_OK(context, prepare_layer(context, &g, &outputs));
    OP_REQUIRES_OK(context, neuron_.read(context->input(3), &neuron, &rows));
    synapse.kind = SynapseKind::kPool;
    synapse.frames_type = dtype_of(frames);
    synapse.frames = data_of(frames);
    synapse.outputs = g.out_height * g.out_width * g.channels;
    run_layer(context, outputs, synapse, rows_block(context, outputs), nullptr, neuron);
  }

 private:
  NeuronOptions neuron_;
};
KS_REGISTER("SumPool2DLayer", SumPool2DLayer);

}  // namespace keras_slayer
