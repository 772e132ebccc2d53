// The backward pass of a block of neurons whose parameters are learned: the gradient dz of the
// synaptic input, as in backward_rows.h, and sums over the steps for each neuron, the gradients of
// its parameters.
#ifndef KERAS_SLAYER_NEURONS_LEARN_ROWS_H_
#define KERAS_SLAYER_NEURONS_LEARN_ROWS_H_

#include "neurons/neurons.h"
#include "neurons/parameter_rows.h"

namespace keras_slayer {
namespace KS_ISA {

// Most neurons of a block. There are more states and sums than backward_rows.h has. Those of so
// many neurons stay in the first-level cache.
constexpr int64_t kLearnedAtOnce = 128;
// Most steps that are done at once. States and sums stay in registers for so long.
constexpr int64_t kTogether = 4;

template <class T>
class LearnRows {
 public:
  using A = ArithmeticOf<T>;
  virtual ~LearnRows() {}
  // Starts a series, at its last step, for the neurons [first, first + count) of a sample, at rest
  // or from their states.
  virtual void start(const SeriesState& state, int64_t inner, int64_t sample, int64_t first,
                     int64_t count) = 0;
  // The next `steps` steps, at most kTogether, of `count` neurons. The rows of the series are
  // `stride` apart, those of dz kLearnedAtOnce. The pointers are those of the latest step.
  virtual void step(const T* grad_spikes, const T* membrane, int64_t stride, int64_t steps,
                    int64_t count, A* dz) = 0;
  // After the first step, writes gradients and states of the neurons [first, first + count) of a
  // sample.
  virtual void finish(const NeuronParamsGradArgs& args, int64_t sample, int64_t first,
                      int64_t count) = 0;
};

// Whether a neuron has learn_now and learn_later in place of one `learn`.
template <class Neuron, class = void>
struct LearnHalves {
  static constexpr int kNow = 0;
};
template <class Neuron>
struct LearnHalves<Neuron, decltype(void(Neuron::kLearnedNow))> {
  static constexpr int kNow = Neuron::kLearnedNow;
};

// The parameters are rows in any case: the loop has too many numbers to keep in registers, and GCC
// vectorises it only if they are all in rows.
template <class T, class Neuron, class Rho, bool is_exodus>
class LearnRowsOf final : public LearnRows<T> {
 public:
  using A = ArithmeticOf<T>;
  LearnRowsOf(const NeuronParams& p, const Rho& rho)
      : given_(p, kLearnedAtOnce), rho_(rho), rows_(kRows, kLearnedAtOnce) {}
  void start(const SeriesState& state, int64_t inner, int64_t sample, int64_t first,
             int64_t count) override {
    given_.set_range(first, count);
    const auto given = given_.from(0);
    A* rows = rows_.row(0);
    for (int j = 0; j < int(count); ++j) {
      put<0, kFields>(given(j), rows + kParameters * kLearnedAtOnce + j);
      put<0, kRho>(given.rho(rho_, j), rows + kSurrogate * kLearnedAtOnce + j);
    }
    for (int i = 0; i < kParameters; ++i) clear(rows + i * kLearnedAtOnce, count);
    for (int i = 0; i < kStates && state.from != nullptr; ++i) {
      const double* from = state.from + state.at(inner, sample, first);
      copy_row(from + i * inner, count, rows + i * kLearnedAtOnce);
    }
  }
  void step(const T* grad_spikes, const T* membrane, int64_t stride, int64_t steps, int64_t count,
            A* dz) override {
    if (steps == kTogether) {
      return steps_of<kTogether>(grad_spikes, membrane, stride, count, dz);
    }
    for (int64_t k = 0; k < steps; ++k) {
      steps_of<1>(grad_spikes - k * stride, membrane - k * stride, stride, count,
                  dz + k * kLearnedAtOnce);
    }
  }
  void finish(const NeuronParamsGradArgs& args, int64_t sample, int64_t first,
              int64_t count) override {
    const SeriesState& state = args.state;
    for (int i = 0; i < kStates && state.to != nullptr; ++i) {
      double* to = state.to + state.at(args.shape.inner, sample, first);
      copy_row(rows_.row(i), count, to + i * args.shape.inner);
    }
    if (args.start != nullptr) return finish_from_state(args, sample, first, count);
    A* __restrict rows = rows_.row(0);
    KS_VECTOR_LOOP(j, count) {  // writes them over the sums
      Parameters p, sum = {};
      get<0, kFields>(rows + kParameters * kLearnedAtOnce + j, p);
      get<0, kSums>(rows + kSum * kLearnedAtOnce + j, sum);
      A gradients[kSums];
      Neuron::gradients(p, sum, gradients);
#pragma GCC unroll 8
      for (int i = 0; i < kSums; ++i) rows[(kSum + i) * kLearnedAtOnce + j] = gradients[i];
    }
    for (int i = 0; i < args.params; ++i) {
      double* __restrict out = args.sums + (sample * args.params + i) * args.shape.inner + first;
      if (args.place[i] < 0 || args.place[i] >= kSums) {
        clear(out, count);
        continue;
      }
      const A* __restrict gradients = rows_.row(kSum + args.place[i]);
      for (int64_t j = 0; j < count; ++j) out[j] = double(gradients[j]);
    }
  }

 private:
  using Parameters = typename Neuron::template Parameters<A>;
  using All = LearningState<Neuron, A>;
  // Without EXODUS the drive has no state.
  static constexpr int kFirst =
      is_exodus ? 0 : fields_of<typename Neuron::template DriveState<A>, A>();
  static constexpr int kStates = fields_of<All, A>();
  static constexpr int kLearnState =
      kStates - fields_of<typename Neuron::template LearnState<A>, A>();
  static constexpr int kFields = fields_of<Parameters, A>(), kRho = fields_of<Rho, A>();
  // The fields that are learned are the first.
  static constexpr int kSums = Neuron::kLearned;
  static_assert(kSums <= kFields);
  // What the rows are: states, sums, parameters, those of the surrogate; and from the first half to
  // the second, for each step, lambda and what learn_now returns. That their distance is constant
  // saves the loops a pointer for each.
  using Halves = LearnHalves<Neuron>;
  static constexpr bool kHalves = Halves::kNow > 0;
  static constexpr int kSum = kStates, kParameters = kSum + kSums,
                       kSurrogate = kParameters + kFields, kLambda = kSurrogate + kRho,
                       kHanded = kLambda + (kHalves ? int(kTogether) : 0),
                       kRows = kHanded + (kHalves ? int(kTogether) : 0);

  // The fields [begin, end) of a neuron.
  template <int begin, int end, class Struct>
  KS_HD static void get(const A* rows, Struct& s) {
#pragma GCC unroll 16
    for (int i = begin; i < end; ++i) field<A>(s, i) = rows[i * kLearnedAtOnce];
  }
  template <int begin, int end, class Struct>
  KS_HD static void put(const Struct& s, A* rows) {
#pragma GCC unroll 16
    for (int i = begin; i < end; ++i) rows[i * kLearnedAtOnce] = field<A>(s, i);
  }

  // kSteps steps of each neuron in turn. kSteps is constant, so that the compiler can vectorise
  // over neurons.
  template <int kSteps>
  void steps_of(const T* grad_spikes, const T* membrane, int64_t series, int64_t count,
                A* __restrict dz) {
    constexpr int kEnd = kHalves ? kLearnState : kStates;
    constexpr int kEndOfSums = kHalves ? Halves::kNow : kSums;
    A* __restrict rows = rows_.row(0);
    KS_VECTOR_LOOP(j, count) {
      All s = {};
      Parameters p, sum = {};
      Rho surrogate;
      get<kFirst, kEnd>(rows + j, s);
      get<0, kEndOfSums>(rows + kSum * kLearnedAtOnce + j, sum);
      get<0, kFields>(rows + kParameters * kLearnedAtOnce + j, p);
      get<0, kRho>(rows + kSurrogate * kLearnedAtOnce + j, surrogate);
#pragma GCC unroll 8
      for (int k = 0; k < kSteps; ++k) {
        const A u = load(membrane[j - k * series]), grad = load(grad_spikes[j - k * series]);
        const A rho = surrogate(u);
        const auto drive = s.drive;
        A lambda;
        if constexpr (is_exodus) {
          lambda = Neuron::exodus(p, s.drive, grad, u, rho);
        } else {
          lambda = rho * grad;
        }
        if constexpr (kHalves) {
          rows[(kLambda + k) * kLearnedAtOnce + j] = lambda;
          rows[(kHanded + k) * kLearnedAtOnce + j] =
              Neuron::template learn_now<is_exodus>(p, drive, s.filter, grad, u, rho, sum);
        } else {
          Neuron::template learn<is_exodus>(p, s.learn, drive, s.filter, grad, u, rho, lambda,
                                            sum);
        }
        dz[k * kLearnedAtOnce + j] = Neuron::template filter<is_exodus>(p, s.filter, lambda);
      }
      put<kFirst, kEnd>(s, rows + j);
      put<0, kEndOfSums>(sum, rows + kSum * kLearnedAtOnce + j);
    }
    if constexpr (kHalves) second_half<kSteps>(membrane, series, count);
  }
  template <int kSteps>
  void second_half(const T* membrane, int64_t series, int64_t count) {
    A* __restrict rows = rows_.row(0);
    KS_VECTOR_LOOP(j, count) {
      All s = {};
      Parameters p, sum = {};
      get<kLearnState, kStates>(rows + j, s);
      get<Halves::kNow, kSums>(rows + kSum * kLearnedAtOnce + j, sum);
      get<0, kFields>(rows + kParameters * kLearnedAtOnce + j, p);
#pragma GCC unroll 8
      for (int k = 0; k < kSteps; ++k) {
        Neuron::learn_later(p, s.learn, A(load(membrane[j - k * series])),
                            rows[(kLambda + k) * kLearnedAtOnce + j],
                            rows[(kHanded + k) * kLearnedAtOnce + j], sum);
      }
      put<kLearnState, kStates>(s, rows + j);
      put<Halves::kNow, kSums>(sum, rows + kSum * kLearnedAtOnce + j);
    }
  }
  void finish_from_state(const NeuronParamsGradArgs& args, int64_t sample, int64_t first,
                         int64_t count) const {
    const A* rows = rows_.row(0);
    for (int64_t j = 0; j < count; ++j) {
      All s = {};
      Parameters p, sum = {};
      get<kFirst, kStates>(rows + j, s);
      get<0, kSums>(rows + kSum * kLearnedAtOnce + j, sum);
      get<0, kFields>(rows + kParameters * kLearnedAtOnce + j, p);
      finish_params_grad<Neuron, A>(args, sample, first + j, p, s.learn, s.filter, &sum);
    }
  }

  ParameterRows<Neuron, A, true> given_;
  Rho rho_;
  Rows<A> rows_;
};

template <class T>
LearnRows<T>* new_learn_rows(const NeuronParams& p) {
  using Base = LearnRows<T>;
  return with_neuron(p.kind, [&](auto neuron) -> Base* {
    using Neuron = decltype(neuron);
    return with_surrogate<ArithmeticOf<T>>(p.surrogate, [&](auto rho) -> Base* {
      using Rho = decltype(rho);
      if (p.exodus) return new LearnRowsOf<T, Neuron, Rho, true>(p, rho);
      return new LearnRowsOf<T, Neuron, Rho, false>(p, rho);
    });
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_LEARN_ROWS_H_
