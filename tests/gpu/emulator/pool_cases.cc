// Cases of gpu/pool.cu.
#include "gpu/pool.h"

#include "spikes.h"

namespace keras_slayer {
namespace {

// Side by side; overlapping, with padding; with gaps, and a remainder that no window has.
constexpr int64_t kFrames = 3;
constexpr PoolGeometry kGeometries[] = {
    {6, 8, 3, 3, 4, 2, 2, 2, 2, 0, 0, 1.1},
    {5, 6, 2, 3, 6, 3, 2, 2, 1, 1, 0, 0.7},
    {9, 7, 5, 3, 2, 2, 1, 3, 3, 0, 0, 1.0},
};
int64_t inputs_of(const PoolGeometry& g) { return g.height * g.width * g.channels; }
int64_t outputs_of(const PoolGeometry& g) { return g.out_height * g.out_width * g.channels; }

KS_KERNEL_CASE(pool_sums) {
  for (const PoolGeometry& g : kGeometries) {
    for (const bool bytes : {false, true}) {
      const PoolArgs args = {kFrames, g, bytes, spikes<T>(run, kFrames * inputs_of(g), bytes),
                             run.output<ArithmeticOf<T>>(kFrames * outputs_of(g))};
      run.threads(kFrames * outputs_of(g), args);
    }
  }
}

KS_KERNEL_CASE(pool_spread) {
  for (const PoolGeometry& g : kGeometries) {
    const PoolArgs args = {kFrames, g, false,
                           run.input<ArithmeticOf<T>>(kFrames * outputs_of(g)),
                           run.output<T>(kFrames * inputs_of(g))};
    run.threads(kFrames * inputs_of(g), args);
  }
}

}  // namespace
}  // namespace keras_slayer
