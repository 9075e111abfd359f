"""Ops written in Python that behave as the engine's own do.

:func:`op` turns a Python function into a public one from its signature, in the registry's notation: arguments are
bound and checked as the engine does, classes that override ``__torch_function__`` are asked, and the method, the
in-place form and ``out=`` follow. Nothing of it is imported before it is used: :data:`FUNCTIONS` and :data:`METHODS`
say which file has a name, and :func:`install` puts stand-ins on Tensor that import it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import lampas
from lampas import _C
from lampas._autocast import policy_of, run_cast

__all__ = ["install", "op", "registry", "result_type"]

# Where the functions of the top namespace and the methods of Tensor that are written in Python stand.
FUNCTIONS = {
    "_composites.elementwise": "digamma frexp i0 igamma igammac ldexp lgamma mvlgamma polygamma",
    "_composites.products": "kron pdist renorm vander",
    "_composites.statistics": "corrcoef cov gradient histogram histogramdd",
    "_composites.copies": (
        "alias_copy as_strided_copy asarray detach_copy diagonal_copy empty_permuted expand_copy narrow_copy "
        "nonzero_static permute_copy select_copy slice_copy split_copy split_with_sizes_copy squeeze_copy t_copy "
        "transpose_copy unbind_copy unfold_copy unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze_copy "
        "view_as_complex_copy view_as_real_copy view_copy"
    ),
    "_composites.windows": "bartlett_window blackman_window hamming_window hann_window kaiser_window",
    "linalg.legacy": (
        "cholesky cholesky_inverse cholesky_solve cross det geqrf inverse logdet lu lu_solve lu_unpack matrix_exp "
        "matrix_power orgqr ormqr pinverse qr slogdet svd triangular_solve"
    ),
}
METHODS = {
    "_composites.elementwise": (
        "digamma digamma_ frexp i0 i0_ igamma igamma_ igammac igammac_ ldexp ldexp_ lgamma lgamma_ mvlgamma mvlgamma_ "
        "polygamma polygamma_"
    ),
    "_composites.products": "kron renorm renorm_",
    "_composites.statistics": "corrcoef cov histogram",
    "_composites.copies": (
        "narrow_copy new_empty_strided nonzero_static sum_to_size unsafe_chunk unsafe_split unsafe_split_with_sizes"
    ),
    "linalg.legacy": (
        "cholesky cholesky_inverse cholesky_solve cross det geqrf inverse logdet lu lu_solve matrix_exp matrix_power "
        "orgqr ormqr pinverse qr slogdet svd triangular_solve"
    ),
}
_module_of = {name: module for module, names in FUNCTIONS.items() for name in names.split()}


def function(name: str) -> Any:
    """The function of the top namespace called ``name``, or None where it is not one written in Python."""
    module = _module_of.get(name)
    if module is None:
        return None
    import importlib

    return getattr(importlib.import_module(f"lampas.{module}"), name)


class _StandIn:
    """A method of Tensor whose file is imported when it is first looked up; the import replaces it."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __get__(self, instance: Any, owner: type) -> Any:
        import importlib

        importlib.import_module(f"lampas.{self.module}")
        method = lampas.Tensor.__dict__[self.name]
        if method is self:
            raise AttributeError(f"lampas.{self.module} does not define the Tensor method {self.name!r}")
        return method.__get__(instance, owner)


def install(namespace: dict[str, Any]) -> None:
    """Stand-ins on Tensor; names of ``namespace`` that are written in Python leave it, to be looked up here."""
    for module, names in METHODS.items():
        for name in names.split():
            setattr(lampas.Tensor, name, _StandIn(module, name))
    for name in _module_of:
        namespace.pop(name, None)


# --- signatures -----------------------------------------------------------------------------------------------------


def _is_number(v: Any) -> bool:
    return isinstance(v, (int, float, complex)) or (isinstance(v, _C.Tensor) and v.dim() == 0) or _numpy_scalar(v)


def _numpy_scalar(v: Any) -> bool:
    return type(v).__module__ == "numpy" and hasattr(v, "item") and getattr(v, "ndim", 1) == 0


def _is_int(v: Any) -> bool:
    if isinstance(v, _C.Tensor):
        return v.dim() == 0 and not v.is_floating_point() and not v.is_complex()
    return not isinstance(v, bool) and hasattr(type(v), "__index__")


def _is_float(v: Any) -> bool:
    return isinstance(v, (int, float)) or (isinstance(v, _C.Tensor) and v.dim() == 0) or _numpy_scalar(v)


def _all(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, (list, tuple)) and all(test(x) for x in v)


def _is_tensor(v: Any) -> bool:
    return isinstance(v, _C.Tensor)


# type in a signature -> what it accepts, its name in messages
_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "Tensor": (_is_tensor, "Tensor"),
    "Tensor[]": (_all(_is_tensor), "tuple of Tensors"),
    "Number": (_is_number, "Number"),
    "Number[]": (_all(_is_number), "tuple of Scalars"),
    "int": (_is_int, "int"),
    "int[]": (_all(_is_int), "tuple of ints"),
    "int[1]": (lambda v: _is_int(v) or _all(_is_int)(v), "tuple of ints"),
    "float": (_is_float, "float"),
    "float[]": (_all(_is_float), "tuple of floats"),
    "bool": (lambda v: isinstance(v, bool) or type(v).__name__ == "bool_", "bool"),
    "str": (lambda v: isinstance(v, str), "str"),
    "dtype": (lambda v: isinstance(v, _C.dtype), "torch.dtype"),
    "any": (lambda v: True, "object"),
}
_NUMPY_NAMES = {"dim": "axis", "keepdim": "keepdims", "input": "x", "other": "x2"}
_MISSING = object()


class _Parameter:
    __slots__ = ("default", "keyword_only", "name", "optional", "tests", "type_name")

    def __init__(self, text: str, keyword_only: bool) -> None:
        text, _, default = text.partition("=")
        kind, self.name = text.rsplit(" ", 1)
        self.optional = kind.endswith("?")
        kinds = kind.rstrip("?").split("|")
        self.tests = [_TYPES[k][0] for k in kinds]
        self.type_name = " or ".join(_TYPES[k][1] for k in kinds)
        self.keyword_only = keyword_only
        self.default = eval(default, {}) if default else _MISSING  # texts of our own

    def accepts(self, value: Any) -> bool:
        return (value is None and self.optional) or any(test(value) for test in self.tests)


def _split(text: str) -> list[str]:
    """The parts between commas that stand outside brackets and quotes."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


class _Signature:
    def __init__(self, text: str) -> None:
        self.text = text
        head, self.returns = text.rsplit(" -> ", 1)
        self.name, _, inside = head.partition("(")
        self.parameters: list[_Parameter] = []
        keyword_only = False
        for part in _split(inside[:-1]):
            if part == "*":
                keyword_only = True
            else:
                self.parameters.append(_Parameter(part, keyword_only))
        self.by_name = {p.name: p for p in self.parameters}
        self.positional = [p for p in self.parameters if not p.keyword_only]
        names = [p.name for p in self.positional]
        self.own = names.index("input") if "input" in names else 0  # where a method's tensor goes

    def fields(self) -> list[str]:
        if not self.returns.startswith("(") or " " not in self.returns:
            return []
        return [part.split()[-1] for part in _split(self.returns[1:-1])]

    def bind(self, args: tuple, kwargs: dict[str, Any], method: bool) -> dict[str, Any]:
        if method and self.own:
            args = (*args[1 : self.own + 1], args[0], *args[self.own + 1 :])
        if len(args) > len(self.positional):
            # x.f(2, 3) for a last parameter that takes several numbers
            last = self.positional[-1] if self.positional else None
            rest = args[len(self.positional) - 1 :]
            if last is not None and last.type_name == "tuple of ints" and all(_is_int(v) for v in rest):
                args = (*args[: len(self.positional) - 1], tuple(rest))
            else:
                counted = "argument" if len(self.positional) == 1 else "arguments"
                raise TypeError(
                    f"{self.name}() takes {len(self.positional)} positional {counted} but {len(args)} were given"
                )
        values = {p.name: v for p, v in zip(self.positional, args)}
        for given, value in kwargs.items():
            name = given
            if name not in self.by_name:
                name = next((ours for ours, theirs in _NUMPY_NAMES.items() if theirs == given), given)
            if name not in self.by_name:
                raise TypeError(f"{self.name}() got an unexpected keyword argument '{given}'")
            if name in values:
                raise TypeError(f"{self.name}() got multiple values for argument '{given}'")
            values[name] = value
        missing = [p.name for p in self.parameters if p.default is _MISSING and p.name not in values]
        if missing:
            quoted = ", ".join(f'"{name}"' for name in missing)
            raise TypeError(f"{self.name}() missing {len(missing)} required positional arguments: {quoted}")
        for i, p in enumerate(self.parameters):
            if p.name not in values:
                values[p.name] = p.default
            elif not p.accepts(values[p.name]):
                place = "" if p.name in kwargs else f" (position {i + 1})"
                kind = type(values[p.name])
                given_type = kind.__name__ if kind.__module__ == "builtins" else _name_of(kind)
                raise TypeError(f"{self.name}(): argument '{p.name}'{place} must be {p.type_name}, not {given_type}")
        return values


def _name_of(kind: type) -> str:
    return "Tensor" if kind is _C.Tensor else f"{kind.__module__}.{kind.__qualname__}"


# --- named tuples ---------------------------------------------------------------------------------------------------


class _Result(tuple):
    """A tuple whose items have names, printed as the engine's are."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [f"{n}={v!r}" for n, v in zip(self._fields, self, strict=True)]
        return f"torch.return_types.{type(self).__name__}(\n" + ",\n".join(lines) + ")"

    def __reduce__(self) -> tuple:
        return _rebuild_result, (type(self).__name__, self._fields, tuple(self))


_results: dict[tuple[str, tuple[str, ...]], type] = {}


def result_type(name: str, fields: tuple[str, ...]) -> type:
    """The class of the named tuples that the op ``name`` returns."""
    key = (name, fields)
    if key not in _results:
        members = {field: property(operator.itemgetter(i)) for i, field in enumerate(fields)}
        body = {"__slots__": (), "_fields": fields, "__module__": "torch.return_types", **members}
        _results[key] = type(name, (_Result,), body)
    return _results[key]


def _rebuild_result(name: str, fields: tuple[str, ...], values: tuple) -> tuple:
    return result_type(name, fields)(values)


# --- __torch_function__ ---------------------------------------------------------------------------------------------

_ASKED = object()
_probe: list[Any] = []


def _overrides_are_on() -> bool:
    """Whether classes are asked for their override: not while one of them has handed the call back."""
    if not _probe:

        class Probe(_C.Tensor):
            @classmethod
            def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                return _ASKED

        _probe.append(_C.Tensor._make_subclass(Probe, _C.empty(0), False))
    return _C.numel(_probe[0]) is _ASKED


def _overriding(args: Any) -> list[Any]:
    found = []
    for v in args:
        kind = type(v)
        if kind is _C.Tensor or v is None:
            continue
        if kind in (list, tuple):
            found += _overriding(v)
        elif hasattr(kind, "__torch_function__") and kind.__torch_function__ is not _C._disabled_torch_function_impl:
            found.append(v)
    return found


def _ask(public: Callable, relevant: list[Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    order: list[Any] = []
    for v in relevant:
        if any(type(v) is type(o) for o in order):
            continue
        at = next((i for i, o in enumerate(order) if issubclass(type(v), type(o))), len(order))
        order.insert(at, v)
    types = tuple(type(v) for v in order)
    for v in order:
        result = type(v).__torch_function__(public, types, args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"no implementation found for '{public.__name__}' on types that implement __torch_function__: {list(types)}"
    )


# --- forms ----------------------------------------------------------------------------------------------------------


def _kind_name(dtype: lampas.dtype) -> str:
    """ "Float" for float32: the dtype's name in messages."""
    from lampas._types import type_of_dtype

    return type_of_dtype(dtype).removeprefix("torch.").removesuffix("Tensor")


def deliver(result: lampas.Tensor, out: lampas.Tensor) -> lampas.Tensor:
    """Writes a result into the tensor given as ``out=``, resized where its shape is another."""
    if result.dtype != out.dtype:
        if not lampas.can_cast(result.dtype, out.dtype):
            raise RuntimeError(
                f"result type {_kind_name(result.dtype)} can't be cast to the desired output type "
                f"{_kind_name(out.dtype)}"
            )
        result = result.to(out.dtype)
    always = lampas.ones(result.shape, dtype=lampas.bool)
    return lampas.where(always, result.detach(), result.detach(), out=out)


def _into(name: str, result: Any, out: Any, needs_grad: bool) -> Any:
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise TypeError(f"{name}(): out= must be a tuple of {len(result)} Tensors")
        for r, o in zip(result, out):
            _into(name, r, o, needs_grad)
        return type(result)(out)
    if not isinstance(out, _C.Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if needs_grad or (out.requires_grad and lampas.is_grad_enabled()):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad; leave out= away, or compute under no_grad()"
        )
    return deliver(result, out)


registry: dict[str, _Signature] = {}


def op(signature: str, kinds: str = "function method", *, scope: str = "lampas") -> Callable[[Callable], Callable]:
    """The decorated function, which gets its arguments by name and checked, becomes the op of this signature.

    Args:
        signature: in the registry's notation, ``"kron(Tensor input, Tensor other) -> Tensor"``.
        kinds: words out of function, method, inplace and out: the forms that exist.
        scope: the module where users find the function.

    >>> @op("double(Tensor input) -> Tensor", "function method inplace out")
    ... def double(input):
    ...     return input + input
    """
    parsed = _Signature(signature)
    forms = kinds.split()
    fields = tuple(parsed.fields())

    def decorate(compute: Callable) -> Callable:
        name = parsed.name
        policy = policy_of(scope, name)

        result_name = f"linalg_{name}" if scope == "lampas.linalg" else name

        def finished(values: dict[str, Any]) -> Any:
            result = compute(**values)
            return result_type(result_name, fields)(result) if fields else result

        def call(public: Callable, args: tuple, kwargs: dict[str, Any], method: bool) -> Any:
            relevant = _overriding((*args, *kwargs.values()))
            if relevant and _overrides_are_on():
                return _ask(public, relevant, args, kwargs)
            out = None
            if "out" in kwargs and "out" in forms:
                kwargs = dict(kwargs)
                out = kwargs.pop("out")
            values = parsed.bind(args, kwargs, method)
            if out is None:
                if policy and _C._autocast_enabled():
                    return run_cast(lambda **cast: finished(cast), policy, values)
                return finished(values)
            needs = lampas.is_grad_enabled() and any(
                isinstance(v, _C.Tensor) and v.requires_grad for v in values.values()
            )
            with lampas.no_grad():
                result = finished(values)
            return _into(name, result, out, needs)

        def public(*args: Any, **kwargs: Any) -> Any:
            return call(public, args, kwargs, False)

        def as_method(*args: Any, **kwargs: Any) -> Any:
            return call(as_method, args, kwargs, True)

        def in_place(*args: Any, **kwargs: Any) -> Any:
            relevant = _overriding((*args, *kwargs.values()))
            if relevant and _overrides_are_on():
                return _ask(in_place, relevant, args, kwargs)
            self = args[0]
            if self.requires_grad and lampas.is_grad_enabled():
                # what the gradient needs of the old values is kept apart from the tensor that changes
                args = (self.clone(), *args[1:])
            result = finished(parsed.bind(args, kwargs, True))
            if tuple(result.shape) != tuple(self.shape):
                raise RuntimeError(
                    f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(result.shape)}"
                )
            if not lampas.can_cast(result.dtype, self.dtype):
                raise RuntimeError(
                    f"result type {_kind_name(result.dtype)} can't be cast to the desired output type "
                    f"{_kind_name(self.dtype)}"
                )
            return self.copy_(result)

        doc = f"{signature}\n\n{compute.__doc__ or ''}"
        for function, own_name, where in (
            (public, name, scope),
            (as_method, name, "lampas"),
            (in_place, name + "_", "lampas"),
        ):
            function.__name__ = own_name
            function.__qualname__ = own_name if function is public else f"Tensor.{own_name}"
            function.__module__ = where
            function.__doc__ = doc
            function.__wrapped__ = compute  # inspect.signature shows the parameters
        if "method" in forms:
            setattr(_C.Tensor, name, as_method)
        if "inplace" in forms:
            setattr(_C.Tensor, name + "_", in_place)
        registry[f"{scope}.{name}"] = parsed
        return public

    return decorate
