// Current-based leaky integrate-and-fire neuron, float and Loihi integers.
// Spikes may be written over the input and the gradient over grad_spikes,
// element by element: no __restrict between them.
#include "cpu.h"

namespace keras_slayer {
namespace KS_ISA {

void cuba(Dtype dtype, const CubaArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const Cuba<A> neuron = {A(args.keep_current), A(args.keep_voltage), A(args.threshold)};
    for (int64_t item = begin; item < end; ++item) {
      A current[kBlock], voltage[kBlock];
      clear(current, kBlock);
      clear(voltage, kBlock);
      for_each_step(args.shape, item, false, [&](int64_t at, int count) {
        const T* z = static_cast<const T*>(args.in) + at;
        T* spikes = static_cast<T*>(args.spikes) + at;
        T* __restrict membrane = static_cast<T*>(args.membrane) + at;
        KS_VECTOR_LOOP(j, count) {
          typename Cuba<A>::State state = {current[j], voltage[j]};
          A spike;
          const A v = neuron.step(state, load(z[j]), &spike);
          current[j] = state.current;
          voltage[j] = state.voltage;
          store(&spikes[j], spike);
          store(&membrane[j], v);
        }
      });
    }
  });
}

void loihi_cuba(Dtype dtype, const CubaArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const LoihiCuba neuron = {args.keep_current, args.keep_voltage, args.threshold * 64.0};
    for (int64_t item = begin; item < end; ++item) {
      double current[kBlock], voltage[kBlock], arriving[kBlock];
      clear(current, kBlock);
      clear(voltage, kBlock);
      clear(arriving, kBlock);
      bool finite = true;
      for_each_step(args.shape, item, false, [&](int64_t at, int count) {
        const T* z = static_cast<const T*>(args.in) + at;
        T* spikes = static_cast<T*>(args.spikes) + at;
        T* __restrict membrane = static_cast<T*>(args.membrane) + at;
        double invalid = 0;
        KS_VECTOR_LOOP(j, count) {
          LoihiCuba::State state = {current[j], voltage[j]};
          double spike;
          const double v = neuron.step(state, arriving[j], &spike);
          current[j] = state.current;
          voltage[j] = state.voltage;
          // A float weight is integer/64. Rounding undoes what the product
          // before this op may have lost.
          const double weight_units = rint(double(load(z[j])) * 64.0);
          arriving[j] = weight_units;
          store(&spikes[j], A(spike));
          store(&membrane[j], A(v * 0x1p-12));
        }
        for (int j = 0; j < count; ++j) invalid += arriving[j] * 0.0;  // NaN if any is not finite
        finite = finite && invalid == 0;
      });
      if (!finite) __atomic_store_n(args.not_finite, true, __ATOMIC_RELAXED);
    }
  });
}

namespace {

// exodus and loihi (strict threshold, one step from input to effect) are known
// at compile time: tested in the loop over neurons they would keep it from
// vectorising.
template <class T, bool exodus, bool loihi>
void cuba_grad_as(const CubaGradArgs& args, int64_t begin, int64_t end) {
  using A = ArithmeticOf<T>;
  using State = typename CubaAdjoint<A>::State;
  const Surrogate<A> rho(args.surrogate.threshold, args.surrogate.width, args.surrogate.height);
  const CubaAdjoint<A> adjoint = {A(args.keep_current), A(args.keep_voltage), rho};
  const A threshold = rho.threshold;
  for (int64_t item = begin; item < end; ++item) {
    A current[kBlock], voltage[kBlock];
    clear(current, kBlock);
    clear(voltage, kBlock);
    for_each_step(args.shape, item, true, [&](int64_t at, int count) {
      const T* grad = static_cast<const T*>(args.grad_spikes) + at;
      const T* __restrict membrane = static_cast<const T*>(args.membrane) + at;
      T* out = static_cast<T*>(args.grad_in) + at;
      KS_VECTOR_LOOP(j, count) {
        State state = {current[j], voltage[j]};
        const A v = load(membrane[j]);
        const A spike = (loihi ? v > threshold : v >= threshold) ? A(1) : A(0);
        const A before = state.current;  // dL/dz of the step after
        const A now = adjoint.step(state, load(grad[j]), v, spike, exodus);
        current[j] = state.current;
        voltage[j] = state.voltage;
        store(&out[j], loihi ? before : now);
      }
    });
  }
}

}  // namespace

void cuba_grad(Dtype dtype, const CubaGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    if (args.loihi) {
      args.exodus ? cuba_grad_as<T, true, true>(args, begin, end)
                  : cuba_grad_as<T, false, true>(args, begin, end);
    } else {
      args.exodus ? cuba_grad_as<T, true, false>(args, begin, end)
                  : cuba_grad_as<T, false, false>(args, begin, end);
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
