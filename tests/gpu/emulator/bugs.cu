// Kernels with one planted bug each, to see that the emulator and the sanitizers catch it; and some
// without, which must pass.
#include "kernel_case.h"

namespace keras_slayer {

constexpr int kBlocks = 2;

struct BugArgs {
  const float* in;
  float* out;  // as many as there are threads
  int* flag;   // 0 at first
  int size;    // of out
};

static void bug_case(Run& run) {
  const int size = kBlocks * kThreads;
  const BugArgs args = {run.input<float>(size), run.output<float>(size),
                        run.in_place(run.input(std::vector<int>{0})), size};
  run.blocks(kBlocks, args);
}

#define KERNEL(name)                                                               \
  extern "C" __global__ void name(BugArgs args);                                   \
  static const cuda_host::Listed listed_##name = {#name, cuda_host::erased(name)}; \
  static const Case case_##name = {#name, bug_case};                               \
  extern "C" __global__ void name(BugArgs args)

constexpr unsigned kAll = 0xffffffffu;  // lanes of a warp

__device__ static int at() { return int(thread_index()); }

// What another thread wrote is read behind a barrier.
KERNEL(good_barrier) {
  KS_SHARED(float, s, kThreads);
  s[threadIdx.x] = args.in[at()];
  __syncthreads();
  args.out[at()] = s[kThreads - 1 - threadIdx.x];
}
KERNEL(good_warp_barrier) {
  KS_SHARED(float, s, kThreads);
  s[threadIdx.x] = args.in[at()];
  __syncwarp();
  args.out[at()] = s[threadIdx.x ^ 1];
}
// Sums over a warp by shuffles, over blocks by atomics.
KERNEL(good_sums) {
  int sum = 1;
  for (int d = 16; d > 0; d /= 2) sum += __shfl_down_sync(kAll, sum, d);
  if (threadIdx.x % 32 == 0) atomicAdd(args.flag, sum);
  const unsigned odd = __ballot_sync(kAll, threadIdx.x % 2);
  args.out[at()] = float(__syncthreads_count(odd == 0xaaaaaaaau) + __popc(odd));
}
// A value of another block, published with fences.
KERNEL(good_fences) {
  args.out[at()] = 0;
  if (threadIdx.x != 0) return;
  if (blockIdx.x == 0) {
    args.out[0] = 42;
    __threadfence();
    atomicExch(args.flag, 1);
  } else if (atomicOr(args.flag, 0) == 1) {
    __threadfence();
    args.out[kThreads] = args.out[0] - 42;
  }
  atomicExch(args.flag, 1);
}

KERNEL(bug_no_barrier) {
  KS_SHARED(float, s, kThreads);
  s[threadIdx.x] = args.in[at()];
  args.out[at()] = s[kThreads - 1 - threadIdx.x];
}
// Written for old cards, whose warps ran in lockstep.
KERNEL(bug_lockstep) {
  KS_SHARED(float, s, kThreads);
  s[threadIdx.x] = args.in[at()];
  __syncthreads();
  if (threadIdx.x < 32) {
    for (int d = 32; d > 0; d /= 2) s[threadIdx.x] += s[threadIdx.x + d];
  }
  __syncthreads();
  args.out[at()] = s[0];
}
KERNEL(bug_barrier_in_branch) {
  args.out[at()] = 1;
  if (threadIdx.x < 40) __syncthreads();
}
KERNEL(bug_two_barriers) {
  args.out[at()] = 1;
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
KERNEL(bug_past_shared) {
  KS_SHARED(float, s, kThreads);
  s[threadIdx.x + 1] = 1;
  args.out[at()] = 1;
}
KERNEL(bug_past_shared_by_pointer) {
  KS_SHARED(float, s, kThreads);
  float* end = s;
  for (int i = 0; i < kThreads; ++i) ++end;
  if (threadIdx.x == 0) *end = 1;
  args.out[at()] = 1;
}
KERNEL(bug_past_global) {
  args.out[at()] = 1;
  if (at() <= args.size - 1) args.out[at() + 1] = 1;
}
KERNEL(bug_blocks_race) {
  args.out[at()] = 1;
  if (threadIdx.x == 0) *args.flag = 1;
}
KERNEL(bug_misaligned) {
  const float4 v = *reinterpret_cast<const float4*>(args.in + 1 + 4 * (threadIdx.x / 8));
  args.out[at()] = v.x + v.w;
}
KERNEL(bug_not_initialised) {
  KS_SHARED(float, s, kThreads);
  if (threadIdx.x > 0) s[threadIdx.x] = 0;
  __syncthreads();
  args.out[at()] = s[threadIdx.x];
}
KERNEL(bug_lanes_gone) {
  args.out[at()] = 1;
  if (threadIdx.x < 50) args.out[at()] = __shfl_down_sync(kAll, args.in[at()], 1);
}
KERNEL(bug_lane_outside_mask) {
  args.out[at()] = 1;
  if (threadIdx.x < 16) args.out[at()] = __shfl_down_sync(0xffffu, args.in[at()], 1);
}
KERNEL(bug_shuffle_as_barrier) {
  KS_SHARED(float, s, kThreads);
  s[threadIdx.x] = args.in[at()];
  const float own = __shfl_sync(kAll, args.in[at()], int(threadIdx.x % 32));
  args.out[at()] = own + s[threadIdx.x ^ 1];
}
KERNEL(bug_no_fences) {
  args.out[at()] = 0;
  if (threadIdx.x != 0) return;
  if (blockIdx.x == 0) {
    args.out[0] = 42;
    atomicExch(args.flag, 1);
  } else if (atomicOr(args.flag, 0) == 1) {
    args.out[kThreads] = args.out[0] - 42;
  }
  atomicExch(args.flag, 1);
}
// Whoever comes first.
KERNEL(bug_order) { args.out[at()] = float(atomicAdd(args.flag, 1)); }
KERNEL(bug_not_written) {
  if (at() != 7) args.out[at()] = 1;
}
KERNEL(bug_spins) {
  args.out[at()] = 1;
  if (at() != 0) return;
  while (atomicAdd(args.flag, 0) == 0) {  // which nobody sets
  }
}
KERNEL(bug_overflow) { args.out[at()] = float(args.size * 20'000'000); }

}  // namespace keras_slayer
