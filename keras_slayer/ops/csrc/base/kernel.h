// Declares a CPU kernel once, beside its arguments: KS_KERNEL(name, Args).
//
// Kernels are plain functions over plain structs, without TensorFlow. Their files (*_cpu.cc) are
// compiled once per instruction set, each time into a namespace of that name. Ops call
// `kernels::name`, which picks the instruction set of this processor. A call computes the work
// items [begin, end); each Args says what a work item is. The result of a work item does not
// depend on the thread that computes it.
#ifndef KERAS_SLAYER_BASE_KERNEL_H_
#define KERAS_SLAYER_BASE_KERNEL_H_

#include <cstdint>

#include "base/scalar.h"
#include "base/shape.h"

#define KS_DECLARE_KERNEL(set, name, Args)                  \
  namespace set {                                           \
  void name(Dtype, const Args&, int64_t begin, int64_t end); \
  }

#if defined(__CUDACC__)  // on a GPU there are the kernels of gpu/

#define KS_KERNEL(name, Args) static_assert(true)

#elif defined(KS_EMULATED)  // ops of the GPU alone (tests): they pass by the kernels of the CPU

#define KS_KERNEL(name, Args)                                                      \
  namespace kernels {                                                              \
  inline void name(Dtype, const Args&, int64_t, int64_t) { __builtin_trap(); }     \
  }                                                                                \
  static_assert(true)

#elif defined(KS_ISA)  // in a kernel file: declares its own instruction set only

#define KS_KERNEL(name, Args) KS_DECLARE_KERNEL(KS_ISA, name, Args) static_assert(true)

#else

namespace keras_slayer {

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

// The instruction set in use: the best that this processor has. The environment variable
// KERAS_SLAYER_ISA=baseline|avx2|avx512 can ask for a lower one.
InstructionSet instruction_set();

}  // namespace keras_slayer

#if defined(KS_ONLY_ISA)  // a library compiled for one instruction set (build.py)

#define KS_KERNEL(name, Args)                \
  KS_DECLARE_KERNEL(KS_ONLY_ISA, name, Args) \
  namespace kernels {                        \
  using KS_ONLY_ISA::name;                   \
  }                                          \
  static_assert(true)

#elif defined(__x86_64__)

#define KS_KERNEL(name, Args)                                                               \
  KS_DECLARE_KERNEL(baseline, name, Args)                                                   \
  KS_DECLARE_KERNEL(avx2, name, Args)                                                       \
  KS_DECLARE_KERNEL(avx512, name, Args)                                                     \
  namespace kernels {                                                                       \
  inline void name(Dtype dtype, const Args& args, int64_t begin, int64_t end) {             \
    switch (instruction_set()) {                                                            \
      case InstructionSet::kBaseline:                                                       \
        return baseline::name(dtype, args, begin, end);                                     \
      case InstructionSet::kAvx2:                                                           \
        return avx2::name(dtype, args, begin, end);                                         \
      case InstructionSet::kAvx512:                                                         \
        return avx512::name(dtype, args, begin, end);                                       \
    }                                                                                       \
  }                                                                                         \
  }                                                                                         \
  static_assert(true)

#else

#define KS_KERNEL(name, Args)             \
  KS_DECLARE_KERNEL(baseline, name, Args) \
  namespace kernels {                     \
  using baseline::name;                   \
  }                                       \
  static_assert(true)

#endif
#endif  // __CUDACC__, KS_EMULATED, KS_ISA

#endif  // KERAS_SLAYER_BASE_KERNEL_H_
