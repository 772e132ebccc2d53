// Neurons without synapses, forward and backward. A thread steps one neuron through time.
#include "gpu/device.h"
#include "gpu/surrogate.h"
#include "neurons/neurons.h"

namespace keras_slayer {

// The state of a neuron and its step, in the arithmetic type A.
template <class Neuron, class A, class = void>
class Forward {
 public:
  __device__ Forward(const NeuronParams& p, int64_t j) : parameters_(p.get<Neuron, A>(j)) {}
  __device__ A step(A z, A* spike) { return Neuron::step(parameters_, state_, z, spike); }
  __device__ bool finite() const { return true; }
  __device__ void read(const SeriesState& state, int64_t inner) {
    read_state<kStates>(state, inner, &field<A>(state_, 0));
  }
  __device__ void write(const SeriesState& state, int64_t inner) const {
    write_state<kStates>(state, inner, &field<A>(state_, 0));
  }

 private:
  using State = typename Neuron::template State<A>;
  static constexpr int kStates = fields_of<State, A>();
  typename Neuron::template Parameters<A> parameters_;
  State state_ = {};
};

// A neuron that computes with integers: in floats until an input is too large for these to be
// exact, and in doubles from that step on.
template <class Neuron, class A>
class Forward<Neuron, A, decltype(void(Neuron::kExactInput))> {
 public:
  __device__ Forward(const NeuronParams& p, int64_t j)
      : floats_(p.get<Neuron, float>(j)), doubles_(p.get<Neuron, double>(j)) {}
  __device__ A step(A z, A* spike) {
    if (!large_ && !(std::fabs(z) < A(Neuron::kExactInput))) widen();
    if (!large_) return Neuron::step(floats_, state_, z, spike);
    finite_ = finite_ && z - z == A(0);
    return Neuron::step(doubles_, wide_, z, spike);
  }
  __device__ bool finite() const { return finite_; }
  // In floats if these hold the state, as they do until an input is too large.
  __device__ void read(const SeriesState& state, int64_t inner) {
    if (state.from == nullptr) return;
    read_state<kStates>(state, inner, &field<double>(wide_, 0));
    for (int i = 0; i < kStates; ++i) {
      const double number = field<double>(wide_, i);
      large_ = large_ || !(std::fabs(number) <= Neuron::kExactState);
      field<float>(state_, i) = float(number);
    }
  }
  __device__ void write(const SeriesState& state, int64_t inner) const {
    large_ ? write_state<kStates>(state, inner, &field<double>(wide_, 0))
           : write_state<kStates>(state, inner, &field<float>(state_, 0));
  }

 private:
  using Narrow = typename Neuron::template State<float>;
  using Wide = typename Neuron::template State<double>;
  static constexpr int kStates = fields_of<Narrow, float>();
  __device__ void widen() {
    for (int i = 0; i < kStates; ++i) {
      field<double>(wide_, i) = field<float>(state_, i);
    }
    large_ = true;
  }
  typename Neuron::template Parameters<float> floats_;
  typename Neuron::template Parameters<double> doubles_;
  Narrow state_ = {};
  Wide wide_ = {};
  bool large_ = false, finite_ = true;
};

// The spikes are bytes or of type T.
template <class Neuron, class T>
__device__ void forward(const NeuronArgs& args) {
  using A = ArithmeticOf<T>;
  const Shape& shape = args.shape;
  const Place place = place_of_thread(shape);
  if (!place.exists) return;
  const T* in = static_cast<const T*>(args.in) + place.first;
  const A* wide = static_cast<const A*>(args.in) + place.first;
  T* spikes = static_cast<T*>(args.spikes) + place.first;
  uint8_t* bytes = static_cast<uint8_t*>(args.spikes) + place.first;
  T* membrane = static_cast<T*>(args.membrane) + place.first;
  Forward<Neuron, A> neuron(args.neuron, place.neuron);
  neuron.read(args.state, shape.inner);
  for (int64_t t = 0; t < shape.steps; t += kReadAhead) {
    A z[kReadAhead];
#pragma unroll
    for (int i = 0; i < kReadAhead; ++i) {
      const int64_t at = (t + i) * shape.inner;
      z[i] = t + i >= shape.steps ? A(0) : args.wide ? wide[at] : load(in[at]);
    }
#pragma unroll
    for (int i = 0; i < kReadAhead; ++i) {
      if (t + i >= shape.steps) break;
      const int64_t at = (t + i) * shape.inner;
      A spike;
      store(&membrane[at], neuron.step(z[i], &spike));
      if (args.bytes) {
        store(&bytes[at], spike);
      } else {
        store(&spikes[at], spike);
      }
    }
  }
  neuron.write(args.state, shape.inner);
  if (!neuron.finite()) atomicExch(args.not_finite, 1);
}

template <class Neuron, class T, bool is_exodus>
__device__ void backward(const NeuronGradArgs& args) {
  using A = ArithmeticOf<T>;
  const Shape& shape = args.shape;
  const Place place = place_of_thread(shape);
  if (!place.exists) return;
  const int64_t last = place.first + (shape.steps - 1) * shape.inner;
  const T* grad = static_cast<const T*>(args.grad_spikes) + last;
  const T* membrane = static_cast<const T*>(args.membrane) + last;
  T* out = static_cast<T*>(args.grad_in) + last;
  A* wide = static_cast<A*>(args.grad_in) + last;
  const auto parameters = args.neuron.get<Neuron, A>(place.neuron);
  const AnySurrogate<A> rho = any_surrogate<A>(args.neuron.surrogate_of<Neuron>(place.neuron));
  using State = BackwardState<Neuron, A>;
  constexpr int kStates = fields_of<State, A>();
  State state = {};
  read_state<kStates>(args.state, shape.inner, &field<A>(state, 0));
  for (int64_t t = 0; t < shape.steps; t += kReadAhead) {  // t steps before the last
    A g[kReadAhead], u[kReadAhead];
#pragma unroll
    for (int i = 0; i < kReadAhead; ++i) {
      const bool inside = t + i < shape.steps;
      g[i] = inside ? load(grad[-(t + i) * shape.inner]) : A(0);
      u[i] = inside ? load(membrane[-(t + i) * shape.inner]) : A(0);
    }
#pragma unroll
    for (int i = 0; i < kReadAhead; ++i) {
      if (t + i >= shape.steps) break;
      A lambda;
      if constexpr (is_exodus) {
        lambda = Neuron::exodus(parameters, state.drive, g[i], u[i], rho(u[i]));
      } else {
        lambda = rho(u[i]) * g[i];
      }
      const A dz = Neuron::template filter<is_exodus>(parameters, state.filter, lambda);
      if (args.wide) {
        wide[-(t + i) * shape.inner] = dz;
      } else {
        store(&out[-(t + i) * shape.inner], dz);
      }
    }
  }
  write_state<kStates>(args.state, shape.inner, &field<A>(state, 0));
}

template <class Neuron, class T, bool is_exodus>
__device__ void params_grad(const NeuronParamsGradArgs& args) {
  using A = ArithmeticOf<T>;
  const Shape& shape = args.shape;
  const Place place = place_of_thread(shape);
  if (!place.exists) return;
  const T* grad = static_cast<const T*>(args.grad_spikes) + place.first;
  const T* membrane = static_cast<const T*>(args.membrane) + place.first;
  T* out = args.grad_in == nullptr ? nullptr : static_cast<T*>(args.grad_in) + place.first;
  const auto parameters = args.neuron.get<Neuron, A>(place.neuron);
  const AnySurrogate<A> surrogate =
      any_surrogate<A>(args.neuron.surrogate_of<Neuron>(place.neuron));
  using State = LearningState<Neuron, A>;
  constexpr int kStates = fields_of<State, A>();
  State state = {};
  read_state<kStates>(args.state, shape.inner, &field<A>(state, 0));
  typename Neuron::template Parameters<A> sums = {};
  for (int64_t t = shape.steps - 1; t >= 0; --t) {
    const A g = load(grad[t * shape.inner]), u = load(membrane[t * shape.inner]);
    const A rho = surrogate(u);
    const auto before = state.drive;
    A lambda;
    if constexpr (is_exodus) {
      lambda = Neuron::exodus(parameters, state.drive, g, u, rho);
    } else {
      lambda = rho * g;
    }
    Neuron::template learn<is_exodus>(parameters, state.learn, before, state.filter, g, u, rho,
                                      lambda, sums);
    const A dz = Neuron::template filter<is_exodus>(parameters, state.filter, lambda);
    if (out != nullptr) store(&out[t * shape.inner], dz);
  }
  write_state<kStates>(args.state, shape.inner, &field<A>(state, 0));
  finish_params_grad<Neuron, A>(args, place.sample, place.neuron, parameters, state.learn,
                                state.filter, &sums);
}

#define KS_KERNELS(Neuron, name)                                                \
  template <class T>                                                            \
  __device__ void neuron_##Neuron(const NeuronArgs& args) {                     \
    forward<Neuron, T>(args);                                                   \
  }                                                                             \
  template <class T>                                                            \
  __device__ void neuron_grad_##Neuron(const NeuronGradArgs& args) {            \
    args.neuron.exodus ? backward<Neuron, T, true>(args)                        \
                       : backward<Neuron, T, false>(args);                      \
  }                                                                             \
  template <class T>                                                            \
  __device__ void neuron_params_grad_##Neuron(const NeuronParamsGradArgs& args) { \
    args.neuron.exodus ? params_grad<Neuron, T, true>(args)                     \
                       : params_grad<Neuron, T, false>(args);                   \
  }                                                                             \
  KS_GPU_KERNEL(neuron_##Neuron, NeuronArgs, neuron_##Neuron)                   \
  KS_GPU_KERNEL(neuron_grad_##Neuron, NeuronGradArgs, neuron_grad_##Neuron)     \
  KS_GPU_KERNEL(neuron_params_grad_##Neuron, NeuronParamsGradArgs, neuron_params_grad_##Neuron)
KS_NEURONS(KS_KERNELS)
#undef KS_KERNELS

}  // namespace keras_slayer
