// The backward pass of a block of neurons whose parameters are learned: the gradient dz of the
// synaptic input, as in backward_rows.h, and sums over the steps for each neuron, the gradients of
// its parameters.
#ifndef KERAS_SLAYER_NEURONS_LEARN_ROWS_H_
#define KERAS_SLAYER_NEURONS_LEARN_ROWS_H_

#include "neurons/neurons.h"
#include "neurons/parameter_rows.h"

namespace keras_slayer {
namespace KS_ISA {

template <class T>
class LearnRows {
 public:
  using A = ArithmeticOf<T>;
  virtual ~LearnRows() {}
  // Starts a series, at its last step, for the neurons [first, first + count).
  virtual void start(int64_t first, int64_t count) = 0;
  virtual void step(const T* grad_spikes, const T* membrane, int64_t count, A* dz) = 0;
  // After the first step, writes the gradients of the neurons [first, first + count) of a sample.
  virtual void finish(const NeuronParamsGradArgs& args, int64_t sample, int64_t first,
                      int64_t count) = 0;
};

// The parameters are rows in any case: the loop has too many numbers to keep in registers, and GCC
// vectorises it only if they are all in rows.
template <class T, class Neuron, class Rho, bool is_exodus>
class LearnRowsOf final : public LearnRows<T> {
 public:
  using A = ArithmeticOf<T>;
  LearnRowsOf(const NeuronParams& p, const Rho& rho, int64_t block)
      : parameters_(p, block), rho_(rho), states_(kStates, block), sums_(kFields, block) {}
  void start(int64_t first, int64_t count) override {
    parameters_.set_range(first, count);
    states_.clear(count);
    sums_.clear(count);
  }
  void step(const T* grad_spikes, const T* membrane, int64_t count, A* __restrict dz) override {
    const auto parameters = parameters_.from(0);
    const Rho shared = rho_;
    A* __restrict states = states_.row(0);
    A* __restrict sums = sums_.row(0);
    const int64_t stride = states_.stride();
    KS_VECTOR_LOOP(j, count) {
      const Parameters p = parameters(j);
      All s = {};
#pragma GCC unroll 16
      for (int i = kFirst; i < kStates; ++i) field<A>(s, i) = states[i * stride + j];
      Parameters sum;
#pragma GCC unroll 8
      for (int i = 0; i < kFields; ++i) field<A>(sum, i) = sums[i * stride + j];
      const A u = load(membrane[j]), grad = load(grad_spikes[j]);
      const A rho = parameters.rho(shared, j)(u);
      const auto drive = s.drive;
      A lambda;
      if constexpr (is_exodus) {
        lambda = Neuron::exodus(p, s.drive, grad, u, rho);
      } else {
        lambda = rho * grad;
      }
      Neuron::template learn<is_exodus>(p, s.learn, drive, s.filter, grad, u, rho, lambda, sum);
      dz[j] = Neuron::template filter<is_exodus>(p, s.filter, lambda);
#pragma GCC unroll 16
      for (int i = kFirst; i < kStates; ++i) states[i * stride + j] = field<A>(s, i);
#pragma GCC unroll 8
      for (int i = 0; i < kFields; ++i) sums[i * stride + j] = field<A>(sum, i);
    }
  }
  void finish(const NeuronParamsGradArgs& args, int64_t sample, int64_t first,
              int64_t count) override {
    const auto parameters = parameters_.from(0);
    for (int64_t j = 0; j < count; ++j) {
      Parameters sum;
      for (int i = 0; i < kFields; ++i) field<A>(sum, i) = sums_.row(i)[j];
      All s;
      for (int i = 0; i < kStates; ++i) field<A>(s, i) = states_.row(i)[j];
      finish_params_grad<Neuron, A>(args, sample, first + j, parameters(int(j)), s.learn,
                                    s.filter, &sum);
    }
  }

 private:
  using Parameters = typename Neuron::template Parameters<A>;
  struct All {
    typename Neuron::template DriveState<A> drive;
    typename Neuron::template FilterState<A> filter;
    typename Neuron::template LearnState<A> learn;
  };
  // Without EXODUS the drive has no state.
  static constexpr int kFirst =
      is_exodus ? 0 : fields_of<typename Neuron::template DriveState<A>, A>();
  static constexpr int kStates = fields_of<All, A>(), kFields = fields_of<Parameters, A>();

  ParameterRows<Neuron, A, true> parameters_;
  Rho rho_;
  Rows<A> states_, sums_;
};

// For up to `block` neurons.
template <class T>
LearnRows<T>* new_learn_rows(const NeuronParams& p, int64_t block) {
  using Base = LearnRows<T>;
  return with_neuron(p.kind, [&](auto neuron) -> Base* {
    using Neuron = decltype(neuron);
    return with_surrogate<ArithmeticOf<T>>(p.surrogate, [&](auto rho) -> Base* {
      using Rho = decltype(rho);
      if (p.exodus) return new LearnRowsOf<T, Neuron, Rho, true>(p, rho, block);
      return new LearnRowsOf<T, Neuron, Rho, false>(p, rho, block);
    });
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_LEARN_ROWS_H_
