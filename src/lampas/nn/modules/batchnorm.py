"""Batch normalization, and the base it shares with instance normalization."""

from __future__ import annotations

from typing import Any

import lampas

from .. import functional as F
from .. import init
from ..parameter import Parameter, UninitializedBuffer, UninitializedParameter
from .lazy import LazyModuleMixin
from .module import Module

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "SyncBatchNorm",
]


class _NormBase(Module):
    """Scale, shift and running statistics of ``num_features`` channels."""

    _version = 2
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]
    # The input dimensions the class takes, and the word for them in its error.
    _input_dims: tuple[int, ...] = ()

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, there in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(
                name, Parameter(lampas.empty(num_features, device=device, dtype=dtype)) if there else None
            )
        if track_running_stats:
            self.register_buffer("running_mean", lampas.zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", lampas.ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", lampas.tensor(0, dtype=lampas.int64, device=device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running statistics."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set scale to 1, shift to 0 and forget the running statistics."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input: lampas.Tensor) -> None:
        if input.dim() not in self._input_dims:
            wanted = " or ".join(f"{d}D" for d in self._input_dims)
            raise ValueError(f"expected {wanted} input (got {input.dim()}D input)")

    def _explain_failure(self, args: tuple) -> str | None:
        if not args or not isinstance(args[0], lampas.Tensor) or args[0].dim() < 2:
            return None
        shape = tuple(args[0].shape)
        if shape[1] == self.num_features:
            return None
        return (
            f"the input has {shape[1]} channels (shape {shape}), the layer was made with num_features="
            f"{self.num_features}; num_features={shape[1]} would fit"
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

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
        # Version 1 had no num_batches_tracked.
        key = prefix + "num_batches_tracked"
        if local_metadata.get("version") in (None, 1) and self.track_running_stats and key not in state_dict:
            state_dict[key] = (
                self.num_batches_tracked
                if self.num_batches_tracked is not None and not self.num_batches_tracked.is_meta
                else lampas.tensor(0, dtype=lampas.int64)
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)


class _BatchNorm(_NormBase):
    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        self._check_input_dim(input)
        buffers = self._buffers
        running_mean, running_var = buffers["running_mean"], buffers["running_var"]
        momentum = 0.0 if self.momentum is None else self.momentum
        training = self.training
        if training and self.track_running_stats:
            count = buffers["num_batches_tracked"]
            if count is not None:
                count.add_(1)
                if self.momentum is None:
                    momentum = 1.0 / float(count)  # the mean of all batches so far
        use_batch = training or (running_mean is None and running_var is None)
        keep = not training or self.track_running_stats
        return F.batch_norm(
            input,
            running_mean if keep else None,
            running_var if keep else None,
            *self._weight_and_bias(),
            use_batch,
            momentum,
            self.eps,
        )


_BATCH_NORM_DOC = """``(x - mean) / sqrt(var + eps) * weight + bias`` for every channel of ``{shape}``
    (Ioffe & Szegedy 2015).

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: how far the running statistics move towards each batch's; None makes them the mean of all batches.
        affine: whether weight and bias are there (``bias=False`` leaves out the bias alone).
        track_running_stats: whether statistics are kept for evaluation.

    In training the batch's own statistics are used (the variance without Bessel's correction), in evaluation the
    running
    ones (with it).

    Example::

        >>> nn.BatchNorm{n}d(4)(lampas.randn({example})).shape
        torch.Size([{example}])
    """


class BatchNorm1d(_BatchNorm):
    __doc__ = _BATCH_NORM_DOC.format(n=1, shape="(N, C) or (N, C, L)", example="8, 4")
    _input_dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    __doc__ = _BATCH_NORM_DOC.format(n=2, shape="(N, C, H, W)", example="8, 4, 5, 5")
    _input_dims = (4,)


class BatchNorm3d(_BatchNorm):
    __doc__ = _BATCH_NORM_DOC.format(n=3, shape="(N, C, D, H, W)", example="8, 4, 5, 5, 5")
    _input_dims = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalization over the batches of all processes of a group; in a single process, over its own batch."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: lampas.Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        if input.device.type != "cuda":
            raise ValueError(
                f"SyncBatchNorm expected input tensor to be on a GPU, got one on {input.device}: use BatchNorm there"
            )
        return super().forward(input)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """``module`` with every batch normalization in it replaced by a synchronized one of the same state."""
        result = module
        if isinstance(module, _BatchNorm):
            result = cls(
                *(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats),
                process_group,
                bias=module.bias is not None,
            )
            if module.affine:
                with lampas.no_grad():
                    result.weight, result.bias = module.weight, module.bias
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(result, name, getattr(module, name))
            result.training = module.training
        for name, child in module.named_children():
            result.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return result


class _LazyNormBase(LazyModuleMixin, _NormBase):
    """Takes ``num_features`` from the first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = lampas.tensor(0, dtype=lampas.int64, device=device)

    def reset_parameters(self) -> None:
        """Set the initial values anew, once there is a shape."""
        if self.num_features and not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input: lampas.Tensor) -> None:
        """Take ``num_features`` from the input's second dimension."""
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        for value in (self.weight, self.bias, self.running_mean, self.running_var):
            if value is not None:
                value.materialize((self.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNormBase, _BatchNorm):
    """A :class:`BatchNorm1d` that takes ``num_features`` from its first input."""

    cls_to_become = BatchNorm1d
    _input_dims = BatchNorm1d._input_dims


class LazyBatchNorm2d(_LazyNormBase, _BatchNorm):
    """A :class:`BatchNorm2d` that takes ``num_features`` from its first input."""

    cls_to_become = BatchNorm2d
    _input_dims = BatchNorm2d._input_dims


class LazyBatchNorm3d(_LazyNormBase, _BatchNorm):
    """A :class:`BatchNorm3d` that takes ``num_features`` from its first input."""

    cls_to_become = BatchNorm3d
    _input_dims = BatchNorm3d._input_dims
