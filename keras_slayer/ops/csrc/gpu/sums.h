// Sums of products with spikes: fused multiply-adds as on the CPU (base/fused.h), and the nonzeros
// among the numbers of a warp.
#ifndef KERAS_SLAYER_GPU_SUMS_H_
#define KERAS_SLAYER_GPU_SUMS_H_

#include "gpu/device.h"

namespace keras_slayer {

__device__ inline float fused(float x, float y, float sum) { return fmaf(x, y, sum); }
__device__ inline double fused(double x, double y, double sum) { return fma(x, y, sum); }

// Calls visit(i, value) for the nonzeros among kWarp numbers, one of each lane, in the order of the
// lanes. All lanes of the warp take part.
template <class A, class Visit>
__device__ void for_each_nonzero(A mine, Visit visit) {
  for (unsigned mask = __ballot_sync(kAllLanes, mine != A(0)); mask != 0; mask &= mask - 1) {
    const int lane = __ffs(int(mask)) - 1;
    visit(lane, __shfl_sync(kAllLanes, mine, lane));
  }
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GPU_SUMS_H_
