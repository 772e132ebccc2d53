// Ops over the events [batch, events] of a batch of recordings, for the transforms of a pipeline.
// Each replaces five to twenty small TensorFlow ops.
#include "data/recordings_op.h"

namespace keras_slayer {

REGISTER_OP("KerasSlayer>UnpackEvents")
    .Input("packed: int64")
    .Output("x: int32")
    .Output("y: int32")
    .Output("polarity: int32")
    .Output("t: int64")
    .Output("kept: bool")
    .Attr("width: int >= 1")
    .Attr("channels: int >= 1")
    .SetShapeFn(like_events<1>);

class UnpackEvents : public OpKernel {
 public:
  explicit UnpackEvents(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("width", &width_));
    OP_REQUIRES_OK(context, context->GetAttr("channels", &channels_));
    const auto most = std::numeric_limits<int32_t>::max();
    OP_REQUIRES(context, width_ <= most && channels_ <= most,
                InvalidArgument("width and channels must be below 2^31. Received: ", width_,
                                " and ", channels_));
  }
  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, check_events(context, 1));
    UnpackArgs args = {context->input(0).NumElements(), width_, channels_,
                       read_field<int64_t>(context, 0)};
    OP_REQUIRES_OK(context, write_field(context, 0, &args.x));
    OP_REQUIRES_OK(context, write_field(context, 1, &args.y));
    OP_REQUIRES_OK(context, write_field(context, 2, &args.polarity));
    OP_REQUIRES_OK(context, write_field(context, 3, &args.t));
    OP_REQUIRES_OK(context, write_field(context, 4, &args.kept));
    run_parts(context, kernels::unpack_events, args, 2);
  }

 private:
  int64_t width_, channels_;
};
KS_REGISTER("UnpackEvents", UnpackEvents);

#define KS_SENSOR_ATTRS .Attr("height: int >= 1").Attr("width: int >= 1")

class SensorOp : public OpKernel {
 public:
  explicit SensorOp(OpKernelConstruction* context) : OpKernel(context) {
    int64_t height, width;
    OP_REQUIRES_OK(context, context->GetAttr("height", &height));
    OP_REQUIRES_OK(context, context->GetAttr("width", &width));
    const auto most = std::numeric_limits<int32_t>::max();
    OP_REQUIRES(context, height <= most && width <= most,
                InvalidArgument("height and width must be below 2^31. Received: ", height, " and ",
                                width));
    height_ = int32_t(height), width_ = int32_t(width);
  }

 protected:
  int32_t height_, width_;
};

REGISTER_OP("KerasSlayer>EventsOnSensor")
    .Input("x: int32")
    .Input("y: int32")
    .Input("kept: bool")
    .Output("new_kept: bool")
    KS_SENSOR_ATTRS
    .SetShapeFn(like_events<3>);

class EventsOnSensor : public SensorOp {
 public:
  using SensorOp::SensorOp;
  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, check_events(context, 3));
    OnSensorArgs args = {context->input(0).NumElements(), height_, width_,
                         read_field<int32_t>(context, 0), read_field<int32_t>(context, 1),
                         read_field<bool>(context, 2)};
    OP_REQUIRES_OK(context, write_field(context, 0, &args.new_kept));
    run_parts(context, kernels::events_on_sensor, args, 1);
  }
};
KS_REGISTER("EventsOnSensor", EventsOnSensor);

// maps [batch, 4]: see TurnArgs.
REGISTER_OP("KerasSlayer>TurnEvents")
    .Input("x: int32")
    .Input("y: int32")
    .Input("kept: bool")
    .Input("maps: float")
    .Output("new_x: int32")
    .Output("new_y: int32")
    .Output("new_kept: bool")
    KS_SENSOR_ATTRS
    .SetShapeFn(like_events<3>);

class TurnEvents : public SensorOp {
 public:
  using SensorOp::SensorOp;
  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, check_events(context, 3));
    const Tensor &x = context->input(0), &maps = context->input(3);
    OP_REQUIRES(context, maps.shape() == TensorShape({x.dim_size(0), 4}),
                InvalidArgument("maps must be (", x.dim_size(0), ", 4). Received: shape ",
                                maps.shape().DebugString()));
    TurnArgs args = {x.dim_size(1), height_, width_, float((height_ - 1) / 2.0),
                     float((width_ - 1) / 2.0), read_field<float>(context, 3),
                     read_field<int32_t>(context, 0), read_field<int32_t>(context, 1), read_field<bool>(context, 2)};
    OP_REQUIRES_OK(context, write_field(context, 0, &args.new_x));
    OP_REQUIRES_OK(context, write_field(context, 1, &args.new_y));
    OP_REQUIRES_OK(context, write_field(context, 2, &args.new_kept));
    run_rows(context, kernels::turn_events, args, 1);
  }
};
KS_REGISTER("TurnEvents", TurnEvents);

REGISTER_OP("KerasSlayer>EventSpans")
    .Input("t: int64")
    .Input("kept: bool")
    .Output("first: int64")
    .Output("length: int64")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle shape;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &shape));
      TF_RETURN_IF_ERROR(c->Merge(shape, c->input(1), &shape));
      for (int i = 0; i < 2; ++i) c->set_output(i, c->Matrix(c->Dim(shape, 0), 1));
      return absl::OkStatus();
    });

class EventSpans : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, check_events(context, 2));
    SpanArgs args = {context->input(0).dim_size(1), read_field<int64_t>(context, 0),
                     read_field<bool>(context, 1)};
    OP_REQUIRES_OK(context, write_field(context, 0, &args.first, 1));
    OP_REQUIRES_OK(context, write_field(context, 1, &args.length, 1));
    run_rows(context, kernels::event_spans, args, 1);
  }
};
KS_REGISTER("EventSpans", EventSpans);

}  // namespace keras_slayer
