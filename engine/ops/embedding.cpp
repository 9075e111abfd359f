// Look-ups in a table of vectors.
#include <algorithm>
#include <cmath>

#include "ops/indexing.h"

namespace lampas {

namespace {

void check_indices(const char* op, const Tensor& indices) {
  CHECK(
      is_index_type(indices.dtype()),
      "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.",
      name_of(indices.dtype()), " instead (while checking arguments for ", op, ")");
}

Tensor embedding_dense_backward(const Tensor& g, const Tensor& indices, int64_t rows, int64_t padding,
                                bool by_frequency);

Tensor embedding(const Tensor& weight, const Tensor& indices, int64_t padding, bool by_frequency, bool) {
  CHECK(weight.ndim() == 2, "'weight' must be 2-D, got shape ", shown(weight.sizes()));
  check_indices("embedding", indices);
  IntVec shape = indices->sizes;
  shape.push_back(weight.sizes()[1]);
  Tensor y;
  {
    NoGrad guard;
    y = index_select(weight, 0, reshape(indices, IntVec{-1}));
    y = alias(y, shape, contiguous_strides(shape), 0);
  }
  if (recording(weight))
    record("EmbeddingBackward0", {&weight}, {&y}, {{"indices", &indices}},
           [rows = weight.sizes()[0], padding, by_frequency](Back& b) {
             const Tensor& g = b.grad();
             if (!g.defined()) return;
             b.set(0, [&] { return embedding_dense_backward(g, b.saved(0), rows, padding, by_frequency); });
           });
  return y;
}

// 1 / how often each index occurs, as a column; rows that do not occur count as 1.
Tensor inverse_frequency(const Tensor& indices, int64_t rows, DType type) {
  Tensor flat = reshape(indices, IntVec{-1});
  Tensor n = index_add(zeros(IntVec{rows}, DType::Float64), 0, flat, ones(IntVec{flat.numel()}, DType::Float64));
  return reshape(to(reciprocal(maximum(n, 1.0)), type), IntVec{rows, 1});
}

// The gradient of the table: rows of g added up by index, but none into the padding row.
Tensor embedding_dense_backward(const Tensor& g, const Tensor& indices, int64_t rows, int64_t padding,
                                bool by_frequency) {
  check_indices("embedding_backward", indices);
  int64_t width = g.size(-1);
  Tensor y;
  {
    NoGrad guard;
    Tensor flat = reshape(indices, IntVec{-1});
    y = rows_added(IntVec{rows, width}, 0, flat, reshape(g, IntVec{flat.numel(), width}));
    if (padding >= 0 && padding < rows) fill_data(alias(y, IntVec{width}, IntVec{1}, padding * width), 0);
    if (by_frequency) y = y * inverse_frequency(indices, rows, g.dtype());
  }
  if (recording(g))
    record("EmbeddingDenseBackwardBackward0", {&g}, {&y}, {{"indices", &indices}},
           [rows, padding, by_frequency, shape = g->sizes](Back& b) {
             const Tensor& gg = b.grad();
             if (!gg.defined()) return;
             b.set(0, [&] {
               Tensor indices = b.saved(0), table = gg;
               if (by_frequency) table = table * inverse_frequency(indices, rows, gg.dtype());
               Tensor r = reshape(index_select(table, 0, reshape(indices, IntVec{-1})), shape);
               return padding >= 0 ? masked_fill(r, unsqueeze(eq(indices, Scalar(padding)), -1), 0) : r;
             });
           });
  return y;
}

Tensor tensor_of(const std::vector<int64_t>& v) {
  Tensor t = empty(IntVec{int64_t(v.size())}, DType::Int64);
  std::copy(v.begin(), v.end(), t.data<int64_t>());
  return t;
}

// Shortens the rows named by the indices to max_norm.
Tensor embedding_renorm_(const Tensor& weight, const Tensor& indices, double max_norm, double p) {
  CHECK(weight.ndim() == 2, "'weight' must be 2-D, got shape ", shown(weight.sizes()));
  check_indices("embedding_renorm_", indices);
  if (weight.is_meta()) return weight;
  NoGrad guard;
  check_writable(weight);
  Tensor plain = plain_index(indices);
  std::vector<int64_t> wanted(plain.data<int64_t>(), plain.data<int64_t>() + plain.numel());
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  Tensor rows = tensor_of(wanted);
  Tensor part = index_select(weight, 0, rows);
  Tensor norms = std::isinf(p) ? amax(abs(part), IntVec{1}, true) : pow(sum(pow(abs(part), p), IntVec{1}, true), 1 / p);
  Tensor scale = where(gt(norms, max_norm), max_norm / (norms + 1e-7), 1.0);
  Tensor result = part * to(scale, weight.dtype());
  index_put_(weight, {rows}, result);
  return weight;
}

// ---- embedding_bag ----

// For each bag and column, the first row that holds the largest value; -1 for an empty bag.
std::vector<int64_t> largest_rows(const Tensor& parts, const std::vector<int64_t>& owner, int64_t bags) {
  NoGrad guard;
  int64_t width = parts.sizes()[1];
  Tensor seen = contiguous(to(parts, DType::Float64));
  const double* v = seen.data<double>();
  std::vector<int64_t> best(size_t(bags * width), -1);
  for (size_t k = 0; k < owner.size(); k++)
    for (int64_t c = 0; c < width; c++) {
      int64_t& at = best[size_t(owner[k] * width + c)];
      if (at < 0 || v[int64_t(k) * width + c] > v[at * width + c]) at = int64_t(k);
    }
  return best;
}

std::vector<Tensor> embedding_bag(const Tensor& weight, const Tensor& indices, const Tensor& offsets, bool by_frequency,
                                  int64_t reduce, bool, const Tensor& per_sample_weights, bool include_last_offset,
                                  std::optional<int64_t> padding) {
  CHECK(weight.ndim() == 2, "'weight' must be 2-D, got shape ", shown(weight.sizes()));
  CHECK(indices.ndim() == 1 && offsets.ndim() == 1,
        "embedding_bag: input has to be 1D or 2D, and offsets 1D; got shapes ", shown(indices.sizes()), " and ",
        shown(offsets.sizes()));
  check_indices("embedding_bag", indices);
  check_indices("embedding_bag", offsets);
  enum { Sum, Mean, Max };
  CHECK(reduce >= Sum && reduce <= Max, "embedding_bag: mode is 0 (sum), 1 (mean) or 2 (max), got ", reduce);
  if (per_sample_weights.defined()) {
    CHECK(reduce == Sum,
          "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum'");
    CHECK(same(per_sample_weights.sizes(), indices.sizes()), "embedding_bag: If per_sample_weights (",
          shown(per_sample_weights.sizes()), ") is not None, then it must have the same shape as the input (",
          shown(indices.sizes()), ")");
    CHECK(per_sample_weights.dtype() == weight.dtype(),
          "expected weight and per_sample_weights to have the same dtype, got ", name_of(weight.dtype()), " and ",
          name_of(per_sample_weights.dtype()));
  }
  CHECK_KIND(NotImplemented, !weight.is_meta() && !indices.is_meta() && !offsets.is_meta(),
             "embedding_bag is not possible on meta tensors: its bags depend on data");
  Tensor plain = plain_index(indices), starts = plain_index(offsets);
  int64_t n = plain.numel(), given = starts.numel();
  CHECK(!include_last_offset || given >= 1, "include_last_offset: number of offset should be at least 1");
  int64_t bags = given - (include_last_offset ? 1 : 0), rows = weight.sizes()[0], width = weight.sizes()[1];
  const int64_t* s = starts.data<int64_t>();
  if (given)
    CHECK(s[0] == 0,
          "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, "
          "got ",
          s[0]);
  for (int64_t i = 0; i < given; i++) {
    CHECK(s[i] <= n && s[i] >= 0, "offsets[", i, "] can not be greater than input's length (", n, ") but got offsets[",
          i, "] of ", s[i]);
    CHECK(i == 0 || s[i] >= s[i - 1], "embedding_bag: offsets must not decrease, got ", s[i - 1], " before ", s[i]);
  }
  int64_t pad = padding ? (*padding < 0 ? *padding + rows : *padding) : -1;
  // Which bag each index belongs to; the padding index belongs to none.
  Tensor bag = empty(IntVec{n}, DType::Int64), size = zeros(IntVec{bags}, DType::Int64);
  const int64_t* p = plain.data<int64_t>();
  std::vector<int64_t> kept, owner;
  for (int64_t b = 0; b < bags; b++)
    for (int64_t i = s[b], stop = b + 1 < given ? s[b + 1] : n; i < stop; i++) {
      bag.data<int64_t>()[i] = b;
      if (p[i] == pad) continue;
      size.data<int64_t>()[b]++;
      kept.push_back(i);
      owner.push_back(b);
    }
  Tensor kept_at = tensor_of(kept), owners = tensor_of(owner), used = index_select(plain, 0, kept_at);
  Tensor parts = embedding(weight, used, -1, by_frequency, false);
  if (per_sample_weights.defined()) parts = parts * unsqueeze(index_select(per_sample_weights, 0, kept_at), 1);
  Tensor y = zeros(IntVec{bags, width}, weight.dtype(), weight.device()), extremes = zeros(IntVec{0}, DType::Int64);
  if (reduce == Max) {
    extremes = zeros(IntVec{bags, width}, DType::Int64);
    std::vector<int64_t> best = largest_rows(parts, owner, bags), index, column, where_to;
    for (int64_t b = 0; b < bags; b++)
      for (int64_t c = 0; c < width; c++) {
        int64_t at = best[size_t(b * width + c)];
        if (at < 0) continue;
        extremes.data<int64_t>()[b * width + c] = p[kept[size_t(at)]];
        index.push_back(p[kept[size_t(at)]]);
        column.push_back(c);
        where_to.push_back(b);
      }
    y = index_put(y, {tensor_of(where_to), tensor_of(column)},
                  lampas::index(weight, {tensor_of(index), tensor_of(column)}));
  } else {
    y = rows_added(y.sizes(), 0, owners, parts);
    if (reduce == Mean) y = y / to(unsqueeze(maximum(size, 1), 1), weight.dtype());
  }
  return {y, reduce == Sum && !per_sample_weights.defined() ? zeros(IntVec{0}, DType::Int64) : bag, size, extremes};
}

// 1 at each index, 0 elsewhere.
Tensor one_hot(const Tensor& indices, int64_t classes) {
  CHECK(indices.dtype() == DType::Int64, "one_hot is only applicable to index tensor of type LongTensor, got torch.",
        name_of(indices.dtype()));
  IntVec shape = indices->sizes;
  if (indices.numel() == 0) {
    CHECK(classes >= 0, "Can not infer total number of classes from empty tensor.");
    CHECK(classes > 0, "Can not infer total number of classes from empty tensor: num_classes is 0");
    shape.push_back(classes);
    return zeros(shape, DType::Int64, indices.device());
  }
  Tensor plain = plain_index(indices);
  IndexRange r = kernels(plain.device()).index_range(plain.data<int64_t>(), plain.numel());
  CHECK(r.low >= 0, "Class values must be non-negative, got ", r.low);
  if (classes == -1) classes = r.high + 1;
  CHECK(classes >= 1 && r.high < classes, "Class values must be smaller than num_classes: got ", r.high,
        " with num_classes = ", classes);
  shape.push_back(classes);
  return scatter(zeros(shape, DType::Int64, indices.device()), -1, unsqueeze(plain, -1), 1);
}

}  // namespace

void register_embedding() {
  op<&embedding>(
      "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) "
      "-> Tensor",
      Function, "the rows of weight named by the indices");
  op<&embedding_dense_backward>(
      "embedding_dense_backward(Tensor grad_output, Tensor indices, int num_weights, int padding_idx, bool "
      "scale_grad_by_freq) -> Tensor",
      Private, "the gradient of embedding's table");
  op<&embedding_renorm_>("embedding_renorm_(Tensor input, Tensor indices, float max_norm, float norm_type) -> Tensor",
                         Function, "rows named by the indices shortened to max_norm");
  op<&embedding_bag>(
      "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool "
      "sparse=False, Tensor? per_sample_weights=None, "
      "bool include_last_offset=False, int? padding_idx=None) -> (Tensor, Tensor, Tensor, Tensor)",
      Function, "rows of weight added, averaged or maximised bag by bag");
  op<&one_hot>("one_hot(Tensor tensor, int num_classes=-1) -> Tensor", NN,
               "1 at each index of a new last dimension, 0 elsewhere");
}

}  // namespace lampas
