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
  // and k likewise with the decay e of the refractory response:
  //
  //   d response_gain    = sum lambda[t] psp[t] / gain,  d response_decay   = sum h[t] psp[t] / d
  //   d refractory_gain  = sum lambda[t] own[t] / gain,  d refractory_decay = sum k[t] own[t] / e
  //
  // where psp = u - own, and a sum over own is one over spikes: sum x[t] own[t] is
  // e gain sum s[t] X[t], with X the sum of the two states of an alpha filter of x, backwards in
  // time. Filters commute, so that X of h is L + 2 M with L that of lambda and M[t] = sum_j d^j
  // L[t+j], j > 0; and that of k is L + 2 N with e in place of d.
  //
  // The sums: response_gain: of lambda u.  response_decay: of (h - lambda) u / 2 - e gain s M.
  //           refractory_gain: of s L.     refractory_decay: of s N.
  static constexpr int kLearned = 5;
  template <class A>
  KS_HD static void gradients(const Parameters<A>& p, const Parameters<A>& sums, A* out) {
    const A own = p.refractory_decay * sums.refractory_gain;  // over the gain
    const A psp = sums.response_gain - p.refractory_gain * own;
    out[0] = sums.threshold;
    out[1] = (psp + A(2) * sums.response_decay) / p.response_decay;
    out[2] = psp / p.response_gain;
    out[3] = p.refractory_gain * (sums.refractory_gain + A(2) * sums.refractory_decay);
    out[4] = own;
  }
  template <class A>
  struct LearnState {
    typename AlphaFilter<A>::State lambda;  // through the refractory response
    A m, n;                                 // M, N
  };
  template <bool is_exodus, class A>
  KS_HD static void learn(const Parameters<A>& p, LearnState<A>& s, const DriveState<A>& drive,
                          const FilterState<A>& filter, A dspike, A u, A rho, A lambda,
                          Parameters<A>& sums) {
    learn_later(p, s, u, lambda, learn_now<is_exodus>(p, drive, filter, dspike, u, rho, sums),
                sums);
  }
  // The same in two halves, because a processor has not enough registers for both. The first one
  // adds to kLearnedNow sums, and returns what the second one needs of it.
  static constexpr int kLearnedNow = 1;
  template <bool is_exodus, class A>
  KS_HD static A learn_now(const Parameters<A>& p, const DriveState<A>& drive,
                           const FilterState<A>& filter, A dspike, A u, A rho,
                           Parameters<A>& sums) {
    if constexpr (is_exodus) {
      auto own = drive.own;
      dspike = dspike + p.refractory().read(own);
    }
    sums.threshold = sums.threshold - rho * dspike;
    return u * (p.response_decay * filter.synapse.rise);
  }
  template <class A>
  KS_HD static void learn_later(const Parameters<A>& p, LearnState<A>& s, A u, A lambda, A decay,
                                Parameters<A>& sums) {
    const bool fired = fires(p, u);
    const A l = s.lambda.response + s.lambda.rise;
    sums.response_gain = sums.response_gain + u * lambda;
    sums.response_decay = sums.response_decay + decay;
    // Not `spike` times these: a selection takes one instruction.
    add_of_spike(p, fired ? l : A(0), fired ? s.m : A(0), fired ? s.n : A(0), sums);
    s.lambda.response = p.refractory_decay * l;
    s.lambda.rise = p.refractory_decay * s.lambda.rise + lambda;
    s.m = p.response_decay * (s.m + l);
    s.n = p.refractory_decay * (s.n + l);
  }
  template <class A>
  KS_HD static void add_of_spike(const Parameters<A>& p, A l, A m, A n, Parameters<A>& sums) {
    const A own = p.refractory_gain * p.refractory_decay;
    sums.response_decay = sums.response_decay - own * m;
    sums.refractory_gain = sums.refractory_gain + l;
    sums.refractory_decay = sums.refractory_decay + n;
  }
  // A rise of the refractory response acts like so many spikes one step before the first. Its
  // response decays as one exponential, through which lambda is `rise`, and h is
  // rise + 2 (response + (1 - e / d) M).
  template <class A>
  KS_HD static void learn_start(const Parameters<A>& p, const LearnState<A>& s,
                                const FilterState<A>& filter, const State<A>& start,
                                Parameters<A>& sums) {
    const A rise = start.own.rise;
    add_of_spike(p, rise * (s.lambda.response + s.lambda.rise), rise * s.m, rise * s.n, sums);
    const A own = p.refractory_gain * p.refractory_decay, response = start.own.response;
    const A more = s.lambda.response + (A(1) - p.refractory_decay / p.response_decay) * s.m;
    const A psp = p.response_decay * start.synapse.response;
    sums.response_decay = sums.response_decay - own * (response * more) -
                          psp * (p.response_gain * filter.synapse.response) / A(2);
    sums.refractory_gain = sums.refractory_gain + response * s.lambda.rise;
    sums.refractory_decay = sums.refractory_decay + response * s.lambda.response / A(2);
  }
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_SRM_H_
