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

// The remainder with the sign of b, from the one with that of a.
template <class T>
T floored(T mod, T b) {
  return mod != 0 && (mod < 0) != (b < 0) ? T(mod + b) : mod;
}

// a / b rounded down: floats from a and what fmod left of it.
template <class T>
T floor_quotient(T a, T b, T mod) {
  if constexpr (std::is_floating_point_v<T>) {
    T div = (a - mod) / b;
    div = mod != 0 && (b < 0) != (mod < 0) ? div - 1 : div;
    T f = std::floor(div);
    f = div - f > T(0.5) ? f + 1 : f;
    return b == 0 ? a / b : div == 0 ? std::copysign(T(0), a / b) : f;
  } else {
    if (minus_one(b)) return T(-a);
    const T q = T(a / b);
    return mod != 0 && (a < 0) != (b < 0) ? T(q - 1) : q;
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

// F(a, b, fmod(a, b)) on vectors; by libm where the quotient is too large for that, or none.
template <class T, class F>
void by_quotient(char* const* p, const bool* single, int64_t n, const EwParams&) {
  constexpr T kLargest = T(int64_t(1) << (std::numeric_limits<T>::digits - 1));
  constexpr int64_t kBlock = 512;
  T* y = reinterpret_cast<T*>(p[0]);
  T first[kBlock], second[kBlock], ratio[kBlock];
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
    int64_t near = 0;
    for (int64_t i = 0; i < count; i++) near += std::fabs(ratio[i] = first[i] / second[i]) < kLargest;
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++)
      y[at + i] = F{}(first[i], second[i], near_mod(first[i], second[i], std::trunc(ratio[i])));
    if (near == count) continue;
    for (int64_t i = 0; i < count; i++)
      if (!(std::fabs(ratio[i]) < kLargest)) y[at + i] = F{}(first[i], second[i], std::fmod(first[i], second[i]));
  }
}

}  // namespace lampas::cpu
