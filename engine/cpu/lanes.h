// Rows of numbers taken a vector at a time, the last of them in part; and what is done across a vector's lanes.
#pragma once

#include <array>
#include <cstring>

#include "cpu/gemm_kernel.h"
#include "cpu/simd.h"

namespace lampas::cpu {

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

// All lanes joined, by halves; join() takes numbers and vectors alike.
template <class V, class F>
inline auto join_lanes(V v, F join) {
  using T = std::remove_cvref_t<decltype(v[0])>;
  if constexpr (sizeof(V) == 2 * sizeof(T)) {
    return T(join(T(v[0]), T(v[1])));
  } else {
    typedef T Half __attribute__((vector_size(sizeof(V) / 2)));
    Half low, high;
    std::memcpy(&low, &v, sizeof low);
    std::memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof low, sizeof high);
    return join_lanes(Half(join(low, high)), join);
  }
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

}  // namespace lampas::cpu
