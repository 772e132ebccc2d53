// Cases of gpu/neurons.cu: the same for every neuron.
#include "kernel_case.h"
#include "neurons/neurons.h"
#include "plain_neuron.h"

namespace keras_slayer {
namespace {

template <class Neuron, class T>
void forward(Run& run) {
  for (const Shape& shape : kShapes) {
    for (const int spikes : {0, 1, 2}) {  // bytes, of type T, over the input
      const int64_t size = size_of(shape);
      NeuronArgs args = {};
      T* in = run.input<T>(size);
      if (size > 400) {  // integers past what floats hold, and no number
        store(in + 1, ArithmeticOf<T>(30000));
        store(in + 400, ArithmeticOf<T>(NAN));
      }
      args.shape = shape;
      args.in = in;
      args.neuron = plain_parameters<Neuron>(false, false);
      args.bytes = spikes == 0;
      args.spikes = spikes == 0   ? static_cast<void*>(run.output<uint8_t>(size))
                    : spikes == 1 ? run.output<T>(size)
                                  : run.in_place(in);
      args.membrane = run.output<T>(size);
      args.not_finite = run.in_place(run.input(std::vector<int>{0}));
      run.threads(shape.batch * shape.inner, args);
    }
  }
}

template <class Neuron, class T>
void backward(Run& run) {
  for (const Shape& shape : kShapes) {
    for (const bool triangle : {false, true}) {
      for (const bool exodus : {false, true}) {
        NeuronGradArgs args = {};
        T* grad = run.input<T>(size_of(shape));
        args.shape = shape;
        args.grad_spikes = grad;
        args.membrane = run.input<T>(size_of(shape));
        args.neuron = plain_parameters<Neuron>(triangle, exodus);
        args.grad_in = triangle ? run.in_place(grad) : run.output<T>(size_of(shape));
        if (exodus) {
          constexpr int kNumbers = fields_of<BackwardState<Neuron, double>, double>();
          const int64_t numbers = shape.batch * shape.inner * kNumbers;
          args.state = {kNumbers, run.input<double>(numbers), run.output<double>(numbers)};
        }
        run.threads(shape.batch * shape.inner, args);
      }
    }
  }
}

template <class Neuron, class T>
void learned(Run& run) {
  constexpr int kStates = fields_of<typename Neuron::template State<double>, double>();
  constexpr int kFields = fields_of<typename Neuron::template Parameters<double>, double>();
  for (const Shape& shape : kShapes) {
    for (const bool exodus : {false, true}) {
      for (const bool by_channel : {false, true}) {
        NeuronParamsGradArgs args = {};
        args.shape = shape;
        args.grad_spikes = run.input<T>(size_of(shape));
        args.membrane = run.input<T>(size_of(shape));
        args.neuron = plain_parameters<Neuron>(by_channel, exodus);
        std::vector<double> rows;
        for (int i = 0; i < kFields; ++i) rows.insert(rows.end(), 2, args.neuron.values[i]);
        for (const double x : {1.0, -1.5, 1.4}) rows.insert(rows.end(), 2, x);
        args.neuron.rows = by_channel ? run.input(rows) : nullptr;
        args.neuron.channels = 2;
        args.states = kStates;
        const int64_t neurons = shape.batch * shape.inner;
        args.start = by_channel ? run.input<double>(neurons * kStates) : nullptr;
        args.params = Neuron::kLearned + 1;  // one that is not learned, too
        for (int i = 0; i < args.params; ++i) args.place[i] = i;
        args.grad_in = exodus ? run.output<T>(size_of(shape)) : nullptr;
        args.sums = run.output<double>(neurons * args.params);
        if (by_channel) {
          constexpr int kNumbers = fields_of<LearningState<Neuron, double>, double>();
          args.state = {kNumbers, run.input<double>(neurons * kNumbers),
                        run.output<double>(neurons * kNumbers)};
        }
        run.threads(neurons, args);
      }
    }
  }
}

#define KS_CASES(Neuron, name)                                       \
  KS_KERNEL_CASE(neuron_##Neuron) { forward<Neuron, T>(run); }       \
  KS_KERNEL_CASE(neuron_grad_##Neuron) { backward<Neuron, T>(run); } \
  KS_KERNEL_CASE(neuron_params_grad_##Neuron) { learned<Neuron, T>(run); }
KS_NEURONS(KS_CASES)

}  // namespace
}  // namespace keras_slayer
