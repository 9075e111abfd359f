// Registered ops as Python functions and methods.
#include "bindings/ops.h"

#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "bindings/signature.h"
#include "ops/autocast.h"

// structmember.h needs Python.h before it
#include <structmember.h>

namespace lampas {
thread_local uint32_t watch = 0;
}

namespace lampas::py {

namespace {

struct Overload {
  const OpDef* op;
  Signature signature;
};

// All forms of one name.
struct OpGroup {
  std::string name;
  std::vector<std::unique_ptr<Overload>> overloads;
  uint32_t forms = 0;
  PyTypeObject* result_type = nullptr;  // of a named tuple
  std::vector<PyStructSequence_Field> fields;
  std::string result_name;
  autocast::Policy autocast = autocast::Policy::None;
};

enum class Form : uint8_t { Function, Method };

struct PyOp {
  PyObject_HEAD vectorcallfunc vectorcall;
  OpGroup* group;
  PyObject* name;
  PyObject* scope;    // "lampas", "lampas.Tensor", ...
  PyObject* handler;  // the public function whose override is asked; usually the op itself
  bool method, inplace;
};

PyTypeObject *FunctionType, *MethodType;
PyObject* module_ = nullptr;
std::unordered_map<std::string, std::unique_ptr<OpGroup>> groups;
std::unordered_map<std::string, PyObject*> methods;  // by name, for operators that are watched
PyObject* disabled_implementation = nullptr;
thread_local std::vector<PyObject*> function_modes;

std::string accepted_forms(const OpGroup& g) {
  std::string s;
  for (const auto& o : g.overloads) {
    const std::string& t = o->signature.text;
    s += "\n * " + t.substr(t.find('('), t.rfind(" -> ") - t.find('('));
  }
  return s;
}

std::string given_types(PyObject* const* args, Py_ssize_t n, PyObject* names, int skip) {
  std::string s;
  for (Py_ssize_t i = skip; i < n; i++) s += std::string(s.empty() ? "" : ", ") + Py_TYPE(args[i])->tp_name;
  if (names)
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(names); k++)
      s += std::string(s.empty() ? "" : ", ") + PyUnicode_AsUTF8(PyTuple_GET_ITEM(names, k)) + "=" +
           Py_TYPE(args[n + k])->tp_name;
  return s;
}

// One field a line, which is how PyTorch prints them.
PyObject* fields_repr(PyObject* self) {
  return guarded([&] {
    std::string s = std::string(Py_TYPE(self)->tp_name) + "(";
    Object names(check(PyObject_GetAttrString(self, "__match_args__")));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); i++)
      s += std::string(i ? ",\n" : "\n") + PyUnicode_AsUTF8(PyTuple_GET_ITEM(names.get(), i)) + "=" +
           repr(PyTuple_GET_ITEM(self, i));
    return PyUnicode_FromString((s + ")").c_str());
  });
}

PyObject* wrap_result(OpGroup& g, const Signature& s, Result& r) {
  if (auto* many = std::get_if<std::vector<Tensor>>(&r); many && !s.results.empty()) {
    if (!g.result_type) {
      for (const std::string& n : s.results) g.fields.push_back({n.c_str(), nullptr});
      g.fields.push_back({nullptr, nullptr});
      g.result_name = "torch.return_types." + g.name;
      PyStructSequence_Desc d{g.result_name.c_str(), nullptr, g.fields.data(), int(s.results.size())};
      g.result_type = reinterpret_cast<PyTypeObject*>(check(reinterpret_cast<PyObject*>(PyStructSequence_NewType(&d))));
      g.result_type->tp_repr = fields_repr;
    }
    Object tuple(check(PyStructSequence_New(g.result_type)));
    for (size_t i = 0; i < many->size(); i++)
      PyStructSequence_SetItem(tuple.get(), Py_ssize_t(i), check(wrap((*many)[i])));
    return tuple.release();
  }
  return wrap(r);
}

// Numbers (0-d CPU tensors) go with any device, other tensors only with their own. Ops that copy between devices or
// take nothing but the shape of an argument see to it themselves.
void check_devices(const std::string& name, const Frame& f, const Out& out) {
  static const std::unordered_set<std::string> free_choice{
      "copy_",      "copy",    "is_same_size", "result_type", "broadcast_tensors", "expand_as",    "view_as",
      "reshape_as", "type_as", "resize_as",    "index",       "index_put",         "_sum_to_size", "can_cast"};
  if (f.count >= 2 && (name == "copy_" || name == "copy") && f.args[1].tag == Value::TensorTag &&
      f.args[1].as_tensor().is_meta())
    CHECK_KIND(NotImplemented, f.args[0].as_tensor().is_meta(), "Cannot copy out of meta tensor; no data!");
  std::optional<Device> first;
  auto see = [&](const Tensor& t) {
    if (!t.defined() || (t.device().is_cpu() && t.ndim() == 0)) return;
    if (!first) first = t.device();
    CHECK(t.device() == *first || free_choice.contains(name), name,
          "(): Expected all tensors to be on the same device, but found at least two devices, ", name_of(*first),
          " and ", name_of(t.device()), "! Move one of them with .to(device)");
  };
  for (int i = 0; i < f.count; i++) {
    const Value& v = f.args[i];
    if (v.tag == Value::TensorTag && v.tensor) see(v.as_tensor());
    if (v.tag == Value::TensorListTag)
      for (const Tensor& t : v.tensors()) see(t);
  }
  if (out.given() && first)
    CHECK(out.tensor->device() == *first, name, "(): Expected out= to be on device ", name_of(*first),
          " like the inputs, but it is on ", name_of(out.tensor->device()));
}
bool off_cpu(const Value& v) {
  if (v.tag == Value::TensorTag) return v.tensor && !v.tensor->device.is_cpu();
  if (v.tag == Value::TensorListTag)
    for (const Tensor& t : v.tensors())
      if (t.defined() && !t.device().is_cpu()) return true;
  return false;
}

// In-place and out= for ops that only compute.
void call_plainly(const OpDef& op, Frame& f, Result& r) {
  if (op.writes_out || !f.out.given()) {
    op.call(op, f, r);
    return;
  }
  if (f.out.inplace()) {
    const Tensor x = *f.out.tensor;
    f.out = {};
    bool records = false;
    if (mode.grad)
      for (int i = 0; i < f.count; i++) {
        const Value& v = f.args[i];
        if (v.tag == Value::TensorTag && v.tensor) records |= v.as_tensor().requires_grad();
        if (v.tag == Value::TensorListTag) records |= recording(v.tensors());
      }
    check_inplace(x, records);
    if (records) {
      recorded_inplace(x, [&](const Tensor& before) {
        f.args[0].tensor = before.impl();
        op.call(op, f, r);
        CHECK(std::get<Tensor>(r).dtype() == x.dtype(), "Bad in-place call: the result has dtype torch.",
              name_of(std::get<Tensor>(r).dtype()), ", the tensor torch.", name_of(x.dtype()));
        return std::get<Tensor>(r);
      });
    } else {
      op.call(op, f, r);
      CHECK(std::get<Tensor>(r).dtype() == x.dtype(), "Bad in-place call: the result has dtype torch.",
            name_of(std::get<Tensor>(r).dtype()), ", the tensor torch.", name_of(x.dtype()));
      deliver(Out{Out::Inplace, &x}, std::get<Tensor>(r));
      x.bump_version();
    }
    r = x;
    return;
  }
  Out out = f.out;
  f.out = {};
  op.call(op, f, r);
  Tensor& y = std::get<Tensor>(r);
  check_out("this op", out, y.requires_grad() && mode.grad);
  CHECK(out.tensor->dtype() == y.dtype() || (y.dtype() == DType::Bool && out.tensor->dtype() == DType::UInt8),
        "Expected out tensor to have dtype torch.", name_of(y.dtype()), ", but got torch.",
        name_of(out.tensor->dtype()), " instead");
  deliver(out, y);
  out.tensor->bump_version();
  r = *out.tensor;
}

void call_with_many_out(const OpDef& op, Frame& f, Result& r, PyObject* out, const std::string& name) {
  op.call(op, f, r);
  auto& many = std::get<std::vector<Tensor>>(r);
  CHECK_KIND(Type, PyTuple_Check(out) || PyList_Check(out), name, "(): out= must be a tuple of ", many.size(),
             " Tensors, not ", Py_TYPE(out)->tp_name);
  CHECK_KIND(Type, size_t(Py_SIZE(out)) == many.size(), name, "(): out= must have ", many.size(), " Tensors, got ",
             Py_SIZE(out));
  for (size_t i = 0; i < many.size(); i++) {
    Object item(PySequence_GetItem(out, Py_ssize_t(i)));
    CHECK_KIND(Type, is_tensor(item.get()), name, "(): out= must be a tuple of Tensors");
    const Tensor& t = tensor_of(item.get());
    CHECK(t.dtype() == many[i].dtype(), "Expected out tensor to have dtype torch.", name_of(many[i].dtype()),
          ", but got torch.", name_of(t.dtype()), " instead");
    deliver(Out{Out::Into, &t}, many[i]);
    t.bump_version();
    many[i] = t;
  }
}

PyObject* pack_tuple(PyObject* const* args, Py_ssize_t n) {
  PyObject* t = check(PyTuple_New(n));
  for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(t, i, Py_NewRef(args[i]));
  return t;
}

PyObject* pack_keywords(PyObject* const* values, PyObject* names) {
  PyObject* keywords = check(PyDict_New());
  if (names)
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(names); k++)
      PyDict_SetItem(keywords, PyTuple_GET_ITEM(names, k), values[k]);
  return keywords;
}

PyObject* call_override(PyOp* self, const std::vector<PyObject*>& relevant, PyObject* const* args, Py_ssize_t nargs,
                        PyObject* names) {
  Object positional(pack_tuple(args, nargs)), keywords(pack_keywords(args + nargs, names));
  return dispatch_override(self->handler ? self->handler : reinterpret_cast<PyObject*>(self), relevant,
                           positional.get(), keywords.get());
}

PyObject* call_op(PyObject* callable, PyObject* const* args, size_t nargsf, PyObject* names) {
  auto* self = reinterpret_cast<PyOp*>(callable);
  Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
  return guarded([&]() -> PyObject* {
    OpGroup& g = *self->group;
    Frame f;
    PyObject* out = nullptr;
    std::vector<PyObject*> relevant;
    if (self->method && nargs == 0)
      fail(ErrorKind::Type, "unbound method Tensor.", PyUnicode_AsUTF8(self->name), "() needs an argument");
    Overload* chosen = nullptr;
    bool method = self->method;
    std::string why;
    size_t n = g.overloads.size();
    for (size_t i = 0; i < n && !chosen; i++) {
      Overload& o = *g.overloads[i];
      if (!(o.op->forms & (method ? Method | Inplace : ~(Method | Inplace)))) continue;  // not of this form
      if (n > 1) relevant.clear();
      bool out_form = (o.op->forms & OutForm) && !method;
      if (o.signature.bind(f, args, nargs, names, method, out_form, n == 1 ? &why : nullptr, &relevant, &out))
        chosen = &o;
    }
    if (watch & WatchFunctionMode || !relevant.empty()) [[unlikely]]
      return call_override(self, relevant, args, nargs, names);
    if (!chosen) {
      // Perhaps a form from PyTorch's past, such as addmm(beta, x, alpha, a, b).
      Object old(PyImport_ImportModule("lampas._deprecated"));
      Object positional(pack_tuple(args, nargs)), keywords(pack_keywords(args + nargs, names));
      Object result(check(PyObject_CallMethod(check(old.get()), "old_form", "OOOOO", callable, self->name,
                                              self->method ? Py_True : Py_False, positional.get(), keywords.get())));
      if (result.get() != Py_NotImplemented) return result.release();
      if (n == 1) fail(ErrorKind::Type, why);
      fail(ErrorKind::Type, PyUnicode_AsUTF8(self->name), "() received an invalid combination of arguments - got (",
           given_types(args, nargs, names, method), "), but expected one of:", accepted_forms(g));
    }
    const OpDef& op = *chosen->op;
    Result r;
    bool elsewhere = out && is_tensor(out) && !tensor_of(out).device().is_cpu();
    for (int i = 0; i < f.count; i++) elsewhere |= off_cpu(f.args[i]);
    if (elsewhere) [[unlikely]]
      check_devices(g.name, f, out && is_tensor(out) ? Out{Out::Into, &tensor_of(out)} : Out{});
    if (self->inplace) {
      CHECK_KIND(Type, f.args[0].tag == Value::TensorTag && f.args[0].tensor, PyUnicode_AsUTF8(self->name),
                 "(): argument 'self' must be Tensor, not ", Py_TYPE(args[0])->tp_name);
      f.out = {Out::Inplace, &f.args[0].as_tensor()};
      call_plainly(op, f, r);
      return Py_NewRef(args[0]);
    }
    if (out) {
      if (!is_tensor(out)) {
        CHECK_KIND(Type, PyTuple_Check(out) || PyList_Check(out), g.name, "(): argument 'out' must be Tensor, not ",
                   Py_TYPE(out)->tp_name);
        call_with_many_out(op, f, r, out, g.name);
        return wrap_result(g, chosen->signature, r);
      }
      f.out = {Out::Into, &tensor_of(out)};
      // An op with a choice of dtype makes what the output can take.
      for (int i = 0; i < f.count; i++)
        if (f.args[i].tag == Value::None && chosen->signature.parameters[size_t(i)].type == Type::DType) {
          f.args[i].tag = Value::DTypeTag;
          f.args[i].i = int64_t(f.out.tensor->dtype());
        }
      call_plainly(op, f, r);
      return Py_NewRef(out);
    }
    std::vector<Tensor> held;
    if (watch & WatchAutocast) [[unlikely]]
      autocast::cast(g.autocast, f, held);
    op.call(op, f, r);
    return wrap_result(g, chosen->signature, r);
  });
}

PyObject* op_repr(PyObject* self) {
  auto* o = reinterpret_cast<PyOp*>(self);
  return PyUnicode_FromFormat(o->method ? "<method '%U' of '%U' objects>" : "<built-in function %U of %U>", o->name,
                              o->scope);
}
PyObject* op_get(PyObject* self, PyObject* instance, PyObject*) {
  if (!instance) return Py_NewRef(self);
  return PyMethod_New(self, instance);
}
PyObject* op_reduce(PyObject* self, PyObject*) {
  auto* o = reinterpret_cast<PyOp*>(self);
  if (!o->method) return Py_NewRef(o->name);
  Object getattr(PyObject_GetAttrString(PyEval_GetBuiltins() ? PyImport_AddModule("builtins") : nullptr, "getattr"));
  return Py_BuildValue("O(OO)", getattr.get(), TensorType, o->name);
}
PyObject* op_doc(PyObject* self, void*) {
  auto* o = reinterpret_cast<PyOp*>(self);
  std::string doc;
  for (const auto& overload : o->group->overloads) doc += overload->signature.text + "\n";
  for (const auto& overload : o->group->overloads)
    if (overload->op->doc && *overload->op->doc) {
      doc.append("\n").append(overload->op->doc).append("\n");
      break;
    }
  return PyUnicode_FromString(doc.c_str());
}
PyGetSetDef op_getset[] = {
    {"__name__", [](PyObject* s, void*) { return Py_NewRef(reinterpret_cast<PyOp*>(s)->name); }, nullptr, nullptr,
     nullptr},
    {"__qualname__", [](PyObject* s, void*) { return Py_NewRef(reinterpret_cast<PyOp*>(s)->name); }, nullptr, nullptr,
     nullptr},
    {"__module__", [](PyObject* s, void*) { return Py_NewRef(reinterpret_cast<PyOp*>(s)->scope); }, nullptr, nullptr,
     nullptr},
    {"__doc__", op_doc, nullptr, nullptr, nullptr},
    {}};
PyMethodDef op_methods[] = {{"__reduce__", op_reduce, METH_NOARGS, nullptr}, {}};
PyMemberDef op_members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(PyOp, vectorcall), READONLY, nullptr}, {}};

PyTypeObject* op_type(PyObject* m, const char* name, bool method) {
  PyType_Slot slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                         {Py_tp_repr, reinterpret_cast<void*>(op_repr)},
                         {Py_tp_getset, op_getset},
                         {Py_tp_methods, op_methods},
                         {Py_tp_members, op_members},
                         {method ? Py_tp_descr_get : 0, reinterpret_cast<void*>(op_get)},
                         {0, nullptr}};
  unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                   (method ? Py_TPFLAGS_METHOD_DESCRIPTOR : 0);
  PyType_Spec spec{name, sizeof(PyOp), 0, flags, slots};
  return make_type(m, spec);
}

PyObject* make_op(OpGroup* group, const std::string& name, const char* scope, bool method, bool inplace) {
  auto* o = PyObject_New(PyOp, method ? MethodType : FunctionType);
  o->vectorcall = call_op;
  o->group = group;
  o->name = PyUnicode_InternFromString(name.c_str());
  o->scope = PyUnicode_InternFromString(scope);
  o->handler = nullptr;
  o->method = method;
  o->inplace = inplace;
  return reinterpret_cast<PyObject*>(o);
}

OpGroup* group_of(const OpDef& op) {
  Signature s(op.signature);
  // Functions and methods of one name may differ in their forms, so each has its own group.
  auto& slot = groups[s.name];
  if (!slot) {
    slot = std::make_unique<OpGroup>();
    slot->name = s.name;
    slot->autocast = autocast::policy_of(s.name);
  }
  slot->forms |= op.forms;
  slot->overloads.push_back(std::make_unique<Overload>(Overload{&op, std::move(s)}));
  return slot.get();
}

PyObject* registry_list(PyObject*, PyObject*) {
  return guarded([&]() -> PyObject* {
    Object list(check(PyList_New(0)));
    static const std::pair<uint32_t, const char*> forms[] = {
        {Function, "function"}, {Method, "method"}, {Inplace, "inplace"},
        {OutForm, "out"},       {NN, "nn"},         {InplaceFunction, "inplace_function"},
        {Special, "special"},   {Linalg, "linalg"}, {Private, "private"}};
    for (const OpDef& op : Registry::get().ops()) {
      std::string s = op.signature;
      Object kinds(check(PyList_New(0)));
      for (auto [bit, name] : forms)
        if (op.forms & bit) {
          Object text(PyUnicode_FromString(name));
          PyList_Append(kinds.get(), text.get());
        }
      Object row(Py_BuildValue("{s:s,s:s,s:s,s:O}", "name", s.substr(0, s.find('(')).c_str(), "signature", op.signature,
                               "doc", op.doc, "kinds", kinds.get()));
      PyList_Append(list.get(), row.get());
    }
    return list.release();
  });
}

PyObject* disabled_function(PyObject*, PyObject* args) {
  PyObject *func, *types, *positional = nullptr, *kw = nullptr;
  if (!PyArg_UnpackTuple(args, "_disabled_torch_function_impl", 2, 4, &func, &types, &positional, &kw)) return nullptr;
  return guarded([&] { return call_without_overrides(nullptr, func, positional, kw); });
}

thread_local int overrides_off = 0;

PyObject* push_function_mode(PyObject*, PyObject* m) {
  function_modes.push_back(Py_NewRef(m));
  watch |= WatchFunctionMode;
  Py_RETURN_NONE;
}
PyObject* pop_function_mode(PyObject*, PyObject*) {
  if (function_modes.empty()) {
    PyErr_SetString(PyExc_RuntimeError, "no function mode is active");
    return nullptr;
  }
  PyObject* m = function_modes.back();
  function_modes.pop_back();
  if (function_modes.empty()) watch &= ~WatchFunctionMode;
  return m;
}

// Regions in which no class, or no class and no mode, overrides functions.
struct PyDisabled {
  PyObject_HEAD std::vector<PyObject*>* modes;  // set aside inside a region that is to have none
};
template <bool with_modes>
PyObject* enter_disabled(PyObject* self, PyObject*) {
  overrides_off++;
  if (auto* o = reinterpret_cast<PyDisabled*>(self); with_modes && !o->modes) {
    o->modes = new std::vector<PyObject*>(std::exchange(function_modes, {}));
    watch &= ~WatchFunctionMode;
  }
  Py_RETURN_NONE;
}
PyObject* exit_disabled(PyObject* self, PyObject*) {
  overrides_off--;
  if (auto* o = reinterpret_cast<PyDisabled*>(self); o->modes) {
    function_modes = std::move(*o->modes);
    delete std::exchange(o->modes, nullptr);
    if (!function_modes.empty()) watch |= WatchFunctionMode;
  }
  Py_RETURN_NONE;
}
template <bool with_modes>
void add_disabled_region(PyObject* m, const char* name, const char* doc) {
  static PyMethodDef region[] = {{"__enter__", enter_disabled<with_modes>, METH_NOARGS, nullptr},
                                 {"__exit__", exit_disabled, METH_VARARGS, nullptr},
                                 {}};
  PyType_Slot slots[] = {{Py_tp_methods, region}, {Py_tp_doc, const_cast<char*>(doc)}, {0, nullptr}};
  PyType_Spec spec{name, sizeof(PyDisabled), 0, Py_TPFLAGS_DEFAULT, slots};
  make_type(m, spec);
}

PyMethodDef functions[] = {{"_registry", registry_list, METH_NOARGS, "Every op: name, signature, doc and forms."},
                           {"_disabled_torch_function_impl", disabled_function, METH_VARARGS,
                            "Calls the function as if no class overrode it."},
                           {"_push_on_torch_function_stack", push_function_mode, METH_O, nullptr},
                           {"_pop_torch_function_stack", pop_function_mode, METH_NOARGS, nullptr},
                           {}};

}  // namespace

PyObject* module_object() { return module_; }

PyObject* wrap(Result& r) {
  return std::visit(
      [](auto& v) -> PyObject* {
        using V = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<V, std::monostate>)
          return Py_NewRef(Py_None);
        else if constexpr (std::is_same_v<V, Tensor>)
          return wrap(std::move(v));
        else if constexpr (std::is_same_v<V, std::vector<Tensor>>)
          return wrap_all(v);
        else if constexpr (std::is_same_v<V, bool>)
          return PyBool_FromLong(v);
        else if constexpr (std::is_same_v<V, int64_t>)
          return PyLong_FromLongLong(v);
        else if constexpr (std::is_same_v<V, double>)
          return PyFloat_FromDouble(v);
        else if constexpr (std::is_same_v<V, IntVec>)
          return wrap_size(v);
        else
          return wrap(v);
      },
      r);
}

bool function_override_disabled(PyTypeObject* type) {
  if (overrides_off) return true;
  PyObject* f = PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__torch_function__");
  if (!f) {
    PyErr_Clear();
    return true;
  }
  bool disabled = f == disabled_implementation;
  Py_DECREF(f);
  return disabled;
}

PyObject* call_without_overrides(PyTypeObject* cls, PyObject* func, PyObject* args, PyObject* kwargs) {
  Object empty(PyTuple_New(0));
  PyObject* result;
  overrides_off++;
  result = PyObject_Call(func, args ? args : empty.get(), kwargs && kwargs != Py_None ? kwargs : nullptr);
  overrides_off--;
  check(result);
  if (!cls || cls == TensorType) return result;
  Object held(result);
  auto convert = [&](PyObject* o) -> PyObject* {
    if (Py_TYPE(o) != TensorType) return Py_NewRef(o);
    Object name(PyUnicode_FromString("as_subclass"));
    return check(PyObject_CallMethodOneArg(o, name.get(), reinterpret_cast<PyObject*>(cls)));
  };
  if (PyTuple_CheckExact(result)) {
    Py_ssize_t n = PyTuple_GET_SIZE(result);
    Object t(check(PyTuple_New(n)));
    for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(t.get(), i, convert(PyTuple_GET_ITEM(result, i)));
    return t.release();
  }
  if (!is_tensor(result)) return held.release();
  return convert(result);
}

PyObject* dispatch_override(PyObject* func, const std::vector<PyObject*>& relevant, PyObject* args, PyObject* kwargs) {
  Object types(check(PyTuple_New(Py_ssize_t(relevant.size()))));
  for (size_t i = 0; i < relevant.size(); i++)
    PyTuple_SET_ITEM(types.get(), Py_ssize_t(i), Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(relevant[i]))));
  if (!function_modes.empty()) {
    PyObject* m = function_modes.back();
    function_modes.pop_back();
    uint32_t before = watch;
    if (function_modes.empty()) watch &= ~WatchFunctionMode;
    PyObject* r = PyObject_CallMethod(m, "__torch_function__", "OOOO", func, types.get(), args, kwargs);
    function_modes.push_back(m);
    watch = before;
    if (check(r) != Py_NotImplemented) return r;
    Py_DECREF(r);
  }
  // Subclasses before their bases, otherwise left to right; each class once.
  std::vector<PyObject*> order;
  for (PyObject* o : relevant) {
    bool seen = false;
    for (PyObject* p : order) seen |= Py_TYPE(p) == Py_TYPE(o);
    if (seen) continue;
    size_t at = order.size();
    for (size_t i = 0; i < order.size(); i++)
      if (PyType_IsSubtype(Py_TYPE(o), Py_TYPE(order[i]))) {
        at = i;
        break;
      }
    order.insert(order.begin() + long(at), o);
  }
  for (PyObject* o : order) {
    PyObject* r = PyObject_CallMethod(reinterpret_cast<PyObject*>(Py_TYPE(o)), "__torch_function__", "OOOO", func,
                                      types.get(), args, kwargs);
    if (check(r) != Py_NotImplemented) return r;
    Py_DECREF(r);
  }
  Object name(PyObject_GetAttrString(func, "__name__"));
  if (!name) PyErr_Clear();
  fail(ErrorKind::Type, "no implementation found for '", name ? PyUnicode_AsUTF8(name.get()) : "the function",
       "' on types that implement __torch_function__: ", repr(types.get()));
}

PyObject* tensor_method(const char* name) {
  auto it = methods.find(name);
  return it == methods.end() ? nullptr : it->second;
}

PyObject* call_watched_operator(const char* name, PyObject* a, PyObject* b) {
  // Python tells a reflected operator by its operands' order alone; the op takes them in the order written.
  PyObject* method = is_tensor(a) || !b ? tensor_method(name) : nullptr;
  PyObject* args[2] = {a, b};
  if (method) return check(PyObject_Vectorcall(method, args, b ? 2 : 1, nullptr));
  Object function(PyObject_GetAttrString(module_, name));
  if (!function) throw PythonError{};
  return check(PyObject_Vectorcall(function.get(), args, b ? 2 : 1, nullptr));
}

void init_ops(PyObject* m) {
  module_ = m;
  FunctionType = op_type(m, "lampas._C._Function", false);
  MethodType = op_type(m, "lampas._C._Method", true);
  add_functions(m, functions);
  disabled_implementation = PyObject_GetAttrString(m, "_disabled_torch_function_impl");
  add_disabled_region<false>(m, "lampas._C.DisableTorchFunctionSubclass",
                             "A region in which no tensor class overrides functions.");
  add_disabled_region<true>(m, "lampas._C.DisableTorchFunction",
                            "A region in which no tensor class and no mode overrides functions.");
  std::unordered_map<std::string, PyObject*> scopes;
  auto submodule = [&](const char* name) {
    PyObject*& s = scopes[name];
    if (!s) {
      s = check(PyImport_AddModule((std::string("lampas._C.") + name).c_str()));
      PyObject_SetAttrString(m, name, s);
    }
    return s;
  };
  for (const OpDef& op : Registry::get().ops()) group_of(op);
  PyObject* tensor = reinterpret_cast<PyObject*>(TensorType);
  for (auto& [name, group] : groups) {
    OpGroup* g = group.get();
    auto add_to = [&](PyObject* where, const std::string& n, PyObject* f) {
      PyObject_SetAttrString(where, n.c_str(), f);
      Py_DECREF(f);
    };
    if (g->forms & (Function | Private)) add_to(m, name, make_op(g, name, "lampas", false, false));
    if (g->forms & NN) add_to(submodule("nn"), name, make_op(g, name, "lampas._C.nn", false, false));
    if (g->forms & Special) add_to(submodule("special"), name, make_op(g, name, "lampas.special", false, false));
    if (g->forms & Linalg) add_to(submodule("linalg"), name, make_op(g, name, "lampas.linalg", false, false));
    if (g->forms & Method) {
      PyObject* f = make_op(g, name, "lampas.Tensor", true, false);
      methods[name] = f;
      PyObject_SetAttrString(tensor, name.c_str(), f);
    }
    if (g->forms & Inplace) {
      PyObject* f = make_op(g, name + "_", "lampas.Tensor", true, true);
      methods[name + "_"] = f;
      PyObject_SetAttrString(tensor, (name + "_").c_str(), f);
    }
    if (g->forms & InplaceFunction) add_to(m, name + "_", make_op(g, name + "_", "lampas", false, true));
  }
  PyType_Modified(TensorType);
}

}  // namespace lampas::py
