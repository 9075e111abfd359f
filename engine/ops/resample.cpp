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

Terms::Whole Terms::whole() const {
  Whole w;
  std::vector<double> merged;
  for (int64_t j = 0; j < m; j++) {
    const size_t begin = merged.size();
    for (int64_t t = offsets[size_t(j)]; t < offsets[size_t(j) + 1]; t++) {
      const double weight = weights.empty() ? 1 : weights[size_t(t)];
      if (merged.size() > begin && w.index.back() == index[size_t(t)]) {  // elements outside stand for the outermost
        merged.back() += weight;
        continue;
      }
      merged.push_back(weight);
      w.index.push_back(index[size_t(t)]);
    }
    w.offsets.push_back(int64_t(merged.size()));
  }
  const double most = merged.empty() ? 0 : *std::max_element(merged.begin(), merged.end());
  while (w.shift < 22 && int(0.5 + most * double(1 << (w.shift + 1))) < 1 << 15) w.shift++;
  for (double v : merged) w.weights.push_back(int16_t(v * double(1 << w.shift) + (v < 0 ? -0.5 : 0.5)));
  return w;
}

namespace {

// What is the same for every kind of weights.
std::pair<ResampleCall, Tensor> call_for(const Tensor& x, const Along& map) {
  const Terms& t = *map.terms;
  IntVec sizes = x->sizes;
  sizes[map.dim] = t.m;
  Tensor y = empty(sizes, x.dtype(), x.device());
  ResampleCall c{};
  c.type = x.dtype();
  c.moves = t.moves;
  c.outer = product(x.sizes().first(size_t(map.dim)));
  c.inner = product(x.sizes().subspan(size_t(map.dim) + 1));
  c.n = t.n, c.m = t.m;
  c.in = x.data();
  c.out = y.data();
  return {c, y};
}

Tensor apply(const Tensor& x, const Along& map) {
  const Terms& t = *map.terms;
  auto [c, y] = call_for(x, map);
  if (y.numel() == 0) return y;
  c.offsets = t.offsets.data(), c.index = t.index.data();
  c.weights = t.weights.empty() ? nullptr : t.weights.data();
  if (!t.moves && is_complex(c.type)) {  // real weights: a pair of numbers per element
    c.type = to_real(c.type);
    c.inner *= 2;
  }
  Unlocked unlocked(y.numel());
  kernels(x.device()).network.resample(c);
  return y;
}

}  // namespace

Tensor resample_bytes(const Tensor& x, const std::vector<Along>& maps) {
  NoGrad guard;
  Tensor y = contiguous(x);
  for (const Along& map : maps) {
    const Terms::Whole w = map.terms->whole();
    auto [c, next] = call_for(y, map);
    c.offsets = w.offsets.data(), c.index = w.index.data();
    c.whole = w.weights.data();
    c.shift = w.shift;
    if (next.numel() > 0) {
      Unlocked unlocked(next.numel());
      kernels(x.device()).network.resample(c);
    }
    y = next;
  }
  return y.is(x) ? clone(x) : y;
}

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
