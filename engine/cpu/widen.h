// 16-bit floats as float32 and back, for kernels that compute in float32.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/dtype.h"
#include "cpu/lanes.h"

namespace lampas::cpu {

// ---- vectors -------------------------------------------------------------------------------------------------------

typedef uint16_t Bits16 __attribute__((vector_size(simd::kBytes / 2)));
typedef uint32_t Bits32 __attribute__((vector_size(simd::kBytes)));

// Not __builtin_convertvector where AVX-512 is there: GCC 12 takes it apart into halves.
template <class T>
inline simd::vf widen(Bits16 x) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, BFloat16>)
    return (simd::vf)((Bits32)_mm512_maskz_cvtepu16_epi32(__mmask16(-1), (__m256i)x) << 16);
  else
    return (simd::vf)_mm512_maskz_cvtph_ps(__mmask16(-1), (__m256i)x);
#else
  if constexpr (std::is_same_v<T, BFloat16>)
    return (simd::vf)((Bits32)_mm256_cvtepu16_epi32((__m128i)x) << 16);
  else
    return (simd::vf)_mm256_cvtph_ps((__m128i)x);
#endif
}
// The bits of bfloat16 numbers, each in the lower half of its place.
inline Bits32 rounded_bits(simd::vf x) {
  const Bits32 u = (Bits32)x, high = u >> 16, rounded = (u + 0x7fff + (high & 1)) >> 16;
  return x == x ? rounded : (high & 0x8000) | 0x7fc0;
}
#if defined(__AVX512BF16__)
// The processor's own rounding takes subnormal numbers for 0 and keeps what a NaN carries: those few are left to
// others.
inline bool processor_rounds(simd::vf x, simd::vf y) {
  constexpr int kNanOrSubnormal = 0x01 | 0x80 | 0x20;
  const __mmask16 few = _kor_mask16(_mm512_fpclass_ps_mask((__m512)x, kNanOrSubnormal),
                                    _mm512_fpclass_ps_mask((__m512)y, kNanOrSubnormal));
  return !few;
}
#endif
template <class T>
inline Bits16 narrow(simd::vf x) {
  if constexpr (std::is_same_v<T, BFloat16>) {
#if defined(__AVX512BF16__)
    if (processor_rounds(x, x)) [[likely]]
      return (Bits16)_mm512_cvtneps_pbh((__m512)x);
#endif
    const Bits32 result = rounded_bits(x);
#if defined(__AVX512F__)
    return (Bits16)_mm512_maskz_cvtepi32_epi16(__mmask16(-1), (__m512i)result);
#else
    return __builtin_convertvector(result, Bits16);
#endif
  } else {
#if defined(__AVX512F__)
    return (Bits16)_mm512_maskz_cvtps_ph(__mmask16(-1), (__m512)x, _MM_FROUND_TO_NEAREST_INT);
#else
    return (Bits16)_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT);
#endif
  }
}

// Pairs of bfloat16 numbers.
inline Bits32 narrow_pairs(simd::vf first, simd::vf second) {
#if defined(__AVX512BF16__)
  static constexpr auto order = [] {
    std::array<uint16_t, 32> o{};
    for (uint16_t i = 0; i < 32; i++) o[i] = uint16_t(i / 2 + i % 2 * 16);
    return o;
  }();
  if (processor_rounds(first, second)) [[likely]]
    return (Bits32)_mm512_permutexvar_epi16(_mm512_loadu_si512(order.data()),
                                            (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first));
#endif
  return rounded_bits(first) | rounded_bits(second) << 16;
}

// Accesses as for_vectors gives them, for 16-bit floats: loaded as float32, rounded where they are stored. What
// belongs to them in float32 is loaded and stored as it is.
template <class T>
struct Whole16 {
  simd::vf load(const float* p) const { return simd::load<simd::vf>(p); }
  simd::vf load(const T* p) const { return widen<T>(simd::load<Bits16>(p)); }
  void store(float* p, simd::vf v) const { simd::store(p, v); }
  void store(T* p, simd::vf v) const { simd::store(p, narrow<T>(v)); }
};
template <class T>
struct Lanes16 {
  int n;
  simd::vf load(const float* p) const { return gemm_detail::Lanes<float>(n).load(p); }
  simd::vf load(const T* p) const {
    Bits16 x{};
    std::memcpy(&x, p, n * sizeof(T));
    return widen<T>(x);
  }
  void store(float* p, simd::vf v) const { gemm_detail::Lanes<float>(n).store(p, v); }
  void store(T* p, simd::vf v) const {
    const Bits16 x = narrow<T>(v);
    std::memcpy(static_cast<void*>(p), &x, n * sizeof(T));
  }
};
// Calls f(i, access) for the vectors of [begin, end), in the compute type.
template <class T, class F>
inline void for_wide(int64_t begin, int64_t end, F&& f) {
  if constexpr (k16BitFloat<T>) {
    constexpr int W = simd::kLanes<simd::vf>;
    int64_t i = begin;
    for (; i + W <= end; i += W) f(i, Whole16<T>{});
    if (i < end) f(i, Lanes16<T>{int(end - i)});
  } else {
    for_vectors<T>(begin, end, f);
  }
}

// For pairs of bfloat16 numbers taken apart, which spares the shuffles of widening: the first of each pair, or the
// second. What belongs to them in float32 lies arranged so, the first of as many as two vectors hold before the second.
struct Firsts {
  simd::vf load(const float* p) const { return simd::load<simd::vf>(p); }
  simd::vf load(const BFloat16* p) const { return (simd::vf)(simd::load<Bits32>(p) << 16); }
};
struct Seconds {
  simd::vf load(const float* p) const { return simd::load<simd::vf>(p + simd::kLanes<simd::vf>); }
  simd::vf load(const BFloat16* p) const { return (simd::vf)(simd::load<Bits32>(p) & 0xffff0000u); }
};
constexpr int kPairs = 2 * simd::kLanes<simd::vf>;  // numbers that are taken so at a time

// y[i] = f(i, access) for i in [0, n), where f works on vectors: `access` loads the operands at i, which may be y.
template <class T, class F>
inline void write_wide(int64_t n, T* y, F&& f) {
  int64_t i = 0;
  if constexpr (std::is_same_v<T, BFloat16>)
    for (; i + kPairs <= n; i += kPairs) simd::store(y + i, narrow_pairs(f(i, Firsts{}), f(i, Seconds{})));
  for_wide<T>(i, n, [&](int64_t j, const auto& access) { access.store(y + j, f(j, access)); });
}

// ---- runs ----------------------------------------------------------------------------------------------------------

template <class T>
inline void widen_run(const T* x, int64_t n, float* y) {
  constexpr int W = simd::kLanes<simd::vf>;
  int64_t i = 0;
  for (; i + W <= n; i += W) simd::store(y + i, widen<T>(simd::load<Bits16>(x + i)));
  for (; i < n; i++) y[i] = float(x[i]);
}
template <class T>
inline void narrow_run(const float* x, int64_t n, T* y) {
  int64_t begin = 0;
#if defined(__AVX512BF16__)
  if constexpr (std::is_same_v<T, BFloat16>)
    for (simd::vf a, b; begin + kPairs <= n; begin += kPairs) {
      a = simd::load<simd::vf>(x + begin), b = simd::load<simd::vf>(x + begin + kPairs / 2);
      if (!processor_rounds(a, b)) [[unlikely]]
        break;
      simd::store(y + begin, _mm512_cvtne2ps_pbh((__m512)b, (__m512)a));
    }
#endif
  for_wide<T>(begin, n, [&](int64_t i, const auto& access) { access.store(y + i, access.load(x + i)); });
}

// The same of pairs: y[2 * i] and y[2 * i + 1] from first[i] and second[i], for i < n.
inline void narrow_pairs(const float* first, const float* second, int64_t n, BFloat16* y) {
  constexpr int W = simd::kLanes<simd::vf>;
  int64_t i = 0;
  for (; i + W <= n; i += W)
    simd::store(y + 2 * i, narrow_pairs(simd::load<simd::vf>(first + i), simd::load<simd::vf>(second + i)));
  for (; i < n; i++) y[2 * i] = BFloat16(first[i]), y[2 * i + 1] = BFloat16(second[i]);
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
