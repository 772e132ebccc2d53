// The backward pass of a block of neurons, from the gradient of the spikes to the gradient dz of
// the synaptic input. It goes backwards in time, one row of neurons per step, in two parts:
//
//   drive   lambda[t]: the gradient of the membrane potential at step t. SLAYER: rho(u[t]) times
//           the gradient of the spikes. EXODUS: the neuron's own recursion, which adds the effect
//           of the spike on later steps.
//   filter  dz[t]: lambda through the neuron's linear filter, reversed in time. It is linear, and
//           where it is the same for all neurons of a layer it may run before or after the
//           transposed synapse, wherever there is less to compute.
#ifndef KERAS_SLAYER_NEURONS_BACKWARD_ROWS_H_
#define KERAS_SLAYER_NEURONS_BACKWARD_ROWS_H_

#include "base/cpu.h"
#include "neurons/parameter_rows.h"

namespace keras_slayer {
namespace KS_ISA {

// T is the type of the membrane potential, G the type of the gradient of the spikes.
template <class T, class G>
class BackwardRows {
 public:
  using A = ArithmeticOf<T>;
  virtual ~BackwardRows() {}
  // Starts a series, at its last step, for neurons from `first` on. Each part keeps the states of
  // so many neurons.
  virtual void reset(int64_t first, int64_t drive_count, int64_t filter_count) = 0;
  // Starts a series for the neurons [first, first + count) of a sample, at rest or from their
  // states, and keeps these.
  void start(const SeriesState& state, int64_t inner, int64_t sample, int64_t first,
             int64_t count) {
    reset(first, count, count);
    if (state.from != nullptr) load_states(state.from + state.at(inner, sample, first), inner, count);
  }
  void finish(const SeriesState& state, int64_t inner, int64_t sample, int64_t first,
              int64_t count) const {
    if (state.to != nullptr) save_states(state.to + state.at(inner, sample, first), inner, count);
  }
  // One step of the neurons [first, first + count) of the block. `step` does both parts. The
  // results may be written over the inputs.
  virtual void step(const G* grad, const T* membrane, int64_t first, int64_t count, A* dz) = 0;
  virtual void drive(const G* grad, const T* membrane, int64_t first, int64_t count,
                     A* lambda) = 0;
  virtual void filter(const A* lambda, int64_t first, int64_t count, A* dz) = 0;

 protected:
  // Field i of the BackwardState of neuron j is states[i * stride + j].
  virtual void load_states(const double* states, int64_t stride, int64_t count) = 0;
  virtual void save_states(double* states, int64_t stride, int64_t count) const = 0;
};

template <class T, class G, class Neuron, class Rho, bool is_exodus, bool by_channel>
class BackwardRowsOf final : public BackwardRows<T, G> {
 public:
  using A = ArithmeticOf<T>;
  BackwardRowsOf(const NeuronParams& p, const Rho& rho, int64_t drive_block, int64_t filter_block)
      : parameters_(p, drive_block),
        rho_(rho),
        drive_states_(kDriveStates, drive_block),
        filter_states_(kFilterStates, filter_block) {}
  void reset(int64_t first, int64_t drive_count, int64_t filter_count) override {
    parameters_.set_range(first, drive_count);
    drive_states_.clear(drive_count);
    filter_states_.clear(filter_count);
  }
  void step(const G* grad, const T* membrane, int64_t first, int64_t count, A* dz) override {
    const Drive drive = drive_from(first);
    const Filter filter = filter_from(first);
    KS_VECTOR_LOOP(j, count) dz[j] = filter(j, drive(j, load(grad[j]), load(membrane[j])));
  }
  void drive(const G* grad, const T* membrane, int64_t first, int64_t count,
             A* lambda) override {
    const Drive drive = drive_from(first);
    KS_VECTOR_LOOP(j, count) lambda[j] = drive(j, load(grad[j]), load(membrane[j]));
  }
  void filter(const A* lambda, int64_t first, int64_t count, A* dz) override {
    const Filter filter = filter_from(first);
    KS_VECTOR_LOOP(j, count) dz[j] = filter(j, lambda[j]);
  }

 private:
  using Parameters = ParameterRows<Neuron, A, by_channel>;
  using DriveState = typename Neuron::template DriveState<A>;
  using FilterState = typename Neuron::template FilterState<A>;
  // Without EXODUS the drive has no state: its fields are 0.
  static constexpr int kDriveFields = fields_of<DriveState, A>();
  static constexpr int kDriveStates = is_exodus ? kDriveFields : 0;
  static constexpr int kFilterStates = fields_of<FilterState, A>();

  void load_states(const double* states, int64_t stride, int64_t count) override {
    for (int i = 0; i < kDriveStates; ++i) {
      copy_row(states + i * stride, count, drive_states_.row(i));
    }
    for (int i = 0; i < kFilterStates; ++i) {
      copy_row(states + (kDriveFields + i) * stride, count, filter_states_.row(i));
    }
  }
  void save_states(double* states, int64_t stride, int64_t count) const override {
    for (int i = 0; i < kDriveFields; ++i) {
      i < kDriveStates ? copy_row(drive_states_.row(i), count, states + i * stride)
                       : clear(states + i * stride, count);
    }
    for (int i = 0; i < kFilterStates; ++i) {
      copy_row(filter_states_.row(i), count, states + (kDriveFields + i) * stride);
    }
  }

  // One step of each part, for the j-th neuron of a row.
  struct Drive {
    typename Parameters::From parameters;
    Rho rho;
    A* __restrict states;
    int64_t stride;
    KS_HD A operator()(int j, A grad, A u) const {
      if constexpr (is_exodus) {
        DriveState state;
#pragma GCC unroll 8
        for (int i = 0; i < kDriveStates; ++i) field<A>(state, i) = states[i * stride + j];
        const A density = parameters.rho(rho, j)(u);
        const A lambda = Neuron::exodus(parameters(j), state, grad, u, density);
#pragma GCC unroll 8
        for (int i = 0; i < kDriveStates; ++i) states[i * stride + j] = field<A>(state, i);
        return lambda;
      } else {
        return parameters.rho(rho, j)(u) * grad;
      }
    }
  };
  struct Filter {
    typename Parameters::From parameters;
    A* __restrict states;
    int64_t stride;
    KS_HD A operator()(int j, A lambda) const {
      FilterState state;
#pragma GCC unroll 8
      for (int i = 0; i < kFilterStates; ++i) field<A>(state, i) = states[i * stride + j];
      const A dz = Neuron::template filter<is_exodus>(parameters(j), state, lambda);
#pragma GCC unroll 8
      for (int i = 0; i < kFilterStates; ++i) states[i * stride + j] = field<A>(state, i);
      return dz;
    }
  };
  Drive drive_from(int64_t first) const {
    return {parameters_.from(first), rho_, drive_states_.row(0) + first, drive_states_.stride()};
  }
  Filter filter_from(int64_t first) const {
    return {parameters_.from(first), filter_states_.row(0) + first, filter_states_.stride()};
  }

  Parameters parameters_;
  Rho rho_;
  Rows<A> drive_states_, filter_states_;
};

// Makes the backward pass of the neuron p, with states for up to drive_block and filter_block
// neurons.
template <class T, class G>
BackwardRows<T, G>* new_backward_rows(const NeuronParams& p, int64_t drive_block,
                                      int64_t filter_block) {
  using Base = BackwardRows<T, G>;
  return with_neuron(p.kind, [&](auto neuron) -> Base* {
    using Neuron = decltype(neuron);
    return with_surrogate<ArithmeticOf<T>>(p.surrogate, [&](auto rho) -> Base* {
      using Rho = decltype(rho);
      return with_flags(p.exodus, p.rows != nullptr, [&](auto exodus, auto by_channel) -> Base* {
        return new BackwardRowsOf<T, G, Neuron, Rho, exodus.value, by_channel.value>(
            p, rho, drive_block, filter_block);
      });
    });
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_BACKWARD_ROWS_H_
