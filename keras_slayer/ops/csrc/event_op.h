// What the ops over events share.
//
// Events are the nonzeros of a matrix, row by row: offsets [rows + 1], index
// (column of each) and value.
#ifndef KERAS_SLAYER_EVENT_OP_H_
#define KERAS_SLAYER_EVENT_OP_H_

#include <cstring>
#include <limits>

#include "op_support.h"

namespace keras_slayer {

#define KS_EVENT_INPUTS .Input("offsets: int64").Input("index: int32").Input("value: T")

constexpr int64_t kMaxColumns = std::numeric_limits<int32_t>::max();
// Limit of every size in pixels: no product of them overflows.
constexpr int64_t kMaxSide = 1 << 14;

// Inputs 0..2 as events, checked so that no kernel reads outside its arrays.
inline absl::Status read_events(OpKernelContext* context, int64_t columns, Events* events) {
  const Tensor& offsets = context->input(0);
  const Tensor& index = context->input(1);
  const Tensor& value = context->input(2);
  if (offsets.dims() != 1 || offsets.dim_size(0) < 1 || index.dims() != 1 || value.dims() != 1 ||
      index.dim_size(0) != value.dim_size(0)) {
    return InvalidArgument("events must be vectors offsets [rows + 1], index [n], value [n]. ",
                           "Received: shapes ", offsets.shape().DebugString(), ", ",
                           index.shape().DebugString(), ", ", value.shape().DebugString());
  }
  const auto at = offsets.flat<int64_t>();
  const int64_t rows = offsets.dim_size(0) - 1, size = index.dim_size(0);
  bool sound = at(0) == 0 && at(rows) == size;
  for (int64_t row = 0; row < rows; ++row) sound = sound && at(row) <= at(row + 1);
  const int32_t* i = index.flat<int32_t>().data();
  for (int64_t e = 0; e < size; ++e) sound &= i[e] >= 0 && i[e] < columns;
  if (!sound) {
    return InvalidArgument("events must have rising offsets from 0 to ", size,
                           " and indices in [0, ", columns, ")");
  }
  *events = {rows, columns, at.data(), i, data_of(value)};
  return absl::OkStatus();
}

// The matrix whose rows the events choose: in slices as wide as kernels sum in registers, or half
// of that where the second-level cache has no room for more. Where the whole matrix has none, and
// the events read much more of it than a copy does, they are packed, into memory that `packed`
// keeps.
inline absl::Status slice_matrix(OpKernelContext* context, const Events& events,
                                 const Tensor& matrix, Tensor* packed, Slices* slices) {
  constexpr int64_t kWidest = 128, kWorth = 8;
  const int64_t rows = matrix.dim_size(0), width = matrix.dim_size(1);
  const int64_t bytes = tensorflow::DataTypeSize(matrix.dtype()), room = second_level_cache() / 2;
  const int64_t slice = rows * kWidest * bytes > room ? kWidest / 2 : kWidest;
  const bool worth = width > slice && int64_t(matrix.TotalBytes()) > room &&
                     events.offsets[events.rows] / kWorth > rows;
  *slices = {rows, width, slice, worth, data_of(matrix)};
  if (!worth) return absl::OkStatus();
  TF_RETURN_IF_ERROR(allocate_kept(matrix.dtype(), {rows, width}, packed));
  const char* from = static_cast<const char*>(data_of(matrix));
  char* to = static_cast<char*>(data_of(packed));
  const Slices target = *slices;
  constexpr int64_t kRows = 64;  // an item
  parallel_for(context, block_count(rows, kRows), kRows * width * bytes / 8,
               [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * kRows; row < smaller(end * kRows, rows); ++row) {
      for (int64_t first = 0; first < width; first += slice) {
        const int64_t size = target.size(first);
        std::memcpy(to + (target.offset(first) + row * size) * bytes,
                    from + (row * width + first) * bytes, size_t(size * bytes));
      }
    }
  });
  slices->data = data_of(packed);
  return absl::OkStatus();
}

// Nanoseconds per row when each event moves `width` numbers.
inline int64_t row_cost(const Events& events, int64_t width) {
  const int64_t rows = std::max<int64_t>(events.rows, 1);
  return 50 + events.offsets[events.rows] * width / 8 / rows;
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EVENT_OP_H_
