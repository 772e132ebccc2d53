// One time step of the recursive filters, for one neuron. filters_cpu.cc and the
// neurons use it.
//
// A is the arithmetic type (float or double). Times are in steps. Compile without contraction
// (-ffp-contract=off, --fmad=false). A compiler may fuse multiply-adds on one instruction set and
// not on another, which rounds differently, and spikes amplify such differences.
#ifndef KERAS_SLAYER_FILTERS_STEPS_H_
#define KERAS_SLAYER_FILTERS_STEPS_H_

#include "base/scalar.h"

namespace keras_slayer {

// y[t] = sum_k k x[t-k] decay^k, scaled by gain: the alpha kernel
// eps[k] = (k/tau) exp(1 - k/tau) for decay = exp(-1/tau), gain = e/tau.
// eps[0] = 0, so call read() before add() in each step.
template <class A>
struct AlphaFilter {
  A decay, gain;
  struct State {
    A rise, response;
  };
  KS_HD A read(State& s) const {
    s.response = decay * (s.response + s.rise);
    s.rise = decay * s.rise;
    return gain * s.response;
  }
  KS_HD void add(State& s, A x) const { s.rise = s.rise + x; }
};

// y[t] = decay y[t-1] + x[t]
template <class A>
struct ExponentialFilter {
  A decay;
  KS_HD A step(A& y, A x) const {
    y = decay * y + x;
    return y;
  }
};

// Multiplication by a complex number, the pole of a damped oscillator.
template <class A>
struct Rotation {
  A cosine, sine;  // real and imaginary part
  struct State {
    A real, imaginary;
  };
  KS_HD void turn(State& s) const {
    const A real = cosine * s.real - sine * s.imaginary;
    s.imaginary = sine * s.real + cosine * s.imaginary;
    s.real = real;
  }
};

// y[t] = sum_k Im(pole^k) x[t-k]: a damped oscillation after each input, none at its own step.
template <class A>
struct OscillatorFilter {
  Rotation<A> pole;
  using State = typename Rotation<A>::State;
  KS_HD A step(State& s, A x) const {
    pole.turn(s);
    s.real = s.real + x;
    return s.imaginary;
  }
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_FILTERS_STEPS_H_
