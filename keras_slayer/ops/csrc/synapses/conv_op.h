// Helpers of the ops of 2-D convolutions: the checked geometry and the orders of the weights.
#ifndef KERAS_SLAYER_SYNAPSES_CONV_OP_H_
#define KERAS_SLAYER_SYNAPSES_CONV_OP_H_

#include <vector>

#include "events/event_op.h"
#include "synapses/geometry.h"

namespace keras_slayer {

#define KS_CONV_ATTRS               \
  .Attr("strides: list(int)")       \
      .Attr("dilations: list(int)") \
      .Attr("padding_before: list(int)")

// The table row_target (or column_target) of ConvGeometry, [in, taps].
inline std::vector<int32_t> targets(int64_t in, int64_t taps, int64_t out, int64_t stride,
                                    int64_t dilation, int64_t padding) {
  std::vector<int32_t> table(size_t(in * taps), -1);
  for (int64_t i = 0; i < in; ++i) {
    for (int64_t k = 0; k < taps; ++k) {
      const int64_t at = i + padding - k * dilation;
      if (at >= 0 && at % stride == 0 && at / stride < out) {
        table[size_t(i * taps + k)] = int32_t(at / stride);
      }
    }
  }
  return table;
}

// Calls visit(from, to) for each weight: its index in Keras' order [kernel_height, kernel_width,
// channels / groups, filters] and its index in the order that ConvRows reads (ConvGeometry::runs).
template <class Visit>
void for_each_weight(const ConvGeometry& g, Visit visit) {
  const int64_t channels = g.channels / g.groups;
  int64_t from = 0;
  for (int64_t ky = 0; ky < g.kernel_height; ++ky) {
    for (int64_t kx = 0; kx < g.kernel_width; ++kx) {
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t run = (c * g.kernel_height + ky) * g.kernel_width + g.kernel_width - 1 - kx;
        const int64_t row = g.runs ? run : (ky * g.kernel_width + kx) * channels + c;
        for (int64_t f = 0; f < g.filters; ++f) visit(from++, row * g.filters + f);
      }
    }
  }
}

inline absl::Status output_shape(const Events& events, const ConvGeometry& g, TensorShape* shape) {
  return TensorShape::BuildTensorShape({events.rows, g.out_height, g.out_width, g.filters}, shape);
}

// Reads a shape from the vector `weights_shape`.
inline absl::Status read_shape(const Tensor& vector, TensorShape* shape) {
  if (vector.dims() != 1) {
    return InvalidArgument("weights_shape must be a vector. Received: shape ",
                           vector.shape().DebugString());
  }
  return TensorShape::BuildTensorShape(vector.vec<int64_t>(), shape);
}

// The weights in the order and the arithmetic type that ConvRows reads.
template <class T, class A>
Aligned<A> ordered_weights(const ConvGeometry& g, const Tensor& weights) {
  const auto given = weights.flat<T>();
  Aligned<A> ordered(given.size());
  for_each_weight(g, [&](int64_t from, int64_t to) { ordered[to] = static_cast<A>(given(from)); });
  return ordered;
}

// The weights [kernel_height, kernel_width, channels / groups, filters] in TransposedOrder, padded
// with zeros.
template <class T, class A>
Aligned<A> transposed_weights(const ConvGeometry& g, const Tensor& weights) {
  const TransposedOrder order(g, sizeof(A));
  const int64_t taps = g.kernel_width * (g.channels / g.groups);
  const auto given = weights.flat<T>();
  Aligned<A> ordered(order.slices() * g.filters * order.slice);
  int64_t from = 0;
  for (int64_t ky = 0; ky < g.kernel_height; ++ky) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t at = ky * order.run + tap;
      A* to = &ordered[at / order.slice * g.filters * order.slice + at % order.slice];
      for (int64_t f = 0; f < g.filters; ++f) {
        to[f * order.slice] = static_cast<A>(given(from++));
      }
    }
  }
  return ordered;
}

// Adds `count` partial gradients [count, weights], in order, and writes them in Keras' order.
template <class T, class A>
void sum_weights(const ConvGeometry& g, const A* partial, int64_t count, Tensor* out) {
  auto weights = out->flat<T>();
  for_each_weight(g, [&](int64_t to, int64_t from) {
    A sum = 0;
    for (int64_t c = 0; c < count; ++c) sum += partial[c * weights.size() + from];
    weights(to) = T(sum);
  });
}

class ConvOp : public OpKernel {
 public:
  explicit ConvOp(OpKernelConstruction* context) : OpKernel(context) {
    for (auto [name, values] : {std::pair{"strides", &strides_},
                                std::pair{"dilations", &dilations_},
                                std::pair{"padding_before", &padding_}}) {
      OP_REQUIRES_OK(context, context->GetAttr(name, values));
      OP_REQUIRES(context, values->size() == 2, InvalidArgument(name, " must be two numbers"));
    }
    const auto steps = {strides_[0], strides_[1], dilations_[0], dilations_[1]};
    OP_REQUIRES(context, std::min(steps) >= 1 && std::max(steps) <= kMaxSide,
                InvalidArgument("strides and dilations must lie in [1, ", kMaxSide, "]"));
    OP_REQUIRES(context, std::min(padding_[0], padding_[1]) >= 0 &&
                             std::max(padding_[0], padding_[1]) <= kMaxSide,
                InvalidArgument("padding_before must lie in [0, ", kMaxSide, "]"));
  }

 protected:
  // Fills the geometry from the sizes (height, width, channels) of the input and (height, width)
  // of the output and the shape of the weights. `rows` and `columns` own its tables.
  absl::Status prepare(const Tensor& input_size, const Tensor& output_size,
                       const TensorShape& weights, ConvGeometry* g, std::vector<int32_t>* rows,
                       std::vector<int32_t>* columns) const {
    if (input_size.NumElements() != 3 || output_size.NumElements() != 2 || weights.dims() != 4) {
      return InvalidArgument("input_size must be (height, width, channels), output_size (height, ",
                             "width) and weights of rank 4. Received: weights of shape ",
                             weights.DebugString());
    }
    const auto in = input_size.flat<int64_t>();
    const auto out = output_size.flat<int64_t>();
    *g = {in(0),         in(1),         in(2),       out(0),       out(1),
          weights.dim_size(3), weights.dim_size(0), weights.dim_size(1), 1,
          strides_[0],   strides_[1],   dilations_[0], dilations_[1],
          padding_[0],   padding_[1],   nullptr,     nullptr,      false};
    for (int64_t side : {in(0), in(1), out(0), out(1), g->kernel_height, g->kernel_width}) {
      if (side < 1 || side > kMaxSide) {
        return InvalidArgument("heights and widths of input, output and weights must lie in [1, ",
                               kMaxSide, "]. Received: ", side);
      }
    }
    if (in(2) < 1 || in(2) > kMaxColumns / (in(0) * in(1))) {
      return InvalidArgument("a frame must have 1 to ", kMaxColumns, " elements. Received: ",
                             in(0), " x ", in(1), " pixels of ", in(2), " channels");
    }
    const int64_t group_channels = weights.dim_size(2);
    if (group_channels < 1 || g->channels % group_channels != 0) {
      return InvalidArgument("the channels of the weights must divide those of the input. ",
                             "Received: ", group_channels, " and ", g->channels);
    }
    g->groups = g->channels / group_channels;
    if (g->filters < 1 || g->filters % g->groups != 0) {
      return InvalidArgument("filters must be a multiple of the groups, not 0. Received: ",
                             g->filters, " filters and ", g->groups, " groups");
    }
    *rows = targets(g->height, g->kernel_height, g->out_height, strides_[0], dilations_[0],
                    padding_[0]);
    *columns = targets(g->width, g->kernel_width, g->out_width, strides_[1], dilations_[1],
                       padding_[1]);
    g->runs = g->groups == 1 && strides_[1] == 1 && dilations_[1] == 1;
    g->row_target = rows->data();
    g->column_target = columns->data();
    return absl::OkStatus();
  }

 private:
  std::vector<int64_t> strides_, dilations_, padding_;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_CONV_OP_H_
