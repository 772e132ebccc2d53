// Finds the events of a spike matrix [rows, columns], row by row. find_events_op.cc calls it.
#include "base/cpu.h"
#include "events/events.h"
#include "events/find.h"

namespace keras_slayer {
namespace KS_ISA {

void collect_events(Dtype dtype, const CollectArgs& args, int64_t begin, int64_t end) {
  with_types(dtype, args.x_type, [&](auto type, auto spike) {
    using T = decltype(type);
    using S = decltype(spike);
    constexpr int64_t kAheadBytes = 4 << 10;
    int64_t next = 0;
    for (int64_t row = begin; row < end; ++row) {
      if (args.steps > 0 && (args.first + row) % args.steps == 0) {
        args.counts[row] = 0;
        continue;
      }
      const S* x =
          static_cast<const S*>(args.x) + (row - (args.steps > 0 ? 1 : 0)) * args.columns;
      const int64_t first = next;
      T* value = static_cast<T*>(args.value);
      if constexpr (sizeof(T) == sizeof(ArithmeticOf<T>)) {
        next += pack_events<kAheadBytes>(x, args.columns, 0, args.index + next, value + next);
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

}  // namespace KS_ISA
}  // namespace keras_slayer
