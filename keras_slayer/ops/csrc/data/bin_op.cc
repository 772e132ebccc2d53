// Op that bins the events [n] of one recording: the sorted numbers of the bins that hold an event.
// One pass replaces about forty small TensorFlow ops.
#include <limits>
#include <string>
#include <vector>

#include "base/op.h"

namespace keras_slayer {

// places[k] [n] is the position of each event along axis k, in [0, limits[k]). The number of a bin
// is step * prod(limits) + sum_k places[k] * strides[k].
REGISTER_OP("KerasSlayer>BinEvents")
    .Input("t: Time")
    .Input("step_length: double")
    .Input("places: Places")
    .Output("bins: Index")
    .Attr("steps: int >= 0")
    .Attr("limits: list(int)")
    .Attr("strides: list(int)")
    .Attr("names: list(string)")
    .Attr("late: {'drop', 'error'}")
    .Attr("Time: {uint8, uint16, uint32, int8, int16, int32, int64, float, double}")
    .Attr(
        "Places: list({bool, uint8, uint16, uint32, int8, int16, int32, int64, float, double}) "
        ">= 1")
    .Attr("Index: {int32, int64}")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle events, scalar;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 1, &events));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 0, &scalar));
      for (int i = 2; i < c->num_inputs(); ++i) {
        TF_RETURN_IF_ERROR(c->Merge(events, c->input(i), &events));
      }
      c->set_output(0, c->Vector(c->UnknownDim()));
      return absl::OkStatus();
    });

namespace {

constexpr int64_t kPart = 512;  // events that are read at once, into arrays on the stack

// Reads the numbers [first, first + count) of a vector.
template <class To>
void read(const Tensor& from, int64_t first, int64_t count, To* to) {
  const auto copy = [&](auto type) {
    const auto* values = static_cast<const decltype(type)*>(from.data()) + first;
    for (int64_t i = 0; i < count; ++i) to[i] = To(values[i]);
  };
  switch (from.dtype()) {
#define KS_READ(type)                               \
  case tensorflow::DataTypeToEnum<type>::value:     \
    copy(type());                                   \
    break;
    KS_READ(bool)
    KS_READ(uint8_t)
    KS_READ(uint16_t)
    KS_READ(uint32_t)
    KS_READ(int8_t)
    KS_READ(int16_t)
    KS_READ(int32_t)
    KS_READ(tensorflow::int64)
    KS_READ(float)
    KS_READ(double)
#undef KS_READ
    default:
      break;  // not registered
  }
}

}  // namespace

class BinEvents : public OpKernel {
 public:
  explicit BinEvents(OpKernelConstruction* context) : OpKernel(context) {
    std::string late;
    OP_REQUIRES_OK(context, context->GetAttr("steps", &steps_));
    OP_REQUIRES_OK(context, context->GetAttr("limits", &limits_));
    OP_REQUIRES_OK(context, context->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(context, context->GetAttr("names", &names_));
    OP_REQUIRES_OK(context, context->GetAttr("late", &late));
    refuse_late_ = late == "error";
    const size_t axes = size_t(context->num_inputs() - 2);
    OP_REQUIRES(context,
                limits_.size() == axes && strides_.size() == axes && names_.size() == axes,
                InvalidArgument("limits, strides and names must be as many as places, ", axes,
                                ". Received: ", limits_.size(), ", ", strides_.size(), " and ",
                                names_.size()));
    TensorShape frame, all;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape(limits_, &frame));
    frame_ = frame.num_elements();
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape({steps_, frame_}, &all));
    int64_t last = 0;  // largest bin within a frame
    for (size_t k = 0; k < axes; ++k) {
      OP_REQUIRES(context, limits_[k] > 0 && strides_[k] > 0 && strides_[k] <= frame_,
                  InvalidArgument("limits and strides must be positive, and the strides those of a "
                                  "frame. Received: ", limits_[k], " and ", strides_[k]));
      // A division, because limit * stride may overflow.
      OP_REQUIRES(context, limits_[k] - 1 <= (frame_ - 1 - last) / strides_[k],
                  InvalidArgument("strides must not lead out of a frame of ", frame_,
                                  " places. Received: limit ", limits_[k], " and stride ",
                                  strides_[k]));
      last += (limits_[k] - 1) * strides_[k];
    }
    const bool is_int32 = context->output_type(0) == tensorflow::DT_INT32;
    OP_REQUIRES(context, !is_int32 || all.num_elements() <= std::numeric_limits<int32_t>::max(),
                InvalidArgument("bins must be int64 for a sample of ", all.num_elements(),
                                " values."));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &t = context->input(0), &step_length = context->input(1);
    OP_REQUIRES(context, t.dims() == 1,
                InvalidArgument("t must be a vector. Received: shape ", t.shape().DebugString()));
    for (size_t k = 0; k < names_.size(); ++k) {
      OP_REQUIRES_OK(context, same_shape(t, "t", context->input(2 + int(k)), names_[k].c_str()));
    }
    OP_REQUIRES(context, step_length.dims() == 0 && step_length.flat<double>()(0) > 0,
                InvalidArgument("step_length must be a positive scalar. Received: ",
                                step_length.DebugString()));
    const absl::Status status = context->expected_output_dtype(0) == tensorflow::DT_INT32
                                    ? bin<int32_t>(context)
                                    : bin<int64_t>(context);
    OP_REQUIRES_OK(context, status);
  }

 private:
  template <class Index>
  absl::Status bin(OpKernelContext* context) const {
    const Tensor& t = context->input(0);
    const double step_length = context->input(1).scalar<double>()();
    const int64_t size = t.NumElements();
    std::vector<Index> bins;
    bins.reserve(size_t(size));
    std::vector<size_t> steps;  // index of the first bin of each step
    int64_t before = -1;
    bool in_order = true;
    for (int64_t first = 0; first < size; first += kPart) {
      const int64_t count = std::min(kPart, size - first);
      double time[kPart];
      int64_t place[kPart], bin[kPart] = {};
      read(t, first, count, time);
      for (size_t k = 0; k < names_.size(); ++k) {
        read(context->input(2 + int(k)), first, count, place);
        for (int64_t i = 0; i < count; ++i) {
          const bool inside = place[i] >= 0 && place[i] < limits_[k];
          if (!inside && time[i] >= 0) return outside(k, first + i, place[i]);
          bin[i] += inside ? place[i] * strides_[k] : 0;
        }
      }
      for (int64_t i = 0; i < count; ++i) {
        if (!(time[i] >= 0)) continue;  // padding
        const double step = std::floor(time[i] / step_length);
        if (!(step < double(steps_))) {
          if (refuse_late_) return late(first + i, time[i], step_length);
          continue;
        }
        if (int64_t(step) != before) {
          in_order = in_order && int64_t(step) > before;
          steps.push_back(bins.size());
          before = int64_t(step);
        }
        bins.push_back(Index(before * frame_ + bin[i]));
      }
    }
    steps.push_back(bins.size());
    // If the events are in order of time, only the few bins of each step need sorting.
    if (in_order) {
      for (size_t i = 1; i < steps.size(); ++i) {
        std::sort(bins.begin() + steps[i - 1], bins.begin() + steps[i]);
      }
    } else {
      std::sort(bins.begin(), bins.end());
    }
    bins.erase(std::unique(bins.begin(), bins.end()), bins.end());
    Tensor* out = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(0, {int64_t(bins.size())}, &out));
    std::copy(bins.begin(), bins.end(), static_cast<Index*>(out->data()));
    return absl::OkStatus();
  }

  absl::Status outside(size_t axis, int64_t event, int64_t place) const {
    return InvalidArgument("An event is off the sensor: ", names_[axis], " must be 0..",
                           limits_[axis] - 1, ". Received: ", names_[axis], "[", event,
                           "] = ", place);
  }
  absl::Status late(int64_t event, double time, double step_length) const {
    return InvalidArgument("An event is past the last of ", steps_, " steps of ",
                           step_length / 1000, " ms. Received: t[", event, "] = ", time, " us");
  }

  std::vector<int64_t> limits_, strides_;
  std::vector<std::string> names_;
  int64_t steps_, frame_;
  bool refuse_late_;
};
KS_REGISTER("BinEvents", BinEvents);

}  // namespace keras_slayer
