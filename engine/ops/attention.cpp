// Scaled dot-product attention: softmax(q k^T) v, fused, with masks (A. Vaswani et al., "Attention Is All You Need",
// 2017).
#include "ops/attention.h"

#include <cmath>

#include "core/threads.h"
#include "ops/kernels.h"
#include "ops/ops.h"
#include "ops/recompute.h"

namespace lampas {

namespace {

constexpr const char* kNode = "ScaledDotProductFlashAttentionForCpuBackward0";

// The same in differentiable ops; a query that sees nothing gets zeros.
Tensor composite(const Tensor& q, const Tensor& k, const Tensor& v, Tensor mask, double drop, bool causal,
                 double scale) {
  const double root = std::sqrt(std::abs(scale));
  Tensor scores = matmul(q * root, mT(k) * (scale < 0 ? -root : root));
  const double none = -std::numeric_limits<double>::infinity();
  Tensor blind;
  if (causal) mask = tril(ones(IntVec{q.size(-2), k.size(-2)}, DType::Bool, q.device()));
  if (mask.defined()) {
    scores = mask.dtype() == DType::Bool ? where(mask, scores, none) : scores + mask;
    {
      NoGrad guard;
      blind = eq(amax(scores, IntVec{-1}, true), none);
    }
    scores = where(blind, 0.0, scores);
  }
  Tensor p = softmax(scores, -1);
  if (blind.defined()) p = where(blind, 0.0, p);
  if (drop > 0) p = dropout(p, drop, true);
  return matmul(p, v);
}

// Heads next to each other in memory for each row, as the projection behind them wants to read them.
Tensor fresh(Ints batch, int64_t rows, int64_t features, const Tensor& like) {
  IntVec sizes(batch);
  sizes.push_back(rows);
  sizes.push_back(features);
  if (batch.size() != 2) return empty(sizes, like.dtype(), like.device());
  IntVec strides = {batch[1] * rows * features, features, batch[1] * features, 1};
  return empty_strided(sizes, strides, like.dtype(), like.device());
}

Tensor with_rows(const Tensor& x) {
  return x.defined() && x.sizes().back() > 1 && x.strides().back() != 1 ? contiguous(x) : x;
}

AttentionOperand operand(const Tensor& x) { return {x.data(), x.strides().data(), x.strides()[size_t(x.ndim()) - 2]}; }

AttentionCall make_call(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, const Tensor& o,
                        const Tensor& lse, bool causal, double scale) {
  AttentionCall c{};
  c.type = q.dtype();
  c.rank = q.ndim() - 2;
  c.sizes = q.sizes().data();
  c.queries = q.size(-2), c.keys = k.size(-2), c.features = q.size(-1), c.value_features = v.size(-1);
  c.scale = scale;
  c.causal = causal;
  c.q = operand(q), c.k = operand(k), c.v = operand(v), c.o = operand(o);
  if (mask.defined()) {
    c.mask = operand(mask);
    c.bool_mask = mask.dtype() == DType::Bool;
    c.mask_column = mask.strides().back();
  }
  c.lse = lse.data();
  return c;
}

int64_t work_of(const Tensor& q, const Tensor& k, const Tensor& v) {
  return q.numel() * k.size(-2) + q.numel() / std::max<int64_t>(1, q.size(-1)) * k.size(-2) * v.size(-1);
}

// q, k, v: of one batch shape and one dtype, which kernels know; mask: of their batch shape, bool or their compute
// type.
Tensor fused(const Tensor& q_given, const Tensor& k_given, const Tensor& v_given, const Tensor& mask, bool causal,
             double scale) {
  Tensor q, k, v;
  {
    NoGrad guard;
    q = with_rows(q_given), k = with_rows(k_given), v = with_rows(v_given);
  }
  Ints batch = q.sizes().first(size_t(q.ndim()) - 2);
  Tensor o = fresh(batch, q.size(-2), v.size(-1), q);
  IntVec lse_sizes(q.sizes().first(size_t(q.ndim()) - 1));
  Tensor lse = empty(lse_sizes, compute_type(q.dtype()), q.device());
  {
    AttentionCall c = make_call(q, k, v, mask, o, lse, causal, scale);
    Unlocked unlocked(work_of(q, k, v));
    kernels(q.device()).network.attention(c);
  }
  if (recording(q_given, k_given, v_given))
    record(kNode, {&q_given, &k_given, &v_given}, {&o},
           {{"query", &q_given}, {"key", &k_given}, {"value", &v_given}, {"attn_mask", &mask}, {"output", &o}},
           [lse, causal, scale](Back& b) {
             const Tensor& g = b.grad();
             if (!g.defined()) return;
             Tensor q = b.saved(0), k = b.saved(1), v = b.saved(2), mask = b.saved(3);
             std::vector<Tensor> grads;
             if (mode.grad) {
               auto again = [mask, causal, scale](const std::vector<Tensor>& in) {
                 return std::vector<Tensor>{composite(in[0], in[1], in[2], mask, 0, causal, scale)};
               };
               grads = recorded_gradients(kNode, again, {q, k, v}, {g});
             } else {
               Tensor o = b.saved(4), go = with_rows(g);
               q = with_rows(q), k = with_rows(k), v = with_rows(v);
               Ints batch = q.sizes().first(size_t(q.ndim()) - 2);
               grads = {fresh(batch, q.size(-2), q.size(-1), q), fresh(batch, k.size(-2), k.size(-1), q),
                        fresh(batch, v.size(-2), v.size(-1), q)};
               AttentionCall c = make_call(q, k, v, mask, o, lse, causal, scale);
               c.go = operand(go), c.gq = operand(grads[0]), c.gk = operand(grads[1]), c.gv = operand(grads[2]);
               Unlocked unlocked(3 * work_of(q, k, v));
               kernels(q.device()).network.attention_backward(c);
             }
             for (int i = 0; i < 3; i++)
               if (b.needs(i)) b.results[i] = grads[size_t(i)];
           });
  return o;
}

const char* spoken(DType d) {
  static const char* const names[kDTypes] = {"bool",  "unsigned char", "signed char",         "short int",
                                             "int",   "long int",      "c10::Half",           "c10::BFloat16",
                                             "float", "double",        "c10::complex<float>", "c10::complex<double>"};
  return names[int(d)];
}

Tensor more_heads(const Tensor& x, int64_t heads) {
  const int64_t have = x.size(-3);
  if (have == heads) return x;
  IntVec sizes = x->sizes;
  sizes.insert(sizes.size() - 2, heads / have);
  Tensor each = expand(unsqueeze(x, -3), sizes);
  sizes = x->sizes;
  sizes[sizes.size() - 3] = heads;
  return reshape(each, sizes);
}

Tensor expanded(const Tensor& x, Ints batch) {
  IntVec sizes(batch);
  sizes.push_back(x.size(-2));
  sizes.push_back(x.size(-1));
  return same(x.sizes(), sizes) ? x : expand(x, sizes);
}

Tensor attention(const Tensor& q, Tensor k, Tensor v, Tensor mask, double dropout, bool causal,
                 std::optional<double> scale_given, bool gqa) {
  CHECK(q.dtype() == k.dtype() && q.dtype() == v.dtype(),
        "Expected query, key, and value to have the same dtype, but got query.dtype: ", spoken(q.dtype()),
        " key.dtype: ", spoken(k.dtype()), " and value.dtype: ", spoken(v.dtype()), " instead.");
  CHECK(q.device() == k.device() && q.device() == v.device(),
        "Expected query, key, and value to have the same device type, but got query.device: ", name_of(q.device()),
        " key.device: ", name_of(k.device()), " and value.device: ", name_of(v.device()), " instead.");
  CHECK(q.ndim() >= 2 && k.ndim() >= 2 && v.ndim() >= 2,
        "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: ", q.ndim(),
        " key.dim: ", k.ndim(), " and value.dim: ", v.ndim(), " instead.");
  CHECK(is_inexact(q.dtype()), "scaled_dot_product_attention: expected floating-point tensors, got torch.",
        name_of(q.dtype()));
  CHECK(dropout >= 0 && dropout <= 1, "dropout probability has to be between 0 and 1, but got ", dropout);
  CHECK(!(causal && mask.defined()),
        "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
  if (mask.defined()) {
    CHECK(mask.dtype() == DType::Bool || mask.dtype() == q.dtype() || mask.dtype() == DType::Float32,
          "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: ",
          spoken(mask.dtype()), " and  query.dtype: ", spoken(q.dtype()), " instead.");
    CHECK(mask.ndim() >= 2, "scaled_dot_product_attention: expected attn_mask of at least 2 dimensions, got the shape ",
          shown(mask.sizes()));
  }
  if (gqa && q.ndim() >= 3 && k.ndim() >= 3 && v.ndim() >= 3) {
    const int64_t heads = q.size(-3);
    CHECK(k.size(-3) > 0 && v.size(-3) > 0 && heads % k.size(-3) == 0 && heads % v.size(-3) == 0,
          "Number of heads in key and value must divide the number of heads in query, got ", k.size(-3), ", ",
          v.size(-3), " and ", heads);
    k = more_heads(k, heads);
    v = more_heads(v, heads);
  }
  CHECK(q.size(-1) == k.size(-1), "scaled_dot_product_attention: query and key must have the same last dimension, got ",
        shown(q.sizes()), " and ", shown(k.sizes()));
  CHECK(k.size(-2) == v.size(-2),
        "scaled_dot_product_attention: key and value must have the same length (dimension -2), got ", shown(k.sizes()),
        " and ", shown(v.sizes()));
  const double scale = scale_given.value_or(1 / std::sqrt(double(q.size(-1))));
  const DType type = q.dtype(), compute = compute_type(type);
  auto batch_of = [](const Tensor& x) { return x.sizes().first(size_t(x.ndim()) - 2); };
  IntVec batch = broadcast(broadcast(batch_of(q), batch_of(k)), batch_of(v));
  const int64_t L = q.size(-2), S = k.size(-2);
  if (mask.defined()) {
    IntVec wanted = batch;
    wanted.push_back(L);
    wanted.push_back(S);
    CHECK(can_broadcast(mask.sizes(), wanted), "scaled_dot_product_attention: attn_mask of shape ", shown(mask.sizes()),
          " does not broadcast to ", shown(wanted), " (batch, queries, keys)");
    if (mask.dtype() != DType::Bool) mask = to(mask, compute);
  }
  const bool composed = dropout > 0 || is_complex(type) || (mask.defined() && recording(mask)) ||
                        product(batch) * L * S * q.size(-1) * v.size(-1) == 0;
  const DType operands =
      composed ? compute : kernels(q.device()).network.operand_type(type, q.size(-1) % 2 == 0 && v.size(-1) % 2 == 0);
  auto prepared = [&](const Tensor& x) { return to(expanded(x, batch), operands); };
  const Tensor q1 = prepared(q), k1 = prepared(k), v1 = prepared(v);
  Tensor y;
  if (composed) {
    y = composite(q1, k1, v1, mask, dropout, causal, scale);
  } else {
    if (mask.defined()) {
      IntVec sizes = batch;
      sizes.push_back(L);
      sizes.push_back(S);
      mask = expand(mask, sizes);
    }
    y = fused(q1, k1, v1, mask, causal, scale);
  }
  return to(y, type);
}

Tensor attention_op(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, double dropout, bool causal,
                    std::optional<double> scale, bool gqa) {
  return attention(q, k, v, mask, dropout, causal, scale, gqa);
}

}  // namespace

void register_attention() {
  op<&attention_op>(
      "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float "
      "dropout_p=0.0, "
      "bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
      NN, "softmax(scale * query key^T + mask) value; scale is 1 / sqrt(features) unless given");
}

}  // namespace lampas
