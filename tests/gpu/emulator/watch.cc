// Runs the cases of kernels (kernel_case.h): watch KERNEL|all SEED...
//
// Prints a line per kernel, half of it before the kernel starts, so that the last line says where a
// sanitizer ended the program. Results must be the same for all seeds.
#include <cstdio>
#include <cstring>
#include <set>

#include "kernel_case.h"

namespace keras_slayer {

void* Run::allocate(size_t bytes, bool is_output, size_t element) {
  char* data = static_cast<char*>(std::malloc(bytes));
  std::memset(data, 0xff, bytes);  // NaN, or -1
  arrays_.push_back({data, bytes, is_output, element});
  return data;
}

void Run::launch(int64_t blocks, const void* args, size_t) {
  const cuda_host::Kernel& kernel = cuda_host::kernels().at(kernel_);
  failures_ += cuda_host::launch(unsigned(blocks), kThreads, [&] { kernel(args); }, {seed_});
  read_outputs();
  forget();
}

void Run::read_outputs() {
  const std::string poison(16, char(0xff));
  for (const Array& array : arrays_) {
    if (!array.is_output) continue;
    for (size_t i = 0; i < array.bytes; ++i) {
      digest_ = (digest_ ^ uint8_t(array.data[i])) * 1099511628211u;
      if (array.element == 0 || i % array.element != 0) continue;
      if (std::memcmp(array.data + i, poison.data(), array.element) != 0) continue;
      failures_ += "element " + std::to_string(i / array.element) + " was not written\n";
      break;
    }
  }
}

void Run::forget() {
  for (const Array& array : arrays_) std::free(array.data);
  arrays_.clear();
}

std::map<std::string, CaseFunction>& cases() {
  static std::map<std::string, CaseFunction> all;
  return all;
}

// Whether the kernel gave the same with all seeds, and no failure.
bool watch(const std::string& kernel, CaseFunction function, const std::vector<unsigned>& seeds) {
  std::set<uint64_t> digests;
  for (unsigned seed : seeds) {
    Run run(kernel, seed);
    function(run);
    digests.insert(run.digest());
    if (run.failures().empty()) continue;
    std::printf("seed %u: %s", seed, run.failures().c_str());
    return false;
  }
  if (digests.size() > 1) std::printf("the result depends on the order of threads\n");
  return digests.size() == 1;
}

int watch_all(const std::string& wish, const std::vector<unsigned>& seeds) {
  int failed = 0;
  for (const auto& [kernel, function] : cuda_host::kernels()) {
    if (wish != "all" && wish != kernel) continue;
    std::printf("%s: ", kernel.c_str());
    std::fflush(stdout);
    const auto found = cases().find(kernel);
    const bool good = found != cases().end() && watch(kernel, found->second, seeds);
    std::printf("%s\n", good ? "ok" : found == cases().end() ? "has no case" : "failed");
    failed += !good;
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace keras_slayer

int main(int count, char** arguments) {
  std::vector<unsigned> seeds;
  for (int i = 2; i < count; ++i) seeds.push_back(unsigned(std::atoi(arguments[i])));
  return keras_slayer::watch_all(arguments[1], seeds);
}
