// Event Stream (.es), version 2, type 1 (DVS): five bytes an event, times as differences.
//
//   0xff            127 us pass
//   0xfe            nothing
//   any other byte  an event: 7 bits of microseconds since the last, polarity (lowest bit);
//                   then x and y, 2 bytes each; y counts from the bottom
//
// Source: github.com/neuromorphicsystems/event_stream, README
#pragma once

#include "decoder.h"

namespace keras_slayer {

struct EventStream {
  static constexpr size_t kWordBytes = 1;
  static constexpr size_t kEventBytes = 5;

  bool skip_unknown = false;
  LeftOut left_out;
  uint32_t width = 0;
  uint32_t height = 0;
  uint64_t t = 0;
  uint8_t begun[kEventBytes] = {};  // the bytes of an event that the next block goes on with
  size_t begun_bytes = 0;

  size_t bound(const uint8_t*, size_t bytes) const { return (begun_bytes + bytes) / kEventBytes; }

  template <typename Sink>
  KERAS_SLAYER_INLINE Outcome decode(const uint8_t* data, size_t bytes, Sink& sink) {
    size_t i = 0;
    while (i < bytes) {
      if (begun_bytes == 0 && data[i] >= 0xfe) {
        t += data[i] == 0xff ? 127 : 0;
        ++i;
        continue;
      }
      const uint8_t* event = data + i;
      int64_t first = static_cast<int64_t>(i);
      if (begun_bytes || bytes - i < kEventBytes) {
        begun[begun_bytes++] = data[i++];
        if (begun_bytes < kEventBytes) continue;
        event = begun;
        first = static_cast<int64_t>(i) - static_cast<int64_t>(kEventBytes);
        begun_bytes = 0;
      } else {
        i += kEventBytes;
      }
      t += event[0] >> 1;
      const uint32_t x = read16(event + 1), up = read16(event + 3);
      if (x >= width || up >= height) {
        return Problem{first,
                       "an event with x=" + std::to_string(x) + ", y=" + std::to_string(up) +
                           " (from the bottom) is off the sensor of " + std::to_string(width) +
                           " x " + std::to_string(height)};
      }
      sink.put(x, height - 1 - up, t, event[0] & 1, first);
    }
    return std::nullopt;
  }
};

}  // namespace keras_slayer
