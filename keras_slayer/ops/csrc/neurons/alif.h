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

  // Gradients of the parameters, from the membrane potential alone. V[t] = dL/dv[t] is the state
  // of the filter. With the sums B[t] = sum_k keep_adaptation^k lambda[t+k], C likewise of B and D
  // of V, where s[t] contributes to a later adaptation:
  //
  //   d beta            = -sum_t lambda[t] a[t]       = -sum_t s[t] B[t+1]
  //   d keep_adaptation = -beta sum_t B[t] a[t-1]     = -beta sum_t s[t] C[t+2]
  //   d keep            = sum_t V[t] v[t-1],  v = u + beta a, sum_t V[t] a[t-1] = sum_t s[t] D[t+2]
  static constexpr int kLearned = 4;
  template <class A>
  KS_HD static void gradients(const Parameters<A>&, const Parameters<A>& sums, A* out) {
    out[0] = sums.threshold;
    out[1] = -sums.keep;
    out[2] = -sums.keep_adaptation;
    out[3] = sums.beta;
  }
  template <class A>
  struct LearnState {
    A b, c, d, later_c, later_d;  // B, C, D at t+1, and at t+2
  };
  template <bool is_exodus, class A>
  KS_HD static void learn(const Parameters<A>& p, LearnState<A>& s, const DriveState<A>& drive,
                          const FilterState<A>& filter, A dspike, A u, A rho, A lambda,
                          Parameters<A>& sums) {
    const A spike = fires(p, u) ? A(1) : A(0);
    if constexpr (is_exodus) {
      dspike = (dspike - p.threshold * drive.voltage) - p.beta * drive.adaptation;
    }
    sums.threshold = sums.threshold - rho * dspike;
    sums.keep = sums.keep + filter.voltage * u;
    of_spike(p, s, filter, spike, sums);
    s.later_c = s.c;
    s.later_d = s.d;
    s.b = lambda + p.keep_adaptation * s.b;
    s.c = s.b + p.keep_adaptation * s.c;
    s.d = (lambda + p.keep * filter.voltage) + p.keep_adaptation * s.d;
  }
  template <class A>
  KS_HD static void of_spike(const Parameters<A>& p, const LearnState<A>& s,
                             const FilterState<A>& filter, A spike, Parameters<A>& sums) {
    sums.threshold = sums.threshold - spike * filter.voltage;
    sums.beta = sums.beta - spike * s.b;
    sums.keep_adaptation = sums.keep_adaptation - p.beta * (spike * s.later_c);
    sums.keep = sums.keep + p.beta * (spike * s.later_d);
  }
  template <class A>
  KS_HD static void learn_start(const Parameters<A>& p, const LearnState<A>& s,
                                const FilterState<A>& filter, const State<A>& start,
                                Parameters<A>& sums) {
    of_spike(p, s, filter, start.spike, sums);
    const A kept = p.keep_adaptation * start.adaptation;
    sums.beta = sums.beta - kept * s.b;
    sums.keep_adaptation = sums.keep_adaptation - p.beta * (start.adaptation * s.c);
    sums.keep = sums.keep + (filter.voltage * start.voltage + p.beta * (kept * s.later_d));
  }
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_ALIF_H_
