// CUDA kernels as C++ of the host, for tests without a GPU.
//
// Every CUDA thread is a fiber with its own clock under ThreadSanitizer. Nothing orders two of them
// but barriers (and fences with atomics): warps are not in lockstep, and a shuffle orders no
// memory. Threads and blocks run in an order that a seed gives. What this cannot show: generated
// code, limits of the card, speed, and branches on __CUDA_ARCH__.
//
// This header is compiled into the kernels, with a sanitizer or without; cuda_on_host.cc, the
// scheduler, always without.
#ifndef CUDA_ON_HOST_H_
#define CUDA_ON_HOST_H_

#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};

namespace cuda_host {

// Runs one thread of a kernel whose arguments are the struct at args.
using Kernel = std::function<void(const void* args)>;
template <class Args>
Kernel erased(void (*kernel)(Args)) {
  return [kernel](const void* args) { kernel(*static_cast<const Args*>(args)); };
}

// The kernels of a program by name. Each enters itself.
const std::map<std::string, Kernel>& kernels();
struct Listed {
  Listed(const char* name, const Kernel& kernel);
};

// The order of threads and blocks; `together` blocks are in flight at once.
struct Order {
  unsigned seed = 1, together = 4;
};
// Runs all threads. Returns what they did that CUDA forbids, a line each; empty if nothing.
std::string launch(dim3 grid, dim3 block, const std::function<void()>& kernel, Order order = {});

// For the macros below. Each of them says its line, for messages.

struct Place {
  dim3 thread, block;
  int number;  // of the thread in its block
};
extern const Place* now;  // of the thread that runs
extern dim3 block_dim, grid_dim;

void syncthreads(int line);
int syncthreads_count(bool predicate, int line);
void syncwarp(unsigned mask, int line);
void gather(unsigned mask, uint64_t value, int line, uint64_t* all);  // of the 32 lanes
void* shared(const void* id, size_t bytes);  // the block's, filled with NaN
void fence();
void before_atomic(void* address);
void after_atomic(void* address);
void fail(const std::string& what, int line);

inline int lane() { return now->number % 32; }

template <class T>
T shuffle(unsigned mask, T value, int from, int line) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0, all[32];
  __builtin_memcpy(&bits, &value, sizeof(T));
  gather(mask, bits, line, all);
  if (from < 0 || from > 31) return value;
  if (!(mask >> from & 1)) fail("a shuffle from a lane that the mask leaves out", line);
  __builtin_memcpy(&value, &all[from], sizeof(T));
  return value;
}

inline unsigned ballot(unsigned mask, bool predicate, int line) {
  uint64_t all[32];
  gather(mask, predicate, line, all);
  unsigned bits = 0;
  for (int i = 0; i < 32; ++i) bits |= unsigned(all[i] & (mask >> i & 1)) << i;
  return bits;
}

// Relaxed, as CUDA's are. There are none of floats: their sums would depend on the order.
template <class T, class Operation>
T atomic(T* address, Operation operation) {
  static_assert(std::is_integral<T>::value, "sums of floats must not depend on the order");
  before_atomic(address);
  const T before = operation();
  after_atomic(address);
  return before;
}

}  // namespace cuda_host

#define threadIdx (cuda_host::now->thread)
#define blockIdx (cuda_host::now->block)
#define blockDim (cuda_host::block_dim)
#define gridDim (cuda_host::grid_dim)

// Its id is an address, so that each instance of a template has its own.
#define KS_SHARED(T, name, size)                                            \
  T(&name)[size] = *reinterpret_cast<T(*)[size]>(cuda_host::shared(         \
      [] { static char id; return &id; }(), sizeof(T[size])))

#define __syncthreads() cuda_host::syncthreads(__LINE__)
#define __syncthreads_count(p) cuda_host::syncthreads_count(p, __LINE__)
#define __syncthreads_or(p) int(cuda_host::syncthreads_count(p, __LINE__) != 0)
#define __syncthreads_and(p) int(cuda_host::syncthreads_count(!(p), __LINE__) == 0)
#define __syncwarp(...) \
  cuda_host::syncwarp(0xffffffffu __VA_OPT__(& (__VA_ARGS__)), __LINE__)
#define __shfl_sync(m, v, from) cuda_host::shuffle(m, v, from, __LINE__)
#define __shfl_up_sync(m, v, d) cuda_host::shuffle(m, v, cuda_host::lane() - int(d), __LINE__)
#define __shfl_down_sync(m, v, d) cuda_host::shuffle(m, v, cuda_host::lane() + int(d), __LINE__)
#define __shfl_xor_sync(m, v, d) cuda_host::shuffle(m, v, cuda_host::lane() ^ int(d), __LINE__)
#define __ballot_sync(m, p) cuda_host::ballot(m, p, __LINE__)
#define __any_sync(m, p) int(cuda_host::ballot(m, p, __LINE__) != 0)
#define __all_sync(m, p) int(cuda_host::ballot(m, !(p), __LINE__) == 0)

inline void __threadfence() { cuda_host::fence(); }
inline void __threadfence_block() { cuda_host::fence(); }

template <class T>
T atomicAdd(T* at, T x) {
  return cuda_host::atomic(at, [&] { return __atomic_fetch_add(at, x, __ATOMIC_RELAXED); });
}
template <class T>
T atomicOr(T* at, T x) {
  return cuda_host::atomic(at, [&] { return __atomic_fetch_or(at, x, __ATOMIC_RELAXED); });
}
template <class T>
T atomicExch(T* at, T x) {
  return cuda_host::atomic(at, [&] { return __atomic_exchange_n(at, x, __ATOMIC_RELAXED); });
}
template <class T>
T atomicCAS(T* at, T expected, T x) {
  return cuda_host::atomic(at, [&] {
    __atomic_compare_exchange_n(at, &expected, x, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return expected;
  });
}

template <class T>
T __ldg(const T* at) {
  return *at;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(unsigned(x)); }

#endif  // CUDA_ON_HOST_H_
