// Ops that draw a number for each event: those of TensorFlow's stateless ops, to the bit, and only
// where the event is there.
#include <cmath>

#include "data/recordings_op.h"

namespace keras_slayer {

// key [1] and counter [2], as StatelessRandomGetKeyCounter gives them of a seed: the draws are those
// of TensorFlow's stateless ops. Inputs `from` and `from` + 1.
static absl::Status read_state(OpKernelContext* context, int from, PhiloxState* state) {
  const Tensor &key = context->input(from), &counter = context->input(from + 1);
  if (key.NumElements() != 1 || counter.NumElements() != 2) {
    return InvalidArgument("key and counter must be one and two numbers. Received: shapes ",
                           key.shape().DebugString(), " and ", counter.shape().DebugString());
  }
  state->key = key.flat<tensorflow::uint64>()(0);
  for (int i = 0; i < 2; ++i) state->counter[i] = counter.flat<tensorflow::uint64>()(i);
  return absl::OkStatus();
}

REGISTER_OP("KerasSlayer>JitterEvents")
    .Input("t: int64")
    .Input("kept: bool")
    .Input("key: uint64")
    .Input("counter: uint64")
    .Output("new_t: int64")
    .Output("new_kept: bool")
    .Attr("std: float")
    .SetShapeFn(like_events<2>);

class JitterEvents : public OpKernel {
 public:
  explicit JitterEvents(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("std", &std_));
    OP_REQUIRES(context, std::isfinite(std_) && std_ >= 0,
                InvalidArgument("std must be 0 or more. Received: ", std_));
  }
  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, check_events(context, 2));
    JitterArgs args = {context->input(0).NumElements()};
    OP_REQUIRES_OK(context, read_state(context, 2, &args.state));
    args.std = std_;
    args.t = read_field<int64_t>(context, 0), args.kept = read_field<bool>(context, 1);
    OP_REQUIRES_OK(context, write_field(context, 0, &args.new_t));
    OP_REQUIRES_OK(context, write_field(context, 1, &args.new_kept));
    run_parts(context, kernels::jitter_events, args, 10);
  }

 private:
  float std_;
};
KS_REGISTER("JitterEvents", JitterEvents);

REGISTER_OP("KerasSlayer>DropEvents")
    .Input("kept: bool")
    .Input("probability: float")
    .Input("key: uint64")
    .Input("counter: uint64")
    .Output("new_kept: bool")
    .SetShapeFn(like_events<1>);

class DropEvents : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, check_events(context, 1));
    const Tensor &kept = context->input(0), &probability = context->input(1);
    OP_REQUIRES(context, probability.shape() == TensorShape({kept.dim_size(0), 1}),
                InvalidArgument("probability must be (", kept.dim_size(0), ", 1). Received: shape ",
                                probability.shape().DebugString()));
    DropArgs args = {kept.NumElements(), kept.dim_size(1)};
    OP_REQUIRES_OK(context, read_state(context, 2, &args.state));
    args.kept = read_field<bool>(context, 0), args.probability = read_field<float>(context, 1);
    OP_REQUIRES_OK(context, write_field(context, 0, &args.new_kept));
    run_parts(context, kernels::drop_events, args, 3);
  }
};
KS_REGISTER("DropEvents", DropEvents);

}  // namespace keras_slayer
