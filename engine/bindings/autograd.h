#pragma once

#include "bindings/python.h"

namespace lampas::py {

// A graph node in Python. Node and object share one reference count.
struct PyNode {
  PyObject_HEAD Node* node;  // null for the context of a custom function that was not recorded
  PyObject* dict;
  PyObject* weakrefs;
};
PyTypeObject* node_type();
int node_traverse(PyObject* self, visitproc visit, void* arg);
int node_clear(PyObject* self);
// What a collector must see of hooks: the Python functions they own.
int visit_hook(const Ref<Hook>& hook, visitproc visit, void* arg);
int visit_hooks(const Hooks* hooks, visitproc visit, void* arg);

}  // namespace lampas::py
