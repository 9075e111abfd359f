// Winograd's minimal filtering (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016): for each tile
// of 2 x 2 results, the 4 x 4 inputs d and the kernel g are transformed, multiplied number by number, and transformed
// back,
//   y = A'[(G g G') * (B' d B)]A,
// so that the sums over channels become 16 matrix products with 4 multiplications for each result instead of 9. The
// gradients are the same bilinear form read in other directions:
//   dg = G'[(B' d B) * (A dy A')]G,
// and that of the input a convolution of dy with the kernel turned around.
// B and A hold only 0, 1 and -1, G halves: on small integers the results are exact. A NaN reaches just the results that
// see it; those that see an infinity may become NaN.
// In bfloat16 the transformed numbers are rounded once more, so nothing is exact, and tiles may as well be 4 x 2: 24
// products with 3 multiplications for each result. Results are then off by 0.0057 of their size in the mean, by the
// direct algorithm, where their own rounding is all, by 0.0017 (by tiles of 2 x 2 by 0.0035, of 4 x 4 by 0.0095), and a
// NaN or an infinity reaches all results of its tile. Networks that answer bear that well; gradients are left alone.
// With stride 2, without gradients, a tile is 2 x 2 results too, by 25 products instead of 36 that are added up in 9
// sums before they are transformed back (EverySecond, in both dimensions). That is exact on small integers as well, and
// a NaN reaches what sees it; in bfloat16 the error is 0.0030.
#include "cpu/winograd.h"

#include <algorithm>

#include "cpu/pair_panels.h"
#include "cpu/winograd_tiles.h"

namespace lampas::cpu {
namespace {

using namespace winograd;

template <class T>
using Ordinary = Form<Filter<std::is_same_v<T, float> ? 2 : 4>, Filter<2>>;
using Strided = Form<EverySecond, EverySecond>;

// ---- kernels as matrices [depth, columns] --------------------------------------------------------------------------

template <class T>
using Matrices = typename PanelsOf<T>::type;

// Plain kernels as the convolution reads them; `turned`: for the gradient of the input, the kernel turned around and
// its channels exchanged.
template <class T>
struct Kernels {
  const T* w;
  WeightVersion version;
  int64_t out_channels, in_channels;
  bool turned;

  int64_t depth() const { return turned ? out_channels : in_channels; }
  int64_t columns() const { return turned ? in_channels : out_channels; }
  int64_t panels() const { return Matrices<T>::count(columns()); }
  static constexpr int64_t kTapsBytes = (std::is_same_v<T, float> ? 1 : 2) * kChunk * 9 * kPanel * sizeof(float);

  // Channels [d0, d0 + kChunk) of one panel of the matrices for tiles of form F. That of numbers n and the following is
  // at u + n * step, and there panel `at` is this one. `taps` has room for kTapsBytes.
  template <class F>
  void transform(int64_t panel, int64_t d0, float* taps, T* u, int64_t step, int64_t at) const {
    constexpr int kRows = Matrices<T>::kTogether;
    const int64_t j0 = panel * kPanel, count = std::min(kChunk, depth() - d0);
    const int width = int(std::min<int64_t>(kPanel, columns() - j0));
    float* wide = taps + kChunk * 9 * kPanel;
    // [row][9][column]
    if (turned) {
      for (int64_t d = 0; d < count; d++)
        gemm_detail::pack_panel<kPanel>(9, width, widened(w + ((d0 + d) * in_channels + j0) * 9, width * 9, wide), 9, 1,
                                        taps + d * 9 * kPanel);
    } else {
      const T* first = w + (j0 * in_channels + d0) * 9;
      const float* from = wide;
      int64_t apart = count * 9;
      if constexpr (std::is_same_v<T, float>)
        from = first, apart = in_channels * 9;
      else
        for (int j = 0; j < width; j++) widen_run(first + j * in_channels * 9, apart, wide + j * apart);
      gemm_detail::pack_panel<kPanel>(count * 9, width, from, apart, 1, taps);
    }
    for (int64_t d = 0; d < count; d += kRows)
      for (int j = 0; j < kPanel; j += L) {
        V rows[F::kNumbers][kRows];
        for (int r = 0; r < kRows; r++) {
          V g[3][3], numbers[F::kInputRows][F::kInputColumns];
          for (int k = 0; k < 9; k++)
            g[k / 3][k % 3] = simd::load<V>(taps + ((d + r) * 9 + (turned ? 8 - k : k)) * kPanel + j);
          F::kernel(g, numbers);
#pragma GCC unroll 25
          for (int k = 0; k < F::kNumbers; k++) rows[k][r] = numbers[k / F::kInputColumns][k % F::kInputColumns];
        }
#pragma GCC unroll 25
        for (int k = 0; k < F::kNumbers; k++) {
          const auto [sum, of] = F::kPlaces[k];
          Matrices<T>::store(u + sum.first * step + ((at * sum.count + of) * depth() + d0 + d) * kPanel + kRows * j,
                             rows[k]);
        }
      }
  }
};

// All matrices in panels, kept as long as the kernels do not change.
template <class T, class F>
class Transformed {
 public:
  explicit Transformed(const Kernels<T>& k)
      : depth_(k.depth()),
        columns_(k.columns()),
        step_(apart(Matrices<T>::elements(depth_, columns_))),
        packed_(k.w, k.version, form(k), F::kNumbers * step_ * sizeof(T),
                [&](void* memory) { pack(k, static_cast<T*>(memory)); }) {}
  // That of sum f.
  Matrices<T> operator[](int f) const { return columns(f, 0, columns_); }
  // Columns [first, last) of it; `first` begins a panel.
  Matrices<T> columns(int f, int64_t first, int64_t last) const {
    const int64_t depth = F::sum(f).count * depth_;
    T* const u = const_cast<T*>(static_cast<const T*>(packed_.data())) + F::sum(f).first * step_;
    return {u + first * depth, depth, last - first};
  }

 private:
  static onednn::Key form(const Kernels<T>& k) {
    onednn::Key key(onednn::kWinograd);
    key.add(sizeof(T)).add(F::kStride).add(k.out_channels).add(k.in_channels).add(k.turned);
    return key;
  }
  void pack(const Kernels<T>& k, T* u) const {
    const int64_t chunks = (depth_ + kChunk - 1) / kChunk;
    parallel_for(0, k.panels() * chunks, 4, [&](int64_t b, int64_t e) {
      Scratch taps(Kernels<T>::kTapsBytes);
      for (int64_t i = b; i < e; i++)
        k.template transform<F>(i / chunks, i % chunks * kChunk, taps.as<float>(), u, step_, i / chunks);
    });
  }

  int64_t depth_, columns_, step_;
  PackedWeights packed_;
};

// ---- the convolution of images with transformed kernels ------------------------------------------------------------

template <class T>
struct Target {
  T* y;
  const T* bias;
  bool relu;
};
// A' m A of tiles [begin, end) and channels [first, last) into the result; row i of sum f at m + f * step + i * ld.
template <class T, class F>
void transform_outputs(const Tiles<F>& t, int64_t begin, int64_t end, int64_t first, int64_t last, const float* m,
                       int64_t step, int64_t ld, const Target<T>& target) {
  Scratch outside(last * sizeof(T));  // takes what stands for no pixel
  TileOrder(t).each(begin, end, [&](int64_t i, int64_t n, int64_t row, int64_t column) {
    const Patch<F::kRows, F::kColumns, T> patch(target.y, t.out, n, F::kRows * row, F::kColumns * column,
                                                outside.as<T>());
    const float* const from = m + i * ld - first;
    const int64_t between = step;  // copies, which no store can change
    const auto [y, bias, relu] = target;
    for_wide<T>(first, last, [&](int64_t k, const auto& access) {
      V s[F::kSumRows][F::kSumColumns], r[F::kRows][F::kColumns];
#pragma GCC unroll 24
      for (int f = 0; f < F::kSums; f++)
        s[f / F::kSumColumns][f % F::kSumColumns] = access.load(from + f * between + k);
      F::output(s, r);
      const V b = bias ? access.load(bias + k) : V{};
#pragma GCC unroll 8
      for (int p = 0; p < F::kRows * F::kColumns; p++) {
        V out = r[p / F::kColumns][p % F::kColumns] + b;
        if (relu) out = out < 0 ? V{} : out;
        round_to(access, patch.pixel[p / F::kColumns][p % F::kColumns] + k, out);
      }
    });
  });
}

// The fewest tiles worth waking a thread for.
template <class F>
int64_t tiles_per_thread(const Tiles<F>& t) {
  return std::max<int64_t>(1, 8 * kGrain / (t.in.channels * t.out.channels));
}

// Many tiles: each thread takes blocks of them through all three steps, so that what lies between stays in its cache.
template <class T, class F>
void convolve_by_tiles(const Tiles<F>& t, const T* x, const Kernels<T>& kernels, const Target<T>& target) {
  constexpr int kTogether = Matrices<T>::kTogether;
  const int64_t C = t.in.channels, K = t.out.channels;
  const int64_t block = block_tiles(t, F::kNumbers * C * sizeof(T) + F::kSums * K * sizeof(float), num_threads());
  const Zeros<T> outside(C);
  const Transformed<T, F> u(kernels);
  const TileOrder order(t);
  const int64_t v_step = apart(block * C), m_step = apart(block * K);
  parallel_for(0, t.count(), tiles_per_thread(t), [&](int64_t first, int64_t last) {
    Scratch v_memory(F::kNumbers * v_step * sizeof(T)), m_memory(F::kSums * m_step * sizeof(float));
    T* v = v_memory.as<T>();
    float* m = m_memory.as<float>();
    for (int64_t begin = first; begin < last; begin += block) {
      const int64_t end = std::min(begin + block, last);
      transform_inputs(t, begin, begin, end, x, outside.data(), v, v_step);
      for (int f = 0; f < F::kSums; f++) {
        const auto r = order.needing(f).within(begin, end);
        const int64_t depth = F::sum(f).count * C;
        u[f].multiply(r.count(), v + F::sum(f).first * v_step + r.begin * depth, depth, kTogether,
                      m + f * m_step + r.begin * K, K, 1, 0);
      }
      transform_outputs(t, begin, end, 0, K, m, m_step, K, target);
    }
  });
}

// Few tiles, so that the transformed kernels are by far the largest part. Each thread takes a share of the result's
// channels through the steps, for all tiles, and so reads just its share of the kernels.
template <class T, class F>
void convolve_by_channels(const Tiles<F>& t, const T* x, const Kernels<T>& kernels, const Target<T>& target) {
  constexpr int kTogether = Matrices<T>::kTogether;
  const int64_t C = t.in.channels, K = t.out.channels, tiles = t.count();
  const Transformed<T, F> u(kernels);
  const Inputs v(t, x);
  const TileOrder order(t);
  parallel_for(0, kernels.panels(), 1, [&](int64_t first, int64_t last) {
    const int64_t k0 = first * kPanel, k1 = std::min(K, last * kPanel), m_step = apart(tiles * (k1 - k0));
    Scratch memory(F::kSums * m_step * sizeof(float));
    float* m = memory.as<float>();
    for (int f = 0; f < F::kSums; f++) {
      const auto r = order.needing(f);
      u.columns(f, k0, k1)
          .before(u.columns(std::min(f + 1, F::kSums - 1), k0, k1))
          .multiply(r.count(), v.rows(f, r.begin), F::sum(f).count * C, kTogether, m + f * m_step + r.begin * (k1 - k0),
                    k1 - k0, 1, 0);
    }
    transform_outputs(t, 0, tiles, k0, k1, m, m_step, k1 - k0, target);
  });
}

// The same where kernels are not kept, as those of float32, which change with every step of training: transformed panel
// by panel, they never leave the cache.
template <class T, class F>
void convolve_by_panels(const Tiles<F>& t, const T* x, const Kernels<T>& kernels, const Target<T>& target) {
  constexpr int kTogether = Matrices<T>::kTogether;
  const int64_t C = t.in.channels, K = t.out.channels, tiles = t.count();
  const Inputs v(t, x);
  const TileOrder order(t);
  const int64_t u_step = apart(C * kPanel), m_step = apart(tiles * kPanel);
  parallel_for(0, kernels.panels(), 1, [&](int64_t first, int64_t last) {
    Scratch taps(Kernels<T>::kTapsBytes), u_memory(F::kNumbers * u_step * sizeof(T)),
        m_memory(F::kSums * m_step * sizeof(float));
    T* u = u_memory.as<T>();
    float* m = m_memory.as<float>();
    for (int64_t p = first; p < last; p++) {
      const int64_t k0 = p * kPanel, k1 = std::min(K, k0 + kPanel);
      for (int64_t d0 = 0; d0 < C; d0 += kChunk) kernels.template transform<F>(p, d0, taps.as<float>(), u, u_step, 0);
      for (int f = 0; f < F::kSums; f++) {
        const auto r = order.needing(f);
        const int64_t depth = F::sum(f).count * C;
        Matrices<T>(u + F::sum(f).first * u_step, depth, k1 - k0)
            .multiply(r.count(), v.rows(f, r.begin), depth, kTogether, m + f * m_step + r.begin * kPanel, kPanel, 1, 0);
      }
      transform_outputs(t, 0, tiles, k0, k1, m, m_step, kPanel, target);
    }
  });
}

template <class T, class F>
void convolve(const Tiles<F>& t, const T* x, const Kernels<T>& kernels, const Target<T>& target) {
  if (few(t)) {
    if constexpr (std::is_same_v<T, BFloat16>)
      return convolve_by_channels(t, x, kernels, target);
    else
      return convolve_by_panels(t, x, kernels, target);
  }
  convolve_by_tiles(t, x, kernels, target);
}

}  // namespace

namespace {

// Whether tiles of form F are enough for the transforms of the kernels, and spare at least `fewer` of a direct
// algorithm's multiplications.
template <class F>
bool spares(const ConvShape& s, double fewer) {
  const auto tiles = tiles_of<F>(s);
  const double direct = 9.0 * double(s.batch * s.out[0] * s.out[1]);
  return tiles.count() * F::kRows >= 96 && double(TileOrder(tiles).products()) <= (1 - fewer) * direct;
}

}  // namespace

// Rounding differs from the direct algorithm's, and an optimizer makes much of little. Networks of a few channels in
// training would show it in the fourth digit of their losses; larger ones part from PyTorch's no sooner than PyTorch on
// one thread parts from PyTorch on two.
template <class T>
bool winograd_pays(const ConvShape& s, bool forward) {
  constexpr bool bf16 = std::is_same_v<T, BFloat16>;
  if constexpr (bf16) {
    if (s.training || !Matrices<T>::pay() || s.in_channels % 2 || s.out_channels % 2) return false;
  }
  const int64_t fewest = s.training || bf16 || s.stride[0] == 2 ? 32 : 16, channels = s.in_channels * s.out_channels;
  const int64_t work = s.training ? 100'000'000 : 25'000'000;  // multiplications of the direct algorithm
  if (s.rank != 2 || s.groups != 1 || std::min(s.in_channels, s.out_channels) < fewest || channels < 512) return false;
  for (int d = 0; d < 2; d++)
    if (s.kernel[d] != 3 || s.stride[d] != s.stride[0] || s.dilation[d] != 1 || s.pad_l[d] < 0 || s.pad_l[d] > 2)
      return false;
  if (9 * s.batch * s.out[0] * s.out[1] * channels < work) return false;
  if (s.stride[0] == 1) return spares<Ordinary<T>>(s, 1 / 3.0);
  // The transforms of its kernels pay where they are kept: not in training, nor in float32 for few tiles.
  return s.stride[0] == 2 && forward && !s.training && spares<Strided>(s, 1 / 4.0) &&
         (bf16 || !few(tiles_of<Strided>(s)));
}

template <class T>
void winograd_forward(const ConvShape& s, const T* x, const T* w, WeightVersion version, const T* bias, bool relu,
                      T* y) {
  const Kernels<T> kernels{w, version, s.out_channels, s.in_channels, false};
  const Target<T> target{y, bias, relu};
  if (s.stride[0] == 1)
    convolve<T>(tiles_of<Ordinary<T>>(s), x, kernels, target);
  else
    convolve<T>(tiles_of<Strided>(s), x, kernels, target);
}

template <class T>
void winograd_backward_data(const ConvShape& s, const T* gy, const T* w, WeightVersion version, T* gx) {
  convolve<T>(tiles_backward<Ordinary<T>>(s), gy, {w, version, s.out_channels, s.in_channels, true},
              {gx, nullptr, false});
}

#define LAMPAS_WINOGRAD(T)                                                                                    \
  template bool winograd_pays<T>(const ConvShape&, bool);                                                     \
  template void winograd_forward<T>(const ConvShape&, const T*, const T*, WeightVersion, const T*, bool, T*); \
  template void winograd_backward_data<T>(const ConvShape&, const T*, const T*, WeightVersion, T*);
LAMPAS_WINOGRAD(float)
#if defined(__AVX512BF16__)
LAMPAS_WINOGRAD(BFloat16)
#endif
#undef LAMPAS_WINOGRAD

}  // namespace lampas::cpu
