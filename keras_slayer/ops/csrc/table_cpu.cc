// The kernel table of one instruction set.
#include "cpu.h"

#define KS_STRING_(name) #name
#define KS_STRING(name) KS_STRING_(name)

namespace keras_slayer {
namespace KS_ISA {

extern const Kernels table;
const Kernels table = {
    KS_STRING(KS_ISA), fir, fir_taps_grad, alpha_filter, exponential_filter, neuron, neuron_grad,
    srm_fir, srm_fir_grad, layer, conv_weights_grad, layer_input_grad, conv_grad, delay,
    delay_grad, collect_events, event_matmul, narrow_matmul, narrow_weights_grad, pack_weights,
    matmul_input_grad, event_conv, event_conv_grad, quantize,
};

}  // namespace KS_ISA
}  // namespace keras_slayer
