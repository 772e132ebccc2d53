// Runs the event-driven convolution and its weight gradient on the CPU. EventConv2D, FramesConv2D
// and their gradients use it.
#ifndef KERAS_SLAYER_SYNAPSES_EVENT_CONV_OP_H_
#define KERAS_SLAYER_SYNAPSES_EVENT_CONV_OP_H_

#include "synapses/conv_op.h"
#include "synapses/event_conv.h"

namespace keras_slayer {

// The gradient of the weights is summed in parts: each work item sums some frames, and these sums
// are then added in order. The number of parts depends on the sizes alone, so the result does not
// depend on threads.
struct ConvParts {
  int64_t parts, frames;  // frames of a part
  ConvParts(int64_t all_frames, int64_t weights, int64_t element_bytes) {
    constexpr int64_t kParts = 16, kMaxBytes = int64_t(64) << 20;
    const int64_t bytes = std::max<int64_t>(weights * element_bytes, 1);
    parts = std::max<int64_t>(1, std::min({kParts, all_frames, kMaxBytes / bytes}));
    frames = (all_frames + parts - 1) / parts;
  }
};

inline void convolve_events(OpKernelContext* context, const Events& events, const ConvGeometry& g,
                            const Tensor& weights, Tensor* out) {
  with_types(weights.dtype(), [&](auto type, auto wide) {
    const auto ordered = ordered_weights<decltype(type), decltype(wide)>(g, weights);
    const EventConvArgs args = {events, g, ordered.get(), data_of(out)};
    const int64_t taps = g.kernel_height * g.kernel_width * g.filters / g.groups;
    parallel_for(context, events.rows,
                 row_cost(events, taps) + g.out_height * g.out_width * g.filters / 8,
                 [&](int64_t begin, int64_t end) {
                   kernels::event_conv(dtype_of(weights), args, begin, end);
                 });
  });
}

inline void weights_grad_of_events(OpKernelContext* context, const Events& events,
                                   const ConvGeometry& g, const Tensor& grad, Tensor* out) {
  with_types(grad.dtype(), [&](auto type, auto wide) {
    using A = decltype(wide);
    const int64_t size = out->NumElements();
    const ConvParts divided(events.rows, size, sizeof(A));
    const Aligned<A> partial(divided.parts * size);
    const EventConvGradArgs args = {events, g, data_of(grad), divided.frames, partial.get()};
    const int64_t taps = g.kernel_height * g.kernel_width * g.filters / g.groups;
    parallel_for(context, divided.parts, divided.frames * row_cost(events, taps),
                 [&](int64_t begin, int64_t end) {
                   kernels::event_conv_grad(dtype_of(grad), args, begin, end);
                 });
    sum_weights<decltype(type)>(g, partial.get(), divided.parts, out);
  });
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_EVENT_CONV_OP_H_
