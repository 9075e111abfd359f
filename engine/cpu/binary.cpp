// Elementwise kernels of two and three inputs.
#include <numeric>

#include "cpu/fast_math.h"
#include "cpu/loops.h"
#include "cpu/quotients.h"

namespace lampas::cpu {

namespace {

// max(a, b) + rest, where rest is the logarithm of 1 + e^-|a - b|; equal infinities have no difference.
template <class V>
V log_add(V a, V b, V rest) {
  const V larger = simd::max(a, b);
  return simd::select((a == b) & (larger - larger != 0), a, larger + rest);
}

template <class T>
T int_pow(T base, T e) {
  if (e < 0) return base == 1 ? T(1) : base == T(-1) ? (e % 2 ? T(-1) : T(1)) : T(0);
  T result = 1;
  for (; e; e = T(e / 2)) {
    if (e & 1) result = T(result * base);
    base = T(base * base);
  }
  return result;
}

template <class T>
void check_divisors(const bool* single, char* const* p, int64_t n) {
  const T* b = reinterpret_cast<const T*>(p[2]);
  bool zero = false;
  for (int64_t i = 0, e = single[2] ? 1 : n; i < e; i++) zero |= b[i] == 0;
  if (zero) fail("ZeroDivisionError");
}

// Integer division: the whole block is checked for zero divisors first.
template <class T, class F>
void checked(char* const* p, const bool* single, int64_t n, const EwParams& q) {
  check_divisors<T>(single, p, n);
  detail::map2<T, T, F>(p, single, n, q);
}
template <class... T, class F>
void checked_kernel(Ew op, Types<T...>, F) {
  ((kernel(op, dtype_of<T>) = &checked<T, F>), ...);
}

// F(a, b, a mod b with the sign of a); of integers, once the block is known to hold no zero divisor.
template <class F>
void quotient_kernel(Ew op, F) {
  kernel(op, DType::Float32) = &by_quotient<float, F>;
  kernel(op, DType::Float64) = &by_quotient<double, F>;
  checked_kernel(op, Integers{}, [](auto a, auto b) {
    using T = decltype(a);
    return F{}(a, b, minus_one(b) ? T(0) : T(a % b));
  });
}

// A constant exponent of 2, 3, 1/2, -1/2, -1 or -2 needs no logarithm.
template <class T>
void pow_block(char* const* p, const bool* single, int64_t n, const EwParams& q) {
  if (single[2] && !single[1]) {
    T e = *reinterpret_cast<const T*>(p[2]);
    T* y = reinterpret_cast<T*>(p[0]);
    const T* x = reinterpret_cast<const T*>(p[1]);
    auto each = [&](auto f) {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; i++) y[i] = f(x[i]);
    };
    if (e == 2) return each([](T v) { return v * v; });
    if (e == 3) return each([](T v) { return v * v * v; });
    if (e == T(0.5)) return each([](T v) { return std::sqrt(v); });
    if (e == T(-0.5)) return each([](T v) { return 1 / std::sqrt(v); });
    if (e == -1) return each([](T v) { return 1 / v; });
    if (e == -2) return each([](T v) { return 1 / (v * v); });
  }
  auto f = [](auto a, auto b) { return simd::pow(a, b); };
  detail::vmap2<T, decltype(f)>(p, single, n, q);
}

template <class T, class F>
void map3(char* const* p, const bool* single, int64_t n, const EwParams& params) {
  const EwParams q = params;
  T* y = reinterpret_cast<T*>(p[0]);
  const T *a = reinterpret_cast<const T*>(p[1]), *b = reinterpret_cast<const T*>(p[2]),
          *c = reinterpret_cast<const T*>(p[3]);
  int64_t sa = !single[1], sb = !single[2], sc = !single[3];
  F f;
  if (sa && sb && sc) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = f(a[i], b[i], c[i], q);
  } else if (sa && sb) {
    const T w = *c;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = f(a[i], b[i], w, q);
  } else if (sa && !sc) {
    const T v = *b, w = *c;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = f(a[i], v, w, q);
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = f(a[i * sa], b[i * sb], c[i * sc], q);
  }
}
template <class... T, class F>
void ternary_kernel(Ew op, Types<T...>, F) {
  ((kernel(op, dtype_of<T>) = &map3<T, F>), ...);
}

template <class T>
void where_block(char* const* p, const bool* single, int64_t n, const EwParams&) {
  T* y = reinterpret_cast<T*>(p[0]);
  const uint8_t* c = reinterpret_cast<const uint8_t*>(p[1]);
  const T *a = reinterpret_cast<const T*>(p[2]), *b = reinterpret_cast<const T*>(p[3]);
  int64_t sc = !single[1], sa = !single[2], sb = !single[3];
  // By masks: a row's end would branch, and conditions are seldom foreseen.
  const auto pick = [](uint8_t which, T u, T v) {
    if constexpr (std::is_integral_v<T>) {
      const T mask = which ? T(-1) : T(0);
      return T((u & mask) | (v & ~mask));
    } else {
      return which ? u : v;
    }
  };
  if (sc && sa && sb) {
    for (int64_t i = 0; i < n; i++) y[i] = pick(c[i], a[i], b[i]);
  } else if (sc && sa) {
    const T v = *b;
    for (int64_t i = 0; i < n; i++) y[i] = pick(c[i], a[i], v);
  } else if (sc && sb) {
    const T u = *a;
    for (int64_t i = 0; i < n; i++) y[i] = pick(c[i], u, b[i]);
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = pick(c[i * sc], a[i * sa], b[i * sb]);
  }
}

template <class F>
void comparison(Ew op, F f) {
  binary_kernel_to<bool>(op, Floats{}, f);
  binary_kernel_to<bool>(op, Integers{}, f);
  binary_kernel_to<bool>(op, Bools{}, f);
}

template <class F>
void logical(Ew op, F) {
  auto g = [](auto a, auto b) { return F{}(a != decltype(a)(0), b != decltype(b)(0)); };
  binary_kernel_to<bool>(op, Floats{}, g);
  binary_kernel_to<bool>(op, Integers{}, g);
  binary_kernel_to<bool>(op, Complexes{}, g);
  binary_kernel_to<bool>(op, Bools{}, [](bool a, bool b) { return F{}(a, b); });
}

template <class T>
T of(const EwParams& p) {
  if constexpr (std::is_integral_v<T>)
    return T(p.i[0]);
  else if constexpr (std::is_floating_point_v<T>)
    return T(p.v[0]);
  else
    return T(p.c[0]);
}

}  // namespace

void register_binary_kernels() {
  auto add = [](auto a, auto b, const EwParams& p) { return decltype(a)(a + b * of<decltype(a)>(p)); };
  binary_kernel(Ew::Add, FloatsAndComplexes{}, add);
  binary_kernel(Ew::Add, Integers{}, add);
  binary_kernel(Ew::Add, Bools{}, [](bool a, bool b) { return a || b; });
  auto sub = [](auto a, auto b, const EwParams& p) { return decltype(a)(a - b * of<decltype(a)>(p)); };
  binary_kernel(Ew::Sub, FloatsAndComplexes{}, sub);
  binary_kernel(Ew::Sub, Integers{}, sub);
  auto mul = [](auto a, auto b) { return decltype(a)(a * b); };
  binary_kernel(Ew::Mul, FloatsAndComplexes{}, mul);
  binary_kernel(Ew::Mul, Integers{}, mul);
  binary_kernel(Ew::Mul, Bools{}, [](bool a, bool b) { return a && b; });
  binary_kernel(Ew::Div, FloatsAndComplexes{}, [](auto a, auto b) { return a / b; });
  quotient_kernel(Ew::FloorDivide, [](auto a, auto b, auto mod) { return floor_quotient(a, b, mod); });
  binary_kernel(Ew::TruncDivide, Floats{}, [](auto a, auto b) { return std::trunc(a / b); });
  checked_kernel(Ew::TruncDivide, Integers{}, [](auto a, auto b) { return decltype(a)(minus_one(b) ? -a : a / b); });
  quotient_kernel(Ew::Remainder, [](auto, auto b, auto mod) { return floored(mod, b); });
  quotient_kernel(Ew::Fmod, [](auto, auto, auto mod) { return mod; });
  kernel(Ew::Pow, DType::Float32) = &pow_block<float>;
  kernel(Ew::Pow, DType::Float64) = &pow_block<double>;
  binary_kernel(Ew::Pow, Integers{}, [](auto a, auto b) { return int_pow(a, b); });
  binary_kernel(Ew::Pow, Bools{}, [](bool a, bool b) { return a || !b; });
  binary_kernel(Ew::Pow, Complexes{}, [](auto a, auto b) {
    using C = decltype(a);
    if (b == C(0)) return C(1);
    if (a == C(0)) return b.real() > 0 ? C(0) : C(INFINITY, NAN);
    return b == C(2) ? a * a : std::pow(a, b);
  });
  binary_kernel(Ew::Maximum, Floats{}, [](auto a, auto b) { return a != a ? a : b != b ? b : a > b ? a : b; });
  binary_kernel(Ew::Minimum, Floats{}, [](auto a, auto b) { return a != a ? a : b != b ? b : a < b ? a : b; });
  binary_kernel(Ew::Fmax, Floats{}, [](auto a, auto b) { return a > b || b != b ? a : b; });
  binary_kernel(Ew::Fmin, Floats{}, [](auto a, auto b) { return a < b || b != b ? a : b; });
  for (Ew op : {Ew::Maximum, Ew::Fmax}) {
    binary_kernel(op, Integers{}, [](auto a, auto b) { return a > b ? a : b; });
    binary_kernel(op, Bools{}, [](bool a, bool b) { return a || b; });
  }
  for (Ew op : {Ew::Minimum, Ew::Fmin}) {
    binary_kernel(op, Integers{}, [](auto a, auto b) { return a < b ? a : b; });
    binary_kernel(op, Bools{}, [](bool a, bool b) { return a && b; });
  }
  vector_kernel2(Ew::Atan2, [](auto a, auto b) { return simd::atan2(a, b); });
  vector_kernel2(Ew::Hypot, [](auto a, auto b) { return simd::hypot(a, b); });
  binary_kernel(Ew::Copysign, Floats{}, [](auto a, auto b) { return std::copysign(a, b); });
  vector_kernel2(Ew::Xlogy, [](auto a, auto b) {
    using V = decltype(a);
    return simd::select(b != b, b, simd::select(a == 0, V{}, a * simd::log(b)));
  });
  vector_kernel2(Ew::LogAddExp,
                 [](auto a, auto b) { return log_add(a, b, simd::log1p(simd::fast_exp(-simd::abs(a - b)))); });
  binary_kernel(Ew::LogAddExp, Complexes{}, [](auto a, auto b) {
    using C = decltype(a);
    bool first = a.real() > b.real();
    C m = first ? a : b, d = first ? b - a : a - b;
    return m + std::log(C(1) + std::exp(d));
  });
  vector_kernel2(Ew::LogAddExp2, [](auto a, auto b) {
    using E = simd::ElementOf<decltype(a)>;
    return log_add(a, b, simd::log1p(simd::exp2(-simd::abs(a - b))) * E(M_LOG2E));
  });
  binary_kernel(Ew::NextAfter, Floats{}, [](auto a, auto b) { return std::nextafter(a, b); });
  binary_kernel(Ew::Heaviside, Floats{}, [](auto a, auto b) {
    using T = decltype(a);
    return a == 0 ? b : a < 0 ? T(0) : T(a > 0);
  });
  binary_kernel(Ew::Heaviside, Integers{}, [](auto a, auto b) {
    using T = decltype(a);
    return a == 0 ? b : T(a > 0);
  });
  binary_kernel(Ew::Heaviside, Bools{}, [](bool a, bool b) { return a || b; });
  binary_kernel(Ew::BitAnd, Integers{}, [](auto a, auto b) { return decltype(a)(a & b); });
  binary_kernel(Ew::BitOr, Integers{}, [](auto a, auto b) { return decltype(a)(a | b); });
  binary_kernel(Ew::BitXor, Integers{}, [](auto a, auto b) { return decltype(a)(a ^ b); });
  binary_kernel(Ew::BitAnd, Bools{}, [](bool a, bool b) { return a && b; });
  binary_kernel(Ew::BitOr, Bools{}, [](bool a, bool b) { return a || b; });
  binary_kernel(Ew::BitXor, Bools{}, [](bool a, bool b) { return a != b; });
  // A shift by the width or more empties the number, as if done bit by bit.
  binary_kernel(Ew::ShiftLeft, Integers{}, [](auto a, auto b) {
    using T = decltype(a);
    return b < 0 || uint64_t(b) >= sizeof(T) * 8 ? T(0) : T(uint64_t(a) << b);
  });
  binary_kernel(Ew::ShiftRight, Integers{}, [](auto a, auto b) {
    using T = decltype(a);
    uint64_t width = sizeof(T) * 8 - (std::is_signed_v<T> ? 1 : 0);
    return b < 0 || uint64_t(b) >= width
               ? T(a >> int(width - (std::is_signed_v<T> ? 0 : 1)) >> (std::is_signed_v<T> ? 0 : 1))
               : T(a >> b);
  });
  binary_kernel(Ew::Gcd, Integers{}, [](auto a, auto b) { return decltype(a)(std::gcd(a, b)); });
  binary_kernel(Ew::Lcm, Integers{}, [](auto a, auto b) {
    auto g = std::gcd(a, b);
    return decltype(a)(g == 0 ? 0 : std::abs(int64_t(a / g * b)));
  });
  comparison(Ew::Eq, [](auto a, auto b) { return a == b; });
  comparison(Ew::Ne, [](auto a, auto b) { return a != b; });
  comparison(Ew::Lt, [](auto a, auto b) { return a < b; });
  comparison(Ew::Le, [](auto a, auto b) { return a <= b; });
  comparison(Ew::Gt, [](auto a, auto b) { return a > b; });
  comparison(Ew::Ge, [](auto a, auto b) { return a >= b; });
  binary_kernel_to<bool>(Ew::Eq, Complexes{}, [](auto a, auto b) { return a == b; });
  binary_kernel_to<bool>(Ew::Ne, Complexes{}, [](auto a, auto b) { return a != b; });
  logical(Ew::LogicalAnd, [](bool a, bool b) { return a && b; });
  logical(Ew::LogicalOr, [](bool a, bool b) { return a || b; });
  logical(Ew::LogicalXor, [](bool a, bool b) { return a != b; });
  binary_kernel_to<complex64>(Ew::Complex, Types<float>{}, [](float a, float b) { return complex64(a, b); });
  binary_kernel_to<complex128>(Ew::Complex, Types<double>{}, [](double a, double b) { return complex128(a, b); });
  binary_kernel_to<complex64>(Ew::Polar, Types<float>{},
                              [](float a, float b) { return complex64(a * std::cos(b), a * std::sin(b)); });
  binary_kernel_to<complex128>(Ew::Polar, Types<double>{},
                               [](double a, double b) { return complex128(a * std::cos(b), a * std::sin(b)); });
}

void register_ternary_kernels() {
  for (int d = 0; d < kDTypes; d++)
    dispatch_size(item_size(DType(d)), [&]<class T>(TypeTag<T>) { kernel(Ew::Where, DType(d)) = &where_block<T>; });
  ternary_kernel(Ew::Lerp, Floats{}, [](auto a, auto b, auto w, const EwParams&) {
    return std::fabs(w) < decltype(a)(0.5) ? a + w * (b - a) : b - (b - a) * (1 - w);
  });
  ternary_kernel(Ew::Lerp, Complexes{}, [](auto a, auto b, auto w, const EwParams&) {
    using C = decltype(a);
    return std::abs(w) < 0.5 ? a + w * (b - a) : b - (b - a) * (C(1) - w);
  });
  auto addcmul = [](auto a, auto b, auto c, const EwParams& p) {
    using T = decltype(a);
    return T(a + of<T>(p) * b * c);
  };
  ternary_kernel(Ew::AddCMul, FloatsAndComplexes{}, addcmul);
  ternary_kernel(Ew::AddCMul, Integers{}, addcmul);
  ternary_kernel(Ew::AddCDiv, FloatsAndComplexes{}, [](auto a, auto b, auto c, const EwParams& p) {
    using T = decltype(a);
    return T(a + of<T>(p) * b / c);
  });
  auto clamp = [](auto x, auto lo, auto hi, const EwParams&) {
    // A NaN anywhere is the result; written so that it vectorises.
    auto y = x < lo || lo != lo ? lo : x;
    y = y > hi || hi != hi ? hi : y;
    return x != x ? x : y;
  };
  ternary_kernel(Ew::Clamp, Floats{}, clamp);
  ternary_kernel(Ew::Clamp, Integers{}, clamp);
}

}  // namespace lampas::cpu
