// Blocks of queries against blocks of keys, with a running maximum and sum for each row (T. Dao et al.,
// "FlashAttention", NeurIPS 2022). Scores exist for one pair of blocks at a time; the backward pass computes them again
// from the saved logarithm of the sums.
#include "cpu/attention.h"

#include <cmath>
#include <utility>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/fast_math.h"
#include "cpu/panels.h"

namespace lampas::cpu {

namespace {

constexpr int64_t kQueries = 48, kKeys = 512;  // scores of a pair of blocks stay in the second-level cache
constexpr int64_t kStride = kKeys + 16;        // rows must not meet in one set of the first-level cache
constexpr int64_t kWork = 1 << 19;             // multiply-adds worth waking a thread for

template <class T>
class Attention {
 public:
  explicit Attention(const AttentionCall& q) : c_(q), E_(q.features), F_(q.value_features), L_(q.queries), S_(q.keys) {
    count_ = 1;
    for (int d = 0; d < q.rank; d++) count_ *= q.sizes[d];
    work_ = std::max<int64_t>(1, L_ * S_ * (E_ + F_));
  }

  void forward() const {
    const int64_t blocks = (L_ + kQueries - 1) / kQueries;
    parallel_for(0, count_ * blocks, std::max<int64_t>(1, kWork * blocks / work_), [&](int64_t begin, int64_t end) {
      Scratch memory(sizeof(T) *
                     size_t(Panels<T>::elements(E_, S_) + Panels<T>::elements(S_, F_) + kQueries * kStride));
      T* scores = memory.as<T>();
      const Panels<T> kt(scores + kQueries * kStride, E_, S_);
      T* const values = scores + kQueries * kStride + Panels<T>::elements(E_, S_);
      T high[kQueries], total[kQueries];
      int64_t packed = -1;
      for (int64_t item = begin; item < end; item++) {
        const int64_t n = item / blocks, i0 = item % blocks * kQueries, m = std::min(kQueries, L_ - i0);
        if (packed != n) {
          packed = n;
          kt.pack(at(c_.k, n), 1, c_.k.row);
          for (int64_t j0 = 0; j0 < S_; j0 += kKeys)
            key_block(values, F_, j0).pack(at(c_.v, n) + j0 * c_.v.row, c_.v.row, 1);
        }
        const T* q = at(c_.q, n) + i0 * c_.q.row;
        T* o = at(c_.o, n) + i0 * c_.o.row;
        std::fill(high, high + m, -std::numeric_limits<T>::infinity());
        std::fill(total, total + m, T(0));
        for (int64_t j0 = 0; j0 < seen(i0, m); j0 += kKeys) {
          const int64_t width = std::min(kKeys, seen(i0, m) - j0);
          score(kt, q, m, i0, j0, width, n, scores);
          for (int64_t i = 0; i < m; i++) {
            const T factor = exponentials(scores + i * kStride, width, high[i], total[i]);
            if (j0 && factor != 1)
              for (int64_t f = 0; f < F_; f++) o[i * c_.o.row + f] *= factor;
          }
          key_block(values, F_, j0).multiply(m, scores, kStride, 1, o, c_.o.row, T(1), T(j0 ? 1 : 0), width);
        }
        for (int64_t i = 0; i < m; i++) {
          const T scale = total[i] == 0 ? T(0) : 1 / total[i];
          for (int64_t f = 0; f < F_; f++) o[i * c_.o.row + f] *= scale;
          if (c_.lse) static_cast<T*>(c_.lse)[n * L_ + i0 + i] = high[i] + std::log(total[i]);
        }
      }
    });
  }

  void backward() const {
    parallel_for(0, count_, std::max<int64_t>(1, kWork / work_), [&](int64_t begin, int64_t end) {
      const int64_t keys = Panels<T>::elements(E_, S_), values = Panels<T>::elements(F_, S_),
                    plain_keys = Panels<T>::elements(S_, E_);
      const int64_t queries = Panels<T>::elements(kQueries, E_), outputs = Panels<T>::elements(kQueries, F_);
      Scratch memory(sizeof(T) * size_t(2 * kQueries * kStride + keys + values + plain_keys + queries + outputs));
      T *p = memory.as<T>(), *dp = p + kQueries * kStride, *next = dp + kQueries * kStride;
      auto take = [&](int64_t elements) { return std::exchange(next, next + elements); };
      const Panels<T> kt(take(keys), E_, S_), vt(take(values), F_, S_);
      T *const k_blocks = take(plain_keys), *const q_memory = take(queries), *const g_memory = take(outputs);
      for (int64_t n = begin; n < end; n++) {
        kt.pack(at(c_.k, n), 1, c_.k.row);
        vt.pack(at(c_.v, n), 1, c_.v.row);
        for (int64_t j0 = 0; j0 < S_; j0 += kKeys)
          key_block(k_blocks, E_, j0).pack(at(c_.k, n) + j0 * c_.k.row, c_.k.row, 1);
        T *gk = at(c_.gk, n), *gv = at(c_.gv, n);
        for (int64_t j = 0; j < S_; j++) {
          std::fill(gk + j * c_.gk.row, gk + j * c_.gk.row + E_, T(0));
          std::fill(gv + j * c_.gv.row, gv + j * c_.gv.row + F_, T(0));
        }
        const T* lse = static_cast<const T*>(c_.lse) + n * L_;
        for (int64_t i0 = 0; i0 < L_; i0 += kQueries) {
          const int64_t m = std::min(kQueries, L_ - i0);
          const T *q = at(c_.q, n) + i0 * c_.q.row, *o = at(c_.o, n) + i0 * c_.o.row,
                  *go = at(c_.go, n) + i0 * c_.go.row;
          T* gq = at(c_.gq, n) + i0 * c_.gq.row;
          const Panels<T> q_panels(q_memory, m, E_), go_panels(g_memory, m, F_);
          q_panels.pack(q, c_.q.row, 1);
          go_panels.pack(go, c_.go.row, 1);
          T delta[kQueries];
          for (int64_t i = 0; i < m; i++) delta[i] = dot(go + i * c_.go.row, o + i * c_.o.row, F_);
          for (int64_t j0 = 0; j0 < seen(i0, m); j0 += kKeys) {
            const int64_t width = std::min(kKeys, seen(i0, m) - j0), first = j0 / kC, last = (j0 + width + kC - 1) / kC;
            score(kt, q, m, i0, j0, width, n, p);
            vt.multiply(first, last, m, go, c_.go.row, 1, dp, kStride, T(1), T(0), nullptr, -1, j0 + width);
            for (int64_t i = 0; i < m; i++)
              score_gradient(p + i * kStride, dp + i * kStride, width, lse[i0 + i], delta[i]);
            go_panels.multiply(width, p, 1, kStride, gv + j0 * c_.gv.row, c_.gv.row, T(1), T(1));
            q_panels.multiply(width, dp, 1, kStride, gk + j0 * c_.gk.row, c_.gk.row, T(c_.scale), T(1));
            key_block(k_blocks, E_, j0).multiply(m, dp, kStride, 1, gq, c_.gq.row, T(c_.scale), T(j0 ? 1 : 0), width);
          }
        }
      }
    });
  }

 private:
  using V = simd::Vec<T>;
  static constexpr int W = simd::kLanes<V>;
  static constexpr int64_t kC = Panels<T>::kColumns;

  template <class R = T>
  R* at(const AttentionOperand& x, int64_t n) const {
    int64_t offset = 0;
    for (int d = c_.rank; d-- > 0;) {
      offset += n % c_.sizes[d] * x.batch[d];
      n /= c_.sizes[d];
    }
    return static_cast<R*>(x.data) + offset;
  }

  // A block of rows of V or K as panels, inside the memory for all of them.
  Panels<T> key_block(T* memory, int64_t columns, int64_t j0) const {
    return Panels<T>(memory + Panels<T>::elements(j0, columns), std::min(kKeys, S_ - j0), columns);
  }

  // Keys that some query of a block sees.
  int64_t seen(int64_t i0, int64_t m) const { return c_.causal ? std::min(S_, i0 + m) : S_; }

  // Scores of a pair of blocks: scaled, masked, -inf up to the next whole vector.
  void score(const Panels<T>& kt, const T* q, int64_t m, int64_t i0, int64_t j0, int64_t width, int64_t n,
             T* scores) const {
    constexpr T none = -std::numeric_limits<T>::infinity();
    kt.multiply(j0 / kC, (j0 + width + kC - 1) / kC, m, q, c_.q.row, 1, scores, kStride, T(c_.scale), T(0), nullptr, -1,
                j0 + width);
    const int64_t whole = (width + W - 1) / W * W;
    for (int64_t i = 0; i < m; i++) {
      T* s = scores + i * kStride;
      if (c_.mask.data) {
        const int64_t start = (i0 + i) * c_.mask.row + j0 * c_.mask_column, step = c_.mask_column;
        if (c_.bool_mask) {
          const bool* mask = at<bool>(c_.mask, n) + start;
          for (int64_t j = 0; j < width; j++) s[j] = mask[j * step] ? s[j] : none;
        } else if (const T* mask = at(c_.mask, n) + start; step == 1) {
          for (int64_t j = 0; j < width; j++) s[j] += mask[j];
        } else {
          for (int64_t j = 0; j < width; j++) s[j] += mask[j * step];
        }
      }
      const int64_t visible = c_.causal ? std::clamp<int64_t>(i0 + i + 1 - j0, 0, width) : width;
      std::fill(s + visible, s + whole, none);
    }
  }

  // Scores to exponentials over the row's new maximum. Returns what earlier results are to be multiplied with.
  static T exponentials(T* s, int64_t width, T& high, T& total) {
    constexpr T none = -std::numeric_limits<T>::infinity();
    V best = simd::splat<V>(0) + none;
    for (int64_t j = 0; j < width; j += W) best = simd::max(best, simd::load<V>(s + j));
    T now = high;
    for (int k = 0; k < W; k++) now = best[k] > now || best[k] != best[k] ? T(best[k]) : now;
    if (now == none) {
      for (int64_t j = 0; j < width; j += W) simd::store(s + j, V{});
      return 1;
    }
    const T factor = high == none ? T(0) : std::exp(high - now);
    V sum{};
    for (int64_t j = 0; j < width; j += W) {
      const V e = simd::fast_exp(simd::load<V>(s + j) - now);
      simd::store(s + j, e);
      sum += e;
    }
    high = now;
    total = total * factor + gemm_detail::join_lanes(sum, [](auto a, auto b) { return a + b; });
    return factor;
  }

  // s: scores to probabilities; g: gradients of probabilities to those of scores.
  static void score_gradient(T* s, T* g, int64_t width, T lse, T delta) {
    if (lse == -std::numeric_limits<T>::infinity()) {
      for (int64_t j = 0; j < width; j += W) simd::store(s + j, V{}), simd::store(g + j, V{});
      return;
    }
    for (int64_t j = 0; j < width; j += W) {
      const V p = simd::fast_exp(simd::load<V>(s + j) - lse);
      simd::store(s + j, p);
      simd::store(g + j, p * (simd::load<V>(g + j) - delta));
    }
  }

  static T dot(const T* a, const T* b, int64_t n) {
    T sum;
    gemm_detail::dot_tile<T, 1, 1>(n, a, 0, b, 0, &sum, 1);
    return sum;
  }

  const AttentionCall& c_;
  const int64_t E_, F_, L_, S_;
  int64_t count_, work_;
};

template <class F>
void typed(const AttentionCall& c, F&& f) {
  if (c.type == DType::Float64)
    f(Attention<double>(c));
  else
    f(Attention<float>(c));
}

}  // namespace

void attention(const AttentionCall& c) {
  typed(c, [](auto&& a) { a.forward(); });
}
void attention_backward(const AttentionCall& c) {
  typed(c, [](auto&& a) { a.backward(); });
}

}  // namespace lampas::cpu
