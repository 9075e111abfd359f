// Running sums, products and extremes along a dimension.
#include <cmath>

#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

namespace {

using Dtype = std::optional<DType>;

// Elements before, along and after a dimension; one along it for a 0-d tensor.
Tensor run(Scan op, const Tensor& input, int d, DType type, Tensor* indices = nullptr) {
  Tensor y = empty(input.sizes(), type, input.device());
  if (indices) *indices = empty(input.sizes(), DType::Int64, input.device());
  if (input.is_meta() || input.numel() == 0) return y;
  Tensor x = input.is_contiguous() ? input : contiguous(detach(input));
  ScanCall call{op, x.dtype(), type, 1, 1, 1, x.data(), y.data(), indices ? indices->data<int64_t>() : nullptr};
  for (int i = 0; i < x.ndim(); i++) (i < d ? call.outer : i == d ? call.n : call.inner) *= x.sizes()[i];
  kernels(x.device()).scan(call);
  return y;
}

DType scan_type(const char* name, const Tensor& x, Dtype dtype) {
  CHECK_KIND(NotImplemented, dtype != DType::Bool, name,
             "(): dtype=torch.bool is not supported; leave it out, and the result is torch.int64");
  return dtype ? *dtype : is_integral(x.dtype()) ? DType::Int64 : x.dtype();
}

Tensor reversed_cumsum(const Tensor& x, int64_t d) {
  if (x.ndim() == 0) return x;
  int64_t dims[1] = {d};
  return flip(cumsum(flip(x, dims), d), dims);
}

// Gradient where an element may be 0, one position at a time: the product of all before it times the running product of
// those after it. Quadratic in the length, but every part of it has a gradient again.
Tensor cumprod_gradient_slow(const Tensor& g, const Tensor& x, int64_t d) {
  int64_t n = x.size(d);
  std::vector<Tensor> parts;
  Tensor before = ones_like(narrow(x, d, 0, 1));
  int64_t dims[1] = {d};
  for (int64_t k = 0; k < n; k++) {
    Tensor after = ones_like(before);
    if (k + 1 < n) after = cat({after, cumprod(narrow(x, d, k + 1, n - k - 1), d)}, d);
    parts.push_back(sum(narrow(g, d, k, n - k) * conj(before * after), dims, true));
    before = before * narrow(x, d, k, 1);
  }
  return cat(parts, d);
}

// Before the first zero the usual quotient; at it, the running product without it; after it, nothing.
Tensor cumprod_gradient(const Tensor& g, const Tensor& x, const Tensor& y, int64_t d) {
  if (x.numel() <= 1) return g;
  if (x.is_meta()) return reversed_cumsum(g * conj(y), d) / conj(x);
  Tensor zero = eq(x, 0);
  int64_t dims[1] = {d};
  if (!item(sum(zero)).to_bool()) return reversed_cumsum(g * conj(y), d) / conj(x);
  if (mode.grad) return cumprod_gradient_slow(g, x, d);
  Tensor zeros_so_far = cumsum(zero, d);
  Tensor first = logical_and(zero, eq(zeros_so_far, 1));
  Tensor filled = where(zero, 1.0, x);
  Tensor early = where(eq(zeros_so_far, 0), reversed_cumsum(g * conj(y), d) / conj(filled), 0.0);
  Tensor without = cumprod(where(first, 1.0, x), d);
  Tensor at_first = sum(where(ge(zeros_so_far, 1), g * conj(without), 0.0), dims, true);
  return where(first, at_first, early);
}

Tensor gradient_to(const Tensor& g, DType type) {
  return g.dtype() == type ? g : to(is_complex(g.dtype()) && !is_complex(type) ? real(g) : g, type);
}

}  // namespace

Tensor cumsum(const Tensor& input, int64_t dim, Dtype dtype) {
  int d = wrap_dim(dim, input.ndim());
  DType type = scan_type("cumsum", input, dtype);
  Tensor x = dtype && *dtype != input.dtype() ? to(input, *dtype) : input;
  Tensor y = run(Scan::Sum, x, d, type);
  if (recording(x))
    record("CumsumBackward0", {&x}, {&y}, {}, [d, dtype = x.dtype()](Back& b) {
      if (b.grad().defined()) b.set(0, [&] { return gradient_to(reversed_cumsum(b.grad(), d), dtype); });
    });
  return y;
}

Tensor cumprod(const Tensor& input, int64_t dim, Dtype dtype) {
  int d = wrap_dim(dim, input.ndim());
  DType type = scan_type("cumprod", input, dtype);
  Tensor x = dtype && *dtype != input.dtype() ? to(input, *dtype) : input;
  Tensor y = run(Scan::Prod, x, d, type);
  if (recording(x))
    record("CumprodBackward0", {&x}, {&y}, {{"self", &x}, {"result", &y}}, [d, dtype = x.dtype()](Back& b) {
      if (b.grad().defined())
        b.set(0, [&] { return gradient_to(cumprod_gradient(b.grad(), b.saved(0), b.saved(1), d), dtype); });
    });
  return y;
}

namespace {

std::tuple<Tensor, Tensor> extremes(Scan op, const char* name, const char* node, const Tensor& x, int64_t dim) {
  int d = wrap_dim(dim, x.ndim());
  CHECK_KIND(NotImplemented, !is_complex(x.dtype()), name, "(): complex numbers have no order, got torch.",
             name_of(x.dtype()));
  Tensor indices;
  Tensor y = run(op, x, d, x.dtype(), &indices);
  if (recording(x))
    record(node, {&x}, {&y}, {{"indices", &indices}}, [d, sizes = IntVec(x.sizes())](Back& b) {
      if (b.grad().defined())
        b.set(0, [&] {
          if (sizes.empty()) return b.grad();
          return scatter_add(zeros(sizes, b.grad().dtype(), b.grad().device()), d, b.saved(0), b.grad());
        });
    });
  return {y, indices};
}
std::tuple<Tensor, Tensor> cummax(const Tensor& x, int64_t dim) {
  return extremes(Scan::Max, "cummax", "CummaxBackward0", x, dim);
}
std::tuple<Tensor, Tensor> cummin(const Tensor& x, int64_t dim) {
  return extremes(Scan::Min, "cummin", "CumminBackward0", x, dim);
}

// y_i = log sum_{j <= i} e^{x_j}, so dx_j = e^{x_j} sum_{i >= j} g_i e^{-y_i}, summed in the logarithm for either sign
// of g.
Tensor logcumsumexp(const Tensor& x, int64_t dim) {
  int d = wrap_dim(dim, x.ndim());
  CHECK_KIND(NotImplemented, is_floating(x.dtype()), "logcumsumexp(): expected a floating point input, got torch.",
             name_of(x.dtype()));
  Tensor y = run(Scan::LogSumExp, x, d, x.dtype());
  if (recording(x))
    record("LogcumsumexpBackward0", {&x}, {&y}, {{"self", &x}, {"result", &y}}, [d](Back& b) {
      if (!b.grad().defined()) return;
      b.set(0, [&] {
        Tensor x = b.saved(0), y = b.saved(1), g = b.grad();
        if (mode.grad) {  // in the plain form, whose parts all have gradients; scaled by the largest element
          int64_t along[1] = {d};
          Tensor largest = x.ndim() ? amax(detach(x), along, true) : detach(x);
          largest = where(eq(abs(largest), INFINITY), 0.0, largest);
          return reversed_cumsum(g * exp(largest - y), d) * exp(x - largest);
        }
        auto part = [&](const Tensor& size) {
          Tensor l = where(gt(size, 0), log(where(gt(size, 0), size, 1.0)), -INFINITY) - y;
          if (x.ndim() == 0) return exp(l + x);
          int64_t dims[1] = {d};
          return exp(flip(logcumsumexp(flip(l, dims), d), dims) + x);
        };
        return part(g) - part(-g);
      });
    });
  return y;
}

Tensor diff(const Tensor& input, int64_t n, int64_t dim, const Tensor& prepend, const Tensor& append) {
  CHECK(input.ndim() > 0, "diff expects input to be at least one-dimensional, got a 0-d tensor");
  CHECK(n >= 0, "diff(): order must be non-negative but got ", n);
  int d = wrap_dim(dim, input.ndim());
  Tensor x = input;
  if (prepend.defined() || append.defined()) {
    std::vector<Tensor> parts;
    if (prepend.defined()) parts.push_back(prepend);
    parts.push_back(x);
    if (append.defined()) parts.push_back(append);
    x = cat(parts, d);
  }
  n = std::min(n, x.size(d));
  for (int64_t i = 0; i < n; i++) {
    int64_t size = x.size(d);
    Tensor right = narrow(x, d, std::min<int64_t>(1, size), std::max<int64_t>(0, size - 1)),
           left = narrow(x, d, 0, std::max<int64_t>(0, size - 1));
    x = x.dtype() == DType::Bool ? binary(Ew::LogicalXor, right, left) : right - left;
  }
  return x;
}
Tensor diff_boxed(const Tensor& x, int64_t n, int64_t dim, std::optional<Tensor> prepend,
                  std::optional<Tensor> append) {
  return diff(x, n, dim, prepend.value_or(Tensor()), append.value_or(Tensor()));
}

// The trapezoidal rule: means of neighbours times their distance.
Tensor trapezoids(const Tensor& y, int64_t d) {
  CHECK_KIND(Index, y.ndim() > 0, "trapezoid(): expected at least one dimension to integrate along, got a 0-d tensor");
  int64_t n = y.size(d);
  return narrow(y, d, 0, n - 1) + narrow(y, d, 1, n - 1);
}
Tensor spacing(const char* name, const Tensor& y, const Tensor& x, int64_t& d) {
  if (x.ndim() == 1) {
    CHECK(x.size(0) == y.size(d), name, "(): there must be one `x` value for each sample point, got ", x.size(0),
          " of them for ", y.size(d), " points");
    IntVec shape(y.ndim(), 1);
    shape[int(d)] = x.size(0) - 1;
    return view(diff(x, 1, 0, {}, {}), shape);
  }
  return diff(x, 1, d - y.ndim() + x.ndim(), {}, {});
}
Tensor empty_integral(const Tensor& y, int64_t d) {
  IntVec sizes(y.sizes());
  sizes.erase(int(d));
  return zeros(sizes, y.dtype(), y.device());
}
Tensor trapezoid_x(const Tensor& y, const Tensor& x, int64_t dim) {
  int64_t d = wrap_dim(dim, y.ndim()), dims[1] = {d};
  if (y.size(d) == 0) return empty_integral(y, d);
  return sum(trapezoids(y, d) * spacing("trapezoid", y, x, d), dims) / 2;
}
Tensor trapezoid_dx(const Tensor& y, const Scalar& dx, int64_t dim) {
  int64_t d = wrap_dim(dim, y.ndim()), dims[1] = {d};
  if (y.size(d) == 0) return empty_integral(y, d);
  return mul(sum(trapezoids(y, d), dims), Scalar(dx.to_double() / 2));
}
Tensor cumulative_trapezoid_x(const Tensor& y, const Tensor& x, int64_t dim) {
  int64_t d = wrap_dim(dim, y.ndim());
  return cumsum(trapezoids(y, d) * spacing("cumulative_trapezoid", y, x, d), d) / 2;
}
Tensor cumulative_trapezoid_dx(const Tensor& y, const Scalar& dx, int64_t dim) {
  int64_t d = wrap_dim(dim, y.ndim());
  return mul(cumsum(trapezoids(y, d), d), Scalar(dx.to_double() / 2));
}

}  // namespace

void register_scan() {
  const uint32_t out = kUsual | OutForm;
  op<&cumsum>("cumsum(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", kAll,
              "running sums along a dimension; integers add up in int64");
  op<&cumprod>("cumprod(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", kAll,
               "running products along a dimension");
  op<&cummax>("cummax(Tensor input, int dim) -> (Tensor values, Tensor indices)", out,
              "the largest so far along a dimension, and where it last stood");
  op<&cummin>("cummin(Tensor input, int dim) -> (Tensor values, Tensor indices)", out,
              "the smallest so far along a dimension, and where it last stood");
  op<&logcumsumexp>("logcumsumexp(Tensor input, int dim) -> Tensor", out,
                    "log of the running sums of e^x, without overflow");
  op<&diff_boxed>("diff(Tensor input, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor", out,
                  "differences of neighbours, n times over");
  for (const char* s :
       {"trapezoid(Tensor y, Tensor x, *, int dim=-1) -> Tensor", "trapz(Tensor y, Tensor x, *, int dim=-1) -> Tensor"})
    op<&trapezoid_x>(s, Function, "the integral of y over x by the trapezoidal rule");
  for (const char* s : {"trapezoid(Tensor y, *, Number dx=1, int dim=-1) -> Tensor",
                        "trapz(Tensor y, *, Number dx=1, int dim=-1) -> Tensor"})
    op<&trapezoid_dx>(s, Function, "the integral of evenly spaced samples by the trapezoidal rule");
  op<&cumulative_trapezoid_x>("cumulative_trapezoid(Tensor y, Tensor x, *, int dim=-1) -> Tensor", Function,
                              "running integrals of y over x by the trapezoidal rule");
  op<&cumulative_trapezoid_dx>("cumulative_trapezoid(Tensor y, *, Number dx=1, int dim=-1) -> Tensor", Function,
                               "running integrals of evenly spaced samples");
}

}  // namespace lampas
