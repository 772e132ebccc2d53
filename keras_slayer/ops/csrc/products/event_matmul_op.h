// Prepares the matrix of an event-driven product. EventMatmul, its gradient and MatmulLayer use it.
#ifndef KERAS_SLAYER_PRODUCTS_EVENT_MATMUL_OP_H_
#define KERAS_SLAYER_PRODUCTS_EVENT_MATMUL_OP_H_

#include <cstring>

#include "events/event_op.h"
#include "products/event_matmul.h"

namespace keras_slayer {

// Divides the matrix into slices of `widest` columns, or of half as many, or a fourth, if such a
// slice does not fit into half of the second-level cache. If the whole matrix does not fit, and the
// events read far more than a copy does, the slices are packed. `packed` then owns their memory.
inline absl::Status slice_matrix(OpKernelContext* context, const Events& events,
                                 const Tensor& matrix, Tensor* packed, Slices* slices,
                                 int64_t widest) {
  constexpr int64_t kWorth = 8, kNarrowest = 64;
  const int64_t rows = matrix.dim_size(0), width = matrix.dim_size(1);
  const int64_t bytes = tensorflow::DataTypeSize(matrix.dtype()), room = second_level_cache() / 2;
  int64_t slice = widest;
  while (slice > kNarrowest && rows * slice * bytes > room) slice /= 2;
  const bool worth = width > slice && int64_t(matrix.TotalBytes()) > room &&
                     events.offsets[events.rows] / kWorth > rows;
  *slices = {rows, width, slice, worth, data_of(matrix)};
  if (!worth) return absl::OkStatus();
  TF_RETURN_IF_ERROR(allocate_kept(matrix.dtype(), {rows, width}, packed));
  const char* from = static_cast<const char*>(data_of(matrix));
  char* to = static_cast<char*>(data_of(packed));
  const Slices target = *slices;
  constexpr int64_t kRows = 64;  // per work item
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

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_PRODUCTS_EVENT_MATMUL_OP_H_
