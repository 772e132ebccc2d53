// Causal filters along time: recursive ones, a thread per neuron; FIR, a thread per output.
#include "filters/filters.h"
#include "filters/steps.h"
#include "gpu/device.h"

namespace keras_slayer {

// Calls step(x) for each step of the neuron of this thread, in the order of time or against it, and
// stores what it returns. `state` is the filter's: `count` numbers of type A.
template <class T, int count, class Step>
__device__ void along_time(const RecursiveFilterArgs& args, ArithmeticOf<T>* state, Step step) {
  using A = ArithmeticOf<T>;
  const Shape& shape = args.shape;
  const Place place = place_of_thread(shape);
  if (!place.exists) return;
  read_state<count>(args.state, shape.inner, state);
  const int64_t first = args.reverse ? place.first + (shape.steps - 1) * shape.inner : place.first;
  const int64_t stride = args.reverse ? -shape.inner : shape.inner;
  const T* x = static_cast<const T*>(args.x) + first;
  T* y = static_cast<T*>(args.y) + first;
  for (int64_t t = 0; t < shape.steps; t += kReadAhead) {
    A in[kReadAhead];
#pragma unroll
    for (int i = 0; i < kReadAhead; ++i) {
      in[i] = t + i < shape.steps ? load(x[(t + i) * stride]) : A(0);
    }
#pragma unroll
    for (int i = 0; i < kReadAhead; ++i) {
      if (t + i < shape.steps) store(&y[(t + i) * stride], step(in[i]));
    }
  }
  write_state<count>(args.state, shape.inner, state);
}

template <class T>
__device__ void alpha_filter(const RecursiveFilterArgs& args) {
  using A = ArithmeticOf<T>;
  const AlphaFilter<A> filter = {A(args.decay), A(args.gain)};
  typename AlphaFilter<A>::State state = {};
  along_time<T, 2>(args, &state.rise, [&](A x) {
    const A y = filter.read(state);
    filter.add(state, x);
    return y;
  });
}

template <class T>
__device__ void exponential_filter(const RecursiveFilterArgs& args) {
  using A = ArithmeticOf<T>;
  const ExponentialFilter<A> filter = {A(args.decay)};
  A state = A(0);
  along_time<T, 1>(args, &state, [&](A x) { return filter.step(state, x); });
}

template <class T>
__device__ void oscillator_filter(const RecursiveFilterArgs& args) {
  using A = ArithmeticOf<T>;
  const OscillatorFilter<A> filter = {{A(args.decay), A(args.gain)}};
  typename OscillatorFilter<A>::State state = {};
  along_time<T, 2>(args, &state.real, [&](A x) { return filter.step(state, x); });
}

template <class T>
__device__ void fir(const FirArgs& args) {
  using A = ArithmeticOf<T>;
  const Shape& shape = args.shape;
  const int64_t at = thread_index();
  if (at >= shape.batch * shape.steps * shape.inner) return;
  const int64_t t = at / shape.inner % shape.steps, past = args.reverse ? shape.steps - 1 - t : t;
  const int64_t back = args.reverse ? shape.inner : -shape.inner;
  const T* x = static_cast<const T*>(args.x) + at;
  const T* taps = static_cast<const T*>(args.taps);
  A sum = A(0);
  for (int64_t k = 0; k < args.taps_size && k <= past; ++k) {
    sum = sum + load(taps[k]) * load(x[k * back]);
  }
  store(static_cast<T*>(args.y) + at, sum);
}

// A block per tap. Sums in double: its threads in turn, then pairs of these.
template <class T>
__device__ void fir_taps_grad(const FirTapsGradArgs& args) {
  KS_SHARED(double, sums, kThreads);
  const Shape& shape = args.shape;
  const int64_t k = blockIdx.x, size = (shape.steps - k) * shape.inner;
  const T* x = static_cast<const T*>(args.x);
  const T* grad = static_cast<const T*>(args.grad) + k * shape.inner;
  double sum = 0;
  for (int64_t b = 0; b < shape.batch; ++b) {
    const int64_t sample = b * shape.steps * shape.inner;
    for (int64_t i = threadIdx.x; i < size; i += kThreads) {
      sum += double(load(x[sample + i])) * double(load(grad[sample + i]));
    }
  }
  sums[threadIdx.x] = sum;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (int(threadIdx.x) < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) {
    store(static_cast<T*>(args.grad_taps) + k, ArithmeticOf<T>(sums[0]));
  }
}

KS_GPU_KERNEL(alpha_filter, RecursiveFilterArgs, alpha_filter)
KS_GPU_KERNEL(exponential_filter, RecursiveFilterArgs, exponential_filter)
KS_GPU_KERNEL(oscillator_filter, RecursiveFilterArgs, oscillator_filter)
KS_GPU_KERNEL(fir, FirArgs, fir)
KS_GPU_KERNEL(fir_taps_grad, FirTapsGradArgs, fir_taps_grad)

}  // namespace keras_slayer
