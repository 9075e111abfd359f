// lampas.Generator: a stream of random numbers as a Python object.
#include "bindings/generator.h"

namespace lampas::py {

namespace {

struct PyGenerator {
  PyObject_HEAD Generator* generator;
  bool owned;  // the default generator belongs to the engine
};

PyTypeObject* GeneratorType;

Generator& of(PyObject* o) { return *reinterpret_cast<PyGenerator*>(o)->generator; }

PyObject* make(PyTypeObject* type, Generator* generator, bool owned) {
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) {
    if (owned) delete generator;
    throw PythonError{};
  }
  auto* g = reinterpret_cast<PyGenerator*>(o);
  g->generator = generator;
  g->owned = owned;
  return o;
}

PyObject* generator_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject* device = nullptr;
    static const char* names[] = {"device", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Generator", const_cast<char**>(names), &device))
      throw PythonError{};
    if (device && device != Py_None) {
      Device d = device_of(device);
      CHECK(d.is_cpu(), "Generator(): random numbers are made on the CPU alone, got device '", name_of(d),
            "'; use Generator('cpu')");
    }
    return make(type, new Generator, true);
  });
}
void generator_dealloc(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  if (reinterpret_cast<PyGenerator*>(o)->owned) delete &of(o);
  type->tp_free(o);
  Py_DECREF(type);
}

// An int from -2**63 to 2**64 - 1; a negative one means 2**64 + seed.
uint64_t seed_of(PyObject* o, const char* function) {
  CHECK(PyLong_Check(o) && !PyBool_Check(o), function, " expected a long, but got ", Py_TYPE(o)->tp_name);
  int overflow;
  long long s = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (overflow == 0) return uint64_t(s);
  unsigned long long u = overflow > 0 ? PyLong_AsUnsignedLongLong(o) : 0;
  bool bad = overflow < 0 || PyErr_Occurred();
  PyErr_Clear();
  CHECK_KIND(Value, !bad, "Overflow when unpacking long long: ", function, " got ", repr(o),
             ", expected a seed from -2**63 to 2**64 - 1");
  return u;
}
PyObject* manual_seed(PyObject* self, PyObject* seed) {
  return guarded([&] {
    of(self).manual_seed(seed_of(seed, "manual_seed"));
    return Py_NewRef(self);
  });
}
PyObject* reseed(PyObject* self, PyObject*) {
  return guarded([&] { return PyLong_FromUnsignedLongLong(of(self).seed()); });
}
PyObject* initial_seed(PyObject* self, PyObject*) { return PyLong_FromUnsignedLongLong(of(self).initial_seed()); }

PyObject* get_state(PyObject* self, PyObject*) {
  return guarded([&] {
    int64_t n = Generator::kStateBytes;
    Tensor t = empty(Ints(&n, 1), DType::UInt8);
    of(self).get_state(t.data<uint8_t>());
    return wrap(t);
  });
}
PyObject* set_state(PyObject* self, PyObject* state) {
  return guarded([&] {
    CHECK_KIND(Type, is_tensor(state), "expected a torch.ByteTensor, but got ", Py_TYPE(state)->tp_name,
               "; pass what get_state() returned");
    Tensor t = tensor_of(state);
    CHECK_KIND(Type, t.dtype() == DType::UInt8 && !t.is_meta(),
               "RNG state must be a torch.ByteTensor (a uint8 tensor on the CPU), got dtype torch.",
               name_of(t.dtype()));
    NoGrad guard;
    t = contiguous(t);
    of(self).set_state(t.data<uint8_t>(), size_t(t.numel()));
    return Py_NewRef(self);
  });
}
PyObject* clone_state(PyObject* self, PyObject*) {
  return guarded([&] { return make(GeneratorType, new Generator(of(self)), true); });
}
PyObject* deep_copy(PyObject* self, PyObject*) { return clone_state(self, nullptr); }

PyObject* no_offset(PyObject*, PyObject*) {
  PyErr_SetString(PyExc_RuntimeError, "CPU Generator does not use offset: its position is part of get_state()");
  return nullptr;
}

PyObject* reduce(PyObject* self, PyObject*) {
  return guarded([&] {
    Object device(wrap(Device{})), seed(initial_seed(self, nullptr)), state(check(get_state(self, nullptr)));
    return Py_BuildValue("O(O)(OOO)", Py_TYPE(self), device.get(), seed.get(), Py_None, state.get());
  });
}
PyObject* restore(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *seed, *offset, *state;
    CHECK_KIND(Type, PyTuple_Check(args), "Generator.__setstate__ expects the tuple __reduce__ made, got ",
               Py_TYPE(args)->tp_name);
    if (!PyArg_ParseTuple(args, "OOO", &seed, &offset, &state)) throw PythonError{};
    of(self).manual_seed(seed_of(seed, "__setstate__"));
    Object done(check(set_state(self, state)));
    Py_RETURN_NONE;
  });
}

PyMethodDef methods[] = {
    {"manual_seed", manual_seed, METH_O,
     "Starts the stream of `seed`, an int from -2**63 to 2**64 - 1; returns the generator."},
    {"seed", reseed, METH_NOARGS, "Seeds from the operating system's entropy; returns the seed."},
    {"initial_seed", initial_seed, METH_NOARGS, "The seed the stream started from, in [0, 2**64)."},
    {"get_state", get_state, METH_NOARGS, "A copy of the state: a uint8 tensor of 5056 bytes."},
    {"set_state", set_state, METH_O,
     "Continues where `state` was taken; TypeError or RuntimeError for what is no state."},
    {"clone_state", clone_state, METH_NOARGS, "Another generator that continues as this one would."},
    {"get_offset", no_offset, METH_NOARGS, "Raises RuntimeError: a CPU generator has no offset."},
    {"set_offset", no_offset, METH_O, "Raises RuntimeError: a CPU generator has no offset."},
    {"__deepcopy__", deep_copy, METH_O, nullptr},
    {"__copy__", clone_state, METH_NOARGS, nullptr},
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {"__setstate__", restore, METH_O, nullptr},
    {}};
PyGetSetDef getset[] = {{"device", [](PyObject*, void*) { return wrap(Device{}); }, nullptr,
                         "The device the numbers are made on: the CPU.", nullptr},
                        {}};

}  // namespace

bool to_generator(PyObject* o, Generator*& out) {
  if (o == Py_None) {
    out = nullptr;
    return true;
  }
  if (!PyObject_TypeCheck(o, GeneratorType)) return false;
  out = &of(o);
  return true;
}

void init_generator(PyObject* m) {
  PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(generator_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(generator_dealloc)},
      {Py_tp_methods, methods},
      {Py_tp_getset, getset},
      {Py_tp_doc,
       const_cast<char*>(
           "Generator(device='cpu')\n--\n\nA stream of random numbers (Mersenne Twister MT19937).\n\n"
           ">>> g = lampas.Generator().manual_seed(0)\n>>> lampas.rand(2, generator=g)\ntensor([0.4963, 0.7682])")},
      {0, nullptr}};
  PyType_Spec spec{"lampas.Generator", sizeof(PyGenerator), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  GeneratorType = make_type(m, spec);
  PyModule_AddObject(m, "default_generator", check(make(GeneratorType, &default_generator(), false)));
}

}  // namespace lampas::py
