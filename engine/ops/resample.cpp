#include "ops/resample.h"

#include <algorithm>

#include "core/threads.h"
#include "ops/kernels.h"
#include "ops/ops.h"
#include "ops/terms.h"

namespace lampas {

Terms Terms::transposed() const {
  Terms t;
  t.n = m;
  t.m = n;
  t.moves = false;
  t.offsets.assign(size_t(n) + 1, 0);
  for (int64_t i : index) t.offsets[size_t(i) + 1]++;
  for (int64_t i = 0; i < n; i++) t.offsets[size_t(i) + 1] += t.offsets[size_t(i)];
  t.index.resize(index.size());
  t.weights.resize(weights.size());
  std::vector<int64_t> next(t.offsets.begin(), t.offsets.end() - 1);
  for (int64_t j = 0; j < m; j++)
    for (int64_t k = offsets[size_t(j)]; k < offsets[size_t(j) + 1]; k++) {
      const size_t at = size_t(next[size_t(index[size_t(k)])]++);
      t.index[at] = j;
      if (!weights.empty()) t.weights[at] = weights[size_t(k)];
    }
  return t;
}

namespace {

Tensor apply(const Tensor& x, const Along& map) {
  const Terms& t = *map.terms;
  IntVec sizes = x->sizes;
  sizes[map.dim] = t.m;
  Tensor y = empty(sizes, x.dtype(), x.device());
  if (y.numel() == 0) return y;
  ResampleCall c{};
  c.type = x.dtype();
  c.moves = t.moves;
  c.outer = product(x.sizes().first(size_t(map.dim)));
  c.inner = product(x.sizes().subspan(size_t(map.dim) + 1));
  c.n = t.n, c.m = t.m;
  c.offsets = t.offsets.data(), c.index = t.index.data();
  c.weights = t.weights.empty() ? nullptr : t.weights.data();
  if (!t.moves && is_complex(c.type)) {  // real weights: a pair of numbers per element
    c.type = to_real(c.type);
    c.inner *= 2;
  }
  c.in = x.data();
  c.out = y.data();
  Unlocked unlocked(y.numel());
  kernels(x.device()).network.resample(c);
  return y;
}

}  // namespace

Tensor resample(const char* node, const Tensor& x, std::vector<Along> maps) {
  // Single elements cost more than rows: the innermost dimension comes first if it grows and last if it shrinks.
  std::sort(maps.begin(), maps.end(), [](const Along& a, const Along& b) { return a.dim < b.dim; });
  if (!maps.empty() && maps.back().terms->m > maps.back().terms->n) std::reverse(maps.begin(), maps.end());
  bool weighs = false;
  for (const Along& map : maps) weighs |= !map.terms->moves;
  Tensor y;
  {
    NoGrad guard;
    y = contiguous(x);
    if (weighs) y = to(y, compute_type(x.dtype()));
    for (const Along& map : maps) y = apply(y, map);
    y = to(y, x.dtype());
    if (y.is(x)) y = clone(x);
  }
  if (recording(x))
    record(node, {&x}, {&y}, {}, [node, maps](Back& b) {
      if (!b.grad().defined()) return;
      b.set(0, [&] {
        std::vector<Along> back;
        for (const Along& map : maps) back.push_back({map.dim, std::make_shared<const Terms>(map.terms->transposed())});
        return resample(node, b.grad(), back);
      });
    });
  return y;
}

}  // namespace lampas
