// What the decoders of event files share: words, places for events, problems.
//
// A decoder is a small struct: the state of the stream between two blocks of a file, and
//   kWordBytes             how long a word is; a block holds whole words
//   bound(data, words)     at least as many events as the block has
//   decode(data, words, sink)   gives each event to the sink; what is wrong with the block, if it is
// `decode` is inlined where it is called on local copies of decoder and sink: the compiler then keeps
// them in registers, as no array it writes to can be them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#define KERAS_SLAYER_INLINE __attribute__((always_inline))

namespace keras_slayer {

// What was left out of the stream.
struct LeftOut {
  uint64_t early = 0;    // events before the first time, row or base column
  uint64_t unknown = 0;  // words of no known type
};

// A damaged word: its first byte within the block, and what is wrong.
struct Problem {
  int64_t byte;  // negative where the word began in the block before
  std::string text;
};

using Outcome = std::optional<Problem>;

// A little-endian word at any address.
template <typename Word>
Word read_word(const uint8_t* p) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  Word word;
  std::memcpy(&word, p, sizeof word);
  return word;
#else
  Word word = 0;
  for (size_t i = 0; i < sizeof word; ++i) word |= static_cast<Word>(Word{p[i]} << 8 * i);
  return word;
#endif
}
inline uint16_t read16(const uint8_t* p) { return read_word<uint16_t>(p); }
inline uint32_t read32(const uint8_t* p) { return read_word<uint32_t>(p); }

inline std::string hex(uint64_t value) {
  std::string digits;
  do {
    digits.insert(digits.begin(), "0123456789abcdef"[value & 15]);
    value >>= 4;
  } while (value);
  return "0x" + digits;
}

// A timer of so many bits, counted on over its overflows. Only a step back by half its range or
// more is an overflow: events may be late by less.
template <int kBits>
struct Timer {
  uint64_t overflows = 0;
  uint64_t last = 0;

  void set(uint64_t value) {
    overflows += last > value && last - value >= uint64_t{1} << (kBits - 1);
    last = value;
  }
  uint64_t count() const { return overflows << kBits | last; }
};

// Stores events in arrays that have room for all of the block.
struct Arrays {
  uint16_t* x;
  uint16_t* y;
  int64_t* t;
  uint8_t* polarity;
  size_t size = 0;

  void put(uint32_t x_, uint32_t y_, uint64_t t_, uint32_t polarity_, int64_t /*byte*/) {
    x[size] = static_cast<uint16_t>(x_);
    y[size] = static_cast<uint16_t>(y_);
    t[size] = static_cast<int64_t>(t_);
    polarity[size] = static_cast<uint8_t>(polarity_);
    ++size;
  }
};

// Finds the byte at which the word of one event begins.
struct Finder {
  size_t index;
  size_t size = 0;
  int64_t byte = 0;

  void put(uint32_t, uint32_t, uint64_t, uint32_t, int64_t byte_) {
    if (size++ == index) byte = byte_;
  }
};

}  // namespace keras_slayer
