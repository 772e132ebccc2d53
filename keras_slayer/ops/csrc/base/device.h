// Where an op computes. An op that runs on both devices is a template `template <class Device>`,
// and all that differs goes through OnCpu or OnGpu.
//
// KS_REGISTER_DEVICES registers both; an op that has little in common has two classes,
// KS_REGISTER and KS_REGISTER_GPU. Those of the GPU are registered by keras_slayer_enable_gpu()
// (gpu/driver_op.cc) once the kernels are compiled: where they cannot be, TensorFlow keeps the ops
// on the CPU. In the tests (KS_EMULATED), ops of the GPU run in place of those of the CPU.
#ifndef KERAS_SLAYER_BASE_DEVICE_H_
#define KERAS_SLAYER_BASE_DEVICE_H_

#include <vector>

#include "base/op.h"
#include "gpu/driver.h"
#include "tensorflow/core/framework/kernel_def_builder.h"
#include "xla/stream_executor/stream.h"

namespace keras_slayer {

template <class Args>
using CpuKernel = void (*)(Dtype, const Args&, int64_t begin, int64_t end);

struct OnCpu {
  static constexpr bool kGpu = false;

  static absl::Status allocate_large(OpKernelContext* context, int index, const TensorShape& shape,
                                     Tensor** out) {
    return keras_slayer::allocate_large(context, index, shape, out);
  }
  // Where kernels can read these numbers. `memory` keeps them there.
  static absl::Status place(OpKernelContext*, const std::vector<double>& numbers, Tensor*,
                            const double** out) {
    *out = numbers.data();
    return absl::OkStatus();
  }
  // A kernel whose work item is a block of kBlock neurons of a series.
  template <class Args>
  static absl::Status scan(OpKernelContext* context, CpuKernel<Args> kernel, const gpu::Kernel&,
                           Dtype dtype, const Args& args) {
    run_scan(context, kernel, dtype, args);
    return absl::OkStatus();
  }

  // One that computes each output of a series from several steps.
  template <class Args>
  static absl::Status series(OpKernelContext* context, CpuKernel<Args> kernel, const gpu::Kernel&,
                             Dtype dtype, const Args& args) {
    run_scan(context, kernel, dtype, args);
    return absl::OkStatus();
  }
  // A kernel of `count` work items, each of `cost` nanoseconds.
  template <class Args>
  static absl::Status items(OpKernelContext* context, CpuKernel<Args> kernel, const gpu::Kernel&,
                            Dtype dtype, int64_t count, int64_t cost, const Args& args) {
    parallel_for(context, count, cost,
                 [&](int64_t begin, int64_t end) { kernel(dtype, args, begin, end); });
    return absl::OkStatus();
  }

  // Whether kernels found something wrong with their input: flag() is for them to set.
  class Check {
   public:
    absl::Status init(gpu::Fault) { return absl::OkStatus(); }
    int* flag() { return &flag_; }
    bool failed() const { return flag_ != 0; }
    static const char* when() { return ""; }

   private:
    int flag_ = 0;
  };
};

struct OnGpu {
  static constexpr bool kGpu = true;

  static absl::Status allocate_large(OpKernelContext* context, int index, const TensorShape& shape,
                                     Tensor** out) {
    return context->allocate_output(index, shape, out);
  }
  // Copies them to the card, in the order of its stream.
  static absl::Status place(OpKernelContext* context, const std::vector<double>& numbers,
                            Tensor* memory, const double** out) {
    TF_RETURN_IF_ERROR(context->allocate_temp(
        tensorflow::DT_DOUBLE, TensorShape({int64_t(numbers.size())}), memory));
    *out = memory->flat<double>().data();
    return gpu::write(stream_of(context), numbers.data(), numbers.size() * sizeof(double),
                      memory->flat<double>().data());
  }
  // A thread for each neuron of the series.
  template <class Args>
  static absl::Status scan(OpKernelContext* context, CpuKernel<Args>, const gpu::Kernel& kernel,
                           Dtype dtype, const Args& args) {
    return threads(context, kernel, dtype, args.shape.batch * args.shape.inner, args);
  }
  // A thread for each element of the series.
  template <class Args>
  static absl::Status series(OpKernelContext* context, CpuKernel<Args>, const gpu::Kernel& kernel,
                             Dtype dtype, const Args& args) {
    const Shape& shape = args.shape;
    return threads(context, kernel, dtype, shape.batch * shape.steps * shape.inner, args);
  }
  // A block of threads for each work item.
  template <class Args>
  static absl::Status items(OpKernelContext* context, CpuKernel<Args>, const gpu::Kernel& kernel,
                            Dtype dtype, int64_t count, int64_t, const Args& args) {
    return blocks(context, kernel, dtype, count, args);
  }
  // Copies from the card, after all that was started before, and waits for it.
  static absl::Status read(OpKernelContext* context, const void* from, size_t bytes, void* to) {
    return gpu::read(stream_of(context), from, bytes, to);
  }
  // So many threads, in whole blocks.
  template <class Args>
  static absl::Status threads(OpKernelContext* context, const gpu::Kernel& kernel, Dtype dtype,
                              int64_t count, const Args& args) {
    return blocks(context, kernel, dtype, block_count(count, gpu::kThreads), args);
  }
  template <class Args>
  static absl::Status blocks(OpKernelContext* context, const gpu::Kernel& kernel, Dtype dtype,
                             int64_t count, const Args& args) {
    if (count == 0) return absl::OkStatus();
    return gpu::launch(stream_of(context), kernel, dtype, count, &args);
  }

  // Does not wait for the card: failed() tells of kernels that have run before.
  class Check {
   public:
    absl::Status init(gpu::Fault fault) { return gpu::flag_of(fault, &flag_); }
    int* flag() { return flag_; }
    bool failed() const { return __atomic_exchange_n(flag_, 0, __ATOMIC_RELAXED) != 0; }
    static const char* when() { return " in this op or one before"; }

   private:
    int* flag_ = nullptr;
  };

 private:
  static void* stream_of(OpKernelContext* context) {
#if defined(KS_EMULATED)
    return nullptr;
#else
    return context->op_device_context()->stream()->platform_specific_handle().stream;
#endif
  }
};

// Allocates the matrix [rows, columns] as output `index`. Fails if its size overflows.
template <class Device = OnCpu>
absl::Status allocate_matrix(OpKernelContext* context, int index, int64_t rows, int64_t columns,
                             Tensor** out) {
  TensorShape shape;
  TF_RETURN_IF_ERROR(TensorShape::BuildTensorShape({rows, columns}, &shape));
  return Device::allocate_large(context, index, shape, out);
}

// Allocates output `index` like input `reuse`, in its memory if nothing else needs it.
template <class Device>
absl::Status allocate_series(OpKernelContext* context, int index, int reuse, Tensor** out) {
  const TensorShape& shape = context->input(reuse).shape();
  if (context->forward_input_to_output_with_shape(reuse, index, shape, out)) {
    return absl::OkStatus();
  }
  return Device::allocate_large(context, index, shape, out);
}

// The kernels of the GPU, to be registered once: see gpu/driver_op.cc.
struct GpuRegistration {
  tensorflow::KernelDefBuilder* (*describe)();
  const char* class_name;
  OpKernel* (*create)(OpKernelConstruction*);
};
inline std::vector<GpuRegistration>& gpu_registrations() {
  static std::vector<GpuRegistration> all;
  return all;
}
inline bool add_gpu_registration(const GpuRegistration& registration) {
  gpu_registrations().push_back(registration);
  return true;
}

// KS_REGISTER_GPU("Neuron", NeuronOp<OnGpu>, neuron, .HostMemory("params")): the name of the
// registration, then what stays in host memory on a GPU, or nothing.
#if defined(KS_EMULATED)
#define KS_REGISTER_GPU(name, kernel, registration, ...) \
  REGISTER_KERNEL_BUILDER(Name("KerasSlayer>" name).Device(tensorflow::DEVICE_CPU), kernel)
#else
#define KS_REGISTER_GPU(name, kernel, registration, ...)                                        \
  static const bool registered_##registration = add_gpu_registration(                           \
      {[] {                                                                                     \
         return &(*new tensorflow::KernelDefBuilder("KerasSlayer>" name))                       \
                     .Device(tensorflow::DEVICE_GPU) __VA_ARGS__;                               \
       },                                                                                       \
       #registration,                                                                           \
       [](OpKernelConstruction* context) -> OpKernel* { return new kernel(context); }})
#endif
// The same op on both devices.
#define KS_REGISTER_DEVICES(name, kernel, ...) \
  KS_REGISTER(name, kernel<OnCpu>);            \
  KS_REGISTER_GPU(name, kernel<OnGpu>, kernel, __VA_ARGS__)

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_BASE_DEVICE_H_
