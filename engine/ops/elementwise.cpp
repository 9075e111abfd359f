#include "ops/elementwise.h"

#include <algorithm>
#include <array>
#include "core/threads.h"
#include "ops/activation.h"

#include "ops/ops.h"

namespace lampas {

namespace {
DType default_type = DType::Float32;

DType category_default(const Scalar& s) {
  switch (s.kind()) {
    case Scalar::Bool:
      return DType::Bool;
    case Scalar::Int:
      return DType::Int64;
    case Scalar::Float:
      return default_type;
    default:
      return to_complex(default_type);
  }
}

int category(DType d) { return d == DType::Bool ? 0 : is_integral(d) ? 1 : is_floating(d) ? 2 : 3; }

// The types seen so far in each of the three classes; the higher class counts only if its category is higher.
struct Promotion {
  std::optional<DType> dimensioned, zero_dim, number;
  void add(std::optional<DType>& slot, DType d) { slot = slot ? promote(*slot, d) : d; }
  void add(const Tensor& t) {
    if (t->wrapped_number) {
      DType d = t.dtype();
      if (is_floating(d))
        d = default_type;
      else if (is_complex(d))
        d = to_complex(default_type);
      add(number, d);
    } else {
      add(t.ndim() ? dimensioned : zero_dim, t.dtype());
    }
  }
  void add(const Operand& o) {
    if (o.is_tensor())
      add(o.tensor());
    else
      add(number, category_default(o.scalar()));
  }
  static std::optional<DType> combine(std::optional<DType> higher, std::optional<DType> lower) {
    if (!higher) return lower;
    if (!lower || category(*lower) <= category(*higher)) return higher;
    // A complex number with a double tensor gives complex128.
    if (is_complex(*lower) && is_floating(*higher))
      return promote(*higher, is_complex(*lower) ? DType::Complex64 : *lower);
    return lower;
  }
  DType result() const { return *combine(combine(dimensioned, zero_dim), number); }
};

bool same_memory(const Tensor& a, const Tensor& b) { return a->storage.get() == b->storage.get(); }

}  // namespace

DType default_dtype() { return default_type; }
void set_default_dtype(DType d) {
  CHECK_KIND(Type, is_floating(d), "only floating-point types are supported as the default type, got torch.",
             name_of(d));
  default_type = d;
}

DType result_type(std::initializer_list<Operand> operands) {
  if (operands.size() == 2) {  // the common case: two tensors of one type
    const Operand* o = operands.begin();
    if (o[0].is_tensor() && o[1].is_tensor() && o[0].tensor().dtype() == o[1].tensor().dtype() &&
        !o[0].tensor()->wrapped_number && !o[1].tensor()->wrapped_number)
      return o[0].tensor().dtype();
  }
  Promotion p;
  for (const Operand& o : operands) p.add(o);
  return p.result();
}

DType result_type(const std::vector<Tensor>& tensors) {
  Promotion p;
  for (const Tensor& t : tensors) p.add(t);
  return p.result();
}

Tensor reduce_gradient(Tensor g, Ints sizes, DType dtype) {
  if (!g.defined()) return g;
  if (is_complex(g.dtype()) && !is_complex(dtype)) g = real(g);
  if (!same(g.sizes(), sizes)) g = sum_to(g, sizes);
  if (g.dtype() != dtype) g = to(g, dtype);
  return g;
}

namespace {

struct Call {
  Ew op;
  const Operand* inputs;
  int count;
  DType compute, result;
  DType input_types[4];
  const Out& out;
  const EwParams& params;

  const char* data_of(const Tensor& t, bool raw) const {
    return static_cast<const char*>(raw ? t.raw_data() : t.data());
  }

  Tensor run() {
    // One shape, one type, all contiguous: a single kernel call without a loop description.
    const Tensor* first = nullptr;
    bool flat = true, deferred = false;
    for (int i = 0; i < count; i++) {
      if (!inputs[i].is_tensor()) continue;
      const Tensor& t = inputs[i].tensor();
      deferred |= t.order() != Order::Plain;
      if (!first)
        first = &t;
      else
        flat &= same(t.sizes(), first->sizes()) && t.order() == first->order() && t.device() == first->device();
      flat &= t.is_contiguous();
    }
    if (deferred) [[unlikely]]
      refuse_absent();
    if (flat) return run_flat(*first);
    return deferred ? run_deferred() : run_strided();
  }

  // What follows hands an operand's order on to the result before it looks at its memory.
  void refuse_absent() const {
    for (int i = 0; i < count; i++)
      if (inputs[i].is_tensor() && inputs[i].tensor().order() == Order::Absent) refuse_sparse();
  }

  // Operands of one shape in different orders: the plain ones are read from copies in the deferred order, unless the
  // result must be plain.
  Tensor run_deferred() {
    const Tensor* full = nullptr;
    for (int i = 0; i < count && !full; i++)
      if (inputs[i].is_tensor() && inputs[i].tensor().order() != Order::Plain) full = &inputs[i].tensor();
    Order order = out.given() ? out.tensor->order() : full->order();
    bool alike = !out.given() || same(out.tensor->sizes(), full->sizes());
    for (int i = 0; i < count && alike; i++)
      if (inputs[i].is_tensor())
        alike = same(inputs[i].tensor().sizes(), full->sizes()) && inputs[i].tensor().is_contiguous();
    if (!alike) return run_strided();
    Tensor copies[4];
    std::array<Operand, 4> operands{0, 0, 0, 0};
    for (int i = 0; i < count; i++) {
      if (inputs[i].is_tensor()) {
        copies[i] = laid_in(inputs[i].tensor(), order).tensor;
        operands[size_t(i)] = Operand(copies[i]);
      } else {
        operands[size_t(i)] = inputs[i];
      }
    }
    Call again{op, operands.data(), count, compute, result, {}, out, params};
    std::copy(input_types, input_types + 4, again.input_types);
    return again.run_flat(*full_of(copies));
  }
  const Tensor* full_of(const Tensor* copies) const {
    while (!copies->defined()) copies++;
    return copies;
  }

  Tensor run_flat(const Tensor& first) {
    Tensor y;
    if (out.given()) {
      y = *out.tensor;
      if (!(same(y.sizes(), first.sizes()) && y.is_contiguous() && y.dtype() == result &&
            y.device() == first.device()) ||
          y.order() != first.order() || overlaps_partly(y))
        return run_strided();
    } else {
      y = empty(first.sizes(), result, first.device());
      y->storage->order = first.order();
    }
    char* p[5];
    bool single[5] = {};
    alignas(16) char values[5][16];
    p[0] = static_cast<char*>(y.raw_data());
    bool direct = true;
    for (int i = 0; i < count; i++) {
      if (inputs[i].is_tensor()) {
        direct &= inputs[i].tensor().dtype() == input_types[i];
        p[i + 1] = static_cast<char*>(inputs[i].tensor().raw_data());
      } else {
        inputs[i].scalar().store(input_types[i], values[i + 1]);
        p[i + 1] = values[i + 1];
        single[i + 1] = true;
      }
    }
    const Kernels& k = kernels(y.device());
    if (direct && kernel_gives_result() && y.numel() <= kGrain) {
      if (y.numel()) k.contiguous(op, compute, p, single, y.numel(), params);
      return y;
    }
    Loop loop;
    loop.ndim = 1;
    loop.count = count + 1;
    loop.numel = loop.sizes[0] = y.numel();
    set_arg(loop, 0, p[0], y.dtype(), result_of_kernel());
    loop.args[0].strides[0] = int64_t(y.item_size());
    for (int i = 0; i < count; i++) {
      DType d = inputs[i].is_tensor() ? inputs[i].tensor().dtype() : input_types[i];
      set_arg(loop, i + 1, p[i + 1], d, input_types[i]);
      loop.args[i + 1].strides[0] = single[i + 1] ? 0 : int64_t(item_size(d));
    }
    if (y.numel()) k.elementwise(op, compute, loop, params);
    return y;
  }

  // A kernel for a 16-bit type computes and gives float32; a comparison gives bool.
  DType result_of_kernel() const { return result == DType::Bool ? DType::Bool : compute_type(result); }
  bool kernel_gives_result() const { return result_of_kernel() == result; }

  static void set_arg(Loop& l, int i, char* data, DType stored, DType type) {
    l.args[i].data = data;
    l.args[i].dtype = stored;
    l.types[i] = type;
  }

  // The output shares memory with an input in another arrangement: writing would destroy what is still to be read.
  bool overlaps_partly(const Tensor& y) const {
    for (int i = 0; i < count; i++)
      if (inputs[i].is_tensor()) {
        const Tensor& t = inputs[i].tensor();
        if (same_memory(t, y) &&
            !(t.offset() == y.offset() && same(t.strides(), y.strides()) && same(t.sizes(), y.sizes()))) {
          int64_t t0 = t.offset() * int64_t(t.item_size()), y0 = y.offset() * int64_t(y.item_size());
          int64_t t1 = int64_t(extent(t.sizes(), t.strides(), t.offset(), t.item_size()));
          int64_t y1 = int64_t(extent(y.sizes(), y.strides(), y.offset(), y.item_size()));
          if (t0 < y1 && y0 < t1) return true;
        }
      }
    return false;
  }

  Tensor run_strided() {
    IntVec shape;
    Device device;
    bool any = false;
    for (int i = 0; i < count; i++) {
      if (!inputs[i].is_tensor()) continue;
      const Tensor& t = inputs[i].tensor();
      if (!any)
        shape = IntVec(t.sizes());
      else if (!same(shape, t.sizes()))
        shape = broadcast(shape, t.sizes());
      if (!any || t.ndim() > 0) {
        if (any && device != t.device() && t.ndim() > 0) {
          bool previous_scalar = true;
          for (int j = 0; j < i; j++) previous_scalar &= !inputs[j].is_tensor() || inputs[j].tensor().ndim() == 0;
          CHECK(previous_scalar || device.type == t.device().type,
                "Expected all tensors to be on the same device, but found at least two devices, ", name_of(device),
                " and ", name_of(t.device()), "!");
        }
        device = t.device();
      }
      any = true;
    }
    Tensor y;
    if (out.given()) {
      y = *out.tensor;
      if (out.inplace()) {
        CHECK(same(y.sizes(), shape), "output with shape ", shown(y.sizes()), " doesn't match the broadcast shape ",
              shown(shape));
      } else {
        if (!same(y.sizes(), shape)) resize(y, shape);
      }
      check_no_overlap(y);
      if (overlaps_partly(y)) {
        Call again{op, inputs, count, compute, result, {}, fresh_, params};
        std::copy(input_types, input_types + 4, again.input_types);
        copy_data(y, again.run_strided());
        return y;
      }
    } else {
      y = allocate_result(shape, device);
    }
    if (y.numel() == 0) return y;
    Loop loop;
    build(loop, y);
    kernels(y.device()).elementwise(op, compute, loop, params);
    return y;
  }

  // Results follow the memory order of the first input that has the full shape.
  Tensor allocate_result(Ints shape, Device device) const {
    for (int i = 0; i < count; i++)
      if (inputs[i].is_tensor() && same(inputs[i].tensor().sizes(), shape)) {
        const Tensor& t = inputs[i].tensor();
        if (t.order() != Order::Plain) {
          Tensor y = empty(shape, result, device);
          y->storage->order = t.order();
          return y;
        }
        if (t.is_contiguous()) break;
        if (is_dense(t.sizes(), t.strides())) return empty_strided(shape, t.strides(), result, device);
        return empty_strided(shape, dense_strides_like(shape, t.strides()), result, device);
      }
    return empty(shape, result, device);
  }

  void build(Loop& loop, const Tensor& y) const {
    alignas(16) static thread_local char values[5][16];
    int n = y.ndim();
    CHECK(n <= 64, "tensors of more than 64 dimensions are not supported");
    int64_t strides[5][64];
    loop.count = count + 1;
    auto really = [](const Tensor& t, IntVec& deferred) -> Ints {
      if (t.order() == Order::Plain) [[likely]]
        return t.strides();
      return deferred = physical_strides(t);
    };
    IntVec deferred;
    set_arg(loop, 0, static_cast<char*>(y.raw_data()), y.dtype(), result_of_kernel());
    Ints own = really(y, deferred);
    for (int d = 0; d < n; d++) strides[0][d] = own[d] * int64_t(y.item_size());
    for (int i = 0; i < count; i++) {
      if (inputs[i].is_tensor()) {
        const Tensor& t = inputs[i].tensor();
        set_arg(loop, i + 1, static_cast<char*>(t.raw_data()), t.dtype(), input_types[i]);
        Ints own = really(t, deferred);
        int shift = n - t.ndim();
        for (int d = 0; d < n; d++)
          strides[i + 1][d] = d < shift || t.sizes()[d - shift] == 1 ? 0 : own[d - shift] * int64_t(t.item_size());
      } else {
        inputs[i].scalar().store(input_types[i], values[i + 1]);
        set_arg(loop, i + 1, values[i + 1], input_types[i], input_types[i]);
        for (int d = 0; d < n; d++) strides[i + 1][d] = 0;
      }
    }
    coalesce(loop, y, strides);
  }

  // Orders dimensions by the output's strides and merges neighbours that every operand walks in one stride.
  static void coalesce(Loop& loop, const Tensor& y, int64_t (*strides)[64]) {
    int order[64], n = 0;
    for (int d = y.ndim() - 1; d >= 0; d--)
      if (y.sizes()[d] != 1) order[n++] = d;
    for (int a = 1; a < n; a++)
      for (int b = a; b > 0 && strides[0][order[b]] < strides[0][order[b - 1]]; b--) std::swap(order[b], order[b - 1]);
    loop.numel = y.numel();
    loop.ndim = 0;
    for (int k = 0; k < n; k++) {
      int d = order[k];
      int last = loop.ndim - 1;
      bool merges = last >= 0;
      if (merges)
        for (int a = 0; a < loop.count; a++) merges &= strides[a][d] == loop.args[a].strides[last] * loop.sizes[last];
      if (merges) {
        loop.sizes[last] *= y.sizes()[d];
        continue;
      }
      CHECK(loop.ndim < Loop::kMaxDims, "an elementwise op over tensors of more than ", Loop::kMaxDims,
            " separate dimensions is not supported");
      for (int a = 0; a < loop.count; a++) loop.args[a].strides[loop.ndim] = strides[a][d];
      loop.sizes[loop.ndim++] = y.sizes()[d];
    }
    if (loop.ndim == 0) {
      loop.ndim = 1;
      loop.sizes[0] = 1;
      for (int a = 0; a < loop.count; a++) loop.args[a].strides[0] = a == 0 ? int64_t(y.item_size()) : 0;
    }
  }

  static inline const Out fresh_{};
};

void check_castable(DType result, const Out& out) {
  if (!out.given()) return;
  CHECK(can_cast(result, out.tensor->dtype()), "result type ", name_of(result),
        " can't be cast to the desired output type ", name_of(out.tensor->dtype()));
}

}  // namespace

Tensor elementwise(Ew op, std::initializer_list<Operand> inputs, DType compute, DType result, const Out& out,
                   const EwParams& params) {
  check_castable(result, out);
  if (out.given() && is_reduced_float(result) && out.tensor->dtype() != result) [[unlikely]] {
    // The value is rounded to the op's own type before it takes the output's.
    return deliver(out, elementwise(op, inputs, compute, result, {}, params));
  }
  DType c = compute_type(compute);
  Call call{op, inputs.begin(), int(inputs.size()), c, result, {c, c, c, c}, out, params};
  return call.run();
}

Tensor fused_gradient(Ew kernel, const Back& b, const Tensor& saved, const EwParams& params) {
  const Tensor& g = b.grad();
  const bool over = g.order() == saved.order() && b.may_overwrite(0);
  return elementwise(kernel, {g, saved}, g.dtype(), g.dtype(), over ? Out{Out::Into, &g} : Out{}, params);
}

Tensor elementwise_where(const Tensor& condition, const Operand& a, const Operand& b, DType type, const Out& out) {
  check_castable(type, out);
  Operand inputs[3] = {condition, a, b};
  DType c = compute_type(type);
  EwParams params;
  Call call{Ew::Where, inputs, 3, c, type, {DType::Bool, c, c, c}, out, params};
  return call.run();
}

void copy_data(const Tensor& to, const Tensor& from) {
  if (to.numel() == 0) return;
  Operand input(from);
  Out out;
  EwParams params;
  Call call{Ew::Count, &input, 1, to.dtype(), to.dtype(), {to.dtype()}, out, params};
  if (call.overlaps_partly(to)) {
    copy_data(to, clone_data(from));
    return;
  }
  if (to.order() != from.order() && to.dtype() == from.dtype() && same(to.sizes(), from.sizes()) &&
      to.is_contiguous() && from.is_contiguous()) {
    if (to.order() == Order::Absent || from.order() == Order::Absent) refuse_sparse();
    auto [batch, channels, space] = extent_of(to.sizes());
    kernels(to.device())
        .activation.change_order(from.order(), batch, channels, space, int(to.item_size()), from.raw_data(),
                                 to.raw_data());
    return;
  }
  Loop loop;
  call.build(loop, to);
  loop.types[0] = loop.types[1] = to.dtype();
  kernels(to.device()).copy(loop);
}

void fill_data(const Tensor& t, const Scalar& value) {
  if (t.numel() == 0) return;
  Operand input(value);
  Out out;
  EwParams params;
  Call call{Ew::Count, &input, 1, t.dtype(), t.dtype(), {t.dtype()}, out, params};
  Loop loop;
  call.build(loop, t);
  loop.types[0] = loop.types[1] = t.dtype();
  kernels(t.device()).copy(loop);
}

void check_no_overlap(const Tensor& y) {
  if (y.numel() == 0) return;
  for (int d = 0; d < y.ndim(); d++)
    CHECK(!(y.strides()[d] == 0 && y.sizes()[d] > 1),
          "unsupported operation: more than one element of the written-to tensor "
          "refers to a single memory location. Please clone() the tensor before performing the operation.");
}

void check_out(std::string_view op, const Out& out, bool records) {
  CHECK(!records && !(mode.grad && out.tensor->requires_grad()), op,
        "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
        "requires grad. "
        "Compute without out=, or under torch.no_grad()");
}

Tensor deliver(const Out& out, const Tensor& result) {
  if (!out.given()) return result;
  const Tensor& y = *out.tensor;
  check_castable(result.dtype(), out);
  if (!same(y.sizes(), result.sizes())) {
    CHECK(!out.inplace(), "output with shape ", shown(y.sizes()), " doesn't match the broadcast shape ",
          shown(result.sizes()));
    resize(y, result.sizes());
  }
  copy_data(y, result);
  return y;
}

}  // namespace lampas
