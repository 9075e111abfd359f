"""Pruning: parts of a parameter set to zero by a mask, computed before each call.

``name`` becomes ``name_orig`` (the parameter) times ``name_mask`` (a buffer).
"""

from __future__ import annotations

from typing import Any

import lampas

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


def _count(amount: int | float, size: int) -> int:
    """How many of ``size`` to prune: a number, or a share; ValueError if neither makes sense."""
    if isinstance(amount, bool) or not isinstance(amount, (int, float)):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if amount < 0 or (isinstance(amount, float) and amount > 1.0):
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")
    if isinstance(amount, int):
        if amount > size:
            raise ValueError(f"amount={amount} should be smaller than the number of parameters to prune={size}")
        return amount
    return round(amount * size)


class BasePruningMethod:
    """A way of pruning: a subclass says in ``compute_mask(t, default_mask)`` what stays."""

    # What the method chooses among: "unstructured" (elements), "structured" (channels), "global".
    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    def compute_mask(self, t: lampas.Tensor, default_mask: lampas.Tensor) -> lampas.Tensor:
        """The mask for ``t``, a subset of ``default_mask``."""
        raise NotImplementedError(f"{type(self).__name__} does not define compute_mask")

    def apply_mask(self, module: Any) -> lampas.Tensor:
        """The pruned tensor."""
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls, module: Any, name: str, *args: Any, importance_scores: lampas.Tensor | None = None, **kwargs: Any
    ) -> Any:
        """Prune ``module.name``, on top of what was pruned before; ``importance_scores`` decide instead of values."""
        old = next(
            (
                (key, hook)
                for key, hook in module._forward_pre_hooks.items()
                if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
            ),
            None,
        )
        method = cls(*args, **kwargs)
        method._tensor_name = name
        tensor = getattr(module, name)
        if importance_scores is not None and importance_scores.shape != tensor.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}: "
                f"{tuple(importance_scores.shape)} and {tuple(tensor.shape)}"
            )
        scores = tensor if importance_scores is None else importance_scores
        if old is None:
            original = module._parameters[name]
            default_mask = lampas.ones_like(original)
            mask = method.compute_mask(scores.detach(), default_mask)
            del module._parameters[name]
            module.register_parameter(name + "_orig", original)
        else:
            container = old[1] if isinstance(old[1], PruningContainer) else PruningContainer(old[1])
            container.add_pruning_method(method)
            mask = container.compute_mask(scores.detach(), getattr(module, name + "_mask").to(dtype=tensor.dtype))
            del module._forward_pre_hooks[old[0]]
            method = container
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self,
        t: lampas.Tensor,
        default_mask: lampas.Tensor | None = None,
        importance_scores: lampas.Tensor | None = None,
    ) -> lampas.Tensor:
        """A pruned version of ``t``, without a module."""
        default_mask = lampas.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(t if importance_scores is None else importance_scores, default_mask)

    def remove(self, module: Any) -> None:
        """Make the pruned tensor a plain parameter."""
        name = self._tensor_name
        original = module._parameters[name + "_orig"]
        original.data = self.apply_mask(module).data
        delattr(module, name)
        del module._parameters[name + "_orig"], module._buffers[name + "_mask"]
        module.register_parameter(name, original)


class PruningContainer(BasePruningMethod):
    """Several pruning methods on one tensor, each choosing among what the ones before left."""

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        for method in args:
            self._tensor_name = method._tensor_name
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Put one more method behind the others."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method._tensor_name != self._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Any:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: int) -> BasePruningMethod:
        return self._pruning_methods[idx]

    def compute_mask(self, t: lampas.Tensor, default_mask: lampas.Tensor) -> lampas.Tensor:
        method = self._pruning_methods[-1]
        mask = default_mask.clone()
        if method.PRUNING_TYPE == "unstructured":
            left = mask == 1
            mask[left] = method.compute_mask(t[left], lampas.ones_like(t[left]))
        elif method.PRUNING_TYPE == "structured":
            dim = method.dim % t.dim()
            keep = (mask != 0).transpose(0, dim).flatten(1).any(1).nonzero().squeeze(1)
            part = method.compute_mask(t.index_select(dim, keep), mask.index_select(dim, keep))
            mask = mask.index_copy(dim, keep, part)
        elif method.PRUNING_TYPE == "global":
            mask = method.compute_mask(t, default_mask)
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        return mask


class Identity(BasePruningMethod):
    """Prunes nothing: puts the mask and the names in place."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: lampas.Tensor, default_mask: lampas.Tensor) -> lampas.Tensor:
        return default_mask


class _Unstructured(BasePruningMethod):
    """Prunes the elements with the least ``_score``."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: int | float) -> None:
        _count(amount, 2**62)
        self.amount = amount

    def _score(self, t: lampas.Tensor) -> lampas.Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define _score")

    def compute_mask(self, t: lampas.Tensor, default_mask: lampas.Tensor) -> lampas.Tensor:
        count = _count(self.amount, t.numel())
        mask = default_mask.clone()
        if count:
            index = lampas.topk(self._score(t), k=count, largest=False).indices
            mask.view(-1)[index] = 0
        return mask


class L1Unstructured(_Unstructured):
    """Prunes the elements of least absolute value."""

    def _score(self, t: lampas.Tensor) -> lampas.Tensor:
        return t.abs().reshape(-1)


class RandomUnstructured(_Unstructured):
    """Prunes elements at random."""

    def _score(self, t: lampas.Tensor) -> lampas.Tensor:
        return -lampas.rand_like(t).reshape(-1)  # the largest go, as in PyTorch


class _Structured(BasePruningMethod):
    """Prunes the channels along ``dim`` with the least ``_score``."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: int | float, dim: int = -1) -> None:
        _count(amount, 2**62)
        self.amount = amount
        self.dim = dim

    def _score(self, t: lampas.Tensor, dim: int) -> lampas.Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define _score")

    def compute_mask(self, t: lampas.Tensor, default_mask: lampas.Tensor) -> lampas.Tensor:
        if t.dim() <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. "
                f"Found tensor of shape {tuple(t.shape)} with {t.dim()} dims"
            )
        if not -t.dim() <= self.dim < t.dim():
            raise IndexError(f"Invalid index {self.dim} for tensor of size {tuple(t.shape)}")
        dim = self.dim % t.dim()
        count = _count(self.amount, t.size(dim))
        if not count:
            return default_mask
        worst = lampas.topk(self._score(t, dim), k=count, largest=False).indices
        return default_mask.index_fill(dim, worst, 0)


class LnStructured(_Structured):
    """Prunes the channels of least ``n``-norm."""

    def __init__(self, amount: int | float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _score(self, t: lampas.Tensor, dim: int) -> lampas.Tensor:
        return lampas.norm(t.transpose(0, dim).flatten(1), p=self.n, dim=1)


class RandomStructured(_Structured):
    """Prunes channels at random."""

    def _score(self, t: lampas.Tensor, dim: int) -> lampas.Tensor:
        return lampas.rand(t.size(dim))


class CustomFromMask(BasePruningMethod):
    """Prunes what a given mask says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: lampas.Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: lampas.Tensor, default_mask: lampas.Tensor) -> lampas.Tensor:
        return default_mask * self.mask.to(dtype=default_mask.dtype)


def identity(module: Any, name: str) -> Any:
    """Put mask and names in place without pruning."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: int | float) -> Any:
    """Prune elements at random: ``amount`` of them, or that share.

    >>> m = prune.random_unstructured(nn.Linear(2, 3), "weight", amount=1)
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Any, name: str, amount: int | float, importance_scores: lampas.Tensor | None = None) -> Any:
    """Prune the elements of least absolute value (or score)."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: int | float, dim: int) -> Any:
    """Prune channels along ``dim`` at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Any, name: str, amount: int | float, n: Any, dim: int, importance_scores: lampas.Tensor | None = None
) -> Any:
    """Prune the channels along ``dim`` of least ``n``-norm."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(
    parameters: Any, pruning_method: type[BasePruningMethod], importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune the elements that are least among all ``parameters``, which are pairs of module and name."""
    parameters = list(parameters)
    scores = importance_scores or {}
    tensors = [scores.get((module, name), getattr(module, name)).detach() for module, name in parameters]
    masks = [getattr(m, n + "_mask", lampas.ones_like(getattr(m, n))).detach() for m, n in parameters]
    container = PruningContainer()
    container._tensor_name = "temp"
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. '
            f"Found method {pruning_method} of type {method.PRUNING_TYPE}"
        )
    container.add_pruning_method(method)
    final = container.compute_mask(
        lampas.cat([t.reshape(-1) for t in tensors]), lampas.cat([m.reshape(-1) for m in masks])
    )
    start = 0
    for (module, name), tensor in zip(parameters, tensors):
        custom_from_mask(module, name, final[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()


def custom_from_mask(module: Any, name: str, mask: lampas.Tensor) -> Any:
    """Prune where ``mask`` is 0."""
    CustomFromMask.apply(module, name, mask)
    return module


def _of(module: Any, name: str | None) -> list[tuple[int, BasePruningMethod]]:
    return [
        (key, hook)
        for key, hook in module._forward_pre_hooks.items()
        if isinstance(hook, BasePruningMethod) and (name is None or hook._tensor_name == name)
    ]


def remove(module: Any, name: str) -> Any:
    """Make what was pruned permanent: ``name`` is a plain parameter again."""
    for key, hook in _of(module, name):
        hook.remove(module)
        del module._forward_pre_hooks[key]
        return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Any) -> bool:
    """Whether a parameter of the module or of one below it is pruned."""
    return any(_of(part, None) for part in module.modules())
