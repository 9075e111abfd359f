// Sorting, order statistics, searching and counting.
#include <cmath>

#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

namespace {

Tensor plain(const Tensor& t) { return t.is_contiguous() ? t : contiguous(detach(t)); }

void need_order(const char* op, const Tensor& x, bool bools = true) {
  CHECK_KIND(NotImplemented, !is_complex(x.dtype()) && (bools || x.dtype() != DType::Bool), '"', op,
             "\" not implemented for 'torch.", name_of(x.dtype()),
             "': its elements cannot be ordered; convert the input first");
}

int need_row(const char* op, const Tensor& x, int64_t dim) {
  int d = wrap_dim(dim, x.ndim());
  CHECK_KIND(Index, x.ndim() == 0 || x.sizes()[d] != 0, op, "(): Expected reduction dim ", d,
             " to have non-zero size, but the input has shape ", shown(x.sizes()));
  return d;
}

// Sorts, or picks from, the rows of x along d; results have `size` elements along it.
std::tuple<Tensor, Tensor> run(SortCall::What what, const Tensor& input, int d, int64_t size, int64_t k = 0,
                               bool descending = false, bool sorted = true, bool values = true) {
  IntVec sizes(input.sizes());
  if (!sizes.empty()) sizes[d] = size;
  Tensor y = values ? empty(sizes, input.dtype(), input.device()) : Tensor(),
         at = empty(sizes, DType::Int64, input.device());
  if (input.is_meta() || at.numel() == 0) return {y, at};
  Tensor x = plain(input);
  SortCall call{what, x.dtype(),  1,     1, 1, x.data(), values ? y.data() : nullptr, at.data<int64_t>(),
                k,    descending, sorted};
  for (int i = 0; i < x.ndim(); i++) (i < d ? call.outer : i == d ? call.n : call.inner) *= x.sizes()[i];
  kernels(x.device()).sort(call);
  return {y, at};
}

int64_t length(const Tensor& x, int d) { return x.ndim() ? x.sizes()[d] : 1; }

std::tuple<Tensor, Tensor> sorted_with(const char* node, const Tensor& x, int64_t dim, bool descending) {
  CHECK(!is_complex(x.dtype()), "sort(): complex numbers have no order, got torch.", name_of(x.dtype()),
        "; sort abs(), real or imag instead");
  int d = wrap_dim(dim, x.ndim());
  auto [y, at] = run(SortCall::Full, x, d, length(x, d), 0, descending);
  record_selection(node, x, d, true, y, at);
  return {y, at};
}

}  // namespace

std::tuple<Tensor, Tensor> sort(const Tensor& x, int64_t dim, bool descending, bool stable) {
  return sorted_with(stable ? "SortBackward1" : "SortBackward0", x, dim, descending);
}

namespace {

std::tuple<Tensor, Tensor> sort_plain(const Tensor& x, int64_t dim, bool descending) {
  return sort(x, dim, descending, false);
}
std::tuple<Tensor, Tensor> sort_stable(const Tensor& x, std::optional<bool>, int64_t dim, bool descending) {
  return sort(x, dim, descending, true);
}
Tensor argsort(const Tensor& x, int64_t dim, bool descending) {
  CHECK(!is_complex(x.dtype()), "argsort(): complex numbers have no order, got torch.", name_of(x.dtype()));
  int d = wrap_dim(dim, x.ndim());
  return std::get<1>(run(SortCall::Full, x, d, length(x, d), 0, descending, true, false));
}
Tensor argsort_stable(const Tensor& x, bool, int64_t dim, bool descending) { return argsort(x, dim, descending); }
Tensor msort(const Tensor& x) { return std::get<0>(sort(x, 0)); }

std::tuple<Tensor, Tensor> topk(const Tensor& x, int64_t k, int64_t dim, bool largest, bool sorted) {
  CHECK(!is_complex(x.dtype()) && x.dtype() != DType::Bool, "topk does not support torch.", name_of(x.dtype()),
        " inputs; convert the input first");
  int d = wrap_dim(dim, x.ndim());
  CHECK(k >= 0 && k <= length(x, d), "topk(): selected index k out of range: k is ", k, ", and dimension ", d, " has ",
        length(x, d), " elements");
  auto [y, at] = run(SortCall::Top, x, d, k, k, largest, sorted);
  record_selection("TopkBackward0", x, d, true, y, at);
  return {y, at};
}

// Ops that pick one element of each row.
std::tuple<Tensor, Tensor> pick(SortCall::What what, const char* node, const Tensor& x, int d, bool keepdim,
                                int64_t k = 0) {
  auto [y, at] = run(what, x, d, 1, k);
  if (!keepdim && x.ndim()) {
    IntVec sizes(x.sizes());
    sizes.erase(d);
    y = alias(y, sizes, contiguous_strides(sizes), 0);
    at = alias(at, sizes, contiguous_strides(sizes), 0);
  }
  record_selection(node, x, d, keepdim, y, at);
  return {y, at};
}

std::tuple<Tensor, Tensor> kthvalue(const Tensor& x, int64_t k, int64_t dim, bool keepdim) {
  need_order("kthvalue", x, false);
  int d = need_row("kthvalue", x, dim);
  CHECK(k >= 1 && k <= length(x, d), "kthvalue(): selected number k out of range for dimension ", d, ": k is ", k,
        ", and it has ", length(x, d), " elements");
  return pick(SortCall::Kth, "KthvalueBackward0", x, d, keepdim, k - 1);
}
std::tuple<Tensor, Tensor> median_dim(const Tensor& x, int64_t dim, bool keepdim) {
  need_order("median", x, false);
  return pick(SortCall::Median, "MedianBackward1", x, need_row("median", x, dim), keepdim);
}
std::tuple<Tensor, Tensor> nanmedian_dim(const Tensor& x, int64_t dim, bool keepdim) {
  need_order("nanmedian", x, false);
  return pick(SortCall::NanMedian, "NanmedianBackward1", x, need_row("nanmedian", x, dim), keepdim);
}
std::tuple<Tensor, Tensor> mode_dim(const Tensor& x, int64_t dim, bool keepdim) {
  need_order("mode", x);
  return pick(SortCall::Mode, "ModeBackward0", x, need_row("mode", x, dim), keepdim);
}

Tensor median_of_all(SortCall::What what, const char* node, const Tensor& x) {
  need_order("median", x, false);
  if (x.numel() == 0)
    return full({}, is_floating(x.dtype()) ? Scalar(std::nan("")) : Scalar(std::numeric_limits<int64_t>::min()),
                x.dtype(), x.device());
  Tensor y = std::get<0>(run(what, reshape(detach(x), IntVec{x.numel()}), 0, 1));
  y = alias(y, {}, {}, 0);
  if (recording(x))
    record(node, {&x}, {&y}, {{"self", &x}, {"result", &y}}, [](Back& b) {
      if (!b.grad().defined()) return;
      b.set(0, [&] {  // equal elements share the gradient
        Tensor x = b.saved(0), y = b.saved(1), hit = eq(x, y);
        if (is_floating(x.dtype())) hit = logical_or(hit, logical_and(unary_op(Ew::IsNan, x), unary_op(Ew::IsNan, y)));
        return where(hit, b.grad() / sum(hit), 0.0);
      });
    });
  return y;
}
Tensor median_all(const Tensor& x) { return median_of_all(SortCall::Median, "MedianBackward0", x); }
Tensor nanmedian_all(const Tensor& x) { return median_of_all(SortCall::NanMedian, "NanmedianBackward0", x); }

// ---- quantiles: sorted rows, read between two elements

Tensor quantile_of(const char* name, bool ignore_nan, const Tensor& input, const Tensor& q, std::optional<int64_t> dim,
                   bool keepdim, std::string_view how) {
  CHECK(input.numel() > 0, name, "() input tensor must be non-empty");
  CHECK(input.dtype() == DType::Float32 || input.dtype() == DType::Float64, name,
        "(): expected a float32 or float64 input, got torch.", name_of(input.dtype()));
  CHECK(q.ndim() <= 1, name, "(): q must be a number or a 1D tensor, got ", q.ndim(), " dimensions");
  CHECK(q.dtype() == input.dtype(), name, "(): q must have the dtype of the input, torch.", name_of(input.dtype()),
        ", got torch.", name_of(q.dtype()));
  bool known = false;
  for (std::string_view s : {"linear", "lower", "higher", "midpoint", "nearest"}) known |= how == s;
  CHECK(known, name, "(): interpolation must be one of linear, lower, higher, midpoint or nearest, but got ", how);
  if (!q.is_meta() && q.numel())
    CHECK(item(sum(logical_and(ge(q, 0), le(q, 1)))).to_int() == q.numel(), name,
          "(): q values must be in the range [0, 1]");
  int d = dim ? wrap_dim(*dim, input.ndim()) : 0;
  Tensor x = dim && input.ndim() ? transpose(unsqueeze(input, -1), d, -1) : reshape(input, IntVec{input.numel()});
  if (dim && input.ndim()) x = squeeze(x, IntVec{d});
  int64_t n = x.size(-1);
  Tensor sorted = std::get<0>(sort(x));
  Tensor qs = q.ndim() ? q : unsqueeze(q, 0);
  Tensor plain_x = detach(x);
  Tensor ranks;
  int64_t last[1] = {-1};
  if (ignore_nan) {
    Tensor count = sum(logical_not(unary_op(Ew::IsNan, plain_x)), last, true);
    ranks = qs * (to(count, x.dtype()) - 1);
    ranks = where(lt(ranks, 0), 0.0, ranks);
  } else {
    Tensor broken = unary_op(Ew::IsNan, narrow(detach(sorted), -1, n - 1, 1));  // NaN sorts last
    ranks = where(broken, double(n - 1), qs * double(n - 1));
  }
  if (how == "lower") ranks = floor(ranks);
  if (how == "higher") ranks = unary_op(Ew::Ceil, ranks);
  if (how == "nearest") ranks = unary_op(Ew::Round, ranks);
  Tensor below = to(detach(ranks), DType::Int64);
  Tensor y = gather(sorted, -1, below);
  if (how == "linear" || how == "midpoint") {
    Tensor up = to(unary_op(Ew::Ceil, detach(ranks)), DType::Int64);
    Tensor step = gather(sorted, -1, up) - y;
    y = y + (how == "linear" ? (ranks - to(below, x.dtype())) * step : step * 0.5);
  }
  // From [others, q] to [q, others], with the reduced dimension put back if it is kept.
  if (keepdim) {
    if (dim && input.ndim()) {
      y = unsqueeze(y, d);
    } else {
      IntVec sizes(input.ndim() + 1, 1);
      sizes[input.ndim()] = qs.numel();
      y = reshape(y, sizes);
    }
  }
  if (q.ndim() == 0) return squeeze(y, IntVec{y.ndim() - 1});
  IntVec order{y.ndim() - 1};
  for (int i = 0; i + 1 < y.ndim(); i++) order.push_back(i);
  return permute(y, order);
}
template <bool kIgnoreNan>
Tensor quantile_tensor(const Tensor& x, const Tensor& q, std::optional<int64_t> dim, bool keepdim,
                       std::string_view how) {
  return quantile_of(kIgnoreNan ? "nanquantile" : "quantile", kIgnoreNan, x, q, dim, keepdim, how);
}
template <bool kIgnoreNan>
Tensor quantile_number(const Tensor& x, double q, std::optional<int64_t> dim, bool keepdim, std::string_view how) {
  CHECK(q >= 0 && q <= 1, kIgnoreNan ? "nanquantile" : "quantile", "(): q must be in the range [0, 1] but got ", q);
  return quantile_tensor<kIgnoreNan>(
      x, scalar_tensor(Scalar(q), is_floating(x.dtype()) ? x.dtype() : DType::Float32, x.device()), dim, keepdim, how);
}

// ---- searching

Tensor search(const char* name, const Tensor& sorted, const Operand& input, bool narrow_out, bool right,
              const Tensor& sorter) {
  Tensor values = input.is_tensor()
                      ? input.tensor()
                      : scalar_tensor(input.scalar(), input.scalar().is_integral() ? DType::Int64 : DType::Float64,
                                      sorted.device());
  CHECK(sorted.ndim() > 0, name, "(): the sorted sequence must have at least one dimension");
  CHECK(!is_complex(sorted.dtype()) && !is_complex(values.dtype()), name, "(): complex numbers have no order");
  bool shared = sorted.ndim() == 1;
  CHECK(shared || (values.ndim() == sorted.ndim() && same(sorted.sizes().first(size_t(sorted.ndim() - 1)),
                                                          values.sizes().first(size_t(values.ndim() - 1)))),
        name,
        "(): boundaries must have 1 dimension, or the first N-1 dimensions of the input; got boundaries of shape ",
        shown(sorted.sizes()), " and an input of shape ", shown(values.sizes()));
  if (sorter.defined()) {
    CHECK(same(sorter.sizes(), sorted.sizes()), name,
          "(): boundary and sorter must have the same size, but got boundary tensor ", shown(sorted.sizes()),
          " and sorter tensor ", shown(sorter.sizes()));
    CHECK(sorter.dtype() == DType::Int64, name, "(): sorter must be a tensor of torch.int64, got torch.",
          name_of(sorter.dtype()));
  }
  DType type = is_integral(sorted.dtype()) && is_integral(values.dtype()) ? DType::Int64 : DType::Float64;
  DType out_type = narrow_out ? DType::Int32 : DType::Int64;
  Tensor out = empty(values.sizes(), out_type, values.device());
  if (out.is_meta() || out.numel() == 0) return out;
  Tensor rows = contiguous(to(detach(sorted), type)), wanted = contiguous(to(detach(values), type)),
         order = sorter.defined() ? plain(sorter) : Tensor();
  int64_t n = sorted.size(-1), per_row = shared ? values.numel() : values.size(-1);
  if (order.defined() && order.numel())
    CHECK_KIND(Index, item(sum(logical_and(ge(order, 0), lt(order, Scalar(n))))).to_int() == order.numel(), name,
               "(): sorter index out of range");
  SearchCall call{type,
                  values.numel() / per_row,
                  n,
                  per_row,
                  shared,
                  rows.data(),
                  order.defined() ? order.data<int64_t>() : nullptr,
                  wanted.data(),
                  out.data(),
                  out_type,
                  right};
  kernels(out.device()).search(call);
  return out;
}

Tensor searchsorted(const Tensor& sorted, const Operand& input, bool out_int32, bool right,
                    std::optional<std::string_view> side, std::optional<Tensor> sorter) {
  CHECK(!side || *side == "left" || *side == "right", "searchsorted(): side can only be 'left' or 'right' but got ",
        side.value_or(""));
  CHECK(!side || !right || *side == "right",
        "searchsorted(): side and right can't be set to opposites, got side of left while right was True");
  return search("searchsorted", sorted, input, out_int32, right || (side && *side == "right"),
                sorter.value_or(Tensor()));
}
Tensor bucketize(const Operand& input, const Tensor& boundaries, bool out_int32, bool right) {
  CHECK(boundaries.ndim() == 1, "bucketize(): boundaries tensor must be 1 dimension, but got dim(", boundaries.ndim(),
        ")");
  return search("bucketize", boundaries, input, out_int32, right, Tensor());
}

Tensor isin(const Operand& elements, const Operand& among, bool, bool invert) {
  CHECK_KIND(Type, elements.is_tensor() || among.is_tensor(), "isin(): elements or test_elements must be a Tensor");
  DType type = result_type({elements, among});
  auto tensor = [&](const Operand& o) {
    return o.is_tensor() ? to(detach(o.tensor()), type) : scalar_tensor(o.scalar(), type);
  };
  Tensor e = tensor(elements), t = tensor(among);
  if (e.is_meta() || t.is_meta()) return empty(e.sizes(), DType::Bool, Device{DeviceType::Meta});
  if (t.numel() == 0) return full(e.sizes(), Scalar(invert), DType::Bool, e.device());
  Tensor sorted = std::get<0>(sort(reshape(t, IntVec{t.numel()}), 0));
  Tensor at = reshape(search("isin", sorted, e, false, false, Tensor()), IntVec{e.numel()});
  at = minimum(at, Scalar(t.numel() - 1));
  Tensor found = reshape(index_select(sorted, 0, at), e.sizes());
  return invert ? ne(found, e) : eq(found, e);
}

// ---- counting

void need_data(const char* op, const Tensor& x) {
  CHECK_KIND(NotImplemented, !x.is_meta(), op,
             "(): the shape of the result depends on the values, and a meta tensor has none");
}

Tensor bincount(const Tensor& x, std::optional<Tensor> weights, int64_t minlength) {
  need_data("bincount", x);
  CHECK_KIND(NotImplemented, is_integral(x.dtype()) && x.dtype() != DType::Bool,
             "\"bincount\" not implemented for 'torch.", name_of(x.dtype()), "': it counts integers");
  CHECK(x.ndim() == 1, "bincount only supports 1-d non-negative integral inputs, got shape ", shown(x.sizes()));
  CHECK(minlength >= 0, "minlength should be >= 0, got ", minlength);
  bool weighted = weights && weights->defined();
  if (weighted)
    CHECK(same(weights->sizes(), x.sizes()), "weights should be 1-d and have the same length as input, got ",
          shown(weights->sizes()), " and ", shown(x.sizes()));
  DType type = !weighted ? DType::Int64 : weights->dtype() == DType::Float32 ? DType::Float32 : DType::Float64;
  if (x.numel() == 0) return zeros(IntVec{minlength}, weighted ? type : DType::Int64);
  Tensor at = to(x, DType::Int64);
  auto [lo, hi] = std::pair(item(neg(amax(neg(at)))).to_int(), item(amax(at)).to_int());
  CHECK(lo >= 0, "bincount only supports 1-d non-negative integral inputs, got the value ", lo);
  Tensor ones_or_weights = weighted ? to(detach(*weights), type) : ones(x.sizes(), type, x.device());
  return scatter_add(zeros(IntVec{std::max(minlength, hi + 1)}, type, x.device()), 0, at, ones_or_weights);
}

Tensor histc(const Tensor& input, int64_t bins, const Scalar& min, const Scalar& max) {
  need_data("histc", input);
  CHECK(bins > 0, "bins must be > 0, but got ", bins);
  CHECK_KIND(NotImplemented, is_floating(input.dtype()), "\"histogram_cpu\" not implemented for 'torch.",
             name_of(input.dtype()), "': it works on floating point numbers");
  Tensor x = reshape(detach(input), IntVec{input.numel()});
  double lo = min.to_double(), hi = max.to_double();
  if (lo == hi && x.numel()) lo = item(neg(amax(neg(x)))).to_double(), hi = item(amax(x)).to_double();
  if (lo == hi) lo -= 1, hi += 1;
  CHECK(std::isfinite(lo) && std::isfinite(hi), "range of [", lo, ", ", hi, "] is not finite");
  CHECK(lo < hi, "max must be larger than min, got ", lo, " and ", hi);
  Tensor valid = logical_and(ge(x, lo), le(x, hi));
  Tensor at = to(where(valid, (x - lo) * (double(bins) / (hi - lo)), 0.0), DType::Int64);
  at = minimum(at, Scalar(bins - 1));
  return scatter_add(zeros(IntVec{bins}, x.dtype(), x.device()), 0, at, to(valid, x.dtype()));
}

}  // namespace

void register_sort() {
  const uint32_t out = kUsual | OutForm;
  const char* doc = "the elements along a dimension in order, and where each was; NaN counts as the largest";
  op<&sort_plain>("sort(Tensor input, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", out, doc);
  op<&sort_stable>(
      "sort(Tensor input, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", out,
      doc);
  doc = "where the elements of a sorted row were; equal ones keep their order";
  op<&argsort>("argsort(Tensor input, int dim=-1, bool descending=False) -> Tensor", kUsual, doc);
  op<&argsort_stable>("argsort(Tensor input, *, bool stable, int dim=-1, bool descending=False) -> Tensor", kUsual,
                      doc);
  op<&msort>("msort(Tensor input) -> Tensor", out, "sorted along the first dimension");
  op<&topk>(
      "topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)",
      out, "the k largest (smallest) elements along a dimension");
  op<&kthvalue>("kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", out,
                "the k-th smallest element, counted from 1");
  op<&median_all>("median(Tensor input) -> Tensor", kUsual,
                  "the median; of an even number, the lower middle one; NaN if any is");
  op<&median_dim>("median(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", out,
                  "the medians along a dimension, and where they are");
  op<&nanmedian_all>("nanmedian(Tensor input) -> Tensor", kUsual, "the median of what is not NaN");
  op<&nanmedian_dim>("nanmedian(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", out,
                     "the medians of what is not NaN");
  op<&mode_dim>("mode(Tensor input, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", out,
                "the most frequent element; of several, the smallest");
  doc = "the value below which a part q of the elements lies";
  op<&quantile_number<false>>(
      "quantile(Tensor input, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
      out, doc);
  op<&quantile_tensor<false>>(
      "quantile(Tensor input, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
      out, doc);
  op<&quantile_number<true>>(
      "nanquantile(Tensor input, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
      out, doc);
  op<&quantile_tensor<true>>(
      "nanquantile(Tensor input, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
      out, doc);
  op<&searchsorted>(
      "searchsorted(Tensor sorted_sequence, Tensor|Number input, *, bool out_int32=False, bool right=False, str? "
      "side=None, Tensor? sorter=None) -> Tensor",
      Function | OutForm, "where each value would have to be inserted to keep the last dimension sorted");
  op<&bucketize>(
      "bucketize(Tensor|Number input, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
      Function | OutForm, "the interval between boundaries each value lies in");
  op<&isin>(
      "isin(Tensor|Number elements, Tensor|Number test_elements, *, bool assume_unique=False, bool invert=False) -> "
      "Tensor",
      Function | OutForm, "whether each element is among the test elements");
  op<&bincount>("bincount(Tensor input, Tensor? weights=None, int minlength=0) -> Tensor", kUsual,
                "how often each number from 0 on occurs");
  op<&histc>("histc(Tensor input, int bins=100, Number min=0, Number max=0) -> Tensor", out,
             "how many elements lie in each of `bins` equal intervals");
}

}  // namespace lampas
