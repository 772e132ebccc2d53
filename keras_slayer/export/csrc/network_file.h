// Reads a network from a flat file, which keras_slayer.export.write_flat writes: a Network of
// network.h with the names and shapes of its inputs and outputs. Nothing in the file is trusted.
//
// A flat file is a sequence of numbers, little-endian, without gaps:
//
//   magic        8 bytes  89 4B 53 4E 0D 0A 1A 0A
//   version      u32      1
//   length       u64      bytes of the whole file
//   inputs       u32, then for each: name, shape
//   populations  u32, then for each, after those that it reads:
//     name, shape
//     neuron       3 u32    current decay, voltage decay, threshold mantissa
//     biases       u32      0, or the last number of the shape; then as many i32
//     connections  u32, then for each:
//       source     u32      number of an input, or of inputs + number of a population
//       kind       u32      0: dense, 1: convolution, 2: convolution with a delay
//       dense      u32 delays (0 or 1); i16 weights (inputs, neurons); u8 delays of that shape
//       conv       10 u32: kernel height, width, filters, groups, strides, padding, dilation (each
//                  vertical, horizontal); of kind 2 the delay, u32; i16 weights (height, width,
//                  channels / groups, filters)
//   outputs      u32, then for each: u32 number of a population
//   checksum     u32      CRC-32 (that of zlib) of all bytes before
//
//   name         u32 bytes, then these, UTF-8
//   shape        u32 rank, 1 or 3, then as many u32: (neurons), or (height, width, channels)
#ifndef KERAS_SLAYER_EXPORT_NETWORK_FILE_H_
#define KERAS_SLAYER_EXPORT_NETWORK_FILE_H_

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "network.h"

namespace keras_slayer {

constexpr int64_t kMaxNeurons = 1 << 24;   // of all populations, and inputs
constexpr uint32_t kMaxParts = 50000;      // inputs, populations, connections of a population
constexpr uint32_t kMaxSide = 1 << 16;     // of a window, its stride, padding or dilation
constexpr int64_t kMaxMeetings = 1 << 24;  // of all windows' taps and the places of their outputs
constexpr uint32_t kMaxName = 1 << 12;     // bytes
constexpr int32_t kMinWeight = -256, kMaxWeight = 255, kMinBias = -4096, kMaxBias = 4095;
constexpr int32_t kMaxThreshold = 131071, kMaxDelay = 62;

// An input or a population by its name; images have the shape (height, width, channels).
struct Named {
  std::string name;
  std::vector<int64_t> shape;
  int64_t size() const {
    int64_t size = 1;
    for (const int64_t n : shape) size *= n;
    return size;
  }
};

struct NetworkFile {
  std::vector<Named> inputs, populations;
  std::vector<int64_t> outputs;  // numbers of populations
  std::unique_ptr<Network> network;
};

class NetworkReader {
 public:
  // `bytes` is the content of a file; `where` begins each error.
  NetworkReader(std::vector<uint8_t> bytes, std::string where)
      : bytes_(std::move(bytes)), where_(std::move(where)) {}

  NetworkFile read() {
    NetworkFile file;
    check_envelope();
    std::vector<int64_t> sizes;
    int64_t inputs = 0;
    for (uint32_t i = 0, count = number("inputs", 1, kMaxParts); i < count; ++i) {
      file.inputs.push_back(named());
      sizes.push_back(file.inputs.back().size());
      inputs += sizes.back();
    }
    if (inputs > kMaxNeurons) fail("more than 2^24 inputs");
    const uint32_t populations = number("populations", 1, kMaxParts);
    try {
      file.network = std::make_unique<Network>(sizes);
      for (uint32_t p = 0; p < populations; ++p) read_population(file);
    } catch (const std::invalid_argument& error) {  // of the network: sizes that do not fit
      fail(error.what());
    }
    for (uint32_t i = 0, count = number("outputs", 1, populations); i < count; ++i) {
      file.outputs.push_back(number("number of an output", 0, populations - 1));
      file.network->add_output(file.outputs.back());
    }
    if (at_ != end_) fail("there is more than a network");
    return file;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(where_ + ": byte " + std::to_string(at_) + ": " + what);
  }

  void check_envelope() {
    static constexpr uint8_t kMagic[8] = {0x89, 'K', 'S', 'N', '\r', '\n', 0x1A, '\n'};
    if (bytes_.size() < 24 || !std::equal(kMagic, kMagic + 8, bytes_.begin())) {
      fail("this is no flat network file; keras_slayer.export.write_flat makes one");
    }
    at_ = 8;
    end_ = bytes_.size();
    number("version", 1, 1);
    const uint64_t low = integer(4), length = low | integer(4) << 32;
    if (length != bytes_.size()) {
      fail("the file has " + std::to_string(bytes_.size()) + " bytes, but should have " +
           std::to_string(length));
    }
    end_ -= 4;
    const size_t body = at_;
    at_ = end_;
    end_ += 4;
    if (integer(4) != checksum(bytes_.data(), bytes_.size() - 4)) {
      fail("the checksum is wrong: the file is damaged");
    }
    at_ = body;
    end_ -= 4;
  }

  static uint32_t checksum(const uint8_t* data, size_t size) {
    uint32_t table[256], sum = 0xFFFFFFFF;
    for (uint32_t i = 0; i < 256; ++i) {
      table[i] = i;
      for (int k = 0; k < 8; ++k) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xEDB88320 : 0);
    }
    for (size_t i = 0; i < size; ++i) sum = sum >> 8 ^ table[(sum ^ data[i]) & 0xFF];
    return ~sum;
  }

  // Throws unless `count` elements of `size` bytes follow, so that none is made for a number that
  // is wrong.
  void need(uint64_t count, uint64_t size) const {
    if (count > (end_ - at_) / size) {
      fail("the file ends before " + std::to_string(count) + " numbers that it should have here");
    }
  }

  uint64_t integer(size_t size) {
    need(1, size);
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) value |= uint64_t(bytes_[at_++]) << (8 * i);
    return value;
  }

  uint32_t number(const char* what, uint32_t low, uint32_t high) {
    const uint32_t value = static_cast<uint32_t>(integer(4));
    if (value < low || value > high) out_of_range(what, value, low, high);
    return value;
  }

  [[noreturn]] void out_of_range(const char* what, int64_t value, int64_t low,
                                 int64_t high) const {
    const std::string to = low < high ? " to " + std::to_string(high) : "";
    fail(std::string(what) + " must be " + std::to_string(low) + to + ", found " +
         std::to_string(value));
  }

  // `count` integers of the type Stored, each checked.
  template <class Stored, class T>
  std::vector<T> numbers(const char* what, uint64_t count, int32_t low, int32_t high) {
    need(count, sizeof(Stored));
    std::vector<T> result(count);
    for (T& value : result) {
      const Stored found = static_cast<Stored>(integer(sizeof(Stored)));
      if (found < low || found > high) out_of_range(what, found, low, high);
      value = static_cast<T>(found);
    }
    return result;
  }

  Named named() {
    Named result;
    const uint32_t length = number("bytes of a name", 0, kMaxName);
    need(length, 1);
    result.name.assign(bytes_.begin() + at_, bytes_.begin() + at_ + length);
    at_ += length;
    const uint32_t rank = number("rank of a shape", 1, 3);
    if (rank == 2) out_of_range("rank of a shape, 1 or 3,", 2, 1, 3);
    int64_t size = 1;
    for (uint32_t i = 0; i < rank; ++i) {
      result.shape.push_back(number("a shape", 1, kMaxNeurons));
      size *= result.shape.back();
      if (size > kMaxNeurons) fail("more than 2^24 neurons in one shape");
    }
    return result;
  }

  void read_population(NetworkFile& file) {
    const Named population = named();
    neurons_ += population.size();
    if (neurons_ > kMaxNeurons) fail("more than 2^24 neurons up to here");
    NeuronParameters neuron;
    neuron.current_decay = number("current decay", 0, kDecayUnity);
    neuron.voltage_decay = number("voltage decay", 0, kDecayUnity);
    neuron.threshold = number("threshold mantissa", 0, kMaxThreshold) * (1 << kStateShift);
    const uint32_t biases = static_cast<uint32_t>(integer(4));
    const int64_t last = population.shape.back();
    if (biases != 0 && biases != last) out_of_range("biases, or 0,", biases, last, last);
    const auto bias = numbers<int32_t, int32_t>("a bias", biases, kMinBias, kMaxBias);
    std::vector<int32_t> of_neurons(size_t(population.size()), 0);
    for (size_t j = 0; biases && j < of_neurons.size(); ++j) of_neurons[j] = bias[j % biases];
    file.network->add_population(population.name, std::move(of_neurons), neuron);
    file.populations.push_back(population);
    for (uint32_t i = 0, count = number("connections", 0, kMaxParts); i < count; ++i) {
      read_connection(file, population);
    }
  }

  void read_connection(NetworkFile& file, const Named& population) {
    const uint32_t inputs = static_cast<uint32_t>(file.inputs.size());
    const uint32_t known = inputs + static_cast<uint32_t>(file.populations.size());
    const uint32_t number_of = number("source", 0, known - 1);
    const Named& source =
        number_of < inputs ? file.inputs[number_of] : file.populations[number_of - inputs];
    const uint32_t kind = number("kind of synapses", 0, 2);
    if (kind == 0) {
      const bool delays = number("delays", 0, 1);
      const int64_t count = source.size() * population.size();
      auto weight = numbers<int16_t, int16_t>("a weight", count, kMinWeight, kMaxWeight);
      auto delay = numbers<uint8_t, uint8_t>("a delay", delays ? count : 0, 0, kMaxDelay);
      file.network->connect(number_of, std::make_unique<DenseSynapses>(
                                           source.size(), population.size(), std::move(weight),
                                           std::move(delay)));
      return;
    }
    const int64_t height = number("kernel height", 1, kMaxSide);
    const int64_t width = number("kernel width", 1, kMaxSide);
    const int64_t filters = number("filters", 1, kMaxNeurons);
    const int64_t groups = number("groups", 1, kMaxNeurons);
    int64_t windows[6];
    for (int i = 0; i < 6; ++i) {
      windows[i] = number("strides, padding or dilation", i / 2 == 1 ? 0 : 1, kMaxSide);
    }
    const int64_t delay = kind == 2 ? number("a delay", 0, kMaxDelay) : 0;
    if (source.shape.size() != 3) fail("a convolution reads an image, not a vector");
    const ConvGeometry geometry = {source.shape[0], source.shape[1], source.shape[2],
                                   height, width, filters, groups,
                                   {windows[0], windows[1]}, {windows[2], windows[3]},
                                   {windows[4], windows[5]}};
    // Before anything is made of it: of no more neurons than there are, and these in this order.
    const std::vector<int64_t> shape = {geometry.out_height(), geometry.out_width(), filters};
    if (shape != population.shape) fail("the convolution does not lead to " + population.name);
    meetings_ += shape[0] * height + shape[1] * width;
    if (meetings_ > kMaxMeetings) {
      fail("windows and outputs of the convolutions up to here are too large: " +
           std::to_string(meetings_) + " taps of rows and columns, more than 2^24");
    }
    // Each factor is at most 2^24 and 2^16: the product of taps and channels fits in 64 bits.
    const uint64_t taps = uint64_t(height) * width;
    need(taps, 2);
    const uint64_t per_tap = uint64_t(source.shape[2] / groups) * filters;
    if (per_tap == 0) fail("groups must divide channels and filters");
    need(per_tap, 2 * taps);
    auto weight = numbers<int16_t, int16_t>("a weight", taps * per_tap, kMinWeight, kMaxWeight);
    file.network->connect(
        number_of, std::make_unique<ConvSynapses>(geometry, std::move(weight), delay));
  }

  const std::vector<uint8_t> bytes_;
  const std::string where_;
  size_t at_ = 0, end_ = 0;
  int64_t neurons_ = 0, meetings_ = 0;
};

// The content of a file.
inline std::vector<uint8_t> read_bytes(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (!file) throw std::runtime_error(path + ": cannot be opened: " + std::strerror(errno));
  std::vector<uint8_t> bytes;
  constexpr size_t kPart = 1 << 16;
  for (size_t found = kPart; found == kPart;) {
    const size_t before = bytes.size();
    bytes.resize(before + kPart);
    found = std::fread(bytes.data() + before, 1, kPart, file.get());
    bytes.resize(before + found);
  }
  if (std::ferror(file.get())) {
    throw std::runtime_error(path + ": cannot be read: " + std::strerror(errno));
  }
  return bytes;
}

// Throws std::runtime_error with file, byte and cause where it is no flat file, or a damaged one.
inline NetworkFile read_network(const std::string& path) {
  return NetworkReader(read_bytes(path), path).read();
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EXPORT_NETWORK_FILE_H_
