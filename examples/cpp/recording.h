// Reads events from text: a first line x,y,t,p, then a line of four whole numbers for each event,
// t in microseconds. `python -m keras_slayer.events convert IN OUT.csv` makes such files.
#ifndef KERAS_SLAYER_EXAMPLES_RECORDING_H_
#define KERAS_SLAYER_EXAMPLES_RECORDING_H_

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "network_file.h"

struct Event {
  int64_t x, y, t, p;
};

// The next line, without its end, and `text` from the line after it on.
inline std::string_view next_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// Whether a line is four whole numbers of 64 bits with commas between them.
inline bool parse(std::string_view line, Event& event) {
  const char* at = line.data();
  const char* const end = at + line.size();
  const auto skip_spaces = [&] {
    while (at < end && (*at == ' ' || *at == '\t')) ++at;
  };
  for (int64_t* const value : {&event.x, &event.y, &event.t, &event.p}) {
    if (value != &event.x && (at == end || *at++ != ',')) return false;
    skip_spaces();
    const std::from_chars_result found = std::from_chars(at, end, *value);
    if (found.ec != std::errc()) return false;
    at = found.ptr;
    skip_spaces();
  }
  return at == end;
}

// The beginning of a line as an error shows it: without what would end or hide the message.
inline std::string shown(std::string_view line) {
  std::string text(line.substr(0, 80));
  std::replace_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

// What of an event cannot be in an input of the shape (height, width, channels) or (inputs); empty
// if it can. Where a place has one channel or x is the place, p may be either polarity.
inline std::string problem_of(const Event& event, const std::vector<int64_t>& shape) {
  const bool image = shape.size() == 3;
  const struct {
    const char* name;
    int64_t value, size;
  } fields[] = {{"x", event.x, image ? shape[1] : shape[0]},
                {"y", event.y, image ? shape[0] : 1},
                {"t", event.t, INT64_MAX},
                {"p", event.p, image && shape[2] > 1 ? shape[2] : 2}};
  for (const auto& field : fields) {
    if (field.value < 0 || field.value >= field.size) {
      const std::string most =
          field.size == INT64_MAX ? "or more" : "to " + std::to_string(field.size - 1);
      return std::string(field.name) + " must be 0 " + most;
    }
  }
  return "";
}

// The spikes of an input, (step, place), ascending. A place is the number of an element in the
// flattened input. An event at time t falls into the step floor(t / (1000 dt)); those past the last
// step are left out. A place spikes once in a step, however many events it has there.
using Recording = std::vector<std::pair<int64_t, int32_t>>;

// `bytes` is the content of a file; `where` begins each error.
inline Recording parse_events(const std::vector<uint8_t>& bytes, const std::string& where,
                              const std::vector<int64_t>& shape, int64_t steps, double dt) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (next_line(text) != "x,y,t,p") {
    throw std::runtime_error(where + ": the first line must be x,y,t,p");
  }
  const int64_t width = shape.size() == 3 ? shape[1] : shape[0];
  const int64_t channels = shape.size() == 3 ? shape[2] : 1;
  Recording recording;
  for (int64_t number = 2; !text.empty(); ++number) {
    const std::string_view line = next_line(text);
    Event event;
    const std::string problem = parse(line, event) ? problem_of(event, shape)
                                                   : "it must be four whole numbers x,y,t,p";
    if (!problem.empty()) {
      throw std::runtime_error(where + ": line " + std::to_string(number) +
                               " is no event of this input: " + shown(line) + ": " + problem);
    }
    const double step = std::floor(static_cast<double>(event.t) / (1000 * dt));
    const int64_t place = (event.y * width + event.x) * channels + (channels > 1 ? event.p : 0);
    if (step < static_cast<double>(steps)) {
      recording.emplace_back(static_cast<int64_t>(step), static_cast<int32_t>(place));
    }
  }
  std::sort(recording.begin(), recording.end());
  recording.erase(std::unique(recording.begin(), recording.end()), recording.end());
  return recording;
}

inline Recording read_events(const std::string& path, const std::vector<int64_t>& shape,
                             int64_t steps, double dt) {
  return parse_events(keras_slayer::read_bytes(path), path, shape, steps, dt);
}

#endif  // KERAS_SLAYER_EXAMPLES_RECORDING_H_
