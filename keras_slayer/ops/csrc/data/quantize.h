// Kernel that rounds weights to the grid of a chip, and its straight-through gradient.
#ifndef KERAS_SLAYER_DATA_QUANTIZE_H_
#define KERAS_SLAYER_DATA_QUANTIZE_H_

#include "base/kernel.h"

namespace keras_slayer {

// Without grad: out = clip(step round(weights / step), low, high). With grad: out = grad where
// nothing is clipped, otherwise 0; out may be grad. Work item: kItemWeights weights.
struct QuantizeArgs {
  int64_t size;
  double step, inverse, low, high;  // inverse: of the step
  const void* weights;
  const void* grad;
  void* out;
};
constexpr int64_t kItemWeights = 16384;

KS_KERNEL(quantize, QuantizeArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_DATA_QUANTIZE_H_
