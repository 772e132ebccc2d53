// One step of neurons that feed each other: see step_network.h.
#include "products/event_matmul.h"
#include "recurrent/recurrent.h"
#include "stream/step_network.h"

namespace keras_slayer {
namespace {

class RecurrentStep final : public StepLayer {
 public:
  RecurrentStep(int64_t inputs, const float* weights, const float* recurrent, Population neurons)
      : neurons_(std::move(neurons)),
        matrix_{inputs, neurons_.outputs, kSliceColumns, false, weights},
        recurrent_(recurrent),
        input_(size_t(neurons_.outputs)),
        membrane_(size_t(neurons_.outputs)),
        spikes_(size_t(neurons_.outputs)) {
    if (!neurons_.rows.empty()) neurons_.neuron.rows = neurons_.rows.data();
  }
  int64_t outputs() const override { return neurons_.outputs; }

  std::string step(const StepEvents& in, StepEvents* out) override {
    const int64_t offsets[2] = {0, int64_t(in.index.size())};
    const Events events = {1, matrix_.rows, offsets, in.index.data(), in.value.data()};
    const EventMatmulArgs product = {events, matrix_, input_.data()};
    kernels::event_matmul(Dtype::kFloat, product, 0, block_count(outputs(), matrix_.slice));
    for (size_t j = 0; j < neurons_.bias.size(); ++j) input_[j] += neurons_.bias[j];
    int not_finite = 0;
    RecurrentArgs args = {};
    args.shape = {1, 1, outputs()};
    args.samples = 1;
    args.in = input_.data();
    args.weights = recurrent_;
    args.neuron = neurons_.neuron;
    args.spikes = spikes_.data();
    args.membrane = membrane_.data();
    args.state = {states_of(neurons_.neuron.kind) + 1, neurons_.state, neurons_.state};
    args.not_finite = &not_finite;
    kernels::recurrent(Dtype::kFloat, args, 0, 1);
    if (not_finite != 0) return "the synaptic input of a Loihi neuron is not finite";
    out->clear();
    for (size_t j = 0; j < spikes_.size(); ++j) {
      if (spikes_[j] != 0) out->add(int32_t(j), 1.0f);
    }
    return "";
  }

 private:
  static constexpr int64_t kSliceColumns = 1024;
  Population neurons_;
  Slices matrix_;
  const float* recurrent_;
  std::vector<float> input_, membrane_;
  std::vector<uint8_t> spikes_;
};

}  // namespace

std::unique_ptr<StepLayer> step_recurrent(int64_t inputs, const float* weights,
                                          const float* recurrent, Population neurons) {
  return std::make_unique<RecurrentStep>(inputs, weights, recurrent, std::move(neurons));
}

}  // namespace keras_slayer
