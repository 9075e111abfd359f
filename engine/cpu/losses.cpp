// Cross entropy without a tensor of probabilities, and sums of losses without a tensor of losses.
#include "cpu/losses.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/threads.h"
#include "cpu/fast_math.h"
#include "cpu/lanes.h"
#include "cpu/loops.h"
#include "cpu/strided.h"

namespace lampas::cpu {

namespace {

using simd::load;
using simd::splat;

template <class R>
inline constexpr int64_t W = simd::kLanes<simd::Vec<R>>;

template <class R>
R largest(const R* x, int64_t n) {
  using V = simd::Vec<R>;
  constexpr R lowest = -std::numeric_limits<R>::infinity();
  V m = take<R>(x, n, lowest);
  for (int64_t i = W<R>; i < n; i += W<R>) {
    V v = take<R>(x + i, n - i, lowest);
    m = v > m ? v : m;  // a NaN is found again by the sum
  }
  return join_lanes(m, [](auto a, auto b) { return b > a ? b : a; });
}

template <class R>
double sum_exp(const R* x, int64_t n, R max) {
  using V = simd::Vec<R>;
  constexpr int64_t kFlush = 4096;  // terms summed in single precision
  double sum = 0;
  for (int64_t b = 0; b < n; b += kFlush) {
    V s{};
    int64_t end = std::min(n, b + kFlush);
    for (int64_t i = b; i < end; i += W<R>)
      s += simd::fast_exp(take<R>(x + i, end - i, -std::numeric_limits<R>::infinity()) - splat<V>(max));
    sum += double(join_lanes(s, [](auto a, auto b) { return a + b; }));
  }
  return sum;
}

// The classes of one position as numbers to compute with: x itself, or a copy in `buffer`.
template <class T>
const Compute<T>* as_computed(const T* x, int64_t n, Compute<T>* buffer) {
  if constexpr (std::is_same_v<T, Compute<T>>) {
    return x;
  } else {
    for (int64_t i = 0; i < n; i++) buffer[i] = Compute<T>(x[i]);
    return buffer;
  }
}

template <class T>
struct Entropy {
  using R = Compute<T>;
  using V = simd::Vec<R>;
  const CrossEntropyCall& c;
  const T* x = static_cast<const T*>(c.x);

  // The class at a position, -1 for none.
  int64_t target(int64_t at) const {
    int64_t t = c.byte_target ? static_cast<const uint8_t*>(c.target)[at] : static_cast<const int64_t*>(c.target)[at];
    if (t == c.ignore) return -1;
    CHECK_KIND(Index, t >= 0 && t < c.classes, "Target ", t, " is out of bounds. It must be a class from 0 to ",
               c.classes - 1);
    return t;
  }
  double weight(int64_t t) const { return c.weight ? c.weight[t] : 1; }
  double coefficient(int64_t at, int64_t t) const {
    return t < 0 ? 0 : double(static_cast<const T*>(c.grad)[c.one_grad ? 0 : at]) * c.scale * weight(t);
  }
  int64_t place(int64_t n, int64_t s) const { return n * c.strides[0] + s * c.strides[2]; }

  struct Total {
    double sum = 0, weight = 0;
  };

  // One position's loss from log(sum(exp(x))) - max and max.
  void score(int64_t at, const T* row, double log_sum, double max, Total& total) const {
    int64_t t = target(at);
    double loss = 0;
    if (t >= 0) {
      double w = weight(t);
      loss = ((max - double(row[t * c.strides[1]])) + log_sum) * w;
      total.sum += loss;
      total.weight += w;
    }
    if (c.losses) static_cast<T*>(c.losses)[at] = T(loss);
  }

  // Positions whose classes lie side by side.
  void rows(int64_t b, int64_t e, Total& total) const {
    std::vector<R> buffer(std::is_same_v<T, R> ? 0 : size_t(c.classes));
    constexpr int kTogether = simd::kLanes<simd::vd>;  // a logarithm takes as long as a short row: a vector of them
    for (int64_t i = b; i < e; i += kTogether) {
      const int count = int(std::min<int64_t>(kTogether, e - i));
      const T* row[kTogether];
      double max[kTogether];
      simd::vd sums = splat<simd::vd>(1);
      for (int j = 0; j < count; j++) {
        row[j] = x + (c.space == 1 ? (i + j) * c.strides[0] : place((i + j) / c.space, (i + j) % c.space));
        const R* v = as_computed<T>(row[j], c.classes, buffer.data());
        const R most = largest(v, c.classes);
        max[j] = double(most);
        sums[j] = sum_exp(v, c.classes, most);
      }
      const simd::vd logs = simd::log(sums);
      for (int j = 0; j < count; j++) {
        c.log_sums[i + j] = max[j] + logs[j];
        score(i + j, row[j], logs[j], max[j], total);
      }
    }
  }
  void rows_backward(int64_t b, int64_t e) const {
    std::vector<R> buffer(std::is_same_v<T, R> ? 0 : size_t(c.classes));
    for (int64_t i = b; i < e; i++) {
      int64_t t = target(i), at = c.space == 1 ? i * c.strides[0] : place(i / c.space, i % c.space);
      T* g = static_cast<T*>(c.gx) + at;
      if (t < 0) {
        std::fill(g, g + c.classes, T(0));
        continue;
      }
      R k = R(coefficient(i, t)), log_sum = R(c.log_sums[i]);
      const R* v = as_computed<T>(x + at, c.classes, buffer.data());
      for (int64_t j = 0; j < c.classes; j += W<R>) {
        V p = simd::fast_exp(take<R>(v + j, c.classes - j, R(0)) - splat<V>(log_sum)) * splat<V>(k);
        int64_t count = std::min(W<R>, c.classes - j);
        if (t >= j && t < j + count) p[t - j] -= k;
        if constexpr (std::is_same_v<T, R>) {
          gemm_detail::Lanes<R>(int(count)).store(g + j, p);
        } else {
          for (int64_t q = 0; q < count; q++) g[j + q] = T(p[q]);
        }
      }
    }
  }

  // Positions that lie side by side for each class: tiles of them stay in the first-level cache.
  static constexpr int64_t kTile = 256;
  struct Tile {
    alignas(64) R x[kTile], a[kTile], b[kTile];
  };

  void load_tile(const T* from, int64_t count, R* to) const {
    if (c.strides[2] == 1) {
      for (int64_t j = 0; j < count; j++) to[j] = R(from[j]);
    } else {
      T dense[kTile];
      gather_run(reinterpret_cast<const char*>(from), c.strides[2] * int64_t(sizeof(T)), dense, count);
      for (int64_t j = 0; j < count; j++) to[j] = R(dense[j]);
    }
  }
  int64_t tiles() const { return (c.space + kTile - 1) / kTile; }
  template <class F>
  void each_tile(int64_t b, int64_t e, F&& f) const {
    for (int64_t i = b; i < e; i++) {
      int64_t n = i / tiles(), s = i % tiles() * kTile;
      f(n, s, std::min(kTile, c.space - s));
    }
  }
  void columns(int64_t b, int64_t e, Total& total) const {
    Tile t{};
    each_tile(b, e, [&](int64_t n, int64_t s, int64_t count) {
      const T* from = x + place(n, s);
      std::fill(t.a, t.a + kTile, -std::numeric_limits<R>::infinity());
      std::fill(t.b, t.b + kTile, R(0));
      for (int64_t k = 0; k < c.classes; k++) {
        load_tile(from + k * c.strides[1], count, t.x);
        for (int64_t j = 0; j < count; j++) t.a[j] = t.x[j] > t.a[j] ? t.x[j] : t.a[j];
      }
      for (int64_t k = 0; k < c.classes; k++) {
        load_tile(from + k * c.strides[1], count, t.x);
        for (int64_t j = 0; j < count; j += W<R>)
          simd::store(t.b + j, load<V>(t.b + j) + simd::fast_exp(load<V>(t.x + j) - load<V>(t.a + j)));
      }
      constexpr int kTogether = simd::kLanes<simd::vd>;
      for (int64_t j0 = 0; j0 < count; j0 += kTogether) {
        simd::vd sums;
        for (int j = 0; j < kTogether; j++) sums[j] = double(t.b[j0 + j]);
        const simd::vd logs = simd::log(sums);
        for (int64_t j = j0; j < std::min(count, j0 + kTogether); j++) {
          const int64_t at = n * c.space + s + j;
          c.log_sums[at] = double(t.a[j]) + logs[j - j0];
          score(at, from + j * c.strides[2], logs[j - j0], double(t.a[j]), total);
        }
      }
    });
  }
  void columns_backward(int64_t b, int64_t e) const {
    Tile t{};
    int64_t classes[kTile];
    each_tile(b, e, [&](int64_t n, int64_t s, int64_t count) {
      int64_t first = n * c.space + s;
      for (int64_t j = 0; j < count; j++) {
        classes[j] = target(first + j);
        t.a[j] = R(c.log_sums[first + j]);
        t.b[j] = R(coefficient(first + j, classes[j]));
      }
      for (int64_t k = 0; k < c.classes; k++) {
        int64_t at = place(n, s) + k * c.strides[1];
        load_tile(x + at, count, t.x);
        for (int64_t j = 0; j < count; j += W<R>)
          simd::store(t.x + j, simd::fast_exp(load<V>(t.x + j) - load<V>(t.a + j)) * load<V>(t.b + j));
        T* g = static_cast<T*>(c.gx) + at;
        for (int64_t j = 0; j < count; j++)
          g[j] = classes[j] < 0 ? T(0) : T(classes[j] == k ? t.x[j] - t.b[j] : t.x[j]);
      }
    });
  }

  // Log-probabilities: one element of each position counts.
  void chosen(int64_t b, int64_t e, Total& total) const {
    for (int64_t i = b; i < e; i++) score(i, x + place(i / c.space, i % c.space), 0, 0, total);
  }
  void chosen_backward(int64_t b, int64_t e) const {
    for (int64_t i = b; i < e; i++) {
      int64_t t = target(i);
      if (t >= 0) static_cast<T*>(c.gx)[place(i / c.space, i % c.space) + t * c.strides[1]] = T(-coefficient(i, t));
    }
  }

  // Totals of parts of fixed size, added in order: the same for any number of threads.
  template <class F>
  void in_parts(int64_t count, int64_t part, F&& f) const {
    int64_t parts = (count + part - 1) / part;
    std::vector<Total> totals(static_cast<size_t>(parts));
    parallel_for(0, parts, 1, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; i++) f(i * part, std::min(count, (i + 1) * part), totals[size_t(i)]);
    });
    Total all;
    for (const Total& t : totals) all.sum += t.sum, all.weight += t.weight;
    if (c.sum) *c.sum = all.sum;
    if (c.weight_sum) *c.weight_sum = all.weight;
  }
  bool by_rows() const { return c.strides[1] == 1 || c.classes == 1; }
  // Rows of few classes, each of which would leave most of a vector empty: positions are handled side by side.
  bool by_short_rows() const { return by_rows() && c.space == 1 && c.classes <= 8 && c.n >= 64; }
  CrossEntropyCall side_by_side() const {
    CrossEntropyCall turned = c;
    turned.n = 1, turned.space = c.n;
    turned.strides[0] = 0, turned.strides[2] = c.strides[0];
    return turned;
  }
  int64_t part_of(int64_t step) const { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, step)); }

  void forward() const {
    int64_t positions = c.n * c.space;
    if (c.normalized)
      in_parts(positions, kGrain, [&](int64_t b, int64_t e, Total& t) { chosen(b, e, t); });
    else if (by_short_rows())
      Entropy{side_by_side()}.forward_columns();
    else if (by_rows())
      in_parts(positions, part_of(c.classes), [&](int64_t b, int64_t e, Total& t) { rows(b, e, t); });
    else
      forward_columns();
  }
  void forward_columns() const {
    in_parts(c.n * tiles(), part_of(4 * c.classes * kTile), [&](int64_t b, int64_t e, Total& t) { columns(b, e, t); });
  }
  void backward() const {
    int64_t positions = c.n * c.space;
    if (c.normalized)
      parallel_for(0, positions, kGrain, [&](int64_t b, int64_t e) { chosen_backward(b, e); });
    else if (by_rows())
      parallel_for(0, positions, part_of(c.classes), [&](int64_t b, int64_t e) { rows_backward(b, e); });
    else
      parallel_for(0, c.n * tiles(), part_of(c.classes * kTile), [&](int64_t b, int64_t e) { columns_backward(b, e); });
  }
};

template <class F>
void dispatch_floats(DType d, F&& f) {
  switch (d) {
    case DType::Float16:
      return f(TypeTag<Half>{});
    case DType::BFloat16:
      return f(TypeTag<BFloat16>{});
    case DType::Float64:
      return f(TypeTag<double>{});
    default:
      return f(TypeTag<float>{});
  }
}

}  // namespace

void cross_entropy(const CrossEntropyCall& call) {
  Unlocked unlocked(call.n * call.classes * call.space);
  dispatch_floats(call.type, [&]<class T>(TypeTag<T>) { Entropy<T>{call}.forward(); });
}
void cross_entropy_backward(const CrossEntropyCall& call) {
  Unlocked unlocked(call.n * call.classes * call.space);
  dispatch_floats(call.type, [&]<class T>(TypeTag<T>) { Entropy<T>{call}.backward(); });
}

double pair_sum(Ew op, DType type, const void* a, const void* b, int64_t n, const EwParams& params) {
  constexpr int64_t kBlock = 2048, kPart = 16 * kBlock;
  BlockFn f = kernel(op, type);
  int64_t parts = (n + kPart - 1) / kPart;
  std::vector<double> sums(static_cast<size_t>(parts));
  Unlocked unlocked(n);
  auto run = [&]<class R>(TypeTag<R>) {
    using V = simd::Vec<R>;
    parallel_for(0, parts, 1, [&](int64_t first, int64_t last) {
      alignas(64) R block[kBlock];
      const bool single[3] = {};
      for (int64_t part = first; part < last; part++) {
        double sum = 0;
        for (int64_t i = part * kPart, end = std::min(n, i + kPart); i < end; i += kBlock) {
          int64_t count = std::min(kBlock, end - i);
          char* p[3] = {reinterpret_cast<char*>(block),
                        const_cast<char*>(static_cast<const char*>(a)) + i * int64_t(sizeof(R)),
                        const_cast<char*>(static_cast<const char*>(b)) + i * int64_t(sizeof(R))};
          f(p, single, count, params);
          V s[2]{};
          for (int64_t j = 0, k = 0; j < count; j += W<R>, k ^= 1) s[k] += take<R>(block + j, count - j, R(0));
          s[0] += s[1];
          for (int k = 0; k < W<R>; k++) sum += s[0][k];
        }
        sums[size_t(part)] = sum;
      }
    });
  };
  if (type == DType::Float64)
    run(TypeTag<double>{});
  else
    run(TypeTag<float>{});
  double total = 0;
  for (double s : sums) total += s;
  return total;
}

bool all_between(const void* x, DType type, int64_t n, double low, double high) {
  bool all = true;
  dispatch_floats(type, [&]<class T>(TypeTag<T>) {
    using R = Compute<T>;
    const T* p = static_cast<const T*>(x);
    R lo = R(low), hi = R(high);
    for (int64_t b = 0; b < n && all; b += 4096) {
      int outside = 0;
      for (int64_t i = b, e = std::min(n, b + 4096); i < e; i++) outside |= !(R(p[i]) >= lo) | !(R(p[i]) <= hi);
      all = !outside;
    }
  });
  return all;
}

}  // namespace lampas::cpu
