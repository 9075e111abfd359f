// Reductions: what they compute, in which type, and their gradients.
#include <bit>
#include <cmath>

#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

namespace {

using Dtype = std::optional<DType>;

IntVec reduced_sizes(const Tensor& x, uint64_t mask, bool keepdim) {
  IntVec sizes;
  for (int d = 0; d < x.ndim(); d++) {
    if (!(mask >> d & 1))
      sizes.push_back(x.sizes()[d]);
    else if (keepdim)
      sizes.push_back(1);
  }
  return sizes;
}

int64_t reduced_count(const Tensor& x, uint64_t mask) {
  int64_t n = 1;
  for (int d = 0; d < x.ndim(); d++)
    if (mask >> d & 1) n *= x.sizes()[d];
  return n;
}

// The type the elements are converted to before they are combined.
DType working_type(DType d) { return is_inexact(d) ? compute_type(d) : DType::Int64; }

struct Request {
  Rd op;
  DType compute, type;
  double p = 0;
  Tensor* second = nullptr;
  DType second_type = DType::Int64;
  bool values = true;
};

Tensor run(const Request& r, const Tensor& x, uint64_t mask, bool keepdim) {
  IntVec sizes = reduced_sizes(x, mask, keepdim);
  Tensor y;
  if (r.values) y = empty(sizes, r.type, x.device());
  if (r.second) *r.second = empty(sizes, r.second_type, x.device());
  if (x.is_meta()) return y;
  IntVec deferred;
  bool plain = x.order() == Order::Plain;
  if (!plain) deferred = physical_strides(x);
  ReduceCall call{r.op,
                  r.compute,
                  x.dtype(),
                  r.type,
                  x.ndim(),
                  x->sizes.data(),
                  plain ? x->strides.data() : deferred.data(),
                  mask,
                  x.raw_data(),
                  r.values ? y.data() : nullptr,
                  r.second ? r.second->data() : nullptr,
                  r.p};
  kernels(x.device()).reduce(call);
  return y;
}

// A result, or its gradient, in a shape that broadcasts against the input.
Tensor keep(const Tensor& t, Ints sizes, uint64_t mask) {
  IntVec kept(sizes);
  for (int d = 0; d < kept.size(); d++)
    if (mask >> d & 1) kept[d] = 1;
  return same(t.sizes(), kept) ? t : reshape(t, kept);
}

Tensor cast_gradient(const Tensor& g, DType type) {
  if (is_complex(g.dtype()) && !is_complex(type)) return cast_gradient(real(g), type);
  return g.dtype() == type ? g : to(g, type);
}

void need_no_complex(const char* op, const Tensor& x, bool whole = true) {
  if (!whole)
    CHECK(!is_complex(x.dtype()), op, "(): does not support complex inputs, got torch.", name_of(x.dtype()),
          "; use its abs(), real or imag");
  CHECK_KIND(NotImplemented, !is_complex(x.dtype()), op, "(): complex numbers have no order, and the input is torch.",
             name_of(x.dtype()), "; reduce its abs(), real or imag instead");
}

// Extremes have no value for nothing at all.
void need_elements(const char* op, const Tensor& x, uint64_t mask, bool named, ErrorKind kind = ErrorKind::Runtime) {
  if (!named) {
    if (x.numel() == 0)
      fail(kind, op, "(): the input of shape ", shown(x.sizes()),
           " is empty and has no extreme; choose a 'dim' that is not empty");
    return;
  }
  for (int d = 0; d < x.ndim(); d++)
    CHECK_KIND(Index, !(mask >> d & 1) || x.sizes()[d] != 0, op, "(): Expected reduction dim ", d,
               " to have non-zero size, but the input has shape ", shown(x.sizes()));
}

// ---- sums

Tensor total(Rd op, const Tensor& input, Ints dims, bool keepdim, DType type, const char* node) {
  Tensor x = is_complex(type) && !is_complex(input.dtype()) ? to(input, type) : input;
  uint64_t mask = dim_mask(dims, x.ndim());
  if (type == DType::Bool) return run({Rd::Any, DType::Bool, DType::Bool}, x, mask, keepdim);
  const bool counts = x.dtype() == DType::Bool && type == DType::Int64 && op != Rd::Mean;
  Tensor y = run(counts ? Request{Rd::CountNonzero, DType::Bool, type} : Request{op, working_type(type), type}, x, mask,
                 keepdim);
  if (recording(x)) {
    double scale = op == Rd::Mean ? 1.0 / double(reduced_count(x, mask)) : 1.0;
    record(node, {&x}, {&y}, {{"self", op == Rd::NanSum ? &x : nullptr}},
           [sizes = IntVec(x.sizes()), mask, scale, dtype = x.dtype(), op](Back& b) {
             if (!b.grad().defined()) return;
             b.set(0, [&] {
               Tensor g = op == Rd::Mean ? b.grad() * scale : b.grad();
               g = expand(keep(cast_gradient(g, dtype), sizes, mask), sizes);
               return op == Rd::NanSum ? where(unary_op(Ew::IsNan, b.saved(0)), 0.0, g) : g;
             });
           });
  }
  return y;
}

DType sum_type(const Tensor& x, Dtype dtype) {
  return dtype ? *dtype : is_integral(x.dtype()) ? DType::Int64 : x.dtype();
}

}  // namespace

Tensor sum(const Tensor& x, Ints dims, bool keepdim, Dtype dtype) {
  return total(Rd::Sum, x, dims, keepdim, sum_type(x, dtype), "SumBackward1");
}

namespace {
Tensor mean_over(const Tensor& x, Ints dims, bool keepdim, Dtype dtype, const char* node) {
  DType type = dtype.value_or(x.dtype());
  CHECK(is_inexact(type), "mean(): the mean of torch.", name_of(type), " numbers is not a torch.", name_of(type),
        "; the dtype must be floating point or complex: pass dtype=torch.float32, or convert the input");
  return total(Rd::Mean, x, dims, keepdim, type, node);
}
}  // namespace

Tensor mean(const Tensor& x, Ints dims, bool keepdim, Dtype dtype) {
  return mean_over(x, dims, keepdim, dtype, "MeanBackward1");
}

Tensor sum_to(const Tensor& x, Ints sizes) {
  if (same(x.sizes(), sizes)) return x;
  IntVec dims;
  int lead = x.ndim() - int(sizes.size());
  for (int d = 0; d < x.ndim(); d++)
    if (d < lead || (sizes[d - lead] == 1 && x.sizes()[d] != 1)) dims.push_back(d);
  Tensor y = dims.empty() ? x : sum(x, dims, true);
  return same(y.sizes(), sizes) ? y : view(y, sizes);
}

namespace {

Tensor sum_all(const Tensor& x, Dtype dtype) {
  return total(Rd::Sum, x, {}, false, sum_type(x, dtype), "SumBackward0");
}
Tensor mean_all(const Tensor& x, Dtype dtype) { return mean_over(x, {}, false, dtype, "MeanBackward0"); }

Tensor nansum(const Tensor& x, Ints dims, bool keepdim, Dtype dtype) {
  CHECK(!is_complex(x.dtype()), "nansum(): complex inputs are not supported, got torch.", name_of(x.dtype()));
  DType type = sum_type(x, dtype);
  return is_floating(type) ? total(Rd::NanSum, x, dims, keepdim, type, "NansumBackward0")
                           : sum(x, dims, keepdim, dtype);
}

Tensor nanmean(const Tensor& x, Ints dims, bool keepdim, Dtype dtype) {
  CHECK(is_inexact(x.dtype()), "nanmean(): expected a floating point or complex input, got torch.", name_of(x.dtype()));
  Tensor numbers = sum(logical_not(unary_op(Ew::IsNan, detach(x))), dims, keepdim);
  return nansum(x, dims, keepdim, dtype) / numbers;
}

Tensor count_nonzero(const Tensor& x, Ints dims) {
  return run({Rd::CountNonzero, DType::Bool, DType::Int64}, x, dim_mask(dims, x.ndim()), false);
}

// ---- products

// The product of all the others: of those before, times those after.
Tensor others_product(const Tensor& x, int64_t dim) {
  int64_t n = x.size(dim);
  Tensor one = ones_like(narrow(x, dim, 0, 1));
  Tensor before = cumprod(cat({one, narrow(x, dim, 0, n - 1)}, dim), dim);
  int64_t dims[1] = {dim};
  Tensor after = flip(cumprod(cat({one, flip(narrow(x, dim, 1, n - 1), dims)}, dim), dim), dims);
  return before * after;
}

bool has_zero(const Tensor& x) {
  return !x.is_meta() &&
         item(run({Rd::All, DType::Bool, DType::Bool}, x, dim_mask({}, x.ndim()), false)).to_bool() == false;
}

Tensor prod_over(const Tensor& input, uint64_t mask, bool keepdim, Dtype dtype, const char* node) {
  DType type = sum_type(input, dtype);
  Tensor y = type == DType::Bool ? run({Rd::All, DType::Bool, DType::Bool}, input, mask, keepdim)
                                 : run({Rd::Prod,
                                        is_complex(type)   ? DType::Complex128
                                        : is_inexact(type) ? DType::Float64
                                                           : DType::Int64,
                                        type},
                                       input, mask, keepdim);
  if (recording(input))
    record(node, {&input}, {&y}, {{"self", &input}, {"result", &y}}, [mask](Back& b) {
      if (!b.grad().defined()) return;
      b.set(0, [&] {
        Tensor x = b.saved(0), y = b.saved(1);
        Tensor g = keep(b.grad(), x.sizes(), mask);
        bool one_dim = (mask & (mask - 1)) == 0;
        if (x.numel() == 0) return zeros_like(x);
        Tensor dx;
        if (!has_zero(x))
          dx = keep(y, x.sizes(), mask) / x;
        else if (x.ndim() == 0)
          dx = ones_like(x);
        else if (one_dim)
          dx = others_product(x, std::countr_zero(mask));
        else
          dx = reshape(others_product(reshape(x, IntVec{x.numel()}), 0), x.sizes());
        return cast_gradient(g * conj(dx), x.dtype());
      });
    });
  return y;
}

Tensor prod_all(const Tensor& x, Dtype dtype) {
  return prod_over(x, dim_mask({}, x.ndim()), false, dtype, "ProdBackward0");
}
Tensor prod_dim(const Tensor& x, int64_t dim, bool keepdim, Dtype dtype) {
  return prod_over(x, uint64_t(1) << wrap_dim(dim, x.ndim()), keepdim, dtype, "ProdBackward1");
}

}  // namespace

Tensor prod(const Tensor& x, int64_t dim, bool keepdim) { return prod_dim(x, dim, keepdim, std::nullopt); }

namespace {

// ---- extremes

// The gradient goes to the extreme elements in equal shares.
Tensor share(const Tensor& g, const Tensor& x, const Tensor& y, uint64_t mask) {
  Tensor kept = keep(y, x.sizes(), mask);
  Tensor hit = eq(x, kept);
  if (is_floating(x.dtype())) hit = logical_or(hit, logical_and(unary_op(Ew::IsNan, x), unary_op(Ew::IsNan, kept)));
  IntVec dims;
  for (int d = 0; d < x.ndim(); d++)
    if (mask >> d & 1) dims.push_back(d);
  Tensor count = dims.empty() ? to(hit, g.dtype()) : sum(to(hit, g.dtype()), dims, true);
  return where(hit, keep(g, x.sizes(), mask) / count, 0.0);
}

Tensor extreme(Rd op, const Tensor& x, uint64_t mask, bool keepdim, const char* node) {
  DType compute = working_type(x.dtype());
  Tensor y = run({op, compute, x.dtype()}, x, mask, keepdim);
  if (node && recording(x))
    record(node, {&x}, {&y}, {{"self", &x}, {"result", &y}}, [mask](Back& b) {
      if (b.grad().defined()) b.set(0, [&] { return share(b.grad(), b.saved(0), b.saved(1), mask); });
    });
  return y;
}

Tensor amin(const Tensor& x, Ints dims, bool keepdim) {
  need_no_complex("amin", x);
  uint64_t mask = dim_mask(dims, x.ndim());
  need_elements("amin", x, mask, !dims.empty());
  return extreme(Rd::Min, x, mask, keepdim, "AminBackward0");
}

Tensor max_all(const Tensor& x) {
  need_no_complex("max", x);
  uint64_t mask = dim_mask({}, x.ndim());
  need_elements("max", x, mask, false);
  return extreme(Rd::Max, x, mask, false, "MaxBackward1");
}
Tensor min_all(const Tensor& x) {
  need_no_complex("min", x);
  uint64_t mask = dim_mask({}, x.ndim());
  need_elements("min", x, mask, false);
  return extreme(Rd::Min, x, mask, false, "MinBackward1");
}
Tensor max_two(const Tensor& a, const Tensor& b, const Out& out) { return binary(Ew::Maximum, a, b, out); }
Tensor min_two(const Tensor& a, const Tensor& b, const Out& out) { return binary(Ew::Minimum, a, b, out); }

std::tuple<Tensor, Tensor> aminmax(const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  need_no_complex("aminmax", x);
  uint64_t mask = dim ? uint64_t(1) << wrap_dim(*dim, x.ndim()) : dim_mask({}, x.ndim());
  need_elements("aminmax", x, mask, dim.has_value());
  Tensor lo = extreme(Rd::Min, x, mask, keepdim, nullptr), hi = extreme(Rd::Max, x, mask, keepdim, nullptr);
  if (recording(x))
    record("AminmaxBackward0", {&x}, {&lo, &hi}, {{"self", &x}, {"min", &lo}, {"max", &hi}}, [mask](Back& b) {
      b.set(0, [&] {
        Tensor x = b.saved(0), g;
        for (int i = 0; i < 2; i++)
          if (b.grad(i).defined()) {
            Tensor part = share(b.grad(i), x, b.saved(i + 1), mask);
            g = g.defined() ? g + part : part;
          }
        return g;
      });
    });
  return {lo, hi};
}

}  // namespace

Tensor amax(const Tensor& x, Ints dims, bool keepdim) {
  need_no_complex("amax", x);
  uint64_t mask = dim_mask(dims, x.ndim());
  need_elements("amax", x, mask, !dims.empty());
  return extreme(Rd::Max, x, mask, keepdim, "AmaxBackward0");
}

// Records an op that picks one element of each row along `dim`: the gradient goes back to where `indices` says.
void record_selection(const char* node, const Tensor& x, int64_t dim, bool keepdim, const Tensor& values,
                      const Tensor& indices) {
  if (!recording(x)) return;
  record(node, {&x}, {&values}, {{"indices", &indices}}, [dim, keepdim, sizes = IntVec(x.sizes())](Back& b) {
    if (!b.grad().defined()) return;
    b.set(0, [&] {
      Tensor g = b.grad(), at = b.saved(0);
      if (!keepdim && !sizes.empty()) g = unsqueeze(g, dim), at = unsqueeze(at, dim);
      return scatter(zeros(sizes, g.dtype(), g.device()), dim, at, g);
    });
  });
}

namespace {

std::tuple<Tensor, Tensor> extreme_along(Rd op, const char* name, const char* node, const Tensor& x, int64_t dim,
                                         bool keepdim) {
  need_no_complex(name, x, false);
  int d = wrap_dim(dim, x.ndim());
  uint64_t mask = uint64_t(1) << d;
  need_elements(name, x, mask, true);
  Tensor where;
  Tensor y = run({op, working_type(x.dtype()), x.dtype(), 0, &where}, x, mask, keepdim);
  record_selection(node, x, d, keepdim, y, where);
  return {y, where};
}
std::tuple<Tensor, Tensor> max_dim(const Tensor& x, int64_t dim, bool keepdim) {
  return extreme_along(Rd::ArgMax, "max", "MaxBackward0", x, dim, keepdim);
}
std::tuple<Tensor, Tensor> min_dim(const Tensor& x, int64_t dim, bool keepdim) {
  return extreme_along(Rd::ArgMin, "min", "MinBackward0", x, dim, keepdim);
}

Tensor position(Rd op, const char* name, const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  CHECK(!is_complex(x.dtype()) && x.dtype() != DType::Bool, name, "(): torch.", name_of(x.dtype()),
        " inputs are not supported");
  uint64_t mask = dim ? uint64_t(1) << wrap_dim(*dim, x.ndim()) : dim_mask({}, x.ndim());
  need_elements(name, x, mask, dim.has_value(), ErrorKind::Index);
  Tensor where;
  Request r{op, working_type(x.dtype()), x.dtype(), 0, &where, DType::Int64, false};
  run(r, x, mask, keepdim);
  return where;
}
Tensor argmin(const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  return position(Rd::ArgMin, "argmin", x, dim, keepdim);
}

// ---- truth

Tensor truth(Rd op, const Tensor& x, uint64_t mask, bool keepdim) {
  return run({op, DType::Bool, x.dtype() == DType::UInt8 ? DType::UInt8 : DType::Bool}, x, mask, keepdim);
}
Tensor any_all(const Tensor& x) { return truth(Rd::Any, x, dim_mask({}, x.ndim()), false); }
Tensor all_all(const Tensor& x) { return truth(Rd::All, x, dim_mask({}, x.ndim()), false); }
// An empty list names no dimension here, unlike everywhere else.
Tensor any_dims(const Tensor& x, std::optional<Ints> dims, bool keepdim) {
  return truth(Rd::Any, x, dim_mask(dims.value_or(Ints()), x.ndim(), !dims), keepdim);
}
Tensor all_dims(const Tensor& x, std::optional<Ints> dims, bool keepdim) {
  return truth(Rd::All, x, dim_mask(dims.value_or(Ints()), x.ndim(), !dims), keepdim);
}

}  // namespace

Tensor argmax(const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  return position(Rd::ArgMax, "argmax", x, dim, keepdim);
}

namespace {

// ---- variance

// d var / dx = 2 (x - mean) / freedom; of the mean 1 / count.
Tensor var_gradient(const Tensor& g, const Tensor& x, uint64_t mask, double correction) {
  IntVec dims;
  for (int d = 0; d < x.ndim(); d++)
    if (mask >> d & 1) dims.push_back(d);
  Tensor centred = x.ndim() ? x - mean(x, dims, true) : x - x;
  double freedom = double(reduced_count(x, mask)) - correction;
  if (freedom <= 0) return centred * (keep(g, x.sizes(), mask) * std::nan(""));
  return centred * (keep(g, x.sizes(), mask) * (2 / freedom));
}

// std: through y = sqrt(var), with no gradient where y is 0.
Tensor spread_gradient(bool root, const Tensor& g, const Tensor& x, const Tensor& y, uint64_t mask, double correction) {
  if (!root) return var_gradient(g, x, mask, correction);
  return var_gradient(where(eq(y, 0), 0.0, g / (y * 2)), x, mask, correction);
}

std::tuple<Tensor, Tensor> spread(bool root, bool with_mean, const Tensor& x, Ints dims, double correction,
                                  bool keepdim) {
  CHECK(is_inexact(x.dtype()), root ? "std" : "var", "(): expected a floating point or complex input, got torch.",
        name_of(x.dtype()), "; convert it with .float()");
  if (is_complex(x.dtype())) {
    Tensor re = std::get<0>(spread(false, false, real(x), dims, correction, keepdim)),
           im = std::get<0>(spread(false, false, imag(x), dims, correction, keepdim));
    Tensor v = re + im;
    return {root ? sqrt(v) : v, with_mean ? mean(x, dims, keepdim) : Tensor()};
  }
  uint64_t mask = dim_mask(dims, x.ndim());
  Tensor m;
  Request r{root ? Rd::Std : Rd::Var, compute_type(x.dtype()), x.dtype(), correction};
  if (with_mean) r.second = &m, r.second_type = x.dtype();
  Tensor y = run(r, x, mask, keepdim);
  if (recording(x)) {
    auto save_y = root ? &y : nullptr;
    if (!with_mean) {
      record(root ? "StdBackward0" : "VarBackward0", {&x}, {&y}, {{"self", &x}, {"result", save_y}},
             [root, mask, correction](Back& b) {
               if (b.grad().defined())
                 b.set(0, [&] { return spread_gradient(root, b.grad(), b.saved(0), b.saved(1), mask, correction); });
             });
    } else {
      record(root ? "StdMeanBackward0" : "VarMeanBackward0", {&x}, {&y, &m}, {{"self", &x}, {"result0", save_y}},
             [root, mask, correction](Back& b) {
               b.set(0, [&] {
                 Tensor x = b.saved(0), g;
                 if (b.grad(0).defined()) g = spread_gradient(root, b.grad(0), x, b.saved(1), mask, correction);
                 if (b.grad(1).defined()) {
                   Tensor part =
                       expand(keep(b.grad(1) * (1.0 / double(reduced_count(x, mask))), x.sizes(), mask), x.sizes());
                   g = g.defined() ? g + part : part;
                 }
                 return g;
               });
             });
    }
  }
  return {y, m};
}

template <bool kRoot>
Tensor spread_all(const Tensor& x, bool unbiased) {
  return std::get<0>(spread(kRoot, false, x, {}, unbiased, false));
}
template <bool kRoot>
Tensor spread_unbiased(const Tensor& x, Ints dims, bool unbiased, bool keepdim) {
  return std::get<0>(spread(kRoot, false, x, dims, unbiased, keepdim));
}
template <bool kRoot>
Tensor spread_correction(const Tensor& x, Ints dims, std::optional<Scalar> correction, bool keepdim) {
  return std::get<0>(spread(kRoot, false, x, dims, correction ? correction->to_double() : 1, keepdim));
}
template <bool kRoot>
std::tuple<Tensor, Tensor> spread_mean_all(const Tensor& x, bool unbiased) {
  return spread(kRoot, true, x, {}, unbiased, false);
}
template <bool kRoot>
std::tuple<Tensor, Tensor> spread_mean_unbiased(const Tensor& x, Ints dims, bool unbiased, bool keepdim) {
  return spread(kRoot, true, x, dims, unbiased, keepdim);
}
template <bool kRoot>
std::tuple<Tensor, Tensor> spread_mean_correction(const Tensor& x, Ints dims, std::optional<Scalar> correction,
                                                  bool keepdim) {
  return spread(kRoot, true, x, dims, correction ? correction->to_double() : 1, keepdim);
}

// ---- norms

Tensor norm_gradient(const Tensor& grad, const Tensor& x, const Tensor& norm, double p, uint64_t mask) {
  Tensor g = keep(grad, x.sizes(), mask), n = keep(norm, x.sizes(), mask);
  if (p == 0) return {};  // constant wherever it has a derivative
  if (p == 1) return g * sign(x);
  if (p == 2) return where(eq(n, 0), 0.0, g * (x / n));
  if (std::isinf(p)) return share(grad, abs(x), norm, mask) * sign(x);
  Tensor factor = g / pow(n, p - 1);
  Tensor dx = where(eq(x, 0), 0.0, sign(x) * pow(where(eq(x, 0), 1.0, abs(x)), p - 1));
  return where(eq(n, 0), 0.0, dx * factor);
}

Tensor vector_norm(const Tensor& input, const Scalar& order, Ints dims, bool keepdim, Dtype dtype) {
  CHECK(is_inexact(input.dtype()), "linalg.vector_norm: expected a floating point or complex input, got torch.",
        name_of(input.dtype()), "; convert it with .float()");
  CHECK(!dtype || (is_complex(*dtype) == is_complex(input.dtype()) && is_inexact(*dtype)),
        "linalg.vector_norm: dtype torch.", name_of(dtype.value_or(DType::Bool)), " does not fit an input of torch.",
        name_of(input.dtype()), "; it must be ", is_complex(input.dtype()) ? "complex" : "floating point");
  Tensor x = dtype && *dtype != input.dtype() ? to(input, *dtype) : input;
  if (is_complex(x.dtype())) x = abs(x);
  double p = order.to_double();
  uint64_t mask = dim_mask(dims, x.ndim());
  if ((p < 0 || std::isinf(p)) && reduced_count(x, mask) == 0 &&
      (dims.empty() || product(reduced_sizes(x, mask, false)) != 0))
    fail("linalg.vector_norm: the norm of order ", p, " of nothing has no value; the input has shape ",
         shown(x.sizes()));
  Tensor y = run({Rd::Norm, compute_type(x.dtype()), x.dtype(), p}, x, mask, keepdim);
  if (recording(x))
    record("LinalgVectorNormBackward0", {&x}, {&y}, {{"self", &x}, {"result", &y}}, [mask, p](Back& b) {
      if (b.grad().defined()) b.set(0, [&] { return norm_gradient(b.grad(), b.saved(0), b.saved(1), p, mask); });
    });
  return y;
}

Tensor norm(const Tensor& x, std::optional<Scalar> p, Ints dims, bool keepdim, Dtype dtype) {
  return vector_norm(x, p.value_or(Scalar(2)), dims, keepdim, dtype);
}
Tensor norm_named(const Tensor& x, std::string_view p, Ints dims, bool keepdim, Dtype dtype) {
  CHECK(p == "fro", "norm(): expected p to be a number, 'fro' or 'nuc', got '", p,
        "'; for 'nuc' use torch.linalg.matrix_norm");
  return vector_norm(x, Scalar(2), dims, keepdim, dtype);
}
Tensor dist(const Tensor& a, const Tensor& b, const Scalar& p) {
  return vector_norm(a - b, p, {}, false, std::nullopt);
}

}  // namespace

Tensor norm_along(const Tensor& x, double p, int64_t dim, bool keepdim) {
  return vector_norm(x, p, Ints(&dim, 1), keepdim, std::nullopt);
}

Tensor logsumexp(const Tensor& input, Ints dims, bool keepdim) {
  if (is_complex(input.dtype())) {
    Tensor largest = amax(real(detach(input)), dims, true);
    largest = where(eq(abs(largest), INFINITY), 0.0, largest);
    Tensor total = log(sum(exp(input - largest), dims, true)) + largest;
    return keepdim ? total : reshape(total, reduced_sizes(input, dim_mask(dims, input.ndim()), false));
  }
  Tensor x = is_integral(input.dtype()) ? to(input, default_dtype()) : input;
  uint64_t mask = dim_mask(dims, x.ndim());
  Tensor y = run({Rd::LogSumExp, compute_type(x.dtype()), x.dtype()}, x, mask, keepdim);
  if (recording(x))
    record("LogsumexpBackward0", {&x}, {&y}, {{"self", &x}, {"result", &y}}, [mask](Back& b) {
      if (!b.grad().defined()) return;
      b.set(0, [&] {
        Tensor x = b.saved(0), y = keep(b.saved(1), x.sizes(), mask);
        // Where every element is -inf the result is -inf, and the difference would be NaN.
        Tensor d = x - where(eq(abs(y), INFINITY), 0.0, y);
        return keep(b.grad(), x.sizes(), mask) * exp(d);
      });
    });
  return y;
}

void register_reduce() {
  const uint32_t out = kUsual | OutForm;
  const char* doc = "the sum over the given dimensions, or all; integers add up in int64";
  op<&sum_all>("sum(Tensor input, *, dtype? dtype=None) -> Tensor", kUsual, doc);
  op<&sum>("sum(Tensor input, int[1]? dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor", out, doc);
  op<&nansum>("nansum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor", out,
              "the sum, with NaN counted as 0");
  doc = "the mean over the given dimensions, or all";
  op<&mean_all>("mean(Tensor input, *, dtype? dtype=None) -> Tensor", kUsual, doc);
  op<&mean>("mean(Tensor input, int[1]? dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor", out, doc);
  op<&nanmean>("nanmean(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor", out,
               "the mean of what is not NaN");
  op<&prod_all>("prod(Tensor input, *, dtype? dtype=None) -> Tensor", kUsual, "the product of all elements");
  op<&prod_dim>("prod(Tensor input, int dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor", out,
                "the product along a dimension");
  op<&sum_to>("_sum_to_size(Tensor input, int[] size) -> Tensor", Private, "undoes a broadcast from `size`");
  op<&count_nonzero>("count_nonzero(Tensor input, int[1]? dim=None) -> Tensor", kUsual, "how many elements are not 0");

  op<&amax>("amax(Tensor input, int[1]? dim=None, bool keepdim=False) -> Tensor", out,
            "the largest element; equal ones share the gradient");
  op<&amin>("amin(Tensor input, int[1]? dim=None, bool keepdim=False) -> Tensor", out,
            "the smallest element; equal ones share the gradient");
  op<&aminmax>("aminmax(Tensor input, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)", out,
               "the smallest and the largest element");
  op<&max_all>("max(Tensor input) -> Tensor", out, "the largest element");
  op<&max_dim>("max(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", out,
               "the largest elements along a dimension, and where they are");
  op<&max_two>("max(Tensor input, Tensor other) -> Tensor", out, "the larger of two, elementwise");
  op<&min_all>("min(Tensor input) -> Tensor", out, "the smallest element");
  op<&min_dim>("min(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", out,
               "the smallest elements along a dimension, and where they are");
  op<&min_two>("min(Tensor input, Tensor other) -> Tensor", out, "the smaller of two, elementwise");
  op<&argmax>("argmax(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", out,
              "where the largest element is: the first of equal ones");
  op<&argmin>("argmin(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", out,
              "where the smallest element is: the first of equal ones");

  op<&any_all>("any(Tensor input) -> Tensor", out, "whether any element is not 0");
  op<&any_dims>("any(Tensor input, int[1]? dim, bool keepdim=False) -> Tensor", out, "whether any element is not 0");
  op<&all_all>("all(Tensor input) -> Tensor", out, "whether no element is 0");
  op<&all_dims>("all(Tensor input, int[1]? dim, bool keepdim=False) -> Tensor", out, "whether no element is 0");

  doc = "the variance; `correction` is taken off the number of elements it is divided by";
  op<&spread_all<false>>("var(Tensor input, bool unbiased) -> Tensor", kUsual, doc);
  op<&spread_unbiased<false>>("var(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> Tensor", out, doc);
  op<&spread_correction<false>>(
      "var(Tensor input, int[1]? dim=None, *, Number? correction=None, bool keepdim=False) -> Tensor", out, doc);
  doc = "the standard deviation; `correction` is taken off the number of elements the squares are divided by";
  op<&spread_all<true>>("std(Tensor input, bool unbiased) -> Tensor", kUsual, doc);
  op<&spread_unbiased<true>>("std(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> Tensor", out, doc);
  op<&spread_correction<true>>(
      "std(Tensor input, int[1]? dim=None, *, Number? correction=None, bool keepdim=False) -> Tensor", out, doc);
  doc = "variance and mean in one call";
  op<&spread_mean_all<false>>("var_mean(Tensor input, bool unbiased) -> (Tensor, Tensor)", Function, doc);
  op<&spread_mean_unbiased<false>>(
      "var_mean(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> (Tensor, Tensor)", Function, doc);
  op<&spread_mean_correction<false>>(
      "var_mean(Tensor input, int[1]? dim=None, *, Number? correction=None, bool keepdim=False) -> (Tensor, Tensor)",
      Function, doc);
  doc = "standard deviation and mean in one call";
  op<&spread_mean_all<true>>("std_mean(Tensor input, bool unbiased) -> (Tensor, Tensor)", Function, doc);
  op<&spread_mean_unbiased<true>>(
      "std_mean(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> (Tensor, Tensor)", Function, doc);
  op<&spread_mean_correction<true>>(
      "std_mean(Tensor input, int[1]? dim=None, *, Number? correction=None, bool keepdim=False) -> (Tensor, Tensor)",
      Function, doc);

  op<&vector_norm>(
      "vector_norm(Tensor x, Number ord=2, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
      Linalg | OutForm,
      "(sum |x|^ord)^(1/ord); for ord inf, -inf and 0 the largest and smallest |x| and the number of x that are not 0");
  op<&vector_norm>(
      "linalg_vector_norm(Tensor x, Number ord=2, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> "
      "Tensor",
      Private, "vector_norm");
  op<&norm>("norm(Tensor input, Number? p=None, int[1]? dim=None, bool keepdim=False, dtype? dtype=None) -> Tensor",
            out, "the vector norm of order p, 2 by default");
  op<&norm_named>("norm(Tensor input, str p, int[1]? dim=None, bool keepdim=False, dtype? dtype=None) -> Tensor", out,
                  "the Frobenius norm");
  op<&dist>("dist(Tensor input, Tensor other, Number p=2) -> Tensor", kUsual, "the norm of order p of input - other");
  op<&logsumexp>("logsumexp(Tensor input, int[1] dim, bool keepdim=False) -> Tensor", out,
                 "log of the sum of e^x, without overflow");
  op<&logsumexp>("logsumexp(Tensor input, int[1] dim, bool keepdim=False) -> Tensor", Special | OutForm,
                 "log of the sum of e^x, without overflow");
}

}  // namespace lampas
