// EVT 3.0: words of 16 bits that change a state of time, row, column and polarity.
//
// Source: Prophesee, "EVT 3.0 Format", docs.prophesee.ai/stable/data/encoding_formats/evt3.html
#pragma once

#include <algorithm>

#include "decoder.h"

namespace keras_slayer {

struct Evt3 {
  static constexpr size_t kWordBytes = 2;
  static constexpr uint32_t kColumns = 2048;
  static constexpr int kLowBits = 12;

  bool skip_unknown = false;
  LeftOut left_out;
  bool timed = false;     // a high time has been
  bool has_row = false;
  bool has_base = false;
  Timer<12> high;         // in units of 4096 us
  uint64_t t = 0;
  uint32_t y = 0;
  uint32_t base = 0;      // column of a vector's first pixel
  uint32_t polarity = 0;  // of vectors

  size_t bound(const uint8_t* data, size_t words) const {
    size_t events = 0;
    // Sums of 16 bits, so that the compiler counts many words at once.
    constexpr size_t kStride = 1024;
    for (size_t begin = 0; begin < words; begin += kStride) {
      const size_t end = std::min(words, begin + kStride);
      uint16_t sum = 0;
      for (size_t i = begin; i < end; ++i) sum += events_of(read16(data + 2 * i));
      events += sum;
    }
    return events;
  }

  template <typename Sink>
  KERAS_SLAYER_INLINE Outcome decode(const uint8_t* data, size_t words, Sink& sink) {
    for (size_t i = 0; i < words; ++i) {
      const uint32_t word = read16(data + 2 * i);
      switch (word >> 12) {
        case 0x0:  // row
          y = word & 0x7ff;
          has_row = true;
          // An event mostly follows: without another turn, whose type the processor has to guess.
          if (i + 1 < words && timed) {
            const uint32_t next = read16(data + 2 * (i + 1));
            if (next >> 12 == 0x2) {
              ++i;
              sink.put(next & 0x7ff, y, t, next >> 11 & 1, 2 * i);
            }
          }
          break;
        case 0x2:  // one event: its column and polarity
          if (timed && has_row) {
            sink.put(word & 0x7ff, y, t, word >> 11 & 1, 2 * i);
          } else {
            ++left_out.early;
          }
          break;
        case 0x3:  // where the next vectors begin, and their polarity
          base = word & 0x7ff;
          polarity = word >> 11 & 1;
          has_base = true;
          break;
        case 0x4:
          if (!vector(word & 0xfff, 12, 2 * i, sink)) return past(2 * i);
          break;
        case 0x5:
          if (!vector(word & 0xff, 8, 2 * i, sink)) return past(2 * i);
          break;
        case 0x6:  // the low bits of the time
          t = high.count() << kLowBits | (word & 0xfff);
          break;
        case 0x8:  // the high bits: the low ones begin again where these are new
          if (!timed || high.last != (word & 0xfff)) {
            high.set(word & 0xfff);
            t = high.count() << kLowBits;
            timed = true;
          }
          break;
        case 0x7:  // more of others, 4 bits
        case 0xa:  // a trigger
        case 0xe:  // others
        case 0xf:  // more of others, 12 bits
          break;
        default:
          if (!skip_unknown) return Problem{int64_t(2 * i), "the word " + hex(word) + " has no known type"};
          ++left_out.unknown;
      }
    }
    return std::nullopt;
  }

 private:
  // One for an event, the bits that are set for a vector.
  static uint16_t events_of(uint16_t word) {
    const uint16_t type = word >> 12;
    uint16_t bits = type == 4 ? word & 0xfff : type == 5 ? word & 0xff : type == 2;
    bits -= bits >> 1 & 0x5555;
    bits = (bits & 0x3333) + (bits >> 2 & 0x3333);
    bits = (bits + (bits >> 4)) & 0x0f0f;
    return (bits + (bits >> 8)) & 0x1f;
  }

  static Problem past(int64_t byte) {
    return {byte, "a vector of events runs past column " + std::to_string(kColumns - 1)};
  }

  // False where an event would lie past the last column an address can have.
  template <typename Sink>
  bool vector(uint32_t mask, uint32_t length, int64_t byte, Sink& sink) {
    if (timed && has_row && has_base) {
      if (base + length > kColumns && mask && base + 31 - __builtin_clz(mask) >= kColumns) {
        if (!skip_unknown) return false;
        ++left_out.unknown;
        mask = 0;
      }
      for (; mask; mask &= mask - 1) sink.put(base + __builtin_ctz(mask), y, t, polarity, byte);
    } else {
      left_out.early += __builtin_popcount(mask);
    }
    base = std::min(base + length, kColumns);
    return true;
  }
};

}  // namespace keras_slayer
