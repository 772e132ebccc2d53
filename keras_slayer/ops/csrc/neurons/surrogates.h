// Surrogate gradients rho(u): they replace the derivative of the spike in the backward pass.
#ifndef KERAS_SLAYER_NEURONS_SURROGATES_H_
#define KERAS_SLAYER_NEURONS_SURROGATES_H_

#include <cmath>

#include "base/scalar.h"

namespace keras_slayer {

// On the scale of the float weights. The rate is computed once, on the host.
struct SurrogateParams {
  double threshold, rate, height;
  bool triangle;
};

inline SurrogateParams surrogate_params(double threshold, double width, double height,
                                        bool triangle) {
  // exp(-x / width) = 2^(x rate); or 1 - x rate
  return {threshold, triangle ? 0.5 / width : -1.4426950408889634 / width, height, triangle};
}

// 2^x for x <= 0. The float version has a relative error below 3e-7. It has no branch and no
// call, so that loops over it vectorise. Adding 1.5 * 2^23 rounds x to an integer, held in the
// low bits of the sum. A minimax polynomial that is 1 at 0 gives 2 to the rest.
KS_HD float exp2_nonpositive(float x) {
  const float clamped = x < -127.0f ? -127.0f : x;  // gives 0; NaN stays NaN
  const float shifted = clamped + 12582912.0f;
  const float rest = clamped - (shifted - 12582912.0f);
  // Evaluated in pairs, for a shorter chain of dependent operations than Horner's rule.
  const float square = rest * rest;
  const float low = 6.931470036506653e-1f * rest + 1.0f;
  const float middle = 5.550733581185341e-2f * rest + 2.4022242426872253e-1f;
  const float high = 1.326472731307149e-3f * rest + 9.671512993189957e-3f;
  const float p = (high * square + middle) * square + low;
  return bits_to_float(float_to_bits(p) + (float_to_bits(shifted) << 23));
}
KS_HD double exp2_nonpositive(double x) { return std::exp2(x); }

// rho(u) is SLAYER's probability density function: the probability density that a small change of
// u adds or removes a spike. The two shapes below have the same peak and the same area.
//
// rho(u) = height exp(-|u - threshold| / width)
template <class A>
struct ExponentialSurrogate {
  A threshold, rate, height;
  KS_HD A operator()(A u) const {
    return height * exp2_nonpositive(std::fabs(u - threshold) * rate);
  }
};

// rho(u) = height max(0, 1 - |u - threshold| / (2 width))
template <class A>
struct TriangleSurrogate {
  A threshold, rate, height;
  KS_HD A operator()(A u) const {
    const A rest = A(1) - std::fabs(u - threshold) * rate;
    return height * (rest < A(0) ? A(0) : rest);  // NaN stays
  }
};

// Calls fn with the surrogate that p describes, in the arithmetic type A.
template <class A, class Fn>
auto with_surrogate(const SurrogateParams& p, Fn fn) {
  const A threshold = A(p.threshold), rate = A(p.rate), height = A(p.height);
  return p.triangle ? fn(TriangleSurrogate<A>{threshold, rate, height})
                    : fn(ExponentialSurrogate<A>{threshold, rate, height});
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_SURROGATES_H_
