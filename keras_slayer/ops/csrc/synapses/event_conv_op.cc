// Ops of the event-driven 2-D convolution without neurons, [frames, out_height, out_width,
// filters], and of its weight gradient.
#include "synapses/event_conv_op.h"

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
    convolve_events(context, events, g, weights, out);
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
    weights_grad_of_events(context, events, g, grad, out);
  }
};
KS_REGISTER("EventConv2DWeightsGrad", EventConv2DWeightsGrad);

}  // namespace keras_slayer
