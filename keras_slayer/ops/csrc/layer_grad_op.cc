// Gradients of the ops of whole layers: of the weights and of the input, each from
// the gradient of the spikes and the membrane potential.
#include "conv_op.h"
#include "layer_op.h"

namespace keras_slayer {
namespace {

// Whether the membrane potential has the shape [batch, steps, size...] of a layer's output.
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

// Runs the kernel; everything but the band is set. Bands are whole rows, as many as
// make whole tiles of winograd.h.
void run_input_grad(OpKernelContext* context, LayerInputGradArgs args, Dtype dtype) {
  args.band = choose_block(context, args.shape.batch, args.in_rows, kTileSide,
                           std::max<int64_t>(1, kLayerBlock / args.in_row));
  const int64_t items = args.shape.batch * block_count(args.in_rows, args.band);
  parallel_for(context, items, args.shape.steps * args.band * args.in_row * 2,
               [&](int64_t begin, int64_t end) {
                 kernels().layer_input_grad(dtype, args, begin, end);
               });
}

// The weights [kernel_height, kernel_width, channels / groups, filters] in
// SpreadOrder, filled up with zeros.
template <class T, class A>
Aligned<A> spread_weights(const ConvGeometry& g, const Tensor& weights) {
  const SpreadOrder order(g, sizeof(A));
  const int64_t taps = g.kernel_width * (g.channels / g.groups);
  const auto given = weights.flat<T>();
  Aligned<A> ordered(order.slices() * g.filters * order.slice);
  int64_t from = 0;
  for (int64_t ky = 0; ky < g.kernel_height; ++ky) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t at = ky * order.run + tap;
      A* to = &ordered[at / order.slice * g.filters * order.slice + at % order.slice];
      for (int64_t f = 0; f < g.filters; ++f) {
        to[f * order.slice] = static_cast<A>(given(from++));
      }
    }
  }
  return ordered;
}

}  // namespace

// Both gradients of a convolution and its neurons; one that nothing asks for is
// neither computed nor set. grad is that of the spikes or, where pool_size is not
// empty, that of the spikes of the pool that alone reads them.
REGISTER_OP("KerasSlayer>Conv2DLayerGrad")
    KS_EVENT_INPUTS
    .Input("grad: T")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Input("membrane: T")
    .Input("params: double")
    .Input("weights: T")
    .Input("pool_weight: double")
    .Input("pool_membrane: T")
    .Input("pool_params: double")
    .Output("grad_input: T")
    .Output("grad_weights: T")
    KS_CONV_ATTRS
    .Attr("pool_size: list(int)")
    .Attr("pool_strides: list(int)")
    .Attr("pool_padding_before: list(int)")
    .Attr("pool_neuron: {'srm', 'cuba', 'loihi_cuba'}")
    .Attr("pool_exodus: bool")
    .Attr("pool_surrogate: {'exponential', 'triangle'}")
    KS_NEURON_ATTR
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle grad, size, input;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 5, &grad));
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(4, &size));
      TF_RETURN_IF_ERROR(c->WithRank(size, 3, &size));
      TF_RETURN_IF_ERROR(
          c->Concatenate(c->MakeShape({c->Dim(grad, 0), c->Dim(grad, 1)}), size, &input));
      c->set_output(0, input);
      c->set_output(1, c->input(8));
      return absl::OkStatus();
    });

class Conv2DLayerGrad : public ConvOp {
 public:
  explicit Conv2DLayerGrad(OpKernelConstruction* context) : ConvOp(context) {
    OP_REQUIRES_OK(context, read_gradient(context, &gradient_));
    OP_REQUIRES_OK(context, read_kind(context, &kind_));
    std::vector<int64_t> pool_size;
    OP_REQUIRES_OK(context, context->GetAttr("pool_size", &pool_size));
    pooled_ = !pool_size.empty();
    if (pooled_) {
      OP_REQUIRES_OK(context,
                     pool_.read(context, "pool_size", "pool_strides", "pool_padding_before"));
      OP_REQUIRES_OK(context, read_gradient(context, &pool_gradient_, "pool_"));
      OP_REQUIRES_OK(context, read_kind(context, &pool_kind_, "pool_"));
    }
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(3);
    const Tensor& membrane = context->input(6);
    const Tensor& weights = context->input(8);
    ConvGradArgs args = {};
    ConvWeightsGradArgs& w = args.weights;
    ConvGeometry& g = w.geometry;
    std::vector<int32_t> rows, columns;
    OP_REQUIRES_OK(context, prepare(context->input(4), context->input(5), weights.shape(), &g,
                                    &rows, &columns));
    OP_REQUIRES_OK(context, read_events(context, g.height * g.width * g.channels, &w.events));
    w.neuron = gradient_;
    OP_REQUIRES_OK(context, read_neuron(context->input(7), kind_, &w.neuron));
    OP_REQUIRES_OK(context,
                   check_output(membrane, {g.out_height, g.out_width, g.filters}, &w.shape));
    OP_REQUIRES(context, w.events.rows == w.shape.batch * w.shape.steps,
                InvalidArgument("events and membrane must have as many frames. Received: ",
                                w.events.rows, " rows of events, membrane of shape ",
                                membrane.shape().DebugString()));
    OP_REQUIRES_OK(context, read_grad(context, grad, membrane, &w.grad));
    w.membrane = data_of(membrane);
    const bool input = context->output_required(0), both = input && context->output_required(1);
    Tensor *grad_input = nullptr, *grad_weights = nullptr;
    if (input) OP_REQUIRES_OK(context, allocate_input(context, w, &grad_input));
    if (both || !input) {
      OP_REQUIRES_OK(context, context->allocate_output(1, weights.shape(), &grad_weights));
    }
    with_types(grad.dtype(), [&](auto type, auto wide) {
      using T = decltype(type);
      using A = decltype(wide);
      const Dtype dtype = dtype_of(grad);
      Partial<A> partial;
      if (grad_weights != nullptr) partial = divide<A>(&w);
      const auto ordered = input ? spread_weights<T, A>(g, weights) : Aligned<A>(0);
      if (input) args.input = input_args(w, ordered.get(), grad_input);
      const bool together = both && partial.groups % threads(context) == 0 &&
                            w.shape.inner <= kLargestFrame;
      const int64_t cost = w.samples * w.shape.steps * w.block * 2;
      if (together) {
        args.tile = tile_of(w.shape.inner, sizeof(A));
        parallel_for(context, partial.groups, cost * partial.blocks,
                     [&](int64_t begin, int64_t end) { kernels().conv_grad(dtype, args, begin, end); });
      } else {
        if (grad_weights != nullptr) {
          parallel_for(context, partial.groups * partial.blocks, cost,
                       [&](int64_t begin, int64_t end) {
                         kernels().conv_weights_grad(dtype, w, begin, end);
                       });
        }
        if (input) run_input_grad(context, args.input, dtype);
      }
      if (grad_weights != nullptr) {
        sum_weights<T>(g, static_cast<const A*>(w.partial), partial.groups * partial.blocks,
                       grad_weights);
      }
    });
  }

 private:
  absl::Status read_grad(OpKernelContext* context, const Tensor& grad, const Tensor& membrane,
                         SpikesGrad* args) const {
    const Tensor& pool_membrane = context->input(10);
    *args = {data_of(grad), pooled_, {}, pool_gradient_, data_of(pool_membrane)};
    if (!pooled_) return same_shape(grad, "grad", membrane, "membrane");
    for (int axis : {0, 1, 4}) {
      if (grad.dims() != 5 || grad.dim_size(axis) != membrane.dim_size(axis)) {
        return InvalidArgument("grad must have the batch, time and channels of the membrane. ",
                               "Received: ", grad.shape().DebugString(), " and ",
                               membrane.shape().DebugString());
      }
    }
    TF_RETURN_IF_ERROR(pool_.prepare(membrane.shape(), grad.dim_size(2), grad.dim_size(3),
                                     context->input(9), &args->pool));
    TF_RETURN_IF_ERROR(same_shape(grad, "grad", pool_membrane, "pool_membrane"));
    return read_neuron(context->input(11), pool_kind_, &args->neuron);
  }

  // Neurons whose rows for a tile of steps leave room for the weights in the
  // second-level cache.
  static constexpr int64_t kLargestFrame = 16384;

  // Steps whose rows take about half of the second-level cache: the rest is for weights.
  static int64_t tile_of(int64_t neurons, int64_t element_bytes) {
    const int64_t step = std::max<int64_t>(1, 2 * neurons * element_bytes);  // lambda, dz
    return std::clamp(second_level_cache() / 2 / step, int64_t(1), kTile);
  }

  // Gradients of the weights that work items sum apart, to be added in order. What
  // they are depends on the sizes alone, so the bits do not depend on threads.
  template <class A>
  struct Partial {
    int64_t groups = 0, blocks = 0;  // of samples, of neurons
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

  NeuronParams gradient_ = {}, pool_gradient_ = {};
  NeuronKind kind_, pool_kind_;
  bool pooled_ = false;
  PoolOptions pool_;
};
KS_REGISTER("Conv2DLayerGrad", Conv2DLayerGrad);

REGISTER_OP("KerasSlayer>SumPool2DLayerInputGrad")
    .Input("grad: T")
    .Input("membrane: T")
    .Input("weight: double")
    .Input("params: double")
    .Input("input_size: int64")
    .Output("grad_input: T")
    KS_POOL_ATTRS
    KS_NEURON_ATTR
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle grad, size;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 5, &grad));
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(4, &size));
      TF_RETURN_IF_ERROR(c->WithRank(size, 2, &size));
      return same_outputs(c, c->MakeShape({c->Dim(grad, 0), c->Dim(grad, 1)}),
                          {c->Dim(size, 0), c->Dim(size, 1), c->Dim(grad, 4)});
    });

class SumPool2DLayerInputGrad : public PoolOp {
 public:
  explicit SumPool2DLayerInputGrad(OpKernelConstruction* context) : PoolOp(context) {
    OP_REQUIRES_OK(context, read_gradient(context, &gradient_));
    OP_REQUIRES_OK(context, read_kind(context, &kind_));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(0);
    const Tensor& membrane = context->input(1);
    const Tensor& input_size = context->input(4);
    LayerInputGradArgs args = {};
    OP_REQUIRES(context, grad.dims() == 5 && input_size.NumElements() == 2,
                InvalidArgument("grad must be (batch, time, height, width, channels) and "
                                "input_size (height, width). Received: grad of shape ",
                                grad.shape().DebugString()));
    const auto side = input_size.flat<int64_t>();
    TensorShape shape;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape({grad.dim_size(0), grad.dim_size(1),
                                                           side(0), side(1), grad.dim_size(4)},
                                                          &shape));
    OP_REQUIRES_OK(context, pool_.prepare(shape, grad.dim_size(2), grad.dim_size(3),
                                          context->input(2), &args.pool));
    args.neuron = gradient_;
    OP_REQUIRES_OK(context, read_neuron(context->input(3), kind_, &args.neuron));
    OP_REQUIRES_OK(context, series_shape(grad, "grad", &args.shape));
    OP_REQUIRES_OK(context, same_shape(grad, "grad", membrane, "membrane"));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_large(context, 0, shape, &out));
    args.out_rows = args.pool.out_height;
    args.in_rows = args.pool.height;
    args.in_row = args.pool.width * args.pool.channels;
    args.grad = {data_of(grad), false, {}, {}, nullptr};
    args.membrane = data_of(membrane);
    args.grad_in = data_of(out);
    args.stream = is_large(*out);
    run_input_grad(context, args, dtype_of(grad));
  }

 private:
  NeuronParams gradient_ = {};
  NeuronKind kind_;
};
KS_REGISTER("SumPool2DLayerInputGrad", SumPool2DLayerInputGrad);

}  // namespace keras_slayer
