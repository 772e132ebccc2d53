// Rounds weights to a grid, or computes the straight-through gradient of that. A thread per weight.
#include "data/quantize.h"

#include <cmath>

#include "gpu/device.h"

namespace keras_slayer {

template <class T>
__device__ void quantize(const QuantizeArgs& args) {
  using A = ArithmeticOf<T>;
  const int64_t i = thread_index();
  if (i >= args.size) return;
  // Steps are powers of two, so that multiplying by the inverse is exact.
  const A step = A(args.step), low = A(args.low), high = A(args.high);
  const A weight = load(static_cast<const T*>(args.weights)[i]);
  const A rounded = A(std::rint(weight * A(args.inverse))) * step;
  T* out = static_cast<T*>(args.out) + i;
  if (args.grad == nullptr) {
    store(out, rounded < low ? low : rounded > high ? high : rounded);
  } else {
    const A passed = load(static_cast<const T*>(args.grad)[i]);
    store(out, rounded >= low && rounded <= high ? passed : A(0));
  }
}

KS_GPU_KERNEL(quantize, QuantizeArgs, quantize)

}  // namespace keras_slayer
