// The compiled module lampas._C.
#include "bindings/python.h"

#include "bindings/generator.h"

namespace {

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "lampas._C", "The engine of lampas.", -1, nullptr, nullptr, nullptr, nullptr, nullptr};

}  // namespace

extern "C" __attribute__((visibility("default"))) PyObject* PyInit__C() {
  using namespace lampas::py;
  return guarded([]() -> PyObject* {
    lampas::register_all_ops();
    PyObject* m = check(PyModule_Create(&definition));
    init_runtime(m);
    init_types(m);
    init_tensor(m);
    init_autograd(m);
    init_function(m);
    init_generator(m);
    init_data(m);
    init_storage(m);
    init_module_attributes(m);
    init_ops(m);
    PyModule_AddStringConstant(m, "__version__", LAMPAS_VERSION);
    PyModule_AddStringConstant(m, "_arch", LAMPAS_ARCH);
    return m;
  });
}
