// Helpers of the ops of fused layers: sizes of blocks, shapes, attributes of pools.
#ifndef KERAS_SLAYER_LAYERS_LAYER_OP_H_
#define KERAS_SLAYER_LAYERS_LAYER_OP_H_

#include <initializer_list>
#include <tuple>
#include <vector>

#include "events/event_op.h"
#include "layers/layer.h"
#include "neurons/neuron_op.h"

namespace keras_slayer {

// How much of `size` a work item gets, in multiples of `unit`: as much as stays in the cache
// (`largest`), less if threads would be idle. The result of the kernel does not depend on it.
inline int64_t choose_block(OpKernelContext* context, int64_t batch, int64_t size, int64_t unit,
                            int64_t largest) {
  const int64_t units = std::max<int64_t>(1, (size + unit - 1) / unit);
  const int64_t blocks = std::max((size + largest - 1) / largest,
                                  (2 * threads(context) + batch - 1) / std::max<int64_t>(1, batch));
  return (units + blocks - 1) / blocks * unit;
}

// Shape [batch, steps, inner...]; the vector (batch, steps) must match the number of frames.
inline absl::Status series_of(const Tensor& batch_and_steps, int64_t frames,
                              std::initializer_list<int64_t> inner, TensorShape* shape) {
  const bool pair = batch_and_steps.dims() == 1 && batch_and_steps.dim_size(0) == 2;
  const int64_t batch = pair ? batch_and_steps.flat<int64_t>()(0) : -1;
  const int64_t steps = pair ? batch_and_steps.flat<int64_t>()(1) : -1;
  const bool fits = batch >= 0 && steps >= 0 && (batch == 0 || steps <= frames / batch) &&
                    batch * steps == frames;
  if (!fits) {
    return InvalidArgument("batch_and_steps must be two numbers whose product is the number of ",
                           "frames, ", frames, ". Received: ", batch, " and ", steps);
  }
  std::vector<int64_t> sizes = {batch, steps};
  sizes.insert(sizes.end(), inner);
  return TensorShape::BuildTensorShape(sizes, shape);
}

// Shape function: spikes and membrane potentials have the shape [outer..., inner...].
inline absl::Status layer_outputs(InferenceContext* c, ShapeHandle outer,
                                 const std::vector<tensorflow::shape_inference::DimensionHandle>&
                                     inner) {
  ShapeHandle shape;
  TF_RETURN_IF_ERROR(c->Concatenate(outer, c->MakeShape(inner), &shape));
  return series_and_state(c, shape);
}

#define KS_POOL_ATTRS                \
  .Attr("pool_size: list(int)")      \
      .Attr("strides: list(int)")    \
      .Attr("padding_before: list(int)")

// Reads the attributes of a pool.
class PoolOptions {
 public:
  // Reads the attributes with these names.
  absl::Status read(OpKernelConstruction* context, const char* size, const char* strides,
                    const char* padding) {
    for (auto [name, values, low] : {std::tuple{size, &window_, 1},
                                     std::tuple{strides, &strides_, 1},
                                     std::tuple{padding, &padding_, 0}}) {
      TF_RETURN_IF_ERROR(context->GetAttr(name, values));
      if (values->size() != 2) return InvalidArgument(name, " must be two numbers");
      for (int64_t value : *values) {
        if (value < low || value > kMaxSide) {
          return InvalidArgument(name, " must lie in [", low, ", ", kMaxSide, "]");
        }
      }
    }
    return absl::OkStatus();
  }

  // The geometry for frames [batch, steps, height, width, channels].
  absl::Status prepare(const TensorShape& frames, int64_t out_height, int64_t out_width,
                       const Tensor& weight, PoolGeometry* g) const {
    if (frames.dims() != 5 || weight.NumElements() != 1) {
      return InvalidArgument("frames must be (batch, time, height, width, channels) and weight ",
                             "one number. Received: frames of shape ", frames.DebugString());
    }
    *g = {frames.dim_size(2), frames.dim_size(3), frames.dim_size(4), out_height,  out_width,
          window_[0],         window_[1],         strides_[0],        strides_[1], padding_[0],
          padding_[1],        weight.flat<double>()(0)};
    for (int64_t side : {g->height, g->width, g->out_height, g->out_width}) {
      if (side < 1 || side > kMaxSide) {
        return InvalidArgument("heights and widths must lie in [1, ", kMaxSide, "]. Received: ",
                               side);
      }
    }
    const int64_t pixels = std::max(g->height * g->width, g->out_height * g->out_width);
    if (g->channels < 1 || g->channels > kMaxColumns / pixels) {
      return InvalidArgument("a frame must have 1 to ", kMaxColumns, " elements. Received: ",
                             pixels, " pixels of ", g->channels, " channels");
    }
    return absl::OkStatus();
  }

 private:
  std::vector<int64_t> window_, strides_, padding_;
};

// Chooses the band and runs layer_input_grad. The caller sets everything else. A band is a
// multiple of kTileSide rows, so that it consists of whole tiles of winograd.h.
inline void run_input_grad(OpKernelContext* context, LayerInputGradArgs args, Dtype dtype) {
  args.band = choose_block(context, args.shape.batch, args.in_rows, kTileSide,
                           std::max<int64_t>(1, kLayerBlock / args.in_row));
  const int64_t items = args.shape.batch * block_count(args.in_rows, args.band);
  parallel_for(context, items, args.shape.steps * args.band * args.in_row * 2,
               [&](int64_t begin, int64_t end) {
                 kernels::layer_input_grad(dtype, args, begin, end);
               });
}

class PoolOp : public OpKernel {
 public:
  explicit PoolOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, pool_.read(context, "pool_size", "strides", "padding_before"));
  }

 protected:
  // Reads the inputs frames, output_size and weight of a layer: its geometry, and the shape of its
  // outputs.
  absl::Status prepare_layer(OpKernelContext* context, PoolGeometry* g,
                             TensorShape* outputs) const {
    const TensorShape& frames = context->input(0).shape();
    const Tensor& size = context->input(1);
    if (size.NumElements() != 2) {
      return InvalidArgument("output_size must be (height, width). Received: ", size.NumElements(),
                             " numbers");
    }
    const auto side = size.flat<int64_t>();
    TF_RETURN_IF_ERROR(pool_.prepare(frames, side(0), side(1), context->input(2), g));
    return TensorShape::BuildTensorShape(
        {frames.dim_size(0), frames.dim_size(1), g->out_height, g->out_width, g->channels},
        outputs);
  }
  // Reads the inputs grad, weight and input_size of its gradient: its geometry, and the shape of
  // its inputs.
  absl::Status prepare_gradient(OpKernelContext* context, PoolGeometry* g,
                                TensorShape* inputs) const {
    const Tensor& grad = context->input(0);
    const Tensor& input_size = context->input(4);
    if (grad.dims() != 5 || input_size.NumElements() != 2) {
      return InvalidArgument("grad must be (batch, time, height, width, channels) and input_size ",
                             "(height, width). Received: grad of shape ",
                             grad.shape().DebugString());
    }
    const auto side = input_size.flat<int64_t>();
    TF_RETURN_IF_ERROR(TensorShape::BuildTensorShape(
        {grad.dim_size(0), grad.dim_size(1), side(0), side(1), grad.dim_size(4)}, inputs));
    return pool_.prepare(*inputs, grad.dim_size(2), grad.dim_size(3), context->input(2), g);
  }

  PoolOptions pool_;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_LAYERS_LAYER_OP_H_
