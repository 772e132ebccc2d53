// Op that finds the events of spikes: the nonzeros of a matrix row by row, or of the step before
// each step.
#include "events/find_events_op.h"

namespace keras_slayer {

// The events of x [rows, columns]; with `earlier`, those of the step before each step of x [batch,
// time, columns], where rows are steps, and before a first step there are none. If more than
// max_density of x is nonzero, `dense` is true and the events are empty.
REGISTER_OP("KerasSlayer>FindEvents")
    .Input("x: S")
    .Output("offsets: int64")
    .Output("index: int32")
    .Output("value: T")
    .Output("dense: bool")
    .Attr("max_density: float = 1.0")
    .Attr("earlier: bool = false")
    .Attr(KS_SPIKE_TYPES)
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      bool earlier;
      ShapeHandle x;
      TF_RETURN_IF_ERROR(c->GetAttr("earlier", &earlier));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), earlier ? 3 : 2, &x));
      c->set_output(0, c->UnknownShapeOfRank(1));
      c->set_output(1, c->UnknownShapeOfRank(1));
      c->set_output(2, c->UnknownShapeOfRank(1));
      c->set_output(3, c->Scalar());
      return absl::OkStatus();
    });

class FindEvents : public FindEventsOp {
 public:
  using FindEventsOp::FindEventsOp;
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES_OK(context, check(x));
    FoundEvents found;
    Tensor* dense;
    OP_REQUIRES_OK(context, find_events(context, x, rows(x), columns(x), type(), limit(x), &found,
                                        steps(x)));
    context->set_output(0, found.offsets);
    context->set_output(1, found.index);
    context->set_output(2, found.value);
    OP_REQUIRES_OK(context, context->allocate_output(3, TensorShape({}), &dense));
    dense->scalar<bool>()() = found.too_many;
  }
};
KS_REGISTER("FindEvents", FindEvents);

}  // namespace keras_slayer
