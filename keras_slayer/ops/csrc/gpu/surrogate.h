// The surrogate gradients of neurons/surrogates.h, chosen at run time.
#ifndef KERAS_SLAYER_GPU_SURROGATE_H_
#define KERAS_SLAYER_GPU_SURROGATE_H_

#include "gpu/device.h"
#include "neurons/surrogates.h"

namespace keras_slayer {

// Both surrogates in one: a branch that all threads take alike costs less than a second loop.
template <class A>
struct AnySurrogate {
  ExponentialSurrogate<A> exponential;
  TriangleSurrogate<A> triangle;
  bool is_triangle;
  __device__ A operator()(A u) const { return is_triangle ? triangle(u) : exponential(u); }
};
template <class A>
__device__ AnySurrogate<A> any_surrogate(const SurrogateParams& p) {
  const A threshold = A(p.threshold), rate = A(p.rate), height = A(p.height);
  return {{threshold, rate, height}, {threshold, rate, height}, p.triangle};
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GPU_SURROGATE_H_
