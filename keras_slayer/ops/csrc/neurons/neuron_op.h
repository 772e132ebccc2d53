// Attributes and inputs that describe a neuron to an op: its name, its parameters, its gradient.
//
// The parameters are a float64 input `params` and not attributes, so that they can be learned: one
// number each, or a row with one for each channel. The attribute `names` names each element. The
// neuron's header reads them by name.
#ifndef KERAS_SLAYER_NEURONS_NEURON_OP_H_
#define KERAS_SLAYER_NEURONS_NEURON_OP_H_

#include <algorithm>
#include <string>
#include <vector>

#include "base/device.h"
#include "base/state_op.h"
#include "neurons/parameters.h"

namespace keras_slayer {

// The attribute "neuron": the name of one of the neurons of list.h.
inline std::string neuron_attr(const std::string& prefix = "") {
#define KS_NAME(Neuron, name) "'" name "', "
  std::string names = KS_NEURONS(KS_NAME);
#undef KS_NAME
  return prefix + "neuron: {" + names.substr(0, names.size() - 2) + "}";
}

#define KS_NEURON_ATTRS .Attr(neuron_attr()).Attr("names: list(string)")
#define KS_GRADIENT_ATTRS             \
  .Attr("exodus: bool = false")       \
      .Attr("surrogate: {'exponential', 'triangle'} = 'exponential'")

// Reads parameters by name, of one channel after the other. status() is the first error: a
// parameter that is missing, out of range or unknown.
class Given {
 public:
  // Parameter i of channel c is values[i * channels + c].
  Given(const std::vector<std::string>& names, const double* values, int64_t channels)
      : names_(names), values_(values), channels_(channels) {}

  // The next channel, whose parameters are read in the same order.
  void next_channel() {
    ++values_;
    next_ = 0;
  }
  // Places in `names` of the parameters, in the order in which they were read; -1 for one that is
  // not given.
  const std::vector<int64_t>& order() const { return order_; }

  double number(const char* name) {
    const size_t read = order_.size();
    const double value = number_if_given(name);
    if (order_.size() > read && order_.back() < 0) {
      fail(InvalidArgument("params must have ", name, ". Received: ", received()));
    }
    return value;
  }
  // 0 if it is not.
  double number_if_given(const char* name) {
    if (next_ == order_.size()) order_.push_back(place_of(name));
    const int64_t i = order_[next_++];
    return i < 0 ? 0 : values_[i * channels_];
  }
  double positive(const char* name) {
    const double value = number(name);
    if (!(value > 0)) {
      fail(InvalidArgument(name, " must be positive. Received: ", name, "=", value));
    }
    return value;
  }
  // A number in [0, 1].
  double fraction(const char* name) {
    const double value = number(name);
    if (!(value >= 0 && value <= 1)) {
      fail(InvalidArgument(name, " must lie in [0, 1]. Received: ", name, "=", value));
    }
    return value;
  }
  // An integer in [0, high].
  double integer(const char* name, double high) { return integer(name, number(name), 0, high); }
  // An integer in [low, high]; 0 if it is not given.
  double integer_if_given(const char* name, double low, double high) {
    return integer(name, number_if_given(name), low, high);
  }

  bool ok() const { return status_.ok(); }
  absl::Status status() const {
    if (!status_.ok()) return status_;
    for (int64_t i = 0; i < int64_t(names_.size()); ++i) {
      if (std::find(order_.begin(), order_.end(), i) == order_.end()) {
        return InvalidArgument("params must not have ", names_[size_t(i)]);
      }
    }
    return absl::OkStatus();
  }

 private:
  int64_t place_of(const char* name) const {
    for (size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == name) return int64_t(i);
    }
    return -1;
  }
  double integer(const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high) || value != std::floor(value)) {
      fail(InvalidArgument(name, " must be an integer in [", low, ", ", high, "]. Received: ",
                           name, "=", value));
    }
    return value;
  }
  void fail(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }
  std::string received() const {
    std::string all;
    for (const std::string& name : names_) all += (all.empty() ? "" : ", ") + name;
    return "names=[" + all + "]";
  }

  const std::vector<std::string>& names_;
  const double* values_;
  int64_t channels_;
  std::vector<int64_t> order_;
  size_t next_ = 0;
  absl::Status status_;
};

inline SurrogateParams read_surrogate(Given& given, double threshold, bool triangle) {
  const double width = given.positive("surrogate_width");
  return surrogate_params(threshold, width, given.number("surrogate_height"), triangle);
}

// The neuron of this name, and that of its struct, by which kernels of the GPU are named.
inline absl::Status kind_of_neuron(const std::string& name, NeuronKind* kind,
                                   const char** struct_name) {
#define KS_IF(Neuron, neuron_name)                              \
  if (name == neuron_name) {                                    \
    *kind = NeuronKind::k##Neuron;                              \
    if (struct_name != nullptr) *struct_name = #Neuron;         \
    return absl::OkStatus();                                    \
  }
  KS_NEURONS(KS_IF)
#undef KS_IF
  return InvalidArgument("there is no such neuron. Received: neuron=", name);
}

// What NeuronParams::rows points to.
struct ChannelRows {
  std::vector<double> host;
  Tensor on_device;
};

// Reads the parameters of a neuron and of its surrogate, but for `exodus`. `order`, if not null,
// becomes that of Given.
inline absl::Status read_neuron(NeuronKind kind, const std::vector<std::string>& names,
                                const double* values, int64_t channels, bool triangle,
                                NeuronParams* out, ChannelRows* rows,
                                std::vector<int64_t>* order = nullptr) {
  Given given(names, values, channels);
  out->kind = kind;
  out->rows = nullptr;
  out->channels = channels;
  with_neuron(kind, [&](auto neuron) {
    using Neuron = decltype(neuron);
    using Parameters = typename Neuron::template Parameters<double>;
    constexpr int kFields = fields_of<Parameters, double>();
    const auto read = [&] {
      const Parameters parameters = Neuron::read(given);
      out->set<Neuron>(parameters);
      out->surrogate = read_surrogate(given, parameters.threshold, triangle);
    };
    if (channels == 1) return read();
    rows->host.resize(size_t((kFields + 3) * channels));
    for (int64_t c = 0; c < channels && given.ok(); ++c) {
      read();
      double* to = rows->host.data() + c;
      for (int i = 0; i < kFields; ++i) to[i * channels] = out->values[i];
      to[kFields * channels] = out->surrogate.threshold;
      to[(kFields + 1) * channels] = out->surrogate.rate;
      to[(kFields + 2) * channels] = out->surrogate.height;
      given.next_channel();
    }
    out->rows = rows->host.data();
  });
  if (order != nullptr) *order = given.order();
  return given.status();
}

// Reads the attributes of a neuron; with `gradient`, also those of its gradient. A prefix tells
// the attributes of two neurons of one op apart.
class NeuronOptions {
 public:
  absl::Status init(OpKernelConstruction* context, bool gradient, const std::string& prefix = "") {
    std::string name;
    TF_RETURN_IF_ERROR(context->GetAttr(prefix + "neuron", &name));
    TF_RETURN_IF_ERROR(context->GetAttr(prefix + "names", &names_));
    TF_RETURN_IF_ERROR(kind_of_neuron(name, &kind_, &struct_));
    if (!gradient) return absl::OkStatus();
    std::string surrogate;
    TF_RETURN_IF_ERROR(context->GetAttr(prefix + "surrogate", &surrogate));
    triangle_ = surrogate == "triangle";
    return context->GetAttr(prefix + "exodus", &exodus_);
  }
  // `rows` must live as long as the kernels run.
  template <class Device>
  absl::Status read(OpKernelContext* context, int input, NeuronParams* out, ChannelRows* rows,
                    std::vector<int64_t>* order = nullptr) const {
    TF_RETURN_IF_ERROR(read(context->input(input), out, rows, order));
    if (out->rows == nullptr) return absl::OkStatus();
    return Device::place(context, rows->host, &rows->on_device, &out->rows);
  }
  absl::Status read(const Tensor& params, NeuronParams* out, ChannelRows* rows,
                    std::vector<int64_t>* order = nullptr) const {
    const double* values;
    int64_t channels;
    TF_RETURN_IF_ERROR(read_params(params, int64_t(names_.size()), &values, &channels));
    out->exodus = exodus_;
    return read_neuron(kind_, names_, values, channels, triangle_, out, rows, order);
  }
  // The kernel of this neuron: they are named by its struct.
  gpu::Kernel kernel(const std::string& name) const { return {"neurons", name + "_" + struct_}; }

 private:
  NeuronKind kind_;
  const char* struct_ = "";
  std::vector<std::string> names_;
  bool triangle_ = false, exodus_ = false;
};

template <class Check>
absl::Status check_finite(const Check& check) {
  if (!check.failed()) return absl::OkStatus();
  return InvalidArgument("the synaptic input of a Loihi neuron must be finite: the chip's "
                         "integers have no infinity and no NaN. Received: a value that is "
                         "not finite", check.when(), " (did the training diverge?)");
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_NEURON_OP_H_
