// Shape ops that move no data: their results look into the storage of their argument.
#include "ops/shape.h"

namespace lampas {

std::optional<IntVec> strides_for_shape(Ints sizes, Ints strides, Ints wanted) {
  int n = int(wanted.size()), old = int(sizes.size());
  if (product(sizes) == 0) return same(sizes, wanted) ? IntVec(strides) : contiguous_strides(wanted);
  if (old == 0) return IntVec(n, 1);
  IntVec out(n, 0);
  // From the back: old dimensions are joined into runs of one stride, and each run is cut into new dimensions.
  int next = n - 1;
  int64_t count = sizes[old - 1], step = strides[old - 1];
  for (int d = old - 2; d >= -1; d--) {
    if (d >= 0 && (sizes[d] == 1 || strides[d] == count * step)) {
      count *= sizes[d];
      continue;
    }
    int64_t used = 1;
    for (; next >= 0 && (used < count || wanted[next] == 1); next--) {
      out[next] = used * step;
      used *= wanted[next];
    }
    if (used != count) return std::nullopt;
    if (d >= 0) {
      count = sizes[d];
      step = strides[d];
    }
  }
  return out;
}

namespace {

Tensor view_as_shape(const Tensor& x, Ints shape, Ints strides) {
  IntVec sizes = x->sizes;
  return view_op("ViewBackward0", x, shape, strides, x.offset(),
                 gradient_by([sizes](const Tensor& g) { return reshape(g, sizes); }));
}

}  // namespace

Tensor view(const Tensor& x, Ints wanted) {
  IntVec shape = infer_size(wanted, x.numel());
  std::optional<IntVec> strides = strides_for_shape(x.sizes(), x.strides(), shape);
  CHECK(strides,
        "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
        "contiguous subspaces): a tensor of shape ",
        shown(x.sizes()), " with strides ", shown(x.strides()), " cannot be seen as ", shown(shape),
        ". Use .reshape(...) instead.");
  return view_as_shape(x, shape, *strides);
}

Tensor reshape(const Tensor& x, Ints wanted) {
  IntVec shape = infer_size(wanted, x.numel());
  if (std::optional<IntVec> strides = strides_for_shape(x.sizes(), x.strides(), shape))
    return view_as_shape(x, shape, *strides);
  Tensor c = clone(x, MemoryFormat::Contiguous);
  Tensor y = alias(c, shape, contiguous_strides(shape), 0);
  if (recording(c)) {
    IntVec sizes = x->sizes;
    record("UnsafeViewBackward0", {&c}, {&y}, {}, gradient_by([sizes](const Tensor& g) { return reshape(g, sizes); }));
  }
  return y;
}

Tensor flatten(const Tensor& x, int64_t start, int64_t end) {
  int first = wrap_dim(start, x.ndim()), last = wrap_dim(end, x.ndim());
  CHECK(first <= last, "flatten() has invalid args: start_dim cannot come after end_dim, got ", start, " and ", end,
        " for a tensor of ", x.ndim(), " dimensions");
  if (x.ndim() == 0) return reshape(x, IntVec{1});
  if (first == last) return x;
  IntVec shape(x.sizes().first(first));
  shape.push_back(product(x.sizes().subspan(first, last - first + 1)));
  for (int d = last + 1; d < x.ndim(); d++) shape.push_back(x.sizes()[d]);
  return reshape(x, shape);
}

Tensor permute(const Tensor& x, Ints dims) {
  int n = x.ndim();
  CHECK(int(dims.size()) == n,
        "permute(): number of dimensions in the tensor input does not match the length of the desired ordering of "
        "dimensions i.e. input.dim() = ",
        n, " is not equal to len(dims) = ", dims.size());
  IntVec sizes(n, 0), strides(n, 0), back(n, -1);
  for (int i = 0; i < n; i++) {
    int d = wrap_dim(dims[i], n);
    CHECK(back[d] < 0, "permute(): duplicate dims are not allowed: ", shown(dims), " names dimension ", d, " twice");
    back[d] = i;
    sizes[i] = x.sizes()[d];
    strides[i] = x.strides()[d];
  }
  return view_op("PermuteBackward0", x, sizes, strides, x.offset(),
                 gradient_by([back](const Tensor& g) { return permute(g, back); }));
}

namespace {
Tensor transposed(const char* name, const Tensor& x, int a, int b) {
  IntVec sizes = x->sizes, strides = x->strides;
  if (sizes.size()) {
    std::swap(sizes[a], sizes[b]);
    std::swap(strides[a], strides[b]);
  }
  return view_op(name, x, sizes, strides, x.offset(),
                 gradient_by([a, b](const Tensor& g) { return transpose(g, a, b); }));
}
}  // namespace

Tensor transpose(const Tensor& x, int64_t a, int64_t b) {
  int first = wrap_dim(a, x.ndim());
  return transposed("TransposeBackward0", x, first, wrap_dim(b, x.ndim()));
}

Tensor t(const Tensor& x) {
  CHECK(x.ndim() <= 2, "t() expects a tensor with <= 2 dimensions, but self is ", x.ndim(),
        "D: use mT or transpose(dim0, dim1)");
  return transposed("TBackward0", x, 0, std::max(x.ndim() - 1, 0));
}

namespace {

Tensor squeezed(const char* name, const Tensor& x, uint64_t mask) {
  IntVec sizes, strides, before = x->sizes;
  for (int d = 0; d < x.ndim(); d++) {
    if (x.sizes()[d] == 1 && (mask >> d & 1)) continue;
    sizes.push_back(x.sizes()[d]);
    strides.push_back(x.strides()[d]);
  }
  return view_op(name, x, sizes, strides, x.offset(),
                 gradient_by([before](const Tensor& g) { return reshape(g, before); }));
}

}  // namespace

Tensor squeeze_dim(const Tensor& x, int64_t dim) {
  return squeezed("SqueezeBackward1", x, 1ull << wrap_dim(dim, x.ndim()));
}
Tensor squeeze(const Tensor& x, Ints dims) { return squeezed("SqueezeBackward2", x, dim_mask(dims, x.ndim(), false)); }
Tensor squeeze_all(const Tensor& x) { return squeezed("SqueezeBackward0", x, ~0ull); }

Tensor unsqueeze(const Tensor& x, int64_t dim) {
  int d = wrap_dim(dim, x.ndim() + 1);
  IntVec sizes = x->sizes, strides = x->strides;
  strides.insert(d, d < x.ndim() ? sizes[d] * strides[d] : 1);
  sizes.insert(d, 1);
  return view_op("UnsqueezeBackward0", x, sizes, strides, x.offset(),
                 gradient_by([d](const Tensor& g) { return squeeze_dim(g, d); }));
}

Tensor expand(const Tensor& x, Ints wanted, bool) {
  int n = int(wanted.size()), shift = n - x.ndim();
  CHECK(shift >= 0, "expand(): the number of sizes provided (", n,
        ") must be greater or equal to the number of dimensions in the tensor (", x.ndim(), "): ", shown(x.sizes()),
        " cannot become ", shown(wanted));
  IntVec sizes(wanted), strides(n, 0);
  for (int d = n - 1; d >= 0; d--) {
    int64_t size = d >= shift ? x.sizes()[d - shift] : 1, stride = d >= shift  ? x.strides()[d - shift]
                                                                   : d + 1 < n ? sizes[d + 1] * strides[d + 1]
                                                                               : 1;
    if (sizes[d] == -1) {
      CHECK(d >= shift, "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ", d);
      sizes[d] = size;
    }
    if (size != sizes[d]) {
      CHECK(size == 1, "The expanded size of the tensor (", sizes[d], ") must match the existing size (", size,
            ") at non-singleton dimension ", d, ".  Target sizes: ", shown(wanted),
            ".  Tensor sizes: ", shown(x.sizes()));
      CHECK(sizes[d] >= 0, "expand(): sizes are 0 or more, or -1 to keep a dimension, got ", shown(wanted));
      stride = 0;
    }
    strides[d] = stride;
  }
  IntVec before = x->sizes;
  return view_op("ExpandBackward0", x, sizes, strides, x.offset(),
                 gradient_by([before](const Tensor& g) { return sum_to(g, before); }));
}

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  CHECK_KIND(Index, x.ndim() > 0, "select() cannot be applied to a 0-dim tensor.");
  int d = wrap_dim(dim, x.ndim());
  int64_t n = x.sizes()[d];
  CHECK_KIND(Index, index >= -n && index < n, "select(): index ", index, " out of range for tensor of size ",
             shown(x.sizes()), " at dimension ", d, ": indices go from ", -n, " to ", n - 1);
  if (index < 0) index += n;
  IntVec sizes = x->sizes, strides = x->strides;
  int64_t offset = x.offset() + index * strides[d];
  sizes.erase(d);
  strides.erase(d);
  IntVec before = recording(x) ? x->sizes : IntVec();
  return view_op("SelectBackward0", x, sizes, strides, offset, gradient_by([before, d, index](const Tensor& g) {
                   return embed("SelectBackwardBackward0", g, before,
                                [d, index](const Tensor& t) { return select(t, d, index); });
                 }));
}

Tensor slice(const Tensor& x, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end, int64_t step) {
  CHECK(x.ndim() > 0, "slice() cannot be applied to a 0-dim tensor.");
  int d = wrap_dim(dim, x.ndim());
  CHECK(step > 0, "slice step must be positive, got ", step, ": flip() reverses a dimension");
  int64_t n = x.sizes()[d];
  auto place = [n](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n); };
  int64_t a = place(start.value_or(0)), b = std::max(place(end.value_or(n)), a);
  IntVec sizes = x->sizes, strides = x->strides;
  sizes[d] = (b - a + step - 1) / step;
  int64_t offset = x.offset() + a * strides[d];
  strides[d] *= step;
  IntVec before = recording(x) ? x->sizes : IntVec();
  return view_op("SliceBackward0", x, sizes, strides, offset, gradient_by([before, d, a, b, step](const Tensor& g) {
                   return embed("SliceBackwardBackward0", g, before,
                                [d, a, b, step](const Tensor& t) { return slice(t, d, a, b, step); });
                 }));
}

Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length) {
  CHECK(x.ndim() > 0, "narrow() cannot be applied to a 0-dim tensor.");
  CHECK(length >= 0, "narrow(): length must be non-negative, got ", length);
  int d = wrap_dim(dim, x.ndim());
  int64_t n = x.sizes()[d];
  CHECK_KIND(Index, start >= -n && start <= n, "start out of range (expected to be in range of [", -n, ", ", n,
             "], but got ", start, ")");
  if (start < 0) start += n;
  CHECK(start <= n - length, "start (", start, ") + length (", length, ") exceeds dimension size (", n,
        ") of dimension ", d, " of shape ", shown(x.sizes()));
  return slice(x, d, start, start + length, 1);
}

namespace {

// Several views of one tensor made by one op: none may be changed in place while a graph is recorded.
template <class F>
void finish_views(const char* name, const Tensor& x, std::vector<Tensor>& views, F&& backward) {
  if (mode.grad)
    for (const Tensor& v : views)
      if (v->base.defined()) v->creation = Creation::MultiOutput;
  if (views.empty() || !recording(x)) return;
  record(name, {&x}, views, {}, std::forward<F>(backward));
  for (const Tensor& v : views) v->view_version = v.version();
}

std::vector<Tensor> split_views(const char* name, const Tensor& x, Ints lengths, int d) {
  std::vector<Tensor> views;
  views.reserve(lengths.size());
  IntVec sizes = x->sizes;
  int64_t offset = x.offset();
  for (int64_t n : lengths) {
    sizes[d] = n;
    views.push_back(make_view(x, sizes, x.strides(), offset));
    offset += n * x.strides()[d];
  }
  std::vector<int64_t> parts(lengths.begin(), lengths.end());
  finish_views(name, x, views, [parts, d, whole = x->sizes, type = x.dtype(), device = x.device()](Back& b) {
    b.set(0, [&] {
      std::vector<Tensor> grads;
      IntVec shape = whole;
      for (size_t i = 0; i < parts.size(); i++) {
        shape[d] = parts[i];
        grads.push_back(b.grads[i].defined() ? b.grads[i] : zeros(shape, type, device));
      }
      return cat(grads, d);
    });
  });
  return views;
}

std::vector<Tensor> split_every(const Tensor& x, int64_t length, int64_t dim) {
  CHECK(x.ndim() > 0, "split expects at least a 1-dimensional tensor");
  int d = wrap_dim(dim, x.ndim());
  int64_t n = x.sizes()[d];
  CHECK(length >= 0, "split expects split_size be non-negative, but got split_size=", length);
  CHECK(length > 0 || n == 0, "split_size can only be 0 if dimension size is 0, but got dimension size of ", n);
  std::vector<int64_t> lengths;
  for (int64_t at = 0; at < n; at += length) lengths.push_back(std::min(length, n - at));
  if (lengths.empty()) lengths.push_back(0);
  return split_views("SplitBackward0", x, lengths, d);
}

}  // namespace

std::vector<Tensor> split(const Tensor& x, Ints sizes, int64_t dim) {
  CHECK(x.ndim() > 0, "split expects at least a 1-dimensional tensor");
  int d = wrap_dim(dim, x.ndim());
  int64_t total = 0;
  for (int64_t n : sizes) {
    CHECK(n >= 0,
          "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=", shown(sizes));
    total += n;
  }
  CHECK(total == x.sizes()[d], "split_with_sizes expects split_sizes to sum exactly to ", x.sizes()[d],
        " (input tensor's size at dimension ", d, "), but got split_sizes=", shown(sizes));
  return split_views("SplitWithSizesBackward0", x, sizes, d);
}

std::vector<Tensor> unbind(const Tensor& x, int64_t dim) {
  CHECK_KIND(Index, x.ndim() > 0, "Dimension specified as ", dim, " but tensor has no dimensions");
  int d = wrap_dim(dim, x.ndim());
  IntVec sizes = x->sizes, strides = x->strides;
  int64_t n = sizes[d], step = strides[d];
  sizes.erase(d);
  strides.erase(d);
  std::vector<Tensor> views;
  views.reserve(n);
  for (int64_t i = 0; i < n; i++) views.push_back(make_view(x, sizes, strides, x.offset() + i * step));
  finish_views("UnbindBackward0", x, views, [sizes, n, d, type = x.dtype(), device = x.device()](Back& b) {
    b.set(0, [&] {
      std::vector<Tensor> grads(b.grads, b.grads + n);
      for (Tensor& g : grads)
        if (!g.defined()) g = zeros(sizes, type, device);
      return stack(grads, d);
    });
  });
  return views;
}

Tensor diagonal(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  int a = wrap_dim(dim1, x.ndim()), b = wrap_dim(dim2, x.ndim());
  CHECK(a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  int64_t rows = x.sizes()[a], columns = x.sizes()[b];
  int64_t length =
      std::max<int64_t>(offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns), 0);
  int64_t at = x.offset();
  if (length > 0) at += offset >= 0 ? offset * x.strides()[b] : -offset * x.strides()[a];
  IntVec sizes = x->sizes, strides = x->strides;
  int64_t step = strides[a] + strides[b];
  sizes.erase(std::max(a, b)), sizes.erase(std::min(a, b));
  strides.erase(std::max(a, b)), strides.erase(std::min(a, b));
  sizes.push_back(length);
  strides.push_back(step);
  return view_op("DiagonalBackward0", x, sizes, strides, at,
                 gradient_by([before = x->sizes, offset, a, b](const Tensor& g) {
                   return embed("DiagonalBackwardBackward0", g, before,
                                [offset, a, b](const Tensor& t) { return diagonal(t, offset, a, b); });
                 }));
}

Tensor as_strided(const Tensor& x, Ints sizes, Ints strides, std::optional<int64_t> start) {
  CHECK(sizes.size() == strides.size(), "mismatch in length of strides and shape: as_strided got ", shown(sizes),
        " and ", shown(strides));
  checked_numel(sizes);
  for (int64_t s : strides)
    CHECK(s >= 0, "as_strided: Negative strides are not supported at the moment, got strides: ", shown(strides));
  int64_t offset = start.value_or(x.offset());
  CHECK(offset >= 0, "Tensor: invalid storage offset ", offset);
  size_t need = extent(sizes, strides, offset, x.item_size());
  CHECK(need <= x->storage->nbytes, "setStorage: sizes ", shown(sizes), ", strides ", shown(strides),
        ", storage offset ", offset, ", and itemsize ", x.item_size(), " requiring a storage size of ", need,
        " are out of bounds for storage of size ", x->storage->nbytes);
  IntVec base_sizes = x->sizes, base_strides = x->strides, view_sizes(sizes), view_strides(strides);
  int64_t base_offset = x.offset();
  return view_op("AsStridedBackward0", x, sizes, strides, offset, gradient_by([=](const Tensor& g) {
                   return as_strided_backward(g, base_sizes, base_strides, base_offset, view_sizes, view_strides,
                                              offset);
                 }));
}

Tensor view_as_real(const Tensor& x) {
  CHECK(is_complex(x.dtype()), "view_as_real is only supported for complex tensors, got torch.", name_of(x.dtype()));
  IntVec sizes = x->sizes, strides = x->strides;
  for (int64_t& s : strides) s *= 2;
  sizes.push_back(2);
  strides.push_back(1);
  Tensor v = make_view(x, sizes, strides, x.offset() * 2);
  v->dtype = to_real(x.dtype());
  if (recording(x)) {
    record("ViewAsRealBackward0", {&x}, {&v}, {},
           gradient_by([](const Tensor& g) { return view_as_complex(contiguous(g)); }));
    v->view_version = v.version();
  }
  return v;
}

Tensor view_as_complex(const Tensor& x) {
  CHECK(x.dtype() == DType::Float32 || x.dtype() == DType::Float64,
        "view_as_complex is only supported for float and double tensors, but got a tensor of type torch.",
        name_of(x.dtype()));
  CHECK(x.ndim() > 0 && x.sizes().back() == 2, "Tensor must have a last dimension of size 2, this one has shape ",
        shown(x.sizes()));
  CHECK(x.strides().back() == 1, "Tensor must have a last dimension with stride 1, these strides are ",
        shown(x.strides()));
  IntVec sizes(x.sizes().first(x.ndim() - 1)), strides(x.strides().first(x.ndim() - 1));
  for (int64_t& s : strides) {
    CHECK(s % 2 == 0, "Tensor must have a stride divisible by 2 for all but last dimension, these strides are ",
          shown(x.strides()));
    s /= 2;
  }
  CHECK(x.offset() % 2 == 0, "Tensor must have a storage_offset divisible by 2, this one is ", x.offset());
  Tensor v = make_view(x, sizes, strides, x.offset() / 2);
  v->dtype = to_complex(x.dtype());
  if (recording(x)) {
    record("ViewAsComplexBackward0", {&x}, {&v}, {}, gradient_by([](const Tensor& g) { return view_as_real(g); }));
    v->view_version = v.version();
  }
  return v;
}

Tensor real(const Tensor& x) { return is_complex(x.dtype()) ? select(view_as_real(x), -1, 0) : x; }
Tensor imag(const Tensor& x) {
  CHECK(is_complex(x.dtype()), "imag is not implemented for tensors with non-complex dtypes, and this one is torch.",
        name_of(x.dtype()));
  return select(view_as_real(x), -1, 1);
}

namespace {

// The same bytes as another type; the last dimension makes up for the change of size. Takes no part in a graph.
Tensor view_dtype(const Tensor& x, DType to) {
  size_t from_size = x.item_size(), to_size = item_size(to);
  IntVec sizes = x->sizes, strides = x->strides;
  int64_t offset = x.offset();
  auto names = [&] {
    return text("torch.", name_of(x.dtype()), " as torch.", name_of(to), " (different element sizes)");
  };
  if (from_size != to_size) {
    CHECK(x.ndim() > 0, "self.dim() cannot be 0 to view ", names());
    CHECK(strides.back() == 1 || sizes.back() == 1 || from_size < to_size, "self.stride(-1) must be 1 to view ",
          names(), ", but got ", strides.back());
    int last = x.ndim() - 1;
    if (from_size > to_size) {
      int64_t ratio = int64_t(from_size / to_size);
      for (int64_t& s : strides) s *= ratio;
      sizes[last] *= ratio;
      offset *= ratio;
    } else {
      int64_t ratio = int64_t(to_size / from_size);
      CHECK(sizes[last] % ratio == 0, "self.size(-1) must be divisible by ", ratio, " to view ", names(), ", but got ",
            sizes[last]);
      CHECK(strides[last] == 1, "self.stride(-1) must be 1 to view ", names(), ", but got ", strides[last]);
      CHECK(offset % ratio == 0, "self.storage_offset() must be divisible by ", ratio, " to view ", names(),
            ", but got ", offset);
      for (int d = 0; d < last; d++) {
        CHECK(strides[d] % ratio == 0, "self.stride(", d, ") must be divisible by ", ratio, " to view ", names(),
              ", but got ", strides[d]);
        strides[d] /= ratio;
      }
      sizes[last] /= ratio;
      offset /= ratio;
    }
    strides[last] = 1;
  }
  Tensor v = alias(x, sizes, strides, offset);
  v->dtype = to;
  return v;
}

Tensor view_as(const Tensor& x, const Tensor& other) { return view(x, other.sizes()); }
Tensor reshape_as(const Tensor& x, const Tensor& other) { return reshape(x, other.sizes()); }
Tensor flatten_op(const Tensor& x, int64_t start, int64_t end) { return flatten(x, start, end); }
Tensor ravel(const Tensor& x) { return reshape(x, IntVec{-1}); }

Tensor unflatten(const Tensor& x, int64_t dim, Ints sizes) {
  int d = wrap_dim(dim, x.ndim());
  CHECK(!sizes.empty(), "unflatten: sizes must be non-empty");
  CHECK(x.ndim() > 0, "unflatten: a 0-dim tensor has no dimension to unflatten");
  int64_t known = 1, unknown = 0;
  for (int64_t n : sizes) n == -1 ? unknown++ : known *= n;
  int64_t have = x.sizes()[d];
  CHECK(unknown <= 1 && (unknown ? known != 0 && have % known == 0 : known == have), "unflatten: Provided sizes ",
        shown(sizes), " don't multiply up to the size of dim ", d, " (", have, ") in the input tensor");
  IntVec shape(x.sizes().first(d));
  for (int64_t n : sizes) shape.push_back(n == -1 ? have / known : n);
  for (int i = d + 1; i < x.ndim(); i++) shape.push_back(x.sizes()[i]);
  return view(x, shape);
}

Tensor permute_op(const Tensor& x, Ints dims) { return permute(x, dims); }
Tensor adjoint(const Tensor& x) {
  CHECK(x.ndim() != 1, "tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor.");
  return x.ndim() == 0 ? x : mH(x);
}

Tensor movedim_list(const Tensor& x, Ints source, Ints destination) {
  CHECK(source.size() == destination.size(), "movedim: Invalid source or destination dims: source (", shown(source),
        " dims) should contain the same number of dims as destination (", shown(destination), " dims)");
  int n = x.ndim();
  IntVec order(n, -1);
  uint64_t taken = 0;
  for (size_t i = 0; i < source.size(); i++) {
    int from = wrap_dim(source[i], n), to = wrap_dim(destination[i], n);
    CHECK(!(taken >> from & 1), "movedim: repeated dim in `source` (", shown(source), ")");
    CHECK(n == 0 || order[to] < 0, "movedim: repeated dim in `destination` (", shown(destination), ")");
    taken |= 1ull << from;
    if (n) order[to] = from;
  }
  int next = 0;
  for (int64_t& o : order) {
    if (o >= 0) continue;
    while (taken >> next & 1) next++;
    o = next++;
  }
  return permute(x, order);
}

Tensor expand_as(const Tensor& x, const Tensor& other) { return expand(x, other.sizes()); }
Tensor broadcast_to(const Tensor& x, Ints size) { return expand(x, size); }
Tensor narrow_tensor(const Tensor& x, int64_t dim, const Tensor& start, int64_t length) {
  CHECK(start.ndim() == 0 && is_integral(start.dtype()) && start.dtype() != DType::Bool,
        "start must be an 0-dim integral Tensor.");
  return narrow(x, dim, item(start).to_int(), length);
}

std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int64_t dim) {
  CHECK(x.ndim() > 0, "chunk expects at least a 1-dimensional tensor");
  CHECK(chunks > 0, "chunk expects `chunks` to be greater than 0, got: ", chunks);
  int d = wrap_dim(dim, x.ndim());
  int64_t n = x.sizes()[d], length = (n + chunks - 1) / chunks;
  if (n == 0) {
    std::vector<int64_t> lengths(chunks, 0);
    return split_views("SplitWithSizesBackward0", x, lengths, d);
  }
  return split_every(x, length, d);
}

std::vector<Tensor> split_at(const Tensor& x, Ints indices, int64_t dim) {
  CHECK(x.ndim() > 0, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with ", x.ndim(),
        " dims");
  int d = wrap_dim(dim, x.ndim());
  std::vector<Tensor> parts;
  int64_t start = 0;
  for (int64_t i : indices) {
    parts.push_back(slice(x, d, start, i));
    start = i;
  }
  parts.push_back(slice(x, d, start, x.sizes()[d]));
  return parts;
}
std::vector<Tensor> split_into(const Tensor& x, int64_t sections, int64_t dim) {
  CHECK(x.ndim() > 0, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with ", x.ndim(),
        " dims");
  CHECK(sections > 0, "number of sections must be larger than 0, got ", sections);
  int d = wrap_dim(dim, x.ndim());
  int64_t n = x.sizes()[d], at = 0;
  CHECK(sections <= std::max<int64_t>(n, 1 << 20), "number of sections must be at most the size of the dimension, ", n,
        ", or 2^20, got ", sections);
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < sections; i++) {
    int64_t length = n / sections + (i < n % sections);
    parts.push_back(slice(x, d, at, at + length));
    at += length;
  }
  return parts;
}
std::vector<Tensor> split_by_tensor(const Tensor& x, const Tensor& indices, int64_t dim) {
  CHECK(indices.dtype() == DType::Int64 && indices.ndim() <= 1,
        "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional int64 tensor, "
        "got shape ",
        shown(indices.sizes()), " of torch.", name_of(indices.dtype()));
  if (indices.ndim() == 0) return split_into(x, item(indices).to_int(), dim);
  Tensor plain = contiguous(indices);
  return split_at(x, {plain.data<int64_t>(), size_t(plain.numel())}, dim);
}

int check_split(const Tensor& x, const char* name, int need, int dim) {
  CHECK(x.ndim() >= need, "torch.", name, " requires a tensor with at least ", need,
        " dimension, but got a tensor with ", x.ndim(), " dimensions!");
  return dim;
}
template <int Need>
constexpr const char* split_name() {
  return Need == 1 ? "hsplit" : Need == 2 ? "vsplit" : "dsplit";
}
template <int Need>
int split_dim(const Tensor& x) {
  return check_split(x, split_name<Need>(), Need, Need == 1 ? (x.ndim() == 1 ? 0 : 1) : Need == 2 ? 0 : 2);
}
template <int Need>
std::vector<Tensor> split_sections(const Tensor& x, int64_t sections) {
  int d = split_dim<Need>(x);
  CHECK(sections != 0 && x.sizes()[d] % sections == 0, "torch.", split_name<Need>(),
        " attempted to split along dimension ", d, ", but the size of the dimension ", x.sizes()[d],
        " is not divisible by the split_size ", sections, "!");
  return split_into(x, sections, d);
}
template <int Need>
std::vector<Tensor> split_indices(const Tensor& x, Ints indices) {
  return split_at(x, indices, split_dim<Need>(x));
}

Tensor unfold(const Tensor& x, int64_t dim, int64_t size, int64_t step) {
  int d = wrap_dim(dim, x.ndim());
  int64_t n = x.ndim() ? x.sizes()[d] : 1, stride = x.ndim() ? x.strides()[d] : 1;
  CHECK(size >= 0, "size is ", size, " but must be >= 0");
  CHECK(size <= n, "maximum size for tensor at dimension ", d, " is ", n, " but size is ", size);
  CHECK(step > 0, "step is ", step, " but must be > 0");
  IntVec sizes = x->sizes, strides = x->strides;
  if (x.ndim()) {
    sizes[d] = (n - size) / step + 1;
    strides[d] = stride * step;
  }
  sizes.push_back(size);
  strides.push_back(stride);
  return view_op("UnfoldBackward0", x, sizes, strides, x.offset(),
                 gradient_by([before = x->sizes, d, size, step](const Tensor& g) {
                   if (before.empty()) return reshape(g, before);
                   // Windows may overlap: element k of window i belongs to position i * step + k.
                   int64_t windows = g.sizes()[d];
                   Tensor index = empty(IntVec{windows * size}, DType::Int64, Device{});
                   int64_t* p = index.data<int64_t>();
                   for (int64_t i = 0; i < windows; i++)
                     for (int64_t k = 0; k < size; k++) p[i * size + k] = i * step + k;
                   Tensor flat = flatten(movedim_list(g, IntVec{-1}, IntVec{d + 1}), d, d + 1);
                   return index_add(zeros(before, g.dtype(), g.device()), d, index, flat);
                 }));
}

Tensor alias_view(const Tensor& x) {
  return view_op("AliasBackward0", x, x.sizes(), x.strides(), x.offset(),
                 gradient_by([](const Tensor& g) { return g; }));
}

// Changes x's own shape: x becomes view(x).
template <class F>
Tensor change_shape(const Tensor& x, F&& op) {
  bool records = recording(x);
  check_inplace(x, records);
  Tensor before = with_history_of(x, alias(x, x.sizes(), x.strides(), x.offset()));
  Tensor y = op(before);
  x->set_geometry(y.sizes(), y.strides(), y.offset());
  x.bump_version();
  if (records) {
    Autograd& a = ensure_autograd(x);
    a.grad_fn = grad_fn(y);
    a.output_nr = y->autograd->output_nr;
  }
  x->view_version = x.version();
  return x;
}
Tensor transpose_(const Tensor& x, int64_t a, int64_t b) {
  return change_shape(x, [&](const Tensor& y) { return transpose(y, a, b); });
}
Tensor t_(const Tensor& x) {
  return change_shape(x, [&](const Tensor& y) { return t(y); });
}
Tensor squeeze_all_(const Tensor& x) {
  return change_shape(x, [&](const Tensor& y) { return squeeze_all(y); });
}
Tensor squeeze_dim_(const Tensor& x, int64_t dim) {
  return change_shape(x, [&](const Tensor& y) { return squeeze_dim(y, dim); });
}
Tensor squeeze_dims_(const Tensor& x, Ints dims) {
  return change_shape(x, [&](const Tensor& y) { return squeeze(y, dims); });
}
Tensor unsqueeze_(const Tensor& x, int64_t dim) {
  return change_shape(x, [&](const Tensor& y) { return unsqueeze(y, dim); });
}
Tensor as_strided_(const Tensor& x, Ints size, Ints stride, std::optional<int64_t> offset) {
  return change_shape(x, [&](const Tensor& y) { return as_strided(y, size, stride, offset); });
}

}  // namespace

void register_views() {
  op<&view>("view(Tensor input, int[] size) -> Tensor", Method,
            "the same elements in another shape, without a copy; one size may be -1");
  op<&view_dtype>("view(Tensor input, dtype dtype) -> Tensor", Method, "the same bytes read as another dtype");
  op<&view_as>("view_as(Tensor input, Tensor other) -> Tensor", Method, "view in other's shape");
  op<&reshape>("reshape(Tensor input, int[] shape) -> Tensor", kUsual,
               "the same elements in another shape: a view if possible, else a copy");
  op<&reshape_as>("reshape_as(Tensor input, Tensor other) -> Tensor", Method, "reshape to other's shape");
  op<&flatten_op>("flatten(Tensor input, int start_dim=0, int end_dim=-1) -> Tensor", kUsual,
                  "joins the dimensions from start_dim to end_dim");
  op<&ravel>("ravel(Tensor input) -> Tensor", kUsual, "all elements in one dimension");
  op<&unflatten>("unflatten(Tensor input, int dim, int[] sizes) -> Tensor", kUsual, "splits a dimension into several");
  op<&permute_op>("permute(Tensor input, int[] dims) -> Tensor", kUsual, "dimensions in another order");
  const char* swap = "two dimensions exchanged";
  op<&transpose>("transpose(Tensor input, int dim0, int dim1) -> Tensor", kUsual, swap);
  op<&transpose>("swapdims(Tensor input, int dim0, int dim1) -> Tensor", kUsual, swap);
  op<&transpose>("swapaxes(Tensor input, int axis0, int axis1) -> Tensor", kUsual, swap);
  op<&t>("t(Tensor input) -> Tensor", kUsual, "the transpose of a matrix; fewer dimensions stay as they are");
  op<&adjoint>("adjoint(Tensor input) -> Tensor", kUsual, "the conjugate transpose of matrices");
  // An int where a list may stand counts as a list of one.
  op<&movedim_list>("movedim(Tensor input, int[1] source, int[1] destination) -> Tensor", kUsual,
                    "dimensions moved to other places");
  op<&movedim_list>("moveaxis(Tensor input, int[1] source, int[1] destination) -> Tensor", kUsual,
                    "dimensions moved to other places");
  const char* squeezing = "without dimensions of size 1: all, or those named";
  op<&squeeze_all>("squeeze(Tensor input) -> Tensor", kUsual, squeezing);
  op<&squeeze_dim>("squeeze(Tensor input, int dim) -> Tensor", kUsual, squeezing);
  op<&squeeze>("squeeze(Tensor input, int[] dim) -> Tensor", kUsual, squeezing);
  op<&unsqueeze>("unsqueeze(Tensor input, int dim) -> Tensor", kUsual, "a dimension of size 1 put in at dim");
  op<&expand>("expand(Tensor input, int[] size, *, bool implicit=False) -> Tensor", Method,
              "dimensions of size 1 repeated without a copy; -1 keeps a size");
  op<&expand_as>("expand_as(Tensor input, Tensor other) -> Tensor", Method, "expand to other's shape");
  op<&broadcast_to>("broadcast_to(Tensor input, int[] size) -> Tensor", kUsual, "expand to a shape");
  op<&select>("select(Tensor input, int dim, int index) -> Tensor", kUsual,
              "one index of a dimension, which is removed");
  op<&slice>("slice(Tensor input, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor", Private,
             "start:end:step of a dimension");
  op<&alias_view>("alias(Tensor input) -> Tensor", Private, "a view of the whole");
  op<&narrow>("narrow(Tensor input, int dim, int start, int length) -> Tensor", kUsual,
              "`length` indices of a dimension from start on");
  op<&narrow_tensor>("narrow(Tensor input, int dim, Tensor start, int length) -> Tensor", kUsual);
  op<&unbind>("unbind(Tensor input, int dim=0) -> Tensor[]", kUsual, "a view for each index of a dimension");
  op<&split_every>("split(Tensor input, int split_size, int dim=0) -> Tensor[]", kUsual,
                   "views of split_size indices each, or of the sizes given");
  op<&split>("split(Tensor input, int[] split_size, int dim=0) -> Tensor[]", kUsual);
  op<&split_every>("split(Tensor tensor, int split_size_or_sections, int dim=0) -> Tensor[]", Function);
  op<&split>("split(Tensor tensor, int[] split_size_or_sections, int dim=0) -> Tensor[]", Function);
  op<&split>("split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensor[]", kUsual,
             "views of the sizes given");
  op<&chunk>("chunk(Tensor input, int chunks, int dim=0) -> Tensor[]", kUsual,
             "at most `chunks` views of equal size, the last may be smaller");
  op<&split_into>("tensor_split(Tensor input, int sections, int dim=0) -> Tensor[]", kUsual,
                  "`sections` views of nearly equal size, or views cut at indices");
  op<&split_at>("tensor_split(Tensor input, int[] indices, int dim=0) -> Tensor[]", kUsual);
  op<&split_by_tensor>("tensor_split(Tensor input, Tensor tensor_indices_or_sections, int dim=0) -> Tensor[]", kUsual);
  op<&split_sections<1>>("hsplit(Tensor input, int sections) -> Tensor[]", kUsual,
                         "tensor_split along dimension 1, or 0 of a 1-D tensor");
  op<&split_indices<1>>("hsplit(Tensor input, int[] indices) -> Tensor[]", kUsual);
  op<&split_sections<2>>("vsplit(Tensor input, int sections) -> Tensor[]", kUsual, "tensor_split along dimension 0");
  op<&split_indices<2>>("vsplit(Tensor input, int[] indices) -> Tensor[]", kUsual);
  op<&split_sections<3>>("dsplit(Tensor input, int sections) -> Tensor[]", kUsual, "tensor_split along dimension 2");
  op<&split_indices<3>>("dsplit(Tensor input, int[] indices) -> Tensor[]", kUsual);
  op<&diagonal>("diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor", kUsual,
                "a diagonal of the last-named two dimensions, as a view");
  op<&unfold>("unfold(Tensor input, int dimension, int size, int step) -> Tensor", Method,
              "all windows of `size` along a dimension, `step` apart, as a view");
  op<&as_strided>("as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor", kUsual,
                  "a view of any shape and strides over the same storage");
  op<&view_as_real>("view_as_real(Tensor input) -> Tensor", Function,
                    "complex numbers as pairs, in a last dimension of 2");
  op<&view_as_complex>("view_as_complex(Tensor input) -> Tensor", Function,
                       "pairs in a last dimension of 2 as complex numbers");
  op<&real>("real(Tensor input) -> Tensor", Function, "the real parts, as a view");
  op<&imag>("imag(Tensor input) -> Tensor", Function, "the imaginary parts, as a view");
  op<&transpose_>("transpose_(Tensor input, int dim0, int dim1) -> Tensor", Method, "transpose, in place");
  op<&transpose_>("swapdims_(Tensor input, int dim0, int dim1) -> Tensor", Method, "transpose, in place");
  op<&transpose_>("swapaxes_(Tensor input, int axis0, int axis1) -> Tensor", Method, "transpose, in place");
  op<&t_>("t_(Tensor input) -> Tensor", Method, "t, in place");
  op<&squeeze_all_>("squeeze_(Tensor input) -> Tensor", Method, "squeeze, in place");
  op<&squeeze_dim_>("squeeze_(Tensor input, int dim) -> Tensor", Method);
  op<&squeeze_dims_>("squeeze_(Tensor input, int[] dim) -> Tensor", Method);
  op<&unsqueeze_>("unsqueeze_(Tensor input, int dim) -> Tensor", Method, "unsqueeze, in place");
  op<&as_strided_>("as_strided_(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
                   Method | Function, "as_strided, in place");
}

}  // namespace lampas
