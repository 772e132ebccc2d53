// The dense product that is the gradient of a dense layer's input.
#ifndef KERAS_SLAYER_PRODUCTS_INPUT_GRAD_H_
#define KERAS_SLAYER_PRODUCTS_INPUT_GRAD_H_

#include "base/kernel.h"

namespace keras_slayer {

// out = grad weights^T. Item: kInputGradRows rows of kInputGradInputs inputs, whose sums stay in
// the first-level cache; all rows of the same inputs after each other.
struct MatmulInputGradArgs {
  int64_t rows, inputs, units;
  bool stream;
  const void* grad;     // [rows, units]
  const void* weights;  // [inputs, units]
  void* packed;         // arithmetic type, room for whole kPackedInputs: what pack_weights makes
  void* out;            // [rows, inputs]
};
constexpr int64_t kInputGradRows = 24, kInputGradInputs = 256;
constexpr int64_t kPackedInputs = 64;  // of the weights: an item of pack_weights

KS_KERNEL(pack_weights, MatmulInputGradArgs);
KS_KERNEL(matmul_input_grad, MatmulInputGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_PRODUCTS_INPUT_GRAD_H_
