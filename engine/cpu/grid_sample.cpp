// Sampling at points: for each dimension a few indices with weights, whose products weight the input's elements.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/threads.h"
#include "cpu/resample.h"

namespace lampas::cpu {

namespace {

// What one dimension contributes: up to four indices (-1: outside, where the input counts as 0), their weights, and the
// weights' derivatives by the grid's coordinate.
template <class T>
struct Axis {
  int count;
  int64_t index[4];
  T weight[4], slope[4];
};

template <class T>
class Sampler {
 public:
  explicit Sampler(const GridSampleCall& c) : c_(c) {
    volume_ = 1;
    for (int d = 0; d < c.rank; d++) volume_ *= c.size[d];
  }

  void forward() const {
    if (volume_ <= std::numeric_limits<int32_t>::max()) return forward_blocks();
    const int64_t n = c_.batch * c_.points;
    parallel_for(0, n, std::max<int64_t>(1, kGrain / (c_.channels * 8 + 32)), [&](int64_t begin, int64_t end) {
      Terms terms;
      for (int64_t i = begin; i < end; i++) {
        const int64_t b = i / c_.points, p = i % c_.points;
        terms.find(*this, i);
        const T* x = static_cast<const T*>(c_.input) + b * c_.channels * volume_;
        T* y = static_cast<T*>(c_.out) + b * c_.channels * c_.points + p;
        for (int64_t ch = 0; ch < c_.channels; ch++, x += volume_, y += c_.points) {
          T s = 0;
          for (int t = 0; t < terms.count; t++) s += terms.weight[t] * x[terms.offset[t]];
          *y = s;
        }
      }
    });
  }

  void backward() const {
    parallel_for(0, c_.batch, 1, [&](int64_t begin, int64_t end) {
      Terms terms;
      for (int64_t i = begin * c_.points; i < end * c_.points; i++) {
        const int64_t b = i / c_.points, p = i % c_.points, first = b * c_.channels * volume_;
        terms.find(*this, i);
        const T* x = static_cast<const T*>(c_.input) + first;
        T* gx = c_.ginput ? static_cast<T*>(c_.ginput) + first : nullptr;
        const T* g = static_cast<const T*>(c_.go) + b * c_.channels * c_.points + p;
        T slope[3] = {};
        for (int64_t ch = 0; ch < c_.channels; ch++, g += c_.points) {
          for (int t = 0; t < terms.count; t++) {
            const int64_t at = ch * volume_ + terms.offset[t];
            if (gx) gx[at] += terms.weight[t] * *g;
            for (int d = 0; d < c_.rank; d++) slope[d] += terms.slope[d][t] * x[at] * *g;
          }
        }
        if (c_.ggrid)  // the grid holds the innermost dimension first
          for (int d = 0; d < c_.rank; d++) static_cast<T*>(c_.ggrid)[i * c_.rank + c_.rank - 1 - d] = slope[d];
      }
    });
  }

 private:
  static constexpr int kBlock = 64;

  // The terms of a block of points, one array for each: loops over the points become vectors.
  struct Block {
    int count;
    int32_t offset[16][kBlock];  // -1: outside
    T weight[16][kBlock];
  };

  void forward_blocks() const {
    const int64_t per_image = (c_.points + kBlock - 1) / kBlock;
    const int64_t grain = std::max<int64_t>(1, kGrain / (kBlock * (c_.channels * 4 + 16)));
    parallel_for(0, c_.batch * per_image, grain, [&](int64_t begin, int64_t end) {
      Block block;
      for (int64_t i = begin; i < end; i++) {
        const int64_t b = i / per_image, p = i % per_image * kBlock;
        const int n = int(std::min<int64_t>(kBlock, c_.points - p));
        find(block, static_cast<const T*>(c_.grid) + (b * c_.points + p) * c_.rank, n);
        const T* x = static_cast<const T*>(c_.input) + b * c_.channels * volume_;
        T* y = static_cast<T*>(c_.out) + b * c_.channels * c_.points + p;
        for (int64_t ch = 0; ch < c_.channels; ch++, x += volume_, y += c_.points) {
          T sums[kBlock] = {};
          for (int t = 0; t < block.count; t++) {
            const int32_t* offset = block.offset[t];
            const T* weight = block.weight[t];
#pragma omp simd
            for (int k = 0; k < n; k++) {
              const T v = x[offset[k] < 0 ? 0 : offset[k]] * weight[k];
              sums[k] += offset[k] < 0 ? T(0) : v;  // not 0 * v, which may be NaN
            }
          }
          std::copy_n(sums, n, y);
        }
      }
    });
  }

  void find(Block& block, const T* grid, int n) const {
    block.count = 1;
    std::fill_n(block.offset[0], n, 0);
    std::fill_n(block.weight[0], n, T(1));
    int32_t index[4][kBlock];
    T weight[4][kBlock];
    for (int d = 0; d < c_.rank; d++) {
      const int64_t size = c_.size[d];
      const T* at = grid + c_.rank - 1 - d;
      int taps = c_.mode == SampleMode::Nearest ? 1 : 2;
      if (c_.mode != SampleMode::Cubic && c_.padding != SamplePadding::Reflection) {
        if (c_.padding == SamplePadding::Zeros)
          find_taps<false>(at, n, size, index, weight);
        else
          find_taps<true>(at, n, size, index, weight);
      } else {
        for (int k = 0; k < n; k++) {
          const Axis<T> a = axis(at[k * c_.rank], size);
          taps = a.count;
          for (int j = 0; j < taps; j++) index[j][k] = int32_t(a.index[j]), weight[j][k] = a.weight[j];
        }
      }
      // From the last term back, so that no product overwrites what is still to be read.
      for (int t = block.count - 1; t >= 0; t--)
        for (int j = taps - 1; j >= 0; j--) {
          const int to = t * taps + j;
#pragma omp simd
          for (int k = 0; k < n; k++) {
            const int32_t before = block.offset[t][k], i = index[j][k];
            const T product = block.weight[t][k] * weight[j][k];
            block.offset[to][k] = (before < 0) | (i < 0) ? -1 : before * int32_t(size) + i;
            block.weight[to][k] = product;
          }
        }
      block.count *= taps;
    }
  }

  // The common axes without branches.
  template <bool border>
  void find_taps(const T* at, int n, int64_t size, int32_t (*index)[kBlock], T (*weight)[kBlock]) const {
    const T scale = c_.align_corners ? T(size - 1) / 2 : T(size) / 2, shift = c_.align_corners ? 0 : T(-0.5);
    const T last = T(size) - 1;
    auto place = [&](T grid) {
      const T x = (grid + 1) * scale + shift;
      return border ? std::min(std::max(T(0), x), last) : x;  // in this order NaN becomes 0
    };
    if (c_.mode == SampleMode::Nearest) {
#pragma omp simd
      for (int k = 0; k < n; k++) {
        const T x = std::nearbyint(place(at[k * c_.rank]));
        const bool inside = (x >= 0) & (x <= last);
        index[0][k] = inside ? int32_t(inside ? x : 0) : -1;
        weight[0][k] = 1;
      }
      return;
    }
#pragma omp simd
    for (int k = 0; k < n; k++) {
      const T x = place(at[k * c_.rank]), first = std::floor(x), t = x - first;
      const bool low = (first >= 0) & (first <= last), high = (first >= -1) & (first < last);
      index[0][k] = low ? int32_t(low ? first : 0) : -1;
      index[1][k] = high ? int32_t(high ? first + 1 : 0) : -1;
      weight[0][k] = 1 - t;
      weight[1][k] = t;
    }
  }

  // The products of all dimensions' weights inside the input.
  struct Terms {
    int count;
    int64_t offset[16];
    T weight[16], slope[3][16];

    void find(const Sampler& s, int64_t point) {
      const T* at = static_cast<const T*>(s.c_.grid) + point * s.c_.rank;
      count = 1;
      offset[0] = 0;
      weight[0] = 1;
      for (int d = 0; d < s.c_.rank; d++) {
        const Axis<T> a = s.axis(at[s.c_.rank - 1 - d], s.c_.size[d]);
        const Terms before = *this;
        count = 0;
        for (int t = 0; t < before.count; t++)
          for (int k = 0; k < a.count; k++) {
            if (a.index[k] < 0) continue;
            offset[count] = before.offset[t] * s.c_.size[d] + a.index[k];
            weight[count] = before.weight[t] * a.weight[k];
            for (int e = 0; e < d; e++) slope[e][count] = before.slope[e][t] * a.weight[k];
            slope[d][count] = before.weight[t] * a.slope[k];
            count++;
          }
      }
    }
  };

  static T reflect(T x, T low, T high, T& slope) {
    if (low == high) {
      slope = 0;
      return 0;
    }
    const T from = low / 2, span = (high - low) / 2;
    x -= from;
    if (x < 0) x = -x, slope = -slope;
    const T rest = std::fmod(x, span), flips = std::floor(x / span);
    if (std::fmod(flips, T(2)) == 0) return rest + from;
    slope = -slope;
    return span - rest + from;
  }

  // A coordinate brought inside by the padding; `slope` is multiplied with the derivative.
  T padded(T x, int64_t size, T& slope) const {
    if (c_.padding == SamplePadding::Reflection)
      x = c_.align_corners ? reflect(x, 0, T(2 * (size - 1)), slope) : reflect(x, -1, T(2 * size - 1), slope);
    if (c_.padding != SamplePadding::Zeros) {
      if (!(x > 0)) return slope = 0, T(0);
      if (x >= T(size - 1)) return slope = 0, T(size - 1);
    }
    return x;
  }

  static int64_t inside(T x, int64_t size) { return x >= 0 && x < T(size) ? int64_t(x) : -1; }

  Axis<T> axis(T x, int64_t size) const {
    Axis<T> a;
    T slope = c_.align_corners ? T(size - 1) / 2 : T(size) / 2;
    x = c_.align_corners ? (x + 1) / 2 * T(size - 1) : ((x + 1) * T(size) - 1) / 2;
    if (c_.mode != SampleMode::Cubic) x = padded(x, size, slope);
    if (c_.mode == SampleMode::Nearest) {
      a.count = 1;
      a.index[0] = inside(std::nearbyint(x), size);
      a.weight[0] = 1;
      a.slope[0] = 0;
      return a;
    }
    const T first = std::floor(x), t = x - first;
    if (c_.mode == SampleMode::Linear) {
      a.count = 2;
      a.weight[0] = first + 1 - x, a.weight[1] = t;
      a.slope[0] = -slope, a.slope[1] = slope;
      a.index[0] = inside(first, size), a.index[1] = inside(first + 1, size);
      return a;
    }
    // Cubic convolution (R. Keys, 1981) with a = -0.75: near and far pieces by the distance from the index.
    constexpr T A = T(-0.75);
    auto near = [](T d) { return ((A + 2) * d - (A + 3)) * d * d + 1; };
    auto far = [](T d) { return ((A * d - 5 * A) * d + 8 * A) * d - 4 * A; };
    auto near_slope = [](T d) { return (3 * (A + 2) * d - 2 * (A + 3)) * d; };
    auto far_slope = [](T d) { return (3 * A * d - 10 * A) * d + 8 * A; };
    a.count = 4;
    a.weight[0] = far(t + 1), a.weight[1] = near(t), a.weight[2] = near(1 - t), a.weight[3] = far(2 - t);
    a.slope[0] = slope * far_slope(t + 1), a.slope[1] = slope * near_slope(t);
    a.slope[2] = -slope * near_slope(1 - t), a.slope[3] = -slope * far_slope(2 - t);
    for (int k = 0; k < 4; k++) {
      T unused = 1;
      a.index[k] = inside(padded(first - 1 + T(k), size, unused), size);
    }
    return a;
  }

  const GridSampleCall& c_;
  int64_t volume_;
};

}  // namespace

void grid_sample(const GridSampleCall& c) {
  auto run = [&](auto&& sampler) {
    if (c.go)
      sampler.backward();
    else
      sampler.forward();
  };
  if (c.type == DType::Float64)
    run(Sampler<double>(c));
  else
    run(Sampler<float>(c));
}

}  // namespace lampas::cpu
