"""The base of all optimizers: parameter groups, state, hooks, state_dict and the step itself.

A subclass says which tensors a parameter's state begins with (`_init_state`) and how one parameter moves (`_update`,
ordinary tensor ops). Where the engine has a kernel for the rule, `_engine_update` hands it all parameters of a group in
one call; `_update` then serves `differentiable=True`, where autograd must see the operations.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain

import lampas
from lampas.utils.hooks import RemovableHandle

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    ParamsT = Iterable[lampas.Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, lampas.Tensor]]


class _RequiredParameter:
    """Marks a default that every parameter group has to give itself."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()

_global_optimizer_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_optimizer_post_hooks: OrderedDict[int, Callable] = OrderedDict()


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Registers `hook(optimizer, args, kwargs) -> None | (args, kwargs)` before every step of every optimizer."""
    return _register(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Registers `hook(optimizer, args, kwargs) -> None` after every step of every optimizer."""
    return _register(_global_optimizer_post_hooks, hook)


def _register(hooks: OrderedDict, hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _with_hooks(step: Callable) -> Callable:
    @functools.wraps(step)
    def hooked_step(*args, **kwargs):
        self = args[0]
        pre, post = self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks
        if not (pre or post or _global_optimizer_pre_hooks or _global_optimizer_post_hooks):
            return step(*args, **kwargs)
        for hook in (*_global_optimizer_pre_hooks.values(), *pre.values()):
            result = hook(self, args, kwargs)
            if result is not None:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise RuntimeError(f"a step pre-hook must return None or (args, kwargs), but {hook} gave {result}.")
                args, kwargs = result
        out = step(*args, **kwargs)
        for hook in (*post.values(), *_global_optimizer_post_hooks.values()):
            hook(self, args, kwargs)
        return out

    hooked_step.hooked = True
    return hooked_step


def _to_scalar(x):
    """A one-element tensor as a 0-d tensor; anything else as it is."""
    return x.squeeze() if isinstance(x, lampas.Tensor) and x.dim() != 0 else x


def _scalar_dtype() -> lampas.dtype:
    """The type of step counters: float32, or float64 where that is the default type."""
    return lampas.float64 if lampas.get_default_dtype() == lampas.float64 else lampas.float32


def _scalar(value: float) -> lampas.Tensor:
    return lampas.tensor(float(value), dtype=_scalar_dtype())


def _check_hyperparameters(
    lr: float | lampas.Tensor = 0.0, *, betas: tuple | None = None, **values: float | lampas.Tensor
) -> None:
    """Raises ValueError for a negative learning rate or value, or a beta outside [0, 1)."""
    if isinstance(lr, lampas.Tensor) and lr.numel() != 1:
        raise ValueError(f"Tensor lr must be 1-element, but it has shape {tuple(lr.shape)}")
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr} (expected lr >= 0)")
    for name, value in values.items():
        if not value >= 0.0:
            label = "epsilon" if name == "eps" else name
            raise ValueError(f"Invalid {label} value: {value} (expected {name} >= 0)")
    if betas is not None:
        for i in range(2):
            if not 0.0 <= betas[i] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]} (expected 0 <= beta < 1)")


def _check_implementation(defaults: dict) -> None:
    """`fused`, `foreach` and `differentiable` change nothing here, but combinations PyTorch refuses are refused."""
    if defaults.get("fused"):
        if defaults.get("differentiable"):
            raise RuntimeError("`fused` does not support `differentiable`; set one of them to False")
        if defaults.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together; set one of them to False")


class Optimizer:
    """Moves parameters along their gradients. Subclasses say how.

    Args:
        params: tensors, (name, tensor) pairs, or dictionaries with the key ``"params"`` and options of their own,
            in an order that is the same in every run.
        defaults: the options of groups that do not give them.

    Raises:
        TypeError: `params` is one tensor, or holds something else than tensors.
        ValueError: `params` is empty, holds a tensor that is not a leaf, or one tensor in two groups.

    Example:
        >>> optimizer = lampas.optim.SGD([{"params": body}, {"params": head, "lr": 0.1}], lr=0.01)
        >>> optimizer.zero_grad(); loss_fn(model(x), y).backward(); optimizer.step()
    """

    # State entries that are 0-d tensors, which old checkpoints hold as Python numbers.
    _scalar_state: tuple[str, ...] = ("step",)

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_hooks()
        if isinstance(params, lampas.Tensor):
            raise TypeError(
                "params must be an iterable of Tensors or dicts, but got a single Tensor; "
                "write [param] for one parameter"
            )
        self.state: defaultdict = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list; does the model have parameters?")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hooks(self) -> None:
        for name in ("step_pre", "step_post", "state_dict_pre", "state_dict_post"):
            self.__dict__.setdefault(f"_optimizer_{name}_hooks", OrderedDict())
        for name in ("pre", "post"):
            self.__dict__.setdefault(f"_optimizer_load_state_dict_{name}_hooks", OrderedDict())
        cls = type(self)
        if not getattr(cls.step, "hooked", False):
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_hooks()
        self.defaults.setdefault("differentiable", False)
        for group in self.param_groups:
            # Checkpoints from before an option existed.
            for name, value in self.defaults.items():
                group.setdefault(name, value)
        for entry in self.state.values():
            if isinstance(entry, dict):
                for name in self._scalar_state:
                    if name in entry and not isinstance(entry[name], lampas.Tensor):
                        entry[name] = _scalar(entry[name])

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += [""] * (i > 0) + [f"Parameter Group {i}"]
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    # -- hooks ---------------------------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Registers `hook(optimizer, args, kwargs) -> None | (args, kwargs)`, called before each step."""
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Registers `hook(optimizer, args, kwargs) -> None`, called after each step."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Registers `hook(optimizer) -> None`, called before `state_dict`; first of all with `prepend`."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Registers `hook(optimizer, state_dict) -> None | state_dict`, called on what `state_dict` will return."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Registers `hook(optimizer, state_dict) -> None | state_dict`, called before a state is loaded."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Registers `hook(optimizer) -> None`, called after a state was loaded."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # -- state_dict ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The state and the options, with parameters replaced by their position: ``{"state", "param_groups"}``.

        The tensors are those the optimizer uses, not copies.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        index: dict[int, int] = {}
        groups, start = [], 0
        for group in self.param_groups:
            for i, p in enumerate(group["params"], start):
                index.setdefault(id(p), i)
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [index[id(p)] for p in group["params"]]
            groups.append(packed)
            start += len(packed["params"])
        state = {index[id(k)] if isinstance(k, lampas.Tensor) else k: v for k, v in self.state.items()}
        state_dict = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            result = hook(self, state_dict)
            if result is not None:
                state_dict = result
        return state_dict

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned, in this run or another; tensors get the parameters' type.

        Raises:
            ValueError: the number of groups, or of parameters in a group, differs.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            result = hook(self, state_dict)
            if result is not None:
                state_dict = result
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ValueError(
                f"loaded state dict has {len(saved)} parameter groups, but the optimizer has {len(groups)}; "
                "build the optimizer with the groups it was saved with"
            )
        for i, (group, old) in enumerate(zip(groups, saved, strict=True)):
            if len(group["params"]) != len(old["params"]):
                raise ValueError(
                    f"loaded state dict has {len(old['params'])} parameters in group {i}, but the optimizer's group "
                    f"has {len(group['params'])}; was the model changed since it was saved?"
                )
        params = chain.from_iterable(group["params"] for group in groups)
        param_of = dict(zip(chain.from_iterable(group["params"] for group in saved), params, strict=True))
        as_float32 = {i for g in saved if g.get("fused") or g.get("capturable") for i in g["params"]}

        def cast(param, value, exact_step, key=None):
            if isinstance(value, lampas.Tensor):
                if key == "step":
                    return value if exact_step else value.to(dtype=lampas.float32, device=param.device)
                dtype = param.dtype if param.is_floating_point() else value.dtype
                return value.to(dtype=dtype, device=param.device)
            if isinstance(value, dict):
                return {k: cast(param, v, exact_step, k) for k, v in value.items()}
            if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
                return type(value)(cast(param, v, exact_step) for v in value)
            return value

        state: defaultdict = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in param_of:
                state[param_of[key]] = cast(param_of[key], value, key not in as_float32)
            else:
                state[key] = value
        for group, old in zip(groups, saved, strict=True):
            old["params"] = group["params"]
            if "param_names" in group:
                old.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # -- gradients and steps -------------------------------------------------------------------------------------------

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters; with `set_to_none=False` fills them with zeros instead."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    if p.grad.grad_fn is not None:
                        p.grad.detach_()
                    else:
                        p.grad.requires_grad_(False)
                    p.grad.zero_()

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Moves every parameter that has a gradient.

        Args:
            closure: computes the loss and its gradients again and returns the loss.

        Returns:
            What `closure` returned, or None.
        """
        loss = None
        if closure is not None:
            with lampas.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        params, grads, states = [], [], []
        all_states = self.state if self._has_state(group) else None
        plain = lampas.Tensor
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            if type(grad) is not plain and grad.layout != lampas.strided:
                with lampas.no_grad():
                    self._sparse_update(group, p, -grad if group.get("maximize") else grad)
                continue
            if all_states is not None:
                state = all_states[p]
                if not state:
                    self._begin_state(group, p, grad, state)
                states.append(state)
            params.append(p)
            grads.append(grad)
        if not params:
            return
        if self._engine_update is not None and not group.get("differentiable"):
            self._engine_update(group, params, grads, states)
            return
        differentiable = bool(group.get("differentiable"))
        with lampas.set_grad_enabled(differentiable):
            for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
                state = states[i] if states else {}
                if differentiable:
                    # The graph of the step before still needs the values that stand there.
                    for name, value in state.items():
                        state[name] = value.clone() if isinstance(value, lampas.Tensor) else value
                if p.is_complex():
                    # Complex numbers move as pairs of real ones; the views write into the state itself.
                    real = lampas.view_as_real
                    state = {k: real(v) if v.is_complex() else v for k, v in state.items()}
                    p, grad = real(p), real(grad)
                self._update(group, p, -grad if group.get("maximize") else grad, state)

    def _begin_state(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        with lampas.no_grad():
            self._init_state(group, p, state)

    def _sparse_update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor) -> None:
        """Moves one parameter whose gradient is sparse, by what its rows in use cost."""
        raise RuntimeError(
            f"{type(self).__name__} does not support sparse gradients: take SparseAdam, SGD or Adagrad for this "
            "parameter, or compute dense ones (an Embedding without sparse=True)"
        )

    def _has_state(self, group: dict[str, Any]) -> bool:
        """Whether the rule keeps anything between steps, with this group's options."""
        return True

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        """Fills `state` with what the rule keeps for `p`, before its first step."""

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        """Moves one parameter, by ordinary tensor ops; must leave `grad` as it is."""
        raise NotImplementedError(f"{type(self).__name__} defines neither step() nor an update rule")

    # Moves all parameters of a group by one engine call: (group, params, grads, states) -> None.
    _engine_update: Callable | None = None

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group, e.g. layers that are no longer frozen. Options it does not give are the defaults.

        Raises:
            TypeError: not a dictionary, or `params` is a set or holds something else than tensors.
            ValueError: a parameter is no leaf or stands in another group, or names are given in part.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError("parameters in a set have another order in every run; give a list instead")
        entries = [params] if isinstance(params, lampas.Tensor) else list(params)
        names = [entry[0] for entry in entries if isinstance(entry, tuple)]
        tensors = [entry[1] if isinstance(entry, tuple) else entry for entry in entries]
        if names:
            if len(names) != len(tensors):
                raise ValueError(
                    f"{len(names)} of {len(tensors)} parameters have names; all optimizer params should be "
                    "with names or all without"
                )
            param_group["param_names"] = names
        param_group["params"] = tensors
        for p in tensors:
            if not isinstance(p, lampas.Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
                raise ValueError(
                    f"can't optimize a non-leaf Tensor (shape {tuple(p.shape)}); "
                    "give the leaf it was computed from, or p.detach().requires_grad_()"
                )
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group does not give the required option {name!r}")
            param_group.setdefault(name, default)
        ids = {id(p) for p in tensors}
        if len(ids) != len(tensors):
            warnings.warn("optimizer contains a parameter group with duplicate parameters", stacklevel=3)
        for i, group in enumerate(self.param_groups):
            if ("param_names" in param_group) != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with names or all without: the new group is "
                    f"{'with' if 'param_names' in param_group else 'without'} names, group {i} is not"
                )
            if any(id(p) in ids for p in group["params"]):
                raise ValueError(f"some parameters appear in more than one parameter group (also in group {i})")
        self.param_groups.append(param_group)
