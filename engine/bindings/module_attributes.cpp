// The attributes of nn.Module that are parameters, buffers and submodules: they stand in tables of the instance, and
// every `self.conv1(x)` of a user's forward looks there.
#include "bindings/python.h"

namespace lampas::py {
namespace {

PyObject* table_names[3];

// A new reference; null without an exception where `table` has no such entry.
PyObject* entry(PyObject* table, PyObject* name) {
  if (PyDict_Check(table)) return Py_XNewRef(PyDict_GetItemWithError(table, name));
  PyObject* value = PyObject_GetItem(table, name);
  if (!value && PyErr_ExceptionMatches(PyExc_KeyError)) PyErr_Clear();
  return value;
}

PyObject* module_attribute(PyObject* self, PyObject* name) {
  PyObject* own = PyObject_GenericGetDict(self, nullptr);
  if (!own) return nullptr;
  PyObject* found = nullptr;
  for (PyObject* table_name : table_names) {
    PyObject* table = PyDict_GetItemWithError(own, table_name);
    if (table) found = entry(table, name);
    if (found || PyErr_Occurred()) break;
  }
  Py_DECREF(own);
  if (!found && !PyErr_Occurred())
    PyErr_Format(PyExc_AttributeError, "'%.200s' object has no attribute '%U'", Py_TYPE(self)->tp_name, name);
  return found;
}

PyMethodDef method = {"__getattr__", module_attribute, METH_O,
                      "What the module's parameters, buffers or submodules have under this name."};

}  // namespace

void init_module_attributes(PyObject* m) {
  const char* names[] = {"_parameters", "_buffers", "_modules"};
  for (int i = 0; i < 3; i++) table_names[i] = check(PyUnicode_InternFromString(names[i]));
  // A method of every object, so that classes written in Python can take it for theirs.
  PyModule_AddObject(m, "_module_getattr", check(PyDescr_NewMethod(&PyBaseObject_Type, &method)));
}

}  // namespace lampas::py
