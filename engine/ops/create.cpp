// Making tensors, copying them, and changing their type or place.
#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

Tensor scalar_tensor(const Scalar& value, DType dtype, Device device) { return full({}, value, dtype, device); }

Tensor full(Ints sizes, const Scalar& value, DType dtype, Device device) {
  Tensor t = empty(sizes, dtype, device);
  fill_data(t, value);
  return t;
}
Tensor zeros(Ints sizes, DType dtype, Device device) {
  Tensor t = empty(sizes, dtype, device);
  if (device.is_cpu() && t->storage->nbytes <= (64 << 10))
    std::memset(t->storage->data, 0, t->storage->nbytes);
  else
    fill_data(t, 0);
  return t;
}
Tensor ones(Ints sizes, DType dtype, Device device) { return full(sizes, 1, dtype, device); }
Tensor zeros_like(const Tensor& t) {
  Tensor y = empty_preserving(t, t.dtype());
  fill_data(y, 0);
  return y;
}
Tensor ones_like(const Tensor& t) {
  Tensor y = empty_preserving(t, t.dtype());
  fill_data(y, 1);
  return y;
}

void check_fits(const Scalar& value, DType d) {
  bool fits = is_complex(d) || value.kind() != Scalar::Complex;
  if (fits && d != DType::Bool) {
    const double v = value.to_double();
    dispatch(d, [&]<class T>(TypeTag<T>) {
      if constexpr (std::is_integral_v<T>) {
        // The limits of 64 bits are no doubles, but 2^63 is; below it, an int is compared as one.
        const double most = double(std::numeric_limits<T>::max()), least = double(std::numeric_limits<T>::min());
        const bool is_int = value.is_integral() && sizeof(T) == 8;
        // As in PyTorch, a negative number wraps around into an unsigned type.
        fits = is_int || (v <= most && v >= (std::is_signed_v<T> ? least : -most) && !(sizeof(T) == 8 && v == most));
      } else if constexpr (std::is_floating_point_v<T>) {
        fits = !std::isfinite(v) || std::fabs(v) <= double(std::numeric_limits<T>::max());
      }
    });
  }
  CHECK(fits, "value cannot be converted to type ", name_of(d), " without overflow: ", value.to_double());
}

namespace {

Device device_or(std::optional<Device> d) {
  Device device = d.value_or(Device{});
  if (device.is_cpu()) device.index = -1;
  return device;
}

// dtype, device, requires_grad as factory functions take them.
Tensor with_grad(Tensor t, bool on) {
  if (on) set_requires_grad(t, true);
  return t;
}
using DT = std::optional<DType>;
using DV = std::optional<Device>;
using MF = std::optional<MemoryFormat>;

IntVec channels_last_strides(Ints sizes) {
  int n = int(sizes.size());
  IntVec strides(n, 1);
  int64_t step = 1;
  strides[1] = 1;
  step = std::max<int64_t>(sizes[1], 1);
  for (int d = n - 1; d >= 2; d--) {
    strides[d] = step;
    step *= std::max<int64_t>(sizes[d], 1);
  }
  strides[0] = step;
  return strides;
}

Tensor empty_in_format(Ints sizes, DType dtype, Device device, MF format) {
  if (format == MemoryFormat::ChannelsLast || format == MemoryFormat::ChannelsLast3d) {
    int want = format == MemoryFormat::ChannelsLast ? 4 : 5;
    CHECK(int(sizes.size()) == want, "required rank ", want, " tensor to use channels_last", want == 5 ? "_3d" : "",
          " format");
    return empty_strided(sizes, channels_last_strides(sizes), dtype, device);
  }
  return empty(sizes, dtype, device);
}

bool has_format(const Tensor& t, MF format) {
  if (!format || format == MemoryFormat::Contiguous) return t.is_contiguous();
  if (format == MemoryFormat::Preserve) return true;
  int want = format == MemoryFormat::ChannelsLast ? 4 : 5;
  if (t.ndim() != want) return false;
  IntVec expected = channels_last_strides(t.sizes());
  for (int d = 0; d < want; d++)
    if (t.sizes()[d] != 1 && t.strides()[d] != expected[d]) return false;
  return true;
}

Tensor copy_in_format(const Tensor& t, DType dtype, MF format) {
  Tensor y = !format || format == MemoryFormat::Preserve ? empty_preserving(t, dtype)
                                                         : empty_in_format(t.sizes(), dtype, t.device(), format);
  // A copy may keep the deferred order.
  if (t.order() == Order::ChannelsLast && y.is_contiguous()) y->storage->order = t.order();
  copy_data(y, t);
  return y;
}

Tensor empty_op(Ints size, DT dtype, DV device, MF format, bool requires_grad) {
  return with_grad(empty_in_format(size, dtype.value_or(default_dtype()), device_or(device), format), requires_grad);
}
Tensor zeros_op(Ints size, DT dtype, DV device, bool requires_grad) {
  return with_grad(zeros(size, dtype.value_or(default_dtype()), device_or(device)), requires_grad);
}
Tensor ones_op(Ints size, DT dtype, DV device, bool requires_grad) {
  return with_grad(ones(size, dtype.value_or(default_dtype()), device_or(device)), requires_grad);
}
DType type_of(const Scalar& s) {
  switch (s.kind()) {
    case Scalar::Bool:
      return DType::Bool;
    case Scalar::Int:
      return DType::Int64;
    case Scalar::Float:
      return default_dtype();
    default:
      return to_complex(default_dtype());
  }
}
Tensor full_op(Ints size, const Scalar& value, DT dtype, DV device, bool requires_grad) {
  return with_grad(full(size, value, dtype.value_or(type_of(value)), device_or(device)), requires_grad);
}
Tensor empty_like_op(const Tensor& t, DT dtype, DV device, bool requires_grad, MF format) {
  DType d = dtype.value_or(t.dtype());
  Device v = device ? device_or(device) : t.device();
  Tensor y = format && format != MemoryFormat::Preserve ? empty_in_format(t.sizes(), d, v, format)
             : is_dense(t.sizes(), t.strides())
                 ? empty_strided(t.sizes(), t.strides(), d, v)
                 : empty_strided(t.sizes(), dense_strides_like(t.sizes(), t.strides()), d, v);
  return with_grad(y, requires_grad);
}
Tensor full_like_op(const Tensor& t, const Scalar& value, DT dtype, DV device, bool requires_grad, MF format) {
  Tensor y = empty_like_op(t, dtype, device, false, format);
  fill_data(y, value);
  return with_grad(y, requires_grad);
}
Tensor zeros_like_op(const Tensor& t, DT dtype, DV device, bool requires_grad, MF format) {
  return full_like_op(t, 0, dtype, device, requires_grad, format);
}
Tensor ones_like_op(const Tensor& t, DT dtype, DV device, bool requires_grad, MF format) {
  return full_like_op(t, 1, dtype, device, requires_grad, format);
}
Tensor new_empty(const Tensor& t, Ints size, DT dtype, DV device, bool requires_grad) {
  return with_grad(empty(size, dtype.value_or(t.dtype()), device ? device_or(device) : t.device()), requires_grad);
}
Tensor new_full(const Tensor& t, Ints size, const Scalar& value, DT dtype, DV device, bool requires_grad) {
  Tensor y = new_empty(t, size, dtype, device, false);
  fill_data(y, value);
  return with_grad(y, requires_grad);
}
Tensor new_zeros(const Tensor& t, Ints size, DT dtype, DV device, bool requires_grad) {
  return new_full(t, size, 0, dtype, device, requires_grad);
}
Tensor new_ones(const Tensor& t, Ints size, DT dtype, DV device, bool requires_grad) {
  return new_full(t, size, 1, dtype, device, requires_grad);
}
Tensor empty_strided_op(Ints size, Ints stride, DT dtype, DV device, bool requires_grad) {
  return with_grad(empty_strided(size, stride, dtype.value_or(default_dtype()), device_or(device)), requires_grad);
}

// Fills t with f(i) for element i of its plain order.
template <class F>
void generate(const Tensor& t, F&& f) {
  if (t.is_meta() || t.numel() == 0) return;
  Tensor plain = t.is_contiguous() ? t : empty_like(t);
  dispatch(t.dtype(), [&]<class T>(TypeTag<T>) {
    T* p = plain.data<T>();
    for (int64_t i = 0, n = t.numel(); i < n; i++) p[i] = convert<T>(f(i));
  });
  if (!plain.is(t)) copy_data(t, plain);
}

Tensor range_values(const Scalar& start, const Scalar& end, const Scalar& step, DT dtype, DV device, bool requires_grad,
                    const Out& out, bool closed) {
  bool integral = start.is_integral() && end.is_integral() && step.is_integral();
  DType d = out.given() ? out.tensor->dtype()
                        : dtype.value_or(closed     ? default_dtype()
                                         : integral ? DType::Int64
                                                    : default_dtype());
  double a = start.to_double(), b = end.to_double(), s = step.to_double();
  CHECK(s != 0, "step must be nonzero");
  CHECK(std::isfinite(a) && std::isfinite(b), "unsupported range: ", a, " -> ", b);
  CHECK((s > 0 && b >= a) || (s < 0 && b <= a), "upper bound and lower bound inconsistent with step sign: start ", a,
        ", end ", b, ", step ", s);
  int64_t n;
  if (closed)
    n = int64_t((b - a) / s) + 1;
  else if (integral) {
    int64_t span = end.to_int() - start.to_int(), st = step.to_int();
    n = (span + st - (st > 0 ? 1 : -1)) / st;
  } else {
    double count = std::ceil((b - a) / s);
    CHECK(count < 9e18, "the range ", a, " to ", b, " in steps of ", s, " has too many values");
    n = int64_t(count);
  }
  Tensor t = out.given() ? *out.tensor : empty(Ints(&n, 1), d, device_or(device));
  if (out.given()) resize(t, Ints(&n, 1));
  if (is_integral(d) && integral) {
    int64_t ia = start.to_int(), is = step.to_int();
    generate(t, [&](int64_t i) { return ia + i * is; });
  } else if (is_integral(d)) {
    int64_t ia = int64_t(a), is = int64_t(s);
    generate(t, [&](int64_t i) { return ia + i * is; });
  } else {
    generate(t, [&](int64_t i) { return a + double(i) * s; });
  }
  if (out.given()) t.bump_version();
  return with_grad(t, requires_grad);
}

Tensor arange_end(const Scalar& end, DT dtype, DV device, bool requires_grad, const Out& out) {
  return range_values(0, end, 1, dtype, device, requires_grad, out, false);
}
Tensor arange_start(const Scalar& start, const Scalar& end, const Scalar& step, DT dtype, DV device, bool requires_grad,
                    const Out& out) {
  return range_values(start, end, step, dtype, device, requires_grad, out, false);
}
Tensor range_op(const Scalar& start, const Scalar& end, const Scalar& step, DT dtype, DV device, bool requires_grad) {
  return range_values(start, end, step, dtype, device, requires_grad, {}, true);
}

// Counted from both ends, so that the last value is exact and the sequence symmetric.
template <class F>
Tensor spaced(const Operand& start, const Operand& end, int64_t steps, DT dtype, DV device, bool requires_grad,
              const Out& out, F&& map) {
  CHECK(steps >= 0, "number of steps must be non-negative, got ", steps);
  auto value = [](const Operand& o) { return o.is_tensor() ? item(o.tensor()) : o.scalar(); };
  Scalar first = value(start), last = value(end);
  bool complex = first.kind() == Scalar::Complex || last.kind() == Scalar::Complex;
  DType d = out.given() ? out.tensor->dtype() : dtype.value_or(complex ? to_complex(default_dtype()) : default_dtype());
  Tensor t = out.given() ? *out.tensor : empty(Ints(&steps, 1), d, device_or(device));
  if (out.given()) resize(t, Ints(&steps, 1));
  auto fill = [&](auto a, auto b) {
    using T = decltype(a);
    T step = steps > 1 ? (b - a) / T(steps - 1) : T(0);
    generate(t, [&](int64_t i) { return map(i < steps / 2 ? a + step * T(i) : b - step * T(steps - 1 - i)); });
    if (steps == 1) generate(t, [&](int64_t) { return map(a); });
  };
  if (is_complex(d))
    fill(first.to_complex(), last.to_complex());
  else if (d == DType::Float32)
    fill(float(first.to_double()), float(last.to_double()));
  else
    fill(first.to_double(), last.to_double());
  if (out.given()) t.bump_version();
  return with_grad(t, requires_grad);
}
Tensor linspace(const Operand& start, const Operand& end, int64_t steps, DT dtype, DV device, bool requires_grad,
                const Out& out) {
  return spaced(start, end, steps, dtype, device, requires_grad, out, [](auto v) { return v; });
}
Tensor logspace(const Operand& start, const Operand& end, int64_t steps, double base, DT dtype, DV device,
                bool requires_grad, const Out& out) {
  return spaced(start, end, steps, dtype, device, requires_grad, out,
                [base](auto v) { return std::pow(decltype(v)(base), v); });
}
Tensor eye(int64_t n, std::optional<int64_t> m, DT dtype, DV device, bool requires_grad, const Out& out) {
  CHECK(n >= 0 && m.value_or(0) >= 0, "eye: sizes must be 0 or more, got ", n, " and ", m.value_or(n));
  int64_t columns = m.value_or(n), sizes[2] = {n, columns};
  Tensor t = out.given() ? *out.tensor : empty(sizes, dtype.value_or(default_dtype()), device_or(device));
  if (out.given()) resize(t, sizes);
  fill_data(t, 0);
  int64_t k = std::min(n, columns), stride = t.strides()[0] + t.strides()[1];
  if (k > 0) fill_data(alias(t, Ints(&k, 1), Ints(&stride, 1), t.offset()), 1);
  return with_grad(t, requires_grad);
}

Tensor fill_(const Tensor& t, const Operand& value) {
  if (value.is_tensor()) {
    const Tensor& v = value.tensor();
    CHECK(v.ndim() == 0, "fill_ only supports 0-dimension value tensor but got tensor with ", v.ndim(), " dimensions.");
    return copy_(t, v);
  }
  check_inplace(t, t.requires_grad());
  check_fits(value.scalar(), t.dtype());
  fill_data(t, value.scalar());
  Ref<Node> n;
  if (recording(t)) {
    n = make_node("FillBackward0", [](Back& b) { b.set(0, [&] { return zeros_like(b.grad()); }); }, 1, 1, 0);
    connect(n, {&t}, {}, {});
  }
  written_inplace(t, n);
  return t;
}
Tensor zero_(const Tensor& t) { return fill_(t, Scalar(0)); }

Tensor contiguous_op(const Tensor& t, MF format) { return contiguous(t, format); }
Tensor clone_op(const Tensor& t, MF format) { return clone(t, format); }

Tensor to_full(const Tensor& t, DV device, DT dtype, bool, bool copy, MF format) {
  DType d = dtype.value_or(t.dtype());
  Device v = device ? device_or(device) : t.device();
  v.check_there(true);
  CHECK_KIND(
      NotImplemented, !(t.is_meta() && !v.is_meta()),
      "Cannot copy out of meta tensor; no data! Use torch.nn.Module.to_empty() or make the tensor on its device");
  if (d == t.dtype() && v.type == t.device().type && !copy && (!format || has_format(t, format))) return t;
  Tensor y;
  if (v.type != t.device().type) {
    y = empty(t.sizes(), d, v);
  } else {
    y = copy_in_format(t, d, format);
  }
  if (recording(t) && is_inexact(d)) {
    DType from = t.dtype();
    record("ToCopyBackward0", {&t}, {&y}, {}, [from](Back& b) {
      b.set(0, [&] { return to(is_complex(b.grad().dtype()) && !is_complex(from) ? real(b.grad()) : b.grad(), from); });
    });
  }
  return y;
}
Tensor to_dtype(const Tensor& t, DType dtype, bool non_blocking, bool copy, MF format) {
  return to_full(t, {}, dtype, non_blocking, copy, format);
}
Tensor to_other(const Tensor& t, const Tensor& other, bool non_blocking, bool copy, MF format) {
  return to_full(t, other.device(), other.dtype(), non_blocking, copy, format);
}

template <DType D>
Tensor cast(const Tensor& t, MF format) {
  return to_full(t, {}, D, false, false, format);
}

Tensor type_as(const Tensor& t, const Tensor& other) { return to(t, other.dtype()); }
Tensor detach_op(const Tensor& t) {
  Tensor d = detach(t);
  return d;
}
Tensor detach_(const Tensor& t) {
  CHECK(!t->base.defined(),
        "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel, gradients are "
        "views");
  if (t->autograd) {
    t->autograd->grad_fn.reset();
    t->autograd->requires_grad = false;
  }
  return t;
}
bool is_contiguous_op(const Tensor& t, MF format) { return has_format(t, format); }
Tensor resize_(const Tensor& t, Ints size) {
  CHECK(!t.requires_grad(), "cannot resize variables that require grad");
  resize(t, size);
  return t;
}
Tensor set_requires_grad_op(const Tensor& t, bool on) {
  set_requires_grad(t, on);
  return t;
}
Tensor complex_op(const Tensor& re, const Tensor& im, const Out& out) { return complex(re, im, out); }
Tensor polar(const Tensor& r, const Tensor& angle, const Out& out) {
  CHECK(r.dtype() == angle.dtype() && (r.dtype() == DType::Float32 || r.dtype() == DType::Float64),
        "polar: abs and angle must both be float32 or both float64, got ", name_of(r.dtype()), " and ",
        name_of(angle.dtype()));
  Tensor y = elementwise(Ew::Polar, {r, angle}, r.dtype(), to_complex(r.dtype()), out);
  if (!out.given() && recording(r, angle)) {
    IntVec rs = r->sizes, as = angle->sizes;
    record("PolarBackward0", {&r, &angle}, {&y}, {{"abs", &r}, {"angle", &angle}}, [rs, as](Back& b) {
      Tensor g = b.grad(), m = b.saved(0), a = b.saved(1);
      b.set(0, [&] { return sum_to(real(g) * cos(a) + imag(g) * sin(a), rs); });
      b.set(1, [&] { return sum_to(m * (imag(g) * cos(a) - real(g) * sin(a)), as); });
    });
  }
  return y;
}
bool is_floating_point(const Tensor& t) { return is_floating(t.dtype()); }
bool is_complex_op(const Tensor& t) { return is_complex(t.dtype()); }
bool is_signed_op(const Tensor& t) { return is_signed(t.dtype()); }
bool is_same_size(const Tensor& a, const Tensor& b) { return same(a.sizes(), b.sizes()); }
bool is_nonzero(const Tensor& t) {
  CHECK(t.numel() == 1, "Boolean value of Tensor with ", t.numel() == 0 ? "no values" : "more than one value",
        " is ambiguous");
  return item(t).to_bool();
}
int64_t numel_op(const Tensor& t) { return t.numel(); }
DType result_type_op(const Operand& a, const Operand& b) { return result_type({a, b}); }
DType promote_types_op(DType a, DType b) { return promote(a, b); }
bool can_cast_op(DType a, DType b) { return can_cast(a, b); }

bool equal(const Tensor& a, const Tensor& b) {
  if (!same(a.sizes(), b.sizes())) return false;
  CHECK(a.dtype() == b.dtype(), "Expected object of data type ", name_of(a.dtype()), " but got ", name_of(b.dtype()),
        " for argument 'other': equal compares tensors of one dtype");
  if (a.numel() == 0) return true;
  NoGrad guard;
  return !item(sum(ne(a, b))).to_int();
}

}  // namespace

Tensor arange(int64_t n, DType dtype, Device device) { return range_values(0, n, 1, dtype, device, false, {}, false); }

Tensor clone_data(const Tensor& t) { return copy_in_format(t, t.dtype(), std::nullopt); }

Tensor clone(const Tensor& t, MF format) {
  Tensor y = copy_in_format(t, t.dtype(), format);
  if (recording(t)) record("CloneBackward0", {&t}, {&y}, {}, [](Back& b) { b.set(0, [&] { return b.grad(); }); });
  return y;
}
Tensor contiguous(const Tensor& t, MF format) {
  return has_format(t, format) ? t : clone(t, format ? format : MF(MemoryFormat::Contiguous));
}
Tensor to(const Tensor& t, DType dtype) { return to_full(t, {}, dtype, false, false, {}); }

Tensor copy_(const Tensor& t, const Tensor& from, bool) {
  CHECK(can_broadcast(from.sizes(), t.sizes()), "The size of tensor a ", shown(t.sizes()),
        " must match the size of tensor b ", shown(from.sizes()),
        ": copy_ broadcasts its source to the shape of the tensor it writes");
  bool records = recording(t, from);
  check_inplace(t, records);
  check_no_overlap(t);
  if (t.is(from)) return t;
  copy_data(t, from);
  Ref<Node> n;
  if (records) {
    IntVec sizes = from->sizes;
    DType d = from.dtype();
    n = make_node(
        "CopyBackwards",
        [sizes, d](Back& b) {
          b.set(0, [&] { return zeros_like(b.grad()); });
          b.set(1, [&] { return reduce_gradient(b.grad(), sizes, d); });
        },
        2, 1, 0);
    connect(n, {&t, &from}, {}, {});
  }
  written_inplace(t, n);
  return t;
}

void add_in_place(const Tensor& t, const Tensor& g) {
  EwParams p;
  p.v[0] = 1;
  p.i[0] = 1;
  p.c[0] = 1;
  elementwise(Ew::Add, {t, g}, t.dtype(), t.dtype(), Out{Out::Inplace, &t}, p);
  t.bump_version();
}

bool has_nan(const Tensor& t) { return t.numel() && item(sum(unary_op(Ew::IsNan, t))).to_int() > 0; }

Scalar item(const Tensor& t) {
  CHECK(t.numel() == 1, "a Tensor with ", t.numel(), " elements cannot be converted to Scalar: its shape is ",
        shown(t.sizes()), ", and item() needs exactly one element");
  CHECK(!t.is_meta(), "Tensor.item() cannot be called on meta tensors: they have no data");
  return dispatch(t.dtype(), [&]<class T>(TypeTag<T>) -> Scalar {
    T v = *t.data<T>();
    if constexpr (std::is_same_v<T, bool>)
      return Scalar(v);
    else if constexpr (std::is_integral_v<T>)
      return Scalar(int64_t(v));
    else if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex128>)
      return Scalar(complex128(v.real(), v.imag()));
    else
      return Scalar(double(v));
  });
}

Tensor complex(const Tensor& re, const Tensor& im, const Out& out) {
  CHECK(re.dtype() == im.dtype() && (re.dtype() == DType::Float32 || re.dtype() == DType::Float64),
        "complex: real and imag must both be float32 or both float64, got ", name_of(re.dtype()), " and ",
        name_of(im.dtype()));
  Tensor y = elementwise(Ew::Complex, {re, im}, re.dtype(), to_complex(re.dtype()), out);
  if (!out.given() && recording(re, im)) {
    IntVec rs = re->sizes, is = im->sizes;
    record("ComplexBackward0", {&re, &im}, {&y}, {}, [rs, is](Back& b) {
      b.set(0, [&] { return sum_to(real(b.grad()), rs); });
      b.set(1, [&] { return sum_to(imag(b.grad()), is); });
    });
  }
  return y;
}

void register_create() {
  op<&empty_op>(
      "empty(int[] size, *, dtype? dtype=None, device? device=None, memory_format? memory_format=None, bool "
      "requires_grad=False) -> Tensor",
      Function, "an uninitialised tensor");
  op<&zeros_op>("zeros(int[] size, *, dtype? dtype=None, device? device=None, bool requires_grad=False) -> Tensor",
                Function | OutForm, "a tensor of zeros");
  op<&ones_op>("ones(int[] size, *, dtype? dtype=None, device? device=None, bool requires_grad=False) -> Tensor",
               Function | OutForm, "a tensor of ones");
  op<&full_op>(
      "full(int[] size, Number fill_value, *, dtype? dtype=None, device? device=None, bool requires_grad=False) -> "
      "Tensor",
      Function | OutForm, "a tensor of one value");
  op<&empty_strided_op>(
      "empty_strided(int[] size, int[] stride, *, dtype? dtype=None, device? device=None, bool requires_grad=False) -> "
      "Tensor",
      Function, "an uninitialised tensor of given strides");
#define LIKE \
  "dtype? dtype=None, device? device=None, bool requires_grad=False, memory_format? memory_format=None) -> Tensor"
  op<&empty_like_op>("empty_like(Tensor input, *, " LIKE, Function, "an uninitialised tensor like input");
  op<&zeros_like_op>("zeros_like(Tensor input, *, " LIKE, Function, "zeros like input");
  op<&ones_like_op>("ones_like(Tensor input, *, " LIKE, Function, "ones like input");
  op<&full_like_op>("full_like(Tensor input, Number fill_value, *, " LIKE, Function, "one value, like input");
#define NEW "dtype? dtype=None, device? device=None, bool requires_grad=False) -> Tensor"
  op<&new_empty>("new_empty(Tensor input, int[] size, *, " NEW, Method,
                 "an uninitialised tensor of input's dtype and device");
  op<&new_full>("new_full(Tensor input, int[] size, Number fill_value, *, " NEW, Method,
                "one value, in input's dtype and device");
  op<&new_zeros>("new_zeros(Tensor input, int[] size, *, " NEW, Method, "zeros in input's dtype and device");
  op<&new_ones>("new_ones(Tensor input, int[] size, *, " NEW, Method, "ones in input's dtype and device");
#define RANGE "dtype? dtype=None, device? device=None, bool requires_grad=False) -> Tensor"
  op<&arange_end>("arange(Number end, *, " RANGE, Function | OutForm, "0, 1, ... below end");
  op<&arange_start>("arange(Number start, Number end, Number step=1, *, " RANGE, Function | OutForm,
                    "start, start + step, ... below end");
  op<&range_op>("range(Number start, Number end, Number step=1, *, " RANGE, Function, "as arange, end included");
  op<&linspace>("linspace(Tensor|Number start, Tensor|Number end, int steps, *, " RANGE, Function | OutForm,
                "`steps` values evenly from start to end");
  op<&logspace>("logspace(Tensor|Number start, Tensor|Number end, int steps, float base=10.0, *, " RANGE,
                Function | OutForm, "base to the powers evenly from start to end");
  op<&eye>("eye(int n, int? m=None, *, " RANGE, Function | OutForm, "ones on the diagonal, zeros elsewhere");
  op<&fill_>("fill_(Tensor input, Tensor|Number value) -> Tensor", Method | Function, "sets every element to value");
  op<&zero_>("zero_(Tensor input) -> Tensor", Method | Function, "sets every element to 0");
  op<&copy_>("copy_(Tensor input, Tensor src, bool non_blocking=False) -> Tensor", Method,
             "copies src, broadcast and converted, into input");
  op<&clone_op>("clone(Tensor input, *, memory_format? memory_format=None) -> Tensor", kUsual,
                "a copy with a gradient");
  op<&contiguous_op>("contiguous(Tensor input, *, memory_format? memory_format=None) -> Tensor", Method,
                     "input itself, or a copy in plain order");
  op<&to_dtype>(
      "to(Tensor input, dtype dtype, bool non_blocking=False, bool copy=False, *, memory_format? memory_format=None) "
      "-> Tensor",
      Method, "converted to a dtype or device; itself if nothing changes");
  op<&to_full>(
      "to(Tensor input, device? device=None, dtype? dtype=None, bool non_blocking=False, bool copy=False, *, "
      "memory_format? memory_format=None) -> Tensor",
      Method);
  op<&to_other>(
      "to(Tensor input, Tensor other, bool non_blocking=False, bool copy=False, *, memory_format? memory_format=None) "
      "-> Tensor",
      Method);
#define CAST "(Tensor input, memory_format? memory_format=None) -> Tensor"
  op<&cast<DType::Float32>>("float" CAST, Method, "to float32");
  op<&cast<DType::Float64>>("double" CAST, Method, "to float64");
  op<&cast<DType::Float16>>("half" CAST, Method, "to float16");
  op<&cast<DType::BFloat16>>("bfloat16" CAST, Method, "to bfloat16");
  op<&cast<DType::Int64>>("long" CAST, Method, "to int64");
  op<&cast<DType::Int32>>("int" CAST, Method, "to int32");
  op<&cast<DType::Int16>>("short" CAST, Method, "to int16");
  op<&cast<DType::Int8>>("char" CAST, Method, "to int8");
  op<&cast<DType::UInt8>>("byte" CAST, Method, "to uint8");
  op<&cast<DType::Bool>>("bool" CAST, Method, "to bool");
  op<&cast<DType::Complex64>>("cfloat" CAST, Method, "to complex64");
  op<&cast<DType::Complex128>>("cdouble" CAST, Method, "to complex128");
  op<&type_as>("type_as(Tensor input, Tensor other) -> Tensor", Method, "converted to other's dtype");
  op<&detach_op>("detach(Tensor input) -> Tensor", kUsual, "the same data, out of the graph");
  op<&detach_>("detach_(Tensor input) -> Tensor", kUsual, "takes input itself out of the graph");
  op<&is_contiguous_op>("is_contiguous(Tensor input, *, memory_format? memory_format=None) -> bool", Method,
                        "whether elements lie in the order of their indices");
  op<&resize_>("resize_(Tensor input, int[] size) -> Tensor", Method,
               "changes the shape, growing the storage if needed");
  op<&set_requires_grad_op>("requires_grad_(Tensor input, bool requires_grad=True) -> Tensor", Method,
                            "asks for a gradient");
  op<&complex_op>("complex(Tensor real, Tensor imag) -> Tensor", Function | OutForm, "real + i imag");
  op<&polar>("polar(Tensor abs, Tensor angle) -> Tensor", Function | OutForm, "abs (cos(angle) + i sin(angle))");
  op<&is_floating_point>("is_floating_point(Tensor input) -> bool", kUsual);
  op<&is_complex_op>("is_complex(Tensor input) -> bool", kUsual);
  op<&is_signed_op>("is_signed(Tensor input) -> bool", kUsual);
  op<&is_same_size>("is_same_size(Tensor input, Tensor other) -> bool", kUsual);
  op<&is_nonzero>("is_nonzero(Tensor input) -> bool", kUsual);
  op<&numel_op>("numel(Tensor input) -> int", kUsual);
  op<&result_type_op>("result_type(Tensor|Number tensor1, Tensor|Number tensor2) -> dtype", Function,
                      "the dtype the two promote to");
  op<&promote_types_op>("promote_types(dtype type1, dtype type2) -> dtype", Function, "the smallest dtype both fit in");
  op<&can_cast_op>("can_cast(dtype from_, dtype to) -> bool", Function, "whether promotion rules allow the cast");
  op<&equal>("equal(Tensor input, Tensor other) -> bool", kUsual, "whether shape and every element are equal");
}

}  // namespace lampas
