// x[...] and x[...] = v: a key is a chain of views (ints, slices, None, Ellipsis), then at most one gather by index
// tensors.
#include "bindings/ops.h"
#include "bindings/python.h"

namespace lampas::py {

namespace {

struct Key {
  Tensor view;                  // after every basic index
  std::vector<Tensor> tensors;  // one per dimension of `view`; undefined: all of it
  bool advanced = false;
};

bool is_index_sequence(PyObject* o) { return PyList_Check(o) || PyTuple_Check(o) || PyRange_Check(o); }

// A list counts as a tuple of indices, as in old NumPy, only if it holds slices and the like; otherwise it is an index
// tensor.
bool list_is_tuple(PyObject* o) {
  if (!PyList_Check(o)) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(o); i++) {
    PyObject* e = PyList_GET_ITEM(o, i);
    if (PySlice_Check(e) || e == Py_Ellipsis || e == Py_None) return true;
  }
  return false;
}

int64_t slice_bound(PyObject* o, int64_t missing) {
  if (o == Py_None) return missing;
  int64_t v;
  if (!to_int(o, v)) {
    if (is_tensor(o) && tensor_of(o).numel() == 1) return item(tensor_of(o)).to_int();
    fail(ErrorKind::Type, "slice indices must be integers or None or have an __index__ method");
  }
  return v;
}

Tensor apply_slice(const Tensor& x, int dim, PyObject* s) {
  auto* slice_object = reinterpret_cast<PySliceObject*>(s);
  int64_t step = slice_bound(slice_object->step, 1);
  CHECK_KIND(Value, step > 0,
             "step must be greater than zero: tensors have no negative strides, use flip() to reverse (got step ", step,
             ")");
  std::optional<int64_t> start, stop;
  if (slice_object->start != Py_None) start = slice_bound(slice_object->start, 0);
  if (slice_object->stop != Py_None) stop = slice_bound(slice_object->stop, 0);
  if (!start && !stop && step == 1) return x;
  return slice(x, dim, start, stop, step);
}

// How many dimensions an index consumes.
int consumed(PyObject* o) {
  if (o == Py_None || o == Py_Ellipsis || PyBool_Check(o)) return 0;
  if (is_tensor(o)) {
    DType d = tensor_of(o).dtype();
    if (d == DType::Bool || d == DType::UInt8) return tensor_of(o).ndim();
    return 1;
  }
  return 1;
}

Key resolve(const Tensor& x, PyObject* key) {
  Object owned;
  PyObject* const* items = &key;
  Py_ssize_t count = 1;
  if (PyTuple_Check(key)) {
    items = reinterpret_cast<PyTupleObject*>(key)->ob_item;
    count = PyTuple_GET_SIZE(key);
  } else if (list_is_tuple(key)) {
    items = reinterpret_cast<PyListObject*>(key)->ob_item;
    count = PyList_GET_SIZE(key);
  }
  // Lists inside become index tensors first, so that what they consume is known.
  std::vector<Object> converted(static_cast<size_t>(count));
  std::vector<PyObject*> index(static_cast<size_t>(count));
  int specified = 0;
  bool ellipsis = false;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject* o = items[i];
    if (is_index_sequence(o) ||
        (PyObject_CheckBuffer(o) && !is_tensor(o) && std::strcmp(Py_TYPE(o)->tp_name, "numpy.ndarray") == 0)) {
      Tensor t = tensor_from_python(o, std::nullopt, x.device().is_meta() ? Device{} : x.device());
      if (t.numel() == 0 && is_floating(t.dtype())) t = to(t, DType::Int64);
      converted[size_t(i)] = Object(wrap(t));
      o = converted[size_t(i)].get();
    }
    index[size_t(i)] = o;
    if (o == Py_Ellipsis) {
      CHECK_KIND(Index, !ellipsis, "an index can only have a single ellipsis ('...')");
      ellipsis = true;
    }
    specified += consumed(o);
  }
  CHECK_KIND(Index, specified <= x.ndim(), "too many indices for tensor of dimension ", x.ndim());
  Key k{x, {}, false};
  int dim = 0, covered = 0;  // dimensions of the view passed, and covered by the list of index tensors
  auto place = [&](const Tensor& t) {
    for (; covered < dim; covered++) k.tensors.emplace_back();
    k.tensors.push_back(t);
    k.advanced = true;
    dim += t.dtype() == DType::Bool || t.dtype() == DType::UInt8 ? t.ndim() : 1;
    covered = dim;
  };
  int own = 0;  // dimensions of x passed
  for (size_t i = 0; i < index.size();
       own += index[i] == Py_Ellipsis ? x.ndim() - specified : consumed(index[i]), i++) {
    PyObject* o = index[i];
    int64_t n;
    if (o == Py_Ellipsis) {
      dim += x.ndim() - specified;
    } else if (o == Py_None) {
      k.view = unsqueeze(k.view, dim++);
    } else if (PySlice_Check(o)) {
      k.view = apply_slice(k.view, dim++, o);
    } else if (PyBool_Check(o)) {
      k.view = unsqueeze(k.view, dim);
      place(full(Ints{IntVec{1}}, Scalar(o == Py_True), DType::Bool));
    } else if (is_tensor(o) && !(tensor_of(o).ndim() == 0 && is_integral(tensor_of(o).dtype()) &&
                                 tensor_of(o).dtype() != DType::Bool && tensor_of(o).dtype() != DType::UInt8)) {
      const Tensor& t = tensor_of(o);
      CHECK_KIND(Index, is_integral(t.dtype()),
                 "tensors used as indices must be long, int, byte or bool tensors, got torch.", name_of(t.dtype()));
      if ((t.dtype() == DType::Bool || t.dtype() == DType::UInt8) && t.ndim() == 0) {
        k.view = unsqueeze(k.view, dim);
        place(unsqueeze(t, 0));
      } else if (t.dtype() == DType::Bool || t.dtype() == DType::UInt8) {
        if (t.dtype() == DType::UInt8)
          warn_once("indexing with dtype torch.uint8 is deprecated: make the mask a torch.bool, mask.bool()");
        // A mask covers as many dimensions as it has.
        for (int d = 0; d < t.ndim(); d++)
          CHECK_KIND(Index, dim + d < k.view.ndim() && t.sizes()[d] == k.view.sizes()[dim + d],
                     "The shape of the mask ", shown(t.sizes()), " at index ", d,
                     " does not match the shape of the indexed tensor ", shown(x.sizes()), " at index ", dim + d);
        place(t);
      } else {
        place(t);
      }
    } else if (to_int(o, n)) {
      int64_t size = k.view.size(dim);
      CHECK_KIND(Index, n >= -size && n < size, "index ", n, " is out of bounds for dimension ", own, " with size ",
                 size);
      k.view = select(k.view, dim, n);
    } else {
      fail(PyUnicode_Check(o) ? ErrorKind::Type : ErrorKind::Index,
           "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got ",
           Py_TYPE(o)->tp_name, ")");
    }
  }
  return k;
}

Tensor value_for(PyObject* value, const Tensor& x) {
  if (is_tensor(value)) return tensor_of(value);
  Scalar s;
  if (to_scalar(value, s)) {
    CHECK(is_complex(x.dtype()) || s.kind() != Scalar::Complex, "value cannot be converted to type ",
          name_of(x.dtype()), " without overflow");
    return full({}, s, x.dtype());
  }
  if (PySequence_Check(value) && !PyUnicode_Check(value)) return tensor_from_python(value, std::nullopt, Device{});
  fail(ErrorKind::Type, "can't assign a ", Py_TYPE(value)->tp_name, " to a torch.", name_of(x.dtype()), " tensor");
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* key) {
  return guarded([&]() -> PyObject* {
    if (watch & WatchFunctionMode || overrides_function(self)) [[unlikely]] {
      Object args(PyTuple_Pack(2, self, key)), kwargs(PyDict_New());
      Object f(check(PyObject_GetAttrString(reinterpret_cast<PyObject*>(TensorType), "__getitem__")));
      return dispatch_override(f.get(), {self}, args.get(), kwargs.get());
    }
    const Tensor& x = tensor_of(self);
    int64_t n;
    if (PyLong_CheckExact(key) && to_int(key, n)) {  // x[3], the commonest
      CHECK_KIND(
          Index, x.ndim() > 0,
          "invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim tensor to a number");
      int64_t size = x.sizes()[0];
      CHECK_KIND(Index, n >= -size && n < size, "index ", n, " is out of bounds for dimension 0 with size ", size);
      return wrap(select(x, 0, n));
    }
    Key k = resolve(x, key);
    if (k.advanced) return wrap(index(k.view, k.tensors));
    if (!k.view.is(x)) return wrap(k.view);
    return wrap(view_op("AliasBackward0", x, x.sizes(), x.strides(), x.offset(),
                        [](Back& b) { b.set(0, [&] { return b.grad(); }); }));
  });
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(
      [&] {
        CHECK_KIND(Type, value, "Tensor does not support deleting items");
        if (watch & WatchFunctionMode || overrides_function(self) || overrides_function(value)) [[unlikely]] {
          Object args(PyTuple_Pack(3, self, key, value)), kwargs(PyDict_New());
          Object f(check(PyObject_GetAttrString(reinterpret_cast<PyObject*>(TensorType), "__setitem__")));
          std::vector<PyObject*> relevant;
          if (overrides_function(self)) relevant.push_back(self);
          if (overrides_function(value)) relevant.push_back(value);
          Object(dispatch_override(f.get(), relevant, args.get(), kwargs.get()));
          return 0;
        }
        const Tensor& x = tensor_of(self);
        Tensor v = value_for(value, x);
        Key k{x, {}, false};
        if (key != Py_Ellipsis) k = resolve(x, key);
        if (k.advanced) {
          // One value under one mask is a fill, which converts it.
          int masks = 0, others = 0;
          for (const Tensor& t : k.tensors)
            if (t.defined()) (t.dtype() == DType::Bool || t.dtype() == DType::UInt8 ? masks : others)++;
          if (masks == 1 && others == 0 && v.numel() == 1 && v.dtype() != x.dtype()) v = to(v, x.dtype());
          index_put_(k.view, k.tensors, v, false);
          return 0;
        }
        // Leading dimensions of size 1 of the value fall away, as NumPy has it.
        while (v.ndim() > k.view.ndim() && v.sizes()[0] == 1) v = select(v, 0, 0);
        CHECK(can_broadcast(v.sizes(), k.view.sizes()), "The expanded size of the tensor ", shown(k.view.sizes()),
              " must match the existing size ", shown(v.sizes()),
              ": shape mismatch, a value of that shape cannot be broadcast to the indexed part");
        copy_(k.view, v);
        return 0;
      },
      -1);
}

}  // namespace lampas::py
