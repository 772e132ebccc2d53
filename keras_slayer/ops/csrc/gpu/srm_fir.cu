// The SRM neuron whose refractory kernel is a list of taps. A thread steps one neuron through time
// and reads back what it wrote, in the order in which the CPU adds it.
#include "neurons/srm_fir.h"

#include "gpu/surrogate.h"

namespace keras_slayer {

// sum over k of taps[k] past[-k stride], the earliest first, for 0 < k < size and k <= steps.
template <class A, class T>
__device__ A feedback(const double* taps, int64_t size, const T* past, int64_t stride,
                      int64_t steps) {
  A sum = A(0);
  for (int64_t k = smaller(steps, size - 1); k > 0; --k) {
    sum = sum + A(taps[k]) * load(past[-k * stride]);
  }
  return sum;
}

template <class T>
__device__ void srm_fir(const SrmFirArgs& args) {
  using A = ArithmeticOf<T>;
  const Shape& shape = args.shape;
  const Place place = place_of_thread(shape);
  if (!place.exists) return;
  const T* in = static_cast<const T*>(args.in) + place.first;
  T* spikes = static_cast<T*>(args.spikes) + place.first;
  T* membrane = static_cast<T*>(args.membrane) + place.first;
  const A threshold = A(args.threshold);
  for (int64_t t = 0; t < shape.steps; ++t) {
    const int64_t at = t * shape.inner;
    const A u = load(in[at]) + feedback<A>(args.refractory, args.refractory_size, spikes + at,
                                           shape.inner, t);
    store(&spikes[at], u >= threshold ? A(1) : A(0));
    store(&membrane[at], u);
  }
}

template <class T>
__device__ void srm_fir_grad(const SrmFirGradArgs& args) {
  using A = ArithmeticOf<T>;
  const Shape& shape = args.shape;
  const Place place = place_of_thread(shape);
  if (!place.exists) return;
  const AnySurrogate<A> rho = any_surrogate<A>(args.surrogate);
  const int64_t last = place.first + (shape.steps - 1) * shape.inner;
  const T* grad = static_cast<const T*>(args.grad_spikes) + last;
  const T* membrane = static_cast<const T*>(args.membrane) + last;
  T* out = static_cast<T*>(args.grad_in) + last;
  A* lambda = static_cast<A*>(args.lambda) + last;
  for (int64_t t = 0; t < shape.steps; ++t) {  // t steps before the last
    const int64_t at = -t * shape.inner;
    A sum = load(grad[at]);
    if (args.exodus) {
      sum = sum + feedback<A>(args.refractory, args.refractory_size, lambda + at, -shape.inner, t);
    }
    const A result = rho(load(membrane[at])) * sum;
    store(&out[at], result);
    lambda[at] = result;  // not rounded; the same memory for types that are not
  }
}

KS_GPU_KERNEL(srm_fir, SrmFirArgs, srm_fir)
KS_GPU_KERNEL(srm_fir_grad, SrmFirGradArgs, srm_fir_grad)

}  // namespace keras_slayer
