// Samples of gamma, Dirichlet and binomial distributions, and how the first two
// move with their parameters.
#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

namespace {

using Gen = Generator*;

Generator& from_or_default(Gen g) { return g ? *g : default_generator(); }

void check_kind(const char* name, const Tensor& t) {
  CHECK_KIND(NotImplemented, t.dtype() == DType::Float32 || t.dtype() == DType::Float64, name,
             " is not implemented for ", name_of(t.dtype()), "; use float32 or float64");
}
void check_same(const char* name, const Tensor& a, const Tensor& b) {
  CHECK(a.dtype() == b.dtype(), name, ": found dtype ", name_of(b.dtype()), " but expected ", name_of(a.dtype()),
        "; convert one of the tensors");
}

// A step whose own derivative nobody has worked out.
void record_refusal(const char* node, const TensorList& inputs, const Tensor& y, const char* name) {
  record(node, inputs, {&y}, {},
         [name](Back&) { fail(ErrorKind::NotImplemented, "the derivative for '", name, "' is not implemented"); });
}

Tensor standard_gamma_grad(const Tensor& shape, const Tensor& x) {
  check_kind("_standard_gamma_grad", shape);
  check_same("_standard_gamma_grad", shape, x);
  IntVec sizes = broadcast(shape.sizes(), x.sizes());
  Tensor y = empty(sizes, shape.dtype(), shape.device());
  {
    NoGrad guard;
    Tensor a = contiguous(expand(shape, sizes)), at = contiguous(expand(x, sizes));
    kernels(y.device()).random.standard_gamma_grad(y.data(), a.data(), at.data(), y.dtype(), y.numel());
  }
  if (recording(shape, x)) record_refusal("StandardGammaGradBackward0", {&shape, &x}, y, "_standard_gamma_grad");
  return y;
}

Tensor dirichlet_grad(const Tensor& x, const Tensor& alpha, const Tensor& total) {
  check_kind("_dirichlet_grad", x);
  check_same("_dirichlet_grad", x, alpha);
  check_same("_dirichlet_grad", x, total);
  IntVec sizes = broadcast(broadcast(x.sizes(), alpha.sizes()), total.sizes());
  Tensor y = empty(sizes, x.dtype(), x.device());
  {
    NoGrad guard;
    Tensor at = contiguous(expand(x, sizes)), a = contiguous(expand(alpha, sizes)),
           all = contiguous(expand(total, sizes));
    kernels(y.device()).random.dirichlet_grad(y.data(), at.data(), a.data(), all.data(), y.dtype(), y.numel());
  }
  if (recording(x, alpha, total)) record_refusal("NotImplemented", {&x, &alpha, &total}, y, "aten::_dirichlet_grad");
  return y;
}

Tensor standard_gamma(const Tensor& shape, Gen g) {
  check_kind("_standard_gamma", shape);
  Tensor y = empty(shape.sizes(), shape.dtype(), shape.device());
  {
    NoGrad guard;
    Tensor a = contiguous(shape);
    kernels(y.device()).random.standard_gamma(y.data(), a.data(), y.dtype(), y.numel(), from_or_default(g));
  }
  if (recording(shape))
    record("StandardGammaBackward0", {&shape}, {&y}, {{"self", &shape}, {"result", &y}}, [](Back& b) {
      if (b.grad().defined()) b.set(0, [&] { return mul(b.grad(), standard_gamma_grad(b.saved(0), b.saved(1))); });
    });
  return y;
}

Tensor sample_dirichlet(const Tensor& concentration, Gen g) {
  check_kind("_sample_dirichlet", concentration);
  Tensor y = empty(concentration.sizes(), concentration.dtype(), concentration.device());
  if (y.numel() > 0) {
    NoGrad guard;
    Tensor a = contiguous(concentration);
    int64_t columns = a.ndim() ? a.size(-1) : 1;
    kernels(y.device())
        .random.dirichlet(y.data(), a.data(), y.dtype(), y.numel() / columns, columns, from_or_default(g));
  }
  if (recording(concentration))
    record("DirichletBackward", {&concentration}, {&y}, {{"concentration", &concentration}, {"result", &y}},
           [](Back& b) {
             if (!b.grad().defined()) return;
             b.set(0, [&] {
               Tensor a = b.saved(0), x = b.saved(1), g = b.grad();
               const int64_t last[] = {-1};
               bool scalar = a.ndim() == 0;
               Tensor total = scalar ? a : expand(sum(a, last, true), a.sizes());
               Tensor mean = scalar ? mul(x, g) : sum(mul(x, g), last, true);
               return mul(dirichlet_grad(x, a, total), sub(g, mean));
             });
           });
  return y;
}

Tensor binomial(const Tensor& count, const Tensor& p, Gen g) {
  for (const auto& [t, name] : {std::pair(&count, "count"), std::pair(&p, "prob")})
    CHECK_KIND(Value, is_floating(t->dtype()), "binomial only supports floating-point dtypes for ", name,
               ", got: ", name_of(t->dtype()));
  check_kind("binomial", count);
  check_same("binomial", count, p);
  IntVec sizes = broadcast(count.sizes(), p.sizes());
  Tensor y = empty(sizes, count.dtype(), count.device());
  {
    NoGrad guard;
    Tensor n = contiguous(expand(count, sizes)), chance = contiguous(expand(p, sizes));
    kernels(y.device()).random.binomial(y.data(), n.data(), chance.data(), y.dtype(), y.numel(), from_or_default(g));
  }
  if (recording(count, p)) record_refusal("NotImplemented", {&count, &p}, y, "aten::binomial");
  return y;
}

}  // namespace

void register_gamma() {
  op<&standard_gamma>("_standard_gamma(Tensor input, Generator? generator=None) -> Tensor", Function,
                      "numbers of gamma distributions with the shapes input holds and rate 1");
  op<&standard_gamma_grad>("_standard_gamma_grad(Tensor input, Tensor output) -> Tensor", Function,
                           "how samples `output` of gamma distributions move with their shapes");
  op<&sample_dirichlet>("_sample_dirichlet(Tensor input, Generator? generator=None) -> Tensor", Function,
                        "points of Dirichlet distributions with the concentrations in input's "
                        "rows");
  op<&dirichlet_grad>("_dirichlet_grad(Tensor x, Tensor alpha, Tensor total) -> Tensor", Function,
                      "how samples x of beta distributions move with alpha, divided by 1 - x");
  op<&binomial>(
      "binomial(Tensor count, Tensor prob, Generator? "
      "generator=None) -> Tensor",
      Function, "numbers of successes among count trials of probability prob");
}

}  // namespace lampas
