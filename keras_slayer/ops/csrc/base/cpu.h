// Helpers of the CPU kernels (*_cpu.cc): loops over time, rows of memory, vector loops.
//
// Every kernel file is compiled once per instruction set, with KS_ISA as its name. Functions that
// are not always inlined live in the namespace KS_ISA. Otherwise the linker could pick one
// instruction set's copy for another. For the same reason kernels use no standard templates.
#ifndef KERAS_SLAYER_BASE_CPU_H_
#define KERAS_SLAYER_BASE_CPU_H_

#include <cstddef>

#include "base/kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace keras_slayer {
namespace KS_ISA {

// Steps through one work item: a block of up to kBlock neurons of one sample. Calls
// body(offset, count) for each step, in time order or in reverse: the offset in
// [batch, steps, inner] of the block's first neuron, and the number of neurons.
template <class Body>
KS_HD void for_each_step(const Shape& shape, int64_t item, bool reverse, Body body) {
  const int64_t blocks = block_count(shape.inner, kBlock);
  const int64_t sample = item / blocks, first = (item % blocks) * kBlock;
  const int64_t count = shape.inner - first < kBlock ? shape.inner - first : kBlock;
  for (int64_t step = 0; step < shape.steps; ++step) {
    const int64_t t = reverse ? shape.steps - 1 - step : step;
    body((sample * shape.steps + t) * shape.inner + first, int(count));
  }
}

template <class A>
KS_HD void clear(A* array, int64_t size) {
  for (int64_t i = 0; i < size; ++i) array[i] = A(0);
}

// From one number type to another.
template <class From, class To>
KS_HD void copy_row(const From* __restrict from, int64_t count, To* __restrict to) {
  for (int64_t j = 0; j < count; ++j) to[j] = To(from[j]);
}

// A matrix [rows, length] whose rows start on cache lines of their own. It cannot be copied.
template <class A>
class Rows {
 public:
  Rows(int64_t rows, int64_t length)
      : rows_(rows),
        stride_((length * int64_t(sizeof(A)) + kLine - 1) / kLine * kLine / int64_t(sizeof(A))),
        memory_(__builtin_malloc(size_t(rows * stride_) * sizeof(A) + kLine)) {}
  ~Rows() { __builtin_free(memory_); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  A* row(int64_t r) const {
    const uintptr_t start = (reinterpret_cast<uintptr_t>(memory_) + kLine - 1) / kLine * kLine;
    return reinterpret_cast<A*>(start) + r * stride_;
  }
  int64_t stride() const { return stride_; }  // from one row to the next
  void clear(int64_t count) {
    for (int64_t r = 0; r < rows_; ++r) KS_ISA::clear(row(r), count);
  }

 private:
  static constexpr int64_t kLine = 64;
  int64_t rows_, stride_;
  void* memory_;
};

// std::unique_ptr without the standard library.
template <class Object>
class Owned {
 public:
  explicit Owned(Object* object) : object_(object) {}
  ~Owned() { delete object_; }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Object* operator->() const { return object_; }
  Object* get() const { return object_; }

 private:
  Object* object_;
};

// Prefetches the row [from, from + count). The rows of a block lie too far apart in memory for
// the processor's own prefetcher.
template <class T>
KS_HD void prefetch_row(const T* from, int64_t count) {
  constexpr int64_t kLine = 64 / int64_t(sizeof(T));
  for (int64_t j = 0; j < count; j += kLine) __builtin_prefetch(from + j);
}

// Writes a row with stores that bypass the caches. An output larger than the caches would evict
// data that is still needed, and each line would be read before it is overwritten.
template <class T>
KS_HD void stream_row(const T* from, int64_t count, T* to) {
#if defined(__x86_64__)
#if defined(__AVX512F__)
  using Vector = __m512i;
#elif defined(__AVX2__)
  using Vector = __m256i;
#else
  using Vector = __m128i;
#endif
  constexpr int64_t kLanes = int64_t(sizeof(Vector) / sizeof(T));
  int64_t j = 0;
  for (; j < count && reinterpret_cast<uintptr_t>(to + j) % sizeof(Vector) != 0; ++j) to[j] = from[j];
  for (; j + kLanes <= count; j += kLanes) {
    Vector line;
    __builtin_memcpy(&line, from + j, sizeof(Vector));
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<Vector*>(to + j), line);
#elif defined(__AVX2__)
    _mm256_stream_si256(reinterpret_cast<Vector*>(to + j), line);
#else
    _mm_stream_si128(reinterpret_cast<Vector*>(to + j), line);
#endif
  }
  for (; j < count; ++j) to[j] = from[j];
#else
  __builtin_memcpy(to, from, size_t(count) * sizeof(T));
#endif
}

// Call after the last streamed row: other threads may read the rows only after this fence.
KS_HD void end_stream() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

// Writes rows of an output, streamed or not. Compute a row into start(target), then call
// done(target, count). With streaming, start is a buffer that done copies to memory.
template <class T>
class RowWriter {
 public:
  RowWriter(int64_t length, bool stream) : stream_(stream), row_(1, stream ? length : 0) {}
  ~RowWriter() {
    if (stream_) end_stream();
  }
  RowWriter(const RowWriter&) = delete;
  RowWriter& operator=(const RowWriter&) = delete;
  T* start(T* target) const { return stream_ ? row_.row(0) : target; }
  void done(T* target, int64_t count) const {
    if (stream_) stream_row(row_.row(0), count, target);
  }
  // Writes values that are already in a row.
  void copy(const T* row, int64_t count, T* target) const {
    stream_ ? stream_row(row, count, target)
            : (void)__builtin_memcpy(target, row, size_t(count) * sizeof(T));
  }

 private:
  bool stream_;
  Rows<T> row_;
};

// Calls fn(T()) with the storage type of dtype. dtype must not be kByte.
template <class Fn>
KS_HD void with_type(Dtype dtype, Fn fn) {
  switch (dtype) {
    case Dtype::kDouble:
      return fn(double());
    case Dtype::kHalf:
      return fn(Half());
    case Dtype::kBfloat16:
      return fn(Bfloat16());
    default:
      return fn(float());
  }
}

// Calls fn(T(), S()) with the storage type T of a layer and the type S of its input spikes: T or
// uint8_t.
template <class Fn>
KS_HD void with_types(Dtype dtype, Dtype spikes, Fn fn) {
  with_type(dtype, [&](auto type) {
    spikes == Dtype::kByte ? fn(type, uint8_t()) : fn(type, type);
  });
}

// A loop that the compiler may vectorise: no iteration depends on another.
#define KS_VECTOR_LOOP(j, count) _Pragma("GCC ivdep") for (int j = 0; j < int(count); ++j)

// Writes a row of sums [size], rounded to T.
template <class T, class A>
void write_row(const A* row, int64_t size, T* out, const RowWriter<T>& writer) {
  if constexpr (sizeof(T) == sizeof(A)) {
    writer.copy(row, size, out);
  } else {
    T* target = writer.start(out);
    KS_VECTOR_LOOP(j, size) store(&target[j], row[j]);
    writer.done(out, size);
  }
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_BASE_CPU_H_
