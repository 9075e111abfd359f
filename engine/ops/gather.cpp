// gather and scatter: one index for every element.
#include "ops/indexing.h"

namespace lampas {

namespace {

void check_index_tensor(const char* op, const Tensor& index) {
  CHECK(is_index_type(index.dtype()), op, "(): Expected dtype int32/int64 for index, got torch.",
        name_of(index.dtype()));
}

// Elements of `other` (seen in the index's shape) against elements of x along dimension d.
void move(IndexMode mode, const Tensor& x, int d, const Tensor& plain, const Tensor& other) {
  if (plain.numel() == 0) return;
  GatherCall c;
  c.mode = mode;
  c.type = x.dtype();
  int64_t item = int64_t(x.item_size());
  c.index = plain.data<int64_t>();
  c.indexed = static_cast<char*>(x.data());
  c.other = static_cast<char*>(other.data());
  auto stride = [](const Tensor& t, int k) { return k < t.ndim() ? t.strides()[k] : 0; };
  c.ndim = 1;
  c.sizes[0] = plain.ndim() ? plain.sizes()[d] : 1;
  c.index_strides[0] = stride(plain, d) * 8;
  c.indexed_strides[0] = stride(x, d) * item;
  c.other_strides[0] = stride(other, d) * item;
  for (int k = plain.ndim() - 1; k >= 0; k--) {
    int64_t size = plain.sizes()[k];
    if (k == d || size == 1) continue;
    int64_t is = stride(plain, k) * 8, xs = stride(x, k) * item, os = stride(other, k) * item;
    int last = c.ndim - 1;
    if (last > 0 && is == c.index_strides[last] * c.sizes[last] && xs == c.indexed_strides[last] * c.sizes[last] &&
        os == c.other_strides[last] * c.sizes[last]) {
      c.sizes[last] *= size;
      continue;
    }
    CHECK(c.ndim < 24, "gather and scatter over more than 24 separate dimensions are not supported");
    c.sizes[c.ndim] = size;
    c.index_strides[c.ndim] = is;
    c.indexed_strides[c.ndim] = xs;
    c.other_strides[c.ndim++] = os;
  }
  kernels(x.device()).gather(c);
}

// A 0-d tensor counts as one of one element; the checks and the kernel then see equal numbers of dimensions.
Tensor with_dimension(const Tensor& t) { return t.ndim() ? t : alias(t, IntVec{1}, IntVec{1}, t.offset()); }

// The checked index of a scatter, in kernel form; `src` may be undefined.
Tensor scatter_index(const char* op, const Tensor& x, int d, const Tensor& index, const Tensor& src) {
  check_index_tensor(op, index);
  Tensor plain = with_dimension(plain_index(index));
  if (plain.numel() == 0) return plain;
  int n = std::max(x.ndim(), 1);
  CHECK(plain.ndim() == n, "Index tensor must have the same number of dimensions as self tensor: got shapes ",
        shown(index.sizes()), " and ", shown(x.sizes()));
  if (src.defined())
    CHECK(std::max(src.ndim(), 1) == n,
          "Index tensor must have the same number of dimensions as src tensor: got shapes ", shown(index.sizes()),
          " and ", shown(src.sizes()));
  for (int k = 0; k < n; k++) {
    int64_t have = x.ndim() ? x.sizes()[k] : 1;
    bool fits = k == d || plain.sizes()[k] <= have;
    if (src.defined()) fits &= plain.sizes()[k] <= (src.ndim() ? src.sizes()[k] : 1);
    CHECK(fits, "Expected index ", shown(index.sizes()), " to be no larger than self ", shown(x.sizes()),
          " apart from dimension ", d,
          src.defined() ? text(" and to be no larger size than src ", shown(src.sizes())) : std::string());
  }
  check_index(ErrorKind::Runtime, plain, d, x.ndim() ? x.sizes()[d] : 1, false);
  return plain;
}

// The part of the source that an index smaller than it reaches has a gradient, the rest none.
Tensor source_gradient(const Tensor& g, Ints sizes, DType type) {
  if (same(g.sizes(), sizes)) return reduce_gradient(g, sizes, type);
  if (sizes.empty()) return reduce_gradient(reshape(g, {}), sizes, type);
  IntVec pad;
  for (int k = int(sizes.size()) - 1; k >= 0; k--) {
    pad.push_back(0);
    pad.push_back(sizes[k] - (k < g.ndim() ? g.sizes()[k] : 0));
  }
  return reduce_gradient(pad_constant(g, pad, 0), sizes, type);
}

Tensor gather_op(const Tensor& x, int64_t dim, const Tensor& index, bool sparse_grad, const Out& out) {
  return into("gather", out, x.dtype(), recording(x), [&] { return gather(x, dim, index, sparse_grad); });
}

Tensor scatter_value(const Tensor& x, int64_t dim, const Tensor& index, const Scalar& value, const Out& out,
                     IndexMode mode = IndexMode::Write) {
  int d = wrap_dim(dim, x.ndim());
  check_fits(value, x.dtype());
  Tensor plain = scatter_index("scatter", x, d, index, {});
  return write_into(
      "scatter", "ScatterBackward1", x, {}, index, out,
      [&](const Tensor& y) {
        NoGrad guard;
        Tensor one = full({}, value, x.dtype(), x.device());
        move(mode, with_dimension(y), d, plain, expand(one, plain.sizes()));
      },
      [d, mode](Back& b) {
        CHECK(mode == IndexMode::Write,
              "the derivative of scatter with reduce= is not implemented: use scatter_reduce or scatter_add");
        if (b.grad().defined()) b.set(0, [&] { return scatter(b.grad(), d, b.saved(0), 0); });
      });
}

Tensor scatter_source(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src, const Out& out,
                      IndexMode mode = IndexMode::Write) {
  int d = wrap_dim(dim, x.ndim());
  CHECK(src.dtype() == x.dtype(), "scatter(): Expected self.dtype to be equal to src.dtype, got ", name_of(x.dtype()),
        " and ", name_of(src.dtype()));
  Tensor plain = scatter_index("scatter", x, d, index, src);
  const char* grad_name = mode == IndexMode::Add ? "ScatterAddBackward0" : "ScatterBackward0";
  return write_into(
      "scatter", grad_name, x, src, index, out,
      [&](const Tensor& y) { move(mode, with_dimension(y), d, plain, with_dimension(apart_from(src, y))); },
      [d, mode, sizes = src->sizes, type = src.dtype()](Back& b) {
        const Tensor& g = b.grad();
        if (!g.defined()) return;
        CHECK(mode == IndexMode::Write || mode == IndexMode::Add,
              "the derivative of scatter with reduce='multiply' is not implemented: use scatter_reduce");
        b.set(0, [&] { return mode == IndexMode::Add ? g : scatter(g, d, b.saved(0), 0); });
        b.set(1, [&] { return source_gradient(gather(g, d, b.saved(0)), sizes, type); });
      });
}

IndexMode mode_named(std::string_view reduce) {
  CHECK(reduce == "add" || reduce == "multiply", "reduce argument must be either add or multiply, got '", reduce, "'.");
  return reduce == "add" ? IndexMode::Add : IndexMode::Multiply;
}

Tensor scatter_op(const Tensor& x, int64_t dim, const Tensor& index, const Operand& src,
                  std::optional<std::string_view> reduce, const Out& out) {
  IndexMode mode = reduce ? mode_named(*reduce) : IndexMode::Write;
  return src.is_tensor() ? scatter_source(x, dim, index, src.tensor(), out, mode)
                         : scatter_value(x, dim, index, src.scalar(), out, mode);
}

Tensor scatter_add_op(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src, const Out& out) {
  return scatter_source(x, dim, index, src, out, IndexMode::Add);
}

// ---- scatter_reduce ----

enum class Reduction : uint8_t { Sum, Prod, Mean, Max, Min };

Scalar neutral(Reduction r, DType type) {
  if (r == Reduction::Prod) return 1;
  if (r != Reduction::Max && r != Reduction::Min) return 0;
  bool low = r == Reduction::Max;
  if (is_floating(type)) return low ? -INFINITY : INFINITY;
  return dispatch(type, [&]<class T>(TypeTag<T>) -> Scalar {
    if constexpr (std::is_same_v<T, bool>)
      return Scalar(!low);
    else if constexpr (std::is_integral_v<T>)
      return Scalar(int64_t(low ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max()));
    else
      return Scalar(0);
  });
}

// How many values were averaged at each place, at least 1.
Tensor counts(const Tensor& x, int d, const Tensor& index, bool include_self) {
  Tensor start = full(x.sizes(), include_self ? 1 : 0, x.dtype(), x.device());
  Tensor n = scatter_add(start, d, index, ones(index.sizes(), x.dtype(), x.device()));
  return masked_fill(n, eq(n, 0), 1);
}

Tensor scatter_reduced(Reduction r, const Tensor& x, int d, const Tensor& index, const Tensor& src, bool include_self) {
  NoGrad guard;
  Tensor plain = scatter_index("scatter_reduce", x, d, index, src);
  Tensor y = clone_data(x), target = with_dimension(y);
  if (!include_self && plain.numel())
    move(IndexMode::Write, target, d, plain,
         expand(full({}, neutral(r, x.dtype()), x.dtype(), x.device()), plain.sizes()));
  IndexMode mode = r == Reduction::Prod  ? IndexMode::Multiply
                   : r == Reduction::Max ? IndexMode::Max
                   : r == Reduction::Min ? IndexMode::Min
                                         : IndexMode::Add;
  move(mode, target, d, plain, with_dimension(src));
  if (r == Reduction::Mean) {
    Tensor n = counts(x, d, index, include_self);
    y = is_integral(x.dtype()) ? floor_divide(y, n) : y / n;
  }
  return y;
}

// Every gradient of scatter_reduce, of self (`of_self`) or of the source.
Tensor scatter_reduce_gradient(Reduction r, bool of_self, const Tensor& g, const Tensor& x, int d, const Tensor& index,
                               const Tensor& src, const Tensor& y, bool include_self) {
  Tensor r_self, r_src;
  auto part_of = [&](const Tensor& t) { return gather(t, d, index); };
  Tensor s = src;  // the part that the index reaches
  for (int k = 0; k < s.ndim(); k++)
    if (s.sizes()[k] != index.sizes()[k]) s = narrow(s, k, 0, index.sizes()[k]);
  switch (r) {
    case Reduction::Sum:
      if (of_self)
        r_self = g;
      else
        r_src = part_of(g);
      break;
    case Reduction::Mean: {
      Tensor share = g / counts(x, d, index, include_self);
      if (of_self)
        r_self = share;
      else
        r_src = part_of(share);
      break;
    }
    case Reduction::Prod:
      if (of_self) {
        r_self = g * scatter_reduce(ones_like(x), d, index, s, "prod", true);
      } else {
        // Where one factor alone is 0 its derivative is the product of the others; where more are, all derivatives are
        // 0.
        Tensor zero = eq(s, 0);
        Tensor zeros_there =
            scatter_add(include_self ? to(eq(x, 0), s.dtype()) : zeros(x.sizes(), s.dtype(), s.device()), d, index,
                        to(zero, s.dtype()));
        Tensor single = logical_and(zero, eq(part_of(zeros_there), 1));
        Tensor others = scatter_reduce(x, d, index, masked_fill(s, single, 1), "prod", include_self);
        Tensor regular = part_of(g * y) / masked_fill(s, zero, 1);
        r_src = where(single, part_of(g * others), where(zero, 0.0, regular));
      }
      break;
    default: {  // amax, amin: shared among all that are the extreme
      Tensor self_wins = to(eq(x, y), g.dtype()), source_wins = to(eq(s, part_of(y)), g.dtype());
      Tensor start = include_self ? self_wins : scatter(self_wins, d, index, 0);
      Tensor n = scatter_add(start, d, index, source_wins);
      Tensor share = g / masked_fill(n, eq(n, 0), 1);
      if (of_self)
        r_self = self_wins * share;
      else
        r_src = source_wins * part_of(share);
    }
  }
  if (of_self) return include_self ? r_self : scatter(r_self, d, index, 0);
  return source_gradient(r_src, src.sizes(), src.dtype());
}

Tensor take_along_dim(const Tensor& input, const Tensor& indices, std::optional<int64_t> dim) {
  CHECK(indices.dtype() == DType::Int64, "torch.take_along_dim(): dtype of indices should be Long but got ",
        name_of(indices.dtype()));
  if (!dim) return gather(reshape(input, IntVec{-1}), 0, reshape(indices, IntVec{-1}));
  CHECK(input.ndim() == indices.ndim(),
        "torch.take_along_dim(): input and indices should have the same number of dimensions, but got ", input.ndim(),
        " dimensions for input, and ", indices.ndim(), " dimensions for indices");
  int d = wrap_dim(*dim, input.ndim());
  IntVec a = input->sizes, b = indices->sizes;
  if (input.ndim() == 0) return gather(input, 0, indices);
  // All dimensions but d broadcast.
  a[d] = indices.sizes()[d];
  IntVec shape = broadcast(a, indices.sizes());
  b = shape;
  b[d] = indices.sizes()[d];
  a = shape;
  a[d] = input.sizes()[d];
  return gather(expand(input, a), d, expand(indices, b));
}

Tensor scatter_reduce_op(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src, std::string_view reduce,
                         bool include_self, const Out& out) {
  return scatter_reduce(x, dim, index, src, reduce, include_self, out);
}
Tensor take_along_dim_op(const Tensor& x, const Tensor& indices, std::optional<int64_t> dim, const Out& out) {
  return into("take_along_dim", out, x.dtype(), recording(x), [&] { return take_along_dim(x, indices, dim); });
}

}  // namespace

Tensor gather(const Tensor& x, int64_t dim, const Tensor& index, bool) {
  int d = wrap_dim(dim, x.ndim());
  check_index_tensor("gather", index);
  Tensor y = empty(index.sizes(), x.dtype(), x.device());
  if (index.numel()) {
    NoGrad guard;
    int n = std::max(x.ndim(), 1);
    CHECK(std::max(index.ndim(), 1) == n,
          "Index tensor must have the same number of dimensions as input tensor: got shapes ", shown(index.sizes()),
          " and ", shown(x.sizes()));
    for (int k = 0; k < index.ndim(); k++)
      CHECK(k == d || index.sizes()[k] <= (x.ndim() ? x.sizes()[k] : 1), "Size does not match at dimension ", k,
            " expected index ", shown(index.sizes()), " to be no larger than self ", shown(x.sizes()),
            " apart from dimension ", d);
    Tensor plain = with_dimension(plain_index(index));
    check_index(ErrorKind::Runtime, plain, d, x.ndim() ? x.sizes()[d] : 1, false);
    move(IndexMode::Read, with_dimension(x), d, plain, with_dimension(y));
  }
  if (recording(x))
    record("GatherBackward0", {&x}, {&y}, {{"index", &index}}, [d, sizes = x->sizes](Back& b) {
      const Tensor& g = b.grad();
      if (!g.defined()) return;
      b.set(0, [&] {
        return into_zeros(
            sizes, g, [&](const Tensor& z, const Out& o) { scatter_source(z, d, b.saved(0), g, o, IndexMode::Add); });
      });
    });
  return y;
}

Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Operand& src) {
  return src.is_tensor() ? scatter_source(x, dim, index, src.tensor(), {})
                         : scatter_value(x, dim, index, src.scalar(), {});
}
Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src) {
  return scatter_source(x, dim, index, src, {}, IndexMode::Add);
}

Tensor scatter_reduce(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src, std::string_view reduce,
                      bool include_self, const Out& out, const char* grad_name) {
  static constexpr std::pair<std::string_view, Reduction> kNames[] = {{"sum", Reduction::Sum},
                                                                      {"prod", Reduction::Prod},
                                                                      {"mean", Reduction::Mean},
                                                                      {"amax", Reduction::Max},
                                                                      {"amin", Reduction::Min}};
  const Reduction* found = nullptr;
  for (const auto& [name, r] : kNames)
    if (name == reduce) found = &r;
  CHECK(found, "reduce argument must be either sum, prod, mean, amax or amin, got ", reduce);
  Reduction r = *found;
  CHECK(src.dtype() == x.dtype(), "scatter(): Expected self.dtype to be equal to src.dtype, got ", name_of(x.dtype()),
        " and ", name_of(src.dtype()));
  CHECK(!is_complex(x.dtype()) || (r != Reduction::Max && r != Reduction::Min), "scatter_reduce(): ", reduce,
        " has no meaning for complex tensors");
  int d = wrap_dim(dim, x.ndim());
  auto compute = [&](const Tensor& from) {
    Tensor y = scatter_reduced(r, from, d, index, src, include_self);
    if (recording(from, src))
      record(grad_name, {&from, &src}, {&y}, {{"self", &from}, {"index", &index}, {"src", &src}, {"result", &y}},
             [r, d, include_self](Back& b) {
               const Tensor& g = b.grad();
               if (!g.defined()) return;
               Tensor x = b.saved(0), index = b.saved(1), src = b.saved(2), y = b.saved(3);
               b.set(0, [&] { return scatter_reduce_gradient(r, true, g, x, d, index, src, y, include_self); });
               b.set(1, [&] { return scatter_reduce_gradient(r, false, g, x, d, index, src, y, include_self); });
             });
    return y;
  };
  if (!out.given()) return compute(x);
  bool records = recording(x, src);
  if (out.inplace()) {
    check_inplace(x, records);
    check_writable(x);
    if (records) return recorded_inplace(x, compute);
    copy_data(x, compute(x));
    x.bump_version();
    return x;
  }
  check_out("scatter_reduce", out, records);
  check_out_type("scatter_reduce", out, x.dtype());
  Tensor y = deliver(out, compute(x));
  y.bump_version();
  return y;
}

void register_gather() {
  op<&gather_op>("gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor", kUsual | OutForm,
                 "input[..., index[...], ...] along a dimension");
  op<&scatter_op>("scatter(Tensor input, int dim, Tensor index, Tensor|Number src, *, str? reduce=None) -> Tensor",
                  kAll, "src written at the indices along a dimension");
  op<&scatter_op>("scatter(Tensor input, int dim, Tensor index, Number value, *, str? reduce=None) -> Tensor", kAll);
  op<&scatter_add_op>("scatter_add(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", kAll,
                      "src added at the indices along a dimension");
  op<&scatter_reduce_op>(
      "scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> "
      "Tensor",
      kAll, "src combined at the indices along a dimension: sum, prod, mean, amax or amin");
  op<&take_along_dim_op>("take_along_dim(Tensor input, Tensor indices, int? dim=None) -> Tensor", kUsual | OutForm,
                         "gather with broadcasting; without dim, of the flattened input");
}

}  // namespace lampas
