// The SRM neuron whose refractory kernel nu is a list of taps (FIR), over [batch, steps, inner].
//
//   u[t] = response[t] + (nu * s)[t],  s[t] = u[t] >= threshold
//
// Backward, lambda[t] = dL/du[t]. SLAYER: rho(u[t]) grad_s[t], with no gradient through nu.
// EXODUS adds rho(u[t]) sum_k nu[k] lambda[t+k]. The spikes may share memory with the input, and
// the result of the gradient with grad_s. So these pointers are not __restrict.
#include "base/cpu.h"
#include "neurons/srm_fir.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

// The sums that past steps add to the next ones through a FIR kernel: a ring buffer with one row
// of neurons per tap. Row (t mod taps) belongs to step t.
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
  // Adds taps[k] * source to the step k steps ahead, then moves to the next step.
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

namespace {

template <class T, class Rho>
void grad_with(const Rho& rho, const SrmFirGradArgs& args, int64_t begin, int64_t end) {
  using A = ArithmeticOf<T>;
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
}

}  // namespace

void srm_fir_grad(Dtype dtype, const SrmFirGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    with_surrogate<A>(args.surrogate,
                      [&](const auto& rho) { grad_with<T>(rho, args, begin, end); });
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
