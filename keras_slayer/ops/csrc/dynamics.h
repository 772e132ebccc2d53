// One time step of every filter and neuron, for one neuron: the only place
// where the mathematics is written in C++. CPU and CUDA kernels share it.
//
// A is the arithmetic type (float or double). Times are in steps. Compile with
// -ffp-contract=off: multiply-adds that the compiler fuses would round differently
// from one instruction set to the next, and spikes amplify rounding.
#ifndef KERAS_SLAYER_DYNAMICS_H_
#define KERAS_SLAYER_DYNAMICS_H_

#include <cmath>

#include "scalar.h"

namespace keras_slayer {

// 2^x for x <= 0. The float version has a relative error below 3e-7 and no branch or
// call, so that loops over it vectorise: the sum with 1.5 * 2^23 rounds x to an integer,
// which its low bits hold; a minimax polynomial that is 1 at 0 does the rest.
KS_HD float exp2_nonpositive(float x) {
  const float clamped = x < -127.0f ? -127.0f : x;  // to 0; NaN stays
  const float shifted = clamped + 12582912.0f;
  const float rest = clamped - (shifted - 12582912.0f);
  // In pairs: a shorter chain of dependent operations than one after the other.
  const float square = rest * rest;
  const float low = 6.931470036506653e-1f * rest + 1.0f;
  const float middle = 5.550733581185341e-2f * rest + 2.4022242426872253e-1f;
  const float high = 1.326472731307149e-3f * rest + 9.671512993189957e-3f;
  const float p = (high * square + middle) * square + low;
  return bits_to_float(float_to_bits(p) + (float_to_bits(shifted) << 23));
}
KS_HD double exp2_nonpositive(double x) { return std::exp2(x); }

// y[t] = sum_k k x[t-k] decay^k, scaled by gain: the alpha kernel
// eps[k] = (k/tau) exp(1 - k/tau) for decay = exp(-1/tau), gain = e/tau.
// eps[0] = 0, so the response is read before the input of the step is added.
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

// The surrogate rho(u): the density with which a change of u moves a spike
// (SLAYER's probability density function). Two shapes of the same peak and area:
// height exp(-|u - threshold| / width) ...
template <class A>
struct ExponentialSurrogate {
  A threshold, rate, height;  // rate in octaves: exp(-x / width) = 2^(x rate)
  KS_HD ExponentialSurrogate(double threshold, double width, double height)
      : threshold(A(threshold)), rate(A(-1.4426950408889634 / width)), height(A(height)) {}
  KS_HD A operator()(A u) const {
    return height * exp2_nonpositive(std::fabs(u - threshold) * rate);
  }
};

// ... and height max(0, 1 - |u - threshold| / (2 width)), zero away from threshold.
template <class A>
struct TriangleSurrogate {
  A threshold, rate, height;
  KS_HD TriangleSurrogate(double threshold, double width, double height)
      : threshold(A(threshold)), rate(A(0.5 / width)), height(A(height)) {}
  KS_HD A operator()(A u) const {
    const A rest = A(1) - std::fabs(u - threshold) * rate;
    return height * (rest < A(0) ? A(0) : rest);  // NaN stays
  }
};

// Current-based leaky integrate-and-fire:
// i[t] = keep_i i[t-1] + z[t]; v[t] = keep_v v[t-1] + i[t];
// spike and v = 0 when v >= threshold.
template <class A>
struct Cuba {
  A keep_i, keep_v, threshold;
  struct State {
    A current, voltage;
  };
  // Returns the voltage before the reset.
  KS_HD A step(State& s, A z, A* spike) const {
    s.current = keep_i * s.current + z;
    const A v = keep_v * s.voltage + s.current;
    const bool fires = v >= threshold;
    *spike = fires ? A(1) : A(0);
    s.voltage = fires ? A(0) : v;
    return v;
  }
};

// x * y + z where neither the product nor the sum needs rounding: in one instruction
// or two, it is the same.
KS_HD float exact_multiply_add(float x, float y, float z) {
#if defined(__FMA__) || defined(__CUDA_ARCH__)
  return __builtin_fmaf(x, y, z);
#else
  return x * y + z;
#endif
}

// The same neuron in Loihi's integers (current and voltage of 24 bits, decays
// in 1/4096, threshold mantissa shifted by 6). Every quantity is an integer
// held in a float or a double, and no sum or product is rounded; both vectorise
// where integer multiplies do not. Floats are exact while inputs are below 2^23.
template <class A>
struct LoihiCuba {
  A keep_i, keep_v;  // (4096 - decay) / 4096
  A threshold;       // mantissa << 6
  // Of the voltage. Not constants: compilers make branches of two comparisons with those.
  A highest = A(0x1p23 - 1), lowest = -highest;
  struct State {
    A current, voltage;
  };
  // rsz(x * 4096 keep, 12): shift right by 12 toward zero. A double holds the product ...
  KS_HD static double decay(double x, double keep) { return std::trunc(x * keep); }
  // ... and two floats hold that of the bits from the 12th on and that of those below.
  KS_HD static float decay(float x, float keep) {
    const float high = std::trunc(x * 0x1p-12f);
    const float low = exact_multiply_add(high, -0x1p12f, x);
    return exact_multiply_add(high, keep * 0x1p12f, std::trunc(low * keep));
  }
  // x in units of the current, an integer << 6; returns the voltage before reset.
  KS_HD A step(State& s, A x, A* spike) const {
    const A wrap = A(0x1p24);
    A u = decay(s.current, keep_i) + x;
    u = u > A(0x1p23) ? u - wrap : u;
    u = u <= A(-0x1p23) ? u + wrap : u;
    A v = decay(s.voltage, keep_v) + u;
    v = v < highest ? v : highest;
    v = v > lowest ? v : lowest;
    const bool fires = v > threshold;
    *spike = fires ? A(1) : A(0);
    s.current = u;
    s.voltage = fires ? A(0) : v;
    return v;
  }
};

// The way back through the two leaks of either CUBA neuron: x is dL/dv from the
// spike of the step, the state dL/dv and dL/di of the step after; returns dL/di.
template <class A>
struct CubaAdjoint {
  A keep_i, keep_v;
  struct State {
    A current, voltage;
  };
  KS_HD A step(State& adjoint, A x) const {
    adjoint.voltage = x + keep_v * adjoint.voltage;
    adjoint.current = keep_i * adjoint.current + adjoint.voltage;
    return adjoint.current;
  }
};

// dL/dv with the path through the reset v (1 - s(v)), which SLAYER leaves out
// and EXODUS keeps. The leak of the current is still to come.
template <class A>
struct ResetAdjoint {
  A keep_v;
  KS_HD A step(A& voltage, A grad_spike, A rho, A v, A spike) const {
    voltage = rho * grad_spike + (keep_v * voltage) * ((A(1) - spike) - v * rho);
    return voltage;
  }
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_DYNAMICS_H_
