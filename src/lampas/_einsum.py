"""einsum: sums of products written with letters for dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas

__all__ = ["einsum"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ELLIPSIS = -1  # stands among the labels until the number of its dimensions is known


def einsum(*args: Any) -> lampas.Tensor:
    """Multiply tensors and sum over dimensions, as a formula with one letter per dimension says.

    Args:
        args: ``(equation, *tensors)`` with an equation such as ``"bij,bjk->bik"``; letters that are not in the result
            are summed over, ``...`` stands for further dimensions, which are broadcast, and without ``->`` the result
            has the letters that occur once, in alphabetical order. Or, instead of an equation,
            ``(tensor, labels, tensor, labels, ..., result labels)`` with lists of integers below 52.

    Operands are contracted two at a time by matrix products, the cheapest pair first.

    Raises:
        RuntimeError: the equation is malformed, or sizes of one letter differ.

    >>> lampas.einsum("ij,jk->ik", lampas.ones(2, 3), lampas.ones(3, 4)).shape
    torch.Size([2, 4])
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    if isinstance(args[0], str):
        operands = list(args[1]) if len(args) == 2 and isinstance(args[1], (list, tuple)) else list(args[1:])
        inputs, output = _parse(args[0])
    else:
        operands = list(args[0 : len(args) - 1 : 2])
        inputs = [_sublist(labels) for labels in args[1::2]]
        output = _sublist(args[-1]) if len(args) % 2 else None
    if len(inputs) != len(operands):
        raise RuntimeError(
            f"einsum(): {len(inputs)} operands are named in the equation, but {len(operands)} were provided"
        )
    return _contract(*_resolved(operands, inputs, output))


def _parse(equation: str) -> tuple[list[list[int]], list[int] | None]:
    left, arrow, right = equation.replace(" ", "").partition("->")
    inputs = [_labels(term, equation) for term in left.split(",")]
    return inputs, _labels(right, equation) if arrow else None


def _labels(term: str, equation: str) -> list[int]:
    labels, rest = [], term
    while rest:
        if rest.startswith("..."):
            labels.append(_ELLIPSIS)
            rest = rest[3:]
        elif rest[0] in _LETTERS:
            labels.append(_LETTERS.index(rest[0]))
            rest = rest[1:]
        else:
            raise RuntimeError(
                f"einsum(): invalid subscript given at {rest[:3]!r} in the equation string {equation!r}, "
                "subscripts must be in [a-zA-Z], with '...', ',' and '->' between them"
            )
    if labels.count(_ELLIPSIS) > 1:
        raise RuntimeError(f"einsum(): found '...' twice in one operand of {equation!r}")
    return labels


def _sublist(labels: Sequence[Any]) -> list[int]:
    found = []
    for label in labels:
        if label is Ellipsis:
            found.append(_ELLIPSIS)
        elif isinstance(label, int) and 0 <= label < len(_LETTERS):
            found.append(label)
        else:
            raise RuntimeError(f"einsum(): subscripts must be integers in [0, 52) or Ellipsis, got {label!r}")
    return found


def _name(label: int) -> str:
    return _LETTERS[label] if 0 <= label < len(_LETTERS) else "..."


def _resolved(
    operands: list[lampas.Tensor], inputs: list[list[int]], output: list[int] | None
) -> tuple[list[lampas.Tensor], list[list[int]], list[int]]:
    """Operands in which every label stands once and has its full size, their labels, and the result's labels."""
    extra = 0  # how many dimensions '...' stands for
    for i, (t, labels) in enumerate(zip(operands, inputs, strict=True)):
        count = t.dim() - sum(label != _ELLIPSIS for label in labels)
        if count < 0 or (count and _ELLIPSIS not in labels):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({t.dim() - count}) does not match the number of "
                f"dimensions ({t.dim()}) for operand {i} of shape {list(t.shape)}"
            )
        extra = max(extra, count if _ELLIPSIS in labels else 0)
    broadcast = list(range(len(_LETTERS), len(_LETTERS) + extra))
    expanded = []
    for t, labels in zip(operands, inputs, strict=True):
        count = t.dim() - sum(label != _ELLIPSIS for label in labels)
        expanded.append(
            [x for label in labels for x in (broadcast[extra - count :] if label == _ELLIPSIS else [label])]
        )
    present = [label for labels in expanded for label in labels]
    if output is None:
        once = sorted({label for label in present if label < len(_LETTERS) and present.count(label) == 1})
        result = broadcast + once
    else:
        result = [x for label in output for x in (broadcast if label == _ELLIPSIS else [label])]
        for label in result:
            if result.count(label) > 1:
                raise RuntimeError(f"einsum(): output subscript {_name(label)} appears more than once in the output")
            if label not in present:
                raise RuntimeError(f"einsum(): output subscript {_name(label)} does not appear in any input operand")
    single = [_distinct(t, labels) for t, labels in zip(operands, expanded, strict=True)]
    sizes: dict[int, int] = {}
    for t, labels in single:
        for label, n in zip(labels, t.shape, strict=True):
            if sizes.setdefault(label, n) != n:
                if sizes[label] != 1 and n != 1:
                    raise RuntimeError(
                        f"einsum(): subscript {_name(label)} has size {n} for one operand which does not broadcast "
                        "with "
                        f"previously seen size {sizes[label]}"
                    )
                sizes[label] = n if sizes[label] == 1 else sizes[label]
    tensors, kept = [], []
    for t, labels in single:
        # A size of 1 that is broadcast is left out: the products do the rest.
        wide = [d for d, label in enumerate(labels) if t.size(d) == 1 and sizes[label] != 1]
        for d in reversed(wide):
            t = t.squeeze(d)
        tensors.append(t)
        kept.append([label for d, label in enumerate(labels) if d not in wide])
    return tensors, kept, result


def _distinct(t: lampas.Tensor, labels: list[int]) -> tuple[lampas.Tensor, list[int]]:
    """Repeated labels of one operand turned into diagonals."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if t.size(first) != t.size(second):
                raise RuntimeError(
                    f"einsum(): subscript {_name(label)} is repeated for one operand but the sizes don't match, "
                    f"{t.size(second)} != {t.size(first)}"
                )
            t = t.diagonal(0, first, second)
            labels = [x for d, x in enumerate(labels) if d not in (first, second)] + [label]
    return t, labels


def _contract(tensors: list[lampas.Tensor], terms: list[list[int]], result: list[int]) -> lampas.Tensor:
    while len(tensors) > 1:
        i, j = _cheapest(tensors, terms, result) if len(tensors) > 2 else (0, 1)
        others = {label for k, labels in enumerate(terms) if k not in (i, j) for label in labels}
        product, labels = _pair(tensors[i], terms[i], tensors[j], terms[j], others | set(result))
        tensors = [t for k, t in enumerate(tensors) if k not in (i, j)] + [product]
        terms = [x for k, x in enumerate(terms) if k not in (i, j)] + [labels]
    t, labels = _summed(tensors[0], terms[0], set(result))
    return t.permute([labels.index(label) for label in result]) if labels != result else t


def _cheapest(tensors: list[lampas.Tensor], terms: list[list[int]], result: list[int]) -> tuple[int, int]:
    """The pair whose product is smallest against what it replaces; the earliest of equals."""
    sizes = {
        label: n for t, labels in zip(tensors, terms, strict=True) for label, n in zip(labels, t.shape, strict=True)
    }
    best, chosen = math.inf, (0, 1)
    for i in range(len(terms)):
        for j in range(i + 1, len(terms)):
            others = {label for k, labels in enumerate(terms) if k not in (i, j) for label in labels} | set(result)
            kept = (set(terms[i]) | set(terms[j])) & others
            growth = math.prod(sizes[x] for x in kept) - tensors[i].numel() - tensors[j].numel()
            if growth < best:
                best, chosen = growth, (i, j)
    return chosen


def _summed(t: lampas.Tensor, labels: list[int], keep: set[int]) -> tuple[lampas.Tensor, list[int]]:
    """Labels that nothing else needs are summed over."""
    gone = [d for d, label in enumerate(labels) if label not in keep]
    if not gone:
        return t, labels
    return t.sum(gone, dtype=t.dtype), [label for label in labels if label in keep]


def _pair(
    a: lampas.Tensor, of_a: list[int], b: lampas.Tensor, of_b: list[int], keep: set[int]
) -> tuple[lampas.Tensor, list[int]]:
    """The product of two operands, summed over the labels that both have and nothing else needs."""
    a, of_a = _summed(a, of_a, keep | set(of_b))
    b, of_b = _summed(b, of_b, keep | set(of_a))
    shared = [label for label in of_a if label in of_b]
    batch = [label for label in shared if label in keep]
    inner = [label for label in shared if label not in keep]
    rows = [label for label in of_a if label not in shared]
    columns = [label for label in of_b if label not in shared]
    a = a.permute([of_a.index(x) for x in batch + rows + inner])
    labels = batch + rows + columns
    if not inner:
        b = b.permute([of_b.index(x) for x in batch + columns])
        left = a.reshape([*a.shape, *[1] * len(columns)])
        right = b.reshape([*b.shape[: len(batch)], *[1] * len(rows), *b.shape[len(batch) :]])
        return left * right, labels
    b = b.permute([of_b.index(x) for x in batch + inner + columns])
    n = len(batch)
    outer = [*a.shape[:n], *a.shape[n : n + len(rows)], *b.shape[n + len(inner) :]]
    height, depth = math.prod(a.shape[n : n + len(rows)]), math.prod(b.shape[n : n + len(inner)])
    width, many = math.prod(b.shape[n + len(inner) :]), math.prod(a.shape[:n])
    if batch:
        product = lampas.bmm(a.reshape(many, height, depth), b.reshape(many, depth, width))
    else:
        product = lampas.mm(a.reshape(height, depth), b.reshape(depth, width))
    return product.reshape(outer), labels
