// Samples of gamma, Dirichlet and binomial distributions. The stream is used,
// and roundings made, in PyTorch's order.
#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <vector>

#include "core/error.h"
#include "cpu/random.h"
#include "cpu/stream.h"

namespace lampas::cpu {

namespace {

// G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables",
// ACM TOMS 26(3), 2000, with their boost U^(1/a) below 1. Constants are
// single-precision ones, and what depends on the shape alone has its precision.
template <class T>
double sample_gamma(T shape, Generator& g) {
  double scale = 1;
  if (shape < 1) {
    if (shape == 0) return 0;
    scale = std::pow(1 - next_unit(g), double(1 / shape));
    shape += 1;
  }
  const double d = shape - T(1.0f / 3.0f), c = 1 / std::sqrt(9 * d);
  if (!(d > 0)) return std::numeric_limits<double>::quiet_NaN();
  while (true) {
    double x = next_normal(g), y = 1 + c * x;
    if (y <= 0) continue;
    double v = y * y * y, u = 1 - next_unit(g), xx = x * x;
    if (u < 1 - double(0.0331f) * xx * xx || std::log(u) < 0.5 * xx + d * (1 - v + std::log(v))) return scale * d * v;
  }
}

// log k! less Stirling's approximation.
double stirling_tail(double k) {
  static const double table[] = {0.0810614667953272,  0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
                                 0.0166446911898211,  0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
                                 0.00925546218271273, 0.00833056343336287};
  if (k <= 9) return table[int(k)];
  double square = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

// Adds waiting times for successes until the trials are used up.
double binomial_by_waiting(double n, double p, Generator& g) {
  double trials = 0, log_failure = std::log1p(-p);
  for (double successes = 0;; successes++) {
    trials += std::ceil(std::log(next_unit(g)) / log_failure);
    if (trials > n) return successes;
  }
}

// W. Hoermann, "The generation of binomial random variates", Journal of
// Statistical Computation and Simulation 46, 1993: algorithm BTRS.
double binomial_by_rejection(double n, double p, Generator& g) {
  double spread = std::sqrt(n * p * (1 - p));
  double b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p, c = n * p + 0.5, squeeze = 0.92 - 4.2 / b;
  double odds = p / (1 - p), alpha = (2.83 + 5.1 / b) * spread, mode = std::floor((n + 1) * p);
  while (true) {
    double u = next_unit(g) - 0.5, v = next_unit(g), us = 0.5 - std::fabs(u);
    double k = std::floor((2 * a / us + b) * u + c);
    if (us >= 0.07 && v <= squeeze) return k;
    if (!(k >= 0 && k <= n)) continue;
    double bound = (mode + 0.5) * std::log((mode + 1) / (odds * (n - mode + 1))) +
                   (n + 1) * std::log((n - mode + 1) / (n - k + 1)) +
                   (k + 0.5) * std::log(odds * (n - k + 1) / (k + 1)) + stirling_tail(mode) + stirling_tail(n - mode) -
                   stirling_tail(k) - stirling_tail(n - k);
    if (std::log(v * alpha / (a / (us * us) + b)) <= bound) return k;
  }
}

double sample_binomial(double n, double p, Generator& g) {
  if (std::isnan(n) || std::isnan(p)) return std::numeric_limits<double>::quiet_NaN();
  if (n <= 0 || p <= 0) return 0;
  if (p >= 1) return n;
  double rare = std::min(p, 1 - p);
  double k = n * rare >= 10 ? binomial_by_rejection(n, rare, g) : binomial_by_waiting(n, rare, g);
  return p > 0.5 ? n - k : k;
}

}  // namespace

void standard_gamma(void* out, const void* shape, DType dtype, int64_t n, Generator& generator) {
  auto run = [&]<class T>(T* to, const T* a) {
    std::lock_guard<std::mutex> lock(generator.mutex);
    for (int64_t i = 0; i < n; i++) {
      T x = T(sample_gamma(a[i], generator));
      to[i] = x < std::numeric_limits<T>::min() ? std::numeric_limits<T>::min() : x;
    }
  };
  if (dtype == DType::Float64)
    run(static_cast<double*>(out), static_cast<const double*>(shape));
  else
    run(static_cast<float*>(out), static_cast<const float*>(shape));
}

void dirichlet(void* out, const void* concentration, DType dtype, int64_t rows, int64_t columns, Generator& generator) {
  auto run = [&]<class T>(T* to, const T* a) {
    std::lock_guard<std::mutex> lock(generator.mutex);
    std::vector<double> row(static_cast<size_t>(columns));
    const double most = std::nextafter(T(1), T(0)), least = std::numeric_limits<T>::min();
    for (; rows > 0; rows--, to += columns, a += columns) {
      double sum = 0;
      for (int64_t i = 0; i < columns; i++)
        sum += row[size_t(i)] = std::max(std::numeric_limits<double>::min(), sample_gamma(double(a[i]), generator));
      for (int64_t i = 0; i < columns; i++) to[i] = T(std::min(most, std::max(least, row[size_t(i)] / sum)));
    }
  };
  if (dtype == DType::Float64)
    run(static_cast<double*>(out), static_cast<const double*>(concentration));
  else
    run(static_cast<float*>(out), static_cast<const float*>(concentration));
}

void binomial(void* out, const void* count, const void* p, DType dtype, int64_t n, Generator& generator) {
  auto run = [&]<class T>(T* to, const T* trials, const T* probability) {
    std::lock_guard<std::mutex> lock(generator.mutex);
    for (int64_t i = 0; i < n; i++) to[i] = T(sample_binomial(trials[i], probability[i], generator));
  };
  if (dtype == DType::Float64)
    run(static_cast<double*>(out), static_cast<const double*>(count), static_cast<const double*>(p));
  else
    run(static_cast<float*>(out), static_cast<const float*>(count), static_cast<const float*>(p));
}

}  // namespace lampas::cpu
