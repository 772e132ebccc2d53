// Cases of gpu/quantize.cu.
#include "data/quantize.h"
#include "kernel_case.h"

namespace keras_slayer {
namespace {

KS_KERNEL_CASE(quantize) {
  for (const int64_t size : {1, 130}) {
    for (const bool gradient : {false, true}) {
      const QuantizeArgs args = {size, 0.25, 4.0, -1.5, 1.25, run.input<T>(size),
                                 gradient ? run.input<T>(size) : nullptr, run.output<T>(size)};
      run.threads(size, args);
    }
  }
}

}  // namespace
}  // namespace keras_slayer
