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

// The values are copied as they are.
template <class T>
void sort_part(const SortPartsArgs& args, int64_t item, int64_t* next) {
  const Events& events = args.events;
  const int64_t first = item * args.part, last = smaller(first + args.part, events.rows);
  const T* value = static_cast<const T*>(events.value);
  T* sorted = static_cast<T*>(args.value);
  clear(next, events.columns);
  for (int64_t e = events.offsets[first]; e < events.offsets[last]; ++e) ++next[events.index[e]];
  int64_t* offsets = args.offsets + item * events.columns;
  int64_t place = events.offsets[first];
  for (int64_t column = 0; column < events.columns; ++column) {
    offsets[column] = place;
    const int64_t size = next[column];
    next[column] = place;
    place += size;
  }
  for (int64_t row = first; row < last; ++row) {
    for (int64_t e = events.offsets[row]; e < events.offsets[row + 1]; ++e) {
      const int64_t at = next[events.index[e]]++;
      args.row_of[at] = int32_t(row);
      sorted[at] = value[e];
    }
  }
}

template <class T>
void multiply_parts(const EventMatmulPartsArgs& args, int64_t item) {
  constexpr int64_t kSlice = parts_slice(sizeof(T));
  const int64_t tiles = block_count(args.rows, args.tile);
  const int64_t first = item % tiles * args.tile, last = smaller(first + args.tile, args.rows);
  const int64_t slice = item / tiles * kSlice, columns = smaller(kSlice, args.width - slice);
  const T* grad = static_cast<const T*>(args.grad) + slice;
  for (int64_t part = 0; part < args.parts; ++part) {
    const int64_t* offsets = args.offsets + part * args.rows;
    for (int64_t row = first; row < last; ++row) {
      const int64_t begin = offsets[row];
      const Selection<T> chosen = {args.row_of + begin, static_cast<const T*>(args.value) + begin,
                                   offsets[row + 1] - begin};
      T* sums = static_cast<T*>(args.out) + row * args.width + slice;
      for (int64_t at = 0; at < columns; at += kGatherColumns<T>) {
        const int64_t count = smaller(columns - at, kGatherColumns<T>);
        part == 0 ? gather<false>(chosen, grad + at, args.width, sums + at, count)
                  : gather<true>(chosen, grad + at, args.width, sums + at, count);
      }
    }
  }
}

}  // namespace

void sort_parts(Dtype dtype, const SortPartsArgs& args, int64_t begin, int64_t end) {
  const Rows<int64_t> next(1, args.events.columns);  // where the next event of a column goes
  for (int64_t item = begin; item < end; ++item) {
    dtype == Dtype::kDouble ? sort_part<double>(args, item, next.row(0))
                            : sort_part<float>(args, item, next.row(0));
  }
}

void event_matmul_parts(Dtype dtype, const EventMatmulPartsArgs& args, int64_t begin,
                        int64_t end) {
  for (int64_t item = begin; item < end; ++item) {
    dtype == Dtype::kDouble ? multiply_parts<double>(args, item)
                            : multiply_parts<float>(args, item);
  }
}

}  // namespace KS_ISA
}  // namespace keras_slayer
