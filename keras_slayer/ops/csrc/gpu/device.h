// What kernels of gpu/ (*.cu) are written with, for every compiler that reads them: NVRTC on the
// machine of the user, nvcc, and g++ with an emulator in the tests (KS_EMULATED).
//
// A kernel is named `kernel_type` or `kernel_Neuron_type`, and takes the Args of the CPU kernel of
// that name (base/kernel.h) by value, with pointers to the memory of the device. It has no float
// atomics: the order of its sums depends on sizes alone.
#ifndef KERAS_SLAYER_GPU_DEVICE_H_
#define KERAS_SLAYER_GPU_DEVICE_H_

#include "base/shape.h"
#include "base/state.h"

#if defined(KS_EMULATED)
#include "cuda_on_host.h"
#else
#define KS_SHARED(T, name, size) __shared__ T name[size]
#endif

namespace keras_slayer {

// Threads of a block, where a kernel has no reason for another number.
constexpr int kThreads = 128;
constexpr int kWarp = 32;  // threads that take each step together
constexpr unsigned kAllLanes = 0xffffffffu;
// Steps whose inputs are read before the first of them is computed, so that several reads are on
// their way at once. As they precede the writes, outputs may be written over inputs.
constexpr int kReadAhead = 4;

__device__ inline int64_t thread_index() {
  return int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
}

// Element [sample, step 0, neuron] of a series, for the thread of the neuron.
struct Place {
  int64_t first;
  bool exists;
  int64_t sample, neuron;
};
__device__ inline Place place_of_thread(const Shape& shape) {
  const int64_t n = thread_index();
  const int64_t sample = n / shape.inner, neuron = n % shape.inner;
  return {sample * shape.steps * shape.inner + neuron, n < shape.batch * shape.inner, sample, neuron};
}

// Reads the state of the neuron of this thread, if there is one, and writes it.
template <int count, class A>
__device__ void read_state(const SeriesState& state, int64_t inner, A* numbers) {
  if (state.from == nullptr) return;
  const double* from = state.from + state.at(inner, thread_index() / inner, thread_index() % inner);
  for (int i = 0; i < count; ++i) numbers[i] = A(from[i * inner]);
}
template <int count, class A>
__device__ void write_state(const SeriesState& state, int64_t inner, const A* numbers) {
  if (state.to == nullptr) return;
  double* to = state.to + state.at(inner, thread_index() / inner, thread_index() % inner);
  for (int i = 0; i < count; ++i) to[i * inner] = double(numbers[i]);
}

}  // namespace keras_slayer

// Defines the kernel name_type of a storage type: body<T>(args). A compilation has one type,
// KS_GPU_TYPE (float, double, Half or Bfloat16), so that each is quick; without it, all.
#if defined(KS_EMULATED)  // listed, to be found by name
#define KS_GPU_LISTED(name, Args) \
  static const cuda_host::Listed listed_##name = {#name, cuda_host::erased<Args>(name)};
#else
#define KS_GPU_LISTED(name, Args)
#endif
#define KS_GPU_KERNEL_OF(name, Args, body, type)                                    \
  extern "C" __global__ void name##_##type(const Args args) { body<type>(args); }   \
  KS_GPU_LISTED(name##_##type, Args)
#if defined(KS_GPU_TYPE)
#define KS_GPU_EXPANDED(name, Args, body, type) KS_GPU_KERNEL_OF(name, Args, body, type)
#define KS_GPU_KERNEL(name, Args, body) KS_GPU_EXPANDED(name, Args, body, KS_GPU_TYPE)
#else
#define KS_GPU_KERNEL(name, Args, body)       \
  KS_GPU_KERNEL_OF(name, Args, body, float)   \
  KS_GPU_KERNEL_OF(name, Args, body, double)  \
  KS_GPU_KERNEL_OF(name, Args, body, Half)    \
  KS_GPU_KERNEL_OF(name, Args, body, Bfloat16)
#endif

#endif  // KERAS_SLAYER_GPU_DEVICE_H_
