// A chain of layers that takes one time step of one sample at a time, from events to events. The
// layers run the kernels of the fused ops, so that a step gives what the ops give, to the bit.
#ifndef KERAS_SLAYER_STREAM_STEP_NETWORK_H_
#define KERAS_SLAYER_STREAM_STEP_NETWORK_H_

#include <memory>
#include <string>
#include <vector>

#include "layers/layer.h"

namespace keras_slayer {

// The values that are not zero, in ascending order of their places.
struct StepEvents {
  std::vector<int32_t> index;
  std::vector<float> value;
  void clear();
  void add(int32_t place, float number);
};

class StepLayer {
 public:
  virtual ~StepLayer() {}
  virtual int64_t outputs() const = 0;
  // Returns an error, or nothing.
  virtual std::string step(const StepEvents& in, StepEvents* out) = 0;
};

// Neurons and what they share: their state [states, outputs], which the caller owns. Those that feed
// each other keep their last spikes as the last of it.
struct Population {
  int64_t outputs;
  NeuronParams neuron;
  std::vector<double> rows;  // of the neuron, or empty
  std::vector<float> bias;   // per unit or filter; or empty
  double* state;
};

std::unique_ptr<StepLayer> step_matmul(int64_t inputs, const float* weights, Population neurons);
// Neurons that also feed each other, by the weights `recurrent` [units, units].
std::unique_ptr<StepLayer> step_recurrent(int64_t inputs, const float* weights,
                                          const float* recurrent, Population neurons);
// The weights are in Keras' order.
std::unique_ptr<StepLayer> step_conv(const ConvGeometry& geometry, const float* weights,
                                     Population neurons);
std::unique_ptr<StepLayer> step_pool(const PoolGeometry& geometry, Population neurons);

// Delays by whole steps. An event waits in the list of the step in which it comes out.
class StepDelay final : public StepLayer {
 public:
  // `steps` are repeated over the places.
  StepDelay(int64_t places, std::vector<int64_t> steps);
  int64_t outputs() const override { return places_; }
  std::string step(const StepEvents& in, StepEvents* out) override;
  // The inputs of the last `longest` steps [longest, places], of which only those are given that
  // are still to come out.
  int64_t longest() const { return longest_; }
  void read(float* history) const;
  void write(const float* history);

 private:
  std::vector<StepEvents>::size_type slot(int64_t ahead) const;
  int64_t places_, longest_, now_ = 0;
  std::vector<int64_t> steps_;
  std::vector<StepEvents> waiting_;
};

class StepNetwork {
 public:
  explicit StepNetwork(int64_t inputs) : inputs_(inputs) {}
  int64_t outputs() const { return layers_.empty() ? inputs_ : layers_.back()->outputs(); }
  void add(std::unique_ptr<StepLayer> layer) { layers_.push_back(std::move(layer)); }
  StepLayer* layer(int64_t i) { return layers_[size_t(i)].get(); }
  // One step. Without values each event counts 1, however often its place is named.
  std::string step(const int32_t* index, const float* value, int64_t count);
  // Of the events that the last step gave.
  const std::vector<int32_t>& places() const { return events_.index; }

 private:
  std::string take(const int32_t* index, const float* value, int64_t count);
  int64_t inputs_;
  std::vector<std::unique_ptr<StepLayer>> layers_;
  StepEvents events_, next_;
  std::vector<std::pair<int32_t, float>> order_;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_STREAM_STEP_NETWORK_H_
