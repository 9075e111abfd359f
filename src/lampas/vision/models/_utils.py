"""Parts that several models share."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from lampas import Tensor, nn
from lampas.vision.ops.misc import rounded as _make_divisible

__all__ = ["IntermediateLayerGetter", "_make_divisible"]


class IntermediateLayerGetter(nn.ModuleDict):
    """Runs a model's direct children one after the other and gives the results of some of them.

    Args:
        return_layers: from a child's name to the name of its result. Children after the last are dropped.

    Example:
        >>> stages = IntermediateLayerGetter(resnet18(), {"layer1": "low", "layer4": "high"})
        >>> [(name, tuple(y.shape)) for name, y in stages(lampas.rand(1, 3, 64, 64)).items()]
        [('low', (1, 64, 16, 16)), ('high', (1, 512, 2, 2))]
    """

    _version = 2

    def __init__(self, model: nn.Module, return_layers: dict[str, str]) -> None:
        children = dict(model.named_children())
        if not set(return_layers) <= set(children):
            raise ValueError("return_layers are not present in model")
        wanted = {str(name): str(result) for name, result in return_layers.items()}
        last = max(i for i, name in enumerate(children) if name in wanted)
        super().__init__(OrderedDict(list(children.items())[: last + 1]))
        self.return_layers = wanted

    def forward(self, x: Any) -> dict[str, Tensor]:
        out: dict[str, Tensor] = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out
