// Axonal delays of series [batch, steps, inner]: shifts by whole steps, one per channel or neuron.
#include "base/cpu.h"
#include "filters/delay.h"

namespace keras_slayer {
namespace KS_ISA {

void delay(Dtype dtype, const DelayArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    const int64_t steps = args.shape.steps, inner = args.shape.inner;
    for (int64_t item = begin; item < end; ++item) {
      int64_t step = args.reverse ? steps - 1 : 0;
      for_each_step(args.shape, item, args.reverse, [&](int64_t at, int count) {
        const T* x = static_cast<const T*>(args.x);
        T* __restrict y = static_cast<T*>(args.y) + at;
        int64_t d = at % inner % args.delays;
        for (int j = 0; j < count; ++j) {
          const int64_t shift = args.shift[d];
          d = d + 1 == args.delays ? 0 : d + 1;
          const int64_t source = args.reverse ? step + shift : step - shift;
          const bool inside = source >= 0 && source < steps;
          y[j] = inside ? x[at + j + (source - step) * inner] : T();
        }
        step += args.reverse ? -1 : 1;
      });
    }
  });
}

void delay_grad(Dtype dtype, const DelayGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    const int64_t steps = args.shape.steps, inner = args.shape.inner;
    for (int64_t b = begin; b < end; ++b) {
      const T* x = static_cast<const T*>(args.x) + b * steps * inner;
      const T* grad = static_cast<const T*>(args.grad) + b * steps * inner;
      double* partial = args.partial + b * args.delays;
      clear(partial, args.delays);
      for (int64_t t = 0; t < steps; ++t) {
        for (int64_t n = 0, d = 0; n < inner; ++n) {
          const int64_t source = t - args.shift[d];
          if (source >= -1) {  // otherwise y[t+1] and y[t-1] are both zero
            const double after = source + 1 < steps ? load(x[(source + 1) * inner + n]) : 0;
            const double before = source > 0 ? load(x[(source - 1) * inner + n]) : 0;
            partial[d] -= 0.5 * load(grad[t * inner + n]) * (after - before);
          }
          d = d + 1 == args.delays ? 0 : d + 1;
        }
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
