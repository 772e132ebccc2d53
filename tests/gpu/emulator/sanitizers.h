// What the scheduler tells a sanitizer: TSAN(...) is there with -DKS_TSAN alone, ASAN(...) with
// -DKS_ASAN.
#ifndef SANITIZERS_H_
#define SANITIZERS_H_

#if defined(KS_TSAN)
#include <sanitizer/tsan_interface.h>
#define TSAN(...) __VA_ARGS__
#else
#define TSAN(...)
#endif
#if defined(KS_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define ASAN(...) __VA_ARGS__
#else
#define ASAN(...)
#endif

#endif  // SANITIZERS_H_
