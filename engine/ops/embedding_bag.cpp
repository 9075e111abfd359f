// Rows of a table added, averaged or maximised bag by bag.
#include <algorithm>

#include "ops/indexing.h"

namespace lampas {

namespace {

// The indices bag by bag, those of the padding row left out.
struct Bags {
  BagReduce reduce;
  int64_t table_rows;
  bool by_frequency;
  Tensor rows, owners;  // of each index that is kept
  Tensor kept;          // where it stands among all; undefined if they are the first ones
  Tensor starts;        // [bags + 1], into `rows`
  Tensor sizes;         // [bags]
  Tensor largest;       // Max: the row that gave each result

  // As many of t as indices are kept.
  Tensor of_kept(const Tensor& t) const {
    if (kept.defined()) return index_select(t, 0, kept);
    return t.numel() == rows.numel() ? t : narrow(t, 0, 0, rows.numel());
  }
};

Tensor whole_numbers(int64_t n) { return empty(IntVec{n}, DType::Int64); }

// A number for each index: the bag it belongs to.
Tensor bag_of_each(const Tensor& starts, int64_t bags, int64_t n) {
  Tensor bag = zeros(IntVec{n}, DType::Int64);
  const int64_t* s = starts.data<int64_t>();
  for (int64_t b = 0; b < bags; b++) std::fill(bag.data<int64_t>() + s[b], bag.data<int64_t>() + s[b + 1], b);
  return bag;
}

// All indices: where each bag starts, and at last where the last one ends.
Tensor all_starts(const Tensor& offsets, int64_t bags, int64_t n) {
  Tensor starts = whole_numbers(bags + 1);
  int64_t* s = starts.data<int64_t>();
  std::copy_n(offsets.data<int64_t>(), std::min(offsets.numel(), bags + 1), s);
  if (offsets.numel() == bags) s[bags] = bags == 0 ? 0 : n;
  return starts;
}

Tensor differences(const Tensor& starts) {
  Tensor sizes = whole_numbers(starts.numel() - 1);
  const int64_t* s = starts.data<int64_t>();
  for (int64_t b = 0; b < sizes.numel(); b++) sizes.data<int64_t>()[b] = s[b + 1] - s[b];
  return sizes;
}

// Takes the indices of the padding row out of their bags.
void leave_out(Bags& bags, int64_t padding) {
  const Tensor rows = bags.rows, owners = bags.owners;
  const int64_t n = rows.numel(), count = bags.starts.numel() - 1;
  const int64_t *p = rows.data<int64_t>(), *owner = owners.data<int64_t>();
  const int64_t left = n - std::count(p, p + n, padding);
  if (left == n) return;
  bags.rows = whole_numbers(left), bags.owners = whole_numbers(left), bags.kept = whole_numbers(left);
  bags.starts = zeros(IntVec{count + 1}, DType::Int64);
  int64_t *starts = bags.starts.data<int64_t>(), at = 0;
  for (int64_t i = 0; i < n; i++) {
    if (p[i] == padding) continue;
    bags.rows.data<int64_t>()[at] = p[i], bags.owners.data<int64_t>()[at] = owner[i];
    bags.kept.data<int64_t>()[at++] = i;
    starts[owner[i] + 1]++;
  }
  for (int64_t b = 0; b < count; b++) starts[b + 1] += starts[b];
}

BagCall make_call(const Bags& bags, DType type, int64_t width, const Tensor& factors) {
  BagCall q{};
  q.reduce = bags.reduce, q.type = type;
  q.bags = bags.sizes.numel(), q.width = width;
  q.rows = bags.rows.data<int64_t>(), q.starts = bags.starts.data<int64_t>();
  q.factors = factors.defined() ? factors.data() : nullptr;
  return q;
}

// The gradient of the table; differentiable where a graph of gradients is asked for.
Tensor table_gradient(const Bags& bags, const Tensor& g, const Tensor& factors) {
  const IntVec shape{bags.table_rows, g.size(1)};
  if (bags.reduce == BagReduce::Max) {
    const Tensor filled = to(unsqueeze(gt(bags.sizes, 0), 1), g.dtype());
    return scatter_add(zeros(shape, g.dtype(), g.device()), 0, bags.largest, mul(g, filled));
  }
  const bool kernel = g.dtype() == DType::Float32 || g.dtype() == DType::Float64;
  if (mode.grad || bags.by_frequency || !kernel) {
    Tensor parts = index_select(g, 0, bags.owners);
    if (factors.defined()) parts = mul(parts, unsqueeze(factors, 1));
    return embedding_dense_backward(parts, bags.rows, bags.table_rows, -1, bags.by_frequency);
  }
  const Tensor result = zeros(shape, g.dtype(), g.device()), dense = contiguous(g);
  const Tensor used = factors.defined() ? contiguous(factors) : factors;
  BagCall q = make_call(bags, g.dtype(), shape[1], used);
  q.gy = dense.data(), q.gtable = result.data();
  kernels(g.device()).network.embedding_bag_backward(q);
  return result;
}

// The gradient of the factors: what each row and the gradient of its bag have in common.
Tensor factor_gradient(const Bags& bags, const Tensor& g, const Tensor& weight, int64_t n) {
  const Tensor parts = mul(index_select(g, 0, bags.owners), index_select(weight, 0, bags.rows));
  const Tensor each = sum(parts, IntVec{1});
  if (bags.kept.defined()) return index_add(zeros(IntVec{n}, g.dtype(), g.device()), 0, bags.kept, each);
  return each.numel() == n ? each : cat({each, zeros(IntVec{n - each.numel()}, g.dtype(), g.device())}, 0);
}

void check_offsets(const int64_t* offsets, int64_t given, int64_t n) {
  if (given)
    CHECK(offsets[0] == 0,
          "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, "
          "got ",
          offsets[0]);
  for (int64_t i = 0; i < given; i++) {
    CHECK(offsets[i] <= n && offsets[i] >= 0, "offsets[", i, "] can not be greater than input's length (", n,
          ") but got offsets[", i, "] of ", offsets[i]);
    CHECK(i == 0 || offsets[i] >= offsets[i - 1], "embedding_bag: offsets must not decrease, got ", offsets[i - 1],
          " before ", offsets[i]);
  }
}

void check_factors(BagReduce reduce, const Tensor& factors, const Tensor& indices, const Tensor& weight) {
  if (!factors.defined()) return;
  CHECK(reduce == BagReduce::Sum,
        "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum'");
  CHECK(same(factors.sizes(), indices.sizes()), "embedding_bag: If per_sample_weights (", shown(factors.sizes()),
        ") is not None, then it must have the same shape as the input (", shown(indices.sizes()), ")");
  CHECK(factors.dtype() == weight.dtype(), "expected weight and per_sample_weights to have the same dtype, got ",
        name_of(weight.dtype()), " and ", name_of(factors.dtype()));
}

std::vector<Tensor> embedding_bag(const Tensor& weight, const Tensor& indices, const Tensor& offsets, bool by_frequency,
                                  int64_t reduction, bool, const Tensor& per_sample_weights, bool include_last_offset,
                                  std::optional<int64_t> padding) {
  CHECK(weight.ndim() == 2, "'weight' must be 2-D, got shape ", shown(weight.sizes()));
  CHECK(is_floating(weight.dtype()),
        "Expected tensor for argument #1 'weight' to have one of the following scalar types: Half, BFloat16, Float, "
        "Double; but got torch.",
        name_of(weight.dtype()), " instead (while checking arguments for embedding_bag)");
  CHECK(indices.ndim() == 1 && offsets.ndim() == 1,
        "embedding_bag: input has to be 1D or 2D, and offsets 1D; got shapes ", shown(indices.sizes()), " and ",
        shown(offsets.sizes()));
  check_embedding_indices("embedding_bag", indices);
  check_embedding_indices("embedding_bag", offsets);
  CHECK(reduction >= 0 && reduction <= int64_t(BagReduce::Max),
        "embedding_bag: mode is 0 (sum), 1 (mean) or 2 (max), got ", reduction);
  const BagReduce reduce = BagReduce(reduction);
  check_factors(reduce, per_sample_weights, indices, weight);
  CHECK_KIND(NotImplemented, !weight.is_meta() && !indices.is_meta() && !offsets.is_meta(),
             "embedding_bag is not possible on meta tensors: its bags depend on data");
  const Tensor plain = plain_index(indices), starts = plain_index(offsets);
  const int64_t n = plain.numel(), given = starts.numel();
  CHECK(!include_last_offset || given >= 1, "include_last_offset: number of offset should be at least 1");
  check_offsets(starts.data<int64_t>(), given, n);
  const int64_t count = given - (include_last_offset ? 1 : 0), rows = weight.sizes()[0], width = weight.sizes()[1];
  check_index(ErrorKind::Index, plain, 0, rows, false);

  const bool records = recording(weight, per_sample_weights);
  NoGrad guard;
  Bags bags;
  bags.reduce = reduce, bags.table_rows = rows, bags.by_frequency = by_frequency;
  bags.starts = all_starts(starts, count, n);
  // What a last offset leaves behind belongs to no bag.
  const int64_t within = bags.starts.data<int64_t>()[count];
  bags.rows = within == n ? plain : alias(plain, IntVec{within}, IntVec{1}, plain.offset());
  const bool plain_sum = reduce == BagReduce::Sum && !per_sample_weights.defined();
  Tensor bag;
  if (!plain_sum || records || padding) {
    bag = bag_of_each(bags.starts, count, n);
    bags.owners = within == n ? bag : alias(bag, IntVec{within}, IntVec{1}, 0);
  }
  if (padding) leave_out(bags, *padding < 0 ? *padding + rows : *padding);
  bags.sizes = differences(bags.starts);
  const Tensor y = empty(IntVec{count, width}, weight.dtype(), weight.device());
  bags.largest = zeros(reduce == BagReduce::Max ? IntVec{count, width} : IntVec{0}, DType::Int64);
  const Tensor table = weight.strides()[1] == 1 || width <= 1 ? weight : contiguous(weight);
  Tensor factors = per_sample_weights;
  if (factors.defined()) factors = contiguous(bags.of_kept(factors));
  BagCall q = make_call(bags, weight.dtype(), width, factors);
  q.table = table.data(), q.table_row = table.strides()[0];
  q.y = y.data(), q.largest = bags.largest.data<int64_t>();
  kernels(weight.device()).network.embedding_bag(q);

  if (records)
    record("EmbeddingBagBackward0", {&weight, &per_sample_weights}, {&y},
           {{"weight", per_sample_weights.defined() ? &weight : nullptr},
            {"per_sample_weights", per_sample_weights.defined() ? &per_sample_weights : nullptr}},
           [bags, n](Back& b) {
             if (!b.grad().defined()) return;
             Tensor g = b.grad(), factors = b.saved(1);
             if (bags.reduce == BagReduce::Mean) g = div(g, to(unsqueeze(maximum(bags.sizes, 1), 1), g.dtype()));
             if (factors.defined()) factors = bags.of_kept(factors);
             b.set(0, [&] { return table_gradient(bags, g, factors); });
             b.set(1, [&] { return factor_gradient(bags, g, b.saved(0), n); });
           });
  return {y, plain_sum ? zeros(IntVec{0}, DType::Int64) : bag, bags.sizes, bags.largest};
}

}  // namespace

void register_embedding_bag() {
  op<&embedding_bag>(
      "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool "
      "sparse=False, Tensor? per_sample_weights=None, "
      "bool include_last_offset=False, int? padding_idx=None) -> (Tensor, Tensor, Tensor, Tensor)",
      Function, "rows of weight added, averaged or maximised bag by bag");
}

}  // namespace lampas
