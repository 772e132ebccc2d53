// Cases of gpu/filters.cu.
#include "filters/filters.h"
#include "kernel_case.h"

namespace keras_slayer {
namespace {

template <class T>
void recursive(Run& run) {
  for (const Shape& shape : kShapes) {
    for (const bool reverse : {false, true}) {
      const RecursiveFilterArgs args = {shape,   run.input<T>(size_of(shape)), 0.8, 1.1,
                                        reverse, run.output<T>(size_of(shape))};
      run.threads(shape.batch * shape.inner, args);
    }
  }
}

KS_KERNEL_CASE(alpha_filter) { recursive<T>(run); }
KS_KERNEL_CASE(exponential_filter) { recursive<T>(run); }
KS_KERNEL_CASE(oscillator_filter) { recursive<T>(run); }

KS_KERNEL_CASE(fir) {
  for (const Shape& shape : kShapes) {
    for (const int64_t taps : {1, 7}) {
      for (const bool reverse : {false, true}) {
        const FirArgs args = {shape, run.input<T>(size_of(shape)), run.input<T>(taps), taps,
                              reverse, run.output<T>(size_of(shape))};
        run.threads(size_of(shape), args);
      }
    }
  }
}

KS_KERNEL_CASE(fir_taps_grad) {
  for (const Shape& shape : kShapes) {
    for (const int64_t taps : {1, 7}) {
      const FirTapsGradArgs args = {shape, run.input<T>(size_of(shape)),
                                    run.input<T>(size_of(shape)), run.output<T>(taps)};
      run.blocks(taps, args);
    }
  }
}

}  // namespace
}  // namespace keras_slayer
