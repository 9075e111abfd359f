// The gradient of the kernels by Winograd's algorithm: dg = G'[(B' d B) * (A dy A')]G.
#include <numeric>
#include <vector>

#include "cpu/winograd_tiles.h"

namespace lampas::cpu {
namespace {

using namespace winograd;
using Square = Form<Filter<2>, Filter<2>>;
using Tiles = winograd::Tiles<Square>;
using TileOrder = winograd::TileOrder<Square>;

// Adds to four of the 16 matrices [in channels, out channels], those of row `i` of the transforms, what tiles
// [first, last) give; and to `bias_sum` (may be null) the gradients of the results.
template <int i>
void accumulate_row(const Tiles& t, int64_t first, int64_t last, int64_t block, const float* x, const float* gy,
                    const float* outside, float* sums, int64_t step, double* bias_sum) {
  const int64_t C = t.in.channels, K = t.out.channels, panels = Panels<float>::count(K);
  const int64_t v_step = apart(block * C), z_step = apart(block * panels * kPanel);
  Scratch v_memory(4 * v_step * sizeof(float)), z_memory(4 * z_step * sizeof(float));
  float *v = v_memory.as<float>(), *z = z_memory.as<float>();
  for (int64_t begin = first; begin < last; begin += block) {
    const int64_t end = std::min(begin + block, last), tiles = end - begin;
    TileOrder(t).each(begin, end, [&](int64_t at, int64_t n, int64_t row, int64_t column) {
      const Patch<4, 4, const float> in(x, t.in, n, 2 * row - t.pad_y, 2 * column - t.pad_x, outside);
      for_vectors<float>(0, C, [&](int64_t c, const auto& access) {
        V d[4][4], r[4];
        in.load(c, access, d);
        transform_input_row<i>(d, r);
        for (int f = 0; f < 4; f++) access.store(v + f * v_step + at * C + c, r[f]);
      });
      const Patch<2, 2, const float> out(gy, t.out, n, 2 * row, 2 * column, outside);
      for_vectors<float>(0, K, [&](int64_t k, const auto& access) {
        V g[2][2], r[4];
        out.load(k, access, g);
        transform_gradient_row<i>(g, r);
        float* target = z + (k / kPanel * tiles + at) * kPanel + k % kPanel;
        for (int f = 0; f < 4; f++) access.store(target + f * z_step, r[f]);
      });
    });
    for (int f = 0; f < 4; f++)
      Panels<float>(z + f * z_step, tiles, K)
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
  const Zeros<float> outside(std::max(C, K));
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
  const TileOrder order(t);
  const Zeros<float> outside(K);
  const int64_t z_step = apart(tiles * kPanel), s_step = apart(C * kPanel);
  parallel_for(0, Panels<float>::count(K), 1, [&](int64_t first, int64_t last) {
    Scratch taps(kChunk * 9 * L * sizeof(float)), z_memory(16 * z_step * sizeof(float));
    Scratch s_memory(16 * s_step * sizeof(float));
    float *z = z_memory.as<float>(), *s = s_memory.as<float>();
    for (int64_t p = first; p < last; p++) {
      const int64_t k0 = p * kPanel, k1 = std::min(K, k0 + kPanel);
      order.each(0, tiles, [&](int64_t at, int64_t n, int64_t row, int64_t column) {
        const Patch<2, 2, const float> patch(gy, t.out, n, 2 * row, 2 * column, outside.data());
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
      for (int f = 0; f < 16; f++) {
        const TileOrder::Range r = order.needing(f);
        Panels<float>(z + f * z_step + r.begin * kPanel, r.count(), k1 - k0)
            .multiply(C, v.rows(f, r.begin), 1, C, s + f * s_step, kPanel, 1, 0);
      }
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

void winograd_backward_weights(const ConvShape& s, const float* x, const float* gy, float* gw, float* gbias) {
  const auto t = tiles_of<Square>(s);
  std::vector<double> bias_sum(gbias ? s.out_channels : 0);
  (few(t) ? backward_weights_by_panels : backward_weights_by_tiles)(t, x, gy, gw, gbias ? bias_sum.data() : nullptr);
  if (gbias) std::copy(bias_sum.begin(), bias_sum.end(), gbias);
}

}  // namespace lampas::cpu
