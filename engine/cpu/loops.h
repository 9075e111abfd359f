// How the CPU runs an elementwise kernel over strided, broadcast operands of mixed types.
#pragma once

#include <algorithm>

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
  for_wide<T>(0, n, [&](int64_t i, const auto& access) { access.store(y + i, call(access.load(x + i))); });
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
  for_wide<T>(0, n, [&](int64_t i, const auto& access) {
    const V u = single[1] ? lone[0] : access.load(a + i);
    const V v = single[2] ? lone[1] : access.load(b + i);
    access.store(y + i, call(u, v));
  });
}

// A kernel of floats on bfloat16 numbers, which gives floats. float16 has no such kernels: compilers turn it into
// floats one by one.
template <class F>
struct Brief1 {
  float operator()(BFloat16 x) const
    requires std::is_invocable_v<F, float>
  {
    return F{}(float(x));
  }
  float operator()(BFloat16 x, const EwParams& q) const
    requires std::is_invocable_v<F, float, const EwParams&>
  {
    return F{}(float(x), q);
  }
};
template <class F>
struct Brief2 {
  float operator()(BFloat16 a, BFloat16 b) const
    requires std::is_invocable_v<F, float, float>
  {
    return F{}(float(a), float(b));
  }
  float operator()(BFloat16 a, BFloat16 b, const EwParams& q) const
    requires std::is_invocable_v<F, float, float, const EwParams&>
  {
    return F{}(float(a), float(b), q);
  }
};

// Runs `fn`, which gives floats, on blocks of bfloat16 numbers and rounds what it gives: the processor has an
// instruction for it that compilers do not find.
template <BlockFn fn, int inputs>
void rounded(char* const* p, const bool* single, int64_t n, const EwParams& params) {
  constexpr int64_t kBlock = 512;
  float results[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = std::min(kBlock, n - i);
    char* at[1 + inputs] = {reinterpret_cast<char*>(results)};
    for (int k = 1; k <= inputs; k++) at[k] = p[k] + (single[k] ? 0 : i * sizeof(BFloat16));
    fn(at, single, count, params);
    narrow_run(results, count, reinterpret_cast<BFloat16*>(p[0]) + i);
  }
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
  if constexpr ((std::is_same_v<T, float> || ...))
    kernel(op, DType::BFloat16) = &detail::rounded<detail::map1<float, BFloat16, detail::Brief1<F>>, 1>;
}
template <class Out, class... T, class F>
void unary_kernel_to(Ew op, Types<T...>, F) {
  ((kernel(op, dtype_of<T>) = &detail::map1<Out, T, F>), ...);
}
template <class... T, class F>
void binary_kernel(Ew op, Types<T...>, F) {
  ((kernel(op, dtype_of<T>) = &detail::map2<T, T, F>), ...);
  if constexpr ((std::is_same_v<T, float> || ...))
    kernel(op, DType::BFloat16) = &detail::rounded<detail::map2<float, BFloat16, detail::Brief2<F>>, 2>;
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
