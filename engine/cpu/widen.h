// Runs of 16-bit floats as float32 and back, for kernels that compute in float32.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>
#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "core/dtype.h"

namespace lampas::cpu {

inline void widen_run(const BFloat16* x, int64_t n, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = std::bit_cast<float>(uint32_t(x[i].bits) << 16);
}
inline void narrow_run(const float* x, int64_t n, BFloat16* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const uint32_t u = std::bit_cast<uint32_t>(x[i]), rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    y[i].bits = uint16_t((u & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
  }
}
inline void widen_run(const Half* x, int64_t n, float* y) {
  int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
#endif
  for (; i < n; i++) y[i] = float(x[i]);
}
inline void narrow_run(const float* x, int64_t n, Half* y) {
  int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; i++) y[i] = Half(x[i]);
}

// A run in the compute type: where it lies if it is that already, else converted into `buffer`.
template <class T, class C>
inline const C* widened(const T* x, int64_t n, C* buffer) {
  if constexpr (std::is_same_v<T, C>) {
    return x;
  } else {
    widen_run(x, n, buffer);
    return buffer;
  }
}
// Where a run of results is to be written before `narrow_back`.
template <class T, class C>
inline C* write_place(T* y, C* buffer) {
  if constexpr (std::is_same_v<T, C>)
    return y;
  else
    return buffer;
}
template <class T, class C>
inline void narrow_back(const C* written, int64_t n, T* y) {
  if constexpr (!std::is_same_v<T, C>) narrow_run(written, n, y);
}

}  // namespace lampas::cpu
