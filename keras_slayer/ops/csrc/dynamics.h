// One time step of every filter and neuron, for one neuron: the only place
// where the mathematics is written in C++. CPU and CUDA kernels share it.
//
// A is the arithmetic type (float or double). Times are in steps. Compile with
// -ffp-contract=off: a fused multiply-add would round differently from one
// instruction set to the next, and spikes amplify rounding.
#ifndef KERAS_SLAYER_DYNAMICS_H_
#define KERAS_SLAYER_DYNAMICS_H_

#include <cmath>

#include "scalar.h"

namespace keras_slayer {

// exp(x) for x <= 0. The float version is a range reduction and a polynomial
// (Cephes' expf coefficients, relative error below 2e-7) free of branches and
// calls, so that loops over it vectorise.
KS_HD float exp_nonpositive(float x) {
  const float clamped = x < -87.0f ? -87.0f : x;  // NaN stays
  const float n = std::rint(clamped * 1.44269504088896341f);
  const float r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float mantissa = p * r * r + r + 1.0f;
  const float result = mantissa * bits_to_float(uint32_t(int32_t(n) + 127) << 23);
  return x < -87.0f ? 0.0f : result;
}
KS_HD double exp_nonpositive(double x) { return std::exp(x); }

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
  A threshold, rate, height;  // rate = -1 / width: a division costs more than the exponential
  KS_HD ExponentialSurrogate(double threshold, double width, double height)
      : threshold(A(threshold)), rate(A(-1.0 / width)), height(A(height)) {}
  KS_HD A operator()(A u) const {
    const A distance = u > threshold ? u - threshold : threshold - u;
    return height * exp_nonpositive(distance * rate);
  }
};

// ... and height max(0, 1 - |u - threshold| / (2 width)), zero away from threshold.
template <class A>
struct TriangleSurrogate {
  A threshold, rate, height;
  KS_HD TriangleSurrogate(double threshold, double width, double height)
      : threshold(A(threshold)), rate(A(0.5 / width)), height(A(height)) {}
  KS_HD A operator()(A u) const {
    const A distance = u > threshold ? u - threshold : threshold - u;
    const A rest = A(1) - distance * rate;
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

// The same neuron in Loihi's integers (current and voltage of 24 bits, decays
// in 1/4096, threshold mantissa shifted by 6). Every quantity is an integer
// held in a double: all products stay below 2^53, so this is exact, and it
// vectorises where 64-bit integer multiplies do not.
struct LoihiCuba {
  double keep_i, keep_v;  // 4096 - decay
  double threshold;       // mantissa << 6
  struct State {
    double current, voltage;
  };
  // rsz(x * keep, 12): shift right by 12 toward zero.
  KS_HD static double decay(double x, double keep) { return std::trunc(x * keep * 0x1p-12); }
  // z in weight units (the chip's integers); returns the voltage before reset.
  KS_HD double step(State& s, double z, double* spike) const {
    double u = decay(s.current, keep_i) + z * 64.0;
    u = u > 0x1p23 ? u - 0x1p24 : (u <= -0x1p23 ? u + 0x1p24 : u);
    double v = decay(s.voltage, keep_v) + u;
    v = v > 0x1p23 - 1 ? 0x1p23 - 1 : v;
    v = v < -0x1p23 + 1 ? -0x1p23 + 1 : v;
    const bool fires = v > threshold;
    *spike = fires ? 1.0 : 0.0;
    s.current = u;
    s.voltage = fires ? 0.0 : v;
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
