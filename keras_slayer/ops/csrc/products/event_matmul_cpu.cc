// The event-driven matrix product: each row of the output is the sum of the rows of the matrix that
// the events of that row select. event_matmul_op.cc calls it.
#include "base/cpu.h"
#include "events/gather.h"
#include "products/event_matmul.h"

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

namespace {

template <class T>
void multiply_parts(const EventMatmulPartsArgs& args, int64_t first, int64_t last) {
  const Events& events = args.events;
  const Rows<int64_t> done(1, last - first);  // events of each row
  T* out = static_cast<T*>(args.out) + first * args.width;
  for (int64_t row = first; row < last; ++row) done.row(0)[row - first] = events.offsets[row];
  clear(out, (last - first) * args.width);
  for (int64_t part = 0; part < events.columns; part += args.part) {
    T* __restrict sum = out;
    for (int64_t row = first; row < last; ++row, sum += args.width) {
      const int64_t begin = done.row(0)[row - first];
      int64_t end = begin;
      while (end < events.offsets[row + 1] && events.index[end] < part + args.part) ++end;
      done.row(0)[row - first] = end;
      const Selection<T> chosen = {events.index + begin,
                                   static_cast<const T*>(events.value) + begin, end - begin};
      if (chosen.size == 0) continue;
      for (int64_t column = 0; column < args.width; column += kGatherColumns<T>) {
        gather<true>(chosen, static_cast<const T*>(args.matrix) + column, args.width,
                     sum + column, smaller(args.width - column, kGatherColumns<T>));
      }
    }
  }
}

}  // namespace

void event_matmul_parts(Dtype dtype, const EventMatmulPartsArgs& args, int64_t begin,
                        int64_t end) {
  const int64_t first = begin * args.tile, last = smaller(end * args.tile, args.events.rows);
  if (dtype == Dtype::kDouble) return multiply_parts<double>(args, first, last);
  multiply_parts<float>(args, first, last);
}

}  // namespace KS_ISA
}  // namespace keras_slayer
