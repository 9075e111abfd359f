#pragma once

#include "bindings/python.h"

namespace lampas::py {
// None is the default generator (a null pointer). False: no generator.
bool to_generator(PyObject* o, Generator*& out);
void init_generator(PyObject* module);
}  // namespace lampas::py
