// Cases of gpu/recurrent_conv.cu: the same for every neuron.
#include "gpu/state_rows.h"
#include "plain_neuron.h"
#include "recurrent/recurrent_conv.h"
#include "spikes.h"

namespace keras_slayer {
namespace {

// Groups, padding and an even kernel; more filters than a warp.
constexpr ConvGeometry kGroups = {2, 3, 4, 2, 3, 4,       2,       3,    2,
                                  1, 1, 1, 1, 0, 1, nullptr, nullptr, false};
constexpr ConvGeometry kWide = {1, 2, 35, 1, 2, 35,      1,       2,    1,
                                1, 1, 1,  1, 0, 0, nullptr, nullptr, true};
// The first step at rest and from a state; one in the middle; the last, and the state after it; and
// a series of no steps, which hands the state on.
struct Launch {
  ConvGeometry geometry;
  int64_t steps, step;
  bool from_state;
};
constexpr Launch kLaunches[] = {
    {kGroups, 3, 0, false}, {kGroups, 3, 0, true}, {kGroups, 3, 1, true},
    {kGroups, 3, 2, true},  {kGroups, 0, 0, true}, {kWide, 2, 1, false},
};
constexpr int64_t kBatch = 2;
Shape shape_of(const Launch& launch) {
  const ConvGeometry& g = launch.geometry;
  return {kBatch, launch.steps, g.height * g.width * g.filters};
}

template <class Neuron, class T>
void forward(Run& run) {
  using N = typename Numbers<Neuron, ArithmeticOf<T>>::type;
  constexpr int64_t kStates = fields_of<typename Neuron::template State<N>, N>();
  for (const Launch& launch : kLaunches) {
    const ConvGeometry& g = launch.geometry;
    const Shape shape = shape_of(launch);
    const int64_t size = size_of(shape), numbers = kBatch * (kStates + 1) * shape.inner;
    RecurrentConvArgs args = {};
    T* in = run.input<T>(size);
    if (launch.step == 1) store(in + shape.inner, ArithmeticOf<T>(NAN));
    args.shape = shape;
    args.geometry = g;
    args.in = in;
    args.weights =
        run.input<T>(g.kernel_height * g.kernel_width * g.channels / g.groups * g.filters);
    args.neuron = plain_parameters<Neuron>(false, false);
    // Only this step is written, and the one before is read.
    const void* before = spikes<T>(run, size, true);
    args.spikes = run.in_place(static_cast<uint8_t*>(const_cast<void*>(before)));
    args.membrane = run.in_place(run.input<T>(size));
    args.not_finite = run.in_place(run.input(std::vector<int>{0}));
    args.step = launch.step;
    args.scratch = run.in_place(run.input<N>(kBatch * kStates * shape.inner));
    if (launch.from_state) {
      double* after = run.input<double>(numbers);
      args.state = {kStates + 1, run.input<double>(numbers), run.in_place(after)};
    }
    const int64_t parts = g.groups * block_count(g.filters / g.groups, kWarp);
    run.threads(kBatch * g.height * g.width * parts * kWarp, args);
  }
}

template <class Neuron, class T>
void backward(Run& run) {
  using A = ArithmeticOf<T>;
  for (const Launch& launch : kLaunches) {
    const Shape shape = shape_of(launch);
    const int64_t size = size_of(shape), neurons = kBatch * shape.inner;
    for (const bool exodus : {false, true}) {
      if (launch.steps == 0) continue;
      RecurrentConvGradArgs args = {};
      args.shape = shape;
      args.geometry = launch.geometry;
      args.grad_spikes = run.input<T>(size);
      args.membrane = run.input<T>(size);
      args.neuron = plain_parameters<Neuron>(exodus, exodus);
      args.grad_in = run.in_place(run.input<T>(size));
      args.step = launch.step;
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
  }
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
