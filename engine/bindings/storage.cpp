// UntypedStorage: the bytes behind tensors, as Python sees them.
#include "bindings/python.h"

namespace lampas::py {

namespace {

struct PyStorage {
  PyObject_HEAD Storage* storage;  // owned
};
PyTypeObject* StorageType = nullptr;
Storage& S(PyObject* o) { return *reinterpret_cast<PyStorage*>(o)->storage; }

PyObject* wrap_storage(Ref<Storage> s) {
  auto* o = reinterpret_cast<PyStorage*>(check(StorageType->tp_alloc(StorageType, 0)));
  o->storage = s.detach();
  return reinterpret_cast<PyObject*>(o);
}
void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Ref<Storage>::adopt(reinterpret_cast<PyStorage*>(self)->storage);
  type->tp_free(self);
  Py_DECREF(type);
}
PyObject* storage_new(PyTypeObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    Py_ssize_t n = 0;
    PyObject* device = nullptr;
    static const char* names[] = {"size", "device", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|n$O", const_cast<char**>(names), &n, &device)) throw PythonError{};
    CHECK(n >= 0, "a storage's size must be 0 or more bytes, got ", n);
    return wrap_storage(Storage::create(size_t(n), device && device != Py_None ? device_of(device) : Device{}));
  });
}
PyObject* nbytes(PyObject* self, PyObject*) { return PyLong_FromSize_t(S(self).nbytes); }
PyObject* data_ptr(PyObject* self, PyObject*) {
  S(self).exported = true;
  return PyLong_FromVoidPtr(S(self).data);
}
PyObject* resize_(PyObject* self, PyObject* size) {
  return guarded([&] {
    int64_t n;
    CHECK_KIND(Type, to_int(size, n) && n >= 0, "resize_(): size must be a non-negative int");
    S(self).resize(size_t(n));
    return Py_NewRef(self);
  });
}
Py_ssize_t length(PyObject* self) { return Py_ssize_t(S(self).nbytes); }
int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  Storage& s = S(self);
  if (!s.device.is_cpu()) {
    PyErr_SetString(PyExc_BufferError, "a storage on the meta device has no bytes");
    return -1;
  }
  return PyBuffer_FillInfo(view, self, s.data, Py_ssize_t(s.nbytes), 0, flags);
}
PyObject* compare(PyObject* a, PyObject* b, int op) {
  if (Py_TYPE(b) != StorageType || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
  return PyBool_FromLong((&S(a) == &S(b)) == (op == Py_EQ));
}
Py_hash_t hash(PyObject* self) { return Py_hash_t(reinterpret_cast<uintptr_t>(&S(self)) >> 4); }
PyObject* get_cdata(PyObject* self, void*) { return PyLong_FromVoidPtr(&S(self)); }
PyObject* get_device(PyObject* self, void*) { return wrap(S(self).device); }
PyObject* self_method(PyObject* self, PyObject*) { return Py_NewRef(self); }

// _move_into(buffer): the bytes go into memory that a Python object lends (memory shared with other processes); every
// tensor on the storage, views too, sees them there.
PyObject* move_into(PyObject* self, PyObject* buffer) {
  return guarded([&] {
    Storage& s = S(self);
    CHECK(s.device.is_cpu(), "_move_into(): a storage on the meta device has no bytes");
    auto* b = new Py_buffer;
    if (PyObject_GetBuffer(buffer, b, PyBUF_WRITABLE) < 0) {
      delete b;
      throw PythonError{};
    }
    if (size_t(b->len) < s.nbytes) {
      PyBuffer_Release(b);
      delete b;
      fail(ErrorKind::Value, "_move_into(): the buffer is smaller than the storage");
    }
    s.lend(b->buf, b, [](void* p) {
      PyBuffer_Release(static_cast<Py_buffer*>(p));
      delete static_cast<Py_buffer*>(p);
    });
    return Py_NewRef(self);
  });
}

PyMethodDef methods[] = {{"nbytes", nbytes, METH_NOARGS, "Its size in bytes."},
                         {"size", nbytes, METH_NOARGS, "Its size in bytes."},
                         {"data_ptr", data_ptr, METH_NOARGS, "The address of the first byte."},
                         {"resize_", resize_, METH_O, "Changes its size."},
                         {"untyped", self_method, METH_NOARGS, nullptr},
                         {"_move_into", move_into, METH_O, nullptr},
                         {}};
PyGetSetDef getset[] = {
    {"_cdata", get_cdata, nullptr, nullptr, nullptr}, {"device", get_device, nullptr, nullptr, nullptr}, {}};

PyObject* untyped_storage(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = tensor_of(self);
    if (!t.is_meta()) t.data();
    return wrap_storage(t->storage);
  });
}

// set_(storage, offset, size, stride): makes the tensor a window on other bytes.
PyObject* set_(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject *source = nullptr, *size = nullptr, *stride = nullptr;
    Py_ssize_t offset = 0;
    static const char* names[] = {"source", "storage_offset", "size", "stride", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OnOO:set_", const_cast<char**>(names), &source, &offset, &size,
                                     &stride))
      throw PythonError{};
    TensorImpl* t = tensor_of(self).impl();
    if (!source) {
      t->storage = Storage::create(0);
      int64_t zero = 0, one = 1;
      t->set_geometry(Ints(&zero, 1), Ints(&one, 1), 0);
      return Py_NewRef(self);
    }
    if (is_tensor(source)) {
      const Tensor& s = tensor_of(source);
      s.data();
      t->storage = s->storage;
      t->dtype = s->dtype;
      t->set_geometry(s.sizes(), s.strides(), s.offset());
      return Py_NewRef(self);
    }
    Object untyped;
    if (Py_TYPE(source) != StorageType) {
      untyped = Object(check(PyObject_CallMethod(source, "untyped", nullptr)));
      source = untyped.get();
      CHECK_KIND(Type, Py_TYPE(source) == StorageType, "set_(): argument 'source' must be a storage or a Tensor");
    }
    auto ints = [](PyObject* o, IntVec& v) {
      Object fast(check(PySequence_Fast(o, "set_(): size and stride are sequences of ints")));
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast.get()); i++) {
        int64_t n;
        CHECK_KIND(Type, to_int(PySequence_Fast_GET_ITEM(fast.get(), i), n),
                   "set_(): size and stride are sequences of ints");
        v.push_back(n);
      }
    };
    IntVec sizes, strides;
    size_t item = item_size(t->dtype);
    if (size)
      ints(size, sizes);
    else
      sizes.push_back(int64_t(S(source).nbytes / item));
    if (stride)
      ints(stride, strides);
    else
      strides = contiguous_strides(sizes);
    CHECK(sizes.size() == strides.size(), "mismatch in length of strides and shape: ", shown(sizes), " and ",
          shown(strides));
    int64_t numel = checked_numel(sizes);
    CHECK(offset >= 0, "Tensor: invalid storage offset ", offset);
    __int128 last = offset;
    for (int i = 0; i < sizes.size(); i++) {
      CHECK(strides[i] >= 0, "strides must be 0 or more, got ", shown(strides));
      last += __int128(sizes[i] - 1) * strides[i];
    }
    CHECK(numel == 0 || (last + 1) * __int128(item) <= __int128(S(source).nbytes), "setStorage: sizes ", shown(sizes),
          ", strides ", shown(strides), ", storage offset ", offset, ", and itemsize ", item,
          " requiring a storage size of ", double(last + 1) * double(item), " are out of bounds for storage of size ",
          S(source).nbytes);
    t->storage = Ref<Storage>(&S(source));
    t->device = S(source).device;
    t->set_geometry(sizes, strides, offset);
    return Py_NewRef(self);
  });
}

PyMethodDef tensor_methods[] = {{"untyped_storage", untyped_storage, METH_NOARGS, "The bytes behind the tensor."},
                                {"set_", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(set_)),
                                 METH_VARARGS | METH_KEYWORDS, "Makes the tensor a window on a storage."},
                                {}};

}  // namespace

void init_storage(PyObject* m) {
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(storage_new)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                         {Py_tp_methods, methods},
                         {Py_tp_getset, getset},
                         {Py_sq_length, reinterpret_cast<void*>(length)},
                         {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
                         {Py_tp_richcompare, reinterpret_cast<void*>(compare)},
                         {Py_tp_hash, reinterpret_cast<void*>(hash)},
                         {0, nullptr}};
  PyType_Spec spec{"lampas.UntypedStorage", sizeof(PyStorage), 0, Py_TPFLAGS_DEFAULT, slots};
  StorageType = make_type(m, spec);
  for (PyMethodDef* d = tensor_methods; d->ml_name; d++) {
    Object f(check(PyDescr_NewMethod(TensorType, d)));
    PyObject_SetAttrString(reinterpret_cast<PyObject*>(TensorType), d->ml_name, f.get());
  }
}

}  // namespace lampas::py
