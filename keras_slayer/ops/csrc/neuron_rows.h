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

// The chip's, in the arithmetic of N: an input acts one step after it arrives.
template <class A, class N>
struct LoihiNeuron {
  using Number = N;
  static constexpr int kStates = 3;
  static constexpr bool kChip = true;
  LoihiCuba<N> cuba;
  A threshold;
  explicit LoihiNeuron(const NeuronParams& p)
      : cuba{N(p.keep_current), N(p.keep_voltage), N(p.threshold * 4096)},
        threshold(A(p.threshold)) {}
  KS_HD A step(N (&state)[kStates], A z, A* spike) const {
    typename LoihiCuba<N>::State s = {state[0], state[1]};
    N fires;
    const N v = cuba.step(s, state[2], &fires);
    *spike = A(fires);
    state[0] = s.current, state[1] = s.voltage;
    state[2] = units(z);
    return A(v * N(0x1p-12));
  }
  // Input in units of the current. A float weight is integer / 64, and the integer is
  // shifted by 6. Rounding undoes what the product of synapses may have lost.
  KS_HD static N units(A z) {
    if constexpr (sizeof(N) == sizeof(double)) return std::rint(double(z) * 64.0) * 64.0;
    // A sum of this size has no bits below 64.
    const A large = sizeof(A) == sizeof(float) ? A(0x1.8p29) : A(0x1.8p58);
    return N((z * A(4096) + large) - large);
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
  // Whether all input has been, where the kind of neuron asks for it.
  virtual bool finite() const { return true; }
};

template <class T, class S, class Neuron>
class NeuronRowsOf final : public NeuronRows<T, S> {
 public:
  using A = ArithmeticOf<T>;
  using Number = typename Neuron::Number;
  NeuronRowsOf(const NeuronParams& p, int64_t block)
      : neuron_(p), state_(Neuron::kStates, block) {}
  // Goes on where the same neuron in other numbers has come to.
  template <class Other>
  NeuronRowsOf(const NeuronParams& p, int64_t block, const Rows<Other>& state)
      : NeuronRowsOf(p, block) {
    for (int i = 0; i < Neuron::kStates; ++i) {
      for (int64_t j = 0; j < block; ++j) state_.row(i)[j] = Number(state.row(i)[j]);
    }
  }
  const Rows<Number>& state() const { return state_; }
  void reset(int64_t count) override { state_.clear(count); }
  void step(const A* z, int64_t first, int64_t count, S* spikes, T* __restrict membrane) override {
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

  Neuron neuron_;
  Rows<Number> state_;
};

// The chip's neurons: in floats until an input is too large for them to be exact, in
// doubles from there on.
template <class T, class S>
class LoihiRows final : public NeuronRows<T, S> {
 public:
  using A = ArithmeticOf<T>;
  LoihiRows(const NeuronParams& p, int64_t block) : params_(p), block_(block), floats_(p, block) {}
  ~LoihiRows() override { delete doubles_; }
  void reset(int64_t count) override {
    delete doubles_;
    doubles_ = nullptr;
    floats_.reset(count);
  }
  void step(const A* z, int64_t first, int64_t count, S* spikes, T* membrane) override {
    int64_t large = 0;  // or not a number
    KS_VECTOR_LOOP(j, count) large |= std::fabs(z[j]) < A(kLarge) ? 0 : 1;
    if (large != 0 && doubles_ == nullptr) doubles_ = new Doubles(params_, block_, floats_.state());
    if (large != 0) check(z, count);
    if (doubles_ != nullptr) {
      doubles_->step(z, first, count, spikes, membrane);
    } else {
      floats_.step(z, first, count, spikes, membrane);
    }
  }
  bool finite() const override { return finite_; }

 private:
  using Floats = NeuronRowsOf<T, S, LoihiNeuron<A, float>>;
  using Doubles = NeuronRowsOf<T, S, LoihiNeuron<A, double>>;

  // 2^23 in units of the current: with less, the current is at most 2^24 before its wrap,
  // the last integer that floats count to.
  static constexpr double kLarge = 0x1p11;

  void check(const A* z, int64_t count) {
    for (int64_t j = 0; j < count; ++j) finite_ = finite_ && z[j] - z[j] == A(0);
  }

  NeuronParams params_;
  int64_t block_;
  Floats floats_;
  Doubles* doubles_ = nullptr;
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
      return new LoihiRows<T, S>(p, block);
  }
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURON_ROWS_H_
