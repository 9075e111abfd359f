// Weighted sums along one dimension, by a table of terms for each result.
#include "cpu/resample.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/threads.h"

namespace lampas::cpu {

namespace {

// f(outer index, first result, last result) over all rows, in parallel.
template <class F>
void rows(const ResampleCall& c, int64_t work_per_result, F&& f) {
  parallel_for(0, c.outer * c.m, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, work_per_result)),
               [&](int64_t begin, int64_t end) {
                 while (begin < end) {
                   const int64_t o = begin / c.m, j = begin % c.m, last = std::min(c.m, j + end - begin);
                   f(o, j, last);
                   begin += last - j;
                 }
               });
}

// Consecutive results that lie side by side in the input are copied at once.
template <class T>
void move(const ResampleCall& c) {
  const T* in = static_cast<const T*>(c.in);
  T* out = static_cast<T*>(c.out);
  std::vector<int32_t> run(static_cast<size_t>(c.m));  // results from here on that follow each other
  for (int64_t j = c.m; j-- > 0;)
    run[size_t(j)] = j + 1 < c.m && c.index[j + 1] == c.index[j] + 1 ? run[size_t(j) + 1] + 1 : 1;
  const bool runs = c.inner > 1 || std::count(run.begin(), run.end(), 1) * 4 < c.m;
  rows(c, c.inner, [&](int64_t o, int64_t j0, int64_t j1) {
    const T* x = in + o * c.n * c.inner;
    T* y = out + o * c.m * c.inner;
    if (!runs) {
      for (int64_t j = j0; j < j1; j++) y[j] = x[c.index[j]];
      return;
    }
    for (int64_t j = j0; j < j1;) {
      const int64_t length = std::min<int64_t>(run[size_t(j)], j1 - j);
      std::copy_n(x + c.index[j] * c.inner, length * c.inner, y + j * c.inner);
      j += length;
    }
  });
}

// Rows of single elements: the k-th term of every result side by side, so that a whole vector of results is summed at
// once.
template <class T>
class Columns {
 public:
  static constexpr int kMost = 4;

  Columns(const ResampleCall& c, const T* weights) : m_(c.m) {
    for (int64_t j = 0; j < m_; j++)
      terms_ = std::max(terms_, int(std::min<int64_t>(kMost + 1, c.offsets[j + 1] - c.offsets[j])));
    if (terms_ > kMost) return;
    index_.assign(size_t(m_) * size_t(terms_), 0);
    weights_.assign(index_.size(), T(0));
    for (int64_t j = 0; j < m_; j++)
      for (int64_t t = c.offsets[j]; t < c.offsets[j + 1]; t++) {
        const size_t at = size_t((t - c.offsets[j]) * m_ + j);
        index_[at] = int32_t(c.index[t]);
        weights_[at] = weights[t];
      }
    // Results with fewer terms have their first one split in halves, which changes no value, not even an infinite one.
    for (int64_t j = 0; j < m_; j++)
      for (int64_t k = c.offsets[j + 1] - c.offsets[j]; k > 0 && k < terms_; k++) {
        index_[size_t(k * m_ + j)] = index_[size_t(j)];
        weights_[size_t(k * m_ + j)] = weights_[size_t(j)] /= 2;
      }
  }
  // A result without any term is 0 whatever the elements are.
  bool fits(const ResampleCall& c) const {
    if (terms_ > kMost || terms_ == 0 || c.n > INT32_MAX) return false;
    for (int64_t j = 0; j < m_; j++)
      if (c.offsets[j] == c.offsets[j + 1]) return false;
    return true;
  }
  void run(const T* x, T* y, int64_t j0, int64_t j1) const {
    if (terms_ == 1)
      sum<1>(x, y, j0, j1);
    else if (terms_ == 2)
      sum<2>(x, y, j0, j1);
    else if (terms_ == 3)
      sum<3>(x, y, j0, j1);
    else
      sum<4>(x, y, j0, j1);
  }

 private:
  template <int K>
  void sum(const T* x, T* __restrict y, int64_t j0, int64_t j1) const {
    const int32_t* index = index_.data();
    const T* w = weights_.data();
    for (int64_t j = j0; j < j1; j++) {
      T s = w[j] * x[index[j]];
#pragma GCC unroll 3
      for (int k = 1; k < K; k++) s += w[k * m_ + j] * x[index[k * m_ + j]];
      y[j] = s;
    }
  }

  int64_t m_;
  int terms_ = 0;
  std::vector<int32_t> index_;
  std::vector<T> weights_;
};

template <class T>
void sum(const ResampleCall& c) {
  const T* in = static_cast<const T*>(c.in);
  T* out = static_cast<T*>(c.out);
  const int64_t terms = c.offsets[c.m];
  std::vector<T> weights(size_t(terms), T(1));
  if (c.weights) std::copy(c.weights, c.weights + terms, weights.begin());
  const T* w = weights.data();
  if (c.inner == 1)
    if (const Columns<T> columns(c, w); columns.fits(c))
      return rows(c, 4, [&](int64_t o, int64_t j0, int64_t j1) { columns.run(in + o * c.n, out + o * c.m, j0, j1); });
  rows(c, c.inner * (1 + terms / std::max<int64_t>(1, c.m)), [&](int64_t o, int64_t j0, int64_t j1) {
    const T* x = in + o * c.n * c.inner;
    T* y = out + o * c.m * c.inner;
    for (int64_t j = j0; j < j1; j++) {
      const int64_t t0 = c.offsets[j], t1 = c.offsets[j + 1];
      if (c.inner == 1) {
        T s = 0;
        for (int64_t t = t0; t < t1; t++) s += w[t] * x[c.index[t]];
        y[j] = s;
        continue;
      }
      T* __restrict row = y + j * c.inner;
      if (t0 == t1) std::fill(row, row + c.inner, T(0));
      for (int64_t t = t0; t < t1;) {
        const T a = w[t];
        const T* p = x + c.index[t] * c.inner;
        if (t > t0) {
          for (int64_t i = 0; i < c.inner; i++) row[i] += a * p[i];
          t++;
        } else if (t + 1 < t1) {  // the usual pair in one pass
          const T b = w[t + 1];
          const T* q = x + c.index[t + 1] * c.inner;
          for (int64_t i = 0; i < c.inner; i++) row[i] = a * p[i] + b * q[i];
          t += 2;
        } else {
          for (int64_t i = 0; i < c.inner; i++) row[i] = a * p[i];
          t++;
        }
      }
    }
  });
}

inline uint8_t byte_of(int32_t sum, int shift) { return uint8_t(std::clamp(sum >> shift, 0, 255)); }

// Bytes along rows of single elements: K is the number of terms of a result, made up with weights of 0.
template <int K>
void byte_columns(const ResampleCall& c) {
  std::vector<int32_t> index(size_t(K * c.m)), weights(size_t(K * c.m));
  for (int64_t j = 0; j < c.m; j++)
    for (int64_t t = c.offsets[j]; t < c.offsets[j + 1]; t++) {
      index[size_t((t - c.offsets[j]) * c.m + j)] = int32_t(c.index[t]);
      weights[size_t((t - c.offsets[j]) * c.m + j)] = c.whole[t];
    }
  const int32_t half = c.shift > 0 ? 1 << (c.shift - 1) : 0;
  rows(c, K, [&](int64_t o, int64_t j0, int64_t j1) {
    const uint8_t* x = static_cast<const uint8_t*>(c.in) + o * c.n;
    uint8_t* __restrict y = static_cast<uint8_t*>(c.out) + o * c.m;
    thread_local std::vector<int32_t> wide;
    wide.assign(x, x + c.n);
    const int32_t *from = wide.data(), *at = index.data(), *w = weights.data();
    for (int64_t j = j0; j < j1; j++) {
      int32_t s = half;
#pragma GCC unroll 16
      for (int k = 0; k < K; k++) s += w[k * c.m + j] * from[at[k * c.m + j]];
      y[j] = byte_of(s, c.shift);
    }
  });
}

void bytes(const ResampleCall& c) {
  int64_t most = 0;
  for (int64_t j = 0; j < c.m; j++) most = std::max(most, c.offsets[j + 1] - c.offsets[j]);
  const bool fits = c.inner == 1 && c.n <= INT32_MAX;
  if (fits && most <= 2) return byte_columns<2>(c);
  if (fits && most <= 4) return byte_columns<4>(c);
  if (fits && most <= 8) return byte_columns<8>(c);
  if (fits && most <= 16) return byte_columns<16>(c);
  const int32_t half = c.shift > 0 ? 1 << (c.shift - 1) : 0;
  rows(c, c.inner * most, [&](int64_t o, int64_t j0, int64_t j1) {
    const uint8_t* x = static_cast<const uint8_t*>(c.in) + o * c.n * c.inner;
    uint8_t* y = static_cast<uint8_t*>(c.out) + o * c.m * c.inner;
    constexpr int64_t kPart = 1024;
    int32_t sums[kPart];
    for (int64_t j = j0; j < j1; j++)
      for (int64_t i0 = 0; i0 < c.inner; i0 += kPart) {
        const int64_t part = std::min(kPart, c.inner - i0);
        std::fill_n(sums, part, half);
        for (int64_t t = c.offsets[j]; t < c.offsets[j + 1]; t++) {
          const int32_t w = c.whole[t];
          const uint8_t* p = x + c.index[t] * c.inner + i0;
          for (int64_t i = 0; i < part; i++) sums[i] += w * p[i];
        }
        uint8_t* __restrict row = y + j * c.inner + i0;
        for (int64_t i = 0; i < part; i++) row[i] = byte_of(sums[i], c.shift);
      }
  });
}

}  // namespace

void resample(const ResampleCall& c) {
  if (c.outer * c.m * c.inner == 0) return;
  if (c.whole) return bytes(c);
  if (c.moves) return dispatch_size(item_size(c.type), [&]<class T>(TypeTag<T>) { move<T>(c); });
  if (c.type == DType::Float64)
    sum<double>(c);
  else
    sum<float>(c);
}

}  // namespace lampas::cpu
