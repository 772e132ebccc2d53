// Neurons that feed each other by a convolution, forward and backward: one step of all samples, in
// threads of their own. The sums run in the order of the CPU, so that results are equal to the bit.
#include "gpu/device.h"
#include "gpu/state_rows.h"
#include "gpu/surrogate.h"
#include "gpu/window.h"
#include "recurrent/recurrent_conv.h"

namespace keras_slayer {

template <class Neuron, class T>
__device__ void recurrent_conv(const RecurrentConvArgs& args) {
  using A = ArithmeticOf<T>;
  using N = typename Numbers<Neuron, A>::type;
  using State = typename Neuron::template State<N>;
  constexpr int kStates = fields_of<State, N>();
  const ConvGeometry& g = args.geometry;
  const int64_t units = args.shape.inner, t = args.step;
  const int64_t filters = g.filters / g.groups, parts = block_count(filters, kWarp);
  const int64_t item = thread_index() / kWarp, group = item / parts % g.groups;
  const int64_t pixels = g.out_height * g.out_width, pixel = item / parts / g.groups % pixels;
  const int64_t sample = item / parts / g.groups / pixels;
  if (sample >= args.shape.batch) return;
  const int64_t within = item % parts * kWarp + threadIdx.x % kWarp;
  const int64_t filter = group * filters + within, unit = pixel * g.filters + filter;
  const bool exists = within < filters, is_step = t < args.shape.steps;
  const int64_t numbers = args.state.at(units, sample, 0);
  const double* from = args.state.from == nullptr ? nullptr : args.state.from + numbers;
  const int64_t at = (sample * args.shape.steps + t) * units;
  A sum = A(0);
  if (is_step && (t > 0 || from != nullptr)) {
    const T* weights = static_cast<const T*>(args.weights) + filter;
    sum = sum_of_window(g, pixel, group, weights, exists, [&](int64_t i) {
      const bool fired =
          t > 0 ? args.spikes[at - units + i] != 0 : float(from[kStates * units + i]) != 0;
      return fired ? A(1) : A(0);
    });
  }
  if (!exists) return;
  N* states = static_cast<N*>(args.scratch) + sample * kStates * units + unit;
  State state = {};
  if (t > 0) {
    state = read_row<N, State>(states, units);
  } else if (from != nullptr) {
#pragma unroll
    for (int i = 0; i < kStates; ++i) field<N>(state, i) = N(from[i * units + unit]);
  }
  A last = A(0);  // spike
  if (!is_step && from != nullptr && float(from[kStates * units + unit]) != 0) last = A(1);
  if (is_step) {
    const A z = load(static_cast<const T*>(args.in)[at + unit]) + sum;
    if (Numbers<Neuron, A>::integers && z - z != A(0)) atomicExch(args.not_finite, 1);
    const auto parameters = args.neuron.get<Neuron, N>(unit);
    store(&static_cast<T*>(args.membrane)[at + unit], Neuron::step(parameters, state, z, &last));
    store(&args.spikes[at + unit], last);
  }
  if (t + 1 < args.shape.steps) return write_row(state, states, units);
  if (args.state.to == nullptr) return;
  double* to = args.state.to + numbers + unit;
#pragma unroll
  for (int i = 0; i < kStates; ++i) to[i * units] = double(field<N>(state, i));
  to[kStates * units] = double(last);
}

template <class Neuron, class T, bool is_exodus>
__device__ void recurrent_conv_backward(const RecurrentConvGradArgs& args) {
  using A = ArithmeticOf<T>;
  using DriveState = typename Neuron::template DriveState<A>;
  using FilterState = typename Neuron::template FilterState<A>;
  constexpr int kDrive = fields_of<DriveState, A>(), kFilter = fields_of<FilterState, A>();
  static_assert(kDrive + kFilter <= kRecurrentConvStates);
  const int64_t units = args.shape.inner, n = thread_index(), sample = n / units, unit = n % units;
  if (sample >= args.shape.batch) return;
  const int64_t at = (sample * args.shape.steps + args.step) * units + unit;
  const bool is_last = args.step + 1 == args.shape.steps;
  const SeriesState& state = args.state;
  const int64_t number = state.at(units, sample, unit);
  const bool is_felt = !is_last || state.from != nullptr;
  A* drives = static_cast<A*>(args.scratch) + sample * (kDrive + kFilter) * units + unit;
  A* filters = drives + kDrive * units;
  if (is_last) {
    for (int i = 0; i < kDrive + kFilter; ++i) {
      drives[i * units] = is_felt ? A(state.from[number + i * units]) : A(0);
    }
  }
  const A felt = is_felt ? static_cast<const A*>(args.felt)[n] : A(0);
  const A grad = load(static_cast<const T*>(args.grad_spikes)[at]) + felt;
  const A u = load(static_cast<const T*>(args.membrane)[at]);
  const auto parameters = args.neuron.get<Neuron, A>(unit);
  const A rho = any_surrogate<A>(args.neuron.surrogate_of<Neuron>(unit))(u);
  A lambda;
  if constexpr (is_exodus) {
    DriveState drive = read_row<A, DriveState>(drives, units);
    lambda = Neuron::exodus(parameters, drive, grad, u, rho);
    write_row(drive, drives, units);
  } else {
    lambda = rho * grad;
  }
  FilterState filter = read_row<A, FilterState>(filters, units);
  const A dz = Neuron::template filter<is_exodus>(parameters, filter, lambda);
  write_row(filter, filters, units);
  static_cast<A*>(args.dz)[n] = dz;
  store(&static_cast<T*>(args.grad_in)[at], dz);
  if (args.step > 0 || state.to == nullptr) return;
  for (int i = 0; i < kDrive + kFilter; ++i) {
    state.to[number + i * units] = double(drives[i * units]);
  }
  state.to[number + (kDrive + kFilter) * units] = double(dz);
}

// grad_in of the step after the last one, from the state. Of no steps at all the state is the same
// before and after. A thread per neuron.
template <class T>
__device__ void recurrent_conv_later(const RecurrentConvGradArgs& args) {
  using A = ArithmeticOf<T>;
  const int64_t units = args.shape.inner, n = thread_index();
  if (n >= args.shape.batch * units) return;
  const SeriesState& state = args.state;
  const int64_t first = state.at(units, n / units, n % units);
  for (int64_t i = 0; i < state.count && args.shape.steps == 0; ++i) {
    state.to[first + i * units] = state.from == nullptr ? 0 : state.from[first + i * units];
  }
  if (state.from == nullptr) return;
  static_cast<A*>(args.dz)[n] = A(state.from[first + (state.count - 1) * units]);
}

#define KS_KERNELS(Neuron, name)                                                         \
  template <class T>                                                                     \
  __device__ void recurrent_conv_##Neuron(const RecurrentConvArgs& args) {               \
    recurrent_conv<Neuron, T>(args);                                                     \
  }                                                                                      \
  template <class T>                                                                     \
  __device__ void recurrent_conv_grad_##Neuron(const RecurrentConvGradArgs& args) {      \
    args.neuron.exodus ? recurrent_conv_backward<Neuron, T, true>(args)                  \
                       : recurrent_conv_backward<Neuron, T, false>(args);                \
  }                                                                                      \
  KS_GPU_KERNEL(recurrent_conv_##Neuron, RecurrentConvArgs, recurrent_conv_##Neuron)     \
  KS_GPU_KERNEL(recurrent_conv_grad_##Neuron, RecurrentConvGradArgs,                     \
                recurrent_conv_grad_##Neuron)
KS_NEURONS(KS_KERNELS)
#undef KS_KERNELS
KS_GPU_KERNEL(recurrent_conv_later, RecurrentConvGradArgs, recurrent_conv_later)

}  // namespace keras_slayer
