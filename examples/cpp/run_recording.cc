// Runs a recording through an exported network, without Python and TensorFlow:
//
//   run_recording NETWORK.ksn STEPS DT EVENTS.csv ...
//
// STEPS of DT milliseconds; a file of events for each input of the network. Prints a line
// output,step,neuron for each spike of an output. docs/serving.md says how the files are made.
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "live.h"
#include "network_file.h"
#include "recording.h"

// More steps than that are a mistake: a double does not count them one by one.
constexpr int64_t kMostSteps = int64_t(1) << 52;

int64_t steps_of(const std::string& text) {
  int64_t steps = 0;
  const char* const end = text.data() + text.size();
  const std::from_chars_result found = std::from_chars(text.data(), end, steps);
  if (found.ec != std::errc() || found.ptr != end || steps < 1 || steps > kMostSteps) {
    throw std::runtime_error("STEPS must be a whole number, 1 to 2^52. Received: " + text);
  }
  return steps;
}

double dt_of(const std::string& text) {
  char* end = nullptr;
  const double dt = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(dt) || dt < 0.001) {
    throw std::runtime_error("DT must be a number of milliseconds, 0.001 or more. Received: " +
                             text);
  }
  return dt;
}

int run(const std::vector<std::string>& arguments) {
  const keras_slayer::NetworkFile file = keras_slayer::read_network(arguments[0]);
  const int64_t steps = steps_of(arguments[1]);
  const double dt = dt_of(arguments[2]);
  const size_t inputs = file.inputs.size();
  if (arguments.size() != 3 + inputs) {
    throw std::runtime_error("the network takes " + std::to_string(inputs) +
                             " files of events. Received: " +
                             std::to_string(arguments.size() - 3));
  }
  std::vector<Recording> recordings;
  for (size_t i = 0; i < inputs; ++i) {
    recordings.push_back(read_events(arguments[3 + i], file.inputs[i].shape, steps, dt));
  }
  keras_slayer::Live live(*file.network);
  live.check(steps);
  std::vector<std::vector<int32_t>> spikes(inputs);
  std::vector<size_t> at(inputs);  // the next spike of each recording
  std::puts("output,step,neuron");
  for (int64_t step = 0; step < steps; ++step) {
    for (size_t i = 0; i < inputs; ++i) {
      const Recording& recording = recordings[i];
      spikes[i].clear();
      for (; at[i] < recording.size() && recording[at[i]].first == step; ++at[i]) {
        spikes[i].push_back(recording[at[i]].second);
      }
    }
    live.step(spikes);
    for (size_t o = 0; o < file.outputs.size(); ++o) {
      for (const int32_t neuron : live.spikes(file.outputs[o])) {
        std::printf("%zu,%lld,%d\n", o, static_cast<long long>(step), neuron);
      }
    }
    if (std::ferror(stdout)) break;
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    throw std::runtime_error("the spikes cannot be written");
  }
  return 0;
}

int main(int count, char** arguments) {
  if (count < 5) {
    std::fputs("usage: run_recording NETWORK.ksn STEPS DT EVENTS.csv ...\n", stderr);
    return 2;
  }
  try {
    return run({arguments + 1, arguments + count});
  } catch (const std::bad_alloc&) {
    std::fputs("error: there is not enough memory for this network and recording\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
  }
  return 1;
}
