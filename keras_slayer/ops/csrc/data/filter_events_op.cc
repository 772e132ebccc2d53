// Ops that filter the events [batch, events] of recordings by the events before: one pass in order
// of time, with the last time of each pixel at hand. In plain TensorFlow they take sorts and
// binary searches.
#include <algorithm>
#include <limits>
#include <unordered_map>
#include <vector>

#include "base/op.h"

namespace keras_slayer {

namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

// The last time of each pixel, in an array ...
class TimesOfFew {
 public:
  explicit TimesOfFew(int64_t pixels) : times_(size_t(pixels), kNever) {}
  int64_t get(int64_t pixel) const { return times_[size_t(pixel)]; }
  void set(int64_t pixel, int64_t time) { times_[size_t(pixel)] = time; }

 private:
  std::vector<int64_t> times_;
};

// ... or, for sensors with many more pixels than events, of those that had one.
class TimesOfMany {
 public:
  explicit TimesOfMany(int64_t) {}
  int64_t get(int64_t pixel) const {
    const auto found = times_.find(pixel);
    return found == times_.end() ? kNever : found->second;
  }
  void set(int64_t pixel, int64_t time) { times_[pixel] = time; }

 private:
  std::unordered_map<int64_t, int64_t> times_;
};

// Whether `time` is less than `period` after `last`.
bool follows(int64_t last, int64_t time, uint64_t period) {
  return last != kNever && uint64_t(time) - uint64_t(last) < period;
}

// The events of one recording, and the order of those that are kept: by time, simultaneous ones
// as they come.
struct Recording {
  Recording(const int32_t* x, const int32_t* y, const int64_t* t, const bool* kept, int64_t count)
      : x(x), y(y), t(t) {
    order.reserve(size_t(count));
    bool sorted = true;
    for (int64_t i = 0; i < count; ++i) {
      if (!kept[i]) continue;
      sorted = sorted && (order.empty() || t[order.back()] <= t[i]);
      order.push_back(int32_t(i));
    }
    if (!sorted) sort();
  }

  // By 11 bits of the time since the first event after another, the lowest ones first.
  void sort() {
    constexpr int kBits = 11;
    int64_t first = t[order[0]], last = first;
    for (const int32_t i : order) first = std::min(first, t[i]), last = std::max(last, t[i]);
    const uint64_t span = uint64_t(last) - uint64_t(first);
    std::vector<int32_t> to(order.size());
    for (int shift = 0; shift < 64 && (span >> shift) > 0; shift += kBits) {
      const auto digit = [&](int32_t i) {
        return ((uint64_t(t[i]) - uint64_t(first)) >> shift) & ((1 << kBits) - 1);
      };
      int32_t starts[(1 << kBits) + 1] = {};
      for (const int32_t i : order) ++starts[digit(i) + 1];
      for (int k = 0; k < 1 << kBits; ++k) starts[k + 1] += starts[k];
      for (const int32_t i : order) to[size_t(starts[digit(i)]++)] = i;
      order.swap(to);
    }
  }

  const int32_t *x, *y;
  const int64_t* t;
  std::vector<int32_t> order;
};

}  // namespace

#define KS_FILTER_SHAPES(c)                                                                   \
  ShapeHandle shape, scalar;                                                                  \
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &shape));                                    \
  for (int i = 1; i < 4; ++i) TF_RETURN_IF_ERROR(c->Merge(shape, c->input(i), &shape));       \
  for (int i = 4; i < 6; ++i) TF_RETURN_IF_ERROR(c->WithRank(c->input(i), 0, &scalar));       \
  c->set_output(0, shape);                                                                    \
  return absl::OkStatus();

// The base of both: checks, then filter<Times>(recording, height, width, kept) for each recording.
// height and width are those of the sensor, or of what the events cover.
template <class Filter>
class FilterOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const int64_t batch = x.dims() == 2 ? x.dim_size(0) : 0;
    const int64_t events = x.dims() == 2 ? x.dim_size(1) : 0;
    OP_REQUIRES(context, x.dims() == 2 && events < std::numeric_limits<int32_t>::max(),
                InvalidArgument("events must have the axes (batch, events), below 2^31 events "
                                "each. Received: shape ", x.shape().DebugString()));
    for (int i = 1; i < 4; ++i) {
      OP_REQUIRES_OK(context, same_shape(x, "the fields of events", context->input(i), "others"));
    }
    int64_t sides[2];
    for (int k = 0; k < 2; ++k) {
      const Tensor& side = context->input(4 + k);
      OP_REQUIRES(context, side.dims() == 0 && side.flat<int32_t>()(0) > 0,
                  InvalidArgument("height and width must be positive scalars. Received: ",
                                  side.DebugString()));
      sides[k] = side.flat<int32_t>()(0);
    }
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &out));
    std::vector<int64_t> outside(size_t(batch), -1);
    parallel_for(context, batch, 20 * events, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const Recording recording(row<int32_t>(context, 0, b), row<int32_t>(context, 1, b),
                                  row<int64_t>(context, 2, b), row<bool>(context, 3, b), events);
        bool* const kept = out->flat<bool>().data() + b * events;
        std::fill(kept, kept + events, false);
        outside[size_t(b)] = off_sensor(recording, sides[0], sides[1]);
        if (outside[size_t(b)] >= 0) continue;
        // An array of many pixels costs more to clear than a table of the events' ones.
        const auto* self = static_cast<const Filter*>(this);
        if (sides[0] * sides[1] <= 64 * events + 65536) {
          self->template filter<TimesOfFew>(recording, sides[0], sides[1], kept);
        } else {
          self->template filter<TimesOfMany>(recording, sides[0], sides[1], kept);
        }
      }
    });
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t i = outside[size_t(b)];
      OP_REQUIRES(context, i < 0,
                  InvalidArgument("An event is off the sensor of ", sides[0], " x ", sides[1],
                                  " pixels. Received: y[", b, ", ", i, "] = ",
                                  i < 0 ? 0 : row<int32_t>(context, 1, b)[i], ", x = ",
                                  i < 0 ? 0 : row<int32_t>(context, 0, b)[i]));
    }
  }

 private:
  template <class T>
  static const T* row(OpKernelContext* context, int input, int64_t b) {
    const Tensor& tensor = context->input(input);
    return static_cast<const T*>(tensor.data()) + b * tensor.dim_size(1);
  }
  static int64_t off_sensor(const Recording& recording, int64_t height, int64_t width) {
    for (const int32_t i : recording.order) {
      const int64_t x = recording.x[i], y = recording.y[i];
      if (x < 0 || x >= width || y < 0 || y >= height) return i;
    }
    return -1;
  }
};

// Keeps an event if the last one of its pixel that was kept is at least `period` before it.
REGISTER_OP("KerasSlayer>RefractoryEvents")
    .Input("x: int32")
    .Input("y: int32")
    .Input("t: int64")
    .Input("kept: bool")
    .Input("height: int32")
    .Input("width: int32")
    .Output("new_kept: bool")
    .Attr("period: int >= 1")
    .SetShapeFn([](InferenceContext* c) { KS_FILTER_SHAPES(c) });

class RefractoryEvents : public FilterOp<RefractoryEvents> {
 public:
  explicit RefractoryEvents(OpKernelConstruction* context) : FilterOp(context) {
    OP_REQUIRES_OK(context, context->GetAttr("period", &period_));
  }

  template <class Times>
  void filter(const Recording& recording, int64_t height, int64_t width, bool* kept) const {
    Times last(height * width);
    for (const int32_t i : recording.order) {
      const int64_t pixel = recording.y[i] * width + recording.x[i];
      kept[i] = !follows(last.get(pixel), recording.t[i], uint64_t(period_));
      if (kept[i]) last.set(pixel, recording.t[i]);
    }
  }

 private:
  int64_t period_;
};
KS_REGISTER("RefractoryEvents", RefractoryEvents);

// Keeps an event if another pixel, of the size x size around it, had one at most filter_time before.
REGISTER_OP("KerasSlayer>DenoiseEvents")
    .Input("x: int32")
    .Input("y: int32")
    .Input("t: int64")
    .Input("kept: bool")
    .Input("height: int32")
    .Input("width: int32")
    .Output("new_kept: bool")
    .Attr("filter_time: int >= 0")
    .Attr("size: int >= 1")
    .SetShapeFn([](InferenceContext* c) { KS_FILTER_SHAPES(c) });

class DenoiseEvents : public FilterOp<DenoiseEvents> {
 public:
  explicit DenoiseEvents(OpKernelConstruction* context) : FilterOp(context) {
    int64_t size;
    OP_REQUIRES_OK(context, context->GetAttr("filter_time", &filter_time_));
    OP_REQUIRES_OK(context, context->GetAttr("size", &size));
    OP_REQUIRES(context, size % 2 == 1 && size < 1000,
                InvalidArgument("size must be odd, and below 1000. Received: ", size));
    reach_ = size / 2;
  }

  template <class Times>
  void filter(const Recording& recording, int64_t height, int64_t width, bool* kept) const {
    Times last(height * width);
    const auto& order = recording.order;
    for (size_t first = 0, end = 0; first < order.size(); first = end) {
      // Simultaneous events support each other: all of them are known before any is looked at.
      const int64_t time = recording.t[order[first]];
      for (; end < order.size() && recording.t[order[end]] == time; ++end) {
        last.set(recording.y[order[end]] * width + recording.x[order[end]], time);
      }
      for (size_t k = first; k < end; ++k) {
        const int32_t i = order[k];
        kept[i] = supported(last, recording.y[i], recording.x[i], time, height, width);
      }
    }
  }

 private:
  template <class Times>
  bool supported(const Times& last, int64_t y, int64_t x, int64_t time, int64_t height,
                 int64_t width) const {
    const int64_t top = std::max<int64_t>(y - reach_, 0), bottom = std::min(y + reach_, height - 1);
    const int64_t left = std::max<int64_t>(x - reach_, 0), right = std::min(x + reach_, width - 1);
    const uint64_t period = uint64_t(filter_time_) + 1;
    for (int64_t row = top; row <= bottom; ++row) {
      for (int64_t column = left; column <= right; ++column) {
        if ((row != y || column != x) && follows(last.get(row * width + column), time, period)) {
          return true;
        }
      }
    }
    return false;
  }

  int64_t filter_time_, reach_;
};
KS_REGISTER("DenoiseEvents", DenoiseEvents);

}  // namespace keras_slayer
