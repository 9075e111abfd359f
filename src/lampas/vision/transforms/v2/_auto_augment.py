"""Policies of many augmentations: AutoAugment, RandAugment, TrivialAugment, AugMix."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lampas
from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms import autoaugment as v1
from lampas.vision.transforms._geometry import InterpolationMode
from lampas.vision.transforms._tensor_kernels import max_value
from lampas.vision.transforms.autoaugment import AutoAugmentPolicy
from lampas.vision.transforms.v2 import _arguments as arguments
from lampas.vision.transforms.v2 import functional as F
from lampas.vision.transforms.v2._transform import Transform, integer, single
from lampas.vision.transforms.v2._tree import flatten, unflatten
from lampas.vision.transforms.v2.functional._dispatch import is_image

_Mode = InterpolationMode | str | int

# --- strengths ------------------------------------------------------------------------------------------------------


def _wide_space(steps: int, size: list[int]) -> v1._Space:
    """The operations of AutoAugment and RandAugment. Random choices follow the order of a space."""
    height, width = size
    part = 150.0 / 331.0
    space = v1._space(steps, 0.3, (part * width, part * height), 30.0, 0.9, (8, 4))
    return {"Identity": (lampas.tensor(0.0), False)} | space | _solarizing(steps)


def _solarizing(steps: int) -> v1._Space:
    return {"Solarize": (lampas.linspace(1.0, 0.0, steps), False)}  # of white


def _strength(entry: tuple[Tensor, bool], choose: Callable[[], int | None]) -> float:
    """One of the strengths, or its negative where that makes sense; 0 for what has none."""
    strengths, signed = entry
    if strengths.ndim == 0:
        return 0.0
    value = float(strengths[choose()])
    return -value if signed and lampas.rand(()) <= 0.5 else value


# --- the operations -------------------------------------------------------------------------------------------------


def _affine(image: Any, m: dict[str, Any], how: dict[str, Any]) -> Any:
    arguments = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    return F.affine(image, **(arguments | m), **how)


def _degrees(m: float) -> float:
    return math.degrees(math.atan(m))


def _white(image: Any) -> float:
    return max_value(image.dtype) if isinstance(image, Tensor) else 255.0


_OPERATIONS: dict[str, Callable[[Any, float, dict[str, Any]], Any]] = {
    "Identity": lambda image, m, how: image,
    "ShearX": lambda image, m, how: _affine(image, {"shear": [_degrees(m), 0.0], "center": [0, 0]}, how),
    "ShearY": lambda image, m, how: _affine(image, {"shear": [0.0, _degrees(m)], "center": [0, 0]}, how),
    "TranslateX": lambda image, m, how: _affine(image, {"translate": [int(m), 0]}, how),
    "TranslateY": lambda image, m, how: _affine(image, {"translate": [0, int(m)]}, how),
    "Rotate": lambda image, m, how: F.rotate(image, angle=m, **how),
    "Brightness": lambda image, m, how: F.adjust_brightness(image, 1.0 + m),
    "Color": lambda image, m, how: F.adjust_saturation(image, 1.0 + m),
    "Contrast": lambda image, m, how: F.adjust_contrast(image, 1.0 + m),
    "Sharpness": lambda image, m, how: F.adjust_sharpness(image, 1.0 + m),
    "Posterize": lambda image, m, how: F.posterize(image, int(m)),
    "Solarize": lambda image, m, how: F.solarize(image, _white(image) * m),
    "AutoContrast": lambda image, m, how: F.autocontrast(image),
    "Equalize": lambda image, m, how: F.equalize(image),
    "Invert": lambda image, m, how: F.invert(image),
}


class _Policy(Transform):
    """Finds the one image or video of the sample, hands it to ``_augment``, and puts the result in its place."""

    def __init__(self, *, interpolation: _Mode = "nearest", fill: Any = None) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill
        self._fill = arguments.fills(fill)

    def forward(self, *inputs: Any) -> Any:
        flat, spec = flatten(single(inputs))
        found = []
        for i, (value, needed) in enumerate(zip(flat, self._needs_transform_list(flat), strict=True)):
            if needed and (is_image(value) or isinstance(value, tv_tensors.Video)):
                found.append(i)
            elif isinstance(value, (tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints)):
                raise TypeError(f"Inputs of type {type(value).__name__} are not supported by {type(self).__name__}()")
        if not found:
            raise TypeError("Found no image in the sample.")
        if len(found) > 1:
            raise TypeError(
                "Auto augment transformations are only properly defined for a single image or video, "
                f"but found {len(found)}."
            )
        flat[found[0]] = self._augment(flat[found[0]], F.get_size(flat[found[0]]))
        return unflatten(flat, spec)

    def _augment(self, image: Any, size: list[int]) -> Any:
        raise NotImplementedError

    @staticmethod
    def _choice(space: v1._Space) -> str:
        return list(space)[integer(0, len(space))]

    def _apply(self, name: str, image: Any, strength: float) -> Any:
        how = {"interpolation": self.interpolation, "fill": arguments.fill_of(self._fill, image)}
        return _OPERATIONS[name](image, strength, how)


class AutoAugment(_Policy):
    """One of the 25 pairs of operations that were found best on a data set, each with its probability and strength.

    Args:
        policy: `AutoAugmentPolicy`: which data set.
        interpolation: of rotations, shears and translations.
        fill: what comes from outside then: a number, one per channel, None (black), or a dict of these by class.

    Raises:
        ValueError: there is no such policy. TypeError: when called: not exactly one image or video.

    Source: Cubuk et al., AutoAugment: Learning Augmentation Policies from Data, 2018.
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: _Mode = "nearest",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        if not isinstance(policy, AutoAugmentPolicy):
            raise ValueError(f"The provided policy {policy} is not recognized: take one of AutoAugmentPolicy.")
        self.policy = policy
        self._policies = v1._policies(v1._POLICIES[policy.value])

    def _augment(self, image: Any, size: list[int]) -> Any:
        space = _wide_space(10, size)
        for name, probability, number in self._policies[integer(0, len(self._policies))]:
            if lampas.rand(()) <= probability:
                image = self._apply(name, image, _strength(space[name], lambda number=number: number))  # type: ignore[misc]
        return image


class RandAugment(_Policy):
    """A number of random operations, all of the same strength.

    Args:
        num_ops: how many. magnitude: the strength, out of num_magnitude_bins.
        interpolation, fill: as for `AutoAugment`.

    Source: Cubuk et al., RandAugment: Practical Automated Data Augmentation, 2019.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: _Mode = "nearest",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        if not isinstance(num_ops, int) or num_ops < 0:
            raise ValueError(f"num_ops should be a non-negative integer, but got {num_ops} instead.")
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def _augment(self, image: Any, size: list[int]) -> Any:
        space = _wide_space(self.num_magnitude_bins, size)
        del space["Invert"]
        for _ in range(self.num_ops):
            name = self._choice(space)
            image = self._apply(name, image, _strength(space[name], lambda: self.magnitude))
        return image


class TrivialAugmentWide(_Policy):
    """One random operation of random strength.

    Args:
        num_magnitude_bins: how many strengths there are.
        interpolation, fill: as for `AutoAugment`.

    Source: Müller and Hutter, TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation, 2021.
    """

    def __init__(self, num_magnitude_bins: int = 31, interpolation: _Mode = "nearest", fill: Any = None) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _augment(self, image: Any, size: list[int]) -> Any:
        bins = self.num_magnitude_bins
        space = v1._space(bins, 0.99, (32.0, 32.0), 135.0, 0.99, (8, 6), without=("Invert",))
        space = {"Identity": (lampas.tensor(0.0), False)} | space | _solarizing(bins)
        name = self._choice(space)
        return self._apply(name, image, _strength(space[name], lambda: integer(0, bins)))


class AugMix(_Policy):
    """Chains of random operations, mixed with each other and with the image.

    Args:
        severity: strengths go up to this, out of 10.
        mixture_width: how many chains. chain_depth: how many operations each has; -1 means 1 to 3, at random.
        alpha: of the distributions of the weights.
        all_ops: include brightness, colour, contrast and sharpness.
        interpolation, fill: as for `AutoAugment`.

    Source: Hendrycks et al., AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty, 2019.
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: _Mode = "bilinear",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _space(self, size: list[int]) -> v1._Space:
        height, width = size
        space = v1._space(10, 0.3, (width / 3.0, height / 3.0), 30.0, 0.9, (4, 4), without=("Invert",))
        space |= _solarizing(10)
        colours = {name: space.pop(name) for name in ("Brightness", "Color", "Contrast", "Sharpness")}
        return space | colours if self.all_ops else space

    def _augment(self, image: Any, size: list[int]) -> Any:
        space = self._space(size)
        is_tensor = isinstance(image, Tensor)
        pixels = image if is_tensor else F.pil_to_tensor(image)
        dims = 5 if isinstance(image, tv_tensors.Video) else 4
        batch = pixels.reshape([1] * max(dims - pixels.ndim, 0) + list(pixels.shape))
        count, beside = batch.shape[0], [batch.shape[0]] + [1] * (batch.ndim - 1)
        share = lampas._sample_dirichlet(lampas.full((count, 2), float(self.alpha)))
        weights = lampas._sample_dirichlet(lampas.full((count, self.mixture_width), float(self.alpha)))
        weights = weights * share[:, 1:]
        mix = share[:, 0].reshape(beside) * batch
        for i in range(self.mixture_width):
            chain = batch
            for _ in range(self.chain_depth if self.chain_depth > 0 else integer(1, 4)):
                name = self._choice(space)
                chain = self._apply(name, chain, _strength(space[name], lambda: integer(0, self.severity)))
            mix.add_(weights[:, i].reshape(beside) * chain)
        mix = mix.reshape(pixels.shape).to(pixels.dtype)
        if not is_tensor:
            return F.to_pil_image(mix)
        return tv_tensors.wrap(mix, like=image) if isinstance(image, tv_tensors.TVTensor) else mix
