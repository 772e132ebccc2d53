// Op that turns events, with the numbers of their bins, into a time surface
// [batch, steps * frame]: exp(-(end of the step - last event of the unit) / tau). In plain
// TensorFlow it takes a sort, a scatter and a filter.
#include <limits>

#include "base/op.h"
#include "data/groups.h"
#include "data/tiles.h"

namespace keras_slayer {

// t [batch, events]: microseconds. dt and tau in ms.
REGISTER_OP("KerasSlayer>TimeSurface")
    .Input("bins: Index")
    .Input("t: int64")
    .Input("dt: double")
    .Input("tau: double")
    .Output("surface: float")
    .Attr("steps: int >= 1")
    .Attr("frame: int >= 1")
    .Attr("Index: {int32, int64}")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle bins, scalar;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &bins));
      TF_RETURN_IF_ERROR(c->Merge(bins, c->input(1), &bins));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 0, &scalar));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 0, &scalar));
      c->set_output(0, c->Matrix(c->Dim(bins, 0), c->UnknownDim()));
      return absl::OkStatus();
    });

class TimeSurface : public OpKernel {
 public:
  explicit TimeSurface(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("steps", &steps_));
    OP_REQUIRES_OK(context, context->GetAttr("frame", &frame_));
    TensorShape shape;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape({steps_, frame_}, &shape));
    const bool is_int32 = context->input_type(0) == tensorflow::DT_INT32;
    const int64_t most = std::numeric_limits<int32_t>::max();
    OP_REQUIRES(context, steps_ < most && (!is_int32 || shape.num_elements() <= most),
                InvalidArgument("bins must be int64 for a sample of ", shape.num_elements(),
                                " values, and steps below 2^31."));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &bins = context->input(0), &t = context->input(1);
    OP_REQUIRES(context, bins.dims() == 2,
                InvalidArgument("bins must have the axes (batch, events). Received: shape ",
                                bins.shape().DebugString()));
    OP_REQUIRES_OK(context, same_shape(bins, "bins", t, "t"));
    double dt, tau;
    OP_REQUIRES_OK(context, read_number(context->input(2), "dt", &dt));
    OP_REQUIRES_OK(context, read_number(context->input(3), "tau", &tau));
    OP_REQUIRES(context, dt > 0 && tau > 0,
                InvalidArgument("dt and tau must be positive. Received: dt=", dt, ", tau=", tau));
    TensorShape shape;
    OP_REQUIRES_OK(context,
                   TensorShape::BuildTensorShape({bins.dim_size(0), steps_ * frame_}, &shape));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_large(context, 0, shape, &out));
    const absl::Status status = bins.dtype() == tensorflow::DT_INT32
                                    ? run<int32_t>(context, dt, tau, out)
                                    : run<int64_t>(context, dt, tau, out);
    OP_REQUIRES_OK(context, status);
  }

 private:
  template <class Index>
  absl::Status run(OpKernelContext* context, double dt, double tau, Tensor* out) const {
    const auto bins = context->input(0).matrix<Index>();
    const auto t = context->input(1).matrix<tensorflow::int64>();
    const int64_t batch = bins.dimension(0), count = bins.dimension(1);
    const int64_t tiles = block_count(frame_, kTileValues), size = steps_ * frame_;
    // Within a sample, by tile and then by step.
    Groups<SurfaceEvent> groups(batch, count, tiles * steps_);
    const Divisor<Index> by_frame(frame_);
    std::vector<int64_t> invalid(batch, -1);
    parallel_for(context, batch, 12 * count, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        SurfaceEvent *const first = groups.found(b), *last = first;
        for (int64_t i = 0; i < count; ++i) {
          const Index bin = bins(b, i);
          if (bin < 0) continue;
          if (int64_t(bin) >= size) {
            invalid[b] = i;
            break;
          }
          const int64_t step = by_frame.of(bin), unit = int64_t(bin) - step * frame_;
          *last++ = {t(b, i), int32_t(unit % kTileValues), int32_t(step), unit / kTileValues};
        }
        groups.group(b, last - first, [&](const SurfaceEvent& event) {
          return event.tile * steps_ + event.step;
        });
      }
    });
    for (int64_t b = 0; b < batch; ++b) {
      if (invalid[b] >= 0) {
        return InvalidArgument("bins must be below ", size, ". Received: bins[", b, ", ",
                               invalid[b], "] = ", bins(b, invalid[b]));
      }
    }
    const SurfaceArgs args = {steps_, frame_, tiles, groups.starts(), groups.events(),
                              dt, tau, std::exp(-dt / tau), is_large(*out),
                              out->flat<float>().data()};
    parallel_for(context, batch * tiles, steps_ * std::min(frame_, kTileValues) / 4,
                 [&](int64_t begin, int64_t end) {
                   kernels::time_surface(Dtype::kFloat, args, begin, end);
                 });
    return absl::OkStatus();
  }

  int64_t steps_, frame_;
};
KS_REGISTER("TimeSurface", TimeSurface);

}  // namespace keras_slayer
