// dtype, device, layout, memory_format and Size.
#include "bindings/python.h"

namespace lampas::py {

namespace {

struct PyEnum {  // dtype, layout and memory_format: a named constant
  PyObject_HEAD int64_t value;
  const char* name;
};
struct PyDevice {
  PyObject_HEAD Device device;
};

PyTypeObject *DTypeType, *LayoutType, *FormatType, *SchemeType, *DeviceType_, *SizeType;
PyObject* dtypes[kDTypes];

// The dtypes of quantized tensors. The engine knows only the integers they are stored as.
struct QuantizedDType {
  const char* name;
  DType stored;
};
constexpr QuantizedDType kQuantized[] = {
    {"quint8", DType::UInt8}, {"qint8", DType::Int8}, {"qint32", DType::Int32}, {"quint4x2", DType::UInt8}};
bool is_quantized(int64_t value) { return value >= kDTypes; }
DType stored_as(int64_t value) { return is_quantized(value) ? kQuantized[value - kDTypes].stored : DType(value); }

PyObject* enum_repr(PyObject* self) { return PyUnicode_FromFormat("torch.%s", reinterpret_cast<PyEnum*>(self)->name); }
PyObject* enum_reduce(PyObject* self, PyObject*) { return PyUnicode_FromString(reinterpret_cast<PyEnum*>(self)->name); }
int64_t value_of(PyObject* self) { return reinterpret_cast<PyEnum*>(self)->value; }
DType dt(PyObject* self) { return stored_as(value_of(self)); }
PyObject* itself_or(PyObject* self, DType d) { return is_quantized(value_of(self)) ? Py_NewRef(self) : wrap(d); }

PyMethodDef enum_methods[] = {{"__reduce__", enum_reduce, METH_NOARGS, nullptr}, {}};
PyMethodDef dtype_methods[] = {{"__reduce__", enum_reduce, METH_NOARGS, nullptr},
                               {"to_real", [](PyObject* s, PyObject*) { return itself_or(s, to_real(dt(s))); },
                                METH_NOARGS, "The real dtype of the same width per part."},
                               {"to_complex", [](PyObject* s, PyObject*) { return itself_or(s, to_complex(dt(s))); },
                                METH_NOARGS, "The complex dtype whose parts have this dtype."},
                               {}};
PyGetSetDef dtype_getset[] = {
    {"is_floating_point", [](PyObject* s, void*) { return PyBool_FromLong(is_floating(dt(s))); }, nullptr, nullptr,
     nullptr},
    {"is_complex", [](PyObject* s, void*) { return PyBool_FromLong(is_complex(dt(s))); }, nullptr, nullptr, nullptr},
    {"is_signed", [](PyObject* s, void*) { return PyBool_FromLong(is_signed(dt(s))); }, nullptr, nullptr, nullptr},
    {"itemsize", [](PyObject* s, void*) { return PyLong_FromLong(long(item_size(dt(s)))); }, nullptr, nullptr, nullptr},
    {}};

PyTypeObject* enum_type(PyObject* module, const char* name, PyMethodDef* methods, PyGetSetDef* getset) {
  PyType_Slot slots[] = {{Py_tp_repr, reinterpret_cast<void*>(enum_repr)},
                         {Py_tp_methods, methods},
                         {getset ? Py_tp_getset : 0, getset},
                         {0, nullptr}};
  PyType_Spec spec{name, sizeof(PyEnum), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  return make_type(module, spec);
}
PyObject* make_enum(PyTypeObject* type, int64_t value, const char* name) {
  auto* e = PyObject_New(PyEnum, type);
  e->value = value;
  e->name = name;
  return reinterpret_cast<PyObject*>(e);
}

// ---- device ----
PyObject* device_new(PyTypeObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject *type = nullptr, *index = nullptr;
    static const char* names[] = {"type", "index", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O", const_cast<char**>(names), &type, &index))
      throw PythonError{};
    Device d = device_of(type);
    if (index && index != Py_None) {
      int64_t i;
      CHECK_KIND(Type, to_int(index, i), "device(): argument 'index' must be int, not ", Py_TYPE(index)->tp_name);
      CHECK(d.index < 0, "type (string) must not include an index because index was passed explicitly: ", name_of(d));
      d.index = int8_t(i);
    }
    return wrap(d);
  });
}
Device dv(PyObject* s) { return reinterpret_cast<PyDevice*>(s)->device; }
PyObject* device_repr(PyObject* s) {
  Device d = dv(s);
  std::string type = name_of(Device{d.type, -1});
  if (d.index < 0) return PyUnicode_FromFormat("device(type='%s')", type.c_str());
  return PyUnicode_FromFormat("device(type='%s', index=%d)", type.c_str(), int(d.index));
}
PyObject* device_str(PyObject* s) { return PyUnicode_FromString(name_of(dv(s)).c_str()); }
PyObject* device_compare(PyObject* a, PyObject* b, int op) {
  if (!is_device(b) || !is_device(a) || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
  return PyBool_FromLong((dv(a) == dv(b)) == (op == Py_EQ));
}
Py_hash_t device_hash(PyObject* s) { return Py_hash_t(dv(s).type) * 1000 + dv(s).index + 2; }
PyObject* device_reduce(PyObject* s, PyObject*) {
  Device d = dv(s);
  std::string type = name_of(Device{d.type, -1});
  if (d.index < 0) return Py_BuildValue("O(s)", DeviceType_, type.c_str());
  return Py_BuildValue("O(si)", DeviceType_, type.c_str(), int(d.index));
}
PyMethodDef device_methods[] = {{"__reduce__", device_reduce, METH_NOARGS, nullptr}, {}};
PyGetSetDef device_getset[] = {
    {"type", [](PyObject* s, void*) { return PyUnicode_FromString(name_of(Device{dv(s).type, -1}).c_str()); }, nullptr,
     nullptr, nullptr},
    {"index",
     [](PyObject* s, void*) -> PyObject* {
       if (dv(s).index < 0) Py_RETURN_NONE;
       return PyLong_FromLong(dv(s).index);
     },
     nullptr, nullptr, nullptr},
    {}};

// ---- Size ----
PyObject* size_from(PyObject* sequence) {  // steals a tuple
  if (!sequence) return nullptr;
  Py_ssize_t n = PyTuple_GET_SIZE(sequence);
  PyObject* s = SizeType->tp_alloc(SizeType, n);
  for (Py_ssize_t i = 0; s && i < n; i++) {
    PyObject* item = PyTuple_GET_ITEM(sequence, i);
    if (!PyLong_Check(item)) {
      PyObject* number = PyNumber_Index(item);
      if (!number) {
        PyErr_Format(PyExc_TypeError, "torch.Size() takes an iterable of 'int' (item %zd is '%s')", i,
                     Py_TYPE(item)->tp_name);
        Py_DECREF(s);
        Py_DECREF(sequence);
        return nullptr;
      }
      PyTuple_SET_ITEM(s, i, number);
    } else {
      PyTuple_SET_ITEM(s, i, Py_NewRef(item));
    }
  }
  Py_DECREF(sequence);
  return s;
}
PyObject* size_new(PyTypeObject*, PyObject* args, PyObject*) {
  PyObject* iterable = nullptr;
  if (!PyArg_UnpackTuple(args, "Size", 0, 1, &iterable)) return nullptr;
  return size_from(iterable ? PySequence_Tuple(iterable) : PyTuple_New(0));
}
PyObject* size_repr(PyObject* s) {
  std::string out = "torch.Size([";
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(s); i++) {
    if (i) out += ", ";
    out += std::to_string(PyLong_AsLongLong(PyTuple_GET_ITEM(s, i)));
  }
  return PyUnicode_FromString((out + "])").c_str());
}
PyObject* size_numel(PyObject* s, PyObject*) {
  long long n = 1;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(s); i++) n *= PyLong_AsLongLong(PyTuple_GET_ITEM(s, i));
  return PyLong_FromLongLong(n);
}
PyObject* size_reduce(PyObject* s, PyObject*) {
  Object items(PySequence_List(s));
  Object plain(items ? PyList_AsTuple(items.get()) : nullptr);
  return plain ? Py_BuildValue("O(O)", SizeType, plain.get()) : nullptr;
}
PyObject* size_concat(PyObject* a, PyObject* b) {
  if (!PyTuple_Check(a) || !PyTuple_Check(b)) Py_RETURN_NOTIMPLEMENTED;
  Object first(PySequence_List(a)), second(PySequence_List(b));
  if (!first || !second) return nullptr;
  Object both(PySequence_Concat(first.get(), second.get()));
  return both ? size_from(PyList_AsTuple(both.get())) : nullptr;
}
PyObject* size_repeat(PyObject* s, Py_ssize_t n) { return size_from(PyTuple_Type.tp_as_sequence->sq_repeat(s, n)); }
PyObject* size_subscript(PyObject* s, PyObject* key) {
  PyObject* r = PyTuple_Type.tp_as_mapping->mp_subscript(s, key);
  return r && PySlice_Check(key) ? size_from(r) : r;
}
PyMethodDef size_methods[] = {{"numel", size_numel, METH_NOARGS, "The product of the sizes."},
                              {"__reduce__", size_reduce, METH_NOARGS, nullptr},
                              {}};

}  // namespace

PyTypeObject* make_type(PyObject* module, PyType_Spec& spec, PyObject* base) {
  PyObject* type = check(PyType_FromSpecWithBases(&spec, base));
  const char* dot = std::strrchr(spec.name, '.');
  PyObject_SetAttrString(module, dot ? dot + 1 : spec.name, type);
  return reinterpret_cast<PyTypeObject*>(type);
}

void add_functions(PyObject* module, PyMethodDef* methods) {
  if (PyModule_AddFunctions(module, methods) < 0) throw PythonError{};
}

PyObject* wrap(DType d) { return Py_NewRef(dtypes[int(d)]); }
PyObject* wrap(Device d) {
  auto* o = PyObject_New(PyDevice, DeviceType_);
  if (!o) return nullptr;
  o->device = d;
  return reinterpret_cast<PyObject*>(o);
}
PyObject* wrap_size(Ints sizes) {
  PyObject* s = SizeType->tp_alloc(SizeType, Py_ssize_t(sizes.size()));
  for (size_t i = 0; s && i < sizes.size(); i++) PyTuple_SET_ITEM(s, Py_ssize_t(i), PyLong_FromLongLong(sizes[i]));
  return s;
}
PyObject* wrap(const Scalar& s) {
  switch (s.kind()) {
    case Scalar::Bool:
      return PyBool_FromLong(s.to_bool());
    case Scalar::Int:
      return PyLong_FromLongLong(s.to_int());
    case Scalar::Float:
      return PyFloat_FromDouble(s.to_double());
    default:
      return PyComplex_FromDoubles(s.to_complex().real(), s.to_complex().imag());
  }
}

bool is_dtype(PyObject* o) { return Py_TYPE(o) == DTypeType; }
DType dtype_of(PyObject* o) {
  CHECK(!is_quantized(value_of(o)), repr(o),
        " is the dtype of quantized tensors, which quantize_per_tensor() and quantize_per_channel() make; here a plain "
        "dtype is needed, such as torch.",
        name_of(stored_as(value_of(o))));
  return DType(value_of(o));
}
bool is_device(PyObject* o) { return Py_TYPE(o) == DeviceType_; }
bool is_memory_format(PyObject* o) { return Py_TYPE(o) == FormatType; }
MemoryFormat memory_format_of(PyObject* o) { return MemoryFormat(reinterpret_cast<PyEnum*>(o)->value); }
bool is_layout(PyObject* o) { return Py_TYPE(o) == LayoutType; }
void check_strided(PyObject* o) {
  CHECK_KIND(
      NotImplemented, o == Py_None || !is_layout(o) || reinterpret_cast<PyEnum*>(o)->value == 0,
      "this function makes strided tensors alone: torch.sparse_coo_tensor() and Tensor.to_sparse() make those of "
      "layout torch.sparse_coo");
}

Device device_of(PyObject* o) {
  if (is_device(o)) return dv(o);
  if (PyUnicode_Check(o)) return parse_device(PyUnicode_AsUTF8(o));
  int64_t i;
  CHECK_KIND(Type, to_int(o, i), "a device is a torch.device, a string such as 'cpu', or an index, not ",
             Py_TYPE(o)->tp_name);
  return Device{DeviceType::CUDA, int8_t(i)};
}

bool to_int(PyObject* o, int64_t& out) {
  if (PyLong_CheckExact(o)) {
    int overflow;
    out = PyLong_AsLongLongAndOverflow(o, &overflow);
    CHECK(!overflow, "Overflow when unpacking long: ", repr(o), " does not fit in 64 bits");
    return true;
  }
  if (PyBool_Check(o) || PyFloat_Check(o)) return false;
  if (is_tensor(o)) {
    const Tensor& t = tensor_of(o);
    if (t.numel() != 1 || !is_integral(t.dtype()) || t.requires_grad()) return false;
    out = item(t).to_int();
    return true;
  }
  if (!PyIndex_Check(o)) return false;
  Object n(PyNumber_Index(o));
  if (!n) {
    PyErr_Clear();
    return false;
  }
  return to_int(n.get(), out);
}

void check_number(PyObject* o, const Scalar& s) {
  if (s.kind() != Scalar::Float || !PyLong_Check(o) || std::fabs(s.to_double()) < std::ldexp(1.0, 64)) return;
  PyErr_SetString(PyExc_OverflowError, "int too big to convert: a whole number must fit 64 bits; write it as a float");
  throw PythonError{};
}

bool to_scalar(PyObject* o, Scalar& out) {
  if (PyFloat_Check(o)) {
    out = Scalar(PyFloat_AS_DOUBLE(o));
    return true;
  }
  if (PyBool_Check(o)) {
    out = Scalar(o == Py_True);
    return true;
  }
  if (PyLong_Check(o)) {
    int overflow;
    int64_t i = PyLong_AsLongLongAndOverflow(o, &overflow);
    out = Scalar(i);
    if (overflow) {
      double d = PyLong_AsDouble(o);
      if (PyErr_Occurred()) throw PythonError{};
      out = Scalar(d);
    }
    return true;
  }
  if (PyComplex_Check(o)) {
    out = Scalar(complex128(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)));
    return true;
  }
  if (is_tensor(o)) return false;
  // NumPy's scalars
  if (PyIndex_Check(o)) {
    Object n(PyNumber_Index(o));
    if (n) return to_scalar(n.get(), out);
    PyErr_Clear();
  }
  if (std::strncmp(Py_TYPE(o)->tp_name, "numpy.", 6) == 0 && std::strcmp(Py_TYPE(o)->tp_name, "numpy.ndarray") != 0) {
    if (std::strncmp(Py_TYPE(o)->tp_name, "numpy.bool", 10) == 0) {
      out = Scalar(PyObject_IsTrue(o) == 1);
      return true;
    }
    if (std::strstr(Py_TYPE(o)->tp_name, "complex")) {
      Object c(PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(&PyComplex_Type), o, nullptr));
      return c && to_scalar(c.get(), out);
    }
    double d = PyFloat_AsDouble(o);
    if (!(d == -1 && PyErr_Occurred())) {
      out = Scalar(d);
      return true;
    }
    PyErr_Clear();
  }
  return false;
}

void warn_once(const char* text) {
  Object module(check(PyImport_ImportModule("lampas._deprecated")));
  Object(check(PyObject_CallMethod(module.get(), "warn_once", "s", text)));
}

std::string repr(PyObject* o) {
  Object r(PyObject_Repr(o));
  if (!r) {
    PyErr_Clear();
    return "?";
  }
  return PyUnicode_AsUTF8(r.get());
}

void init_types(PyObject* m) {
  DTypeType = enum_type(m, "lampas.dtype", dtype_methods, dtype_getset);
  LayoutType = enum_type(m, "lampas.layout", enum_methods, nullptr);
  FormatType = enum_type(m, "lampas.memory_format", enum_methods, nullptr);
  for (int i = 0; i < kDTypes; i++) {
    dtypes[i] = make_enum(DTypeType, i, kDTypeName[i]);
    PyModule_AddObjectRef(m, kDTypeName[i], dtypes[i]);
  }
  for (int i = 0; i < int(std::size(kQuantized)); i++)
    PyModule_AddObject(m, kQuantized[i].name, make_enum(DTypeType, kDTypes + i, kQuantized[i].name));
  SchemeType = enum_type(m, "lampas.qscheme", enum_methods, nullptr);
  static const char* schemes[] = {"per_tensor_affine", "per_channel_affine", "per_tensor_symmetric",
                                  "per_channel_symmetric", "per_channel_affine_float_qparams"};
  for (int i = 0; i < int(std::size(schemes)); i++)
    PyModule_AddObject(m, schemes[i], make_enum(SchemeType, i, schemes[i]));
  static const std::pair<const char*, DType> aliases[] = {{"float", DType::Float32},    {"double", DType::Float64},
                                                          {"half", DType::Float16},     {"long", DType::Int64},
                                                          {"int", DType::Int32},        {"short", DType::Int16},
                                                          {"cfloat", DType::Complex64}, {"cdouble", DType::Complex128}};
  for (auto [name, d] : aliases) PyModule_AddObjectRef(m, name, dtypes[int(d)]);
  PyModule_AddObject(m, "legacy_contiguous_format", make_enum(FormatType, 0, "contiguous_format"));
  static const char* layouts[] = {"strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"};
  for (int i = 0; i < int(std::size(layouts)); i++)
    PyModule_AddObject(m, layouts[i], make_enum(LayoutType, i, layouts[i]));
  static const char* formats[] = {"contiguous_format", "preserve_format", "channels_last", "channels_last_3d"};
  for (int i = 0; i < 4; i++) PyModule_AddObject(m, formats[i], make_enum(FormatType, i, formats[i]));

  PyType_Slot device_slots[] = {{Py_tp_new, reinterpret_cast<void*>(device_new)},
                                {Py_tp_repr, reinterpret_cast<void*>(device_repr)},
                                {Py_tp_str, reinterpret_cast<void*>(device_str)},
                                {Py_tp_richcompare, reinterpret_cast<void*>(device_compare)},
                                {Py_tp_hash, reinterpret_cast<void*>(device_hash)},
                                {Py_tp_methods, device_methods},
                                {Py_tp_getset, device_getset},
                                {0, nullptr}};
  PyType_Spec device_spec{"lampas.device", sizeof(PyDevice), 0, Py_TPFLAGS_DEFAULT, device_slots};
  DeviceType_ = make_type(m, device_spec);

  PyType_Slot size_slots[] = {{Py_tp_new, reinterpret_cast<void*>(size_new)},
                              {Py_tp_repr, reinterpret_cast<void*>(size_repr)},
                              {Py_tp_methods, size_methods},
                              {Py_nb_add, reinterpret_cast<void*>(size_concat)},
                              {Py_sq_repeat, reinterpret_cast<void*>(size_repeat)},
                              {Py_mp_subscript, reinterpret_cast<void*>(size_subscript)},
                              {0, nullptr}};
  PyType_Spec size_spec{"lampas.Size", 0, 0, Py_TPFLAGS_DEFAULT, size_slots};
  SizeType = make_type(m, size_spec, reinterpret_cast<PyObject*>(&PyTuple_Type));
}

}  // namespace lampas::py
