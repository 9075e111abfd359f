// Graph nodes, hooks and the backward pass in Python.
#include "bindings/autograd.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "bindings/ops.h"

// structmember.h needs Python.h before it
#include <structmember.h>

namespace lampas::py {

namespace {

PyTypeObject* NodeType_ = nullptr;
thread_local PyObject* saved_hooks = nullptr;  // a list of (pack, unpack)
std::unordered_map<const char*, PyTypeObject*> node_types;
std::unordered_map<std::string, PyTypeObject*> node_types_by_name;

Node& N(PyObject* self) {
  Node* n = reinterpret_cast<PyNode*>(self)->node;
  CHECK(n, "this context belongs to a call that was not recorded: it is no node of a graph");
  return *n;
}

void node_dealloc(PyObject* self) {
  auto* o = reinterpret_cast<PyNode*>(self);
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (o->weakrefs) PyObject_ClearWeakRefs(self);
  Py_CLEAR(o->dict);
  if (Node* n = std::exchange(o->node, nullptr)) {
    n->reset_count(0);
    Node::destroy(n);
  }
  type->tp_free(self);
  Py_DECREF(type);
}
PyObject* node_name(PyObject* self, PyObject*) {
  return guarded([&] { return PyUnicode_FromString(N(self).name); });
}

PyObject* node_next(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    Node& n = N(self);
    // Where one operand is a number these have one input in PyTorch; ours keep a place for the number.
    static constexpr std::string_view one_input[] = {"RsubBackward1", "PowBackward0", "PowBackward2",
                                                     "RemainderBackward0"};
    const bool single = n.edge_count == 2 && std::ranges::find(one_input, n.name) != std::end(one_input) &&
                        !n.edges[0].node != !n.edges[1].node;
    const int first = single && !n.edges[0].node ? 1 : 0, last = single ? first + 1 : n.edge_count;
    Object t(check(PyTuple_New(last - first)));
    for (int i = first; i < last; i++)
      PyTuple_SET_ITEM(t.get(), i - first, check(Py_BuildValue("(NI)", wrap_node(n.edges[i].node), n.edges[i].input)));
    return t.release();
  });
}

PyObject* node_metadata(PyObject* self, void*) {
  return guarded([&] {
    Node& n = N(self);
    if (!n.metadata) n.metadata = PyDict_New();
    return Py_XNewRef(static_cast<PyObject*>(n.metadata));
  });
}

PyObject* node_variable(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    if (const Tensor* t = accumulated_leaf(N(self))) return wrap(*t);
    PyErr_SetString(PyExc_AttributeError, "only AccumulateGrad nodes have a variable");
    throw PythonError{};
  });
}
PyObject* node_sequence(PyObject* self, PyObject*) {
  return guarded([&] { return PyLong_FromUnsignedLongLong(N(self).sequence); });
}

// node._saved_self and the like
PyObject* node_getattr(PyObject* self, PyObject* key) {
  PyObject* found = PyObject_GenericGetAttr(self, key);
  if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
  const char* name = PyUnicode_AsUTF8(key);
  if (std::strncmp(name, "_saved_", 7) != 0) return nullptr;
  if (!reinterpret_cast<PyNode*>(self)->node) return nullptr;
  Node& n = N(self);
  for (int i = 0; i < n.saved_count; i++)
    if (std::strcmp(n.saved[i].name, name + 7) == 0) {
      PyErr_Clear();
      return guarded([&]() -> PyObject* {
        Back b{n, nullptr, nullptr, 0};
        return wrap(b.saved(i));
      });
    }
  return nullptr;
}

PyObject* node_dir(PyObject* self, PyObject*) {
  Object list(PyObject_CallMethod(reinterpret_cast<PyObject*>(&PyBaseObject_Type), "__dir__", "O", self));
  if (!list) return nullptr;
  if (!reinterpret_cast<PyNode*>(self)->node) return list.release();
  Node& n = N(self);
  for (int i = 0; i < n.saved_count; i++) {
    Object name(PyUnicode_FromFormat("_saved_%s", n.saved[i].name));
    PyList_Append(list.get(), name.get());
  }
  return list.release();
}

// ---- hooks ----

// A Python callable as a hook. `tuple`: called with (and returning) tuples, as node hooks are.
class PyHook : public Hook {
 public:
  PyHook(PyObject* f, bool tuple) : function_(Py_NewRef(f)), tuple_(tuple) {}
  ~PyHook() override { Py_DECREF(function_); }
  PyObject* function() const { return function_; }
  void call(Tensor* grads, int count, const Tensor* others, int other_count) override {
    if (!tuple_) {
      Object g(wrap(grads[0]));
      Object r(check(PyObject_CallOneArg(function_, g.get())));
      if (r.get() != Py_None) replace(grads[0], r.get());
      return;
    }
    Object given(pack(grads, count));
    Object second(others ? pack(others, other_count) : nullptr);
    Object r(check(others ? PyObject_CallFunctionObjArgs(function_, given.get(), second.get(), nullptr)
                          : PyObject_CallOneArg(function_, given.get())));
    if (r.get() == Py_None) return;
    Object one;
    if (!PyTuple_Check(r.get())) {
      one = Object(PyTuple_Pack(1, r.get()));
    } else {
      one = Object::borrowed(r.get());
    }
    CHECK(PyTuple_GET_SIZE(one.get()) == count, "hook has returned an incorrect number of values (got ",
          PyTuple_GET_SIZE(one.get()), ", but expected ", count, ")");
    for (int i = 0; i < count; i++) {
      PyObject* v = PyTuple_GET_ITEM(one.get(), i);
      if (v == Py_None)
        grads[i] = Tensor();
      else
        replace(grads[i], v);
    }
  }

 private:
  static PyObject* pack(const Tensor* t, int n) {
    PyObject* tuple = check(PyTuple_New(n));
    for (int i = 0; i < n; i++) PyTuple_SET_ITEM(tuple, i, check(wrap(t[i])));
    return tuple;
  }
  static void replace(Tensor& g, PyObject* v) {
    CHECK_KIND(Type, is_tensor(v), "expected Variable, but hook returned '", Py_TYPE(v)->tp_name, "'");
    const Tensor& t = tensor_of(v);
    if (g.defined())
      CHECK(same(t.sizes(), g.sizes()), "hook has changed the size of value: expected ", shown(g.sizes()), ", got ",
            shown(t.sizes()));
    g = t;
  }
  PyObject* function_;
  bool tuple_;
};

// The handle a registration returns: remove(), and use as a context manager. It does not keep the tensor or node alive.
struct PyHandle {
  PyObject_HEAD PyObject* owner;  // weak
  Hook* hook;                     // owned
};
PyTypeObject* HandleType = nullptr;
PyObject* handle_remove(PyObject* self, PyObject*) {
  auto* h = reinterpret_cast<PyHandle*>(self);
  Object owner = Object::borrowed(PyWeakref_GetObject(h->owner));
  std::vector<Ref<Hook>> removed;  // hooks may run anything when they go: not while a list is being changed
  auto remove = [&](auto& list, auto&& hook_of) {
    for (size_t i = list.size(); i-- > 0;)
      if (hook_of(list[i]).get() == h->hook) {
        removed.push_back(hook_of(list[i]));
        list.erase(list.begin() + ptrdiff_t(i));
      }
  };
  auto second = [](auto& pair) -> Ref<Hook>& { return pair.second; };
  auto itself = [](Ref<Hook>& hook) -> Ref<Hook>& { return hook; };
  Hooks* hooks = nullptr;
  if (is_tensor(owner.get())) {
    if (Autograd* a = autograd_of(tensor_of(owner.get()))) {
      hooks = a->hooks;
      remove(a->post_accumulate, itself);
    }
  } else if (owner.get() != Py_None) {
    if (Node* n = reinterpret_cast<PyNode*>(owner.get())->node) hooks = n->hooks;
  }
  if (hooks) {
    remove(hooks->before, second);
    remove(hooks->after, itself);
  }
  Py_RETURN_NONE;
}
PyObject* handle_exit(PyObject* self, PyObject*) { return handle_remove(self, nullptr); }
PyObject* handle_enter(PyObject* self, PyObject*) { return Py_NewRef(self); }
void handle_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  auto* h = reinterpret_cast<PyHandle*>(self);
  Py_XDECREF(h->owner);
  if (h->hook) Ref<Hook>::adopt(h->hook);
  type->tp_free(self);
  Py_DECREF(type);
}
PyMethodDef handle_methods[] = {{"remove", handle_remove, METH_NOARGS, "Takes the hook away."},
                                {"__enter__", handle_enter, METH_NOARGS, nullptr},
                                {"__exit__", handle_exit, METH_VARARGS, nullptr},
                                {}};
PyObject* make_handle(PyObject* owner, Ref<Hook> hook) {
  Object o(check(HandleType->tp_alloc(HandleType, 0)));
  auto* h = reinterpret_cast<PyHandle*>(o.get());
  h->hook = hook.detach();
  h->owner = check(PyWeakref_NewRef(owner, nullptr));
  return o.release();
}

PyObject* node_register_hook(PyObject* self, PyObject* f) {
  return guarded([&] {
    Ref<Hook> hook(new PyHook(f, true));
    N(self).ensure_hooks().after.push_back(hook);
    return make_handle(self, hook);
  });
}
PyObject* node_register_prehook(PyObject* self, PyObject* f) {
  return guarded([&] {
    Ref<Hook> hook(new PyHook(f, true));
    N(self).ensure_hooks().before.emplace_back(-1, hook);
    return make_handle(self, hook);
  });
}
PyObject* node_call(PyObject* self, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    Node& n = N(self);
    std::vector<Tensor> grads(n.output_count), results(n.edge_count);
    CHECK(PyTuple_GET_SIZE(args) == n.output_count, n.name, " takes ", n.output_count, " gradients, got ",
          PyTuple_GET_SIZE(args));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++)
      if (is_tensor(PyTuple_GET_ITEM(args, i))) grads[size_t(i)] = tensor_of(PyTuple_GET_ITEM(args, i));
    Back b{n, grads.data(), results.data(), 0};
    n.type->apply(n, b);
    if (results.size() == 1) return wrap(results[0]);
    return wrap_all(results);
  });
}

PyMethodDef node_methods[] = {
    {"name", node_name, METH_NOARGS, "The node's name."},
    {"register_hook", node_register_hook, METH_O, "hook(grad_inputs, grad_outputs) after the node ran."},
    {"register_prehook", node_register_prehook, METH_O, "hook(grad_outputs) before the node runs."},
    {"_sequence_nr", node_sequence, METH_NOARGS, nullptr},
    {"__dir__", node_dir, METH_NOARGS, nullptr},
    {}};
PyGetSetDef node_getset[] = {
    {"next_functions", node_next, nullptr, "The nodes that receive this one's gradients.", nullptr},
    {"metadata", node_metadata, nullptr, "A dictionary for anybody's use.", nullptr},
    {"variable", node_variable, nullptr, "Of AccumulateGrad: the leaf.", nullptr},
    {}};
PyMemberDef node_members[] = {{"__dictoffset__", T_PYSSIZET, offsetof(PyNode, dict), READONLY, nullptr},
                              {"__weaklistoffset__", T_PYSSIZET, offsetof(PyNode, weakrefs), READONLY, nullptr},
                              {}};

// "CopySlices" of "torch::autograd::CopySlices".
const char* short_name(const char* name) {
  const char* colon = std::strrchr(name, ':');
  return colon ? colon + 1 : name;
}

PyTypeObject* type_for(const char* name) {
  auto& by_pointer = node_types[name];
  if (by_pointer) return by_pointer;
  PyTypeObject*& type = node_types_by_name[name];
  if (!type) {
    Object bases(PyTuple_Pack(1, NodeType_));
    std::string qualified = std::string("lampas.autograd.graph.") + short_name(name);
    PyType_Slot none[] = {{0, nullptr}};
    PyType_Spec spec{qualified.c_str(), 0, 0, Py_TPFLAGS_DEFAULT, none};
    type = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpecWithBases(&spec, bases.get())));
    Object builtins(PyUnicode_FromString("builtins"));
    if (PyObject_SetAttrString(reinterpret_cast<PyObject*>(type), "__module__", builtins.get()) < 0)
      throw PythonError{};
    type->tp_name = std::strrchr(type->tp_name, '.') + 1;  // what the class prints
  }
  by_pointer = type;
  return type;
}
PyObject* node_repr(PyObject* self) {
  Node* n = reinterpret_cast<PyNode*>(self)->node;
  return PyUnicode_FromFormat("<%s object at %p>", short_name(n ? n->name : Py_TYPE(self)->tp_name), self);
}

// ---- tensor hooks ----

PyObject* tensor_register_hook(PyObject* self, PyObject* f) {
  return guarded([&]() -> PyObject* {
    const Tensor t = tensor_of(self);
    CHECK(t.requires_grad(), "cannot register a hook on a tensor that doesn't require gradient");
    Ref<Hook> hook(new PyHook(f, false));
    Ref<Node> fn = grad_fn(t);
    if (!fn) {
      Autograd& a = ensure_autograd(t);
      if (!a.hooks) a.hooks = new Hooks;
      a.hooks->before.emplace_back(0, hook);
      return make_handle(self, hook);
    }
    fn->ensure_hooks().before.emplace_back(int(t->autograd->output_nr), hook);
    return make_handle(Object(wrap_node(fn)).get(), hook);
  });
}
PyObject* tensor_register_post(PyObject* self, PyObject* f) {
  return guarded([&]() -> PyObject* {
    const Tensor t = tensor_of(self);
    CHECK(t.requires_grad(), "cannot register a hook on a tensor that doesn't require gradient");
    CHECK(is_leaf(t), "post accumulate grad hooks cannot be registered on non-leaf tensors");
    Ref<Hook> hook(new PyHook(f, false));
    ensure_autograd(t).post_accumulate.push_back(hook);
    return make_handle(self, hook);
  });
}

// retain_grad: keeps the gradient of a non-leaf in .grad, for as long as the tensor lives.
struct RetainHook : Hook {
  TensorImpl* tensor;
  explicit RetainHook(TensorImpl* t) : tensor(t) {}
  void call(Tensor* grads, int, const Tensor*, int) override {
    Object alive(Py_XNewRef(static_cast<PyObject*>(weak ? PyWeakref_GetObject(weak) : nullptr)));
    if (!alive || alive.get() == Py_None) return;
    Autograd& a = ensure_autograd(tensor_of(alive.get()));
    a.grad = grads[0]->count() || grads[0]->python() ? alias_or_self(grads[0]) : grads[0];
  }
  static Tensor alias_or_self(const Tensor& g) {
    if (mode.grad) return g;
    return is_sparse(g) ? sparse_gradients.cast(g, g.dtype()) : clone_data(g);
  }
  PyObject* weak = nullptr;
  ~RetainHook() override { Py_XDECREF(weak); }
};
PyObject* tensor_retain_grad(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = tensor_of(self);
    CHECK(t.requires_grad(), "can't retain_grad on Tensor that has requires_grad=False");
    Ref<Node> fn = grad_fn(t);
    if (!fn || t->autograd->retains_grad) Py_RETURN_NONE;
    auto* hook = new RetainHook(t.impl());
    hook->weak = check(PyWeakref_NewRef(self, nullptr));
    fn->ensure_hooks().retain.emplace_back(int(t->autograd->output_nr), Ref<Hook>(hook));
    t->autograd->retains_grad = true;
    Py_RETURN_NONE;
  });
}

PyMethodDef tensor_methods[] = {
    {"register_hook", tensor_register_hook, METH_O,
     "hook(grad) when this tensor's gradient is computed; a returned tensor replaces it."},
    {"register_post_accumulate_grad_hook", tensor_register_post, METH_O, "hook(tensor) after .grad was added to."},
    {"retain_grad", tensor_retain_grad, METH_NOARGS, "Keeps the gradient of a non-leaf in .grad."},
    {}};

// ---- running ----

std::vector<Tensor> tensors_from(PyObject* o, const char* what, bool none_allowed) {
  std::vector<Tensor> list;
  if (!o || o == Py_None) return list;
  if (is_tensor(o)) return {tensor_of(o)};
  Object fast(check(PySequence_Fast(o, "expected a tensor or a sequence of tensors")));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast.get()); i++) {
    PyObject* item = PySequence_Fast_GET_ITEM(fast.get(), i);
    if (item == Py_None && none_allowed) {
      list.emplace_back();
      continue;
    }
    CHECK_KIND(Type, is_tensor(item), "element ", i, " of ", what, " must be a Tensor, not ", Py_TYPE(item)->tp_name);
    list.push_back(tensor_of(item));
  }
  return list;
}

PyObject* backward(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    CHECK_KIND(Type, n == 7,
               "_backward() takes 7 arguments: tensors, gradients, retain_graph, create_graph, inputs, allow_unused, "
               "accumulate");
    BackwardArgs a;
    a.roots = tensors_from(args[0], "tensors", false);
    a.gradients = tensors_from(args[1], "gradients", true);
    a.create_graph = PyObject_IsTrue(args[3]);
    a.retain_graph = args[2] == Py_None ? a.create_graph : PyObject_IsTrue(args[2]);
    a.inputs = tensors_from(args[4], "inputs", false);
    a.allow_unused = PyObject_IsTrue(args[5]);
    a.accumulate = PyObject_IsTrue(args[6]);
    std::vector<Tensor> r = run_backward(a);
    if (a.accumulate) Py_RETURN_NONE;
    return wrap_all(r);
  });
}

PyObject* set_grad_enabled(PyObject*, PyObject* on) {
  bool before = mode.grad;
  mode.grad = PyObject_IsTrue(on);
  return PyBool_FromLong(before);
}
PyObject* is_grad_enabled(PyObject*, PyObject*) { return PyBool_FromLong(mode.grad); }
PyObject* set_inference(PyObject*, PyObject* on) {
  bool before = mode.inference;
  mode.inference = PyObject_IsTrue(on);
  return PyBool_FromLong(before);
}
PyObject* is_inference(PyObject*, PyObject*) { return PyBool_FromLong(mode.inference); }
PyObject* set_anomaly(PyObject*, PyObject* args) {
  int on, nan = 1;
  if (!PyArg_ParseTuple(args, "p|p", &on, &nan)) return nullptr;
  mode.anomaly = on;
  mode.check_nan = nan;
  Py_RETURN_NONE;
}
PyObject* is_anomaly(PyObject*, PyObject*) { return PyBool_FromLong(mode.anomaly); }
PyObject* is_anomaly_nan(PyObject*, PyObject*) { return PyBool_FromLong(mode.check_nan); }

PyObject* push_hooks(PyObject*, PyObject* args) {
  PyObject *pack, *unpack;
  if (!PyArg_ParseTuple(args, "OO", &pack, &unpack)) return nullptr;
  Object pair(PyTuple_Pack(2, pack, unpack));
  if (!saved_hooks) saved_hooks = PyList_New(0);
  PyList_Append(saved_hooks, pair.get());
  saved_hook_depth++;
  Py_RETURN_NONE;
}
PyObject* pop_hooks(PyObject*, PyObject*) {
  Py_ssize_t n = saved_hooks ? PyList_GET_SIZE(saved_hooks) : 0;
  if (n == 0) {
    PyErr_SetString(PyExc_RuntimeError, "no saved-tensors hooks are set");
    return nullptr;
  }
  PyList_SetSlice(saved_hooks, n - 1, n, nullptr);
  saved_hook_depth--;
  Py_RETURN_NONE;
}
PyObject* get_accumulator(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    CHECK_KIND(Type, is_tensor(o), "expected a Tensor");
    return wrap_node(gradient_edge(tensor_of(o)).node);
  });
}

// A function of lampas._sparse.gradients, which says what the engine does with sparse gradients.
Tensor from_python(const char* name, PyObject* a, PyObject* b, PyObject* c) {
  Object module(check(PyImport_ImportModule("lampas._sparse.gradients")));
  Object function(check(PyObject_GetAttrString(module.get(), name)));
  Object result(check(PyObject_CallFunctionObjArgs(function.get(), a, b, c, nullptr)));
  return tensor_of(result.get());
}

// _shown_as(tensor, name): a fresh result made of several ops, its node named as that of PyTorch's one op.
PyObject* name_node(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    CHECK_KIND(Type, n == 2 && is_tensor(args[0]) && PyUnicode_Check(args[1]), "_shown_as takes a tensor and a name");
    static auto* names = new std::unordered_set<std::string>;
    const std::string name = PyUnicode_AsUTF8(args[1]);
    shown_as(tensor_of(args[0]), names->insert(name).first->c_str());
    return Py_NewRef(args[0]);
  });
}

PyMethodDef functions[] = {
    {"_shown_as", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(name_node)), METH_FASTCALL, nullptr},
    {"_backward", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(backward)), METH_FASTCALL, nullptr},
    {"_set_grad_enabled", set_grad_enabled, METH_O, "Switches recording; returns what it was."},
    {"is_grad_enabled", is_grad_enabled, METH_NOARGS, "Whether ops are recorded."},
    {"_set_inference_mode", set_inference, METH_O, nullptr},
    {"is_inference_mode_enabled", is_inference, METH_NOARGS, "Whether inference mode is on."},
    {"_set_anomaly", set_anomaly, METH_VARARGS, nullptr},
    {"is_anomaly_enabled", is_anomaly, METH_NOARGS, "Whether anomaly mode is on."},
    {"is_anomaly_check_nan_enabled", is_anomaly_nan, METH_NOARGS, nullptr},
    {"_push_saved_tensors_hooks", push_hooks, METH_VARARGS, nullptr},
    {"_pop_saved_tensors_hooks", pop_hooks, METH_NOARGS, nullptr},
    {"_gradient_node", get_accumulator, METH_O, "The node a tensor's gradient flows to."},
    {}};

}  // namespace

PyObject* wrap_node(const Ref<Node>& node) {
  if (!node) Py_RETURN_NONE;
  if (void* existing = node->python()) return Py_NewRef(static_cast<PyObject*>(existing));
  PyTypeObject* type = type_for(node->name);
  auto* o = reinterpret_cast<PyNode*>(check(type->tp_alloc(type, 0)));
  o->node = node.get();
  o->dict = nullptr;
  Py_ssize_t count = Py_ssize_t(node->count());
  node->set_python(o);
  // The references C++ holds, and the one returned.
  Py_SET_REFCNT(reinterpret_cast<PyObject*>(o), count + 1);
  return reinterpret_cast<PyObject*>(o);
}

PyTypeObject* node_type() { return NodeType_; }

// The node owns its edges and saved tensors, and the object owns the node: the collector may look through both.
int visit_hooks(const Hooks* hooks, visitproc visit, void* arg) {
  if (!hooks) return 0;
  for (auto& [_, hook] : hooks->before)
    if (int stop = visit_hook(hook, visit, arg)) return stop;
  for (const Ref<Hook>& hook : hooks->after)
    if (int stop = visit_hook(hook, visit, arg)) return stop;
  return 0;
}
int visit_hook(const Ref<Hook>& hook, visitproc visit, void* arg) {
  if (auto* h = dynamic_cast<PyHook*>(hook.get())) Py_VISIT(h->function());
  return 0;
}

int node_traverse(PyObject* self, visitproc visit, void* arg) {
  auto* o = reinterpret_cast<PyNode*>(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(o->dict);
  if (Node* n = o->node) {
    for (int i = 0; i < n->edge_count; i++)
      if (n->edges[i].node) Py_VISIT(static_cast<PyObject*>(n->edges[i].node->python()));
    for (int i = 0; i < n->saved_count; i++)
      if (n->saved[i].tensor.defined()) Py_VISIT(static_cast<PyObject*>(n->saved[i].tensor->python()));
    return visit_hooks(n->hooks, visit, arg);
  }
  return 0;
}
int node_clear(PyObject* self) {
  auto* o = reinterpret_cast<PyNode*>(self);
  Py_CLEAR(o->dict);
  if (Node* n = o->node) {
    for (int i = 0; i < n->saved_count; i++) n->saved[i].tensor = Tensor();
    if (n->hooks) Hooks(std::exchange(*n->hooks, {}));
  }
  return 0;
}

void init_autograd(PyObject* m) {
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
                         {Py_tp_methods, node_methods},
                         {Py_tp_getset, node_getset},
                         {Py_tp_members, node_members},
                         {Py_tp_getattro, reinterpret_cast<void*>(node_getattr)},
                         {Py_tp_repr, reinterpret_cast<void*>(node_repr)},
                         {Py_tp_call, reinterpret_cast<void*>(node_call)},
                         {0, nullptr}};
  PyType_Spec spec{"lampas.autograd.graph.Node", sizeof(PyNode), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                   slots};
  NodeType_ = make_type(m, spec);
  PyType_Slot handle_slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(handle_dealloc)}, {Py_tp_methods, handle_methods}, {0, nullptr}};
  PyType_Spec handle_spec{"lampas.utils.hooks._EngineHandle", sizeof(PyHandle), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, handle_slots};
  HandleType = make_type(m, handle_spec);
  add_functions(m, functions);
  pack_saved = [](const Tensor& t) -> void* {
    PyObject* pair = PyList_GET_ITEM(saved_hooks, PyList_GET_SIZE(saved_hooks) - 1);
    Object o(wrap(t));
    int depth = std::exchange(saved_hook_depth, 0);
    PyObject* packed = PyObject_CallOneArg(PyTuple_GET_ITEM(pair, 0), o.get());
    saved_hook_depth = depth;
    check(packed);
    return PyTuple_Pack(2, Object(packed).get(), PyTuple_GET_ITEM(pair, 1));
  };
  unpack_saved = [](void* p) -> Tensor {
    PyObject* pair = static_cast<PyObject*>(p);
    Object r(check(PyObject_CallOneArg(PyTuple_GET_ITEM(pair, 1), PyTuple_GET_ITEM(pair, 0))));
    CHECK_KIND(Type, is_tensor(r.get()),
               "Output of saved tensor unpack_hook expected to be a Tensor but got result of type ",
               Py_TYPE(r.get())->tp_name);
    return tensor_of(r.get());
  };
  drop_object = [](void* p) { Py_DECREF(static_cast<PyObject*>(p)); };
  sparse_gradients.add = [](const Tensor& sum, const Tensor& g, bool inplace) {
    Object a(wrap(sum)), b(wrap(g));
    return from_python("_add_gradients", a.get(), b.get(), inplace ? Py_True : Py_False);
  };
  sparse_gradients.dense = [](const Tensor& g) {
    Object a(wrap(g));
    return from_python("_dense_gradient", a.get(), nullptr, nullptr);
  };
  sparse_gradients.cast = [](const Tensor& g, DType dtype) {
    Object a(wrap(g)), d(wrap(dtype));
    return from_python("_cast_gradient", a.get(), d.get(), nullptr);
  };
  capture_stack = []() -> void* {
    Object module(PyImport_ImportModule("lampas.autograd.anomaly_mode"));
    Object dict(PyDict_New());
    if (module) {
      Object trace(PyObject_CallMethod(module.get(), "_capture_stack", nullptr));
      if (trace) PyDict_SetItemString(dict.get(), "traceback_", trace.get());
    }
    PyErr_Clear();
    return dict.release();
  };
  report_anomaly = [](Node& n) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    Object module(PyImport_ImportModule("lampas.autograd.anomaly_mode"));
    if (module)
      Object(PyObject_CallMethod(module.get(), "_report", "sO", n.name,
                                 n.metadata ? static_cast<PyObject*>(n.metadata) : Py_None));
    if (PyErr_Occurred()) PyErr_WriteUnraisable(nullptr);
    PyErr_Restore(type, value, trace);
  };
  for (PyMethodDef* d = tensor_methods; d->ml_name; d++) {
    Object f(check(PyDescr_NewMethod(TensorType, d)));
    PyObject_SetAttrString(reinterpret_cast<PyObject*>(TensorType), d->ml_name, f.get());
  }
}

}  // namespace lampas::py
