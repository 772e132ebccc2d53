// Cases of gpu/recurrent.cu: the same for every neuron.
#include "kernel_case.h"
#include "plain_neuron.h"
#include "recurrent/recurrent.h"

namespace keras_slayer {
namespace {

// One unit; fewer units than a warp; parts of a second block of threads; no step at all.
constexpr Shape kSeries[] = {{1, 1, 1}, {2, 5, 7}, {1, 3, 131}, {2, 0, 3}};

template <class Neuron, class T>
void forward(Run& run) {
  using State = typename Neuron::template State<double>;
  constexpr int64_t kStates = fields_of<State, double>();
  for (const Shape& shape : kSeries) {
    for (const bool from_state : {false, true}) {
      const int64_t size = size_of(shape), numbers = shape.batch * (kStates + 1) * shape.inner;
      RecurrentArgs args = {};
      T* in = run.input<T>(size);
      if (size > 300) store(in + 300, ArithmeticOf<T>(NAN));
      args.shape = shape;
      args.in = in;
      args.weights = run.input<T>(shape.inner * shape.inner);
      args.neuron = plain_parameters<Neuron>(false, false);
      args.spikes = run.output<uint8_t>(size);
      args.membrane = run.output<T>(size);
      args.scratch = run.in_place(run.input<double>(shape.batch * kStates * shape.inner));
      args.not_finite = run.in_place(run.input(std::vector<int>{0}));
      if (from_state) {
        args.state = {kStates + 1, run.input<double>(numbers), run.output<double>(numbers)};
      }
      run.blocks(shape.batch, args);
    }
  }
}

template <class T>
RecurrentGradArgs gradient_of(const Shape& shape, Run& run) {
  RecurrentGradArgs args = {};
  args.shape = shape;
  args.grad_spikes = run.input<T>(size_of(shape));
  args.membrane = run.input<T>(size_of(shape));
  args.weights = run.input<T>(shape.inner * shape.inner);
  return args;
}

template <class Neuron, class T>
void backward(Run& run) {
  using A = ArithmeticOf<T>;
  for (const Shape& shape : kSeries) {
    for (const bool exodus : {false, true}) {
      RecurrentGradArgs args = gradient_of<T>(shape, run);
      args.packed = run.input<A>(shape.inner * shape.inner);
      args.neuron = plain_parameters<Neuron>(exodus, exodus);
      args.grad_in = run.output<T>(size_of(shape));
      args.scratch = run.in_place(run.input<A>(shape.batch * kRecurrentRows * shape.inner));
      if (exodus) {
        constexpr int kNumbers = fields_of<BackwardState<Neuron, double>, double>() + 1;
        const int64_t numbers = shape.batch * kNumbers * shape.inner;
        args.state = {kNumbers, run.input<double>(numbers), run.output<double>(numbers)};
      }
      run.blocks(shape.batch, args);
    }
  }
}

#define KS_CASES(Neuron, name)                                    \
  KS_KERNEL_CASE(recurrent_##Neuron) { forward<Neuron, T>(run); } \
  KS_KERNEL_CASE(recurrent_grad_##Neuron) { backward<Neuron, T>(run); }
KS_NEURONS(KS_CASES)

KS_KERNEL_CASE(recurrent_transposed) {
  for (const Shape& shape : kSeries) {
    RecurrentGradArgs args = gradient_of<T>(shape, run);
    args.packed = run.output<ArithmeticOf<T>>(shape.inner * shape.inner);
    run.threads(shape.inner * shape.inner, args);
  }
}

}  // namespace
}  // namespace keras_slayer
