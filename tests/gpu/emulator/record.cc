// Writes down what every kernel does in its cases, to be repeated on a card.
//
// FOLDER/cases.jsonl has a line per launch and FOLDER/arrays.bin all arrays, before and after.
// benchmarks/gpu/run.py reads them, and says what a line has.
#include <cstdio>
#include <cstring>
#include <fstream>

#include "kernel_case.h"
#include "timed.h"

namespace keras_slayer {
namespace {

std::ofstream lines, arrays;
int64_t written = 0;

// Appends bytes to arrays.bin and returns where they are.
int64_t keep(const char* data, size_t bytes) {
  const int64_t at = written;
  arrays.write(data, std::streamsize(bytes));
  written += int64_t(bytes);
  return at;
}

}  // namespace

void* Run::allocate(size_t bytes, bool is_output, size_t element) {
  char* data = static_cast<char*>(std::malloc(bytes + 1));  // of its own, even if it is empty
  std::memset(data, 0, bytes);
  arrays_.push_back({data, bytes, is_output, element});
  return data;
}

void Run::launch(int64_t blocks, const void* args, size_t bytes) {
  const std::string described =
      describe(args, bytes, [&](uint64_t address) -> std::pair<int64_t, int64_t> {
        for (size_t i = 0; i < arrays_.size(); ++i) {
          const uint64_t first = reinterpret_cast<uint64_t>(arrays_[i].data);
          const size_t room = arrays_[i].bytes + 1;  // as allocated: an empty array has a place
          if (address >= first && address < first + room) {
            return {int64_t(i), int64_t(address - first)};
          }
        }
        return {-1, 0};
      });
  std::vector<int64_t> before;
  for (const Array& array : arrays_) before.push_back(keep(array.data, array.bytes));
  const cuda_host::Kernel& kernel = cuda_host::kernels().at(kernel_);
  failures_ += cuda_host::launch(unsigned(blocks), kThreads, [&] { kernel(args); }, {seed_});
  lines << "{\"kernel\": \"" << kernel_ << "\", \"blocks\": " << blocks << ", " << described
        << ", \"arrays\": [";
  for (size_t i = 0; i < arrays_.size(); ++i) {
    const Array& array = arrays_[i];
    lines << (i == 0 ? "" : ", ") << "{\"bytes\": " << array.bytes
          << ", \"before\": " << before[i];
    if (array.is_output) lines << ", \"after\": " << keep(array.data, array.bytes);
    lines << "}";
  }
  lines << "]}\n";
  forget();
}

void Run::read_outputs() {}

void Run::forget() {
  for (const Array& array : arrays_) std::free(array.data);
  arrays_.clear();
}

std::map<std::string, CaseFunction>& cases() {
  static std::map<std::string, CaseFunction> all;
  return all;
}

}  // namespace keras_slayer

// A library, not a program: the tests call it through ctypes.
#define KS_EXPORT extern "C" __attribute__((visibility("default")))

// Writes FOLDER/cases.jsonl and FOLDER/arrays.bin. Returns 0, or 1 if that failed.
KS_EXPORT int keras_slayer_record(const char* folder) {
  using namespace keras_slayer;
  lines.open(std::string(folder) + "/cases.jsonl");
  arrays.open(std::string(folder) + "/arrays.bin", std::ios::binary);
  written = 0;
  for (const auto& [kernel, function] : cases()) {
    Run run(kernel, 1);
    function(run);
    if (!run.failures().empty()) return std::fprintf(stderr, "%s", run.failures().c_str()), 1;
  }
  write_timed(lines);
  lines.close(), arrays.close();
  return lines && arrays ? 0 : 1;
}

// Runs a kernel on the host as on a card. Returns 0, or 1 if that failed.
KS_EXPORT int keras_slayer_run(const char* name, int64_t blocks, const void* args) {
  using namespace keras_slayer;
  const auto kernel = cuda_host::kernels().find(name);
  if (kernel == cuda_host::kernels().end()) return 1;
  const auto run = [&] { kernel->second(args); };
  return cuda_host::launch(unsigned(blocks), kThreads, run, {2}).empty() ? 0 : 1;
}
