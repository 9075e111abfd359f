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

// A key and its position travel in one word where they fit, else in two.
struct Wide {
  uint64_t key, position;
};
inline bool operator<(const Wide& a, const Wide& b) {
  return a.key < b.key || (a.key == b.key && a.position < b.position);
}
// How the keys of a row, all below 2^bits, are written: in one word the position takes the lowest `shift` bits.
struct Form {
  int bits, shift;

  uint64_t key(uint64_t e) const { return e >> shift; }
  uint64_t key(const Wide& e) const { return e.key; }
  int64_t position(uint64_t e) const { return int64_t(e & ((uint64_t(1) << shift) - 1)); }
  int64_t position(const Wide& e) const { return int64_t(e.position); }
  template <class E>
  E entry(uint64_t key, int64_t position) const {
    if constexpr (std::is_same_v<E, uint64_t>)
      return key << shift | uint64_t(position);
    else
      return {key, uint64_t(position)};
  }
};

// Short rows have small digits: their counters would take longer than the entries.
struct Digits {
  int bits, count;
  Digits(int64_t n, int key_bits) : bits(n < 1500 ? 8 : 11), count((key_bits + bits - 1) / bits) {}
  int64_t buckets() const { return int64_t(1) << bits; }
};

// Least digit first, each in two passes over parts of the row: every part counts its digits, then moves its entries
// behind those of lower digits and of earlier parts. A digit that all keys share costs the counting.
template <class E>
void radix_sort(E* a, E* spare, int64_t n, const Form& form, const Digits& digits) {
  constexpr int64_t kPart = 1 << 16;
  const int64_t parts = omp_in_parallel() ? 1 : std::clamp<int64_t>(n / kPart, 1, num_threads());
  const auto each_part = [&](auto f) {
    parallel_for(0, parts, 1, [&](int64_t b, int64_t e) {
      for (int64_t p = b; p < e; p++) f(p, n * p / parts, n * (p + 1) / parts);
    });
  };
  const int64_t buckets = digits.buckets();
  Scratch counters(size_t(parts * buckets) * sizeof(int64_t));
  int64_t* const counts = counters.as<int64_t>();
  E *from = a, *to = spare;
  for (int d = 0; d < digits.count; d++) {
    const auto bucket = [form, shift = d * digits.bits, mask = uint64_t(buckets - 1)](const E& e) {
      return form.key(e) >> shift & mask;
    };
    each_part([&](int64_t p, int64_t first, int64_t last) {
      int64_t* count = counts + p * buckets;
      std::fill_n(count, buckets, 0);
      for (int64_t i = first; i < last; i++) count[bucket(from[i])]++;
    });
    int64_t at = 0, alike = 0;
    for (int64_t i = 0; i < buckets; i++) {
      const int64_t begin = at;
      for (int64_t p = 0; p < parts; p++) at += std::exchange(counts[p * buckets + i], at);
      alike = std::max(alike, at - begin);
    }
    if (alike == n) continue;
    each_part([&](int64_t p, int64_t first, int64_t last) {
      int64_t* count = counts + p * buckets;
      for (int64_t i = first; i < last; i++) to[count[bucket(from[i])]++] = from[i];
    });
    std::swap(from, to);
  }
  if (from != a) std::copy_n(from, n, a);
}

template <class E>
void sort_entries(E* a, int64_t n, const Form& form) {
  const Digits digits(n, form.bits);
  if (n < std::max(64, 20 * digits.count)) return std::sort(a, a + n);
  Scratch spare(size_t(n) * sizeof(E));
  radix_sort(a, spare.as<E>(), n, form, digits);
}

// One row's elements as keys. Key: what order_bits takes.
template <class Key>
struct Rows {
  static constexpr uint64_t kHighest = sizeof(Key) == 4 ? ~uint32_t(0) : ~uint64_t(0);
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

  // Results [first, last), counted from `out` on in steps of `step`, are the row's elements at these positions.
  template <class Position>
  void give(int64_t at, int64_t out, int64_t step, int64_t first, int64_t last, Position position) const {
    if (call.indices)
      for (int64_t i = first; i < last; i++) call.indices[out + i * step] = position(i);
    if (call.values)
      dispatch_size(size, [&]<class T>(TypeTag<T>) {
        const T* x = static_cast<const T*>(call.in) + at;
        T* y = static_cast<T*>(call.values) + out;
        for (int64_t i = first; i < last; i++) y[i * step] = x[position(i) * call.inner];
      });
  }
  void give(int64_t at, int64_t position, int64_t out) const {
    give(at, out, 1, 0, 1, [position](int64_t) { return position; });
  }

  // Positions of the first k of n elements in order, for k far below n: most of the others are passed by, many at a
  // time, because they are no better than the last of those found.
  void pick(const Key* keys, int64_t n, int64_t k, Wide* e) const {
    constexpr int64_t kStep = 32;
    const auto entry = [&](int64_t i) {
      const uint64_t key = order_bits(keys[i]);
      return Wide{call.descending ? kHighest - key : key, uint64_t(i)};
    };
    for (int64_t i = 0; i < k; i++) e[i] = entry(i);
    std::make_heap(e, e + k);
    for (int64_t i = k; i < n; i += kStep) {
      const int64_t m = std::min(kStep, n - i);
      const Key bound = keys[e[0].position];
      int better = bound != bound;
      if (call.descending)
        for (int64_t j = 0; j < m; j++) better |= !(keys[i + j] <= bound);
      else
        for (int64_t j = 0; j < m; j++) better |= keys[i + j] < bound;
      for (int64_t j = 0; better && j < m; j++)
        if (const Wide x = entry(i + j); x < e[0]) {
          std::pop_heap(e, e + k);
          e[k - 1] = x;
          std::push_heap(e, e + k);
        }
    }
    std::sort_heap(e, e + k);
  }

  void row(int64_t o, int64_t j, Key* keys, void* entries) const {
    const int64_t n = call.n, at = o * n * call.inner + j;
    load(at, keys);
    if (call.what == SortCall::Top && call.k > 0 && call.k * 64 <= n) {
      Wide* e = static_cast<Wide*>(entries);
      pick(keys, n, call.k, e);
      return give(at, o * call.k * call.inner + j, call.inner, 0, call.k,
                  [e](int64_t i) { return int64_t(e[i].position); });
    }
    uint64_t low = 0, high = kHighest;
    if constexpr (std::is_integral_v<Key>) {
      // Whole numbers are seldom far apart: counted from the least of them they are short keys.
      Key least = keys[0], greatest = keys[0];
      for (int64_t i = 1; i < n; i++) least = std::min(least, keys[i]), greatest = std::max(greatest, keys[i]);
      low = order_bits(least), high = order_bits(greatest);
    }
    const Form form{int(std::bit_width(high - low)), int(std::bit_width(uint64_t(n - 1)))};
    const auto answered = [&](auto* e) {
      parallel_for(0, n, kGrain, [=, descending = call.descending](int64_t b, int64_t end) {
        for (int64_t i = b; i < end; i++) {
          const uint64_t key = order_bits(keys[i]);
          e[i] = form.entry<std::decay_t<decltype(*e)>>(descending ? high - key : key - low, i);
        }
      });
      answer(o, j, at, e, form);
    };
    if (form.bits + form.shift <= 64)
      answered(static_cast<uint64_t*>(entries));
    else
      answered(static_cast<Wide*>(entries));
  }

  template <class E>
  void answer(int64_t o, int64_t j, int64_t at, E* e, const Form& form) const {
    const int64_t n = call.n, inner = call.inner, single = o * inner + j;
    const bool floating = std::is_floating_point_v<Key>;
    const uint64_t nan = call.descending ? 0 : kHighest;
    switch (call.what) {
      case SortCall::Full:
        sort_entries(e, n, form);
        parallel_for(0, n, kGrain, [&](int64_t b, int64_t end) {
          give(at, at, inner, b, end, [=](int64_t i) { return form.position(e[i]); });
        });
        break;
      case SortCall::Top: {
        const int64_t k = call.k, base = o * k * inner + j;
        if (k > 0 && k < n) std::nth_element(e, e + k - 1, e + n);
        if (call.sorted) std::sort(e, e + k);
        give(at, base, inner, 0, k, [=](int64_t i) { return form.position(e[i]); });
        break;
      }
      case SortCall::Kth:
        std::nth_element(e, e + call.k, e + n);
        give(at, form.position(e[call.k]), single);
        break;
      case SortCall::Median:
      case SortCall::NanMedian: {
        int64_t count = n;
        if (floating) {
          int64_t first = -1, nans = 0;
          for (int64_t i = n - 1; i >= 0; i--)
            if (form.key(e[i]) == nan) first = i, nans++;
          if (call.what == SortCall::Median && nans) {
            give(at, first, single);
            break;
          }
          count = nans == n ? n : n - nans;
        }
        std::nth_element(e, e + (count - 1) / 2, e + n);
        give(at, form.position(e[(count - 1) / 2]), single);
        break;
      }
      case SortCall::Mode: {
        std::sort(e, e + n);
        int64_t best = 0, most = 0;
        for (int64_t i = 0, length = 0; i < n; i++) {
          length =
              i > 0 && form.key(e[i]) == form.key(e[i - 1]) && !(floating && form.key(e[i]) == nan) ? length + 1 : 1;
          if (length > most) most = length, best = i;
        }
        give(at, form.position(e[best]), single);
        break;
      }
    }
  }
};

template <class Key>
void run(const SortCall& call) {
  const Rows<Key> rows{call};
  const int64_t count = call.outer * call.inner;
  Unlocked unlocked(count * call.n);
  parallel_for(0, count, std::max<int64_t>(1, kGrain / 8 / std::max<int64_t>(1, call.n)), [&](int64_t b, int64_t e) {
    Scratch keys(size_t(call.n) * sizeof(Key)), entries(size_t(call.n) * 2 * sizeof(Key));
    for (int64_t i = b; i < e; i++) rows.row(i / call.inner, i % call.inner, keys.as<Key>(), entries.as<void>());
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
      return run<int64_t>(call);
    case DType::Float64:
      return run<double>(call);
    case DType::Float16:
    case DType::BFloat16:
    case DType::Float32:
      return run<float>(call);
    default:
      return run<int32_t>(call);
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
