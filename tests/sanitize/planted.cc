// Ops with a bug each, compiled as the package's ops are, to see that a sanitizer reports it.
#include "base/op.h"

namespace keras_slayer {

using tensorflow::OpKernelConstruction;

// Reads x past its end, writes one number from many threads, and so on, as `bug` says.
class Planted : public OpKernel {
 public:
  explicit Planted(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("bug", &bug_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(context, context->expected_output_dtype(0) == tensorflow::DT_FLOAT,
                tensorflow::errors::Internal("the headers do not fit TensorFlow's library"));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, allocate_large(context, 0, x.shape(), &y));
    const float* from = x.flat<float>().data();
    float* to = y->flat<float>().data();
    const int64_t size = x.NumElements();
    if (bug_ == "past input") {
      // An allocation may be longer than asked for, by its alignment.
      to[0] = from[size + 16];
    } else if (bug_ == "past output") {
      to[size + 16] = 1;
    } else if (bug_ == "overflow") {
      volatile int32_t most = 2147483647;
      to[0] = float(most + x.dims());
    } else if (bug_ == "cast") {
      to[0] = float(int32_t(from[0] + 1e20f));
    } else {
      parallel_for(context, size, 1000, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) to[bug_ == "race" ? 0 : i] = from[i];
      });
    }
  }

 private:
  std::string bug_;
};

REGISTER_OP("KerasSlayer>Planted")
    .Attr("bug: string")
    .Input("x: float")
    .Output("y: float")
    .SetShapeFn(tensorflow::shape_inference::UnknownShape);
KS_REGISTER("Planted", Planted);

}  // namespace keras_slayer
