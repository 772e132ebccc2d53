// Starts kernels of gpu/*.cu on the card. driver_op.cc does it with CUDA's driver; in the tests an
// emulation takes its place.
#ifndef KERAS_SLAYER_GPU_DRIVER_H_
#define KERAS_SLAYER_GPU_DRIVER_H_

#include <string>

#include "absl/status/status.h"
#include "base/scalar.h"

namespace keras_slayer {
namespace gpu {

constexpr int kThreads = 128, kWarp = 32;  // of a block, of a warp; as in device.h

struct Kernel {
  const char* source;  // the file gpu/<source>.cu
  std::string name;    // without its storage type
};

// Starts `blocks` blocks of a kernel for a storage type. `args` is what the kernel takes.
absl::Status launch(void* stream, const Kernel& kernel, Dtype dtype, int64_t blocks,
                    const void* args);

// Copies from the card to the host, after all that was started before, and waits for it.
absl::Status read(void* stream, const void* from, size_t bytes, void* to);

// Copies from the host to the card, after all that was started before. `from` may go afterwards.
absl::Status write(void* stream, const void* from, size_t bytes, void* to);

// What kernels find wrong with their input. They cannot fail: they set a flag in memory that the
// host sees, too, and the next op that asks for the same flag fails.
enum class Fault { kNotFinite, kDelay, kCount };
absl::Status flag_of(Fault fault, int** flag);

// The type as kernels and files are named: "float", "double", "Half", "Bfloat16".
inline const char* type_name(Dtype dtype) {
  switch (dtype) {
    case Dtype::kDouble:
      return "double";
    case Dtype::kHalf:
      return "Half";
    case Dtype::kBfloat16:
      return "Bfloat16";
    default:
      return "float";
  }
}

}  // namespace gpu
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GPU_DRIVER_H_
