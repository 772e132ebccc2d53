// gpu/driver.h over the emulator: the ops of the GPU run on a machine without one.
//
// KERAS_SLAYER_EMULATED_SEED gives the order of threads and blocks.
#include "gpu/driver.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

#include "cuda_on_host.h"

namespace keras_slayer {
namespace gpu {
namespace {

std::mutex mutex;  // one kernel at a time, as the emulator has one scheduler
std::set<std::string> launched;

unsigned seed() {
  const char* given = std::getenv("KERAS_SLAYER_EMULATED_SEED");
  return given == nullptr ? 1 : unsigned(std::atoi(given));
}

// Leaves the names, a line each, in `text`, which holds `size` bytes. Returns how many it needs.
int names(const std::set<std::string>& all, char* text, int size) {
  std::string lines;
  for (const std::string& name : all) lines += name + "\n";
  const int copied = std::min(size - 1, int(lines.size()));
  if (size > 0) *std::copy_n(lines.data(), copied, text) = 0;
  return int(lines.size()) + 1;
}

}  // namespace

absl::Status launch(void*, const Kernel& kernel, Dtype dtype, int64_t blocks, const void* args) {
  const std::string name = kernel.name + "_" + type_name(dtype);
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = cuda_host::kernels().find(name);
  if (found == cuda_host::kernels().end()) return absl::InternalError("there is no kernel " + name);
  launched.insert(name);
  const std::string failures = cuda_host::launch(
      unsigned(blocks), kThreads, [&] { found->second(args); }, {seed()});
  if (failures.empty()) return absl::OkStatus();
  return absl::InternalError("emulated kernel " + name + ": " + failures);
}

absl::Status write(void*, const void* from, size_t bytes, void* to) {
  std::memcpy(to, from, bytes);
  return absl::OkStatus();
}

absl::Status read(void*, const void* from, size_t bytes, void* to) {
  std::memcpy(to, from, bytes);
  return absl::OkStatus();
}

absl::Status flag_of(Fault fault, int** flag) {
  static int flags[int(Fault::kCount)];
  *flag = &flags[int(fault)];
  return absl::OkStatus();
}

// For the tests, which ask through ctypes: the kernels there are, and those that have run.
#define KS_EXPORT extern "C" __attribute__((visibility("default")))
KS_EXPORT int keras_slayer_kernels(char* text, int size) {
  std::set<std::string> all;
  for (const auto& [name, kernel] : cuda_host::kernels()) all.insert(name);
  return names(all, text, size);
}
KS_EXPORT int keras_slayer_launched(char* text, int size) {
  const std::lock_guard<std::mutex> lock(mutex);
  return names(launched, text, size);
}

}  // namespace gpu
}  // namespace keras_slayer
