// Cases of gpu/transposed_conv.cu.
#include "gpu/transposed_conv.h"

#include "kernel_case.h"

namespace keras_slayer {
namespace {

constexpr int64_t kFrames = 3;
// Summed window by window: one pixel; groups, and rows of more than a tile; strides and dilations.
constexpr ConvGeometry kWindows[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, nullptr, nullptr, false},
    {2, 37, 6, 2, 37, 6, 2, 3, 3, 1, 1, 1, 1, 0, 1, nullptr, nullptr, false},
    {7, 8, 4, 3, 6, 70, 2, 3, 2, 2, 1, 2, 1, 0, 0, nullptr, nullptr, false},
    {3, 9, 2, 3, 4, 3, 2, 3, 1, 1, 2, 1, 3, 1, 2, nullptr, nullptr, false},
};
// In Winograd's way: one tile, and several that the maps do not fill.
constexpr ConvGeometry kTiles[] = {
    {3, 4, 2, 3, 4, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, nullptr, nullptr, true},
    {9, 6, 3, 9, 6, 2, 5, 3, 1, 1, 1, 1, 1, 2, 1, nullptr, nullptr, true},
    {6, 9, 2, 6, 9, 2, 3, 5, 1, 1, 1, 1, 1, 1, 2, nullptr, nullptr, true},
};
int64_t outputs_of(const ConvGeometry& g) { return g.out_height * g.out_width * g.filters; }
int64_t weights_of(const ConvGeometry& g) {
  return g.kernel_height * g.kernel_width * g.channels / g.groups * g.filters;
}
int64_t points_of(const ConvGeometry& g) { return points_across(g) * points_down(g); }
int64_t tiles_of(const ConvGeometry& g) { return tiles_across(g) * tiles_down(g); }

// Gradients of which rows have all, none, and a few.
template <class A>
const A* gradients(const ConvGeometry& g, Run& run) {
  A* all = run.input<A>(kFrames * outputs_of(g));
  const int64_t row = g.out_width * g.filters;
  for (int64_t i = 0; i < kFrames * outputs_of(g); ++i) {
    const int64_t kind = i / row % 3;
    if (kind == 1 || (kind == 2 && i % 13 != 0)) all[i] = A(0);
  }
  return all;
}

// The arguments of a convolution in Winograd's way. No row of the last frame is taken.
template <class T>
TransposedConvArgs tiled(const ConvGeometry& g, Run& run) {
  using A = ArithmeticOf<T>;
  TransposedConvArgs args = {};
  args.frames = kFrames;
  args.geometry = g;
  args.grad = gradients<A>(g, run);
  std::vector<uint8_t> taken(kFrames * g.out_height);
  for (size_t i = 0; i < taken.size(); ++i) {
    taken[i] = i % 3 == 0 && int64_t(i) < 2 * g.out_height ? 1 : 0;
  }
  args.taken = run.input(taken);
  return args;
}
template <class T>
ArithmeticOf<T>* inputs_of(const ConvGeometry& g, Run& run) {
  return run.input<ArithmeticOf<T>>(kFrames * points_of(g) * tiles_of(g) * g.filters);
}
template <class T>
ArithmeticOf<T>* sums_of(const ConvGeometry& g, Run& run) {
  return run.input<ArithmeticOf<T>>(kFrames * points_across(g) * tiles_of(g) * kTileSide *
                                    g.channels);
}

KS_KERNEL_CASE(transposed_weights) {
  for (const ConvGeometry& g : kWindows) {
    const TransposedWeightsArgs args = {g, run.input<T>(weights_of(g)),
                                        run.output<ArithmeticOf<T>>(weights_of(g))};
    run.threads(weights_of(g), args);
  }
}

KS_KERNEL_CASE(winograd_weights) {
  for (const ConvGeometry& g : kTiles) {
    const int64_t size = points_of(g) * g.filters * g.channels;
    const WinogradWeightsArgs args = {g, run.input<T>(weights_of(g)),
                                      run.output<ArithmeticOf<T>>(size),
                                      TapFactors(g.kernel_width), TapFactors(g.kernel_height)};
    run.threads(size, args);
  }
}

KS_KERNEL_CASE(winograd_rows) {
  for (const ConvGeometry& g : kTiles) {
    TransposedConvArgs args = {};
    args.frames = kFrames;
    args.geometry = g;
    args.grad = gradients<ArithmeticOf<T>>(g, run);
    args.taken = run.output<uint8_t>(kFrames * g.out_height);
    run.threads(kFrames * g.out_height * kWarp, args);
  }
}

KS_KERNEL_CASE(winograd_inputs) {
  for (const ConvGeometry& g : kTiles) {
    TransposedConvArgs args = tiled<T>(g, run);
    args.inputs = run.in_place(inputs_of<T>(g, run));
    run.threads(kFrames * tiles_of(g) * g.filters, args);
  }
}

KS_KERNEL_CASE(winograd_sums) {
  for (const ConvGeometry& g : kTiles) {
    TransposedConvArgs args = tiled<T>(g, run);
    args.kernels = run.input<ArithmeticOf<T>>(points_of(g) * g.filters * g.channels);
    args.inputs = inputs_of<T>(g, run);
    args.sums = run.in_place(sums_of<T>(g, run));
    run.threads(kFrames * points_across(g) * tiles_of(g) * g.channels, args);
  }
}

template <class T>
void transpose(TransposedConvArgs args, Run& run) {
  using A = ArithmeticOf<T>;
  const ConvGeometry& g = args.geometry;
  const int64_t size = kFrames * g.height * g.width * g.channels;
  args.weights = run.input<A>(weights_of(g));
  args.out = run.output<A>(size);
  run.threads(size, args);
}

KS_KERNEL_CASE(transposed_conv) {
  for (const ConvGeometry& g : kWindows) {
    TransposedConvArgs args = {};
    args.frames = kFrames;
    args.geometry = g;
    args.grad = gradients<ArithmeticOf<T>>(g, run);
    transpose<T>(args, run);
  }
  for (const ConvGeometry& g : kTiles) {
    TransposedConvArgs args = tiled<T>(g, run);
    args.sums = sums_of<T>(g, run);
    transpose<T>(args, run);
  }
}

}  // namespace
}  // namespace keras_slayer
