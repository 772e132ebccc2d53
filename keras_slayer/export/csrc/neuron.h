// One step of Loihi's CUBA neurons in the integers of the chip. simulator.cc calls it.
//
// u = rsz(u * (4096 - current_decay), 12) + (z << 6)     wrapped once to 24 bits
// v = rsz(v * (4096 - voltage_decay), 12) + u + (bias << 6)     clipped
// spike where v > threshold << 6, and v = 0 there;
// rsz(x, 12) is x / 4096 rounded toward zero.
#ifndef KERAS_SLAYER_EXPORT_NEURON_H_
#define KERAS_SLAYER_EXPORT_NEURON_H_

#include <cstdint>

namespace keras_slayer {

constexpr int kDecayUnity = 4096;
constexpr int kStateShift = 6;
constexpr int32_t kStateRange = 1 << 23;  // u and v have 24 bits

struct NeuronParameters {
  int32_t current_decay, voltage_decay, threshold;  // threshold already shifted by kStateShift
};

// x * kept / 4096, rounded toward zero. The 32-bit version computes in double: x has at most 31
// bits and kept 13, so product and division are exact, and the conversion back truncates. Unlike a
// 64-bit integer product, this vectorises on every x86-64.
inline int32_t decay(int32_t x, int32_t kept) {
  return static_cast<int32_t>(static_cast<double>(x) * (kept / static_cast<double>(kDecayUnity)));
}
inline int64_t decay(int64_t x, int32_t kept) { return x * kept / kDecayUnity; }

constexpr int64_t kMaxSumIn32Bits = 1 << 18;
constexpr int64_t kMaxSum = 1 << 25;
constexpr int64_t kMaxSteps = 1 << 20;

// Advances `count` neurons by one step and returns whether any exceeds the threshold. The caller
// resets these few.
//
// State is int32_t if |z| <= kMaxSumIn32Bits: one wrap then always brings u back into 24 bits.
// Larger sums, which the chip itself cannot hold, need int64_t: u may grow by kMaxSum << 6 per
// step, and u * 4096 still fits after kMaxSteps.
template <class State>
inline bool advance(const NeuronParameters& p, const int32_t* __restrict z,
                    const int32_t* __restrict bias, State* __restrict u, State* __restrict v,
                    int64_t count) {
  const int32_t keep_u = kDecayUnity - p.current_decay;
  const int32_t keep_v = kDecayUnity - p.voltage_decay;
  const State range = kStateRange;
  const State limit = kStateRange - 1;
  const State threshold = p.threshold;
  int32_t above = 0;
  for (int64_t j = 0; j < count; ++j) {
    State current = decay(u[j], keep_u) + static_cast<State>(z[j]) * (1 << kStateShift);
    current += current > range ? -2 * range : (current <= -range ? 2 * range : State(0));
    State voltage = decay(v[j], keep_v) + current + static_cast<State>(bias[j]);
    voltage = voltage > limit ? limit : voltage;
    voltage = voltage < -limit ? -limit : voltage;
    above |= voltage > threshold;
    u[j] = current;
    v[j] = voltage;
  }
  return above != 0;
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EXPORT_NEURON_H_
