"""The quantized tensor: integers, and what they stand for.

A real number r is stored as q = round(r / scale) + zero_point, held inside the integers' range (Jacob et al. 2018,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference").
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import lampas
from lampas import _C, Tensor

__all__ = [
    "PerChannel",
    "PerTensor",
    "QuantizedTensor",
    "integers_of",
    "limits",
    "quantizer_from",
    "quantizer_of",
    "stored_dtype",
]

_STORED = {lampas.quint8: lampas.uint8, lampas.qint8: lampas.int8, lampas.qint32: lampas.int32}
_QUANTIZED = {stored: dtype for dtype, stored in _STORED.items()}
_LIMITS = {lampas.quint8: (0, 255), lampas.qint8: (-128, 127), lampas.qint32: (-(2**31), 2**31 - 1)}
_TYPE_NAMES = {lampas.quint8: "QUInt8Tensor", lampas.qint8: "QInt8Tensor", lampas.qint32: "QInt32Tensor"}


def stored_dtype(dtype: Any, function: str = "quantization") -> lampas.dtype:
    """The dtype of the integers behind a quantized dtype."""
    found = _STORED.get(dtype)
    if found is None:
        if dtype == lampas.quint4x2:
            raise NotImplementedError(
                f"{function}: values of 4 bits (torch.quint4x2) are not supported; use torch.quint8"
            )
        raise RuntimeError(f"{function}: expected torch.quint8, torch.qint8 or torch.qint32, got {dtype}")
    return found


def limits(dtype: lampas.dtype) -> tuple[int, int]:
    """The smallest and the largest integer of a quantized dtype."""
    return _LIMITS[dtype]


class PerTensor:
    """One scale and zero point for all values."""

    __slots__ = ("scale", "zero_point")
    scheme = lampas.per_tensor_affine

    def __init__(self, scale: float, zero_point: int) -> None:
        self.scale = scale
        self.zero_point = zero_point

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PerTensor) and (self.scale, self.zero_point) == (other.scale, other.zero_point)

    def quantize(self, values: Tensor, dtype: lampas.dtype) -> Tensor:
        return _C._quantize(values, self.scale, self.zero_point, _STORED[dtype])

    def dequantize(self, integers: Tensor) -> Tensor:
        return _C._dequantize(integers, self.scale, self.zero_point)

    def number(self, value: float, dtype: lampas.dtype) -> int:
        """The integer that stands for one real number."""
        low, high = _LIMITS[dtype]
        return min(max(round(value / self.scale) + self.zero_point, low), high)

    def described(self) -> list[str]:
        return [f"scale={self.scale}", f"zero_point={self.zero_point}"]

    def pickled(self) -> tuple:
        return self.scheme, self.scale, self.zero_point

    def __repr__(self) -> str:
        return f"PerTensor({', '.join(self.described())})"


class PerChannel:
    """A scale (float64) and a zero point (int64; float32 in the float scheme) for each index of dimension ``axis``."""

    __slots__ = ("axis", "scales", "zero_points")

    def __init__(self, scales: Tensor, zero_points: Tensor, axis: int) -> None:
        floating = zero_points.is_floating_point()
        self.scales = scales.detach().to(lampas.float32 if floating else lampas.float64)
        self.zero_points = zero_points.detach().to(lampas.float32 if floating else lampas.int64)
        self.axis = axis

    @property
    def scheme(self) -> Any:
        floating = self.zero_points.is_floating_point()
        return lampas.per_channel_affine_float_qparams if floating else lampas.per_channel_affine

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, PerChannel)
            and self.axis == other.axis
            and lampas.equal(self.scales, other.scales)
            and lampas.equal(self.zero_points, other.zero_points)
        )

    def _spread(self, parameters: Tensor, dims: int) -> Tensor:
        return parameters.view([-1 if d == self.axis else 1 for d in range(dims)])

    def quantize(self, values: Tensor, dtype: lampas.dtype) -> Tensor:
        if not self.zero_points.is_floating_point():
            return _C._quantize_channels(values, self.scales, self.zero_points, self.axis, _STORED[dtype])
        scales, zeros = (self._spread(p, values.dim()) for p in (self.scales, self.zero_points))
        return (values / scales + zeros).round().clamp(*_LIMITS[dtype]).to(_STORED[dtype])

    def dequantize(self, integers: Tensor) -> Tensor:
        if not self.zero_points.is_floating_point():
            return _C._dequantize_channels(integers, self.scales, self.zero_points, self.axis)
        scales, zeros = (self._spread(p, integers.dim()) for p in (self.scales, self.zero_points))
        return (integers.to(lampas.float32) - zeros) * scales

    def described(self) -> list[str]:
        return [f"scale={self.scales}", f"zero_point={self.zero_points}", f"axis={self.axis}"]

    def pickled(self) -> tuple:
        return self.scheme, self.scales, self.zero_points, self.axis

    def __repr__(self) -> str:
        return f"PerChannel({', '.join(self.described())})"


Quantizer = PerTensor | PerChannel


def quantizer_from(pickled: Any, shape: tuple[int, ...]) -> Quantizer:
    """The quantizer that ``pickled()`` described, checked: files come from anywhere."""
    match pickled:
        case (lampas.per_tensor_affine, float() | int() as scale, int() as zero_point):
            return PerTensor(float(scale), zero_point)
        case (
            lampas.per_channel_affine | lampas.per_channel_affine_float_qparams,
            Tensor() as scales,
            Tensor() as zero_points,
            int() as axis,
        ) if 0 <= axis < len(shape) and scales.shape == zero_points.shape == (shape[axis],):
            return PerChannel(scales, zero_points, axis)
    raise RuntimeError(f"a saved quantized tensor of shape {shape} has no usable scales: the file is damaged")


class QuantizedTensor(Tensor):
    """A tensor of real numbers kept as integers; :func:`lampas.quantize_per_tensor` makes one.

    Its integers are the tensor's memory; ops look up here what they do with them (:mod:`lampas._quantized.handlers`).
    """

    _integers: Tensor
    _quantizer: Quantizer

    @staticmethod
    def wrap(integers: Tensor, quantizer: Quantizer) -> QuantizedTensor:
        """The quantized tensor of these integers, whose memory it shares."""
        made = Tensor._make_subclass(QuantizedTensor, integers)
        made._integers = integers
        made._quantizer = quantizer
        return made

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        from lampas._quantized.handlers import handler_of

        return handler_of(func)(*args, **(kwargs or {}))

    @property
    def dtype(self) -> lampas.dtype:
        return _QUANTIZED[self._integers.dtype]

    @property
    def is_quantized(self) -> bool:
        return True

    @property
    def data(self) -> QuantizedTensor:
        return self

    @data.setter
    def data(self, value: QuantizedTensor) -> None:
        integers = integers_of(value, "data")
        Tensor.data.__set__(self, integers)
        self._integers, self._quantizer = integers, value._quantizer

    @property
    def T(self) -> lampas.Tensor:
        return self.permute(*range(self.dim() - 1, -1, -1))

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        if dtype is None:
            return f"torch.quantized.{_TYPE_NAMES[self.dtype]}"
        return self.to(dtype)

    def dequantize(self) -> Tensor:
        """The real numbers the integers stand for, as float32."""
        return self._quantizer.dequantize(self._integers)

    def int_repr(self) -> Tensor:
        """A copy of the integers."""
        return self._integers.clone(memory_format=lampas.contiguous_format)

    def qscheme(self) -> Any:
        """How the parameters are spread: ``torch.per_tensor_affine`` or ``torch.per_channel_affine``."""
        return self._quantizer.scheme

    def _parameters(self, kind: builtins.type, name: str) -> Any:
        if not isinstance(self._quantizer, kind):
            needed = "per_tensor_affine" if kind is PerTensor else "per_channel_affine"
            raise RuntimeError(f"{name}() needs a tensor quantized with torch.{needed}, this one has {self.qscheme()}")
        return self._quantizer

    def q_scale(self) -> float:
        """The real value of one step of the integers."""
        return self._parameters(PerTensor, "q_scale").scale

    def q_zero_point(self) -> int:
        """The integer that stands for 0."""
        return self._parameters(PerTensor, "q_zero_point").zero_point

    def q_per_channel_scales(self) -> Tensor:
        return self._parameters(PerChannel, "q_per_channel_scales").scales

    def q_per_channel_zero_points(self) -> Tensor:
        return self._parameters(PerChannel, "q_per_channel_zero_points").zero_points

    def q_per_channel_axis(self) -> int:
        return self._parameters(PerChannel, "q_per_channel_axis").axis

    def item(self) -> float:
        return self._integers.numel() and self.dequantize().item()

    def tolist(self) -> Any:
        return self.dequantize().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError(
            f"NumPy has no dtype for {self.dtype}: take the real numbers, dequantize().numpy(), "
            "or the integers, int_repr().numpy()"
        )

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.numpy()

    def __float__(self) -> float:
        return float(self.item())

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        from lampas.printing import tensor_str

        return tensor_str(self, tensor_contents=tensor_contents)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.dim() == 0 else object.__format__(self, spec)

    def __len__(self) -> int:
        return len(self._integers)

    def __iter__(self) -> Any:
        return iter(self.unbind(0))

    def __hash__(self) -> int:
        return id(self)

    def storage(self) -> Any:
        from lampas.storage import TypedStorage

        return TypedStorage(self._integers.untyped_storage(), self.dtype)

    def __reduce_ex__(self, protocol: int) -> tuple:
        from lampas import _utils
        from lampas.storage import typed_storage

        plain = self._integers
        storage = typed_storage(plain, self.dtype)
        arguments = (storage, plain.storage_offset(), tuple(plain.size()), plain.stride(), self._quantizer.pickled())
        return _utils._rebuild_qtensor, (*arguments, False, _utils.no_hooks())

    def __deepcopy__(self, memo: dict[int, Any]) -> QuantizedTensor:
        if id(self) not in memo:
            from copy import deepcopy

            memo[id(self)] = QuantizedTensor.wrap(deepcopy(self._integers, memo), self._quantizer)
        return memo[id(self)]


def integers_of(tensor: Any, function: str) -> Tensor:
    """The integers of a quantized tensor; an error naming ``function`` for anything else."""
    if not isinstance(tensor, QuantizedTensor):
        kind = f"a tensor of {tensor.dtype}" if isinstance(tensor, Tensor) else type(tensor).__name__
        raise NotImplementedError(
            f"{function} needs a quantized tensor, got {kind}; quantize_per_tensor() makes one, and in a model "
            "a QuantStub before the quantized part"
        )
    return tensor._integers


def quantizer_of(tensor: Any, function: str) -> PerTensor:
    """The scale and zero point of a tensor that has one pair of them."""
    integers_of(tensor, function)
    if not isinstance(tensor._quantizer, PerTensor):
        raise RuntimeError(f"{function} is only there for tensors quantized with torch.per_tensor_affine")
    return tensor._quantizer
