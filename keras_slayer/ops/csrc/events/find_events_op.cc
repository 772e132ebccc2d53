// Op that finds the events of a spike matrix: its nonzeros, row by row.
#include <atomic>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "events/event_op.h"

namespace keras_slayer {

// The events of x [rows, columns]. If more than max_density of x is nonzero, `dense` is true and
// the events are empty.
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
    const auto items = collect(context, x, type_, limit, offsets + 1);
    const bool too_many = items.empty() && rows > 0;
    dense->scalar<bool>()() = too_many;
    if (too_many) {  // the search stopped early, so not all counts are set
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
    for (const ItemEvents& item : items) {
      std::memcpy(index->flat<int32_t>().data() + at, item.index.get(), item.size * sizeof(int32_t));
      std::memcpy(static_cast<char*>(value->data()) + at * bytes, item.value.get(),
                  item.size * bytes);
      at += item.size;
    }
  }

 private:
  // The events of one work item: of some rows.
  struct ItemEvents {
    std::unique_ptr<int32_t[]> index;
    std::unique_ptr<char[]> value;
    int64_t size;
  };

  // Finds the events and counts them per row, in one pass over memory. Returns nothing if there
  // are more than `limit`.
  static std::vector<ItemEvents> collect(OpKernelContext* context, const Tensor& x,
                                   tensorflow::DataType type, int64_t limit, int64_t* counts) {
    constexpr int64_t kItemBytes = 256 << 10;
    const int64_t rows = x.dim_size(0), columns = x.dim_size(1);
    const int64_t bytes = tensorflow::DataTypeSize(type);
    const int64_t x_row = columns * tensorflow::DataTypeSize(x.dtype());
    const int64_t step = std::max<int64_t>(1, kItemBytes / std::max<int64_t>(1, x_row));
    std::vector<ItemEvents> items(size_t((rows + step - 1) / step));
    std::atomic<int64_t> found{0};
    parallel_for(context, int64_t(items.size()), step * (columns / 5 + 20),
                 [&](int64_t begin, int64_t end) {
      // Room for every element to be an event. Pages that are never written take no memory.
      const size_t room = size_t(step * columns + kPackedRoom);
      const std::unique_ptr<int32_t[]> index(new int32_t[room]);
      const std::unique_ptr<char[]> value(new char[room * size_t(bytes)]);
      for (int64_t i = begin; i < end && found <= limit; ++i) {
        const int64_t first = i * step, size = std::min(step, rows - first);
        const char* from = static_cast<const char*>(x.data()) + first * x_row;
        const CollectArgs args = {columns, dtype_of(x.dtype()), from,
                                  counts + first, index.get(), value.get()};
        kernels::collect_events(dtype_of(type), args, 0, size);
        ItemEvents& item = items[size_t(i)];
        item.size = std::accumulate(counts + first, counts + first + size, int64_t(0));
        found += item.size;
        item.index.reset(new int32_t[size_t(item.size)]);
        item.value.reset(new char[size_t(item.size * bytes)]);
        std::memcpy(item.index.get(), index.get(), size_t(item.size) * sizeof(int32_t));
        std::memcpy(item.value.get(), value.get(), size_t(item.size * bytes));
      }
    });
    if (found > limit) items.clear();
    return items;
  }

  float max_density_;
  tensorflow::DataType type_;  // of the values
};
KS_REGISTER("FindEvents", FindEvents);

}  // namespace keras_slayer
