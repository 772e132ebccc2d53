// Finds the events of a spike tensor: its nonzeros, row by row.
#include <atomic>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "events/event_op.h"

namespace keras_slayer {

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
    OP_REQUIRES(context, max_density_ >= 0 && max_density_ <= 1,
                InvalidArgument("max_density must lie in [0, 1]. Received: max_density=",
                                max_density_));
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
    const bool too_many = parts.empty() && rows > 0;
    dense->scalar<bool>()() = too_many;
    if (too_many) {  // not all rows were counted
      std::fill(offsets, offsets + rows + 1, 0);
    } else {
      offsets[0] = 0;
      for (int64_t row = 0; row < rows; ++row) offsets[row + 1] += offsets[row];
    }
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
      // Room for as many events as there are elements: pages that nothing is written to are free.
      const size_t room = size_t(step * columns + kPackedRoom);
      const std::unique_ptr<int32_t[]> index(new int32_t[room]);
      const std::unique_ptr<char[]> value(new char[room * size_t(bytes)]);
      for (int64_t i = begin; i < end && found <= limit; ++i) {
        const int64_t first = i * step, size = std::min(step, rows - first);
        const char* from = static_cast<const char*>(x.data()) + first * x_row;
        const CollectArgs args = {columns, dtype_of(x.dtype()), from,
                                  counts + first, index.get(), value.get()};
        kernels::collect_events(dtype_of(type), args, 0, size);
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

}  // namespace keras_slayer
