// Ops of neurons that feed each other by a convolution: RecurrentConv2DLayer, from the synaptic
// input that comes from outside [batch, time, height, width, filters] to spikes (bytes) and
// membrane potential before reset; RecurrentConv2DLayerGrad, from the gradient of the spikes to
// that of the synaptic input. On a GPU they start their kernels for each step.
#include "gpu/transposed_conv_op.h"
#include "neurons/neuron_op.h"
#include "recurrent/recurrent_conv.h"
#include "synapses/conv_op.h"

namespace keras_slayer {
namespace {

// Whether the convolution takes the maps of a series to maps of the same size.
absl::Status check_maps(const Tensor& series, const char* name, const ConvGeometry& g) {
  const bool same = g.height == g.out_height && g.width == g.out_width && g.channels == g.filters;
  if (same && series.dims() == 5 && series.dim_size(2) == g.height &&
      series.dim_size(3) == g.width && series.dim_size(4) == g.filters) {
    return absl::OkStatus();
  }
  return InvalidArgument(name, " must be maps (batch, time, height, width, filters) that the "
                         "convolution keeps in size. Received: ", name, " of shape ",
                         series.shape().DebugString(), ", a convolution from ", g.height, " x ",
                         g.width, " x ", g.channels, " to ", g.out_height, " x ", g.out_width,
                         " x ", g.filters);
}

// Cost of a sample in nanoseconds; each neuron adds `weights` of them.
int64_t cost_of(const Shape& shape, int64_t weights) {
  return shape.steps * shape.inner * (2 + weights / 16);
}

// The kernel of a neuron on a GPU.
gpu::Kernel recurrent_conv_kernel(const NeuronOptions& options, const char* name) {
  return {"recurrent_conv", options.kernel(name).name};
}

}  // namespace

REGISTER_OP("KerasSlayer>RecurrentConv2DLayer")
    .Input("synaptic_input: T")
    .Input("weights: T")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Input("params: double")
    .Output("spikes: uint8")
    .Output("membrane: T")
    KS_STATE
    KS_CONV_ATTRS
    KS_NEURON_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn(like_input_and_state);

template <class Device>
class RecurrentConv2DLayer : public ConvOp {
 public:
  explicit RecurrentConv2DLayer(OpKernelConstruction* context) : ConvOp(context) {
    OP_REQUIRES_OK(context, options_.init(context, false));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor &in = context->input(0), &weights = context->input(1);
    RecurrentConvArgs args = {};
    ConvGeometry& g = args.geometry;
    std::vector<int32_t> rows, columns;
    ChannelRows channels;
    Tensor *spikes, *membrane;
    typename Device::Check check;
    OP_REQUIRES_OK(context, check.init(gpu::Fault::kNotFinite));
    OP_REQUIRES_OK(context, prepare(context->input(2), context->input(3), weights.shape(), &g,
                                    &rows, &columns));
    OP_REQUIRES_OK(context, check_maps(in, "synaptic_input", g));
    OP_REQUIRES_OK(context, options_.template read<Device>(context, 4, &args.neuron, &channels));
    OP_REQUIRES_OK(context, series_shape(in, "synaptic_input", &args.shape));
    OP_REQUIRES_OK(context, Device::allocate_large(context, 0, in.shape(), &spikes));
    OP_REQUIRES_OK(context, Device::allocate_large(context, 1, in.shape(), &membrane));
    OP_REQUIRES_OK(context, prepare_state(context, states_of(args.neuron.kind) + 1, in.shape(),
                                          &args.state));
    args.in = data_of(in);
    args.spikes = spikes->flat<uint8_t>().data();
    args.membrane = data_of(membrane);
    args.not_finite = check.flag();
    if constexpr (Device::kGpu) {
      OP_REQUIRES_OK(context, on_gpu(context, weights, &args));
    } else {
      with_types(in.dtype(), [&](auto type, auto wide) {
        const auto ordered = ordered_weights<decltype(type), decltype(wide)>(g, weights);
        args.weights = ordered.get();
        parallel_for(context, args.shape.batch, cost_of(args.shape, 0),
                     [&](int64_t begin, int64_t end) {
                       kernels::recurrent_conv(dtype_of(in), args, begin, end);
                     });
      });
    }
    OP_REQUIRES_OK(context, check_finite(check));
  }

 private:
  absl::Status on_gpu(OpKernelContext* context, const Tensor& weights,
                      RecurrentConvArgs* args) const {
    const ConvGeometry& g = args->geometry;
    const int64_t batch = args->shape.batch, states = states_of(args->neuron.kind);
    Tensor scratch;
    TF_RETURN_IF_ERROR(context->allocate_temp(
        tensorflow::DT_DOUBLE, TensorShape({batch, states, args->shape.inner}), &scratch));
    args->weights = data_of(weights);
    args->scratch = data_of(&scratch);
    const gpu::Kernel kernel = recurrent_conv_kernel(options_, "recurrent_conv");
    const int64_t parts = g.groups * block_count(g.filters / g.groups, gpu::kWarp);
    const int64_t warps = batch * g.out_height * g.out_width * parts;
    for (; args->step < std::max<int64_t>(args->shape.steps, 1); ++args->step) {
      TF_RETURN_IF_ERROR(
          OnGpu::threads(context, kernel, dtype_of(weights), warps * gpu::kWarp, *args));
    }
    return absl::OkStatus();
  }

  NeuronOptions options_;
};
KS_REGISTER_DEVICES("RecurrentConv2DLayer", RecurrentConv2DLayer,
                    .HostMemory("input_size").HostMemory("output_size").HostMemory("params"));

REGISTER_OP("KerasSlayer>RecurrentConv2DLayerGrad")
    .Input("grad_spikes: T")
    .Input("membrane: T")
    .Input("weights: T")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Input("params: double")
    .Output("grad_input: T")
    KS_BACKWARD_STATE
    KS_CONV_ATTRS
    KS_NEURON_ATTRS
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn(like_input_and_earlier);

template <class Device>
class RecurrentConv2DLayerGrad : public ConvOp {
 public:
  explicit RecurrentConv2DLayerGrad(OpKernelConstruction* context) : ConvOp(context) {
    OP_REQUIRES_OK(context, options_.init(context, true));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor &grad = context->input(0), &membrane = context->input(1);
    const Tensor& weights = context->input(2);
    RecurrentConvGradArgs args = {};
    ConvGeometry& g = args.geometry;
    std::vector<int32_t> rows, columns;
    ChannelRows channels;
    Tensor* grad_in;
    OP_REQUIRES_OK(context, prepare(context->input(3), context->input(4), weights.shape(), &g,
                                    &rows, &columns));
    OP_REQUIRES_OK(context, check_maps(grad, "grad_spikes", g));
    OP_REQUIRES_OK(context, same_shape(grad, "grad_spikes", membrane, "membrane"));
    OP_REQUIRES_OK(context, options_.template read<Device>(context, 5, &args.neuron, &channels));
    OP_REQUIRES_OK(context, series_shape(grad, "grad_spikes", &args.shape));
    OP_REQUIRES_OK(context, Device::allocate_large(context, 0, grad.shape(), &grad_in));
    OP_REQUIRES_OK(context, prepare_backward_state(context, backward_states_of(args.neuron.kind) + 1,
                                                   grad.shape(), &args.state));
    args.grad_spikes = data_of(grad);
    args.membrane = data_of(membrane);
    args.grad_in = data_of(grad_in);
    if constexpr (Device::kGpu) {
      OP_REQUIRES_OK(context, on_gpu(context, weights, &args));
    } else {
      with_types(grad.dtype(), [&](auto type, auto wide) {
        const auto ordered = transposed_weights<decltype(type), decltype(wide)>(g, weights);
        args.weights = ordered.get();
        const int64_t met = g.kernel_height * g.kernel_width * g.filters / g.groups;
        parallel_for(context, args.shape.batch, cost_of(args.shape, met),
                     [&](int64_t begin, int64_t end) {
                       kernels::recurrent_conv_grad(dtype_of(grad), args, begin, end);
                     });
      });
    }
  }

 private:
  absl::Status on_gpu(OpKernelContext* context, const Tensor& weights,
                      RecurrentConvGradArgs* args) const {
    const int64_t steps = args->shape.steps, neurons = args->shape.batch * args->shape.inner;
    if (neurons == 0) return absl::OkStatus();
    Tensor states, felt, dz;
    for (auto [tensor, rows] : {std::pair{&states, kRecurrentConvStates},
                                std::pair{&felt, int64_t(1)}, std::pair{&dz, int64_t(1)}}) {
      TF_RETURN_IF_ERROR(
          TransposedConvOnGpu::allocate(context, weights.dtype(), rows * neurons, tensor));
    }
    TransposedConvOnGpu transposed;
    TF_RETURN_IF_ERROR(transposed.init(context, args->geometry, weights, args->shape.batch));
    args->scratch = data_of(&states);
    args->felt = data_of(&felt);
    args->dz = data_of(&dz);
    if (args->state.to != nullptr) {
      TF_RETURN_IF_ERROR(OnGpu::threads(context, {"recurrent_conv", "recurrent_conv_later"},
                                        dtype_of(weights), neurons, *args));
    }
    if (args->state.from != nullptr) {
      TF_RETURN_IF_ERROR(transposed.run(context, args->dz, data_of(&felt)));
    }
    const gpu::Kernel kernel = recurrent_conv_kernel(options_, "recurrent_conv_grad");
    for (args->step = steps - 1; args->step >= 0; --args->step) {
      TF_RETURN_IF_ERROR(OnGpu::threads(context, kernel, dtype_of(weights), neurons, *args));
      if (args->step > 0) TF_RETURN_IF_ERROR(transposed.run(context, args->dz, data_of(&felt)));
    }
    return absl::OkStatus();
  }

  NeuronOptions options_;
};
KS_REGISTER_DEVICES("RecurrentConv2DLayerGrad", RecurrentConv2DLayerGrad,
                    .HostMemory("input_size").HostMemory("output_size").HostMemory("params"));

}  // namespace keras_slayer
