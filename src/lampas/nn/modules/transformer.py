"""The Transformer and its parts (Vaswani et al. 2017)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import lampas

from .. import functional as F
from .. import init
from ..functional.attention import canonical_mask, none_or_dtype
from .activation import GELU, ReLU
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]


def _activation(name: str | Callable[[lampas.Tensor], lampas.Tensor]) -> Callable[[lampas.Tensor], lampas.Tensor]:
    if not isinstance(name, str):
        return name
    if name == "relu":
        return F.relu
    if name == "gelu":
        return F.gelu
    raise RuntimeError(f"activation should be relu/gelu, not {name}")


def _causal_mask(size: int, device: Any = None, dtype: Any = None) -> lampas.Tensor:
    """0 on and below the diagonal, -inf above."""
    return lampas.triu(lampas.full((size, size), float("-inf"), dtype=dtype, device=device), diagonal=1)


def _is_causal(mask: lampas.Tensor | None, is_causal: bool | None, size: int | None) -> bool:
    """What was said, or whether the mask is the causal one."""
    if is_causal is not None or mask is None:
        return bool(is_causal)
    length = size if size is not None else mask.size(-2)
    causal = _causal_mask(length, device=mask.device, dtype=mask.dtype)
    return mask.size() == causal.size() and bool((mask == causal).all())


def _sequence_length(source: lampas.Tensor, batch_first: bool) -> int | None:
    if source.dim() == 2:
        return source.size(0)
    return source.size(1 if batch_first else 0) if source.dim() == 3 else None


class _Layer(Module):
    """What encoder and decoder layers share: attention, a network of two linear layers, residuals."""

    __constants__ = ["norm_first"]
    _norms: int

    def _build(
        self, d_model: int, dim_feedforward: int, dropout: float, eps: float, norm_first: bool, bias: bool, kwargs: dict
    ) -> None:
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **kwargs)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **kwargs)
        self.norm_first = norm_first
        for i in range(1, self._norms + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, eps=eps, bias=bias, **kwargs))
        for i in range(1, self._norms + 1):
            setattr(self, f"dropout{i}", Dropout(dropout))

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("activation", F.relu)

    def _ff_block(self, x: lampas.Tensor) -> lampas.Tensor:
        x = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return getattr(self, f"dropout{self._norms}")(x)

    def _residual(
        self, x: lampas.Tensor, norm: Module, block: Callable[[lampas.Tensor], lampas.Tensor]
    ) -> lampas.Tensor:
        return x + block(norm(x)) if self.norm_first else norm(x + block(x))


class TransformerEncoderLayer(_Layer):
    """Self-attention and a feed-forward network, each with residual and layer normalization.

    Args:
        d_model, nhead: features and attention heads.
        dim_feedforward: features between the two linear layers.
        dropout, activation, layer_norm_eps, bias: of the parts; ``activation`` is ``"relu"``, ``"gelu"`` or a function.
        batch_first: inputs are ``(N, L, E)`` instead of ``(L, N, E)``.
        norm_first: normalize before each part instead of after it.

    Example::

        >>> nn.TransformerEncoderLayer(8, 2)(lampas.randn(10, 4, 8)).shape
        torch.Size([10, 4, 8])
    """

    _norms = 2

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[lampas.Tensor], lampas.Tensor] = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        kwargs = {"device": device, "dtype": dtype}
        super().__init__()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **kwargs
        )
        self._build(d_model, dim_feedforward, dropout, layer_norm_eps, norm_first, bias, kwargs)
        self.activation = _activation(activation)

    def forward(
        self,
        src: lampas.Tensor,
        src_mask: lampas.Tensor | None = None,
        src_key_padding_mask: lampas.Tensor | None = None,
        is_causal: bool = False,
    ) -> lampas.Tensor:
        src_key_padding_mask = canonical_mask(
            src_key_padding_mask, "src_key_padding_mask", none_or_dtype(src_mask), "src_mask", src.dtype
        )
        src_mask = canonical_mask(src_mask, "src_mask", None, "", src.dtype, False)

        def attend(x: lampas.Tensor) -> lampas.Tensor:
            return self._sa_block(x, src_mask, src_key_padding_mask, is_causal)

        x = self._residual(src, self.norm1, attend)
        return self._residual(x, self.norm2, self._ff_block)

    def _sa_block(
        self,
        x: lampas.Tensor,
        attn_mask: lampas.Tensor | None,
        key_padding_mask: lampas.Tensor | None,
        is_causal: bool = False,
    ) -> lampas.Tensor:
        x = self.self_attn(
            *(x, x, x),
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            need_weights=False,
            is_causal=is_causal,
        )[0]
        return self.dropout1(x)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to ``memory`` and a feed-forward network, each with residual and layer normalization.

    Arguments as of :class:`TransformerEncoderLayer`.

    Example::

        >>> nn.TransformerDecoderLayer(8, 2)(lampas.randn(20, 4, 8), lampas.randn(10, 4, 8)).shape
        torch.Size([20, 4, 8])
    """

    _norms = 3

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[lampas.Tensor], lampas.Tensor] = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        kwargs = {"device": device, "dtype": dtype}
        super().__init__()
        for name in ("self_attn", "multihead_attn"):
            attention = MultiheadAttention(
                d_model, nhead, dropout=dropout, batch_first=batch_first, bias=bias, **kwargs
            )
            setattr(self, name, attention)
        self._build(d_model, dim_feedforward, dropout, layer_norm_eps, norm_first, bias, kwargs)
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: lampas.Tensor,
        memory: lampas.Tensor,
        tgt_mask: lampas.Tensor | None = None,
        memory_mask: lampas.Tensor | None = None,
        tgt_key_padding_mask: lampas.Tensor | None = None,
        memory_key_padding_mask: lampas.Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> lampas.Tensor:
        def attend(x: lampas.Tensor) -> lampas.Tensor:
            return self._sa_block(x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def remember(x: lampas.Tensor) -> lampas.Tensor:
            return self._mha_block(x, memory, memory_mask, memory_key_padding_mask, memory_is_causal)

        x = self._residual(tgt, self.norm1, attend)
        x = self._residual(x, self.norm2, remember)
        return self._residual(x, self.norm3, self._ff_block)

    def _sa_block(
        self,
        x: lampas.Tensor,
        attn_mask: lampas.Tensor | None,
        key_padding_mask: lampas.Tensor | None,
        is_causal: bool = False,
    ) -> lampas.Tensor:
        x = self.self_attn(
            *(x, x, x),
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            is_causal=is_causal,
            need_weights=False,
        )[0]
        return self.dropout1(x)

    def _mha_block(
        self,
        x: lampas.Tensor,
        mem: lampas.Tensor,
        attn_mask: lampas.Tensor | None,
        key_padding_mask: lampas.Tensor | None,
        is_causal: bool = False,
    ) -> lampas.Tensor:
        x = self.multihead_attn(
            *(x, mem, mem),
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            is_causal=is_causal,
            need_weights=False,
        )[0]
        return self.dropout2(x)


def _copies(module: Module, n: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(n)])


def _knows_padding(layer: Module) -> bool:
    """Whether PyTorch computes such a layer without the padded positions, where it may."""
    if not isinstance(layer, TransformerEncoderLayer) or layer.norm_first:
        return False
    attention = layer.self_attn
    if not attention.batch_first or not attention._qkv_same_embed_dim or attention.in_proj_bias is None:
        return False
    if layer.norm1.eps != layer.norm2.eps or attention.num_heads % 2:
        return False
    activation = layer.activation
    return activation in (F.relu, F.gelu, lampas.relu) or isinstance(activation, (ReLU, GELU))


class TransformerEncoder(Module):
    """``num_layers`` copies of an encoder layer, one after the other, then ``norm`` if there is one.

    Where nothing can be differentiated (in evaluation, without gradients), a padding mask whose padding is on the right
    makes the padded positions 0 before ``norm``, unless ``enable_nested_tensor`` is False. ``mask_check=False``
    promises that the padding is on the right.

    Example::

        >>> layer = nn.TransformerEncoderLayer(8, 2)
        >>> nn.TransformerEncoder(layer, 2)(lampas.randn(10, 4, 8)).shape
        torch.Size([10, 4, 8])
    """

    __constants__ = ["norm"]

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor and _knows_padding(encoder_layer)
        self.mask_check = mask_check

    def forward(
        self,
        src: lampas.Tensor,
        mask: lampas.Tensor | None = None,
        src_key_padding_mask: lampas.Tensor | None = None,
        is_causal: bool | None = None,
    ) -> lampas.Tensor:
        src_key_padding_mask = canonical_mask(
            src_key_padding_mask, "src_key_padding_mask", none_or_dtype(mask), "mask", src.dtype
        )
        mask = canonical_mask(mask, "mask", None, "", src.dtype, False)
        attention = getattr(self.layers[0], "self_attn", None)
        length = _sequence_length(src, getattr(attention, "batch_first", False))
        is_causal = _is_causal(mask, is_causal, length)
        output = src
        for layer in self.layers:
            output = layer(output, src_mask=mask, is_causal=is_causal, src_key_padding_mask=src_key_padding_mask)
        if mask is None and src_key_padding_mask is not None and self._leaves_out_padding(src, src_key_padding_mask):
            output = output.masked_fill((src_key_padding_mask != 0).unsqueeze(-1), 0.0)
        return output if self.norm is None else self.norm(output)

    def _leaves_out_padding(self, src: lampas.Tensor, padding: lampas.Tensor) -> bool:
        first = self.layers[0]
        if not getattr(self, "use_nested_tensor", False) or first.training or src.dim() != 3:
            return False
        if not lampas.backends.mha.get_fastpath_enabled() or lampas.is_autocast_enabled():
            return False
        if lampas.is_grad_enabled() and (src.requires_grad or any(p.requires_grad for p in first.parameters())):
            return False
        padded = padding != 0
        return not self.mask_check or bool((padded[:, 1:] | ~padded[:, :-1]).all())


class TransformerDecoder(Module):
    """``num_layers`` copies of a decoder layer, one after the other, then ``norm`` if there is one.

    Example::

        >>> layer = nn.TransformerDecoderLayer(8, 2)
        >>> nn.TransformerDecoder(layer, 2)(lampas.randn(20, 4, 8), lampas.randn(10, 4, 8)).shape
        torch.Size([20, 4, 8])
    """

    __constants__ = ["norm"]

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: lampas.Tensor,
        memory: lampas.Tensor,
        tgt_mask: lampas.Tensor | None = None,
        memory_mask: lampas.Tensor | None = None,
        tgt_key_padding_mask: lampas.Tensor | None = None,
        memory_key_padding_mask: lampas.Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> lampas.Tensor:
        attention = getattr(self.layers[0], "self_attn", None)
        length = _sequence_length(tgt, getattr(attention, "batch_first", False))
        tgt_is_causal = _is_causal(tgt_mask, tgt_is_causal, length)
        output = tgt
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class Transformer(Module):
    """Encoder and decoder in one (Vaswani et al. 2017).

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias: of the
            layers.
        num_encoder_layers, num_decoder_layers: how many of each.
        custom_encoder, custom_decoder: modules to use instead.

    Example::

        >>> model = nn.Transformer(d_model=16, nhead=4, num_encoder_layers=1, num_decoder_layers=1)
        >>> model(lampas.randn(10, 2, 16), lampas.randn(20, 2, 16)).shape
        torch.Size([20, 2, 16])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[lampas.Tensor], lampas.Tensor] = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kwargs = {"device": device, "dtype": dtype}
        arguments = (
            *(d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias),
        )
        norm = {"eps": layer_norm_eps, "bias": bias, **kwargs}
        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            layer = TransformerEncoderLayer(*arguments, **kwargs)
            self.encoder = TransformerEncoder(layer, num_encoder_layers, LayerNorm(d_model, **norm))
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            decoder_layer = TransformerDecoderLayer(*arguments, **kwargs)
            self.decoder = TransformerDecoder(decoder_layer, num_decoder_layers, LayerNorm(d_model, **norm))
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src: lampas.Tensor,
        tgt: lampas.Tensor,
        src_mask: lampas.Tensor | None = None,
        tgt_mask: lampas.Tensor | None = None,
        memory_mask: lampas.Tensor | None = None,
        src_key_padding_mask: lampas.Tensor | None = None,
        tgt_key_padding_mask: lampas.Tensor | None = None,
        memory_key_padding_mask: lampas.Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> lampas.Tensor:
        if src.dim() == 3:
            where = 0 if self.batch_first else 1
            if src.size(where) != tgt.size(where):
                raise RuntimeError(
                    f"the batch number of src and tgt must be equal, got {src.size(where)} and {tgt.size(where)}"
                )
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError(
                "the feature number of src and tgt must be equal to d_model, got "
                f"{src.size(-1)} and {tgt.size(-1)} with d_model={self.d_model}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> lampas.Tensor:
        """The mask that lets each position see itself and what came before: 0 there, -inf elsewhere.

        >>> nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return _causal_mask(sz, dtype=dtype, device=device)

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)
