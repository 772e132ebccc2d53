// CUDA's driver, found at run time: no header and no library of CUDA is needed to build.
//
// The compiled kernels are files <source>-<type>-sm_<architecture>.cubin in a folder. Python
// compiles them (ops/gpu/) and then calls keras_slayer_enable_gpu, once per process.
#if !defined(KS_EMULATED)

#include <dlfcn.h>

#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <tuple>

#include "base/device.h"

namespace keras_slayer {
namespace gpu {
namespace {

using tensorflow::errors::Internal;
using tensorflow::errors::NotFound;
using tensorflow::errors::Unavailable;

// The part of the driver's interface that is used. It is stable; 0 means success.
struct Cuda {
  int (*get_error)(int, const char**);
  int (*current_context)(void**);
  int (*current_device)(int*);
  int (*attribute)(int*, int, int);
  int (*load_module)(void**, const void*);
  int (*get_function)(void**, void*, const char*);
  int (*allocate_host)(void**, size_t, unsigned);
  int (*copy_to_host)(void*, uint64_t, size_t, void*);
  int (*copy_to_device)(uint64_t, const void*, size_t, void*);
  int (*wait)(void*);
  int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*,
                void**, void**);
};
constexpr int kMajor = 75, kMinor = 76;                // attributes: compute capability
constexpr unsigned kPortable = 1, kDeviceMapped = 2;  // of host memory

template <class Function>
bool find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

// Null without a driver.
const Cuda* cuda() {
  static const Cuda* const found = []() -> const Cuda* {
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    static Cuda c;
    const bool whole =
        library != nullptr && find(library, "cuGetErrorString", &c.get_error) &&
        find(library, "cuCtxGetCurrent", &c.current_context) &&
        find(library, "cuCtxGetDevice", &c.current_device) &&
        find(library, "cuDeviceGetAttribute", &c.attribute) &&
        find(library, "cuModuleLoadData", &c.load_module) &&
        find(library, "cuModuleGetFunction", &c.get_function) &&
        find(library, "cuMemHostAlloc", &c.allocate_host) &&
        find(library, "cuMemcpyDtoHAsync_v2", &c.copy_to_host) &&
        find(library, "cuMemcpyHtoDAsync_v2", &c.copy_to_device) &&
        find(library, "cuStreamSynchronize", &c.wait) &&
        find(library, "cuLaunchKernel", &c.launch);
    return whole ? &c : nullptr;
  }();
  return found;
}

absl::Status checked(int code, const std::string& what) {
  if (code == 0) return absl::OkStatus();
  const char* text = nullptr;
  cuda()->get_error(code, &text);
  return Internal("CUDA: ", what, ": ", text == nullptr ? "unknown error" : text, " (", code, ")");
}

// What is loaded: modules by context and file, functions by context and name.
class Loaded {
 public:
  static Loaded& get() {
    static Loaded* const loaded = new Loaded;
    return *loaded;
  }
  void set_folder(const std::string& folder) {
    const std::lock_guard<std::mutex> lock(mutex_);
    folder_ = folder;
  }
  absl::Status function(const Kernel& kernel, const char* type, void** out) {
    if (cuda() == nullptr) return Unavailable("there is no CUDA driver (libcuda.so.1)");
    void* context = nullptr;
    TF_RETURN_IF_ERROR(checked(cuda()->current_context(&context), "no context"));
    const std::string name = kernel.name + "_" + type;
    const std::lock_guard<std::mutex> lock(mutex_);
    auto [at, is_new] = functions_.try_emplace({context, name}, nullptr);
    if (is_new) {
      void* module = nullptr;
      absl::Status status = load(context, std::string(kernel.source) + "-" + type, &module);
      if (status.ok()) {
        status = checked(cuda()->get_function(&at->second, module, name.c_str()), name);
      }
      if (!status.ok()) {
        functions_.erase(at);
        return status;
      }
    }
    *out = at->second;
    return absl::OkStatus();
  }
  absl::Status flags(int** out) {
    if (cuda() == nullptr) return Unavailable("there is no CUDA driver (libcuda.so.1)");
    const std::lock_guard<std::mutex> lock(mutex_);
    if (flags_ == nullptr) {
      void* memory = nullptr;
      const size_t size = sizeof(int) * int(Fault::kCount);
      TF_RETURN_IF_ERROR(
          checked(cuda()->allocate_host(&memory, size, kPortable | kDeviceMapped), "host memory"));
      flags_ = static_cast<int*>(memory);
      std::fill(flags_, flags_ + int(Fault::kCount), 0);
    }
    *out = flags_;
    return absl::OkStatus();
  }

 private:
  absl::Status load(void* context, const std::string& name, void** out) {
    auto [at, is_new] = modules_.try_emplace({context, name}, nullptr);
    if (is_new) {
      const absl::Status status = read(name, &at->second);
      if (!status.ok()) {
        modules_.erase(at);
        return status;
      }
    }
    *out = at->second;
    return absl::OkStatus();
  }
  absl::Status read(const std::string& name, void** module) const {
    int device = 0, major = 0, minor = 0;
    TF_RETURN_IF_ERROR(checked(cuda()->current_device(&device), "no device"));
    TF_RETURN_IF_ERROR(checked(cuda()->attribute(&major, kMajor, device), "no device"));
    TF_RETURN_IF_ERROR(checked(cuda()->attribute(&minor, kMinor, device), "no device"));
    const std::string path = folder_ + "/" + name + "-sm_" + std::to_string(10 * major + minor) +
                             ".cubin";
    std::ifstream file(path, std::ios::binary);
    const std::string image{std::istreambuf_iterator<char>(file), {}};
    if (image.empty()) {
      return NotFound("the compiled GPU kernels ", path, " are not there: run ",
                      "'python -m keras_slayer.ops build' on this machine");
    }
    return checked(cuda()->load_module(module, image.data()), path);
  }

  std::mutex mutex_;
  std::string folder_;
  std::map<std::tuple<void*, std::string>, void*> modules_, functions_;
  int* flags_ = nullptr;
};

}  // namespace

absl::Status launch(void* stream, const Kernel& kernel, Dtype dtype, int64_t blocks,
                    const void* args) {
  void* function = nullptr;
  TF_RETURN_IF_ERROR(Loaded::get().function(kernel, type_name(dtype), &function));
  if (blocks > 0x7fffffff) return InvalidArgument("tensors are too large for one GPU kernel");
  void* arguments[] = {const_cast<void*>(args)};
  return checked(cuda()->launch(function, unsigned(blocks), 1, 1, kThreads, 1, 1, 0, stream,
                                arguments, nullptr),
                 kernel.name);
}

absl::Status read(void* stream, const void* from, size_t bytes, void* to) {
  if (cuda() == nullptr) return Unavailable("there is no CUDA driver (libcuda.so.1)");
  const uint64_t address = reinterpret_cast<uint64_t>(from);
  TF_RETURN_IF_ERROR(checked(cuda()->copy_to_host(to, address, bytes, stream), "copy to the host"));
  return checked(cuda()->wait(stream), "copy to the host");
}

absl::Status write(void* stream, const void* from, size_t bytes, void* to) {
  if (cuda() == nullptr) return Unavailable("there is no CUDA driver (libcuda.so.1)");
  // The driver returns once it has read memory that is not pinned, as this is.
  const uint64_t address = reinterpret_cast<uint64_t>(to);
  return checked(cuda()->copy_to_device(address, from, bytes, stream), "copy to the card");
}

absl::Status flag_of(Fault fault, int** flag) {
  TF_RETURN_IF_ERROR(Loaded::get().flags(flag));
  *flag += int(fault);
  return absl::OkStatus();
}

}  // namespace gpu

// Registers the kernels of the GPU, whose compiled files are in `folder`. Returns how many.
extern "C" __attribute__((visibility("default"))) int keras_slayer_enable_gpu(const char* folder) {
  gpu::Loaded::get().set_folder(folder);
  static const int count = [] {
    for (const GpuRegistration& one : gpu_registrations()) {
      tensorflow::kernel_factory::OpKernelRegistrar(one.describe()->Build(), one.class_name,
                                                    one.create);
    }
    return int(gpu_registrations().size());
  }();
  return count;
}

}  // namespace keras_slayer

#endif  // KS_EMULATED
