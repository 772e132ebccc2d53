// A neuron of any kind, for the cases of kernels.
#ifndef PLAIN_NEURON_H_
#define PLAIN_NEURON_H_

#include "neurons/parameters.h"

namespace keras_slayer {

// Parameters with which any neuron fires now and then.
struct Plain {
  double number(const char*) { return 1; }
  double positive(const char*) { return 1; }
  double fraction(const char*) { return 0.7; }
  double integer(const char*, double) { return 100; }
  double integer_if_given(const char*, double, double) { return 5; }
};

template <class Neuron>
NeuronParams plain_parameters(bool triangle, bool exodus) {
  Plain plain;
  NeuronParams p = {};
  p.template set<Neuron>(Neuron::read(plain));
  p.surrogate = surrogate_params(1, 0.7, 1.4, triangle);
  p.exodus = exodus;
  return p;
}

}  // namespace keras_slayer

#endif  // PLAIN_NEURON_H_
