// Gradients of the ops of whole layers: of the weights and of the input, each from
// the gradient of the spikes and the membrane potential.
#include "conv_op.h"
#include "layer_op.h"

namespace keras_slayer {
namespace {

// Runs work(T(), A()) after grad and membrane have been found to have the shape
// [batch, steps, size...] of a layer's output.
absl::Status check_outputs(const Tensor& grad, const Tensor& membrane,
                           std::initializer_list<int64_t> size, Shape* shape) {
  bool fits = grad.dims() == 2 + int(size.size());
  int axis = 2;
  for (int64_t side : size) fits = fits && grad.dim_size(axis++) == side;
  if (!fits) {
    return InvalidArgument("grad must have the shape of the layer's output. Received: ",
                           grad.shape().DebugString());
  }
  TF_RETURN_IF_ERROR(series_shape(grad, "grad", shape));
  return same_shape(grad, "grad", membrane, "membrane");
}

// Runs the kernel; everything but the band is set. Bands are whole rows.
void run_input_grad(OpKernelContext* context, LayerInputGradArgs args, Dtype dtype) {
  args.band = choose_block(context, args.shape.batch, args.in_rows, 1,
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

REGISTER_OP("KerasSlayer>Conv2DLayerWeightsGrad")
    KS_EVENT_INPUTS
    .Input("grad: T")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Input("membrane: T")
    .Input("params: double")
    .Input("weights_shape: int64")
    .Output("grad_weights: T")
    KS_CONV_ATTRS
    KS_NEURON_ATTR
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle shape;
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(8, &shape));
      c->set_output(0, shape);
      return absl::OkStatus();
    });

class Conv2DLayerWeightsGrad : public ConvOp {
 public:
  explicit Conv2DLayerWeightsGrad(OpKernelConstruction* context) : ConvOp(context) {
    OP_REQUIRES_OK(context, read_gradient(context, &gradient_));
    OP_REQUIRES_OK(context, read_kind(context, &kind_));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(3);
    const Tensor& membrane = context->input(6);
    TensorShape weights;
    OP_REQUIRES_OK(context, read_shape(context->input(8), &weights));
    ConvWeightsGradArgs args = {};
    ConvGeometry& g = args.geometry;
    std::vector<int32_t> rows, columns;
    OP_REQUIRES_OK(context, prepare(context->input(4), context->input(5), weights, &g, &rows,
                                    &columns));
    OP_REQUIRES_OK(context, read_events(context, g.height * g.width * g.channels, &args.events));
    args.neuron = gradient_;
    OP_REQUIRES_OK(context, read_neuron(context->input(7), kind_, &args.neuron));
    OP_REQUIRES_OK(context, check_outputs(grad, membrane, {g.out_height, g.out_width, g.filters},
                                          &args.shape));
    OP_REQUIRES(context, args.events.rows == args.shape.batch * args.shape.steps,
                InvalidArgument("events and grad must have as many frames. Received: ",
                                args.events.rows, " rows of events, grad of shape ",
                                grad.shape().DebugString()));
    args.grad = data_of(grad);
    args.membrane = data_of(membrane);
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, weights, &out));
    with_types(grad.dtype(), [&](auto type, auto wide) {
      reduce<decltype(type), decltype(wide)>(context, args, dtype_of(grad), out);
    });
  }

 private:
  // Work items sum apart and are then added in order. What they are depends on the
  // sizes alone, so the bits do not depend on threads.
  template <class T, class A>
  static void reduce(OpKernelContext* context, ConvWeightsGradArgs args, Dtype dtype,
                     Tensor* out) {
    constexpr int64_t kItems = 16, kMaxBytes = int64_t(64) << 20;
    const int64_t row = args.geometry.out_width * args.geometry.filters;
    const int64_t band = std::max<int64_t>(1, kLayerBlock / row);
    const int64_t bands = (args.geometry.out_height + band - 1) / band;
    args.block = (args.geometry.out_height + bands - 1) / bands * row;
    const int64_t blocks = block_count(args.shape.inner, args.block);
    const int64_t size = out->NumElements();
    const int64_t most = std::min(kItems, kMaxBytes / std::max<int64_t>(1, size * sizeof(A)));
    const int64_t groups =
        std::max<int64_t>(1, std::min(args.shape.batch, (most + blocks - 1) / blocks));
    args.samples = (args.shape.batch + groups - 1) / groups;
    const int64_t items = args.samples == 0 ? 0 : block_count(args.shape.batch, args.samples) * blocks;
    const Aligned<A> partial(items * size);
    args.partial = partial.get();
    parallel_for(context, items, args.samples * args.shape.steps * args.block * 2,
                 [&](int64_t begin, int64_t end) {
                   kernels().conv_weights_grad(dtype, args, begin, end);
                 });
    sum_weights<T>(args.geometry, partial.get(), items, out);
  }

  NeuronParams gradient_ = {};
  NeuronKind kind_;
};
KS_REGISTER("Conv2DLayerWeightsGrad", Conv2DLayerWeightsGrad);

REGISTER_OP("KerasSlayer>Conv2DLayerInputGrad")
    .Input("grad: T")
    .Input("membrane: T")
    .Input("weights: T")
    .Input("params: double")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Output("grad_input: T")
    KS_CONV_ATTRS
    KS_NEURON_ATTR
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle grad, size;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 5, &grad));
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(4, &size));
      TF_RETURN_IF_ERROR(c->WithRank(size, 3, &size));
      return same_outputs(c, c->MakeShape({c->Dim(grad, 0), c->Dim(grad, 1)}),
                          {c->Dim(size, 0), c->Dim(size, 1), c->Dim(size, 2)});
    });

class Conv2DLayerInputGrad : public ConvOp {
 public:
  explicit Conv2DLayerInputGrad(OpKernelConstruction* context) : ConvOp(context) {
    OP_REQUIRES_OK(context, read_gradient(context, &gradient_));
    OP_REQUIRES_OK(context, read_kind(context, &kind_));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(0);
    const Tensor& membrane = context->input(1);
    const Tensor& weights = context->input(2);
    LayerInputGradArgs args = {};
    ConvGeometry& g = args.conv;
    std::vector<int32_t> rows, columns;
    OP_REQUIRES_OK(context, prepare(context->input(4), context->input(5), weights.shape(), &g,
                                    &rows, &columns));
    args.neuron = gradient_;
    OP_REQUIRES_OK(context, read_neuron(context->input(3), kind_, &args.neuron));
    OP_REQUIRES_OK(context, check_outputs(grad, membrane, {g.out_height, g.out_width, g.filters},
                                          &args.shape));
    Tensor* out = nullptr;
    TensorShape shape;
    OP_REQUIRES_OK(context,
                   TensorShape::BuildTensorShape({args.shape.batch, args.shape.steps, g.height,
                                                  g.width, g.channels},
                                                 &shape));
    OP_REQUIRES_OK(context, allocate_large(context, 0, shape, &out));
    args.out_rows = g.out_height;
    args.in_rows = g.height;
    args.in_row = g.width * g.channels;
    args.grad = data_of(grad);
    args.membrane = data_of(membrane);
    args.grad_in = data_of(out);
    args.stream = is_large(*out);
    with_types(grad.dtype(), [&](auto type, auto wide) {
      const auto ordered = spread_weights<decltype(type), decltype(wide)>(g, weights);
      args.weights = ordered.get();
      run_input_grad(context, args, dtype_of(grad));
    });
  }

 private:
  NeuronParams gradient_ = {};
  NeuronKind kind_;
};
KS_REGISTER("Conv2DLayerInputGrad", Conv2DLayerInputGrad);

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
    Tensor size(tensorflow::DT_INT64, TensorShape({2}));
    for (int i : {0, 1}) size.flat<int64_t>()(i) = grad.dim_size(2 + i);
    OP_REQUIRES_OK(context, prepare(shape, size, context->input(2), &args.pool));
    args.neuron = gradient_;
    OP_REQUIRES_OK(context, read_neuron(context->input(3), kind_, &args.neuron));
    OP_REQUIRES_OK(context, series_shape(grad, "grad", &args.shape));
    OP_REQUIRES_OK(context, same_shape(grad, "grad", membrane, "membrane"));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_large(context, 0, shape, &out));
    args.out_rows = args.pool.out_height;
    args.in_rows = args.pool.height;
    args.in_row = args.pool.width * args.pool.channels;
    args.grad = data_of(grad);
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
