// How samples of gamma and beta distributions move with their parameters.
//
// With F the distribution function and f the density, a sample x depends on a
// parameter a as dx/da = -(dF/da) / f(x) (M. Figurnov, S. Mohamed, A. Mnih,
// "Implicit reparameterization gradients", 2018). dF/da is the integral of f(t)
// (log t - mean of log t) over one side of x. With t = x e^-v (for beta: the
// logit of t moved by v) the integrand over f(x) is exp of a concave function
// that falls from 0, times something linear: a Gauss rule on the interval where
// it is not negligible is exact to about ten digits. Small parameters, whose
// integrands reach far, have power series.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "core/threads.h"
#include "cpu/random.h"
#include "cpu/simd.h"
#include "cpu/special.h"

namespace lampas::cpu {

namespace {

using simd::vd;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kSeries = 8;    // parameters below have series
constexpr double kReach = 40;    // e^-40 is negligible
constexpr double kEnough = 1.5;  // from here on an integrand on the far side has
                                 // no long tail, however small its parameter

// Legendre's nodes and weights on [0, 1], by Newton's method on the recurrence
// of his polynomials.
struct Gauss {
  static constexpr int kPoints = 32;
  alignas(64) double nodes[kPoints], weights[kPoints];
  Gauss() {
    for (int i = 0; i < kPoints; i++) {
      double x = std::cos(std::numbers::pi * (i + 0.75) / (kPoints + 0.5)), slope = 1;
      for (int step = 0; step < 8; step++) {
        double before = 1, p = x;
        for (int k = 2; k <= kPoints; k++) before = std::exchange(p, ((2 * k - 1) * x * p - (k - 1) * before) / k);
        slope = kPoints * (x * p - before) / (x * x - 1);
        x -= p / slope;
      }
      nodes[i] = (1 + x) / 2;
      weights[i] = 1 / ((1 - x * x) * slope * slope);
    }
  }
};

// The integral of f over [0, end].
template <class F>
double integral(double end, F f) {
  static const Gauss rule;
  vd sum{};
  for (int i = 0; i < Gauss::kPoints; i += simd::kLanes<vd>)
    sum += simd::load<vd>(rule.weights + i) * f(end * simd::load<vd>(rule.nodes + i));
  double total = 0;
  for (int i = 0; i < simd::kLanes<vd>; i++) total += sum[i];
  return end * total;
}

// Where a concave exponent with exponent(0) = 0, slope -r and curvature -k
// there falls to -kReach; `at(v)` gives the exponent and its slope.
template <class F>
double reach(double r, double k, F at) {
  double v = 2 * kReach / (r + std::sqrt(r * r + 2 * kReach * k));
  for (int i = 0; i < 6; i++) {
    auto [value, slope] = at(v);
    if (std::fabs(value + kReach) < 4) break;
    v -= (value + kReach) / slope;
  }
  return v;
}

// dx/da for x of the gamma distribution with shape a and rate 1.
double gamma_slope(double a, double x) {
  if (!(a > 0) || !(x >= 0) || std::isinf(x)) return kNaN;
  if (x == 0) return 0;
  using Pair = std::pair<double, double>;
  if (x >= a && x >= kEnough) {
    double mean = std::log(x) - digamma(a);
    double end = reach(x - a, x, [&](double v) {
      double e = std::expm1(v);
      return Pair(a * v - x * e, a - x * (e + 1));
    });
    return x * integral(end, [&](vd v) { return simd::exp(a * v - x * simd::expm1(v)) * (mean + v); });
  }
  if (a >= kSeries) {
    double mean = std::log(x) - digamma(a);
    double end = reach(a - x, x, [&](double v) {
      double e = std::expm1(-v);
      return Pair(-a * v - x * e, -a + x * (e + 1));
    });
    return -x * integral(end, [&](vd v) { return simd::exp(-a * v - x * simd::expm1(-v)) * (mean - v); });
  }
  // F = x^a e^-x / Gamma(a) * sum of x^n / (a (a+1) ... (a+n)).
  double term = 1 / a, sum = term, moved = 0, harmonic = 0;
  for (int n = 1; term > 1e-17 * sum; n++) {
    double r = 1 / (a + n);
    term *= x * r;
    harmonic += r;
    sum += term;
    moved += term * harmonic;
  }
  return -x * (sum * (std::log(x) - digamma(a + 1)) - moved);
}

// dx/da / (1 - x) for x of the beta distribution with parameters a and b.
double beta_slope(double x, double a, double b) {
  if (!(a > 0) || !(b > 0) || !(x >= 0 && x <= 1)) return kNaN;
  if (x == 0) return 0;
  using Pair = std::pair<double, double>;
  const double total = a + b, y = 1 - x;
  const bool above = x * total > a;
  if (above ? b >= kSeries && total * x >= kEnough : a >= kSeries && total * y >= kEnough) {
    double mean = std::log(x) - digamma(a) + digamma(total), r = a - total * x, k = total * x * y;
    if (above) {
      double end = reach(-r, k, [&](double v) {
        double e = x * std::expm1(v);
        return Pair(a * v - total * std::log1p(e), a - total * (e + x) / (e + 1));
      });
      return x * integral(end, [&](vd v) {
               vd l = simd::log1p(x * simd::expm1(v));
               return simd::exp(a * v - total * l) * (mean + v - l);
             });
    }
    double end = reach(r, k, [&](double v) {
      double e = x * std::expm1(-v);
      return Pair(-a * v - total * std::log1p(e), -a + total * (e + x) / (e + 1));
    });
    return -x * integral(end, [&](vd v) {
      vd l = simd::log1p(x * simd::expm1(-v));
      return simd::exp(-a * v - total * l) * (mean - v - l);
    });
  }
  // F = x^a (1-x)^b / B * sum of (total)_n / (a)_(n+1) x^n, and 1 - F alike
  // with b and 1 - x.
  bool from_above = above ? b < kSeries && (a >= kSeries || y <= 0.5) : a >= kSeries || x > 0.5;
  double c = from_above ? b : a, z = from_above ? y : x;
  double term = 1 / c, sum = term, moved = 0, h = 0;
  for (int n = 1; term > 1e-17 * sum && n < 100000; n++) {
    double r = 1 / (c + n);
    term *= z * (total + (n - 1)) * r;
    h += 1 / (total + (n - 1)) - (from_above ? 0 : r);
    sum += term;
    moved += term * h;
  }
  if (from_above) return x * (sum * (std::log(x) - digamma(a) + digamma(total)) + moved);
  return -x * (sum * (std::log(x) - digamma(a + 1) + digamma(total)) + moved);
}

}  // namespace

void standard_gamma_grad(void* out, const void* shape, const void* x, DType dtype, int64_t n) {
  auto run = [&]<class T>(T* to, const T* a, const T* at) {
    parallel_for(0, n, 256, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) to[i] = T(gamma_slope(a[i], at[i]));
    });
  };
  if (dtype == DType::Float64)
    run(static_cast<double*>(out), static_cast<const double*>(shape), static_cast<const double*>(x));
  else
    run(static_cast<float*>(out), static_cast<const float*>(shape), static_cast<const float*>(x));
}

void dirichlet_grad(void* out, const void* x, const void* alpha, const void* total, DType dtype, int64_t n) {
  auto run = [&]<class T>(T* to, const T* at, const T* a, const T* all) {
    parallel_for(0, n, 256, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        // A parameter that was lost beside the other one is as small as that
        // can be.
        double least = double(std::numeric_limits<T>::epsilon()) * all[i];
        to[i] = T(beta_slope(at[i], a[i], std::max(least, double(all[i]) - a[i])));
      }
    });
  };
  if (dtype == DType::Float64)
    run(static_cast<double*>(out), static_cast<const double*>(x), static_cast<const double*>(alpha),
        static_cast<const double*>(total));
  else
    run(static_cast<float*>(out), static_cast<const float*>(x), static_cast<const float*>(alpha),
        static_cast<const float*>(total));
}

}  // namespace lampas::cpu
