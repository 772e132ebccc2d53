// What the CPU kernel files share. Each is compiled once per instruction set
// with KS_ISA naming it; everything that is not always inlined lives in the
// namespace of that name, so that the linker cannot mix instruction sets (for
// the same reason no template of the standard library is used in them).
#ifndef KERAS_SLAYER_CPU_H_
#define KERAS_SLAYER_CPU_H_

#include "dynamics.h"
#include "kernels.h"

namespace keras_slayer {
namespace KS_ISA {

// Calls body(offset of the block's first element at step t, neurons in the
// block) for each step of one work item, in time order or backwards.
template <class Body>
KS_HD void for_each_step(const Shape& shape, int64_t item, bool reverse, Body body) {
  const int64_t blocks = (shape.inner + kBlock - 1) / kBlock;
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

// Calls fn(T()) with the storage type that dtype names.
template <class Fn>
KS_HD void with_type(Dtype dtype, Fn fn) {
  switch (dtype) {
    case Dtype::kFloat:
      return fn(float());
    case Dtype::kDouble:
      return fn(double());
    case Dtype::kHalf:
      return fn(Half());
    case Dtype::kBfloat16:
      return fn(Bfloat16());
  }
}

// The loop over the neurons of a block: no iteration depends on another.
#define KS_VECTOR_LOOP(j, count) _Pragma("GCC ivdep") for (int j = 0; j < (count); ++j)

void fir(Dtype, const FirArgs&, int64_t, int64_t);
void fir_taps_grad(Dtype, const FirTapsGradArgs&, int64_t, int64_t);
void alpha_filter(Dtype, const RecursiveFilterArgs&, int64_t, int64_t);
void exponential_filter(Dtype, const RecursiveFilterArgs&, int64_t, int64_t);
void srm(Dtype, const SrmArgs&, int64_t, int64_t);
void srm_grad(Dtype, const SrmGradArgs&, int64_t, int64_t);
void srm_fir(Dtype, const SrmFirArgs&, int64_t, int64_t);
void srm_fir_grad(Dtype, const SrmFirGradArgs&, int64_t, int64_t);
void cuba(Dtype, const CubaArgs&, int64_t, int64_t);
void loihi_cuba(Dtype, const CubaArgs&, int64_t, int64_t);
void cuba_grad(Dtype, const CubaGradArgs&, int64_t, int64_t);
void delay(Dtype, const DelayArgs&, int64_t, int64_t);
void delay_grad(Dtype, const DelayGradArgs&, int64_t, int64_t);
void count_events(Dtype, const CountArgs&, int64_t, int64_t);
void collect_events(Dtype, const CollectArgs&, int64_t, int64_t);
void event_matmul(Dtype, const EventMatmulArgs&, int64_t, int64_t);
void event_conv(Dtype, const EventConvArgs&, int64_t, int64_t);
void event_conv_grad(Dtype, const EventConvGradArgs&, int64_t, int64_t);

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_CPU_H_
