"""Values inside lists, tuples, named tuples and dictionaries, however nested."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Spec", "flatten", "mapped", "unflatten"]

_LEAF = object()


class Spec:
    """The shape of a structure: its kind, what belongs to the kind, and the shapes within."""

    def __init__(self, kind: Any, context: Any = None, children: tuple[Spec, ...] = ()) -> None:
        self.kind, self.context, self.children = kind, context, children

    @property
    def is_leaf(self) -> bool:
        """Whether this stands for a single value."""
        return self.kind is _LEAF

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Spec)
            and self.kind is other.kind
            and self.context == other.context
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.kind, len(self.children)))

    def __str__(self) -> str:
        if self.is_leaf:
            return "*"
        if isinstance(self.kind, type) and issubclass(self.kind, dict):
            inside = ", ".join(f"{key!r}: {child}" for key, child in zip(self.context, self.children, strict=True))
            return f"{{{inside}}}"
        inside = ", ".join(map(str, self.children))
        if self.kind is list:
            return f"[{inside}]"
        return f"({inside},)" if len(self.children) == 1 else f"({inside})"


def _opened(tree: Any) -> tuple[Any, list] | None:
    """Context and parts of a structure; None for a single value."""
    kind = type(tree)
    if kind in (list, tuple) or (isinstance(tree, tuple) and hasattr(kind, "_fields")):
        return None, list(tree)
    if kind in (dict, OrderedDict, defaultdict):
        return tuple(tree), list(tree.values())
    return None


def flatten(tree: Any) -> tuple[list, Spec]:
    """The values in a structure, and what puts values into such a structure again."""
    found = _opened(tree)
    if found is None:
        return [tree], Spec(_LEAF)
    context, parts = found
    leaves: list = []
    children = []
    for part in parts:
        inside, spec = flatten(part)
        leaves += inside
        children.append(spec)
    return leaves, Spec(type(tree), context, tuple(children))


def unflatten(leaves: list, spec: Spec) -> Any:
    """The structure of this shape with these values."""
    return _built(iter(leaves), spec)


def _built(leaves: Iterator, spec: Spec) -> Any:
    if spec.is_leaf:
        return next(leaves)
    parts = [_built(leaves, child) for child in spec.children]
    if spec.kind in (list, tuple):
        return spec.kind(parts)
    if issubclass(spec.kind, dict):
        made: dict = OrderedDict() if spec.kind is OrderedDict else {}
        made.update(zip(spec.context, parts, strict=True))
        return made
    return spec.kind(*parts)


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The structure with every value replaced."""
    leaves, spec = flatten(tree)
    return unflatten([function(leaf) for leaf in leaves], spec)


def broadcast(prefix: Any, spec: Spec) -> list | None:
    """A value for each leaf of the shape, from a structure that may end above: its value then counts for all below.

    None where the two do not fit.
    """
    found = _opened(prefix)
    if spec.is_leaf:
        return [prefix] if found is None else None
    if found is None:
        return [prefix] * _count(spec)
    context, parts = found
    same = type(prefix) is spec.kind or (isinstance(prefix, (list, tuple)) and spec.kind in (list, tuple))
    if not same or len(parts) != len(spec.children):
        return None
    if context is not None:
        if set(context) != set(spec.context):
            return None
        parts = [prefix[key] for key in spec.context]
    values: list = []
    for part, child in zip(parts, spec.children, strict=True):
        below = broadcast(part, child)
        if below is None:
            return None
        values += below
    return values


def _count(spec: Spec) -> int:
    return 1 if spec.is_leaf else sum(map(_count, spec.children))
