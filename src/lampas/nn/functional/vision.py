"""Resizing and resampling of images and volumes."""

from __future__ import annotations

import math
import warnings
from typing import Any

import lampas

_nn = lampas._C.nn

__all__ = [
    "GRID_SAMPLE_INTERPOLATION_MODES",
    "GRID_SAMPLE_PADDING_MODES",
    "affine_grid",
    "grid_sample",
    "interpolate",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]

GRID_SAMPLE_INTERPOLATION_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
GRID_SAMPLE_PADDING_MODES = {"zeros": 0, "border": 1, "reflection": 2}

# (mode, number of spatial dimensions) -> the engine's function; those of the second table take align_corners.
_PLAIN = {
    ("nearest", 1): "upsample_nearest1d",
    ("nearest", 2): "upsample_nearest2d",
    ("nearest", 3): "upsample_nearest3d",
    ("nearest-exact", 1): "_upsample_nearest_exact1d",
    ("nearest-exact", 2): "_upsample_nearest_exact2d",
    ("nearest-exact", 3): "_upsample_nearest_exact3d",
}
_ALIGNED = {
    ("linear", 1): "upsample_linear1d",
    ("bilinear", 2): "upsample_bilinear2d",
    ("trilinear", 3): "upsample_trilinear3d",
    ("bicubic", 2): "upsample_bicubic2d",
}
_ANTIALIASED = {"bilinear": "_upsample_bilinear2d_aa", "bicubic": "_upsample_bicubic2d_aa"}
_MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact")


def _per_dimension(name: str, value: Any, n: int, shape: Any) -> list:
    if not isinstance(value, (list, tuple)):
        return [value] * n
    if len(value) != n:
        raise ValueError(
            f"Input and {name} must have the same number of spatial dimensions, but got input with spatial dimensions "
            "of "
            f"{list(shape)} and {'output size' if name == 'output_size' else 'scale_factor'} of {value}. Please "
            "provide "
            "input tensor in (N, C, d1, d2, ...,dK) format."
        )
    return list(value)


def interpolate(
    input: lampas.Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> lampas.Tensor:
    """Resize the spatial dimensions of ``(N, C, ...)`` to ``size`` or by ``scale_factor``.

    Args:
        mode: ``"nearest"``, ``"nearest-exact"``, ``"linear"`` (3-D), ``"bilinear"``, ``"bicubic"`` (4-D),
            ``"trilinear"`` (5-D) or ``"area"``.
        align_corners: whether the corner pixels' centres, not their edges, are what stays in place.
        recompute_scale_factor: use the quotient of the rounded sizes in place of ``scale_factor``.
        antialias: average over the source pixels when shrinking (``"bilinear"`` and ``"bicubic"``).

    >>> F.interpolate(lampas.ones(1, 1, 2), scale_factor=2).shape
    torch.Size([1, 1, 4])
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | "
                "trilinear"
            )
    elif align_corners is None:
        align_corners = False
    n = input.dim() - 2
    shape = input.shape[2:]
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    scales: list | None = None
    if size is not None:
        output_size = _per_dimension("output_size", size, n, shape)
    elif scale_factor is not None:
        scales = _per_dimension("scale_factor", scale_factor, n, shape)
        output_size = [math.floor(float(have) * scale) for have, scale in zip(shape, scales)]
    else:
        raise ValueError("either size or scale_factor should be defined")
    if recompute_scale_factor:
        if size is not None:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        scales = None
    if antialias and not (mode in _ANTIALIASED and n == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input"
        )
    if mode == "area" and n in (1, 2, 3):
        pool = (lampas.adaptive_avg_pool1d, _nn.adaptive_avg_pool2d, _nn.adaptive_avg_pool3d)[n - 1]
        return pool(input, output_size)
    # The engine takes a scale for each dimension, or none: then it is the quotient of the sizes.
    each = scales if scales is not None else [None] * n
    if (mode, n) in _PLAIN:
        return getattr(_nn, _PLAIN[mode, n])(input, output_size, *each)
    if (mode, n) in _ALIGNED:
        name = _ANTIALIASED[mode] if antialias else _ALIGNED[mode, n]
        return getattr(_nn, name)(input, output_size, align_corners, *each)
    if mode in _MODES and n in (1, 2, 3):
        fits = sorted({d + 2 for m, d in (*_PLAIN, *_ALIGNED) if m == mode})
        raise NotImplementedError(
            f"Got {input.dim()}D input, but {mode} mode needs {' or '.join(f'{d}D' for d in fits)} input"
        )
    raise NotImplementedError(
        "Input Error: Only 3D, 4D and 5D input Tensors supported "
        f"(got {input.dim()}D) for the modes: {' | '.join(_MODES)} (got {mode})"
    )


def upsample(
    input: lampas.Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None
) -> lampas.Tensor:
    """The old name of :func:`interpolate`."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: lampas.Tensor, size: Any = None, scale_factor: Any = None) -> lampas.Tensor:
    """The old form of ``interpolate(mode="nearest")``."""
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: lampas.Tensor, size: Any = None, scale_factor: Any = None) -> lampas.Tensor:
    """The old form of ``interpolate(mode="bilinear", align_corners=True)``."""
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def grid_sample(
    input: lampas.Tensor,
    grid: lampas.Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> lampas.Tensor:
    """``input`` sampled at the points of ``grid``, whose coordinates run from -1 to 1 (Jaderberg et al. 2015).

    Args:
        input: ``(N, C, H, W)`` or ``(N, C, D, H, W)``.
        grid: ``(N, H', W', 2)`` or ``(N, D', H', W', 3)``, the last dimension as (x, y, z).
        mode: ``"bilinear"``, ``"nearest"`` or ``"bicubic"`` (4-D).
        padding_mode: what lies outside: ``"zeros"``, ``"border"`` or ``"reflection"``.
        align_corners: whether -1 and 1 are the corner pixels' centres, not their edges.
    """
    if mode not in GRID_SAMPLE_INTERPOLATION_MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in GRID_SAMPLE_PADDING_MODES:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        _warn_align_corners("grid_sample")
        align_corners = False
    return lampas.grid_sampler(
        input, grid, GRID_SAMPLE_INTERPOLATION_MODES[mode], GRID_SAMPLE_PADDING_MODES[padding_mode], align_corners
    )


def _warn_align_corners(name: str) -> None:
    warnings.warn(
        f"Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
        f"align_corners=True in {name} if the old behavior is desired.",
        stacklevel=3,
    )


def affine_grid(theta: lampas.Tensor, size: list[int], align_corners: bool | None = None) -> lampas.Tensor:
    """The grid for :func:`grid_sample` of the affine maps ``theta``: ``(N, 2, 3)`` or ``(N, 3, 4)``.

    ``size`` is that of the wanted output: ``(N, C, H, W)`` or ``(N, C, D, H, W)``.
    """
    if align_corners is None:
        _warn_align_corners("affine_grid")
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    wanted = {4: (2, 3), 5: (3, 4)}.get(len(size))
    if wanted is None:
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {list(size)}."
        )
    if theta.dim() != 3 or theta.shape[-2:] != wanted:
        raise ValueError(
            f"Expected a batch of {wanted[0]}D affine matrices of shape Nx{wanted[0]}x{wanted[1]} for size "
            f"{list(size)}. "
            f"Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {list(size)}")
    return lampas.affine_grid_generator(theta, size, align_corners)
