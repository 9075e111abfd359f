"""Tensors a module owns: Parameter (trained), Buffer (kept, not trained) and their forms without a shape yet."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NoReturn

import lampas


class Parameter(lampas.Tensor):
    """A tensor that a :class:`Module` lists among its parameters as soon as it is assigned to an attribute.

    Args:
        data: the values; shared, not copied. An empty tensor when left out.
        requires_grad: whether gradients are computed for it; only floating-point and complex tensors can.

    Example::

        >>> class Scale(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = nn.Parameter(lampas.ones(1))
    """

    __torch_function__ = lampas._C._disabled_torch_function_impl

    def __new__(cls, data: lampas.Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = lampas.empty(0)
        kind = type(data)
        if kind is lampas.Tensor or issubclass(kind, Parameter):
            return lampas.Tensor._make_subclass(cls, data, requires_grad)
        if not isinstance(data, lampas.Tensor):
            raise TypeError(
                f"Parameter needs a tensor as data, got {kind.__name__}; convert it with lampas.tensor(...)"
            )
        # A user's own tensor class stays what it is; the mark makes modules list it.
        marked: Any = data.detach().requires_grad_(requires_grad)
        marked._is_param = True
        return marked

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.data.clone(memory_format=lampas.preserve_format), self.requires_grad)
        memo[id(self)] = result
        return result

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol: int) -> tuple:
        from lampas._utils import _rebuild_parameter, _rebuild_parameter_with_state

        state = {name: value for name, value in self.__dict__.items() if name != "_backward_hooks"}
        if state:
            return _rebuild_parameter_with_state, (self.data, self.requires_grad, OrderedDict(), state)
        return _rebuild_parameter, (self.data, self.requires_grad, OrderedDict())


def is_parameter(value: object) -> bool:
    """Whether a module lists ``value`` as a parameter."""
    return isinstance(value, Parameter) or (isinstance(value, lampas.Tensor) and getattr(value, "_is_param", False))


class _BufferMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        if cls is not Buffer:
            return type.__instancecheck__(cls, instance)
        return isinstance(instance, lampas.Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(metaclass=_BufferMeta):
    """A tensor that a :class:`Module` lists among its buffers as soon as it is assigned to an attribute.

    Args:
        data: the values; shared, not copied. An empty tensor when left out.
        persistent: whether the buffer is part of the module's ``state_dict``.

    The result is a plain tensor with a mark; ``isinstance(x, Buffer)`` tells.

    Example::

        >>> module.mean = nn.Buffer(lampas.zeros(3))
        >>> "mean" in module.state_dict()
        True
    """

    def __new__(cls, data: lampas.Tensor | None = None, *, persistent: bool = True) -> lampas.Tensor:  # type: ignore[misc]
        if data is None:
            data = lampas.empty(0)
        tensor = data.detach().requires_grad_(data.requires_grad)
        tensor.persistent = persistent
        tensor._is_buffer = True
        return tensor


_ALLOWED_WITHOUT_SHAPE = frozenset(
    ("__hash__", "size", "copy_", "is_complex", "is_floating_point", "half", "float", "double", "char", "short", "int")
    + (
        "long",
        "cuda",
        "cpu",
        "to",
        "get_device",
        "_has_compatible_shallow_copy_type",
        "__get__",
        "__set__",
        "__delete__",
    )
    + ("requires_grad_", "detach", "type", "is_shared", "share_memory_")
)


class UninitializedTensorMixin:
    """A tensor whose shape its first use will decide."""

    data: lampas.Tensor
    _becomes: type = Parameter

    def materialize(
        self, shape: tuple[int, ...], device: lampas.device | None = None, dtype: lampas.dtype | None = None
    ) -> None:
        """Give the tensor its shape, and (unless named) keep device and dtype; the values are undefined."""
        device = self.data.device if device is None else device
        dtype = self.data.dtype if dtype is None else dtype
        self.data = lampas.empty(shape, device=device, dtype=dtype)
        self.__class__ = self._becomes

    @property
    def shape(self) -> lampas.Size:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer: it is known after the first forward pass. "
            "Run one batch through the module before asking for shapes or calling load_state_dict on another module."
        )

    def share_memory_(self) -> NoReturn:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer: run one batch through the module first."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: int) -> tuple:
        return type(self), (self.requires_grad, self.data.device, self.data.dtype)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if getattr(func, "__name__", None) in _ALLOWED_WITHOUT_SHAPE:
            return super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[misc]
        raise ValueError(
            f"Attempted to use an uninitialized parameter in {func}. Its shape is decided by the first batch: "
            "run one forward pass of the lazy module before initializing, optimizing or copying its parameters."
        )


def is_lazy(value: object) -> bool:
    """Whether ``value`` is a parameter or buffer that has no shape yet."""
    return isinstance(value, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A parameter of a lazy module before its first batch; :meth:`materialize` makes it a :class:`Parameter`.

    Example::

        >>> weight = nn.UninitializedParameter()
        >>> weight.materialize((3, 4))
    """

    def __new__(
        cls, requires_grad: bool = True, device: lampas.device | None = None, dtype: lampas.dtype | None = None
    ) -> UninitializedParameter:
        return lampas.Tensor._make_subclass(cls, lampas.empty(0, device=device, dtype=dtype), requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        return memo[id(self)]


class UninitializedBuffer(UninitializedTensorMixin, lampas.Tensor):  # type: ignore[misc]
    """A buffer of a lazy module before its first batch; :meth:`materialize` makes it a plain tensor.

    Example::

        >>> mean = nn.UninitializedBuffer()
        >>> mean.materialize((3,))
    """

    _becomes = lampas.Tensor

    def __new__(
        cls,
        requires_grad: bool = False,
        device: lampas.device | None = None,
        dtype: lampas.dtype | None = None,
        persistent: bool = True,
    ) -> UninitializedBuffer:
        result = lampas.Tensor._make_subclass(cls, lampas.empty(0, device=device, dtype=dtype), requires_grad)
        result.persistent = persistent
        result._is_buffer = True
        return result
