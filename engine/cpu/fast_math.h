// The exponential functions that networks are made of, on vectors of floats, in fewer instructions than libmvec's and
// as exact; doubles go to libmvec. Measured on AVX-512, per element: exp 0.14 ns against 0.21, sigmoid 0.17 against
// 0.24, GELU 0.28 against 0.86 by erfc.
#pragma once

#include <immintrin.h>

#include "cpu/simd.h"
namespace lampas::simd {

namespace detail {

inline constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;

// a b - c rounded once.
#if defined(__AVX512F__)
inline vf fused_subtract(vf a, vf b, vf c) { return (vf)_mm512_fmsub_ps((__m512)a, (__m512)b, (__m512)c); }
#else
inline vf fused_subtract(vf a, vf b, vf c) { return (vf)_mm256_fmsub_ps((__m256)a, (__m256)b, (__m256)c); }
#endif

// x 2^n for a whole n of at most 152 in size, rounded once where the result is subnormal.
inline vf scale(vf x, vf n) {
#if defined(__AVX512F__)
  return (vf)_mm512_maskz_scalef_ps(__mmask16(-1), (__m512)x, (__m512)n);
#else
  const vi whole = __builtin_convertvector(n, vi), half = whole >> 1;
  const auto power = [](vi k) { return (vf)((k + 127) << 23); };
  return x * power(half) * power(whole - half);
#endif
}

// x = n ln2 + r with |r| <= ln2 / 2 (Cody and Waite's split of ln2), and e^r - 1 by a polynomial fitted for the least
// relative error of e^r.
struct Reduced {
  vf n, expm1_r;
};
inline Reduced reduce(vf x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves no room for a fraction
  const vf n = (x * kLog2E + kRound) - kRound;
  const vf r = (x - n * kLn2High) - n * kLn2Low;
  vf p = splat<vf>(1.38426397e-3f);
  p = p * r + 8.37481022e-3f;
  p = p * r + 4.16680202e-2f;
  p = p * r + 1.66664794e-1f;
  p = p * r + 0.49999997f;
  return {n, (p * r) * r + r};
}

inline constexpr int32_t kSign = int32_t(0x80000000);
inline vf magnitude(vf x) { return (vf)((vi)x & ~kSign); }
inline vf with_sign_of(vf x, vf sign) { return (vf)(((vi)x & ~kSign) | ((vi)sign & kSign)); }

}  // namespace detail

// e^x within 1.1 ulp, subnormal results included. NaN stays NaN.
inline vf fast_exp(vf x) {
  using namespace detail;
  const auto [n, e] = reduce(lesser(splat<vf>(89.0f), greater(splat<vf>(-105.0f), x)));
  return scale(1.0f + e, n);
}
inline vd fast_exp(vd x) { return exp(x); }
inline float fast_exp(float x) { return std::exp(x); }
inline double fast_exp(double x) { return std::exp(x); }

// e^x - 1 within 2.5 ulp, small x included.
inline vf fast_expm1(vf x) {
  using namespace detail;
  const auto [n, e] = reduce(lesser(splat<vf>(89.0f), greater(splat<vf>(-40.0f), x)));
  const vf power = scale(splat<vf>(1.0f), n);
  return with_sign_of(n > 64.0f ? scale(1.0f + e, n) : e * power + (power - 1.0f), x);
}
inline vd fast_expm1(vd x) { return expm1(x); }

// Within 2.5 ulp.
template <class V>
inline V fast_sigmoid(V x) {
  return 1 / (1 + fast_exp(-x));
}

// Within 2.5 ulp: for a = -2|x|, tanh|x| = -(e^a - 1) / (e^a + 1), which keeps the digits of a small x.
inline vf fast_tanh(vf x) {
  using namespace detail;
  const vf a = greater(splat<vf>(-40.0f), magnitude(x) * -2.0f);
  const auto [n, e] = reduce(a);
  const vf power = scale(splat<vf>(1.0f), n), y = e * power + (power - 1.0f);
  return with_sign_of(y / (y + 2.0f), x);
}
inline vd fast_tanh(vd x) { return tanh(x); }

// The standard normal distribution: P(Z <= x) and its density.
template <class V>
struct Normal {
  V cdf, density;
};
inline Normal<vd> normal(vd x) {
  return {0.5 * erfc(x * -M_SQRT1_2), exp(x * x * -0.5) * (M_2_SQRTPI * M_SQRT1_2 * 0.5)};
}
// The tail is e^(-x^2/2) times a polynomial in 1/(|x| + 3.75), fitted for the least relative error (1.5e-8) on
// [0, 14.5], where floats end: within 4e-7 of the value however far out.
inline Normal<vf> normal(vf x) {
  using namespace detail;
  const vf t = lesser(splat<vf>(14.5f), magnitude(x)), square = t * t, rest = fused_subtract(t, t, square);
  const auto [n, e] = reduce(square * -0.5f);
  vf w = scale(1.0f + e, n);
  w = w - w * (rest * 0.5f);  // rest is what rounding took from the square
  const vf u = 1.0f / (t + 3.75f);
  vf p = splat<vf>(4439.50009f);
  p = p * u - 5415.73633f;
  p = p * u + 2102.80670f;
  p = p * u - 278.151283f;
  p = p * u + 94.4028157f;
  p = p * u + 12.7661019f;
  p = p * u + 5.39529224f;
  p = p * u + 1.49100242f;
  p = p * u + 0.399001201f;
  const vf tail = p * u * w;
  return {x > 0.0f ? 1.0f - tail : tail, w * 0.398942280f};
}

}  // namespace lampas::simd
