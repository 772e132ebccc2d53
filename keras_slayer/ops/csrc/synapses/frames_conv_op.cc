// Ops of the 2-D convolution of frames of spikes [frames, height, width, channels], without neurons,
// and of its gradients. For the GPU, which needs no list of events; the CPU makes one.
#include "events/find_events_op.h"
#include "gpu/conv.h"
#include "synapses/event_conv_op.h"

namespace keras_slayer {
namespace {

// Checks frames [frames, height, width, channels].
absl::Status check_frames(const Tensor& frames, const ConvGeometry& g) {
  if (frames.dims() == 4 && frames.dim_size(1) == g.height && frames.dim_size(2) == g.width &&
      frames.dim_size(3) == g.channels) {
    return absl::OkStatus();
  }
  return InvalidArgument("frames must have the shape (n, ", g.height, ", ", g.width, ", ",
                         g.channels, "). Received: ", frames.shape().DebugString());
}

// Checks the gradient [frames, out_height, out_width, filters] of the output.
absl::Status check_grad(const Tensor& grad, int64_t frames, const ConvGeometry& g) {
  if (grad.dims() == 4 && grad.dim_size(0) == frames && grad.dim_size(1) == g.out_height &&
      grad.dim_size(2) == g.out_width && grad.dim_size(3) == g.filters) {
    return absl::OkStatus();
  }
  return InvalidArgument("grad must have the shape (", frames, ", ", g.out_height, ", ",
                         g.out_width, ", ", g.filters, "). Received: ",
                         grad.shape().DebugString());
}

absl::Status events_of(OpKernelContext* context, const Tensor& frames, const ConvGeometry& g,
                       tensorflow::DataType type, FoundEvents* found, Events* events) {
  const int64_t columns = g.height * g.width * g.channels;
  TF_RETURN_IF_ERROR(find_events(context, frames, frames.dim_size(0), columns, type,
                                 frames.NumElements(), found));
  *events = found->events(columns);
  return absl::OkStatus();
}

}  // namespace

REGISTER_OP("KerasSlayer>FramesConv2D")
    .Input("frames: S")
    .Input("weights: T")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Output("out: T")
    KS_CONV_ATTRS
    .Attr(KS_SPIKE_TYPES)
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle frames, weights;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &frames));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 4, &weights));
      c->set_output(0, c->MakeShape({c->Dim(frames, 0), c->UnknownDim(), c->UnknownDim(),
                                     c->Dim(weights, 3)}));
      return absl::OkStatus();
    });

template <class Device>
class FramesConv2D : public ConvOp {
 public:
  using ConvOp::ConvOp;
  void Compute(OpKernelContext* context) override {
    const Tensor &frames = context->input(0), &weights = context->input(1);
    ConvGeometry g;
    std::vector<int32_t> rows, columns;
    OP_REQUIRES_OK(context, prepare(context->input(2), context->input(3), weights.shape(), &g,
                                    &rows, &columns));
    OP_REQUIRES_OK(context, check_frames(frames, g));
    OP_REQUIRES_OK(context, check_spike_type(frames, weights.dtype()));
    TensorShape shape;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape(
                                {frames.dim_size(0), g.out_height, g.out_width, g.filters}, &shape));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, Device::allocate_large(context, 0, shape, &out));
    if constexpr (Device::kGpu) {
      const FramesConvArgs args = {frames.dim_size(0), g, dtype_of(frames) == Dtype::kByte,
                                   data_of(frames), data_of(weights), data_of(out)};
      const int64_t parts = g.groups * block_count(g.filters / g.groups, gpu::kWarp);
      const int64_t warps = args.frames * g.out_height * g.out_width * parts;
      OP_REQUIRES_OK(context, Device::threads(context, {"conv", "frames_conv"}, dtype_of(weights),
                                              warps * gpu::kWarp, args));
    } else {
      FoundEvents found;
      Events events;
      OP_REQUIRES_OK(context, events_of(context, frames, g, weights.dtype(), &found, &events));
      convolve_events(context, events, g, weights, out);
    }
  }
};
KS_REGISTER_DEVICES("FramesConv2D", FramesConv2D,
                    .HostMemory("input_size").HostMemory("output_size"));

REGISTER_OP("KerasSlayer>FramesConv2DWeightsGrad")
    .Input("frames: S")
    .Input("grad: T")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Input("weights_shape: int64")
    .Output("grad_weights: T")
    KS_CONV_ATTRS
    .Attr(KS_SPIKE_TYPES)
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle shape;
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(4, &shape));
      c->set_output(0, shape);
      return absl::OkStatus();
    });

template <class Device>
class FramesConv2DWeightsGrad : public ConvOp {
 public:
  using ConvOp::ConvOp;
  void Compute(OpKernelContext* context) override {
    const Tensor &frames = context->input(0), &grad = context->input(1);
    TensorShape weights;
    OP_REQUIRES_OK(context, read_shape(context->input(4), &weights));
    ConvGeometry g;
    std::vector<int32_t> rows, columns;
    OP_REQUIRES_OK(context, prepare(context->input(2), context->input(3), weights, &g, &rows,
                                    &columns));
    OP_REQUIRES_OK(context, check_frames(frames, g));
    OP_REQUIRES_OK(context, check_spike_type(frames, grad.dtype()));
    OP_REQUIRES_OK(context, check_grad(grad, frames.dim_size(0), g));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, weights, &out));
    if constexpr (Device::kGpu) {
      OP_REQUIRES_OK(context, on_gpu(context, frames, g, grad, out));
    } else {
      FoundEvents found;
      Events events;
      OP_REQUIRES_OK(context, events_of(context, frames, g, grad.dtype(), &found, &events));
      weights_grad_of_events(context, events, g, grad, out);
    }
  }

 private:
  static absl::Status on_gpu(OpKernelContext* context, const Tensor& frames, const ConvGeometry& g,
                             const Tensor& grad, Tensor* out) {
    const Dtype dtype = dtype_of(grad);
    const auto wide = dtype == Dtype::kDouble ? tensorflow::DT_DOUBLE : tensorflow::DT_FLOAT;
    const int64_t size = out->NumElements();
    const ConvParts divided(frames.dim_size(0), size, tensorflow::DataTypeSize(wide));
    Tensor partial;
    TF_RETURN_IF_ERROR(context->allocate_temp(wide, {divided.parts, size}, &partial));
    const FramesConvGradArgs args = {frames.dim_size(0), std::max<int64_t>(divided.frames, 1), g,
                                     dtype_of(frames) == Dtype::kByte, data_of(frames),
                                     data_of(grad), data_of(&partial)};
    const int64_t parts = block_count(args.frames, args.part);
    const int64_t warps = parts * size / g.filters * block_count(g.filters, gpu::kWarp);
    TF_RETURN_IF_ERROR(
        OnGpu::threads(context, {"conv", "frames_conv_grad"}, dtype, warps * gpu::kWarp, args));
    return OnGpu::threads(context, {"conv", "part_sums"}, dtype, size,
                          PartSumsArgs{parts, size, args.partial, data_of(out)});
  }
};
KS_REGISTER_DEVICES("FramesConv2DWeightsGrad", FramesConv2DWeightsGrad,
                    .HostMemory("input_size").HostMemory("output_size").HostMemory("weights_shape"));

REGISTER_OP("KerasSlayer>FramesConv2DInputGrad")
    .Input("grad: T")
    .Input("transposed: T")  // weights [kernel height, kernel width, filters, channels / groups]
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Output("grad_frames: T")
    KS_CONV_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle grad, weights;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &grad));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 4, &weights));
      c->set_output(0, c->MakeShape({c->Dim(grad, 0), c->UnknownDim(), c->UnknownDim(),
                                     c->UnknownDim()}));
      return absl::OkStatus();
    });

template <class Device>
class FramesConv2DInputGrad : public ConvOp {
 public:
  using ConvOp::ConvOp;
  void Compute(OpKernelContext* context) override {
    const Tensor &grad = context->input(0), &transposed = context->input(1);
    const TensorShape& order = transposed.shape();
    OP_REQUIRES(context, order.dims() == 4,
                InvalidArgument("transposed must be weights of rank 4. Received: shape ",
                                order.DebugString()));
    const TensorShape weights({order.dim_size(0), order.dim_size(1), order.dim_size(3),
                               order.dim_size(2)});
    ConvGeometry g;
    std::vector<int32_t> rows, columns;
    OP_REQUIRES_OK(context, prepare(context->input(2), context->input(3), weights, &g, &rows,
                                    &columns));
    const int64_t frames = grad.dims() > 0 ? grad.dim_size(0) : 0;
    OP_REQUIRES_OK(context, check_grad(grad, frames, g));
    TensorShape shape;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape(
                                {frames, g.height, g.width, g.channels}, &shape));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, Device::allocate_large(context, 0, shape, &out));
    const FramesInputGradArgs args = {frames, g, data_of(grad), data_of(transposed), data_of(out)};
    const Dtype dtype = dtype_of(grad);
    if constexpr (Device::kGpu) {
      const int64_t parts = g.groups * block_count(g.channels / g.groups, gpu::kWarp);
      const int64_t warps = frames * g.height * g.width * parts;
      OP_REQUIRES_OK(context, Device::threads(context, {"conv", "frames_input_grad"}, dtype,
                                              warps * gpu::kWarp, args));
    } else {
      const int64_t taps = g.kernel_height * g.kernel_width * g.channels / g.groups;
      parallel_for(context, frames, g.out_height * g.out_width * g.filters * taps / 16,
                   [&](int64_t begin, int64_t end) {
                     kernels::frames_input_grad(dtype, args, begin, end);
                   });
    }
  }
};
KS_REGISTER_DEVICES("FramesConv2DInputGrad", FramesConv2DInputGrad,
                    .HostMemory("input_size").HostMemory("output_size"));

}  // namespace keras_slayer
