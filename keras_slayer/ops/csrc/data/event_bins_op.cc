// Op that bins the events [batch, events] of a batch of recordings, with the checks of their places.
#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "data/recordings_op.h"

namespace keras_slayer {

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
    for (int k = 0; k < 3; ++k) args.places[k] = read_field<int32_t>(context, kInput[k]);
    args.t = read_field<int64_t>(context, 3), args.kept = read_field<bool>(context, 4);
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
