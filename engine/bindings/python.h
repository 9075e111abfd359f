// What the files of bindings/ share: wrapping tensors, converting arguments, turning errors into exceptions.
#pragma once

#include <Python.h>

#include <functional>
#include <string>

#include "autograd/engine.h"
#include "ops/kernels.h"
#include "ops/ops.h"
#include "ops/registry.h"

namespace lampas::py {

// An owned reference.
class Object {
 public:
  Object() = default;
  explicit Object(PyObject* p) : p_(p) {}
  Object(Object&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Object& operator=(Object&& o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Object() { Py_XDECREF(p_); }
  static Object borrowed(PyObject* p) {
    Py_XINCREF(p);
    return Object(p);
  }
  PyObject* get() const { return p_; }
  PyObject* release() { return std::exchange(p_, nullptr); }
  explicit operator bool() const { return p_ != nullptr; }

 private:
  PyObject* p_ = nullptr;
};

// A Python exception is set; unwinds C++ to the nearest `guarded`.
struct PythonError {};
inline PyObject* check(PyObject* p) {
  if (!p) throw PythonError{};
  return p;
}
void set_error(const Error& e);
void set_unexpected_error(const char* what);

// Runs f at the border to Python: C++ errors become Python exceptions, and the failure value is returned.
template <class F>
auto guarded(F&& f, decltype(f()) failure = {}) -> decltype(f()) {
  try {
    return f();
  } catch (const PythonError&) {
  } catch (const Error& e) {
    set_error(e);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    set_unexpected_error(e.what());
  }
  return failure;
}

// ---- tensors ----
struct PyTensor {
  PyObject_HEAD TensorImpl* impl;
  PyObject* dict;
  PyObject* weakrefs;
};
extern PyTypeObject* TensorType;

inline bool is_tensor(PyObject* o) { return Py_TYPE(o) == TensorType || PyType_IsSubtype(Py_TYPE(o), TensorType); }
inline const Tensor& tensor_of(PyObject* o) {
  return reinterpret_cast<const Tensor&>(reinterpret_cast<PyTensor*>(o)->impl);
}
// The tensor's one Python object (a new reference); None for an undefined tensor.
PyObject* wrap(Tensor t);
// The same for a Python subclass.
PyObject* wrap_as(PyTypeObject* type, Tensor t);
PyObject* wrap_all(const std::vector<Tensor>& tensors);
// Whether the object's class overrides __torch_function__.
bool overrides_function(PyObject* o);
PyObject* tensor_method(const char* name);

// ---- small types ----
PyObject* wrap(DType d);
PyObject* wrap(Device d);
PyObject* wrap_size(Ints sizes);
PyObject* wrap(const Scalar& s);
PyObject* wrap(Result& r);
// A UserWarning at the program's line, one time for each text.
void warn_once(const char* text);

bool is_dtype(PyObject* o);
DType dtype_of(PyObject* o);
bool is_device(PyObject* o);
Device device_of(PyObject* o);  // accepts a string or an index as well
bool is_memory_format(PyObject* o);
MemoryFormat memory_format_of(PyObject* o);
bool is_layout(PyObject* o);
void check_strided(PyObject* o);                  // refuses layouts other than torch.strided
bool to_scalar(PyObject* o, Scalar& out);         // false if it is no number
void check_number(PyObject* o, const Scalar& s);  // an error for an int of more than 64 bits
bool to_int(PyObject* o, int64_t& out);
std::string repr(PyObject* o);

// ---- indexing, conversion ----
PyObject* get_item(PyObject* self, PyObject* key);
int set_item(PyObject* self, PyObject* key, PyObject* value);
Tensor tensor_from_python(PyObject* data, std::optional<DType> dtype, Device device);

// ---- set-up of each part, called once by the module ----
void init_types(PyObject* module);
void init_tensor(PyObject* module);
void init_ops(PyObject* module);
void init_autograd(PyObject* module);
void init_function(PyObject* module);
void init_data(PyObject* module);
void init_storage(PyObject* module);
void init_module_attributes(PyObject* module);
void init_runtime(PyObject* module);

// Adds plain functions to a module.
void add_functions(PyObject* module, PyMethodDef* methods);
PyTypeObject* make_type(PyObject* module, PyType_Spec& spec, PyObject* base = nullptr);

}  // namespace lampas::py
