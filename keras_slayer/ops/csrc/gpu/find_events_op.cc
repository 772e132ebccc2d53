// FindEvents on a GPU: the events are counted, which the host must know, and then written.
#include "base/device.h"
#include "events/event_op.h"
#include "gpu/events.h"

namespace keras_slayer {

class FindEventsOnGpu : public OpKernel {
 public:
  explicit FindEventsOnGpu(OpKernelConstruction* context) : OpKernel(context) {
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
    Tensor *offsets, *index, *value, *dense;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({rows + 1}), &offsets));
    OP_REQUIRES_OK(context, context->allocate_output(3, TensorShape({}), &dense));
    int64_t* counts = offsets->flat<int64_t>().data();
    const Dtype dtype = dtype_of(type_);
    const bool bytes = dtype_of(x) == Dtype::kByte;
    const CountEventsArgs count = {rows, columns, bytes, data_of(x), counts};
    OP_REQUIRES_OK(context, OnGpu::threads(context, {"events", "count_events"}, dtype,
                                           rows * kWarpThreads, count));
    OP_REQUIRES_OK(context, OnGpu::blocks(context, {"events", "running_sums"}, dtype, 1,
                                          RunningSumsArgs{rows, counts}));
    int64_t events = 0;
    OP_REQUIRES_OK(context, OnGpu::read(context, counts + rows, sizeof(events), &events));
    const bool too_many = events > int64_t(double(max_density_) * double(rows * columns));
    dense->scalar<bool>()() = too_many;
    if (too_many) {  // as on the CPU: no events
      events = 0;
      OP_REQUIRES_OK(context, OnGpu::threads(context, {"events", "no_events"}, dtype, rows + 1,
                                             RunningSumsArgs{rows + 1, counts}));
    }
    OP_REQUIRES_OK(context, context->allocate_output(1, TensorShape({events}), &index));
    OP_REQUIRES_OK(context, context->allocate_output(2, TensorShape({events}), &value));
    if (events == 0) return;
    const WriteEventsArgs write = {rows,   columns, bytes, data_of(x),
                                   counts, index->flat<int32_t>().data(), data_of(value)};
    OP_REQUIRES_OK(context, OnGpu::threads(context, {"events", "write_events"}, dtype,
                                           rows * kWarpThreads, write));
  }

 private:
  static constexpr int64_t kWarpThreads = 32;  // per row
  float max_density_;
  tensorflow::DataType type_;  // of the values
};
KS_REGISTER_GPU("FindEvents", FindEventsOnGpu, FindEventsOnGpu, .HostMemory("dense"));

}  // namespace keras_slayer
