"""Nested containers as flat lists of what they contain, and back."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["flatten", "unflatten"]

Spec = Any  # None for a leaf; else what rebuilds the container, and the specs of its items


def _open(tree: Any) -> tuple[Iterable[Any], Callable[[list[Any]], Any]] | None:
    kind = type(tree)
    if kind is list or kind is tuple:
        return tree, kind
    if kind is dict or kind is OrderedDict:
        keys = list(tree)
        return tree.values(), lambda items: kind(zip(keys, items, strict=True))
    if kind is defaultdict:
        keys, missing = list(tree), tree.default_factory
        return tree.values(), lambda items: defaultdict(missing, zip(keys, items, strict=True))
    if kind is deque:
        return tree, lambda items: deque(items, maxlen=tree.maxlen)
    if isinstance(tree, tuple) and hasattr(kind, "_fields"):
        return tree, lambda items: kind(*items)
    return None


def flatten(tree: Any) -> tuple[list[Any], Spec]:
    """What lists, tuples, named tuples, deques and dicts contain, at any depth, in order; and what `unflatten` needs.

    >>> flatten({"a": 1, "b": [2, (3,)]})[0]
    [1, 2, 3]
    """
    leaves: list[Any] = []
    return leaves, _walk(tree, leaves)


def _walk(tree: Any, leaves: list[Any]) -> Spec:
    opened = _open(tree)
    if opened is None:
        leaves.append(tree)
        return None
    items, rebuild = opened
    return rebuild, [_walk(item, leaves) for item in items]


def unflatten(leaves: Iterable[Any], spec: Spec) -> Any:
    """The nested containers that `flatten` took apart, with these leaves."""
    return _build(iter(leaves), spec)


def _build(leaves: Iterator[Any], spec: Spec) -> Any:
    if spec is None:
        return next(leaves)
    rebuild, parts = spec
    return rebuild([_build(leaves, part) for part in parts])
