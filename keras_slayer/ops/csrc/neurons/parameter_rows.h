// The parameters of a block of neurons, for the kernels of the CPU: one set for all neurons; or a
// row per parameter (by_channel), where channels have parameters of their own.
#ifndef KERAS_SLAYER_NEURONS_PARAMETER_ROWS_H_
#define KERAS_SLAYER_NEURONS_PARAMETER_ROWS_H_

#include "base/cpu.h"
#include "neurons/parameters.h"

namespace keras_slayer {
namespace KS_ISA {

// Calls fn with two flags as constants.
template <bool flag>
struct Constant {
  static constexpr bool value = flag;
};
template <class Fn>
auto with_flags(bool first, bool second, Fn fn) {
  using Yes = Constant<true>;
  using No = Constant<false>;
  if (first) return second ? fn(Yes(), Yes()) : fn(Yes(), No());
  return second ? fn(No(), Yes()) : fn(No(), No());
}

// A is the number type.
template <class Neuron, class A, bool by_channel>
class ParameterRows {
 public:
  using Parameters = typename Neuron::template Parameters<A>;
  static constexpr int kFields = fields_of<Parameters, A>();

  ParameterRows(const NeuronParams& p, int64_t block)
      : given_(p), all_(p.get<Neuron, A>()), rows_(by_channel ? kFields + 3 : 0, block) {}

  // The block is that of the neurons [first, first + count) of a step.
  void set_range(int64_t first, int64_t count) {
    if constexpr (by_channel) {
      const SurrogateParams& rho = given_.surrogate;
      const double shared[] = {rho.threshold, rho.rate, rho.height};
      for (int i = 0; i < kFields + 3; ++i) {
        A* __restrict row = rows_.row(i);
        if (given_.rows == nullptr) {
          const A value = A(i < kFields ? given_.values[i] : shared[i - kFields]);
          for (int64_t j = 0; j < count; ++j) row[j] = value;
          continue;
        }
        const double* given = given_.rows + i * given_.channels;
        int64_t channel = first % given_.channels;
        for (int64_t done = 0; done < count; channel = 0) {
          const int64_t run = smaller(count - done, given_.channels - channel);
          for (int64_t j = 0; j < run; ++j) row[done + j] = A(given[channel + j]);
          done += run;
        }
      }
    }
  }

  // Those of the block from neuron `first` on, by the index of a loop.
  struct From {
    Parameters all;
    const A* __restrict rows;
    int64_t stride;
    KS_HD Parameters operator()(int j) const {
      if constexpr (!by_channel) {
        return Bias<Neuron>::left_out(all);
      } else {
        Parameters own;
#pragma GCC unroll 8
        for (int i = 0; i < kFields; ++i) field<A>(own, i) = rows[i * stride + j];
        return own;
      }
    }
    // The surrogate of neuron j; `shared` if all have the same.
    template <class Rho>
    KS_HD Rho rho(const Rho& shared, int j) const {
      if constexpr (!by_channel) {
        return shared;
      } else {
        const A* own = rows + kFields * stride + j;
        return {own[0], own[stride], own[2 * stride]};
      }
    }
  };
  From from(int64_t first) const { return {all_, rows_.row(0) + first, rows_.stride()}; }

 private:
  NeuronParams given_;
  Parameters all_;
  Rows<A> rows_;
};

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_PARAMETER_ROWS_H_
