// Ops over the events [batch, events] of a batch of recordings, for the transforms and binning of
// a pipeline. Each replaces five to thirty small TensorFlow ops.
#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "base/device.h"
#include "data/recordings.h"

namespace keras_slayer {

namespace {

template <class T>
const T* read(OpKernelContext* context, int index) {
  return static_cast<const T*>(context->input(index).data());
}

// Checks that inputs 0 .. count - 1 have the shape [batch, events] of the first.
absl::Status check_events(OpKernelContext* context, int count) {
  const Tensor& first = context->input(0);
  const auto most = std::numeric_limits<int32_t>::max();
  if (first.dims() != 2 || first.dim_size(1) >= most) {
    return InvalidArgument("events must have the axes (batch, events), below 2^31 events each. "
                           "Received: shape ", first.shape().DebugString());
  }
  for (int i = 1; i < count; ++i) {
    TF_RETURN_IF_ERROR(same_shape(first, "the fields of events", context->input(i), "others"));
  }
  return absl::OkStatus();
}

// Allocates output `index` like input 0, or [batch, columns].
template <class T>
absl::Status write(OpKernelContext* context, int index, T** to, int64_t columns = -1) {
  TensorShape shape = context->input(0).shape();
  if (columns >= 0) shape.set_dim(1, columns);
  Tensor* out = nullptr;
  TF_RETURN_IF_ERROR(context->allocate_output(index, shape, &out));
  *to = static_cast<T*>(out->data());
  return absl::OkStatus();
}

// Shape function: inputs 0 .. inputs - 1 are alike, and so are all outputs.
template <int inputs>
absl::Status like_events(InferenceContext* c) {
  ShapeHandle shape;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &shape));
  for (int i = 1; i < inputs; ++i) TF_RETURN_IF_ERROR(c->Merge(shape, c->input(i), &shape));
  for (int i = 0; i < c->num_outputs(); ++i) c->set_output(i, shape);
  return absl::OkStatus();
}

// Calls a kernel for parts of the events (cost: nanoseconds of one event).
template <class Args>
void run_parts(OpKernelContext* context, CpuKernel<Args> kernel, const Args& args, int64_t cost) {
  parallel_for(context, block_count(args.size, kItemEvents), cost * kItemEvents,
               [&](int64_t begin, int64_t end) { kernel(Dtype::kFloat, args, begin, end); });
}

// ... or recording by recording.
template <class Args>
void run_rows(OpKernelContext* context, CpuKernel<Args> kernel, const Args& args, int64_t cost) {
  parallel_for(context, context->input(0).dim_size(0), cost * args.events,
               [&](int64_t begin, int64_t end) { kernel(Dtype::kFloat, args, begin, end); });
}

}  // namespace

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
                       read<int64_t>(context, 0)};
    OP_REQUIRES_OK(context, write(context, 0, &args.x));
    OP_REQUIRES_OK(context, write(context, 1, &args.y));
    OP_REQUIRES_OK(context, write(context, 2, &args.polarity));
    OP_REQUIRES_OK(context, write(context, 3, &args.t));
    OP_REQUIRES_OK(context, write(context, 4, &args.kept));
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
                         read<int32_t>(context, 0), read<int32_t>(context, 1),
                         read<bool>(context, 2)};
    OP_REQUIRES_OK(context, write(context, 0, &args.new_kept));
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
                     float((width_ - 1) / 2.0), read<float>(context, 3),
                     read<int32_t>(context, 0), read<int32_t>(context, 1), read<bool>(context, 2)};
    OP_REQUIRES_OK(context, write(context, 0, &args.new_x));
    OP_REQUIRES_OK(context, write(context, 1, &args.new_y));
    OP_REQUIRES_OK(context, write(context, 2, &args.new_kept));
    run_rows(context, kernels::turn_events, args, 1);
  }
};
KS_REGISTER("TurnEvents", TurnEvents);

REGISTER_OP("KerasSlayer>JitterEvents")
    .Input("t: int64")
    .Input("kept: bool")
    .Input("noise: float")
    .Output("new_t: int64")
    .Output("new_kept: bool")
    .SetShapeFn(like_events<3>);

class JitterEvents : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, check_events(context, 3));
    JitterArgs args = {context->input(0).NumElements(), read<float>(context, 2),
                       read<int64_t>(context, 0), read<bool>(context, 1)};
    OP_REQUIRES_OK(context, write(context, 0, &args.new_t));
    OP_REQUIRES_OK(context, write(context, 1, &args.new_kept));
    run_parts(context, kernels::jitter_events, args, 1);
  }
};
KS_REGISTER("JitterEvents", JitterEvents);

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
    SpanArgs args = {context->input(0).dim_size(1), read<int64_t>(context, 0),
                     read<bool>(context, 1)};
    OP_REQUIRES_OK(context, write(context, 0, &args.first, 1));
    OP_REQUIRES_OK(context, write(context, 1, &args.length, 1));
    run_rows(context, kernels::event_spans, args, 1);
  }
};
KS_REGISTER("EventSpans", EventSpans);

// image: whether rows count; otherwise x is the neuron.
REGISTER_OP("KerasSlayer>EventBins")
    .Input("x: int32")
    .Input("y: int32")
    .Input("polarity: int32")
    .Input("t: int64")
    .Input("kept: bool")
    .Input("step_length: double")
    .Output("bins: Index")
    .Output("late: int32")
    .Output("count: int32")
    .Attr("steps: int >= 1")
    .Attr("frame: list(int) >= 3")
    .Attr("image: bool")
    .Attr("late_is_error: bool")
    .Attr("Index: {int32, int64}")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle shape;
      TF_RETURN_IF_ERROR(like_events<5>(c));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(5), 0, &shape));
      for (int i = 1; i < 3; ++i) c->set_output(i, c->Vector(c->Dim(c->output(0), 0)));
      return absl::OkStatus();
    });

class EventBins : public OpKernel {
 public:
  explicit EventBins(OpKernelConstruction* context) : OpKernel(context) {
    std::vector<int64_t> frame;
    bool image;
    OP_REQUIRES_OK(context, context->GetAttr("steps", &steps_));
    OP_REQUIRES_OK(context, context->GetAttr("frame", &frame));
    OP_REQUIRES_OK(context, context->GetAttr("image", &image));
    OP_REQUIRES_OK(context, context->GetAttr("late_is_error", &refuse_late_));
    OP_REQUIRES(context, frame.size() == 3 && *std::min_element(frame.begin(), frame.end()) > 0,
                InvalidArgument("frame must be height, width and channels, all positive."));
    TensorShape shape;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape(
                                {steps_, frame[0], frame[1], frame[2]}, &shape));
    frame_ = shape.num_elements() / steps_;
    wide_ = context->output_type(0) == tensorflow::DT_INT64;
    OP_REQUIRES(context, wide_ || shape.num_elements() <= std::numeric_limits<int32_t>::max(),
                InvalidArgument("bins must be int64 for a sample of ", shape.num_elements(),
                                " values."));
    const bool looked_at[3] = {image, true, frame[2] > 1};
    for (int k = 0; k < 3; ++k) limits_[k] = looked_at[k] ? frame[size_t(k)] : 0;
    strides_[0] = frame[1] * frame[2], strides_[1] = frame[2], strides_[2] = 1;
  }

  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, check_events(context, 5));
    const Tensor &t = context->input(3), &step_length = context->input(5);
    OP_REQUIRES(context, step_length.dims() == 0 && step_length.flat<double>()(0) > 0,
                InvalidArgument("step_length must be a positive scalar. Received: ",
                                step_length.DebugString()));
    const int64_t batch = t.dim_size(0);
    EventBinsArgs args = {t.dim_size(1), steps_};
    std::copy(limits_, limits_ + 3, args.limits);
    std::copy(strides_, strides_ + 3, args.strides);
    args.frame = frame_, args.step_length = step_length.scalar<double>()();
    for (int k = 0; k < 3; ++k) args.places[k] = read<int32_t>(context, kInput[k]);
    args.t = read<int64_t>(context, 3), args.kept = read<bool>(context, 4);
    args.wide = wide_;
    Tensor* bins = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, t.shape(), &bins));
    args.bins = bins->data();
    int32_t* counts[2];
    for (int i = 0; i < 2; ++i) {
      Tensor* out = nullptr;
      OP_REQUIRES_OK(context, context->allocate_output(1 + i, {batch}, &out));
      counts[i] = out->flat<int32_t>().data();
    }
    args.late = counts[0], args.count = counts[1];
    const std::unique_ptr<bool[]> outside(new bool[size_t(batch)]);
    args.outside = outside.get();
    run_rows(context, kernels::event_bins, args, 5);
    for (int64_t b = 0; b < batch; ++b) {
      if (outside[size_t(b)]) OP_REQUIRES_OK(context, off_sensor(args, b));
      if (refuse_late_ && args.late[b] > 0) OP_REQUIRES_OK(context, too_late(args, b));
    }
  }

 private:
  static constexpr int kInput[3] = {1, 0, 2};  // of y, x and polarity

  absl::Status off_sensor(const EventBinsArgs& args, int64_t b) const {
    static const char* const names[3] = {"y", "x", "polarity"};
    for (int64_t i = b * args.events; i < (b + 1) * args.events; ++i) {
      if (!args.kept[i] || args.t[i] < 0) continue;
      for (int k : {1, 0, 2}) {
        const int64_t place = args.limits[k] == 0 ? 0 : args.places[k][i];
        if (args.limits[k] == 0 || (place >= 0 && place < args.limits[k])) continue;
        return InvalidArgument("An event is off the sensor: ", names[k], " must be 0..",
                               args.limits[k] - 1, ". Received: ", names[k], "[", b, ", ",
                               i - b * args.events, "] = ", place);
      }
    }
    return absl::OkStatus();  // not reached
  }

  absl::Status too_late(const EventBinsArgs& args, int64_t b) const {
    const int64_t* const t = args.t + b * args.events;
    int64_t latest = 0;
    for (int64_t i = 0; i < args.events; ++i) {
      if (args.kept[b * args.events + i]) latest = std::max(latest, t[i]);
    }
    return InvalidArgument("An event is past the last of ", steps_, " steps of ",
                           args.step_length / 1000, " ms. Received: a time of ", latest,
                           " us in row ", b);
  }

  int64_t steps_, frame_, limits_[3], strides_[3];
  bool refuse_late_, wide_;
};
KS_REGISTER("EventBins", EventBins);

}  // namespace keras_slayer
