"""Saved tensors, freed graphs, anomaly mode, checks, functional helpers."""

import gc
import weakref

from . import error, leaf, program


# ---------------------------------------------------------------- saved tensors
@program
def saved_tensors_hooks(lib):
    packed = []

    def pack(t):
        packed.append(tuple(t.shape))
        return t * 1

    x = leaf(lib)
    with lib.autograd.graph.saved_tensors_hooks(pack, lambda t: t * 2):
        y = x.exp()
    y.sum().backward()
    return x.grad, len(packed)


@program
def saved_values_are_readable_and_freed(lib):
    y = leaf(lib).exp()
    saved = y.grad_fn._saved_result.detach().clone()
    y.sum().backward()
    try:
        y.grad_fn._saved_result
    except RuntimeError:
        return saved, "freed"
    return saved, "kept"


@program
def graphs_are_freed_with_their_tensors(lib):
    class Marker:
        pass

    marker = Marker()
    y = leaf(lib) * 2
    y.register_hook(lambda g, kept=marker: g)
    y = y + 1
    watched = weakref.ref(marker)
    del marker
    alive = watched() is not None
    del y
    gc.collect()
    return alive, watched() is None


@program
def checkpointing_gives_the_same_gradients(lib):
    from importlib import import_module

    checkpoint = import_module(f"{lib.__name__}.utils.checkpoint").checkpoint
    x = leaf(lib)
    checkpoint(lambda t: (t * t).sin(), x, use_reentrant=False).sum().backward()
    return x.grad


@program
def long_chains_run_backward(lib):
    x = leaf(lib, 1.0)
    y = x
    for _ in range(20000):
        y = y + 1
    y.backward()
    return x.grad


# ---------------------------------------------------------------- anomaly mode, checks, helpers
@error("nan")
def anomaly_mode_finds_nan(lib):
    with lib.autograd.detect_anomaly(check_nan=True):
        x = lib.tensor([0.0], requires_grad=True)
        y = (x.sqrt() * 0).sum()
        y.backward()


@program
def anomaly_mode_without_trouble(lib):
    x = leaf(lib)
    with lib.autograd.detect_anomaly():
        enabled = lib.is_anomaly_enabled()
        (x * x).sum().backward()
    with lib.autograd.set_detect_anomaly(False):
        off = lib.is_anomaly_enabled()
    return x.grad, enabled, off, lib.is_anomaly_enabled()


@program
def gradcheck(lib):
    x = lib.tensor([0.5, -1.0, 2.0], dtype=lib.float64, requires_grad=True)
    good = lib.autograd.gradcheck(lambda t: (t * t.sin()).sum(), (x,))
    second = lib.autograd.gradgradcheck(lambda t: (t * t.sin()).sum(), (x,))
    return good, second


@program
def functional_helpers(lib):
    f = lib.autograd.functional
    x = lib.tensor([1.0, 2.0])
    v = lib.tensor([0.5, -1.0])
    cube = lambda t: (t**3).sum()  # noqa: E731
    pair = lambda t: lib.stack([t[0] * t[1], t[0].exp()])  # noqa: E731
    return (
        f.jacobian(pair, x),
        f.hessian(cube, x),
        f.vjp(pair, x, v),
        f.hvp(cube, x, v),
        f.vhp(cube, x, v),
        f.jvp(pair, x, v),
    )
