// CUBA: the current-based leaky integrate-and-fire neuron with hard reset.
//
//   i[t] = keep_current i[t-1] + z[t]
//   v[t] = keep_voltage v[t-1] + i[t]
//   s[t] = 1 and v[t] = 0 afterwards, where v[t] >= threshold
#ifndef KERAS_SLAYER_NEURONS_CUBA_H_
#define KERAS_SLAYER_NEURONS_CUBA_H_

#include "base/scalar.h"

namespace keras_slayer {

struct Cuba {
  template <class A>
  struct Parameters {
    A threshold, keep_current, keep_voltage;
  };
  template <class Given>
  static Parameters<double> read(Given& given) {
    return {given.number("threshold"), 1 - given.fraction("current_decay"),
            1 - given.fraction("voltage_decay")};
  }

  template <class A>
  struct State {
    A current, voltage;
  };
  template <class A>
  KS_HD static bool fires(const Parameters<A>& p, A v) {
    return v >= p.threshold;
  }
  // Returns the voltage before the reset.
  template <class A>
  KS_HD static A step(const Parameters<A>& p, State<A>& s, A z, A* spike) {
    s.current = p.keep_current * s.current + z;
    const A v = p.keep_voltage * s.voltage + s.current;
    const bool fired = fires(p, v);
    *spike = fired ? A(1) : A(0);
    s.voltage = fired ? A(0) : v;
    return v;
  }

  // EXODUS: dL/dv, including the path through the reset v (1 - s(v)).
  template <class A>
  struct DriveState {
    A voltage;
  };
  template <class A>
  KS_HD static A exodus(const Parameters<A>& p, DriveState<A>& s, A grad, A v, A rho) {
    return through_reset(p.keep_voltage, fires(p, v), s, grad, v, rho);
  }
  template <class A>
  KS_HD static A through_reset(A keep_voltage, bool fired, DriveState<A>& s, A grad, A v, A rho) {
    const A spike = fired ? A(1) : A(0);
    s.voltage = rho * grad + (keep_voltage * s.voltage) * ((A(1) - spike) - v * rho);
    return s.voltage;
  }

  // dL/dz from lambda: the two leaks, reversed in time. With EXODUS, lambda already includes the
  // leak of the voltage.
  template <class A>
  struct FilterState {
    A current, voltage;
  };
  template <bool is_exodus, class A>
  KS_HD static A filter(const Parameters<A>& p, FilterState<A>& s, A lambda) {
    const A keep_voltage = is_exodus ? A(0) : p.keep_voltage;
    s.voltage = lambda + keep_voltage * s.voltage;
    s.current = p.keep_current * s.current + s.voltage;
    return s.current;
  }

  // Gradients of the parameters, from the membrane potential alone. With V[t] = dL/dv[t] and
  // I[t] = dL/di[t], the states of the filter, and r[t] the voltage after the reset:
  //
  //   d keep_voltage = sum V[t] r[t-1],  d keep_current = sum I[t] i[t-1],
  //   i[t] = v[t] - keep_voltage r[t-1]
  // The gradients of the parameters as `read` reads them, in its order, from those of the fields.
  static constexpr int kLearned = 3;
  template <class A>
  KS_HD static void gradients(const Parameters<A>&, const Parameters<A>& sums, A* out) {
    out[0] = sums.threshold;
    out[1] = -sums.keep_current;
    out[2] = -sums.keep_voltage;
  }
  template <class A>
  struct LearnState {
    A later_current;  // I[t+2]
  };
  // One step, backwards in time: adds its part to the sums. `drive` and `filter` are the states
  // before this step. `dspike` is the gradient of the spike, lambda that of v[t].
  template <bool is_exodus, class A>
  KS_HD static void learn(const Parameters<A>& p, LearnState<A>& s, const DriveState<A>& drive,
                          const FilterState<A>& filter, A dspike, A u, A rho, A,
                          Parameters<A>& sums) {
    const bool fired = fires(p, u);
    if constexpr (is_exodus) dspike = dspike - u * (p.keep_voltage * drive.voltage);
    sums.threshold = sums.threshold - rho * dspike;
    learn_leaks(p, s, filter, u, fired ? A(0) : u, sums);
  }
  template <class A, class P>
  KS_HD static void learn_leaks(const P& p, LearnState<A>& s, const FilterState<A>& filter, A u,
                                A after_reset, P& sums) {
    const A decayed = p.keep_voltage * after_reset;
    sums.keep_voltage = sums.keep_voltage + filter.voltage * after_reset;
    sums.keep_current = sums.keep_current + (filter.current * u - s.later_current * decayed);
    s.later_current = filter.current;
  }
  // The part of the state before the first step, after all steps.
  template <class A>
  KS_HD static void learn_start(const Parameters<A>& p, const LearnState<A>& s,
                                const FilterState<A>& filter, const State<A>& start,
                                Parameters<A>& sums) {
    start_of_leaks(p, s, filter, start.current, start.voltage, sums);
  }
  template <class A, class P>
  KS_HD static void start_of_leaks(const P& p, const LearnState<A>& s,
                                   const FilterState<A>& filter, A current, A voltage, P& sums) {
    const A decayed = p.keep_voltage * voltage;
    sums.keep_voltage = sums.keep_voltage + filter.voltage * voltage;
    sums.keep_current =
        sums.keep_current + (filter.current * current - s.later_current * decayed);
  }
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_CUBA_H_
