// e^x on vectors in fewer instructions than libmvec, with subnormal results.
#pragma once

#include "cpu/simd.h"
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace lampas::simd {

// Within 1.1 ulp over the whole range. x = n ln2 + r with |r| <= ln2 / 2 (Cody and Waite's split of ln2), e^r by a
// polynomial fitted for the least relative error, scaled by 2^n. NaN stays NaN.
inline vf fast_exp(vf x) {
#if defined(__AVX512F__)
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves no room for a fraction
  vf n = (x * 1.44269504f + kRound) - kRound;
  n = n < -160.0f ? splat<vf>(-160.0f) : n > 160.0f ? splat<vf>(160.0f) : n;
  vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
  vf p = splat<vf>(1.38426397e-3f);
  p = p * r + 8.37481022e-3f;
  p = p * r + 4.16680202e-2f;
  p = p * r + 1.66664794e-1f;
  p = p * r + 0.49999997f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  vf y = (vf)_mm512_maskz_scalef_ps(__mmask16(-1), (__m512)p, (__m512)n);
  y = x > 89.0f ? splat<vf>(INFINITY) : y;  // an infinite x left inf - inf in r
  return x < -104.5f ? vf{} : y;
#else
  return exp(x);
#endif
}
inline vd fast_exp(vd x) { return exp(x); }
inline float fast_exp(float x) { return std::exp(x); }
inline double fast_exp(double x) { return std::exp(x); }

}  // namespace lampas::simd
