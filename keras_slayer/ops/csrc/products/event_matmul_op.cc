// Ops of the event-driven matrix product, events [rows, columns] times weights [columns, width],
// and of the gradient of the weights.
#include <cstring>
#include <utility>
#include <vector>

#include "gpu/event_matmul_op.h"
#include "products/event_matmul_op.h"

namespace keras_slayer {
namespace {

// out = events times matrix.
template <class Device>
absl::Status multiply(OpKernelContext* context, const Events& events, const Tensor& matrix,
                      Tensor* out) {
  if constexpr (Device::kGpu) {
    return gpu::multiply(context, events, matrix, data_of(out));
  } else {
    Tensor packed;
    Slices slices;
    constexpr int64_t kWidest = 256;
    TF_RETURN_IF_ERROR(slice_matrix(context, events, matrix, &packed, &slices, kWidest));
    const EventMatmulArgs args = {events, slices, data_of(out)};
    const int64_t items =
        block_count(events.rows, kRowTile) * block_count(slices.width, slices.slice);
    parallel_for(context, items, kRowTile * row_cost(events, slices.size(0)),
                 [&](int64_t begin, int64_t end) {
                   kernels::event_matmul(dtype_of(matrix), args, begin, end);
                 });
    return absl::OkStatus();
  }
}

// The events sorted by column, and by row within a column.
struct ByColumn {
  Tensor offsets, row_of, value;
};

// Counting sorts of the events. Bits is the unsigned integer with as many bits as a value.
template <class Bits>
class Sort {
 public:
  Sort(OpKernelContext* context, const Events& events, int64_t items, ByColumn* sorted)
      : context_(context),
        events_(events),
        items_(items),
        size_(events.offsets[events.rows]),
        value_(static_cast<const Bits*>(events.value)),
        offsets_(sorted->offsets.flat<int64_t>().data()),
        sorted_rows_(sorted->row_of.flat<int32_t>().data()),
        sorted_values_(static_cast<Bits*>(sorted->value.data())) {
    offsets_[events.columns] = size_;
  }

  // Each work item sorts the events of its own columns, and reads all.
  void by_columns() const {
    parallel_for(context_, items_, size_ * 2, [&](int64_t begin, int64_t end) {
      const int64_t first = events_.columns * begin / items_, last = events_.columns * end / items_;
      std::vector<int64_t> next(size_t(last - first), 0);  // where each column's next event goes
      int64_t place = 0;
      for (int64_t e = 0; e < size_; ++e) {
        const int64_t column = events_.index[e];
        if (column < first) ++place;
        if (column >= first && column < last) ++next[size_t(column - first)];
      }
      for (int64_t column = first; column < last; ++column) {
        offsets_[column] = place;
        place += std::exchange(next[size_t(column - first)], place);
      }
      for (int64_t row = 0; row < events_.rows; ++row) {
        for (int64_t e = events_.offsets[row]; e < events_.offsets[row + 1]; ++e) {
          const int64_t column = events_.index[e];
          if (column >= first && column < last) put(next[size_t(column - first)]++, row, e);
        }
      }
    });
  }

  // Each work item reads the events of its own rows. Those of one column go side by side.
  void by_rows() const {
    const int64_t columns = events_.columns;
    std::vector<int64_t> next(size_t(items_ * columns), 0);
    const auto for_rows = [&](auto visit) {
      parallel_for(context_, items_, size_ * 2 / items_, [&](int64_t begin, int64_t end) {
        for (int64_t item = begin; item < end; ++item) {
          int64_t* own = next.data() + item * columns;
          for (int64_t row = events_.rows * item / items_; row < events_.rows * (item + 1) / items_;
               ++row) {
            for (int64_t e = events_.offsets[row]; e < events_.offsets[row + 1]; ++e) {
              visit(own[events_.index[e]]++, row, e);
            }
          }
        }
      });
    };
    for_rows([](int64_t, int64_t, int64_t) {});  // counts
    int64_t place = 0;
    for (int64_t column = 0; column < columns; ++column) {
      offsets_[column] = place;
      for (int64_t item = 0; item < items_; ++item) {
        place += std::exchange(next[size_t(item * columns + column)], place);
      }
    }
    for_rows([&](int64_t at, int64_t row, int64_t event) { put(at, row, event); });
  }

 private:
  void put(int64_t at, int64_t row, int64_t event) const {
    sorted_rows_[at] = int32_t(row);
    sorted_values_[at] = value_[event];
  }

  OpKernelContext* context_;
  const Events& events_;
  int64_t items_, size_;
  const Bits* value_;
  int64_t* offsets_;
  int32_t* sorted_rows_;
  Bits* sorted_values_;
};

template <class Bits>
void counting_sort(OpKernelContext* context, const Events& events, ByColumn* sorted) {
  constexpr int64_t kItemEvents = 1 << 12;  // fewest events that are worth a work item
  // Fewest events of a column and work item, so that no two threads write to one cache line all
  // the time.
  constexpr int64_t kLine = 16;
  const int64_t size = events.offsets[events.rows];
  const int64_t items = std::clamp(size / kItemEvents, int64_t(1), threads(context));
  const Sort<Bits> sort(context, events, items, sorted);
  size / kLine >= items * events.columns ? sort.by_rows() : sort.by_columns();
}

template <class Device>
absl::Status sort_by_column(OpKernelContext* context, const Events& events, ByColumn* sorted) {
  const Tensor& value = context->input(2);
  if constexpr (Device::kGpu) {
    return gpu::sort_by_column(context, events, value, &sorted->offsets, &sorted->row_of,
                               &sorted->value);
  }
  TF_RETURN_IF_ERROR(
      allocate_kept(tensorflow::DT_INT64, {events.columns + 1}, &sorted->offsets));
  TF_RETURN_IF_ERROR(allocate_kept(tensorflow::DT_INT32, value.shape(), &sorted->row_of));
  TF_RETURN_IF_ERROR(allocate_kept(value.dtype(), value.shape(), &sorted->value));
  switch (tensorflow::DataTypeSize(value.dtype())) {
    case 2:
      counting_sort<uint16_t>(context, events, sorted);
      break;
    case 4:
      counting_sort<uint32_t>(context, events, sorted);
      break;
    default:
      counting_sort<uint64_t>(context, events, sorted);
  }
  return absl::OkStatus();
}

// Rows of a part of the gradient of the weights; 0 if the events are too few for parts, or not
// summed in them.
int64_t rows_of_part(const Events& events, int64_t width, int64_t bytes) {
  // Fewest events of a column and part for which that costs less than to read and write the sums.
  constexpr int64_t kWorth = 8;
  const int64_t room = second_level_cache() / 2;
  const int64_t part = std::max<int64_t>(1, room / std::max<int64_t>(1, width * bytes));
  const int64_t size = events.offsets[events.rows];
  const bool worth = events.rows > part && bytes >= 4 &&
                     size / kWorth >= events.columns * block_count(events.rows, part);
  return worth ? part : 0;
}

// out = events^T grad in parts of so many rows.
absl::Status multiply_in_parts(OpKernelContext* context, const Events& events, int64_t part,
                               const Tensor& grad, Tensor* out) {
  const int64_t parts = block_count(events.rows, part), size = events.offsets[events.rows];
  const int64_t width = grad.dim_size(1);
  const Dtype dtype = dtype_of(grad);
  Tensor offsets, row_of, value;
  TF_RETURN_IF_ERROR(
      allocate_kept(tensorflow::DT_INT64, {parts * events.columns + 1}, &offsets));
  TF_RETURN_IF_ERROR(allocate_kept(tensorflow::DT_INT32, {size}, &row_of));
  TF_RETURN_IF_ERROR(allocate_kept(grad.dtype(), {size}, &value));
  const SortPartsArgs sort = {events, part, offsets.flat<int64_t>().data(),
                              row_of.flat<int32_t>().data(), data_of(&value)};
  sort.offsets[parts * events.columns] = size;
  parallel_for(context, parts, size * 4 / parts, [&](int64_t begin, int64_t end) {
    kernels::sort_parts(dtype, sort, begin, end);
  });
  // As few tiles as keep all threads busy: each reads its slices of grad by itself.
  const int64_t slices = block_count(width, parts_slice(tensorflow::DataTypeSize(grad.dtype())));
  const int64_t tiles = block_count(threads(context), slices);
  const int64_t tile = std::max<int64_t>(1, block_count(events.columns, tiles));
  const EventMatmulPartsArgs args = {events.columns, width,       parts,         tile, sort.offsets,
                                     sort.row_of,    sort.value, data_of(grad), data_of(out)};
  const int64_t items = slices * block_count(events.columns, tile);
  parallel_for(context, items, size * width / 8 / items, [&](int64_t begin, int64_t end) {
    kernels::event_matmul_parts(dtype, args, begin, end);
  });
  return absl::OkStatus();
}

}  // namespace

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

template <class Device>
class EventMatmul : public OpKernel {
 public:
  explicit EventMatmul(OpKernelConstruction* context) : OpKernel(context) {}
  void Compute(OpKernelContext* context) override {
    const Tensor& weights = context->input(3);
    OP_REQUIRES(context, weights.dims() == 2,
                InvalidArgument("weights must be a matrix. Received: shape ",
                                weights.shape().DebugString()));
    Events events;
    OP_REQUIRES_OK(context, read_events<Device>(context, weights.dim_size(0), &events));
    const int64_t width = weights.dim_size(1);
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_matrix<Device>(context, 0, events.rows, width, &out));
    OP_REQUIRES_OK(context, multiply<Device>(context, events, weights, out));
  }
};
KS_REGISTER_DEVICES("EventMatmul", EventMatmul, );

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

template <class Device>
class EventMatmulWeightsGrad : public OpKernel {
 public:
  explicit EventMatmulWeightsGrad(OpKernelConstruction* context) : OpKernel(context) {}
  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(3);
    OP_REQUIRES(context, context->input(4).NumElements() == 1,
                InvalidArgument("columns must be one number"));
    const int64_t columns = context->input(4).flat<int64_t>()(0);
    OP_REQUIRES(context, columns >= 0 && columns <= kMaxColumns,
                InvalidArgument("columns must lie in [0, 2^31). Received: columns=", columns));
    Events events;
    OP_REQUIRES_OK(context, read_events<Device>(context, columns, &events));
    OP_REQUIRES(context, grad.dims() == 2 && grad.dim_size(0) == events.rows,
                InvalidArgument("grad must be a matrix of ", events.rows,
                                " rows. Received: shape ", grad.shape().DebugString()));
    OP_REQUIRES(context, events.rows <= kMaxColumns,
                InvalidArgument("events must have less than 2^31 rows"));
    const int64_t width = grad.dim_size(1);
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_matrix<Device>(context, 0, columns, width, &out));
    if constexpr (!Device::kGpu) {
      const int64_t part =
          rows_of_part(events, width, tensorflow::DataTypeSize(grad.dtype()));
      if (part > 0) {
        OP_REQUIRES_OK(context, multiply_in_parts(context, events, part, grad, out));
        return;
      }
    }
    // dW = S^T grad is the same product, with the events sorted by column. Within a column the
    // rows stay in order, so the order of summation is fixed.
    ByColumn sorted;
    OP_REQUIRES_OK(context, sort_by_column<Device>(context, events, &sorted));
    const Events transposed = {columns, events.rows, sorted.offsets.flat<int64_t>().data(),
                               sorted.row_of.flat<int32_t>().data(), data_of(sorted.value)};
    OP_REQUIRES_OK(context, multiply<Device>(context, transposed, grad, out));
  }
};
KS_REGISTER_DEVICES("EventMatmulWeightsGrad", EventMatmulWeightsGrad,
                    .HostMemory("columns"));

}  // namespace keras_slayer
