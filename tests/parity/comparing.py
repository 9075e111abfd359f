"""`same`, `same_error`, `same_outcome`: what it means to agree with PyTorch; `Samples` collects the failures."""

from __future__ import annotations

import builtins
import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from .making import COMPLEX, dtype_name, is_tensor, to_numpy, torch

# dtype -> (relative, absolute); integers and bools must agree exactly
TOLERANCES = {
    "float64": (1e-7, 1e-9),
    "float32": (1.3e-6, 1e-6),
    "float16": (2e-3, 1e-3),
    "bfloat16": (1.6e-2, 1e-2),
    "complex64": (1.3e-6, 2e-6),
    "complex128": (1e-7, 1e-9),
}

# Where lampas is held to more than PyTorch gives: messages that name what was given, failed calls that change nothing.
STRICT = True


def same(
    ours: Any,
    theirs: Any,
    what: str = "result",
    *,
    strides: bool | str = False,
    tolerance: tuple[float, float] | None = None,
    slack: float = 1.0,
) -> None:
    """Asserts that two results agree: kind, shape, dtype, requires_grad, values, and strides where asked.

    `strides` is True to compare them exactly, "dense" to leave out dimensions of size one and empty tensors.
    `tolerance` is (relative, absolute), by default `TOLERANCES` of the dtype; `slack` widens it.
    """
    if is_tensor(theirs):
        assert is_tensor(ours), f"{what}: a {type(ours).__name__} instead of a tensor"
        same_tensor(ours, theirs, what, strides, tolerance, slack)
    elif isinstance(theirs, torch.Size):
        assert isinstance(ours, tuple) and tuple(ours) == tuple(theirs), f"{what}: {ours}, expected {theirs}"
    elif isinstance(theirs, (tuple, list)):
        assert isinstance(ours, (tuple, list)), f"{what}: a {type(ours).__name__} instead of a sequence"
        assert isinstance(ours, tuple) == isinstance(theirs, tuple), f"{what}: tuple or list?"
        assert len(ours) == len(theirs), f"{what}: {len(ours)} items, expected {len(theirs)}"
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            same(a, b, f"{what}[{i}]", strides=strides, tolerance=tolerance, slack=slack)
        for name in getattr(type(theirs), "__match_args__", ()):  # named results
            assert hasattr(ours, name), f"{what}: no field .{name}"
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), f"{what}: keys {list(ours)}, expected {list(theirs)}"
        for key in theirs:
            same(ours[key], theirs[key], f"{what}[{key!r}]", strides=strides, tolerance=tolerance, slack=slack)
    elif isinstance(theirs, (torch.dtype, torch.device)):
        assert dtype_name(ours) == dtype_name(theirs), f"{what}: {ours}, expected {theirs}"
    elif isinstance(theirs, (float, complex)) and not isinstance(theirs, bool):
        assert type(ours) is type(theirs), f"{what}: {ours!r}, expected {theirs!r}"
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7, err_msg=what)
    else:
        assert type(ours) is type(theirs) and ours == theirs, f"{what}: {ours!r}, expected {theirs!r}"


def same_tensor(
    ours: Any, theirs: Any, what: str, strides: bool | str, tolerance: tuple[float, float] | None, slack: float
) -> None:
    shape, dtype = tuple(theirs.shape), dtype_name(theirs.dtype)
    assert tuple(ours.shape) == shape, f"{what}: shape {tuple(ours.shape)}, expected {shape}"
    assert dtype_name(ours.dtype) == dtype, f"{what}: dtype {dtype_name(ours.dtype)}, expected {dtype}"
    assert ours.requires_grad == theirs.requires_grad, (
        f"{what}: requires_grad {ours.requires_grad}, expected {theirs.requires_grad}"
    )
    if strides:
        loose = strides == "dense"
        pick = [i for i, n in enumerate(shape) if not loose or (n > 1 and theirs.numel() > 0)]
        got, want = [ours.stride(i) for i in pick], [theirs.stride(i) for i in pick]
        assert got == want, f"{what}: strides {tuple(ours.stride())}, expected {tuple(theirs.stride())}"
    a, b = to_numpy(ours), to_numpy(theirs)
    if dtype not in TOLERANCES:
        wrong = a != b
    else:
        relative, absolute = tolerance or TOLERANCES[dtype]
        wide = np.complex128 if dtype in COMPLEX else np.float64
        a, b = a.astype(wide), b.astype(wide)
        with np.errstate(all="ignore"):
            near = np.abs(a - b) <= slack * (absolute + relative * np.abs(b))
        wrong = ~(near | (a == b) | (np.isnan(a) & np.isnan(b)))
        if dtype not in COMPLEX:
            wrong |= np.isnan(a) != np.isnan(b)
            wrong |= np.isinf(a) != np.isinf(b)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{what}: {int(wrong.sum())} of {wrong.size} values differ; first at {first}: "
            f"{a[first]!s}, expected {b[first]!s}"
        )


def builtin_type(error: BaseException) -> type:
    return next(t for t in type(error).__mro__ if getattr(builtins, t.__name__, None) is t)


def names_it(message: str, name: str) -> bool:
    """Whether the message contains `name` as a word of its own (3 is not found in 32, but in 3x4)."""
    before, after = (r"[\d.]", r"\d") if name.lstrip("-").isdigit() else (r"\w", r"\w")
    return re.search(rf"(?<!{before}){re.escape(name)}(?!{after})", message) is not None


def same_error(
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    *names: str,
    error: type[BaseException] | tuple[type[BaseException], ...] | None = None,
) -> str:
    """Asserts that both calls raise the same builtin exception type (`error`, when given) and that our message
    contains every one of `names`. Returns our message."""
    expected = outcome(theirs)
    assert isinstance(expected, Raised), "PyTorch accepts this call: the expectation is wrong"
    if error is not None:
        assert isinstance(expected.error, error), f"PyTorch raises {expected}, not {error}"
    got = outcome(ours)
    assert isinstance(got, Raised), f"nothing raised, expected {builtin_type(expected.error).__name__}"
    same_raised(got, expected)
    message = str(got.error)
    assert message.strip(), "the error has no message"
    if STRICT:
        for name in names:
            assert names_it(message, name), f"the message does not name {name!r}: {message}"
    return message


@dataclass
class Raised:
    error: BaseException

    def __str__(self) -> str:
        return f"{type(self.error).__name__}({str(self.error)[:160]!r})"


def outcome(fn: Callable[[], Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return fn()
    except Exception as error:
        return Raised(error)


def same_raised(ours: Raised, theirs: Raised) -> None:
    got, want = builtin_type(ours.error), builtin_type(theirs.error)
    assert got is want, f"raised {ours}, expected {want.__name__} ({str(theirs.error)[:160]!r})"


def same_outcome(ours: Callable[[], Any], theirs: Callable[[], Any], what: str = "result", **options: Any) -> bool:
    """Both calls give the same result, or both raise the same exception type. Returns whether there was a result."""
    expected, got = outcome(theirs), outcome(ours)
    if isinstance(expected, Raised) and isinstance(expected.error, NotImplementedError) and not isinstance(got, Raised):
        return False  # what PyTorch has not implemented may work here
    if isinstance(expected, Raised):
        assert isinstance(got, Raised), f"{what}: nothing raised, expected {expected}"
        same_raised(got, expected)
        return False
    assert not isinstance(got, Raised), f"{what}: raised {got}"
    same(got, expected, what, **options)
    return True


class Samples:
    """Runs a check for each sample and fails once at the end, saying which samples failed and how."""

    def __init__(self, limit: int = 6) -> None:
        self.count, self.limit = 0, limit
        self.failures: list[str] = []

    @contextlib.contextmanager
    def sample(self, label: Any) -> Iterator[None]:
        self.count += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except Exception as error:
            text = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            self.failures.append(f"{label}: {text[:600]}")

    def __enter__(self) -> Samples:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None and self.count == 0:
            pytest.fail("no sample was tried", pytrace=False)
        if kind is None and self.failures:
            more = len(self.failures) - self.limit
            lines = [f"{len(self.failures)} of {self.count} samples failed", *self.failures[: self.limit]]
            pytest.fail("\n".join(lines + ([f"and {more} more"] if more > 0 else [])), pytrace=False)
