// Products with spike matrices, and the gradient of their input. Each output is summed by one
// thread, in the order of the CPU and with the same fused multiply-adds, so that results are equal
// to the bit.
#include "gpu/device.h"
#include "gpu/sums.h"
#include "products/event_matmul.h"
#include "products/few_units.h"
#include "products/input_grad.h"

namespace keras_slayer {

// Blocks of kThreads columns; the blocks of a row follow each other. A row's events are read by all
// threads at once, so each is fetched once.
template <class T>
__device__ void event_matmul(const EventMatmulArgs& args) {
  using A = ArithmeticOf<T>;
  const int64_t width = args.matrix.width, blocks = block_count(width, kThreads);
  const int64_t row = blockIdx.x / blocks, column = blockIdx.x % blocks * kThreads + threadIdx.x;
  if (column >= width) return;
  const T* matrix = static_cast<const T*>(args.matrix.data) + column;
  const T* value = static_cast<const T*>(args.events.value);
  const int64_t last = args.events.offsets[row + 1];
  A sum = A(0);
  for (int64_t e = args.events.offsets[row]; e < last; ++e) {
    const A weight = load(matrix[args.events.index[e] * width]);
    sum = fused(weight, A(load(value[e])), sum);
  }
  store(static_cast<T*>(args.out) + row * width + column, sum);
}

// A warp per row and kWarp units. It reads kWarp inputs at once and then adds the weights of those
// that are not zero.
template <class S, class T>
__device__ void sum_row(const FewUnitsMatmulArgs& args) {
  using A = ArithmeticOf<T>;
  const int lane = threadIdx.x % kWarp;
  const int64_t item = thread_index() / kWarp, parts = block_count(args.units, kWarp);
  const int64_t row = item / parts, unit = item % parts * kWarp + lane;
  if (row >= args.rows) return;
  const S* x = static_cast<const S*>(args.x) + row * args.inputs;
  const T* weights = static_cast<const T*>(args.weights) + unit;
  A sum = A(0);
  for (int64_t first = 0; first < args.inputs; first += kWarp) {
    const A mine = first + lane < args.inputs ? A(load(x[first + lane])) : A(0);
    for_each_nonzero(mine, [&](int i, A value) {
      if (unit >= args.units) return;
      sum = fused(load(weights[(first + i) * args.weights_stride]), value, sum);
    });
  }
  if (unit < args.units) store(static_cast<T*>(args.out) + row * args.units + unit, sum);
}

template <class T>
__device__ void few_units_matmul(const FewUnitsMatmulArgs& args) {
  args.x_type == Dtype::kByte ? sum_row<uint8_t, T>(args) : sum_row<T, T>(args);
}

// A warp per kInputs inputs and kWarp units, row after row, kWarp rows at once.
template <class S, class T>
__device__ void sum_inputs(const FewUnitsGradArgs& args) {
  using A = ArithmeticOf<T>;
  constexpr int kInputs = kGradInputs;
  const int lane = threadIdx.x % kWarp;
  const int64_t item = thread_index() / kWarp, parts = block_count(args.inputs, kInputs);
  const int64_t input = item % parts * kInputs, unit = item / parts * kWarp + lane;
  if (item / parts * kWarp >= args.units) return;
  const T* grad = static_cast<const T*>(args.grad) + unit;
  A sums[kInputs] = {};
  for (int64_t first = 0; first < args.rows; first += kWarp) {
    const S* x = static_cast<const S*>(args.x) + (first + lane) * args.inputs + input;
#pragma unroll
    for (int i = 0; i < kInputs; ++i) {
      const bool inside = first + lane < args.rows && input + i < args.inputs;
      for_each_nonzero(inside ? A(load(x[i])) : A(0), [&](int row, A value) {
        if (unit >= args.units) return;
        sums[i] = fused(load(grad[(first + row) * args.grad_stride]), value, sums[i]);
      });
    }
  }
  T* out = static_cast<T*>(args.out) + unit;
#pragma unroll
  for (int i = 0; i < kInputs; ++i) {
    if (unit < args.units && input + i < args.inputs) store(&out[(input + i) * args.units], sums[i]);
  }
}

template <class T>
__device__ void few_units_weights_grad(const FewUnitsGradArgs& args) {
  args.x_type == Dtype::kByte ? sum_inputs<uint8_t, T>(args) : sum_inputs<T, T>(args);
}

// grad weights^T in tiles of kSide x kSide outputs. A block keeps kDepth units of both factors in
// shared memory; a thread sums kRows x kColumns outputs, unit after unit.
template <class T>
__device__ void matmul_input_grad(const MatmulInputGradArgs& args) {
  using A = ArithmeticOf<T>;
  constexpr int kSide = kInputGradSide, kDepth = 16, kRows = 8, kColumns = 4;
  static_assert(kSide / kRows * (kSide / kColumns) == kThreads);
  KS_SHARED(A, left, kDepth * kSide);
  KS_SHARED(A, right, kDepth * kSide);
  const int64_t tiles = block_count(args.inputs, kSide);
  const int64_t row = blockIdx.x / tiles * kSide, input = blockIdx.x % tiles * kSide;
  const T* grad = static_cast<const T*>(args.grad);
  const T* weights = static_cast<const T*>(args.weights);
  const int my_row = threadIdx.x / (kSide / kColumns) * kRows;
  const int my_input = threadIdx.x % (kSide / kColumns) * kColumns;
  A sums[kRows][kColumns] = {};
  for (int64_t unit = 0; unit < args.units; unit += kDepth) {
    for (int i = threadIdx.x; i < kDepth * kSide; i += kThreads) {
      const int k = i % kDepth, at = i / kDepth;
      const bool inside = unit + k < args.units;
      left[k * kSide + at] =
          inside && row + at < args.rows ? load(grad[(row + at) * args.units + unit + k]) : A(0);
      right[k * kSide + at] = inside && input + at < args.inputs
                                  ? load(weights[(input + at) * args.units + unit + k])
                                  : A(0);
    }
    __syncthreads();
    const int depth = int(smaller(kDepth, args.units - unit));
    for (int k = 0; k < depth; ++k) {
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
          sums[i][j] =
              fused(right[k * kSide + my_input + j], left[k * kSide + my_row + i], sums[i][j]);
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      const int64_t to_row = row + my_row + i, to_input = input + my_input + j;
      if (to_row >= args.rows || to_input >= args.inputs) continue;
      store(static_cast<T*>(args.out) + to_row * args.inputs + to_input, sums[i][j]);
    }
  }
}

KS_GPU_KERNEL(event_matmul, EventMatmulArgs, event_matmul)
KS_GPU_KERNEL(few_units_matmul, FewUnitsMatmulArgs, few_units_matmul)
KS_GPU_KERNEL(few_units_weights_grad, FewUnitsGradArgs, few_units_weights_grad)
KS_GPU_KERNEL(matmul_input_grad, MatmulInputGradArgs, matmul_input_grad)

}  // namespace keras_slayer
