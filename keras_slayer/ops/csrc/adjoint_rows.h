// The way back through a block of neurons, a row of them at a time and backwards
// in time. It has two parts:
//
//   drive   lambda[t]: the gradient of the membrane potential that enters with
//           the spikes of step t. Zero wherever the surrogate is, but for CUBA
//           with "exodus", whose reset carries it on.
//   filter  dz[t]: lambda through the neuron's own linear filter, reversed. It
//           is the same for all neurons, so it may change places with a synapse.
#ifndef KERAS_SLAYER_ADJOINT_ROWS_H_
#define KERAS_SLAYER_ADJOINT_ROWS_H_

#include "cpu.h"

namespace keras_slayer {
namespace KS_ISA {

// Both parts for one neuron; a and b are its state.

template <class A, class Rho>
struct PlainDrive {
  Rho rho;
  PlainDrive(const NeuronParams&, const Rho& rho) : rho(rho) {}
  KS_HD A step(A&, A&, A grad, A u) const { return rho(u) * grad; }
};

// SRM with the refractory feedback.
template <class A, class Rho>
struct RefractoryDrive {
  Rho rho;
  AlphaFilter<A> refractory;
  RefractoryDrive(const NeuronParams& p, const Rho& rho)
      : rho(rho), refractory{A(p.refractory_decay), A(p.refractory_gain)} {}
  KS_HD A step(A& a, A& b, A grad, A u) const {
    typename AlphaFilter<A>::State own = {a, b};
    const A feedback = refractory.read(own);
    const A lambda = rho(u) * (grad + feedback);
    refractory.add(own, lambda);
    a = own.rise;
    b = own.response;
    return lambda;
  }
};

// CUBA with the path through the reset. On the chip a spike is u > threshold.
template <class A, class Rho, bool chip>
struct ResetDrive {
  Rho rho;
  ResetAdjoint<A> reset;
  ResetDrive(const NeuronParams& p, const Rho& rho) : rho(rho), reset{A(p.keep_voltage)} {}
  KS_HD A step(A& a, A&, A grad, A u) const {
    const A spike = (chip ? u > rho.threshold : u >= rho.threshold) ? A(1) : A(0);
    return reset.step(a, grad, rho(u), u, spike);
  }
};

template <class A>
struct ResponseFilter {
  AlphaFilter<A> response;
  explicit ResponseFilter(const NeuronParams& p)
      : response{A(p.response_decay), A(p.response_gain)} {}
  KS_HD A step(A& a, A& b, A lambda) const {
    typename AlphaFilter<A>::State state = {a, b};
    const A result = response.read(state);
    response.add(state, lambda);
    a = state.rise;
    b = state.response;
    return result;
  }
};

// The leaks of a CUBA neuron: both, or that of the current alone after
// ResetDrive. On the chip an input acts one step after it arrives.
template <class A, bool chip>
struct LeakFilter {
  CubaAdjoint<A> adjoint;
  explicit LeakFilter(const NeuronParams& p)
      : adjoint{A(p.keep_current), p.exodus ? A(0) : A(p.keep_voltage)} {}
  KS_HD A step(A& a, A& b, A lambda) const {
    typename CubaAdjoint<A>::State state = {a, b};
    const A before = state.current;
    const A now = adjoint.step(state, lambda);
    a = state.current;
    b = state.voltage;
    return chip ? before : now;
  }
};

// T is the type of the membrane potential, G that of the gradient of the spikes.
template <class T, class G>
class AdjointRows {
 public:
  using A = ArithmeticOf<T>;
  virtual ~AdjointRows() {}
  // Before the last step of a series: of how many neurons each part has states.
  virtual void reset(int64_t drive_count, int64_t filter_count) = 0;
  // One step of the neurons [first, first + count) of the block: both parts, the
  // drive alone, the filter alone. Results may be written over inputs.
  virtual void step(const G* grad, const T* membrane, int64_t first, int64_t count, A* dz) = 0;
  virtual void drive(const G* grad, const T* membrane, int64_t first, int64_t count,
                     A* lambda) = 0;
  virtual void filter(const A* lambda, int64_t first, int64_t count, A* dz) = 0;
};

template <class T, class G, class Drive, class Filter>
class AdjointRowsOf final : public AdjointRows<T, G> {
 public:
  using A = ArithmeticOf<T>;
  AdjointRowsOf(const Drive& drive, const Filter& filter, int64_t drive_block,
                int64_t filter_block)
      : drive_(drive), filter_(filter), drive_state_(2, drive_block), state_(2, filter_block) {}
  void reset(int64_t drive_count, int64_t filter_count) override {
    drive_state_.clear(drive_count);
    state_.clear(filter_count);
  }
  void step(const G* grad, const T* membrane, int64_t first, int64_t count, A* dz) override {
    A* __restrict c = drive_state_.row(0) + first;
    A* __restrict d = drive_state_.row(1) + first;
    A* __restrict a = state_.row(0) + first;
    A* __restrict b = state_.row(1) + first;
    const Drive drive = drive_;
    const Filter filter = filter_;
    KS_VECTOR_LOOP(j, count) {
      const A lambda = drive.step(c[j], d[j], load(grad[j]), load(membrane[j]));
      dz[j] = filter.step(a[j], b[j], lambda);
    }
  }
  void drive(const G* grad, const T* membrane, int64_t first, int64_t count,
             A* lambda) override {
    A* __restrict c = drive_state_.row(0) + first;
    A* __restrict d = drive_state_.row(1) + first;
    const Drive drive = drive_;
    KS_VECTOR_LOOP(j, count) {
      lambda[j] = drive.step(c[j], d[j], load(grad[j]), load(membrane[j]));
    }
  }
  void filter(const A* lambda, int64_t first, int64_t count, A* dz) override {
    A* __restrict a = state_.row(0) + first;
    A* __restrict b = state_.row(1) + first;
    const Filter filter = filter_;
    KS_VECTOR_LOOP(j, count) dz[j] = filter.step(a[j], b[j], lambda[j]);
  }

 private:
  Drive drive_;
  Filter filter_;
  Rows<A> drive_state_, state_;
};

template <class T, class G, class Rho>
AdjointRows<T, G>* new_adjoint_rows(const NeuronParams& p, const Rho& rho, int64_t drive_block,
                                 int64_t filter_block) {
  using A = ArithmeticOf<T>;
  const auto rows = [&](auto drive, auto filter) -> AdjointRows<T, G>* {
    return new AdjointRowsOf<T, G, decltype(drive), decltype(filter)>(drive, filter, drive_block,
                                                                      filter_block);
  };
  using Plain = PlainDrive<A, Rho>;
  switch (p.kind) {
    case NeuronKind::kSrm:
      if (p.exodus) return rows(RefractoryDrive<A, Rho>(p, rho), ResponseFilter<A>(p));
      return rows(Plain(p, rho), ResponseFilter<A>(p));
    case NeuronKind::kCuba:
      if (p.exodus) return rows(ResetDrive<A, Rho, false>(p, rho), LeakFilter<A, false>(p));
      return rows(Plain(p, rho), LeakFilter<A, false>(p));
    default:
      if (p.exodus) return rows(ResetDrive<A, Rho, true>(p, rho), LeakFilter<A, true>(p));
      return rows(Plain(p, rho), LeakFilter<A, true>(p));
  }
}

// The rows of the neuron that p describes, each part for up to so many neurons.
template <class T, class G>
AdjointRows<T, G>* new_adjoint_rows(const NeuronParams& p, int64_t drive_block,
                                 int64_t filter_block) {
  using A = ArithmeticOf<T>;
  const SurrogateParams& s = p.surrogate;
  if (s.triangle) {
    return new_adjoint_rows<T, G>(p, TriangleSurrogate<A>(s.threshold, s.width, s.height),
                                  drive_block, filter_block);
  }
  return new_adjoint_rows<T, G>(p, ExponentialSurrogate<A>(s.threshold, s.width, s.height),
                                drive_block, filter_block);
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_ADJOINT_ROWS_H_
