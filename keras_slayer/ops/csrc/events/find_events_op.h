// Finds the events of a tensor of spikes on the CPU. FindEvents and FramesConv2D use it. And what
// FindEvents has in common on both devices.
#ifndef KERAS_SLAYER_EVENTS_FIND_EVENTS_OP_H_
#define KERAS_SLAYER_EVENTS_FIND_EVENTS_OP_H_

#include <atomic>
#include <cstring>
#include <memory>
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
  }

 protected:
  absl::Status check(const Tensor& x) const {
    if (x.dims() == 2 && x.dim_size(1) <= kMaxColumns) return check_spike_type(x, type_);
    return InvalidArgument("x must be a matrix of less than 2^31 columns. Received: shape ",
                           x.shape().DebugString());
  }
  // With more events than these, there are none.
  int64_t limit(const Tensor& x) const {
    return int64_t(double(max_density_) * double(x.NumElements()));
  }
  tensorflow::DataType type() const { return type_; }  // of the values

 private:
  float max_density_;
  tensorflow::DataType type_;
};

// The events of one work item: of some rows.
struct ItemEvents {
  std::unique_ptr<int32_t[]> index;
  std::unique_ptr<char[]> value;
  int64_t size;
};

// Finds the events and counts them per row, in one pass over memory. Returns nothing if there
// are more than `limit`. `steps`: as in CollectArgs.
inline std::vector<ItemEvents> collect_rows(OpKernelContext* context, const Tensor& x, int64_t rows,
                                            int64_t columns, int64_t steps,
                                            tensorflow::DataType type, int64_t limit,
                                            int64_t* counts) {
  constexpr int64_t kItemBytes = 256 << 10;
  const int64_t bytes = tensorflow::DataTypeSize(type);
  const int64_t x_row = columns * tensorflow::DataTypeSize(x.dtype());
  const int64_t step = std::max<int64_t>(1, kItemBytes / std::max<int64_t>(1, x_row));
  std::vector<ItemEvents> items(size_t((rows + step - 1) / step));
  std::atomic<int64_t> found{0};
  parallel_for(context, int64_t(items.size()), step * (columns / 5 + 20),
               [&](int64_t begin, int64_t end) {
    // Room for every element to be an event. Pages that are never written take no memory.
    const size_t room = size_t(step * columns + kPackedRoom);
    const std::unique_ptr<int32_t[]> index(new int32_t[room]);
    const std::unique_ptr<char[]> value(new char[room * size_t(bytes)]);
    for (int64_t i = begin; i < end && found <= limit; ++i) {
      const int64_t first = i * step, size = std::min(step, rows - first);
      const char* from = static_cast<const char*>(x.data()) + first * x_row;
      const CollectArgs args = {columns,        first,       steps,      dtype_of(x.dtype()), from,
                                counts + first, index.get(), value.get()};
      kernels::collect_events(dtype_of(type), args, 0, size);
      ItemEvents& item = items[size_t(i)];
      item.size = std::accumulate(counts + first, counts + first + size, int64_t(0));
      found += item.size;
      item.index.reset(new int32_t[size_t(item.size)]);
      item.value.reset(new char[size_t(item.size * bytes)]);
      std::memcpy(item.index.get(), index.get(), size_t(item.size) * sizeof(int32_t));
      std::memcpy(item.value.get(), value.get(), size_t(item.size * bytes));
    }
  });
  if (found > limit) items.clear();
  return items;
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
  const auto items = collect_rows(context, x, rows, columns, steps, type, limit, offsets + 1);
  found->too_many = items.empty() && rows > 0;
  if (found->too_many) {  // the search stopped early, so not all counts are set
    std::fill(offsets, offsets + rows + 1, 0);
  } else {
    offsets[0] = 0;
    for (int64_t row = 0; row < rows; ++row) offsets[row + 1] += offsets[row];
  }
  const TensorShape size({offsets[rows]});
  TF_RETURN_IF_ERROR(allocate_kept(tensorflow::DT_INT32, size, &found->index));
  TF_RETURN_IF_ERROR(allocate_kept(type, size, &found->value));
  int64_t at = 0;
  const size_t bytes = tensorflow::DataTypeSize(type);
  for (const ItemEvents& item : items) {
    std::memcpy(found->index.flat<int32_t>().data() + at, item.index.get(),
                item.size * sizeof(int32_t));
    std::memcpy(static_cast<char*>(found->value.data()) + at * bytes, item.value.get(),
                item.size * bytes);
    at += item.size;
  }
  return absl::OkStatus();
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EVENTS_FIND_EVENTS_OP_H_
