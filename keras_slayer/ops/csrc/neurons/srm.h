// SRM: the spike response model of SLAYER with alpha kernels.
//
//   u[t] = (eps * z)[t] + (nu * s)[t],  s[t] = u[t] >= threshold
//
// Each convolution is a recursion of second order, an AlphaFilter of filters/steps.h with a decay
// and a gain. The gain of nu is negative.
#ifndef KERAS_SLAYER_NEURONS_SRM_H_
#define KERAS_SLAYER_NEURONS_SRM_H_

#include "base/scalar.h"
#include "filters/steps.h"

namespace keras_slayer {

struct Srm {
  template <class A>
  struct Parameters {
    A threshold, response_decay, response_gain, refractory_decay, refractory_gain;
    KS_HD AlphaFilter<A> response() const { return {response_decay, response_gain}; }
    KS_HD AlphaFilter<A> refractory() const { return {refractory_decay, refractory_gain}; }
  };
  template <class Given>
  static Parameters<double> read(Given& given) {
    return {given.number("threshold"), given.fraction("response_decay"),
            given.number("response_gain"), given.fraction("refractory_decay"),
            given.number("refractory_gain")};
  }

  template <class A>
  struct State {
    typename AlphaFilter<A>::State synapse, own;
  };
  template <class A>
  KS_HD static bool fires(const Parameters<A>& p, A u) {
    return u >= p.threshold;
  }
  // Returns the membrane potential, including the refractory response.
  template <class A>
  KS_HD static A step(const Parameters<A>& p, State<A>& s, A z, A* spike) {
    const A psp = p.response().read(s.synapse);
    const A u = psp + p.refractory().read(s.own);
    *spike = fires(p, u) ? A(1) : A(0);
    p.response().add(s.synapse, z);
    p.refractory().add(s.own, *spike);
    return u;
  }

  // EXODUS: lambda[t] = rho(u[t]) (grad[t] + sum_k nu[k] lambda[t+k]).
  template <class A>
  struct DriveState {
    typename AlphaFilter<A>::State own;
  };
  template <class A>
  KS_HD static A exodus(const Parameters<A>& p, DriveState<A>& s, A grad, A, A rho) {
    const A feedback = p.refractory().read(s.own);
    const A lambda = rho * (grad + feedback);
    p.refractory().add(s.own, lambda);
    return lambda;
  }

  // dz[t] = sum_k eps[k] lambda[t+k], for both gradients.
  template <class A>
  struct FilterState {
    typename AlphaFilter<A>::State synapse;
  };
  template <bool is_exodus, class A>
  KS_HD static A filter(const Parameters<A>& p, FilterState<A>& s, A lambda) {
    const A result = p.response().read(s.synapse);
    p.response().add(s.synapse, lambda);
    return result;
  }

  // Gradients of the parameters, from the membrane potential alone. Let q be a step back in time.
  // The derivative of an alpha filter y by its decay d is (1 + d q) / (d (1 - d q)) y. So with
  // psp[t] and own[t] the two parts of u[t], h = (1 + d q*) / (1 - d q*) lambda backwards in time,
  // and k likewise with the decay e of the refractory response, own = gain * unit:
  //
  //   d response_gain    = sum lambda[t] psp[t] / gain,  d response_decay   = sum h[t] psp[t] / d
  //   d refractory_gain  = sum lambda[t] unit[t],        d refractory_decay = sum k[t] own[t] / e
  //
  // where psp = u - own, and a sum over own is one over spikes: sum x[t] own[t] is
  // sum s[t] X[t] with the refractory response X of x, backwards in time. Divisions are left to the
  // end.
  static constexpr int kLearned = 5;
  template <class A>
  KS_HD static void gradients(const Parameters<A>& p, const Parameters<A>& sums, A* out) {
    out[0] = sums.threshold;
    out[1] = sums.response_decay / p.response_decay;
    out[2] = sums.response_gain / p.response_gain;
    out[3] = sums.refractory_decay;
    out[4] = sums.refractory_gain;
  }
  template <class A>
  struct LearnState {
    typename AlphaFilter<A>::State lambda, h, k;  // through the refractory response
  };
  template <bool is_exodus, class A>
  KS_HD static void learn(const Parameters<A>& p, LearnState<A>& s, const DriveState<A>& drive,
                          const FilterState<A>& filter, A dspike, A u, A rho, A lambda,
                          Parameters<A>& sums) {
    const A spike = fires(p, u) ? A(1) : A(0);
    if constexpr (is_exodus) {
      auto own = drive.own;
      dspike = dspike + p.refractory().read(own);
    }
    const A h = lambda + A(2) * (p.response_decay * filter.synapse.rise);
    sums.threshold = sums.threshold - rho * dspike;
    sums.response_gain = sums.response_gain + u * lambda;
    sums.response_decay = sums.response_decay + u * h;
    of_spike(p, s, spike, sums);
    const A k = lambda + A(2) * (p.refractory_decay * s.lambda.rise);
    advance(p, s.lambda, lambda);
    advance(p, s.h, h);
    advance(p, s.k, k);
  }
  template <class A, class Filtered>
  KS_HD static void advance(const Parameters<A>& p, Filtered& s, A x) {
    s.response = p.refractory_decay * (s.response + s.rise);
    s.rise = p.refractory_decay * s.rise + x;
  }
  template <class A>
  KS_HD static void of_spike(const Parameters<A>& p, const LearnState<A>& s, A spike,
                             Parameters<A>& sums) {
    // The next steps of the three responses, without gain and last decay.
    const A lambda = s.lambda.response + s.lambda.rise, h = s.h.response + s.h.rise;
    const A k = s.k.response + s.k.rise, felt = spike * p.refractory_gain;
    subtract_own(felt * p.refractory_decay, lambda, h, sums);
    sums.refractory_gain = sums.refractory_gain + spike * (p.refractory_decay * lambda);
    sums.refractory_decay = sums.refractory_decay + felt * k;
  }
  template <class A>
  KS_HD static void subtract_own(A own, A lambda, A h, Parameters<A>& sums) {
    sums.response_gain = sums.response_gain - own * lambda;
    sums.response_decay = sums.response_decay - own * h;
  }
  // A rise of the refractory response acts like so many spikes one step before the first.
  template <class A>
  KS_HD static void learn_start(const Parameters<A>& p, const LearnState<A>& s,
                                const FilterState<A>& filter, const State<A>& start,
                                Parameters<A>& sums) {
    of_spike(p, s, start.own.rise, sums);
    const A own = p.refractory_decay * start.own.response;
    subtract_own(own * p.refractory_gain, s.lambda.rise, s.h.rise, sums);
    sums.refractory_gain = sums.refractory_gain + own * s.lambda.rise;
    const A lambda = s.lambda.response + s.lambda.rise;
    sums.refractory_decay =
        sums.refractory_decay + p.refractory_gain * (start.own.response * lambda);
    const A fraction = p.response_decay * start.synapse.response;
    sums.response_decay =
        sums.response_decay - fraction * (p.response_gain * filter.synapse.response);
  }
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_SRM_H_
