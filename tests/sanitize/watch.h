// Included first in the ops of a library that a sanitizer watches (watched.py).
//
// TensorFlow itself is not watched: memory from its own allocator is, but neither its threads nor
// what orders them. So here
//   - all memory comes from malloc, where a sanitizer knows each block's end, and none is kept;
//   - work is divided among new threads of this library's own, instead of TensorFlow's pool;
//   - an op happens after all ops that had ended when it began, as TensorFlow promises. Ops that
//     run at the same time stay unordered.
#ifndef KERAS_SLAYER_TESTS_SANITIZE_WATCH_H_
#define KERAS_SLAYER_TESTS_SANITIZE_WATCH_H_

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "tensorflow/core/framework/allocator.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/util/work_sharder.h"

#if defined(KS_WATCH_THREAD)
#include <sanitizer/tsan_interface.h>
#endif

namespace keras_slayer_watch {

// In parts of different sizes, more than threads, so that the bounds of parts are many.
inline void parallel_for(int64_t items, const std::function<void(int64_t, int64_t)>& work) {
  constexpr int64_t kThreads = 3;
  const int64_t parts = std::min<int64_t>(items, kThreads + 2);
  std::vector<std::thread> threads;
  const auto run = [&](int64_t first) {
    for (int64_t part = first; part < parts; part += kThreads) {
      work(items * part / parts, items * (part + 1) / parts);
    }
  };
  for (int64_t thread = 1; thread < std::min(kThreads, parts); ++thread) {
    threads.emplace_back(run, thread);
  }
  run(0);
  for (std::thread& thread : threads) thread.join();
}

inline char ended;  // its address stands for "an op has ended"

template <class Kernel>
class Ordered : public Kernel {
 public:
  using Kernel::Kernel;
  void Compute(tensorflow::OpKernelContext* context) override {
#if defined(KS_WATCH_THREAD)
    __tsan_acquire(&ended);
    Kernel::Compute(context);
    __tsan_release(&ended);
#else
    Kernel::Compute(context);
#endif
  }
};

}  // namespace keras_slayer_watch

#define mmap(...) MAP_FAILED
#define ParallelFor(items, cost, work) \
  NumThreads(), (void)(cost), ::keras_slayer_watch::parallel_for(items, work)
#undef REGISTER_KERNEL_BUILDER
#define REGISTER_KERNEL_BUILDER(builder, ...) \
  REGISTER_KERNEL_BUILDER_IMPL(builder, false, ::keras_slayer_watch::Ordered<__VA_ARGS__>)

#endif  // KERAS_SLAYER_TESTS_SANITIZE_WATCH_H_
