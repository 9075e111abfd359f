"""How a functional such as `resize` finds what to do with an input: kernels, registered by functional and class.

A kernel of tv_tensors sees a plain tensor, what the tensor carries (format, canvas_size, clamping_mode) under the names
it asks for, and those arguments of the functional that it has. Its result is wrapped as the input was.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.tv_tensors._pixels import is_pil_image

__all__ = ["functional", "get_kernel", "is_pure_tensor", "kernel", "register_kernel"]

PIL = "PIL.Image.Image"  # stands for Pillow's class, which is not imported for this
_IMAGES = (Tensor, tv_tensors.Image)
_CARRIED = ("format", "canvas_size", "clamping_mode")
_BUILT_IN = {tv_tensors.Image, tv_tensors.Video, tv_tensors.Mask, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints}
_BUILT_IN.add(tv_tensors.TVTensor)

_kernels: dict[Callable[..., Any], dict[Any, Callable[..., Any]]] = {}


def is_pure_tensor(inpt: Any) -> bool:
    """Whether it is a tensor that does not say what it shows."""
    return isinstance(inpt, Tensor) and not isinstance(inpt, tv_tensors.TVTensor)


def functional(declaration: Callable[..., Any]) -> Callable[..., Any]:
    """Makes the functional whose name, arguments and doc the declaration has; what it does is up to its kernels."""
    parameters = inspect.signature(declaration).parameters
    names = list(parameters)
    defaults = {n: p.default for n, p in parameters.items() if p.default is not p.empty}

    @functools.wraps(declaration)
    def call(*args: Any, **kwargs: Any) -> Any:
        declaration(*args, **kwargs)  # Python checks the arguments
        given = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
        inpt = given.pop(names[0])
        return get_kernel(call, type(inpt))(inpt, **given)

    call._names = names[1:]
    _kernels[call] = {}
    return call


def kernel(target: Callable[..., Any], *kinds: Any, wrap: bool = True) -> Callable[[Callable], Callable]:
    """Registers the decorated function for these classes; ``PIL`` among them means Pillow's images.

    With ``wrap=False`` it is given a tv_tensor as it is, and its result is handed on as it is.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for kind in kinds:
            dressed = kind is not PIL and issubclass(kind, tv_tensors.TVTensor) and wrap
            _kernels[target][kind] = _dressed(target, function) if dressed else function
        return function

    return register


def _dressed(target: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    accepted = set(inspect.signature(function).parameters)
    carried = [name for name in _CARRIED if name in accepted]

    @functools.wraps(function)
    def on_tv_tensor(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs.update(zip(target._names, args, strict=False))
        given = {name: getattr(inpt, name) for name in carried}
        given.update((name, value) for name, value in kwargs.items() if name in accepted)
        output = function(inpt.as_subclass(Tensor), **given)
        if not isinstance(output, tuple):
            return tv_tensors.wrap(output, like=inpt)
        if isinstance(output[1], Tensor):  # several crops
            return tuple(tv_tensors.wrap(part, like=inpt) for part in output)
        return tv_tensors.wrap(output[0], like=inpt, canvas_size=output[1])

    return on_tv_tensor


def for_images(target: Callable[..., Any]) -> Callable[[Callable], Callable]:
    """Registers the decorated function for tensors and `Image`."""
    return kernel(target, *_IMAGES)


def for_pictures(target: Callable[..., Any]) -> Callable[[Callable], Callable]:
    """Registers the decorated function for tensors, `Image` and Pillow's images."""
    return kernel(target, *_IMAGES, PIL)


def for_videos(target: Callable[..., Any], function: Callable[..., Any], wrap: bool = True) -> Callable[..., Any]:
    """The kernel of images as one for videos, registered: all that differs is the name of the first argument."""
    signature = inspect.signature(function)
    first, *rest = signature.parameters.values()
    name = function.__name__.removesuffix("_image") + "_video"

    @functools.wraps(function)
    def on_video(*args: Any, **kwargs: Any) -> Any:
        return function(kwargs.pop("video"), **kwargs) if "video" in kwargs else function(*args, **kwargs)

    on_video.__name__ = on_video.__qualname__ = name
    on_video.__doc__ = f"`{function.__name__}` of every frame; shape (..., T, C, H, W)."
    on_video.__signature__ = signature.replace(parameters=[first.replace(name="video"), *rest])
    return kernel(target, tv_tensors.Video, wrap=wrap)(on_video)


def on_mask(function: Callable[..., Tensor], mask: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The kernel of images on masks, which may lack the dimension of channels."""
    if mask.ndim >= 3:
        return function(mask, *args, **kwargs)
    return function(mask.unsqueeze(0), *args, **kwargs).squeeze(0)


def _kinds(kind: type) -> Iterable[Any]:
    for base in kind.__mro__:
        yield PIL if base.__name__ == "Image" and base.__module__ == "PIL.Image" else base
        if base is tv_tensors.TVTensor:
            return  # or every tv_tensor would be taken for an image


def find_kernel(target: Callable[..., Any], kind: type) -> Callable[..., Any] | None:
    """The kernel of the functional for a class, or for the nearest class it is made from; None where there is none."""
    if target not in _kernels:
        raise ValueError(f"No kernel registered for functional {getattr(target, '__name__', target)}.")
    registered = _kernels[target]
    return next((registered[base] for base in _kinds(kind) if base in registered), None)


def get_kernel(target: Callable[..., Any], kind: type) -> Callable[..., Any]:
    """`find_kernel`, with ``TypeError`` where there is none."""
    found = find_kernel(target, kind)
    if found is None:
        takes = ", ".join(k if isinstance(k, str) else k.__name__ for k in _kernels[target])
        raise TypeError(f"Functional F.{target.__name__} supports inputs of type {takes}, but got {kind} instead.")
    return found


def register_kernel(functional: Callable[..., Any] | str, tv_tensor_cls: type) -> Callable[[Callable], Callable]:
    """A decorator: this is how the functional treats tv_tensors of this class, which must be one of your own.

    Args:
        functional: one of ``v2.functional``, or its name.
        tv_tensor_cls: a subclass of `TVTensor`.

    Raises:
        ValueError: there is no such functional, it is not a `TVTensor`, is one of torchvision's own, or has a kernel.

    >>> @register_kernel("horizontal_flip", MyTensor)
    ... def flip(inpt, *args, **kwargs): ...
    """
    if isinstance(functional, str):
        from lampas.vision.transforms.v2 import functional as module

        target = getattr(module, functional, None)
        if target is None:
            raise ValueError(f"Could not find functional with name '{functional}' in transforms.v2.functional.")
    else:
        target = functional
    if target not in _kernels:
        raise ValueError(
            f"Kernels can only be registered on functionals of transforms.v2.functional, but got {target}."
        )
    if not (isinstance(tv_tensor_cls, type) and issubclass(tv_tensor_cls, tv_tensors.TVTensor)):
        raise ValueError(f"Kernels can only be registered for subclasses of TVTensor, but got {tv_tensor_cls}.")
    if tv_tensor_cls in _BUILT_IN:
        raise ValueError(f"Kernels cannot be registered for the builtin tv_tensor classes, but got {tv_tensor_cls}.")
    if tv_tensor_cls in _kernels[target]:
        raise ValueError(f"Functional {target.__name__} already has a kernel registered for type {tv_tensor_cls}.")
    return kernel(target, tv_tensor_cls, wrap=False)


def is_image(value: Any) -> bool:
    """Whether it is one picture: of Pillow, an `Image`, or a tensor that does not say what it is."""
    return is_pure_tensor(value) or isinstance(value, tv_tensors.Image) or is_pil_image(value)
