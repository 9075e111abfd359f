"""What the trained models of `lampas.vision.models` want done to an image: the transforms of their weights."""

from __future__ import annotations

from typing import Any

import lampas
from lampas import Tensor, nn
from lampas.vision.transforms import functional as F
from lampas.vision.transforms.functional import InterpolationMode

__all__ = ["ImageClassification", "SemanticSegmentation"]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Preset(nn.Module):
    def __repr__(self) -> str:
        shown = "".join(f"\n    {name}={getattr(self, name)}" for name in self._shown)
        return f"{self.__class__.__name__}({shown}\n)"

    def _normalised(self, image: Any) -> Tensor:
        if not isinstance(image, Tensor):
            image = F.pil_to_tensor(image)
        return F.normalize(F.convert_image_dtype(image, lampas.float), mean=self.mean, std=self.std)


class ImageClassification(_Preset):
    """Resized so that the shorter side is `resize_size`, the middle `crop_size` cut out, float, normalised."""

    _shown = ("crop_size", "resize_size", "mean", "std", "interpolation")

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: tuple[float, ...] = _MEAN,
        std: tuple[float, ...] = _STD,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.crop_size, self.resize_size = [crop_size], [resize_size]
        self.mean, self.std = list(mean), list(std)
        self.interpolation, self.antialias = interpolation, antialias

    def forward(self, img: Any) -> Tensor:
        img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        return self._normalised(F.center_crop(img, self.crop_size))


class SemanticSegmentation(_Preset):
    """Resized so that the shorter side is `resize_size` (None: as it is), float, normalised."""

    _shown = ("resize_size", "mean", "std", "interpolation")

    def __init__(
        self,
        *,
        resize_size: int | None,
        mean: tuple[float, ...] = _MEAN,
        std: tuple[float, ...] = _STD,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.resize_size = [resize_size] if resize_size is not None else None
        self.mean, self.std = list(mean), list(std)
        self.interpolation, self.antialias = interpolation, antialias

    def forward(self, img: Any) -> Tensor:
        if self.resize_size is not None:
            img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        return self._normalised(img)
