// The random numbers of TensorFlow's stateless ops: Philox 4x32-10 (Salmon, Moraes, Dror and Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011), uniform and normal floats. Many at once,
// in loops that vectorise. For kernels.
#ifndef KERAS_SLAYER_DATA_PHILOX_H_
#define KERAS_SLAYER_DATA_PHILOX_H_

#include "base/cpu.h"
#include "data/recordings.h"

namespace keras_slayer {
namespace KS_ISA {

constexpr int64_t kWords = 4;   // of a block of Philox
constexpr int kBlocks = 64;     // computed at once
constexpr int64_t kDraws = kWords * kBlocks;

// Word w of block k is word[w][k]. Number i of a tensor is word i % 4 of block i / 4.
struct PhiloxWords {
  uint32_t word[kWords][kBlocks];
};

// Blocks first .. first + kBlocks - 1.
KS_HD void draw_words(const PhiloxState& state, int64_t first, PhiloxWords* words) {
  uint32_t *__restrict c0 = words->word[0], *__restrict c1 = words->word[1];
  uint32_t *__restrict c2 = words->word[2], *__restrict c3 = words->word[3];
  for (int k = 0; k < kBlocks; ++k) {
    const uint64_t low = state.counter[0] + uint64_t(first + k);
    const uint64_t high = state.counter[1] + (low < state.counter[0] ? 1 : 0);
    c0[k] = uint32_t(low), c1[k] = uint32_t(low >> 32);
    c2[k] = uint32_t(high), c3[k] = uint32_t(high >> 32);
  }
  uint32_t key0 = uint32_t(state.key), key1 = uint32_t(state.key >> 32);
  for (int round = 0; round < 10; ++round) {
    KS_VECTOR_LOOP(k, kBlocks) {
      const uint64_t a = uint64_t(c0[k]) * 0xD2511F53u, b = uint64_t(c2[k]) * 0xCD9E8D57u;
      c0[k] = uint32_t(b >> 32) ^ c1[k] ^ key0;
      c1[k] = uint32_t(b);
      c2[k] = uint32_t(a >> 32) ^ c3[k] ^ key1;
      c3[k] = uint32_t(a);
    }
    key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
  }
}

// In [0, 1): 23 bits of a word.
KS_HD float uniform(uint32_t word) { return bits_to_float((word & 0x7fffffu) | 0x3f800000u) - 1; }

// Two normal numbers of two words (Box and Muller, 1958).
KS_HD void normal(uint32_t a, uint32_t b, float* first, float* second) {
  const float least = 1e-7f, drawn = uniform(a);
  const float angle = float(2.0 * 3.14159265358979323846 * double(uniform(b)));
  const float radius = __builtin_sqrtf(-2.0f * __builtin_logf(drawn < least ? least : drawn));
#if defined(__linux__)
  __builtin_sincosf(angle, first, second);
#else
  *first = __builtin_sinf(angle), *second = __builtin_cosf(angle);
#endif
  *first *= radius, *second *= radius;
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_DATA_PHILOX_H_
