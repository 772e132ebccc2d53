// Kernels of the event-driven 2-D convolution without neurons, and of its weight gradient.
#ifndef KERAS_SLAYER_SYNAPSES_EVENT_CONV_H_
#define KERAS_SLAYER_SYNAPSES_EVENT_CONV_H_

#include "events/events.h"
#include "synapses/geometry.h"

namespace keras_slayer {

struct EventConvArgs {  // work item: a frame
  Events events;
  ConvGeometry geometry;
  const void* weights;  // arithmetic type, in the order of ConvGeometry::runs
  void* out;  // [frames, out_height, out_width, filters]
};

struct EventConvGradArgs {  // work item: frames_per_item frames; its sums go to partial[item]
  Events events;
  ConvGeometry geometry;
  const void* grad;
  int64_t frames_per_item;
  void* partial;  // arithmetic type, [work items, weights]
};

KS_KERNEL(event_conv, EventConvArgs);
KS_KERNEL(event_conv_grad, EventConvGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_EVENT_CONV_H_
