// Neurons that feed each other, forward and backward. A block of threads steps the units of a
// sample through time, each thread those that are kThreads apart. The sums run over the units in
// their order, as on the CPU, so that results are equal to the bit.
#include "gpu/device.h"
#include "gpu/state_rows.h"
#include "gpu/sums.h"
#include "gpu/surrogate.h"
#include "recurrent/recurrent.h"

namespace keras_slayer {

template <class Neuron, class T>
__device__ void recurrent(const RecurrentArgs& args) {
  using A = ArithmeticOf<T>;
  using N = typename Numbers<Neuron, A>::type;
  using State = typename Neuron::template State<N>;
  constexpr int kStates = fields_of<State, N>();
  const int64_t units = args.shape.inner, sample = blockIdx.x;
  const int lane = threadIdx.x % kWarp;
  const int64_t numbers = args.state.at(units, sample, 0);
  const double* from = args.state.from == nullptr ? nullptr : args.state.from + numbers;
  N* states = static_cast<N*>(args.scratch) + sample * kStates * units;
  for (int64_t unit = threadIdx.x; unit < units; unit += kThreads) {
    for (int i = 0; i < kStates; ++i) {
      states[i * units + unit] = from == nullptr ? N(0) : N(from[i * units + unit]);
    }
  }
  const auto shared = args.neuron.get<Neuron, N>();
  bool finite = true;
  for (int64_t t = 0; t < args.shape.steps; ++t) {
    const int64_t at = (sample * args.shape.steps + t) * units;
    const uint8_t* before = args.spikes + at - units;
    for (int64_t first = 0; first < units; first += kThreads) {
      const int64_t unit = first + threadIdx.x;
      const T* weights = static_cast<const T*>(args.weights) + unit;
      A sum = A(0);
      for (int64_t row = 0; row < units; row += kWarp) {
        bool fired = false;
        if (row + lane < units) {
          if (t > 0) {
            fired = before[row + lane] != 0;
          } else if (from != nullptr) {
            fired = float(from[kStates * units + row + lane]) != 0;
          }
        }
        for_each_nonzero(fired ? A(1) : A(0), [&](int i, A value) {
          if (unit < units) sum = fused(load(weights[(row + i) * units]), value, sum);
        });
      }
      if (unit >= units) continue;
      const A z = load(static_cast<const T*>(args.in)[at + unit]) + sum;
      if (Numbers<Neuron, A>::integers) finite = finite && z - z == A(0);
      State state = read_row<N, State>(states + unit, units);
      const auto parameters = args.neuron.rows == nullptr ? shared : args.neuron.get<Neuron, N>(unit);
      A spike;
      store(&static_cast<T*>(args.membrane)[at + unit], Neuron::step(parameters, state, z, &spike));
      store(&args.spikes[at + unit], spike);
      write_row(state, states + unit, units);
    }
    __syncthreads();
  }
  if (!finite) atomicExch(args.not_finite, 1);
  if (args.state.to == nullptr) return;
  double* to = args.state.to + numbers;
  const uint8_t* last = args.spikes + ((sample + 1) * args.shape.steps - 1) * units;
  for (int64_t unit = threadIdx.x; unit < units; unit += kThreads) {
    for (int i = 0; i < kStates; ++i) to[i * units + unit] = double(states[i * units + unit]);
    const bool fired = args.shape.steps > 0 ? last[unit] != 0
                       : from != nullptr    ? float(from[kStates * units + unit]) != 0
                                            : false;
    to[kStates * units + unit] = fired ? 1 : 0;
  }
}

template <class T>
__device__ void recurrent_transposed(const RecurrentGradArgs& args) {
  const int64_t units = args.shape.inner, at = thread_index();
  if (at >= units * units) return;
  const int64_t row = at / units, column = at % units;
  static_cast<ArithmeticOf<T>*>(args.packed)[column * units + row] =
      load(static_cast<const T*>(args.weights)[at]);
}

template <class Neuron, class T, bool is_exodus>
__device__ void recurrent_backward(const RecurrentGradArgs& args) {
  using A = ArithmeticOf<T>;
  using DriveState = typename Neuron::template DriveState<A>;
  using FilterState = typename Neuron::template FilterState<A>;
  constexpr int kDrive = fields_of<DriveState, A>(), kFilter = fields_of<FilterState, A>();
  static_assert(kDrive + kFilter + 2 <= kRecurrentRows);
  const int64_t units = args.shape.inner, sample = blockIdx.x;
  A* drives = static_cast<A*>(args.scratch) + sample * (kDrive + kFilter + 2) * units;
  A *filters = drives + kDrive * units, *rows = filters + kFilter * units;
  const int64_t numbers = args.state.at(units, sample, 0);
  const double* from = args.state.from == nullptr ? nullptr : args.state.from + numbers;
  for (int64_t unit = threadIdx.x; unit < units; unit += kThreads) {
    for (int i = 0; i < kDrive + kFilter; ++i) {
      drives[i * units + unit] = from == nullptr ? A(0) : A(from[i * units + unit]);
    }
    rows[args.shape.steps % 2 * units + unit] =
        from == nullptr ? A(0) : A(from[(kDrive + kFilter) * units + unit]);
  }
  __syncthreads();
  const bool by_unit = args.neuron.rows != nullptr;
  const auto shared = args.neuron.get<Neuron, A>();
  const AnySurrogate<A> shared_rho = any_surrogate<A>(args.neuron.surrogate);
  for (int64_t t = args.shape.steps - 1; t >= 0; --t) {
    const int64_t at = (sample * args.shape.steps + t) * units;
    const A* later = rows + (t + 1) % 2 * units;
    A* now = rows + t % 2 * units;
    for (int64_t unit = threadIdx.x; unit < units; unit += kThreads) {
      const A* weights = static_cast<const A*>(args.packed) + unit;
      A sum = A(0);
      if (t + 1 < args.shape.steps || from != nullptr) {
        for (int64_t to = 0; to < units; ++to) sum = fused(weights[to * units], later[to], sum);
      }
      const A grad = load(static_cast<const T*>(args.grad_spikes)[at + unit]) + sum;
      const A u = load(static_cast<const T*>(args.membrane)[at + unit]);
      const auto parameters = by_unit ? args.neuron.get<Neuron, A>(unit) : shared;
      const AnySurrogate<A> rho =
          by_unit ? any_surrogate<A>(args.neuron.surrogate_of<Neuron>(unit)) : shared_rho;
      A lambda;
      if constexpr (is_exodus) {
        DriveState drive = read_row<A, DriveState>(drives + unit, units);
        lambda = Neuron::exodus(parameters, drive, grad, u, rho(u));
        write_row(drive, drives + unit, units);
      } else {
        lambda = rho(u) * grad;
      }
      FilterState filter = read_row<A, FilterState>(filters + unit, units);
      const A dz = Neuron::template filter<is_exodus>(parameters, filter, lambda);
      write_row(filter, filters + unit, units);
      now[unit] = dz;
      store(&static_cast<T*>(args.grad_in)[at + unit], dz);
    }
    __syncthreads();
  }
  if (args.state.to == nullptr) return;
  double* to = args.state.to + numbers;
  for (int64_t unit = threadIdx.x; unit < units; unit += kThreads) {
    for (int i = 0; i < kDrive + kFilter; ++i) {
      to[i * units + unit] = double(drives[i * units + unit]);
    }
    to[(kDrive + kFilter) * units + unit] = double(rows[unit]);
  }
}

#define KS_KERNELS(Neuron, name)                                                  \
  template <class T>                                                              \
  __device__ void recurrent_##Neuron(const RecurrentArgs& args) {                 \
    recurrent<Neuron, T>(args);                                                   \
  }                                                                               \
  template <class T>                                                              \
  __device__ void recurrent_grad_##Neuron(const RecurrentGradArgs& args) {        \
    args.neuron.exodus ? recurrent_backward<Neuron, T, true>(args)                \
                       : recurrent_backward<Neuron, T, false>(args);              \
  }                                                                               \
  KS_GPU_KERNEL(recurrent_##Neuron, RecurrentArgs, recurrent_##Neuron)            \
  KS_GPU_KERNEL(recurrent_grad_##Neuron, RecurrentGradArgs, recurrent_grad_##Neuron)
KS_NEURONS(KS_KERNELS)
#undef KS_KERNELS
KS_GPU_KERNEL(recurrent_transposed, RecurrentGradArgs, recurrent_transposed)

}  // namespace keras_slayer
