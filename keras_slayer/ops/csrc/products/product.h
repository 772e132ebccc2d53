// Dense matrix products in tiles whose sums stay in registers, for use inside kernels: few_units,
// input_grad, transposed_conv and winograd call multiply().
#ifndef KERAS_SLAYER_PRODUCTS_PRODUCT_H_
#define KERAS_SLAYER_PRODUCTS_PRODUCT_H_

#include "events/gather.h"

namespace keras_slayer {
namespace KS_ISA {

// Most vectors of columns of a tile, and its most rows for so many vectors: as many sums as there
// are registers for.
#if defined(__AVX512F__)
constexpr int kProductVectors = 4;
constexpr int product_rows(int vectors) { return vectors > 2 ? 6 : vectors > 1 ? 12 : 16; }
#else
constexpr int kProductVectors = 2;
constexpr int product_rows(int vectors) { return vectors > 1 ? 6 : 12; }
#endif

// Columns of a tile. Packed weights (input_grad.h) are slices of so many inputs, each
// [units, kSlice]. A tile reads one slice from end to end.
template <class A>
constexpr int64_t kSlice = kProductVectors * kVectorBytes / int64_t(sizeof(A));

// left [rows, depth] times right [depth, columns]. With kTransposed, left is stored as
// [depth, rows]. Strides are from row to row in memory. With kAdd, the product is added to out.
template <class A, bool kTransposed = false, bool kAdd = false>
struct Product {
  const A* left;
  int64_t left_stride, depth;
  const A* right;
  int64_t right_stride;

  KS_HD void skip_rows(int64_t rows) { left += kTransposed ? rows : rows * left_stride; }
  static constexpr bool transposed = kTransposed, adds = kAdd, prefetches = false;
};

// The same, which prefetches what comes after it meanwhile: a tile starts at ahead->next(), and
// goes on by ahead->step() bytes for each column of left.
template <class A, class Ahead>
struct ProductAhead : Product<A> {
  Ahead* ahead;
  static constexpr bool prefetches = true;
};

// Reads column k of kRows rows of the left factor, for k = 0, 1, ... If rows are a stride apart,
// one pointer serves four rows. From plain indices the compiler makes a pointer per row, for which
// there are too few registers.
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
      asm("" : "+r"(at_[p]));  // hides from the compiler how the pointers are related
    }
  }

 private:
  static constexpr int kShare = 4, kPointers = kTransposed ? 1 : (kRows + kShare - 1) / kShare;
  int64_t stride_;
  const A* at_[kPointers];
};

// Computes a tile of kRows rows and kVectors vectors of columns.
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
  const char* ahead = nullptr;
  int64_t ahead_step = 0;
  if constexpr (P::prefetches) {
    ahead = product.ahead->next();
    ahead_step = product.ahead->step();
  }
  for (int64_t k = 0; k < depth; ++k, left.next(), right += right_stride) {
    if constexpr (P::prefetches) {
      __builtin_prefetch(ahead, 0, 2);
      ahead += ahead_step;
    }
    Vector loaded[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {  // a single memcpy would go through the stack
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

// The same for any number of rows, in tiles of about the same size.
template <class A, int kVectors, class P>
KS_HD void multiply_columns(P product, int64_t rows, A* out, int64_t out_stride) {
  constexpr int kRows = product_rows(kVectors);
  const int64_t tiles = (rows + kRows - 1) / kRows;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t count = (tile + 1) * rows / tiles - tile * rows / tiles;
    multiply_few_rows<A, kRows, kVectors>(product, count, out, out_stride);
    product.skip_rows(count);
    out += count * out_stride;
  }
}

// The same for any number of columns that is a multiple of a vector.
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
