"""Random chains of views and in-place writes: values, sharing, strides, versions, gradients, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lampas  # noqa: E402

from .harness import Samples, outcome, same, same_outcome, tensor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

Step = tuple[str, Callable[[Any], Any]]
SHAPES = ((6,), (3, 4), (2, 3, 4), (2, 1, 6), (4, 1, 3, 2))


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def random_view(random: np.random.Generator, shape: tuple[int, ...]) -> Step:
    """A view op that fits the shape (though `view` may not fit the strides)."""
    dims = len(shape)
    pick = int(random.integers(0, dims)) if dims else 0
    n = shape[pick] if dims else 1
    total = int(np.prod(shape))
    order = tuple(int(i) for i in random.permutation(dims))
    start = int(random.integers(0, n + 1))
    step = int(random.integers(1, 3))
    first = int(random.choice(divisors(total))) if total else 0
    wide = tuple(int(random.integers(1, 4)) if k == 1 else k for k in shape)
    other = int(random.integers(0, dims)) if dims else 0
    choices: list[Step] = [
        (f"permute{order}", lambda t: t.permute(order)),
        (f"unsqueeze({pick})", lambda t: t.unsqueeze(pick)),
        ("squeeze()", lambda t: t.squeeze()),
        (f"view({first}, -1)", lambda t: t.view(first, -1)),
        (f"reshape(-1, {first})", lambda t: t.reshape(-1, first)),
        ("flatten()", lambda t: t.flatten()),
        (f"expand{wide}", lambda t: t.expand(wide)),
        ("detach()", lambda t: t.detach()),
        ("view_as", lambda t: t.view_as(t)),
        ("[...]", lambda t: t[...]),
        ("[None]", lambda t: t[None]),
    ]
    if dims:
        choices += [
            (f"transpose({pick}, {other})", lambda t: t.transpose(pick, other)),
            (f"narrow({pick}, {start}, {n - start})", lambda t: t.narrow(pick, start, n - start)),
            (f"slice {pick} ::{step}", lambda t: t[(slice(None),) * pick + (slice(None, None, step),)]),
            (f"slice {pick} {start // 2}:", lambda t: t[(slice(None),) * pick + (slice(start // 2, None),)]),
            (f"chunk(2, {pick})[0]", lambda t: t.chunk(2, pick)[0]),
            (f"split(2, {pick})[-1]", lambda t: t.split(2, pick)[-1]),
            (f"movedim({pick}, 0)", lambda t: t.movedim(pick, 0)),
            (f"squeeze({pick})", lambda t: t.squeeze(pick)),
            (f"unflatten({pick})", lambda t: t.unflatten(pick, (1, -1))),
        ]
        if n > 0:
            choices += [
                (f"select({pick}, {n - 1})", lambda t: t.select(pick, n - 1)),
                (f"unbind({pick})[0]", lambda t: t.unbind(pick)[0]),
                # Windows side by side: what a write through overlapping ones gives depends on the elements' order.
                (f"unfold({pick}, {max(1, n // 2)})", lambda t: t.unfold(pick, max(1, n // 2), max(1, n // 2))),
            ]
        if dims >= 2:
            choices += [("diagonal()", lambda t: t.diagonal()), ("mT", lambda t: t.mT)]
    return choices[int(random.integers(0, len(choices)))]


def random_write(random: np.random.Generator) -> Step:
    number = float(np.round(random.uniform(-2, 2), 3))
    choices: list[Step] = [
        (f"add_({number})", lambda t: t.add_(number)),
        (f"mul_({number})", lambda t: t.mul_(number)),
        ("zero_()", lambda t: t.zero_()),
        (f"fill_({number})", lambda t: t.fill_(number)),
        ("tanh_()", lambda t: t.tanh_()),
        ("copy_", lambda t: t.copy_(t.detach().clone() * 0.5)),
        ("clamp_", lambda t: t.clamp_(-1, 1)),
        ("addcmul_", lambda t: t.addcmul_(t.detach().clone(), t.detach().clone())),
    ]
    return choices[int(random.integers(0, len(choices)))]


def describe(t: Any) -> tuple[Any, ...]:
    return tuple(t.shape), tuple(t.stride()), t.storage_offset(), t.is_contiguous(), t._version


def chain(seed: int) -> tuple[tuple[int, ...], list[tuple[str, bool, Callable[[Any], Any]]]]:
    """A shape and steps, drawn by trying them on PyTorch: (text, whether it writes, function)."""
    random = np.random.default_rng(seed)
    shape = SHAPES[int(random.integers(0, len(SHAPES)))]
    t = torch.zeros(shape)
    steps = []
    for _ in range(int(random.integers(3, 9))):
        writes = random.random() < 0.3
        text, fn = random_write(random) if writes else random_view(random, tuple(t.shape))
        result = outcome(lambda: fn(t))  # noqa: B023
        steps.append((text, writes, fn))
        if isinstance(result, torch.Tensor) and not writes:
            t = result
    return shape, steps


def run(lib: Any, values: np.ndarray, steps: list[Any], requires_grad: bool) -> Any:
    """Every step's view, in a state that shows writes through all of them; a step that raises is remembered."""
    leaf = tensor(lib, values, "float64", requires_grad=requires_grad)
    base = leaf * 1 if requires_grad else leaf
    views, errors = [base], []
    for text, _, fn in steps:
        result = outcome(lambda: fn(views[-1]))  # noqa: B023
        if not hasattr(result, "shape"):
            errors.append(text)
        elif result is not views[-1]:
            views.append(result)
    return leaf, base, views, errors


@pytest.mark.parametrize("group", range(40))
def test_values_strides_and_versions(group: int) -> None:
    with Samples() as samples:
        for seed in range(group * 10, group * 10 + 10):
            shape, steps = chain(seed)
            values = np.random.default_rng(seed).uniform(-2, 2, shape)
            label = f"seed {seed}: {list(shape)} " + " ".join(text for text, *_ in steps)
            with samples.sample(label):
                _, our_base, ours, our_errors = run(lampas, values, steps, False)
                _, their_base, theirs, their_errors = run(torch, values, steps, False)
                assert our_errors == their_errors, f"raised at {our_errors}, expected {their_errors}"
                assert len(ours) == len(theirs), "identity: a step returned its input in one library only"
                for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                    same(a, b, f"view {i}")
                    assert describe(a) == describe(b), f"view {i}: {describe(a)}, expected {describe(b)}"
                same(our_base, their_base, "base")
                shares = [a.untyped_storage().data_ptr() == our_base.untyped_storage().data_ptr() for a in ours]
                expected = [b.untyped_storage().data_ptr() == their_base.untyped_storage().data_ptr() for b in theirs]
                assert shares == expected, f"sharing: {shares}, expected {expected}"


@pytest.mark.parametrize("group", range(40))
def test_gradients_through_views_and_writes(group: int) -> None:
    def gradient(lib: Any, values: np.ndarray, steps: list[Any]) -> Any:
        leaf, base, views, errors = run(lib, values, steps, True)
        found: dict[str, Any] = {
            "errors": errors,
            "requires": [v.requires_grad for v in views],
            "leaves": [v.is_leaf for v in views],
        }
        for name, target in (("base", base), ("last", views[-1])):
            if target.requires_grad:
                found[name] = target.detach()
                loss = (target * target).sum()
                found[f"gradient of {name}"] = lib.autograd.grad(loss, leaf, retain_graph=True, allow_unused=True)[0]
        return found

    with Samples() as samples:
        for seed in range(5000 + group * 8, 5000 + group * 8 + 8):
            shape, steps = chain(seed)
            values = np.random.default_rng(seed).uniform(-2, 2, shape)
            label = f"seed {seed}: {list(shape)} " + " ".join(text for text, *_ in steps)
            with samples.sample(label):
                same_outcome(lambda: gradient(lampas, values, steps), lambda: gradient(torch, values, steps))  # noqa: B023


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "bfloat16", "complex64"])
@pytest.mark.parametrize("seed", range(8))
def test_contiguity_of_strided_layouts(seed: int, dtype: str) -> None:
    random = np.random.default_rng(seed)
    with Samples() as samples:
        for _ in range(12):
            size = tuple(int(n) for n in random.integers(0, 4, int(random.integers(1, 4))))
            stride = tuple(int(n) for n in random.integers(0, 5, len(size)))
            make = lambda lib: tensor(lib, np.arange(40) % 2, dtype).as_strided(size, stride, 1)  # noqa: B023, E731
            with samples.sample(f"size {size} stride {stride}"):
                ours, theirs = make(lampas), make(torch)
                assert ours.is_contiguous() == theirs.is_contiguous()
                same(ours.contiguous(), theirs.contiguous(), "contiguous()", strides=True)
                same(ours.clone(), theirs.clone(), "clone()", strides=True)
                same_outcome(lambda: ours.view(-1), lambda: theirs.view(-1), "view(-1)", strides=True)  # noqa: B023
                same(ours.reshape(-1), theirs.reshape(-1), "reshape(-1)", strides=True)


def test_channels_last_strides() -> None:
    def program(lib: Any) -> Any:
        x = tensor(lib, np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5), "float32")
        y = x.contiguous(memory_format=lib.channels_last)
        kept = [y.clone(), y + 1, y.exp(), lib.zeros_like(y), y.to(lib.float64), y * y]
        flags = [
            y.is_contiguous(),
            y.is_contiguous(memory_format=lib.channels_last),
            x.is_contiguous(memory_format=lib.channels_last),
        ]
        return y, y.contiguous(), kept, flags

    same(program(lampas), program(torch), strides=True)


@pytest.mark.parametrize("where", ["before", "after"])
def test_writing_into_a_base_shows_in_gradients_of_its_views(where: str) -> None:
    def program(lib: Any) -> Any:
        leaf = tensor(lib, [[1.0, 2.0], [3.0, 4.0]], "float64", requires_grad=True)
        base = leaf * 2
        if where == "before":
            base.mul_(3)
        row = base[0]
        if where == "after":
            base.mul_(3)
        (row * row).sum().backward()
        return leaf.grad, row.grad_fn.name(), base.grad_fn.name(), base._version, row._version

    same(program(lampas), program(torch))


def test_overlapping_writes_raise() -> None:
    def program(lib: Any) -> None:
        lib.zeros(1).expand(3).add_(1)

    with pytest.raises(RuntimeError):
        program(torch)
    with pytest.raises(RuntimeError, match=r"clone|expand|overlap|memory"):
        program(lampas)


def test_base_and_is_view() -> None:
    def program(lib: Any) -> Any:
        x = lib.zeros(2, 3)
        y = x.t()[0]
        return (
            x._is_view(),
            y._is_view(),
            y._base is x,
            x._base is None,
            y.data_ptr() == x.data_ptr(),
            x[1].data_ptr() - x.data_ptr(),
        )

    assert program(lampas) == program(torch)


def test_set_data_and_data_views() -> None:
    def program(lib: Any) -> Any:
        x = lib.ones(3, requires_grad=True)
        x.data.mul_(3)
        version = x._version
        x.data = lib.zeros(2, 2)
        return x.detach(), version, tuple(x.shape), x.requires_grad

    same(program(lampas), program(torch))
