// Spikes as inputs of kernels, and their events.
#ifndef SPIKES_H_
#define SPIKES_H_

#include "events/events.h"
#include "kernel_case.h"

namespace keras_slayer {

// About one in five is not zero: bytes, or of the type T.
template <class T>
const void* spikes(Run& run, int64_t size, bool bytes) {
  std::vector<uint8_t> values(size);
  for (int64_t i = 0; i < size; ++i) values[i] = i * i % 11 < 2 ? uint8_t(1 + i % 3) : 0;
  if (bytes) return run.input(values);
  std::vector<T> wide(size);
  for (int64_t i = 0; i < size; ++i) store(&wide[i], ArithmeticOf<T>(values[i]));
  return run.input(wide);
}

// Where the events of each row start, and how many there are.
template <class T>
std::vector<int64_t> offsets_of(const void* x, bool bytes, int64_t rows, int64_t columns) {
  std::vector<int64_t> offsets(rows + 1);
  for (int64_t i = 0; i < rows * columns; ++i) {
    const bool event = bytes ? static_cast<const uint8_t*>(x)[i] != 0
                             : load(static_cast<const T*>(x)[i]) != 0;
    offsets[i / columns + 1] += event ? 1 : 0;
  }
  for (int64_t row = 0; row < rows; ++row) offsets[row + 1] += offsets[row];
  return offsets;
}

// The events of bytes.
template <class T>
Events events_of(Run& run, const void* x, int64_t rows, int64_t columns) {
  const uint8_t* at = static_cast<const uint8_t*>(x);
  std::vector<int32_t> index;
  std::vector<T> value;
  for (int64_t i = 0; i < rows * columns; ++i) {
    if (at[i] == 0) continue;
    index.push_back(int32_t(i % columns));
    value.emplace_back();
    store(&value.back(), ArithmeticOf<T>(at[i]));
  }
  return {rows, columns, run.input(offsets_of<T>(x, true, rows, columns)), run.input(index),
          run.input(value)};
}

}  // namespace keras_slayer

#endif  // SPIKES_H_
