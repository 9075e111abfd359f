// Rows of numbers taken a vector at a time, the last of them in part.
#pragma once

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

}  // namespace lampas::cpu
