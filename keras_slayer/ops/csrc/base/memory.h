// An allocator for large outputs that keeps its memory from one training step to the next. The
// operating system clears fresh pages before it hands them out, which took a fifth of a step.
// allocate_large and allocate_kept (op.h) use it.
#ifndef KERAS_SLAYER_BASE_MEMORY_H_
#define KERAS_SLAYER_BASE_MEMORY_H_

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <string>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "tensorflow/core/framework/allocator.h"

namespace keras_slayer {

// Reserves regions of addresses. A page takes memory only after its first use, and pages are huge
// where possible. An allocation takes the first free range that is large enough. So a step that
// asks for the same sizes in the same order gets the memory of the step before. While nothing is
// allocated, the operating system may take the memory back. If a region cannot be reserved, and
// on systems other than Linux, TensorFlow's own allocator is used.
class KeptMemory final : public tensorflow::Allocator {
 public:
  // Never destroyed, because tensors may live until the process ends.
  static KeptMemory* get() {
    static KeptMemory* const memory = new KeptMemory;
    return memory;
  }

  std::string Name() override { return "keras_slayer"; }

  void* AllocateRaw(size_t alignment, size_t bytes) override {
    const size_t size = rounded(bytes, kPage);
    if (alignment <= kPage && bytes > 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      auto block = first_fit(size);
      if (block == free_.end() && (grow(std::max(size, kRegion)) || grow(size))) {
        block = first_fit(size);
      }
      if (block != free_.end()) return take(block, size);
    }
    return tensorflow::cpu_allocator()->AllocateRaw(alignment, bytes);
  }

  void DeallocateRaw(void* address) override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto used = used_.find(static_cast<char*>(address));
      if (used != used_.end()) {
        give_back(used->first, used->second);
        used_.erase(used);
        if (used_.empty()) offer_to_kernel();
        return;
      }
    }
    tensorflow::cpu_allocator()->DeallocateRaw(address);
  }

 private:
  using Blocks = std::map<char*, size_t>;  // sizes by address
  static constexpr size_t kPage = 4096, kHugePage = size_t(2) << 20;
  static constexpr size_t kRegion = size_t(256) << 20;  // usual size; smaller if that fails

  static size_t rounded(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

  Blocks::iterator first_fit(size_t size) {
    return std::find_if(free_.begin(), free_.end(),
                        [&](const auto& block) { return block.second >= size; });
  }

  // Reserves a new region, aligned to huge pages.
  bool grow(size_t size) {
#if defined(__linux__)
    const size_t length = rounded(size, kHugePage);
    void* const range = mmap(nullptr, length + kHugePage, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) return false;
    char* const first = static_cast<char*>(range);
    char* const begin =
        first + (kHugePage - reinterpret_cast<uintptr_t>(range) % kHugePage) % kHugePage;
    if (begin > first) munmap(first, size_t(begin - first));
    munmap(begin + length, size_t(first + kHugePage - begin));
    madvise(begin, length, MADV_HUGEPAGE);  // only advice: failure does no harm, here and below
    regions_.emplace(begin, length);
    give_back(begin, length);
    return true;
#else
    return false;
#endif
  }

  void offer_to_kernel() {
#if defined(__linux__)
    for (const auto& [begin, length] : regions_) madvise(begin, length, MADV_FREE);
#endif
  }

  void* take(Blocks::iterator block, size_t size) {
    const auto [at, room] = *block;
    free_.erase(block);
    if (room > size) free_.emplace(at + size, room - size);
    used_.emplace(at, size);
    return at;
  }

  // Frees a range and merges it with the free ranges beside it.
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
  Blocks free_, used_, regions_;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_BASE_MEMORY_H_
