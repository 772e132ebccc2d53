// The event-driven matrix product: the rows of a matrix that events select, summed.
#ifndef KERAS_SLAYER_PRODUCTS_EVENT_MATMUL_H_
#define KERAS_SLAYER_PRODUCTS_EVENT_MATMUL_H_

#include "events/events.h"

namespace keras_slayer {

// A matrix [rows, width] of which `slice` columns at a time are in use, from a multiple of it on.
// Packed, each such slice lies together: pieces of rows that are a power of two apart share a few
// sets of a cache and leave the others empty.
struct Slices {
  int64_t rows, width, slice;
  bool packed;
  const void* data;
  KS_HD int64_t size(int64_t first) const { return smaller(slice, width - first); }
  // In elements: where the slice from column `first` on begins, and from row to row of it.
  KS_HD int64_t offset(int64_t first) const { return packed ? first * rows : first; }
  KS_HD int64_t stride(int64_t first) const { return packed ? size(first) : width; }
};

// out[m] = sum_e value[e] matrix[index[e]]. Item: kRowTile rows of a slice of columns, slice after
// slice: that of the matrix stays in the second-level cache.
constexpr int64_t kRowTile = 64;
struct EventMatmulArgs {
  Events events;
  Slices matrix;  // [columns, width]
  void* out;
};

KS_KERNEL(event_matmul, EventMatmulArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_PRODUCTS_EVENT_MATMUL_H_
