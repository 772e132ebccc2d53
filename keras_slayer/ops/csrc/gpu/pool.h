// Kernels of sum pools that the GPU alone has: the CPU's are fused with the neurons.
#ifndef KERAS_SLAYER_GPU_POOL_H_
#define KERAS_SLAYER_GPU_POOL_H_

#include "synapses/geometry.h"

namespace keras_slayer {

// The sums of the windows of frames [frames, height, width, channels]; or, transposed, from the
// gradients of the sums to those of the inputs. A thread per output. The sums and their gradients
// are of the arithmetic type.
struct PoolArgs {
  int64_t frames;
  PoolGeometry pool;
  bool bytes;  // whether the frames are bytes, not of the type of the sums
  const void* in;
  void* out;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GPU_POOL_H_
