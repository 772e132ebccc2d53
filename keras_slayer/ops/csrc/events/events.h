// Events: the nonzeros of a matrix of spikes, found once.
#ifndef KERAS_SLAYER_EVENTS_EVENTS_H_
#define KERAS_SLAYER_EVENTS_EVENTS_H_

#include "base/kernel.h"

namespace keras_slayer {

// The nonzeros of a [rows, columns] matrix, row by row.
struct Events {
  int64_t rows, columns;
  const int64_t* offsets;  // rows + 1
  const int32_t* index;    // column of each event
  const void* value;
};

// Into index and value, from their start on, which have room for all rows x columns and kPackedRoom
// more.
constexpr int64_t kPackedRoom = 16;
struct CollectArgs {  // item: a row
  int64_t columns;
  Dtype x_type;
  const void* x;
  int64_t* counts;  // events per row
  int32_t* index;
  void* value;
};

KS_KERNEL(collect_events, CollectArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EVENTS_EVENTS_H_
