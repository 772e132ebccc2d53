// Finds the events of a spike matrix, and sorts them by column.
#include "gpu/events.h"

#include "gpu/device.h"

namespace keras_slayer {

__device__ inline bool is_event(uint8_t x) { return x != 0; }
__device__ inline bool is_event(float x) { return x != 0; }
__device__ inline bool is_event(double x) { return x != 0; }
__device__ inline bool is_event(Half x) { return (x.bits & 0x7fff) != 0; }
__device__ inline bool is_event(Bfloat16 x) { return (x.bits & 0x7fff) != 0; }

// Calls visit(column, place) for the events of a row, the place-th of which is in this column.
// Returns their number. All lanes of a warp take part, kWarp columns at once.
template <class S, class Visit>
__device__ int64_t scan_row(const S* x, int64_t columns, Visit visit) {
  const int lane = threadIdx.x % kWarp;
  int64_t found = 0;
  for (int64_t first = 0; first < columns; first += kWarp) {
    const int64_t column = first + lane;
    const bool event = column < columns && is_event(x[column]);
    const unsigned mask = __ballot_sync(kAllLanes, event);
    if (event) visit(column, found + __popc(mask & ((1u << lane) - 1)));
    found += __popc(mask);
  }
  return found;
}

// Where the spikes of a row are: in it, or in the row before, which a first step does not have.
template <class S, class Args>
__device__ const S* spikes_of(const Args& args, int64_t row) {
  if (args.steps > 0 && row % args.steps == 0) return nullptr;
  return static_cast<const S*>(args.x) + (args.steps > 0 ? row - 1 : row) * args.columns;
}

template <class S>
__device__ void count_row(const CountEventsArgs& args, int64_t row) {
  const S* x = spikes_of<S>(args, row);
  const int64_t columns = x == nullptr ? 0 : args.columns;
  const int64_t found = scan_row(x, columns, [](int64_t, int64_t) {});
  if (threadIdx.x % kWarp == 0) args.counts[row] = found;
}

template <class T>
__device__ void count_events(const CountEventsArgs& args) {
  const int64_t row = thread_index() / kWarp;
  if (row >= args.rows) return;
  args.bytes ? count_row<uint8_t>(args, row) : count_row<T>(args, row);
}

template <class T, class S>
__device__ void write_row(const WriteEventsArgs& args, int64_t row) {
  const S* x = spikes_of<S>(args, row);
  if (x == nullptr) return;
  const int64_t first = args.offsets[row];
  scan_row(x, args.columns, [&](int64_t column, int64_t place) {
    args.index[first + place] = int32_t(column);
    store(static_cast<T*>(args.value) + first + place, ArithmeticOf<T>(load(x[column])));
  });
}

template <class T>
__device__ void write_events(const WriteEventsArgs& args) {
  const int64_t row = thread_index() / kWarp;
  if (row >= args.rows) return;
  args.bytes ? write_row<T, uint8_t>(args, row) : write_row<T, T>(args, row);
}

// Each thread sums a stretch of the numbers; the sums of the stretches before give its start.
template <class T>
__device__ void running_sums(const RunningSumsArgs& args) {
  KS_SHARED(int64_t, sums, kThreads);
  const int64_t stretch = block_count(args.size, kThreads);
  const int64_t first = smaller(threadIdx.x * stretch, args.size);
  const int64_t last = smaller(first + stretch, args.size);
  int64_t sum = 0;
  for (int64_t i = first; i < last; ++i) sum += args.counts[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  int64_t before = 0;
  for (int i = 0; i < int(threadIdx.x); ++i) before += sums[i];
  for (int64_t i = first; i < last; ++i) {
    const int64_t count = args.counts[i];
    args.counts[i] = before;
    before += count;
  }
  if (threadIdx.x == kThreads - 1) args.counts[args.size] = before;
}

// Offsets of a matrix without events: zeros. A thread per number.
template <class T>
__device__ void no_events(const RunningSumsArgs& args) {
  if (thread_index() < args.size) args.counts[thread_index()] = 0;
}

// A block per part. Columns are added up by integers, whatever their order.
template <class T>
__device__ void sort_count(const SortEventsArgs& args) {
  const int64_t part = blockIdx.x, first_row = part * kSortRows;
  const int64_t last_row = smaller(first_row + kSortRows, args.events.rows);
  int32_t* counts = args.counts + part * args.events.columns;
  for (int64_t i = threadIdx.x; i < args.events.columns; i += kThreads) counts[i] = 0;
  __syncthreads();
  const int64_t last = args.events.offsets[last_row];
  for (int64_t e = args.events.offsets[first_row] + threadIdx.x; e < last; e += kThreads) {
    atomicAdd(&counts[args.events.index[e]], 1);
  }
}

// A thread per column: its events in the parts before, and in all.
template <class T>
__device__ void sort_total(const SortEventsArgs& args) {
  const int64_t column = thread_index(), columns = args.events.columns;
  if (column >= columns) return;
  int64_t total = 0;
  for (int64_t part = 0; part < args.parts; ++part) {
    int32_t* count = &args.counts[part * columns + column];
    const int32_t found = *count;
    *count = int32_t(total);
    total += found;
  }
  args.offsets[column] = total;
}

// A block per part, row after row, so that the rows of a column stay in order. A row has no column
// twice, so no two threads write to one place.
template <class T>
__device__ void sort_place(const SortEventsArgs& args) {
  const int64_t part = blockIdx.x, first_row = part * kSortRows;
  const int64_t last_row = smaller(first_row + kSortRows, args.events.rows);
  int32_t* next = args.counts + part * args.events.columns;
  const T* value = static_cast<const T*>(args.events.value);
  for (int64_t row = first_row; row < last_row; ++row) {
    const int64_t last = args.events.offsets[row + 1];
    for (int64_t e = args.events.offsets[row] + threadIdx.x; e < last; e += kThreads) {
      const int32_t column = args.events.index[e];
      const int64_t place = args.offsets[column] + next[column]++;
      args.row_of[place] = int32_t(row);
      static_cast<T*>(args.value)[place] = value[e];
    }
    __syncthreads();
  }
}

KS_GPU_KERNEL(count_events, CountEventsArgs, count_events)
KS_GPU_KERNEL(write_events, WriteEventsArgs, write_events)
KS_GPU_KERNEL(running_sums, RunningSumsArgs, running_sums)
KS_GPU_KERNEL(no_events, RunningSumsArgs, no_events)
KS_GPU_KERNEL(sort_count, SortEventsArgs, sort_count)
KS_GPU_KERNEL(sort_total, SortEventsArgs, sort_total)
KS_GPU_KERNEL(sort_place, SortEventsArgs, sort_place)

}  // namespace keras_slayer
