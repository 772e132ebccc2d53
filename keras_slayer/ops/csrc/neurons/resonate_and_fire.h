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
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_RESONATE_AND_FIRE_H_
