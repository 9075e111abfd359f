#include "cpu/box_muller.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

// The single-precision log, sine and cosine follow the polynomials of S. L. Moshier's Cephes library ("Methods and
// Programs for Mathematical Functions", 1989), in the order of operations that PyTorch's own vector code has, fused
// multiply-adds included. Results are therefore the same to the last bit wherever the machine has FMA; a more accurate
// logarithm would differ from PyTorch's numbers in one number of ten.

namespace lampas::cpu {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;  // two blocks at a time
#else
constexpr int kLanes = 8;
#endif
typedef float Floats __attribute__((vector_size(4 * kLanes), aligned(4)));
typedef int32_t Ints __attribute__((vector_size(4 * kLanes), aligned(4)));

inline Floats all(float x) { return Floats{} + x; }
inline Ints bits(Floats x) { return (Ints)x; }
inline Floats floats(Ints x) { return (Floats)x; }

#if defined(__AVX512F__)
inline Floats fma(Floats a, Floats b, Floats c) { return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
inline Floats sqrt(Floats a) { return (Floats)_mm512_maskz_sqrt_ps(0xffff, (__m512)a); }
#elif defined(__FMA__)
inline Floats fma(Floats a, Floats b, Floats c) { return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
inline Floats sqrt(Floats a) { return (Floats)_mm256_sqrt_ps((__m256)a); }
#else
inline Floats fma(Floats a, Floats b, Floats c) { return a * b + c; }
inline Floats sqrt(Floats a) {
  for (int i = 0; i < kLanes; i++) a[i] = std::sqrt(a[i]);
  return a;
}
#endif

// Evaluates a polynomial, highest coefficient first.
template <class... Rest>
inline Floats polynomial(Floats x, float first, Rest... rest) {
  Floats y = all(first);
  ((y = fma(y, x, all(rest))), ...);
  return y;
}

// The natural logarithm of x in (0, 1].
inline Floats log(Floats x) {
  Ints exponent = (bits(x) >> 23) - 126;
  x = floats((bits(x) & 0x007fffff) | 0x3f000000);  // the mantissa in [0.5, 1)
  Ints low = x < all(0.707106781186547524f);
  Floats e = __builtin_convertvector(exponent + low, Floats);  // a true comparison is -1
  x = (x - 1.0f) + floats(bits(x) & low);
  Floats z = x * x;
  Floats y = polynomial(x, 7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                        -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f);
  y = fma(y * x, z, e * -2.12194440e-4f);  // log 2 in two parts, the small one first
  y = fma(-z, all(0.5f), y);
  return fma(e, all(0.693359375f), x + y);
}

// Sine and cosine of x in [0, 2 pi].
inline void sincos(Floats x, Floats& sine, Floats& cosine) {
  Ints octant = (__builtin_convertvector(x * 1.27323954473516f, Ints) + 1) & ~1;
  Floats y = __builtin_convertvector(octant, Floats);
  // Subtracts the multiple of pi/4 in three parts.
  x = fma(y, all(-0.78515625f), x);
  x = fma(y, all(-2.4187564849853515625e-4f), x);
  x = fma(y, all(-3.77489497744594108e-8f), x);
  Floats z = x * x;
  Floats c = polynomial(z, 2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f) * z;
  c = fma(c, z, z * -0.5f) + 1.0f;
  Floats s = polynomial(z, -1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f) * z;
  s = fma(s, x, x);
  Ints swapped = (octant & 2) != 0;
  sine = floats(bits(swapped ? c : s) ^ ((octant & 4) << 29));
  cosine = floats(bits(swapped ? s : c) ^ ((~(octant - 2) & 4) << 29));
}

// Lanes of u stand in the first half of each block, lanes of v in the second.
inline void load(const float* data, Floats& u, Floats& v) {
  const Floats* block = (const Floats*)data;
#if defined(__AVX512F__)
  u = __builtin_shufflevector(block[0], block[1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  v = __builtin_shufflevector(block[0], block[1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
#else
  u = block[0];
  v = block[1];
#endif
}

inline void transform(float* data, Floats mean, Floats std) {
  Floats u, v, sine, cosine;
  load(data, u, v);
  Floats radius = sqrt(log(1.0f - u) * -2.0f);
  sincos(v * float(2 * std::numbers::pi), sine, cosine);
  Floats lanes[2] = {fma(radius * cosine, std, mean), fma(radius * sine, std, mean)}, *out = (Floats*)data;
  // With 16 lanes, exchanging the middle halves is its own inverse.
  load((const float*)lanes, out[0], out[1]);
}

}  // namespace

void box_muller(float* data, int64_t blocks, float mean, float std) {
  constexpr int kBlocks = kLanes / 8;
  for (; blocks >= kBlocks; blocks -= kBlocks, data += 16 * kBlocks) transform(data, all(mean), all(std));
  if (blocks) {
    float padded[16 * kBlocks] = {};
    std::copy(data, data + 16, padded);
    transform(padded, all(mean), all(std));
    std::copy(padded, padded + 16, data);
  }
}

void box_muller(double* data, int64_t blocks, double mean, double std) {
  for (; blocks; blocks--, data += 16) {
    for (int j = 0; j < 8; j++) {
      double radius = std::sqrt(-2 * std::log(1 - data[j])), angle = 2 * std::numbers::pi * data[j + 8];
      double sine, cosine;
      ::sincos(angle, &sine, &cosine);
      data[j] = std::fma(radius * cosine, std, mean);
      data[j + 8] = std::fma(radius * sine, std, mean);
    }
  }
}

}  // namespace lampas::cpu
