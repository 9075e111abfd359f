"""Functions of functions: gradients, Jacobians, products with them, maps over a dimension; modules as functions.

>>> from lampas.func import grad
>>> grad(lambda x: x.sin())(lampas.tensor(0.0))
tensor(1.)
"""

from __future__ import annotations

from lampas.func._modules import functional_call, replace_all_batch_norm_modules_, stack_module_state
from lampas.func._transforms import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from lampas.func._vmap import vmap

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]
