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
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_CUBA_H_
