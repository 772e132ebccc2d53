// Helpers of the ops that take events: their inputs and checks.
//
// Events are the nonzeros of a matrix [rows, columns] in compressed sparse row format: offsets
// [rows + 1], and for each event its column (index) and its value.
#ifndef KERAS_SLAYER_EVENTS_EVENT_OP_H_
#define KERAS_SLAYER_EVENTS_EVENT_OP_H_

#include <cstring>
#include <limits>

#include "base/device.h"
#include "events/events.h"

namespace keras_slayer {

#define KS_EVENT_INPUTS .Input("offsets: int64").Input("index: int32").Input("value: T")

constexpr int64_t kMaxColumns = std::numeric_limits<int32_t>::max();
// Limit of every height, width, stride and padding, so that their products do not overflow.
constexpr int64_t kMaxSide = 1 << 14;

// Whether all numbers lie in [0, columns): neither one of them nor its distance to the last has a
// sign. In vectors, because nothing else of an op runs meanwhile.
inline bool all_within(const int32_t* index, int64_t size, int64_t columns) {
  typedef uint32_t Four __attribute__((vector_size(16)));
  if (columns == 0) return size == 0;
  const uint32_t last = uint32_t(columns - 1);
  Four signs = {};
  int64_t e = 0;
  for (; e + 4 <= size; e += 4) {
    Four at;
    std::memcpy(&at, index + e, sizeof(at));
    signs |= at | (last - at);
  }
  uint32_t all = signs[0] | signs[1] | signs[2] | signs[3];
  for (; e < size; ++e) all |= uint32_t(index[e]) | (last - uint32_t(index[e]));
  return all >> 31 == 0;
}

// Reads three inputs as events and checks them, so that no kernel reads outside its arrays. On a
// GPU it checks the shapes alone: the host does not see the numbers.
template <class Device = OnCpu>
absl::Status read_events(OpKernelContext* context, int64_t columns, Events* events,
                         int first = 0) {
  const Tensor& offsets = context->input(first);
  const Tensor& index = context->input(first + 1);
  const Tensor& value = context->input(first + 2);
  if (offsets.dims() != 1 || offsets.dim_size(0) < 1 || index.dims() != 1 || value.dims() != 1 ||
      index.dim_size(0) != value.dim_size(0)) {
    return InvalidArgument("events must be vectors offsets [rows + 1], index [n], value [n]. ",
                           "Received: shapes ", offsets.shape().DebugString(), ", ",
                           index.shape().DebugString(), ", ", value.shape().DebugString());
  }
  const auto at = offsets.flat<int64_t>();
  const int64_t rows = offsets.dim_size(0) - 1, size = index.dim_size(0);
  *events = {rows, columns, at.data(), index.flat<int32_t>().data(), data_of(value)};
  if constexpr (Device::kGpu) return absl::OkStatus();
  bool sound = at(0) == 0 && at(rows) == size;
  for (int64_t row = 0; row < rows; ++row) sound = sound && at(row) <= at(row + 1);
  sound = sound && all_within(events->index, size, columns);
  if (sound) return absl::OkStatus();
  return InvalidArgument("events must have rising offsets from 0 to ", size,
                         " and indices in [0, ", columns, ")");
}

// Cost of a row in nanoseconds, if each event adds `width` numbers.
inline int64_t row_cost(const Events& events, int64_t width) {
  const int64_t rows = std::max<int64_t>(events.rows, 1);
  return 50 + events.offsets[events.rows] * width / 8 / rows;
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EVENTS_EVENT_OP_H_
