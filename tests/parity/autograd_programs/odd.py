"""Kinks, zero-size and mixed operands, complex numbers, subclasses."""

from . import leaf, program


@program
def gradients_where_functions_are_not_smooth(lib):
    x = lib.tensor([-1.0, 0.0, 1.0, -0.0], requires_grad=True)
    results = []
    for fn in (
        lambda t: t.relu(),
        lambda t: t.abs(),
        lambda t: t.clamp(-1, 1),
        lambda t: t.clamp(0, 0),
        lambda t: t.sign(),
        lambda t: t.max(),
        lambda t: t.min(),
        lambda t: lib.maximum(t, lib.zeros(4)),
        lambda t: lib.nn.functional.hardtanh(t),
        lambda t: lib.nn.functional.leaky_relu(t),
        lambda t: lib.nn.functional.elu(t),
        lambda t: t**0,
        lambda t: t**2,
        lambda t: t.norm() * 0 + t.sum(),
        lambda t: lib.where(t > 0, t, t * 3),
        lambda t: lib.nn.functional.threshold(t, 0.0, 5.0),
        lambda t: lib.nn.functional.hardswish(t),
        lambda t: t.amax(),
        lambda t: t.median(),
    ):
        results.append(lib.autograd.grad(fn(x).sum(), x)[0])
    zero = lib.zeros(3, requires_grad=True)
    results.append(lib.autograd.grad(zero.norm(), zero)[0])
    results.append(lib.autograd.grad(lib.nn.functional.l1_loss(zero, lib.zeros(3)), zero)[0])
    results.append(lib.autograd.grad(zero.prod(), zero)[0])
    return results


@program
def where_does_not_stop_nan(lib):
    x = lib.tensor([0.0, 4.0], requires_grad=True)
    return lib.autograd.grad(lib.where(x > 0, x.sqrt(), lib.zeros(2)).sum(), x)


@program
def zero_size_tensors_run_backward(lib):
    x = lib.zeros(0, 3, requires_grad=True)
    w = lib.ones(3, 2, requires_grad=True)
    (x @ w).sum().backward()
    return x.grad, w.grad


@program
def integer_and_float_operands(lib):
    x = leaf(lib)
    (x * lib.tensor([1, 2, 3])).sum().backward()
    return x.grad


@program
def double_and_float_operands(lib):
    x = leaf(lib)
    (x * lib.tensor([1.0, 2.0, 3.0], dtype=lib.float64)).sum().backward()
    return x.grad


@program
def complex_gradients(lib):
    z = lib.tensor([1 + 2j, -0.5j], requires_grad=True)
    (z * z.conj()).real.sum().backward()
    first = z.grad.clone()
    z.grad = None
    (z.exp().imag.sum() + z.abs().sum()).backward()
    return first, z.grad


@program
def subclasses_and_attributes_survive(lib):
    p = lib.nn.Parameter(lib.ones(2))
    p.note = "mine"
    y = (p * 2).sum()
    variable = y.grad_fn.next_functions[0][0].next_functions[0][0].variable
    return variable is p, variable.note, type(variable).__name__, p.requires_grad, type(p * 2).__name__
