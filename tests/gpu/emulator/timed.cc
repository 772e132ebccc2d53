// Launches that are large enough to be timed on a card. They are written down, not run.
#include "timed.h"

#include <sstream>
#include <vector>

#include "filters/delay.h"
#include "filters/filters.h"
#include "gpu/conv.h"
#include "gpu/device.h"
#include "gpu/pool.h"
#include "gpu/transposed_conv.h"
#include "neurons/neurons.h"
#include "products/few_units.h"
#include "products/input_grad.h"

namespace keras_slayer {
namespace {

// A launch whose arrays have an address and a size, but no memory.
class Launch {
 public:
  Launch(std::string what, std::string kernel) : what_(std::move(what)), kernel_(std::move(kernel)) {}
  float* numbers(int64_t size) { return static_cast<float*>(add(4 * size, "\"normal\"")); }
  uint8_t* spikes(int64_t size) { return static_cast<uint8_t*>(add(size, "0.02")); }
  uint8_t* ones(int64_t size) { return static_cast<uint8_t*>(add(size, "1.0")); }
  float* output(int64_t size) { return static_cast<float*>(add(4 * size, "0.0")); }
  uint8_t* bytes(int64_t size) { return static_cast<uint8_t*>(add(size, "0.0")); }

  template <class Args>
  void threads(int64_t count, const Args& args, std::ostream& lines) const {
    blocks(block_count(count, kThreads), args, lines);
  }
  template <class Args>
  void blocks(int64_t count, const Args& args, std::ostream& lines) const {
    lines << "{\"timed\": \"" << what_ << "\", \"moved\": " << moved_ << ", \"kernel\": \""
          << kernel_ << "\", \"blocks\": " << count << ", " << described(&args, sizeof(Args))
          << ", \"arrays\": [" << arrays_ << "]}\n";
  }

 private:
  void* add(int64_t bytes, const char* fill) {
    arrays_ += std::string(arrays_.empty() ? "" : ", ") + "{\"bytes\": " + std::to_string(bytes) +
               ", \"fill\": " + fill + "}";
    addresses_.push_back(next_);
    moved_ += bytes;
    next_ += (bytes + 255) / 256 * 256;
    return reinterpret_cast<void*>(addresses_.back());
  }
  std::string described(const void* args, size_t size) const {
    return describe(args, size, [&](uint64_t address) -> std::pair<int64_t, int64_t> {
      for (size_t i = 0; i < addresses_.size(); ++i) {
        if (addresses_[i] == address) return {int64_t(i), 0};
      }
      return {-1, 0};
    });
  }

  std::string what_, kernel_, arrays_;
  std::vector<uint64_t> addresses_;
  uint64_t next_ = uint64_t(1) << 44;  // no number that arguments have
  int64_t moved_ = 0;
};

// Parameters of each neuron that fires now and then.
struct Plain {
  double number(const char*) { return 1; }
  double positive(const char*) { return 1; }
  double fraction(const char*) { return 0.7; }
  double integer(const char*, double) { return 100; }
  double integer_if_given(const char*, double, double) { return 5; }
};
template <class Neuron>
NeuronParams parameters(bool exodus) {
  Plain plain;
  NeuronParams p = {};
  p.template set<Neuron>(Neuron::read(plain));
  p.surrogate = surrogate_params(1, 0.7, 1.4, false);
  p.exodus = exodus;
  return p;
}

constexpr Shape kSeries = {64, 300, 8192};
constexpr int64_t kSize = kSeries.batch * kSeries.steps * kSeries.inner;
constexpr int64_t kFrames = 64 * 300;

template <class Neuron>
void neurons(const char* name, std::ostream& lines) {
  const std::string shape = std::string(name) + ", (64, 300, 8192), ";
  Launch forward(shape + "forward", std::string("neuron_") + name + "_float");
  NeuronArgs args = {};
  args.shape = kSeries;
  args.in = forward.numbers(kSize);
  args.neuron = parameters<Neuron>(false);
  args.bytes = true;
  args.spikes = forward.bytes(kSize);
  args.membrane = forward.output(kSize);
  args.not_finite = reinterpret_cast<int*>(forward.bytes(4));
  forward.threads(kSeries.batch * kSeries.inner, args, lines);
  for (const bool exodus : {false, true}) {
    Launch backward(shape + (exodus ? "exodus" : "slayer"),
                    std::string("neuron_grad_") + name + "_float");
    NeuronGradArgs grad = {};
    grad.shape = kSeries;
    grad.grad_spikes = backward.numbers(kSize);
    grad.membrane = backward.numbers(kSize);
    grad.neuron = parameters<Neuron>(exodus);
    grad.grad_in = backward.output(kSize);
    backward.threads(kSeries.batch * kSeries.inner, grad, lines);
  }
}

void filters(std::ostream& lines) {
  Launch filter("alpha filter, (64, 300, 8192)", "alpha_filter_float");
  const RecursiveFilterArgs args = {kSeries, filter.numbers(kSize), 0.8, 1.1, false,
                                    filter.output(kSize)};
  filter.threads(kSeries.batch * kSeries.inner, args, lines);
  Launch shifted("delay, (64, 300, 8192)", "delay_float");
  const DelayArgs delay = {kSeries, shifted.numbers(kSize),
                           reinterpret_cast<int64_t*>(shifted.bytes(8 * kSeries.inner)),
                           kSeries.inner, false, shifted.output(kSize)};
  shifted.threads(kSize, delay, lines);
}

// A dense layer over 64 x 300 steps.
void dense(int64_t inputs, int64_t units, std::ostream& lines) {
  const std::string size = std::to_string(inputs) + "-" + std::to_string(units);
  Launch product("product " + size, "few_units_matmul_float");
  const FewUnitsMatmulArgs args = {kFrames, inputs, units, Dtype::kByte,
                                   product.spikes(kFrames * inputs),
                                   product.numbers(inputs * units), units,
                                   product.output(kFrames * units)};
  product.threads(kFrames * block_count(units, kWarp) * kWarp, args, lines);
  Launch weights("weights' gradient " + size, "few_units_weights_grad_float");
  const FewUnitsGradArgs grad = {kFrames, inputs, units, Dtype::kByte,
                                 weights.spikes(kFrames * inputs),
                                 weights.numbers(kFrames * units), units,
                                 weights.output(inputs * units)};
  weights.threads(block_count(inputs, kGradInputs) * block_count(units, kWarp) * kWarp, grad,
                  lines);
  Launch input("input's gradient " + size, "matmul_input_grad_float");
  const MatmulInputGradArgs to_input = {kFrames, inputs, units, false,
                                        input.numbers(kFrames * units),
                                        input.numbers(inputs * units), nullptr,
                                        input.output(kFrames * inputs)};
  input.blocks(block_count(kFrames, kInputGradSide) * block_count(inputs, kInputGradSide),
               to_input, lines);
}

// A layer of the convolutional network of N-MNIST.
void convolution(const char* name, const ConvGeometry& g, std::ostream& lines) {
  const int64_t in = kFrames * g.height * g.width * g.channels;
  const int64_t out = kFrames * g.out_height * g.out_width * g.filters;
  const int64_t taps = g.kernel_height * g.kernel_width * g.channels, part = kFrames / 16;
  Launch forward(std::string("convolution ") + name, "frames_conv_float");
  const FramesConvArgs args = {kFrames, g, true, forward.spikes(in),
                               forward.numbers(taps * g.filters), forward.output(out)};
  const int64_t warps = kFrames * g.out_height * g.out_width * block_count(g.filters, kWarp);
  forward.threads(warps * kWarp, args, lines);
  Launch weights(std::string("weights' gradient ") + name, "frames_conv_grad_float");
  const FramesConvGradArgs grad = {kFrames, part, g, true, weights.spikes(in),
                                   weights.numbers(out),
                                   weights.output(16 * taps * g.filters)};
  weights.threads(16 * taps * block_count(g.filters, kWarp) * kWarp, grad, lines);
  Launch input(std::string("input's gradient ") + name, "frames_input_grad_float");
  const FramesInputGradArgs back = {kFrames, g, input.numbers(out), input.numbers(taps * g.filters),
                                    input.output(in)};
  const int64_t pixels = kFrames * g.height * g.width;
  input.threads(pixels * block_count(g.channels, kWarp) * kWarp, back, lines);
}

// What a step of neurons that feed each other by a convolution takes back, for 64 samples.
void transposed(const char* name, const ConvGeometry& g, std::ostream& lines) {
  const int64_t frames = 64, size = frames * g.height * g.width * g.channels;
  const int64_t tiles = tiles_across(g) * tiles_down(g), points = points_across(g) * points_down(g);
  const int64_t inputs = frames * points * tiles * g.filters;
  const auto args_of = [&](Launch& launch) {
    TransposedConvArgs args = {};
    args.frames = frames;
    args.geometry = g;
    args.grad = launch.numbers(size);
    return args;
  };
  Launch windows(std::string("transposed convolution ") + name, "transposed_conv_float");
  TransposedConvArgs args = args_of(windows);
  args.weights = windows.numbers(g.kernel_height * g.kernel_width * g.filters * g.channels);
  args.out = windows.output(size);
  windows.threads(size, args, lines);
  Launch sums(std::string("Winograd's sums ") + name, "winograd_sums_float");
  args = {};
  args.frames = frames;
  args.geometry = g;
  args.kernels = sums.numbers(points * g.filters * g.channels);
  args.taken = sums.ones(frames * g.height);
  args.inputs = sums.numbers(inputs);
  args.sums = sums.output(frames * points_across(g) * tiles * kTileSide * g.channels);
  sums.threads(frames * points_across(g) * tiles * g.channels, args, lines);
}

void pool(const PoolGeometry& g, std::ostream& lines) {
  const int64_t in = kFrames * g.height * g.width * g.channels;
  const int64_t out = kFrames * g.out_height * g.out_width * g.channels;
  Launch sums("pool 30x30x12-2a", "pool_sums_float");
  const PoolArgs args = {kFrames, g, true, sums.spikes(in), sums.output(out)};
  sums.threads(out, args, lines);
  Launch spread("pool's gradient 30x30x12-2a", "pool_spread_float");
  const PoolArgs back = {kFrames, g, false, spread.numbers(out), spread.output(in)};
  spread.threads(in, back, lines);
}

}  // namespace

void write_timed(std::ostream& lines) {
#define KS_TIMED(Neuron, name) neurons<Neuron>(#Neuron, lines);
  KS_NEURONS(KS_TIMED)
#undef KS_TIMED
  filters(lines);
  dense(2312, 512, lines);
  dense(512, 10, lines);
  convolution("34x34x2-12c5",
              {34, 34, 2, 30, 30, 12, 5, 5, 1, 1, 1, 1, 1, 0, 0, nullptr, nullptr, false}, lines);
  convolution("15x15x12-64c5",
              {15, 15, 12, 15, 15, 64, 5, 5, 1, 1, 1, 1, 1, 2, 2, nullptr, nullptr, false}, lines);
  transposed("15x15x64-64c3",
             {15, 15, 64, 15, 15, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, nullptr, nullptr, true}, lines);
  pool({30, 30, 12, 15, 15, 2, 2, 2, 2, 0, 0, 1.1}, lines);
}

}  // namespace keras_slayer
