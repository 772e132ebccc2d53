// The forward pass of a block of neurons, stepped through time: each step takes a row of synaptic
// input and gives rows of spikes and membrane potentials. The kernels of neurons/ and layers/
// call it.
#ifndef KERAS_SLAYER_NEURONS_FORWARD_ROWS_H_
#define KERAS_SLAYER_NEURONS_FORWARD_ROWS_H_

#include "base/cpu.h"
#include "neurons/parameter_rows.h"

namespace keras_slayer {
namespace KS_ISA {

// T is the type of the membrane potential, S the type of the spikes: T or uint8_t.
template <class T, class S>
class ForwardRows {
 public:
  using A = ArithmeticOf<T>;
  virtual ~ForwardRows() {}
  // Starts the neurons [first, first + count) of a sample, at rest or from their states.
  void start(const SeriesState& state, int64_t inner, int64_t sample, int64_t first,
             int64_t count) {
    set_range(first, count);
    if (state.from == nullptr) return reset(count);
    load(state.from + state.at(inner, sample, first), inner, count);
  }
  // Keeps the states of these neurons.
  void finish(const SeriesState& state, int64_t inner, int64_t sample, int64_t first,
              int64_t count) const {
    if (state.to != nullptr) save(state.to + state.at(inner, sample, first), inner, count);
  }
  // One step of the neurons [first, first + count) of the block: from the synaptic input to the
  // spikes and the membrane potential before reset. The spikes may be written over z.
  virtual void step(const A* z, int64_t first, int64_t count, S* spikes, T* membrane) = 0;
  // Whether all input so far was finite. Only neurons of integers check this.
  virtual bool finite() const { return true; }

 protected:
  virtual void set_range(int64_t first, int64_t count) = 0;
  virtual void reset(int64_t count) = 0;
  // State i of neuron j is states[i * stride + j].
  virtual void load(const double* states, int64_t stride, int64_t count) = 0;
  virtual void save(double* states, int64_t stride, int64_t count) const = 0;
};

// N is the number type of the neuron's states. With by_channel, neurons have parameters of their
// own.
template <class T, class S, class Neuron, class N = ArithmeticOf<T>, bool by_channel = false>
class ForwardRowsOf final : public ForwardRows<T, S> {
 public:
  using A = ArithmeticOf<T>;
  using State = typename Neuron::template State<N>;
  static constexpr int kStates = fields_of<State, N>();
  ForwardRowsOf(const NeuronParams& p, int64_t block)
      : parameters_(p, block), membrane_(p, block), states_(kStates, block) {}
  // Continues from the states of the same neuron in another number type.
  template <class Other>
  ForwardRowsOf(const NeuronParams& p, int64_t block, const Rows<Other>& states)
      : ForwardRowsOf(p, block) {
    for (int i = 0; i < kStates; ++i) {
      for (int64_t j = 0; j < block; ++j) states_.row(i)[j] = N(states.row(i)[j]);
    }
  }
  const Rows<N>& states() const { return states_; }
  void set_range(int64_t first, int64_t count) override {
    parameters_.set_range(first, count);
    if constexpr (kSpikesAfter) membrane_.set_range(first, count);
  }
  void reset(int64_t count) override { states_.clear(count); }
  void load(const double* states, int64_t stride, int64_t count) override {
    for (int i = 0; i < kStates; ++i) {
      N* __restrict to = states_.row(i);
      KS_VECTOR_LOOP(j, count) to[j] = N(states[i * stride + j]);
    }
  }
  void save(double* states, int64_t stride, int64_t count) const override {
    for (int i = 0; i < kStates; ++i) {
      const N* __restrict from = states_.row(i);
      KS_VECTOR_LOOP(j, count) states[i * stride + j] = double(from[j]);
    }
  }
  void step(const A* z, int64_t first, int64_t count, S* spikes, T* __restrict membrane) override {
    const auto parameters = parameters_.from(first);
    N* __restrict states = states_.row(0) + first;
    const int64_t stride = states_.stride();
    KS_VECTOR_LOOP(j, count) {
      State state;
#pragma GCC unroll 8
      for (int i = 0; i < kStates; ++i) field<N>(state, i) = states[i * stride + j];
      A spike;
      const A u = Neuron::step(parameters(j), state, z[j], &spike);
#pragma GCC unroll 8
      for (int i = 0; i < kStates; ++i) states[i * stride + j] = field<N>(state, i);
      if constexpr (!kSpikesAfter) store(&spikes[j], spike);
      store(&membrane[j], u);
    }
    if constexpr (kSpikesAfter) spikes_after(membrane, first, count, spikes);
  }

 private:
  // One vector of byte spikes takes four vectors of floats. A step has not enough registers for
  // these. So a second loop computes the spikes from the membrane potential, if that is stored
  // without rounding.
  static constexpr bool kSpikesAfter = sizeof(S) == 1 && sizeof(T) == sizeof(A);
  void spikes_after(const T* __restrict membrane, int64_t first, int64_t count,
                    S* __restrict spikes) const {
    const auto parameters = membrane_.from(first);
    KS_VECTOR_LOOP(j, count) {
      spikes[j] = Neuron::fires(parameters(j), A(membrane[j])) ? S(1) : S(0);
    }
  }

  ParameterRows<Neuron, N, by_channel> parameters_;
  ParameterRows<Neuron, A, by_channel> membrane_;  // in the arithmetic type of the membrane
  Rows<N> states_;
};

// A neuron that computes with integers, such as Loihi's. It uses floats until an input is too
// large for floats to be exact, and doubles from that step on.
template <class T, class S, class Neuron, bool by_channel>
class IntegerForwardRows final : public ForwardRows<T, S> {
 public:
  using A = ArithmeticOf<T>;
  IntegerForwardRows(const NeuronParams& p, int64_t block)
      : params_(p), block_(block), floats_(p, block) {}
  ~IntegerForwardRows() override { delete doubles_; }
  void set_range(int64_t first, int64_t count) override {
    first_ = first;
    count_ = count;
    floats_.set_range(first, count);
  }
  void reset(int64_t count) override {
    delete doubles_;
    doubles_ = nullptr;
    floats_.reset(count);
  }
  // In floats if these hold the states, as they do until an input is too large.
  void load(const double* states, int64_t stride, int64_t count) override {
    reset(count);
    int64_t large = 0;
    for (int i = 0; i < Floats::kStates; ++i) {
      for (int64_t j = 0; j < count; ++j) {
        large |= std::fabs(states[i * stride + j]) <= Neuron::kExactState ? 0 : 1;
      }
    }
    if (large == 0) return floats_.load(states, stride, count);
    doubles_ = new Doubles(params_, block_);
    doubles_->set_range(first_, count_);
    doubles_->load(states, stride, count);
  }
  void save(double* states, int64_t stride, int64_t count) const override {
    doubles_ != nullptr ? doubles_->save(states, stride, count)
                        : floats_.save(states, stride, count);
  }
  void step(const A* z, int64_t first, int64_t count, S* spikes, T* membrane) override {
    int64_t large = 0;  // or not a number
    KS_VECTOR_LOOP(j, count) large |= std::fabs(z[j]) < A(Neuron::kExactInput) ? 0 : 1;
    if (large != 0 && doubles_ == nullptr) {
      doubles_ = new Doubles(params_, block_, floats_.states());
      doubles_->set_range(first_, count_);
    }
    if (large != 0) check(z, count);
    if (doubles_ != nullptr) {
      doubles_->step(z, first, count, spikes, membrane);
    } else {
      floats_.step(z, first, count, spikes, membrane);
    }
  }
  bool finite() const override { return finite_; }

 private:
  using Floats = ForwardRowsOf<T, S, Neuron, float, by_channel>;
  using Doubles = ForwardRowsOf<T, S, Neuron, double, by_channel>;

  void check(const A* z, int64_t count) {
    for (int64_t j = 0; j < count; ++j) finite_ = finite_ && z[j] - z[j] == A(0);
  }

  NeuronParams params_;
  int64_t block_, first_ = 0, count_ = 0;
  Floats floats_;
  Doubles* doubles_ = nullptr;
  bool finite_ = true;
};

// Makes the forward pass of one neuron.
template <class T, class S, class Neuron, class = void>
struct ForwardRowsFor {
  static ForwardRows<T, S>* make(const NeuronParams& p, int64_t block) {
    using A = ArithmeticOf<T>;
    if (p.rows != nullptr) return new ForwardRowsOf<T, S, Neuron, A, true>(p, block);
    return new ForwardRowsOf<T, S, Neuron, A, false>(p, block);
  }
};
template <class T, class S, class Neuron>
struct ForwardRowsFor<T, S, Neuron, decltype(void(Neuron::kExactInput))> {
  static ForwardRows<T, S>* make(const NeuronParams& p, int64_t block) {
    if (p.rows != nullptr) return new IntegerForwardRows<T, S, Neuron, true>(p, block);
    return new IntegerForwardRows<T, S, Neuron, false>(p, block);
  }
};

// Makes the forward pass of the neuron p, for up to `block` neurons.
template <class T, class S>
ForwardRows<T, S>* new_forward_rows(const NeuronParams& p, int64_t block) {
  return with_neuron(p.kind, [&](auto neuron) -> ForwardRows<T, S>* {
    return ForwardRowsFor<T, S, decltype(neuron)>::make(p, block);
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_FORWARD_ROWS_H_
