// Event-driven 2-D convolution without neurons: each event adds its weights to the outputs that
// it reaches. The gradient adds, per event, the gradients of these outputs to those of the weights.
#include "synapses/conv_rows.h"
#include "synapses/event_conv.h"

namespace keras_slayer {
namespace KS_ISA {

void event_conv(Dtype dtype, const EventConvArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const ConvGeometry& g = args.geometry;
    const int64_t size = g.out_height * g.out_width * g.filters;
    ConvRows<T> synapse(args.events, g, args.weights);
    synapse.set_range(0, size);
    Rows<A> sums(1, sizeof(T) == sizeof(A) ? 0 : size);
    for (int64_t frame = begin; frame < end; ++frame) {
      T* out = static_cast<T*>(args.out) + frame * size;
      if constexpr (sizeof(T) == sizeof(A)) {
        synapse.sum(frame, out);
      } else {  // half types: sum in float, round once
        A* z = sums.row(0);
        synapse.sum(frame, z);
        KS_VECTOR_LOOP(j, size) store(&out[j], z[j]);
      }
    }
  });
}

void event_conv_grad(Dtype dtype, const EventConvGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const ConvGeometry& g = args.geometry;
    const int64_t size = g.out_height * g.out_width * g.filters;
    const int64_t weights = g.kernel_height * g.kernel_width * (g.channels / g.groups) * g.filters;
    ConvRows<T> synapse(args.events, g, nullptr);
    synapse.set_range(0, size);
    Rows<A> widened(1, sizeof(T) == sizeof(A) ? 0 : size);
    for (int64_t item = begin; item < end; ++item) {
      A* partial = static_cast<A*>(args.partial) + item * weights;
      clear(partial, weights);
      const int64_t first = item * args.frames_per_item;
      const int64_t last = first + args.frames_per_item < args.events.rows
                               ? first + args.frames_per_item
                               : args.events.rows;
      for (int64_t frame = first; frame < last; ++frame) {
        const T* grad = static_cast<const T*>(args.grad) + frame * size;
        if constexpr (sizeof(T) == sizeof(A)) {
          synapse.collect(frame, grad, partial);
        } else {
          A* d = widened.row(0);
          KS_VECTOR_LOOP(j, size) d[j] = load(grad[j]);
          synapse.collect(frame, d, partial);
        }
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
