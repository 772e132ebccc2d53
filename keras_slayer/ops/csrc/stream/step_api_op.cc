// StepNetwork for ctypes (keras_slayer/stream/native.py). Arrays belong to the caller and must
// outlive the network. A function that fails returns -1, and keras_slayer_step_error() says why.
#include <string>
#include <vector>

#include "neurons/neuron_op.h"
#include "stream/step_network.h"

#define KS_API extern "C" __attribute__((visibility("default")))

namespace keras_slayer {
namespace {

thread_local std::string last_error;

int64_t report(const std::string& error) {
  last_error = error;
  return error.empty() ? 0 : -1;
}

StepNetwork* network(void* handle) { return static_cast<StepNetwork*>(handle); }

struct GivenPopulation {  // as ctypes passes it
  const char* neuron;
  const char* const* names;
  const double* params;  // [params_size, channels]
  int64_t params_size, channels;
  const float* bias;
  int64_t bias_size;
  double* state;
};

std::string population(const GivenPopulation& given, int64_t outputs, Population* out) {
  const std::vector<std::string> names(given.names, given.names + given.params_size);
  out->outputs = outputs;
  out->bias.assign(given.bias, given.bias + given.bias_size);
  out->state = given.state;
  NeuronKind kind;
  absl::Status status = kind_of_neuron(given.neuron, &kind, nullptr);
  if (status.ok()) {
    ChannelRows rows;
    status = read_neuron(kind, names, given.params, given.channels, false, &out->neuron, &rows);
    out->rows = rows.host;
  }
  return std::string(status.message());
}

}  // namespace

KS_API const char* keras_slayer_step_error() { return last_error.c_str(); }
KS_API void* keras_slayer_step_new(int64_t inputs) { return new StepNetwork(inputs); }
KS_API void keras_slayer_step_delete(void* handle) { delete network(handle); }

KS_API int64_t keras_slayer_step_matmul(void* handle, const float* weights, int64_t units,
                                        const GivenPopulation* given) {
  Population neurons;
  const std::string error = population(*given, units, &neurons);
  if (!error.empty()) return report(error);
  network(handle)->add(step_matmul(network(handle)->outputs(), weights, std::move(neurons)));
  return report("");
}

KS_API int64_t keras_slayer_step_recurrent(void* handle, const float* weights,
                                           const float* recurrent, int64_t units,
                                           const GivenPopulation* given) {
  Population neurons;
  const std::string error = population(*given, units, &neurons);
  if (!error.empty()) return report(error);
  network(handle)->add(
      step_recurrent(network(handle)->outputs(), weights, recurrent, std::move(neurons)));
  return report("");
}

// `sizes`: the fields of ConvGeometry from height to padding_left.
KS_API int64_t keras_slayer_step_conv(void* handle, const int64_t* sizes, const float* weights,
                                      const GivenPopulation* given) {
  const int64_t* s = sizes;
  const ConvGeometry g = {s[0],  s[1],  s[2],  s[3],  s[4],  s[5],    s[6],    s[7],  s[8],
                          s[9],  s[10], s[11], s[12], s[13], s[14],   nullptr, nullptr, false};
  Population neurons;
  const std::string error = population(*given, g.out_height * g.out_width * g.filters, &neurons);
  if (!error.empty()) return report(error);
  network(handle)->add(step_conv(g, weights, std::move(neurons)));
  return report("");
}

// `sizes`: the fields of PoolGeometry from height to padding_left.
KS_API int64_t keras_slayer_step_pool(void* handle, const int64_t* sizes, double tap,
                                      const GivenPopulation* given) {
  const int64_t* s = sizes;
  const PoolGeometry g = {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], tap};
  Population neurons;
  const std::string error = population(*given, g.out_height * g.out_width * g.channels, &neurons);
  if (!error.empty()) return report(error);
  network(handle)->add(step_pool(g, std::move(neurons)));
  return report("");
}

KS_API int64_t keras_slayer_step_delay(void* handle, const int64_t* steps, int64_t count) {
  network(handle)->add(std::make_unique<StepDelay>(network(handle)->outputs(),
                                                   std::vector<int64_t>(steps, steps + count)));
  return report("");
}

// The history of layer i, which is a delay: [longest, places].
KS_API void keras_slayer_step_read_delay(void* handle, int64_t i, float* history) {
  static_cast<StepDelay*>(network(handle)->layer(i))->read(history);
}
KS_API void keras_slayer_step_write_delay(void* handle, int64_t i, const float* history) {
  static_cast<StepDelay*>(network(handle)->layer(i))->write(history);
}

// Returns the number of events that come out. Their places stay there until the next step.
KS_API int64_t keras_slayer_step_run(void* handle, const int32_t* index, const float* value,
                                     int64_t count, const int32_t** places) {
  if (report(network(handle)->step(index, value, count)) != 0) return -1;
  *places = network(handle)->places().data();
  return int64_t(network(handle)->places().size());
}

}  // namespace keras_slayer
