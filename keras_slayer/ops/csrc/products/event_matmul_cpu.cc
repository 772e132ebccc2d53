// The event-driven matrix product: each row of the output is the sum of the rows of the matrix that
// the events of that row select. event_matmul_op.cc calls it.
#include "base/cpu.h"
#include "products/event_matmul.h"
#include "synapses/synapse.h"

namespace keras_slayer {
namespace KS_ISA {

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
