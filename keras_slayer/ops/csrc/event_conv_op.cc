// Ops of the event-driven 2-D convolution.
#include <memory>
#include <vector>

#include "event_op.h"

namespace keras_slayer {

#define KS_CONV_ATTRS               \
  .Attr("strides: list(int)")       \
      .Attr("dilations: list(int)") \
      .Attr("padding_before: list(int)")

namespace {

// Limit of every size in pixels: no product of them overflows.
constexpr int64_t kMaxSide = 1 << 14;

// Where each input row (or column) lands for each row of the kernel.
std::vector<int32_t> targets(int64_t in, int64_t taps, int64_t out, int64_t stride,
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

// Index of each weight [kernel_height, kernel_width, channels / groups, filters]
// in the order of the kernels: the same, or that of runs (kernels.h).
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

absl::Status output_shape(const Events& events, const ConvGeometry& g, TensorShape* shape) {
  return TensorShape::BuildTensorShape({events.rows, g.out_height, g.out_width, g.filters}, shape);
}

// Calls fn(T(), A()) with TensorFlow's type and the type of its arithmetic.
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
  // Everything a kernel needs from the sizes (height, width, channels) of the
  // input, (height, width) of the output and the shape of the weights.
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
    *g = {in(0),  in(1), in(2), out(0), out(1), weights.dim_size(3), weights.dim_size(0),
          weights.dim_size(1), 1, nullptr, nullptr, false, padding_[1]};
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
    if (g->filters % g->groups != 0) {
      return InvalidArgument("filters must be a multiple of the groups. Received: ", g->filters,
                             " filters and ", g->groups, " groups");
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

}  // namespace

REGISTER_OP("KerasSlayer>EventConv2D")
    KS_EVENT_INPUTS
    .Input("weights: T")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Output("out: T")
    KS_CONV_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle weights;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 4, &weights));
      c->set_output(0, c->MakeShape({c->UnknownDim(), c->UnknownDim(), c->UnknownDim(),
                                     c->Dim(weights, 3)}));
      return absl::OkStatus();
    });

class EventConv2D : public ConvOp {
 public:
  using ConvOp::ConvOp;
  void Compute(OpKernelContext* context) override {
    const Tensor& weights = context->input(3);
    ConvGeometry g;
    std::vector<int32_t> rows, columns;
    OP_REQUIRES_OK(context, prepare(context->input(4), context->input(5), weights.shape(), &g,
                                    &rows, &columns));
    Events events;
    OP_REQUIRES_OK(context, read_events(context, g.height * g.width * g.channels, &events));
    Tensor* out = nullptr;
    TensorShape shape;
    OP_REQUIRES_OK(context, output_shape(events, g, &shape));
    OP_REQUIRES_OK(context, allocate_large(context, 0, shape, &out));
    with_types(weights.dtype(), [&](auto type, auto wide) {
      const auto given = weights.flat<decltype(type)>();
      const std::unique_ptr<decltype(wide)[]> ordered(new decltype(wide)[size_t(given.size())]);
      for_each_weight(g, [&](int64_t from, int64_t to) {
        ordered[to] = static_cast<decltype(wide)>(given(from));
      });
      const EventConvArgs args = {events, g, ordered.get(), data_of(out)};
      const int64_t taps = g.kernel_height * g.kernel_width * g.filters / g.groups;
      parallel_for(context, events.rows,
                   row_cost(events, taps) + g.out_height * g.out_width * g.filters / 8,
                   [&](int64_t begin, int64_t end) {
                     kernels().event_conv(dtype_of(weights), args, begin, end);
                   });
    });
  }
};
KS_REGISTER("EventConv2D", EventConv2D);

REGISTER_OP("KerasSlayer>EventConv2DWeightsGrad")
    KS_EVENT_INPUTS
    .Input("grad: T")
    .Input("input_size: int64")
    .Input("output_size: int64")
    .Input("weights_shape: int64")
    .Output("grad_weights: T")
    KS_CONV_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle shape;
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(6, &shape));
      c->set_output(0, shape);
      return absl::OkStatus();
    });

class EventConv2DWeightsGrad : public ConvOp {
 public:
  using ConvOp::ConvOp;
  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(3);
    TensorShape weights;
    OP_REQUIRES(context, context->input(6).dims() == 1,
                InvalidArgument("weights_shape must be a vector. Received: shape ",
                                context->input(6).shape().DebugString()));
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape(context->input(6).vec<int64_t>(),
                                                          &weights));
    ConvGeometry g;
    std::vector<int32_t> rows, columns;
    OP_REQUIRES_OK(context, prepare(context->input(4), context->input(5), weights, &g, &rows,
                                    &columns));
    Events events;
    OP_REQUIRES_OK(context, read_events(context, g.height * g.width * g.channels, &events));
    TensorShape expected;
    OP_REQUIRES_OK(context, output_shape(events, g, &expected));
    OP_REQUIRES(context, grad.shape() == expected,
                InvalidArgument("grad must have the shape ", expected.DebugString(),
                                ". Received: ", grad.shape().DebugString()));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, weights, &out));
    with_types(grad.dtype(), [&](auto type, auto wide) {
      reduce<decltype(type), decltype(wide)>(context, events, g, grad, out);
    });
  }

 private:
  // Sums chunks of frames apart and then together, in order. The number of
  // chunks depends on the sizes alone, so the bits do not depend on threads.
  template <class T, class A>
  static void reduce(OpKernelContext* context, const Events& events, const ConvGeometry& g,
                     const Tensor& grad, Tensor* out) {
    constexpr int64_t kChunks = 16, kMaxBytes = int64_t(64) << 20;
    const int64_t size = out->NumElements();
    const int64_t bytes = std::max<int64_t>(size * int64_t(sizeof(A)), 1);
    const int64_t chunks = std::max<int64_t>(
        1, std::min({kChunks, events.rows, kMaxBytes / bytes}));
    const int64_t frames = (events.rows + chunks - 1) / chunks;
    const std::unique_ptr<A[]> partial(new A[size_t(chunks * size)]);
    const EventConvGradArgs args = {events, g, data_of(grad), frames, partial.get()};
    const int64_t taps = g.kernel_height * g.kernel_width * g.filters / g.groups;
    parallel_for(context, chunks, frames * row_cost(events, taps),
                 [&](int64_t begin, int64_t end) {
                   kernels().event_conv_grad(dtype_of(grad), args, begin, end);
                 });
    auto weights = out->flat<T>();
    for_each_weight(g, [&](int64_t to, int64_t from) {
      A sum = 0;
      for (int64_t c = 0; c < chunks; ++c) sum += partial[c * size + from];
      weights(to) = T(sum);
    });
  }
};
KS_REGISTER("EventConv2DWeightsGrad", EventConv2DWeightsGrad);

}  // namespace keras_slayer
