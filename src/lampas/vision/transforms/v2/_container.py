"""Several transforms as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import lampas
from lampas import nn
from lampas.vision.transforms.v2._transform import Transform, check_probability

__all__ = ["Compose", "RandomApply", "RandomChoice", "RandomOrder"]


def _check(transforms: Any, kinds: tuple[type, ...] = (Sequence,)) -> None:
    if not isinstance(transforms, kinds):
        more = " or a `nn.ModuleList`" if len(kinds) > 1 else ""
        raise TypeError(f"Argument transforms should be a sequence of callables{more}, got {type(transforms)}")
    if not len(cast("Sequence", transforms)):
        raise ValueError("Pass at least one transform")


def _one_after_another(transforms: Any, inputs: tuple[Any, ...]) -> Any:
    several = len(inputs) > 1
    for transform in transforms:
        outputs = transform(*inputs)
        inputs = outputs if several else (outputs,)
    return outputs


def _lines(transforms: Any) -> str:
    return "\n".join(f"    {transform}" for transform in transforms)


class Compose(Transform):
    """Transforms, or any callables, one after another.

    Raises:
        TypeError: ``transforms`` is not a sequence. ValueError: it is empty.

    >>> Compose([RandomHorizontalFlip(), ToDtype(lampas.float32, scale=True)])
    """

    def __init__(self, transforms: Sequence[Callable]) -> None:
        super().__init__()
        _check(transforms)
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        return _one_after_another(self.transforms, inputs)

    def extra_repr(self) -> str:
        return _lines(self.transforms)


class RandomApply(Transform):
    """All of the transforms, one after another, with probability ``p``; else none.

    Raises:
        TypeError: ``transforms`` is neither a sequence nor a ``ModuleList``.
        ValueError: it is empty, or p is not in [0, 1].
    """

    def __init__(self, transforms: Sequence[Callable] | nn.ModuleList, p: float = 0.5) -> None:
        super().__init__()
        _check(transforms, (Sequence, nn.ModuleList))
        self.transforms = transforms
        check_probability(p)
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        if lampas.rand(1) >= self.p:
            return inputs if len(inputs) > 1 else inputs[0]
        return _one_after_another(self.transforms, inputs)

    def extra_repr(self) -> str:
        return _lines(self.transforms)


class RandomChoice(Transform):
    """One of the transforms.

    Args:
        transforms: a sequence of callables.
        p: how likely each is, up to a common factor; all alike where it is None.

    Raises:
        TypeError: ``transforms`` is not a sequence. ValueError: it is empty, or p has another length.
    """

    def __init__(self, transforms: Sequence[Callable], p: list[float] | None = None) -> None:
        _check(transforms)
        if p is None:
            p = [1] * len(transforms)
        elif len(p) != len(transforms):
            raise ValueError(f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}")
        super().__init__()
        self.transforms = transforms
        self.p = [weight / sum(p) for weight in p]

    def forward(self, *inputs: Any) -> Any:
        return self.transforms[int(lampas.multinomial(lampas.tensor(self.p), 1))](*inputs)


class RandomOrder(Transform):
    """All of the transforms, in a random order.

    Raises:
        TypeError: ``transforms`` is not a sequence. ValueError: it is empty.
    """

    def __init__(self, transforms: Sequence[Callable]) -> None:
        _check(transforms)
        super().__init__()
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        order = lampas.randperm(len(self.transforms)).tolist()
        return _one_after_another([self.transforms[i] for i in order], inputs)
