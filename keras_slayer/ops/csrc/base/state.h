// State: where the neurons (or filters) of a series start, and what they leave for the next series.
#ifndef KERAS_SLAYER_BASE_STATE_H_
#define KERAS_SLAYER_BASE_STATE_H_

#include "base/scalar.h"

namespace keras_slayer {

// [batch, count, inner]: the numbers of each neuron, one field after the other. As doubles, which
// hold the numbers of every type. Without `from` neurons start at rest, without `to` their states
// are not kept. A backward pass starts behind the last step, and ends before the first.
struct SeriesState {
  int64_t count;
  const double* from;
  double* to;
  KS_HD int64_t at(int64_t inner, int64_t sample, int64_t neuron) const {
    return sample * count * inner + neuron;
  }
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_BASE_STATE_H_
