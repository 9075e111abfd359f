"""A backbone, a head on its last features, and one on earlier features for training."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from lampas import Tensor, nn
from lampas.nn import functional as F
from lampas.vision.models._api import WeightsEnum, _chosen, named, overwrite
from lampas.vision.models._utils import IntermediateLayerGetter
from lampas.vision.models.mobilenetv3 import MobileNet_V3_Large_Weights, mobilenet_v3_large
from lampas.vision.models.resnet import ResNet50_Weights, ResNet101_Weights, resnet50, resnet101


class _SimpleSegmentationModel(nn.Module):
    def __init__(self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        size = x.shape[-2:]
        features = self.backbone(x)
        heads = {"out": self.classifier, "aux": self.aux_classifier}
        return OrderedDict(
            (name, F.interpolate(head(features[name]), size=size, mode="bilinear", align_corners=False))
            for name, head in heads.items()
            if head is not None
        )


_BACKBONES: dict[str, tuple[Callable[..., Any], type[WeightsEnum]]] = {
    "resnet50": (resnet50, ResNet50_Weights),
    "resnet101": (resnet101, ResNet101_Weights),
    "mobilenet_v3_large": (mobilenet_v3_large, MobileNet_V3_Large_Weights),
}


def _backbone(name: str, weights: Any, aux: str | None, out: str = "out") -> tuple[nn.Module, dict[str, int]]:
    """The dilated network without its classifier, and the channels of its results."""
    make, _ = _BACKBONES[name]
    if name == "mobilenet_v3_large":
        features = make(weights=weights, dilated=True).features
        # the blocks that halve the size, and both ends
        stages = [0, *(i for i, block in enumerate(features) if getattr(block, "_is_cn", False)), len(features) - 1]
        places = {out: stages[-1], **({aux: stages[-4]} if aux else {})}
        widths = {result: features[at].out_channels for result, at in places.items()}
        return IntermediateLayerGetter(features, {str(at): result for result, at in places.items()}), widths
    model = make(weights=weights, replace_stride_with_dilation=[False, True, True])
    layers = {"layer4": out, **({"layer3": aux} if aux else {})}
    return IntermediateLayerGetter(model, layers), {out: 2048, **({aux: 1024} if aux else {})}


def segmentation_builder(
    name: str,
    weights_enum: type[WeightsEnum],
    backbone_name: str,
    assemble: Callable[..., nn.Module],
    with_aux: bool = True,
) -> Callable[..., nn.Module]:
    """The function that makes a model of `backbone_name` and what `assemble(backbone, classes, aux)` adds."""
    backbone_enum = _BACKBONES[backbone_name][1]
    usual = backbone_enum["IMAGENET1K_V1"]

    def build(
        *,
        weights: Any = None,
        progress: bool = True,
        num_classes: int | None = None,
        aux_loss: bool | None = None,
        weights_backbone: Any = usual,
        **options: Any,
    ) -> nn.Module:
        for old in ("pretrained", "pretrained_backbone"):
            if old in options:
                value = options.pop(old)
                if old == "pretrained":
                    weights = _chosen(weights_enum, bool(value), weights_enum["DEFAULT"], old)
                else:
                    weights_backbone = _chosen(backbone_enum, bool(value), usual, old)
        if options:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(options))}'")
        chosen = weights_enum.verify(weights)
        weights_backbone = backbone_enum.verify(weights_backbone)
        settings: dict[str, Any] = {}
        if chosen is not None:
            weights_backbone = None
            if num_classes is not None:
                settings["num_classes"] = num_classes
            overwrite(settings, "num_classes", len(chosen.meta["categories"]))
            num_classes = settings["num_classes"]
            if with_aux:
                if aux_loss is not None:
                    settings["aux_loss"] = aux_loss
                overwrite(settings, "aux_loss", True)
                aux_loss = True
        model = assemble(backbone_name, weights_backbone, 21 if num_classes is None else num_classes, bool(aux_loss))
        if chosen is not None:
            model.load_state_dict(chosen.get_state_dict(progress=progress, check_hash=True))
        return model

    return named(build, name, weights_enum, "segmentation model")
