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

// One dimension of B' d B.
inline void input_step(V& a, V& b, V& c, V& d) {
  const V e = b + c;
  a -= c;
  c -= b;
  d = b - d;
  b = e;
}
inline void transform_input(V (&d)[4][4]) {
  for (int j = 0; j < 4; j++) input_step(d[0][j], d[1][j], d[2][j], d[3][j]);
  for (int i = 0; i < 4; i++) input_step(d[i][0], d[i][1], d[i][2], d[i][3]);
}

// Row `i` of B' d B alone.
template <int i>
inline void transform_input_row(const V (&d)[4][4], V (&r)[4]) {
  for (int j = 0; j < 4; j++)
    r[j] = i == 0 ? d[0][j] - d[2][j] : i == 1 ? d[1][j] + d[2][j] : i == 2 ? d[2][j] - d[1][j] : d[1][j] - d[3][j];
  input_step(r[0], r[1], r[2], r[3]);
}

// A' m A.
inline void transform_output(const V (&m)[4][4], V (&y)[2][2]) {
  V s[2][4];
  for (int j = 0; j < 4; j++) {
    s[0][j] = m[0][j] + m[1][j] + m[2][j];
    s[1][j] = m[1][j] - m[2][j] - m[3][j];
  }
  for (int i = 0; i < 2; i++) {
    y[i][0] = s[i][0] + s[i][1] + s[i][2];
    y[i][1] = s[i][1] - s[i][2] - s[i][3];
  }
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

// G g G', the kernel's rows three apart.
inline void transform_kernel(const V (&g)[9], V (&u)[16]) {
  V r[4][3];
  for (int j = 0; j < 3; j++) {
    const V outer = (g[j] + g[6 + j]) * 0.5f, inner = g[3 + j] * 0.5f;
    r[0][j] = g[j];
    r[1][j] = outer + inner;
    r[2][j] = outer - inner;
    r[3][j] = g[6 + j];
  }
  for (int i = 0; i < 4; i++) {
    const V outer = (r[i][0] + r[i][2]) * 0.5f, inner = r[i][1] * 0.5f;
    u[4 * i] = r[i][0];
    u[4 * i + 1] = outer + inner;
    u[4 * i + 2] = outer - inner;
    u[4 * i + 3] = r[i][2];
  }
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
struct Tiles {
  int64_t batch, rows, columns, pad_y, pad_x;
  Image in, out;
  int64_t count() const { return batch * rows * columns; }
};

inline Tiles tiles_of(const ConvShape& s) {
  Tiles t;
  t.batch = s.batch;
  t.rows = (s.out[0] + 1) / 2;
  t.columns = (s.out[1] + 1) / 2;
  t.pad_y = s.pad_l[0];
  t.pad_x = s.pad_l[1];
  t.in = {s.in[0], s.in[1], s.in_channels};
  t.out = {s.out[0], s.out[1], s.out_channels};
  return t;
}
// The convolution that takes the gradient of the result to that of the input.
inline Tiles tiles_backward(const ConvShape& s) {
  Tiles t;
  t.batch = s.batch;
  t.rows = (s.in[0] + 1) / 2;
  t.columns = (s.in[1] + 1) / 2;
  t.pad_y = 2 - s.pad_l[0];
  t.pad_x = 2 - s.pad_l[1];
  t.in = {s.out[0], s.out[1], s.out_channels};
  t.out = {s.in[0], s.in[1], s.in_channels};
  return t;
}

// Where the pixels of a tile lie, Side x Side; those outside the image are `outside`.
template <int Side, class T>
struct Patch {
  T* pixel[Side][Side];
  Patch(T* image, const Image& size, int64_t n, int64_t y0, int64_t x0, T* outside) {
    T* corner = image + ((n * size.height + y0) * size.width + x0) * size.channels;
    const bool whole = y0 >= 0 && x0 >= 0 && y0 + Side <= size.height && x0 + Side <= size.width;
    for (int i = 0; i < Side; i++)
      for (int j = 0; j < Side; j++) {
        const bool inside =
            whole || (uint64_t(y0 + i) < uint64_t(size.height) && uint64_t(x0 + j) < uint64_t(size.width));
        pixel[i][j] = inside ? corner + (i * size.width + j) * size.channels : outside;
      }
  }
  template <class Access>
  void load(int64_t c, const Access& access, V (&v)[Side][Side]) const {
    for (int i = 0; i < Side; i++)
      for (int j = 0; j < Side; j++) v[i][j] = access.load(pixel[i][j] + c);
  }
};

// Tiles that reach over the edge of the result need only some of the products: without its second row of results a tile
// needs none of the last row of the 4 x 4, without its second column none of the last column. So that each product
// takes tiles that follow each other, those of all images come in this order: over the right edge, whole ones, over the
// bottom, over both.
class TileOrder {
 public:
  explicit TileOrder(const Tiles& t) : batch_(t.batch) {
    const int64_t rows = t.out.height / 2, columns = t.out.width / 2;  // of whole tiles
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
  // The tiles that need matrix f of the 16.
  Range needing(int f) const {
    const bool last_row = f / 4 == 3, last_column = f % 4 == 3;
    return {first_[last_column ? 1 : 0], first_[last_row ? 2 : last_column ? 3 : 4]};
  }
  int64_t products() const {
    int64_t sum = 0;
    for (int f = 0; f < 16; f++) sum += needing(f).count();
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

inline int64_t block_tiles(const Tiles& t, int64_t bytes_per_tile, int64_t threads) {
  constexpr int R = gemm_detail::kTileRows;
  const int64_t fitting = std::max<int64_t>(2 * R, kBlockBytes / bytes_per_tile / R * R);
  const int64_t share = (t.count() + threads - 1) / threads;
  return std::min(fitting, (share + R - 1) / R * R);
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

// ---- images as 16 matrices [tiles, channels] ------------------------------------------------------------------------

// B' d B of tiles [begin, end): row i of matrix f at v + f * step + i * channels.
template <class T>
void transform_inputs(const Tiles& t, int64_t begin, int64_t end, const T* x, const T* outside, T* v, int64_t step) {
  const int64_t C = t.in.channels;
  TileOrder(t).each(begin, end, [&](int64_t i, int64_t n, int64_t row, int64_t column) {
    const Patch<4, const T> patch(x, t.in, n, 2 * row - t.pad_y, 2 * column - t.pad_x, outside);
    for_wide<T>(0, C, [&](int64_t c, const auto& access) {
      V d[4][4];
      patch.load(c, access, d);
      transform_input(d);
#pragma GCC unroll 16
      for (int f = 0; f < 16; f++) round_to(access, v + f * step + i * C + c, d[f / 4][f % 4]);
    });
  });
}

// The 16 matrices of all tiles, made by all threads.
template <class T>
class Inputs {
 public:
  Inputs(const Tiles& t, const T* x) : step_(apart(t.count() * t.in.channels)), memory_(16 * step_ * sizeof(T)) {
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
inline bool few(const Tiles& t) { return t.count() <= 128; }

}  // namespace lampas::cpu::winograd
