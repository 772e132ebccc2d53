// EVT 2.1: words of 64 bits; one word holds the events of up to 32 neighbouring pixels.
//
// The "legacy" byte order of the IMX636 sends the upper half of a word first.
// Source: Prophesee, "EVT 2.1 Format", docs.prophesee.ai/stable/data/encoding_formats/evt21.html
#pragma once

#include "decoder.h"

namespace keras_slayer {

template <bool kLegacy>
struct Evt21 {
  static constexpr size_t kWordBytes = 8;
  static constexpr int kLowBits = 6;

  bool skip_unknown = false;
  LeftOut left_out;
  bool timed = false;
  Timer<28> high;  // in units of 64 us

  static uint32_t upper(const uint8_t* word) { return read32(word + (kLegacy ? 0 : 4)); }
  static uint32_t pixels(const uint8_t* word) { return read32(word + (kLegacy ? 4 : 0)); }

  size_t bound(const uint8_t* data, size_t words) const {
    size_t events = 0;
    for (size_t i = 0; i < words; ++i) {
      const uint8_t* word = data + 8 * i;
      if (upper(word) >> 28 <= 1) events += __builtin_popcount(pixels(word));
    }
    return events;
  }

  template <typename Sink>
  KERAS_SLAYER_INLINE Outcome decode(const uint8_t* data, size_t words, Sink& sink) {
    for (size_t i = 0; i < words; ++i) {
      const uint32_t word = upper(data + 8 * i);
      const uint32_t type = word >> 28;
      switch (type) {
        case 0x0:    // OFF
        case 0x1: {  // ON
          uint32_t mask = pixels(data + 8 * i);
          if (!timed) {
            left_out.early += __builtin_popcount(mask);
            break;
          }
          const uint32_t first = word >> 11 & 0x7ff, y = word & 0x7ff;
          const uint64_t t = high.count() << kLowBits | (word >> 22 & 0x3f);
          for (; mask; mask &= mask - 1) sink.put(first + __builtin_ctz(mask), y, t, type, 8 * i);
          break;
        }
        case 0x8:  // the high bits of the time
          high.set(word & 0x0fffffff);
          timed = true;
          break;
        case 0xa:  // a trigger
        case 0xe:  // others
          break;
        default:
          if (!skip_unknown) {
            const uint64_t whole = uint64_t{word} << 32 | pixels(data + 8 * i);
            return Problem{int64_t(8 * i), "the word " + hex(whole) + " has no known type"};
          }
          ++left_out.unknown;
      }
    }
    return std::nullopt;
  }
};

}  // namespace keras_slayer
