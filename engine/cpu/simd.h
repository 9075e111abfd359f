// Vectors of floats and doubles as wide as the machine's, and glibc's vector mathematics (libmvec) on them.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace lampas::simd {

#if defined(__AVX512F__)
inline constexpr int kBytes = 64;
#else
inline constexpr int kBytes = 32;
#endif

typedef float vf __attribute__((vector_size(kBytes)));
typedef double vd __attribute__((vector_size(kBytes)));
typedef int32_t vi __attribute__((vector_size(kBytes)));
typedef int64_t vl __attribute__((vector_size(kBytes)));

template <class T>
struct VecOf;
template <>
struct VecOf<float> {
  using type = vf;
  using mask = vi;
};
template <>
struct VecOf<double> {
  using type = vd;
  using mask = vl;
};
template <class T>
using Vec = typename VecOf<T>::type;
template <class V>
using ElementOf = std::remove_reference_t<decltype(std::declval<V&>()[0])>;
template <class V>
inline constexpr int kLanes = int(sizeof(V) / sizeof(ElementOf<V>));

template <class V>
inline V load(const void* p) {
  V v;
  std::memcpy(&v, p, sizeof(V));
  return v;
}
template <class V>
inline void store(void* p, V v) {
  std::memcpy(p, &v, sizeof(V));
}
template <class V>
inline V splat(ElementOf<V> x) {
  return x - V{};
}

// mask ? a : b
template <class V, class M>
inline V select(M m, V a, V b) {
  return m ? a : b;
}
template <class V>
inline V abs(V x) {
  return x < 0 ? -x : (x == 0 ? V{} : x);
}
template <class V>
inline V max(V a, V b) {
  return (a > b) | (a != a) ? a : b;
}  // a NaN on either side stays
template <class V>
inline V min(V a, V b) {
  return (a < b) | (a != a) ? a : b;
}

// The smaller and the greater of two in one instruction; of a NaN and a number, the second argument.
// With all lanes masked in, because GCC 12 takes the plain intrinsics' unused operand for an uninitialised value.
#if defined(__AVX512F__)
inline vf lesser(vf a, vf b) { return (vf)_mm512_maskz_min_ps(__mmask16(-1), (__m512)a, (__m512)b); }
inline vf greater(vf a, vf b) { return (vf)_mm512_maskz_max_ps(__mmask16(-1), (__m512)a, (__m512)b); }
inline vd greater(vd a, vd b) { return (vd)_mm512_maskz_max_pd(__mmask8(-1), (__m512d)a, (__m512d)b); }
#else
inline vf lesser(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
inline vf greater(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
inline vd greater(vd a, vd b) { return (vd)_mm256_max_pd((__m256d)a, (__m256d)b); }
#endif

#if defined(__AVX512F__)
#define LAMPAS_VF(name) _ZGVeN16v_##name##f
#define LAMPAS_VD(name) _ZGVeN8v_##name
#define LAMPAS_VVF(name) _ZGVeN16vv_##name##f
#define LAMPAS_VVD(name) _ZGVeN8vv_##name
#else
#define LAMPAS_VF(name) _ZGVdN8v_##name##f
#define LAMPAS_VD(name) _ZGVdN4v_##name
#define LAMPAS_VVF(name) _ZGVdN8vv_##name##f
#define LAMPAS_VVD(name) _ZGVdN4vv_##name
#endif

#define LAMPAS_MATH1(name)                            \
  extern "C" [[gnu::const]] vf LAMPAS_VF(name)(vf);   \
  extern "C" [[gnu::const]] vd LAMPAS_VD(name)(vd);   \
  inline vf name(vf x) { return LAMPAS_VF(name)(x); } \
  inline vd name(vd x) { return LAMPAS_VD(name)(x); }
#define LAMPAS_MATH2(name)                                      \
  extern "C" vf LAMPAS_VVF(name)(vf, vf);                       \
  extern "C" vd LAMPAS_VVD(name)(vd, vd);                       \
  inline vf name(vf x, vf y) { return LAMPAS_VVF(name)(x, y); } \
  inline vd name(vd x, vd y) { return LAMPAS_VVD(name)(x, y); }

LAMPAS_MATH1(exp)
LAMPAS_MATH1(exp2)
LAMPAS_MATH1(expm1)
LAMPAS_MATH1(log)
LAMPAS_MATH1(log2)
LAMPAS_MATH1(log10)
LAMPAS_MATH1(log1p)
LAMPAS_MATH1(sin)
LAMPAS_MATH1(cos)
LAMPAS_MATH1(tan)
LAMPAS_MATH1(asin)
LAMPAS_MATH1(acos)
LAMPAS_MATH1(atan)
LAMPAS_MATH1(sinh)
LAMPAS_MATH1(cosh)
LAMPAS_MATH1(tanh)
LAMPAS_MATH1(asinh)
LAMPAS_MATH1(acosh)
LAMPAS_MATH1(atanh)
LAMPAS_MATH1(erf)
LAMPAS_MATH1(erfc)
LAMPAS_MATH1(cbrt)
LAMPAS_MATH2(pow)
LAMPAS_MATH2(atan2)
LAMPAS_MATH2(hypot)

// A lane-by-lane call of a scalar function, for what has no vector form.
template <class V, class F>
inline V each(V x, F f) {
  V y;
  for (int i = 0; i < kLanes<V>; i++) y[i] = f(x[i]);
  return y;
}

}  // namespace lampas::simd
