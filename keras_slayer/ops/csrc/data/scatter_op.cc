// Op that turns bins [batch, events] into dense spikes [batch, steps * frame]: one at each bin,
// zero elsewhere. It is faster than tf.scatter_nd because the output keeps its memory from step to
// step: clearing fresh pages takes as long as writing the zeros.
#include <cstring>
#include <limits>
#include <vector>

#include "base/op.h"

namespace keras_slayer {

REGISTER_OP("KerasSlayer>ScatterBins")
    .Input("bins: Index")
    .Input("shift: int32")
    .Input("one: T")
    .Output("spikes: T")
    .Attr("steps: int >= 0")
    .Attr("frame: list(int) >= 3")
    .Attr("Index: {int32, int64}")
    .Attr(
        "T: {float, double, half, bfloat16, bool, int8, int16, int32, int64, uint8, uint16, "
        "uint32, uint64}")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle bins, shift, scalar;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &bins));
      TF_RETURN_IF_ERROR(c->Merge(c->input(1), c->Matrix(c->Dim(bins, 0), 2), &shift));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 0, &scalar));
      c->set_output(0, c->Matrix(c->Dim(shift, 0), c->UnknownDim()));
      return absl::OkStatus();
    });

class ScatterBins : public OpKernel {
 public:
  explicit ScatterBins(OpKernelConstruction* context) : OpKernel(context) {
    std::vector<int64_t> frame;
    int64_t steps;
    OP_REQUIRES_OK(context, context->GetAttr("steps", &steps));
    OP_REQUIRES_OK(context, context->GetAttr("frame", &frame));
    OP_REQUIRES(context, frame.size() == 3 && *std::min_element(frame.begin(), frame.end()) > 0,
                InvalidArgument("frame must be height, width and channels, all positive."));
    height_ = frame[0], width_ = frame[1], channels_ = frame[2];
    TensorShape shape;
    OP_REQUIRES_OK(context,
                   TensorShape::BuildTensorShape({steps, height_, width_, channels_}, &shape));
    size_ = shape.num_elements();
    const bool is_int32 = context->input_type(0) == tensorflow::DT_INT32;
    OP_REQUIRES(context, !is_int32 || size_ <= std::numeric_limits<int32_t>::max(),
                InvalidArgument("bins must be int64 for a sample of ", size_, " values."));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &bins = context->input(0), &shift = context->input(1);
    OP_REQUIRES(context, bins.dims() == 2,
                InvalidArgument("bins must have the axes (batch, events). Received: shape ",
                                bins.shape().DebugString()));
    const int64_t batch = bins.dim_size(0);
    OP_REQUIRES(context, shift.shape() == TensorShape({batch, 2}),
                InvalidArgument("shift must be (", batch, ", 2): rows and columns of each sample. "
                                "Received: shape ", shift.shape().DebugString()));
    OP_REQUIRES(context, context->input(2).dims() == 0,
                InvalidArgument("one must be a scalar. Received: shape ",
                                context->input(2).shape().DebugString()));
    TensorShape shape;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape({batch, size_}, &shape));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_large(context, 0, shape, &out));
    clear(context, out);
    const absl::Status status = bins.dtype() == tensorflow::DT_INT32
                                    ? scatter<int32_t>(context, out)
                                    : scatter<int64_t>(context, out);
    OP_REQUIRES_OK(context, status);
  }

 private:
  static void clear(OpKernelContext* context, Tensor* out) {
    constexpr int64_t kBytes = 1 << 20;
    char* bytes = static_cast<char*>(out->data());
    const int64_t total = int64_t(out->TotalBytes());
    parallel_for(context, block_count(total, kBytes), kBytes / 16, [&](int64_t begin, int64_t end) {
      std::memset(bytes + begin * kBytes, 0, size_t(std::min(end * kBytes, total) - begin * kBytes));
    });
  }

  template <class Index>
  absl::Status scatter(OpKernelContext* context, Tensor* out) const {
    switch (tensorflow::DataTypeSize(out->dtype())) {
      case 1:
        return write<Index, uint8_t>(context, out);
      case 2:
        return write<Index, uint16_t>(context, out);
      case 4:
        return write<Index, uint32_t>(context, out);
      default:
        return write<Index, uint64_t>(context, out);
    }
  }

  // Bits is the unsigned integer with as many bits as T.
  template <class Index, class Bits>
  absl::Status write(OpKernelContext* context, Tensor* out) const {
    const auto bins = context->input(0).matrix<Index>();
    const auto shift = context->input(1).matrix<int32_t>();
    const int64_t batch = bins.dimension(0), events = bins.dimension(1);
    Bits one, *spikes = static_cast<Bits*>(out->data());
    std::memcpy(&one, context->input(2).data(), sizeof(one));
    std::vector<int64_t> done(batch);  // events of each sample before the first invalid bin
    parallel_for(context, batch, 4 * events, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        done[b] = write_sample(bins.data() + b * events, events, shift(b, 0), shift(b, 1), one,
                               spikes + b * size_);
      }
    });
    for (int64_t b = 0; b < batch; ++b) {
      if (done[b] < events) {
        return InvalidArgument("bins must be below ", size_, ". Received: bins[", b, ", ", done[b],
                               "] = ", bins(b, done[b]));
      }
    }
    return absl::OkStatus();
  }

  template <class Index, class Bits>
  int64_t write_sample(const Index* bins, int64_t events, int64_t dy, int64_t dx, Bits one,
                       Bits* spikes) const {
    const Index height = Index(height_), width = Index(width_), channels = Index(channels_);
    const bool moves = dy != 0 || dx != 0;
    for (int64_t i = 0; i < events; ++i) {
      const Index bin = bins[i];
      if (bin < 0) continue;
      if (int64_t(bin) >= size_) return i;
      if (!moves) {
        spikes[bin] = one;
        continue;
      }
      const Index pixel = bin / channels, line = pixel / width;
      const int64_t y = line % height + dy, x = pixel % width + dx;
      if (y < 0 || y >= height || x < 0 || x >= width) continue;
      spikes[bin + (dy * width_ + dx) * channels_] = one;
    }
    return events;
  }

  int64_t height_, width_, channels_, size_;
};
KS_REGISTER("ScatterBins", ScatterBins);

}  // namespace keras_slayer
