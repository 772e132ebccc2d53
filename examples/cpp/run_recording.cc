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

int run(int count, char** arguments) {
  const keras_slayer::NetworkFile file = keras_slayer::read_network(arguments[1]);
  const int64_t steps = std::strtoll(arguments[2], nullptr, 10);
  const double dt = std::strtod(arguments[3], nullptr);
  if (count != 4 + static_cast<int>(file.inputs.size()) || steps < 1 || !(dt >= 0.001)) {
    throw std::runtime_error("STEPS and DT must be positive; the network takes " +
                             std::to_string(file.inputs.size()) + " files of events");
  }
  std::vector<Recording> recordings;
  for (size_t i = 0; i < file.inputs.size(); ++i) {
    recordings.push_back(read_events(arguments[4 + i], file.inputs[i].shape, steps, dt));
  }
  keras_slayer::Live live(*file.network);
  std::vector<std::vector<int32_t>> spikes(recordings.size());
  std::puts("output,step,neuron");
  for (int64_t step = 0; step < steps; ++step) {
    for (size_t i = 0; i < recordings.size(); ++i) spikes[i] = recordings[i][size_t(step)];
    live.step(spikes);
    for (size_t o = 0; o < file.outputs.size(); ++o) {
      for (const int32_t neuron : live.spikes(file.outputs[o])) {
        std::printf("%zu,%lld,%d\n", o, static_cast<long long>(step), neuron);
      }
    }
  }
  return 0;
}

int main(int count, char** arguments) {
  if (count < 5) {
    std::fputs("usage: run_recording NETWORK.ksn STEPS DT EVENTS.csv ...\n", stderr);
    return 2;
  }
  try {
    return run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
