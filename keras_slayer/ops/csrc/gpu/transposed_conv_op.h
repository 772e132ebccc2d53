// Starts the kernels of gpu/transposed_conv.cu: for ops.
#ifndef KERAS_SLAYER_GPU_TRANSPOSED_CONV_OP_H_
#define KERAS_SLAYER_GPU_TRANSPOSED_CONV_OP_H_

#include "base/device.h"
#include "gpu/transposed_conv.h"

namespace keras_slayer {

class TransposedConvOnGpu {
 public:
  // Memory for numbers of the arithmetic type that belongs to a storage type.
  static absl::Status allocate(OpKernelContext* context, tensorflow::DataType type, int64_t count,
                               Tensor* tensor) {
    const bool wide = type == tensorflow::DT_DOUBLE;
    return context->allocate_temp(wide ? tensorflow::DT_DOUBLE : tensorflow::DT_FLOAT,
                                  TensorShape({count}), tensor);
  }

  // For `frames` frames and weights in Keras' order, which it brings into those of the kernels.
  absl::Status init(OpKernelContext* context, const ConvGeometry& g, const Tensor& weights,
                    int64_t frames) {
    dtype_ = dtype_of(weights);
    args_ = {};
    args_.frames = frames;
    args_.geometry = g;
    const int64_t size = weights.NumElements();
    TF_RETURN_IF_ERROR(allocate(context, weights.dtype(), size, &weights_));
    args_.weights = data_of(&weights_);
    const TransposedWeightsArgs order = {g, data_of(weights), data_of(&weights_)};
    TF_RETURN_IF_ERROR(OnGpu::threads(context, {"transposed_conv", "transposed_weights"}, dtype_,
                                      size, order));
    return winograd_fits(g, dtype_ == Dtype::kDouble ? 8 : 4) ? init_winograd(context, weights)
                                                             : absl::OkStatus();
  }

  // From gradients of outputs to those of inputs, of the arithmetic type.
  absl::Status run(OpKernelContext* context, const void* grad, void* out) {
    const ConvGeometry& g = args_.geometry;
    args_.grad = grad;
    args_.out = out;
    if (args_.taken != nullptr) {
      const int64_t tiles = args_.frames * tiles_across(g) * tiles_down(g);
      TF_RETURN_IF_ERROR(start(context, "winograd_rows",
                               args_.frames * g.out_height * gpu::kWarp));
      TF_RETURN_IF_ERROR(start(context, "winograd_inputs", tiles * g.filters));
      TF_RETURN_IF_ERROR(start(context, "winograd_sums", tiles * points_across(g) * g.channels));
    }
    return start(context, "transposed_conv", args_.frames * g.height * g.width * g.channels);
  }

 private:
  absl::Status init_winograd(OpKernelContext* context, const Tensor& weights) {
    const ConvGeometry& g = args_.geometry;
    const tensorflow::DataType type = weights.dtype();
    const int64_t frames = args_.frames, across = points_across(g);
    const int64_t points = across * points_down(g);
    const int64_t tiles = tiles_across(g) * tiles_down(g);
    const int64_t kernels = points * g.filters * g.channels;
    const int64_t inputs = frames * points * tiles * g.filters;
    const int64_t sums = frames * across * tiles * kTileSide * g.channels;
    TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_UINT8,
                                              TensorShape({frames * g.out_height}), &taken_));
    TF_RETURN_IF_ERROR(allocate(context, type, kernels, &kernels_));
    TF_RETURN_IF_ERROR(allocate(context, type, inputs, &inputs_));
    TF_RETURN_IF_ERROR(allocate(context, type, sums, &sums_));
    args_.taken = taken_.flat<uint8_t>().data();
    args_.kernels = data_of(&kernels_);
    args_.inputs = data_of(&inputs_);
    args_.sums = data_of(&sums_);
    const WinogradWeightsArgs transform = {g, data_of(weights), data_of(&kernels_),
                                           TapFactors(g.kernel_width), TapFactors(g.kernel_height)};
    return OnGpu::threads(context, {"transposed_conv", "winograd_weights"}, dtype_, kernels,
                          transform);
  }
  absl::Status start(OpKernelContext* context, const char* kernel, int64_t threads) const {
    return OnGpu::threads(context, {"transposed_conv", kernel}, dtype_, threads, args_);
  }

  TransposedConvArgs args_;
  Dtype dtype_;
  Tensor weights_, kernels_, taken_, inputs_, sums_;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GPU_TRANSPOSED_CONV_OP_H_
