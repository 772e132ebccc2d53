// Ops of the event-driven synapses.
//
// Events are the nonzeros of a matrix, row by row: offsets [rows + 1], index
// (column of each) and value. The gradient ops take the same three.
#include <atomic>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "event_op.h"

namespace keras_slayer {
namespace {

void multiply(OpKernelContext* context, const EventMatmulArgs& args, Dtype dtype) {
  parallel_for(context, block_count(args.events.rows, kRowTile) * block_count(args.width, kSlice),
               kRowTile * row_cost(args.events, std::min(args.width, kSlice)),
               [&](int64_t begin, int64_t end) {
                 kernels().event_matmul(dtype, args, begin, end);
               });
}

}  // namespace

// The events of x as a matrix [rows, columns]. Where more than max_density of
// it is nonzero, dense is true and there are no events to use.
REGISTER_OP("KerasSlayer>FindEvents")
    .Input("x: S")
    .Output("offsets: int64")
    .Output("index: int32")
    .Output("value: T")
    .Output("dense: bool")
    .Attr("max_density: float = 1.0")
    .Attr(KS_SPIKE_TYPES)
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
    OP_REQUIRES_OK(context, context->GetAttr("T", &type_));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(context, x.dims() == 2 && x.dim_size(1) <= kMaxColumns,
                InvalidArgument("x must be a matrix of less than 2^31 columns. Received: shape ",
                                x.shape().DebugString()));
    OP_REQUIRES_OK(context, check_spike_type(x, type_));
    const int64_t rows = x.dim_size(0), columns = x.dim_size(1);
    Tensor *offsets_out, *index, *value, *dense;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({rows + 1}), &offsets_out));
    OP_REQUIRES_OK(context, context->allocate_output(3, TensorShape({}), &dense));
    int64_t* offsets = offsets_out->flat<int64_t>().data();
    const int64_t limit = int64_t(double(max_density_) * double(rows * columns));
    const auto parts = collect(context, x, type_, limit, offsets + 1);
    offsets[0] = 0;
    for (int64_t row = 0; row < rows; ++row) offsets[row + 1] += offsets[row];
    const bool too_many = parts.empty() && rows > 0;
    dense->scalar<bool>()() = too_many;
    if (too_many) std::fill(offsets, offsets + rows + 1, 0);
    const TensorShape events({offsets[rows]});
    OP_REQUIRES_OK(context, allocate_large(context, 1, events, &index));
    OP_REQUIRES_OK(context, allocate_large(context, 2, events, &value));
    int64_t at = 0;
    const size_t bytes = tensorflow::DataTypeSize(type_);
    for (const Part& part : parts) {
      std::memcpy(index->flat<int32_t>().data() + at, part.index.get(), part.size * sizeof(int32_t));
      std::memcpy(static_cast<char*>(value->data()) + at * bytes, part.value.get(),
                  part.size * bytes);
      at += part.size;
    }
  }

 private:
  // The events of some rows.
  struct Part {
    std::unique_ptr<int32_t[]> index;
    std::unique_ptr<char[]> value;
    int64_t size;
  };

  // Finds the events and counts them per row, in one pass over memory; nothing
  // where they exceed the limit.
  static std::vector<Part> collect(OpKernelContext* context, const Tensor& x,
                                   tensorflow::DataType type, int64_t limit, int64_t* counts) {
    constexpr int64_t kPartBytes = 256 << 10;
    const int64_t rows = x.dim_size(0), columns = x.dim_size(1);
    const int64_t bytes = tensorflow::DataTypeSize(type);
    const int64_t x_row = columns * tensorflow::DataTypeSize(x.dtype());
    const int64_t step = std::max<int64_t>(1, kPartBytes / std::max<int64_t>(1, x_row));
    std::vector<Part> parts(size_t((rows + step - 1) / step));
    std::atomic<int64_t> found{0};
    parallel_for(context, int64_t(parts.size()), step * (columns / 5 + 20),
                 [&](int64_t begin, int64_t end) {
      // Room for events everywhere: of memory that is not touched there is none.
      const size_t room = size_t(step * columns + kPackedRoom);
      const std::unique_ptr<int32_t[]> index(new int32_t[room]);
      const std::unique_ptr<char[]> value(new char[room * size_t(bytes)]);
      for (int64_t i = begin; i < end && found <= limit; ++i) {
        const int64_t first = i * step, size = std::min(step, rows - first);
        const char* from = static_cast<const char*>(x.data()) + first * x_row;
        kernels().collect_events(dtype_of(type), {size, columns, dtype_of(x.dtype()), from,
                                                  counts + first, index.get(), value.get()});
        Part& part = parts[size_t(i)];
        part.size = std::accumulate(counts + first, counts + first + size, int64_t(0));
        found += part.size;
        part.index.reset(new int32_t[size_t(part.size)]);
        part.value.reset(new char[size_t(part.size * bytes)]);
        std::memcpy(part.index.get(), index.get(), size_t(part.size) * sizeof(int32_t));
        std::memcpy(part.value.get(), value.get(), size_t(part.size * bytes));
      }
    });
    if (found > limit) parts.clear();
    return parts;
  }

  float max_density_;
  tensorflow::DataType type_;  // of the values
};
KS_REGISTER("FindEvents", FindEvents);

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
    OP_REQUIRES_OK(context, allocate_matrix(context, 0, events.rows, width, &out));
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
    OP_REQUIRES_OK(context, allocate_matrix(context, 0, columns, width, &out));
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

}  // namespace keras_slayer
