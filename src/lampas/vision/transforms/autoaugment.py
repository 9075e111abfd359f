"""Automatic augmentation: AutoAugment, RandAugment, TrivialAugment, AugMix. Images are PIL images or uint8 tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import lampas
from lampas import Tensor, nn

from . import functional as F
from ._basic import described
from ._geometry import InterpolationMode

__all__ = ["AutoAugmentPolicy", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"]

_Fill = float | Sequence[float] | None
# An operation's magnitudes, from weak to strong (a 0-d tensor where it has none), and whether their sign is random.
_Space = dict[str, tuple[Tensor, bool]]


def _moved(img: Any, interpolation: InterpolationMode, fill: _Fill, x: float = 0.0, y: float = 0.0) -> Any:
    return F.affine(img, 0.0, [int(x), int(y)], 1.0, [0.0, 0.0], interpolation, fill)


def _sheared(img: Any, interpolation: InterpolationMode, fill: _Fill, x: float = 0.0, y: float = 0.0) -> Any:
    # the shear of the paper's: around the upper left corner, by a slope
    shear = [math.degrees(math.atan(x)), math.degrees(math.atan(y))]
    return F.affine(img, 0.0, [0, 0], 1.0, shear, interpolation, fill, [0, 0])


# (image, magnitude, interpolation, fill)
_OPERATIONS: dict[str, Callable[[Any, float, InterpolationMode, _Fill], Any]] = {
    "Identity": lambda img, m, how, fill: img,
    "ShearX": lambda img, m, how, fill: _sheared(img, how, fill, x=m),
    "ShearY": lambda img, m, how, fill: _sheared(img, how, fill, y=m),
    "TranslateX": lambda img, m, how, fill: _moved(img, how, fill, x=m),
    "TranslateY": lambda img, m, how, fill: _moved(img, how, fill, y=m),
    "Rotate": lambda img, m, how, fill: F.rotate(img, m, how, fill=fill),
    "Brightness": lambda img, m, how, fill: F.adjust_brightness(img, 1.0 + m),
    "Color": lambda img, m, how, fill: F.adjust_saturation(img, 1.0 + m),
    "Contrast": lambda img, m, how, fill: F.adjust_contrast(img, 1.0 + m),
    "Sharpness": lambda img, m, how, fill: F.adjust_sharpness(img, 1.0 + m),
    "Posterize": lambda img, m, how, fill: F.posterize(img, int(m)),
    "Solarize": lambda img, m, how, fill: F.solarize(img, m),
    "AutoContrast": lambda img, m, how, fill: F.autocontrast(img),
    "Equalize": lambda img, m, how, fill: F.equalize(img),
    "Invert": lambda img, m, how, fill: F.invert(img),
}

# What every method draws from, in this order, as far as it names them.
_SIGNED = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness")


def _bits(highest: int, drop: int, num_bins: int) -> Tensor:
    """Bits that are kept, from `highest` down by `drop`."""
    return highest - (lampas.arange(num_bins) / ((num_bins - 1) / drop)).round().to(lampas.int32)


def _space(
    num_bins: int,
    shear: float,
    translate: tuple[float, float],
    rotate: float,
    factor: float,
    bits: tuple[int, int],
    without: Sequence[str] = (),
) -> _Space:
    """All operations, each from nothing to the strongest given."""
    strongest = dict(zip(_SIGNED, [shear, shear, *translate, rotate, *[factor] * 4]))
    space = {name: (lampas.linspace(0.0, most, num_bins), True) for name, most in strongest.items()}
    space["Posterize"] = (_bits(*bits, num_bins), False)
    space["Solarize"] = (lampas.linspace(255.0, 0.0, num_bins), False)
    space |= {name: (lampas.tensor(0.0), False) for name in ("AutoContrast", "Equalize", "Invert")}
    return {name: entry for name, entry in space.items() if name not in without}


def _pick(limit: int) -> int:
    return lampas.randint(limit, (1,)).item()


class _Augmentation(nn.Module):
    def __init__(self, interpolation: InterpolationMode, fill: _Fill) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    def _apply_op(self, img: Any, name: str, magnitude: float) -> Any:
        return _OPERATIONS[name](img, magnitude, self.interpolation, self.fill)

    def _draw(self, space: _Space, magnitude: Callable[[Tensor], Tensor]) -> tuple[str, float]:
        """An operation and how strong it shall be; `magnitude` chooses one of them."""
        name = list(space)[_pick(len(space))]
        magnitudes, signed = space[name]
        chosen = magnitude(magnitudes).item() if magnitudes.ndim > 0 else 0.0
        return name, -chosen if signed and _pick(2) else chosen


class AutoAugmentPolicy(Enum):
    """What data a policy was learned on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# The paper's: a line is a policy, two operations, each with a probability and a magnitude from 0 to 9.
_POLICIES = {
    "imagenet": """
        Posterize 0.4 8; Rotate 0.6 9
        Solarize 0.6 5; AutoContrast 0.6
        Equalize 0.8; Equalize 0.6
        Posterize 0.6 7; Posterize 0.6 6
        Equalize 0.4; Solarize 0.2 4
        Equalize 0.4; Rotate 0.8 8
        Solarize 0.6 3; Equalize 0.6
        Posterize 0.8 5; Equalize 1.0
        Rotate 0.2 3; Solarize 0.6 8
        Equalize 0.6; Posterize 0.4 6
        Rotate 0.8 8; Color 0.4 0
        Rotate 0.4 9; Equalize 0.6
        Equalize 0.0; Equalize 0.8
        Invert 0.6; Equalize 1.0
        Color 0.6 4; Contrast 1.0 8
        Rotate 0.8 8; Color 1.0 2
        Color 0.8 8; Solarize 0.8 7
        Sharpness 0.4 7; Invert 0.6
        ShearX 0.6 5; Equalize 1.0
        Color 0.4 0; Equalize 0.6
        Equalize 0.4; Solarize 0.2 4
        Solarize 0.6 5; AutoContrast 0.6
        Invert 0.6; Equalize 1.0
        Color 0.6 4; Contrast 1.0 8
        Equalize 0.8; Equalize 0.6
    """,
    "cifar10": """
        Invert 0.1; Contrast 0.2 6
        Rotate 0.7 2; TranslateX 0.3 9
        Sharpness 0.8 1; Sharpness 0.9 3
        ShearY 0.5 8; TranslateY 0.7 9
        AutoContrast 0.5; Equalize 0.9
        ShearY 0.2 7; Posterize 0.3 7
        Color 0.4 3; Brightness 0.6 7
        Sharpness 0.3 9; Brightness 0.7 9
        Equalize 0.6; Equalize 0.5
        Contrast 0.6 7; Sharpness 0.6 5
        Color 0.7 7; TranslateX 0.5 8
        Equalize 0.3; AutoContrast 0.4
        TranslateY 0.4 3; Sharpness 0.2 6
        Brightness 0.9 6; Color 0.2 8
        Solarize 0.5 2; Invert 0.0
        Equalize 0.2; AutoContrast 0.6
        Equalize 0.2; Equalize 0.6
        Color 0.9 9; Equalize 0.6
        AutoContrast 0.8; Solarize 0.2 8
        Brightness 0.1 3; Color 0.7 0
        Solarize 0.4 5; AutoContrast 0.9
        TranslateY 0.9 9; TranslateY 0.7 9
        AutoContrast 0.9; Solarize 0.8 3
        Equalize 0.8; Invert 0.1
        TranslateY 0.7 9; AutoContrast 0.9
    """,
    "svhn": """
        ShearX 0.9 4; Invert 0.2
        ShearY 0.9 8; Invert 0.7
        Equalize 0.6; Solarize 0.6 6
        Invert 0.9; Equalize 0.6
        Equalize 0.6; Rotate 0.9 3
        ShearX 0.9 4; AutoContrast 0.8
        ShearY 0.9 8; Invert 0.4
        ShearY 0.9 5; Solarize 0.2 6
        Invert 0.9; AutoContrast 0.8
        Equalize 0.6; Rotate 0.9 3
        ShearX 0.9 4; Solarize 0.3 3
        ShearY 0.8 8; Invert 0.7
        Equalize 0.9; TranslateY 0.6 6
        Invert 0.9; Equalize 0.6
        Contrast 0.3 3; Rotate 0.8 4
        Invert 0.8; TranslateY 0.0 2
        ShearY 0.7 6; Solarize 0.4 8
        Invert 0.6; Rotate 0.8 4
        ShearY 0.3 7; TranslateX 0.9 3
        ShearX 0.1 6; Invert 0.6
        Solarize 0.7 2; TranslateY 0.6 7
        ShearY 0.8 4; Invert 0.8
        ShearX 0.7 9; TranslateY 0.8 3
        ShearY 0.8 5; AutoContrast 0.7
        ShearX 0.7 2; Invert 0.1
    """,
}


def _policies(text: str) -> list[tuple[tuple[str, float, int | None], ...]]:
    def operation(words: list[str]) -> tuple[str, float, int | None]:
        return words[0], float(words[1]), int(words[2]) if len(words) > 2 else None

    return [tuple(operation(part.split()) for part in line.split(";")) for line in text.strip().splitlines()]


class AutoAugment(_Augmentation):
    """One of 25 pairs of operations, learned for a data set (Cubuk et al., https://arxiv.org/abs/1805.09501).

    Args:
        policy: the data set.
        interpolation: NEAREST or BILINEAR; for PIL images also BICUBIC.
        fill: outside of moved images; one number, or one for each channel.

    Raises:
        ValueError: no such policy.

    >>> AutoAugment(AutoAugmentPolicy.CIFAR10)(lampas.zeros(3, 32, 32, dtype=lampas.uint8)).shape
    torch.Size([3, 32, 32])
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not isinstance(policy, AutoAugmentPolicy):
            names = ", ".join(map(str, AutoAugmentPolicy))
            raise ValueError(f"policy {policy!r} is not recognized: take one of {names}")
        self.policy = policy
        self.policies = _policies(_POLICIES[policy.value])

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> _Space:
        height, width = image_size
        return _space(num_bins, 0.3, (150.0 / 331.0 * width, 150.0 / 331.0 * height), 30.0, 0.9, (8, 4))

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """A policy's number, two numbers that decide which of its operations are done, and two signs."""
        return _pick(transform_num), lampas.rand((2,)), lampas.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        _, height, width = F.get_dimensions(img)
        number, probabilities, signs = self.get_params(len(self.policies))
        space = self._augmentation_space(10, (height, width))
        for (name, p, magnitude_id), drawn, sign in zip(self.policies[number], probabilities.tolist(), signs.tolist()):
            if drawn <= p:
                magnitudes, signed = space[name]
                magnitude = 0.0 if magnitude_id is None else float(magnitudes[magnitude_id].item())
                img = self._apply_op(img, name, -magnitude if signed and sign == 0 else magnitude)
        return img

    def __repr__(self) -> str:
        return described(self, policy=self.policy, fill=self.fill)


class RandAugment(_Augmentation):
    """Random operations, all of one strength (Cubuk et al., https://arxiv.org/abs/1909.13719).

    Args:
        num_ops: how many, one after the other.
        magnitude: the strength.
        num_magnitude_bins: how many strengths there are.
        interpolation: NEAREST or BILINEAR; for PIL images also BICUBIC.
        fill: outside of moved images; one number, or one for each channel.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> _Space:
        height, width = image_size
        far = (150.0 / 331.0 * width, 150.0 / 331.0 * height)
        return {
            "Identity": (lampas.tensor(0.0), False),
            **_space(num_bins, 0.3, far, 30.0, 0.9, (8, 4), without=("Invert",)),
        }

    def forward(self, img: Any) -> Any:
        _, height, width = F.get_dimensions(img)
        space = self._augmentation_space(self.num_magnitude_bins, (height, width))
        for _ in range(self.num_ops):
            img = self._apply_op(img, *self._draw(space, lambda magnitudes: magnitudes[self.magnitude]))
        return img

    def __repr__(self) -> str:
        return described(
            self,
            num_ops=self.num_ops,
            magnitude=self.magnitude,
            num_magnitude_bins=self.num_magnitude_bins,
            interpolation=self.interpolation,
            fill=self.fill,
        )


class TrivialAugmentWide(_Augmentation):
    """One random operation of random strength (Müller and Hutter, https://arxiv.org/abs/2103.10158).

    Args:
        num_magnitude_bins: how many strengths there are.
        interpolation: NEAREST or BILINEAR; for PIL images also BICUBIC.
        fill: outside of moved images; one number, or one for each channel.
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _augmentation_space(self, num_bins: int) -> _Space:
        return {
            "Identity": (lampas.tensor(0.0), False),
            **_space(num_bins, 0.99, (32.0, 32.0), 135.0, 0.99, (8, 6), without=("Invert",)),
        }

    def forward(self, img: Any) -> Any:
        space = self._augmentation_space(self.num_magnitude_bins)
        return self._apply_op(img, *self._draw(space, lambda magnitudes: magnitudes[_pick(len(magnitudes))]))

    def __repr__(self) -> str:
        return described(
            self, num_magnitude_bins=self.num_magnitude_bins, interpolation=self.interpolation, fill=self.fill
        )


def _dirichlet(alpha: float, rows: int, columns: int) -> Tensor:
    """Rows of positive numbers whose sum is 1."""
    return lampas._sample_dirichlet(lampas.full((rows, columns), float(alpha)))


class AugMix(_Augmentation):
    """The image mixed with several chains of random operations (Hendrycks et al., https://arxiv.org/abs/1912.02781).

    Args:
        severity: the strongest magnitude, from 1 to 10.
        mixture_width: how many chains.
        chain_depth: operations in a chain; -1 for one to three.
        alpha: of the Dirichlet and beta distributions that the weights are drawn from.
        all_ops: also brightness, contrast, colour and sharpness.
        interpolation: NEAREST or BILINEAR; for PIL images also BICUBIC.
        fill: outside of moved images; one number, or one for each channel.

    Raises:
        ValueError: a severity outside of 1 to 10.
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"severity should be from 1 to 10, got {severity}")
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> _Space:
        height, width = image_size
        space = _space(num_bins, 0.3, (width / 3.0, height / 3.0), 30.0, 0.9, (4, 4), without=("Invert",))
        colors = {name: space.pop(name) for name in ("Brightness", "Color", "Contrast", "Sharpness")}
        return {**space, **colors} if self.all_ops else space

    def forward(self, orig_img: Any) -> Any:
        _, height, width = F.get_dimensions(orig_img)
        img = orig_img if isinstance(orig_img, Tensor) else F.pil_to_tensor(orig_img)
        space = self._augmentation_space(10, (height, width))
        batch = img.view([1] * max(4 - img.ndim, 0) + list(img.shape))
        rows = batch.shape[0]
        beside = [rows] + [1] * (batch.ndim - 1)

        share = _dirichlet(self.alpha, rows, 2)  # how much of the image, and of the chains
        weights = _dirichlet(self.alpha, rows, self.mixture_width) * share[:, 1:]
        mix = share[:, 0].view(beside) * batch
        for i in range(self.mixture_width):
            chain = batch
            depth = self.chain_depth if self.chain_depth > 0 else int(lampas.randint(1, 4, (1,)).item())
            for _ in range(depth):
                chain = self._apply_op(chain, *self._draw(space, lambda magnitudes: magnitudes[_pick(self.severity)]))
            mix.add_(weights[:, i].view(beside) * chain)
        mixed = mix.view(img.shape).to(img.dtype)
        return mixed if isinstance(orig_img, Tensor) else F.to_pil_image(mixed, mode=orig_img.mode)

    def __repr__(self) -> str:
        return described(
            self,
            severity=self.severity,
            mixture_width=self.mixture_width,
            chain_depth=self.chain_depth,
            alpha=self.alpha,
            all_ops=self.all_ops,
            interpolation=self.interpolation,
            fill=self.fill,
        )
