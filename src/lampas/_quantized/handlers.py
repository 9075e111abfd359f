"""What the ops do with quantized tensors. An op without an entry here has no meaning for them, and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lampas
from lampas import _C, Tensor
from lampas._quantized.tensor import PerChannel, PerTensor, QuantizedTensor, integers_of, limits, quantizer_of

__all__ = ["handler_of", "looked_up", "requantized"]

_handlers: dict[str, Callable[..., Any]] = {}
_makers: dict[str, Callable[[Callable], Callable]] = {}


def _names(text: str) -> list[str]:
    return text.split()


def handler_of(func: Callable[..., Any]) -> Callable[..., Any]:
    """What stands for ``func`` where an argument is quantized."""
    name = func.__name__
    maker = _makers.get(name)
    if maker is not None:
        return maker(func)
    found = _handlers.get(name)
    if found is not None:
        return found
    raise NotImplementedError(
        f"{name}() is not defined for quantized tensors: dequantize() first, or use torch.ops.quantized or a "
        "FloatFunctional, which know the result's scale; in a model, end the quantized part with a DeQuantStub"
    )


def _handles(*names: str) -> Callable[[Callable], Callable]:
    def enter(function: Callable) -> Callable:
        for name in names:
            _handlers[name] = function
        return function

    return enter


def _on_integers(q: Any, name: str) -> tuple[Tensor, Any]:
    return integers_of(q, name), q._quantizer


# --- facts: answered by the integers --------------------------------------------------------------------------------

_FACTS = _names("""
size dim ndimension numel nelement stride is_contiguous storage_offset data_ptr element_size untyped_storage
is_pinned get_device is_floating_point is_complex is_inference is_shared dim_order is_same_size __len__
__setattr__
""")


def _fact(func: Callable) -> Callable:
    return lambda q, *args, **kwargs: func(integers_of(q, func.__name__), *map(_plain, args), **kwargs)


def _plain(value: Any) -> Any:
    return value._integers if isinstance(value, QuantizedTensor) else value


for _name in _FACTS:
    _makers[_name] = _fact

# --- moves: the same numbers elsewhere ------------------------------------------------------------------------------

_MOVES = _names("""
view reshape flatten unflatten squeeze unsqueeze transpose t permute contiguous clone narrow select expand
expand_as view_as reshape_as repeat flip roll index_select split split_with_sizes chunk unbind tensor_split
diagonal swapaxes swapdims movedim moveaxis channel_shuffle pixel_shuffle pixel_unshuffle detach detach_ cpu
pin_memory as_strided unfold tile broadcast_to atleast_1d atleast_2d atleast_3d ravel rot90 hsplit vsplit
unsafe_chunk unsafe_split max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d t_ squeeze_
unsqueeze_ transpose_ alias native_channel_shuffle fliplr flipud take gather share_memory_
""")
# Moves that leave every value where its channel is.
_STAYS = {"clone", "contiguous", "detach", "cpu", "pin_memory", "share_memory_", "alias", "detach_"}


def _rewrapped(result: Any, quantizer: Any) -> Any:
    if isinstance(result, Tensor):
        return QuantizedTensor.wrap(result, quantizer)
    return type(result)(QuantizedTensor.wrap(r, quantizer) for r in result)


def _move(func: Callable) -> Callable:
    name = func.__name__

    def moved(q: Any, *args: Any, **kwargs: Any) -> Any:
        integers, quantizer = _on_integers(q, name)
        if not isinstance(quantizer, PerTensor) and name not in _STAYS:
            quantizer = _moved_channels(name, quantizer, integers, args)
        result = func(integers, *map(_plain, args), **kwargs)
        if result is integers:
            return q
        return _rewrapped(result, quantizer)

    return moved


def _moved_channels(name: str, quantizer: Any, integers: Tensor, args: tuple) -> Any:
    if name == "permute":
        order = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
        axis = [d % integers.dim() for d in order].index(quantizer.axis)
        return PerChannel(quantizer.scales, quantizer.zero_points, axis)
    if name in ("transpose", "swapaxes", "swapdims", "t"):
        a, b = (d % integers.dim() for d in (args if args else (0, 1)))
        axis = b if quantizer.axis == a else a if quantizer.axis == b else quantizer.axis
        return PerChannel(quantizer.scales, quantizer.zero_points, axis)
    if name in ("view", "reshape", "flatten") and quantizer.axis == 0:
        wanted = args[0] if args and not isinstance(args[0], int) else args
        keeps = args and args[0] != 0 if name == "flatten" else tuple(wanted)[:1] == integers.shape[:1]
        if keeps:
            return quantizer
    raise RuntimeError(
        f"{name}() would part the channels of a tensor quantized with {quantizer.scheme} from their scales; "
        "dequantize() it first"
    )


for _name in _MOVES:
    _makers[_name] = _move


@_handles("__getitem__")
def _getitem(q: Any, index: Any) -> Any:
    integers, quantizer = _on_integers(q, "indexing")
    if not isinstance(quantizer, PerTensor):
        if isinstance(index, int) and quantizer.axis == 0:
            one = PerTensor(quantizer.scales[index].item(), int(quantizer.zero_points[index].item()))
            return QuantizedTensor.wrap(integers[index], one)
        if isinstance(index, slice) and quantizer.axis == 0:
            quantizer = type(quantizer)(quantizer.scales[index], quantizer.zero_points[index], 0)
        else:
            raise RuntimeError(
                f"a tensor quantized with {quantizer.scheme} is indexed by one number or slice along its axis 0; "
                "dequantize() it first"
            )
    return QuantizedTensor.wrap(integers[index], quantizer)


@_handles("cat", "concat", "concatenate")
def _cat(tensors: Any, dim: int = 0, axis: int | None = None) -> Any:
    first = quantizer_of(tensors[0], "cat")
    parts = [requantized(t, first, tensors[0].dtype) for t in tensors]
    return QuantizedTensor.wrap(lampas.cat(parts, dim if axis is None else axis), first)


@_handles("stack")
def _stack(tensors: Any, dim: int = 0) -> Any:
    return _cat([t.unsqueeze(dim) for t in tensors], dim)


def requantized(q: Any, quantizer: PerTensor, dtype: lampas.dtype) -> Tensor:
    """The integers that stand for ``q`` with another scale and zero point."""
    if q._quantizer == quantizer and q.dtype == dtype:
        return q._integers
    return quantizer.quantize(q.dequantize(), dtype)


# --- writing --------------------------------------------------------------------------------------------------------


@_handles("copy_")
def _copy(q: Any, source: Tensor, non_blocking: bool = False) -> Any:
    if not isinstance(q, QuantizedTensor):
        raise RuntimeError("copy_(): a quantized tensor is copied into a plain one by its dequantize()")
    if isinstance(source, QuantizedTensor):
        if source.dtype != q.dtype:
            raise RuntimeError(f"copy_(): expected a quantized tensor of {q.dtype}, got {source.dtype}")
        q._integers.copy_(source._integers)
        q._quantizer = source._quantizer
    else:
        q._integers.copy_(q._quantizer.quantize(source.detach().to(lampas.float32).expand(q.shape), q.dtype))
    return q


def _stored(q: Any, value: Any, name: str) -> Any:
    """``value`` as integers of ``q``: real numbers are rounded to what it can store."""
    quantizer = quantizer_of(q, name)
    if isinstance(value, QuantizedTensor):
        return requantized(value, quantizer, q.dtype)
    if isinstance(value, Tensor):
        return quantizer.quantize(value.detach().to(lampas.float32), q.dtype)
    return quantizer.number(float(value), q.dtype)


@_handles("__setitem__")
def _setitem(q: Any, index: Any, value: Any) -> None:
    integers_of(q, "indexing")[index] = _stored(q, value, "indexing")


@_handles("fill_")
def _fill(q: Any, value: Any) -> Any:
    q._integers.fill_(_stored(q, value, "fill_"))
    return q


@_handles("masked_fill", "masked_fill_")
def _masked_fill(q: Any, mask: Tensor, value: Any) -> Any:
    return QuantizedTensor.wrap(q._integers.masked_fill(mask, _stored(q, value, "masked_fill")), q._quantizer)


@_handles("index_put")
def _index_put(q: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    if accumulate:
        raise NotImplementedError("index_put(accumulate=True) is not defined for quantized tensors; dequantize() first")
    return QuantizedTensor.wrap(q._integers.index_put(indices, _stored(q, values, "index_put")), q._quantizer)


@_handles("pad", "constant_pad_nd")
def _pad(q: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    integers, quantizer = _on_integers(q, "pad")
    if mode == "constant":
        padded = lampas.nn.functional.pad(integers, pad, "constant", _stored(q, value or 0.0, "pad"))
        return QuantizedTensor.wrap(padded, quantizer)
    padded = lampas.nn.functional.pad(integers.to(lampas.float32), pad, mode)
    return QuantizedTensor.wrap(padded.to(integers.dtype), quantizer)


@_handles("empty_like")
def _empty_like(q: Any, **options: Any) -> Any:
    return QuantizedTensor.wrap(lampas.empty_like(integers_of(q, "empty_like")), q._quantizer)


@_handles("to")
def _to(q: Any, *args: Any, **kwargs: Any) -> Any:
    wanted = [a for a in (*args, *kwargs.values()) if isinstance(a, lampas.dtype)]
    if any(dtype != q.dtype for dtype in wanted):
        raise RuntimeError(
            f"a quantized tensor of {q.dtype} cannot be converted to {wanted[0]} by to(): dequantize() gives its real "
            "numbers as float32, int_repr() its integers"
        )
    rest = [a for a in args if not isinstance(a, lampas.dtype)]
    moved = q._integers.to(*rest, **{k: v for k, v in kwargs.items() if k != "dtype"})
    return q if moved is q._integers else QuantizedTensor.wrap(moved, q._quantizer)


@_handles("float", "double", "half", "bfloat16", "int", "long", "short", "bool")
def _convert(q: Any, **options: Any) -> Any:
    raise RuntimeError(
        f"a quantized tensor of {q.dtype} cannot be converted to another dtype: dequantize() gives its real numbers as "
        "float32, int_repr() its integers"
    )


@_handles("requires_grad_")
def _requires_grad(q: Any, requires_grad: bool = True) -> Any:
    if requires_grad:
        raise RuntimeError("only Tensors of floating point dtype can require gradients, not quantized ones")
    return q


# --- order and comparison -------------------------------------------------------------------------------------------


def _between(inplace: bool, bounds: Callable[..., tuple[float | None, float | None]]) -> Callable:
    def held(q: Any, *args: Any, **kwargs: Any) -> Any:
        low, high = bounds(*args, **kwargs)
        lowest, highest = (None if b is None else _stored(q, b, "clamp") for b in (low, high))
        if inplace:
            q._integers.clamp_(lowest, highest)
            return q
        return QuantizedTensor.wrap(q._integers.clamp(lowest, highest), q._quantizer)

    return held


def _relu_bounds() -> tuple[float, None]:
    return 0.0, None


def _clamp_bounds(min: Any = None, max: Any = None) -> tuple[Any, Any]:
    return min, max


def _hardtanh_bounds(min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> tuple[float, float]:
    return min_val, max_val


def _relu6_bounds(inplace: bool = False) -> tuple[float, float]:
    return 0.0, 6.0


for _name, _bounds in (
    ("relu", _relu_bounds),
    ("clamp", _clamp_bounds),
    ("clip", _clamp_bounds),
    ("hardtanh", _hardtanh_bounds),
    ("relu6", _relu6_bounds),
):
    _handlers[_name] = _between(False, _bounds)
    _handlers[_name + "_"] = _between(True, _bounds)


def _compared(func: Callable) -> Callable:
    def compare(a: Any, b: Any) -> Tensor:
        return func(*(v.dequantize() if isinstance(v, QuantizedTensor) else v for v in (a, b)))

    return compare


for _name in ("eq", "ne", "lt", "le", "gt", "ge", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
    _makers[_name] = _compared


@_handles("equal")
def _equal(a: Any, b: Any) -> bool:
    if not (isinstance(a, QuantizedTensor) and isinstance(b, QuantizedTensor)):
        raise RuntimeError("equal() compares two quantized tensors, or two plain ones")
    return a.dtype == b.dtype and a._quantizer == b._quantizer and lampas.equal(a._integers, b._integers)


def _ordered(func: Callable) -> Callable:
    """Ops that choose among the values: whole numbers are ordered as what they stand for."""

    def choose(q: Any, *args: Any, **kwargs: Any) -> Any:
        quantizer = quantizer_of(q, func.__name__)
        result = func(q._integers, *map(_plain, args), **kwargs)
        if isinstance(result, Tensor):
            return QuantizedTensor.wrap(result, quantizer)
        values, indices = result
        return type(result)((QuantizedTensor.wrap(values, quantizer), indices))

    return choose


for _name in ("max", "min", "sort", "topk", "amax", "amin", "median", "kthvalue", "msort"):
    _makers[_name] = _ordered

# --- functions of the values, kept with the same scale --------------------------------------------------------------


def looked_up(q: Any, function: Callable[[Tensor], Tensor], quantizer: PerTensor, name: str) -> Any:
    """``function`` of every value, stored with ``quantizer``: for 8 bits a table of its 256 results."""
    source, integers = quantizer_of(q, name), q._integers
    if integers.dtype == lampas.int32:
        return QuantizedTensor.wrap(quantizer.quantize(function(q.dequantize()), q.dtype), quantizer)
    every = lampas.arange(256, dtype=lampas.int32).to(lampas.uint8).view(integers.dtype)
    table = quantizer.quantize(function(source.dequantize(every)), q.dtype)
    result = _C._lookup(integers.view(lampas.uint8), table.view(lampas.uint8))
    return QuantizedTensor.wrap(result.view(integers.dtype), quantizer)


def _pointwise(func: Callable) -> Callable:
    def apply(q: Any, *args: Any, **kwargs: Any) -> Any:
        inplace = kwargs.pop("inplace", False)
        result = looked_up(q, lambda x: func(x, *args, **kwargs), quantizer_of(q, func.__name__), func.__name__)
        if inplace:
            q._integers.copy_(result._integers)
            return q
        return result

    return apply


for _name in ("leaky_relu", "gelu", "threshold"):
    _makers[_name] = _pointwise


def _bounded(scale: float, unsigned: int, signed: int) -> Callable[[Callable], Callable]:
    """Functions with a known range have a scale of their own."""

    def make(func: Callable) -> Callable:
        def apply(q: Any, *args: Any, **kwargs: Any) -> Any:
            low = limits(q.dtype)[0]
            zero_point = 0 if q.dtype == lampas.qint32 else unsigned if low == 0 else signed
            return looked_up(q, lambda x: func(x), PerTensor(scale, zero_point), func.__name__)

        return apply

    return make


_makers["sigmoid"] = _makers["hardsigmoid"] = _bounded(1 / 256, 0, -128)
_makers["tanh"] = _bounded(2 / 256, 128, 0)


def _through_reals(func: Callable) -> Callable:
    """Computed with real numbers, stored again as the input was."""

    def apply(q: Any, *args: Any, **kwargs: Any) -> Any:
        quantizer = quantizer_of(q, func.__name__)
        result = func(q.dequantize(), *args, **kwargs)
        return QuantizedTensor.wrap(quantizer.quantize(result, q.dtype), quantizer)

    return apply


for _name in _names("""
mean std avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
interpolate upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_bilinear2d upsample_trilinear3d
upsample
"""):
    _makers[_name] = _through_reals


@_handles("dropout", "dropout_", "feature_dropout")
def _dropout(q: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    if training:
        raise RuntimeError("dropout() of a quantized tensor is only there for evaluation: call model.eval()")
    return q


@_handles("dequantize")
def _dequantize(q: Any) -> Tensor:
    return q.dequantize()


@_handles("int_repr")
def _int_repr(q: Any) -> Tensor:
    return q.int_repr()
