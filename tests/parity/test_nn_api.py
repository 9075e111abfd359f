"""Names, signatures and class constants of lampas.nn against PyTorch's."""

import inspect

import pytest

torch = pytest.importorskip("torch")

import lampas  # noqa: E402
import lampas.nn as nn  # noqa: E402
import lampas.nn.functional as F  # noqa: E402

CLASSES = sorted(
    name
    for name in dir(torch.nn)
    if inspect.isclass(getattr(torch.nn, name)) and issubclass(getattr(torch.nn, name), torch.nn.Module)
)
FUNCTIONS = sorted(
    name
    for name in dir(torch.nn.functional)
    if inspect.isfunction(getattr(torch.nn.functional, name))
    and not name.startswith(
        ("_", "handle_torch", "has_torch", "scaled_", "boolean_", "assert_", "grouped_", "Optional")
    )
)
# PyTorch dispatches these through a wrapper that hides their signature.
DISPATCHED = {n for n in FUNCTIONS if str(inspect.signature(getattr(torch.nn.functional, n))) == "(*args, **kwargs)"}


def shape_of(function):
    """Names, kinds and defaults of the parameters; functions as defaults by name."""
    result = []
    for p in inspect.signature(function).parameters.values():
        default = getattr(p.default, "__name__", p.default)
        result.append((p.name, p.kind, default))
    return result


@pytest.mark.parametrize("name", CLASSES)
def test_class_is_there_with_pytorchs_signature(name):
    mine, theirs = getattr(nn, name), getattr(torch.nn, name)
    assert mine.__doc__
    if name in ("NLLLoss2d", "Container"):  # PyTorch wraps them, which hides their signature
        return
    assert shape_of(mine) == shape_of(theirs)
    assert set(getattr(mine, "__constants__", [])) == set(getattr(theirs, "__constants__", []) or [])


@pytest.mark.parametrize("name", CLASSES)
def test_forward_takes_the_same_arguments(name):
    mine, theirs = getattr(nn, name), getattr(torch.nn, name)
    if name in (
        "Module",
        "Container",
        "ModuleList",
        "ModuleDict",
        "ParameterList",
        "ParameterDict",
        "RNNBase",
        "RNNCellBase",
    ):
        return
    assert [p[:2] for p in shape_of(mine.forward)] == [p[:2] for p in shape_of(theirs.forward)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_there_with_pytorchs_signature(name):
    mine, theirs = getattr(F, name), getattr(torch.nn.functional, name)
    if name not in DISPATCHED:
        assert shape_of(mine) == shape_of(theirs)


@pytest.mark.parametrize("name", [n for n in dir(torch.nn.functional) if n in F._ENGINE])
def test_engine_function_is_there(name):
    assert callable(getattr(F, name))


@pytest.mark.parametrize("name", [n for n in dir(torch.nn.init) if n.endswith("_") and not n.startswith("_")])
def test_init_signature(name):
    assert shape_of(getattr(nn.init, name)) == shape_of(getattr(torch.nn.init, name))


@pytest.mark.parametrize("name", [n for n in dir(torch.nn.Module) if not n.startswith("__")])
def test_module_method(name):
    if name in (
        "_wrapped_call_impl",
        "_slow_forward",
        "_maybe_warn_non_full_backward_hook",
        "mtia",
        "ipu",
    ) or name.startswith(("_get_backward", "_compiled")):
        return
    theirs = getattr(torch.nn.Module, name)
    mine = getattr(nn.Module, name)
    if callable(theirs) and name != "forward":
        assert [p[0] for p in shape_of(mine)] == [p[0] for p in shape_of(theirs)]


@pytest.mark.parametrize("module", ["utils", "utils.rnn", "utils.parametrize"])
def test_utils(module):
    theirs, mine = torch.nn.utils, nn.utils
    for part in module.split(".")[1:]:
        theirs, mine = getattr(theirs, part), getattr(mine, part)
    for name in theirs.__all__ if hasattr(theirs, "__all__") else ("register_parametrization", "is_parametrized"):
        there = getattr(theirs, name)
        assert hasattr(mine, name), name
        if inspect.isfunction(there):
            assert shape_of(getattr(mine, name)) == shape_of(there), name
    assert lampas.nn is nn
