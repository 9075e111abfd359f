// Indexing by tensors of indices and by masks.
#include "ops/indexing.h"

#include "core/threads.h"

namespace lampas {

Tensor plain_index(const Tensor& index) {
  NoGrad guard;
  return contiguous(index.dtype() == DType::Int64 ? index : to(index, DType::Int64));
}

void check_index(ErrorKind kind, const Tensor& plain, int dim, int64_t size, bool negative_allowed) {
  IndexRange r = kernels(plain.device()).index_range(plain.data<int64_t>(), plain.numel());
  if (r.high < r.low) return;
  int64_t lowest = negative_allowed ? -size : 0;
  if (r.low >= lowest && r.high < size) return;
  fail(kind, "index ", r.high >= size ? r.high : r.low, " is out of bounds for dimension ", dim, " with size ", size,
       negative_allowed ? text(": indices go from ", -size, " to ", size - 1)
                        : text(": indices go from 0 to ", size - 1));
}

void check_writable(const Tensor& x) {
  for (int d = 0; d < x.ndim(); d++)
    CHECK(x.numel() == 0 || !(x.strides()[d] == 0 && x.sizes()[d] > 1),
          "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
          "Please clone() the tensor before performing the operation.");
}

Tensor apart_from(const Tensor& source, const Tensor& x) {
  return source->storage.get() == x->storage.get() ? clone_data(source) : source;
}

namespace {

// Some dimensions of a tensor replaced by one list of positions.
struct Positions {
  std::vector<Tensor> index;  // one for each entry of dims: contiguous int64, all of shape `shape`
  std::vector<int> dims;
  IntVec shape;
  int place = 0;  // where `shape` stands in the result

  IntVec result_shape(Ints sizes) const {
    IntVec out;
    for (int d = 0, k = 0; d <= int(sizes.size()); d++) {
      if (out.size() == place && k == 0) {
        for (int64_t s : shape) out.push_back(s);
        k = 1;
      }
      if (d < int(sizes.size()) && std::find(dims.begin(), dims.end(), d) == dims.end()) out.push_back(sizes[d]);
    }
    return out;
  }
};

// Moves elements between x's positions and `other`, which has the result's shape.
void move(IndexMode mode, const Tensor& x, const Positions& p, Tensor other) {
  if (other.numel() == 0) return;
  const Kernels& k = kernels(x.device());
  int64_t n = product(p.shape), item = int64_t(x.item_size());
  int lists = p.shape.size();
  // The positions of `other` must lie at equal distances.
  IntVec other_strides = other->strides;
  int64_t step = lists ? other_strides[p.place + lists - 1] : 0;
  for (int d = lists - 2; d >= 0; d--)
    if (other_strides[p.place + d] != other_strides[p.place + d + 1] * other.sizes()[p.place + d + 1]) {
      other = contiguous(other);
      other_strides = other->strides;
      step = other_strides[p.place + lists - 1];
      break;
    }
  Tensor offsets = empty(IntVec{n}, DType::Int64, x.device());
  std::vector<const int64_t*> lists_of_indices;
  std::vector<int64_t> sizes, strides;
  for (size_t i = 0; i < p.dims.size(); i++) {
    lists_of_indices.push_back(p.index[i].data<int64_t>());
    sizes.push_back(x.ndim() ? x.sizes()[p.dims[i]] : 1);
    strides.push_back(x.ndim() ? x.strides()[p.dims[i]] * item : 0);
  }
  k.index_offsets(
      {int(p.dims.size()), n, lists_of_indices.data(), sizes.data(), strides.data(), offsets.data<int64_t>()});
  IndexCall c;
  c.mode = mode;
  c.type = x.dtype();
  c.n = n;
  c.step = step * item;
  c.offsets = offsets.data<int64_t>();
  c.indexed = static_cast<char*>(x.data());
  c.other = static_cast<char*>(other.data());
  for (int d = x.ndim() - 1, r = other.ndim() - 1; d >= 0; d--) {
    if (std::find(p.dims.begin(), p.dims.end(), d) != p.dims.end()) continue;
    if (r == p.place + lists - 1) r -= lists;
    int64_t size = x.sizes()[d], xs = x.strides()[d] * item, os = other_strides[r--] * item;
    if (size == 1) continue;
    int last = c.ndim - 1;
    if (last >= 0 && xs == c.indexed_strides[last] * c.sizes[last] && os == c.other_strides[last] * c.sizes[last]) {
      c.sizes[last] *= size;
      continue;
    }
    CHECK(c.ndim < 24, "indexing a tensor of more than 24 separate dimensions is not supported");
    c.sizes[c.ndim] = size;
    c.indexed_strides[c.ndim] = xs;
    c.other_strides[c.ndim++] = os;
  }
  k.index(c);
}

Tensor take_positions(const Tensor& x, const Positions& p) {
  Tensor y = empty(p.result_shape(x.sizes()), x.dtype(), x.device());
  move(IndexMode::Read, x, p, y);
  return y;
}

// A value of any shape that broadcasts to the result's, as the kernel takes it.
Tensor spread(const Tensor& values, Ints shape) {
  NoGrad guard;
  return same(values.sizes(), shape) ? values : expand(values, shape);
}

// ---- x[index, ...] ----

Tensor positions_of(const Tensor& mask) {
  CHECK_KIND(
      NotImplemented, !mask.is_meta(),
      "nonzero, and indexing by a mask, is not possible on meta tensors: how many elements there are depends on data");
  NoGrad guard;
  Tensor plain = contiguous(mask.dtype() == DType::Bool ? mask : ne(mask, 0));
  const Kernels& k = kernels(mask.device());
  int64_t n = plain.numel(), count = k.count_true(plain.data<bool>(), n);
  int ndim = mask.ndim();
  Tensor y = empty(IntVec{ndim, count}, DType::Int64, mask.device());
  if (count && ndim) k.true_positions({plain.data<bool>(), n, count, ndim, plain.sizes().data(), y.data<int64_t>()});
  return y;  // a row for each dimension
}

bool is_mask(const Tensor& t) { return t.dtype() == DType::Bool || t.dtype() == DType::UInt8; }

Positions resolve(const Tensor& x, const std::vector<Tensor>& indices) {
  std::vector<std::pair<int, Tensor>> entries;
  int d = 0;
  int consumed = 0;
  for (const Tensor& t : indices) consumed += t.defined() && is_mask(t) ? t.ndim() : 1;
  CHECK_KIND(Index, consumed <= x.ndim(), "too many indices for tensor of dimension ", x.ndim(), " (got ", consumed,
             ")");
  for (const Tensor& t : indices) {
    if (!t.defined()) {
      d++;
      continue;
    }
    if (is_mask(t)) {
      for (int k = 0; k < t.ndim(); k++)
        CHECK_KIND(Index, t.sizes()[k] == x.sizes()[d + k], "The shape of the mask ", shown(t.sizes()), " at index ", k,
                   " does not match the shape of the indexed tensor ", shown(x.sizes()), " at index ", d + k);
      Tensor where = positions_of(t);
      for (int k = 0; k < t.ndim(); k++)
        entries.emplace_back(d++, alias(where, IntVec{where.sizes()[1]}, IntVec{1}, k * where.sizes()[1]));
      continue;
    }
    CHECK_KIND(Index, is_index_type(t.dtype()),
               "tensors used as indices must be long, int, byte or bool tensors, got torch.", name_of(t.dtype()));
    entries.emplace_back(d++, t);
  }
  Positions p;
  for (auto& [dim, t] : entries) {
    bool fits = can_broadcast(t.sizes(), p.shape) || can_broadcast(p.shape, t.sizes());
    if (!fits) {
      int n = std::min(t.ndim(), p.shape.size());
      fits = true;
      for (int k = 1; k <= n; k++) {
        int64_t a = t.sizes()[t.ndim() - k], b = p.shape[p.shape.size() - k];
        fits &= a == b || a == 1 || b == 1;
      }
    }
    if (!fits) {
      std::string shapes;
      for (auto& [_, other] : entries) shapes += text(shapes.empty() ? "" : ", ", shown(other.sizes()));
      fail(ErrorKind::Index, "shape mismatch: indexing tensors could not be broadcast together with shapes ", shapes);
    }
    p.shape = broadcast(p.shape, t.sizes());
  }
  NoGrad guard;
  bool adjacent = true;
  for (size_t i = 0; i < entries.size(); i++) {
    auto& [dim, t] = entries[i];
    adjacent &= i == 0 || dim == entries[i - 1].first + 1;
    Tensor plain = plain_index(t);
    int64_t size = x.sizes()[dim];
    if (product(p.shape) > 0) {
      CHECK_KIND(Index, size > 0, "index is out of bounds for dimension ", dim, " with size 0");
      check_index(ErrorKind::Index, plain, dim, size, true);
    }
    p.index.push_back(same(plain.sizes(), p.shape) ? plain : contiguous(expand(plain, p.shape)));
    p.dims.push_back(dim);
  }
  // Index tensors side by side keep their place; apart, their dimensions come first.
  p.place = adjacent && !entries.empty() ? entries[0].first : 0;
  return p;
}

// Masked dimensions that lie in memory as one are indexed as one: a mask alone needs no coordinates.
Tensor take_masked(const Tensor& x, const Tensor& mask, int d) {
  int n = mask.ndim();
  for (int k = 0; k < n; k++) {
    if (d + k >= x.ndim() || mask.sizes()[k] != x.sizes()[d + k]) return {};
    if (k && x.strides()[d + k - 1] != x.strides()[d + k] * x.sizes()[d + k]) return {};
  }
  NoGrad guard;
  IntVec sizes(x.sizes().first(d)), strides(x.strides().first(d));
  sizes.push_back(mask.numel());
  strides.push_back(x.strides()[d + n - 1]);
  for (int k = d + n; k < x.ndim(); k++) {
    sizes.push_back(x.sizes()[k]);
    strides.push_back(x.strides()[k]);
  }
  Positions p;
  Tensor at = positions_of(reshape(mask, IntVec{-1}));
  p.index.push_back(reshape(at, IntVec{-1}));
  p.shape = p.index[0]->sizes;
  p.dims.push_back(d);
  p.place = d;
  return take_positions(alias(x, sizes, strides, x.offset()), p);
}
Tensor take_all(const Tensor& x, const std::vector<Tensor>& indices) {
  int at = -1, given = 0;
  for (size_t i = 0; i < indices.size(); i++)
    if (indices[i].defined()) at = int(i), given++;
  if (given == 1 && is_mask(indices[size_t(at)]) && indices[size_t(at)].ndim() > 0)
    if (Tensor y = take_masked(x, indices[size_t(at)], at); y.defined()) return y;
  return take_positions(x, resolve(x, indices));
}

// The index tensors as the gradient needs them, kept with their versions.
void keep(const Ref<Node>& n, const std::vector<Tensor>& indices) {
  for (size_t i = 0; i < indices.size(); i++) save_tensor(*n, int(i), "indices", indices[i], false, 0);
}
std::vector<Tensor> kept(const Back& b, int count) {
  std::vector<Tensor> indices;
  for (int i = 0; i < count; i++) indices.push_back(b.saved(i));
  return indices;
}

Tensor put(const Tensor& x, const std::vector<Tensor>& indices, const Tensor& given, bool accumulate, bool inplace) {
  CHECK(given.dtype() == x.dtype(), "Index put requires the source and destination dtypes match, got ",
        name_of(x.dtype()), " for the destination and ", name_of(given.dtype()),
        " for the source: convert the values with .to(dtype)");
  bool records = recording(x, given);
  if (inplace) {
    check_inplace(x, records);
    check_writable(x);
  }
  Tensor y = inplace ? x : clone_data(x);
  Tensor values = apart_from(given, y);
  bool done = false;
  if (indices.size() == 1 && indices[0].defined() && indices[0].dtype() == DType::Bool && given.numel() == 1 &&
      !accumulate && indices[0].ndim() <= x.ndim()) {
    // One value under a mask needs no list of positions.
    NoGrad guard;
    Tensor mask = indices[0], value = reshape(values, IntVec{});
    if (same(mask.sizes(), x.sizes().first(mask.ndim()))) {
      IntVec shape = mask->sizes;
      while (shape.size() < x.ndim()) shape.push_back(1);
      elementwise_where(reshape(mask, shape), value, y, y.dtype(), Out{Out::Inplace, &y});
      done = true;
    }
  }
  if (!done) {
    Positions p = resolve(x, indices);
    IntVec shape = p.result_shape(x.sizes());
    // Leading dimensions of size 1 of the values fall away.
    IntVec trimmed = values->sizes;
    while (trimmed.size() > shape.size() && trimmed[0] == 1) trimmed.erase(0);
    CHECK(can_broadcast(trimmed, shape), "shape mismatch: value tensor of shape ", shown(given.sizes()),
          " cannot be broadcast to indexing result of shape ", shown(shape));
    NoGrad guard;
    move(accumulate ? IndexMode::Add : IndexMode::Write, y, p, spread(reshape(values, trimmed), shape));
  }
  Ref<Node> n;
  if (records) {
    n = make_node(
        "IndexPutBackward0",
        [count = int(indices.size()), accumulate, sizes = given->sizes, type = given.dtype()](Back& b) {
          const Tensor& g = b.grad();
          if (!g.defined()) return;
          std::vector<Tensor> at = kept(b, count);
          b.set(0, [&] { return accumulate ? g : index_put(g, at, zeros({}, g.dtype(), g.device()), false); });
          b.set(1, [&] {
            Tensor part = index(g, at);
            IntVec trimmed = sizes;
            while (trimmed.size() > part.ndim() && trimmed[0] == 1) trimmed.erase(0);
            return reshape(reduce_gradient(part, trimmed, type), sizes);
          });
        },
        2, 1, int(indices.size()));
    if (inplace)
      connect(n, {&x, &given}, {}, {});
    else
      connect(n, {&x, &given}, {&y}, {});
    keep(n, indices);
  }
  if (inplace) written_inplace(x, n);
  return y;
}

}  // namespace

Tensor index(const Tensor& x, const std::vector<Tensor>& indices) {
  Tensor y = take_all(x, indices);
  if (recording(x)) {
    Ref<Node> n = make_node(
        "IndexBackward0",
        [count = int(indices.size()), sizes = x->sizes](Back& b) {
          const Tensor& g = b.grad();
          if (!g.defined()) return;
          b.set(0, [&] {
            return into_zeros(sizes, g, [&](const Tensor& z, const Out&) { put(z, kept(b, count), g, true, true); });
          });
        },
        1, 1, int(indices.size()));
    connect(n, {&x}, {&y}, {});
    keep(n, indices);
  }
  return y;
}
Tensor index_put(const Tensor& x, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate) {
  return put(x, indices, values, accumulate, false);
}
Tensor index_put_(const Tensor& x, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate) {
  put(x, indices, values, accumulate, true);
  return x;
}

// ---- one dimension ----

namespace {

Positions along(const char* op, const Tensor& x, int d, const Tensor& index, ErrorKind kind, bool negative_allowed) {
  CHECK_KIND(Index, index.ndim() <= 1, op, "(): Index is supposed to be a vector, but got shape ",
             shown(index.sizes()));
  CHECK(is_index_type(index.dtype()), op, "(): Expected dtype int32/int64 for index but got: ", name_of(index.dtype()));
  NoGrad guard;
  Tensor plain = reshape(plain_index(index), IntVec{index.numel()});
  check_index(kind, plain, d, x.ndim() ? x.sizes()[d] : 1, negative_allowed);
  Positions p;
  p.shape = plain->sizes;
  p.index.push_back(std::move(plain));
  p.dims.push_back(d);
  p.place = d;
  if (x.ndim() == 0) p.place = 0;
  return p;
}

// x and other, with a 0-d tensor seen as one of one element.
Tensor with_dimension(const Tensor& t) {
  NoGrad guard;
  return t.ndim() ? t : alias(t, IntVec{1}, IntVec{1}, t.offset());
}

// Shapes of x and source must agree but for dimension d, which has an entry for each index.
void check_source(const char* op, const Tensor& x, int d, const Tensor& index, const Tensor& source) {
  int64_t have = source.ndim() ? source.sizes()[std::min(d, source.ndim() - 1)] : 1;
  CHECK_KIND(
      Index, std::max(source.ndim(), 1) == std::max(x.ndim(), 1) || source.ndim() == 0, op,
      "(): When source and destination are not scalars, their dimensionality must match. Source dimensionality (",
      source.ndim(), "), destination dimensionality (", x.ndim(), ")");
  CHECK(index.numel() == have, op, "(): Number of indices (", index.numel(), ") should be equal to source.size(dim): (",
        have, "), for dim: ", d);
  for (int k = 0; k < x.ndim() && source.ndim(); k++)
    CHECK(k == d || x.sizes()[k] == source.sizes()[k], op,
          "(): source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = ",
          shown(x.sizes()), " source.shape = ", shown(source.sizes()));
}

Tensor add_at(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, const Scalar& alpha,
              const Out& out) {
  int d = wrap_dim(dim, x.ndim());
  CHECK(source.dtype() == x.dtype(), "index_add_(): self (", name_of(x.dtype()), ") and source (",
        name_of(source.dtype()), ") must have the same scalar type");
  Positions p = along("index_add", x, d, index, x.ndim() > 1 ? ErrorKind::Runtime : ErrorKind::Index, false);
  check_source("index_add_", x, d, index, source);
  return write_into(
      "index_add", "IndexAddBackward0", x, source, index, out,
      [&](const Tensor& y) {
        NoGrad guard;
        Tensor s = apart_from(source, y);
        if (!alpha.equals(1)) s = to(mul(s, alpha), x.dtype());
        move(IndexMode::Add, with_dimension(y), p, with_dimension(s));
      },
      [d, alpha, shape = source->sizes, type = source.dtype()](Back& b) {
        const Tensor& g = b.grad();
        if (!g.defined()) return;
        b.set(0, [&] { return g; });
        b.set(1, [&] {
          Tensor part = reshape(index_select(g, d, b.saved(0)), shape);
          return reduce_gradient(alpha.equals(1) ? part : mul(part, alpha), shape, type);
        });
      });
}

Tensor copy_at(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, const Out& out) {
  int d = wrap_dim(dim, x.ndim());
  CHECK(index.dtype() == DType::Int64, "index_copy_(): Expected a long tensor for index, but got ",
        name_of(index.dtype()));
  CHECK(source.dtype() == x.dtype(), "index_copy_(): self and source expected to have the same dtype, but got (self) ",
        name_of(x.dtype()), " and (source) ", name_of(source.dtype()));
  Positions p = along("index_copy_", x, d, index, ErrorKind::Index, false);
  CHECK_KIND(Index, index.numel() == (source.ndim() ? source.size(std::min(d, source.ndim() - 1)) : 1),
             "index_copy_(): Number of indices (", index.numel(), ") should be equal to source.size(dim) (",
             source.ndim() ? source.size(std::min(d, source.ndim() - 1)) : 1, ")");
  check_source("index_copy_", x, d, index, source);
  return write_into(
      "index_copy", "IndexCopyBackward0", x, source, index, out,
      [&](const Tensor& y) { move(IndexMode::Write, with_dimension(y), p, with_dimension(apart_from(source, y))); },
      [d, shape = source->sizes, type = source.dtype()](Back& b) {
        const Tensor& g = b.grad();
        if (!g.defined()) return;
        b.set(0, [&] { return index_fill(g, d, b.saved(0), 0); });
        b.set(1, [&] { return reduce_gradient(reshape(index_select(g, d, b.saved(0)), shape), shape, type); });
      });
}

}  // namespace

Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index) {
  int d = wrap_dim(dim, x.ndim());
  Positions p = along("index_select", x, d, index, ErrorKind::Index, false);
  CHECK(x.ndim() > 0 || index.numel() == 1, "index_select(): Index to scalar can have only 1 value, got ",
        index.numel(), " value(s)");
  Tensor y = take_positions(with_dimension(x), p);
  if (x.ndim() == 0) y = alias(y, {}, {}, 0);
  if (recording(x)) {
    record("IndexSelectBackward0", {&x}, {&y}, {{"index", &index}}, [d, sizes = x->sizes](Back& b) {
      const Tensor& g = b.grad();
      if (!g.defined()) return;
      b.set(0, [&] { return rows_added(sizes, d, b.saved(0), g); });
    });
  }
  return y;
}

Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, const Scalar& alpha) {
  return add_at(x, dim, index, source, alpha, {});
}

Tensor rows_added(Ints sizes, int64_t dim, const Tensor& index, const Tensor& g) {
  return into_zeros(sizes, g, [&](const Tensor& z, const Out& o) { add_at(z, dim, index, g, 1, o); });
}

Tensor index_fill(const Tensor& x, int64_t dim, const Tensor& index, const Operand& value, const Out& out) {
  int d = wrap_dim(dim, x.ndim());
  CHECK_KIND(Index, index.dtype() == DType::Int64, "index_fill_(): Expected dtype int64 for index, got ",
             name_of(index.dtype()));
  CHECK(index.ndim() <= 1, "Index has to be a vector/scalar, got shape ", shown(index.sizes()));
  Tensor v;
  if (value.is_tensor()) {
    CHECK(value.tensor().ndim() == 0, "index_fill_ only supports a 0-dimensional value tensor, but got tensor with ",
          value.tensor().ndim(), " dimension(s).");
    v = value.tensor();
  } else {
    CHECK(is_complex(x.dtype()) || value.scalar().kind() != Scalar::Complex,
          "index_fill_(): Converting complex Scalar to non-complex type is not supported");
  }
  Positions p = along("index_fill", x, d, index, ErrorKind::Index, true);
  return write_into(
      "index_fill", v.defined() ? "IndexFillBackward1" : "IndexFillBackward0", x, v, index, out,
      [&](const Tensor& y) {
        NoGrad guard;
        Tensor one = v.defined() ? to(v, x.dtype()) : full({}, value.scalar(), x.dtype(), x.device());
        Tensor target = with_dimension(y);
        move(IndexMode::Write, target, p, expand(one, p.result_shape(target.sizes())));
      },
      [d, type = v.defined() ? v.dtype() : DType::Float32](Back& b) {
        const Tensor& g = b.grad();
        if (!g.defined()) return;
        b.set(0, [&] { return index_fill(g, d, b.saved(0), 0); });
        b.set(1, [&] { return reduce_gradient(index_select(g, d, b.saved(0)), {}, type); });
      });
}

// ---- positions in the flattened tensor ----

namespace {

Tensor flat_index(const char* op, const Tensor& index, int64_t numel) {
  CHECK(index.dtype() == DType::Int64, op, "(): Expected a long tensor for index, but got ", name_of(index.dtype()));
  Tensor plain = plain_index(index);
  IndexRange r = kernels(plain.device()).index_range(plain.data<int64_t>(), plain.numel());
  if (r.high >= r.low) {
    CHECK_KIND(Index, numel > 0, op, "(): tried to take from an empty tensor");
    CHECK_KIND(Index, r.low >= -numel && r.high < numel, "out of range: tried to access index ",
               r.high >= numel ? r.high : r.low, " on a tensor of ", numel, " elements.");
  }
  return plain;
}

Positions flat_positions(const Tensor& plain) {
  Positions p;
  p.shape = plain->sizes;
  p.index.push_back(plain);
  p.dims.push_back(0);
  return p;
}

Tensor flat(const Tensor& t) { return alias(t, IntVec{t.numel()}, IntVec{1}, t.offset()); }

Tensor take(const Tensor& x, const Tensor& index);

Tensor put_flat(const Tensor& x, const Tensor& index, const Tensor& source, bool accumulate, const Out& out) {
  CHECK(source.dtype() == x.dtype(),
        "put_(): self and source expected to have the same dtype, but got self.dtype = ", name_of(x.dtype()),
        " and source.dtype = ", name_of(source.dtype()));
  CHECK_KIND(Index, source.numel() == index.numel(),
             "put_(): Expected source and index to have the same number of elements, but got source.numel() = ",
             source.numel(), ", index.numel() = ", index.numel());
  Tensor plain = flat_index("put_", index, x.numel());
  return write_into(
      "put", "PutBackward0", x, source, index, out,
      [&](const Tensor& y) {
        NoGrad guard;
        Tensor whole = contiguous(y), values = reshape(contiguous(apart_from(source, y)), plain.sizes());
        move(accumulate ? IndexMode::Add : IndexMode::Write, flat(whole), flat_positions(plain), values);
        if (!whole.is(y)) copy_data(y, whole);
      },
      [accumulate, shape = source->sizes, type = source.dtype()](Back& b) {
        const Tensor& g = b.grad();
        if (!g.defined()) return;
        b.set(0, [&] {
          return accumulate ? g : put_flat(g, b.saved(0), zeros(b.saved(0).sizes(), g.dtype(), g.device()), false, {});
        });
        b.set(1, [&] { return reduce_gradient(reshape(take(g, b.saved(0)), shape), shape, type); });
      });
}

Tensor take(const Tensor& x, const Tensor& index) {
  Tensor plain = flat_index("take", index, x.numel()), y;
  {
    NoGrad guard;
    y = take_positions(flat(contiguous(x)), flat_positions(plain));
  }
  if (recording(x))
    record("TakeBackward0", {&x}, {&y}, {{"index", &index}}, [sizes = x->sizes](Back& b) {
      const Tensor& g = b.grad();
      if (!g.defined()) return;
      b.set(0, [&] {
        return into_zeros(sizes, g, [&](const Tensor& z, const Out& o) { put_flat(z, b.saved(0), g, true, o); });
      });
    });
  return y;
}

// ---- masks ----

Tensor masked_scatter(const Tensor& x, const Tensor& mask, const Tensor& source, const Out& out);

// x and mask brought to one shape.
std::pair<Tensor, Tensor> together(const Tensor& x, const Tensor& mask) {
  IntVec shape = same(x.sizes(), mask.sizes()) ? x->sizes : broadcast(mask.sizes(), x.sizes());
  return {same(x.sizes(), shape) ? x : expand(x, shape), same(mask.sizes(), shape) ? mask : expand(mask, shape)};
}
Tensor flat_mask_positions(const Tensor& mask) {
  Tensor rows = positions_of(flat(contiguous(mask)));
  return flat(rows);
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  CHECK(mask.dtype() == DType::Bool, "masked_select: expected BoolTensor for mask, got torch.", name_of(mask.dtype()),
        ": compare it, as in `mask != 0`");
  Tensor y;
  IntVec shape;
  {
    NoGrad guard;
    auto [whole, full_mask] = together(x, mask);
    shape = whole->sizes;
    y = take_positions(flat(contiguous(whole)), flat_positions(flat_mask_positions(full_mask)));
  }
  if (recording(x))
    record("MaskedSelectBackward0", {&x}, {&y}, {{"mask", &mask}},
           [shape, sizes = x->sizes, type = x.dtype()](Back& b) {
             const Tensor& g = b.grad();
             if (!g.defined()) return;
             b.set(0, [&] {
               Tensor z =
                   into_zeros(shape, g, [&](const Tensor& z, const Out& o) { masked_scatter(z, b.saved(0), g, o); });
               return reduce_gradient(z, sizes, type);
             });
           });
  return y;
}

Tensor masked_scatter(const Tensor& x, const Tensor& mask, const Tensor& source, const Out& out) {
  CHECK(mask.dtype() == DType::Bool, "masked_scatter_ only supports boolean masks, but got mask with dtype ",
        name_of(mask.dtype()));
  CHECK(source.dtype() == x.dtype(), "masked_scatter: expected self and source to have same dtypes but got ",
        name_of(x.dtype()), " and ", name_of(source.dtype()));
  if (!out.inplace() && !can_broadcast(mask.sizes(), x.sizes()))
    return masked_scatter(together(x, mask).first, mask, source, out);
  CHECK(can_broadcast(mask.sizes(), x.sizes()), "masked_scatter_: a mask of shape ", shown(mask.sizes()),
        " does not broadcast to the shape ", shown(x.sizes()), " of the tensor");
  Tensor positions;
  {
    NoGrad guard;
    positions = flat_mask_positions(same(mask.sizes(), x.sizes()) ? mask : expand(mask, x.sizes()));
  }
  int64_t count = positions.numel();
  CHECK(count <= source.numel(), "Number of elements of source < number of ones in mask: ", source.numel(), " < ",
        count);
  return write_into(
      "masked_scatter", "MaskedScatterBackward0", x, source, mask, out,
      [&](const Tensor& y) {
        NoGrad guard;
        Tensor whole = contiguous(y), values = contiguous(apart_from(source, y));
        move(IndexMode::Write, flat(whole), flat_positions(positions),
             alias(values, IntVec{count}, IntVec{1}, values.offset()));
        if (!whole.is(y)) copy_data(y, whole);
      },
      [shape = source->sizes, type = source.dtype(), count](Back& b) {
        const Tensor& g = b.grad();
        if (!g.defined()) return;
        b.set(0, [&] { return masked_fill(g, b.saved(0), 0); });
        b.set(1, [&] {
          Tensor part = masked_select(g, b.saved(0));
          return reduce_gradient(reshape(pad_constant(part, IntVec{0, product(shape) - count}, 0), shape), shape, type);
        });
      });
}

// ---- nonzero ----

std::vector<Tensor> nonzero_tuple(const Tensor& x) {
  NoGrad guard;
  Tensor rows = positions_of(x.ndim() ? x : alias(x, IntVec{1}, IntVec{1}, x.offset()));
  std::vector<Tensor> out;
  int64_t n = rows.sizes()[1];
  for (int64_t d = 0; d < rows.sizes()[0]; d++) out.push_back(alias(rows, IntVec{n}, IntVec{1}, d * n));
  return out;
}

void boxed_nonzero(const OpDef&, Frame& f, Result& result) {
  const Tensor& x = f.args[0].as_tensor();
  if (f.args[1].i)
    result = nonzero_tuple(x);
  else
    result = nonzero(x);
}

Tensor index_op(const Tensor& x, const std::vector<Tensor>& indices) { return index(x, indices); }
Tensor index_put_op(const Tensor& x, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate,
                    const Out& out) {
  CHECK(!out.given() || out.inplace(), "index_put() takes no out=");
  return put(x, indices, values, accumulate, out.inplace());
}
Tensor index_select_op(const Tensor& x, int64_t dim, const Tensor& index, const Out& out) {
  return into("index_select", out, x.dtype(), recording(x), [&] { return index_select(x, dim, index); });
}
Tensor take_op(const Tensor& x, const Tensor& index, const Out& out) {
  return into("take", out, x.dtype(), recording(x), [&] { return take(x, index); });
}
Tensor masked_select_op(const Tensor& x, const Tensor& mask, const Out& out) {
  return into("masked_select", out, x.dtype(), recording(x), [&] { return masked_select(x, mask); });
}

Tensor index_reduce(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, std::string_view reduce,
                    bool include_self, const Out& out) {
  int d = wrap_dim(dim, x.ndim());
  CHECK(reduce == "prod" || reduce == "mean" || reduce == "amax" || reduce == "amin",
        "reduce argument must be either prod, mean, amax or amin, got ", reduce, ".");
  CHECK(is_index_type(index.dtype()),
        "index_reduce(): Expected dtype int32/int64 for index but got: ", name_of(index.dtype()));
  CHECK(index.ndim() <= 1, "index_reduce(): Index is supposed to be a vector, but got shape ", shown(index.sizes()));
  CHECK(source.dtype() == x.dtype(), "index_reduce(): self (", name_of(x.dtype()), ") and source (",
        name_of(source.dtype()), ") must have the same scalar type");
  check_source("index_reduce", x, d, index, source);
  IntVec shape(std::max(source.ndim(), 1), 1);
  shape[std::min(d, shape.size() - 1)] = index.numel();
  Tensor each = expand(reshape(plain_index(index), shape), source.ndim() ? source.sizes() : Ints(shape));
  return scatter_reduce(x, d, each, source, reduce, include_self, out, "IndexReduceBackward0");
}

}  // namespace

Tensor nonzero(const Tensor& x) {
  NoGrad guard;
  Tensor rows = positions_of(x.ndim() ? x : alias(x, IntVec{1}, IntVec{1}, x.offset()));
  int64_t n = rows.sizes()[1];
  int64_t dims = x.ndim();
  return alias(rows, IntVec{n, dims}, IntVec{1, std::max<int64_t>(n, 1)}, 0);
}

void register_indexing() {
  op<&index_op>("index(Tensor input, Tensor?[] indices) -> Tensor", Private,
                "input[indices]; a missing entry takes the whole dimension");
  op<&index_put_op>("index_put(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
                    kUsual | Inplace | InplaceFunction,
                    "a copy of input with input[indices] replaced by values, or values added to it");
  op<&index_select_op>("index_select(Tensor input, int dim, Tensor index) -> Tensor", kUsual | OutForm,
                       "the listed indices of a dimension");
  op<&add_at>("index_add(Tensor input, int dim, Tensor index, Tensor source, *, Number alpha=1) -> Tensor", kAll,
              "alpha * source added at the listed indices");
  op<&copy_at>("index_copy(Tensor input, int dim, Tensor index, Tensor source) -> Tensor", kAll,
               "source copied to the listed indices");
  op<&index_fill>("index_fill(Tensor input, int dim, Tensor index, Tensor|Number value) -> Tensor", kAll,
                  "one value at the listed indices");
  op<&index_reduce>(
      "index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> "
      "Tensor",
      kAll, "source combined into the listed indices by prod, mean, amax or amin");
  op<&take_op>("take(Tensor input, Tensor index) -> Tensor", kUsual | OutForm,
               "elements at positions in the flattened input");
  op<&put_flat>("put(Tensor input, Tensor index, Tensor source, bool accumulate=False) -> Tensor", kUsual | Inplace,
                "source put at positions in the flattened input");
  op<&masked_select_op>("masked_select(Tensor input, Tensor mask) -> Tensor", kUsual | OutForm,
                        "the elements under the mask, in one dimension");
  op<&masked_scatter>("masked_scatter(Tensor input, Tensor mask, Tensor source) -> Tensor", kUsual | Inplace,
                      "elements of source, in order, put where the mask is True");
  Registry::get().add({"nonzero(Tensor input, *, bool as_tuple=False) -> Tensor", &boxed_nonzero, kUsual,
                       "the indices of all elements that are not 0", false, nullptr});
  op<&nonzero>("argwhere(Tensor input) -> Tensor", kUsual, "the indices of all elements that are not 0, a row each");
  op<&nonzero_tuple>("where(Tensor condition) -> Tensor[]", Function, "nonzero as a tuple");
  op<&nonzero_tuple>("nonzero_numpy(Tensor input) -> Tensor[]", Private, "nonzero as a tuple");
  register_gather();
  register_embedding();
  register_embedding_bag();
}

}  // namespace lampas
