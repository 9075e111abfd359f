// Rows of numbers taken a vector at a time, the last of them in part; and what is done across a vector's lanes.
#pragma once

#include <array>
#include <cstring>

#include "cpu/gemm_kernel.h"
#include "cpu/simd.h"

namespace lampas::cpu {

using gemm_detail::join_lanes;

// Whole vectors, with the interface of gemm_detail::Lanes.
template <class T>
struct Whole {
  using V = simd::Vec<T>;
  V load(const T* p) const { return simd::load<V>(p); }
  void store(T* p, V v) const { simd::store(p, v); }
};

// Calls f(i, access) for the vectors of [begin, end); `access` loads and stores the one at i.
template <class T, class F>
inline void for_vectors(int64_t begin, int64_t end, F&& f) {
  constexpr int W = simd::kLanes<simd::Vec<T>>;
  int64_t i = begin;
  for (; i + W <= end; i += W) f(i, Whole<T>{});
  if (i < end) f(i, gemm_detail::Lanes<T>(int(end - i)));
}

// The first n lanes of a, the others of b.
template <class T, class V>
inline V first_lanes(int64_t n, V a, V b) {
  typedef uint64_t Bits __attribute__((vector_size(simd::kBytes)));
  static constexpr auto ones = [] {
    std::array<uint8_t, 2 * simd::kBytes> m{};
    for (int i = 0; i < simd::kBytes; i++) m[i] = 0xff;
    return m;
  }();
  const Bits mask = simd::load<Bits>(ones.data() + simd::kBytes - n * int64_t(sizeof(T)));
  return (V)(((Bits)a & mask) | ((Bits)b & ~mask));
}

// x[0], ..., x[count - 1], then `rest`; a whole vector where count reaches that far.
template <class T>
inline simd::Vec<T> take(const T* x, int64_t count, T rest) {
  using V = simd::Vec<T>;
  if (count >= simd::kLanes<V>) return simd::load<V>(x);
  return first_lanes<T>(count, gemm_detail::Lanes<T>(int(count)).load(x), simd::splat<V>(rest));
}

}  // namespace lampas::cpu
