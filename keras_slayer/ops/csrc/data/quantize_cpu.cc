// Rounds weights to a grid, or computes the straight-through gradient of that.
#include <cmath>

#include "base/cpu.h"
#include "data/quantize.h"

namespace keras_slayer {
namespace KS_ISA {

void quantize(Dtype dtype, const QuantizeArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    // The step is a power of two, so multiplying by its inverse is exact.
    const A step = A(args.step), inverse = A(args.inverse), low = A(args.low), high = A(args.high);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item * kItemWeights, size = smaller(kItemWeights, args.size - first);
      const T* weights = static_cast<const T*>(args.weights) + first;
      T* out = static_cast<T*>(args.out) + first;
      if (args.grad == nullptr) {
        KS_VECTOR_LOOP(j, size) {
          const A rounded = A(rint(load(weights[j]) * inverse)) * step;
          store(&out[j], rounded < low ? low : rounded > high ? high : rounded);
        }
      } else {
        const T* grad = static_cast<const T*>(args.grad) + first;
        KS_VECTOR_LOOP(j, size) {
          const A rounded = A(rint(load(weights[j]) * inverse)) * step, passed = load(grad[j]);
          store(&out[j], rounded >= low && rounded <= high ? passed : A(0));
        }
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
