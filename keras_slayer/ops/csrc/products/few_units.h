// Kernels of dense layers of few units, such as ten classes: the product and the gradient of the
// weights. x [rows, inputs] is dense or sparse. few_units_op.cc calls them.
#ifndef KERAS_SLAYER_PRODUCTS_FEW_UNITS_H_
#define KERAS_SLAYER_PRODUCTS_FEW_UNITS_H_

#include "base/kernel.h"

namespace keras_slayer {

struct FewUnitsGradArgs {  // out = x^T grad; work item: kFewUnitsInputs inputs
  int64_t rows, inputs, units;
  Dtype x_type;
  const void* x;     // [rows, inputs]
  const void* grad;  // [rows, grad_stride], arithmetic type; zeros from `units` on; GPU: as it is
  int64_t grad_stride;
  void* out;  // [inputs, units]
};
constexpr int64_t kFewUnitsInputs = 128;
constexpr int kGradInputs = 8;  // of a warp on a GPU

// out = x weights; work item: kFewUnitsRows rows.
constexpr int64_t kFewUnitsRows = 16;
struct FewUnitsMatmulArgs {
  int64_t rows, inputs, units;
  Dtype x_type;
  const void* x;        // [rows, inputs]
  const void* weights;  // [inputs, weights_stride], like grad above
  int64_t weights_stride;
  void* out;  // [rows, units]
};

KS_KERNEL(few_units_matmul, FewUnitsMatmulArgs);
KS_KERNEL(few_units_weights_grad, FewUnitsGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_PRODUCTS_FEW_UNITS_H_
