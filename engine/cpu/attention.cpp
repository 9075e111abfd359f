// Blocks of queries against blocks of keys, with a running maximum and sum for each row (T. Dao et al.,
// "FlashAttention", NeurIPS 2022). Scores exist for one pair of blocks at a time; the backward pass computes them again
// from the saved logarithm of the sums.
#include "cpu/attention.h"

#include <cmath>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/fast_math.h"
#include "cpu/pair_panels.h"

namespace lampas::cpu {

namespace {

constexpr int64_t kQueries = 48, kKeys = 512;  // scores of a pair of blocks stay in the second-level cache
constexpr int64_t kStride = kKeys + 16;        // rows must not meet in one set of the first-level cache
constexpr int64_t kWork = 1 << 19;             // multiply-adds worth waking a thread for

template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t elements) : memory_(size_t(elements) * sizeof(T)) {}
  operator T*() const { return memory_.as<T>(); }

 private:
  Scratch memory_;
};

// What does not exist where T and C are one type.
template <class T, class C>
constexpr int64_t if_converted(int64_t elements) {
  return std::is_same_v<T, C> ? 0 : elements;
}

// Scores of a pair of blocks, or their gradients: computed in C, and as a side of a product in T.
template <class T, class C>
class Scores {
 public:
  static constexpr int kTogether = PanelsOf<T>::type::kTogether;

  C* operator[](int64_t i) const { return values_ + i * kStride; }

  // As A of a product, or as A^T.
  const T* rows() const { return rows_; }
  const T* columns() const { return std::is_same_v<T, C> ? rows_ : columns_; }

  void convert_row(int64_t i, int64_t width) const { narrow_back((*this)[i], width, rows_ + i * kStride); }
  // Rows [i, i + kTogether), those from m on as zeros.
  void convert_columns(int64_t i, int64_t m, int64_t width) const {
    if constexpr (!std::is_same_v<T, C>)
      for (int64_t j = 0; j < width; j += simd::kLanes<V>)
        PanelsOf<T>::type::store(columns_ + i * kStride + j * kTogether,
                                 {simd::load<V>((*this)[i] + j), i + 1 < m ? simd::load<V>((*this)[i + 1] + j) : V{}});
  }

 private:
  using V = simd::Vec<C>;
  Buffer<T> rows_{kQueries * kStride}, columns_{if_converted<T, C>(kQueries * kStride)};
  Buffer<C> buffer_{if_converted<T, C>(kQueries * kStride)};
  C* values_ = write_place<T, C>(rows_, buffer_);
};

// Sums in C of what is written as T: built in place where those are one type.
template <class T, class C>
class Sums {
 public:
  Sums(T* to, int64_t to_row, int64_t columns, C* buffer)
      : to_(to),
        to_row_(to_row),
        columns_(columns),
        data_(write_place(to, buffer)),
        row_(std::is_same_v<T, C> ? to_row : columns) {}
  int64_t row() const { return row_; }
  C* operator[](int64_t i) const { return data_ + i * row_; }
  void write(int64_t rows) const {
    for (int64_t i = 0; i < rows; i++) narrow_back((*this)[i], columns_, to_ + i * to_row_);
  }

 private:
  T* to_;
  int64_t to_row_, columns_;
  C* data_;
  int64_t row_;
};

// T: of the operands, and of both sides of each product.
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
      const Buffer<T> keys(Matrix::elements(E_, S_)), values(Matrix::elements(S_, F_));
      const Buffer<C> o_sums(if_converted<T, C>(kQueries * F_));
      const Scores<T, C> scores;
      C high[kQueries], total[kQueries];
      int64_t packed = -1;
      for (int64_t item = begin; item < end; item++) {
        const int64_t n = item / blocks, i0 = item % blocks * kQueries, m = std::min(kQueries, L_ - i0);
        if (packed != n) {
          packed = n;
          for_keys(S_, [&](int64_t j0, int64_t) {
            key_columns(keys, E_, j0).pack(at(c_.k, n) + j0 * c_.k.row, 1, c_.k.row);
            key_rows(values, F_, j0).pack(at(c_.v, n) + j0 * c_.v.row, c_.v.row, 1);
          });
        }
        const T* q = at(c_.q, n) + i0 * c_.q.row;
        const Sums<T, C> o(at(c_.o, n) + i0 * c_.o.row, c_.o.row, F_, o_sums);
        std::fill(high, high + m, -std::numeric_limits<C>::infinity());
        std::fill(total, total + m, C(0));
        for_keys(seen(i0, m), [&](int64_t j0, int64_t width) {
          score(key_columns(keys, E_, j0), q, m, i0, j0, width, n, scores);
          for (int64_t i = 0; i < m; i++) {
            const C factor = exponentials(scores[i], width, high[i], total[i]);
            scores.convert_row(i, whole(width));
            if (j0 && factor != 1)
              for (int64_t f = 0; f < F_; f++) o[i][f] *= factor;
          }
          key_rows(values, F_, j0).multiply(m, scores.rows(), kStride, kTogether, o[0], o.row(), 1, j0 ? 1 : 0, width);
        });
        for (int64_t i = 0; i < m; i++) {
          const C scale = total[i] == 0 ? C(0) : 1 / total[i];
          for (int64_t f = 0; f < F_; f++) o[i][f] *= scale;
          if (c_.lse) static_cast<C*>(c_.lse)[n * L_ + i0 + i] = high[i] + std::log(total[i]);
        }
        o.write(m);
      }
    });
  }

  void backward() const {
    parallel_for(0, count_, std::max<int64_t>(1, kWork / work_), [&](int64_t begin, int64_t end) {
      const Buffer<T> keys(Matrix::elements(E_, S_)), values(Matrix::elements(F_, S_)),
          plain_keys(Matrix::elements(S_, E_)), queries(Matrix::elements(kQueries, E_)),
          outputs(Matrix::elements(kQueries, F_));
      const Buffer<C> q_sums(if_converted<T, C>(kQueries * E_)), k_sums(if_converted<T, C>(S_ * E_)),
          v_sums(if_converted<T, C>(S_ * F_));
      const Scores<T, C> p, dp;
      for (int64_t n = begin; n < end; n++) {
        for_keys(S_, [&](int64_t j0, int64_t) {
          const T *k = at(c_.k, n) + j0 * c_.k.row, *v = at(c_.v, n) + j0 * c_.v.row;
          key_columns(keys, E_, j0).pack(k, 1, c_.k.row);
          key_columns(values, F_, j0).pack(v, 1, c_.v.row);
          key_rows(plain_keys, E_, j0).pack(k, c_.k.row, 1);
        });
        const Sums<T, C> gk(at(c_.gk, n), c_.gk.row, E_, k_sums), gv(at(c_.gv, n), c_.gv.row, F_, v_sums);
        for (int64_t j = 0; j < S_; j++) {
          std::fill(gk[j], gk[j] + E_, C(0));
          std::fill(gv[j], gv[j] + F_, C(0));
        }
        const C* lse = static_cast<const C*>(c_.lse) + n * L_;
        for (int64_t i0 = 0; i0 < L_; i0 += kQueries) {
          const int64_t m = std::min(kQueries, L_ - i0);
          const T *q = at(c_.q, n) + i0 * c_.q.row, *o = at(c_.o, n) + i0 * c_.o.row,
                  *go = at(c_.go, n) + i0 * c_.go.row;
          const Sums<T, C> gq(at(c_.gq, n) + i0 * c_.gq.row, c_.gq.row, E_, q_sums);
          const Matrix q_rows(queries, m, E_), go_rows(outputs, m, F_);
          q_rows.pack(q, c_.q.row, 1);
          go_rows.pack(go, c_.go.row, 1);
          C delta[kQueries];
          for (int64_t i = 0; i < m; i++) delta[i] = dot(go + i * c_.go.row, o + i * c_.o.row, F_);
          for_keys(seen(i0, m), [&](int64_t j0, int64_t width) {
            score(key_columns(keys, E_, j0), q, m, i0, j0, width, n, p);
            key_columns(values, F_, j0).multiply(m, go, c_.go.row, kTogether, dp[0], kStride, 1, 0, -1, width);
            for (int64_t i = 0; i < m; i++) {
              std::fill(dp[i] + width, dp[i] + whole(width), C(0));
              score_gradient(p[i], dp[i], width, lse[i0 + i], delta[i]);
              dp.convert_row(i, whole(width));
              if (i % kTogether == kTogether - 1 || i + 1 == m)
                for (const auto* s : {&p, &dp}) s->convert_columns(i / kTogether * kTogether, m, whole(width));
            }
            constexpr int64_t step = kTogether * kStride;
            go_rows.multiply(width, p.columns(), kTogether, step, gv[j0], gv.row(), 1, 1);
            q_rows.multiply(width, dp.columns(), kTogether, step, gk[j0], gk.row(), C(c_.scale), 1);
            key_rows(plain_keys, E_, j0)
                .multiply(m, dp.rows(), kStride, kTogether, gq[0], gq.row(), C(c_.scale), j0 ? 1 : 0, width);
          });
          gq.write(m);
        }
        gk.write(S_);
        gv.write(S_);
      }
    });
  }

 private:
  using Matrix = typename PanelsOf<T>::type;
  using C = Compute<T>;
  static constexpr int kTogether = Matrix::kTogether;
  using V = simd::Vec<C>;
  static constexpr int W = simd::kLanes<V>;

  static int64_t whole(int64_t width) { return (width + W - 1) / W * W; }

  template <class R = T>
  R* at(const AttentionOperand& x, int64_t n) const {
    int64_t offset = 0;
    for (int d = c_.rank; d-- > 0;) {
      offset += n % c_.sizes[d] * x.batch[d];
      n /= c_.sizes[d];
    }
    return static_cast<R*>(x.data) + offset;
  }

  // f(j0, width) for each block of the first `keys` keys.
  template <class G>
  static void for_keys(int64_t keys, G&& f) {
    for (int64_t j0 = 0; j0 < keys; j0 += kKeys) f(j0, std::min(kKeys, keys - j0));
  }
  // A block of keys, inside the memory for all of them: as rows of a matrix, or as columns.
  Matrix key_rows(T* memory, int64_t columns, int64_t j0) const {
    return {memory + Matrix::elements(j0, columns), std::min(kKeys, S_ - j0), columns};
  }
  Matrix key_columns(T* memory, int64_t rows, int64_t j0) const {
    return {memory + Matrix::elements(rows, j0), rows, std::min(kKeys, S_ - j0)};
  }

  // Keys that some query of a block sees.
  int64_t seen(int64_t i0, int64_t m) const { return c_.causal ? std::min(S_, i0 + m) : S_; }

  // Scores of a pair of blocks: scaled, masked, -inf up to the next whole vector.
  void score(const Matrix& keys, const T* q, int64_t m, int64_t i0, int64_t j0, int64_t width, int64_t n,
             const Scores<T, C>& scores) const {
    constexpr C none = -std::numeric_limits<C>::infinity();
    keys.multiply(m, q, c_.q.row, kTogether, scores[0], kStride, C(c_.scale), 0, -1, width);
    for (int64_t i = 0; i < m; i++) {
      C* s = scores[i];
      if (c_.mask.data) {
        const int64_t start = (i0 + i) * c_.mask.row + j0 * c_.mask_column, step = c_.mask_column;
        if (c_.bool_mask) {
          const bool* mask = at<bool>(c_.mask, n) + start;
          for (int64_t j = 0; j < width; j++) s[j] = mask[j * step] ? s[j] : none;
        } else if (const C* mask = at<C>(c_.mask, n) + start; step == 1) {
          for (int64_t j = 0; j < width; j++) s[j] += mask[j];
        } else {
          for (int64_t j = 0; j < width; j++) s[j] += mask[j * step];
        }
      }
      const int64_t visible = c_.causal ? std::clamp<int64_t>(i0 + i + 1 - j0, 0, width) : width;
      std::fill(s + visible, s + whole(width), none);
    }
  }

  // Scores to exponentials over the row's new maximum. Returns what earlier results are to be multiplied with.
  static C exponentials(C* s, int64_t width, C& high, C& total) {
    constexpr C none = -std::numeric_limits<C>::infinity();
    V best = simd::splat<V>(0) + none;
    for (int64_t j = 0; j < width; j += W) best = simd::max(best, simd::load<V>(s + j));
    const C now = simd::max(join_lanes(best, [](auto a, auto b) { return simd::max(a, b); }), high);
    if (now == none) {
      for (int64_t j = 0; j < width; j += W) simd::store(s + j, V{});
      return 1;
    }
    const C factor = high == none ? C(0) : std::exp(high - now);
    V sum{};
    for (int64_t j = 0; j < width; j += W) {
      const V e = simd::fast_exp(simd::load<V>(s + j) - now);
      simd::store(s + j, e);
      sum += e;
    }
    high = now;
    total = total * factor + join_lanes(sum, [](auto a, auto b) { return a + b; });
    return factor;
  }

  // s: scores to probabilities; g: gradients of probabilities to those of scores.
  static void score_gradient(C* s, C* g, int64_t width, C lse, C delta) {
    if (lse == -std::numeric_limits<C>::infinity()) {
      for (int64_t j = 0; j < width; j += W) simd::store(s + j, V{}), simd::store(g + j, V{});
      return;
    }
    for (int64_t j = 0; j < width; j += W) {
      const V p = simd::fast_exp(simd::load<V>(s + j) - lse);
      simd::store(s + j, p);
      simd::store(g + j, p * (simd::load<V>(g + j) - delta));
    }
  }

  static C dot(const T* a, const T* b, int64_t n) {
    V sum{};
    for_wide<T>(0, n, [&](int64_t i, const auto& access) { sum += access.load(a + i) * access.load(b + i); });
    return join_lanes(sum, [](auto x, auto y) { return x + y; });
  }

  const AttentionCall& c_;
  const int64_t E_, F_, L_, S_;
  int64_t count_, work_;
};

template <class F>
void typed(const AttentionCall& c, F&& f) {
  if (c.type == DType::Float64) return f(Attention<double>(c));
#if defined(__AVX512BF16__)
  if (c.type == DType::BFloat16) return f(Attention<BFloat16>(c));
#endif
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
