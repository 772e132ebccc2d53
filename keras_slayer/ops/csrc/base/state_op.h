// Inputs and outputs of ops that take a state and return it (SeriesState).
#ifndef KERAS_SLAYER_BASE_STATE_OP_H_
#define KERAS_SLAYER_BASE_STATE_OP_H_

#include "base/op.h"
#include "base/state.h"

namespace keras_slayer {

// The state of neurons or filters. E is 1 if the op starts from a state and returns the one after its last
// step, or 0 if the neurons start at rest. [batch, states, ...].
#define KS_STATE                                \
  .Input("state: E * double")                   \
      .Output("final_state: E * double")        \
      .Attr("E: int >= 0 = 0")

// The state of a backward pass: `later`, what the pass over the next part of the series returned as
// `earlier`. Its numbers are not gradients; they mean something to the same op alone.
// [batch, numbers, ...], or [batch, 0, ...]: at rest, because no part follows.
#define KS_BACKWARD_STATE                  \
  .Input("later: L * double")              \
      .Output("earlier: L * double")       \
      .Attr("L: int >= 0 = 0")

// Reads the state from which a series [batch, time, ...] starts: [batch, count, ...]. Null if none is
// given.
inline absl::Status read_state(OpKernelContext* context, int64_t count, const TensorShape& series,
                               const double** state, const char* input = "state") {
  tensorflow::OpInputList given;
  TF_RETURN_IF_ERROR(context->input_list(input, &given));
  if (given.size() == 0) return absl::OkStatus();
  TensorShape shape = series;
  shape.set_dim(1, count);
  if (given.size() > 1 || given[0].shape() != shape) {
    return InvalidArgument(input, " must have the shape ", shape.DebugString(), ". Received: ",
                           given.size(), " states, the first of shape ",
                           given[0].shape().DebugString());
  }
  *state = given[0].flat<double>().data();
  return absl::OkStatus();
}

// Reads the state of a series [batch, time, ...] and allocates that after its last step. Without a
// state, leaves `state` as it is.
inline absl::Status prepare_state(OpKernelContext* context, int64_t count,
                                  const TensorShape& series, SeriesState* state) {
  tensorflow::OpOutputList kept;
  TF_RETURN_IF_ERROR(context->output_list("final_state", &kept));
  const double* from = nullptr;
  TF_RETURN_IF_ERROR(read_state(context, count, series, &from));
  if (kept.size() == 0) return absl::OkStatus();  // `from` is null for no samples, too
  TensorShape shape = series;
  shape.set_dim(1, count);
  Tensor* out = nullptr;
  TF_RETURN_IF_ERROR(kept.allocate(0, shape, &out));
  *state = {count, from, out->flat<double>().data()};
  return absl::OkStatus();
}

// The same of a backward pass, whose state `later` is that behind the last step.
inline absl::Status prepare_backward_state(OpKernelContext* context, int64_t count,
                                           const TensorShape& series, SeriesState* state) {
  tensorflow::OpInputList given;
  tensorflow::OpOutputList kept;
  TF_RETURN_IF_ERROR(context->input_list("later", &given));
  TF_RETURN_IF_ERROR(context->output_list("earlier", &kept));
  if (given.size() == 0) return absl::OkStatus();
  TensorShape shape = series;
  shape.set_dim(1, 0);
  const double* from = nullptr;
  if (given.size() > 1 || given[0].shape() != shape) {
    TF_RETURN_IF_ERROR(read_state(context, count, series, &from, "later"));
  }
  shape.set_dim(1, count);
  Tensor* out = nullptr;
  TF_RETURN_IF_ERROR(kept.allocate(0, shape, &out));
  *state = {count, from, out->flat<double>().data()};
  return absl::OkStatus();
}

// Shape function: every output is like `series`; but the state after the last step, which is the last
// output, is like the one before the first, the last input.
inline absl::Status series_and_state(InferenceContext* c, ShapeHandle series) {
  int sets = 0;
  if (!c->GetAttr("E", &sets).ok()) sets = 0;  // an op without states
  for (int i = 0; i < c->num_outputs(); ++i) {
    c->set_output(i, i < c->num_outputs() - sets ? series : c->input(c->num_inputs() - 1));
  }
  return absl::OkStatus();
}
// Output `i` and those after it: states of so many numbers as the kernel knows.
inline absl::Status unknown_numbers(InferenceContext* c, int i) {
  ShapeHandle series, numbers;
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), 2, &series));
  TF_RETURN_IF_ERROR(c->ReplaceDim(series, 1, c->UnknownDim(), &numbers));
  for (; i < c->num_outputs(); ++i) c->set_output(i, numbers);
  return absl::OkStatus();
}
// The output is like the first input; the state before the first step has another size along time.
inline absl::Status like_input_and_earlier(InferenceContext* c) {
  c->set_output(0, c->input(0));
  return unknown_numbers(c, 1);
}
inline absl::Status like_input_and_state(InferenceContext* c) {
  ShapeHandle series;
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), 2, &series));
  return series_and_state(c, series);
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_BASE_STATE_OP_H_
