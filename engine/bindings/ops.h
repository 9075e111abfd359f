// Calling registered ops from Python.
#pragma once

#include "bindings/python.h"

namespace lampas::py {

PyObject* module_object();
PyObject* wrap_node(const Ref<Node>& node);

// An operator called while something watches, or with a class that overrides it: goes the way of the op named `name`.
PyObject* call_watched_operator(const char* name, PyObject* a, PyObject* b);
// func(*args, **kwargs) with __torch_function__ of tensor subclasses disabled; tensors in the result take `cls`.
PyObject* call_without_overrides(PyTypeObject* cls, PyObject* func, PyObject* args, PyObject* kwargs);
bool function_override_disabled(PyTypeObject* type);
// Asks the overriding classes among `relevant` in turn; NotImplemented from all is a TypeError.
PyObject* dispatch_override(PyObject* func, const std::vector<PyObject*>& relevant, PyObject* args, PyObject* kwargs);

}  // namespace lampas::py
