// The neurons of a block, stepped through time a row of them at a time.
#ifndef KERAS_SLAYER_NEURON_ROWS_H_
#define KERAS_SLAYER_NEURON_ROWS_H_

#include "cpu.h"

namespace keras_slayer {
namespace KS_ISA {

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
  virtual bool finite() const { return true; }
};

// Spikes as bytes need four vectors of numbers for one of theirs, more than the
// registers of a step hold. Where the membrane potential is kept as it is, they come
// from there, in a loop of their own.
template <class T, class S>
constexpr bool kSpikesAfter = sizeof(S) == 1 && sizeof(T) == sizeof(ArithmeticOf<T>);

// The chip's neurons fire above the threshold, the others at it.
template <bool above = false, class T, class S>
KS_HD void spikes_after(const T* __restrict membrane, T threshold, int64_t count,
                        S* __restrict spikes) {
  KS_VECTOR_LOOP(j, count) {
    const bool fires = above ? membrane[j] > threshold : membrane[j] >= threshold;
    spikes[j] = fires ? S(1) : S(0);
  }
}

template <class T, class S>
class SrmRows final : public NeuronRows<T, S> {
 public:
  using A = ArithmeticOf<T>;
  SrmRows(const NeuronParams& p, int64_t block)
      : response_{A(p.response_decay), A(p.response_gain)},
        refractory_{A(p.refractory_decay), A(p.refractory_gain)},
        threshold_(A(p.threshold)),
        state_(4, block) {}
  void reset(int64_t count) override { state_.clear(count); }
  void step(const A* z, int64_t first, int64_t count, S* spikes,
            T* __restrict membrane) override {
    using State = typename AlphaFilter<A>::State;
    A* __restrict rise = state_.row(0) + first;
    A* __restrict value = state_.row(1) + first;
    A* __restrict own_rise = state_.row(2) + first;
    A* __restrict own_value = state_.row(3) + first;
    const AlphaFilter<A> response = response_, refractory = refractory_;
    const A threshold = threshold_;
    KS_VECTOR_LOOP(j, count) {
      State synapse = {rise[j], value[j]}, own = {own_rise[j], own_value[j]};
      const A psp = response.read(synapse);
      const A u = psp + refractory.read(own);
      const A spike = u >= threshold ? A(1) : A(0);
      response.add(synapse, z[j]);
      refractory.add(own, spike);
      rise[j] = synapse.rise;
      value[j] = synapse.response;
      own_rise[j] = own.rise;
      own_value[j] = own.response;
      if constexpr (!kSpikesAfter<T, S>) store(&spikes[j], spike);
      store(&membrane[j], u);
    }
    if constexpr (kSpikesAfter<T, S>) spikes_after(membrane, threshold, count, spikes);
  }

 private:
  AlphaFilter<A> response_, refractory_;
  A threshold_;
  Rows<A> state_;
};

template <class T, class S>
class CubaRows final : public NeuronRows<T, S> {
 public:
  using A = ArithmeticOf<T>;
  CubaRows(const NeuronParams& p, int64_t block)
      : neuron_{A(p.keep_current), A(p.keep_voltage), A(p.threshold)}, state_(2, block) {}
  void reset(int64_t count) override { state_.clear(count); }
  void step(const A* z, int64_t first, int64_t count, S* spikes,
            T* __restrict membrane) override {
    A* __restrict current = state_.row(0) + first;
    A* __restrict voltage = state_.row(1) + first;
    const Cuba<A> neuron = neuron_;
    KS_VECTOR_LOOP(j, count) {
      typename Cuba<A>::State state = {current[j], voltage[j]};
      A spike;
      const A v = neuron.step(state, z[j], &spike);
      current[j] = state.current;
      voltage[j] = state.voltage;
      if constexpr (!kSpikesAfter<T, S>) store(&spikes[j], spike);
      store(&membrane[j], v);
    }
    if constexpr (kSpikesAfter<T, S>) spikes_after(membrane, neuron.threshold, count, spikes);
  }

 private:
  Cuba<A> neuron_;
  Rows<A> state_;
};

template <class T, class S>
class LoihiRows final : public NeuronRows<T, S> {
 public:
  using A = ArithmeticOf<T>;
  LoihiRows(const NeuronParams& p, int64_t block)
      : neuron_{p.keep_current * 4096.0, p.keep_voltage * 4096.0, p.threshold * 4096.0},
        state_(3, block) {}
  void reset(int64_t count) override { state_.clear(count); }
  void step(const A* z, int64_t first, int64_t count, S* spikes,
            T* __restrict membrane) override {
    double* __restrict current = state_.row(0) + first;
    double* __restrict voltage = state_.row(1) + first;
    double* __restrict arriving = state_.row(2) + first;
    const LoihiCuba neuron = neuron_;
    KS_VECTOR_LOOP(j, count) {
      LoihiCuba::State state = {current[j], voltage[j]};
      double spike;
      const double v = neuron.step(state, arriving[j], &spike);
      current[j] = state.current;
      voltage[j] = state.voltage;
      // A float weight is integer/64. Rounding undoes what the product before
      // this may have lost.
      arriving[j] = rint(double(z[j]) * 64.0);
      if constexpr (!kSpikesAfter<T, S>) store(&spikes[j], A(spike));
      store(&membrane[j], A(v * 0x1p-12));
    }
    if constexpr (kSpikesAfter<T, S>) {
      // v is an integer, so it is above the threshold if it is above its floor, which a
      // float holds like every v.
      const A threshold = A(std::floor(neuron.threshold) * 0x1p-12);
      spikes_after<true>(membrane, threshold, count, spikes);
    }
    int64_t invalid = 0;
    KS_VECTOR_LOOP(j, count) invalid |= arriving[j] - arriving[j] == 0.0 ? 0 : 1;
    finite_ = finite_ && invalid == 0;
  }
  bool finite() const override { return finite_; }

 private:
  LoihiCuba neuron_;
  Rows<double> state_;
  bool finite_ = true;
};

// The rows of the neuron that p describes, for up to `block` neurons.
template <class T, class S>
NeuronRows<T, S>* new_neuron_rows(const NeuronParams& p, int64_t block) {
  switch (p.kind) {
    case NeuronKind::kSrm:
      return new SrmRows<T, S>(p, block);
    case NeuronKind::kCuba:
      return new CubaRows<T, S>(p, block);
    default:
      return new LoihiRows<T, S>(p, block);
  }
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURON_ROWS_H_
