// A CPU kernel is declared once, beside its arguments: KS_KERNEL(name, Args).
//
// Kernels are plain functions over plain arguments, without TensorFlow. Their files (*_cpu.cc) are
// compiled once for each instruction set, into a namespace of its name; ops call `kernels::name`,
// which takes the one for this processor. A kernel does the work items [begin, end) of its own
// numbering. Which thread does an item never changes what it computes.
#ifndef KERAS_SLAYER_BASE_KERNEL_H_
#define KERAS_SLAYER_BASE_KERNEL_H_

#include <cstdint>

#include "base/scalar.h"
#include "base/shape.h"

#define KS_DECLARE_KERNEL(set, name, Args)                  \
  namespace set {                                           \
  void name(Dtype, const Args&, int64_t begin, int64_t end); \
  }

#if defined(KS_ISA)  // a kernel file: the others' names would only invite a mix-up

#define KS_KERNEL(name, Args) KS_DECLARE_KERNEL(KS_ISA, name, Args) static_assert(true)

#else

namespace keras_slayer {

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

// Of this processor; KERAS_SLAYER_ISA=baseline|avx2|avx512 asks for less than it has.
InstructionSet instruction_set();

}  // namespace keras_slayer

#if defined(KS_ONLY_ISA)  // a library for one kind of processor (build.py)

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
#endif  // KS_ISA

#endif  // KERAS_SLAYER_BASE_KERNEL_H_
