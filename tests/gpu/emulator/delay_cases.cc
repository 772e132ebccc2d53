// Cases of gpu/delay.cu.
#include <limits>

#include "filters/delay.h"
#include "kernel_case.h"

namespace keras_slayer {
namespace {

// None, whole steps, as many as there are, and more.
std::vector<int64_t> shifts(int64_t delays, int64_t steps) {
  std::vector<int64_t> all(delays);
  for (int64_t i = 0; i < delays; ++i) all[i] = i % (steps + 2);
  return all;
}

KS_KERNEL_CASE(delay) {
  for (const Shape& shape : kShapes) {
    for (const int64_t delays : {int64_t(1), shape.inner}) {
      for (const bool reverse : {false, true}) {
        const DelayArgs args = {shape,  run.input<T>(size_of(shape)),
                                run.input(shifts(delays, shape.steps)), delays, reverse,
                                run.output<T>(size_of(shape))};
        run.threads(size_of(shape), args);
      }
    }
  }
}

KS_KERNEL_CASE(delay_grad) {
  const int64_t span = 4;
  for (const Shape& shape : kShapes) {
    for (const int64_t delays : {int64_t(1), shape.inner}) {
      const int64_t items = shape.batch * block_count(shape.steps, span) * delays;
      const DelayGradArgs args = {shape,  run.input<T>(size_of(shape)),
                                  run.input<T>(size_of(shape)),
                                  run.input(shifts(delays, shape.steps)), delays, span,
                                  run.output<double>(items)};
      run.threads(items, args);
    }
  }
}

KS_KERNEL_CASE(delay_shifts) {
  for (const int64_t delays : {1, 130}) {
    T* delay = run.input<T>(delays);  // some of them negative
    store(delay + delays - 1, ArithmeticOf<T>(std::numeric_limits<float>::quiet_NaN()));
    int* fault = run.in_place(run.input(std::vector<int>{0}));
    const DelayShiftsArgs args = {delay, delays, 6, run.output<int64_t>(delays), fault};
    run.threads(delays, args);
  }
}

KS_KERNEL_CASE(delay_sums) {
  for (const int64_t delays : {1, 130}) {
    const DelaySumsArgs args = {run.input<double>(3 * delays), 3, delays, run.output<T>(delays)};
    run.threads(delays, args);
  }
}

}  // namespace
}  // namespace keras_slayer
