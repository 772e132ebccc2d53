// Ops of the event-driven 2-D convolution without neurons, [frames, out_height, out_width,
// filters], and of its weight gradient.
#include "synapses/conv_op.h"
#include "synapses/event_conv.h"

namespace keras_slayer {

REGISTER_OP("KerasSlayer>EventConv2D")
    KS_EVENT_INPUTS
    .Input("weights: T")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Output("out: T")
    KS_CONV_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle weights;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 4, &weights));
      c->set_output(0, c->MakeShape({c->UnknownDim(), c->UnknownDim(), c->UnknownDim(),
                                     c->Dim(weights, 3)}));
      return absl::OkStatus();
    });

class EventConv2D : public ConvOp {
 public:
  using ConvOp::ConvOp;
  void Compute(OpKernelContext* context) override {
    const Tensor& weights = context->input(3);
    ConvGeometry g;
    std::vector<int32_t> rows, columns;
    OP_REQUIRES_OK(context, prepare(context->input(4), context->input(5), weights.shape(), &g,
                                    &rows, &columns));
    Events events;
    OP_REQUIRES_OK(context, read_events(context, g.height * g.width * g.channels, &events));
    Tensor* out = nullptr;
    TensorShape shape;
    OP_REQUIRES_OK(context, output_shape(events, g, &shape));
    OP_REQUIRES_OK(context, allocate_large(context, 0, shape, &out));
    with_types(weights.dtype(), [&](auto type, auto wide) {
      const auto ordered = ordered_weights<decltype(type), decltype(wide)>(g, weights);
      const EventConvArgs args = {events, g, ordered.get(), data_of(out)};
      const int64_t taps = g.kernel_height * g.kernel_width * g.filters / g.groups;
      parallel_for(context, events.rows,
                   row_cost(events, taps) + g.out_height * g.out_width * g.filters / 8,
                   [&](int64_t begin, int64_t end) {
                     kernels::event_conv(dtype_of(weights), args, begin, end);
                   });
    });
  }
};
KS_REGISTER("EventConv2D", EventConv2D);

REGISTER_OP("KerasSlayer>EventConv2DWeightsGrad")
    KS_EVENT_INPUTS
    .Input("grad: T")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Input("weights_shape: int64")
    .Output("grad_weights: T")
    KS_CONV_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle shape;
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(6, &shape));
      c->set_output(0, shape);
      return absl::OkStatus();
    });

class EventConv2DWeightsGrad : public ConvOp {
 public:
  using ConvOp::ConvOp;
  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(3);
    TensorShape weights;
    OP_REQUIRES_OK(context, read_shape(context->input(6), &weights));
    ConvGeometry g;
    std::vector<int32_t> rows, columns;
    OP_REQUIRES_OK(context, prepare(context->input(4), context->input(5), weights, &g, &rows,
                                    &columns));
    Events events;
    OP_REQUIRES_OK(context, read_events(context, g.height * g.width * g.channels, &events));
    TensorShape expected;
    OP_REQUIRES_OK(context, output_shape(events, g, &expected));
    OP_REQUIRES(context, grad.shape() == expected,
                InvalidArgument("grad must have the shape ", expected.DebugString(),
                                ". Received: ", grad.shape().DebugString()));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, weights, &out));
    with_types(grad.dtype(), [&](auto type, auto wide) {
      reduce<decltype(type), decltype(wide)>(context, events, g, grad, out);
    });
  }

 private:
  // Each work item sums its frames into its own partial gradient; these are then added in order.
  // The number of work items depends on the sizes alone, so the result does not depend on threads.
  template <class T, class A>
  static void reduce(OpKernelContext* context, const Events& events, const ConvGeometry& g,
                     const Tensor& grad, Tensor* out) {
    constexpr int64_t kItems = 16, kMaxBytes = int64_t(64) << 20;
    const int64_t size = out->NumElements();
    const int64_t bytes = std::max<int64_t>(size * int64_t(sizeof(A)), 1);
    const int64_t items = std::max<int64_t>(
        1, std::min({kItems, events.rows, kMaxBytes / bytes}));
    const int64_t frames = (events.rows + items - 1) / items;
    const Aligned<A> partial(items * size);
    const EventConvGradArgs args = {events, g, data_of(grad), frames, partial.get()};
    const int64_t taps = g.kernel_height * g.kernel_width * g.filters / g.groups;
    parallel_for(context, items, frames * row_cost(events, taps),
                 [&](int64_t begin, int64_t end) {
                   kernels::event_conv_grad(dtype_of(grad), args, begin, end);
                 });
    sum_weights<T>(g, partial.get(), items, out);
  }
};
KS_REGISTER("EventConv2DWeightsGrad", EventConv2DWeightsGrad);

}  // namespace keras_slayer
