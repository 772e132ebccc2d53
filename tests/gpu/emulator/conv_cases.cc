// Cases of gpu/conv.cu.
#include "gpu/conv.h"

#include "spikes.h"

namespace keras_slayer {
namespace {

// Frames, and geometries: one pixel; more taps than a warp, and padding; groups, strides and
// dilations, and more filters than a warp; more channels than a warp.
constexpr int64_t kFrames = 3;
constexpr ConvGeometry kGeometries[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, nullptr, nullptr, false},
    {5, 6, 3, 5, 6, 5, 3, 5, 1, 1, 1, 1, 1, 1, 2, nullptr, nullptr, false},
    {7, 8, 4, 3, 6, 70, 2, 3, 2, 2, 1, 2, 1, 0, 0, nullptr, nullptr, false},
    {2, 3, 35, 2, 2, 2, 1, 2, 1, 1, 1, 1, 1, 0, 0, nullptr, nullptr, false},
};
int64_t inputs_of(const ConvGeometry& g) { return g.height * g.width * g.channels; }
int64_t outputs_of(const ConvGeometry& g) { return g.out_height * g.out_width * g.filters; }
int64_t weights_of(const ConvGeometry& g) {
  return g.kernel_height * g.kernel_width * g.channels / g.groups * g.filters;
}

KS_KERNEL_CASE(frames_conv) {
  for (const ConvGeometry& g : kGeometries) {
    for (const bool bytes : {false, true}) {
      const FramesConvArgs args = {kFrames,
                                   g,
                                   bytes,
                                   spikes<T>(run, kFrames * inputs_of(g), bytes),
                                   run.input<T>(weights_of(g)),
                                   run.output<T>(kFrames * outputs_of(g))};
      const int64_t parts = g.groups * block_count(g.filters / g.groups, kWarp);
      run.threads(kFrames * g.out_height * g.out_width * parts * kWarp, args);
    }
  }
}

KS_KERNEL_CASE(frames_conv_grad) {
  const int64_t part = 2, parts = block_count(kFrames, part);
  for (const ConvGeometry& g : kGeometries) {
    for (const bool bytes : {false, true}) {
      const FramesConvGradArgs args = {kFrames,
                                       part,
                                       g,
                                       bytes,
                                       spikes<T>(run, kFrames * inputs_of(g), bytes),
                                       run.input<T>(kFrames * outputs_of(g)),
                                       run.output<ArithmeticOf<T>>(parts * weights_of(g))};
      const int64_t warps = weights_of(g) / g.filters * block_count(g.filters, kWarp);
      run.threads(parts * warps * kWarp, args);
    }
  }
}

KS_KERNEL_CASE(frames_input_grad) {
  for (const ConvGeometry& g : kGeometries) {
    const FramesInputGradArgs args = {kFrames, g, run.input<T>(kFrames * outputs_of(g)),
                                      run.input<T>(weights_of(g)),
                                      run.output<T>(kFrames * inputs_of(g))};
    const int64_t parts = g.groups * block_count(g.channels / g.groups, kWarp);
    run.threads(kFrames * g.height * g.width * parts * kWarp, args);
  }
}

KS_KERNEL_CASE(part_sums) {
  for (const int64_t size : {1, 130}) {
    const PartSumsArgs args = {3, size, run.input<ArithmeticOf<T>>(3 * size), run.output<T>(size)};
    run.threads(size, args);
  }
}

}  // namespace
}  // namespace keras_slayer
