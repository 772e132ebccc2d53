// What the CPU kernel files share. Each is compiled once per instruction set
// with KS_ISA naming it; everything that is not always inlined lives in the
// namespace of that name, so that the linker cannot mix instruction sets (for
// the same reason no template of the standard library is used in them).
#ifndef KERAS_SLAYER_BASE_CPU_H_
#define KERAS_SLAYER_BASE_CPU_H_

#include "base/kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace keras_slayer {
namespace KS_ISA {

// Calls body(offset of the block's first element at step t, neurons in the
// block) for each step of one work item, in time order or backwards.
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

// A few arrays of one length, each on cache lines of its own. Not copied.
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

// Asks for the row [from, from + count) ahead of its use. Rows of a block are far
// apart, so the processor does not see them coming.
template <class T>
KS_HD void prefetch_row(const T* from, int64_t count) {
  constexpr int64_t kLine = 64 / int64_t(sizeof(T));
  for (int64_t j = 0; j < count; j += kLine) __builtin_prefetch(from + j);
}

// Writes a row past the caches: an output larger than them would only push out
// what is still needed, after a useless read of the memory it replaces.
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

// After the last streamed row, before another thread may read.
KS_HD void end_stream() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

// A row of results on its way to memory: where its values go first, and `done`.
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
  // The same for values that lie in a row already.
  void copy(const T* row, int64_t count, T* target) const {
    stream_ ? stream_row(row, count, target)
            : (void)__builtin_memcpy(target, row, size_t(count) * sizeof(T));
  }

 private:
  bool stream_;
  Rows<T> row_;
};

// Calls fn(T()) with the storage type that dtype names, which is not kByte.
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

// Calls fn(T(), S()): the storage type of a layer and that of its input spikes,
// which is the same or bytes.
template <class Fn>
KS_HD void with_types(Dtype dtype, Dtype spikes, Fn fn) {
  with_type(dtype, [&](auto type) {
    spikes == Dtype::kByte ? fn(type, uint8_t()) : fn(type, type);
  });
}

// The loop over the neurons of a block: no iteration depends on another.
#define KS_VECTOR_LOOP(j, count) _Pragma("GCC ivdep") for (int j = 0; j < int(count); ++j)

// A row of sums on its way to memory, rounded to T.
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
