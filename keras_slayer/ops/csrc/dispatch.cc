// Chooses the kernel table for the processor at hand, once.
#include <cstdlib>
#include <cstring>

#include "kernels.h"

namespace keras_slayer {

#if defined(KS_ONLY_ISA)  // a library for one kind of processor (build.py)

namespace KS_ONLY_ISA {
extern const Kernels table;
}

const Kernels& kernels() { return KS_ONLY_ISA::table; }

#else

namespace baseline {
extern const Kernels table;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}
#endif

namespace {

const Kernels& choose() {
#if defined(__x86_64__)
  const char* wish = std::getenv("KERAS_SLAYER_ISA");
  const bool any = wish == nullptr || *wish == '\0';
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl");
  if (has_avx512 && (any || std::strcmp(wish, "avx512") == 0)) return avx512::table;
  if (has_avx2 && (any || std::strncmp(wish, "avx", 3) == 0)) return avx2::table;
#endif
  return baseline::table;
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

#endif

}  // namespace keras_slayer
