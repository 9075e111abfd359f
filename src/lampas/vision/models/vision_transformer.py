"""Vision transformer (arXiv:2010.11929)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import lampas
from lampas import Tensor, nn
from lampas.vision.models._api import WeightsEnum, builder, weights_enum
from lampas.vision.ops.misc import MLP, Conv2dNormActivation

__all__ = [
    "ViT_B_16_Weights",
    "ViT_B_32_Weights",
    "ViT_H_14_Weights",
    "ViT_L_16_Weights",
    "ViT_L_32_Weights",
    "VisionTransformer",
    "vit_b_16",
    "vit_b_32",
    "vit_h_14",
    "vit_l_16",
    "vit_l_32",
]

Norm = Callable[..., nn.Module]
_NORM = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """One convolution of a stem that takes the place of cutting the image into patches (arXiv:2106.14881)."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Norm = nn.BatchNorm2d
    activation_layer: Norm = nn.ReLU


class MLPBlock(MLP):
    """Two linear layers with GELU between them."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *args: Any) -> None:
        if local_metadata.get("version") is None or local_metadata["version"] < 2:
            for i, place in enumerate((0, 3), 1):
                for kind in ("weight", "bias"):
                    old = f"{prefix}linear_{i}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}{place}.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class EncoderBlock(nn.Module):
    """Self-attention and an MLP, each after a layer normalisation and beside the identity."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm = _NORM,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 3:
            raise AssertionError(f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}")
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Positions added to the patches, blocks, a layer normalisation."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm = _NORM,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(lampas.empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            OrderedDict(
                (
                    f"encoder_layer_{i}",
                    EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer),
                )
                for i in range(num_layers)
            )
        )
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 3:
            raise AssertionError(f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}")
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """A transformer over patches of the image and one token more, from which the class is read.

    Args:
        image_size, patch_size: the side of the image (no other is taken) and of a patch.
        representation_size: None, or the width of one more layer before the last.
        conv_stem_configs: convolutions instead of patches.

    Shapes: (N, 3, image_size, image_size) to (N, num_classes).
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Norm = _NORM,
        conv_stem_configs: list[ConvStemConfig] | None = None,
    ) -> None:
        super().__init__()
        if image_size % patch_size != 0:
            raise AssertionError(
                f"Input shape indivisible by patch size! image_size {image_size}, patch_size {patch_size}"
            )
        self.image_size = image_size
        self.patch_size = patch_size
        self.hidden_dim = hidden_dim
        self.mlp_dim = mlp_dim
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.num_classes = num_classes
        self.representation_size = representation_size
        self.norm_layer = norm_layer
        if conv_stem_configs is None:
            self.conv_proj: nn.Module = nn.Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
        else:
            stem = nn.Sequential()
            inputs = 3
            for i, row in enumerate(conv_stem_configs):
                layer = Conv2dNormActivation(
                    inputs,
                    row.out_channels,
                    row.kernel_size,
                    row.stride,
                    norm_layer=row.norm_layer,
                    activation_layer=row.activation_layer,
                )
                stem.add_module(f"conv_bn_relu_{i}", layer)
                inputs = row.out_channels
            stem.add_module("conv_last", nn.Conv2d(inputs, hidden_dim, kernel_size=1))
            self.conv_proj = stem
        self.class_token = nn.Parameter(lampas.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
        )
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is None:
            heads["head"] = nn.Linear(hidden_dim, num_classes)
        else:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
            heads["head"] = nn.Linear(representation_size, num_classes)
        self.heads = nn.Sequential(heads)

        if isinstance(self.conv_proj, nn.Conv2d):
            conv, std = self.conv_proj, math.sqrt(1 / (3 * patch_size**2))
            nn.init.trunc_normal_(conv.weight, std=std)
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
        else:
            conv = self.conv_proj.conv_last
            nn.init.normal_(conv.weight, mean=0.0, std=math.sqrt(2.0 / conv.out_channels))
            nn.init.zeros_(conv.bias)
        if representation_size is not None:
            nn.init.trunc_normal_(self.heads.pre_logits.weight, std=math.sqrt(1 / hidden_dim))
            nn.init.zeros_(self.heads.pre_logits.bias)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def _process_input(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        for name, size in (("height", h), ("width", w)):
            if size != self.image_size:
                raise AssertionError(f"Wrong image {name}! Expected {self.image_size} but got {size}!")
        return self.conv_proj(x).reshape(n, self.hidden_dim, -1).permute(0, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self._process_input(x)
        token = self.class_token.expand(x.shape[0], -1, -1)
        x = self.encoder(lampas.cat([token, x], dim=1))
        return self.heads(x[:, 0])


def interpolate_embeddings(
    image_size: int,
    patch_size: int,
    model_state: OrderedDict[str, Tensor],
    interpolation_mode: str = "bicubic",
    reset_heads: bool = False,
) -> OrderedDict[str, Tensor]:
    """A state dict for another size of image: the positions' embeddings resized as a picture of themselves.

    Args:
        model_state: of a model for images of some size; it is changed where the length differs.
        reset_heads: leave out the last layers, for another number of classes.
    """
    key = "encoder.pos_embedding"
    positions = model_state[key]
    n, length, width = positions.shape
    if n != 1:
        raise ValueError(f"Unexpected position embedding shape: {positions.shape}")
    side = image_size // patch_size
    if side**2 + 1 == length:
        return model_state
    old = math.isqrt(length - 1)
    if old * old != length - 1:
        raise ValueError(f"{key} has {length - 1} positions beside the class token's, which fill no square")
    grid = positions[:, 1:].permute(0, 2, 1).reshape(1, width, old, old)
    grid = nn.functional.interpolate(grid, size=side, mode=interpolation_mode, align_corners=True)
    resized = lampas.cat([positions[:, :1], grid.reshape(1, width, side * side).permute(0, 2, 1)], dim=1)
    model_state[key] = resized
    if not reset_heads:
        return model_state
    return OrderedDict((name, value) for name, value in model_state.items() if not name.startswith("heads"))


def _vit(patch: int, layers: int, heads: int, width: int, mlp: int, **options: Any) -> VisionTransformer:
    return VisionTransformer(options.pop("image_size", 224), patch, layers, heads, width, mlp, **options)


def _for_weights(options: dict, weights: WeightsEnum) -> None:
    options.setdefault("image_size", weights.meta["min_size"][0])


_vit._for_weights = _for_weights
_vit.__name__ = "VisionTransformer"

ViT_B_16_Weights = weights_enum("ViT_B_16_Weights")
ViT_B_32_Weights = weights_enum("ViT_B_32_Weights")
ViT_L_16_Weights = weights_enum("ViT_L_16_Weights")
ViT_L_32_Weights = weights_enum("ViT_L_32_Weights")
ViT_H_14_Weights = weights_enum("ViT_H_14_Weights")
vit_b_16 = builder("vit_b_16", ViT_B_16_Weights, _vit, 16, 12, 12, 768, 3072)
vit_b_32 = builder("vit_b_32", ViT_B_32_Weights, _vit, 32, 12, 12, 768, 3072)
vit_l_16 = builder("vit_l_16", ViT_L_16_Weights, _vit, 16, 24, 16, 1024, 4096)
vit_l_32 = builder("vit_l_32", ViT_L_32_Weights, _vit, 32, 24, 16, 1024, 4096)
vit_h_14 = builder("vit_h_14", ViT_H_14_Weights, _vit, 14, 32, 16, 1280, 5120, legacy="")
