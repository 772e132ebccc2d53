// Axonal delays and their gradient.
#include "filters/delay.h"
#include "gpu/device.h"

namespace keras_slayer {

// A thread per output.
template <class T>
__device__ void delay(const DelayArgs& args) {
  const Shape& shape = args.shape;
  const int64_t at = thread_index();
  if (at >= shape.batch * shape.steps * shape.inner) return;
  const int64_t t = at / shape.inner % shape.steps;
  const int64_t shift = args.shift[at % shape.inner % args.delays];
  const int64_t source = args.reverse ? t + shift : t - shift;
  const bool inside = source >= 0 && source < shape.steps;
  const T* x = static_cast<const T*>(args.x);
  static_cast<T*>(args.y)[at] = inside ? x[at + (source - t) * shape.inner] : T{};
}

// A thread per sample, span of steps and delay.
template <class T>
__device__ void delay_grad(const DelayGradArgs& args) {
  const Shape& shape = args.shape;
  const int64_t spans = block_count(shape.steps, args.span), item = thread_index();
  if (item >= shape.batch * spans * args.delays) return;
  const int64_t d = item % args.delays, span = item / args.delays % spans;
  const int64_t b = item / args.delays / spans;
  const T* x = static_cast<const T*>(args.x) + b * shape.steps * shape.inner;
  const T* grad = static_cast<const T*>(args.grad) + b * shape.steps * shape.inner;
  const int64_t shift = args.shift[d];
  double sum = 0;
  for (int64_t t = span * args.span; t < smaller((span + 1) * args.span, shape.steps); ++t) {
    const int64_t source = t - shift;
    if (source < -1) continue;  // y[t+1] and y[t-1] are both zero
    for (int64_t n = d; n < shape.inner; n += args.delays) {
      const double after = source + 1 < shape.steps ? load(x[(source + 1) * shape.inner + n]) : 0;
      const double before = source > 0 ? load(x[(source - 1) * shape.inner + n]) : 0;
      sum -= 0.5 * load(grad[t * shape.inner + n]) * (after - before);
    }
  }
  args.partial[item] = sum;
}

template <class D>
__device__ void delay_shifts(const DelayShiftsArgs& args) {
  const int64_t d = thread_index();
  if (d >= args.delays) return;
  using A = ArithmeticOf<D>;
  const A value = load(static_cast<const D*>(args.delay)[d]), longest = A(args.longest);
  if (!(value >= A(0) && value - value == A(0))) atomicExch(args.fault, 1);
  args.shift[d] = value >= A(0) ? int64_t(value < longest ? value : longest) : 0;
}

template <class D>
__device__ void delay_sums(const DelaySumsArgs& args) {
  const int64_t d = thread_index();
  if (d >= args.delays) return;
  double sum = 0;
  for (int64_t i = 0; i < args.rows; ++i) sum += args.partial[i * args.delays + d];
  store(static_cast<D*>(args.sums) + d, ArithmeticOf<D>(sum));
}

KS_GPU_KERNEL(delay, DelayArgs, delay)
KS_GPU_KERNEL(delay_grad, DelayGradArgs, delay_grad)
// Of the type of the delays.
KS_GPU_KERNEL(delay_shifts, DelayShiftsArgs, delay_shifts)
KS_GPU_KERNEL(delay_sums, DelaySumsArgs, delay_sums)

}  // namespace keras_slayer
