// The gradient of the input of a 2-D convolution: each pixel sums the weights of the filters that
// it reaches, times their gradients. In the order of gpu/conv.cu, for which it is the twin. Layers on
// the CPU have a faster one, in another order (transposed_conv.h).
#include "base/cpu.h"
#include "base/fused.h"
#include "synapses/frames_input_grad.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

template <class T>
class InputPixel {
 public:
  explicit InputPixel(const FramesInputGradArgs& args)
      : g_(args.geometry),
        weights_(static_cast<const T*>(args.weights)),
        channels_(g_.channels / g_.groups),
        filters_(g_.filters / g_.groups),
        sums_(1, g_.channels) {}

  // Writes the gradients of the channels of pixel (y, x); `grad` is that of the frame's outputs.
  void compute(const T* grad, int64_t y, int64_t x, T* out) const {
    A* sums = sums_.row(0);
    clear(sums, g_.channels);
    for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
      const int64_t oy = g_.row_target[y * g_.kernel_height + ky];
      for (int64_t kx = 0; oy >= 0 && kx < g_.kernel_width; ++kx) {
        const int64_t ox = g_.column_target[x * g_.kernel_width + kx];
        if (ox < 0) continue;
        const int64_t tap = ky * g_.kernel_width + kx;
        add_tap(grad + (oy * g_.out_width + ox) * g_.filters,
                weights_ + tap * g_.filters * channels_, sums);
      }
    }
    KS_VECTOR_LOOP(c, g_.channels) store(out + c, sums[c]);
  }

 private:
  using A = ArithmeticOf<T>;

  void add_tap(const T* grad, const T* weights, A* sums) const {
    for (int64_t filter = 0; filter < g_.filters; ++filter, weights += channels_) {
      const A value = load(grad[filter]);
      if (value == A(0)) continue;
      const T* __restrict from = weights;
      A* __restrict to = sums + filter / filters_ * channels_;
      KS_VECTOR_LOOP(c, channels_) to[c] = fused(A(load(from[c])), value, to[c]);
    }
  }

  const ConvGeometry& g_;
  const T* weights_;
  const int64_t channels_, filters_;  // of a group
  Rows<A> sums_;
};

}  // namespace

void frames_input_grad(Dtype dtype, const FramesInputGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    const ConvGeometry& g = args.geometry;
    const InputPixel<T> pixel(args);
    for (int64_t frame = begin; frame < end; ++frame) {
      const T* grad =
          static_cast<const T*>(args.grad) + frame * g.out_height * g.out_width * g.filters;
      T* out = static_cast<T*>(args.out) + frame * g.height * g.width * g.channels;
      for (int64_t y = 0; y < g.height; ++y) {
        for (int64_t x = 0; x < g.width; ++x, out += g.channels) pixel.compute(grad, y, x, out);
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
