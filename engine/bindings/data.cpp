// Tensors from Python data and back: nested lists, the buffer protocol (NumPy, both ways without a copy), DLPack.
#include "bindings/ops.h"
#include "bindings/python.h"

namespace lampas::py {

namespace {

// ---- from nested sequences ----

bool is_sequence(PyObject* o) {
  return PyList_Check(o) || PyTuple_Check(o) ||
         (PySequence_Check(o) && !PyUnicode_Check(o) && !PyBytes_Check(o) && !is_tensor(o) &&
          !PyObject_CheckBuffer(o) && PyObject_HasAttrString(o, "__len__"));
}
// A NumPy array or an object of a subclass; NumPy itself is not imported for the question.
bool is_array(PyObject* o) {
  if (is_tensor(o) || !PyObject_CheckBuffer(o)) return false;
  for (PyTypeObject* type = Py_TYPE(o); type; type = type->tp_base)
    if (std::strcmp(type->tp_name, "numpy.ndarray") == 0) return true;
  return false;
}

struct Scan {
  std::vector<int64_t> shape;
  std::optional<DType> type;

  void merge(DType d) { type = type ? promote(*type, d) : d; }
  DType type_of(PyObject* o) {
    if (is_tensor(o)) return tensor_of(o).dtype();
    if (PyFloat_CheckExact(o)) return default_dtype();
    Scalar s;
    if (!to_scalar(o, s)) {
      if (PyUnicode_Check(o))
        fail(shape.empty() ? ErrorKind::Type : ErrorKind::Value,
             shape.empty() ? "new(): invalid data type 'str'" : "too many dimensions 'str': tensors hold numbers");
      fail(ErrorKind::Runtime, "Could not infer dtype of ", Py_TYPE(o)->tp_name);
    }
    if (std::strncmp(Py_TYPE(o)->tp_name, "numpy.", 6) == 0) {  // NumPy's scalars keep their type
      Py_buffer b;
      if (PyObject_GetBuffer(o, &b, PyBUF_FORMAT | PyBUF_STRIDES) == 0) {
        std::optional<DType> d = dtype_of_format(b.format);
        PyBuffer_Release(&b);
        if (d) return *d;
      }
      PyErr_Clear();
    }
    switch (s.kind()) {
      case Scalar::Bool:
        return DType::Bool;
      case Scalar::Int:
        return DType::Int64;
      case Scalar::Float:
        return PyLong_Check(o) ? DType::Int64 : default_dtype();  // an int too big for any type
      default:
        return to_complex(default_dtype());
    }
  }
  static std::optional<DType> dtype_of_format(const char* format) {
    std::string f = format ? format : "B";
    if (!f.empty() && (f[0] == '<' || f[0] == '=' || f[0] == '@')) f = f.substr(1);
    static const std::pair<const char*, DType> formats[] = {
        {"?", DType::Bool},    {"B", DType::UInt8},   {"b", DType::Int8},       {"h", DType::Int16},
        {"i", DType::Int32},   {"l", DType::Int64},   {"q", DType::Int64},      {"e", DType::Float16},
        {"f", DType::Float32}, {"d", DType::Float64}, {"Zf", DType::Complex64}, {"Zd", DType::Complex128}};
    for (auto [name, d] : formats)
      if (f == name) return d;
    return std::nullopt;
  }

  void walk(PyObject* o, size_t depth) {
    if (!is_sequence(o)) {
      if (is_array(o) || (is_tensor(o) && tensor_of(o).ndim() > 0)) {
        walk_array(o, depth);
        return;
      }
      if (PyUnicode_Check(o) && !(depth_is_open_ && depth > 0))
        fail(ErrorKind::Type, "new(): invalid data type 'str': tensors hold numbers");
      CHECK_KIND(Value, depth == shape.size() || depth_is_open_, "expected sequence of length ",
                 depth < shape.size() ? shape[depth] : 0, " at dim ", depth, " (got a ", Py_TYPE(o)->tp_name, ")");
      depth_is_open_ = false;
      merge(type_of(o));
      return;
    }
    Py_ssize_t n = PySequence_Size(o);
    if (depth == shape.size()) {
      CHECK_KIND(Value, depth_is_open_, "too many dimensions '", Py_TYPE(o)->tp_name, "'");
      CHECK_KIND(Value, depth < 64, "too many dimensions: sequences are nested deeper than 64");
      shape.push_back(n);
    } else {
      CHECK_KIND(Value, shape[depth] == n, "expected sequence of length ", shape[depth], " at dim ", depth, " (got ", n,
                 ")");
    }
    if (n == 0) depth_is_open_ = false;
    Object fast(check(PySequence_Fast(o, "expected a sequence")));
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast.get()); i++)
      walk(PySequence_Fast_GET_ITEM(fast.get(), i), depth + 1);
  }
  // An array or tensor inside a list counts as the list of its elements.
  void walk_array(PyObject* o, size_t depth) {
    Tensor t = is_tensor(o) ? tensor_of(o) : array_to_tensor(o, false);
    for (int d = 0; d < t.ndim(); d++) {
      size_t at = depth + size_t(d);
      if (at == shape.size()) {
        CHECK_KIND(Value, depth_is_open_, "too many dimensions");
        shape.push_back(t.sizes()[d]);
      } else {
        CHECK_KIND(Value, shape[at] == t.sizes()[d], "expected sequence of length ", shape[at], " at dim ", at,
                   " (got ", t.sizes()[d], ")");
      }
    }
    depth_is_open_ = false;
    merge(t.dtype());
  }
  static Tensor array_to_tensor(PyObject* o, bool share);

 private:
  bool depth_is_open_ = true;  // until the first element: the depth of nesting is not known yet
};

void fill(PyObject* o, DType d, char*& to, size_t depth, const std::vector<int64_t>& shape) {
  size_t size = item_size(d);
  if (depth == shape.size()) {
    if (is_tensor(o)) {
      item(tensor_of(o)).store(d, to);
    } else {
      Scalar s;
      if (!to_scalar(o, s)) fail(ErrorKind::Type, "must be real number, not ", Py_TYPE(o)->tp_name);
      if (is_integral(d) && d != DType::Bool && s.kind() == Scalar::Int) {
        int64_t v = s.to_int();
        bool fits = size == 8 ||
                    (d == DType::UInt8 ? v >= -255 && v <= 255
                                       : v >= -(int64_t(1) << (size * 8 - 1)) && v < (int64_t(1) << (size * 8 - 1)));
        CHECK(fits, "value cannot be converted to type ", name_of(d), " without overflow: ", v);
      }
      if (is_integral(d) && PyLong_Check(o) && s.kind() == Scalar::Float)
        fail(ErrorKind::Value, "Overflow when unpacking long long: ", repr(o), " does not fit in 64 bits");
      CHECK(is_complex(d) || s.kind() != Scalar::Complex, "value cannot be converted to type ", name_of(d),
            " without overflow");
      s.store(d, to);
    }
    to += size;
    return;
  }
  if (!is_sequence(o)) {
    Tensor t = is_tensor(o) ? tensor_of(o) : Scan::array_to_tensor(o, false);
    Tensor c = contiguous(lampas::to(detach(t), d));
    std::memcpy(to, c.data(), size_t(c.numel()) * size);
    to += size_t(c.numel()) * size;
    return;
  }
  Object fast(check(PySequence_Fast(o, "expected a sequence")));
  Py_ssize_t n = PySequence_Fast_GET_SIZE(fast.get());
  CHECK_KIND(Value, n == shape[depth], "the sequence changed its length while it was read");
  for (Py_ssize_t i = 0; i < n; i++) fill(PySequence_Fast_GET_ITEM(fast.get(), i), d, to, depth + 1, shape);
}

// ---- the buffer protocol ----

const char* format_of(DType d) {
  static const char* formats[kDTypes] = {"?", "B",     "b", "h", "i",  sizeof(long) == 8 ? "l" : "q",
                                         "e", nullptr, "f", "d", "Zf", "Zd"};
  return formats[int(d)];
}

// Any object with a buffer, shared or copied.
Tensor Scan::array_to_tensor(PyObject* o, bool share) {
  auto* b = new Py_buffer;
  auto unsupported = [&](const std::string& format) {
    Object type(PyObject_GetAttrString(o, "dtype"));
    PyErr_Clear();
    fail(ErrorKind::Type, "can't convert ", is_array(o) ? "np.ndarray" : Py_TYPE(o)->tp_name, " of type ",
         type ? repr(type.get()) : "'" + format + "'",
         ". The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, "
         "uint8, and bool.");
  };
  if (PyObject_GetBuffer(o, b, PyBUF_FORMAT | PyBUF_STRIDES) < 0) {
    delete b;
    if (is_array(o) && PyErr_ExceptionMatches(PyExc_ValueError)) {  // some types have no buffer at all
      PyErr_Clear();
      unsupported("");
    }
    throw PythonError{};
  }
  std::optional<DType> d = dtype_of_format(b->format);
  std::string format = b->format ? b->format : "";
  auto release = [](void* p) {
    auto* held = static_cast<Py_buffer*>(p);
    PyBuffer_Release(held);
    delete held;
  };
  IntVec sizes, strides;
  bool negative = false, uneven = false;
  if (d)
    for (int i = 0; i < b->ndim; i++) {
      sizes.push_back(b->shape[i]);
      strides.push_back(b->strides[i] / Py_ssize_t(item_size(*d)));
      negative |= b->strides[i] < 0 && b->shape[i] > 1;
      uneven |= b->strides[i] % Py_ssize_t(item_size(*d)) != 0;
    }
  if (!d || negative || uneven) {
    release(b);
    if (!d) unsupported(format);
    fail(ErrorKind::Value,
         negative ? "At least one stride in the given numpy array is negative, and tensors with negative strides are "
                    "not currently supported. Copy it first, for example with array.copy()"
                  : "given numpy array strides not a multiple of the element byte size. Copy the array first");
  }
  for (int i = 0; i < sizes.size(); i++)
    if (sizes[i] <= 1 && strides[i] < 0) strides[i] = 1;
  if (product(sizes) == 0 && PyObject_HasAttrString(o, "strides")) {
    // The buffer of an empty array does not tell its strides, the array does.
    Object own(PyObject_GetAttrString(o, "strides"));
    for (int i = 0; i < sizes.size() && own && PyTuple_Check(own.get()) && PyTuple_GET_SIZE(own.get()) == sizes.size();
         i++)
      strides[i] = std::max<int64_t>(0, PyLong_AsLongLong(PyTuple_GET_ITEM(own.get(), i)) / int64_t(item_size(*d)));
  }
  Tensor t = Tensor(TensorImpl::create());
  t->storage = Storage::foreign(b->buf, b->ndim ? extent(sizes, strides, 0, item_size(*d)) : item_size(*d), b, release);
  t->dtype = *d;
  t->set_geometry(sizes, strides, 0);
  return share ? t : clone_data(t);
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  return guarded(
      [&] {
        const Tensor& t = tensor_of(self);
        const char* format = format_of(t.dtype());
        CHECK_KIND(Type, format,
                   "Got unsupported ScalarType BFloat16: NumPy has no such type; convert with .float() first");
        CHECK_KIND(Type, t.device().is_cpu(), "can't convert ", name_of(t.device()),
                   " device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
        CHECK((flags & PyBUF_STRIDES) == PyBUF_STRIDES || t.is_contiguous(),
              "this tensor is not contiguous: call contiguous() first");
        int n = t.ndim();
        auto* dims = new Py_ssize_t[size_t(n) * 2 + 1];
        for (int i = 0; i < n; i++) {
          dims[i] = t.sizes()[i];
          dims[n + i] = t.strides()[i] * Py_ssize_t(t.item_size());
        }
        view->buf = t.data();
        t->storage->exported = true;
        view->obj = Py_NewRef(self);
        view->len = Py_ssize_t(t.numel()) * Py_ssize_t(t.item_size());
        view->itemsize = Py_ssize_t(t.item_size());
        view->readonly = 0;
        view->ndim = (flags & PyBUF_ND) == PyBUF_ND ? n : 1;
        view->format = flags & PyBUF_FORMAT ? const_cast<char*>(format) : nullptr;
        view->shape = (flags & PyBUF_ND) == PyBUF_ND ? dims : nullptr;
        view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? dims + n : nullptr;
        view->suboffsets = nullptr;
        view->internal = dims;
        return 0;
      },
      -1);
}
void release_buffer(PyObject*, Py_buffer* view) { delete[] static_cast<Py_ssize_t*>(view->internal); }

PyObject* method_numpy(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    int force = 0;
    static const char* names[] = {"force", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$p:numpy", const_cast<char**>(names), &force)) throw PythonError{};
    const Tensor& t = tensor_of(self);
    CHECK(force || !t.requires_grad(),
          "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
    Object plain(wrap(detach(t)));
    if (Py_TYPE(self) == TensorType && !t.requires_grad()) plain = Object::borrowed(self);
    Object view(check(PyMemoryView_FromObject(plain.get())));
    Object numpy(check(PyImport_ImportModule("numpy")));
    return check(PyObject_CallMethod(numpy.get(), "asarray", "O", view.get()));
  });
}

// ---- to lists ----

PyObject* element(const char* p, DType d) {
  return dispatch(d, [&]<class T>(TypeTag<T>) -> PyObject* {
    T v;
    std::memcpy(&v, p, sizeof(T));
    if constexpr (std::is_same_v<T, bool>)
      return PyBool_FromLong(v);
    else if constexpr (std::is_integral_v<T>)
      return PyLong_FromLongLong(v);
    else if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex128>)
      return PyComplex_FromDoubles(v.real(), v.imag());
    else
      return PyFloat_FromDouble(double(v));
  });
}
PyObject* to_list(const char* p, const Tensor& t, int dim) {
  if (dim == t.ndim()) return element(p, t.dtype());
  int64_t n = t.sizes()[dim], step = t.strides()[dim] * int64_t(t.item_size());
  PyObject* list = check(PyList_New(n));
  for (int64_t i = 0; i < n; i++) PyList_SET_ITEM(list, i, to_list(p + i * step, t, dim + 1));
  return list;
}
PyObject* method_tolist(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = tensor_of(self);
    CHECK(!t.is_meta(), "Cannot copy out of meta tensor; no data!");
    return to_list(static_cast<const char*>(t.data()), t, 0);
  });
}

// ---- DLPack ----

struct DLDevice {
  int32_t type, id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManaged {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManaged*);
};
// Since version 1.0; older consumers ask for the form above.
struct DLManagedVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedVersioned*);
  uint64_t flags;
  DLTensor tensor;
};
constexpr uint64_t kReadOnly = 1, kCopied = 2;

template <class Managed>
constexpr const char* kCapsule = "dltensor";
template <>
constexpr const char* kCapsule<DLManagedVersioned> = "dltensor_versioned";

// What an exported capsule owns.
template <class Managed>
struct Export {
  Managed managed;
  PyObject* owner;
  IntVec sizes, strides;

  static PyObject* capsule(PyObject* owner, const Tensor& t, DLDataType type) {
    auto* e = new Export{{}, Py_NewRef(owner), t->sizes, t->strides};
    e->managed.tensor = {t.data(), {1, 0}, t.ndim(), type, e->sizes.data(), e->strides.data(), 0};
    e->managed.context = e;
    e->managed.deleter = [](Managed* m) {
      PyGILState_STATE g = PyGILState_Ensure();
      auto* held = static_cast<Export*>(m->context);
      Py_DECREF(held->owner);
      delete held;
      PyGILState_Release(g);
    };
    return check(PyCapsule_New(&e->managed, kCapsule<Managed>, [](PyObject* c) {
      if (!PyCapsule_IsValid(c, kCapsule<Managed>)) return;
      auto* m = static_cast<Managed*>(PyCapsule_GetPointer(c, kCapsule<Managed>));
      m->deleter(m);
    }));
  }
};

[[noreturn]] void refuse_buffer(const char* message) {
  PyErr_SetString(PyExc_BufferError, message);
  throw PythonError{};
}

PyObject* method_dlpack(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject *stream = Py_None, *version = Py_None, *device = Py_None, *copy = Py_None;
    static const char* names[] = {"stream", "max_version", "dl_device", "copy", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OOO:__dlpack__", const_cast<char**>(names), &stream, &version,
                                     &device, &copy))
      throw PythonError{};
    const Tensor& t = tensor_of(self);
    if (t.requires_grad()) refuse_buffer("Can't export tensors that require gradient, use tensor.detach()");
    CHECK(t.device().is_cpu(), "only CPU tensors can be exported, this one is on ", name_of(t.device()));
    static const uint8_t codes[kDTypes] = {6, 1, 0, 0, 0, 0, 2, 4, 2, 2, 5, 5};
    if (device != Py_None) {
      Object here(Py_BuildValue("(ii)", 1, 0));
      CHECK_KIND(Value, PyObject_RichCompareBool(device, here.get(), Py_EQ) == 1,
                 "__dlpack__(): dl_device must be (1, 0), the CPU, got ", repr(device));
    }
    bool copied = copy == Py_True, versioned = false;
    if (version != Py_None) {
      Object major(check(PySequence_GetItem(version, 0)));
      versioned = PyLong_AsLong(major.get()) >= 1;
      if (PyErr_Occurred()) throw PythonError{};
    }
    Object own(copied ? check(wrap(clone_data(t))) : Py_NewRef(self));
    const Tensor& given = tensor_of(own.get());
    given->storage->exported = true;
    DLDataType type{codes[int(t.dtype())], uint8_t(t.item_size() * 8), 1};
    if (!versioned) return Export<DLManaged>::capsule(own.get(), given, type);
    PyObject* capsule = Export<DLManagedVersioned>::capsule(own.get(), given, type);
    auto* m = static_cast<DLManagedVersioned*>(PyCapsule_GetPointer(capsule, kCapsule<DLManagedVersioned>));
    m->major = 1;
    m->flags = copied ? kCopied : 0;
    return capsule;
  });
}
PyObject* method_dlpack_device(PyObject*, PyObject*) { return Py_BuildValue("(ii)", 1, 0); }

template <class Managed>
Tensor import_capsule(PyObject* capsule) {
  CHECK(PyCapsule_IsValid(capsule, kCapsule<Managed>),
        "from_dlpack received an invalid capsule. A capsule can be used only once, and this one ",
        "has been used, or is none of DLPack's: ", repr(capsule));
  auto* m = static_cast<Managed*>(PyCapsule_GetPointer(capsule, kCapsule<Managed>));
  const DLTensor& d = m->tensor;
  if constexpr (std::is_same_v<Managed, DLManagedVersioned>) {
    CHECK_KIND(Runtime, m->major == 1, "from_dlpack(): the capsule follows version ", m->major,
               " of DLPack; version 1 is understood");
    if (m->flags & kReadOnly && PyErr_WarnEx(PyExc_UserWarning,
                                             "The given array is not writable, and tensors do not support read-only "
                                             "memory: writing to this tensor is undefined. Copy the array first",
                                             1) < 0)
      throw PythonError{};
  }
  CHECK(d.device.type == 1, "only CPU memory can be imported, this array lies on DLPack device ", d.device.type);
  std::optional<DType> type;
  static const uint8_t codes[kDTypes] = {6, 1, 0, 0, 0, 0, 2, 4, 2, 2, 5, 5};
  for (int i = 0; i < kDTypes; i++)
    if (codes[i] == d.dtype.code && item_size(DType(i)) * 8 == d.dtype.bits && d.dtype.lanes == 1) type = DType(i);
  CHECK(type.has_value(), "no dtype for DLPack type code ", int(d.dtype.code), " with ", int(d.dtype.bits), " bits");
  IntVec sizes(Ints(d.shape, size_t(d.ndim)));
  IntVec strides = d.strides ? IntVec(Ints(d.strides, size_t(d.ndim))) : contiguous_strides(sizes);
  for (int i = 0; i < sizes.size(); i++) {
    CHECK_KIND(Value, strides[i] >= 0 || sizes[i] <= 1,
               "from_dlpack(): tensors with negative strides are not supported, got strides ", shown(strides),
               ". Copy the array first");
    strides[i] = std::max<int64_t>(strides[i], 0);
  }
  Tensor t = Tensor(TensorImpl::create());
  t->storage = Storage::foreign(static_cast<char*>(d.data) + d.byte_offset, extent(sizes, strides, 0, item_size(*type)),
                                m, [](void* p) {
                                  auto* managed = static_cast<Managed*>(p);
                                  if (managed->deleter) managed->deleter(managed);
                                });
  t->dtype = *type;
  t->set_geometry(sizes, strides, 0);
  PyCapsule_SetName(capsule, std::is_same_v<Managed, DLManaged> ? "used_dltensor" : "used_dltensor_versioned");
  return t;
}

PyObject* from_dlpack(PyObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject *o, *device = Py_None, *copy = Py_None;
    static const char* names[] = {"ext_tensor", "device", "copy", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OO:from_dlpack", const_cast<char**>(names), &o, &device, &copy))
      throw PythonError{};
    Object method(PyObject_GetAttrString(o, "__dlpack__")), capsule;
    bool copies = false;  // still to be done here
    if (!method) {
      PyErr_Clear();
      CHECK_KIND(Assertion, device == Py_None && copy == Py_None,
                 "from_dlpack(): device and copy are asked of the array; a capsule has been made already");
      capsule = Object::borrowed(o);
    } else {
      Object none(PyTuple_New(0)), wishes(Py_BuildValue("{s:(ii)}", "max_version", 1, 0));
      if (device != Py_None) {
        Device there = device_of(device);
        there.check_there();
        if (!there.is_cpu()) refuse_buffer("from_dlpack(): only memory of the CPU can be shared, pass device='cpu'");
        Object cpu(Py_BuildValue("(ii)", 1, 0));
        PyDict_SetItemString(wishes.get(), "dl_device", cpu.get());
      }
      if (copy != Py_None) PyDict_SetItemString(wishes.get(), "copy", copy);
      capsule = Object(PyObject_Call(method.get(), none.get(), wishes.get()));
      if (!capsule && PyErr_ExceptionMatches(PyExc_TypeError)) {  // a producer from before version 1.0
        PyErr_Clear();
        capsule = Object(PyObject_CallNoArgs(method.get()));
        copies = copy != Py_None && PyObject_IsTrue(copy);
      }
      check(capsule.get());
    }
    Tensor t = PyCapsule_IsValid(capsule.get(), kCapsule<DLManagedVersioned>)
                   ? import_capsule<DLManagedVersioned>(capsule.get())
                   : import_capsule<DLManaged>(capsule.get());
    return wrap(copies ? clone_data(t) : t);
  });
}

// ---- functions ----

struct Options {
  std::optional<DType> dtype;
  Device device;
  bool requires_grad = false;
};
Options options_of(PyObject* dtype, PyObject* device, int requires_grad) {
  Options o;
  if (dtype && dtype != Py_None) {
    CHECK_KIND(Type, is_dtype(dtype), "tensor(): argument 'dtype' must be torch.dtype, not ", Py_TYPE(dtype)->tp_name);
    o.dtype = dtype_of(dtype);
  }
  if (device && device != Py_None) o.device = device_of(device);
  if (o.device.is_cpu()) o.device.index = -1;
  o.requires_grad = requires_grad;
  return o;
}

PyObject* make_tensor(PyObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject *data, *dtype = nullptr, *device = nullptr;
    int requires_grad = 0, pin = 0;
    static const char* names[] = {"data", "dtype", "device", "requires_grad", "pin_memory", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOpp:tensor", const_cast<char**>(names), &data, &dtype, &device,
                                     &requires_grad, &pin))
      throw PythonError{};
    Options o = options_of(dtype, device, requires_grad);
    if (is_tensor(data))
      if (PyErr_WarnEx(PyExc_UserWarning,
                       "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
                       "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
                       1) < 0)
        throw PythonError{};
    Tensor t = tensor_from_python(data, o.dtype, o.device);
    if (o.requires_grad) set_requires_grad(t, true);
    return wrap(std::move(t));
  });
}

PyObject* as_tensor(PyObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject *data, *dtype = nullptr, *device = nullptr;
    static const char* names[] = {"data", "dtype", "device", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO:as_tensor", const_cast<char**>(names), &data, &dtype, &device))
      throw PythonError{};
    Options o = options_of(dtype, device, 0);
    if (is_tensor(data)) {
      const Tensor& t = tensor_of(data);
      return wrap(o.dtype && *o.dtype != t.dtype() ? to(t, *o.dtype) : t);
    }
    if (is_array(data)) {
      Tensor t = Scan::array_to_tensor(data, true);
      return wrap(o.dtype && *o.dtype != t.dtype() ? to(t, *o.dtype) : t);
    }
    return wrap(tensor_from_python(data, o.dtype, o.device));
  });
}

PyObject* from_numpy(PyObject*, PyObject* array) {
  return guarded([&]() -> PyObject* {
    CHECK_KIND(Type, is_array(array), "expected np.ndarray (got ", Py_TYPE(array)->tp_name, ")");
    Object flags(check(PyObject_GetAttrString(array, "flags")));
    Object writeable(check(PyObject_GetAttrString(flags.get(), "writeable")));
    if (writeable.get() != Py_True &&
        PyErr_WarnEx(PyExc_UserWarning,
                     "The given NumPy array is not writable, and tensors do not support read-only memory: writing to "
                     "this tensor is undefined. Copy the array first",
                     1) < 0)
      throw PythonError{};
    return wrap(Scan::array_to_tensor(array, true));
  });
}

PyObject* frombuffer(PyObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject *buffer, *dtype;
    Py_ssize_t count = -1, offset = 0;
    int requires_grad = 0;
    static const char* names[] = {"buffer", "dtype", "count", "offset", "requires_grad", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$Onnp:frombuffer", const_cast<char**>(names), &buffer, &dtype,
                                     &count, &offset, &requires_grad))
      throw PythonError{};
    DType d = dtype_of(dtype);
    auto* b = new Py_buffer;
    if (PyObject_GetBuffer(buffer, b, PyBUF_SIMPLE) < 0) {
      delete b;
      fail(ErrorKind::Value, "object does not implement Python buffer protocol.");
    }
    Py_ssize_t size = Py_ssize_t(item_size(d)), left = b->len - offset;
    auto bad = [&](const std::string& why) {
      PyBuffer_Release(b);
      delete b;
      fail(ErrorKind::Value, why);
    };
    if (b->len == 0 || count == 0)
      bad("both buffer length (" + std::to_string(b->len) + ") and count (" + std::to_string(count) +
          ") must not be 0");
    if (offset < 0 || offset >= b->len)
      bad("offset (" + std::to_string(offset) + " bytes) must be non-negative and no greater than buffer length (" +
          std::to_string(b->len) + " bytes) minus 1");
    if (count < 0 && left % size != 0)
      bad("buffer length (" + std::to_string(left) + " bytes) after offset must be a multiple of element size (" +
          std::to_string(size) + ")");
    int64_t n = count < 0 ? left / size : count;
    if (n * size > left)
      bad("requested buffer length (" + std::to_string(n) + " * " + std::to_string(size) +
          " bytes) after offset must not be greater than actual buffer length (" + std::to_string(b->len) + " bytes)");
    Tensor t = Tensor(TensorImpl::create());
    t->storage = Storage::foreign(static_cast<char*>(b->buf) + offset, size_t(n * size), b, [](void* p) {
      PyBuffer_Release(static_cast<Py_buffer*>(p));
      delete static_cast<Py_buffer*>(p);
    });
    t->dtype = d;
    int64_t one = 1;
    t->set_geometry(Ints(&n, 1), Ints(&one, 1), 0);
    if (requires_grad) set_requires_grad(t, true);
    return wrap(t);
  });
}

PyObject* scalar_tensor_function(PyObject* self, PyObject* args, PyObject* kwargs) {
  return make_tensor(self, args, kwargs);
}

template <class F>
PyCFunction with_keywords(F* f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f));
}

PyMethodDef functions[] = {
    {"tensor", with_keywords(make_tensor), METH_VARARGS | METH_KEYWORDS,
     "A new tensor holding a copy of data: numbers, nested sequences, an array, a tensor."},
    {"as_tensor", with_keywords(as_tensor), METH_VARARGS | METH_KEYWORDS,
     "data as a tensor, sharing its memory where that is possible."},
    {"scalar_tensor", with_keywords(scalar_tensor_function), METH_VARARGS | METH_KEYWORDS,
     "A tensor without dimensions."},
    {"from_numpy", from_numpy, METH_O, "A tensor over the memory of a NumPy array."},
    {"frombuffer", with_keywords(frombuffer), METH_VARARGS | METH_KEYWORDS, "A 1-d tensor over an object's buffer."},
    {"from_dlpack", with_keywords(from_dlpack), METH_VARARGS | METH_KEYWORDS,
     "from_dlpack(ext_tensor, *, device=None, copy=None)\n--\n\n"
     "A tensor over the memory of another library's array, or of a capsule, which can be used once. device can only be "
     "the CPU; copy=True asks for a copy, copy=False for none."},
    {}};
PyMethodDef tensor_methods[] = {
    {"numpy", with_keywords(method_numpy), METH_VARARGS | METH_KEYWORDS, "A NumPy array over the same memory."},
    {"tolist", method_tolist, METH_NOARGS, "Nested lists of Python numbers."},
    {"__dlpack__", with_keywords(method_dlpack), METH_VARARGS | METH_KEYWORDS, nullptr},
    {"__dlpack_device__", method_dlpack_device, METH_NOARGS, nullptr},
    {}};

}  // namespace

Tensor tensor_from_python(PyObject* data, std::optional<DType> dtype, Device device) {
  device.check_there();
  if (is_tensor(data)) {
    NoGrad guard;
    Tensor t = clone_data(tensor_of(data));
    return dtype ? to(t, *dtype) : t;
  }
  if (is_array(data)) {
    Tensor t = Scan::array_to_tensor(data, true);
    NoGrad guard;
    return contiguous(dtype && *dtype != t.dtype() ? to(t, *dtype) : clone_data(t));
  }
  if (PyObject_CheckBuffer(data) && !PyBytes_Check(data) && !is_sequence(data)) {
    Scalar s;
    if (!to_scalar(data, s)) return tensor_from_python(Object(check(PySequence_List(data))).get(), dtype, device);
  }
  Scan scan;
  scan.walk(data, 0);
  DType d = dtype ? *dtype : scan.type.value_or(default_dtype());
  Tensor t = empty(scan.shape, d, Device{});
  char* p = t.data<char>();
  if (t.numel()) fill(data, d, p, 0, scan.shape);
  if (device.is_meta()) return empty(scan.shape, d, device);
  return t;
}

void init_data(PyObject* m) {
  add_functions(m, functions);
  for (PyMethodDef* d = tensor_methods; d->ml_name; d++) {
    Object f(check(PyDescr_NewMethod(TensorType, d)));
    PyObject_SetAttrString(reinterpret_cast<PyObject*>(TensorType), d->ml_name, f.get());
  }
  TensorType->tp_as_buffer->bf_getbuffer = get_buffer;
  TensorType->tp_as_buffer->bf_releasebuffer = release_buffer;
}

}  // namespace lampas::py
