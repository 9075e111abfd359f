// Special functions of one number with no vector form in libm, in double.
#include "cpu/special.h"

#include "cpu/fast_math.h"
#include "cpu/loops.h"

namespace lampas::cpu {

namespace {

using simd::select;
using simd::vd;

const vd kZero{};
vd all(double x) { return simd::splat<vd>(x); }

#if defined(__AVX512F__)
vd square_root(vd x) { return (vd)_mm512_maskz_sqrt_pd(__mmask8(-1), (__m512d)x); }
vd nearest(vd x) { return (vd)_mm512_maskz_roundscale_pd(__mmask8(-1), (__m512d)x, _MM_FROUND_TO_NEAREST_INT); }
#else
vd square_root(vd x) { return (vd)_mm256_sqrt_pd((__m256d)x); }
vd nearest(vd x) { return (vd)_mm256_round_pd((__m256d)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
#endif

// x less the whole number next to it: functions of pi x repeat themselves.
vd from_whole(vd x) { return x - nearest(x); }

// Recurrence up to 10, where the asymptotic series hold: f(x, still below) for each step.
template <class F>
vd up_to_ten(vd x, F f) {
  for (int i = 0; i < 10; i++) {
    const auto below = x < 10;
    f(x, below);
    x = select(below, x + 1, x);
  }
  return x;
}

// Abramowitz and Stegun, 6.3.7 (reflection), 6.3.5 and 6.3.18.
vd digamma_of(vd x) {
  const auto negative = x < 0;
  vd sum{};
  const vd y = up_to_ten(select(negative, 1 - x, x), [&](vd v, auto below) { sum -= select(below, 1 / v, kZero); });
  const vd z = 1 / (y * y);
  const vd series =
      z *
      (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
  const vd positive = sum + simd::log(y) - 0.5 / y - series, rest = from_whole(x);
  const vd reflected = select(rest == 0, all(NAN), positive - M_PI / simd::tan(M_PI * rest));
  return select(x == 0, 1 / -x, select(x == INFINITY, x, select(negative, reflected, positive)));
}

// 6.4.7, 6.4.6 and 6.4.12.
vd trigamma_of(vd x) {
  const auto reflect = x < 0.5;
  vd sum{};
  const vd y =
      up_to_ten(select(reflect, 1 - x, x), [&](vd v, auto below) { sum += select(below, 1 / (v * v), kZero); });
  const vd z = 1 / (y * y);
  const vd series =
      z * (1.0 / 6 -
           z * (1.0 / 30 - z * (1.0 / 42 - z * (1.0 / 30 - z * (5.0 / 66 - z * (691.0 / 2730 - z * (7.0 / 6)))))));
  const vd positive = sum + (1 + 0.5 / y + series) / y;
  const vd s = simd::sin(M_PI * from_whole(x));
  return select(reflect, M_PI * M_PI / (s * s) - positive, positive);
}

// Giles's single-precision polynomials (Approximating the erfinv function, 2010) as a start, then Newton's steps.
template <int Steps>
vd erfinv_of(vd y) {
  const vd w = -simd::log((1 - y) * (1 + y)), near = w - 2.5, far = square_root(w) - 3;
  vd a = all(2.81022636e-08), b = all(-0.000200214257);
  for (double c : {3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164,
                   0.246640727, 1.50140941})
    a = c + a * near;
  for (double c : {0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
                   1.00167406, 2.83297682})
    b = c + b * far;
  vd x = select(w < 5, a, b) * y;
  const vd size = simd::abs(y);
  for (int i = 0; i < Steps; i++) {
    // Where y is near 1, by what is missing from it.
    const vd missing = (1 - size) - simd::erfc(simd::abs(x));
    const vd e = select(size > 0.5, select(y < 0, -missing, missing), simd::erf(x) - y);
    x -= e / (M_2_SQRTPI * simd::exp(-x * x));
  }
  return select(size < 1, x, select(y == 1, all(INFINITY), select(y == -1, all(-INFINITY), all(NAN))));
}

// f on doubles, for both float types; float32 numbers half a vector at a time.
template <class F, class G = F>
void in_double(Ew op, F, G = {}) {
  auto halves = [](simd::vf x) {
    typedef float Half __attribute__((vector_size(simd::kBytes / 2)));
    Half half[2];
    std::memcpy(half, &x, sizeof x);
    for (Half& h : half) h = __builtin_convertvector(F{}(__builtin_convertvector(h, vd)), Half);
    std::memcpy(&x, half, sizeof x);
    return x;
  };
  kernel(op, DType::Float32) = &detail::vmap1<float, decltype(halves)>;
  kernel(op, DType::Float64) = &detail::vmap1<double, G>;
}

}  // namespace

double digamma(double x) { return digamma_of(all(x))[0]; }

void register_special_kernels() {
  in_double(Ew::Digamma, [](vd x) { return digamma_of(x); });
  in_double(Ew::Trigamma, [](vd x) { return trigamma_of(x); });
  // Not by Stirling's series: its zeros at 1 and 2 are to be exact.
  unary_kernel(Ew::Lgamma, Floats{}, [](auto x) {
    int sign;
    return decltype(x)(lgamma_r(double(x), &sign));
  });
  in_double(Ew::Erfinv, [](vd x) { return erfinv_of<1>(x); }, [](vd x) { return erfinv_of<4>(x); });
}

}  // namespace lampas::cpu
