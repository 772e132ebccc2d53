// Makes dense tensors from grouped events, tile by tile.
#include "base/cpu.h"
#include "data/tiles.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

// Calls fn(Index()) with the type of the numbers of bins.
template <class Fn>
KS_HD void with_index(bool wide, Fn fn) {
  wide ? fn(int64_t()) : fn(int32_t());
}

// Calls body(first, count, bins, events, to) for each tile of [begin, end): its first value within
// its sample, how many it has, the events there, and where they go.
template <class T, class Index, class Body>
KS_HD void for_each_tile(const TileArgs& args, int64_t begin, int64_t end, Body body) {
  for (int64_t item = begin; item < end; ++item) {
    const int64_t sample = item / args.tiles, first = (item % args.tiles) * kTileValues;
    const int64_t* const start = args.starts + sample * (args.tiles + 1) + item % args.tiles;
    body(first, smaller(kTileValues, args.size - first), static_cast<const Index*>(args.bins) + start[0],
         start[1] - start[0], static_cast<T*>(args.out) + sample * args.size + first);
  }
}

template <class Bits, class Index>
void write_spikes(const SpikeTileArgs& args, int64_t begin, int64_t end) {
  const Bits one = Bits(args.one);
  const RowWriter<Bits> writer(0, args.tile.stream);  // for its fence
  Rows<Bits> tile(1, kTileValues);
  Bits* const row = tile.row(0);
  tile.clear(kTileValues);
  for_each_tile<Bits, Index>(
      args.tile, begin, end,
      [&](int64_t first, int64_t count, const Index* bins, int64_t events, Bits* to) {
        for (int64_t i = 0; i < events; ++i) row[int64_t(bins[i]) - first] = one;
        writer.copy(row, count, to);
        for (int64_t i = 0; i < events; ++i) row[int64_t(bins[i]) - first] = 0;
      });
}

template <class T>
struct CountWriter {
  static constexpr bool kUnsigned = T(-1) > T(0);
  static constexpr int kBits = int(8 * sizeof(T)) - (kUnsigned ? 0 : 1);
  // Sums of ones in float stop at 2^24: wider types hold them all.
  static constexpr bool kClips = kBits < 25;
  KS_HD static void store(T* out, float x) {
    constexpr float most = kClips ? float((uint64_t(1) << (kClips ? kBits : 0)) - 1) : 0;
    constexpr float least = kUnsigned ? 0 : -most - 1;
    if (kClips) x = x > most ? most : x < least ? least : x;
    *out = T(x);
  }
};
template <>
struct CountWriter<float> {
  KS_HD static void store(float* out, float x) { *out = x; }
};
template <>
struct CountWriter<double> {
  KS_HD static void store(double* out, float x) { *out = double(x); }
};
template <>
struct CountWriter<Half> {
  KS_HD static void store(Half* out, float x) {
    constexpr float most = 65504;
    keras_slayer::store(out, x > most ? most : x < -most ? -most : x);
  }
};
template <>
struct CountWriter<Bfloat16> {
  KS_HD static void store(Bfloat16* out, float x) { keras_slayer::store(out, x); }
};

template <class T, class Index>
void write_counts(const CountTileArgs& args, int64_t begin, int64_t end) {
  const RowWriter<T> writer(kTileValues, args.tile.stream);
  Rows<float> sums(1, kTileValues);
  float* const row = sums.row(0);
  sums.clear(kTileValues);
  const int shift = args.is_signed ? 1 : 0;
  for_each_tile<T, Index>(
      args.tile, begin, end,
      [&](int64_t first, int64_t count, const Index* bins, int64_t events, T* to) {
        for (int64_t i = 0; i < events; ++i) {
          const float amount = args.is_signed && bins[i] % 2 == 0 ? -1.0f : 1.0f;
          row[int64_t(bins[i] >> shift) - first] += amount;
        }
        T* const target = writer.start(to);
        KS_VECTOR_LOOP(j, count) CountWriter<T>::store(&target[j], row[j]);
        writer.done(to, count);
        for (int64_t i = 0; i < events; ++i) row[int64_t(bins[i] >> shift) - first] = 0;
      });
}

}  // namespace

void spike_tiles(Dtype, const SpikeTileArgs& args, int64_t begin, int64_t end) {
  with_index(args.tile.wide, [&](auto index) {
    using Index = decltype(index);
    switch (args.bytes) {
      case 1:
        return write_spikes<uint8_t, Index>(args, begin, end);
      case 2:
        return write_spikes<uint16_t, Index>(args, begin, end);
      case 4:
        return write_spikes<uint32_t, Index>(args, begin, end);
      default:
        return write_spikes<uint64_t, Index>(args, begin, end);
    }
  });
}

void count_tiles(Dtype, const CountTileArgs& args, int64_t begin, int64_t end) {
  with_index(args.tile.wide, [&](auto index) {
    using Index = decltype(index);
    switch (args.type) {
#define KS_COUNT(name, T)   \
  case CountType::name:     \
    return write_counts<T, Index>(args, begin, end);
      KS_COUNT(kFloat, float)
      KS_COUNT(kDouble, double)
      KS_COUNT(kHalf, Half)
      KS_COUNT(kBfloat16, Bfloat16)
      KS_COUNT(kI8, int8_t)
      KS_COUNT(kI16, int16_t)
      KS_COUNT(kI32, int32_t)
      KS_COUNT(kI64, int64_t)
      KS_COUNT(kU8, uint8_t)
      KS_COUNT(kU16, uint16_t)
      KS_COUNT(kU32, uint32_t)
      KS_COUNT(kU64, uint64_t)
#undef KS_COUNT
    }
  });
}

void time_surface(Dtype, const SurfaceArgs& args, int64_t begin, int64_t end) {
  const RowWriter<float> writer(0, args.stream);  // for its fence
  const float decay = float(args.decay);
  Rows<float> values(1, kTileValues);
  Rows<int64_t> times(2, kTileValues);
  Rows<int32_t> marks(2, kTileValues);
  float* const value = values.row(0);
  // The last event of each unit, the one before this step, and the step of the last one.
  int64_t *const last = times.row(0), *const before = times.row(1);
  int32_t *const step_of = marks.row(0), *const found = marks.row(1);
  for (int64_t item = begin; item < end; ++item) {
    const int64_t sample = item / args.tiles, first = (item % args.tiles) * kTileValues;
    const int64_t count = smaller(kTileValues, args.frame - first);
    const int64_t* const starts = args.starts + sample * (args.tiles * args.steps + 1) +
                                  (item % args.tiles) * args.steps;
    values.clear(count);
    KS_VECTOR_LOOP(j, count) step_of[j] = -1;
    for (int64_t step = 0; step < args.steps; ++step) {
      const int64_t* const start = starts + step;
      int64_t units = 0;  // that have events in this step
      for (int64_t i = start[0]; i < start[1]; ++i) {
        const int32_t unit = args.events[i].unit;
        const int64_t t = args.events[i].t;
        if (step_of[unit] == step) {
          last[unit] = last[unit] > t ? last[unit] : t;
          continue;
        }
        before[unit] = step_of[unit] < 0 ? -1 : last[unit];
        last[unit] = t;
        step_of[unit] = int32_t(step);
        found[units++] = unit;
      }
      KS_VECTOR_LOOP(j, count) value[j] = decay * value[j];
      const double step_end = double(step + 1) * args.dt;
      for (int64_t i = 0; i < units; ++i) {
        const int32_t unit = found[i];
        const double now = __builtin_exp((double(last[unit]) / 1000.0 - step_end) / args.tau);
        // What is left there of the event before: the decay has added it already.
        const double left =
            before[unit] < 0
                ? 0.0
                : __builtin_exp((double(before[unit]) / 1000.0 - step_end) / args.tau);
        value[unit] += float(now - left);
      }
      writer.copy(value, count, args.out + (sample * args.steps + step) * args.frame + first);
    }
  }
}

}  // namespace KS_ISA
}  // namespace keras_slayer
