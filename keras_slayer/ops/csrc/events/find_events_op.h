// Finds the events of a tensor of spikes on the CPU. FindEvents and FramesConv2D use it. And what
// FindEvents has in common on both devices.
#ifndef KERAS_SLAYER_EVENTS_FIND_EVENTS_OP_H_
#define KERAS_SLAYER_EVENTS_FIND_EVENTS_OP_H_

#include <atomic>
#include <cstring>
#include <numeric>
#include <vector>

#include "events/event_op.h"

namespace keras_slayer {

// The attributes of FindEvents and the checks of its input, on either device.
class FindEventsOp : public OpKernel {
 public:
  explicit FindEventsOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("max_density", &max_density_));
    OP_REQUIRES(context, max_density_ >= 0 && max_density_ <= 1,
                InvalidArgument("max_density must lie in [0, 1]. Received: max_density=",
                                max_density_));
    OP_REQUIRES_OK(context, context->GetAttr("T", &type_));
    OP_REQUIRES_OK(context, context->GetAttr("earlier", &earlier_));
  }

 protected:
  absl::Status check(const Tensor& x) const {
    const int axes = earlier_ ? 3 : 2;
    if (x.dims() == axes && columns(x) <= kMaxColumns) return check_spike_type(x, type_);
    return InvalidArgument("x must ", earlier_ ? "have the axes (batch, time, columns)" : "be a matrix",
                           ", of less than 2^31 columns. Received: shape ",
                           x.shape().DebugString());
  }
  int64_t columns(const Tensor& x) const { return x.dim_size(x.dims() - 1); }
  int64_t rows(const Tensor& x) const {
    return earlier_ ? x.dim_size(0) * x.dim_size(1) : x.dim_size(0);
  }
  // As in CollectArgs.
  int64_t steps(const Tensor& x) const { return earlier_ ? x.dim_size(1) : 0; }
  // With more events than these, there are none.
  int64_t limit(const Tensor& x) const {
    return int64_t(double(max_density_) * double(x.NumElements()));
  }
  tensorflow::DataType type() const { return type_; }  // of the values

 private:
  float max_density_;
  bool earlier_;
  tensorflow::DataType type_;
};

// The events of the work items, each of some rows, in the order in which they were found.
struct CollectedEvents {
  struct Item {
    int64_t at, size;
  };
  std::vector<Item> items;
  Tensor index, value;
  bool too_many;  // then there are none
};

// Finds the events and counts them per row, in one pass over memory. Stops if there are more than
// `limit`. `steps`: as in CollectArgs. All memory is kept: fresh pages for the events of each item
// would take a fifth of the time.
inline absl::Status collect_rows(OpKernelContext* context, const Tensor& x, int64_t rows,
                                 int64_t columns, int64_t steps, tensorflow::DataType type,
                                 int64_t limit, int64_t* counts, CollectedEvents* collected) {
  constexpr int64_t kItemBytes = 256 << 10;
  const size_t bytes = size_t(tensorflow::DataTypeSize(type));
  const int64_t x_row = columns * tensorflow::DataTypeSize(x.dtype());
  const int64_t step = std::max<int64_t>(1, kItemBytes / std::max<int64_t>(1, x_row));
  collected->items.resize(size_t(block_count(rows, step)));
  TF_RETURN_IF_ERROR(allocate_kept(tensorflow::DT_INT32, {limit}, &collected->index));
  TF_RETURN_IF_ERROR(allocate_kept(type, {limit}, &collected->value));
  int32_t* all = collected->index.flat<int32_t>().data();
  char* all_values = static_cast<char*>(data_of(&collected->value));
  std::atomic<int64_t> found{0};
  std::atomic<bool> failed{false};
  parallel_for(context, int64_t(collected->items.size()), step * (columns / 5 + 20),
               [&](int64_t begin, int64_t end) {
    // Room for every element to be an event. Pages that are never written take no memory.
    const TensorShape room({step * columns + kPackedRoom});
    Tensor index, value;
    if (!allocate_kept(tensorflow::DT_INT32, room, &index).ok() ||
        !allocate_kept(type, room, &value).ok()) {
      failed = true;
      return;
    }
    for (int64_t i = begin; i < end && found <= limit; ++i) {
      const int64_t first = i * step, count = std::min(step, rows - first);
      const char* from = static_cast<const char*>(x.data()) + first * x_row;
      const CollectArgs args = {columns, first, steps, dtype_of(x.dtype()), from, counts + first,
                                index.flat<int32_t>().data(), data_of(&value)};
      kernels::collect_events(dtype_of(type), args, 0, count);
      const int64_t size = std::accumulate(counts + first, counts + first + count, int64_t(0));
      const int64_t at = found.fetch_add(size);
      collected->items[size_t(i)] = {at, size};
      if (size == 0 || at + size > limit) continue;
      std::memcpy(all + at, args.index, size_t(size) * sizeof(int32_t));
      std::memcpy(all_values + size_t(at) * bytes, args.value, size_t(size) * bytes);
    }
  });
  collected->too_many = found > limit;
  if (!failed) return absl::OkStatus();
  return tensorflow::errors::ResourceExhausted("out of memory for the events of ", step, " rows");
}

// Events and the memory that they are in.
struct FoundEvents {
  Tensor offsets, index, value;
  bool too_many;  // then there are none
  Events events(int64_t columns) const {
    return {offsets.dim_size(0) - 1, columns, offsets.flat<int64_t>().data(),
            index.flat<int32_t>().data(), data_of(value)};
  }
};

// The events of x, read as a matrix [rows, columns], with values of `type`; none if there are more
// than `limit`. `steps`: as in CollectArgs.
inline absl::Status find_events(OpKernelContext* context, const Tensor& x, int64_t rows,
                                int64_t columns, tensorflow::DataType type, int64_t limit,
                                FoundEvents* found, int64_t steps = 0) {
  TF_RETURN_IF_ERROR(
      context->allocate_temp(tensorflow::DT_INT64, TensorShape({rows + 1}), &found->offsets));
  int64_t* offsets = found->offsets.flat<int64_t>().data();
  CollectedEvents collected;
  TF_RETURN_IF_ERROR(collect_rows(context, x, rows, columns, steps, type, limit, offsets + 1,
                                  &collected));
  found->too_many = collected.too_many;
  if (found->too_many) {  // the search stopped early, so not all counts are set
    std::fill(offsets, offsets + rows + 1, 0);
    collected.items.clear();
  } else {
    offsets[0] = 0;
    for (int64_t row = 0; row < rows; ++row) offsets[row + 1] += offsets[row];
  }
  const TensorShape size({offsets[rows]});
  TF_RETURN_IF_ERROR(allocate_kept(tensorflow::DT_INT32, size, &found->index));
  TF_RETURN_IF_ERROR(allocate_kept(type, size, &found->value));
  const size_t bytes = size_t(tensorflow::DataTypeSize(type));
  // In the order of the rows.
  std::vector<int64_t> starts(collected.items.size());
  int64_t place = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    starts[i] = place;
    place += collected.items[i].size;
  }
  const auto copy = [&](const Tensor& from, size_t each, size_t i, Tensor* to) {
    const auto& item = collected.items[i];
    if (item.size == 0) return;
    std::memcpy(static_cast<char*>(data_of(to)) + size_t(starts[i]) * each,
                static_cast<const char*>(data_of(from)) + size_t(item.at) * each,
                size_t(item.size) * each);
  };
  parallel_for(context, int64_t(starts.size()), 100 + place / std::max<int64_t>(1, starts.size()),
               [&](int64_t begin, int64_t end) {
    for (size_t i = size_t(begin); i < size_t(end); ++i) {
      copy(collected.index, sizeof(int32_t), i, &found->index);
      copy(collected.value, bytes, i, &found->value);
    }
  });
  return absl::OkStatus();
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EVENTS_FIND_EVENTS_OP_H_
