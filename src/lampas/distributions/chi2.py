"""The chi-squared distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.gamma import Gamma

__all__ = ["Chi2"]

Shape = Sequence[int]


class Chi2(Gamma):
    """The distribution of the sum of ``df`` squared standard normal numbers: ``Gamma(df / 2, 1 / 2)``.

    >>> Chi2(3.0).mean
    tensor(3.)
    """

    arg_constraints: Any = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    def _expand_into(self, new: Any, batch_shape: lampas.Size) -> None:
        super()._expand_into(new, batch_shape)
        for name in Gamma.arg_constraints:
            setattr(new, name, getattr(self, name).expand(batch_shape))

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self.concentration * 2
