// Kernels that make the dense tensor of a batch from the numbers of its events' bins.
//
// The values of a sample are cut into tiles that fit the first-level cache. The events of a batch
// are grouped by tile before (groups.h), so that each tile is made in a buffer and written once, at
// large sizes past the caches: clearing the tensor and then scattering into it takes twice as long.
#ifndef KERAS_SLAYER_DATA_TILES_H_
#define KERAS_SLAYER_DATA_TILES_H_

#include "base/kernel.h"

namespace keras_slayer {

constexpr int kTileBits = 12;
constexpr int64_t kTileValues = int64_t(1) << kTileBits;  // values

struct TileArgs {
  int64_t size;           // values of a sample
  int64_t tiles;          // of a sample
  const int64_t* starts;  // [batch, tiles + 1]: first event of each tile, end of the last
  const void* bins;  // numbers within a sample: int32, or int64 if wide
  bool wide, stream;
  void* out;  // [batch, size]
};

// A value with events gets `one`, of so many bytes; others are zero. Work item: a tile.
struct SpikeTileArgs {
  TileArgs tile;
  uint64_t one;
  int bytes;  // 1, 2, 4 or 8
};

enum class CountType {
  kFloat, kDouble, kHalf, kBfloat16, kI8, kI16, kI32, kI64, kU8, kU16, kU32, kU64
};

// A value gets the number of its events, at most the largest of the type. With `is_signed`, bins
// are twice the number of a value, plus one where the event counts +1; others count -1.
struct CountTileArgs {
  TileArgs tile;
  CountType type;
  bool is_signed;
};

// An event of a time surface. A unit is a neuron of the input; tiles are of units.
struct SurfaceEvent {
  int64_t t;           // us
  int32_t unit, step;  // the unit's place in its tile
  int64_t tile;
};

// Of each unit: exp(-(end of the step - last event) / tau). Work item: a tile of units, stepped
// through time.
struct SurfaceArgs {
  int64_t steps, frame, tiles;  // units of a sample, and their tiles
  const int64_t* starts;        // [batch, tiles * steps + 1]
  const SurfaceEvent* events;
  double dt, tau;  // ms
  double decay;    // per step
  bool stream;
  float* out;  // [batch, steps, frame]
};

KS_KERNEL(spike_tiles, SpikeTileArgs);
KS_KERNEL(count_tiles, CountTileArgs);
KS_KERNEL(time_surface, SurfaceArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_DATA_TILES_H_
