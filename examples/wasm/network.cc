// A network for JavaScript: what network.mjs calls. One network for each instance of the module.
//
// WebAssembly as most compilers make it has no exceptions. What would throw ends here in a call of
// `fail`, by which JavaScript throws an Error with the message; the instance is of no use then.
#include <cstdlib>
#include <optional>
#include <typeinfo>

#include "live.h"
#include "network_file.h"
#include "recording.h"

#define EXPORTED(name) extern "C" __attribute__((export_name(#name)))

extern "C" {
__attribute__((import_module("keras_slayer"), import_name("fail"))) void fail(const char* what);

void* __cxa_allocate_exception(size_t size) { return std::malloc(size); }

// All that is thrown is a std::exception, and begins with it.
[[noreturn]] void __cxa_throw(void* thrown, std::type_info*, void (*)(void*)) {
  fail(static_cast<std::exception*>(thrown)->what());
  std::abort();
}
}

namespace {

std::optional<keras_slayer::NetworkFile> file;
std::optional<keras_slayer::Live> live;
std::vector<std::vector<int32_t>> spikes;  // of the next step, for each input
Recording recording;                       // that was read last

// Inputs first, then outputs.
const keras_slayer::Named& part(int32_t number) {
  const size_t inputs = file->inputs.size(), at = static_cast<size_t>(number);
  return at < inputs ? file->inputs[at] : file->populations[size_t(file->outputs[at - inputs])];
}

}  // namespace

EXPORTED(allocate) void* allocate(size_t size) { return std::malloc(size); }
EXPORTED(release) void release(void* memory) { std::free(memory); }

EXPORTED(load) void load(const uint8_t* bytes, size_t size) {
  file = keras_slayer::NetworkReader({bytes, bytes + size}, "network").read();
  live.emplace(*file->network);
  spikes.resize(file->inputs.size());
}

EXPORTED(inputs) size_t inputs() { return file->inputs.size(); }
EXPORTED(outputs) size_t outputs() { return file->outputs.size(); }
EXPORTED(name) const char* name(int32_t number) { return part(number).name.data(); }
EXPORTED(name_size) size_t name_size(int32_t number) { return part(number).name.size(); }
EXPORTED(rank) size_t rank(int32_t number) { return part(number).shape.size(); }
EXPORTED(side) int32_t side(int32_t number, int32_t axis) {
  return static_cast<int32_t>(part(number).shape[size_t(axis)]);
}

EXPORTED(reset) void reset() { live->reset(); }

// Memory for the places of an input that spike in the next step.
EXPORTED(places) int32_t* places(int32_t input, size_t count) {
  spikes[size_t(input)].resize(count);
  return spikes[size_t(input)].data();
}
EXPORTED(step) void step() { live->step(spikes); }
EXPORTED(spike_count) size_t spike_count(int32_t output) {
  return live->spikes(file->outputs[size_t(output)]).size();
}
EXPORTED(spiked) const int32_t* spiked(int32_t output) {
  return live->spikes(file->outputs[size_t(output)]).data();
}

EXPORTED(read_events)
size_t read_events(int32_t input, const uint8_t* bytes, size_t size, double steps, double dt) {
  const std::vector<int64_t>& shape = file->inputs[size_t(input)].shape;
  recording = parse_events({bytes, bytes + size}, "events", shape, int64_t(steps), dt);
  return recording.size();
}
EXPORTED(event_step) double event_step(size_t event) { return double(recording[event].first); }
EXPORTED(event_place) int32_t event_place(size_t event) { return recording[event].second; }
