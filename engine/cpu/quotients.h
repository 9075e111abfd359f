// Remainders and rounded quotients, of numbers and of blocks of floats.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "ops/kernels.h"

namespace lampas::cpu {

// The processor traps where the lowest number is divided by -1.
template <class T>
bool minus_one(T b) {
  return std::is_signed_v<T> && b == T(-1);
}

template <class T>
T floor_mod(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    T r = std::fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
  } else {
    if (minus_one(b)) return 0;
    T r = T(a % b);
    return r != 0 && (r < 0) != (b < 0) ? T(r + b) : r;
  }
}

template <class T>
T floor_div(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (b == 0) return a / b;
    T mod = std::fmod(a, b), div = (a - mod) / b;
    if (mod != 0 && (b < 0) != (mod < 0)) div -= 1;
    if (div == 0) return std::copysign(T(0), a / b);
    T f = std::floor(div);
    return div - f > T(0.5) ? f + 1 : f;
  } else {
    if (minus_one(b)) return T(-a);
    T q = T(a / b);
    return a % b != 0 && (a < 0) != (b < 0) ? T(q - 1) : q;
  }
}

// The remainder of a quotient that T counts exactly, with one rounding at most: `q` may be one too large or too small
// where a / b is next to a whole number, and what is left of a is exact either way.
template <class T>
T near_mod(T a, T b, T q) {
  T r = q == 0 ? a : std::fma(-q, b, a);
  const T step = std::copysign(b, a);
  r = r != 0 && (r < 0) != (a < 0) ? r + step : r;
  r = std::fabs(r) >= std::fabs(b) && q != 0 ? r - step : r;
  return r == 0 ? std::copysign(T(0), a) : r;
}
template <class T>
T near_floor_mod(T a, T b, T q) {
  const T r = near_mod(a, b, q);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
template <class T>
T near_floor_div(T a, T b, T q) {
  const T mod = near_mod(a, b, q);
  T div = (a - mod) / b;
  div = mod != 0 && (b < 0) != (mod < 0) ? div - 1 : div;
  T f = std::floor(div);
  f = div - f > T(0.5) ? f + 1 : f;
  return div == 0 ? std::copysign(T(0), a / b) : f;
}

// Near(a, b, trunc(a / b)) on vectors; Exact(a, b) where the quotient is too large for that, or none.
template <class T, class Near, class Exact>
void by_quotient(char* const* p, const bool* single, int64_t n, const EwParams&) {
  constexpr T kLargest = T(int64_t(1) << (std::numeric_limits<T>::digits - 1));
  constexpr int64_t kBlock = 512;
  T* y = reinterpret_cast<T*>(p[0]);
  T first[kBlock], second[kBlock];
  for (int64_t at = 0; at < n; at += kBlock) {
    const int64_t count = std::min(kBlock, n - at);
    // Copied: the result may lie over an operand that the second look needs.
    for (int k = 0; k < 2; k++) {
      const T* x = reinterpret_cast<const T*>(p[k + 1]);
      T* to = k ? second : first;
      if (single[k + 1])
        std::fill_n(to, count, *x);
      else
        std::copy_n(x + at, count, to);
    }
    int64_t exact = 0;
    for (int64_t i = 0; i < count; i++) exact += std::fabs(first[i] / second[i]) < kLargest;
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) y[at + i] = Near{}(first[i], second[i], std::trunc(first[i] / second[i]));
    if (exact == count) continue;
    for (int64_t i = 0; i < count; i++)
      if (!(std::fabs(first[i] / second[i]) < kLargest)) y[at + i] = Exact{}(first[i], second[i]);
  }
}

}  // namespace lampas::cpu
