// GELU(x) = x P(Z <= x) of a standard normal Z.
#pragma once

#include "cpu/fast_math.h"

namespace lampas::simd {

#if defined(__AVX512F__)

namespace detail {

inline constexpr int kTailPieces = 32, kTailTerms = 6;
inline constexpr float kTailScale = 6.25f;  // pieces per unit

// P(Z > (k + u) / kTailScale) as polynomials in u from -1/2 to 1/2, interpolated at Chebyshev's nodes.
struct TailTable {
  float terms[kTailTerms][kTailPieces];
  TailTable() {
    constexpr int n = kTailTerms;
    for (int k = 0; k < kTailPieces; k++) {
      double u[n], difference[n], power[n] = {};
      for (int j = 0; j < n; j++) {
        u[j] = 0.5 * std::cos(M_PI * (2 * j + 1) / (2 * n));
        difference[j] = 0.5 * std::erfc((k + u[j]) / kTailScale * M_SQRT1_2);
      }
      for (int order = 1; order < n; order++)
        for (int j = n - 1; j >= order; j--)
          difference[j] = (difference[j] - difference[j - 1]) / (u[j] - u[j - order]);
      for (int j = n - 1; j >= 0; j--) {  // Newton's form to powers: times u - u[j], plus the difference
        for (int i = n - 1; i > 0; i--) power[i] = power[i - 1] - u[j] * power[i];
        power[0] = difference[j] - u[j] * power[0];
      }
      for (int i = 0; i < n; i++) terms[i][k] = float(power[i]);
    }
  }
};
inline const TailTable kTail;

[[gnu::noinline]] inline vf gelu_far_out(vf x) { return x * normal(x).cdf; }

}  // namespace detail

// Within 4e-7 of the value however far out. Up to |x| = 5, x - |x| P(Z > |x|) or the second part alone, by the
// polynomial of each lane's piece: two registers hold the coefficients of a power, a permutation finds them.
class Gelu {
 public:
  Gelu() {
    for (int i = 0; i < detail::kTailTerms; i++)
      for (int j = 0; j < 2; j++) terms_[i][j] = load<vf>(detail::kTail.terms[i] + 16 * j);
  }
  vf operator()(vf x) const {
    using namespace detail;
    constexpr float kRound = 8388608.0f;  // 2^23: adding it leaves a whole number, in the lowest bits
    const vf t = magnitude(x);
    if (__builtin_expect(_mm512_cmp_ps_mask((__m512)t, _mm512_set1_ps(5.0f), _CMP_NLE_UQ), 0)) return gelu_far_out(x);
    const vf rounded = t * kTailScale + kRound;
    const vi piece = (vi)rounded;
    const vf u = fused_subtract(t, splat<vf>(kTailScale), rounded - kRound);
    vf p = pick(kTailTerms - 1, piece);
    for (int i = kTailTerms - 2; i >= 0; i--) p = p * u + pick(i, piece);
    return (x < 0 ? vf{} : x) - t * p;
  }
  vd operator()(vd x) const { return x * normal(x).cdf; }

 private:
  vf pick(int i, vi piece) const { return __builtin_shuffle(terms_[i][0], terms_[i][1], piece); }
  vf terms_[detail::kTailTerms][2];
};

#else

struct Gelu {
  template <class V>
  V operator()(V x) const {
    return x * normal(x).cdf;
  }
};

#endif

}  // namespace lampas::simd
