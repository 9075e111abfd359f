// Winograd's minimal filtering F(2 x 2, 3 x 3) (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
// 2016): for each tile of 2 x 2 results, the 4 x 4 inputs d and the kernel g are transformed, multiplied number by
// number, and transformed back,
//   y = A'[(G g G') * (B' d B)]A,
// so that the sums over channels become 16 matrix products with 4 multiplications for each result instead of 9. The
// gradients are the same bilinear form read in other directions:
//   dg = G'[(B' d B) * (A dy A')]G,
// and that of the input a convolution of dy with the kernel turned around.
// B and A hold only 0, 1 and -1, G halves: on small integers the results are exact. A NaN reaches just the results that
// see it; those that see an infinity may become NaN.
#include "cpu/winograd.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/lanes.h"
#include "cpu/panels.h"

namespace lampas::cpu {
namespace {

using V = simd::vf;
using Matrices = Panels<float>;
constexpr int L = simd::kLanes<V>;
constexpr int kPanel = Matrices::kColumns;

// ---- the transforms
// --------------------------------------------------------------------------------------------------

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

// ---- tiles
// -----------------------------------------------------------------------------------------------------------

// An image's extents and how far its tiles begin outside it.
struct Image {
  int64_t height, width, channels;
};
struct Tiles {
  int64_t batch, rows, columns, pad_y, pad_x;
  Image in, out;
  int64_t count() const { return batch * rows * columns; }
};

Tiles tiles_of(const ConvShape& s) {
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
Tiles tiles_backward(const ConvShape& s) {
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
    for (int i = 0; i < Side; i++)
      for (int j = 0; j < Side; j++) {
        const int64_t y = y0 + i, x = x0 + j;
        const bool inside = uint64_t(y) < uint64_t(size.height) && uint64_t(x) < uint64_t(size.width);
        pixel[i][j] = inside ? image + ((n * size.height + y) * size.width + x) * size.channels : outside;
      }
  }
  template <class Access>
  void load(int64_t c, const Access& access, V (&v)[Side][Side]) const {
    for (int i = 0; i < Side; i++)
      for (int j = 0; j < Side; j++) v[i][j] = access.load(pixel[i][j] + c);
  }
};

// Calls f(number in the block, image, row, column) for tiles [begin, end).
template <class F>
void for_tiles(const Tiles& t, int64_t begin, int64_t end, F&& f) {
  int64_t n = begin / (t.rows * t.columns), rest = begin % (t.rows * t.columns);
  int64_t row = rest / t.columns, column = rest % t.columns;
  for (int64_t i = 0; i < end - begin; i++) {
    f(i, n, row, column);
    if (++column == t.columns) {
      column = 0;
      if (++row == t.rows) row = 0, n++;
    }
  }
}

// The distance between matrices that are written side by side: no power of two, whose cache lines would share a set.
int64_t apart(int64_t elements) { return (elements + 15) / 16 * 16 + 16; }

constexpr int64_t kBlockBytes = 448 << 10;  // of transformed tiles at a time: half of the second-level cache

int64_t block_tiles(const Tiles& t, int64_t bytes_per_tile, int64_t threads) {
  constexpr int R = gemm_detail::kTileRows;
  const int64_t fitting = std::max<int64_t>(2 * R, kBlockBytes / bytes_per_tile / R * R);
  const int64_t share = (t.count() + threads - 1) / threads;
  return std::min(fitting, (share + R - 1) / R * R);
}

class Zeros {
 public:
  explicit Zeros(int64_t n) : memory_(n * sizeof(float)) { std::fill_n(data(), n, 0.0f); }
  float* data() const { return memory_.as<float>(); }

 private:
  Scratch memory_;
};

// ---- kernels as 16 matrices [depth, columns] -----------------------------------------------------------------------

constexpr int64_t kChunk = 16;  // channels whose kernels are transformed at a time

// Plain kernels as the convolution reads them; `turned`: for the gradient of the input, the kernel turned around and
// its channels exchanged.
struct Kernels {
  const float* w;
  WeightVersion version;
  int64_t out_channels, in_channels;
  bool turned;

  int64_t depth() const { return turned ? out_channels : in_channels; }
  int64_t columns() const { return turned ? in_channels : out_channels; }
  int64_t panels() const { return Matrices::count(columns()); }
  static constexpr int64_t kTapsBytes = kChunk * 9 * kPanel * sizeof(float);

  // Rows [d0, d0 + kChunk) of one panel of the 16 matrices, which lie `step` apart from `target` on. `taps` has room
  // for kTapsBytes.
  void transform(int64_t panel, int64_t d0, float* taps, float* target, int64_t step) const {
    const int64_t j0 = panel * kPanel, count = std::min(kChunk, depth() - d0);
    const int width = int(std::min<int64_t>(kPanel, columns() - j0));
    // [row][9][column]
    if (turned)
      for (int64_t d = 0; d < count; d++)
        gemm_detail::pack_panel<kPanel>(9, width, w + ((d0 + d) * in_channels + j0) * 9, 9, 1, taps + d * 9 * kPanel);
    else
      gemm_detail::pack_panel<kPanel>(count * 9, width, w + (j0 * in_channels + d0) * 9, in_channels * 9, 1, taps);
    for (int64_t d = 0; d < count; d++)
      for (int j = 0; j < kPanel; j += L) {
        V g[9], t[16];
        for (int k = 0; k < 9; k++) g[k] = simd::load<V>(taps + (d * 9 + (turned ? 8 - k : k)) * kPanel + j);
        transform_kernel(g, t);
        for (int f = 0; f < 16; f++) simd::store(target + f * step + (d0 + d) * kPanel + j, t[f]);
      }
  }
};

// All 16 matrices in panels, kept as long as the kernels do not change.
class Transformed {
 public:
  explicit Transformed(const Kernels& k)
      : depth_(k.depth()),
        columns_(k.columns()),
        step_(apart(Matrices::elements(depth_, columns_))),
        packed_(k.w, k.version, form(k), 16 * step_ * sizeof(float),
                [&](void* memory) { pack(k, static_cast<float*>(memory)); }) {}
  Matrices operator[](int f) const {
    return {const_cast<float*>(static_cast<const float*>(packed_.data())) + f * step_, depth_, columns_};
  }

 private:
  static onednn::Key form(const Kernels& k) {
    onednn::Key key(onednn::kWinograd);
    key.add(k.out_channels).add(k.in_channels).add(k.turned);
    return key;
  }
  void pack(const Kernels& k, float* u) const {
    const int64_t chunks = (depth_ + kChunk - 1) / kChunk;
    parallel_for(0, k.panels() * chunks, 4, [&](int64_t b, int64_t e) {
      Scratch taps(Kernels::kTapsBytes);
      for (int64_t i = b; i < e; i++)
        k.transform(i / chunks, i % chunks * kChunk, taps.as<float>(), u + i / chunks * depth_ * kPanel, step_);
    });
  }

  int64_t depth_, columns_, step_;
  PackedWeights packed_;
};

// ---- the convolution of images with transformed kernels ------------------------------------------------------------

// B' d B of tiles [begin, end): row i of matrix f at v + f * step + i * channels.
void transform_inputs(const Tiles& t, int64_t begin, int64_t end, const float* x, const float* outside, float* v,
                      int64_t step) {
  const int64_t C = t.in.channels;
  for_tiles(t, begin, end, [&](int64_t i, int64_t n, int64_t row, int64_t column) {
    const Patch<4, const float> patch(x, t.in, n, 2 * row - t.pad_y, 2 * column - t.pad_x, outside);
    for_vectors<float>(0, C, [&](int64_t c, const auto& access) {
      V d[4][4];
      patch.load(c, access, d);
      transform_input(d);
      for (int f = 0; f < 16; f++) access.store(v + f * step + i * C + c, d[f / 4][f % 4]);
    });
  });
}

struct Target {
  float* y;
  const float* bias;
  bool relu;
};
// A' m A of tiles [begin, end) and channels [first, last) into the result; row i of matrix f at m + f * step + i * ld.
void transform_outputs(const Tiles& t, int64_t begin, int64_t end, int64_t first, int64_t last, const float* m,
                       int64_t step, int64_t ld, const Target& target) {
  for_tiles(t, begin, end, [&](int64_t i, int64_t n, int64_t row, int64_t column) {
    const Patch<2, float> patch(target.y, t.out, n, 2 * row, 2 * column, nullptr);
    for_vectors<float>(first, last, [&](int64_t k, const auto& access) {
      V s[4][4], r[2][2];
      for (int f = 0; f < 16; f++) s[f / 4][f % 4] = access.load(m + f * step + i * ld + k - first);
      transform_output(s, r);
      const V b = target.bias ? access.load(target.bias + k) : V{};
      for (int p = 0; p < 4; p++)
        if (float* pixel = patch.pixel[p / 2][p % 2]) {
          V out = r[p / 2][p % 2] + b;
          if (target.relu) out = out < 0 ? V{} : out;
          access.store(pixel + k, out);
        }
    });
  });
}

// Many tiles: each thread takes blocks of them through all three steps, so that what lies between stays in its cache.
void convolve_by_tiles(const Tiles& t, const float* x, const Kernels& kernels, const Target& target) {
  const int64_t C = t.in.channels, K = t.out.channels;
  const int64_t block = block_tiles(t, 16 * (C + K) * sizeof(float), num_threads());
  const Zeros outside(C);
  const Transformed u(kernels);
  const int64_t v_step = apart(block * C), m_step = apart(block * K);
  parallel_for(0, t.count(), std::max<int64_t>(1, kGrain / (C + K)), [&](int64_t first, int64_t last) {
    Scratch v_memory(16 * v_step * sizeof(float)), m_memory(16 * m_step * sizeof(float));
    float *v = v_memory.as<float>(), *m = m_memory.as<float>();
    for (int64_t begin = first; begin < last; begin += block) {
      const int64_t end = std::min(begin + block, last);
      transform_inputs(t, begin, end, x, outside.data(), v, v_step);
      for (int f = 0; f < 16; f++) u[f].multiply(end - begin, v + f * v_step, C, 1, m + f * m_step, K, 1, 0);
      transform_outputs(t, begin, end, 0, K, m, m_step, K, target);
    }
  });
}

// The 16 matrices of all tiles, made by all threads.
class Inputs {
 public:
  Inputs(const Tiles& t, const float* x)
      : step_(apart(t.count() * t.in.channels)), memory_(16 * step_ * sizeof(float)) {
    const Zeros outside(t.in.channels);
    parallel_for(0, t.count(), 4, [&](int64_t begin, int64_t end) {
      transform_inputs(t, begin, end, x, outside.data(), memory_.as<float>() + begin * t.in.channels, step_);
    });
  }
  const float* operator[](int f) const { return memory_.as<float>() + f * step_; }

 private:
  int64_t step_;
  Scratch memory_;
};

// Few tiles: each thread takes panels of the result's channels through the steps, for all tiles, so that the
// transformed kernels, by far the largest part, never leave its cache.
void convolve_by_panels(const Tiles& t, const float* x, const Kernels& kernels, const Target& target) {
  const int64_t C = t.in.channels, K = t.out.channels, tiles = t.count();
  const Inputs v(t, x);
  const int64_t u_step = apart(C * kPanel), m_step = apart(tiles * kPanel);
  parallel_for(0, kernels.panels(), 1, [&](int64_t first, int64_t last) {
    Scratch taps(Kernels::kTapsBytes), u_memory(16 * u_step * sizeof(float)), m_memory(16 * m_step * sizeof(float));
    float *u = u_memory.as<float>(), *m = m_memory.as<float>();
    for (int64_t p = first; p < last; p++) {
      const int64_t k0 = p * kPanel, k1 = std::min(K, k0 + kPanel);
      for (int64_t d0 = 0; d0 < C; d0 += kChunk) kernels.transform(p, d0, taps.as<float>(), u, u_step);
      for (int f = 0; f < 16; f++)
        Matrices(u + f * u_step, C, k1 - k0).multiply(tiles, v[f], C, 1, m + f * m_step, kPanel, 1, 0);
      transform_outputs(t, 0, tiles, k0, k1, m, m_step, kPanel, target);
    }
  });
}

bool few(const Tiles& t) { return t.count() <= 128; }

void convolve(const Tiles& t, const float* x, const Kernels& kernels, const Target& target) {
  (few(t) ? convolve_by_panels : convolve_by_tiles)(t, x, kernels, target);
}

// ---- the gradient of the kernels -----------------------------------------------------------------------------------

// Adds to four of the 16 matrices [in channels, out channels], those of row `i` of the transforms, what tiles
// [first, last) give; and to `bias_sum` (may be null) the gradients of the results.
template <int i>
void accumulate_row(const Tiles& t, int64_t first, int64_t last, int64_t block, const float* x, const float* gy,
                    const float* outside, float* sums, int64_t step, double* bias_sum) {
  const int64_t C = t.in.channels, K = t.out.channels, panels = Matrices::count(K);
  const int64_t v_step = apart(block * C), z_step = apart(block * panels * kPanel);
  Scratch v_memory(4 * v_step * sizeof(float)), z_memory(4 * z_step * sizeof(float));
  float *v = v_memory.as<float>(), *z = z_memory.as<float>();
  for (int64_t begin = first; begin < last; begin += block) {
    const int64_t end = std::min(begin + block, last), tiles = end - begin;
    for_tiles(t, begin, end, [&](int64_t at, int64_t n, int64_t row, int64_t column) {
      const Patch<4, const float> in(x, t.in, n, 2 * row - t.pad_y, 2 * column - t.pad_x, outside);
      for_vectors<float>(0, C, [&](int64_t c, const auto& access) {
        V d[4][4], r[4];
        in.load(c, access, d);
        transform_input_row<i>(d, r);
        for (int f = 0; f < 4; f++) access.store(v + f * v_step + at * C + c, r[f]);
      });
      const Patch<2, const float> out(gy, t.out, n, 2 * row, 2 * column, outside);
      for_vectors<float>(0, K, [&](int64_t k, const auto& access) {
        V g[2][2], r[4];
        out.load(k, access, g);
        transform_gradient_row<i>(g, r);
        float* target = z + (k / kPanel * tiles + at) * kPanel + k % kPanel;
        for (int f = 0; f < 4; f++) access.store(target + f * z_step, r[f]);
      });
    });
    for (int f = 0; f < 4; f++)
      Matrices(z + f * z_step, tiles, K)
          .multiply(C, v + f * v_step, 1, C, sums + f * step, K, 1, begin == first ? 0.0f : 1.0f);
    if (i == 1 && bias_sum)  // the second number of this row is the sum of a tile's four gradients
      for_vectors<float>(0, K, [&](int64_t k, const auto& access) {
        V sum{};
        const float* of = z + z_step + k / kPanel * tiles * kPanel + k % kPanel;
        for (int64_t at = 0; at < tiles; at++) sum += access.load(of + at * kPanel);
        for (int64_t j = k; j < std::min(K, k + L); j++) bias_sum[j] += sum[j - k];
      });
  }
}

// Kernel gradients G' s G of channels [k0, k0 + lanes) and [c0, c0 + count), count <= kChunk; load(f, c) gives a vector
// of channels k from matrix f. `taps` has room for kChunk * 9 vectors.
template <class Load>
void kernel_gradients(int64_t k0, int64_t lanes, int64_t c0, int64_t count, int64_t C, float* taps, float* gw,
                      const Load& load) {
  for (int64_t c = 0; c < count; c++) {
    V s[16], g[9];
    for (int f = 0; f < 16; f++) s[f] = load(f, c0 + c);
    transform_kernel_gradient(s, g);
    for (int k = 0; k < 9; k++) simd::store(taps + (c * 9 + k) * L, g[k]);
  }
  gemm_detail::transpose(count * 9, lanes, taps, L, gw + (k0 * C + c0) * 9, C * 9);
}

// Many tiles.
void backward_weights_by_tiles(const Tiles& t, const float* x, const float* gy, float* gw, double* bias_sum) {
  const int64_t C = t.in.channels, K = t.out.channels, threads = num_threads();
  // The four rows of the transforms are independent; more threads than that share a row's tiles.
  const int64_t parts = threads / std::gcd<int64_t>(threads, 4), per_part = (t.count() + parts - 1) / parts;
  const int64_t step = apart(C * K), block = block_tiles(t, 4 * (C + K) * sizeof(float), parts);
  const Zeros outside(std::max(C, K));
  Scratch sums_memory(parts * 16 * step * sizeof(float)), bias_memory(parts * K * sizeof(double));
  float* sums = sums_memory.as<float>();
  double* bias_sums = bias_memory.as<double>();
  std::fill_n(bias_sums, parts * K, 0.0);
  parallel_for(0, 4 * parts, 1, [&](int64_t b, int64_t e) {
    for (int64_t task = b; task < e; task++) {
      const int64_t row = task / parts, part = task % parts;
      const int64_t first = std::min(t.count(), part * per_part), last = std::min(t.count(), first + per_part);
      float* of = sums + (part * 16 + row * 4) * step;
      if (first == last) {
        std::fill_n(of, 4 * step, 0.0f);
        continue;
      }
      const auto accumulate = row == 0   ? accumulate_row<0>
                              : row == 1 ? accumulate_row<1>
                              : row == 2 ? accumulate_row<2>
                                         : accumulate_row<3>;
      accumulate(t, first, last, block, x, gy, outside.data(), of, step, bias_sum ? bias_sums + part * K : nullptr);
    }
  });
  const int64_t chunks = (C + kChunk - 1) / kChunk, groups = (K + L - 1) / L;
  parallel_for(0, groups * chunks, 4, [&](int64_t b, int64_t e) {
    Scratch taps(kChunk * 9 * L * sizeof(float));
    for (int64_t at = b; at < e; at++) {
      const int64_t k0 = at / chunks * L, c0 = at % chunks * kChunk, lanes = std::min<int64_t>(L, K - k0);
      const gemm_detail::Lanes<float> access{int(lanes)};
      kernel_gradients(k0, lanes, c0, std::min(kChunk, C - c0), C, taps.as<float>(), gw, [&](int f, int64_t c) {
        const float* of = sums + f * step + c * K + k0;
        V s = access.load(of);
        for (int64_t p = 1; p < parts; p++) s += access.load(of + p * 16 * step);
        return s;
      });
    }
  });
  for (int64_t k = 0; bias_sum && k < K; k++)
    for (int64_t p = 0; p < parts; p++) bias_sum[k] += bias_sums[p * K + k];
}

// Few tiles: by panels of the result's channels, as in convolve_by_panels.
void backward_weights_by_panels(const Tiles& t, const float* x, const float* gy, float* gw, double* bias_sum) {
  const int64_t C = t.in.channels, K = t.out.channels, tiles = t.count();
  const Inputs v(t, x);
  const Zeros outside(K);
  const int64_t z_step = apart(tiles * kPanel), s_step = apart(C * kPanel);
  parallel_for(0, Matrices::count(K), 1, [&](int64_t first, int64_t last) {
    Scratch taps(kChunk * 9 * L * sizeof(float)), z_memory(16 * z_step * sizeof(float));
    Scratch s_memory(16 * s_step * sizeof(float));
    float *z = z_memory.as<float>(), *s = s_memory.as<float>();
    for (int64_t p = first; p < last; p++) {
      const int64_t k0 = p * kPanel, k1 = std::min(K, k0 + kPanel);
      for_tiles(t, 0, tiles, [&](int64_t at, int64_t n, int64_t row, int64_t column) {
        const Patch<2, const float> patch(gy, t.out, n, 2 * row, 2 * column, outside.data());
        for_vectors<float>(k0, k1, [&](int64_t k, const auto& access) {
          V g[2][2];
          patch.load(k, access, g);
          float* target = z + at * kPanel + k - k0;
          const auto keep = [&]<int i>() {
            V r[4];
            transform_gradient_row<i>(g, r);
            for (int f = 0; f < 4; f++) access.store(target + (4 * i + f) * z_step, r[f]);
          };
          keep.template operator()<0>();
          keep.template operator()<1>();
          keep.template operator()<2>();
          keep.template operator()<3>();
        });
      });
      for (int f = 0; f < 16; f++)
        Matrices(z + f * z_step, tiles, k1 - k0).multiply(C, v[f], 1, C, s + f * s_step, kPanel, 1, 0);
      for (int64_t k = k0; k < k1; k += L)
        for (int64_t c0 = 0; c0 < C; c0 += kChunk)
          kernel_gradients(k, std::min<int64_t>(L, k1 - k), c0, std::min(kChunk, C - c0), C, taps.as<float>(), gw,
                           [&](int f, int64_t c) { return simd::load<V>(s + f * s_step + c * kPanel + k - k0); });
      for (int64_t k = k0; bias_sum && k < k1; k++)
        for (int64_t at = 0; at < tiles; at++) bias_sum[k] += z[5 * z_step + at * kPanel + k - k0];
    }
  });
}

}  // namespace

// Rounding differs from the direct algorithm's, and an optimizer makes much of little: the losses of a small network
// would soon differ in their fourth digit from those that PyTorch, or a machine with other kernels, prints. So training
// takes it for what is large, where nobody compares digits and everybody waits.
bool winograd_pays(const ConvShape& s) {
  const int64_t channels = s.training ? 64 : 32;
  const int64_t work = s.training ? 500'000'000 : 100'000'000;  // multiplications of the direct algorithm
  if (s.rank != 2 || s.groups != 1 || s.in_channels < channels || s.out_channels < channels) return false;
  for (int d = 0; d < 2; d++)
    if (s.kernel[d] != 3 || s.stride[d] != 1 || s.dilation[d] != 1 || s.pad_l[d] < 0 || s.pad_l[d] > 2) return false;
  const int64_t results = s.batch * s.out[0] * s.out[1], tiles = tiles_of(s).count();
  // At least a third fewer multiplications, tiles that reach over the edge included, and enough tiles for the
  // transforms of the kernels.
  return tiles >= 48 && 16 * tiles * 3 <= 9 * results * 2 && 9 * results * s.in_channels * s.out_channels >= work;
}

void winograd_forward(const ConvShape& s, const float* x, const float* w, WeightVersion version, const float* bias,
                      bool relu, float* y) {
  convolve(tiles_of(s), x, {w, version, s.out_channels, s.in_channels, false}, {y, bias, relu});
}

void winograd_backward_data(const ConvShape& s, const float* gy, const float* w, WeightVersion version, float* gx) {
  convolve(tiles_backward(s), gy, {w, version, s.out_channels, s.in_channels, true}, {gx, nullptr, false});
}

void winograd_backward_weights(const ConvShape& s, const float* x, const float* gy, float* gw, float* gbias) {
  const Tiles t = tiles_of(s);
  std::vector<double> bias_sum(gbias ? s.out_channels : 0);
  (few(t) ? backward_weights_by_panels : backward_weights_by_tiles)(t, x, gy, gw, gbias ? bias_sum.data() : nullptr);
  if (gbias) std::copy(bias_sum.begin(), bias_sum.end(), gbias);
}

}  // namespace lampas::cpu
