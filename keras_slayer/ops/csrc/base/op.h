// Helpers of every op (*_op.cc): types, checks of inputs, allocation, threads, shape functions.
// This is the only header of base/ that needs TensorFlow, beside memory.h.
#ifndef KERAS_SLAYER_BASE_OP_H_
#define KERAS_SLAYER_BASE_OP_H_

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <new>
#include <string>

#include "base/kernel.h"
#include "base/memory.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/util/work_sharder.h"

namespace keras_slayer {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

#define KS_TYPES "T: {float, double, half, bfloat16}"
// Types of input spikes.
#define KS_SPIKE_TYPES "S: {float, double, half, bfloat16, uint8, bool}"

inline Dtype dtype_of(tensorflow::DataType type) {
  switch (type) {
    case tensorflow::DT_DOUBLE:
      return Dtype::kDouble;
    case tensorflow::DT_HALF:
      return Dtype::kHalf;
    case tensorflow::DT_BFLOAT16:
      return Dtype::kBfloat16;
    case tensorflow::DT_UINT8:
    case tensorflow::DT_BOOL:
      return Dtype::kByte;
    default:
      return Dtype::kFloat;
  }
}
inline Dtype dtype_of(const Tensor& tensor) { return dtype_of(tensor.dtype()); }

// Calls fn(T(), A()) with TensorFlow's storage type T and its arithmetic type A.
template <class Fn>
void with_types(tensorflow::DataType dtype, Fn fn) {
  if (dtype == tensorflow::DT_DOUBLE) {
    fn(double(), double());
  } else if (dtype == tensorflow::DT_HALF) {
    fn(Eigen::half(), float());
  } else if (dtype == tensorflow::DT_BFLOAT16) {
    fn(Eigen::bfloat16(), float());
  } else {
    fn(float(), float());
  }
}

// Input spikes must have the type of the layer or be bytes.
inline absl::Status check_spike_type(const Tensor& spikes, tensorflow::DataType type) {
  if (spikes.dtype() == type || dtype_of(spikes) == Dtype::kByte) return absl::OkStatus();
  return InvalidArgument("spikes must be ", DataTypeString(type), ", uint8 or bool. Received: ",
                         DataTypeString(spikes.dtype()));
}

inline const void* data_of(const Tensor& tensor) { return tensor.data(); }
inline void* data_of(Tensor* tensor) { return tensor->data(); }

// Reads the shape [batch, time, ...] as [batch, steps, inner].
inline absl::Status series_shape(const Tensor& tensor, const char* name, Shape* shape) {
  if (tensor.dims() < 2) {
    return InvalidArgument(name, " must have the axes (batch, time, ...). Received: shape ",
                           tensor.shape().DebugString());
  }
  *shape = {tensor.dim_size(0), tensor.dim_size(1), 1};
  for (int axis = 2; axis < tensor.dims(); ++axis) shape->inner *= tensor.dim_size(axis);
  return absl::OkStatus();
}

inline absl::Status same_shape(const Tensor& a, const char* a_name, const Tensor& b,
                               const char* b_name) {
  if (a.shape() == b.shape()) return absl::OkStatus();
  return InvalidArgument(a_name, " and ", b_name, " must have the same shape. Received: ",
                         a.shape().DebugString(), " and ", b.shape().DebugString());
}

// Allocates a temporary tensor in memory that is kept from one training step to the next.
inline absl::Status allocate_kept(tensorflow::DataType type, const TensorShape& shape,
                                  Tensor* tensor) {
  *tensor = Tensor(KeptMemory::get(), type, shape);
  if (tensor->IsInitialized()) return absl::OkStatus();
  return tensorflow::errors::ResourceExhausted("out of memory for a tensor of shape ",
                                               shape.DebugString());
}

// Allocates output `index`. If it is large, its memory is kept from one training step to the next.
inline absl::Status allocate_large(OpKernelContext* context, int index, const TensorShape& shape,
                                   Tensor** out) {
  constexpr int64_t kLarge = 1 << 20;
  const tensorflow::DataType type = context->expected_output_dtype(index);
  if (shape.num_elements() * tensorflow::DataTypeSize(type) < kLarge) {
    return context->allocate_output(index, shape, out);
  }
  Tensor tensor;
  TF_RETURN_IF_ERROR(allocate_kept(type, shape, &tensor));
  context->set_output(index, tensor);
  *out = context->mutable_output(index);
  return absl::OkStatus();
}

// Allocates output `index` with the shape of input `reuse`, in the memory of that input if nothing
// else needs it.
inline absl::Status allocate_series(OpKernelContext* context, int index, int reuse,
                                    Tensor** out) {
  const TensorShape& shape = context->input(reuse).shape();
  if (context->forward_input_to_output_with_shape(reuse, index, shape, out)) {
    return absl::OkStatus();
  }
  return allocate_large(context, index, shape, out);
}

// An array of zeros aligned to cache lines. A vector that straddles two lines costs twice.
template <class A>
class Aligned {
 public:
  explicit Aligned(int64_t size)
      : data_(static_cast<A*>(::operator new(size_t(size) * sizeof(A), kLine))) {
    std::fill(data_, data_ + size, A(0));
  }
  ~Aligned() { ::operator delete(data_, kLine); }
  Aligned(Aligned&& other) noexcept : data_(other.data_) { other.data_ = nullptr; }
  Aligned& operator=(Aligned&&) = delete;
  A* get() const { return data_; }
  A& operator[](int64_t i) const { return data_[i]; }

 private:
  static constexpr std::align_val_t kLine{64};
  A* data_;
};

// Whether an output is so large that kernels should bypass the caches: most of it would be
// evicted before the next op reads it.
inline bool is_large(const Tensor& tensor) { return tensor.TotalBytes() > size_t(12) << 20; }

inline int64_t threads(OpKernelContext* context) {
  return context->device()->tensorflow_cpu_worker_threads()->num_threads;
}

// Size in bytes; a common size if the system does not report it.
inline int64_t second_level_cache() {
  static const int64_t bytes = [] {
    int64_t told = 0;
#if defined(_SC_LEVEL2_CACHE_SIZE)
    told = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return told > 0 ? told : int64_t(1) << 20;
  }();
  return bytes;
}

// Reads `size` finite float64 numbers; or, where `channels` is not null, as many rows of one for each
// channel.
inline absl::Status read_params(const Tensor& tensor, int64_t size, const double** values,
                                int64_t* channels = nullptr) {
  const bool matrix = channels != nullptr && tensor.dims() == 2 && tensor.dim_size(1) > 0;
  if ((tensor.dims() != 1 && !matrix) || tensor.dim_size(0) != size) {
    return InvalidArgument("params must be a vector of ", size, " numbers",
                           channels == nullptr ? "" : " or as many rows of one for each channel",
                           ". Received: shape ", tensor.shape().DebugString());
  }
  if (channels != nullptr) *channels = matrix ? tensor.dim_size(1) : 1;
  *values = tensor.flat<double>().data();
  for (int64_t i = 0; i < tensor.NumElements(); ++i) {
    if (!std::isfinite((*values)[i])) {
      return InvalidArgument("params must be finite. Received: params[", i,
                             "] = ", (*values)[i]);
    }
  }
  return absl::OkStatus();
}

// Reads one finite number.
inline absl::Status read_number(const Tensor& tensor, const char* name, double* value) {
  if (tensor.NumElements() != 1) {
    return InvalidArgument(name, " must be one number. Received: shape ",
                           tensor.shape().DebugString());
  }
  *value = tensor.flat<double>()(0);
  if (std::isfinite(*value)) return absl::OkStatus();
  return InvalidArgument(name, " must be finite. Received: ", name, "=", *value);
}

// Runs work(begin, end) over `items` work items on the device's threads. `cost` is the rough time
// of one work item in nanoseconds.
inline void parallel_for(OpKernelContext* context, int64_t items, int64_t cost,
                         const std::function<void(int64_t, int64_t)>& work) {
  if (items == 0) return;
  auto* workers = context->device()->tensorflow_cpu_worker_threads()->workers;
  workers->ParallelFor(items, std::max<int64_t>(cost, 1), work);
}

// Runs a kernel whose work item is a block of kBlock neurons of a series [batch, steps, inner],
// stepped through time. The cost is about a nanosecond per neuron and step, and kLeast for a step of
// few neurons.
template <class Args>
void run_scan(OpKernelContext* context, void (*kernel)(Dtype, const Args&, int64_t, int64_t),
              Dtype dtype, const Args& args) {
  constexpr int64_t kLeast = 64;
  const Shape& shape = args.shape;
  parallel_for(context, shape.batch * block_count(shape.inner, kBlock),
               shape.steps * std::clamp<int64_t>(shape.inner, kLeast, kBlock),
               [&](int64_t begin, int64_t end) { kernel(dtype, args, begin, end); });
}

// Shape function: every output has the shape of input `of`, whose rank is at least 2.
template <int of>
absl::Status like_input(InferenceContext* c) {
  ShapeHandle shape;
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(of), 2, &shape));
  for (int i = 0; i < c->num_outputs(); ++i) c->set_output(i, shape);
  return absl::OkStatus();
}

// In the tests of the GPU's kernels (KS_EMULATED), these take the place of the CPU's: see device.h.
#if defined(KS_EMULATED)
#define KS_REGISTER(name, kernel) static_assert(true)
#else
#define KS_REGISTER(name, kernel) \
  REGISTER_KERNEL_BUILDER(Name("KerasSlayer>" name).Device(tensorflow::DEVICE_CPU), kernel)
#endif

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_BASE_OP_H_
