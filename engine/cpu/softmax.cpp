// softmax and log_softmax with their gradients. Along the last dimension a row is read from memory once and written
// once; along another, tiles of whole columns stay in the second-level cache.
#include <algorithm>
#include <vector>

#include "core/threads.h"
#include "cpu/fast_math.h"
#include "cpu/lanes.h"
#include "cpu/loops.h"
#include "cpu/reduce.h"
#if defined(__AVX512F__) || defined(__AVX__)
#include <immintrin.h>
#endif

namespace lampas::cpu {

namespace {

using simd::load;
using simd::splat;

template <class T>
inline constexpr int64_t W = simd::kLanes<simd::Vec<T>>;
constexpr int64_t kFlush = 4096;                // elements summed in single precision before the sum is widened
constexpr int64_t kFlushRows = 128;             // the same of a column
constexpr size_t kStreamed = size_t(24) << 20;  // bytes of a result that will not be found in the cache again
constexpr int64_t kPart = 65536;                // elements of one part of a row split among threads
constexpr int64_t kShort = 32, kGroup = 64;     // rows of up to kShort elements go kGroup at a time
constexpr int64_t kTile = 32768;                // elements of a tile of columns

template <class V>
inline double lanes_sum(V v) {
  return double(join_lanes(v, [](auto a, auto b) { return a + b; }));
}

// y[i] = f(vector i) for all of n elements, writing past the cache if `stream` is set. f(i, count) gives a vector of
// which the first `count` lanes count.
template <class T, class F>
inline void produce(T* y, int64_t n, bool stream, F&& f) {
  using V = simd::Vec<T>;
  auto partial = [&](int64_t i, int64_t count) { gemm_detail::Lanes<T>(int(count)).store(y + i, f(i, count)); };
  int64_t i = 0;
  if (stream) {
    int64_t head = int64_t(-reinterpret_cast<uintptr_t>(y) % sizeof(V) / sizeof(T));
    if (head > 0 && head < n) {
      partial(0, head);
      i = head;
    }
    for (; i + W<T> <= n; i += W<T>) {
      V v = f(i, W<T>);
#if defined(__AVX512F__)
      _mm512_stream_si512(reinterpret_cast<__m512i*>(y + i), (__m512i)v);
#elif defined(__AVX__)
      _mm256_stream_si256(reinterpret_cast<__m256i*>(y + i), (__m256i)v);
#else
      simd::store(y + i, v);
#endif
    }
  } else {
    for (; i + W<T> <= n; i += W<T>) simd::store(y + i, f(i, W<T>));
  }
  if (i < n) partial(i, n - i);
}

template <class T>
T row_max(const T* x, int64_t n) {
  using V = simd::Vec<T>;
  const V lowest = -splat<V>(std::numeric_limits<T>::max()) * 2;
  V m[4] = {lowest, lowest, lowest, lowest};
  int64_t i = 0;
  // A NaN is lost here, and found again by the sum.
  for (; i + 4 * W<T> <= n; i += 4 * W<T>)
    for (int k = 0; k < 4; k++) {
      V v = load<V>(x + i + k * W<T>);
      m[k] = v > m[k] ? v : m[k];
    }
  for (; i < n; i += W<T>) {
    V v = take<T>(x + i, std::min(W<T>, n - i), x[i]);
    m[0] = v > m[0] ? v : m[0];
  }
  for (int k = 1; k < 4; k++) m[0] = m[k] > m[0] ? m[k] : m[0];
  return join_lanes(m[0], [](auto a, auto b) { return b > a ? b : a; });
}

// Sum of exp(x - max); the terms go to e, unless that is null.
template <class T>
double row_exp(const T* x, int64_t n, T max, T* e) {
  using V = simd::Vec<T>;
  double sum = 0;
  const V m = splat<V>(max);
  for (int64_t b = 0; b < n; b += kFlush) {
    int64_t end = std::min(b + kFlush, n), i = b;
    V s[2]{};
    for (; i + 2 * W<T> <= end; i += 2 * W<T>)
      for (int k = 0; k < 2; k++) {
        V v = simd::fast_exp(load<V>(x + i + k * W<T>) - m);
        if (e) simd::store(e + i + k * W<T>, v);
        s[k] += v;
      }
    for (; i < end; i += W<T>) {
      int64_t count = std::min(W<T>, end - i);
      V v = simd::fast_exp(take<T>(x + i, count, x[i]) - m);
      if (e) gemm_detail::Lanes<T>(int(count)).store(e + i, v);
      s[0] += first_lanes<T>(count, v, V{});
    }
    sum += lanes_sum(V(s[0] + s[1]));
  }
  return sum;
}

// Sum of g * y, or of g alone.
template <class T>
double row_dot(const T* g, const T* y, int64_t n) {
  using V = simd::Vec<T>;
  double sum = 0;
  for (int64_t b = 0; b < n; b += kFlush) {
    int64_t end = std::min(b + kFlush, n), i = b;
    V s[4]{};
    for (; i + 4 * W<T> <= end; i += 4 * W<T>)
      for (int k = 0; k < 4; k++) {
        V v = load<V>(g + i + k * W<T>);
        s[k] += y ? v * load<V>(y + i + k * W<T>) : v;
      }
    for (; i < end; i += W<T>) {
      int64_t count = std::min(W<T>, end - i);
      V v = take<T>(g + i, count, T(0));
      s[0] += y ? v * take<T>(y + i, count, T(0)) : v;
    }
    sum += lanes_sum(V((s[0] + s[1]) + (s[2] + s[3])));
  }
  return sum;
}

template <class T>
void scale_row(const T* e, T* y, int64_t n, double sum, bool stream) {
  const auto factor = splat<simd::Vec<T>>(T(1 / sum));
  produce(y, n, stream, [&](int64_t i, int64_t count) { return take<T>(e + i, count, T(0)) * factor; });
}
template <class T>
void shift_row(const T* x, T* y, int64_t n, T max, double sum, bool stream) {
  using V = simd::Vec<T>;
  const V m = splat<V>(max), l = splat<V>(T(std::log(sum)));
  produce(y, n, stream, [&](int64_t i, int64_t count) { return (take<T>(x + i, count, T(0)) - m) - l; });
}

template <class T>
void forward_row(bool log, const T* x, T* y, T* scratch, int64_t n, bool stream) {
  T max = row_max(x, n);
  if (log) {
    shift_row(x, y, n, max, row_exp<T>(x, n, max, nullptr), stream);
  } else {
    T* e = scratch ? scratch : y;
    scale_row(e, y, n, row_exp(x, n, max, e), stream && scratch);
  }
}

template <class T>
void backward_row(bool log, const T* g, const T* y, T* out, int64_t n, bool stream) {
  using V = simd::Vec<T>;
  const V s = splat<V>(T(row_dot(g, log ? nullptr : y, n)));
  produce(out, n, stream, [&](int64_t i, int64_t count) {
    V gv = take<T>(g + i, count, T(0)), yv = take<T>(y + i, count, T(0));
    return log ? gv - simd::fast_exp(yv) * s : yv * (gv - s);
  });
}

// n rows of `width` columns; consecutive rows are `stride` elements apart in each array. Several vectors of columns go
// together, so that a row is read in longer pieces.
constexpr int kTogether = 4;

template <class T, class F>
void for_columns(int64_t width, F&& f) {
  int64_t j = 0;
  for (; j + kTogether * W<T> <= width; j += kTogether * W<T>)
    f(
        j, std::integral_constant<int, kTogether>{},
        [](const T* p, int k) { return simd::load<simd::Vec<T>>(p + k * W<T>); },
        [](T* p, int k, simd::Vec<T> v) { simd::store(p + k * W<T>, v); });
  for (; j < width; j += W<T>) {
    const int64_t count = std::min(W<T>, width - j);
    f(
        j, std::integral_constant<int, 1>{}, [count](const T* p, int) { return take<T>(p, count, T(0)); },
        [count](T* p, int, simd::Vec<T> v) { std::memcpy(p, &v, count * sizeof(T)); });
  }
}

template <class T>
void forward_columns(bool log, const T* x, T* y, int64_t n, int64_t width, int64_t stride) {
  using V = simd::Vec<T>;
  for_columns<T>(width, [&](int64_t j, auto vectors, auto get, auto put) {
    constexpr int N = vectors;
    const T* xs = x + j;
    T* ys = y + j;
    V m[N], s[N] = {}, factor[N];
    for (int k = 0; k < N; k++) m[k] = get(xs, k);
    for (int64_t r = 1; r < n; r++)
      for (int k = 0; k < N; k++) {
        const V v = get(xs + r * stride, k);
        m[k] = v > m[k] ? v : m[k];
      }
    simd::vd low[N] = {}, high[N] = {};
    auto flush = [&] {
      for (int k = 0; k < N; k++) {
        for (int i = 0; i < W<T>; i++)
          (i < W<double> ? low[k][i % W<double>] : high[k][i % W<double>]) += double(s[k][i]);
        s[k] = V{};
      }
    };
    for (int64_t r = 0; r < n; r++) {
      for (int k = 0; k < N; k++) {
        const V v = simd::fast_exp(get(xs + r * stride, k) - m[k]);
        if (!log) put(ys + r * stride, k, v);
        s[k] += v;
      }
      if (n > kFlushRows && r % kFlushRows == kFlushRows - 1) flush();
    }
    if (n <= kFlushRows) {
      for (int k = 0; k < N; k++) factor[k] = log ? simd::log(s[k]) : 1 / s[k];
    } else {
      flush();
      for (int k = 0; k < N; k++)
        for (int i = 0; i < W<T>; i++) {
          const double total = i < W<double> ? low[k][i % W<double>] : high[k][i % W<double>];
          factor[k][i] = T(log ? std::log(total) : 1 / total);
        }
    }
    for (int64_t r = 0; r < n; r++)
      for (int k = 0; k < N; k++)
        put(ys + r * stride, k,
            log ? (get(xs + r * stride, k) - m[k]) - factor[k] : get(ys + r * stride, k) * factor[k]);
  });
}

template <class T>
void backward_columns(bool log, const T* g, const T* y, T* out, int64_t n, int64_t width, int64_t stride) {
  using V = simd::Vec<T>;
  for_columns<T>(width, [&](int64_t j, auto vectors, auto get, auto put) {
    constexpr int N = vectors;
    V total[N] = {}, s[N] = {};
    for (int64_t r = 0; r < n; r++)
      for (int k = 0; k < N; k++) {
        const V v = get(g + j + r * stride, k);
        s[k] += log ? v : v * get(y + j + r * stride, k);
        if (r % kFlushRows == kFlushRows - 1 || r == n - 1) total[k] += s[k], s[k] = V{};
      }
    for (int64_t r = 0; r < n; r++)
      for (int k = 0; k < N; k++) {
        const V gv = get(g + j + r * stride, k), yv = get(y + j + r * stride, k);
        put(out + j + r * stride, k, log ? gv - simd::fast_exp(yv) * total[k] : yv * (gv - total[k]));
      }
  });
}

// A row longer than all threads have alone: its parts in parallel, with a barrier after the maximum and after the sum.
template <class T>
void long_row(bool log, const T* x, T* y, int64_t n) {
  const int64_t parts = (n + kPart - 1) / kPart;
  std::vector<double> partial(parts);
  auto each = [&](auto f) {
    parallel_for(0, parts, 1, [&](int64_t b, int64_t e) {
      for (int64_t p = b; p < e; p++) f(p, p * kPart, std::min(kPart, n - p * kPart));
    });
  };
  each([&](int64_t p, int64_t at, int64_t m) { partial[p] = double(row_max(x + at, m)); });
  const T max = T(*std::max_element(partial.begin(), partial.end()));
  each([&](int64_t p, int64_t at, int64_t m) { partial[p] = row_exp<T>(x + at, m, max, log ? nullptr : y + at); });
  double sum = 0;
  for (double s : partial) sum += s;
  each([&](int64_t, int64_t at, int64_t m) {
    if (log)
      shift_row(x + at, y + at, m, max, sum, false);
    else
      scale_row(y + at, y + at, m, sum, false);
  });
}

template <class T>
void run(const SoftmaxCall& c) {
  const bool direct_in = c.in_type == dtype_of<T>, direct_out = c.out_type == dtype_of<T>;
  const ConvertFn in = converter(c.in_type, dtype_of<T>), out = converter(dtype_of<T>, c.out_type);
  const int64_t in_size = int64_t(item_size(c.in_type)), out_size = int64_t(item_size(c.out_type));
  const int64_t slice = c.n * c.inner;
  const bool stream = direct_out && c.out != c.in && size_t(c.outer * slice) * sizeof(T) > kStreamed;
  const char* x = static_cast<const char*>(c.in);
  const char* y = static_cast<const char*>(c.y);
  char* result = static_cast<char*>(c.out);
  Unlocked unlocked(c.outer * slice);
  if (c.inner == 1 && !c.backward && direct_in && direct_out && c.outer < num_threads() && c.n >= 2 * kPart) {
    for (int64_t i = 0; i < c.outer; i++)
      long_row(c.log, reinterpret_cast<const T*>(x) + i * c.n, reinterpret_cast<T*>(result) + i * c.n, c.n);
    return;
  }
  if (c.inner == 1 && c.n <= kShort && c.outer >= W<T>) {
    // Short rows: a group of them is turned into columns, a lane for each row.
    const int64_t groups = (c.outer + kGroup - 1) / kGroup;
    parallel_for(0, groups, std::max<int64_t>(1, kGrain / 4 / (c.n * kGroup)), [&](int64_t b, int64_t e) {
      alignas(64) T rows[kGroup * kShort], first[kGroup * kShort], second[kGroup * kShort], third[kGroup * kShort];
      auto fetch = [&](const char* from, T* to, int64_t m) {
        in(from, rows, m * c.n);
        for (int64_t k = 0; k < m; k++)
          for (int64_t r = 0; r < c.n; r++) to[r * kGroup + k] = rows[k * c.n + r];
      };
      for (int64_t g = b; g < e; g++) {
        const int64_t at = g * kGroup * c.n, m = std::min(kGroup, c.outer - g * kGroup);
        fetch(x + at * in_size, first, m);
        if (c.backward) {
          fetch(y + at * in_size, second, m);
          backward_columns(c.log, first, second, third, c.n, m, kGroup);
        } else {
          forward_columns(c.log, first, third, c.n, m, kGroup);
        }
        for (int64_t k = 0; k < m; k++)
          for (int64_t r = 0; r < c.n; r++) rows[k * c.n + r] = third[r * kGroup + k];
        out(rows, result + at * out_size, m * c.n);
      }
    });
    return;
  }
  if (c.inner == 1) {
    parallel_for(0, c.outer, std::max<int64_t>(1, kGrain / 4 / c.n), [&](int64_t b, int64_t e) {
      // Room for the row in T: the input(s) where they need conversion, the result or the exponentials.
      Scratch scratch(3 * size_t(c.n + 64) * sizeof(T));
      T* first = scratch.as<T>();
      T* second = first + (c.n + 63) / 64 * 64;
      T* third = second + (c.n + 63) / 64 * 64;
      // Exponentials of a row that leaves the second-level cache may as well go to the result.
      const bool staged = stream && c.n * int64_t(sizeof(T)) <= (1 << 19);
      for (int64_t i = b; i < e; i++) {
        const T* xs = reinterpret_cast<const T*>(x + i * c.n * in_size);
        const T* ys = reinterpret_cast<const T*>(y + i * c.n * in_size);
        if (!direct_in) {
          in(xs, first, c.n);
          xs = first;
          if (c.backward) in(y + i * c.n * in_size, second, c.n);
          ys = second;
        }
        char* place = result + i * c.n * out_size;
        T* to = direct_out ? reinterpret_cast<T*>(place) : third;
        if (c.backward)
          backward_row(c.log, xs, ys, to, c.n, stream);
        else
          forward_row(c.log, xs, to, staged ? third : nullptr, c.n, stream);
        if (!direct_out) out(third, place, c.n);
      }
#if defined(__SSE2__)
      if (stream) _mm_sfence();
#endif
    });
    return;
  }
  int64_t width = std::clamp(kTile / c.n / W<T> * W<T>, 4 * W<T>, std::max<int64_t>(4 * W<T>, 1024));
  width = std::min(width, c.inner);
  const int64_t blocks = (c.inner + width - 1) / width;
  parallel_for(0, c.outer * blocks, std::max<int64_t>(1, kGrain / 4 / (c.n * width)), [&](int64_t b, int64_t e) {
    Scratch scratch(direct_in && direct_out ? 0 : 3 * size_t(c.n * width) * sizeof(T));
    T* first = scratch.as<T>();
    T* second = first + c.n * width;
    T* third = second + c.n * width;
    for (int64_t i = b; i < e; i++) {
      int64_t column = i % blocks * width, at = i / blocks * slice + column, m = std::min(width, c.inner - column);
      if (direct_in && direct_out) {
        const T* xs = reinterpret_cast<const T*>(x) + at;
        T* to = reinterpret_cast<T*>(result) + at;
        if (c.backward)
          backward_columns(c.log, xs, reinterpret_cast<const T*>(y) + at, to, c.n, m, c.inner);
        else
          forward_columns(c.log, xs, to, c.n, m, c.inner);
        continue;
      }
      for (int64_t r = 0; r < c.n; r++) {
        in(x + (at + r * c.inner) * in_size, first + r * m, m);
        if (c.backward) in(y + (at + r * c.inner) * in_size, second + r * m, m);
      }
      if (c.backward)
        backward_columns(c.log, first, second, third, c.n, m, m);
      else
        forward_columns(c.log, first, third, c.n, m, m);
      for (int64_t r = 0; r < c.n; r++) out(third + r * m, result + (at + r * c.inner) * out_size, m);
    }
  });
}

}  // namespace

void softmax(const SoftmaxCall& call) {
  if (call.outer * call.n * call.inner == 0) return;
  if (call.in_type == DType::Float64 || call.out_type == DType::Float64)
    run<double>(call);
  else
    run<float>(call);
}

}  // namespace lampas::cpu
