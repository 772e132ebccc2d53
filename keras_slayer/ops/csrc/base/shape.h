// The shape [batch, steps, inner] of a series, and the sizes of blocks. `inner` is the product of
// all axes after time: the neurons of one sample.
#ifndef KERAS_SLAYER_BASE_SHAPE_H_
#define KERAS_SLAYER_BASE_SHAPE_H_

#include <cstdint>

#include "base/scalar.h"

namespace keras_slayer {

struct Shape {
  int64_t batch, steps, inner;
};

// Neurons of a block. Their states stay in the first-level cache while they are stepped through
// time. The work item of kernels over series is one block of one sample.
constexpr int64_t kBlock = 512;
// Rows are prefetched this many steps before their use.
constexpr int64_t kAhead = 2;

KS_HD int64_t block_count(int64_t size, int64_t block) { return (size + block - 1) / block; }
KS_HD int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_BASE_SHAPE_H_
