// Cases of gpu/events.cu.
#include "gpu/events.h"

#include "spikes.h"

namespace keras_slayer {
namespace {

struct Size {
  int64_t rows, columns;
};
// One of each; no row; fewer columns than a warp; parts of a second warp; several parts of rows to
// sort.
constexpr Size kSizes[] = {{1, 1}, {0, 5}, {3, 7}, {6, 70}, {2 * kSortRows + 3, 9}};

// Steps of a series: none, three, or one series of all rows.
std::vector<int64_t> steps_of(const Size& size) {
  if (size.rows == 0) return {0};
  if (size.rows % 3 != 0) return {0, size.rows};
  return {0, 3, size.rows};
}

KS_KERNEL_CASE(count_events) {
  for (const Size& size : kSizes) {
    for (const bool bytes : {false, true}) {
      for (const int64_t steps : steps_of(size)) {
        const CountEventsArgs args = {size.rows, size.columns, steps, bytes,
                                      spikes<T>(run, size.rows * size.columns, bytes),
                                      run.output<int64_t>(size.rows)};
        run.threads(size.rows * kWarp, args);
      }
    }
  }
}

KS_KERNEL_CASE(write_events) {
  for (const Size& size : kSizes) {
    for (const bool bytes : {false, true}) {
      for (const int64_t steps : {int64_t(0), size.rows}) {
        const void* x = spikes<T>(run, size.rows * size.columns, bytes);
        std::vector<int64_t> offsets = offsets_of<T>(x, bytes, size.rows, size.columns);
        if (steps > 0) {  // all one step later
          offsets.insert(offsets.begin(), 0);
          offsets.pop_back();
        }
        const WriteEventsArgs args = {size.rows, size.columns, steps, bytes, x,
                                      run.input(offsets), run.output<int32_t>(offsets.back()),
                                      run.output<T>(offsets.back())};
        run.threads(size.rows * kWarp, args);
      }
    }
  }
}

KS_KERNEL_CASE(running_sums) {
  for (const int64_t size : {0, 1, 5, 300}) {
    std::vector<int64_t> counts(size + 1);
    for (int64_t i = 0; i < size; ++i) counts[i] = i * 7 % 5;
    run.blocks(1, RunningSumsArgs{size, run.in_place(run.input(counts))});
  }
}

KS_KERNEL_CASE(no_events) {
  for (const int64_t size : {1, 300}) {
    run.threads(size, RunningSumsArgs{size, run.output<int64_t>(size)});
  }
}

// Events of a matrix, and what the kernels before have made of them.
template <class T>
SortEventsArgs sorting(Run& run, const Size& size, bool counted, bool totalled) {
  const void* x = spikes<T>(run, size.rows * size.columns, true);
  const Events events = events_of<T>(run, x, size.rows, size.columns);
  const int64_t parts = block_count(size.rows, kSortRows);
  std::vector<int32_t> counts(parts * size.columns);
  std::vector<int64_t> offsets(size.columns + 1);
  const uint8_t* at = static_cast<const uint8_t*>(x);
  for (int64_t i = 0; i < size.rows * size.columns; ++i) {
    if (at[i] == 0) continue;
    const int64_t column = i % size.columns, part = i / size.columns / kSortRows;
    ++counts[part * size.columns + column];
    ++offsets[column + 1];
  }
  if (totalled) {  // counts are those of the parts before, and offsets where a column starts
    for (int64_t column = 0; column < size.columns; ++column) {
      int32_t before = 0;
      for (int64_t part = 0; part < parts; ++part) {
        std::swap(before, counts[part * size.columns + column]);
        before += counts[part * size.columns + column];
      }
      offsets[column + 1] += offsets[column];
    }
  }
  SortEventsArgs args = {events, parts, nullptr, nullptr, nullptr, nullptr};
  args.counts = counted ? run.in_place(run.input(counts)) : run.output<int32_t>(counts.size());
  if (totalled) args.offsets = run.input(offsets);
  return args;
}

KS_KERNEL_CASE(sort_count) {
  for (const Size& size : kSizes) {
    const SortEventsArgs args = sorting<T>(run, size, false, false);
    run.blocks(args.parts, args);
  }
}

KS_KERNEL_CASE(sort_total) {
  for (const Size& size : kSizes) {
    SortEventsArgs args = sorting<T>(run, size, true, false);
    args.offsets = run.output<int64_t>(size.columns);
    run.threads(size.columns, args);
  }
}

KS_KERNEL_CASE(sort_place) {
  for (const Size& size : kSizes) {
    SortEventsArgs args = sorting<T>(run, size, true, true);
    const int64_t count = args.offsets[size.columns];
    args.row_of = run.output<int32_t>(count);
    args.value = run.output<T>(count);
    run.blocks(args.parts, args);
  }
}

}  // namespace
}  // namespace keras_slayer
