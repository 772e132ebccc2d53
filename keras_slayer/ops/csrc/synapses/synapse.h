// What the input of one time step sends to a block of neurons, a row of sums at
// a time: each event adds the weights that it selects.
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
  // Chooses the block: neurons [first, first + count).
  virtual void set_range(int64_t first, int64_t count) = 0;
  // z[0 .. count) = what the frame (sample and step) sends to the block.
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
