"""Swin transformer (arXiv:2103.14030) and its second version (arXiv:2111.09883)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import lampas
from lampas import Tensor, nn
from lampas.nn import functional as F
from lampas.vision.models._api import builder, weights_enum
from lampas.vision.ops.misc import MLP, Permute
from lampas.vision.ops.stochastic_depth import StochasticDepth

__all__ = [
    "SwinTransformer",
    "Swin_B_Weights",
    "Swin_S_Weights",
    "Swin_T_Weights",
    "Swin_V2_B_Weights",
    "Swin_V2_S_Weights",
    "Swin_V2_T_Weights",
    "swin_b",
    "swin_s",
    "swin_t",
    "swin_v2_b",
    "swin_v2_s",
    "swin_v2_t",
]

Norm = Callable[..., nn.Module]


def _four_neighbours(x: Tensor) -> Tensor:
    """(..., H, W, C) to (..., ceil(H / 2), ceil(W / 2), 4 C)."""
    height, width, _ = x.shape[-3:]
    x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    return lampas.cat([x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)], -1)


class PatchMerging(nn.Module):
    """Halves the size and doubles the channels."""

    def __init__(self, dim: int, norm_layer: Norm = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.reduction(self.norm(_four_neighbours(x)))


class PatchMergingV2(nn.Module):
    """The same, normalised afterwards."""

    def __init__(self, dim: int, norm_layer: Norm = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.reduction(_four_neighbours(x)))


def _windows(x: Tensor, h: int, w: int) -> Tensor:
    """(B, H, W, C) cut into (B windows, h w, C)."""
    b, height, width, c = x.shape
    x = x.view(b, height // h, h, width // w, w, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, h * w, c)


class ShiftedWindowAttention(nn.Module):
    """Self-attention within windows of the picture, which may be shifted; (B, H, W, C) to the same shape.

    Args:
        window_size, shift_size: of height and width.
    """

    cosine = False

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ValueError("window_size and shift_size must be of length 2")
        self.window_size = window_size
        self.shift_size = shift_size
        self.num_heads = num_heads
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.define_relative_position_index()

    def define_relative_position_bias_table(self) -> None:
        """A learned number for each head and each way from one place of a window to another."""
        h, w = self.window_size
        self.relative_position_bias_table = nn.Parameter(lampas.zeros((2 * h - 1) * (2 * w - 1), self.num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def define_relative_position_index(self) -> None:
        """Which row of the table each pair of places uses."""
        h, w = self.window_size
        places = lampas.cartesian_prod(lampas.arange(h), lampas.arange(w))
        way = places[:, None] - places[None]
        index = (way[..., 0] + h - 1) * (2 * w - 1) + way[..., 1] + w - 1
        self.register_buffer("relative_position_index", index.flatten())

    def get_relative_position_bias(self) -> Tensor:
        """(1, heads, places, places)."""
        n = self.window_size[0] * self.window_size[1]
        bias = self.relative_position_bias_table[self.relative_position_index]
        return bias.view(n, n, -1).permute(2, 0, 1).contiguous().unsqueeze(0)

    def _scores(self, q: Tensor, k: Tensor) -> Tensor:
        return (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)

    def _projected(self, x: Tensor) -> Tensor:
        return self.qkv(x)

    def forward(self, x: Tensor) -> Tensor:
        b, height, width, c = x.shape
        h, w = self.window_size
        x = F.pad(x, (0, 0, 0, -width % w, 0, -height % h))
        rows, columns = x.shape[1:3]
        # a window as large as the picture need not be shifted
        shift = [
            0 if size >= whole else by for size, whole, by in zip((h, w), (rows, columns), self.shift_size, strict=True)
        ]
        if any(shift):
            x = lampas.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
        tokens = _windows(x, h, w)
        n = h * w
        q, k, v = self._projected(tokens).reshape(-1, n, 3, self.num_heads, c // self.num_heads).permute(2, 0, 3, 1, 4)
        scores = self._scores(q, k) + self.get_relative_position_bias()
        if any(shift):
            apart = self._apart(rows, columns, shift, x)
            scores = scores.view(b, -1, self.num_heads, n, n) + apart[:, None]
            scores = scores.view(-1, self.num_heads, n, n)
        weights = F.dropout(F.softmax(scores, dim=-1), p=self.attention_dropout, training=self.training)
        tokens = self.proj((weights @ v).transpose(1, 2).reshape(-1, n, c))
        tokens = F.dropout(tokens, p=self.dropout, training=self.training)
        x = tokens.view(b, rows // h, columns // w, h, w, c).permute(0, 1, 3, 2, 4, 5).reshape(b, rows, columns, c)
        if any(shift):
            x = lampas.roll(x, shifts=(shift[0], shift[1]), dims=(1, 2))
        return x[:, :height, :width, :].contiguous()

    def _apart(self, rows: int, columns: int, shift: list[int], like: Tensor) -> Tensor:
        """-100 where two places of a shifted window are no neighbours; (windows, places, places)."""
        h, w = self.window_size

        def regions(length: int, size: int, by: int) -> Tensor:
            at = lampas.arange(length)
            return (at >= length - size).long() + (at >= length - by).long() if by else (at >= length - size).long()

        region = regions(rows, h, shift[0])[:, None] * 3 + regions(columns, w, shift[1])[None]
        region = _windows(region[None, :, :, None], h, w)[..., 0]
        differs = region[:, None, :] != region[:, :, None]
        return like.new_zeros(differs.shape).masked_fill(differs.to(like.device), -100.0)


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Scores by the cosine with a learned scale, and a small network in place of the table."""

    def __init__(
        self, dim: int, window_size: list[int], shift_size: list[int], num_heads: int, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(dim, window_size, shift_size, num_heads, *args, **kwargs)
        self.logit_scale = nn.Parameter(lampas.log(10 * lampas.ones((num_heads, 1, 1))))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512, bias=True), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False)
        )
        if self.qkv.bias is not None:
            third = self.qkv.bias.numel() // 3
            self.qkv.bias[third : 2 * third].data.zero_()

    def define_relative_position_bias_table(self) -> None:
        """The ways from one place to another, by equation 4 scaled to [-8, 8] and compressed."""
        along = [lampas.arange(-(size - 1), size, dtype=lampas.float32) / (size - 1) for size in self.window_size]
        table = lampas.stack(lampas.meshgrid(along, indexing="ij"), dim=-1).unsqueeze(0) * 8
        self.register_buffer("relative_coords_table", lampas.sign(table) * lampas.log2(lampas.abs(table) + 1.0) / 3.0)

    def get_relative_position_bias(self) -> Tensor:
        """(1, heads, places, places), between 0 and 16."""
        n = self.window_size[0] * self.window_size[1]
        table = self.cpb_mlp(self.relative_coords_table).view(-1, self.num_heads)
        bias = table[self.relative_position_index].view(n, n, -1).permute(2, 0, 1).contiguous().unsqueeze(0)
        return 16 * lampas.sigmoid(bias)

    def _scores(self, q: Tensor, k: Tensor) -> Tensor:
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        return scores * lampas.clamp(self.logit_scale, max=math.log(100.0)).exp()

    def _projected(self, x: Tensor) -> Tensor:
        bias = self.qkv.bias
        if bias is not None:
            # keys have no bias
            third = bias.numel() // 3
            bias = bias.clone()
            bias[third : 2 * third].zero_()
        return F.linear(x, self.qkv.weight, bias)


class SwinTransformerBlock(nn.Module):
    """Attention in windows and an MLP, each after a normalisation and beside the identity."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Norm = nn.LayerNorm,
        attn_layer: Norm = ShiftedWindowAttention,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout, dropout=dropout
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for module in self.mlp.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """The same, normalised afterwards."""

    def __init__(self, *args: Any, attn_layer: Norm = ShiftedWindowAttentionV2, **kwargs: Any) -> None:
        super().__init__(*args, attn_layer=attn_layer, **kwargs)  # type: ignore[misc]

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


class SwinTransformer(nn.Module):
    """Stages of window attention, the size halved between them; (N, 3, H, W) to (N, num_classes).

    Args:
        patch_size: height and width of the first patches.
        depths, num_heads: blocks and heads of each stage.
        window_size: height and width of a window; every other block shifts them by half.
        stochastic_depth_prob: of the last block; it grows linearly from 0.
    """

    def __init__(
        self,
        patch_size: list[int],
        embed_dim: int,
        depths: list[int],
        num_heads: list[int],
        window_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: Norm | None = None,
        block: Norm | None = None,
        downsample_layer: Norm = PatchMerging,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        block = block or SwinTransformerBlock
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        patch = (patch_size[0], patch_size[1])
        layers: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(3, embed_dim, kernel_size=patch, stride=patch), Permute([0, 2, 3, 1]), norm(embed_dim)
            )
        ]
        total, done = sum(depths), 0
        width = embed_dim
        for i, depth in enumerate(depths):
            stage: list[nn.Module] = []
            for j in range(depth):
                stage.append(
                    block(
                        width,
                        num_heads[i],
                        window_size=window_size,
                        shift_size=[0 if j % 2 == 0 else size // 2 for size in window_size],
                        mlp_ratio=mlp_ratio,
                        dropout=dropout,
                        attention_dropout=attention_dropout,
                        stochastic_depth_prob=stochastic_depth_prob * float(done) / (total - 1),
                        norm_layer=norm,
                    )
                )
                done += 1
            layers.append(nn.Sequential(*stage))
            if i < len(depths) - 1:
                layers.append(downsample_layer(width, norm))
                width *= 2
        self.features = nn.Sequential(*layers)
        self.norm = norm(width)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


def _swin(version: int, width: int, middle: int, heads: int, depth_prob: float, **options: Any) -> SwinTransformer:
    if version == 2:
        options.update(block=SwinTransformerBlockV2, downsample_layer=PatchMergingV2)
    window = 7 if version == 1 else 8
    return SwinTransformer(
        [4, 4],
        width,
        [2, 2, middle, 2],
        [heads, 2 * heads, 4 * heads, 8 * heads],
        [window, window],
        stochastic_depth_prob=options.pop("stochastic_depth_prob", depth_prob),
        **options,
    )


_swin.__name__ = "SwinTransformer"

Swin_T_Weights = weights_enum("Swin_T_Weights")
Swin_S_Weights = weights_enum("Swin_S_Weights")
Swin_B_Weights = weights_enum("Swin_B_Weights")
Swin_V2_T_Weights = weights_enum("Swin_V2_T_Weights")
Swin_V2_S_Weights = weights_enum("Swin_V2_S_Weights")
Swin_V2_B_Weights = weights_enum("Swin_V2_B_Weights")
swin_t = builder("swin_t", Swin_T_Weights, _swin, 1, 96, 6, 3, 0.2)
swin_s = builder("swin_s", Swin_S_Weights, _swin, 1, 96, 18, 3, 0.3)
swin_b = builder("swin_b", Swin_B_Weights, _swin, 1, 128, 18, 4, 0.5)
swin_v2_t = builder("swin_v2_t", Swin_V2_T_Weights, _swin, 2, 96, 6, 3, 0.2)
swin_v2_s = builder("swin_v2_s", Swin_V2_S_Weights, _swin, 2, 96, 18, 3, 0.3)
swin_v2_b = builder("swin_v2_b", Swin_V2_B_Weights, _swin, 2, 128, 18, 4, 0.5)
