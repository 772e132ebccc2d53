// Parameters of neurons as the ops take them.
//
// They are float64 vectors rather than attributes, so that they can become
// variables. The surrogate's are width and height (dynamics.h).
//
//   Srm        threshold, surrogate width and height, response decay and gain,
//              refractory decay and gain
//   Cuba       threshold, surrogate width and height, current decay, voltage
//              decay (fractions lost per step)
//   LoihiCuba  threshold mantissa, surrogate width and height (both for float
//              thresholds, mantissa / 64), current decay, voltage decay (in 1/4096)
#ifndef KERAS_SLAYER_NEURON_OP_H_
#define KERAS_SLAYER_NEURON_OP_H_

#include "op_support.h"

namespace keras_slayer {

#define KS_GRADIENT_ATTRS             \
  .Attr("exodus: bool = false")       \
      .Attr("surrogate: {'exponential', 'triangle'} = 'exponential'")
#define KS_NEURON_ATTR .Attr("neuron: {'srm', 'cuba', 'loihi_cuba'}")

inline absl::Status check_decay(double decay, const char* name) {
  if (decay >= 0 && decay <= 1) return absl::OkStatus();
  return InvalidArgument(name, " must lie in [0, 1]. Received: ", name, "=", decay);
}

inline absl::Status check_surrogate(double width) {
  if (width > 0) return absl::OkStatus();
  return InvalidArgument("surrogate_width must be positive. Received: surrogate_width=", width);
}

inline absl::Status check_loihi(const double* p) {
  const double limits[] = {131071, 0, 0, 4096, 4096};
  const char* names[] = {"threshold_mantissa", "", "", "current_decay", "voltage_decay"};
  for (int i : {0, 3, 4}) {
    if (p[i] < 0 || p[i] > limits[i] || p[i] != std::floor(p[i])) {
      return InvalidArgument(names[i], " must be an integer in [0, ", limits[i],
                             "]. Received: ", names[i], "=", p[i]);
    }
  }
  return absl::OkStatus();
}

inline absl::Status read_neuron(const Tensor& tensor, NeuronKind kind, NeuronParams* neuron) {
  const double* p;
  TF_RETURN_IF_ERROR(read_params(tensor, kind == NeuronKind::kSrm ? 7 : 5, &p));
  TF_RETURN_IF_ERROR(check_surrogate(p[1]));
  neuron->kind = kind;
  const double one = kind == NeuronKind::kLoihi ? 4096 : 1;
  neuron->threshold = kind == NeuronKind::kLoihi ? p[0] / 64 : p[0];
  neuron->surrogate = {neuron->threshold, p[1], p[2], neuron->surrogate.triangle};
  if (kind == NeuronKind::kSrm) {
    TF_RETURN_IF_ERROR(check_decay(p[3], "response_decay"));
    TF_RETURN_IF_ERROR(check_decay(p[5], "refractory_decay"));
    neuron->response_decay = p[3];
    neuron->response_gain = p[4];
    neuron->refractory_decay = p[5];
    neuron->refractory_gain = p[6];
    return absl::OkStatus();
  }
  if (kind == NeuronKind::kLoihi) {
    TF_RETURN_IF_ERROR(check_loihi(p));
  } else {
    TF_RETURN_IF_ERROR(check_decay(p[3], "current_decay"));
    TF_RETURN_IF_ERROR(check_decay(p[4], "voltage_decay"));
  }
  neuron->keep_current = 1 - p[3] / one;
  neuron->keep_voltage = 1 - p[4] / one;
  return absl::OkStatus();
}

// The attributes that say which gradient: `exodus` and `surrogate`, after a prefix.
inline absl::Status read_gradient(OpKernelConstruction* context, NeuronParams* neuron,
                                  const std::string& prefix = "") {
  std::string surrogate;
  TF_RETURN_IF_ERROR(context->GetAttr(prefix + "surrogate", &surrogate));
  neuron->surrogate.triangle = surrogate == "triangle";
  return context->GetAttr(prefix + "exodus", &neuron->exodus);
}

// The attribute `neuron`, after a prefix.
inline absl::Status read_kind(OpKernelConstruction* context, NeuronKind* kind,
                              const std::string& prefix = "") {
  std::string name;
  TF_RETURN_IF_ERROR(context->GetAttr(prefix + "neuron", &name));
  *kind = name == "srm"    ? NeuronKind::kSrm
          : name == "cuba" ? NeuronKind::kCuba
                           : NeuronKind::kLoihi;
  return absl::OkStatus();
}

inline absl::Status check_finite(bool not_finite) {
  if (!not_finite) return absl::OkStatus();
  return InvalidArgument("the synaptic input of a Loihi neuron must be finite: the chip's "
                         "integers have no infinity and no NaN. Received: a value that is "
                         "not finite (did the training diverge?)");
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURON_OP_H_
