// Cases of gpu/products.cu.
#include "products/event_matmul.h"
#include "products/few_units.h"
#include "products/input_grad.h"
#include "spikes.h"

namespace keras_slayer {
namespace {

struct Size {
  int64_t rows, inputs, units;
};
// One of each; less than a warp; parts of a second and third warp, block or tile; none.
constexpr Size kSizes[] = {{1, 1, 1}, {5, 7, 10}, {37, 70, 45}, {70, 9, 130}, {0, 3, 2}, {3, 0, 2}};

KS_KERNEL_CASE(event_matmul) {
  for (const Size& size : kSizes) {
    const Events events =
        events_of<T>(run, spikes<T>(run, size.rows * size.inputs, true), size.rows, size.inputs);
    const Slices matrix = {size.inputs, size.units, size.units, false,
                           run.input<T>(size.inputs * size.units)};
    const EventMatmulArgs args = {events, matrix, run.output<T>(size.rows * size.units)};
    run.blocks(size.rows * block_count(size.units, kThreads), args);
  }
}

KS_KERNEL_CASE(few_units_matmul) {
  for (const Size& size : kSizes) {
    for (const bool bytes : {false, true}) {
      const FewUnitsMatmulArgs args = {size.rows,
                                       size.inputs,
                                       size.units,
                                       bytes ? Dtype::kByte : Dtype::kFloat,
                                       spikes<T>(run, size.rows * size.inputs, bytes),
                                       run.input<T>(size.inputs * size.units),
                                       size.units,
                                       run.output<T>(size.rows * size.units)};
      run.threads(size.rows * block_count(size.units, kWarp) * kWarp, args);
    }
  }
}

KS_KERNEL_CASE(few_units_weights_grad) {
  for (const Size& size : kSizes) {
    for (const bool bytes : {false, true}) {
      const FewUnitsGradArgs args = {size.rows,
                                     size.inputs,
                                     size.units,
                                     bytes ? Dtype::kByte : Dtype::kFloat,
                                     spikes<T>(run, size.rows * size.inputs, bytes),
                                     run.input<T>(size.rows * size.units),
                                     size.units,
                                     run.output<T>(size.inputs * size.units)};
      const int64_t parts = block_count(size.inputs, kGradInputs) * block_count(size.units, kWarp);
      run.threads(parts * kWarp, args);
    }
  }
}

KS_KERNEL_CASE(matmul_input_grad) {
  for (const Size& size : kSizes) {
    const MatmulInputGradArgs args = {size.rows,
                                      size.inputs,
                                      size.units,
                                      false,
                                      run.input<T>(size.rows * size.units),
                                      run.input<T>(size.inputs * size.units),
                                      nullptr,
                                      run.output<T>(size.rows * size.inputs)};
    run.blocks(block_count(size.rows, kInputGradSide) * block_count(size.inputs, kInputGradSide),
               args);
  }
}

}  // namespace
}  // namespace keras_slayer
