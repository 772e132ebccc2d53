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

// The gradient of the weights, out = events^T grad, in parts: some rows of grad, which stay in the
// second-level cache, for all rows of a work item, then the next ones. Not for 16-bit types: sums
// of parts would be rounded.
//
// First the events of each part are sorted by column, and by row within a column. Work item: a
// part.
struct SortPartsArgs {
  Events events;
  int64_t part;      // rows
  int64_t* offsets;  // [parts * columns + 1]: where the events of each part and column begin
  int32_t* row_of;
  void* value;
};

// Work item: a tile of rows of the output and a slice of its columns. The tiles of a slice follow
// each other.
struct EventMatmulPartsArgs {
  int64_t rows, width, parts, tile;
  const int64_t* offsets;  // as above
  const int32_t* row_of;
  const void* value;
  const void* grad;  // [rows of the events, width]
  void* out;         // [rows, width]: a row for each column of the events
};
// Numbers of a slice, of so many bytes each.
constexpr int64_t parts_slice(int64_t bytes) { return 1024 / bytes; }

KS_KERNEL(event_matmul, EventMatmulArgs);
KS_KERNEL(sort_parts, SortPartsArgs);
KS_KERNEL(event_matmul_parts, EventMatmulPartsArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_PRODUCTS_EVENT_MATMUL_H_
