"""FloatTensor and its kin: names of tensor types that also make tensors and answer isinstance."""

from __future__ import annotations

from typing import Any

from lampas import _C

_NAMES = {
    "FloatTensor": _C.float32,
    "DoubleTensor": _C.float64,
    "HalfTensor": _C.float16,
    "BFloat16Tensor": _C.bfloat16,
    "LongTensor": _C.int64,
    "IntTensor": _C.int32,
    "ShortTensor": _C.int16,
    "CharTensor": _C.int8,
    "ByteTensor": _C.uint8,
    "BoolTensor": _C.bool,
    "ComplexFloatTensor": _C.complex64,
    "ComplexDoubleTensor": _C.complex128,
}


def _from(data: Any, dtype: _C.dtype) -> _C.Tensor:
    return data.detach() if isinstance(data, _C.Tensor) else _C.tensor(data, dtype=dtype)


class _TensorType(type):
    dtype: _C.dtype

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _C.Tensor) and instance.dtype == cls.dtype and instance.is_cpu

    def __call__(cls, *args: Any, **kwargs: Any) -> _C.Tensor:
        if len(args) == 1 and not isinstance(args[0], int):
            data = args[0]
            if isinstance(data, _C.Size):
                return _C.empty(tuple(data), dtype=cls.dtype)
            if isinstance(data, _C.Tensor) and data.dtype != cls.dtype:
                raise TypeError(f"expected {cls.dtype} (got {data.dtype})")
            return _from(data, cls.dtype)
        return _C.empty(args or (0,), dtype=cls.dtype)

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def _make(name: str, dtype: _C.dtype) -> type:
    doc = f"Tensors of {dtype}: ``{name}(2, 3)`` makes one, ``isinstance(x, {name})`` asks for one."
    return _TensorType(name, (), {"dtype": dtype, "__doc__": doc, "__module__": "lampas"})


FloatTensor = _make("FloatTensor", _C.float32)
DoubleTensor = _make("DoubleTensor", _C.float64)
HalfTensor = _make("HalfTensor", _C.float16)
BFloat16Tensor = _make("BFloat16Tensor", _C.bfloat16)
LongTensor = _make("LongTensor", _C.int64)
IntTensor = _make("IntTensor", _C.int32)
ShortTensor = _make("ShortTensor", _C.int16)
CharTensor = _make("CharTensor", _C.int8)
ByteTensor = _make("ByteTensor", _C.uint8)
BoolTensor = _make("BoolTensor", _C.bool)
ComplexFloatTensor = _make("ComplexFloatTensor", _C.complex64)
ComplexDoubleTensor = _make("ComplexDoubleTensor", _C.complex128)

__all__ = [*_NAMES]


def dtype_of_type(name: str) -> _C.dtype:
    """The dtype of "torch.FloatTensor" and the like.

    Raises:
        ValueError: no such tensor type.
    """
    short = name.removeprefix("torch.").removeprefix("lampas.")
    if short not in _NAMES:
        raise ValueError(f"invalid type: {name!r}; known are {', '.join(f'torch.{n}' for n in _NAMES)}")
    return _NAMES[short]


def type_of_dtype(dtype: _C.dtype) -> str:
    """ "torch.FloatTensor" for float32, and so on."""
    return next(f"torch.{name}" for name, d in _NAMES.items() if d == dtype)
