// ALIF: a leaky integrate-and-fire neuron whose threshold rises with each spike and decays back
// (Bellec et al., Nature Communications 11:3625, 2020).
//
//   v[t] = keep v[t-1] + z[t] - threshold s[t-1]
//   a[t] = keep_adaptation a[t-1] + s[t-1]
//   s[t] = u[t] >= threshold,  u[t] = v[t] - beta a[t]
//
// u is the membrane potential minus the rise of the threshold: u >= threshold exactly where
// v >= threshold + beta a. A spike changes u by nu[k] after k steps, so that
//
//   u[t] = sum_k keep^k z[t-k] + sum_k nu[k] s[t-k]
//   nu[k] = -threshold keep^(k-1) - beta keep_adaptation^(k-1),  k >= 1
#ifndef KERAS_SLAYER_NEURONS_ALIF_H_
#define KERAS_SLAYER_NEURONS_ALIF_H_

#include "base/scalar.h"

namespace keras_slayer {

struct Alif {
  template <class A>
  struct Parameters {
    A threshold, keep, keep_adaptation, beta;
  };
  template <class Given>
  static Parameters<double> read(Given& given) {
    return {given.number("threshold"), 1 - given.fraction("voltage_decay"),
            1 - given.fraction("adaptation_decay"), given.number("beta")};
  }

  template <class A>
  struct State {
    A voltage, adaptation, spike;
  };
  template <class A>
  KS_HD static bool fires(const Parameters<A>& p, A u) {
    return u >= p.threshold;
  }
  // Returns u.
  template <class A>
  KS_HD static A step(const Parameters<A>& p, State<A>& s, A z, A* spike) {
    s.voltage = (p.keep * s.voltage + z) - p.threshold * s.spike;
    s.adaptation = p.keep_adaptation * s.adaptation + s.spike;
    const A u = s.voltage - p.beta * s.adaptation;
    s.spike = fires(p, u) ? A(1) : A(0);
    *spike = s.spike;
    return u;
  }

  // EXODUS: lambda[t] = rho(u[t]) (grad[t] + sum_k nu[k] lambda[t+k]).
  template <class A>
  struct DriveState {
    A voltage, adaptation;  // sum_k keep^(k-1) lambda[t+k]; likewise with keep_adaptation
  };
  template <class A>
  KS_HD static A exodus(const Parameters<A>& p, DriveState<A>& s, A grad, A, A rho) {
    const A lambda = rho * ((grad - p.threshold * s.voltage) - p.beta * s.adaptation);
    s.voltage = p.keep * s.voltage + lambda;
    s.adaptation = p.keep_adaptation * s.adaptation + lambda;
    return lambda;
  }

  // dz[t] = sum_k keep^k lambda[t+k], for both gradients.
  template <class A>
  struct FilterState {
    A voltage;
  };
  template <bool is_exodus, class A>
  KS_HD static A filter(const Parameters<A>& p, FilterState<A>& s, A lambda) {
    s.voltage = p.keep * s.voltage + lambda;
    return s.voltage;
  }
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_ALIF_H_
