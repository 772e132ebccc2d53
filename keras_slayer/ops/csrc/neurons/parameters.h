// NeuronParams: a neuron, its parameters and its gradient, as the Args of kernels hold them.
#ifndef KERAS_SLAYER_NEURONS_PARAMETERS_H_
#define KERAS_SLAYER_NEURONS_PARAMETERS_H_

#include "base/state.h"
#include "neurons/list.h"
#include "neurons/surrogates.h"

namespace keras_slayer {

// Parameters and states are structs whose fields all have one number type. These functions access
// a field by its index, so that arrays of fields (rows of states, a parameter per channel) need no
// code per neuron.
template <class Struct, class Number>
KS_HD constexpr int fields_of() {
  static_assert(sizeof(Struct) % sizeof(Number) == 0);
  return int(sizeof(Struct) / sizeof(Number));
}
template <class Number, class Struct>
KS_HD Number& field(Struct& s, int i) {
  return reinterpret_cast<Number*>(&s)[i];
}
template <class Number, class Struct>
KS_HD const Number& field(const Struct& s, int i) {
  return reinterpret_cast<const Number*>(&s)[i];
}

struct NeuronParams {
  NeuronKind kind;
  SurrogateParams surrogate;
  bool exodus;
  static constexpr int kMost = 8;
  double values[kMost];  // the neuron's own Parameters<double>
  // Or null; or parameters per channel in place of these values and of the surrogate's numbers:
  // [fields + 3, channels], the last three rows being threshold, rate and height of the surrogate.
  // Neuron j of a step has channel j % channels.
  const double* rows;
  int64_t channels;

  template <class Neuron>
  void set(const typename Neuron::template Parameters<double>& p) {
    using Own = typename Neuron::template Parameters<double>;
    static_assert(fields_of<Own, double>() <= kMost);
    for (int i = 0; i < fields_of<Own, double>(); ++i) values[i] = field<double>(p, i);
  }
  // The parameters in the arithmetic type A.
  template <class Neuron, class A>
  KS_HD typename Neuron::template Parameters<A> get() const {
    typename Neuron::template Parameters<A> p;
    for (int i = 0; i < fields_of<decltype(p), A>(); ++i) field<A>(p, i) = A(values[i]);
    return p;
  }
  // Those of neuron j of a step.
  template <class Neuron, class A>
  KS_HD typename Neuron::template Parameters<A> get(int64_t j) const {
    auto p = get<Neuron, A>();
    if (rows == nullptr) return p;
    for (int i = 0; i < fields_of<decltype(p), A>(); ++i) field<A>(p, i) = A(row(i, j));
    return p;
  }
  template <class Neuron>
  KS_HD SurrogateParams surrogate_of(int64_t j) const {
    if (rows == nullptr) return surrogate;
    constexpr int kFields = fields_of<typename Neuron::template Parameters<double>, double>();
    return {row(kFields, j), row(kFields + 1, j), row(kFields + 2, j), surrogate.triangle};
  }
  KS_HD double row(int i, int64_t j) const { return rows[i * channels + j % channels]; }
};

// A neuron with a bias has parameters per channel. Kernels for the same parameters everywhere know
// that there is none, and do not add it.
template <class Neuron, class = void>
struct Bias {
  template <class P>
  static bool given(const P&) {
    return false;
  }
  template <class P>
  KS_HD static const P& left_out(const P& p) {
    return p;
  }
};
template <class Neuron>
struct Bias<Neuron, decltype(void(Neuron::kHasBias))> {
  template <class P>
  static bool given(const P& p) {
    return p.bias != 0;
  }
  template <class P>
  KS_HD static P left_out(P p) {
    p.bias = -0.0f;
    return p;
  }
};

// What the backward pass of a neuron carries from a step to the one before it, and what its sums for
// learned parameters carry besides.
template <class Neuron, class A>
struct BackwardState {
  typename Neuron::template DriveState<A> drive;
  typename Neuron::template FilterState<A> filter;
};
template <class Neuron, class A>
struct LearningState {
  typename Neuron::template DriveState<A> drive;
  typename Neuron::template FilterState<A> filter;
  typename Neuron::template LearnState<A> learn;
};

inline int64_t backward_states_of(NeuronKind kind) {
  return with_neuron(kind, [](auto neuron) -> int64_t {
    return fields_of<BackwardState<decltype(neuron), float>, float>();
  });
}
inline int64_t learning_states_of(NeuronKind kind) {
  return with_neuron(kind, [](auto neuron) -> int64_t {
    return fields_of<LearningState<decltype(neuron), float>, float>();
  });
}
inline int64_t states_of(NeuronKind kind) {
  return with_neuron(kind, [](auto neuron) -> int64_t {
    using State = typename decltype(neuron)::template State<float>;
    return fields_of<State, float>();
  });
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_PARAMETERS_H_
