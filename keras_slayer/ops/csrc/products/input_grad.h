// Kernels of the gradient of the input of a dense layer, a dense product. input_grad_op.cc runs
// pack_weights, then matmul_input_grad.
#ifndef KERAS_SLAYER_PRODUCTS_INPUT_GRAD_H_
#define KERAS_SLAYER_PRODUCTS_INPUT_GRAD_H_

#include "base/kernel.h"

namespace keras_slayer {

// out = grad weights^T. Work item: kInputGradRows rows of kInputGradInputs inputs, whose sums stay
// in the first-level cache. The work items of the same inputs follow each other.
struct MatmulInputGradArgs {
  int64_t rows, inputs, units;
  bool stream;
  const void* grad;     // [rows, units]
  const void* weights;  // [inputs, units]
  void* packed;         // arithmetic type; made by pack_weights; whole multiples of kPackedInputs
  void* out;            // [rows, inputs]
};
constexpr int64_t kInputGradRows = 24, kInputGradInputs = 256;
constexpr int kInputGradSide = 64;       // rows and inputs of a block on a GPU
constexpr int64_t kPackedInputs = 64;  // work item of pack_weights: so many inputs

KS_KERNEL(pack_weights, MatmulInputGradArgs);
KS_KERNEL(matmul_input_grad, MatmulInputGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_PRODUCTS_INPUT_GRAD_H_
