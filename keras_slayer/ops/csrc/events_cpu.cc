// Event-driven matrix product: find the nonzeros of a spike tensor once, then
// add only the weights that they select.
#include "synapse_rows.h"

namespace keras_slayer {
namespace KS_ISA {

void collect_events(Dtype dtype, const CollectArgs& args) {
  with_types(dtype, args.x_type, [&](auto type, auto spike) {
    using T = decltype(type);
    using S = decltype(spike);
    constexpr int64_t kAheadBytes = 4 << 10;
    int64_t next = 0;
    for (int64_t row = 0; row < args.rows; ++row) {
      const S* x = static_cast<const S*>(args.x) + row * args.columns;
      const int64_t first = next;
      T* value = static_cast<T*>(args.value);
      if constexpr (sizeof(S) == 1 && sizeof(T) == sizeof(ArithmeticOf<T>)) {
        next += pack_events(x, args.columns, 0, args.index + next, value + next);
      } else {
        for_each_event<kAheadBytes>(x, args.columns, [&](int64_t i) {
          args.index[next] = int32_t(i);
          store(&value[next], ArithmeticOf<T>(load(x[i])));
          ++next;
        });
      }
      args.counts[row] = next - first;
    }
  });
}

void event_matmul(Dtype dtype, const EventMatmulArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const Slices& matrix = args.matrix;
    T* out = static_cast<T*>(args.out);
    const int64_t tiles = block_count(args.events.rows, kRowTile);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item / tiles * matrix.slice, first_row = item % tiles * kRowTile;
      const int64_t size = matrix.size(first), stride = matrix.stride(first);
      const int64_t last_row = smaller(first_row + kRowTile, args.events.rows);
      const T* slice = static_cast<const T*>(matrix.data) + matrix.offset(first);
      for (int64_t row = first_row; row < last_row; ++row) {
        const Selection<T> events = events_of<T>(args.events, row);
        for (int64_t column = 0; column < size; column += kGatherColumns<A>) {
          const int64_t count = smaller(size - column, kGatherColumns<A>);
          T* __restrict target = out + row * matrix.width + first + column;
          A sum[kGatherColumns<A>];
          gather(events, slice + column, stride, sum, count);
          KS_VECTOR_LOOP(j, count) store(&target[j], sum[j]);
        }
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
