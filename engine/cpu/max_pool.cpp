#include <cmath>
#include <limits>
#include <span>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/pool.h"
#include "cpu/pool_windows.h"
#include "cpu/widen.h"

namespace lampas::cpu {
namespace {

constexpr int64_t kChunk = 256;  // channels handled at once: they stay in L1

// An index in a lane as wide as the value's, so that one mask selects both.
template <class C>
using Lane = std::conditional_t<std::is_same_v<C, double>, int64_t, int32_t>;

// Index of a maximum at `place` of a window whose place 0 lies at `base` of the plane.
template <class Index, class L>
inline Index index_of(L place, int64_t base, const int64_t* offsets) {
  if constexpr (std::is_same_v<Index, uint8_t>)
    return Index(place);
  else
    return base + offsets[place];
}

std::vector<int64_t> window_offsets(const PoolWindows& p) {
  std::vector<int64_t> offsets(p.size());
  for (int64_t kd = 0; kd < p.d.kernel; kd++)
    for (int64_t kh = 0; kh < p.h.kernel; kh++)
      for (int64_t kw = 0; kw < p.w.kernel; kw++)
        offsets[p.place(kd, kh, kw)] = p.at(kd * p.d.step, kh * p.h.step, kw * p.w.step);
  return offsets;
}

int64_t rows_grain(int64_t work_per_row) {
  return std::max<int64_t>(1, kGrain / 2 / std::max<int64_t>(1, work_per_row));
}

// A place of a window inside the input: how far it lies behind the window's place 0, were all of its row inside.
struct Seen {
  int64_t offset;
  int32_t place;
};

template <class V>
struct Best {
  V value;
  typename simd::VecOf<simd::ElementOf<V>>::mask where;
};
// Of the places' values at x: the greatest, NaN if there is one, and which place it is in.
template <bool kWhere, class V, class Load>
Best<V> greatest(std::span<const Seen> window, const Load& load) {
  Best<V> best{simd::splat<V>(-std::numeric_limits<simd::ElementOf<V>>::infinity()), {}};
  best.where += window[0].place;
  auto none = best.where != best.where, nan = none;
  for (const Seen& seen : window) {
    const V v = load(seen.offset);
    if constexpr (kWhere) {
      const auto larger = (v > best.value) | (v != v);
      best.value = larger ? v : best.value;
      best.where = larger ? none + seen.place : best.where;
    } else {
      nan |= v != v;
      best.value = simd::greater(v, best.value);
    }
  }
  if constexpr (!kWhere)
    best.value = nan ? simd::splat<V>(std::numeric_limits<simd::ElementOf<V>>::quiet_NaN()) : best.value;
  return best;
}

// Rows [begin, end) of the results of all images, channels last.
template <class T, class Index>
void forward_rows(const PoolWindows& p, const int64_t* offsets, int64_t channels, int64_t begin, int64_t end,
                  const T* x, T* y, Index* indices) {
  using V = simd::Vec<PoolCompute<T>>;
  const int64_t rows = p.d.out * p.h.out;
  std::vector<Seen> places(p.size());
  for (int64_t r = begin; r < end; r++) {
    const int64_t od = r % rows / p.h.out, oh = r % p.h.out;
    const int64_t corner = p.at(p.d.first[od], p.h.first[oh], 0), top = p.place(p.d.k0[od], p.h.k0[oh], 0);
    const T* in = x + r / rows * p.in_space() * channels;
    std::span<const Seen> window;
    int64_t k0 = -1, k1 = -1;
    for (int64_t ow = 0; ow < p.w.out; ow++) {
      if (k0 != p.w.k0[ow] || k1 != p.w.k1[ow]) {
        k0 = p.w.k0[ow], k1 = p.w.k1[ow];
        size_t n = 0;
        places[0].place = int32_t(top + k0);  // the answer for a window that sees nothing
        p.rows(od, oh, [&](int64_t kd, int64_t kh, int64_t row) {
          for (int64_t kw = k0; kw < k1; kw++)
            places[n++] = {(row * p.w.in + kw * p.w.step) * channels, int32_t(p.place(kd, kh, kw))};
        });
        window = {places.data(), n};
      }
      const T* from = in + p.w.first[ow] * channels;
      const int64_t to = (r * p.w.out + ow) * channels;
      for_wide<T>(0, channels, [&](int64_t c, const auto& access) {
        const auto load = [&](int64_t offset) { return access.load(from + offset + c); };
        if (!indices) return access.store(y + to + c, greatest<false, V>(window, load).value);
        const Best<V> best = greatest<true, V>(window, load);
        access.store(y + to + c, best.value);
        for (int64_t i = 0, n = std::min<int64_t>(simd::kLanes<V>, channels - c); i < n; i++)
          indices[to + c + i] = index_of<Index>(best.where[i], corner + p.w.first[ow], offsets);
      });
    }
  }
}

// Whether every place of the input is in exactly one window.
bool windows_tile(const PoolShape& s) {
  for (int d = 0; d < s.rank; d++)
    if (s.adaptive || s.stride[d] != s.kernel[d] || s.pad[d] != 0 || s.dilation[d] != 1 ||
        s.out[d] * s.kernel[d] != s.in[d])
      return false;
  return true;
}

// Gradients of windows that tile the input, channels last: each window writes all its places.
template <class T, class Index>
void spread(const PoolShape& s, const PoolWindows& p, const T* gy, const Index* indices, T* gx) {
  using L = Lane<PoolCompute<T>>;
  const int64_t rows = p.d.out * p.h.out, in_space = p.in_space(), channels = s.channels;
  parallel_for(0, s.batch * rows, rows_grain(p.w.in * p.h.kernel * p.d.kernel * channels),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; r++) {
                   const int64_t od = r % rows / p.h.out, oh = r % p.h.out;
                   T* image = gx + r / rows * in_space * channels;
                   for (int64_t ow = 0; ow < p.w.out; ow++) {
                     const T* g = gy + (r * p.w.out + ow) * channels;
                     const Index* index = indices + (r * p.w.out + ow) * channels;
                     p.rows(od, oh, [&](int64_t kd, int64_t kh, int64_t row) {
                       for (int64_t kw = 0; kw < p.w.kernel; kw++) {
                         const int64_t at = row * p.w.in + p.w.first[ow] + kw;
                         const L wanted = L(std::is_same_v<Index, uint8_t> ? p.place(kd, kh, kw) : at);
                         T* out = image + at * channels;
#pragma omp simd
                         for (int64_t c = 0; c < channels; c++) {
                           const T v = g[c];
                           out[c] = L(index[c]) == wanted ? v : T(0);
                         }
                       }
                     });
                   }
                 }
               });
}

}  // namespace

int64_t pool_window(const PoolShape& s) { return PoolWindows(s).size(); }

template <class T, class Index>
void max_pool_forward(const PoolShape& s, Order order, const T* x, T* y, Index* indices) {
  if (s.batch == 0 || s.channels == 0) return;
  const PoolWindows p(s);
  const std::vector<int64_t> offsets = window_offsets(p);
  const int64_t rows = p.d.out * p.h.out, in_space = p.in_space(), out_space = p.out_space();
  if (order == Order::ChannelsLast) {
    parallel_for(0, s.batch * rows, rows_grain(p.w.out * p.size() * s.channels / 8), [&](int64_t begin, int64_t end) {
      forward_rows(p, offsets.data(), s.channels, begin, end, x, y, indices);
    });
    return;
  }
  plane_blocks(s.batch * s.channels, in_space, sizeof(T), [&](int64_t plane, int64_t count) {
    Scratch in(in_space * count * sizeof(T)), out(out_space * count * sizeof(T)),
        found(out_space * count * sizeof(Index));
    transpose_batches(1, count, in_space, sizeof(T), x + plane * in_space, in.as<T>());
    Index* index = indices ? found.as<Index>() : nullptr;
    forward_rows(p, offsets.data(), count, 0, rows, in.as<T>(), out.as<T>(), index);
    transpose_batches(1, out_space, count, sizeof(T), out.as<T>(), y + plane * out_space);
    if (indices) transpose_batches(1, out_space, count, sizeof(Index), index, indices + plane * out_space);
  });
}

template <class T>
void max_pool_bytes(const PoolShape& s, const T* x, T* y) {
  const PoolWindows p(s);
  const int64_t rows = p.d.out * p.h.out, channels = s.channels;
  parallel_for(0, s.batch * rows, rows_grain(p.w.out * p.size() * channels / 32), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      const T* in = x + r / rows * p.in_space() * channels;
      for (int64_t ow = 0; ow < p.w.out; ow++) {
        T* best = y + (r * p.w.out + ow) * channels;
        std::fill_n(best, channels, std::numeric_limits<T>::min());
        p.rows(r % rows / p.h.out, r % p.h.out, [&](int64_t, int64_t, int64_t row) {
          for (int64_t kw = p.w.k0[ow]; kw < p.w.k1[ow]; kw++) {
            const T* from = in + (row * p.w.in + p.w.first[ow] + kw * p.w.step) * channels;
#pragma omp simd
            for (int64_t c = 0; c < channels; c++) best[c] = std::max(best[c], from[c]);
          }
        });
      }
    }
  });
}

template <class T, class Index>
void max_pool_backward(const PoolShape& s, Order order, const T* gy, const Index* indices, T* gx) {
  using C = PoolCompute<T>;
  if (s.batch == 0 || s.channels == 0) return;
  const bool last = order == Order::ChannelsLast;
  const PoolWindows p(s, last);
  const int64_t in_space = p.in_space(), out_space = p.out_space(), channels = s.channels;
  if (!last) {
    const std::vector<int64_t> offsets = window_offsets(p);
    parallel_for(0, s.batch * channels, rows_grain(in_space), [&](int64_t begin, int64_t end) {
      constexpr bool own = std::is_same_v<T, C>;
      Scratch memory(own ? 0 : in_space * sizeof(C));
      for (int64_t plane = begin; plane < end; plane++) {
        C* out;
        if constexpr (own)
          out = gx + plane * in_space;
        else
          out = memory.as<C>();
        std::fill_n(out, in_space, C(0));
        const T* g = gy + plane * out_space;
        const Index* index = indices + plane * out_space;
        if constexpr (std::is_same_v<Index, uint8_t>) {
          for (int64_t od = 0, o = 0; od < p.d.out; od++)
            for (int64_t oh = 0; oh < p.h.out; oh++) {
              const int64_t corner = p.at(p.d.first[od], p.h.first[oh], 0);
              for (int64_t ow = 0; ow < p.w.out; ow++, o++) out[corner + p.w.first[ow] + offsets[index[o]]] += C(g[o]);
            }
        } else {
          for (int64_t o = 0; o < out_space; o++) out[index[o]] += C(g[o]);
        }
        if constexpr (!own)
          for (int64_t i = 0; i < in_space; i++) gx[plane * in_space + i] = T(out[i]);
      }
    });
    return;
  }
  if (windows_tile(s)) return spread(s, p, gy, indices, gx);
  // Each input collects from the windows it is in: no two threads write the same place.
  const int64_t rows = p.d.in * p.h.in;
  parallel_for(0, s.batch * rows, rows_grain(p.w.in * channels), [&](int64_t begin, int64_t end) {
    C sums[kChunk];
    for (int64_t r = begin; r < end; r++) {
      const int64_t n = r / rows, id = r % rows / p.h.in, ih = r % p.h.in;
      for (int64_t iw = 0; iw < p.w.in; iw++)
        for (int64_t c0 = 0; c0 < channels; c0 += kChunk) {
          const int64_t count = std::min(kChunk, channels - c0);
          T* out = gx + (r * p.w.in + iw) * channels + c0;
          const int64_t here = p.at(id, ih, iw);
          std::fill_n(sums, count, C(0));
          p.windows_of(id, ih, iw, [&](int64_t o, int64_t place) {
            const int64_t from = (n * out_space + o) * channels + c0;
            // Compared in lanes as wide as the gradient's: the windows of one place never reach 2^32 apart.
            using L = Lane<C>;
            const L wanted = L(std::is_same_v<Index, uint8_t> ? place : here);
            const Index* index = indices + from;
            const T* g = gy + from;
#pragma omp simd
            for (int64_t c = 0; c < count; c++) {
              const C v = C(g[c]);
              sums[c] += L(index[c]) == wanted ? v : C(0);
            }
          });
          for (int64_t c = 0; c < count; c++) out[c] = T(sums[c]);
        }
    }
  });
}

#define LAMPAS_MAX_POOL(T, I)                                                      \
  template void max_pool_forward<T, I>(const PoolShape&, Order, const T*, T*, I*); \
  template void max_pool_backward<T, I>(const PoolShape&, Order, const T*, const I*, T*);
LAMPAS_MAX_POOL(float, int64_t)
LAMPAS_MAX_POOL(float, uint8_t)
LAMPAS_MAX_POOL(double, int64_t)
LAMPAS_MAX_POOL(double, uint8_t)
LAMPAS_MAX_POOL(BFloat16, int64_t)
LAMPAS_MAX_POOL(BFloat16, uint8_t)
LAMPAS_MAX_POOL(Half, int64_t)
LAMPAS_MAX_POOL(Half, uint8_t)
#undef LAMPAS_MAX_POOL
template void max_pool_bytes(const PoolShape&, const uint8_t*, uint8_t*);
template void max_pool_bytes(const PoolShape&, const int8_t*, int8_t*);

}  // namespace lampas::cpu
