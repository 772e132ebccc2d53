// Dense products of few rows or columns, whose sums stay in registers.
#ifndef KERAS_SLAYER_PRODUCTS_PRODUCT_H_
#define KERAS_SLAYER_PRODUCTS_PRODUCT_H_

#include "events/gather.h"

namespace keras_slayer {
namespace KS_ISA {

// Vectors of columns at once, and rows for so many vectors: what the processor has
// registers for.
#if defined(__AVX512F__)
constexpr int kProductVectors = 4;
constexpr int product_rows(int vectors) { return vectors > 2 ? 6 : vectors > 1 ? 12 : 16; }
#else
constexpr int kProductVectors = 2;
constexpr int product_rows(int vectors) { return vectors > 1 ? 6 : 12; }
#endif

// left [rows, depth], or [depth, rows] where kTransposed, times right [depth, columns];
// strides from row to row in memory. kAdd: to what is there.
template <class A, bool kTransposed = false, bool kAdd = false>
struct Product {
  const A* left;
  int64_t left_stride, depth;
  const A* right;
  int64_t right_stride;

  KS_HD void skip_rows(int64_t rows) { left += kTransposed ? rows : rows * left_stride; }
  static constexpr bool transposed = kTransposed, adds = kAdd;
};

// The numbers of kRows rows of a left factor, for one k after the other. Where they lie a
// stride apart, each pointer serves four: with one for each row, which the compiler makes of
// plain indices, there would be too few registers.
template <class A, int kRows, bool kTransposed>
class LeftNumbers {
 public:
  template <class P>
  KS_HD explicit LeftNumbers(const P& product) : stride_(product.left_stride) {
#pragma GCC unroll 8
    for (int p = 0; p < kPointers; ++p) at_[p] = product.left + p * kShare * stride_;
  }
  KS_HD A row(int i) const {
    return kTransposed ? at_[0][i] : at_[i / kShare][i % kShare * stride_];
  }
  KS_HD void next() {
#pragma GCC unroll 8
    for (int p = 0; p < kPointers; ++p) {
      at_[p] += kTransposed ? stride_ : 1;
      asm("" : "+r"(at_[p]));  // hides from the compiler how they are related
    }
  }

 private:
  static constexpr int kShare = 4, kPointers = kTransposed ? 1 : (kRows + kShare - 1) / kShare;
  int64_t stride_;
  const A* at_[kPointers];
};

// kRows rows of kVectors vectors of columns.
template <class A, int kRows, int kVectors, class P>
void multiply_tile(const P& product, A* out, int64_t out_stride) {
  typedef A Vector __attribute__((vector_size(kVectorBytes)));
  constexpr int kLanes = int(kVectorBytes / sizeof(A));
  Vector sum[kRows][kVectors] = {};
  if (P::adds) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        __builtin_memcpy(&sum[i][v], out + i * out_stride + v * kLanes, sizeof(Vector));
      }
    }
  }
  LeftNumbers<A, kRows, P::transposed> left(product);
  const A* right = product.right;
  const int64_t depth = product.depth, right_stride = product.right_stride;
  for (int64_t k = 0; k < depth; ++k, left.next(), right += right_stride) {
    Vector loaded[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {  // each alone, or all go through memory
      __builtin_memcpy(&loaded[v], right + v * kLanes, sizeof(Vector));
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const A value = left.row(i);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[i][v] = fused(loaded[v], value, sum[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      __builtin_memcpy(out + i * out_stride + v * kLanes, &sum[i][v], sizeof(Vector));
    }
  }
}

// The same for 1 to kRows rows.
template <class A, int kRows, int kVectors, class P>
KS_HD void multiply_few_rows(const P& product, int64_t rows, A* out, int64_t out_stride) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return multiply_few_rows<A, kRows - 1, kVectors>(product, rows, out, out_stride);
    }
  }
  multiply_tile<A, kRows, kVectors>(product, out, out_stride);
}

// The same for any number of rows, in groups of about the same size.
template <class A, int kVectors, class P>
KS_HD void multiply_columns(P product, int64_t rows, A* out, int64_t out_stride) {
  constexpr int kRows = product_rows(kVectors);
  const int64_t groups = (rows + kRows - 1) / kRows;
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t count = (group + 1) * rows / groups - group * rows / groups;
    multiply_few_rows<A, kRows, kVectors>(product, count, out, out_stride);
    product.skip_rows(count);
    out += count * out_stride;
  }
}

// The same for any number of columns that make whole vectors.
template <class P, class A>
KS_HD void multiply(P product, int64_t rows, int64_t columns, A* out, int64_t out_stride) {
  constexpr int64_t kLanes = kVectorBytes / int64_t(sizeof(A)), kWide = kProductVectors * kLanes;
  int64_t at = 0;
  for (; at + kWide <= columns; at += kWide, product.right += kWide) {
    multiply_columns<A, kProductVectors>(product, rows, out + at, out_stride);
  }
  if (kProductVectors > 2 && at + 2 * kLanes <= columns) {
    multiply_columns<A, 2>(product, rows, out + at, out_stride);
    at += 2 * kLanes;
    product.right += 2 * kLanes;
  }
  for (; at < columns; at += kLanes, product.right += kLanes) {
    multiply_columns<A, 1>(product, rows, out + at, out_stride);
  }
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_PRODUCTS_PRODUCT_H_
