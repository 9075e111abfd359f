// Shape ops that move data: joining, repeating, reversing, padding, triangles, diagonals, writing into windows.
#include "ops/shape.h"

#include "core/threads.h"

namespace lampas {

// ---- as_strided and its gradient ----

namespace {

// Whether two indices may reach one element.
bool may_overlap(Ints sizes, Ints strides) {
  std::vector<std::pair<int64_t, int64_t>> dims;
  for (size_t d = 0; d < sizes.size(); d++) {
    if (sizes[d] == 0) return false;
    if (sizes[d] > 1) dims.emplace_back(strides[d], sizes[d]);
  }
  std::sort(dims.begin(), dims.end());
  int64_t reach = 0;
  for (auto [stride, size] : dims) {
    if (stride <= reach) return true;
    reach += (size - 1) * stride;
  }
  return false;
}

// A shape, strides and offset inside a stretch of memory.
struct Geometry {
  IntVec sizes, strides;
  int64_t offset;
  Tensor of(const Tensor& memory) const { return alias(memory, sizes, strides, offset); }
  int64_t end() const { return int64_t(extent(sizes, strides, offset, 1)); }
};

// Adds g, laid out as `from`, into zeroed memory and reads it as `to`. Both directions of as_strided are this.
Tensor through_memory(const Tensor& g, Geometry from, Geometry to) {
  Tensor y;
  {
    NoGrad guard;
    int64_t start = std::min(from.offset, to.offset), size = std::max(from.end(), to.end()) - start;
    Geometry a = from, b = to;
    a.offset -= start;
    b.offset -= start;
    Tensor memory = zeros(IntVec{std::max<int64_t>(size, 0)}, g.dtype(), g.device());
    if (may_overlap(a.sizes, a.strides)) {
      Tensor places = contiguous(a.of(arange(size, DType::Int64, g.device())));
      memory = index_add(memory, 0, reshape(places, IntVec{-1}), reshape(g, IntVec{-1}));
    } else if (g.numel()) {
      copy_data(a.of(memory), g);
    }
    y = clone_data(b.of(memory));
    if (!y.is_contiguous()) y = contiguous(y);
  }
  if (recording(g))
    record("AsStridedBackwardBackward0", {&g}, {&y}, {},
           gradient_by([from, to](const Tensor& gg) { return through_memory(gg, to, from); }));
  return y;
}

}  // namespace

Tensor as_strided_backward(const Tensor& g, Ints base_sizes, Ints base_strides, int64_t base_offset, Ints sizes,
                           Ints strides, int64_t offset) {
  Geometry base{IntVec(base_sizes), IntVec(base_strides), base_offset};
  Tensor r = through_memory(g, {IntVec(sizes), IntVec(strides), offset}, base);
  if (!may_overlap(base_sizes, base_strides)) return r;
  // An element the base shows several times gets its gradient in equal shares.
  Tensor counts = through_memory(ones(base_sizes, g.dtype(), g.device()), base, base);
  return r / counts;
}

namespace {

// x, which lies in memory as `base`, with src written into `window` of that memory.
Tensor write_through(const Tensor& x, const Tensor& src, Geometry base, Geometry window) {
  Tensor y;
  {
    NoGrad guard;
    int64_t start = std::min(base.offset, window.offset), size = std::max(base.end(), window.end()) - start;
    Geometry a = base, b = window;
    a.offset -= start;
    b.offset -= start;
    Tensor memory = empty(IntVec{std::max<int64_t>(size, 0)}, x.dtype(), x.device());
    copy_data(a.of(memory), x);
    if (src.numel()) copy_data(b.of(memory), src);
    bool whole = is_contiguous(a.sizes, a.strides) && size == x.numel();
    y = whole ? a.of(memory) : clone(a.of(memory), MemoryFormat::Contiguous);
  }
  if (recording(x, src)) {
    DType src_type = src.dtype();
    record("AsStridedScatterBackward0", {&x, &src}, {&y}, {}, [base, window, src_type](Back& b) {
      const Tensor& g = b.grad();
      if (!g.defined()) return;
      b.set(0, [&] { return write_through(g, zeros(window.sizes, g.dtype(), g.device()), base, window); });
      b.set(1, [&] { return reduce_gradient(through_memory(g, base, window), window.sizes, src_type); });
    });
  }
  return y;
}

}  // namespace

Tensor as_strided_scatter(const Tensor& x, const Tensor& src, Ints sizes, Ints strides, std::optional<int64_t> offset) {
  CHECK(sizes.size() == strides.size(), "mismatch in length of strides and shape: as_strided_scatter got ",
        shown(sizes), " and ", shown(strides));
  CHECK(same(src.sizes(), sizes),
        "expected src to have a size equal to the slice of self. src size = ", shown(src.sizes()),
        ", slice size = ", shown(sizes));
  Geometry window{IntVec(sizes), IntVec(strides), offset.value_or(x.offset())};
  CHECK(size_t(window.end()) * x.item_size() <= x->storage->nbytes, "setStorage: sizes ", shown(sizes), ", strides ",
        shown(strides), ", storage offset ", window.offset, ", and itemsize ", x.item_size(),
        " are out of bounds for storage of size ", x->storage->nbytes);
  return write_through(x, src, {x->sizes, x->strides, x.offset()}, window);
}

// ---- writing into windows ----

Tensor select_scatter(const Tensor& x, const Tensor& src, int64_t dim, int64_t index) {
  return put_window("SelectScatterBackward0", x, src, [=](const Tensor& t) { return select(t, dim, index); });
}
Tensor slice_scatter(const Tensor& x, const Tensor& src, int64_t dim, std::optional<int64_t> start,
                     std::optional<int64_t> end, int64_t step) {
  return put_window("SliceScatterBackward0", x, src, [=](const Tensor& t) { return slice(t, dim, start, end, step); });
}

namespace {
Tensor diagonal_scatter(const Tensor& x, const Tensor& src, int64_t offset, int64_t dim1, int64_t dim2) {
  return put_window("DiagonalScatterBackward0", x, src,
                    [=](const Tensor& t) { return diagonal(t, offset, dim1, dim2); });
}

// ---- joining ----

// A 1-D tensor without elements stands for nothing, whatever the others' shape.
bool skipped(const Tensor& t) { return t.ndim() == 1 && t.sizes()[0] == 0; }

// Pieces placed one after another along dimension d of y.
void place(const Tensor& y, const std::vector<Tensor>& tensors, int d, bool stacked) {
  IntVec sizes = y->sizes;
  int64_t offset = y.offset();
  for (const Tensor& t : tensors) {
    if (!stacked && skipped(t)) continue;
    sizes[d] = stacked ? 1 : t.sizes()[d];
    int64_t step = sizes[d] * y.strides()[d];
    if (t.numel()) {
      Tensor window = alias(y, sizes, y.strides(), offset);
      if (stacked) {
        IntVec inner = sizes, strides = y->strides;
        inner.erase(d);
        strides.erase(d);
        window->set_geometry(inner, strides, offset);
      }
      copy_data(window, t);
    }
    offset += step;
  }
}

bool overlaps(const Out& out, const std::vector<Tensor>& tensors) {
  for (const Tensor& t : tensors)
    if (t->storage.get() == (*out.tensor)->storage.get()) return true;
  return false;
}

Tensor join(const char* op, const std::vector<Tensor>& tensors, Ints shape, int d, bool stacked, const Out& out) {
  DType type = result_type(tensors);
  bool records = recording(tensors);
  Device device = tensors[0].device();
  for (const Tensor& t : tensors)
    CHECK(t.device() == device, "Expected all tensors to be on the same device, but found at least two devices, ",
          name_of(device), " and ", name_of(t.device()), "!");
  if (out.given()) {
    check_out(op, out, records);
    CHECK_KIND(Type, can_cast(type, out.tensor->dtype()), "torch.", op,
               "(): input types can't be cast to the desired output type torch.", name_of(out.tensor->dtype()));
    CHECK(!overlaps(out, tensors),
          "unsupported operation: the input tensors cannot refer to any of the output memory locations. "
          "Give out= a tensor that shares no storage with them.");
    resize(*out.tensor, shape);
    place(*out.tensor, tensors, d, stacked);
    out.tensor->bump_version();
    return *out.tensor;
  }
  Tensor y = empty(shape, type, device);
  place(y, tensors, d, stacked);
  return y;
}

}  // namespace

Tensor cat(const std::vector<Tensor>& tensors, int64_t dim, const Out& out) {
  CHECK_KIND(Value, !tensors.empty(), "torch.cat(): expected a non-empty list of Tensors");
  const Tensor* first = nullptr;
  for (size_t i = 0; i < tensors.size(); i++) {
    CHECK(tensors[i].ndim() > 0, "zero-dimensional tensor (at position ", i,
          ") cannot be concatenated: stack() joins along a new dimension");
    if (!first && !skipped(tensors[i])) first = &tensors[i];
  }
  if (!first) first = &tensors[0];
  int d = wrap_dim(dim, first->ndim());
  IntVec shape = (*first)->sizes;
  shape[d] = 0;
  for (size_t i = 0; i < tensors.size(); i++) {
    const Tensor& t = tensors[i];
    if (skipped(t)) continue;
    CHECK(t.ndim() == shape.size(), "Tensors must have same number of dimensions: got ", shape.size(), " and ",
          t.ndim(), " (shapes ", shown((*first)->sizes), " and ", shown(t.sizes()), ")");
    for (int k = 0; k < shape.size(); k++)
      CHECK(k == d || t.sizes()[k] == shape[k], "Sizes of tensors must match except in dimension ", d,
            ". Expected size ", shape[k], " but got size ", t.sizes()[k], " for tensor number ", i,
            " in the list: its shape is ", shown(t.sizes()), ", the first one's ", shown((*first)->sizes));
    shape[d] += t.sizes()[d];
  }
  Tensor y = join("cat", tensors, shape, d, false, out);
  if (!out.given() && recording(tensors)) {
    struct Piece {
      int64_t start, length;
      DType type;
    };
    std::vector<Piece> pieces;
    int64_t at = 0;
    for (const Tensor& t : tensors) {
      pieces.push_back({at, skipped(t) ? -1 : t.sizes()[d], t.dtype()});
      if (!skipped(t)) at += t.sizes()[d];
    }
    record("CatBackward0", tensors, {&y}, {}, [pieces, d](Back& b) {
      const Tensor& g = b.grad();
      if (!g.defined()) return;
      for (size_t i = 0; i < pieces.size(); i++)
        b.set(int(i), [&] {
          const Piece& p = pieces[i];
          if (p.length < 0) return zeros(IntVec{0}, p.type, g.device());
          Tensor part = slice(g, d, p.start, p.start + p.length);
          return reduce_gradient(part, part.sizes(), p.type);
        });
    });
  }
  return y;
}

Tensor stack(const std::vector<Tensor>& tensors, int64_t dim, const Out& out) {
  CHECK(!tensors.empty(), "stack expects a non-empty TensorList");
  const Tensor& first = tensors[0];
  int d = wrap_dim(dim, first.ndim() + 1);
  for (size_t i = 1; i < tensors.size(); i++)
    CHECK(same(tensors[i].sizes(), first.sizes()), "stack expects each tensor to be equal size, but got ",
          shown(first.sizes()), " at entry 0 and ", shown(tensors[i].sizes()), " at entry ", i);
  IntVec shape = first->sizes;
  shape.insert(d, int64_t(tensors.size()));
  Tensor y = join("stack", tensors, shape, d, true, out);
  if (!out.given() && recording(tensors)) {
    std::vector<DType> types;
    for (const Tensor& t : tensors) types.push_back(t.dtype());
    record("StackBackward0", tensors, {&y}, {}, [types, d](Back& b) {
      const Tensor& g = b.grad();
      if (!g.defined()) return;
      for (size_t i = 0; i < types.size(); i++)
        b.set(int(i), [&] {
          Tensor part = select(g, d, int64_t(i));
          return reduce_gradient(part, part.sizes(), types[i]);
        });
    });
  }
  return y;
}

namespace {

Tensor with_dims(const Tensor& t, int n) {
  if (t.ndim() >= n) return t;
  if (t.ndim() == 0) return reshape(t, IntVec(n, 1));
  if (n == 3 && t.ndim() == 1) return unsqueeze(unsqueeze(t, 0), -1);
  return n == 3 ? unsqueeze(t, -1) : unsqueeze(t, 0);
}
template <class F>
std::vector<Tensor> each(const std::vector<Tensor>& tensors, const char* op, F&& f) {
  CHECK(!tensors.empty(), op, " expects a non-empty TensorList");
  std::vector<Tensor> out;
  for (const Tensor& t : tensors) out.push_back(f(t));
  return out;
}
Tensor hstack(const std::vector<Tensor>& tensors, const Out& out) {
  std::vector<Tensor> all = each(tensors, "hstack", [](const Tensor& t) { return with_dims(t, 1); });
  return cat(all, all[0].ndim() == 1 ? 0 : 1, out);
}
Tensor vstack(const std::vector<Tensor>& tensors, const Out& out) {
  return cat(each(tensors, "vstack", [](const Tensor& t) { return with_dims(t, 2); }), 0, out);
}
Tensor dstack(const std::vector<Tensor>& tensors, const Out& out) {
  return cat(each(tensors, "dstack", [](const Tensor& t) { return with_dims(t, 3); }), 2, out);
}
Tensor column_stack(const std::vector<Tensor>& tensors, const Out& out) {
  return hstack(each(tensors, "column_stack",
                     [](const Tensor& t) { return t.ndim() <= 1 ? reshape(t, IntVec{t.numel(), 1}) : t; }),
                out);
}

}  // namespace

// ---- repeating ----

Tensor repeat(const Tensor& x, Ints repeats) {
  int n = int(repeats.size()), shift = n - x.ndim();
  CHECK(shift >= 0, "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: got ",
        shown(repeats), " for shape ", shown(x.sizes()));
  // Each dimension becomes (repeats, size): the source is broadcast along the first of the two.
  IntVec shape, pairs, source;
  for (int d = 0; d < n; d++) {
    int64_t size = d < shift ? 1 : x.sizes()[d - shift];
    shape.push_back(repeats[d] * size);
    CHECK(repeats[d] >= 0, "Trying to create tensor with negative dimension ", shape.back(), ": repeats are ",
          shown(repeats));
    pairs.push_back(repeats[d]);
    pairs.push_back(size);
    source.push_back(1);
    source.push_back(size);
  }
  Tensor y = empty(shape, x.dtype(), x.device());
  if (y.numel()) {
    NoGrad guard;
    copy_data(alias(y, pairs, contiguous_strides(pairs), 0), reshape(x, source));
  }
  if (recording(x)) {
    record("RepeatBackward0", {&x}, {&y}, {}, gradient_by([pairs, before = x->sizes](const Tensor& g) {
             if (g.numel() == 0) return zeros(before, g.dtype(), g.device());
             IntVec dims;
             for (int d = 0; d < pairs.size(); d += 2) dims.push_back(d);
             return reshape(dims.empty() ? g : sum(reshape(g, pairs), dims), before);
           }));
  }
  return y;
}

namespace {

Tensor tile(const Tensor& x, Ints dims) {
  IntVec repeats(dims);
  while (repeats.size() < x.ndim()) repeats.insert(0, 1);
  return repeat(x, repeats);
}

// Index i as often as repeats[i] says.
Tensor repeated_indices(const Tensor& repeats, std::optional<int64_t> output_size) {
  CHECK(repeats.ndim() == 1, "repeat_interleave only accept 1D vector as repeat, got shape ", shown(repeats.sizes()));
  CHECK_KIND(NotImplemented, repeats.dtype() == DType::Int64 || repeats.dtype() == DType::Int32,
             "\"repeat_interleave\" not implemented for 'torch.", name_of(repeats.dtype()),
             "': repeats must be int64 or int32");
  if (repeats.is_meta()) {
    CHECK_KIND(NotImplemented, output_size,
               "repeat_interleave with repeats on the meta device needs output_size: their sum is not known");
    return empty(IntVec{*output_size}, DType::Int64, repeats.device());
  }
  Tensor counts = contiguous(to(repeats, DType::Int64));
  const int64_t* r = counts.data<int64_t>();
  int64_t total = 0;
  for (int64_t i = 0; i < counts.numel(); i++) {
    CHECK(r[i] >= 0, "repeats can not be negative, got ", r[i], " at position ", i);
    total += r[i];
  }
  CHECK(output_size.value_or(total) == total, "allocated size does not match required size: output_size is ",
        output_size.value_or(0), ", repeats sum to ", total);
  Tensor y = empty(IntVec{total}, DType::Int64, repeats.device());
  int64_t* p = y.data<int64_t>();
  for (int64_t i = 0; i < counts.numel(); i++) p = std::fill_n(p, r[i], i);
  return y;
}
Tensor repeat_interleave_indices(const Tensor& repeats, std::optional<int64_t> output_size) {
  return to(repeated_indices(repeats, output_size), repeats.dtype());
}

Tensor repeat_interleave_int(const Tensor& input, int64_t repeats, std::optional<int64_t> dim, std::optional<int64_t>) {
  CHECK(repeats >= 0, "Repeats must be non-negative, got ", repeats);
  Tensor x = dim ? input : reshape(input, IntVec{-1});
  if (x.ndim() == 0) x = reshape(x, IntVec{1});
  int d = wrap_dim(dim.value_or(0), x.ndim());
  IntVec shape = x->sizes, joined = x->sizes;
  shape.insert(d + 1, repeats);
  joined[d] *= repeats;
  return view(clone(expand(unsqueeze(x, d + 1), shape), MemoryFormat::Contiguous), joined);
}
Tensor repeat_interleave_tensor(const Tensor& input, const Tensor& repeats, std::optional<int64_t> dim,
                                std::optional<int64_t> output_size) {
  Tensor x = dim ? input : reshape(input, IntVec{-1});
  if (x.ndim() == 0) x = reshape(x, IntVec{1});
  int d = wrap_dim(dim.value_or(0), x.ndim());
  Tensor counts = repeats;
  if (repeats.ndim() == 0 || (repeats.ndim() == 1 && repeats.numel() == 1))
    counts = expand(reshape(repeats, IntVec{1}), IntVec{x.sizes()[d]});
  CHECK(counts.ndim() == 1, "repeats must be 0-dim or 1-dim tensor, got shape ", shown(repeats.sizes()));
  CHECK(counts.numel() == x.sizes()[d],
        "repeats must have the same size as input along dim, but got repeats.size(0) = ", counts.numel(),
        " and input.size(", d, ") = ", x.sizes()[d]);
  return index_select(x, d, repeated_indices(counts, output_size));
}

}  // namespace

// ---- reversing ----

Tensor flip(const Tensor& x, Ints dims) {
  uint64_t mask = dim_mask(dims, x.ndim(), false);
  Tensor y = empty_preserving(x, x.dtype());
  IntVec strides = x->strides;
  int64_t offset = x.offset();
  for (int d = 0; d < x.ndim(); d++)
    if (mask >> d & 1) {
      offset += std::max<int64_t>(x.sizes()[d] - 1, 0) * strides[d];
      strides[d] = -strides[d];
    }
  if (y.numel()) copy_data(y, alias(x, x.sizes(), strides, offset));
  if (recording(x))
    record("FlipBackward0", {&x}, {&y}, {},
           gradient_by([before = IntVec(dims)](const Tensor& g) { return flip(g, before); }));
  return y;
}

namespace {

Tensor roll_one(const Tensor& x, int64_t shift, int64_t dim) {
  int d = wrap_dim(dim, x.ndim());
  if (x.numel() == 0 || x.ndim() == 0) return clone_data(x);
  int64_t n = x.sizes()[d];
  shift = ((shift % n) + n) % n;
  Tensor y = empty_preserving(x, x.dtype());
  auto part = [d](const Tensor& t, int64_t start, int64_t length) {
    IntVec sizes = t->sizes;
    sizes[d] = length;
    return alias(t, sizes, t.strides(), t.offset() + start * t.strides()[d]);
  };
  copy_data(part(y, shift, n - shift), part(x, 0, n - shift));
  copy_data(part(y, 0, shift), part(x, n - shift, shift));
  return y;
}

Tensor flip_op(const Tensor& x, Ints dims) { return flip(x, dims); }
Tensor fliplr(const Tensor& x) {
  CHECK(x.ndim() >= 2, "Input must be >= 2-d., got ", x.ndim(), "-d");
  return flip(x, IntVec{1});
}
Tensor flipud(const Tensor& x) {
  CHECK(x.ndim() >= 1, "Input must be >= 1-d., got a 0-d tensor");
  return flip(x, IntVec{0});
}

Tensor rot90(const Tensor& x, int64_t k, Ints dims) {
  CHECK(dims.size() == 2, "expected total rotation dims == 2, but got dims = ", dims.size());
  CHECK(x.ndim() >= 2, "expected total dims >= 2, but got total dims = ", x.ndim());
  int a = wrap_dim(dims[0], x.ndim()), b = wrap_dim(dims[1], x.ndim());
  CHECK(a != b, "expected rotation dims to be different, but got dim0 = ", dims[0], " and dim1 = ", dims[1]);
  k = ((k % 4) + 4) % 4;
  Tensor y;
  {
    NoGrad guard;
    y = k == 0   ? clone(x, MemoryFormat::Contiguous)
        : k == 2 ? flip(x, dims)
                 : alias(transpose(flip(x, IntVec{k == 1 ? b : a}), a, b));
  }
  if (recording(x))
    record("Rot90Backward0", {&x}, {&y}, {},
           gradient_by([k, a, b](const Tensor& g) { return rot90(g, -k, IntVec{a, b}); }));
  return y;
}

}  // namespace

Tensor roll(const Tensor& x, Ints shifts, Ints dims) {
  CHECK(!shifts.empty(), "`shifts` required");
  CHECK(shifts.size() == dims.size() || (dims.empty() && shifts.size() == 1),
        "shifts and dimensions must align. shifts: ", shifts.size(), ", dims:", dims.size());
  Tensor y;
  {
    NoGrad guard;
    if (dims.empty()) {
      Tensor flat = contiguous(x);
      y = alias(roll_one(alias(flat, IntVec{x.numel()}, IntVec{1}, flat.offset()), shifts[0], 0), x.sizes(),
                contiguous_strides(x.sizes()), 0);
    } else {
      y = x;
      for (size_t i = 0; i < dims.size(); i++) y = roll_one(y, shifts[i], dims[i]);
    }
  }
  if (recording(x)) {
    IntVec back(shifts), along(dims);
    for (int64_t& s : back) s = -s;
    record("RollBackward0", {&x}, {&y}, {},
           gradient_by([back, along](const Tensor& g) { return roll(g, back, along); }));
  }
  return y;
}

// ---- triangles ----

namespace {

Tensor triangle(const char* name, const char* grad_name, bool upper, const Tensor& x, int64_t diagonal,
                const Out& out) {
  CHECK(x.ndim() >= 2, name, ": input tensor must have at least 2 dimensions, got shape ", shown(x.sizes()));
  if (!out.inplace()) check_out_type(name, out, x.dtype());
  return in_form(name, x, out, recording(x), [&](const Tensor& t) {
    Tensor y;
    {
      NoGrad guard;
      Tensor plain = contiguous(t);
      y = empty(t.sizes(), t.dtype(), t.device());
      int64_t rows = t.size(-2), columns = t.size(-1);
      if (y.numel())
        kernels(t.device())
            .triangle(
                {upper, diagonal, t.numel() / (rows * columns), rows, columns, t.item_size(), plain.data(), y.data()});
    }
    if (recording(t))
      record(grad_name, {&t}, {&y}, {},
             gradient_by([upper, diagonal](const Tensor& g) { return upper ? triu(g, diagonal) : tril(g, diagonal); }));
    return y;
  });
}

Tensor triangle_indices(const char* name, bool upper, int64_t rows, int64_t columns, int64_t offset,
                        std::optional<DType> dtype, std::optional<Device> device) {
  CHECK(rows >= 0, "row must be non-negative, got ", rows);
  CHECK(columns >= 0, "col must be non-negative, got ", columns);
  DType type = dtype.value_or(DType::Int64);
  CHECK_KIND(NotImplemented, is_integral(type) && type != DType::Bool, '"', name, "\" not implemented for 'torch.",
             name_of(type), "'");
  std::vector<int64_t> r, c;
  for (int64_t i = 0; i < rows; i++) {
    int64_t from = upper ? std::clamp<int64_t>(i + offset, 0, columns) : 0,
            to = upper ? columns : std::clamp<int64_t>(i + offset + 1, 0, columns);
    for (int64_t j = from; j < to; j++) r.push_back(i), c.push_back(j);
  }
  int64_t n = int64_t(r.size());
  Tensor y = empty(IntVec{2, n}, DType::Int64, device.value_or(Device{}));
  if (!y.is_meta() && n) {
    std::copy(r.begin(), r.end(), y.data<int64_t>());
    std::copy(c.begin(), c.end(), y.data<int64_t>() + n);
  }
  return to(y, type);
}
Tensor tril_indices(int64_t row, int64_t col, int64_t offset, std::optional<DType> dtype,
                    std::optional<Device> device) {
  return triangle_indices("tril_indices", false, row, col, offset, dtype, device);
}
Tensor triu_indices(int64_t row, int64_t col, int64_t offset, std::optional<DType> dtype,
                    std::optional<Device> device) {
  return triangle_indices("triu_indices", true, row, col, offset, dtype, device);
}

}  // namespace

Tensor tril(const Tensor& x, int64_t diagonal, const Out& out) {
  return triangle("tril", "TrilBackward0", false, x, diagonal, out);
}
Tensor triu(const Tensor& x, int64_t diagonal, const Out& out) {
  return triangle("triu", "TriuBackward0", true, x, diagonal, out);
}

// ---- diagonals ----

namespace {

Tensor diag_embed(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  int n = x.ndim() + 1;
  int a = wrap_dim(dim1, n), b = wrap_dim(dim2, n);
  CHECK(a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  CHECK(x.ndim() > 0, "diag_embed: input must have at least 1 dimension");
  int64_t length = x.sizes().back() + std::abs(offset);
  IntVec sizes(x.sizes().first(x.ndim() - 1));
  sizes.insert(std::min(a, b), length);
  sizes.insert(std::max(a, b), length);
  return embed("DiagEmbedBackward0", x, sizes, [offset, a, b](const Tensor& t) { return diagonal(t, offset, a, b); });
}
Tensor diagflat(const Tensor& x, int64_t offset) { return diag_embed(reshape(x, IntVec{-1}), offset, 0, 1); }

Tensor diag_of(const Tensor& x, int64_t offset) {
  CHECK(x.ndim() == 1 || x.ndim() == 2, "diag(): Supports 1D or 2D tensors. Got ", x.ndim(), "D");
  if (x.ndim() == 1) return diag_embed(x, offset, 0, 1);
  Tensor y;
  {
    NoGrad guard;
    y = clone(diagonal(x, offset), MemoryFormat::Contiguous);
  }
  if (recording(x))
    record("DiagonalBackward0_copy", {&x}, {&y}, {}, gradient_by([before = x->sizes, offset](const Tensor& g) {
             return embed("DiagonalBackwardBackward0", g, before,
                          [offset](const Tensor& t) { return diagonal(t, offset); });
           }));
  return y;
}
Tensor diag(const Tensor& x, int64_t offset, const Out& out) {
  return into("diag", out, x.dtype(), recording(x), [&] { return diag_of(x, offset); });
}

Tensor trace(const Tensor& x) {
  CHECK(x.ndim() == 2, "trace: expected a matrix, but got tensor with dim ", x.ndim());
  CHECK_KIND(NotImplemented, x.dtype() != DType::Bool, "\"trace\" not implemented for 'torch.bool'");
  Tensor y;
  {
    NoGrad guard;
    y = sum(diagonal(x));
  }
  if (recording(x))
    record("TraceBackward0", {&x}, {&y}, {}, gradient_by([sizes = x->sizes](const Tensor& g) {
             return embed("TraceBackwardBackward0", expand(g, IntVec{std::min(sizes[0], sizes[1])}), sizes,
                          [](const Tensor& t) { return diagonal(t); });
           }));
  return y;
}

Tensor fill_diagonal_(const Tensor& x, const Scalar& value, bool wrap) {
  CHECK(x.ndim() >= 2, "dimensions must larger than 1: fill_diagonal_ got shape ", shown(x.sizes()));
  Tensor one = full({}, value, x.dtype(), x.device());
  if (x.ndim() == 2) {
    // With wrap the diagonal of a tall matrix begins again below, a row left free.
    int64_t height = x.sizes()[0], width = x.sizes()[1];
    for (int64_t row = 0; row < std::max<int64_t>(height, 1); row += width + 1) {
      copy_(diagonal(row ? slice(x, 0, row, std::nullopt) : x), one);
      if (!wrap) break;
    }
    return x;
  }
  int64_t step = 0;
  for (int d = 0; d < x.ndim(); d++) {
    CHECK(x.sizes()[d] == x.sizes()[0], "all dimensions of input must be of equal length, got shape ",
          shown(x.sizes()));
    step += x.strides()[d];
  }
  copy_(as_strided(x, IntVec{x.sizes()[0]}, IntVec{step}), one);
  return x;
}

}  // namespace

// ---- padding ----

Tensor pad_constant(const Tensor& x, Ints pad, const Scalar& value) {
  CHECK(pad.size() % 2 == 0, "Length of pad must be even but instead it equals ", pad.size());
  int n = x.ndim(), padded = int(pad.size() / 2);
  CHECK(padded <= n, "Length of pad should be no more than twice the number of dimensions of the input. Pad length is ",
        pad.size(), " while the input has ", n, " dimensions.");
  check_fits(value, x.dtype());
  IntVec sizes = x->sizes, inner_from = x->sizes, inner_to = x->sizes, inner(x.sizes());
  bool pads = false;
  for (int d = 0; d < n; d++) {
    int k = n - 1 - d;
    int64_t before = k < padded ? pad[2 * k] : 0, after = k < padded ? pad[2 * k + 1] : 0;
    sizes[d] += before + after;
    CHECK(sizes[d] >= 0, "The input size ", x.sizes()[d], ", plus negative padding ", before, " and ", after,
          " resulted in a negative output size, which is invalid. Check dimension ", d, " of your input.");
    inner_from[d] = std::max<int64_t>(-before, 0);
    inner_to[d] = std::max<int64_t>(before, 0);
    inner[d] = std::max<int64_t>(x.sizes()[d] + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0), 0);
    pads |= before > 0 || after > 0;
  }
  Tensor y = pads ? full(sizes, value, x.dtype(), x.device()) : empty(sizes, x.dtype(), x.device());
  int64_t from = x.offset(), to = 0;
  for (int d = 0; d < n; d++) {
    from += inner_from[d] * x.strides()[d];
    to += inner_to[d] * y.strides()[d];
  }
  if (product(inner)) copy_data(alias(y, inner, y.strides(), to), alias(x, inner, x.strides(), from));
  if (recording(x)) {
    IntVec back(pad);
    for (int64_t& p : back) p = -p;
    record("ConstantPadNdBackward0", {&x}, {&y}, {},
           gradient_by([back](const Tensor& g) { return pad_constant(g, back, 0); }));
  }
  return y;
}

namespace {

Tensor resize_as_(const Tensor& x, const Tensor& other) {
  CHECK(!x.requires_grad(), "cannot resize variables that require grad");
  resize(x, other.sizes());
  return x;
}

}  // namespace

void register_shape() {
  for (const char* s : {"cat(Tensor[] tensors, int dim=0) -> Tensor", "concat(Tensor[] tensors, int dim=0) -> Tensor",
                        "concatenate(Tensor[] tensors, int dim=0) -> Tensor"})
    op<&cat>(s, Function | OutForm, "tensors joined along a dimension");
  op<&stack>("stack(Tensor[] tensors, int dim=0) -> Tensor", Function | OutForm,
             "tensors of one shape joined along a new dimension");
  op<&hstack>("hstack(Tensor[] tensors) -> Tensor", Function | OutForm,
              "tensors joined along dimension 1, or 0 of 1-D tensors");
  op<&vstack>("vstack(Tensor[] tensors) -> Tensor", Function | OutForm, "tensors joined along dimension 0");
  op<&vstack>("row_stack(Tensor[] tensors) -> Tensor", Function | OutForm, "tensors joined along dimension 0");
  op<&dstack>("dstack(Tensor[] tensors) -> Tensor", Function | OutForm, "tensors joined along dimension 2");
  op<&column_stack>("column_stack(Tensor[] tensors) -> Tensor", Function | OutForm,
                    "1-D tensors as columns, others joined along dimension 1");
  op<&repeat>("repeat(Tensor input, int[] repeats) -> Tensor", Method, "the tensor repeated along each dimension");
  op<&tile>("tile(Tensor input, int[] dims) -> Tensor", kUsual, "repeat; missing counts in front are 1");
  op<&repeat_interleave_int>(
      "repeat_interleave(Tensor input, int repeats, int? dim=None, *, int? output_size=None) -> Tensor", kUsual,
      "each element repeated in its place");
  op<&repeat_interleave_tensor>(
      "repeat_interleave(Tensor input, Tensor repeats, int? dim=None, *, int? output_size=None) -> Tensor", kUsual);
  op<&repeat_interleave_indices>("repeat_interleave(Tensor repeats, *, int? output_size=None) -> Tensor", Function);
  op<&flip_op>("flip(Tensor input, int[] dims) -> Tensor", kUsual, "reversed along dimensions");
  op<&fliplr>("fliplr(Tensor input) -> Tensor", kUsual, "reversed along dimension 1");
  op<&flipud>("flipud(Tensor input) -> Tensor", kUsual, "reversed along dimension 0");
  op<&rot90>("rot90(Tensor input, int k=1, int[] dims=[0, 1]) -> Tensor", kUsual,
             "turned k times by 90 degrees, from the first towards the second dimension");
  op<&roll>("roll(Tensor input, int[1] shifts, int[1] dims=[]) -> Tensor", kUsual,
            "shifted along dimensions, what leaves one end enters at the other");
  op<&tril>("tril(Tensor input, int diagonal=0) -> Tensor", kAll, "the lower triangle of matrices, zeros elsewhere");
  op<&triu>("triu(Tensor input, int diagonal=0) -> Tensor", kAll, "the upper triangle of matrices, zeros elsewhere");
  op<&tril_indices>("tril_indices(int row, int col, int offset=0, *, dtype? dtype=None, device? device=None) -> Tensor",
                    Function, "row and column of each element of the lower triangle");
  op<&triu_indices>("triu_indices(int row, int col, int offset=0, *, dtype? dtype=None, device? device=None) -> Tensor",
                    Function, "row and column of each element of the upper triangle");
  op<&diag>("diag(Tensor input, int diagonal=0) -> Tensor", kUsual | OutForm,
            "the diagonal of a matrix, or a matrix with that diagonal");
  op<&trace>("trace(Tensor input) -> Tensor", kUsual, "the sum of the diagonal of a matrix");
  op<&fill_diagonal_>("fill_diagonal_(Tensor input, Number fill_value, bool wrap=False) -> Tensor", Method,
                      "sets the main diagonal to one value");
  op<&diag_embed>("diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", kUsual,
                  "matrices whose diagonals are the last dimension of input");
  op<&diagflat>("diagflat(Tensor input, int offset=0) -> Tensor", kUsual,
                "a matrix with all elements of input on its diagonal");
  op<&diagonal_scatter>("diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
                        kUsual, "a copy of input with src on a diagonal");
  op<&select_scatter>("select_scatter(Tensor input, Tensor src, int dim, int index) -> Tensor", kUsual,
                      "a copy of input with src at one index");
  op<&slice_scatter>(
      "slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
      kUsual, "a copy of input with src in a slice");
  op<&as_strided_scatter>(
      "as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
      kUsual, "a copy of input with src in an as_strided view");
  op<&pad_constant>("constant_pad_nd(Tensor input, int[] pad, Number value=0) -> Tensor", Function,
                    "padded with a constant; pad holds (before, after) from the last dimension on");
  op<&resize_as_>("resize_as_(Tensor input, Tensor the_template) -> Tensor", Method | Function,
                  "resize_ to another tensor's shape");
}

}  // namespace lampas
