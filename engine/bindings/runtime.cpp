// Threads, memory, default types, errors.
#include "bindings/python.h"

#include "bindings/ops.h"
#include "core/lru_cache.h"
#include "core/threads.h"
#include "ops/autocast.h"

namespace lampas::py {

namespace {

PyObject* exception_for(ErrorKind kind) {
  static PyObject* out_of_memory = nullptr;
  static PyObject* linalg = nullptr;
  switch (kind) {
    case ErrorKind::Type:
      return PyExc_TypeError;
    case ErrorKind::Value:
      return PyExc_ValueError;
    case ErrorKind::Index:
      return PyExc_IndexError;
    case ErrorKind::NotImplemented:
      return PyExc_NotImplementedError;
    case ErrorKind::Assertion:
      return PyExc_AssertionError;
    case ErrorKind::OutOfMemory:
      if (!out_of_memory) out_of_memory = PyObject_GetAttrString(module_object(), "OutOfMemoryError");
      return out_of_memory;
    case ErrorKind::LinAlg:
      if (!linalg) linalg = PyObject_GetAttrString(module_object(), "LinAlgError");
      return linalg;
    default:
      return PyExc_RuntimeError;
  }
}

PyObject* get_threads(PyObject*, PyObject*) { return PyLong_FromLong(num_threads()); }
PyObject* set_threads(PyObject*, PyObject* n) {
  return guarded([&]() -> PyObject* {
    int64_t v;
    CHECK_KIND(Type, to_int(n, v), "set_num_threads expects an int, but got ", Py_TYPE(n)->tp_name);
    CHECK(v > 0 && v < 10000, "set_num_threads expects a positive integer, got ", v);
    set_num_threads(int(v));
    Py_RETURN_NONE;
  });
}
PyObject* get_default_dtype(PyObject*, PyObject*) { return wrap(default_dtype()); }
PyObject* set_default(PyObject*, PyObject* d) {
  return guarded([&]() -> PyObject* {
    CHECK_KIND(Type, is_dtype(d), "invalid dtype object: only floating-point types are supported as the default type");
    set_default_dtype(dtype_of(d));
    Py_RETURN_NONE;
  });
}
PyObject* stats(PyObject*, PyObject*) {
  MemoryStats s = memory_stats();
  return Py_BuildValue("{s:n,s:n,s:n,s:n,s:K,s:K}", "allocated_bytes", Py_ssize_t(s.allocated), "peak_bytes",
                       Py_ssize_t(s.peak), "cached_bytes", Py_ssize_t(s.cached), "cache_limit_bytes",
                       Py_ssize_t(s.limit), "allocations", (unsigned long long)s.allocations, "reused",
                       (unsigned long long)s.reused);
}
PyObject* empty_cache_function(PyObject*, PyObject*) {
  empty_cache();
  Py_RETURN_NONE;
}
PyObject* reset_peak(PyObject*, PyObject*) {
  reset_peak_memory();
  Py_RETURN_NONE;
}
PyObject* set_limit(PyObject*, PyObject* n) {
  return guarded([&]() -> PyObject* {
    int64_t v;
    CHECK_KIND(Value, to_int(n, v) && v >= 0, "the cache limit is a number of bytes, 0 or more");
    set_cache_limit(size_t(v));
    Py_RETURN_NONE;
  });
}

// ---- what is kept between calls ----

PyObject* caches(PyObject*, PyObject*) {
  Object all(PyDict_New());
  for (BoundedCache* cache : BoundedCache::all()) {
    const CacheStats s = cache->stats();
    Object one(Py_BuildValue("{s:n,s:n,s:n,s:K,s:K,s:K}", "entries", Py_ssize_t(s.entries), "bytes",
                             Py_ssize_t(s.bytes), "limit_bytes", Py_ssize_t(s.limit), "hits",
                             (unsigned long long)s.hits, "misses", (unsigned long long)s.misses, "evictions",
                             (unsigned long long)s.evictions));
    if (!all || !one || PyDict_SetItemString(all.get(), cache->name(), one.get()) < 0) return nullptr;
  }
  return all.release();
}
PyObject* bound_cache(PyObject*, PyObject* arguments) {
  return guarded([&]() -> PyObject* {
    const char* name;
    Py_ssize_t bytes;
    if (!PyArg_ParseTuple(arguments, "sn", &name, &bytes)) return nullptr;
    CHECK_KIND(Value, bytes >= 0, "a cache's limit is a number of bytes, 0 or more");
    for (BoundedCache* cache : BoundedCache::all())
      if (std::string_view(cache->name()) == name) {
        cache->set_limit(size_t(bytes));
        Py_RETURN_NONE;
      }
    fail(ErrorKind::Value, "there is no cache named ", name);
  });
}

// ---- mixed precision: the CPU's setting; lampas.amp is what programs use ----

PyObject* autocast_enabled(PyObject*, PyObject*) { return PyBool_FromLong(autocast::state().enabled); }
PyObject* autocast_set_enabled(PyObject*, PyObject* on) {
  autocast::set_enabled(PyObject_IsTrue(on) == 1);
  Py_RETURN_NONE;
}
PyObject* autocast_dtype(PyObject*, PyObject*) { return wrap(autocast::state().dtype); }
PyObject* autocast_set_dtype(PyObject*, PyObject* d) {
  return guarded([&]() -> PyObject* {
    CHECK_KIND(Type, is_dtype(d), "set_autocast_dtype expects a torch.dtype, but got ", Py_TYPE(d)->tp_name);
    autocast::state().dtype = dtype_of(d);
    Py_RETURN_NONE;
  });
}
PyObject* autocast_cache_enabled(PyObject*, PyObject*) { return PyBool_FromLong(autocast::state().cache_enabled); }
PyObject* autocast_set_cache_enabled(PyObject*, PyObject* on) {
  autocast::state().cache_enabled = PyObject_IsTrue(on) == 1;
  Py_RETURN_NONE;
}
PyObject* autocast_increment_nesting(PyObject*, PyObject*) { return PyLong_FromLong(++autocast::state().nesting); }
PyObject* autocast_decrement_nesting(PyObject*, PyObject*) { return PyLong_FromLong(--autocast::state().nesting); }
PyObject* autocast_clear_cache(PyObject*, PyObject*) {
  autocast::clear_cache();
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"_autocast_enabled", autocast_enabled, METH_NOARGS, "Whether ops of this thread are cast."},
    {"_set_autocast_enabled", autocast_set_enabled, METH_O, "Switches autocast on the CPU on or off."},
    {"_autocast_dtype", autocast_dtype, METH_NOARGS, "The 16-bit type of autocast on the CPU."},
    {"_set_autocast_dtype", autocast_set_dtype, METH_O, "Sets the 16-bit type of autocast on the CPU."},
    {"is_autocast_cache_enabled", autocast_cache_enabled, METH_NOARGS, "Whether casts of parameters are kept."},
    {"set_autocast_cache_enabled", autocast_set_cache_enabled, METH_O, "Whether to keep casts of parameters."},
    {"autocast_increment_nesting", autocast_increment_nesting, METH_NOARGS, "Enters a region; gives the depth."},
    {"autocast_decrement_nesting", autocast_decrement_nesting, METH_NOARGS, "Leaves a region; gives the depth."},
    {"clear_autocast_cache", autocast_clear_cache, METH_NOARGS, "Forgets the casts of parameters."},
    {"get_num_threads", get_threads, METH_NOARGS, "Threads a kernel may use."},
    {"set_num_threads", set_threads, METH_O, "Sets how many threads a kernel may use."},
    {"get_default_dtype", get_default_dtype, METH_NOARGS, "The dtype of floating-point tensors made without one."},
    {"set_default_dtype", set_default, METH_O, "Sets the dtype of floating-point tensors made without one."},
    {"_memory_stats", stats, METH_NOARGS,
     "Bytes in use, at most in use, cached; calls and how many were answered from the cache."},
    {"_empty_cache", empty_cache_function, METH_NOARGS, "Gives cached memory back to the system."},
    {"_reset_peak_memory", reset_peak, METH_NOARGS, "Starts the peak anew."},
    {"_set_cache_limit", set_limit, METH_O, "Bounds the bytes of cached memory."},
    {"_caches", caches, METH_NOARGS, "What is kept between calls besides memory: entries, bytes, hits of each cache."},
    {"_bound_cache", bound_cache, METH_VARARGS, "Bounds the bytes of the cache with this name."},
    {}};

}  // namespace

void set_error(const Error& e) { PyErr_SetString(exception_for(e.kind()), e.message().c_str()); }
void set_unexpected_error(const char* what) {
  PyErr_Format(PyExc_RuntimeError, "unexpected error in the engine: %s", what);
}

void init_runtime(PyObject* m) {
  add_functions(m, functions);
  PyObject* oom = PyErr_NewExceptionWithDoc("lampas.OutOfMemoryError", "Raised when memory for a tensor cannot be had.",
                                            PyExc_RuntimeError, nullptr);
  PyModule_AddObject(m, "OutOfMemoryError", oom);
  PyModule_AddObject(
      m, "LinAlgError",
      PyErr_NewExceptionWithDoc("lampas._C.LinAlgError", "Raised when a linear algebra routine cannot find an answer.",
                                PyExc_RuntimeError, nullptr));
  release_interpreter = []() -> void* { return PyEval_SaveThread(); };
  acquire_interpreter = [](void* state) { PyEval_RestoreThread(static_cast<PyThreadState*>(state)); };
}

}  // namespace lampas::py
