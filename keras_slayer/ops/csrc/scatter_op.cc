// Binned events as a batch of spike tensors: ones at their bins, zeros elsewhere. What is a
// scatter for TensorFlow too costs less here, for the output keeps its memory: the kernel
// clears fresh pages in the time that the zeros take to write.
#include <cstring>

#include "op_support.h"

namespace keras_slayer {

REGISTER_OP("KerasSlayer>ScatterBins")
    .Input("bins: Index")
    .Input("rows: int64")
    .Input("one: T")
    .Input("batch: int64")
    .Output("spikes: T")
    .Attr("size: int >= 0")
    .Attr("Index: {int32, int64}")
    .Attr(
        "T: {float, double, half, bfloat16, bool, int8, int16, int32, int64, uint8, uint16, "
        "uint32, uint64}")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle vector, scalar;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 1, &vector));
      TF_RETURN_IF_ERROR(c->Merge(c->input(1), vector, &vector));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 0, &scalar));
      tensorflow::shape_inference::DimensionHandle batch;
      TF_RETURN_IF_ERROR(c->MakeDimForScalarInput(3, &batch));
      int64_t size;
      TF_RETURN_IF_ERROR(c->GetAttr("size", &size));
      c->set_output(0, c->Matrix(batch, c->MakeDim(size)));
      return absl::OkStatus();
    });

class ScatterBins : public OpKernel {
 public:
  explicit ScatterBins(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("size", &size_));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor &bins = context->input(0), &rows = context->input(1);
    const Tensor &one = context->input(2), &count = context->input(3);
    OP_REQUIRES(context, bins.dims() == 1 && bins.shape() == rows.shape(),
                InvalidArgument("bins and rows must be vectors of one length. Received: shapes ",
                                bins.shape().DebugString(), " and ", rows.shape().DebugString()));
    OP_REQUIRES(context, one.dims() == 0 && count.dims() == 0,
                InvalidArgument("one and batch must be scalars. Received: shapes ",
                                one.shape().DebugString(), " and ", count.shape().DebugString()));
    const int64_t batch = count.scalar<int64_t>()();
    OP_REQUIRES(context, batch >= 0,
                InvalidArgument("batch must not be negative. Received: ", batch));
    TensorShape shape;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape({batch, size_}, &shape));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_large(context, 0, shape, &out));
    clear(context, out);
    const absl::Status status = bins.dtype() == tensorflow::DT_INT32
                                    ? scatter<int32_t>(bins, rows, one, batch, out)
                                    : scatter<int64_t>(bins, rows, one, batch, out);
    OP_REQUIRES_OK(context, status);
  }

 private:
  static void clear(OpKernelContext* context, Tensor* out) {
    constexpr int64_t kChunk = 1 << 20;
    char* bytes = static_cast<char*>(out->data());
    const int64_t total = int64_t(out->TotalBytes());
    parallel_for(context, block_count(total, kChunk), kChunk / 16, [&](int64_t begin, int64_t end) {
      std::memset(bytes + begin * kChunk, 0, size_t(std::min(end * kChunk, total) - begin * kChunk));
    });
  }

  template <class Index>
  absl::Status scatter(const Tensor& bins, const Tensor& rows, const Tensor& one, int64_t batch,
                       Tensor* out) const {
    switch (tensorflow::DataTypeSize(one.dtype())) {
      case 1:
        return write<Index, uint8_t>(bins, rows, one, batch, out);
      case 2:
        return write<Index, uint16_t>(bins, rows, one, batch, out);
      case 4:
        return write<Index, uint32_t>(bins, rows, one, batch, out);
      default:
        return write<Index, uint64_t>(bins, rows, one, batch, out);
    }
  }

  // Bits: an unsigned integer of the width of the type, whatever that is.
  template <class Index, class Bits>
  absl::Status write(const Tensor& bins, const Tensor& rows, const Tensor& one, int64_t batch,
                     Tensor* out) const {
    const auto bin = bins.vec<Index>();
    const auto row = rows.vec<int64_t>();
    Bits bits, *spikes = static_cast<Bits*>(out->data());
    std::memcpy(&bits, one.data(), sizeof(bits));
    for (int64_t i = 0; i < bins.dim_size(0); ++i) {
      if (bin(i) < 0 || int64_t(bin(i)) >= size_ || row(i) < 0 || row(i) >= batch) {
        return InvalidArgument("bins must be below ", size_, " and rows below ", batch,
                               ", and not negative. Received: bins[", i, "] = ", bin(i), ", rows[",
                               i, "] = ", row(i));
      }
      spikes[row(i) * size_ + bin(i)] = bits;
    }
    return absl::OkStatus();
  }

  int64_t size_;
};
KS_REGISTER("ScatterBins", ScatterBins);

}  // namespace keras_slayer
