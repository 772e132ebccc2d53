// Starts the kernels of event-driven products on a GPU. EventMatmul, its gradient and MatmulLayer
// use it.
#ifndef KERAS_SLAYER_GPU_EVENT_MATMUL_OP_H_
#define KERAS_SLAYER_GPU_EVENT_MATMUL_OP_H_

#include "base/device.h"
#include "gpu/events.h"
#include "products/event_matmul.h"

namespace keras_slayer {
namespace gpu {

// out = events times matrix.
inline absl::Status multiply(OpKernelContext* context, const Events& events, const Tensor& matrix,
                             void* out) {
  const int64_t width = matrix.dim_size(1);
  const Slices whole = {matrix.dim_size(0), width, width, false, data_of(matrix)};
  const EventMatmulArgs args = {events, whole, out};
  return OnGpu::blocks(context, {"products", "event_matmul"}, dtype_of(matrix),
                       events.rows * block_count(width, kThreads), args);
}

// Sorts events by column, and by row within a column. Allocates the three results.
inline absl::Status sort_by_column(OpKernelContext* context, const Events& events,
                                   const Tensor& values, Tensor* offsets, Tensor* row_of,
                                   Tensor* value) {
  const int64_t columns = events.columns, parts = block_count(events.rows, kSortRows);
  Tensor counts;
  TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_INT32, {parts, columns}, &counts));
  TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_INT64, {columns + 1}, offsets));
  TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_INT32, values.shape(), row_of));
  TF_RETURN_IF_ERROR(context->allocate_temp(values.dtype(), values.shape(), value));
  const SortEventsArgs args = {events,
                               parts,
                               counts.flat<int32_t>().data(),
                               offsets->flat<int64_t>().data(),
                               row_of->flat<int32_t>().data(),
                               data_of(value)};
  const Dtype dtype = dtype_of(values);
  TF_RETURN_IF_ERROR(OnGpu::blocks(context, {"events", "sort_count"}, dtype, parts, args));
  TF_RETURN_IF_ERROR(OnGpu::threads(context, {"events", "sort_total"}, dtype, columns, args));
  const RunningSumsArgs sums = {columns, args.offsets};
  TF_RETURN_IF_ERROR(OnGpu::blocks(context, {"events", "running_sums"}, dtype, 1, sums));
  return OnGpu::blocks(context, {"events", "sort_place"}, dtype, parts, args);
}

}  // namespace gpu
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GPU_EVENT_MATMUL_OP_H_
