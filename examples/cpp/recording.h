// Reads events from text: a first line x,y,t,p, then a line of four whole numbers for each event,
// t in microseconds. `python -m keras_slayer.events convert IN OUT.csv` makes such files.
#ifndef KERAS_SLAYER_EXAMPLES_RECORDING_H_
#define KERAS_SLAYER_EXAMPLES_RECORDING_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

// For each step the places of an input that spike, ascending.
using Recording = std::vector<std::vector<int32_t>>;

// The place of an event in an input of the shape (height, width, channels), or (inputs): there x is
// the place. With one channel, ON and OFF events share it.
inline int64_t place_of(const std::vector<int64_t>& shape, long long x, long long y, long long p) {
  if (shape.size() == 1) return x >= 0 && x < shape[0] ? x : -1;
  if (shape[2] == 1) p = 0;
  const bool inside =
      x >= 0 && x < shape[1] && y >= 0 && y < shape[0] && p >= 0 && p < shape[2];
  return inside ? (y * shape[1] + x) * shape[2] + p : -1;
}

// An event at time t falls into the step floor(t / (1000 dt)); those past the last step are left
// out. A place spikes once in a step, however many events it has there.
inline Recording read_events(const std::string& path, const std::vector<int64_t>& shape,
                             int64_t steps, double dt) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be opened");
  std::string line;
  std::getline(file, line);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line != "x,y,t,p") throw std::runtime_error(path + ": the first line must be x,y,t,p");
  Recording recording(static_cast<size_t>(steps));
  for (int64_t number = 2; std::getline(file, line); ++number) {
    long long x, y, t, p;
    char rest;
    const int found = std::sscanf(line.c_str(), "%lld,%lld,%lld,%lld %c", &x, &y, &t, &p, &rest);
    const int64_t place = found == 4 && t >= 0 ? place_of(shape, x, y, p) : -1;
    if (place < 0) {
      throw std::runtime_error(path + ": line " + std::to_string(number) +
                               " is no event of this input: " + line.substr(0, 80));
    }
    const double step = std::floor(static_cast<double>(t) / (1000 * dt));
    if (step < static_cast<double>(steps)) {
      recording[static_cast<size_t>(step)].push_back(static_cast<int32_t>(place));
    }
  }
  for (std::vector<int32_t>& places : recording) {
    std::sort(places.begin(), places.end());
    places.erase(std::unique(places.begin(), places.end()), places.end());
  }
  return recording;
}

#endif  // KERAS_SLAYER_EXAMPLES_RECORDING_H_
