// Kernels of events that the GPU alone has: lists of events are counted, then written, then read
// along columns. events.cu defines them; find_events_gpu_op.cc and event_matmul_gpu.h start them.
#ifndef KERAS_SLAYER_GPU_EVENTS_H_
#define KERAS_SLAYER_GPU_EVENTS_H_

#include "events/events.h"

namespace keras_slayer {

// counts[row] = number of events of a row of x [rows, columns]; with `steps`, of the step before it
// (CollectArgs). A warp per row.
struct CountEventsArgs {
  int64_t rows, columns, steps;
  bool bytes;  // whether x is bytes, not of the type of the events' values
  const void* x;
  int64_t* counts;
};

// Running sums: counts[i] becomes the sum of all before it, and counts[size] of all. One block.
struct RunningSumsArgs {
  int64_t size;
  int64_t* counts;  // [size + 1]
};

// Writes the events of a row from offsets[row] on. A warp per row.
struct WriteEventsArgs {
  int64_t rows, columns, steps;
  bool bytes;
  const void* x;
  const int64_t* offsets;
  int32_t* index;
  void* value;
};

// Events sorted by column, and by row within a column, in three kernels. The rows are cut into
// parts of kSortRows. counts [parts, columns]: events of a part by column, then the number of
// events of that column in the parts before.
constexpr int64_t kSortRows = 256;
struct SortEventsArgs {
  Events events;
  int64_t parts;
  int32_t* counts;
  int64_t* offsets;  // [columns + 1]
  int32_t* row_of;
  void* value;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GPU_EVENTS_H_
