// Signatures as the registry writes them, and the conversion of Python arguments by them.
#pragma once

#include <memory>
#include <vector>

#include "bindings/python.h"

namespace lampas::py {

enum class Type : uint8_t {
  Tensor,
  Tensors,
  Number,
  Operand,
  Int,
  Float,
  Bool,
  Str,
  Ints,
  IntOrInts,
  Floats,
  DType,
  Device,
  Layout,
  Format,
  Generator
};

struct Parameter {
  std::string name;
  PyObject* key;              // interned
  PyObject* alias = nullptr;  // NumPy's name for it
  Type type;
  bool optional = false;  // None is a value
  bool keyword_only = false;
  bool has_default = false;
  Value standard;  // the default
  std::vector<int64_t> standard_ints;
  std::string standard_text;
};

struct Signature {
  std::string name, text;
  std::vector<Parameter> parameters;
  std::vector<std::string> results;  // names of a named tuple
  bool returns_list = false;
  int positional = 0;
  bool takes_factory_options = false;  // accepts and ignores layout and pin_memory

  explicit Signature(const char* text);

  // Fills the frame from a call. False: this form does not fit, and `why` says so.
  // `relevant` collects arguments whose class overrides __torch_function__.
  bool bind(Frame& frame, PyObject* const* args, Py_ssize_t nargs, PyObject* names, bool method, bool out_form,
            std::string* why, std::vector<PyObject*>* relevant, PyObject** out) const;
  std::string text_of_mismatch(const Parameter& p, PyObject* o, int position) const;
};

}  // namespace lampas::py
