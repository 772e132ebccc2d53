// Interface of synapses: from the input of one frame to the sums of a block of neurons. Each event
// adds the weights that it meets. layer_cpu.cc calls it for each step.
#ifndef KERAS_SLAYER_SYNAPSES_SYNAPSE_H_
#define KERAS_SLAYER_SYNAPSES_SYNAPSE_H_

#include "events/events.h"
#include "events/gather.h"
#include "synapses/geometry.h"

namespace keras_slayer {
namespace KS_ISA {

template <class T>
class SynapseRows {
 public:
  using A = ArithmeticOf<T>;
  virtual ~SynapseRows() {}
  // Selects the block: neurons [first, first + count).
  virtual void set_range(int64_t first, int64_t count) = 0;
  // Writes the sums of a frame, one per neuron of the block, to z [count].
  virtual void sum(int64_t frame, A* z) = 0;
};

template <class T>
KS_HD Selection<T> events_of(const Events& events, int64_t row) {
  const int64_t first = events.offsets[row];
  return {events.index + first, static_cast<const T*>(events.value) + first,
          events.offsets[row + 1] - first};
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_SYNAPSE_H_
