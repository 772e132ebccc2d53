// Products with spike matrices. A thread sums one output, in the order of the CPU and with the same
// fused multiply-adds, so that results are equal to the bit.
#include "gpu/device.h"
#include "products/event_matmul.h"
#include "products/few_units.h"

namespace keras_slayer {

__device__ inline float fused(float x, float y, float sum) { return fmaf(x, y, sum); }
__device__ inline double fused(double x, double y, double sum) { return fma(x, y, sum); }

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

// A thread per row and unit.
template <class S, class T>
__device__ void few_units_product(const FewUnitsMatmulArgs& args) {
  using A = ArithmeticOf<T>;
  const int64_t item = thread_index(), row = item / args.units, unit = item % args.units;
  if (row >= args.rows) return;
  const S* x = static_cast<const S*>(args.x) + row * args.inputs;
  const T* weights = static_cast<const T*>(args.weights) + unit;
  A sum = A(0);
  for (int64_t i = 0; i < args.inputs; ++i) {
    sum = fused(load(weights[i * args.weights_stride]), A(load(x[i])), sum);
  }
  store(static_cast<T*>(args.out) + item, sum);
}

template <class T>
__device__ void few_units_matmul(const FewUnitsMatmulArgs& args) {
  args.x_type == Dtype::kByte ? few_units_product<uint8_t, T>(args)
                              : few_units_product<T, T>(args);
}

// A thread per unit and input, neighbours in neighbouring inputs.
template <class S, class T>
__device__ void few_units_sum(const FewUnitsGradArgs& args) {
  using A = ArithmeticOf<T>;
  const int64_t item = thread_index(), unit = item / args.inputs, input = item % args.inputs;
  if (unit >= args.units) return;
  const S* x = static_cast<const S*>(args.x) + input;
  const T* grad = static_cast<const T*>(args.grad) + unit;
  A sum = A(0);
  for (int64_t row = 0; row < args.rows; ++row) {
    sum = fused(load(grad[row * args.grad_stride]), A(load(x[row * args.inputs])), sum);
  }
  store(static_cast<T*>(args.out) + input * args.units + unit, sum);
}

template <class T>
__device__ void few_units_weights_grad(const FewUnitsGradArgs& args) {
  args.x_type == Dtype::kByte ? few_units_sum<uint8_t, T>(args) : few_units_sum<T, T>(args);
}

KS_GPU_KERNEL(event_matmul, EventMatmulArgs, event_matmul)
KS_GPU_KERNEL(few_units_matmul, FewUnitsMatmulArgs, few_units_matmul)
KS_GPU_KERNEL(few_units_weights_grad, FewUnitsGradArgs, few_units_weights_grad)

}  // namespace keras_slayer
