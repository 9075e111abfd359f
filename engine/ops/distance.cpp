// Distances between vectors, their cosine, and the loss made of distances.
#include <cmath>

#include "ops/ops.h"

namespace lampas {

Tensor norm_along(const Tensor& x, double p, int64_t dim, bool keepdim);  // reduce.cpp

namespace {

Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p, double eps, bool keepdim) {
  int dims = std::max(a.ndim(), b.ndim());
  CHECK_KIND(
      Index, dims > 0,
      "Dimension specified as -1 but tensor has no dimensions: pairwise_distance measures along the last dimension");
  return shown_as(norm_along(a - b + eps, p, dims - 1, keepdim), "NormBackward1");
}

// Both are divided by their lengths first, so that the product of two long vectors does not overflow.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, int64_t dim, double eps) {
  DType type = result_type({a, b});
  CHECK(is_inexact(type), "expected common dtype to be floating point, yet common dtype is torch.", name_of(type));
  IntVec shape = broadcast(a.sizes(), b.sizes());
  int d = wrap_dim(dim, shape.size());
  auto unit = [&](const Tensor& t) {
    Tensor x = to(t, type);
    if (!same(x.sizes(), shape)) x = expand(x, shape);
    Tensor length = norm_along(x, 2, d, true);
    // A length below eps counts as eps, and takes no gradient.
    return x / where(lt(length, eps), eps, length);
  };
  return sum(unit(a) * unit(b), Ints{IntVec{d}});
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, double margin,
                           double p, double eps, bool swap, int64_t reduction) {
  int a = anchor.ndim(), b = positive.ndim(), c = negative.ndim();
  CHECK(
      a == b && a == c,
      "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor ",
      a, "D, positive ", b, "D, and negative ", c, "D inputs");
  CHECK(margin > 0, "triplet_margin_loss: margin must be greater than 0, got ", margin);
  Tensor near = pairwise_distance(anchor, positive, p, eps, false),
         far = pairwise_distance(anchor, negative, p, eps, false);
  if (swap) far = minimum(far, pairwise_distance(positive, negative, p, eps, false));
  Tensor loss = margin + near - far;
  loss = where(lt(loss, 0), 0.0, loss);
  return reduction == 1 ? mean(loss) : reduction == 2 ? sum(loss) : loss;
}

// ||a_i - b_j|| for all pairs by |a|^2 + |b|^2 - 2 a.b: one matrix product instead of a tensor of differences.
Tensor euclidean_by_product(const Tensor& a, const Tensor& b) {
  Tensor y;
  {
    NoGrad guard;
    Tensor squares = sum(a * a, Ints{IntVec{a.ndim() - 1}}, true) + mT(sum(b * b, Ints{IntVec{b.ndim() - 1}}, true)) -
                     matmul(a, mT(b)) * 2;
    y = sqrt(where(lt(squares, 0), 0.0, squares));
  }
  if (recording(a, b))
    record("CdistBackward0", {&a, &b}, {&y}, {{"x1", &a}, {"x2", &b}, {"result", &y}}, [](Back& back) {
      if (!back.grad().defined()) return;
      Tensor a = back.saved(0), b = back.saved(1), y = back.saved(2);
      Tensor w = where(eq(y, 0), 0.0, back.grad() / y);  // a distance of 0 has no gradient
      auto pull = [](const Tensor& w, const Tensor& from, const Tensor& to) {
        return reduce_gradient(from * sum(w, Ints{IntVec{w.ndim() - 1}}, true) - matmul(w, to), from.sizes(),
                               from.dtype());
      };
      back.set(0, [&] { return pull(w, a, b); });
      back.set(1, [&] { return pull(mT(w), b, a); });
    });
  return y;
}

Tensor cdist(const Tensor& a, const Tensor& b, double p, std::string_view mode) {
  CHECK(a.ndim() >= 2 && b.ndim() >= 2, "cdist only supports at least 2D tensors, X1 got: ", a.ndim(),
        "D, X2 got: ", b.ndim(), "D");
  int64_t rows = a.size(-2), others = b.size(-2);
  CHECK(a.size(-1) == b.size(-1), "X1 and X2 must have the same number of columns. X1: ", a.size(-1),
        " X2: ", b.size(-1));
  CHECK(p >= 0, "cdist only supports non-negative p values, got ", p);
  CHECK(a.dtype() == b.dtype() && is_floating(a.dtype()), "cdist only supports floating-point dtypes, X1 got: torch.",
        name_of(a.dtype()), ", X2 got: torch.", name_of(b.dtype()));
  bool always = mode == "use_mm_for_euclid_dist", never = mode == "donot_use_mm_for_euclid_dist";
  CHECK_KIND(Value, always || never || mode == "use_mm_for_euclid_dist_if_necessary", mode,
             " is not a valid value for compute_mode");
  if (p == 2 && !never && (always || rows > 25 || others > 25)) return euclidean_by_product(a, b);
  return shown_as(norm_along(unsqueeze(a, -2) - unsqueeze(b, -3), p, -1, false), "CdistBackward0");
}

}  // namespace

void register_distance() {
  op<&pairwise_distance>(
      "pairwise_distance(Tensor x1, Tensor x2, float p=2.0, float eps=1e-06, bool keepdim=False) -> Tensor", Function,
      "||x1 - x2 + eps||_p along the last dimension");
  op<&cosine_similarity>("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor", Function,
                         "x1.x2 / (max(||x1||, eps) max(||x2||, eps)) along dim");
  op<&triplet_margin_loss>(
      "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, float p=2.0, float "
      "eps=1e-06, bool swap=False, int reduction=1) -> Tensor",
      Function, "max(0, d(a, p) - d(a, n) + margin)");
  op<&cdist>(
      "cdist(Tensor x1, Tensor x2, float p=2.0, str compute_mode='use_mm_for_euclid_dist_if_necessary') -> Tensor",
      Function, "||x1_i - x2_j||_p for all pairs of rows");
}

}  // namespace lampas
