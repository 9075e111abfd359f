// How the CPU runs an elementwise kernel over strided, broadcast operands of mixed types.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/dtype.h"
#include "cpu/simd.h"
#include "cpu/widen.h"
#include "ops/kernels.h"

namespace lampas {

namespace cpu {

// Works on n elements: p[0] the result, p[i] input i, contiguous, or a single value where single[i].
using BlockFn = void (*)(char* const* p, const bool* single, int64_t n, const EwParams& params);
using ConvertFn = void (*)(const void* from, void* to, int64_t n);

BlockFn& kernel(Ew op, DType compute);
ConvertFn converter(DType from, DType to);
void run(Loop& loop, BlockFn fn, const EwParams& params);
void register_unary_kernels();
void register_special_kernels();
void register_binary_kernels();
void register_activation_kernels();
void register_ternary_kernels();

namespace detail {

// Plain loops the compiler vectorises. Out and In are the kernel's result and input types. The parameters are copied,
// so that one which only some elements need can be loaded before the loop.
template <class Out, class In, class F>
void map1(char* const* p, const bool* single, int64_t n, const EwParams& params) {
  const EwParams q = params;
  Out* __restrict y = reinterpret_cast<Out*>(p[0]);
  const In* x = reinterpret_cast<const In*>(p[1]);
  F f;
  if (single[1]) {
    Out v;
    if constexpr (std::is_invocable_v<F, In, const EwParams&>)
      v = f(*x, q);
    else
      v = f(*x);
    for (int64_t i = 0; i < n; i++) y[i] = v;
    return;
  }
  if constexpr (std::is_invocable_v<F, In, const EwParams&>) {
    for (int64_t i = 0; i < n; i++) y[i] = f(x[i], q);
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = f(x[i]);
  }
}

template <class Out, class In, class F>
void map2(char* const* p, const bool* single, int64_t n, const EwParams& params) {
  const EwParams q = params;
  Out* y = reinterpret_cast<Out*>(p[0]);
  const In* a = reinterpret_cast<const In*>(p[1]);
  const In* b = reinterpret_cast<const In*>(p[2]);
  F f;
  auto call = [&](In u, In v) -> Out {
    if constexpr (std::is_invocable_v<F, In, In, const EwParams&>)
      return f(u, v, q);
    else
      return f(u, v);
  };
  if (single[1] && single[2]) {
    const Out v = call(*a, *b);
    for (int64_t i = 0; i < n; i++) y[i] = v;
  } else if (single[1]) {
    const In u = *a;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = call(u, b[i]);
  } else if (single[2]) {
    const In v = *b;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = call(a[i], v);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = call(a[i], b[i]);
  }
}

// Kernels written on whole vectors (transcendental functions); those of floats take bfloat16 numbers as well.
template <class T, class F>
void vmap1(char* const* p, const bool* single, int64_t n, const EwParams& params) {
  const EwParams q = params;
  using V = simd::Vec<Compute<T>>;
  T* y = reinterpret_cast<T*>(p[0]);
  const T* x = reinterpret_cast<const T*>(p[1]);
  F f;
  auto call = [&](V v) -> V {
    if constexpr (std::is_invocable_v<F, V, const EwParams&>)
      return f(v, q);
    else
      return f(v);
  };
  if (single[1]) {
    const V v = call(simd::splat<V>(Compute<T>(*x)));
    std::fill(y, y + n, T(v[0]));
    return;
  }
  write_wide(n, y, [=](int64_t i, const auto& access) { return call(access.load(x + i)); });
}

template <class T, class F>
void vmap2(char* const* p, const bool* single, int64_t n, const EwParams& params) {
  const EwParams q = params;
  using V = simd::Vec<Compute<T>>;
  T* y = reinterpret_cast<T*>(p[0]);
  const T *a = reinterpret_cast<const T*>(p[1]), *b = reinterpret_cast<const T*>(p[2]);
  F f;
  auto call = [&](V u, V v) -> V {
    if constexpr (std::is_invocable_v<F, V, V, const EwParams&>)
      return f(u, v, q);
    else
      return f(u, v);
  };
  V lone[2]{};
  for (int k = 0; k < 2; k++)
    if (single[k + 1]) lone[k] = simd::splat<V>(Compute<T>(k ? *b : *a));
  write_wide(n, y, [&](int64_t i, const auto& access) {
    const V u = single[1] ? lone[0] : access.load(a + i);
    const V v = single[2] ? lone[1] : access.load(b + i);
    return call(u, v);
  });
}

// Two bfloat16 numbers side by side.
struct Halves {
  float first, second;
};
inline Halves halves(const BFloat16* two) {
  uint32_t x;
  std::memcpy(&x, two, sizeof x);
  return {std::bit_cast<float>(x << 16), std::bit_cast<float>(x & 0xffff0000u)};
}

// A kernel of floats on bfloat16 numbers. Compilers make vectors of it without shuffles, as the first and the second
// numbers of pairs are computed with apart; rounding puts them together again. (float16 has no such kernels: compilers
// turn it into floats one by one.)
template <class F, int inputs>
void brief(char* const* p, const bool* single, int64_t n, const EwParams& params) {
  constexpr int64_t kBlock = 256;  // pairs
  if (n == 0) return;
  const EwParams q = params;
  const auto call = [&q](auto... x) -> float {
    if constexpr (std::is_invocable_v<F, decltype(x)..., const EwParams&>)
      return F{}(x..., q);
    else
      return F{}(x...);
  };
  BFloat16* const y = reinterpret_cast<BFloat16*>(p[0]);
  const auto each = [&](auto... x) {  // x(i): pair i of an input
    float first[kBlock], second[kBlock];
    for (int64_t begin = 0; begin < n / 2; begin += kBlock) {
      const int64_t count = std::min(kBlock, n / 2 - begin);
#pragma GCC ivdep
      for (int64_t i = 0; i < count; i++) {
        first[i] = call(x(begin + i).first...);
        second[i] = call(x(begin + i).second...);
      }
      narrow_pairs(first, second, count, y + 2 * begin);
    }
  };
  const auto pairs = [p](int k) {
    return [x = reinterpret_cast<const BFloat16*>(p[k])](int64_t i) { return halves(x + 2 * i); };
  };
  const auto same = [p](int k) {
    const float x = float(*reinterpret_cast<const BFloat16*>(p[k]));
    return [x](int64_t) { return Halves{x, x}; };
  };
  const auto at = [&](int k, int64_t i) { return float(reinterpret_cast<const BFloat16*>(p[k])[single[k] ? 0 : i]); };
  const int64_t last = n - 1;
  BFloat16 end;  // computed before y, which may be an input, is written
  if constexpr (inputs == 1) {
    end = BFloat16(call(at(1, last)));
    single[1] ? each(same(1)) : each(pairs(1));
  } else {
    end = BFloat16(call(at(1, last), at(2, last)));
    if (single[1])
      single[2] ? each(same(1), same(2)) : each(same(1), pairs(2));
    else
      single[2] ? each(pairs(1), same(2)) : each(pairs(1), pairs(2));
  }
  if (n % 2) y[last] = end;
}

}  // namespace detail

// Registration: a stateless functor for each type of a list. One of floats also gets a kernel on bfloat16 alone, which
// computes in float and saves operands the way through a buffer.
template <class... T>
struct Types {};
using Floats = Types<float, double>;
using Complexes = Types<complex64, complex128>;
using FloatsAndComplexes = Types<float, double, complex64, complex128>;
using Integers = Types<uint8_t, int8_t, int16_t, int32_t, int64_t>;
using Bools = Types<bool>;

template <class... T, class F>
void unary_kernel(Ew op, Types<T...>, F) {
  ((kernel(op, dtype_of<T>) = &detail::map1<T, T, F>), ...);
  if constexpr ((std::is_same_v<T, float> || ...)) kernel(op, DType::BFloat16) = &detail::brief<F, 1>;
}
template <class Out, class... T, class F>
void unary_kernel_to(Ew op, Types<T...>, F) {
  ((kernel(op, dtype_of<T>) = &detail::map1<Out, T, F>), ...);
}
template <class... T, class F>
void binary_kernel(Ew op, Types<T...>, F) {
  ((kernel(op, dtype_of<T>) = &detail::map2<T, T, F>), ...);
  if constexpr ((std::is_same_v<T, float> || ...)) kernel(op, DType::BFloat16) = &detail::brief<F, 2>;
}
template <class Out, class... T, class F>
void binary_kernel_to(Ew op, Types<T...>, F) {
  ((kernel(op, dtype_of<T>) = &detail::map2<Out, T, F>), ...);
}
template <class F>
void vector_kernel(Ew op, F) {
  kernel(op, DType::Float32) = &detail::vmap1<float, F>;
  kernel(op, DType::Float64) = &detail::vmap1<double, F>;
  kernel(op, DType::BFloat16) = &detail::vmap1<BFloat16, F>;
}
template <class F>
void vector_kernel2(Ew op, F) {
  kernel(op, DType::Float32) = &detail::vmap2<float, F>;
  kernel(op, DType::Float64) = &detail::vmap2<double, F>;
  kernel(op, DType::BFloat16) = &detail::vmap2<BFloat16, F>;
}

}  // namespace cpu
}  // namespace lampas
