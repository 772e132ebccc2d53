// Ops that find the events of spikes, their nonzeros: of a matrix row by row, or of the step before
// each step.
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

// The events of the step before each step of x [batch, time, columns]: rows are steps. Before a
// first step there are none.
REGISTER_OP("KerasSlayer>FindEarlierEvents")
    .Input("x: S")
    .Output("offsets: int64")
    .Output("index: int32")
    .Output("value: T")
    .Attr(KS_SPIKE_TYPES)
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle series;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 3, &series));
      for (int i = 0; i < 3; ++i) c->set_output(i, c->UnknownShapeOfRank(1));
      return absl::OkStatus();
    });

class FindEarlierEvents : public OpKernel {
 public:
  explicit FindEarlierEvents(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("T", &type_));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(context, x.dims() == 3 && x.dim_size(2) <= kMaxColumns,
                InvalidArgument("x must have the axes (batch, time, columns), and less than 2^31 ",
                                "columns. Received: shape ", x.shape().DebugString()));
    OP_REQUIRES_OK(context, check_spike_type(x, type_));
    FoundEvents found;
    OP_REQUIRES_OK(context, find_events(context, x, x.dim_size(0) * x.dim_size(1), x.dim_size(2),
                                        type_, x.NumElements(), &found, x.dim_size(1)));
    context->set_output(0, found.offsets);
    context->set_output(1, found.index);
    context->set_output(2, found.value);
  }

 private:
  tensorflow::DataType type_;
};
KS_REGISTER("FindEarlierEvents", FindEarlierEvents);

}  // namespace keras_slayer
