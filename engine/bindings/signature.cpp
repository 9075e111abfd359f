#include "bindings/signature.h"

#include <cstdlib>

#include "bindings/generator.h"

namespace lampas::py {

namespace {

std::string trim(std::string s) {
  size_t a = s.find_first_not_of(' '), b = s.find_last_not_of(' ');
  return a == std::string::npos ? "" : s.substr(a, b - a + 1);
}

// Splits at commas outside brackets.
std::vector<std::string> split_list(const std::string& s) {
  std::vector<std::string> parts;
  int depth = 0;
  std::string part;
  for (char c : s) {
    if (c == '[' || c == '(') depth++;
    if (c == ']' || c == ')') depth--;
    if (c == ',' && depth == 0) {
      parts.push_back(trim(part));
      part.clear();
    } else {
      part += c;
    }
  }
  if (!trim(part).empty()) parts.push_back(trim(part));
  return parts;
}

Type type_named(const std::string& t) {
  static const std::pair<const char*, Type> names[] = {{"Tensor", Type::Tensor},
                                                       {"Tensor[]", Type::Tensors},
                                                       {"Tensor?[]", Type::Tensors},
                                                       {"Number", Type::Number},
                                                       {"Tensor|Number", Type::Operand},
                                                       {"int", Type::Int},
                                                       {"float", Type::Float},
                                                       {"bool", Type::Bool},
                                                       {"str", Type::Str},
                                                       {"int[]", Type::Ints},
                                                       {"int[1]", Type::IntOrInts},
                                                       {"float[]", Type::Floats},
                                                       {"dtype", Type::DType},
                                                       {"device", Type::Device},
                                                       {"layout", Type::Layout},
                                                       {"memory_format", Type::Format},
                                                       {"Generator", Type::Generator}};
  for (auto [name, type] : names)
    if (t == name) return type;
  if (t.starts_with("int[")) return Type::IntOrInts;
  if (t.starts_with("float[")) return Type::Floats;
  fail("no argument type '", t, "' in a signature");
}

const char* shown_type(const Parameter& p) {
  switch (p.type) {
    case Type::Tensor:
      return "Tensor";
    case Type::Tensors:
      return "tuple of Tensors";
    case Type::Number:
      return "Number";
    case Type::Operand:
      return "Tensor";
    case Type::Int:
      return "int";
    case Type::Float:
      return "float";
    case Type::Bool:
      return "bool";
    case Type::Str:
      return "str";
    case Type::Ints:
    case Type::IntOrInts:
      return "tuple of ints";
    case Type::Floats:
      return "tuple of floats";
    case Type::DType:
      return "torch.dtype";
    case Type::Device:
      return "torch.device";
    case Type::Layout:
      return "torch.layout";
    case Type::Format:
      return "torch.memory_format";
    default:
      return "torch.Generator";
  }
}

void parse_default(Parameter& p, const std::string& text) {
  p.has_default = true;
  Value& v = p.standard;
  if (text == "None") {
    v.tag = Value::None;
  } else if (text == "True" || text == "False") {
    v.tag = Value::Bool;
    v.i = text == "True";
  } else if (text[0] == '\'' || text[0] == '"') {
    p.standard_text = text.substr(1, text.size() - 2);
    v.tag = Value::Text;
  } else if (text[0] == '[' || text[0] == '(') {
    for (const std::string& part : split_list(text.substr(1, text.size() - 2)))
      p.standard_ints.push_back(std::stoll(part));
    v.tag = Value::IntList;
  } else if (text == "inf" || text == "-inf" || text.find_first_of(".e") != std::string::npos) {
    v.tag = Value::Float;
    v.d = text == "inf" ? INFINITY : text == "-inf" ? -INFINITY : std::stod(text);
  } else {
    v.tag = Value::Int;
    v.i = std::stoll(text);
    if (p.type == Type::Float) {
      v.tag = Value::Float;
      v.d = double(v.i);
    }
    if (p.type == Type::Ints || p.type == Type::IntOrInts) {
      p.standard_ints.push_back(v.i);
      v.tag = Value::IntList;
    }
  }
}

int64_t* reserve_ints(Frame& f, Py_ssize_t n) {
  if (f.ints_used + n <= Frame::kInts) {
    int64_t* p = f.ints + f.ints_used;
    f.ints_used += int(n);
    return p;
  }
  return f.long_ints.emplace_back(size_t(n)).data();
}

// A list or tuple of ints. False: it is none.
bool convert_ints(Frame& f, Value& v, PyObject* const* items, Py_ssize_t n) {
  int64_t* p = reserve_ints(f, n);
  for (Py_ssize_t i = 0; i < n; i++)
    if (!to_int(items[i], p[i])) return false;
  v.tag = Value::IntList;
  v.list = {p, n};
  return true;
}

bool convert(const Parameter& p, PyObject* o, Value& v, Frame& f, std::vector<PyObject*>* relevant) {
  if (o == Py_None && p.optional) {
    v.tag = Value::None;
    v.tensor = nullptr;
    return true;
  }
  switch (p.type) {
    case Type::Tensor:
      if (!is_tensor(o)) {
        if (o != Py_None && overrides_function(o)) {
          relevant->push_back(o);
          v.tag = Value::None;
          return true;
        }
        return false;
      }
      if (Py_TYPE(o) != TensorType && overrides_function(o)) relevant->push_back(o);
      v.tag = Value::TensorTag;
      v.tensor = tensor_of(o).impl();
      CHECK(v.tensor, "this tensor object was never initialised: __new__ was called without data");
      return true;
    case Type::Operand:
      if (is_tensor(o)) {
        if (Py_TYPE(o) != TensorType && overrides_function(o)) relevant->push_back(o);
        v.tag = Value::TensorTag;
        v.tensor = tensor_of(o).impl();
        return true;
      }
      if (overrides_function(o)) {
        relevant->push_back(o);
        v.tag = Value::None;
        return true;
      }
      [[fallthrough]];
    case Type::Number: {
      Scalar s;
      if (!to_scalar(o, s)) {
        if (p.type != Type::Number || !is_tensor(o) || tensor_of(o).numel() != 1 || tensor_of(o).requires_grad())
          return false;
        s = item(tensor_of(o));
      }
      check_number(o, s);
      switch (s.kind()) {
        case Scalar::Bool:
          v.tag = Value::Bool;
          v.i = s.to_int();
          break;
        case Scalar::Int:
          v.tag = Value::Int;
          v.i = s.to_int();
          break;
        case Scalar::Float:
          v.tag = Value::Float;
          v.d = s.to_double();
          break;
        default:
          v.tag = Value::Complex;
          v.c = {s.to_complex().real(), s.to_complex().imag()};
      }
      return true;
    }
    case Type::Int:
      v.tag = Value::Int;
      return to_int(o, v.i);
    case Type::Float: {
      Scalar s;
      if (!to_scalar(o, s)) {
        if (!is_tensor(o) || tensor_of(o).numel() != 1 || tensor_of(o).requires_grad()) return false;
        s = item(tensor_of(o));
      }
      if (s.kind() == Scalar::Complex) return false;
      v.tag = Value::Float;
      v.d = s.to_double();
      return true;
    }
    case Type::Bool:
      if (!PyBool_Check(o)) {
        if (std::strncmp(Py_TYPE(o)->tp_name, "numpy.bool", 10) != 0) return false;
      }
      v.tag = Value::Bool;
      v.i = PyObject_IsTrue(o);
      return true;
    case Type::Str: {
      if (!PyUnicode_Check(o)) return false;
      Py_ssize_t n;
      const char* s = PyUnicode_AsUTF8AndSize(o, &n);
      v.tag = Value::Text;
      v.list = {s, n};
      return true;
    }
    case Type::IntOrInts: {
      int64_t one;
      if (!PyList_Check(o) && !PyTuple_Check(o)) {
        if (!to_int(o, one)) return false;
        int64_t* q = reserve_ints(f, 1);
        *q = one;
        v.tag = Value::IntList;
        v.list = {q, 1};
        return true;
      }
      [[fallthrough]];
    }
    case Type::Ints:
      if (PyTuple_Check(o))
        return convert_ints(f, v, reinterpret_cast<PyTupleObject*>(o)->ob_item, PyTuple_GET_SIZE(o));
      if (PyList_Check(o)) return convert_ints(f, v, reinterpret_cast<PyListObject*>(o)->ob_item, PyList_GET_SIZE(o));
      return false;
    case Type::Floats: {
      if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
      Object fast(PySequence_Fast(o, ""));
      Py_ssize_t n = PySequence_Fast_GET_SIZE(fast.get());
      double* q = reinterpret_cast<double*>(reserve_ints(f, n));
      for (Py_ssize_t i = 0; i < n; i++) {
        Scalar s;
        if (!to_scalar(PySequence_Fast_GET_ITEM(fast.get(), i), s)) return false;
        q[i] = s.to_double();
      }
      v.tag = Value::FloatList;
      v.list = {q, n};
      return true;
    }
    case Type::Tensors: {
      if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
      PyObject** items =
          PyTuple_Check(o) ? reinterpret_cast<PyTupleObject*>(o)->ob_item : reinterpret_cast<PyListObject*>(o)->ob_item;
      Py_ssize_t n = Py_SIZE(o);
      CHECK(f.lists_used < 3, "too many lists of tensors");
      std::vector<Tensor>& list = f.lists[f.lists_used++];
      list.clear();
      list.reserve(size_t(n));
      for (Py_ssize_t i = 0; i < n; i++) {
        if (items[i] == Py_None) {
          list.emplace_back();
          continue;
        }
        if (!is_tensor(items[i])) return false;
        if (Py_TYPE(items[i]) != TensorType && overrides_function(items[i])) relevant->push_back(items[i]);
        list.push_back(tensor_of(items[i]));
      }
      v.tag = Value::TensorListTag;
      v.list = {&list, n};
      return true;
    }
    case Type::DType:
      v.tag = Value::DTypeTag;
      if (is_dtype(o))
        v.i = int64_t(dtype_of(o));
      else if (o == reinterpret_cast<PyObject*>(&PyFloat_Type))
        v.i = int64_t(DType::Float64);
      else if (o == reinterpret_cast<PyObject*>(&PyLong_Type))
        v.i = int64_t(DType::Int64);
      else if (o == reinterpret_cast<PyObject*>(&PyBool_Type))
        v.i = int64_t(DType::Bool);
      else if (o == reinterpret_cast<PyObject*>(&PyComplex_Type))
        v.i = int64_t(DType::Complex128);
      else
        return false;
      return true;
    case Type::Device:
      if (!is_device(o) && !PyUnicode_Check(o) && !PyLong_CheckExact(o)) return false;
      v.tag = Value::DeviceTag;
      v.device = device_of(o);
      return true;
    case Type::Layout:
      v.tag = Value::None;
      check_strided(o);
      return is_layout(o);
    case Type::Format:
      if (!is_memory_format(o)) return false;
      v.tag = Value::FormatTag;
      v.i = int64_t(memory_format_of(o));
      return true;
    case Type::Generator:
      v.tag = Value::GeneratorTag;
      return to_generator(o, v.generator);
  }
  return false;
}

bool same_name(PyObject* a, PyObject* b) { return a == b || PyUnicode_Compare(a, b) == 0; }

}  // namespace

Signature::Signature(const char* t) : text(t) {
  size_t open = text.find('('), arrow = text.rfind(") -> ");
  CHECK(open != std::string::npos && arrow != std::string::npos, "bad signature ", t);
  name = text.substr(0, open);
  bool keyword_only = false;
  for (const std::string& part : split_list(text.substr(open + 1, arrow - open - 1))) {
    if (part == "*") {
      keyword_only = true;
      continue;
    }
    Parameter p;
    size_t equals = part.find('=');
    std::string declaration = trim(part.substr(0, equals));
    size_t space = declaration.rfind(' ');
    CHECK(space != std::string::npos, "bad parameter '", part, "' in ", t);
    std::string type = trim(declaration.substr(0, space));
    p.name = declaration.substr(space + 1);
    if (type.ends_with('?')) {
      p.optional = true;
      type.pop_back();
    }
    p.type = type_named(type);
    p.keyword_only = keyword_only;
    p.key = PyUnicode_InternFromString(p.name.c_str());
    static const std::pair<const char*, const char*> numpy[] = {
        {"dim", "axis"}, {"keepdim", "keepdims"}, {"input", "x"}, {"other", "x2"}, {"input", "a"}};
    for (auto [ours, theirs] : numpy)
      if (p.name == ours && !p.alias) p.alias = PyUnicode_InternFromString(theirs);
    if (equals != std::string::npos) parse_default(p, trim(part.substr(equals + 1)));
    if (!keyword_only) positional++;
    takes_factory_options |= p.name == "device" && keyword_only;
    parameters.push_back(std::move(p));
  }
  CHECK(parameters.size() <= Frame::kMaxArgs, "too many parameters: ", t);
  for (Parameter& p : parameters) {  // now that they no longer move
    if (p.standard.tag == Value::Text) p.standard.list = {p.standard_text.data(), int64_t(p.standard_text.size())};
    if (p.standard.tag == Value::IntList) p.standard.list = {p.standard_ints.data(), int64_t(p.standard_ints.size())};
  }
  std::string result = trim(text.substr(arrow + 5));
  returns_list = result == "Tensor[]";
  if (result[0] == '(')
    for (const std::string& part : split_list(result.substr(1, result.size() - 2))) {
      size_t space = part.find(' ');
      if (space != std::string::npos) results.push_back(part.substr(space + 1));
    }
}

bool Signature::bind(Frame& f, PyObject* const* args, Py_ssize_t nargs, PyObject* names, bool method, bool out_form,
                     std::string* why, std::vector<PyObject*>* relevant, PyObject** out) const {
  size_t count = parameters.size();
  f.count = int(count);
  f.ints_used = 0;
  f.lists_used = 0;
  *out = nullptr;
  PyObject* slots[Frame::kMaxArgs] = {};
  int first = method ? 1 : 0;
  Py_ssize_t given = nargs;
  // x.view(2, 3): ints in a row stand for the list when it is the only positional parameter.
  bool collected = false;
  if (positional == first + 1 &&
      (parameters[size_t(first)].type == Type::Ints || parameters[size_t(first)].type == Type::IntOrInts) &&
      nargs > first) {
    PyObject* o = args[first];
    if (!PyTuple_Check(o) && !PyList_Check(o) && (nargs > first + 1 || parameters[size_t(first)].type == Type::Ints) &&
        o != Py_None) {
      if (!convert_ints(f, f.args[first], args + first, nargs - first)) {
        if (why) *why = text_of_mismatch(parameters[size_t(first)], o, first);
        return false;
      }
      collected = true;
      given = first;
    }
  }
  if (given > positional) {
    if (why)
      *why = name + "() takes " + std::to_string(positional - first) + " positional arguments but " +
             std::to_string(nargs - first) + " were given";
    return false;
  }
  for (Py_ssize_t i = 0; i < given; i++) slots[i] = args[i];
  if (names) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(names); k++) {
      PyObject* key = PyTuple_GET_ITEM(names, k);
      PyObject* value = args[nargs + k];
      size_t i = 0;
      for (; i < count; i++)
        if (parameters[i].key == key) break;
      if (i == count)
        for (i = 0; i < count; i++)
          if (same_name(parameters[i].key, key) || (parameters[i].alias && same_name(parameters[i].alias, key))) break;
      if (i == count) {
        const char* s = PyUnicode_AsUTF8(key);
        if (out_form && std::strcmp(s, "out") == 0) {
          *out = value == Py_None ? nullptr : value;
          continue;
        }
        if (takes_factory_options && (std::strcmp(s, "layout") == 0 || std::strcmp(s, "pin_memory") == 0)) {
          check_strided(value);
          continue;
        }
        if (why) *why = name + "() got an unexpected keyword argument '" + s + "'";
        return false;
      }
      if (slots[i] || (collected && int(i) == first)) {
        if (why) *why = name + "() got multiple values for argument '" + parameters[i].name + "'";
        return false;
      }
      slots[i] = value;
    }
  }
  for (size_t i = 0; i < count; i++) {
    const Parameter& p = parameters[i];
    Value& v = f.args[i];
    if (collected && int(i) == first) continue;
    if (!slots[i]) {
      if (!p.has_default) {
        if (why) *why = name + "() missing 1 required positional arguments: \"" + p.name + "\"";
        return false;
      }
      v = p.standard;
      if (v.tag == Value::None) v.tensor = nullptr;
      continue;
    }
    if (!convert(p, slots[i], v, f, relevant)) {
      if (why) *why = text_of_mismatch(p, slots[i], int(i) < given ? int(i) + 1 - first : -1);
      return false;
    }
  }
  return true;
}

std::string Signature::text_of_mismatch(const Parameter& p, PyObject* o, int position) const {
  std::string s = name + "(): argument '" + p.name + "'";
  if (position >= 0) s += " (position " + std::to_string(position) + ")";
  s += std::string(" must be ") + shown_type(p) + ", not " + Py_TYPE(o)->tp_name;
  if (p.type == Type::Tensors && (PyTuple_Check(o) || PyList_Check(o)))
    for (Py_ssize_t i = 0; i < Py_SIZE(o); i++) {
      Object item(PySequence_GetItem(o, i));
      if (item && item.get() != Py_None && !is_tensor(item.get())) {
        s = "expected Tensor as element " + std::to_string(i) + " in argument " +
            std::to_string(std::max(position - 1, 0)) + ", but got " + Py_TYPE(item.get())->tp_name;
        break;
      }
    }
  return s;
}

}  // namespace lampas::py
