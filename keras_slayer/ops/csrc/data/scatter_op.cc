// Op that turns bins [batch, events] into a dense tensor [batch, steps * frame]: spikes, or counts
// of events. It is faster than tf.scatter_nd because the output keeps its memory from step to step
// (clearing fresh pages takes as long as writing the zeros) and is written once, tile by tile.
#include <atomic>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/op.h"
#include "data/groups.h"
#include "data/tiles.h"

namespace keras_slayer {

// values: "binary" gives `one` where there are events, "count" their number, "signed" the number of
// those in odd bins less that of those in even bins, [batch, steps * frame / 2].
REGISTER_OP("KerasSlayer>ScatterBins")
    .Input("bins: Index")
    .Input("shift: int32")
    .Input("one: T")
    .Output("spikes: T")
    .Attr("steps: int >= 0")
    .Attr("frame: list(int) >= 3")
    .Attr("values: {'binary', 'count', 'signed'} = 'binary'")
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

namespace {

bool count_type(tensorflow::DataType type, CountType* found) {
  switch (type) {
#define KS_COUNT(name, to)       \
  case tensorflow::DT_##name:    \
    *found = CountType::to;      \
    return true;
    KS_COUNT(FLOAT, kFloat)
    KS_COUNT(DOUBLE, kDouble)
    KS_COUNT(HALF, kHalf)
    KS_COUNT(BFLOAT16, kBfloat16)
    KS_COUNT(INT8, kI8)
    KS_COUNT(INT16, kI16)
    KS_COUNT(INT32, kI32)
    KS_COUNT(INT64, kI64)
    KS_COUNT(UINT8, kU8)
    KS_COUNT(UINT16, kU16)
    KS_COUNT(UINT32, kU32)
    KS_COUNT(UINT64, kU64)
#undef KS_COUNT
    default:
      return false;  // bool
  }
}

}  // namespace

class ScatterBins : public OpKernel {
 public:
  explicit ScatterBins(OpKernelConstruction* context) : OpKernel(context) {
    std::vector<int64_t> frame;
    std::string values;
    int64_t steps;
    OP_REQUIRES_OK(context, context->GetAttr("steps", &steps));
    OP_REQUIRES_OK(context, context->GetAttr("frame", &frame));
    OP_REQUIRES_OK(context, context->GetAttr("values", &values));
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
    counts_ = values != "binary", signed_ = values == "signed";
    OP_REQUIRES(context, !counts_ || count_type(context->output_type(0), &type_),
                InvalidArgument("values=\"", values, "\" needs numbers. Received: T=bool"));
    OP_REQUIRES(context, !signed_ || channels_ == 2,
                InvalidArgument("values=\"signed\" needs two channels. Received: ", channels_));
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
    const int64_t values = signed_ ? size_ / 2 : size_;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape({batch, values}, &shape));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_large(context, 0, shape, &out));
    if (shape.num_elements() == 0) return;
    const absl::Status status = bins.dtype() == tensorflow::DT_INT32
                                    ? scatter<int32_t>(context, out)
                                    : scatter<int64_t>(context, out);
    OP_REQUIRES_OK(context, status);
  }

 private:
  template <class Index>
  absl::Status scatter(OpKernelContext* context, Tensor* out) const {
    const auto bins = context->input(0).matrix<Index>();
    const auto shift = context->input(1).matrix<int32_t>();
    const int64_t batch = bins.dimension(0), events = bins.dimension(1);
    const int64_t values = out->dim_size(1), tiles = block_count(values, kTileValues);
    const int bits = kTileBits + (signed_ ? 1 : 0);
    Groups<Index> groups(batch, events, tiles);
    std::vector<int64_t> done(batch);  // events of each sample before the first invalid bin
    parallel_for(context, batch, 8 * events, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        Index* last = groups.found(b);
        done[b] = find(bins.data() + b * events, events, shift(b, 0), shift(b, 1), &last);
        groups.group(b, last - groups.found(b), [&](Index bin) { return int64_t(bin) >> bits; });
      }
    });
    for (int64_t b = 0; b < batch; ++b) {
      if (done[b] < events) {
        return InvalidArgument("bins must be below ", size_, ". Received: bins[", b, ", ", done[b],
                               "] = ", bins(b, done[b]));
      }
    }
    const TileArgs tile = {values,          tiles,          groups.starts(), groups.events(),
                           sizeof(Index) == 8, is_large(*out), out->data()};
    parallel_for(context, batch * tiles, kTileValues / 8, [&](int64_t begin, int64_t end) {
      if (counts_) {
        kernels::count_tiles(Dtype::kFloat, {tile, type_, signed_}, begin, end);
      } else {
        kernels::spike_tiles(Dtype::kFloat, spikes(tile, context->input(2)), begin, end);
      }
    });
    return absl::OkStatus();
  }

  static SpikeTileArgs spikes(const TileArgs& tile, const Tensor& one) {
    SpikeTileArgs args = {tile, 0, tensorflow::DataTypeSize(one.dtype())};
    switch (args.bytes) {
      case 1:
        args.one = *static_cast<const uint8_t*>(one.data());
        break;
      case 2:
        args.one = *static_cast<const uint16_t*>(one.data());
        break;
      case 4:
        args.one = *static_cast<const uint32_t*>(one.data());
        break;
      default:
        args.one = *static_cast<const uint64_t*>(one.data());
    }
    return args;
  }

  // Appends the bins of a sample, moved, to *last. Returns how many it read: all, or those before
  // the first that is too large.
  template <class Index>
  int64_t find(const Index* bins, int64_t events, int64_t dy, int64_t dx, Index** last) const {
    const bool moves = dy != 0 || dx != 0;
    // All events move by the same number of bins, where they stay inside at all.
    const bool near = std::abs(dy) < height_ && std::abs(dx) < width_;
    const Index by = near ? Index((dy * width_ + dx) * channels_) : 0;
    const Divisor<Index> by_channels(channels_), by_width(width_), by_height(height_);
    int64_t i = 0;
    Index* to = *last;
    for (; i < events; ++i) {
      const Index bin = bins[i];
      if (bin < 0) continue;
      if (int64_t(bin) >= size_) break;
      if (moves) {
        const int64_t pixel = by_channels.of(bin), line = by_width.of(Index(pixel));
        const int64_t y = line - by_height.of(Index(line)) * height_ + dy;
        const int64_t x = pixel - line * width_ + dx;
        if (y < 0 || y >= height_ || x < 0 || x >= width_) continue;
      }
      *to++ = bin + by;
    }
    *last = to;
    return i;
  }

  int64_t height_, width_, channels_, size_;
  bool counts_, signed_;
  CountType type_ = CountType::kFloat;
};
KS_REGISTER("ScatterBins", ScatterBins);

}  // namespace keras_slayer
