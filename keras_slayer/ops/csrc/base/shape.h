// Sizes of series, and how work on them is divided.
#ifndef KERAS_SLAYER_BASE_SHAPE_H_
#define KERAS_SLAYER_BASE_SHAPE_H_

#include <cstdint>

#include "base/scalar.h"

namespace keras_slayer {

struct Shape {
  int64_t batch, steps, inner;
};

// Neurons that the kernels step through time at once: their state stays in the
// first-level cache. A work item of the kernels over series is one such block.
constexpr int64_t kBlock = 512;
// How many steps ahead of their use rows are asked for.
constexpr int64_t kAhead = 2;

KS_HD int64_t block_count(int64_t size, int64_t block) { return (size + block - 1) / block; }
KS_HD int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_BASE_SHAPE_H_
