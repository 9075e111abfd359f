// The Python type of tensors: life, identity, operators and properties. Named methods come from the registry (ops.cpp).
#include "bindings/autograd.h"
#include "bindings/ops.h"

// structmember.h needs Python.h before it
#include <structmember.h>

namespace lampas::py {

PyTypeObject* TensorType = nullptr;

namespace {

PyTypeObject* ParameterType = nullptr;  // subclasses that override nothing
PyTensor* pool[256];
int pooled = 0;

PyTensor* allocate_object(PyTypeObject* type) {
  if (type == TensorType && pooled > 0) {
    PyTensor* o = pool[--pooled];
    PyObject_Init(reinterpret_cast<PyObject*>(o), type);
    o->impl = nullptr;
    o->dict = nullptr;
    o->weakrefs = nullptr;
    PyObject_GC_Track(o);
    return o;
  }
  return reinterpret_cast<PyTensor*>(check(type->tp_alloc(type, 0)));
}

void tensor_dealloc(PyObject* self) {
  auto* o = reinterpret_cast<PyTensor*>(self);
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (o->weakrefs) PyObject_ClearWeakRefs(self);
  Py_CLEAR(o->dict);
  if (TensorImpl* t = std::exchange(o->impl, nullptr)) {
    t->reset_count(0);
    TensorImpl::destroy(t);
  }
  if (type == TensorType && pooled < 256)
    pool[pooled++] = o;
  else
    type->tp_free(self);
  Py_DECREF(type);
}

// The object owns the C++ tensor, so the collector may look through it at the history.
int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
  auto* o = reinterpret_cast<PyTensor*>(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(o->dict);
  if (!o->impl) return 0;
  if (o->impl->base.defined()) Py_VISIT(static_cast<PyObject*>(o->impl->base->python()));
  if (Autograd* a = o->impl->autograd) {
    if (a->grad.defined()) Py_VISIT(static_cast<PyObject*>(a->grad->python()));
    if (a->grad_fn) Py_VISIT(static_cast<PyObject*>(a->grad_fn->python()));
    for (const Ref<Hook>& hook : a->post_accumulate)
      if (int stop = visit_hook(hook, visit, arg)) return stop;
    return visit_hooks(a->hooks, visit, arg);
  }
  return 0;
}
int tensor_clear(PyObject* self) {
  auto* o = reinterpret_cast<PyTensor*>(self);
  Py_CLEAR(o->dict);
  if (Autograd* a = o->impl ? o->impl->autograd : nullptr) {
    if (a->hooks) Hooks(std::exchange(*a->hooks, {}));
    std::vector<Ref<Hook>>(std::exchange(a->post_accumulate, {}));
    a->grad_fn.reset();
  }
  return 0;
}

const Tensor& T(PyObject* self) {
  const Tensor& t = tensor_of(self);
  CHECK(t.defined(), "this tensor object was never initialised: __new__ was called without data");
  return t;
}

// ---- operators ----

bool plain(PyObject* o) { return Py_TYPE(o) == TensorType || Py_TYPE(o) == ParameterType; }

// a tensor (of any class that overrides nothing) or a number; false when it is neither
struct Side {
  Operand operand = Operand(Scalar());
  bool ok = false;
  explicit Side(PyObject* o) {
    if (plain(o)) {
      operand = Operand(tensor_of(o));
      ok = true;
      return;
    }
    Scalar s;
    if (is_tensor(o)) {
      operand = Operand(tensor_of(o));
      ok = true;
    } else if (to_scalar(o, s)) {
      check_number(o, s);
      operand = Operand(s);
      ok = true;
    }
  }
};

// Numbers (0-d CPU tensors) go with any device, other tensors only with their own.
void check_devices(const Operand& a, const Operand& b) {
  if (!a.is_tensor() || !b.is_tensor()) return;
  const Tensor &x = a.tensor(), &y = b.tensor();
  if (x.device() == y.device()) [[likely]]
    return;
  CHECK((x.device().is_cpu() && x.ndim() == 0) || (y.device().is_cpu() && y.ndim() == 0),
        "Expected all tensors to be on the same device, but found at least two devices, ", name_of(x.device()), " and ",
        name_of(y.device()), "! Move one of them with .to(device)");
}

// Autocast concerns matmul alone among the operators.
constexpr uint32_t kWatchesOperators = ~uint32_t(WatchAutocast);

using BinaryFn = Tensor (*)(const Operand&, const Operand&);

template <BinaryFn F>
PyObject* binary_slot(PyObject* a, PyObject* b, const char* name) {
  return guarded([&]() -> PyObject* {
    if (watch & kWatchesOperators || (!plain(a) && overrides_function(a)) || (!plain(b) && overrides_function(b)))
        [[unlikely]]
      return call_watched_operator(name, a, b);
    Side x(a), y(b);
    if (!x.ok || !y.ok) Py_RETURN_NOTIMPLEMENTED;
    check_devices(x.operand, y.operand);
    return wrap(F(x.operand, y.operand));
  });
}

// The tensor first: its node is the first that next_functions names.
Tensor op_add(const Operand& a, const Operand& b) { return a.is_tensor() ? add(a, b) : add(b, a); }
Tensor op_sub(const Operand& a, const Operand& b) { return sub(a, b); }
Tensor op_mul(const Operand& a, const Operand& b) { return a.is_tensor() ? mul(a, b) : mul(b, a); }
// A number over a tensor is the number times the reciprocal, and rounds as such.
Tensor op_div(const Operand& a, const Operand& b) { return a.is_tensor() ? div(a, b) : mul(reciprocal(b.tensor()), a); }
Tensor op_floor(const Operand& a, const Operand& b) { return floor_divide(a, b); }
Tensor op_mod(const Operand& a, const Operand& b) { return remainder(a, b); }
Tensor op_and(const Operand& a, const Operand& b) { return binary(Ew::BitAnd, a, b); }
Tensor op_or(const Operand& a, const Operand& b) { return binary(Ew::BitOr, a, b); }
Tensor op_xor(const Operand& a, const Operand& b) { return binary(Ew::BitXor, a, b); }
Tensor op_shl(const Operand& a, const Operand& b) { return binary(Ew::ShiftLeft, a, b); }
Tensor op_shr(const Operand& a, const Operand& b) { return binary(Ew::ShiftRight, a, b); }
Tensor op_pow(const Operand& a, const Operand& b) { return pow(a, b); }

#define BINARY(slot, fn, name) \
  PyObject* slot(PyObject* a, PyObject* b) { return binary_slot<fn>(a, b, name); }
BINARY(nb_add, op_add, "add")
BINARY(nb_sub, op_sub, "sub")
BINARY(nb_mul, op_mul, "mul")
BINARY(nb_div, op_div, "div")
BINARY(nb_floor, op_floor, "floor_divide")
BINARY(nb_mod, op_mod, "remainder")
BINARY(nb_and, op_and, "bitwise_and")
BINARY(nb_or, op_or, "bitwise_or")
BINARY(nb_xor, op_xor, "bitwise_xor")
BINARY(nb_shl, op_shl, "bitwise_left_shift")
BINARY(nb_shr, op_shr, "bitwise_right_shift")

PyObject* nb_pow(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) {
    PyErr_SetString(PyExc_TypeError, "pow() of a tensor takes no modulus");
    return nullptr;
  }
  return binary_slot<op_pow>(a, b, "pow");
}

PyObject* nb_matmul(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    if (watch || (!plain(a) && overrides_function(a)) || (!plain(b) && overrides_function(b))) [[unlikely]]
      return call_watched_operator("matmul", a, b);
    if (!is_tensor(a) || !is_tensor(b)) Py_RETURN_NOTIMPLEMENTED;
    check_devices(Operand(T(a)), Operand(T(b)));
    return wrap(matmul(T(a), T(b)));
  });
}

using InplaceFn = Tensor (*)(const Operand&, const Operand&, const Out&);
template <InplaceFn F>
PyObject* inplace_slot(PyObject* a, PyObject* b, const char* name) {
  return guarded([&]() -> PyObject* {
    if (watch & kWatchesOperators || (!plain(a) && overrides_function(a)) || (!plain(b) && overrides_function(b)))
        [[unlikely]]
      return call_watched_operator(name, a, b);
    Side y(b);
    if (!y.ok) Py_RETURN_NOTIMPLEMENTED;
    const Tensor& x = T(a);
    check_devices(Operand(x), y.operand);
    F(x, y.operand, Out{Out::Inplace, &x});
    return Py_NewRef(a);
  });
}
Tensor in_add(const Operand& a, const Operand& b, const Out& o) { return add(a, b, 1, o); }
Tensor in_sub(const Operand& a, const Operand& b, const Out& o) { return sub(a, b, 1, o); }
Tensor in_mul(const Operand& a, const Operand& b, const Out& o) { return mul(a, b, o); }
Tensor in_div(const Operand& a, const Operand& b, const Out& o) { return div(a, b, std::nullopt, o); }
Tensor in_floor(const Operand& a, const Operand& b, const Out& o) { return floor_divide(a, b, o); }
Tensor in_mod(const Operand& a, const Operand& b, const Out& o) { return remainder(a, b, o); }
Tensor in_and(const Operand& a, const Operand& b, const Out& o) { return binary(Ew::BitAnd, a, b, o); }
Tensor in_or(const Operand& a, const Operand& b, const Out& o) { return binary(Ew::BitOr, a, b, o); }
Tensor in_xor(const Operand& a, const Operand& b, const Out& o) { return binary(Ew::BitXor, a, b, o); }
Tensor in_shl(const Operand& a, const Operand& b, const Out& o) { return binary(Ew::ShiftLeft, a, b, o); }
Tensor in_shr(const Operand& a, const Operand& b, const Out& o) { return binary(Ew::ShiftRight, a, b, o); }
Tensor in_pow(const Operand& a, const Operand& b, const Out& o) { return pow(a, b, o); }
#define INPLACE(slot, fn, name) \
  PyObject* slot(PyObject* a, PyObject* b) { return inplace_slot<fn>(a, b, name); }
INPLACE(nb_iadd, in_add, "add_")
INPLACE(nb_isub, in_sub, "sub_")
INPLACE(nb_imul, in_mul, "mul_")
INPLACE(nb_idiv, in_div, "div_")
INPLACE(nb_ifloor, in_floor, "floor_divide_")
INPLACE(nb_imod, in_mod, "remainder_")
INPLACE(nb_iand, in_and, "bitwise_and_")
INPLACE(nb_ior, in_or, "bitwise_or_")
INPLACE(nb_ixor, in_xor, "bitwise_xor_")
INPLACE(nb_ishl, in_shl, "bitwise_left_shift_")
INPLACE(nb_ishr, in_shr, "bitwise_right_shift_")
PyObject* nb_ipow(PyObject* a, PyObject* b, PyObject*) { return inplace_slot<in_pow>(a, b, "pow_"); }

template <Tensor (*F)(const Tensor&)>
PyObject* unary_slot(PyObject* a, const char* name) {
  return guarded([&]() -> PyObject* {
    if (watch & kWatchesOperators || (!plain(a) && overrides_function(a))) [[unlikely]]
      return call_watched_operator(name, a, nullptr);
    return wrap(F(T(a)));
  });
}
PyObject* nb_neg(PyObject* a) { return unary_slot<neg>(a, "neg"); }
PyObject* nb_abs(PyObject* a) { return unary_slot<abs>(a, "abs"); }
Tensor invert(const Tensor& t) { return unary_op(Ew::BitwiseNot, t); }
PyObject* nb_invert(PyObject* a) { return unary_slot<invert>(a, "bitwise_not"); }
PyObject* nb_pos(PyObject* a) { return Py_NewRef(a); }

int nb_bool(PyObject* a) {
  return guarded(
      [&] {
        const Tensor& t = T(a);
        CHECK(t.numel() == 1, "Boolean value of Tensor with ", t.numel() == 0 ? "no values" : "more than one value",
              " is ambiguous: its shape is ", shown(t.sizes()), ". Use .any(), .all() or compare with `is None`");
        return int(item(t).to_bool());
      },
      -1);
}
PyObject* nb_int(PyObject* a) {
  return guarded([&]() -> PyObject* {
    CHECK_KIND(Value, T(a).numel() == 1,
               "only one element tensors can be converted to Python scalars, this one has shape ", shown(T(a).sizes()));
    Scalar s = item(T(a));
    if (s.kind() == Scalar::Float) return PyLong_FromDouble(s.to_double());
    CHECK(s.kind() != Scalar::Complex, "a complex value cannot be converted to int");
    return PyLong_FromLongLong(s.to_int());
  });
}
PyObject* nb_float(PyObject* a) {
  return guarded([&]() -> PyObject* {
    CHECK_KIND(Value, T(a).numel() == 1,
               "only one element tensors can be converted to Python scalars, this one has shape ", shown(T(a).sizes()));
    Scalar s = item(T(a));
    CHECK(s.kind() != Scalar::Complex || s.to_complex().imag() == 0,
          "value cannot be converted to type double without overflow");
    return PyFloat_FromDouble(s.to_complex().real());
  });
}
PyObject* nb_index(PyObject* a) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = T(a);
    CHECK_KIND(Type, t.numel() == 1 && is_integral(t.dtype()),
               "only integer tensors of a single element can be converted to an index");
    return PyLong_FromLongLong(item(t).to_int());
  });
}

PyObject* compare(PyObject* a, PyObject* b, int op) {
  return guarded([&]() -> PyObject* {
    static const Ew kernels[] = {Ew::Lt, Ew::Le, Ew::Eq, Ew::Ne, Ew::Gt, Ew::Ge};
    static const char* names[] = {"lt", "le", "eq", "ne", "gt", "ge"};
    if (watch & kWatchesOperators || (!plain(a) && overrides_function(a)) || (!plain(b) && overrides_function(b)))
        [[unlikely]]
      return call_watched_operator(names[op], a, b);
    Side x(a), y(b);
    if (!x.ok || !y.ok) {
      if (op == Py_EQ || op == Py_NE) Py_RETURN_NOTIMPLEMENTED;
      fail(ErrorKind::Type, names[op], "(): argument 'other' (position 1) must be Tensor or Number, not ",
           Py_TYPE(b)->tp_name);
    }
    check_devices(x.operand, y.operand);
    return wrap(binary(kernels[op], x.operand, y.operand));
  });
}

Py_hash_t tensor_hash(PyObject* a) { return Py_hash_t(reinterpret_cast<uintptr_t>(a) >> 4); }

Py_ssize_t tensor_len(PyObject* a) {
  return guarded(
      [&]() -> Py_ssize_t {
        CHECK_KIND(Type, T(a).ndim() > 0, "len() of a 0-d tensor");
        return Py_ssize_t(T(a).sizes()[0]);
      },
      -1);
}

PyObject* tensor_iter(PyObject* a) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = T(a);
    CHECK_KIND(Type, t.ndim() > 0, "iteration over a 0-d tensor");
    Object parts(wrap_all(unbind(t, 0)));
    return check(PyObject_GetIter(parts.get()));
  });
}

// ---- properties ----

#define GETTER(name, ...)                 \
  PyObject* name(PyObject* self, void*) { \
    return guarded([&]() -> PyObject* {   \
      const Tensor& t = T(self);          \
      (void)t;                            \
      __VA_ARGS__                         \
    });                                   \
  }
GETTER(get_shape, return wrap_size(t.sizes());)
GETTER(get_dtype, return wrap(t.dtype());)
GETTER(get_device, return wrap(t.device());)
GETTER(get_ndim, return PyLong_FromLong(t.ndim());)
GETTER(get_requires_grad, return PyBool_FromLong(t.requires_grad());)
GETTER(get_is_leaf, return PyBool_FromLong(is_leaf(t));)
GETTER(get_grad, {
  if (t->autograd && t->autograd->grad.defined()) return wrap(t->autograd->grad);
  if (t.requires_grad() && !is_leaf(t) && !t->autograd->retains_grad &&
      PyErr_WarnEx(
          PyExc_UserWarning,
          "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed, and backward() does not keep "
          "the gradients of such tensors. Call .retain_grad() on it before backward() if you want its gradient",
          1) < 0)
    throw PythonError{};
  Py_RETURN_NONE;
})
GETTER(get_grad_quietly, return t->autograd ? wrap(t->autograd->grad) : Py_NewRef(Py_None);)
GETTER(get_grad_fn, return wrap_node(grad_fn(t));)
GETTER(get_retains_grad, return PyBool_FromLong(t->autograd && t->autograd->retains_grad);)
GETTER(get_output_nr, return PyLong_FromLong(t->autograd ? long(t->autograd->output_nr) : 0);)
GETTER(get_version, return PyLong_FromUnsignedLong(t.version());)
GETTER(get_base, return wrap(t->base);)
GETTER(get_is_view, return PyBool_FromLong(t->base.defined());)
GETTER(get_data, {
  Tensor d = alias(t);
  if (!d->own_version) {
    auto* v = new Version;
    v->value = 0;
    d->own_version = Ref<Version>(v);
  }
  return wrap(std::move(d));
})
GETTER(get_itemsize, return PyLong_FromSize_t(t.item_size());)
GETTER(get_nbytes, return PyLong_FromSize_t(size_t(t.numel()) * t.item_size());)
GETTER(get_T, {
  IntVec dims;
  if (t.ndim() > 2)
    warn_once(
        "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated: write x.mT "
        "for a batch of transposed matrices, or x.permute(*torch.arange(x.ndim - 1, -1, -1))");
  for (int d = t.ndim() - 1; d >= 0; d--) dims.push_back(d);
  return wrap(permute(t, dims));
})
GETTER(get_mT, {
  CHECK(t.ndim() >= 2, "tensor.mT is only supported on matrices or batches of matrices. Got ", t.ndim(), "-D tensor.");
  return wrap(transpose(t, -2, -1));
})
GETTER(get_H, {
  CHECK(t.ndim() == 2 || t.ndim() == 0, "tensor.H is only supported on matrices (2-D tensors). Got ", t.ndim(),
        "-D tensor.");
  return wrap(t.ndim() ? mH(t) : conj(t));
})
GETTER(get_mH, {
  CHECK(t.ndim() >= 2, "tensor.mH is only supported on matrices or batches of matrices. Got ", t.ndim(), "-D tensor.");
  return wrap(mH(t));
})
GETTER(get_real, return wrap(is_complex(t.dtype()) ? real(t) : t);)
GETTER(get_imag, {
  CHECK(is_complex(t.dtype()), "imag is not implemented for tensors with non-complex dtypes.");
  return wrap(imag(t));
})
GETTER(get_is_cpu, return PyBool_FromLong(t.device().is_cpu());)
GETTER(get_is_cuda, return PyBool_FromLong(t.device().type == DeviceType::CUDA);)
GETTER(get_is_meta, return PyBool_FromLong(t.is_meta());)
GETTER(get_false, return Py_NewRef(Py_False);)
GETTER(get_layout, return check(PyObject_GetAttrString(module_object(), "strided"));)
GETTER(get_names, {
  PyObject* n = PyTuple_New(t.ndim());
  for (int i = 0; n && i < t.ndim(); i++) PyTuple_SET_ITEM(n, i, Py_NewRef(Py_None));
  return n;
})
GETTER(get_cdata, return PyLong_FromVoidPtr(t.impl());)

int set_requires_grad_property(PyObject* self, PyObject* value, void*) {
  return guarded(
      [&] {
        CHECK_KIND(Type, value && PyBool_Check(value), "requires_grad must be a bool");
        set_requires_grad(T(self), value == Py_True);
        return 0;
      },
      -1);
}
int set_grad(PyObject* self, PyObject* value, void*) {
  return guarded(
      [&] {
        const Tensor& t = T(self);
        if (!value || value == Py_None) {
          if (t->autograd) t->autograd->grad = Tensor();
          return 0;
        }
        CHECK_KIND(Type, is_tensor(value), "assigned grad expected to be a Tensor or None but got ",
                   Py_TYPE(value)->tp_name);
        const Tensor& g = T(value);
        CHECK(!g.is(t), "can't assign Variable as its own grad");
        CHECK(g.dtype() == t.dtype(), "assigned grad has data of a different type: expected torch.", name_of(t.dtype()),
              ", got torch.", name_of(g.dtype()));
        CHECK(same(g.sizes(), t.sizes()), "assigned grad has data of a different size: expected ", shown(t.sizes()),
              ", got ", shown(g.sizes()));
        ensure_autograd(t).grad = g;
        return 0;
      },
      -1);
}
int set_data(PyObject* self, PyObject* value, void*) {
  return guarded(
      [&] {
        CHECK_KIND(Type, value && is_tensor(value), "Variable data has to be a tensor, but got ",
                   value ? Py_TYPE(value)->tp_name : "nothing");
        TensorImpl* t = T(self).impl();
        const Tensor& v = T(value);
        // A sparse tensor may become another one.
        if (!(v.order() == Order::Absent && t->storage->order == Order::Absent)) v.data();
        CHECK(!t->autograd || !t->autograd->requires_grad || is_inexact(v.dtype()),
              "data set to a tensor that requires gradients must be floating point or complex dtype");
        t->storage = v->storage;
        t->dtype = v->dtype;
        t->device = v->device;
        t->set_geometry(v.sizes(), v.strides(), v.offset());
        if (t->autograd && t->autograd->grad.defined() && !same(t->autograd->grad.sizes(), v.sizes()))
          t->autograd->grad = Tensor();
        return 0;
      },
      -1);
}
int set_real_part(PyObject* self, PyObject* value, void* which) {
  return guarded(
      [&] {
        CHECK_KIND(Type, value, "can't delete it");
        const Tensor& t = T(self);
        Tensor part = is_complex(t.dtype()) ? (which ? imag(t) : real(t)) : t;
        Scalar s;
        if (is_tensor(value))
          copy_(part, T(value));
        else {
          CHECK_KIND(Type, to_scalar(value, s), "expected a tensor or a number, got ", Py_TYPE(value)->tp_name);
          copy_(part, scalar_tensor(s, part.dtype()));
        }
        return 0;
      },
      -1);
}

PyGetSetDef getset[] = {
    {"shape", get_shape, nullptr, "The size of every dimension.", nullptr},
    {"dtype", get_dtype, nullptr, "The type of the elements.", nullptr},
    {"device", get_device, nullptr, "Where the data lies.", nullptr},
    {"ndim", get_ndim, nullptr, "The number of dimensions.", nullptr},
    {"requires_grad", get_requires_grad, set_requires_grad_property, "Whether gradients are computed for this tensor.",
     nullptr},
    {"is_leaf", get_is_leaf, nullptr, "Whether no recorded op made this tensor.", nullptr},
    {"grad", get_grad, set_grad, "The gradient that backward() accumulated, or None.", nullptr},
    {"_grad", get_grad_quietly, set_grad, nullptr, nullptr},
    {"grad_fn", get_grad_fn, nullptr, "The graph node that made this tensor, or None.", nullptr},
    {"_grad_fn", get_grad_fn, nullptr, nullptr, nullptr},
    {"retains_grad", get_retains_grad, nullptr, "Whether retain_grad() was called on this non-leaf.", nullptr},
    {"output_nr", get_output_nr, nullptr, nullptr, nullptr},
    {"_version", get_version, nullptr, "How often the data was changed in place.", nullptr},
    {"_base", get_base, nullptr, "Of a view, the tensor it looks into.", nullptr},
    {"data", get_data, set_data, "The same data, unknown to autograd.", nullptr},
    {"itemsize", get_itemsize, nullptr, "Bytes per element.", nullptr},
    {"nbytes", get_nbytes, nullptr, "Bytes of all elements.", nullptr},
    {"T", get_T, nullptr, "Dimensions in reverse order.", nullptr},
    {"mT", get_mT, nullptr, "The last two dimensions swapped.", nullptr},
    {"H", get_H, nullptr, "The conjugate transpose of a matrix.", nullptr},
    {"mH", get_mH, nullptr, "The last two dimensions swapped, conjugated.", nullptr},
    {"real", get_real, set_real_part, "The real part.", nullptr},
    {"imag", get_imag, set_real_part, "The imaginary part.", const_cast<char*>("i")},
    {"is_cpu", get_is_cpu, nullptr, nullptr, nullptr},
    {"is_cuda", get_is_cuda, nullptr, nullptr, nullptr},
    {"is_meta", get_is_meta, nullptr, nullptr, nullptr},
    {"is_sparse", get_false, nullptr, nullptr, nullptr},
    {"is_sparse_csr", get_false, nullptr, nullptr, nullptr},
    {"is_quantized", get_false, nullptr, nullptr, nullptr},
    {"is_mkldnn", get_false, nullptr, nullptr, nullptr},
    {"is_nested", get_false, nullptr, nullptr, nullptr},
    {"is_mps", get_false, nullptr, nullptr, nullptr},
    {"is_xpu", get_false, nullptr, nullptr, nullptr},
    {"layout", get_layout, nullptr, nullptr, nullptr},
    {"names", get_names, nullptr, nullptr, nullptr},
    {"_cdata", get_cdata, nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {}};

// ---- methods that are no ops ----

PyObject* method_size(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject* dim = Py_None;
    static const char* names[] = {"dim", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:size", const_cast<char**>(names), &dim)) throw PythonError{};
    if (dim == Py_None) return wrap_size(T(self).sizes());
    int64_t d;
    CHECK_KIND(Type, to_int(dim, d), "size(): argument 'dim' must be int, not ", Py_TYPE(dim)->tp_name);
    return PyLong_FromLongLong(T(self).size(d));
  });
}
PyObject* method_stride(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject* dim = Py_None;
    static const char* names[] = {"dim", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:stride", const_cast<char**>(names), &dim)) throw PythonError{};
    const Tensor& t = T(self);
    if (dim == Py_None) {
      PyObject* s = check(PyTuple_New(t.ndim()));
      for (int i = 0; i < t.ndim(); i++) PyTuple_SET_ITEM(s, i, PyLong_FromLongLong(t.strides()[i]));
      return s;
    }
    int64_t d;
    CHECK_KIND(Type, to_int(dim, d), "stride(): argument 'dim' must be int, not ", Py_TYPE(dim)->tp_name);
    return PyLong_FromLongLong(t.stride(d));
  });
}
PyObject* method_item(PyObject* self, PyObject*) {
  return guarded([&] { return wrap(item(T(self))); });
}
PyObject* method_dim(PyObject* self, PyObject*) { return PyLong_FromLong(T(self).ndim()); }
PyObject* method_data_ptr(PyObject* self, PyObject*) {
  return guarded([&] {
    if (T(self).is_meta() || T(self).numel() == 0) return PyLong_FromLong(0);
    T(self)->storage->exported = true;
    return PyLong_FromVoidPtr(T(self).data());
  });
}
PyObject* method_offset(PyObject* self, PyObject*) { return PyLong_FromLongLong(T(self).offset()); }
PyObject* method_element_size(PyObject* self, PyObject*) { return PyLong_FromSize_t(T(self).item_size()); }
PyObject* method_is_set_to(PyObject* self, PyObject* other) {
  return guarded([&] {
    CHECK_KIND(Type, is_tensor(other), "is_set_to(): argument 'tensor' must be Tensor, not ", Py_TYPE(other)->tp_name);
    const Tensor &a = T(self), &b = T(other);
    return PyBool_FromLong(a->storage == b->storage && a.offset() == b.offset() && same(a.sizes(), b.sizes()) &&
                           same(a.strides(), b.strides()));
  });
}
PyObject* method_is_inference(PyObject* self, PyObject*) { return PyBool_FromLong(T(self)->inference); }
PyObject* method_get_device(PyObject* self, PyObject*) {
  return PyLong_FromLong(T(self).device().is_cpu() ? -1 : T(self).device().index);
}
PyObject* method_has_names(PyObject*, PyObject*) { Py_RETURN_FALSE; }
PyObject* method_is_view(PyObject* self, PyObject*) { return get_is_view(self, nullptr); }

PyObject* make_subclass(PyObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject *cls, *data;
    int wants_grad = 0;
    static const char* names[] = {"cls", "data", "require_grad", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|p:_make_subclass", const_cast<char**>(names), &cls, &data,
                                     &wants_grad))
      throw PythonError{};
    CHECK_KIND(Type, PyType_Check(cls) && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), TensorType),
               "cls must be a subclass of Tensor");
    CHECK_KIND(Type, is_tensor(data), "_make_subclass(): argument 'data' must be Tensor, not ", Py_TYPE(data)->tp_name);
    Tensor t = detach(T(data));
    if (wants_grad) set_requires_grad(t, true);
    return wrap_as(reinterpret_cast<PyTypeObject*>(cls), std::move(t));
  });
}
// _sparse_shell(cls, size, dtype, device): an object of a sparse class, whose elements stand in its attributes.
PyObject* sparse_shell(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *cls, *size, *dtype, *device;
    if (!PyArg_ParseTuple(args, "OO!OO:_sparse_shell", &cls, &PyTuple_Type, &size, &dtype, &device))
      throw PythonError{};
    CHECK_KIND(Type, PyType_Check(cls) && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), TensorType),
               "cls must be a subclass of Tensor");
    IntVec sizes, strides;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(size); i++) {
      int64_t n;
      CHECK_KIND(Type, to_int(PyTuple_GET_ITEM(size, i), n), "_sparse_shell: sizes must be ints");
      sizes.push_back(n);
      strides.push_back(0);
    }
    CHECK_KIND(Type, is_dtype(dtype), "_sparse_shell: expected a dtype");
    Tensor t = empty(IntVec{}, dtype_of(dtype), device_of(device));
    t->set_geometry(sizes, strides, 0);
    t->storage->order = Order::Absent;
    return wrap_as(reinterpret_cast<PyTypeObject*>(cls), std::move(t));
  });
}
PyObject* as_subclass(PyObject* self, PyObject* cls) {
  return guarded([&]() -> PyObject* {
    CHECK_KIND(Type, PyType_Check(cls) && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), TensorType),
               "cls must be a subclass of Tensor");
    const Tensor& t = T(self);
    Tensor a = alias(t);
    a->base = t->base.defined() ? t->base : Tensor();
    if (t.requires_grad()) {
      Edge e = gradient_edge(t);
      Autograd& ag = ensure_autograd(a);
      Ref<Node> n = make_node("AliasBackward0", [](Back& b) { b.set(0, [&] { return b.grad(); }); }, 1, 1, 0);
      connect(n, {&t}, {&a}, {});
      (void)ag;
    }
    return wrap_as(reinterpret_cast<PyTypeObject*>(cls), std::move(a));
  });
}

// Tensor(2, 3), Tensor([1., 2.]), Tensor(other), Tensor(): a float32 tensor, as the legacy constructor makes it.
PyObject* tensor_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    Device device;
    if (kwargs)
      if (PyObject* d = PyDict_GetItemString(kwargs, "device")) device = device_of(d);
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    DType d = default_dtype();
    int64_t size;
    if (n == 1) {
      PyObject* a = PyTuple_GET_ITEM(args, 0);
      if (is_tensor(a)) {
        return wrap_as(type, detach(T(a)));
      }
      if (!to_int(a, size)) {
        if (Py_TYPE(a)->tp_base == &PyTuple_Type && std::strcmp(Py_TYPE(a)->tp_name, "lampas.Size") == 0) {
          IntVec sizes;
          for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); i++)
            sizes.push_back(PyLong_AsLongLong(PyTuple_GET_ITEM(a, i)));
          return wrap_as(type, empty(sizes, d, device));
        }
        CHECK_KIND(Type, PySequence_Check(a) || PyIter_Check(a), "new(): data must be a sequence (got ",
                   Py_TYPE(a)->tp_name, ")");
        return wrap_as(type, tensor_from_python(a, d, device));
      }
    }
    IntVec sizes;
    for (Py_ssize_t i = 0; i < n; i++) {
      CHECK_KIND(Type, to_int(PyTuple_GET_ITEM(args, i), size),
                 "new() received an invalid combination of arguments: sizes must be ints, argument ", i + 1, " is ",
                 Py_TYPE(PyTuple_GET_ITEM(args, i))->tp_name);
      sizes.push_back(size);
    }
    if (n == 0) sizes.push_back(0);
    return wrap_as(type, empty(sizes, d, device));
  });
}
int tensor_init(PyObject*, PyObject*, PyObject*) { return 0; }

PyObject* plain_function(PyObject* cls, PyObject* args) {
  // cls.__torch_function__(func, types, args, kwargs): call as if no class overrode it.
  PyObject *func, *types, *positional = nullptr, *kw = nullptr;
  if (!PyArg_UnpackTuple(args, "__torch_function__", 2, 4, &func, &types, &positional, &kw)) return nullptr;
  return guarded([&] { return call_without_overrides(reinterpret_cast<PyTypeObject*>(cls), func, positional, kw); });
}

PyMethodDef methods[] = {
    {"size", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(method_size)), METH_VARARGS | METH_KEYWORDS,
     "The shape, or the size of one dimension."},
    {"stride", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(method_stride)), METH_VARARGS | METH_KEYWORDS,
     "Elements to step per index of each dimension."},
    {"item", method_item, METH_NOARGS, "The only element as a Python number."},
    {"dim", method_dim, METH_NOARGS, "The number of dimensions."},
    {"ndimension", method_dim, METH_NOARGS, "The number of dimensions."},
    {"data_ptr", method_data_ptr, METH_NOARGS, "The address of the first element."},
    {"storage_offset", method_offset, METH_NOARGS, "Elements before the first one in the storage."},
    {"element_size", method_element_size, METH_NOARGS, "Bytes per element."},
    {"is_set_to", method_is_set_to, METH_O, "Whether both are the same view of the same storage."},
    {"is_inference", method_is_inference, METH_NOARGS, "Whether it was made in inference mode."},
    {"get_device", method_get_device, METH_NOARGS, "The device's index; -1 for the CPU."},
    {"has_names", method_has_names, METH_NOARGS, nullptr},
    {"_is_view", method_is_view, METH_NOARGS, nullptr},
    {"_make_subclass", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(make_subclass)),
     METH_VARARGS | METH_KEYWORDS | METH_STATIC, nullptr},
    {"_sparse_shell", sparse_shell, METH_VARARGS | METH_STATIC, nullptr},
    {"as_subclass", as_subclass, METH_O, "The same data as an object of a subclass."},
    {"__torch_function__", plain_function, METH_VARARGS | METH_CLASS, nullptr},
    {}};

PyMemberDef members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(PyTensor, weakrefs), READONLY, nullptr},
                         {"__dictoffset__", T_PYSSIZET, offsetof(PyTensor, dict), READONLY, nullptr},
                         {}};

template <class F>
void* slot(F* f) {
  return reinterpret_cast<void*>(f);
}

PyType_Slot slots[] = {{Py_tp_new, slot(tensor_new)},
                       {Py_tp_init, slot(tensor_init)},
                       {Py_tp_dealloc, slot(tensor_dealloc)},
                       {Py_tp_traverse, slot(tensor_traverse)},
                       {Py_tp_clear, slot(tensor_clear)},
                       {Py_tp_getset, getset},
                       {Py_tp_methods, methods},
                       {Py_tp_members, members},
                       {Py_tp_hash, slot(tensor_hash)},
                       {Py_tp_richcompare, slot(compare)},
                       {Py_tp_iter, slot(tensor_iter)},
                       {Py_mp_length, slot(tensor_len)},
                       {Py_mp_subscript, slot(get_item)},
                       {Py_mp_ass_subscript, slot(set_item)},
                       {Py_nb_add, slot(nb_add)},
                       {Py_nb_subtract, slot(nb_sub)},
                       {Py_nb_multiply, slot(nb_mul)},
                       {Py_nb_true_divide, slot(nb_div)},
                       {Py_nb_floor_divide, slot(nb_floor)},
                       {Py_nb_remainder, slot(nb_mod)},
                       {Py_nb_power, slot(nb_pow)},
                       {Py_nb_matrix_multiply, slot(nb_matmul)},
                       {Py_nb_and, slot(nb_and)},
                       {Py_nb_or, slot(nb_or)},
                       {Py_nb_xor, slot(nb_xor)},
                       {Py_nb_lshift, slot(nb_shl)},
                       {Py_nb_rshift, slot(nb_shr)},
                       {Py_nb_inplace_add, slot(nb_iadd)},
                       {Py_nb_inplace_subtract, slot(nb_isub)},
                       {Py_nb_inplace_multiply, slot(nb_imul)},
                       {Py_nb_inplace_true_divide, slot(nb_idiv)},
                       {Py_nb_inplace_floor_divide, slot(nb_ifloor)},
                       {Py_nb_inplace_remainder, slot(nb_imod)},
                       {Py_nb_inplace_power, slot(nb_ipow)},
                       {Py_nb_inplace_and, slot(nb_iand)},
                       {Py_nb_inplace_or, slot(nb_ior)},
                       {Py_nb_inplace_xor, slot(nb_ixor)},
                       {Py_nb_inplace_lshift, slot(nb_ishl)},
                       {Py_nb_inplace_rshift, slot(nb_ishr)},
                       {Py_nb_negative, slot(nb_neg)},
                       {Py_nb_positive, slot(nb_pos)},
                       {Py_nb_absolute, slot(nb_abs)},
                       {Py_nb_invert, slot(nb_invert)},
                       {Py_nb_bool, slot(nb_bool)},
                       {Py_nb_int, slot(nb_int)},
                       {Py_nb_float, slot(nb_float)},
                       {Py_nb_index, slot(nb_index)},
                       {0, nullptr}};

PyObject* register_plain_class(PyObject*, PyObject* cls) {
  ParameterType = reinterpret_cast<PyTypeObject*>(Py_NewRef(cls));
  Py_RETURN_NONE;
}
PyMethodDef functions[] = {{"_register_plain_class", register_plain_class, METH_O,
                            "Names the Tensor subclass (Parameter) that overrides no operation."},
                           {}};

}  // namespace

PyObject* wrap_as(PyTypeObject* type, Tensor t) {
  if (t->python()) t = alias(t);
  PyTensor* o = allocate_object(type);
  TensorImpl* impl = t.detach_ref();
  o->impl = impl;
  Py_ssize_t count = Py_ssize_t(impl->count());
  impl->set_python(o);
  Py_SET_REFCNT(reinterpret_cast<PyObject*>(o), count);
  return reinterpret_cast<PyObject*>(o);
}

PyObject* wrap(Tensor t) {
  if (!t.defined()) Py_RETURN_NONE;
  if (void* existing = t->python()) return Py_NewRef(static_cast<PyObject*>(existing));
  if (mode.inference && !t->autograd) t->inference = true;
  return wrap_as(TensorType, std::move(t));
}

PyObject* wrap_all(const std::vector<Tensor>& tensors) {
  Object tuple(check(PyTuple_New(Py_ssize_t(tensors.size()))));
  for (size_t i = 0; i < tensors.size(); i++) PyTuple_SET_ITEM(tuple.get(), Py_ssize_t(i), check(wrap(tensors[i])));
  return tuple.release();
}

bool overrides_function(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  if (type == TensorType || type == ParameterType || type == &PyFloat_Type || type == &PyLong_Type ||
      type == &PyBool_Type)
    return false;
  if (!PyType_IsSubtype(type, TensorType)) {
    // Any class may take part by defining the method.
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) return false;
    return PyObject_HasAttrString(reinterpret_cast<PyObject*>(type), "__torch_function__");
  }
  return !function_override_disabled(type);
}

void init_tensor(PyObject* m) {
  PyType_Spec spec{"lampas.Tensor", sizeof(PyTensor), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                   slots};
  TensorType = make_type(m, spec);
  TensorType->tp_name = "Tensor";  // as Python's own errors name it ("'Tensor' and 'str'")
  incref_python = [](void* o) { Py_INCREF(static_cast<PyObject*>(o)); };
  decref_python = [](void* o) { Py_DECREF(static_cast<PyObject*>(o)); };
  add_functions(m, functions);
}

}  // namespace lampas::py
