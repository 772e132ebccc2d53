// Work on several threads. network.h and live.h call it.
#ifndef KERAS_SLAYER_EXPORT_THREADS_H_
#define KERAS_SLAYER_EXPORT_THREADS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace keras_slayer {

// Runs work(0) .. work(count - 1) on `threads` threads. Rethrows the first exception.
template <class Work>
void parallel_for(int64_t count, int64_t threads, const Work& work) {
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto loop = [&] {
    try {
      for (int64_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> pool;
  for (int64_t k = 1; k < std::min(threads, count); ++k) {
    try {
      pool.emplace_back(loop);
    } catch (const std::system_error&) {
      break;  // no more threads available: the others do the work
    }
  }
  loop();
  for (std::thread& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EXPORT_THREADS_H_
