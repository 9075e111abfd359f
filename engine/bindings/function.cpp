// Custom autograd functions: the context object of one call is the call's node in the graph.
#include "bindings/autograd.h"
#include "bindings/ops.h"

// structmember.h needs Python.h before it
#include <structmember.h>

namespace lampas::py {

namespace {

struct Context {
  PyNode base;
  PyObject* to_save;  // what save_for_backward was given, until the node exists
  PyObject* needs;    // needs_input_grad
  PyObject* dirty;
  PyObject* constant;  // mark_non_differentiable
  bool materialize;
};
Context& C(PyObject* self) { return *reinterpret_cast<Context*>(self); }
PyTypeObject* ContextType = nullptr;

// The engine's side: calls the context's apply().
struct PyFunction {
  static constexpr bool takes_sparse = true;
  PyObject* context;  // borrowed: it and the node live and die together
  std::vector<IntVec> output_sizes, input_sizes;
  std::vector<DType> output_types;
  std::vector<bool> is_output;   // false for what forward returned that is no tensor
  std::vector<int> input_index;  // the node's edge for each argument; -1 for what is no tensor

  void operator()(Back& b) {
    Node& n = b.node;
    Context& c = C(context);
    Object args(check(PyTuple_New(n.output_count)));
    for (int i = 0; i < n.output_count; i++) {
      Tensor g = b.grads[i];
      if (!g.defined() && c.materialize && is_output[size_t(i)])
        g = zeros(output_sizes[size_t(i)], output_types[size_t(i)]);
      PyTuple_SET_ITEM(args.get(), i, check(wrap(g)));
    }
    Object apply(check(PyObject_GetAttrString(context, "apply")));
    Object result(check(PyObject_Call(apply.get(), args.get(), nullptr)));
    if (!PyTuple_Check(result.get())) result = Object(check(PyTuple_Pack(1, result.get())));
    Py_ssize_t count = PyTuple_GET_SIZE(result.get()), wanted = Py_ssize_t(input_index.size());
    // Trailing Nones may stand for nothing.
    while (count > wanted && PyTuple_GET_ITEM(result.get(), count - 1) == Py_None) count--;
    CHECK(count == wanted, "function ", n.name, " returned an incorrect number of gradients (expected ", wanted,
          ", got ", count, ")");
    for (Py_ssize_t i = 0; i < count; i++) {
      PyObject* v = PyTuple_GET_ITEM(result.get(), i);
      int edge = input_index[size_t(i)];
      if (v == Py_None) continue;
      CHECK(edge >= 0, "function ", n.name, " returned a gradient different from None at position ", i + 1,
            ", but the corresponding forward input was not a Variable");
      CHECK_KIND(Type, is_tensor(v), "expected Variable or None (got ", Py_TYPE(v)->tp_name, ")");
      if (!b.needs(edge)) continue;
      Tensor g = tensor_of(v);
      const IntVec& sizes = input_sizes[size_t(edge)];
      if (!same(g.sizes(), sizes)) {
        CHECK(can_broadcast(sizes, g.sizes()), "Function ", n.name, " returned an invalid gradient at index ", i,
              " - got ", shown(g.sizes()), " but expected shape compatible with ", shown(sizes));
        g = sum_to(g, sizes);
      }
      b.results[edge] = g;
    }
  }
};

void context_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Context& c = C(self);
  Py_CLEAR(c.to_save);
  Py_CLEAR(c.needs);
  Py_CLEAR(c.dirty);
  Py_CLEAR(c.constant);
  Py_CLEAR(c.base.dict);
  if (c.base.weakrefs) PyObject_ClearWeakRefs(self);
  if (Node* n = std::exchange(c.base.node, nullptr)) {
    n->reset_count(0);
    Node::destroy(n);
  }
  type->tp_free(self);
  Py_DECREF(type);
}
int context_traverse(PyObject* self, visitproc visit, void* arg) {
  Context& c = C(self);
  Py_VISIT(c.to_save);
  Py_VISIT(c.needs);
  Py_VISIT(c.dirty);
  Py_VISIT(c.constant);
  return node_traverse(self, visit, arg);
}
int context_clear(PyObject* self) {
  Context& c = C(self);
  Py_CLEAR(c.to_save);
  Py_CLEAR(c.dirty);
  Py_CLEAR(c.constant);
  return node_clear(self);
}

PyObject* context_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* o = type->tp_alloc(type, 0);
  if (o) C(o).materialize = true;
  return o;
}

PyObject* save_for_backward(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
      PyObject* o = PyTuple_GET_ITEM(args, i);
      CHECK_KIND(Type, o == Py_None || is_tensor(o), "save_for_backward can only save variables, but argument ", i,
                 " is of type ", Py_TYPE(o)->tp_name);
    }
    Py_XSETREF(C(self).to_save, Py_NewRef(args));
    Py_RETURN_NONE;
  });
}
PyObject* mark_dirty(PyObject* self, PyObject* args) {
  Py_XSETREF(C(self).dirty, Py_NewRef(args));
  Py_RETURN_NONE;
}
PyObject* mark_non_differentiable(PyObject* self, PyObject* args) {
  Py_XSETREF(C(self).constant, Py_NewRef(args));
  Py_RETURN_NONE;
}
PyObject* set_materialize(PyObject* self, PyObject* on) {
  C(self).materialize = PyObject_IsTrue(on);
  Py_RETURN_NONE;
}
PyObject* ignored(PyObject*, PyObject*) { Py_RETURN_NONE; }

PyObject* saved_tensors(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    Context& c = C(self);
    if (c.to_save) return Py_NewRef(c.to_save);
    if (!c.base.node) return PyTuple_New(0);
    Node& n = *c.base.node;
    Object t(check(PyTuple_New(n.saved_count)));
    Back b{n, nullptr, nullptr, 0};
    for (int i = 0; i < n.saved_count; i++) PyTuple_SET_ITEM(t.get(), i, check(wrap(b.saved(i))));
    return t.release();
  });
}
PyObject* needs_input_grad(PyObject* self, void*) {
  Context& c = C(self);
  if (!c.needs) return PyTuple_New(0);
  return Py_NewRef(c.needs);
}
int set_needs_input_grad(PyObject* self, PyObject* v, void*) {
  Py_XSETREF(C(self).needs, Py_XNewRef(v));
  return 0;
}
PyObject* get_materialize(PyObject* self, void*) { return PyBool_FromLong(C(self).materialize); }

bool holds(PyObject* tuple, PyObject* o) {
  if (!tuple) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++)
    if (PyTuple_GET_ITEM(tuple, i) == o) return true;
  return false;
}

PyObject* apply(PyObject* cls, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    Object backward_class(check(PyObject_GetAttrString(cls, "_backward_cls")));
    Object context(check(PyObject_CallNoArgs(backward_class.get())));
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    Object needs(check(PyTuple_New(n)));
    std::vector<Tensor> inputs;
    std::vector<int> input_index;
    bool wanted = false;
    for (Py_ssize_t i = 0; i < n; i++) {
      PyObject* o = PyTuple_GET_ITEM(args, i);
      bool grad = false;
      if (is_tensor(o)) {
        grad = tensor_of(o).requires_grad();
        input_index.push_back(int(inputs.size()));
        inputs.push_back(tensor_of(o));
      } else {
        input_index.push_back(-1);
      }
      wanted |= grad;
      PyTuple_SET_ITEM(needs.get(), i, PyBool_FromLong(grad));
    }
    bool records = mode.grad && wanted;
    C(context.get()).needs = needs.release();
    Object setup(check(PyObject_GetAttrString(cls, "_uses_setup_context")));
    Object forward(check(PyObject_GetAttrString(cls, "forward")));
    Object output;
    {
      NoGrad guard;
      if (setup.get() == Py_True) {
        output = Object(check(PyObject_Call(forward.get(), args, kwargs)));
        Object set(check(PyObject_GetAttrString(cls, "setup_context")));
        Object r(check(PyObject_CallFunctionObjArgs(set.get(), context.get(), args, output.get(), nullptr)));
      } else {
        Object full(check(PyTuple_New(n + 1)));
        PyTuple_SET_ITEM(full.get(), 0, Py_NewRef(context.get()));
        for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(full.get(), i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
        output = Object(check(PyObject_Call(forward.get(), full.get(), kwargs)));
      }
    }
    bool single = !PyTuple_Check(output.get()) && !PyList_Check(output.get());
    Object list(single ? check(PyTuple_Pack(1, output.get())) : check(PySequence_Tuple(output.get())));
    if (single)
      CHECK_KIND(Type, is_tensor(output.get()) || output.get() == Py_None, Py_TYPE(context.get())->tp_name,
                 ".forward: expected to get a Tensor or a tuple of Tensors, got ", Py_TYPE(output.get())->tp_name);
    Py_ssize_t count = PyTuple_GET_SIZE(list.get());
    Context& c = C(context.get());
    if (!records) return output.release();
    // Outputs that are inputs become views, so that their history is this node's alone.
    Object results(check(PyTuple_New(count)));
    PyFunction f{context.get(), {}, {}, {}, {}, input_index};
    std::vector<Tensor> outputs;
    for (Py_ssize_t i = 0; i < count; i++) {
      PyObject* o = PyTuple_GET_ITEM(list.get(), i);
      if (!is_tensor(o)) {
        PyTuple_SET_ITEM(results.get(), i, Py_NewRef(o));
        outputs.emplace_back();
        f.output_sizes.emplace_back();
        f.output_types.push_back(DType::Float32);
        f.is_output.push_back(false);
        continue;
      }
      Tensor t = tensor_of(o);
      bool is_input = false;
      for (const Tensor& in : inputs) is_input |= in.is(t);
      bool constant = holds(c.constant, o);
      if (is_input && !holds(c.dirty, o))
        t = alias(t);
      else if (!is_input && (t.requires_grad() || (t->autograd && !constant)) && !constant)
        t = alias(t);
      f.output_sizes.push_back(t->sizes);
      f.output_types.push_back(t.dtype());
      f.is_output.push_back(true);
      PyTuple_SET_ITEM(results.get(), i, t.is(tensor_of(o)) ? Py_NewRef(o) : check(wrap(t)));
      outputs.push_back(constant ? Tensor() : t);
    }
    for (const Tensor& t : inputs) f.input_sizes.push_back(t->sizes);
    Object saves = Object(c.to_save);
    c.to_save = nullptr;
    int saved = saves ? int(PyTuple_GET_SIZE(saves.get())) : 0;
    Ref<Node> node = make_node(Py_TYPE(context.get())->tp_name, std::move(f), int(inputs.size()), int(count), saved);
    c.base.node = node.get();
    size_t held = node->count();
    node->set_python(context.get());
    Py_SET_REFCNT(context.get(), Py_REFCNT(context.get()) + Py_ssize_t(held));
    std::vector<Tensor> fresh = outputs;
    for (Py_ssize_t i = 0; i < count; i++)
      if (outputs[size_t(i)].defined() && holds(c.dirty, PyTuple_GET_ITEM(list.get(), i))) {
        check_inplace(outputs[size_t(i)], true);
        fresh[size_t(i)] = Tensor();
      }
    connect(node, inputs, fresh, {});
    for (Py_ssize_t i = 0; i < count; i++)
      if (outputs[size_t(i)].defined() && !fresh[size_t(i)].defined())
        written_inplace(outputs[size_t(i)], node, uint32_t(i));
    for (int i = 0; i < saved; i++) {
      PyObject* o = PyTuple_GET_ITEM(saves.get(), i);
      Tensor t = is_tensor(o) ? tensor_of(o) : Tensor();
      int output_nr = -1;
      for (Py_ssize_t k = 0; k < count; k++)
        if (t.defined() && PyTuple_GET_ITEM(list.get(), k) == o) output_nr = int(k);
      save_tensor(*node, i, "tensors", t, output_nr >= 0, output_nr >= 0 ? uint32_t(output_nr) : 0);
    }
    return single                       ? Py_NewRef(PyTuple_GET_ITEM(results.get(), 0))
           : PyList_Check(output.get()) ? PySequence_List(results.get())
                                        : results.release();
  });
}

PyMethodDef methods[] = {
    {"apply", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(apply)), METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     nullptr},
    {"save_for_backward", save_for_backward, METH_VARARGS,
     "Keeps tensors for backward, where saved_tensors gives them back."},
    {"save_for_forward", ignored, METH_VARARGS, "For forward-mode differentiation."},
    {"mark_dirty", mark_dirty, METH_VARARGS, "Names the inputs that forward changed in place."},
    {"mark_non_differentiable", mark_non_differentiable, METH_VARARGS, "Names the outputs that have no gradient."},
    {"set_materialize_grads", set_materialize, METH_O,
     "Whether missing gradients arrive as zeros (the default) or as None."},
    {}};
PyGetSetDef getset[] = {{"saved_tensors", saved_tensors, nullptr, "What save_for_backward kept.", nullptr},
                        {"saved_variables", saved_tensors, nullptr, nullptr, nullptr},
                        {"needs_input_grad", needs_input_grad, set_needs_input_grad,
                         "For every argument, whether it needs a gradient.", nullptr},
                        {"materialize_grads", get_materialize, nullptr, nullptr, nullptr},
                        {}};

}  // namespace

void init_function(PyObject* m) {
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(context_new)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(context_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(context_traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(context_clear)},
                         {Py_tp_methods, methods},
                         {Py_tp_getset, getset},
                         {0, nullptr}};
  PyType_Spec spec{"lampas._C._FunctionBase", sizeof(Context), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  ContextType = make_type(m, spec, reinterpret_cast<PyObject*>(node_type()));
}

}  // namespace lampas::py
