// The transforms of Winograd's minimal filtering, and the tiles of an image that they work on: what both files of it
// share.
#pragma once

#include <algorithm>

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

// One dimension of F(R, 3): what R results need of R + 2 inputs and 3 taps (B' and G), and how they are made of R + 2
// products (A').
template <int R>
struct Filter;

// The points 0, 1, -1, and infinity.
template <>
struct Filter<2> {
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
struct Filter<4> {
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

// Calls step(column) for a copy of column j of `from`, and writes what it gives to column j of `to`.
template <int From, int To, int Columns, class Step>
inline void along_columns(const V (&from)[From][Columns], V (&to)[To][Columns], const Step& step) {
#pragma GCC unroll 4
  for (int j = 0; j < Columns; j++) {
    V column[From], result[To];
#pragma GCC unroll 6
    for (int i = 0; i < From; i++) column[i] = from[i][j];
    step(column, result);
#pragma GCC unroll 6
    for (int i = 0; i < To; i++) to[i][j] = result[i];
  }
}

// B' d B.
template <int Rows>
inline void transform_input(V (&d)[Rows][4]) {
  along_columns(d, d, [](V(&column)[Rows], V(&result)[Rows]) {
    Filter<Rows - 2>::input(column);
    std::copy_n(column, Rows, result);
  });
#pragma GCC unroll 6
  for (int i = 0; i < Rows; i++) Filter<2>::input(d[i]);
}

// Row `i` of B' d B alone.
template <int i>
inline void transform_input_row(const V (&d)[4][4], V (&r)[4]) {
  for (int j = 0; j < 4; j++)
    r[j] = i == 0 ? d[0][j] - d[2][j] : i == 1 ? d[1][j] + d[2][j] : i == 2 ? d[2][j] - d[1][j] : d[1][j] - d[3][j];
  Filter<2>::input(r);
}

// A' m A.
template <int R>
inline void transform_output(const V (&m)[R + 2][4], V (&y)[R][2]) {
  V rows[R][4];
  along_columns(m, rows, [](const V(&column)[R + 2], V(&result)[R]) { Filter<R>::output(column, result); });
#pragma GCC unroll 4
  for (int i = 0; i < R; i++) Filter<2>::output(rows[i], y[i]);
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

// G g G'.
template <int Rows>
inline void transform_kernel(const V (&g)[3][3], V (&u)[Rows][4]) {
  V rows[Rows][3];
  along_columns(g, rows, [](const V(&column)[3], V(&result)[Rows]) { Filter<Rows - 2>::kernel(column, result); });
#pragma GCC unroll 6
  for (int i = 0; i < Rows; i++) Filter<2>::kernel(rows[i], u[i]);
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
// Tiles of R x 2 results.
template <int R>
struct Tiles {
  static constexpr int kMatrices = (R + 2) * 4;  // of transformed numbers

  int64_t batch, rows, columns, pad_y, pad_x;
  Image in, out;
  int64_t count() const { return batch * rows * columns; }
};

template <int R>
inline Tiles<R> tiles_of(const ConvShape& s) {
  Tiles<R> t;
  t.batch = s.batch;
  t.rows = (s.out[0] + R - 1) / R;
  t.columns = (s.out[1] + 1) / 2;
  t.pad_y = s.pad_l[0];
  t.pad_x = s.pad_l[1];
  t.in = {s.in[0], s.in[1], s.in_channels};
  t.out = {s.out[0], s.out[1], s.out_channels};
  return t;
}
// The convolution that takes the gradient of the result to that of the input.
template <int R>
inline Tiles<R> tiles_backward(const ConvShape& s) {
  Tiles<R> t;
  t.batch = s.batch;
  t.rows = (s.in[0] + R - 1) / R;
  t.columns = (s.in[1] + 1) / 2;
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
// needs none of the last row of the products, without its second column none of the last column. So that each product
// takes tiles that follow each other, those of all images come in this order: over the right edge, whole ones, over the
// bottom, over both.
template <int R>
class TileOrder {
 public:
  explicit TileOrder(const Tiles<R>& t) : batch_(t.batch) {
    const int64_t rows = t.out.height / R, columns = t.out.width / 2;  // of whole tiles
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
  // The tiles that need matrix f.
  Range needing(int f) const {
    const bool last_row = f / 4 == R + 1, last_column = f % 4 == 3;
    return {first_[last_column ? 1 : 0], first_[last_row ? 2 : last_column ? 3 : 4]};
  }
  int64_t products() const {
    int64_t sum = 0;
    for (int f = 0; f < Tiles<R>::kMatrices; f++) sum += needing(f).count();
    return sum;
  }

  // Calls f(number in the block, image, row, column) for tiles [begin, end).
  template <class F>
  void each(int64_t begin, int64_t end, F&& f) const {
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

template <int R>
inline int64_t block_tiles(const Tiles<R>& t, int64_t bytes_per_tile, int64_t threads) {
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

// B' d B of tiles [begin, end): row i of matrix f at v + f * step + i * channels.
template <class T, int R>
void transform_inputs(const Tiles<R>& t, int64_t begin, int64_t end, const T* x, const T* outside, T* v, int64_t step) {
  TileOrder(t).each(begin, end, [&](int64_t i, int64_t n, int64_t row, int64_t column) {
    const Patch<R + 2, 4, const T> patch(x, t.in, n, R * row - t.pad_y, 2 * column - t.pad_x, outside);
    const int64_t C = t.in.channels, between = step;  // copies, which no store can change
    T* const to = v + i * C;
    for_wide<T>(0, C, [&](int64_t c, const auto& access) {
      V d[R + 2][4];
      patch.load(c, access, d);
      transform_input(d);
#pragma GCC unroll 24
      for (int f = 0; f < Tiles<R>::kMatrices; f++) round_to(access, to + f * between + c, d[f / 4][f % 4]);
    });
  });
}

// The matrices of all tiles, made by all threads.
template <class T>
class Inputs {
 public:
  template <int R>
  Inputs(const Tiles<R>& t, const T* x)
      : step_(apart(t.count() * t.in.channels)), memory_(Tiles<R>::kMatrices * step_ * sizeof(T)) {
    const Zeros<T> outside(t.in.channels);
    parallel_for(0, t.count(), 4, [&](int64_t begin, int64_t end) {
      transform_inputs(t, begin, end, x, outside.data(), memory_.template as<T>() + begin * t.in.channels, step_);
    });
  }
  const T* operator[](int f) const { return memory_.template as<T>() + f * step_; }

 private:
  int64_t step_;
  Scratch memory_;
};

// Where each thread had better take channels of the result than tiles.
template <int R>
inline bool few(const Tiles<R>& t) {
  return t.count() <= 128;
}

}  // namespace lampas::cpu::winograd
