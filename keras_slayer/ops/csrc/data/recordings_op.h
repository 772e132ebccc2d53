// Helpers of ops over the events [batch, events] of a batch of recordings.
#ifndef KERAS_SLAYER_DATA_RECORDINGS_OP_H_
#define KERAS_SLAYER_DATA_RECORDINGS_OP_H_

#include <limits>

#include "base/device.h"
#include "data/recordings.h"

namespace keras_slayer {

template <class T>
const T* read_field(OpKernelContext* context, int index) {
  return static_cast<const T*>(context->input(index).data());
}

// Checks that inputs 0 .. count - 1 have the shape [batch, events] of the first.
inline absl::Status check_events(OpKernelContext* context, int count) {
  const Tensor& first = context->input(0);
  const auto most = std::numeric_limits<int32_t>::max();
  if (first.dims() != 2 || first.dim_size(1) >= most) {
    return InvalidArgument("events must have the axes (batch, events), below 2^31 events each. "
                           "Received: shape ", first.shape().DebugString());
  }
  for (int i = 1; i < count; ++i) {
    TF_RETURN_IF_ERROR(same_shape(first, "the fields of events", context->input(i), "others"));
  }
  return absl::OkStatus();
}

// Allocates output `index` like input 0, or [batch, columns].
template <class T>
absl::Status write_field(OpKernelContext* context, int index, T** to, int64_t columns = -1) {
  TensorShape shape = context->input(0).shape();
  if (columns >= 0) shape.set_dim(1, columns);
  Tensor* out = nullptr;
  TF_RETURN_IF_ERROR(context->allocate_output(index, shape, &out));
  *to = static_cast<T*>(out->data());
  return absl::OkStatus();
}

// Shape function: inputs 0 .. inputs - 1 are alike, and so are all outputs.
template <int inputs>
absl::Status like_events(InferenceContext* c) {
  ShapeHandle shape;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &shape));
  for (int i = 1; i < inputs; ++i) TF_RETURN_IF_ERROR(c->Merge(shape, c->input(i), &shape));
  for (int i = 0; i < c->num_outputs(); ++i) c->set_output(i, shape);
  return absl::OkStatus();
}

// Calls a kernel for parts of the events (cost: nanoseconds of one event).
template <class Args>
void run_parts(OpKernelContext* context, CpuKernel<Args> kernel, const Args& args, int64_t cost) {
  parallel_for(context, block_count(args.size, kItemEvents), cost * kItemEvents,
               [&](int64_t begin, int64_t end) { kernel(Dtype::kFloat, args, begin, end); });
}

// ... or recording by recording.
template <class Args>
void run_rows(OpKernelContext* context, CpuKernel<Args> kernel, const Args& args, int64_t cost) {
  parallel_for(context, context->input(0).dim_size(0), cost * args.events,
               [&](int64_t begin, int64_t end) { kernel(Dtype::kFloat, args, begin, end); });
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_DATA_RECORDINGS_OP_H_
