// Gradient ops of a fused convolution layer: from the gradient of the spikes and the membrane
// potential [batch, steps, out_height, out_width, filters] to the gradients of input and weights.
#include "layers/layer_op.h"
#include "synapses/conv_op.h"

namespace keras_slayer {
namespace {

// Checks that the membrane potential has the shape [batch, steps, size...] of the layer's output.
absl::Status check_output(const Tensor& membrane, std::initializer_list<int64_t> size,
                          Shape* shape) {
  bool fits = membrane.dims() == 2 + int(size.size());
  int axis = 2;
  for (int64_t side : size) fits = fits && membrane.dim_size(axis++) == side;
  if (!fits) {
    return InvalidArgument("membrane must have the shape of the layer's output. Received: ",
                           membrane.shape().DebugString());
  }
  return series_shape(membrane, "membrane", shape);
}

#define KS_CONV_GRAD_INPUTS         \
  .Input("grad: T")                 \
      .Input("input_size: int64")   \
      .Input("output_size: int64")  \
      .Input("membrane: T")         \
      .Input("params: double")      \
      .Input("weights: T")
// E is 1; or 0 if only the gradient of the input is asked for, which needs no events.
#define KS_CONV_GRAD_EVENTS_AND_OUTPUTS \
  .Input("offsets: E * int64")          \
      .Input("index: E * int32")        \
      .Input("value: E * T")            \
      .Output("grad_input: T")          \
      .Output("grad_weights: T")        \
      .Attr("E: int >= 0 = 1")          \
      KS_CONV_ATTRS                     \
      KS_NEURON_ATTRS                   \
      KS_GRADIENT_ATTRS                 \
      .Attr(KS_TYPES)                   \
      .SetShapeFn(grad_shapes)

absl::Status grad_shapes(InferenceContext* c) {
  int sets;
  TF_RETURN_IF_ERROR(c->GetAttr("E", &sets));
  ShapeHandle grad, size, input;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 5, &grad));
  TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(1, &size));
  TF_RETURN_IF_ERROR(c->WithRank(size, 3, &size));
  TF_RETURN_IF_ERROR(
      c->Concatenate(c->MakeShape({c->Dim(grad, 0), c->Dim(grad, 1)}), size, &input));
  c->set_output(0, input);
  c->set_output(1, sets == 1 ? c->input(5) : c->Vector(int64_t(0)));
  return absl::OkStatus();
}

}  // namespace

// Computes both gradients, except one that no other op uses.
REGISTER_OP("KerasSlayer>Conv2DLayerGrad")
    KS_CONV_GRAD_INPUTS
    KS_CONV_GRAD_EVENTS_AND_OUTPUTS;

// The same for a convolution whose spikes go to a pool alone. `grad` is the gradient of the pool's
// spikes. It passes through the pool's neurons and windows here, so that the larger gradient of
// the convolution's spikes is never written to memory.
REGISTER_OP("KerasSlayer>Conv2DLayerPooledGrad")
    KS_CONV_GRAD_INPUTS
    .Input("pool_weight: double")
    .Input("pool_membrane: T")
    .Input("pool_params: double")
    .Attr("pool_size: list(int)")
    .Attr("pool_strides: list(int)")
    .Attr("pool_padding_before: list(int)")
    .Attr(neuron_attr("pool_"))
    .Attr("pool_names: list(string)")
    .Attr("pool_exodus: bool")
    .Attr("pool_surrogate: {'exponential', 'triangle'}")
    KS_CONV_GRAD_EVENTS_AND_OUTPUTS;

template <bool pooled>
class Conv2DLayerGrad : public ConvOp {
 public:
  explicit Conv2DLayerGrad(OpKernelConstruction* context) : ConvOp(context) {
    OP_REQUIRES_OK(context, neuron_.init(context, true));
    int sets;
    OP_REQUIRES_OK(context, context->GetAttr("E", &sets));
    OP_REQUIRES(context, sets <= 1, InvalidArgument("E must be 0 or 1. Received: E=", sets));
    has_events_ = sets == 1;
    if constexpr (pooled) {
      OP_REQUIRES_OK(context,
                     pool_.read(context, "pool_size", "pool_strides", "pool_padding_before"));
      OP_REQUIRES_OK(context, pool_neuron_.init(context, true, "pool_"));
    }
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(0);
    const Tensor& membrane = context->input(3);
    const Tensor& weights = context->input(5);
    ConvGradArgs args = {};
    ConvWeightsGradArgs& w = args.weights;
    ConvGeometry& g = w.geometry;
    std::vector<int32_t> rows, columns;
    ChannelRows channels, pool_channels;
    OP_REQUIRES_OK(context, prepare(context->input(1), context->input(2), weights.shape(), &g,
                                    &rows, &columns));
    OP_REQUIRES_OK(context, neuron_.read(context->input(4), &w.neuron, &channels));
    OP_REQUIRES_OK(context,
                   check_output(membrane, {g.out_height, g.out_width, g.filters}, &w.shape));
    if (has_events_) {
      OP_REQUIRES_OK(context, read_events(context, g.height * g.width * g.channels, &w.events,
                                          context->num_inputs() - 3));
      OP_REQUIRES(context, w.events.rows == w.shape.batch * w.shape.steps,
                  InvalidArgument("events and membrane must have as many frames. Received: ",
                                  w.events.rows, " rows of events, membrane of shape ",
                                  membrane.shape().DebugString()));
    }
    OP_REQUIRES_OK(context, read_grad(context, grad, membrane, &w.grad, &pool_channels));
    w.membrane = data_of(membrane);
    const bool of_input = context->output_required(0) || !has_events_;
    const bool of_weights = has_events_ && (context->output_required(1) || !of_input);
    Tensor *grad_input = nullptr, *grad_weights = nullptr;
    if (of_input) OP_REQUIRES_OK(context, allocate_input(context, w, &grad_input));
    if (of_weights) {
      OP_REQUIRES_OK(context, context->allocate_output(1, weights.shape(), &grad_weights));
    } else if (!has_events_) {
      Tensor* nothing;
      OP_REQUIRES_OK(context, context->allocate_output(1, TensorShape({0}), &nothing));
    }
    with_types(grad.dtype(), [&](auto type, auto wide) {
      using T = decltype(type);
      using A = decltype(wide);
      const Dtype dtype = dtype_of(grad);
      Partial<A> partial;
      if (of_weights) partial = divide<A>(&w);
      const auto ordered = of_input ? transposed_weights<T, A>(g, weights) : Aligned<A>(0);
      if (of_input) args.input = input_args(w, ordered.get(), grad_input);
      const bool together = of_input && of_weights && partial.groups % threads(context) == 0 &&
                            w.shape.inner <= kLargestFrame;
      const int64_t cost = w.samples * w.shape.steps * w.block * 2;
      if (together) {
        args.tile = tile_of(w.shape.inner, sizeof(A));
        parallel_for(context, partial.groups, cost * partial.blocks,
                     [&](int64_t begin, int64_t end) { kernels::conv_grad(dtype, args, begin, end); });
      } else {
        if (of_weights) {
          parallel_for(context, partial.groups * partial.blocks, cost,
                       [&](int64_t begin, int64_t end) {
                         kernels::conv_weights_grad(dtype, w, begin, end);
                       });
        }
        if (of_input) run_input_grad(context, args.input, dtype);
      }
      if (of_weights) {
        sum_weights<T>(g, static_cast<const A*>(w.partial), partial.groups * partial.blocks,
                       grad_weights);
      }
    });
  }

 private:
  absl::Status read_grad(OpKernelContext* context, const Tensor& grad, const Tensor& membrane,
                         SpikesGrad* args, ChannelRows* channels) const {
    args->data = data_of(grad);
    args->pooled = pooled;
    if constexpr (!pooled) {
      return same_shape(grad, "grad", membrane, "membrane");
    } else {
      const Tensor& pool_membrane = context->input(7);
      for (int axis : {0, 1, 4}) {
        if (grad.dims() != 5 || grad.dim_size(axis) != membrane.dim_size(axis)) {
          return InvalidArgument("grad must have the batch, time and channels of the membrane. ",
                                 "Received: ", grad.shape().DebugString(), " and ",
                                 membrane.shape().DebugString());
        }
      }
      args->membrane = data_of(pool_membrane);
      TF_RETURN_IF_ERROR(pool_.prepare(membrane.shape(), grad.dim_size(2), grad.dim_size(3),
                                       context->input(6), &args->pool));
      TF_RETURN_IF_ERROR(same_shape(grad, "grad", pool_membrane, "pool_membrane"));
      return pool_neuron_.read(context->input(8), &args->neuron, channels);
    }
  }

  // Largest frame, in neurons, whose rows leave room for the weights in the second-level cache.
  static constexpr int64_t kLargestFrame = 16384;

  // Steps of a tile whose rows fill half of the second-level cache. The rest is for the weights.
  static int64_t tile_of(int64_t neurons, int64_t element_bytes) {
    const int64_t step = std::max<int64_t>(1, 2 * neurons * element_bytes);  // lambda, dz
    return std::clamp(second_level_cache() / 2 / step, int64_t(1), kTile);
  }

  // Partial gradients of the weights [groups, blocks, weights]: one per group of consecutive
  // samples and block of neurons, added in order afterwards. The division depends on the sizes
  // alone, so the result does not depend on the number of threads.
  template <class A>
  struct Partial {
    int64_t groups = 0, blocks = 0;
    std::unique_ptr<Aligned<A>> sums;
  };

  template <class A>
  static Partial<A> divide(ConvWeightsGradArgs* args) {
    constexpr int64_t kItems = 16, kMaxBytes = int64_t(64) << 20;
    const ConvGeometry& g = args->geometry;
    const int64_t row = g.out_width * g.filters;
    const int64_t band = std::max<int64_t>(1, kLayerBlock / row);
    const int64_t bands = (g.out_height + band - 1) / band;
    args->block = (g.out_height + bands - 1) / bands * row;
    const int64_t blocks = block_count(args->shape.inner, args->block);
    const int64_t size = g.kernel_height * g.kernel_width * g.channels / g.groups * g.filters;
    const int64_t most = std::min(kItems, kMaxBytes / std::max<int64_t>(1, size * sizeof(A)));
    const int64_t groups =
        std::max<int64_t>(1, std::min(args->shape.batch, (most + blocks - 1) / blocks));
    args->samples = (args->shape.batch + groups - 1) / groups;
    Partial<A> partial;
    partial.groups = args->samples == 0 ? 0 : block_count(args->shape.batch, args->samples);
    partial.blocks = blocks;
    partial.sums = std::make_unique<Aligned<A>>(partial.groups * blocks * size);
    args->partial = partial.sums->get();
    return partial;
  }

  static absl::Status allocate_input(OpKernelContext* context, const ConvWeightsGradArgs& w,
                                     Tensor** out) {
    const ConvGeometry& g = w.geometry;
    TensorShape shape;
    TF_RETURN_IF_ERROR(TensorShape::BuildTensorShape(
        {w.shape.batch, w.shape.steps, g.height, g.width, g.channels}, &shape));
    return allocate_large(context, 0, shape, out);
  }

  static LayerInputGradArgs input_args(const ConvWeightsGradArgs& w, const void* weights,
                                       Tensor* out) {
    LayerInputGradArgs args = {};
    args.shape = w.shape;
    args.stream = is_large(*out);
    args.out_rows = w.geometry.out_height;
    args.in_rows = w.geometry.height;
    args.in_row = w.geometry.width * w.geometry.channels;
    args.weights = weights;
    args.conv = w.geometry;
    args.neuron = w.neuron;
    args.grad = w.grad;
    args.membrane = w.membrane;
    args.grad_in = data_of(out);
    return args;
  }

  NeuronOptions neuron_, pool_neuron_;
  bool has_events_;
  PoolOptions pool_;
};
KS_REGISTER("Conv2DLayerGrad", Conv2DLayerGrad<false>);
KS_REGISTER("Conv2DLayerPooledGrad", Conv2DLayerGrad<true>);

}  // namespace keras_slayer
