// Kernel of the event-driven matrix product: events [rows, columns] times a matrix
// [columns, width]. Each event selects a row of the matrix. EventMatmul and its weight gradient
// call it; MatmulRows (synapses/) reads the same Slices.
#ifndef KERAS_SLAYER_PRODUCTS_EVENT_MATMUL_H_
#define KERAS_SLAYER_PRODUCTS_EVENT_MATMUL_H_

#include "events/events.h"

namespace keras_slayer {

// A matrix [rows, width], used in slices of `slice` columns. If packed, each slice is contiguous in
// memory, [rows, slice]. Otherwise its rows can be a power of two apart, and then they compete for
// few sets of the cache while the others stay empty.
struct Slices {
  int64_t rows, width, slice;
  bool packed;
  const void* data;
  KS_HD int64_t size(int64_t first) const { return smaller(slice, width - first); }
  // Of the slice whose first column is `first`, in elements: its start, and from row to row.
  KS_HD int64_t offset(int64_t first) const { return packed ? first * rows : first; }
  KS_HD int64_t stride(int64_t first) const { return packed ? size(first) : width; }
};

// out[m] = sum_e value[e] matrix[index[e]] over the events e of row m. Work item: a tile of
// kRowTile rows of one slice. The tiles of one slice follow each other, so that the slice stays in
// the second-level cache.
constexpr int64_t kRowTile = 64;
struct EventMatmulArgs {
  Events events;
  Slices matrix;  // [columns, width]
  void* out;      // [rows, width]
};

// The same in parts: `part` rows of the matrix, which stay in the second-level cache, for all rows
// of a work item, then the next ones. The events of a row must be in the order of the matrix' rows.
// Not for 16-bit types: sums of parts would be rounded. Work item: `tile` rows of the output.
struct EventMatmulPartsArgs {
  Events events;
  int64_t width, part, tile;
  const void* matrix;
  void* out;
};

KS_KERNEL(event_matmul, EventMatmulArgs);
KS_KERNEL(event_matmul_parts, EventMatmulPartsArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_PRODUCTS_EVENT_MATMUL_H_
