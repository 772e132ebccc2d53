// Spike response model neuron: forward and both gradients, with recursive
// (alpha) or truncated (FIR) refractory kernels.
//
//   u[t] = (eps * z)[t] + (nu * s)[t],  s[t] = u[t] >= threshold
//
// Backwards lambda[t] = dL/du[t] = rho(u[t]) grad_s[t] for SLAYER, which lets
// no gradient through nu; EXODUS adds rho(u[t]) sum_k nu[k] lambda[t+k].
// Spikes may be written over the input and the gradient over grad_s, element
// by element: no __restrict between them.
#include "cpu.h"

namespace keras_slayer {
namespace KS_ISA {

void srm(Dtype dtype, const SrmArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    using State = typename AlphaFilter<A>::State;
    const AlphaFilter<A> response = {A(args.response_decay), A(args.response_gain)};
    const AlphaFilter<A> refractory = {A(args.refractory_decay), A(args.refractory_gain)};
    const A threshold = A(args.threshold);
    for (int64_t item = begin; item < end; ++item) {
      A rise[kBlock], value[kBlock], ref_rise[kBlock], ref_value[kBlock];
      clear(rise, kBlock);
      clear(value, kBlock);
      clear(ref_rise, kBlock);
      clear(ref_value, kBlock);
      for_each_step(args.shape, item, false, [&](int64_t at, int count) {
        const T* z = static_cast<const T*>(args.in) + at;
        T* spikes = static_cast<T*>(args.spikes) + at;
        T* __restrict membrane = static_cast<T*>(args.membrane) + at;
        KS_VECTOR_LOOP(j, count) {
          State synapse = {rise[j], value[j]}, own = {ref_rise[j], ref_value[j]};
          const A psp = response.read(synapse);
          const A u = psp + refractory.read(own);
          const A spike = u >= threshold ? A(1) : A(0);
          response.add(synapse, load(z[j]));
          refractory.add(own, spike);
          rise[j] = synapse.rise;
          value[j] = synapse.response;
          ref_rise[j] = own.rise;
          ref_value[j] = own.response;
          store(&spikes[j], spike);
          store(&membrane[j], u);
        }
      });
    }
  });
}

void srm_grad(Dtype dtype, const SrmGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    using State = typename AlphaFilter<A>::State;
    const AlphaFilter<A> response = {A(args.response_decay), A(args.response_gain)};
    const AlphaFilter<A> refractory = {A(args.refractory_decay), A(args.refractory_gain)};
    const Surrogate<A> rho(args.surrogate.threshold, args.surrogate.width, args.surrogate.height);
    for (int64_t item = begin; item < end; ++item) {
      A rise[kBlock], value[kBlock], ref_rise[kBlock], ref_value[kBlock];
      clear(rise, kBlock);
      clear(value, kBlock);
      clear(ref_rise, kBlock);
      clear(ref_value, kBlock);
      for_each_step(args.shape, item, true, [&](int64_t at, int count) {
        const T* grad = static_cast<const T*>(args.grad_spikes) + at;
        const T* __restrict membrane = static_cast<const T*>(args.membrane) + at;
        T* out = static_cast<T*>(args.grad_in) + at;
        if (args.exodus) {
          KS_VECTOR_LOOP(j, count) {
            State synapse = {rise[j], value[j]}, own = {ref_rise[j], ref_value[j]};
            const A feedback = refractory.read(own);
            const A lambda = rho(load(membrane[j])) * (load(grad[j]) + feedback);
            refractory.add(own, lambda);
            const A result = response.read(synapse);
            response.add(synapse, lambda);
            rise[j] = synapse.rise;
            value[j] = synapse.response;
            ref_rise[j] = own.rise;
            ref_value[j] = own.response;
            store(&out[j], result);
          }
        } else {
          KS_VECTOR_LOOP(j, count) {
            State synapse = {rise[j], value[j]};
            const A result = response.read(synapse);
            response.add(synapse, rho(load(membrane[j])) * load(grad[j]));
            rise[j] = synapse.rise;
            value[j] = synapse.response;
            store(&out[j], result);
          }
        }
      });
    }
  });
}

namespace {

// What the past adds to the next steps through a FIR kernel: a ring of one row
// of neurons per tap, row (t mod taps) being the step t.
template <class A>
class FirFeedback {
 public:
  FirFeedback(const double* taps, int64_t size)
      : taps_(taps),
        size_(size),
        ring_(static_cast<A*>(__builtin_malloc(size_t(size) * kBlock * sizeof(A)))) {}
  ~FirFeedback() { __builtin_free(ring_); }
  FirFeedback(const FirFeedback&) = delete;
  FirFeedback& operator=(const FirFeedback&) = delete;
  void reset() {
    now_ = 0;
    clear(ring_, size_ * kBlock);
  }
  A* row() { return ring_ + now_ * kBlock; }
  // Adds taps[k] * source to the step k ahead and moves to the next step.
  void push(const A* __restrict source, int count) {
    for (int64_t k = 1; k < size_; ++k) {
      const A tap = A(taps_[k]);
      A* __restrict row = ring_ + ((now_ + k) % size_) * kBlock;
      KS_VECTOR_LOOP(j, count) row[j] = row[j] + tap * source[j];
    }
    clear(row(), kBlock);
    now_ = (now_ + 1) % size_;
  }

 private:
  const double* taps_;
  int64_t size_;
  A* ring_;
  int64_t now_ = 0;
};

}  // namespace

void srm_fir(Dtype dtype, const SrmFirArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const A threshold = A(args.threshold);
    FirFeedback<A> refractory(args.refractory, args.refractory_size);
    for (int64_t item = begin; item < end; ++item) {
      refractory.reset();
      A fired[kBlock];
      for_each_step(args.shape, item, false, [&](int64_t at, int count) {
        const T* psp = static_cast<const T*>(args.in) + at;
        T* spikes = static_cast<T*>(args.spikes) + at;
        T* __restrict membrane = static_cast<T*>(args.membrane) + at;
        const A* __restrict feedback = refractory.row();
        KS_VECTOR_LOOP(j, count) {
          const A u = load(psp[j]) + feedback[j];
          fired[j] = u >= threshold ? A(1) : A(0);
          store(&spikes[j], fired[j]);
          store(&membrane[j], u);
        }
        refractory.push(fired, count);
      });
    }
  });
}

void srm_fir_grad(Dtype dtype, const SrmFirGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const Surrogate<A> rho(args.surrogate.threshold, args.surrogate.width, args.surrogate.height);
    FirFeedback<A> refractory(args.refractory, args.refractory_size);
    for (int64_t item = begin; item < end; ++item) {
      refractory.reset();
      A lambda[kBlock];
      for_each_step(args.shape, item, true, [&](int64_t at, int count) {
        const T* grad = static_cast<const T*>(args.grad_spikes) + at;
        const T* __restrict membrane = static_cast<const T*>(args.membrane) + at;
        T* out = static_cast<T*>(args.grad_in) + at;
        const A* __restrict feedback = refractory.row();
        KS_VECTOR_LOOP(j, count) {
          lambda[j] = rho(load(membrane[j])) * (load(grad[j]) + feedback[j]);
          store(&out[j], lambda[j]);
        }
        if (args.exodus) refractory.push(lambda, count);
      });
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
