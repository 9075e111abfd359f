// Look-ups in a table of vectors.
#include <algorithm>
#include <cmath>

#include "ops/indexing.h"

namespace lampas {

namespace {}  // namespace

void check_embedding_indices(const char* op, const Tensor& indices) {
  CHECK(
      is_index_type(indices.dtype()),
      "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.",
      name_of(indices.dtype()), " instead (while checking arguments for ", op, ")");
}

namespace {

Tensor embedding(const Tensor& weight, const Tensor& indices, int64_t padding, bool by_frequency, bool) {
  CHECK(weight.ndim() == 2, "'weight' must be 2-D, got shape ", shown(weight.sizes()));
  check_embedding_indices("embedding", indices);
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

}  // namespace

Tensor embedding_dense_backward(const Tensor& g, const Tensor& indices, int64_t rows, int64_t padding,
                                bool by_frequency) {
  check_embedding_indices("embedding_backward", indices);
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

namespace {

Tensor tensor_of(const std::vector<int64_t>& v) {
  Tensor t = empty(IntVec{int64_t(v.size())}, DType::Int64);
  std::copy(v.begin(), v.end(), t.data<int64_t>());
  return t;
}

// Shortens the rows named by the indices to max_norm.
Tensor embedding_renorm_(const Tensor& weight, const Tensor& indices, double max_norm, double p) {
  CHECK(weight.ndim() == 2, "'weight' must be 2-D, got shape ", shown(weight.sizes()));
  check_embedding_indices("embedding_renorm_", indices);
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
  op<&one_hot>("one_hot(Tensor tensor, int num_classes=-1) -> Tensor", NN,
               "1 at each index of a new last dimension, 0 elsewhere");
}

}  // namespace lampas
