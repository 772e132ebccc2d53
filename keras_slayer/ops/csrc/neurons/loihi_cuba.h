// LoihiCuba: the CUBA neuron in the integers of the Loihi chip, equal to the bit.
//
// With rsz(x, b) = sign(x) (|x| >> b), current and voltage of 24 bits, and decays in 1 / 4096:
//
//   u[t] = rsz(u[t-1] (4096 - current_decay), 12) + (z[t-1] << 6), wrapped once
//   v[t] = rsz(v[t-1] (4096 - voltage_decay), 12) + u[t] + (bias << 6), clipped
//   s[t] = 1 and v[t] = 0 afterwards, where v[t] > threshold_mantissa << 6
//
// The integers are stored in floats or doubles (type N), because integer products do not
// vectorise everywhere. No sum or product is rounded. z and the membrane potential are on the
// scale of the float weights: a weight is its integer / 64, the threshold is its mantissa / 64, a
// voltage is its integer / 4096. Params need not have a bias.
#ifndef KERAS_SLAYER_NEURONS_LOIHI_CUBA_H_
#define KERAS_SLAYER_NEURONS_LOIHI_CUBA_H_

#include <cmath>

#include "base/scalar.h"
#include "neurons/cuba.h"

namespace keras_slayer {

// x * y + z where product and sum are exact. So one fused instruction and two plain ones give the
// same result.
KS_HD float exact_multiply_add(float x, float y, float z) {
#if defined(__CUDA_ARCH__)
  return fmaf(x, y, z);
#elif defined(__FMA__)
  return __builtin_fmaf(x, y, z);
#else
  return x * y + z;
#endif
}

struct LoihiCuba {
  // The chip's integers have no infinity and no NaN. Floats are exact for inputs below this limit.
  // The current is an input times 2^12 plus the decayed current of at most 2^23, so before its
  // wrap it stays within 2^24. Floats represent all integers up to that.
  static constexpr double kExactInput = 0x1p11;
  // And for states up to this one.
  static constexpr double kExactState = 0x1p23;

  // On the scale of the float weights, except for the bias, in units of the voltage, and for the
  // limits of the voltage, highest and lowest. These are parameters because compilers turn two
  // comparisons with constants into branches.
  template <class A>
  struct Parameters {
    A threshold, keep_current, keep_voltage, bias, highest, lowest;
  };
  template <class Given>
  static Parameters<double> read(Given& given) {
    return {given.integer("threshold_mantissa", 131071) / 64.0,
            1 - given.integer("current_decay", 4096) / 4096.0,
            1 - given.integer("voltage_decay", 4096) / 4096.0,
            in_voltage(given.integer_if_given("bias", -4096, 4095)), 0x1p23 - 1, -(0x1p23 - 1)};
  }
  // Added to a zero of either sign, -0 leaves its sign.
  static double in_voltage(double bias) { return bias == 0 ? -0.0 : bias * 64; }

  template <class N>
  struct State {
    N current, voltage;
    N arriving;  // an input acts one step after it arrives
  };
  template <class A>
  KS_HD static bool fires(const Parameters<A>& p, A v) {
    return v > p.threshold;
  }
  // Returns the voltage before the reset.
  template <class A, class N>
  KS_HD static A step(const Parameters<N>& p, State<N>& s, A z, A* spike) {
    const N wrap = N(0x1p24);
    N u = decay(s.current, p.keep_current) + s.arriving;
    u = u > N(0x1p23) ? u - wrap : u;
    u = u <= N(-0x1p23) ? u + wrap : u;
    // Floats may round this sum, but only one that is clipped.
    N v = decay(s.voltage, p.keep_voltage) + (u + p.bias);
    v = v < p.highest ? v : p.highest;
    v = v > p.lowest ? v : p.lowest;
    const N scaled = v * N(0x1p-12);
    const bool fired = fires(p, scaled);
    *spike = fired ? A(1) : A(0);
    s.current = u;
    s.voltage = fired ? N(0) : v;
    s.arriving = units<A, N>(z);
    return A(scaled);
  }

  // The gradient of Cuba: it passes through all rounding unchanged (straight-through).
  template <class A>
  using DriveState = Cuba::DriveState<A>;
  template <class A>
  KS_HD static A exodus(const Parameters<A>& p, DriveState<A>& s, A grad, A v, A rho) {
    return Cuba::through_reset(p.keep_voltage, fires(p, v), s, grad, v, rho);
  }
  template <class A>
  using FilterState = Cuba::FilterState<A>;
  template <bool is_exodus, class A>
  KS_HD static A filter(const Parameters<A>& p, FilterState<A>& s, A lambda) {
    const A acts_later = s.current;
    Cuba::filter<is_exodus>(Cuba::Parameters<A>{p.threshold, p.keep_current, p.keep_voltage}, s,
                            lambda);
    return acts_later;
  }

  // Those of Cuba, with the decays as fractions; and d bias = sum V[t].
  static constexpr int kLearned = 4;
  template <class A>
  KS_HD static void gradients(const Parameters<A>&, const Parameters<A>& sums, A* out) {
    out[0] = sums.threshold / 64;
    out[1] = sums.keep_current / -4096;
    out[2] = sums.keep_voltage / -4096;
    out[3] = sums.bias / 64;
  }
  template <class A>
  using LearnState = Cuba::LearnState<A>;
  template <bool is_exodus, class A>
  KS_HD static void learn(const Parameters<A>& p, LearnState<A>& s, const DriveState<A>& drive,
                          const FilterState<A>& filter, A dspike, A u, A rho, A lambda,
                          Parameters<A>& sums) {
    if constexpr (is_exodus) dspike = dspike - u * (p.keep_voltage * drive.voltage);
    sums.threshold = sums.threshold - rho * dspike;
    const A keep_voltage = is_exodus ? A(0) : p.keep_voltage;  // as `filter` has it
    sums.bias = sums.bias + (lambda + keep_voltage * filter.voltage);
    // The current is what is left of the voltage without the bias.
    Cuba::learn_leaks(p, s, filter, u - p.bias * A(0x1p-12), fires(p, u) ? A(0) : u, sums);
  }
  template <class A>
  KS_HD static void learn_start(const Parameters<A>& p, const LearnState<A>& s,
                                const FilterState<A>& filter, const State<A>& start,
                                Parameters<A>& sums) {
    const A unit = A(0x1p-12);  // of the state, on the scale of the float weights
    Cuba::start_of_leaks(p, s, filter, start.current * unit, start.voltage * unit, sums);
  }

  // rsz(x * 4096 keep, 12). A double holds the product exactly.
  KS_HD static double decay(double x, double keep) { return std::trunc(x * keep); }
  // Two floats hold it exactly: the products of the upper bits (from the 12th on) and of the lower
  // 12 bits.
  KS_HD static float decay(float x, float keep) {
    const float high = std::trunc(x * 0x1p-12f);
    const float low = exact_multiply_add(high, -0x1p12f, x);
    return exact_multiply_add(high, keep * 0x1p12f, std::trunc(low * keep));
  }
  // The input in units of the current: integer << 6. Rounding removes the rounding errors of the
  // synaptic product.
  template <class A, class N>
  KS_HD static N units(A z) {
    if constexpr (sizeof(N) == sizeof(double)) {
      return std::rint(double(z) * 64.0) * 64.0;
    } else {
      // The sum is so large that its last bit is worth 64, so the addition rounds.
      const A large = sizeof(A) == sizeof(float) ? A(0x1.8p29) : A(0x1.8p58);
      return N((z * A(4096) + large) - large);
    }
  }
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_LOIHI_CUBA_H_
