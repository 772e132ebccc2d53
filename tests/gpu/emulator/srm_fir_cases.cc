// Cases of gpu/srm_fir.cu.
#include "kernel_case.h"
#include "neurons/srm_fir.h"

namespace keras_slayer {
namespace {

std::vector<double> taps(int64_t size) {
  std::vector<double> all(size);
  for (int64_t k = 1; k < size; ++k) all[k] = -1.0 / double(k);
  return all;
}

KS_KERNEL_CASE(srm_fir) {
  for (const Shape& shape : kShapes) {
    for (const int64_t size : {1, 4}) {
      SrmFirArgs args = {};
      args.shape = shape;
      args.in = run.input<T>(size_of(shape));
      args.threshold = 1;
      args.refractory = run.input(taps(size));
      args.refractory_size = size;
      args.spikes = run.output<T>(size_of(shape));
      args.membrane = run.output<T>(size_of(shape));
      run.threads(shape.batch * shape.inner, args);
    }
  }
}

KS_KERNEL_CASE(srm_fir_grad) {
  for (const Shape& shape : kShapes) {
    for (const bool exodus : {false, true}) {
      SrmFirGradArgs args = {};
      args.shape = shape;
      args.grad_spikes = run.input<T>(size_of(shape));
      args.membrane = run.input<T>(size_of(shape));
      args.surrogate = surrogate_params(1, 0.7, 1.4, exodus);
      args.refractory = run.input(taps(4));
      args.refractory_size = 4;
      args.exodus = exodus;
      args.grad_in = run.output<T>(size_of(shape));
      args.lambda = sizeof(T) == sizeof(ArithmeticOf<T>)
                        ? args.grad_in
                        : run.output<ArithmeticOf<T>>(size_of(shape));
      run.threads(shape.batch * shape.inner, args);
    }
  }
}

}  // namespace
}  // namespace keras_slayer
