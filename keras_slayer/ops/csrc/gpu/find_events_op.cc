// FindEvents on a GPU: the events are counted, which the host must know, and then written.
#include "events/find_events_op.h"
#include "gpu/events.h"

namespace keras_slayer {

class FindEventsOnGpu : public FindEventsOp {
 public:
  using FindEventsOp::FindEventsOp;
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES_OK(context, check(x));
    const int64_t rows = this->rows(x), columns = this->columns(x), steps = this->steps(x);
    Tensor *offsets, *index, *value, *dense;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({rows + 1}), &offsets));
    OP_REQUIRES_OK(context, context->allocate_output(3, TensorShape({}), &dense));
    int64_t* counts = offsets->flat<int64_t>().data();
    const Dtype dtype = dtype_of(type());
    const bool bytes = dtype_of(x) == Dtype::kByte;
    const CountEventsArgs count = {rows, columns, steps, bytes, data_of(x), counts};
    OP_REQUIRES_OK(context, OnGpu::threads(context, {"events", "count_events"}, dtype,
                                           rows * gpu::kWarp, count));
    OP_REQUIRES_OK(context, OnGpu::blocks(context, {"events", "running_sums"}, dtype, 1,
                                          RunningSumsArgs{rows, counts}));
    int64_t events = 0;
    OP_REQUIRES_OK(context, OnGpu::read(context, counts + rows, sizeof(events), &events));
    const bool too_many = events > limit(x);
    dense->scalar<bool>()() = too_many;
    if (too_many) {  // as on the CPU: no events
      events = 0;
      OP_REQUIRES_OK(context, OnGpu::threads(context, {"events", "no_events"}, dtype, rows + 1,
                                             RunningSumsArgs{rows + 1, counts}));
    }
    OP_REQUIRES_OK(context, context->allocate_output(1, TensorShape({events}), &index));
    OP_REQUIRES_OK(context, context->allocate_output(2, TensorShape({events}), &value));
    if (events == 0) return;
    const WriteEventsArgs write = {rows, columns, steps, bytes, data_of(x), counts,
                                   index->flat<int32_t>().data(), data_of(value)};
    OP_REQUIRES_OK(context, OnGpu::threads(context, {"events", "write_events"}, dtype,
                                           rows * gpu::kWarp, write));
  }
};
KS_REGISTER_GPU("FindEvents", FindEventsOnGpu, FindEventsOnGpu, .HostMemory("dense"));

}  // namespace keras_slayer
