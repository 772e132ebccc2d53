// ResonateAndFire: a damped oscillator that fires where its voltage reaches the threshold
// (Izhikevich, "Resonate-and-fire neurons", Neural Networks 14:883, 2001).
//
//   w[t] = pole (w[t-1] - i threshold s[t-1]) + z[t],  pole = keep exp(i angle)
//   s[t] = u[t] >= threshold,  u[t] = Im w[t]
//
// Re w is like a current, which the input enters, Im w like a voltage. A spike takes the threshold
// from the voltage. So the response is linear in input and spikes:
//
//   u[t] = sum_k Im(pole^k) z[t-k] + sum_k nu[k] s[t-k],  nu[k] = -threshold Re(pole^k),  k >= 1
#ifndef KERAS_SLAYER_NEURONS_RESONATE_AND_FIRE_H_
#define KERAS_SLAYER_NEURONS_RESONATE_AND_FIRE_H_

#include <cmath>

#include "base/scalar.h"
#include "filters/steps.h"

namespace keras_slayer {

struct ResonateAndFire {
  template <class A>
  struct Parameters {
    A threshold, real, imaginary;
    KS_HD Rotation<A> pole() const { return {real, imaginary}; }
  };
  template <class Given>
  static Parameters<double> read(Given& given) {
    const double keep = 1 - given.fraction("decay"), angle = given.number("angle");
    return {given.number("threshold"), keep * cos(angle), keep * sin(angle)};
  }

  template <class A>
  struct State {
    typename Rotation<A>::State w;
  };
  template <class A>
  KS_HD static bool fires(const Parameters<A>& p, A u) {
    return u >= p.threshold;
  }
  // Returns the voltage before the reset.
  template <class A>
  KS_HD static A step(const Parameters<A>& p, State<A>& s, A z, A* spike) {
    p.pole().turn(s.w);
    const A u = s.w.imaginary;
    *spike = fires(p, u) ? A(1) : A(0);
    s.w.real = s.w.real + z;
    s.w.imaginary = u - p.threshold * *spike;
    return u;
  }

  // EXODUS: lambda[t] = rho(u[t]) (grad[t] + sum_k nu[k] lambda[t+k]).
  template <class A>
  struct DriveState {
    typename Rotation<A>::State sum;  // sum_k pole^k lambda[t+k], from k = 0
  };
  template <class A>
  KS_HD static A exodus(const Parameters<A>& p, DriveState<A>& s, A grad, A, A rho) {
    p.pole().turn(s.sum);
    const A lambda = rho * (grad - p.threshold * s.sum.real);
    s.sum.real = s.sum.real + lambda;
    return lambda;
  }

  // dz[t] = sum_k Im(pole^k) lambda[t+k], for both gradients.
  template <class A>
  struct FilterState {
    typename Rotation<A>::State sum;
  };
  template <bool is_exodus, class A>
  KS_HD static A filter(const Parameters<A>& p, FilterState<A>& s, A lambda) {
    p.pole().turn(s.sum);
    const A result = s.sum.imaginary;
    s.sum.real = s.sum.real + lambda;
    return result;
  }

  // Gradients of the parameters, from the membrane potential alone. With r[t] = w[t] after the
  // reset, Im r = u - threshold s, and Re r follows from u[t+1] = Im(pole r[t]). The gradient of
  // w[t] is the state of the filter: that of the real part is its imaginary part, and vice versa.
  static constexpr int kLearned = 3;
  template <class A>
  KS_HD static void gradients(const Parameters<A>& p, const Parameters<A>& sums, A* out) {
    const A keep = std::sqrt(p.real * p.real + p.imaginary * p.imaginary);
    out[0] = -(sums.real * p.real + sums.imaginary * p.imaginary) / keep;  // of the decay
    out[1] = sums.imaginary * p.real - sums.real * p.imaginary;            // of the angle
    out[2] = sums.threshold;
  }
  template <class A>
  struct LearnState {
    A later_u;  // u[t+1]
  };
  template <bool is_exodus, class A>
  KS_HD static void learn(const Parameters<A>& p, LearnState<A>& s, const DriveState<A>& drive,
                          const FilterState<A>& filter, A dspike, A u, A rho, A,
                          Parameters<A>& sums) {
    const A spike = fires(p, u) ? A(1) : A(0);
    if constexpr (is_exodus) {
      auto sum = drive.sum;
      p.pole().turn(sum);
      dspike = dspike - p.threshold * sum.real;
    }
    auto later = filter.sum;
    p.pole().turn(later);
    sums.threshold = sums.threshold - (rho * dspike + spike * later.real);
    const A imaginary = u - p.threshold * spike;
    of_pole(filter, (s.later_u - p.real * imaginary) / p.imaginary, imaginary, sums);
    s.later_u = u;
  }
  template <class A>
  KS_HD static void of_pole(const FilterState<A>& filter, A real, A imaginary,
                            Parameters<A>& sums) {
    sums.real = sums.real + (filter.sum.imaginary * real + filter.sum.real * imaginary);
    sums.imaginary = sums.imaginary + (filter.sum.real * real - filter.sum.imaginary * imaginary);
  }
  template <class A>
  KS_HD static void learn_start(const Parameters<A>&, const LearnState<A>&,
                                const FilterState<A>& filter, const State<A>& start,
                                Parameters<A>& sums) {
    of_pole(filter, start.w.real, start.w.imaginary, sums);
  }
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_RESONATE_AND_FIRE_H_
