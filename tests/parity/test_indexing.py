"""Random index expressions, read and written, with their gradients, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lampas  # noqa: E402

from .harness import Samples, same, same_outcome, tensor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

SHAPES = ((5,), (3, 4), (2, 3, 4), (4, 1, 3), (2, 3, 2, 3), (3, 0, 2), ())
PER_SEED = 20
SEEDS = range(40)


def writes_repeatedly(index: Index) -> bool:
    """Whether the same place may be named twice."""
    return any(isinstance(i, list) or (isinstance(i, np.ndarray) and i.dtype.kind != "b") for i in index.items)


class Index:
    """An index expression, to be realised in either library; arrays stand for tensors."""

    def __init__(self, items: list[Any], bare: bool) -> None:
        self.items, self.bare = items, bare

    def of(self, lib: Any) -> Any:
        items = tuple(tensor(lib, i, str(i.dtype)) if isinstance(i, np.ndarray) else i for i in self.items)
        return items[0] if self.bare and len(items) == 1 else items

    def __repr__(self) -> str:
        return (
            "["
            + ", ".join(f"{i.dtype}{i.tolist()}" if isinstance(i, np.ndarray) else repr(i) for i in self.items)
            + "]"
        )


def random_slice(random: np.random.Generator, n: int) -> slice:
    def bound() -> int | None:
        return None if random.random() < 0.35 else int(random.integers(-n - 2, n + 3))

    step = None if random.random() < 0.5 else int(random.integers(1, 4))
    return slice(bound(), bound(), step)


def random_index(random: np.random.Generator, shape: tuple[int, ...], valid: bool = True) -> Index:
    """An index of this shape: each dim by a random kind of item, None and one Ellipsis in between."""
    items: list[Any] = []
    used, ellipsis = 0, False
    common = tuple(int(n) for n in random.integers(1, 4, int(random.integers(0, 3))))  # index tensors broadcast to it
    stop = int(random.integers(0, len(shape) + 1))
    while used < len(shape):
        draw = random.random()
        n = shape[used]
        if draw < 0.08:
            items.append(None)
            continue
        if draw < 0.14 and not ellipsis:
            items.append(Ellipsis)
            ellipsis = True
            used += int(random.integers(0, len(shape) - used + 1))
            rest = len(shape) - used
            shape = shape[len(shape) - rest :] if rest else ()
            used = 0
            stop = len(shape)
            continue
        if not ellipsis and used >= stop:
            break
        if draw < 0.34 and n > 0:
            items.append(int(random.integers(-n, n)))
        elif draw < 0.62 or n == 0:
            items.append(random_slice(random, n))
        elif draw < 0.82:
            part = tuple(1 if random.random() < 0.3 else k for k in common)
            dtype = "int64" if random.random() < 0.8 else "int32"
            items.append(random.integers(-n, n, part[int(random.integers(0, len(part) + 1)) :]).astype(dtype))
        elif draw < 0.9:
            items.append([int(random.integers(-n, n)) for _ in range(common[-1] if common else 1)])
        else:
            span = int(random.integers(1, min(2, len(shape) - used) + 1))
            items.append(random.random(shape[used : used + span]) > 0.5)
            used += span - 1
        used += 1
    if not valid and items:
        place = int(random.integers(0, len(items)))
        wrong = (99, -99, np.array([0, 77]), "x", 1.5, slice(None, None, -1), np.array([True] * 9), 0, Ellipsis)
        items[place] = wrong[int(random.integers(0, len(wrong)))]
        if random.random() < 0.3:
            items += [0] * 5
    return Index(items, bare=random.random() < 0.5)


def draws(seed: int, valid: bool = True) -> Any:
    random = np.random.default_rng(seed)
    for _ in range(PER_SEED):
        shape = SHAPES[int(random.integers(0, len(SHAPES)))]
        yield random, shape, random_index(random, shape, valid), "transposed" if random.random() < 0.3 else "contiguous"


def values(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return random.uniform(-2, 2, shape) if dtype.startswith("float") else random.integers(0, 9, shape)


@pytest.mark.parametrize("seed", SEEDS)
def test_reading(seed: int) -> None:
    with Samples() as samples:
        for random, shape, index, layout in draws(seed):
            x = values(random, shape, "float32")
            read = lambda lib: tensor(lib, x, "float32", layout)[index.of(lib)]  # noqa: B023, E731
            with samples.sample(f"x{list(shape)}{index} {layout}"):
                same_outcome(lambda: read(lampas), lambda: read(torch))  # noqa: B023


@pytest.mark.parametrize("seed", SEEDS)
def test_views_share_memory_and_copies_do_not(seed: int) -> None:
    def write_through(lib: Any, x: np.ndarray, layout: str, index: Index) -> Any:
        base = tensor(lib, x, "float32", layout)
        part = base[index.of(lib)]
        part += 100
        return base, part, base._version > 0

    with Samples() as samples:
        for random, shape, index, layout in draws(1000 + seed):
            x = values(random, shape, "float32")
            with samples.sample(f"x{list(shape)}{index} {layout}"):
                same_outcome(
                    lambda: write_through(lampas, x, layout, index),  # noqa: B023
                    lambda: write_through(torch, x, layout, index),  # noqa: B023
                )


@pytest.mark.parametrize("seed", SEEDS)
def test_writing(seed: int) -> None:
    def write(lib: Any, x: np.ndarray, dtype: str, layout: str, index: Index, value: Any) -> Any:
        target = tensor(lib, x, dtype, layout)
        target[index.of(lib)] = tensor(lib, value, "float32") if isinstance(value, np.ndarray) else value
        return target

    with Samples() as samples:
        for random, shape, index, layout in draws(2000 + seed):
            dtype = ("float32", "int64", "float64")[int(random.integers(0, 3))]
            x = values(random, shape, dtype)
            try:
                expected = tuple(torch.zeros(shape)[index.of(torch)].shape)
            except (IndexError, ValueError, RuntimeError, TypeError):
                expected = ()
            # repeated places keep one of the written values, no matter which: write the same everywhere
            repeats = writes_repeatedly(index)
            kind = random.random()
            value: Any = 7 if kind < 0.3 or repeats else values(random, expected, "float32")
            if not repeats and kind > 0.8 and expected:
                value = values(random, expected[1:], "float32")
            elif kind > 0.95:
                value = values(random, (17,), "float32")  # does not fit
            with samples.sample(f"x{list(shape)}{index} = {np.shape(value)} {dtype} {layout}"):
                same_outcome(
                    lambda: write(lampas, x, dtype, layout, index, value),  # noqa: B023
                    lambda: write(torch, x, dtype, layout, index, value),  # noqa: B023
                )


@pytest.mark.parametrize("seed", range(20))
def test_gradients_of_reading(seed: int) -> None:
    def gradient(lib: Any, x: np.ndarray, layout: str, index: Index) -> Any:
        leaf = tensor(lib, x, "float64", layout, requires_grad=True)
        out = leaf[index.of(lib)]
        (first,) = lib.autograd.grad((out * out * out).sum(), leaf, create_graph=True)
        (second,) = lib.autograd.grad((first * first).sum(), leaf)
        return out.detach(), first.detach(), second

    with Samples() as samples:
        for random, shape, index, layout in draws(3000 + seed):
            x = values(random, shape, "float64")
            with samples.sample(f"x{list(shape)}{index} {layout}"):
                same_outcome(
                    lambda: gradient(lampas, x, layout, index),  # noqa: B023
                    lambda: gradient(torch, x, layout, index),  # noqa: B023
                )


@pytest.mark.parametrize("seed", range(20))
def test_gradients_of_writing(seed: int) -> None:
    def gradient(lib: Any, x: np.ndarray, index: Index, value: np.ndarray) -> Any:
        leaf, written = tensor(lib, x, "float64", requires_grad=True), tensor(lib, value, "float64", requires_grad=True)
        target = leaf * 2
        target[index.of(lib)] = written
        found = lib.autograd.grad((target * target).sum(), (leaf, written))
        return target.detach(), *found

    with Samples() as samples:
        for random, shape, index, _ in draws(4000 + seed):
            if writes_repeatedly(index):
                continue
            try:
                target = tuple(torch.zeros(shape)[index.of(torch)].shape)
            except (IndexError, ValueError, RuntimeError, TypeError):
                continue
            x = values(random, shape, "float64")
            value = values(random, target if random.random() < 0.6 else (), "float64")
            with samples.sample(f"x{list(shape)}{index} = {value.shape}"):
                same_outcome(
                    lambda: gradient(lampas, x, index, value),  # noqa: B023
                    lambda: gradient(torch, x, index, value),  # noqa: B023
                )


@pytest.mark.parametrize("seed", range(20))
def test_errors(seed: int) -> None:
    """Broken expressions: the same exception types (and where it happens to be valid, the same result)."""
    with Samples() as samples:
        for random, shape, index, layout in draws(5000 + seed, valid=False):
            x = values(random, shape, "float32")
            read = lambda lib: tensor(lib, x, "float32", layout)[index.of(lib)]  # noqa: B023, E731
            with samples.sample(f"x{list(shape)}{index} {layout}"):
                same_outcome(lambda: read(lampas), lambda: read(torch))  # noqa: B023


def test_accumulating_writes() -> None:
    def program(lib: Any) -> Any:
        x = lib.zeros(4)
        x.index_put_((lib.tensor([0, 1, 0, 3, 0]),), lib.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), accumulate=True)
        return x

    same(program(lampas), program(torch))


def test_numpy_integers_and_arrays_index() -> None:
    def program(lib: Any) -> Any:
        x = lib.arange(12).reshape(3, 4)
        return (
            x[np.int64(1)],
            x[np.array([0, 2])],
            x[:, np.array([True, False, True, False])],
            x[range(2)],
            x[lib.tensor(2)],
        )

    same(program(lampas), program(torch))


def test_iteration_length_and_membership() -> None:
    def program(lib: Any) -> Any:
        x = lib.arange(6).reshape(3, 2)
        return (
            list(x),
            len(x),
            4 in x,
            9 in x,
            [tuple(row.tolist()) for row in x],
            int(x[2, 1]),
            bool(x[0, 0]),
            [10, 20, 30][x[1, 0]],
        )

    same(program(lampas), program(torch))


def test_bad_conversions_raise_alike() -> None:
    with Samples() as samples:
        for name, action in {
            "len of 0-d": lambda lib: len(lib.tensor(1)),
            "iterating 0-d": lambda lib: list(lib.tensor(1)),
            "bool of many": lambda lib: bool(lib.tensor([1, 2])),
            "bool of none": lambda lib: bool(lib.tensor([])),
            "int of many": lambda lib: int(lib.tensor([1, 2])),
            "float of many": lambda lib: float(lib.tensor([1, 2])),
            "index by float tensor": lambda lib: [1, 2][lib.tensor(1.0)],
            "deleting": lambda lib: lib.tensor([1, 2]).__delitem__(0),
        }.items():
            with samples.sample(name):
                same_outcome(lambda: action(lampas), lambda: action(torch))  # noqa: B023
