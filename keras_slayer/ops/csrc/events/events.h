// Events: the nonzeros of a matrix of spikes [rows, columns], where a row is a frame. FindEvents
// finds them once; the kernels of products/, synapses/ and layers/ use them.
#ifndef KERAS_SLAYER_EVENTS_EVENTS_H_
#define KERAS_SLAYER_EVENTS_EVENTS_H_

#include "base/kernel.h"

namespace keras_slayer {

// A matrix in compressed sparse row format.
struct Events {
  int64_t rows, columns;
  const int64_t* offsets;  // [rows + 1]
  const int32_t* index;    // column of each event
  const void* value;
};

// Room that is needed beyond the last event, because events are written several at once.
constexpr int64_t kPackedRoom = 16;

// Finds the events of rows of x [rows, columns]. A call writes those of its rows from the start of
// index and value, which must have room for all elements of these rows and kPackedRoom more.
//
// With `steps`, x is series of so many steps, a row each, and the events of a row are those of the
// row before it: none of a first step. x starts at row `first` of the whole.
struct CollectArgs {  // work item: a row
  int64_t columns, first, steps;
  Dtype x_type;
  const void* x;
  int64_t* counts;  // events per row
  int32_t* index;
  void* value;
};

KS_KERNEL(collect_events, CollectArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EVENTS_EVENTS_H_
