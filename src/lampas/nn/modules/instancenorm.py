"""Instance normalization: every channel of every sample by itself."""

from __future__ import annotations

import warnings
from typing import Any

import lampas

from .. import functional as F
from .batchnorm import _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(_NormBase):
    _input_dims: tuple[int, int]  # without and with a batch

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        self._check_input_dim(input)
        unbatched = input.dim() == self._input_dims[0]
        channels = input.size(0 if unbatched else 1)
        if channels != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={0 if unbatched else 1} to match num_features "
                    f"({self.num_features}), "
                    f"but got: {channels}."
                )
            warnings.warn(
                f"input's size at dim={0 if unbatched else 1} does not match num_features. Since affine=False, "
                "num_features is not used in the normalization process. You can safely ignore this warning.",
                stacklevel=2,
            )
        result = F.instance_norm(
            input.unsqueeze(0) if unbatched else input,
            self.running_mean,
            self.running_var,
            *self._weight_and_bias(),
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )
        return result.squeeze(0) if unbatched else result

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing: list,
        unexpected: list,
        errors: list,
    ) -> None:
        # Version 1 saved running statistics whether or not they were used.
        if local_metadata.get("version") is None and not self.track_running_stats:
            old = [prefix + name for name in ("running_mean", "running_var") if prefix + name in state_dict]
            if old:
                errors.append(
                    f"Unexpected running stats buffer(s) {' and '.join(repr(key) for key in old)} for "
                    f"{type(self).__name__} with track_running_stats=False. If the state_dict is from a checkpoint "
                    "saved "
                    "before 0.4.0, delete these keys from it: they were never used."
                )
                for key in old:
                    state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)


_INSTANCE_NORM_DOC = """``(x - mean) / sqrt(var + eps) * weight + bias`` for every channel of every sample of
    ``{shape}`` (Ulyanov et al. 2016).

    Args:
        num_features: C.
        affine: whether weight and bias are there (off by default).
        track_running_stats: use running statistics in evaluation (off by default).

    Example::

        >>> nn.InstanceNorm{n}d(4)(lampas.randn({example})).shape
        torch.Size([{example}])
    """


class InstanceNorm1d(_InstanceNorm):
    __doc__ = _INSTANCE_NORM_DOC.format(n=1, shape="(N, C, L)", example="2, 4, 6")
    _input_dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    __doc__ = _INSTANCE_NORM_DOC.format(n=2, shape="(N, C, H, W)", example="2, 4, 6, 6")
    _input_dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    __doc__ = _INSTANCE_NORM_DOC.format(n=3, shape="(N, C, D, H, W)", example="2, 4, 6, 6, 6")
    _input_dims = (4, 5)


class _LazyInstanceNorm(_LazyNormBase):
    def initialize_parameters(self, input: lampas.Tensor) -> None:
        """Take ``num_features`` from the channel dimension."""
        super().initialize_parameters(input.unsqueeze(0) if input.dim() == self._input_dims[0] else input)


class LazyInstanceNorm1d(_LazyInstanceNorm, _InstanceNorm):
    """An :class:`InstanceNorm1d` that takes ``num_features`` from its first input."""

    cls_to_become = InstanceNorm1d
    _input_dims = InstanceNorm1d._input_dims


class LazyInstanceNorm2d(_LazyInstanceNorm, _InstanceNorm):
    """An :class:`InstanceNorm2d` that takes ``num_features`` from its first input."""

    cls_to_become = InstanceNorm2d
    _input_dims = InstanceNorm2d._input_dims


class LazyInstanceNorm3d(_LazyInstanceNorm, _InstanceNorm):
    """An :class:`InstanceNorm3d` that takes ``num_features`` from its first input."""

    cls_to_become = InstanceNorm3d
    _input_dims = InstanceNorm3d._input_dims
