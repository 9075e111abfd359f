"""Calling a module: the lean path, hooks of every kind, and the module's path on errors."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import lampas
from lampas.utils.hooks import RemovableHandle


class GlobalHooks:
    """The hooks that run for every module."""

    def __init__(self) -> None:
        self.backward_pre: OrderedDict = OrderedDict()
        self.backward: OrderedDict = OrderedDict()
        self.backward_is_full: bool | None = None
        self.forward_pre: OrderedDict = OrderedDict()
        self.forward: OrderedDict = OrderedDict()
        self.forward_always_called: OrderedDict = OrderedDict()
        self.forward_with_kwargs: OrderedDict = OrderedDict()
        self.buffer_registration: OrderedDict = OrderedDict()
        self.module_registration: OrderedDict = OrderedDict()
        self.parameter_registration: OrderedDict = OrderedDict()


GLOBAL = GlobalHooks()


def add_hook(
    hooks: OrderedDict, hook: Callable, marks: tuple[dict, ...] = (), prepend: bool = False
) -> RemovableHandle:
    """Put ``hook`` into ``hooks`` (at the front with ``prepend``) and set its id in every dict of ``marks``."""
    handle = RemovableHandle(hooks, extra_dict=list(marks))
    hooks[handle.id] = hook
    for mark in marks:
        mark[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def run_registration_hooks(hooks: OrderedDict, module: Any, name: str, value: Any) -> Any:
    """Let global registration hooks see and replace what is being registered."""
    for hook in hooks.values():
        replaced = hook(module, name, value)
        if replaced is not None:
            value = replaced
    return value


# --- backward hooks ---------------------------------------------------------------------------------------------------


def _gate(run: Callable[[tuple], tuple]) -> Any:
    """An identity function of several tensors whose backward is ``run(grads)``."""

    class ModuleBackwardHook(lampas.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: lampas.Tensor) -> tuple:
            ctx.set_materialize_grads(False)
            ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
            return tuple(t.view_as(t) for t in tensors)

        @staticmethod
        def backward(ctx: Any, *grads: lampas.Tensor | None) -> tuple:
            return run(grads)

    return ModuleBackwardHook.apply


def _replaced(kind: str, got: Any, grads: tuple) -> tuple:
    """A hook's answer as the gradients to go on with."""
    if got is None:
        return grads
    got = got if isinstance(got, tuple) else (got,)
    if len(got) != len(grads):
        raise RuntimeError(
            f"Backward {kind} returned an invalid number of grad_{'output' if 'pre' in kind else 'input'}, "
            f"got {len(got)}, but expected {len(grads)}"
        )
    return got


class BackwardGates:
    """Runs a module's full backward hooks: one gate behind its outputs, one before its inputs."""

    def __init__(self, module: Any, hooks: list[Callable], pre_hooks: list[Callable]) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs: tuple | None = None
        self.gated_inputs: list[int] | None = None
        self.input_count = 0

    @staticmethod
    def _through(values: tuple, run: Callable[[tuple], tuple]) -> tuple[tuple, list[int] | None]:
        """``values`` with their tensors led through a gate, and which ones those are (None: no gradient flows)."""
        where = [i for i, v in enumerate(values) if isinstance(v, lampas.Tensor)]
        if not lampas.is_grad_enabled() or not any(values[i].requires_grad for i in where):
            return values, None
        passed = _gate(run)(*[values[i] for i in where])
        passed = passed if isinstance(passed, tuple) else (passed,)
        result = list(values)
        for i, tensor in zip(where, passed):
            result[i] = tensor
        return (type(values)(*result) if hasattr(values, "_fields") else tuple(result)), where

    @staticmethod
    def _spread(grads: tuple, where: list[int], count: int) -> tuple:
        full: list = [None] * count
        for i, grad in zip(where, grads):
            full[i] = grad
        return tuple(full)

    def enter(self, args: tuple) -> tuple:
        self.input_count = len(args)

        def run(grads: tuple) -> tuple:
            gated = self.gated_inputs
            if self.grad_outputs is None or gated is None:
                return grads
            grad_input = self._spread(grads, gated, self.input_count)
            for hook in self.hooks:
                grad_input = _replaced("hook", hook(self.module, grad_input, self.grad_outputs), grad_input)
            self.grad_outputs = None
            return tuple(grad_input[i] for i in gated)

        args, self.gated_inputs = self._through(args, run)
        return args

    def leave(self, result: Any) -> Any:
        if not isinstance(result, (tuple, lampas.Tensor)):
            if lampas.is_grad_enabled():
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                    f"received {type(result)}",
                    stacklevel=4,
                )
            return result
        single = not isinstance(result, tuple)
        values: tuple = result if isinstance(result, tuple) else (result,)
        where: list[int] | None = None

        def run(grads: tuple) -> tuple:
            gated = where or []
            grad_output = self._spread(grads, gated, len(values))
            for hook in self.pre_hooks:
                grad_output = _replaced("pre hook", hook(self.module, grad_output), grad_output)
            self.grad_outputs = grad_output
            if self.gated_inputs is None:
                nothing = (None,) * self.input_count
                for hook in self.hooks:
                    answer = hook(self.module, nothing, grad_output)
                    if answer is not None and not (isinstance(answer, tuple) and all(a is None for a in answer)):
                        raise RuntimeError(
                            "Backward hook for Modules where no input requires gradient should always return None or "
                            "None for all gradients."
                        )
                self.grad_outputs = None
            return tuple(grad_output[i] for i in gated)

        values, where = self._through(values, run)
        return values[0] if single else values


# --- errors -----------------------------------------------------------------------------------------------------------


def note_module(module: Any, error: Exception, args: tuple) -> None:
    """Write ``in Net.features.3 (Conv2d)`` into the notes of ``error``, one level further out at each call."""
    previous = getattr(error, "_lampas_path", None)
    own = type(module).__name__
    if previous is None:
        child, names, leaf, hint = module, [], own, None
        try:
            hint = module._explain_failure(args)
        except Exception:  # an explanation must never hide the error it explains
            hint = None
        text = f"in {own}"
    else:
        child, names, leaf, hint, old = previous
        if child is module:
            return
        for name, candidate in module.named_modules():
            if candidate is child:
                names = [name, *names]
                break
        else:
            names = [type(child).__name__, *names]
        text = f"in {own}.{'.'.join(names)} ({leaf})"
        notes = getattr(error, "__notes__", [])
        if old in notes:
            notes.remove(old)
    if hint:
        text = f"{text}: {hint}"
    error._lampas_path = (module, names, leaf, hint, text)
    error.add_note(text)


# --- the mixin --------------------------------------------------------------------------------------------------------


class CallMixin:
    """``module(...)`` and the registration of its hooks."""

    # False lets __call__ go straight to forward. Set on the instance by its own hooks, on the class by global ones.
    _hooked: bool = False
    _compiled_call_impl: Callable | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooked:
                return self._hooked_call(*args, **kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            note_module(self, error, args)
            raise

    def _hooked_call(self, *args: Any, **kwargs: Any) -> Any:
        if self._compiled_call_impl is not None:
            return self._compiled_call_impl(*args, **kwargs)
        return self._call_impl(*args, **kwargs)

    def _explain_failure(self, args: tuple) -> str | None:
        """What would fit, if this module's forward failed on ``args`` because their shape does not."""
        return None

    def forward(self, *args: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        ran: set[int] = set()
        result = None
        try:
            backward_hooks, backward_pre_hooks, plain_backward_hooks = self._all_backward_hooks()
            for key, hook in (*GLOBAL.forward_pre.items(), *self._forward_pre_hooks.items()):
                if key in self._forward_pre_hooks_with_kwargs:
                    answer = hook(self, args, kwargs)
                    if answer is None:
                        continue
                    if not (isinstance(answer, tuple) and len(answer) == 2):
                        raise RuntimeError(
                            f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {answer}."
                        )
                    args, kwargs = answer
                else:
                    answer = hook(self, args)
                    if answer is not None:
                        args = answer if isinstance(answer, tuple) else (answer,)
            gates = None
            if backward_hooks or backward_pre_hooks:
                gates = BackwardGates(self, backward_hooks, backward_pre_hooks)
                args = gates.enter(args)
            result = self.forward(*args, **kwargs)
            for key, hook in (*GLOBAL.forward.items(), *self._forward_hooks.items()):
                if key in self._forward_hooks_always_called or key in GLOBAL.forward_always_called:
                    ran.add(key)
                answer = self._run_forward_hook(key, hook, args, kwargs, result)
                if answer is not None:
                    result = answer
            if gates is not None:
                result = gates.leave(result)
            if plain_backward_hooks:
                self._hang_plain_backward_hooks(result, plain_backward_hooks)
            return result
        except Exception:
            for key, hook in (*GLOBAL.forward.items(), *self._forward_hooks.items()):
                always = key in self._forward_hooks_always_called or key in GLOBAL.forward_always_called
                if not always or key in ran:
                    continue
                try:
                    self._run_forward_hook(key, hook, args, kwargs, result)
                except Exception as failure:
                    warnings.warn(
                        f"module forward hook with ``always_call=True`` raised {failure!r}, which is dropped because "
                        "another error was raised before it",
                        stacklevel=2,
                    )
            raise

    def _run_forward_hook(self, key: int, hook: Callable, args: tuple, kwargs: dict, result: Any) -> Any:
        if key in self._forward_hooks_with_kwargs or key in GLOBAL.forward_with_kwargs:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    def _all_backward_hooks(self) -> tuple[list, list, list]:
        """Global and own hooks: full, pre, and the old kind."""
        full: list = []
        plain: list = []
        for hooks, is_full in (
            (GLOBAL.backward, GLOBAL.backward_is_full),
            (self._backward_hooks, self._is_full_backward_hook),
        ):
            (full if is_full else plain).extend(hooks.values())
        return full, [*GLOBAL.backward_pre.values(), *self._backward_pre_hooks.values()], plain

    def _hang_plain_backward_hooks(self, result: Any, hooks: list[Callable]) -> None:
        var = result
        while not isinstance(var, lampas.Tensor):
            var = next(v for v in var.values() if isinstance(v, lampas.Tensor)) if isinstance(var, dict) else var[0]
        if var.grad_fn is not None:
            for hook in hooks:
                var.grad_fn.register_hook(
                    lambda grad_input, grad_output, hook=hook: hook(self, grad_input, grad_output)
                )

    # --- registration ---

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before each forward; what it returns (if not None) replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)`` and returns None or ``(args, kwargs)``.
        """
        self._hooked = True
        marks = (self._forward_pre_hooks_with_kwargs,) if with_kwargs else ()
        return add_hook(self._forward_pre_hooks, hook, marks, prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each forward; what it returns (if not None) replaces the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``; with ``always_call`` it also runs when
        forward raised.
        """
        self._hooked = True
        marks = ((self._forward_hooks_with_kwargs,) if with_kwargs else ()) + (
            (self._forward_hooks_always_called,) if always_call else ()
        )
        return add_hook(self._forward_hooks, hook, marks, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward; its answer replaces ``grad_output``."""
        self._hooked = True
        return add_hook(self._backward_pre_hooks, hook, (), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` once the gradients of the inputs are known.

        Its answer (if not None) replaces ``grad_input``. Inputs and outputs that are no tensors appear as None.
        """
        return self._register_backward_hook(hook, True, prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The old kind: sees the gradients of the module's last op only. Use ``register_full_backward_hook``."""
        return self._register_backward_hook(hook, False, False)

    def _register_backward_hook(self, hook: Callable[..., Any], full: bool, prepend: bool) -> RemovableHandle:
        if self._is_full_backward_hook is (not full):  # type: ignore[has-type]
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only "
                "one "
                "of them."
            )
        self._is_full_backward_hook = full
        self._hooked = True
        return add_hook(self._backward_hooks, hook, (), prepend)


# --- hooks for every module -------------------------------------------------------------------------------------------


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, args)`` before the forward of every module."""
    CallMixin._hooked = True
    return add_hook(GLOBAL.forward_pre, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the forward of every module."""
    CallMixin._hooked = True
    marks = ((GLOBAL.forward_with_kwargs,) if with_kwargs else ()) + (
        (GLOBAL.forward_always_called,) if always_call else ()
    )
    return add_hook(GLOBAL.forward, hook, marks)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the backward of every module."""
    CallMixin._hooked = True
    return add_hook(GLOBAL.backward_pre, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` in the backward of every module."""
    return _register_global_backward_hook(hook, True)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """The old kind for every module: sees the gradients of each module's last op only."""
    return _register_global_backward_hook(hook, False)


def _register_global_backward_hook(hook: Callable[..., Any], full: bool) -> RemovableHandle:
    if GLOBAL.backward_is_full is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use only "
            "one "
            "of them."
        )
    GLOBAL.backward_is_full = full
    CallMixin._hooked = True
    return add_hook(GLOBAL.backward, hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` whenever a buffer is registered; its answer replaces the buffer."""
    return add_hook(GLOBAL.buffer_registration, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` whenever a module is registered; its answer replaces the submodule."""
    return add_hook(GLOBAL.module_registration, hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` whenever a parameter is registered; its answer replaces the parameter."""
    return add_hook(GLOBAL.parameter_registration, hook)
