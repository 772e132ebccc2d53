// The neurons of a block, stepped through time a row of them at a time.
#ifndef KERAS_SLAYER_NEURON_ROWS_H_
#define KERAS_SLAYER_NEURON_ROWS_H_

#include "cpu.h"

namespace keras_slayer {
namespace KS_ISA {

// One neuron of each kind: its state and what a step does with it. Returns the membrane
// potential before the reset.

template <class A>
struct SrmNeuron {
  using Number = A;
  static constexpr int kStates = 4;
  static constexpr bool kChip = false;
  AlphaFilter<A> response, refractory;
  A threshold;
  explicit SrmNeuron(const NeuronParams& p)
      : response{A(p.response_decay), A(p.response_gain)},
        refractory{A(p.refractory_decay), A(p.refractory_gain)},
        threshold(A(p.threshold)) {}
  KS_HD A step(A (&state)[kStates], A z, A* spike) const {
    typename AlphaFilter<A>::State synapse = {state[0], state[1]}, own = {state[2], state[3]};
    const A psp = response.read(synapse);
    const A u = psp + refractory.read(own);
    *spike = u >= threshold ? A(1) : A(0);
    response.add(synapse, z);
    refractory.add(own, *spike);
    state[0] = synapse.rise, state[1] = synapse.response;
    state[2] = own.rise, state[3] = own.response;
    return u;
  }
};

template <class A>
struct CubaNeuron {
  using Number = A;
  static constexpr int kStates = 2;
  static constexpr bool kChip = false;
  Cuba<A> cuba;
  A threshold;
  explicit CubaNeuron(const NeuronParams& p)
      : cuba{A(p.keep_current), A(p.keep_voltage), A(p.threshold)}, threshold(cuba.threshold) {}
  KS_HD A step(A (&state)[kStates], A z, A* spike) const {
    typename Cuba<A>::State s = {state[0], state[1]};
    const A v = cuba.step(s, z, spike);
    state[0] = s.current, state[1] = s.voltage;
    return v;
  }
};

// The chip's: an input acts one step after it arrives.
template <class A>
struct LoihiNeuron {
  using Number = double;
  static constexpr int kStates = 3;
  static constexpr bool kChip = true;
  LoihiCuba cuba;
  A threshold;
  // v is an integer, so it is above the threshold if it is above its floor, which a float
  // holds like every v.
  explicit LoihiNeuron(const NeuronParams& p)
      : cuba{p.keep_current * 4096.0, p.keep_voltage * 4096.0, p.threshold * 4096.0},
        threshold(A(std::floor(cuba.threshold) * 0x1p-12)) {}
  KS_HD A step(double (&state)[kStates], A z, A* spike) const {
    LoihiCuba::State s = {state[0], state[1]};
    double fires;
    const double v = cuba.step(s, state[2], &fires);
    *spike = A(fires);
    state[0] = s.current, state[1] = s.voltage;
    // A float weight is integer/64. Rounding undoes what the product before this may have lost.
    state[2] = rint(double(z) * 64.0);
    return A(v * 0x1p-12);
  }
};

// T is the type of the membrane potential, S that of the spikes: the same, or bytes.
template <class T, class S>
class NeuronRows {
 public:
  using A = ArithmeticOf<T>;
  virtual ~NeuronRows() {}
  // Before the first step of a series of `count` neurons.
  virtual void reset(int64_t count) = 0;
  // One step of neurons [first, first + count) of the block: synaptic input in,
  // spikes and membrane potential (before reset) out. Spikes may be written over
  // z, element by element.
  virtual void step(const A* z, int64_t first, int64_t count, S* spikes, T* membrane) = 0;
  virtual bool finite() const = 0;
};

template <class T, class S, class Neuron>
class NeuronRowsOf final : public NeuronRows<T, S> {
 public:
  using A = ArithmeticOf<T>;
  NeuronRowsOf(const NeuronParams& p, int64_t block)
      : neuron_(p), state_(Neuron::kStates, block) {}
  void reset(int64_t count) override { state_.clear(count); }
  void step(const A* z, int64_t first, int64_t count, S* spikes, T* __restrict membrane) override {
    using Number = typename Neuron::Number;
    if constexpr (Neuron::kChip) check(z, count);
    const Neuron neuron = neuron_;
    Number* __restrict states = state_.row(0) + first;
    const int64_t stride = state_.stride();
    KS_VECTOR_LOOP(j, count) {
      Number state[Neuron::kStates];
#pragma GCC unroll 4
      for (int i = 0; i < Neuron::kStates; ++i) state[i] = states[i * stride + j];
      A spike;
      const A u = neuron.step(state, z[j], &spike);
#pragma GCC unroll 4
      for (int i = 0; i < Neuron::kStates; ++i) states[i * stride + j] = state[i];
      if constexpr (!kSpikesAfter) store(&spikes[j], spike);
      store(&membrane[j], u);
    }
    if constexpr (kSpikesAfter) spikes_after(membrane, count, spikes);
  }
  bool finite() const override { return finite_; }

 private:
  // Spikes as bytes need four vectors of numbers for one of theirs, more than the
  // registers of a step hold. Where the membrane potential is kept as it is, they come
  // from there, in a loop of their own.
  static constexpr bool kSpikesAfter = sizeof(S) == 1 && sizeof(T) == sizeof(A);
  void spikes_after(const T* __restrict membrane, int64_t count, S* __restrict spikes) const {
    const T threshold = neuron_.threshold;
    // The chip's neurons fire above the threshold, the others at it.
    KS_VECTOR_LOOP(j, count) {
      const bool fires = Neuron::kChip ? membrane[j] > threshold : membrane[j] >= threshold;
      spikes[j] = fires ? S(1) : S(0);
    }
  }

  void check(const A* z, int64_t count) {
    int64_t invalid = 0;
    KS_VECTOR_LOOP(j, count) invalid |= z[j] - z[j] == A(0) ? 0 : 1;
    finite_ = finite_ && invalid == 0;
  }

  Neuron neuron_;
  Rows<typename Neuron::Number> state_;
  bool finite_ = true;
};

// The rows of the neuron that p describes, for up to `block` neurons.
template <class T, class S>
NeuronRows<T, S>* new_neuron_rows(const NeuronParams& p, int64_t block) {
  using A = ArithmeticOf<T>;
  switch (p.kind) {
    case NeuronKind::kSrm:
      return new NeuronRowsOf<T, S, SrmNeuron<A>>(p, block);
    case NeuronKind::kCuba:
      return new NeuronRowsOf<T, S, CubaNeuron<A>>(p, block);
    default:
      return new NeuronRowsOf<T, S, LoihiNeuron<A>>(p, block);
  }
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURON_ROWS_H_
