// Ops of the event-driven synapses.
//
// Events are the nonzeros of a matrix, row by row: offsets [rows + 1], index
// (column of each) and value. The gradient ops take the same three.
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "op_support.h"

namespace keras_slayer {
namespace {

constexpr int64_t kMaxColumns = std::numeric_limits<int32_t>::max();

// Inputs 0..2 as events, checked so that no kernel reads outside its arrays.
absl::Status read_events(OpKernelContext* context, int64_t columns, Events* events) {
  const Tensor& offsets = context->input(0);
  const Tensor& index = context->input(1);
  const Tensor& value = context->input(2);
  if (offsets.dims() != 1 || offsets.dim_size(0) < 1 || index.dims() != 1 || value.dims() != 1 ||
      index.dim_size(0) != value.dim_size(0)) {
    return InvalidArgument("events must be vectors offsets [rows + 1], index [n], value [n]. ",
                           "Received: shapes ", offsets.shape().DebugString(), ", ",
                           index.shape().DebugString(), ", ", value.shape().DebugString());
  }
  const auto at = offsets.flat<int64_t>();
  const int64_t rows = offsets.dim_size(0) - 1, size = index.dim_size(0);
  bool sound = at(0) == 0 && at(rows) == size;
  for (int64_t row = 0; row < rows; ++row) sound = sound && at(row) <= at(row + 1);
  const int32_t* i = index.flat<int32_t>().data();
  for (int64_t e = 0; e < size; ++e) sound &= i[e] >= 0 && i[e] < columns;
  if (!sound) {
    return InvalidArgument("events must have rising offsets from 0 to ", size,
                           " and indices in [0, ", columns, ")");
  }
  *events = {rows, columns, at.data(), i, data_of(value)};
  return absl::OkStatus();
}

// Nanoseconds per row when each event moves `width` numbers.
int64_t row_cost(const Events& events, int64_t width) {
  const int64_t rows = std::max<int64_t>(events.rows, 1);
  return 50 + events.offsets[events.rows] * width / 8 / rows;
}

void multiply(OpKernelContext* context, const EventMatmulArgs& args, Dtype dtype) {
  parallel_for(context, (args.events.rows + kRowTile - 1) / kRowTile,
               kRowTile * row_cost(args.events, args.width), [&](int64_t begin, int64_t end) {
                 kernels().event_matmul(dtype, args, begin, end);
               });
}

}  // namespace

// The events of x as a matrix [rows, columns]. Where more than max_density of
// it is nonzero, dense is true and there are no events to use.
REGISTER_OP("KerasSlayer>FindEvents")
    .Input("x: T")
    .Output("offsets: int64")
    .Output("index: int32")
    .Output("value: T")
    .Output("dense: bool")
    .Attr("max_density: float = 1.0")
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle matrix;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &matrix));
      c->set_output(0, c->UnknownShapeOfRank(1));
      c->set_output(1, c->UnknownShapeOfRank(1));
      c->set_output(2, c->UnknownShapeOfRank(1));
      c->set_output(3, c->Scalar());
      return absl::OkStatus();
    });

class FindEvents : public OpKernel {
 public:
  explicit FindEvents(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("max_density", &max_density_));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(context, x.dims() == 2 && x.dim_size(1) <= kMaxColumns,
                InvalidArgument("x must be a matrix of less than 2^31 columns. Received: shape ",
                                x.shape().DebugString()));
    const int64_t rows = x.dim_size(0), columns = x.dim_size(1);
    Tensor *offsets_out, *index, *value, *dense;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({rows + 1}), &offsets_out));
    OP_REQUIRES_OK(context, context->allocate_output(3, TensorShape({}), &dense));
    int64_t* offsets = offsets_out->flat<int64_t>().data();
    const CountArgs count = {rows, columns, data_of(x), offsets + 1};
    parallel_for(context, rows, columns / 8 + 20, [&](int64_t begin, int64_t end) {
      kernels().count_events(dtype_of(x), count, begin, end);
    });
    offsets[0] = 0;
    for (int64_t row = 0; row < rows; ++row) offsets[row + 1] += offsets[row];
    const bool too_many = double(offsets[rows]) > double(max_density_) * double(rows * columns);
    dense->scalar<bool>()() = too_many;
    if (too_many) std::fill(offsets, offsets + rows + 1, 0);
    const TensorShape events({offsets[rows]});
    OP_REQUIRES_OK(context, context->allocate_output(1, events, &index));
    OP_REQUIRES_OK(context, context->allocate_output(2, events, &value));
    if (too_many) return;
    const CollectArgs collect = {rows,    columns, data_of(x), offsets, index->flat<int32_t>().data(),
                                 data_of(value)};
    parallel_for(context, rows, columns / 6 + 20, [&](int64_t begin, int64_t end) {
      kernels().collect_events(dtype_of(x), collect, begin, end);
    });
  }

 private:
  float max_density_;
};
KS_REGISTER("FindEvents", FindEvents);

#define KS_EVENT_INPUTS .Input("offsets: int64").Input("index: int32").Input("value: T")

REGISTER_OP("KerasSlayer>EventMatmul")
    KS_EVENT_INPUTS
    .Input("weights: T")
    .Output("out: T")
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle weights;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 2, &weights));
      c->set_output(0, c->Matrix(InferenceContext::kUnknownDim, c->Dim(weights, 1)));
      return absl::OkStatus();
    });

class EventMatmul : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    const Tensor& weights = context->input(3);
    OP_REQUIRES(context, weights.dims() == 2,
                InvalidArgument("weights must be a matrix. Received: shape ",
                                weights.shape().DebugString()));
    Events events;
    OP_REQUIRES_OK(context, read_events(context, weights.dim_size(0), &events));
    const int64_t width = weights.dim_size(1);
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context,
                   allocate_large(context, 0, TensorShape({events.rows, width}), &out));
    multiply(context, {events, data_of(weights), width, data_of(out)}, dtype_of(weights));
  }
};
KS_REGISTER("EventMatmul", EventMatmul);

REGISTER_OP("KerasSlayer>EventMatmulWeightsGrad")
    KS_EVENT_INPUTS
    .Input("grad: T")
    .Input("columns: int64")
    .Output("grad_weights: T")
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle grad;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 2, &grad));
      c->set_output(0, c->Matrix(InferenceContext::kUnknownDim, c->Dim(grad, 1)));
      return absl::OkStatus();
    });

class EventMatmulWeightsGrad : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(3);
    OP_REQUIRES(context, context->input(4).NumElements() == 1,
                InvalidArgument("columns must be one number"));
    const int64_t columns = context->input(4).flat<int64_t>()(0);
    OP_REQUIRES(context, columns >= 0 && columns <= kMaxColumns,
                InvalidArgument("columns must lie in [0, 2^31). Received: columns=", columns));
    Events events;
    OP_REQUIRES_OK(context, read_events(context, columns, &events));
    OP_REQUIRES(context, grad.dims() == 2 && grad.dim_size(0) == events.rows,
                InvalidArgument("grad must be a matrix of ", events.rows,
                                " rows. Received: shape ", grad.shape().DebugString()));
    OP_REQUIRES(context, events.rows <= kMaxColumns,
                InvalidArgument("events must have less than 2^31 rows"));
    const int64_t width = grad.dim_size(1), size = events.offsets[events.rows];
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({columns, width}), &out));
    // dW = S^T grad is the same product with the events sorted by column; rows
    // stay in order within a column, so the order of summation is fixed.
    std::vector<int64_t> offsets(size_t(columns) + 1, 0);
    for (int64_t e = 0; e < size; ++e) ++offsets[events.index[e] + 1];
    for (int64_t c = 0; c < columns; ++c) offsets[c + 1] += offsets[c];
    Tensor value;
    OP_REQUIRES_OK(context, context->allocate_temp(context->input(2).dtype(),
                                                   context->input(2).shape(), &value));
    const std::unique_ptr<int32_t[]> row_of(new int32_t[size_t(size)]);
    std::vector<int64_t> next(offsets.begin(), offsets.end() - 1);
    const size_t bytes = tensorflow::DataTypeSize(value.dtype());
    const char* from = static_cast<const char*>(events.value);
    char* to = static_cast<char*>(value.data());
    const auto sort_into_columns = [&](auto copy) {
      for (int64_t row = 0; row < events.rows; ++row) {
        for (int64_t e = events.offsets[row]; e < events.offsets[row + 1]; ++e) {
          const int64_t place = next[events.index[e]]++;
          row_of[place] = int32_t(row);
          copy(place, e);
        }
      }
    };
    sort_into_columns([&](int64_t place, int64_t e) {
      std::memcpy(to + place * bytes, from + e * bytes, bytes);
    });
    const Events transposed = {columns, events.rows, offsets.data(), row_of.get(), to};
    multiply(context, {transposed, data_of(grad), width, data_of(out)}, dtype_of(grad));
  }
};
KS_REGISTER("EventMatmulWeightsGrad", EventMatmulWeightsGrad);

#define KS_CONV_ATTRS               \
  .Attr("strides: list(int)")       \
      .Attr("dilations: list(int)") \
      .Attr("padding_before: list(int)")

namespace {

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

class ConvOp : public OpKernel {
 public:
  explicit ConvOp(OpKernelConstruction* context) : OpKernel(context) {
    for (auto [name, values] : {std::pair{"strides", &strides_},
                                std::pair{"dilations", &dilations_},
                                std::pair{"padding_before", &padding_}}) {
      OP_REQUIRES_OK(context, context->GetAttr(name, values));
      OP_REQUIRES(context, values->size() == 2, InvalidArgument(name, " must be two numbers"));
    }
    OP_REQUIRES(context, std::min({strides_[0], strides_[1], dilations_[0], dilations_[1]}) >= 1,
                InvalidArgument("strides and dilations must be positive"));
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
          weights.dim_size(1), 1, nullptr, nullptr};
    const int64_t group_channels = weights.dim_size(2);
    if (group_channels < 1 || g->channels % group_channels != 0) {
      return InvalidArgument("the channels of the weights must divide those of the input. ",
                             "Received: ", group_channels, " and ", g->channels);
    }
    g->groups = g->channels / group_channels;
    if (g->groups == 0 || g->filters % g->groups != 0) {
      return InvalidArgument("filters must be a multiple of the groups. Received: ", g->filters,
                             " filters and ", g->groups, " groups");
    }
    *rows = targets(g->height, g->kernel_height, g->out_height, strides_[0], dilations_[0],
                    padding_[0]);
    *columns = targets(g->width, g->kernel_width, g->out_width, strides_[1], dilations_[1],
                       padding_[1]);
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
    const TensorShape shape({events.rows, g.out_height, g.out_width, g.filters});
    OP_REQUIRES_OK(context, allocate_large(context, 0, shape, &out));
    const EventConvArgs args = {events, g, data_of(weights), data_of(out)};
    const int64_t taps = g.kernel_height * g.kernel_width * g.filters / g.groups;
    parallel_for(context, events.rows,
                 row_cost(events, taps) + g.out_height * g.out_width * g.filters / 8,
                 [&](int64_t begin, int64_t end) {
                   kernels().event_conv(dtype_of(weights), args, begin, end);
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
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape(context->input(6).vec<int64_t>(),
                                                          &weights));
    ConvGeometry g;
    std::vector<int32_t> rows, columns;
    OP_REQUIRES_OK(context, prepare(context->input(4), context->input(5), weights, &g, &rows,
                                    &columns));
    Events events;
    OP_REQUIRES_OK(context, read_events(context, g.height * g.width * g.channels, &events));
    const TensorShape expected({events.rows, g.out_height, g.out_width, g.filters});
    OP_REQUIRES(context, grad.shape() == expected,
                InvalidArgument("grad must have the shape ", expected.DebugString(),
                                ". Received: ", grad.shape().DebugString()));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, weights, &out));
    if (grad.dtype() == tensorflow::DT_DOUBLE) {
      reduce<double, double>(context, events, g, grad, out);
    } else if (grad.dtype() == tensorflow::DT_FLOAT) {
      reduce<float, float>(context, events, g, grad, out);
    } else if (grad.dtype() == tensorflow::DT_HALF) {
      reduce<Eigen::half, float>(context, events, g, grad, out);
    } else {
      reduce<Eigen::bfloat16, float>(context, events, g, grad, out);
    }
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
    for (int64_t i = 0; i < size; ++i) {
      A sum = 0;
      for (int64_t c = 0; c < chunks; ++c) sum += partial[c * size + i];
      weights(i) = T(sum);
    }
  }
};
KS_REGISTER("EventConv2DWeightsGrad", EventConv2DWeightsGrad);

}  // namespace keras_slayer
