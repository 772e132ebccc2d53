// Chooses the instruction set of the kernels: the best that this processor has, or less if
// KERAS_SLAYER_ISA asks for it. kernel.h dispatches on the result.
#include <cstdlib>
#include <cstring>

#include "base/kernel.h"

namespace keras_slayer {
namespace {

InstructionSet choose() {
#if defined(__x86_64__)
  const char* wish = std::getenv("KERAS_SLAYER_ISA");
  const bool any = wish == nullptr || *wish == '\0';
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl");
  if (has_avx512 && (any || std::strcmp(wish, "avx512") == 0)) return InstructionSet::kAvx512;
  if (has_avx2 && (any || std::strncmp(wish, "avx", 3) == 0)) return InstructionSet::kAvx2;
#endif
  return InstructionSet::kBaseline;
}

}  // namespace

InstructionSet instruction_set() {
  static const InstructionSet chosen = choose();
  return chosen;
}

}  // namespace keras_slayer
