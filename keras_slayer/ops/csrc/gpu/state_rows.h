// The states of neurons that feed each other, in the memory of the card.
#ifndef KERAS_SLAYER_GPU_STATE_ROWS_H_
#define KERAS_SLAYER_GPU_STATE_ROWS_H_

#include "gpu/device.h"
#include "neurons/parameters.h"

namespace keras_slayer {

// The number type of a neuron's states. Those of a neuron that computes with integers are doubles,
// which are always exact: on the CPU, floats hold the same numbers while they can.
template <class Neuron, class A, class = void>
struct Numbers {
  using type = A;
  static constexpr bool integers = false;
};
template <class Neuron, class A>
struct Numbers<Neuron, A, decltype(void(Neuron::kExactInput))> {
  using type = double;
  static constexpr bool integers = true;
};

// `count` numbers of a unit, a row of units apart.
template <class A, class Struct>
__device__ Struct read_row(const A* from, int64_t units) {
  Struct numbers;
#pragma unroll
  for (int i = 0; i < fields_of<Struct, A>(); ++i) field<A>(numbers, i) = from[i * units];
  return numbers;
}
template <class A, class Struct>
__device__ void write_row(const Struct& numbers, A* to, int64_t units) {
#pragma unroll
  for (int i = 0; i < fields_of<Struct, A>(); ++i) to[i * units] = field<A>(numbers, i);
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GPU_STATE_ROWS_H_
