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


def legacy_tensor(dtype: _C.dtype, *args: Any, device: Any = None, size: Any = None) -> _C.Tensor:
    """What ``FloatTensor(...)`` and ``tensor.new(...)`` make: a tensor of the sizes given, or of one sequence's values.

    Raises:
        TypeError: anything else, or a tensor of another dtype.
        RuntimeError: a device that is not the CPU.
    """
    if device is not None and _C.device(device).type != "cpu":
        raise RuntimeError(f"legacy constructor expects device type: cpu but device type: {device} was passed")
    args = args if size is None else (_C.Size(size),)
    if len(args) != 1 or isinstance(args[0], int):
        if not all(hasattr(n, "__index__") for n in args):
            raise TypeError(f"new() takes sizes or one sequence, but got {', '.join(type(a).__name__ for a in args)}")
        return _C.empty(args or (0,), dtype=dtype)
    data = args[0]
    if isinstance(data, _C.Size):
        return _C.empty(tuple(data), dtype=dtype)
    if isinstance(data, _C.Tensor):
        if data.dtype != dtype:
            raise TypeError(f"expected {dtype} (got {data.dtype}); use .to({dtype})")
        return data.detach()
    if getattr(data, "dtype", None) == dtype and hasattr(data, "_untyped_storage"):
        return _C.tensor(data.tolist(), dtype=dtype)
    if isinstance(data, (str, dict, set)) or not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
    return _C.tensor(data, dtype=dtype)


class _TensorType(type):
    dtype: _C.dtype
    is_cuda = False

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _C.Tensor) and instance.dtype == cls.dtype and instance.is_cpu

    def __call__(cls, *args: Any, **kwargs: Any) -> _C.Tensor:
        return legacy_tensor(cls.dtype, *args, **kwargs)

    def __repr__(cls) -> str:
        return f"<class '{_program_name(cls)}'>"


class _CudaTensorType(_TensorType):
    """Of tensors on a CUDA device, which is not there: a name that `isinstance` may ask about, and nothing more."""

    is_cuda = True

    def __instancecheck__(cls, instance: object) -> bool:
        return False

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"type {_program_name(cls)} not available: torch.cuda.is_available() is False; use torch.{cls.__name__}"
        )


def _program_name(cls: type) -> str:
    return f"{cls.__module__.replace('lampas', 'torch', 1)}.{cls.__name__}"


def _make(name: str, dtype: _C.dtype) -> type:
    doc = f"Tensors of {dtype}: ``{name}(2, 3)`` makes one, ``isinstance(x, {name})`` asks for one."
    return _TensorType(name, (), {"dtype": dtype, "__doc__": doc, "__module__": "lampas"})


def cuda_types() -> dict[str, type]:
    """The types of tensors on a CUDA device, by name: they cannot be instantiated."""
    return {
        name: _CudaTensorType(
            name, (), {"dtype": dtype, "__doc__": f"Tensors of {dtype} on a CUDA device.", "__module__": "lampas.cuda"}
        )
        for name, dtype in _NAMES.items()
    }


def set_default(kind: Any) -> None:
    """Makes the dtype of "torch.DoubleTensor" or of the type of that name the default one."""
    name = kind if isinstance(kind, str) else _program_name(kind)
    if name.startswith("torch.cuda."):
        raise TypeError(f"type {name} not available: torch.cuda.is_available() is False")
    dtype = dtype_of_type(name)
    if not dtype.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, not {name}")
    _C.set_default_dtype(dtype)


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
    if short.removeprefix("cuda.") in _NAMES and short.startswith("cuda."):
        raise RuntimeError(f"{name}: there is no CUDA device; torch.cuda.is_available() is False")
    if short not in _NAMES:
        raise ValueError(f"invalid type: {name!r}; known are {', '.join(f'torch.{n}' for n in _NAMES)}")
    return _NAMES[short]


def type_of_dtype(dtype: _C.dtype) -> str:
    """ "torch.FloatTensor" for float32, and so on."""
    return next(f"torch.{name}" for name, d in _NAMES.items() if d == dtype)
