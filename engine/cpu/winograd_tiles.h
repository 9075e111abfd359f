// The transforms of Winograd's minimal filtering, and the tiles of an image that they work on: what both files of it
// share.
#pragma once

#include <algorithm>
#include <array>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/panels.h"
#include "cpu/widen.h"
#include "cpu/winograd.h"

namespace lampas::cpu::winograd {

using V = simd::vf;
constexpr int L = simd::kLanes<V>;
constexpr int kPanel = Panels<float>::kColumns;
constexpr int64_t kChunk = 16;  // channels whose kernels are transformed at a time

// ---- the transforms, in float32 -------------------------------------------------------------------------------------

// One dimension of a tile: how the numbers that are multiplied are made of inputs and of 3 taps (B' and G), and the
// results of the sums of products (A'). Sum f is that of numbers kFirst[f] to kFirst[f + 1].

// F(R, 3): R + 2 numbers, each a sum of its own.
template <int R>
struct Filter;

template <int R>
struct Alone {
  static constexpr int kResults = R, kStride = 1, kSums = R + 2;
  static constexpr std::array<int, kSums + 1> kFirst = [] {
    std::array<int, kSums + 1> first{};
    for (int f = 0; f <= kSums; f++) first[f] = f;
    return first;
  }();
};

// The points 0, 1, -1, and infinity.
template <>
struct Filter<2> : Alone<2> {
  static void input(V (&d)[4]) {
    const V sum = d[1] + d[2];
    d[0] -= d[2];
    d[2] -= d[1];
    d[3] = d[1] - d[3];
    d[1] = sum;
  }
  static void kernel(const V (&g)[3], V (&u)[4]) {
    const V outer = (g[0] + g[2]) * 0.5f, inner = g[1] * 0.5f;
    u[0] = g[0];
    u[1] = outer + inner;
    u[2] = outer - inner;
    u[3] = g[2];
  }
  static void output(const V (&m)[4], V (&y)[2]) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
  }
};

// The points 0, p, -p, q, -q, and infinity. Of those that float32 holds exactly these give bfloat16 the least error:
// with 1 and 2 it is half as large again.
template <>
struct Filter<4> : Alone<4> {
  static constexpr float p = 0.6875f, q = 1.5f, pp = p * p, qq = q * q;

  static void input(V (&d)[6]) {
    const V even_p = d[4] - qq * d[2], odd_p = p * (d[3] - qq * d[1]);
    const V even_q = d[4] - pp * d[2], odd_q = q * (d[3] - pp * d[1]);
    d[0] = d[4] - (pp + qq) * d[2] + pp * qq * d[0];
    d[5] = d[5] - (pp + qq) * d[3] + pp * qq * d[1];
    d[1] = even_p + odd_p;
    d[2] = even_p - odd_p;
    d[3] = even_q + odd_q;
    d[4] = even_q - odd_q;
  }
  static void kernel(const V (&g)[3], V (&u)[6]) {
    constexpr float of_p = 1 / (2 * pp * (pp - qq)), of_q = 1 / (2 * qq * (qq - pp));
    const V even_p = (g[0] + pp * g[2]) * of_p, odd_p = p * of_p * g[1];
    const V even_q = (g[0] + qq * g[2]) * of_q, odd_q = q * of_q * g[1];
    u[0] = g[0] * (1 / (pp * qq));
    u[1] = even_p + odd_p;
    u[2] = even_p - odd_p;
    u[3] = even_q + odd_q;
    u[4] = even_q - odd_q;
    u[5] = g[2];
  }
  static void output(const V (&m)[6], V (&y)[4]) {
    const V even_p = m[1] + m[2], odd_p = p * (m[1] - m[2]), even_q = m[3] + m[4], odd_q = q * (m[3] - m[4]);
    y[0] = m[0] + even_p + even_q;
    y[1] = odd_p + odd_q;
    y[2] = pp * even_p + qq * even_q;
    y[3] = pp * odd_p + qq * odd_q + m[5];
  }
};

// Every second result: of the inputs the even ones meet taps 0 and 2, which is F(2, 2) with the points 0, 1, and
// infinity, the odd ones tap 1 alone. Five products in place of six, in three sums.
struct EverySecond {
  static constexpr int kResults = 2, kStride = 2, kSums = 3;
  static constexpr std::array<int, 4> kFirst = {0, 2, 3, 5};

  static void input(V (&d)[5]) {
    const V odd = d[3];
    d[0] -= d[2];
    d[3] = d[4] - d[2];
    d[4] = odd;
  }
  static void kernel(const V (&g)[3], V (&u)[5]) {
    u[0] = g[0];
    u[1] = g[1];
    u[2] = g[0] + g[2];
    u[3] = g[2];
    u[4] = g[1];
  }
  static void output(const V (&m)[3], V (&y)[2]) {
    y[0] = m[0] + m[1];
    y[1] = m[1] + m[2];
  }
};

// A tile's two dimensions.
template <class Down, class Across>
struct Form {
  static constexpr int kRows = Down::kResults, kColumns = Across::kResults;
  static constexpr int kSumRows = Down::kSums, kSumColumns = Across::kSums, kSums = kSumRows * kSumColumns;
  static constexpr int kInputRows = Down::kFirst[Down::kSums], kInputColumns = Across::kFirst[Across::kSums];
  static constexpr int kNumbers = kInputRows * kInputColumns;
  static constexpr int kStride = Down::kStride;

  // Sum f is that of `count` products, of numbers `first` and those that follow it.
  struct Sum {
    int first, count;
  };
  // Number k of the transforms, row by row, is number `at` of its sum.
  struct Place {
    Sum sum;
    int at;
  };
  static constexpr std::array<Place, kNumbers> kPlaces = [] {
    std::array<Place, kNumbers> places{};
    for (int f = 0; f < kSums; f++) {
      const int i0 = Down::kFirst[f / kSumColumns], i1 = Down::kFirst[f / kSumColumns + 1];
      const int j0 = Across::kFirst[f % kSumColumns], j1 = Across::kFirst[f % kSumColumns + 1];
      for (int i = i0; i < i1; i++)
        for (int j = j0; j < j1; j++)
          places[i * kInputColumns + j] = {{i0 * kInputColumns + (i1 - i0) * j0, (i1 - i0) * (j1 - j0)},
                                           (i - i0) * (j1 - j0) + j - j0};
    }
    return places;
  }();
  static constexpr Sum sum(int f) {
    return kPlaces[Down::kFirst[f / kSumColumns] * kInputColumns + Across::kFirst[f % kSumColumns]].sum;
  }

  // B' d B.
  static void input(V (&d)[kInputRows][kInputColumns]);
  // G g G'.
  static void kernel(const V (&g)[3][3], V (&u)[kInputRows][kInputColumns]);
  // A' m A.
  static void output(const V (&m)[kSumRows][kSumColumns], V (&y)[kRows][kColumns]);
};

// Calls step(column) for a copy of column j of `from`, and writes what it gives to column j of `to`.
template <int From, int To, int Columns, class Step>
inline void along_columns(const V (&from)[From][Columns], V (&to)[To][Columns], const Step& step) {
#pragma GCC unroll 5
  for (int j = 0; j < Columns; j++) {
    V column[From], result[To];
#pragma GCC unroll 6
    for (int i = 0; i < From; i++) column[i] = from[i][j];
    step(column, result);
#pragma GCC unroll 6
    for (int i = 0; i < To; i++) to[i][j] = result[i];
  }
}

template <class Down, class Across>
inline void Form<Down, Across>::input(V (&d)[kInputRows][kInputColumns]) {
  along_columns(d, d, [](V(&column)[kInputRows], V(&result)[kInputRows]) {
    Down::input(column);
    std::copy_n(column, kInputRows, result);
  });
#pragma GCC unroll 6
  for (int i = 0; i < kInputRows; i++) Across::input(d[i]);
}
template <class Down, class Across>
inline void Form<Down, Across>::kernel(const V (&g)[3][3], V (&u)[kInputRows][kInputColumns]) {
  V rows[kInputRows][3];
  along_columns(g, rows, [](const V(&column)[3], V(&result)[kInputRows]) { Down::kernel(column, result); });
#pragma GCC unroll 6
  for (int i = 0; i < kInputRows; i++) Across::kernel(rows[i], u[i]);
}
template <class Down, class Across>
inline void Form<Down, Across>::output(const V (&m)[kSumRows][kSumColumns], V (&y)[kRows][kColumns]) {
  V rows[kRows][kSumColumns];
  along_columns(m, rows, [](const V(&column)[kSumRows], V(&result)[kRows]) { Down::output(column, result); });
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i++) Across::output(rows[i], y[i]);
}

// Row `i` of B' d B alone.
template <int i>
inline void transform_input_row(const V (&d)[4][4], V (&r)[4]) {
  for (int j = 0; j < 4; j++)
    r[j] = i == 0 ? d[0][j] - d[2][j] : i == 1 ? d[1][j] + d[2][j] : i == 2 ? d[2][j] - d[1][j] : d[1][j] - d[3][j];
  Filter<2>::input(r);
}

// Row `i` of A dy A' alone.
template <int i>
inline void transform_gradient_row(const V (&y)[2][2], V (&z)[4]) {
  V r[2];
  for (int j = 0; j < 2; j++)
    r[j] = i == 0 ? y[0][j] : i == 1 ? y[0][j] + y[1][j] : i == 2 ? y[0][j] - y[1][j] : -y[1][j];
  z[0] = r[0];
  z[1] = r[0] + r[1];
  z[2] = r[0] - r[1];
  z[3] = -r[1];
}

// G' s G.
inline void transform_kernel_gradient(const V (&s)[16], V (&g)[9]) {
  V r[3][4];
  for (int j = 0; j < 4; j++) {
    const V sum = (s[4 + j] + s[8 + j]) * 0.5f;
    r[0][j] = s[j] + sum;
    r[1][j] = (s[4 + j] - s[8 + j]) * 0.5f;
    r[2][j] = sum + s[12 + j];
  }
  for (int i = 0; i < 3; i++) {
    const V sum = (r[i][1] + r[i][2]) * 0.5f;
    g[3 * i] = r[i][0] + sum;
    g[3 * i + 1] = (r[i][1] - r[i][2]) * 0.5f;
    g[3 * i + 2] = sum + r[i][3];
  }
}

// ---- tiles ----------------------------------------------------------------------------------------------------------

// An image's extents and how far its tiles begin outside it.
struct Image {
  int64_t height, width, channels;
};
template <class F>
struct Tiles {
  int64_t batch, rows, columns, pad_y, pad_x;
  Image in, out;
  int64_t count() const { return batch * rows * columns; }
};

template <class F>
inline Tiles<F> tiles_of(const ConvShape& s) {
  Tiles<F> t;
  t.batch = s.batch;
  t.rows = (s.out[0] + F::kRows - 1) / F::kRows;
  t.columns = (s.out[1] + F::kColumns - 1) / F::kColumns;
  t.pad_y = s.pad_l[0];
  t.pad_x = s.pad_l[1];
  t.in = {s.in[0], s.in[1], s.in_channels};
  t.out = {s.out[0], s.out[1], s.out_channels};
  return t;
}
// The convolution that takes the gradient of the result to that of the input.
template <class F>
inline Tiles<F> tiles_backward(const ConvShape& s) {
  Tiles<F> t;
  t.batch = s.batch;
  t.rows = (s.in[0] + F::kRows - 1) / F::kRows;
  t.columns = (s.in[1] + F::kColumns - 1) / F::kColumns;
  t.pad_y = 2 - s.pad_l[0];
  t.pad_x = 2 - s.pad_l[1];
  t.in = {s.out[0], s.out[1], s.out_channels};
  t.out = {s.in[0], s.in[1], s.in_channels};
  return t;
}

// Where the pixels of a tile lie; those outside the image are `outside`.
template <int Rows, int Columns, class T>
struct Patch {
  T* pixel[Rows][Columns];
  Patch(T* image, const Image& size, int64_t n, int64_t y0, int64_t x0, T* outside) {
    T* corner = image + ((n * size.height + y0) * size.width + x0) * size.channels;
    const bool whole = y0 >= 0 && x0 >= 0 && y0 + Rows <= size.height && x0 + Columns <= size.width;
    for (int i = 0; i < Rows; i++)
      for (int j = 0; j < Columns; j++) {
        const bool inside =
            whole || (uint64_t(y0 + i) < uint64_t(size.height) && uint64_t(x0 + j) < uint64_t(size.width));
        pixel[i][j] = inside ? corner + (i * size.width + j) * size.channels : outside;
      }
  }
  template <class Access>
  void load(int64_t c, const Access& access, V (&v)[Rows][Columns]) const {
    for (int i = 0; i < Rows; i++)
      for (int j = 0; j < Columns; j++) v[i][j] = access.load(pixel[i][j] + c);
  }
};

// Tiles that reach over the edge of the result need only some of the products: without its last row of results a tile
// needs none of the last row of the sums, without its last column none of the last column. So that each product takes
// tiles that follow each other, those of all images come in this order: over the right edge, whole ones, over the
// bottom, over both.
template <class F>
class TileOrder {
 public:
  explicit TileOrder(const Tiles<F>& t) : batch_(t.batch) {
    const int64_t rows = t.out.height / F::kRows, columns = t.out.width / F::kColumns;  // of whole tiles
    parts_[0] = {0, rows, columns, t.columns};
    parts_[1] = {0, rows, 0, columns};
    parts_[2] = {rows, t.rows, 0, columns};
    parts_[3] = {rows, t.rows, columns, t.columns};
    for (int i = 0; i < 4; i++) first_[i + 1] = first_[i] + batch_ * parts_[i].count();
  }

  struct Range {
    int64_t begin, end;
    Range within(int64_t first, int64_t last) const {
      return {std::clamp(begin, first, last) - first, std::clamp(end, first, last) - first};
    }
    int64_t count() const { return end - begin; }
  };
  // The tiles that need sum f.
  Range needing(int f) const {
    const bool last_row = f / F::kSumColumns == F::kSumRows - 1, last_column = f % F::kSumColumns == F::kSumColumns - 1;
    return {first_[last_column ? 1 : 0], first_[last_row ? 2 : last_column ? 3 : 4]};
  }
  int64_t products() const {
    int64_t sum = 0;
    for (int f = 0; f < F::kSums; f++) sum += needing(f).count() * F::sum(f).count;
    return sum;
  }

  // Calls f(number in the block, image, row, column) for tiles [begin, end).
  template <class Call>
  void each(int64_t begin, int64_t end, Call&& f) const {
    for (int i = 0; i < 4; i++) {
      const Part& part = parts_[i];
      const int64_t from = std::max(begin, first_[i]), to = std::min(end, first_[i + 1]);
      if (from >= to) continue;
      const int64_t width = part.column1 - part.column0, rest = (from - first_[i]) % part.count();
      int64_t n = (from - first_[i]) / part.count(), row = part.row0 + rest / width,
              column = part.column0 + rest % width;
      for (int64_t at = from; at < to; at++) {
        f(at - begin, n, row, column);
        if (++column < part.column1) continue;
        column = part.column0;
        if (++row == part.row1) row = part.row0, n++;
      }
    }
  }

 private:
  struct Part {
    int64_t row0, row1, column0, column1;
    int64_t count() const { return (row1 - row0) * (column1 - column0); }
  };
  int64_t batch_, first_[5] = {};
  Part parts_[4];
};

// The distance between matrices that are written side by side: no power of two, whose cache lines would share a set.
inline int64_t apart(int64_t elements) { return (elements + 15) / 16 * 16 + 16; }

constexpr int64_t kBlockBytes = 448 << 10;  // of transformed tiles at a time: half of the second-level cache

template <class F>
inline int64_t block_tiles(const Tiles<F>& t, int64_t bytes_per_tile, int64_t threads) {
  constexpr int kRows = gemm_detail::kTileRows;
  const int64_t fitting = std::max<int64_t>(2 * kRows, kBlockBytes / bytes_per_tile / kRows * kRows);
  const int64_t share = (t.count() + threads - 1) / threads;
  return std::min(fitting, (share + kRows - 1) / kRows * kRows);
}

template <class T>
class Zeros {
 public:
  explicit Zeros(int64_t n) : memory_(n * sizeof(T)) { std::fill_n(data(), n, T(0.0f)); }
  T* data() const { return memory_.as<T>(); }

 private:
  Scratch memory_;
};

// Stores by the processor's own rounding, which takes subnormal numbers for 0, as its products do.
template <class T>
inline void round_to(const auto& access, T* to, V v) {
#if defined(__AVX512BF16__)
  if constexpr (std::is_same_v<decltype(access), const Whole16<BFloat16>&>)
    return simd::store(to, _mm512_cvtneps_pbh((__m512)v));
#endif
  access.store(to, v);
}

// ---- images as matrices [tiles, channels] ---------------------------------------------------------------------------

// B' d B of tiles [begin, end): for each sum a matrix [tiles, count * channels] of its numbers, which begins at
// v + first * step, with tile `top`.
template <class F, class T>
void transform_inputs(const Tiles<F>& t, int64_t top, int64_t begin, int64_t end, const T* x, const T* outside, T* v,
                      int64_t step) {
  const int64_t C = t.in.channels;
  TileOrder(t).each(begin, end, [&](int64_t i, int64_t n, int64_t row, int64_t column) {
    const Patch<F::kInputRows, F::kInputColumns, const T> patch(x, t.in, n, F::kStride * F::kRows * row - t.pad_y,
                                                                F::kStride * F::kColumns * column - t.pad_x, outside);
    T* number[F::kNumbers];
    for (int k = 0; k < F::kNumbers; k++) {
      const auto [sum, at] = F::kPlaces[k];
      number[k] = v + sum.first * step + ((begin - top + i) * sum.count + at) * C;
    }
    for_wide<T>(0, C, [&](int64_t c, const auto& access) {
      V d[F::kInputRows][F::kInputColumns];
      patch.load(c, access, d);
      F::input(d);
#pragma GCC unroll 25
      for (int k = 0; k < F::kNumbers; k++)
        round_to(access, number[k] + c, d[k / F::kInputColumns][k % F::kInputColumns]);
    });
  });
}

// The matrices of all tiles, made by all threads.
template <class F, class T>
class Inputs {
 public:
  Inputs(const Tiles<F>& t, const T* x)
      : channels_(t.in.channels), step_(apart(t.count() * channels_)), memory_(F::kNumbers * step_ * sizeof(T)) {
    const Zeros<T> outside(channels_);
    parallel_for(0, t.count(), 4, [&](int64_t begin, int64_t end) {
      transform_inputs(t, 0, begin, end, x, outside.data(), memory_.template as<T>(), step_);
    });
  }
  // The matrix of sum f from tile i on.
  const T* rows(int f, int64_t i) const {
    return memory_.template as<T>() + F::sum(f).first * step_ + i * F::sum(f).count * channels_;
  }

 private:
  int64_t channels_, step_;
  Scratch memory_;
};

// Where each thread had better take channels of the result than tiles.
template <class F>
inline bool few(const Tiles<F>& t) {
  return t.count() <= 128;
}

}  // namespace lampas::cpu::winograd
