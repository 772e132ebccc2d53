// The list of all neurons, with their names in ops and in Python. To add a neuron, write its
// header and add a line to KS_NEURONS.
#ifndef KERAS_SLAYER_NEURONS_LIST_H_
#define KERAS_SLAYER_NEURONS_LIST_H_

#include "neurons/alif.h"
#include "neurons/cuba.h"
#include "neurons/loihi_cuba.h"
#include "neurons/resonate_and_fire.h"
#include "neurons/srm.h"

#define KS_NEURONS(X)        \
  X(Srm, "srm")              \
  X(Cuba, "cuba")            \
  X(LoihiCuba, "loihi_cuba") \
  X(Alif, "alif")            \
  X(ResonateAndFire, "resonate_and_fire")

namespace keras_slayer {

#define KS_KIND(Neuron, name) k##Neuron,
enum class NeuronKind { KS_NEURONS(KS_KIND) };
#undef KS_KIND

// Calls fn(Neuron()) with the neuron of this kind.
template <class Fn>
auto with_neuron(NeuronKind kind, Fn fn) {
#define KS_CASE(Neuron, name) \
  case NeuronKind::k##Neuron: \
    return fn(Neuron());
  switch (kind) { KS_NEURONS(KS_CASE) }
#undef KS_CASE
  __builtin_unreachable();
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_LIST_H_
