// GELU(x) = x P(Z <= x) of a standard normal Z, and its derivative P(Z <= x) + x p(x).
#pragma once

#include "cpu/fast_math.h"

namespace lampas::simd {

template <class V>
inline V gelu(V x) {
  return x * normal(x).cdf;
}
template <class V>
inline V gelu_slope(V x) {
  const auto [cdf, density] = normal(x);
  return cdf + x * density;
}

#if defined(__AVX512F__)

namespace detail {

inline double normal_tail(double t) { return 0.5 * std::erfc(t * M_SQRT1_2); }
inline double normal_density(double t) { return std::exp(t * t * -0.5) * (M_2_SQRTPI * M_SQRT1_2 * 0.5); }
inline double slope_at_minus(double t) { return normal_tail(t) - t * normal_density(t); }

// A function on [0, 5] by polynomials of degree 5, one for each piece: two registers hold the coefficients of a power,
// a permutation finds each lane's.
class Pieces {
 public:
  static constexpr float kEnd = 5;

  struct Table {
    float terms[6][32];
    // Interpolated at Chebyshev's nodes: f((k + u) / kScale) for u from -1/2 to 1/2.
    explicit Table(double (*f)(double)) {
      for (int k = 0; k < kPieces; k++) {
        double u[kTerms], difference[kTerms], power[kTerms] = {};
        for (int j = 0; j < kTerms; j++) {
          u[j] = 0.5 * std::cos(M_PI * (2 * j + 1) / (2 * kTerms));
          difference[j] = f((k + u[j]) / kScale);
        }
        for (int order = 1; order < kTerms; order++)
          for (int j = kTerms - 1; j >= order; j--)
            difference[j] = (difference[j] - difference[j - 1]) / (u[j] - u[j - order]);
        for (int j = kTerms - 1; j >= 0; j--) {  // Newton's form to powers: times u - u[j], plus the difference
          for (int i = kTerms - 1; i > 0; i--) power[i] = power[i - 1] - u[j] * power[i];
          power[0] = difference[j] - u[j] * power[0];
        }
        for (int i = 0; i < kTerms; i++) terms[i][k] = float(power[i]);
      }
    }
  };

  explicit Pieces(const Table& t) {
    for (int i = 0; i < kTerms; i++)
      for (int j = 0; j < 2; j++) terms_[i][j] = load<vf>(t.terms[i] + 16 * j);
  }
  // Whether some lane lies beyond kEnd, or is NaN.
  static bool beyond(vf t) { return _mm512_cmp_ps_mask((__m512)t, _mm512_set1_ps(kEnd), _CMP_NLE_UQ); }
  vf operator()(vf t) const {
    constexpr float kRound = 8388608.0f;  // 2^23: adding it leaves a whole number, in the lowest bits
    const vf rounded = t * kScale + kRound;
    const vi piece = (vi)rounded;
    const vf u = fused_subtract(t, splat<vf>(kScale), rounded - kRound);
    vf p = pick(kTerms - 1, piece);
    for (int i = kTerms - 2; i >= 0; i--) p = p * u + pick(i, piece);
    return p;
  }

 private:
  static constexpr int kPieces = 32, kTerms = 6;
  static constexpr float kScale = 6.25f;  // pieces per unit
  vf pick(int i, vi piece) const { return __builtin_shuffle(terms_[i][0], terms_[i][1], piece); }
  vf terms_[kTerms][2];
};

inline const Pieces::Table kTail(normal_tail), kSlope(slope_at_minus);

[[gnu::noinline]] inline vf gelu_far_out(vf x) { return gelu(x); }
[[gnu::noinline]] inline vf gelu_slope_far_out(vf x) { return gelu_slope(x); }

}  // namespace detail

// Within 4e-7 of the value however far out: up to |x| = 5, x - |x| P(Z > |x|) or the second part alone.
class Gelu {
 public:
  vf operator()(vf x) const {
    const vf t = detail::magnitude(x);
    if (detail::Pieces::beyond(t)) [[unlikely]]
      return detail::gelu_far_out(x);
    return (x < 0 ? vf{} : x) - t * tail_(t);
  }
  vd operator()(vd x) const { return gelu(x); }

 private:
  detail::Pieces tail_{detail::kTail};
};

// GELU'(-t) = P(Z > t) - t p(t), and GELU'(t) is what it lacks to 1.
class GeluSlope {
 public:
  vf operator()(vf x) const {
    const vf t = detail::magnitude(x);
    if (detail::Pieces::beyond(t)) [[unlikely]]
      return detail::gelu_slope_far_out(x);
    const vf slope = slope_(t);
    return x < 0 ? slope : 1.0f - slope;
  }
  vd operator()(vd x) const { return gelu_slope(x); }

 private:
  detail::Pieces slope_{detail::kSlope};
};

#else

struct Gelu {
  template <class V>
  V operator()(V x) const {
    return gelu(x);
  }
};
struct GeluSlope {
  template <class V>
  V operator()(V x) const {
    return gelu_slope(x);
  }
};

#endif

// g GELU'(x)
struct GeluGradient {
  template <class V>
  V operator()(V g, V x) const {
    return g * slope(x);
  }
  GeluSlope slope;
};

}  // namespace lampas::simd
