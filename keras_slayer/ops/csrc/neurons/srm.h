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
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_SRM_H_
