// Prophesee's DAT, version 2: 32 bits of time, 14 of x, 14 of y, polarity.
//
// Source: Prophesee, "DAT File Format", docs.prophesee.ai/stable/data/file_formats/dat.html
#pragma once

#include "decoder.h"

namespace keras_slayer {

struct Dat {
  static constexpr size_t kWordBytes = 8;

  bool skip_unknown = false;
  LeftOut left_out;
  Timer<32> time;

  size_t bound(const uint8_t*, size_t words) const { return words; }

  template <typename Sink>
  KERAS_SLAYER_INLINE Outcome decode(const uint8_t* data, size_t words, Sink& sink) {
    for (size_t i = 0; i < words; ++i) {
      time.set(read32(data + 8 * i));
      const uint32_t place = read32(data + 8 * i + 4);
      sink.put(place & 0x3fff, place >> 14 & 0x3fff, time.count(), place >> 28 & 1, 8 * i);
    }
    return std::nullopt;
  }
};

}  // namespace keras_slayer
