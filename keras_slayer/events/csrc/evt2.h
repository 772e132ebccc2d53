// EVT 2.0: words of 32 bits, the type in the highest four.
//
// Source: Prophesee, "EVT 2.0 Format", docs.prophesee.ai/stable/data/encoding_formats/evt2.html
#pragma once

#include "decoder.h"

namespace keras_slayer {

struct Evt2 {
  static constexpr size_t kWordBytes = 4;
  static constexpr int kLowBits = 6;

  bool skip_unknown = false;
  LeftOut left_out;
  bool timed = false;
  Timer<28> high;  // in units of 64 us

  size_t bound(const uint8_t* data, size_t words) const {
    size_t events = 0;
    for (size_t i = 0; i < words; ++i) events += data[4 * i + 3] < 0x20;
    return events;
  }

  template <typename Sink>
  KERAS_SLAYER_INLINE Outcome decode(const uint8_t* data, size_t words, Sink& sink) {
    for (size_t i = 0; i < words; ++i) {
      const uint32_t word = read32(data + 4 * i);
      const uint32_t type = word >> 28;
      switch (type) {
        case 0x0:  // OFF
        case 0x1:  // ON
          if (timed) {
            const uint64_t t = high.count() << kLowBits | (word >> 22 & 0x3f);
            sink.put(word >> 11 & 0x7ff, word & 0x7ff, t, type, 4 * i);
          } else {
            ++left_out.early;
          }
          break;
        case 0x8:  // the high bits of the time
          high.set(word & 0x0fffffff);
          timed = true;
          break;
        case 0xa:  // a trigger
        case 0xe:  // others
        case 0xf:  // more of others
          break;
        default:
          if (!skip_unknown) return Problem{int64_t(4 * i), "the word " + hex(word) + " has no known type"};
          ++left_out.unknown;
      }
    }
    return std::nullopt;
  }
};

}  // namespace keras_slayer
