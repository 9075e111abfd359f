// Counts of the Poisson distribution.
#include <cmath>
#include <mutex>

#include "core/error.h"
#include "cpu/random.h"
#include "cpu/stream.h"

namespace lampas::cpu {

namespace {

// Multiplies uniform numbers until the product falls below exp(-rate) (D. Knuth, TAOCP 2, 3.4.1).
int64_t by_products(double rate, Generator& g) {
  if (rate == 0) return 0;
  double limit = std::exp(-rate), product = 1;
  for (int64_t count = 0;; count++) {
    product *= next_unit(g);
    if (product <= limit) return count;
  }
}

// Transformed rejection with squeeze, for rates of 10 and more (W. Hoermann, "The transformed rejection method for
// generating Poisson random variables", Insurance: Mathematics and Economics 12(1), 1993: algorithm PTRS).
int64_t by_rejection(double rate, Generator& g) {
  double log_rate = std::log(rate);
  double b = 0.931 + 2.53 * std::sqrt(rate), a = -0.059 + 0.02483 * b;
  double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
  while (true) {
    double u = next_unit(g) - 0.5, v = next_unit(g), us = 0.5 - std::fabs(u);
    double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= v_r) return int64_t(k);
    if (k < 0 || (us < 0.013 && v > us)) continue;
    int sign;
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
        -rate + k * log_rate - lgamma_r(k + 1, &sign))
      return int64_t(k);
  }
}

}  // namespace

void poisson(void* out, const void* rate, DType dtype, int64_t n, Generator& generator) {
  CHECK_KIND(NotImplemented, is_floating(dtype), "poisson is not implemented for ", name_of(dtype),
             "; use a floating dtype");
  dispatch(dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (is_floating(dtype_of<T>)) {
      const T* r = static_cast<const T*>(rate);
      T* to = static_cast<T*>(out);
      std::lock_guard<std::mutex> lock(generator.mutex);
      for (int64_t i = 0; i < n; i++) {
        double lambda = double(r[i]);
        CHECK(lambda >= 0, "invalid Poisson rate, expected rate to be non-negative, got ", lambda);
        to[i] = convert<T>(lambda >= 10 ? by_rejection(lambda, generator) : by_products(lambda, generator));
      }
    }
  });
}

}  // namespace lampas::cpu
