"""The printed form of tensors, and its options.

Only the values that appear in the text are read: of a tensor of a billion elements a few hundred are copied out as
views, and one number format is chosen from them.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from math import ceil, isfinite
from typing import Any

import lampas

__all__ = ["get_printoptions", "printoptions", "set_printoptions"]


class _Options:
    """How tensors are printed at the moment (one instance, module-wide)."""

    __slots__ = ("edgeitems", "linewidth", "precision", "sci_mode", "threshold")

    def __init__(self) -> None:
        self.precision: int = 4
        self.threshold: float = 1000
        self.edgeitems: int = 3
        self.linewidth: int = 80
        self.sci_mode: bool | None = None


PRINT_OPTS = _Options()

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": float("inf"), "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how tensors are printed from now on.

    Args:
        precision: digits after the decimal point (4 at first).
        threshold: tensors with more elements than this are shortened to their edges (1000).
        edgeitems: how many entries a shortened dimension shows at each end (3).
        linewidth: column at which rows are broken (80).
        profile: ``"default"``, ``"short"`` or ``"full"``; the arguments above refine it.
        sci_mode: ``True`` or ``False`` forces or forbids exponents; ``None`` lets the values decide.

    ``sci_mode`` is reset to ``None`` by every call that does not name it, as in PyTorch.

    >>> lampas.set_printoptions(precision=2)
    >>> lampas.tensor([1.12345])
    tensor([1.12])
    """
    chosen = dict(_PROFILES.get(profile, {})) if profile is not None else {}
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen.update({name: value for name, value in given.items() if value is not None})
    for name, value in chosen.items():
        setattr(PRINT_OPTS, name, value)
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The present options, as keyword arguments that :func:`set_printoptions` takes."""
    return {
        name: getattr(PRINT_OPTS, name) for name in ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")
    }


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """:func:`set_printoptions` for the length of a ``with`` block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


# --- numbers -> text ------------------------------------------------------------------------------------------------


def _plain_format(values: list) -> tuple[int, Callable[[Any], str]]:
    """Width and formatter of bools and integers."""
    width = max([1, *(len(str(v)) for v in values)])
    return width, lambda v: str(v).rjust(width)


def _float_format(values: list[float]) -> tuple[int, Callable[[float], str]]:
    """Width and formatter of floats: one style for the whole tensor, chosen from its finite non-zero values."""
    finite = [v for v in values if v != 0 and isfinite(v)]
    if not finite:
        return 1, lambda v: f"{v:.0f}." if isfinite(v) else f"{v:.0f}"
    sizes = [abs(v) for v in finite]
    low, high = min(sizes), max(sizes)
    scientific = PRINT_OPTS.sci_mode
    if scientific is None:
        scientific = high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4
    if scientific or any(v != ceil(v) for v in finite):
        number = f".{PRINT_OPTS.precision}{'e' if scientific else 'f'}"
        width = max([1, *(len(format(v, number)) for v in finite)])
        padded = f"{width}{number}"
        return width, lambda v: format(v, padded)
    # Whole numbers end in a bare point, so that the reader sees a float.
    width = max([1, *(len(f"{v:.0f}") + 1 for v in finite)])
    return width, lambda v: (f"{v:.0f}." if isfinite(v) else f"{v:.0f}").rjust(width)


def _complex_format(values: list[complex]) -> tuple[int, Callable[[complex], str]]:
    """Width and formatter of complex numbers: real and imaginary parts choose their styles apart."""
    real_width, real = _float_format([v.real for v in values])
    imag_width, imag = _float_format([v.imag for v in values])

    def text(v: complex) -> str:
        part = (imag(v.imag) + "j").lstrip()
        return real(v.real) + (part if part[0] in "+-" else "+" + part)

    return real_width + imag_width + 1, text


# --- which values are shown, and how rows are laid out --------------------------------------------------------------


def _shown(t: lampas.Tensor, edge: int | None, dim: int = 0) -> Any:
    """Nested lists of the entries that will be printed; dimensions longer than ``2 * edge`` give their ends only."""
    while dim < t.dim() and (edge is None or t.shape[dim] <= 2 * edge):
        dim += 1
    if dim == t.dim() or edge is None:
        return t.tolist()
    head = _shown(t.narrow(dim, 0, edge), edge, dim + 1)
    tail = _shown(t.narrow(dim, t.shape[dim] - edge, edge), edge, dim + 1)
    return _join(head, tail, dim)


def _join(head: list, tail: list, dim: int) -> list:
    return head + tail if dim == 0 else [_join(a, b, dim - 1) for a, b in zip(head, tail, strict=True)]


def _flat(nested: Any, dims: int) -> list:
    if dims == 0:
        return [nested]
    for _ in range(dims - 1):
        nested = [x for part in nested for x in part]
    return nested


def _rows(values: list, shape: tuple[int, ...], edge: int | None, indent: int, width: int, text: Callable) -> str:
    """Brackets, commas and line breaks around the formatted values of one dimension and everything inside it."""
    shortened = edge is not None and shape[0] > 2 * edge
    if len(shape) == 1:
        items = [text(v) for v in values]
        if shortened:
            items[edge:edge] = [" ..."]
        per_line = max(1, (PRINT_OPTS.linewidth - indent) // (width + 2))
        lines = (", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line))
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    items = [_rows(v, shape[1:], edge, indent + 1, width, text) for v in values]
    if shortened:
        items[edge:edge] = ["..."]
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(items) + "]"


def _contents(t: lampas.Tensor, indent: int) -> str:
    """The bracketed values of a tensor that has some."""
    edge = PRINT_OPTS.edgeitems if t.numel() > PRINT_OPTS.threshold else None
    if edge == 0 and t.dim() > 0:
        return "[...]"
    values = _shown(t, edge)
    shape = tuple(t.shape)
    choose = _complex_format if t.is_complex() else _float_format if t.is_floating_point() else _plain_format
    width, text = choose(_flat(values, len(shape)))
    return _rows(values, shape, edge, indent, width, text) if shape else text(values)


# --- the whole ------------------------------------------------------------------------------------------------------


def _grad_fn_name(t: lampas.Tensor) -> str | None:
    try:
        node = t.grad_fn
    except RuntimeError:  # a view whose history was broken by a change under no_grad
        return "Invalid"
    return None if node is None else type(node).__name__


def _gradient_suffixes(t: lampas.Tensor) -> list[str]:
    node = _grad_fn_name(t)
    if node is not None:
        return [f"grad_fn=<{node}>"]
    return ["requires_grad=True"] if t.requires_grad else []


def _with_suffixes(text: str, suffixes: list[str], indent: int, new_line: bool = False) -> str:
    """``text`` and the facts after it, lines broken where they grow too long."""
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if new_line or column + len(suffix) + 2 > PRINT_OPTS.linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
            new_line = False
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text


def _part(name: str, t: lampas.Tensor, indent: int) -> str:
    """Indices or values, as a sparse tensor shows them."""
    prefix = f"{name}=tensor("
    if t.is_meta:
        return f"{prefix}..., size={tuple(t.shape)})"
    if t.numel() == 0:
        return f"{prefix}[], size={tuple(t.shape)})"
    return prefix + _contents(t, indent + len(prefix)) + ")"


def _sparse_str(t: lampas.Tensor) -> str:
    """The text of a sparse tensor."""
    prefix = "tensor("
    indent = len(prefix)
    if t.is_sparse:
        parts = {"indices": t._indices()}
    else:
        from lampas._sparse.compressed import index_names

        parts = {name: getattr(t, name)() for name in index_names(t.layout)}
    parts["values"] = t.detach()._values() if t.is_sparse else t.detach().values()
    text = prefix + (",\n" + " " * indent).join(_part(name, part, indent) for name, part in parts.items())
    suffixes = [f"size={tuple(t.shape)}", f"nnz={t._nnz()}"]
    default = lampas.get_default_dtype()
    default_complex = lampas.complex128 if default == lampas.float64 else lampas.complex64
    if t.dtype not in (default, default_complex, lampas.int64, lampas.bool):
        suffixes.append(f"dtype={t.dtype}")
    suffixes.append(f"layout={t.layout}")
    return _with_suffixes(text, [*suffixes, *_gradient_suffixes(t)], indent, t.is_sparse) + ")"


def tensor_str(t: lampas.Tensor, *, tensor_contents: str | None = None) -> str:
    """The text of ``repr(t)``; ``tensor_contents`` stands in for the values where a subclass prints its own."""
    if t.layout != lampas.strided:
        return _sparse_str(t)
    # A Parameter can exist only where its module was imported; printing does not import it for others.
    parameter = getattr(sys.modules.get("lampas.nn.parameter"), "Parameter", None)
    kind = type(t)
    plain = kind is lampas.Tensor or kind is parameter or t.is_quantized
    prefix = "tensor(" if plain else f"{kind.__name__}("
    indent = len(prefix)
    default = lampas.get_default_dtype()
    default_complex = lampas.complex128 if default == lampas.float64 else lampas.complex64
    implied = t.dtype in (default, default_complex, lampas.int64, lampas.bool)
    suffixes = []
    body = tensor_contents

    if t.device.type != "cpu":
        suffixes.append(f"device='{t.device}'")
    if t.is_meta:
        suffixes.append(f"size={tuple(t.shape)}")
        implied = t.dtype == default
        body = "..." if body is None else body
    elif t.numel() == 0:
        if t.dim() != 1:
            suffixes.append(f"size={tuple(t.shape)}")
        implied = t.dtype == default  # no element shows what it is
        body = "[]" if body is None else body
    elif PRINT_OPTS.edgeitems == 0 or t.is_quantized:
        suffixes.append(f"size={tuple(t.shape)}")
    if not implied:
        suffixes.append(f"dtype={t.dtype}")
    if t.is_quantized:
        suffixes += [f"quantization_scheme={t.qscheme()}", *t._quantizer.described()]
        t = t.dequantize()
    if body is None:
        with lampas.no_grad():
            body = _contents(t.detach() if plain else t.detach().as_subclass(lampas.Tensor), indent)

    text = _with_suffixes(prefix + body, [*suffixes, *_gradient_suffixes(t)], indent) + ")"
    wrapped = not plain and parameter is not None and isinstance(t, parameter)
    return f"Parameter({text})" if wrapped else text
