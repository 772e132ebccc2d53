// Kernels of the event-driven convolution alone.
#ifndef KERAS_SLAYER_SYNAPSES_EVENT_CONV_H_
#define KERAS_SLAYER_SYNAPSES_EVENT_CONV_H_

#include "events/events.h"
#include "synapses/geometry.h"

namespace keras_slayer {

struct EventConvArgs {  // item: a frame
  Events events;
  ConvGeometry geometry;
  const void* weights;  // arithmetic type, [kernel_height, kernel_width, channels / groups, filters]
  void* out;
};

struct EventConvGradArgs {  // item: a chunk of frames, into partial[chunk]
  Events events;
  ConvGeometry geometry;
  const void* grad;
  int64_t frames_per_chunk;
  void* partial;  // arithmetic type, [chunks, weights]
};

KS_KERNEL(event_conv, EventConvArgs);
KS_KERNEL(event_conv_grad, EventConvGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_EVENT_CONV_H_
