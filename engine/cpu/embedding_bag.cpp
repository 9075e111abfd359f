// Rows of a table reduced bag by bag, as they are read: what is looked up is written nowhere.
#include "cpu/embedding_bag.h"

#include <algorithm>

#include "core/threads.h"
#include "cpu/widen.h"

namespace lampas::cpu {
namespace {

constexpr int64_t kColumns = 256;  // reduced at a time

template <class T>
struct Bag {
  using C = Compute<T>;
  const BagCall& q;
  int64_t first, last;  // of its rows

  const T* row(int64_t k) const { return static_cast<const T*>(q.table) + q.rows[k] * q.table_row; }

  // Columns [c0, c0 + n) of the sum, or of the mean.
  void sum(int64_t c0, int64_t n, T* y) const {
    C total[kColumns] = {}, buffer[kColumns];
    for (int64_t k = first; k < last; k++) {
      if (k + 1 < last) __builtin_prefetch(row(k + 1) + c0);
      const C* __restrict v = widened(row(k) + c0, n, buffer);
      if (!q.factors) {
        for (int64_t i = 0; i < n; i++) total[i] += v[i];
        continue;
      }
      const C factor = C(static_cast<const T*>(q.factors)[k]);
      for (int64_t i = 0; i < n; i++) total[i] += v[i] * factor;
    }
    if (q.reduce == BagReduce::Mean && last > first)
      for (int64_t i = 0; i < n; i++) total[i] /= C(last - first);
    for_wide<T>(0, n, [&](int64_t i, const auto& access) { access.store(y + i, access.load(total + i)); });
  }

  // The largest of each column, the first of several, and the first number where that is a NaN.
  void largest(int64_t c0, int64_t n, T* y, int64_t* where) const {
    C best[kColumns] = {}, buffer[kColumns];
    int64_t at[kColumns] = {};
    for (int64_t k = first; k < last; k++) {
      const C* __restrict v = widened(row(k) + c0, n, buffer);
      const int64_t r = q.rows[k];
      for (int64_t i = 0; i < n; i++) {
        const bool wins = (k == first) | (v[i] > best[i]);
        best[i] = wins ? v[i] : best[i];
        at[i] = wins ? r : at[i];
      }
    }
    for_wide<T>(0, n, [&](int64_t i, const auto& access) { access.store(y + i, access.load(best + i)); });
    std::copy_n(at, n, where);
  }
};

template <class T>
void reduce_bags(const BagCall& q) {
  const int64_t work = std::max<int64_t>(1, (q.starts[q.bags] - q.starts[0]) * q.width / q.bags);
  parallel_for(0, q.bags, std::max<int64_t>(1, kGrain / work), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++) {
      const Bag<T> bag{q, q.starts[b], q.starts[b + 1]};
      for (int64_t c = 0; c < q.width; c += kColumns) {
        const int64_t n = std::min(kColumns, q.width - c), at = b * q.width + c;
        T* y = static_cast<T*>(q.y) + at;
        q.reduce == BagReduce::Max ? bag.largest(c, n, y, q.largest + at) : bag.sum(c, n, y);
      }
    }
  });
}

// Every thread adds its columns of all bags, in their order.
template <class T>
void add_bags(const BagCall& q) {
  constexpr int64_t kLine = 64 / sizeof(T);
  const int64_t count = q.starts[q.bags], lines = (q.width + kLine - 1) / kLine;
  parallel_for(0, lines, std::max<int64_t>(1, kGrain / kLine / std::max<int64_t>(1, count)),
               [&](int64_t begin, int64_t end) {
                 const int64_t c = begin * kLine, n = std::min(q.width, end * kLine) - c;
                 for (int64_t b = 0; b < q.bags; b++) {
                   const T* __restrict g = static_cast<const T*>(q.gy) + b * q.width + c;
                   for (int64_t k = q.starts[b]; k < q.starts[b + 1]; k++) {
                     const T factor = q.factors ? static_cast<const T*>(q.factors)[k] : T(1);
                     T* __restrict to = static_cast<T*>(q.gtable) + q.rows[k] * q.width + c;
                     for (int64_t i = 0; i < n; i++) to[i] += g[i] * factor;
                   }
                 }
               });
}

}  // namespace

void embedding_bag(const BagCall& q) {
  if (q.bags == 0 || q.width == 0) return;
  Unlocked unlocked(q.starts[q.bags] * q.width);
  switch (q.type) {
    case DType::Float64:
      return reduce_bags<double>(q);
    case DType::BFloat16:
      return reduce_bags<BFloat16>(q);
    case DType::Float16:
      return reduce_bags<Half>(q);
    default:
      return reduce_bags<float>(q);
  }
}

void embedding_bag_backward(const BagCall& q) {
  if (q.bags == 0 || q.width == 0) return;
  Unlocked unlocked(q.starts[q.bags] * q.width);
  q.type == DType::Float64 ? add_bags<double>(q) : add_bags<float>(q);
}

}  // namespace lampas::cpu
