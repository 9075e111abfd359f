"""`assert_close`: whether two values, or two structures of values, are equal within tolerances."""

from __future__ import annotations

import cmath
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lampas

__all__ = ["assert_allclose", "assert_close", "default_tolerances"]

# dtype -> (rtol, atol): about sqrt(eps) for double, a few thousand eps below. Others must be equal.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex32": (1e-3, 1e-5),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
    "quint8": (1.3e-6, 1e-5),
    "qint8": (1.3e-6, 1e-5),
    "qint32": (1.3e-6, 1e-5),
}
_OLD_TOLERANCES = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}

_Place = tuple[Any, ...]


class _Failure(Exception):
    """One thing that differs, and where in the structure."""

    def __init__(self, kind: type[Exception], message: str, place: _Place = ()) -> None:
        super().__init__(message)
        self.kind, self.message, self.place = kind, message, place

    def error(self, replace: str | Callable[[str], str] | None) -> Exception:
        text = self.message
        if self.place:
            text += f"\n\nThe failure occurred for item {''.join(f'[{key!r}]' for key in self.place)}"
        if callable(replace):
            text = replace(text)
        elif replace is not None and issubclass(self.kind, AssertionError):
            text = replace
        return self.kind(text)


def default_tolerances(*inputs: Any, table: Mapping[str, tuple[float, float]] = _TOLERANCES) -> tuple[float, float]:
    """The tolerances ``(rtol, atol)`` for tensors or dtypes: the larger ones of their dtypes'."""
    found = []
    for value in inputs:
        dtype = value if isinstance(value, lampas.dtype) else value.dtype
        found.append(table.get(str(dtype).removeprefix("torch."), (0.0, 0.0)))
    return max(rtol for rtol, _ in found), max(atol for _, atol in found)


class _Options:
    def __init__(
        self,
        rtol: float | None,
        atol: float | None,
        equal_nan: bool,
        allow_subclasses: bool = True,
        check_device: bool = True,
        check_dtype: bool = True,
        check_layout: bool = True,
        check_stride: bool = False,
    ) -> None:
        if (rtol is None) != (atol is None):
            missing = "rtol" if rtol is None else "atol"
            raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.")
        self.rtol, self.atol, self.equal_nan = rtol, atol, equal_nan
        self.allow_subclasses = allow_subclasses
        self.check_device, self.check_dtype = check_device, check_dtype
        self.check_layout, self.check_stride = check_layout, check_stride

    def tolerances(self, *inputs: Any) -> tuple[float, float]:
        if self.rtol is None or self.atol is None:
            return default_tolerances(*inputs)
        return self.rtol, self.atol


# --- kinds of values ------------------------------------------------------------------------------------------------


def _numpy() -> Any:
    """NumPy if anybody has imported it: else no value can be one of its."""
    return sys.modules.get("numpy")


def _is_bool(value: Any) -> bool:
    np = _numpy()
    return isinstance(value, bool) or (np is not None and isinstance(value, np.bool_))


def _is_number(value: Any) -> bool:
    np = _numpy()
    return isinstance(value, (int, float, complex)) or (np is not None and isinstance(value, np.number))


def _is_array(value: Any) -> bool:
    return isinstance(value, lampas.Tensor) or (hasattr(value, "__array__") and not isinstance(value, type))


def _related(actual: Any, expected: Any, subclasses: bool) -> bool:
    if not subclasses:
        return type(actual) is type(expected)
    return isinstance(actual, type(expected)) or isinstance(expected, type(actual))


def _compare(actual: Any, expected: Any, options: _Options) -> Callable[[], None]:
    """How these two are compared; a TypeError as _Failure if there is no way."""
    if actual is None or expected is None:
        return lambda: _compare_none(actual, expected)
    if _is_bool(actual) and _is_bool(expected):
        return lambda: _compare_bools(bool(actual), bool(expected))
    if _is_number(actual) and _is_number(expected):
        return lambda: _compare_numbers(actual, expected, options)
    if _is_array(actual) and _is_array(expected) and _related(actual, expected, options.allow_subclasses):
        return lambda: _compare_tensors(lampas.as_tensor(actual), lampas.as_tensor(expected), options)
    raise _Failure(
        TypeError,
        f"no way to compare {type(actual)} with {type(expected)}: give two tensors, two arrays, two numbers, "
        "or two structures of them",
    )


def _compare_none(actual: Any, expected: Any) -> None:
    if actual is not expected:
        raise _Failure(AssertionError, f"None mismatch: {actual} is not {expected}")


def _compare_bools(actual: bool, expected: bool) -> None:
    if actual is not expected:
        raise _Failure(AssertionError, f"Booleans mismatch: {actual} is not {expected}")


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _compare_numbers(actual: Any, expected: Any, options: _Options) -> None:
    actual, expected = _plain(actual), _plain(expected)
    if options.check_dtype and type(actual) is not type(expected):
        raise _Failure(AssertionError, f"The (d)types do not match: {type(actual)} != {type(expected)}.")
    stands_for = {int: lampas.int64, float: lampas.float64, complex: lampas.complex128, bool: lampas.bool}
    rtol, atol = options.tolerances(stands_for[type(actual)], stands_for[type(expected)])
    if not _close(actual, expected, rtol, atol, options.equal_nan):
        raise _Failure(AssertionError, _scalar_message(actual, expected, rtol, atol))


def _close(actual: Any, expected: Any, rtol: float, atol: float, equal_nan: bool) -> bool:
    if actual == expected:
        return True
    if cmath.isnan(actual) or cmath.isnan(expected):
        return equal_nan and cmath.isnan(actual) and cmath.isnan(expected)
    difference = abs(actual - expected)
    return math.isfinite(difference) and difference <= atol + rtol * abs(expected)


def _allowed(tolerance: float, exact: bool) -> str:
    return "" if exact else f" (up to {tolerance} allowed)"


def _scalar_message(actual: Any, expected: Any, rtol: float, atol: float) -> str:
    exact = rtol == 0 and atol == 0
    absolute = abs(actual - expected)
    relative = float("inf") if expected == 0 else absolute / abs(expected)
    return (
        f"Scalars are not {'equal' if exact else 'close'}!\n\n"
        f"Expected {expected} but got {actual}.\n"
        f"Absolute difference: {absolute}{_allowed(atol, exact)}\n"
        f"Relative difference: {relative}{_allowed(rtol, exact)}"
    )


def _compare_tensors(actual: lampas.Tensor, expected: lampas.Tensor, options: _Options) -> None:
    _compare_attributes(actual, expected, options)
    rtol, atol = options.tolerances(actual, expected)
    label = "Tensor-likes"
    if actual.is_quantized:
        label, actual, expected = "Quantized tensor-likes", actual.dequantize(), expected.dequantize()
    if actual.is_meta or expected.is_meta:
        return
    actual, expected = actual.detach(), expected.detach()
    if actual.dtype != expected.dtype:
        common = lampas.promote_types(actual.dtype, expected.dtype)
        actual, expected = actual.to(common), expected.to(common)
    matches = lampas.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
    if bool(matches.all()):
        return
    if actual.dim() == 0:
        raise _Failure(AssertionError, _scalar_message(actual.item(), expected.item(), rtol, atol))
    raise _Failure(AssertionError, _tensor_message(label, actual, expected, matches, rtol, atol))


def _compare_attributes(actual: lampas.Tensor, expected: lampas.Tensor, options: _Options) -> None:
    facts = [
        ("shape", True, lambda x: x.shape),
        ("is_quantized", True, lambda x: x.is_quantized),
        ("qscheme()", actual.is_quantized and expected.is_quantized, lambda x: x.qscheme()),
        ("layout", options.check_layout, lambda x: x.layout),
        ("device", options.check_device, lambda x: x.device),
        ("dtype", options.check_dtype, lambda x: x.dtype),
        ("stride()", options.check_stride, lambda x: x.stride()),
    ]
    for name, checked, fact in facts:
        if checked and fact(actual) != fact(expected):
            raise _Failure(
                AssertionError,
                f"The values for attribute '{name}' do not match: {fact(actual)} != {fact(expected)}.",
            )


def _tensor_message(
    label: str, actual: lampas.Tensor, expected: lampas.Tensor, matches: lampas.Tensor, rtol: float, atol: float
) -> str:
    if not (actual.is_floating_point() or actual.is_complex()):
        actual, expected = actual.to(lampas.int64), expected.to(lampas.int64)  # differences that do not wrap
    exact = rtol == 0 and atol == 0
    absolute = (actual - expected).abs()
    relative = absolute / expected.abs()

    def greatest(values: lampas.Tensor) -> tuple[Any, tuple[int, ...]]:
        flat = values.masked_fill(matches, 0).flatten()
        at = int(flat.argmax())
        index = tuple(int(i) for i in lampas.unravel_index(lampas.tensor(at), tuple(values.shape)))
        return flat[at].item(), index

    wrong, total = int((~matches).sum()), matches.numel()
    (most, where), (most_relative, where_relative) = greatest(absolute), greatest(relative)
    return (
        f"{label} are not {'equal' if exact else 'close'}!\n\n"
        f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})\n"
        f"Greatest absolute difference: {most} at index {where}{_allowed(atol, exact)}\n"
        f"Greatest relative difference: {most_relative} at index {where_relative}{_allowed(rtol, exact)}"
    )


# --- structures -----------------------------------------------------------------------------------------------------


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _pairs(actual: Any, expected: Any, options: _Options, place: _Place) -> list[tuple[_Place, Callable[[], None]]]:
    """Every pair of single values, with its place: sequences and mappings are opened."""
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            text = f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            raise _Failure(AssertionError, text, place)
        keys: Any = range(len(actual))
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            lines = ["The keys of the mappings do not match:"]
            for text, more, fewer in (("Missing", expected, actual), ("Additional", actual, expected)):
                extra = [key for key in more if key not in fewer]
                lines.append(f"{text} keys in the actual mapping: {sorted(extra, key=repr)}")
            raise _Failure(AssertionError, "\n".join(lines), place)
        keys = list(actual)
    else:
        try:
            return [(place, _compare(actual, expected, options))]
        except _Failure as failure:
            failure.place = place
            raise
    return [pair for key in keys for pair in _pairs(actual[key], expected[key], options, (*place, key))]


def _assert_close(actual: Any, expected: Any, options: _Options, msg: str | Callable[[str], str] | None) -> None:
    found: _Failure | None = None
    try:
        for place, compare in _pairs(actual, expected, options, ()):
            try:
                compare()
            except _Failure as failure:
                failure.place = place
                raise
    except _Failure as failure:
        found = failure
    if found is not None:
        raise found.error(msg)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Passes where ``|actual - expected| <= atol + rtol * |expected|`` in every element, and all the rest is equal.

    Compares tensors, NumPy arrays, numbers, booleans, None, and sequences and mappings of them, which may be nested.
    Without tolerances they follow the dtype: float32 1.3e-6 and 1e-5, float64 1e-7 and 1e-7, float16 1e-3 and 1e-5,
    bfloat16 1.6e-2 and 1e-5, integers and booleans 0; for two dtypes the larger ones.

    Args:
        actual, expected: what was computed, and what it should be.
        allow_subclasses: without, both must be of the very same type.
        rtol, atol: both or neither.
        equal_nan: NaN equals NaN.
        check_device, check_dtype, check_layout, check_stride: what must be equal beside the values.
        msg: the error's text, or a function from the text made here to another.

    Raises:
        AssertionError: they differ; the message says how much, and where in a structure.
        TypeError: values that cannot be compared with each other.
        ValueError: only one of the tolerances is given.

    >>> assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-7]))
    """
    options = _Options(rtol, atol, equal_nan, allow_subclasses, check_device, check_dtype, check_layout, check_stride)
    _assert_close(actual, expected, options, msg)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The former, laxer :func:`assert_close`: anything that makes a tensor is taken, dtypes may differ."""
    warnings.warn("`torch.testing.assert_allclose()` is deprecated: use assert_close().", FutureWarning, stacklevel=2)
    if not isinstance(actual, lampas.Tensor):
        actual = lampas.tensor(actual)
    if not isinstance(expected, lampas.Tensor):
        expected = lampas.tensor(expected, dtype=actual.dtype)
    if rtol is None and atol is None:
        rtol, atol = default_tolerances(actual, expected, table=_OLD_TOLERANCES)
    _assert_close(actual, expected, _Options(rtol, atol, equal_nan, check_dtype=False), msg or None)
