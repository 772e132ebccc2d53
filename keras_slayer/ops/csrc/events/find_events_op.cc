// Op that finds the events of a spike matrix: its nonzeros, row by row.
#include "events/find_events_op.h"

namespace keras_slayer {

// The events of x [rows, columns]. If more than max_density of x is nonzero, `dense` is true and
// the events are empty.
REGISTER_OP("KerasSlayer>FindEvents")
    .Input("x: S")
    .Output("offsets: int64")
    .Output("index: int32")
    .Output("value: T")
    .Output("dense: bool")
    .Attr("max_density: float = 1.0")
    .Attr(KS_SPIKE_TYPES)
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle matrix;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &matrix));
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
    OP_REQUIRES_OK(context, find_events(context, x, x.dim_size(0), x.dim_size(1), type(), limit(x),
                                        &found));
    context->set_output(0, found.offsets);
    context->set_output(1, found.index);
    context->set_output(2, found.value);
    OP_REQUIRES_OK(context, context->allocate_output(3, TensorShape({}), &dense));
    dense->scalar<bool>()() = found.too_many;
  }
};
KS_REGISTER("FindEvents", FindEvents);

}  // namespace keras_slayer
