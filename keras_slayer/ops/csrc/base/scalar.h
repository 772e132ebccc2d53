// Storage types of tensors and their arithmetic types, with load and store between the two.
//
// Half and bfloat16 are stored as 16-bit patterns, in the layout of TensorFlow's types, and
// computed in float. Float and double are computed in their own type. Spikes may also be bytes
// (TensorFlow's uint8 and bool).
#ifndef KERAS_SLAYER_BASE_SCALAR_H_
#define KERAS_SLAYER_BASE_SCALAR_H_

#include <cstdint>

#if defined(__CUDACC__)
#define KS_HD __host__ __device__ __forceinline__
#else
#define KS_HD inline __attribute__((always_inline))
#endif

namespace keras_slayer {

enum class Dtype { kFloat, kDouble, kHalf, kBfloat16, kByte };

struct Half {
  uint16_t bits;
};
struct Bfloat16 {
  uint16_t bits;
};

template <class T>
struct Arithmetic {
  using type = float;
};
template <>
struct Arithmetic<double> {
  using type = double;
};
template <class T>
using ArithmeticOf = typename Arithmetic<T>::type;

KS_HD float bits_to_float(uint32_t bits) {
  union {
    uint32_t u;
    float f;
  } pun = {bits};
  return pun.f;
}

KS_HD uint32_t float_to_bits(float value) {
  union {
    float f;
    uint32_t u;
  } pun = {value};
  return pun.u;
}

KS_HD float load(uint8_t x) { return float(x); }
KS_HD float load(float x) { return x; }
KS_HD double load(double x) { return x; }
KS_HD float load(Bfloat16 x) { return bits_to_float(uint32_t(x.bits) << 16); }

// Has no branch, so that loops over it vectorise. Adding 112 to the exponent turns the bias of a
// half (15) into that of a float (127). A half subnormal gets 113 instead, and 2^-14 is then
// subtracted. So no float subnormal occurs, which TensorFlow's threads would flush to zero.
KS_HD float load(Half x) {
  const uint32_t magnitude = uint32_t(x.bits & 0x7fff) << 13;
  const uint32_t sign = uint32_t(x.bits & 0x8000) << 16;
  const uint32_t normal = magnitude + (112u << 23);
  const uint32_t subnormal =
      float_to_bits(bits_to_float(magnitude + (113u << 23)) - bits_to_float(113u << 23));
  const uint32_t finite = magnitude < (1u << 23) ? subnormal : normal;
  const uint32_t special = magnitude | 0x7f800000u;  // infinity or NaN
  return bits_to_float(sign | (magnitude >= (0x7c00u << 13) ? special : finite));
}

KS_HD void store(uint8_t* out, float x) { *out = uint8_t(x); }
KS_HD void store(uint8_t* out, double x) { *out = uint8_t(x); }
KS_HD void store(float* out, float x) { *out = x; }
KS_HD void store(double* out, double x) { *out = x; }

// Both stores round to nearest, ties to even. NaN stays NaN.
KS_HD void store(Bfloat16* out, float x) {
  const uint32_t bits = float_to_bits(x);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  out->bits = uint16_t(x != x ? 0x7fc0u : rounded);
}

KS_HD void store(Half* out, float x) {
  const uint32_t bits = float_to_bits(x);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  // Normal range: change the bias of the exponent and round off 13 bits.
  const uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // Subnormal range: adding 0.5 lets the float adder do the rounding.
  const uint32_t subnormal =
      float_to_bits(bits_to_float(magnitude) + 0.5f) - float_to_bits(0.5f);
  uint32_t half = magnitude < (113u << 23) ? subnormal : normal;
  half = magnitude >= 0x477ff000u ? 0x7c00u : half;  // rounds past 65504
  half = magnitude > 0x7f800000u ? 0x7e00u : half;
  out->bits = uint16_t(sign | half);
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_BASE_SCALAR_H_
