// Cases of gpu/recurrent_conv.cu: the same for every neuron.
#include "gpu/state_rows.h"
#include "plain_neuron.h"
#include "recurrent/recurrent_conv.h"
#include "spikes.h"

namespace keras_slayer {
namespace {

// One neuron; groups, padding and an even kernel; more filters than a warp.
constexpr ConvGeometry kMaps[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, nullptr, nullptr, false},
    {3, 4, 6, 3, 4, 6, 2, 3, 3, 1, 1, 1, 1, 0, 1, nullptr, nullptr, false},
    {2, 3, 35, 2, 3, 35, 1, 2, 1, 1, 1, 1, 1, 0, 0, nullptr, nullptr, true},
};
constexpr int64_t kBatch = 2;

// Calls visit(shape, step): the first, one in the middle, the last; and a series of no steps.
template <class Visit>
void for_each_step_of(const ConvGeometry& g, Visit visit) {
  const int64_t units = g.height * g.width * g.filters;
  for (const int64_t step : {0, 1, 2}) visit(Shape{kBatch, 3, units}, step);
  visit(Shape{kBatch, 0, units}, 0);
}

template <class Neuron, class T>
void forward(Run& run) {
  using N = typename Numbers<Neuron, ArithmeticOf<T>>::type;
  constexpr int64_t kStates = fields_of<typename Neuron::template State<N>, N>();
  for (const ConvGeometry& g : kMaps) {
    for_each_step_of(g, [&](const Shape& shape, int64_t step) {
      for (const bool from_state : {false, true}) {
        const int64_t size = size_of(shape), numbers = kBatch * (kStates + 1) * shape.inner;
        RecurrentConvArgs args = {};
        T* in = run.input<T>(size);
        if (size > 300) store(in + 300, ArithmeticOf<T>(NAN));
        args.shape = shape;
        args.geometry = g;
        args.in = in;
        args.weights = run.input<T>(g.kernel_height * g.kernel_width * g.channels / g.groups *
                                    g.filters);
        args.neuron = plain_parameters<Neuron>(false, false);
        // Only this step is written, and the one before is read.
        const void* before = spikes<T>(run, size, true);
        args.spikes = run.in_place(static_cast<uint8_t*>(const_cast<void*>(before)));
        args.membrane = run.in_place(run.input<T>(size));
        args.not_finite = run.in_place(run.input(std::vector<int>{0}));
        args.step = step;
        args.scratch = run.in_place(run.input<N>(kBatch * kStates * shape.inner));
        if (from_state) {
          double* after = run.input<double>(numbers);
          args.state = {kStates + 1, run.input<double>(numbers), run.in_place(after)};
        }
        const int64_t parts = g.groups * block_count(g.filters / g.groups, kWarp);
        run.threads(kBatch * g.height * g.width * parts * kWarp, args);
      }
    });
  }
}

template <class Neuron, class T>
void backward(Run& run) {
  using A = ArithmeticOf<T>;
  const ConvGeometry& g = kMaps[1];
  for_each_step_of(g, [&](const Shape& shape, int64_t step) {
    if (shape.steps == 0) return;
    for (const bool exodus : {false, true}) {
      const int64_t size = size_of(shape), neurons = kBatch * shape.inner;
      RecurrentConvGradArgs args = {};
      args.shape = shape;
      args.geometry = g;
      args.grad_spikes = run.input<T>(size);
      args.membrane = run.input<T>(size);
      args.neuron = plain_parameters<Neuron>(exodus, exodus);
      args.grad_in = run.in_place(run.input<T>(size));
      args.step = step;
      args.scratch = run.in_place(run.input<A>(kRecurrentConvStates * neurons));
      args.felt = run.input<A>(neurons);
      args.dz = run.output<A>(neurons);
      if (exodus) {
        constexpr int kNumbers = fields_of<BackwardState<Neuron, double>, double>() + 1;
        double* after = run.input<double>(neurons * kNumbers);
        args.state = {kNumbers, run.input<double>(neurons * kNumbers), run.in_place(after)};
      }
      run.threads(neurons, args);
    }
  });
}

#define KS_CASES(Neuron, name)                                         \
  KS_KERNEL_CASE(recurrent_conv_##Neuron) { forward<Neuron, T>(run); } \
  KS_KERNEL_CASE(recurrent_conv_grad_##Neuron) { backward<Neuron, T>(run); }
KS_NEURONS(KS_CASES)

KS_KERNEL_CASE(recurrent_conv_later) {
  for (const int64_t steps : {0, 3}) {
    constexpr int64_t kUnits = 37, kNumbers = 5, kSize = kBatch * kUnits * kNumbers;
    RecurrentConvGradArgs args = {};
    args.shape = {kBatch, steps, kUnits};
    args.dz = run.output<ArithmeticOf<T>>(kBatch * kUnits);
    args.state = {kNumbers, run.input<double>(kSize), run.in_place(run.input<double>(kSize))};
    run.threads(kBatch * kUnits, args);
  }
}

}  // namespace
}  // namespace keras_slayer
