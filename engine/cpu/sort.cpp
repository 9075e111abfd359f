// Sorting and searching. Every element becomes an unsigned integer that orders as the element does (NaN above all, the
// two zeros alike), so that one sort serves all types; with the position in the low bits no two keys are equal, and
// any sort of them is stable.
#include <algorithm>
#include <bit>

#include "core/threads.h"
#include "cpu/loops.h"
#include "cpu/reduce.h"

namespace lampas::cpu {

namespace {

uint32_t order_bits(float x) {
  if (x != x) return ~0u;
  uint32_t u = std::bit_cast<uint32_t>(x + 0.0f);
  return u >> 31 ? ~u : u | 0x80000000u;
}
uint64_t order_bits(double x) {
  if (x != x) return ~0ull;
  uint64_t u = std::bit_cast<uint64_t>(x + 0.0);
  return u >> 63 ? ~u : u | 1ull << 63;
}
uint32_t order_bits(int32_t x) { return uint32_t(x) ^ 0x80000000u; }
uint64_t order_bits(int64_t x) { return uint64_t(x) ^ 1ull << 63; }

// 32-bit keys travel with their position in one word, 64-bit ones in two.
struct Wide {
  uint64_t key, position;
};
inline bool operator<(const Wide& a, const Wide& b) {
  return a.key < b.key || (a.key == b.key && a.position < b.position);
}
inline uint64_t key_of(uint64_t e) { return e >> 32; }
inline uint64_t key_of(const Wide& e) { return e.key; }
inline int64_t position_of(uint64_t e) { return int64_t(uint32_t(e)); }
inline int64_t position_of(const Wide& e) { return int64_t(e.position); }
template <class E>
E entry(uint64_t key, int64_t position) {
  if constexpr (std::is_same_v<E, uint64_t>)
    return key << 32 | uint64_t(position);
  else
    return {key, uint64_t(position)};
}

// Least digit first; a digit that all keys share costs nothing but the count.
template <class E>
void radix_sort(E* a, E* spare, int64_t n) {
  constexpr int kBits = 11, kBuckets = 1 << kBits, kKeyBits = std::is_same_v<E, uint64_t> ? 32 : 64;
  constexpr int kDigits = (kKeyBits + kBits - 1) / kBits;
  std::vector<int64_t> counts(size_t(kDigits) * kBuckets);
  for (int64_t i = 0; i < n; i++) {
    uint64_t key = key_of(a[i]);
    for (int d = 0; d < kDigits; d++) counts[size_t(d * kBuckets) + (key >> d * kBits & (kBuckets - 1))]++;
  }
  E *from = a, *to = spare;
  for (int d = 0; d < kDigits; d++) {
    int64_t* count = counts.data() + d * kBuckets;
    if (count[key_of(from[0]) >> d * kBits & (kBuckets - 1)] == n) continue;
    for (int64_t i = 0, at = 0; i < kBuckets; i++) {
      int64_t c = count[i];
      count[i] = at;
      at += c;
    }
    for (int64_t i = 0; i < n; i++) to[count[key_of(from[i]) >> d * kBits & (kBuckets - 1)]++] = from[i];
    std::swap(from, to);
  }
  if (from != a) std::copy_n(from, n, a);
}

template <class E>
void sort_entries(E* a, int64_t n) {
  constexpr int64_t kRadix = std::is_same_v<E, uint64_t> ? 1024 : 4096;
  if (n < kRadix) return std::sort(a, a + n);
  constexpr int64_t kHalf = 1 << 18;
  Scratch scratch(size_t(n) * sizeof(E));
  E* spare = scratch.as<E>();
  if (n < kHalf || num_threads() == 1 || omp_in_parallel()) return radix_sort(a, spare, n);
  // One long row: parts in parallel, then merged in pairs.
  const int64_t parts = int64_t(std::bit_floor(unsigned(std::min(num_threads(), 16))));
  auto edge = [&](int64_t p) { return n * p / parts; };
  parallel_for(0, parts, 1, [&](int64_t b, int64_t e) {
    for (int64_t p = b; p < e; p++) radix_sort(a + edge(p), spare + edge(p), edge(p + 1) - edge(p));
  });
  E *from = a, *to = spare;
  for (int64_t step = 1; step < parts; step *= 2) {
    // Each pair by two threads: one merges up to the middle from the front, the other from the back.
    parallel_for(0, parts / step, 1, [&](int64_t b, int64_t e) {
      for (int64_t h = b; h < e; h++) {
        int64_t lo = edge(h / 2 * 2 * step), mid = edge((h / 2 * 2 + 1) * step), hi = edge((h / 2 + 1) * 2 * step),
                half = (hi - lo) / 2;
        if (h % 2 == 0) {
          const E *x = from + lo, *xe = from + mid, *y = from + mid, *ye = from + hi;
          for (int64_t i = 0; i < half; i++) to[lo + i] = x < xe && (y >= ye || *x < *y) ? *x++ : *y++;
        } else {
          const E *x = from + mid, *xb = from + lo, *y = from + hi, *yb = from + mid;
          for (int64_t i = hi - 1; i >= lo + half; i--) to[i] = x > xb && (y <= yb || y[-1] < x[-1]) ? *--x : *--y;
        }
      }
    });
    std::swap(from, to);
  }
  if (from != a) std::copy_n(from, n, a);
}

// One row's elements as keys. Key: what order_bits takes.
template <class Key, class E>
struct Rows {
  const SortCall& call;
  ConvertFn convert = converter(call.type, dtype_of<Key>);
  size_t size = item_size(call.type);

  void load(int64_t at, Key* keys) const {
    const char* x = static_cast<const char*>(call.in) + at * int64_t(size);
    if (call.inner == 1) return convert(x, keys, call.n);
    dispatch_size(size, [&]<class T>(TypeTag<T>) {
      T block[256];
      for (int64_t i = 0; i < call.n; i += 256) {
        int64_t m = std::min<int64_t>(256, call.n - i);
        for (int64_t k = 0; k < m; k++) std::memcpy(block + k, x + (i + k) * call.inner * int64_t(size), sizeof(T));
        convert(block, keys + i, m);
      }
    });
  }

  // Element `position` of the row at `at` becomes number i of the results at `out`.
  void give(int64_t at, int64_t position, int64_t out) const {
    if (call.indices) call.indices[out] = position;
    if (call.values)
      std::memcpy(static_cast<char*>(call.values) + out * int64_t(size),
                  static_cast<const char*>(call.in) + (at + position * call.inner) * int64_t(size), size);
  }

  void row(int64_t o, int64_t j, Key* keys, E* e) const {
    const int64_t n = call.n, inner = call.inner, at = o * n * inner + j, single = o * inner + j;
    load(at, keys);
    const uint64_t flip = call.descending ? (sizeof(Key) == 4 ? 0xffffffffull : ~0ull) : 0;
    for (int64_t i = 0; i < n; i++) e[i] = entry<E>(uint64_t(order_bits(keys[i])) ^ flip, i);
    const uint64_t nan = sizeof(Key) == 4 ? 0xffffffffull : ~0ull;
    const bool floating = std::is_floating_point_v<Key>;
    switch (call.what) {
      case SortCall::Full:
        sort_entries(e, n);
        for (int64_t i = 0; i < n; i++) give(at, position_of(e[i]), at + i * inner);
        break;
      case SortCall::Top: {
        const int64_t k = call.k, base = o * k * inner + j;
        if (k * 64 <= n) {
          std::partial_sort(e, e + k, e + n);
        } else {
          if (k > 0 && k < n) std::nth_element(e, e + k - 1, e + n);
          if (call.sorted) std::sort(e, e + k);
        }
        for (int64_t i = 0; i < k; i++) give(at, position_of(e[i]), base + i * inner);
        break;
      }
      case SortCall::Kth:
        std::nth_element(e, e + call.k, e + n);
        give(at, position_of(e[call.k]), single);
        break;
      case SortCall::Median:
      case SortCall::NanMedian: {
        int64_t count = n;
        if (floating) {
          int64_t first = -1, nans = 0;
          for (int64_t i = n - 1; i >= 0; i--)
            if (key_of(e[i]) == nan) first = i, nans++;
          if (call.what == SortCall::Median && nans) {
            give(at, first, single);
            break;
          }
          count = nans == n ? n : n - nans;
        }
        std::nth_element(e, e + (count - 1) / 2, e + n);
        give(at, position_of(e[(count - 1) / 2]), single);
        break;
      }
      case SortCall::Mode: {
        std::sort(e, e + n);
        int64_t best = 0, most = 0;
        for (int64_t i = 0, length = 0; i < n; i++) {
          length = i > 0 && key_of(e[i]) == key_of(e[i - 1]) && !(floating && key_of(e[i]) == nan) ? length + 1 : 1;
          if (length > most) most = length, best = i;
        }
        give(at, position_of(e[best]), single);
        break;
      }
    }
  }
};

template <class Key, class E>
void run(const SortCall& call) {
  Rows<Key, E> rows{call};
  const int64_t count = call.outer * call.inner;
  Unlocked unlocked(count * call.n);
  parallel_for(0, count, std::max<int64_t>(1, kGrain / 8 / std::max<int64_t>(1, call.n)), [&](int64_t b, int64_t e) {
    Scratch keys(size_t(call.n) * sizeof(Key)), entries(size_t(call.n) * sizeof(E));
    for (int64_t i = b; i < e; i++) rows.row(i / call.inner, i % call.inner, keys.as<Key>(), entries.as<E>());
  });
}

template <class T, class I>
void search_rows(const SearchCall& c) {
  // NaN is above every number, as in a sorted tensor.
  auto less = [](T a, T b) { return a < b || (b != b && a == a); };
  const T* sorted = static_cast<const T*>(c.sorted);
  const T* values = static_cast<const T*>(c.values);
  I* out = static_cast<I*>(c.out);
  parallel_for(0, c.rows * c.per_row, kGrain / 16, [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; i++) {
      const T* row = sorted + (c.shared ? 0 : i / c.per_row * c.n);
      const int64_t* order = c.sorter ? c.sorter + (c.shared ? 0 : i / c.per_row * c.n) : nullptr;
      int64_t lo = 0, hi = c.n;
      while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        T x = row[order ? order[mid] : mid];
        if (c.right ? !less(values[i], x) : less(x, values[i]))
          lo = mid + 1;
        else
          hi = mid;
      }
      out[i] = I(lo);
    }
  });
}

}  // namespace

void sort(const SortCall& call) {
  if (call.outer * call.inner * call.n == 0) return;
  CHECK(call.n < int64_t(1) << 32, "sorting more than 2^32 elements along one dimension is not supported, got ",
        call.n);
  switch (call.type) {
    case DType::Int64:
      return run<int64_t, Wide>(call);
    case DType::Float64:
      return run<double, Wide>(call);
    case DType::Float16:
    case DType::BFloat16:
    case DType::Float32:
      return run<float, uint64_t>(call);
    default:
      return run<int32_t, uint64_t>(call);
  }
}

void search(const SearchCall& c) {
  if (c.rows * c.per_row == 0) return;
  Unlocked unlocked(c.rows * c.per_row * 8);
  const bool narrow = c.out_type == DType::Int32;
  if (c.type == DType::Float64)
    narrow ? search_rows<double, int32_t>(c) : search_rows<double, int64_t>(c);
  else
    narrow ? search_rows<int64_t, int32_t>(c) : search_rows<int64_t, int64_t>(c);
}

}  // namespace lampas::cpu
