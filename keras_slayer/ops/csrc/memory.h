// Memory for large outputs that is kept from one training step to the next: fresh
// memory comes in pages that the kernel must clear first, which took a fifth of a step.
#ifndef KERAS_SLAYER_MEMORY_H_
#define KERAS_SLAYER_MEMORY_H_

#include <iterator>
#include <map>
#include <mutex>
#include <string>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "tensorflow/core/framework/allocator.h"

namespace keras_slayer {

// One range of addresses as large as the machine's memory, of which only what was once
// used is real, in huge pages. Blocks lie as low as they fit, so that a step that asks
// for the same sizes in the same order finds the memory of the step before. While no
// block is in use, the kernel may take all of it back. What does not fit, and everything
// on other systems, is TensorFlow's own allocator's.
class KeptMemory final : public tensorflow::Allocator {
 public:
  // Never destroyed: tensors may outlive everything else.
  static KeptMemory* get() {
    static KeptMemory* const memory = new KeptMemory;
    return memory;
  }

  std::string Name() override { return "keras_slayer"; }

  void* AllocateRaw(size_t alignment, size_t bytes) override {
    const size_t size = (bytes + kPage - 1) / kPage * kPage;
    if (alignment <= kPage && bytes > 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (auto block = free_.begin(); block != free_.end(); ++block) {
        if (block->second >= size) return take(block, size);
      }
    }
    return tensorflow::cpu_allocator()->AllocateRaw(alignment, bytes);
  }

  void DeallocateRaw(void* address) override {
    char* const at = static_cast<char*>(address);
    if (at < begin_ || at >= end_) return tensorflow::cpu_allocator()->DeallocateRaw(address);
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto used = used_.find(at);
    give_back(at, used->second);
    used_.erase(used);
#if defined(__linux__)
    // Advice: where the kernel does not take it, nothing is lost.
    if (used_.empty()) madvise(begin_, size_t(touched_ - begin_), MADV_FREE);
#endif
  }

 private:
  using Blocks = std::map<char*, size_t>;  // sizes by address
  static constexpr size_t kPage = 4096, kHugePage = size_t(2) << 20;

  KeptMemory() {
#if defined(__linux__)
    const size_t size = size_t(sysconf(_SC_PHYS_PAGES)) * size_t(sysconf(_SC_PAGESIZE));
    void* const range = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) return;  // where address space is limited
    madvise(range, size, MADV_HUGEPAGE);
    const uintptr_t first = (reinterpret_cast<uintptr_t>(range) + kHugePage - 1) / kHugePage;
    begin_ = touched_ = reinterpret_cast<char*>(first * kHugePage);
    end_ = static_cast<char*>(range) + size / kPage * kPage;
    free_.emplace(begin_, size_t(end_ - begin_));
#endif
  }

  void* take(Blocks::iterator block, size_t size) {
    const auto [at, room] = *block;
    free_.erase(block);
    if (room > size) free_.emplace(at + size, room - size);
    used_.emplace(at, size);
    touched_ = std::max(touched_, at + size);
    return at;
  }

  // Joins the block with free ones on either side.
  void give_back(char* at, size_t size) {
    auto after = free_.lower_bound(at);
    if (after != free_.end() && after->first == at + size) {
      size += after->second;
      after = free_.erase(after);
    }
    if (after != free_.begin()) {
      const auto before = std::prev(after);
      if (before->first + before->second == at) {
        before->second += size;
        return;
      }
    }
    free_.emplace(at, size);
  }

  std::mutex mutex_;
  Blocks free_, used_;
  char *begin_ = nullptr, *end_ = nullptr;
  char* touched_ = nullptr;  // the end of what was ever used
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_MEMORY_H_
