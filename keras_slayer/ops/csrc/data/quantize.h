// Weights rounded to a chip's grid.
#ifndef KERAS_SLAYER_DATA_QUANTIZE_H_
#define KERAS_SLAYER_DATA_QUANTIZE_H_

#include "base/kernel.h"

namespace keras_slayer {

// out = step round(weights / step) within [low, high]; with a gradient: where that is no clip, the
// gradient, else zero, which may be written over it. An item is a chunk of kWeightChunk weights.
struct QuantizeArgs {
  int64_t size;
  double step, low, high;
  const void* weights;
  const void* grad;
  void* out;
};
constexpr int64_t kWeightChunk = 16384;

KS_KERNEL(quantize, QuantizeArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_DATA_QUANTIZE_H_
