"""One table row per op, and what turns a row into tests.

A row (`Op`) says how an op is called, which dtypes it takes and what sample inputs look like. Everything else
follows: values, method form, layouts, zero-size inputs, in-place form, `out=`, promotion, broadcasting, gradients,
gradients of gradients, node names and errors are each compared with PyTorch on the same numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

import lampas

from .comparing import TOLERANCES, Raised, Samples, outcome, same, same_error, same_outcome, same_raised
from .making import (
    ALL,
    BOOL,
    COMPLEX,
    FLOAT,
    FLOATS,
    HALF,
    INTS,
    MATH,
    MATH_COMPLEX,
    REAL,
    REAL_BOOL,
    D,
    E,
    Maker,
    S,
    T,
    dtype_name,
    find,
    is_tensor,
    realize,
    rounded,
    tensor,
    torch,
)

__all__ = [
    "ALL",
    "BOOL",
    "COMPLEX",
    "FLOAT",
    "FLOATS",
    "HALF",
    "INTS",
    "MATH",
    "MATH_COMPLEX",
    "REAL",
    "REAL_BOOL",
    "D",
    "E",
    "Maker",
    "Op",
    "Raised",
    "S",
    "Samples",
    "T",
    "cases",
    "check",
    "dtype_name",
    "nothing",
    "outcome",
    "rounded",
    "same",
    "same_error",
    "same_outcome",
    "same_raised",
    "tensor",
]

torch.set_num_threads(1)

# ---------------------------------------------------------------- the row


def nothing(m: Maker) -> list[Any]:
    return []


@dataclass(frozen=True, eq=False)
class Op:
    """A row of the table.

    name: as it stands in the test's id; `path` below the library, by default the same (`nn.functional.relu`).
    samples: makes the sample calls for one dtype. `empty`, `special`, `large`, `broadcast`: more of them, by subject.
    fn: for what is not one callable: takes the library, returns the function under test.
    dtypes: what the op accepts. grad_dtypes: those whose gradients are compared. gradgrad: and theirs.
    method, inplace, out: the other forms; by default the method forms are those PyTorch's Tensor has.
    binary: the first two arguments promote and broadcast.
    strides: what PyTorch promises of the result's strides: True (views), "dense" (elementwise), False.
    grad_fn: whether the result's node name is fixed. layouts: whether inputs may have any layout.
    tolerances: per dtype, where the default is too narrow for a reason the row states.
    """

    name: str
    samples: Callable[[Maker], Iterable[S]]
    path: str = ""
    fn: Callable[[Any], Callable[..., Any]] | None = None
    dtypes: Sequence[str] = FLOATS
    grad_dtypes: Sequence[str] = ("float32", "float64", "bfloat16", "complex128")
    grad: bool = True
    gradgrad: bool = True
    method: bool | None = None
    inplace: bool | None = None
    out: bool = False
    binary: bool = False
    scalar: bool = True
    strides: bool | str = False
    grad_fn: bool = True
    layouts: bool = True
    empty: Callable[[Maker], Iterable[S]] = nothing
    special: Callable[[Maker], Iterable[S]] = nothing
    large: Callable[[Maker], Iterable[S]] = nothing
    broadcast: Callable[[Maker], Iterable[S]] = nothing
    errors: Callable[[Maker], Iterable[E]] = nothing
    tolerances: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return self.path or self.name

    def resolve(self, lib: Any) -> Callable[..., Any]:
        if self.fn is not None:
            return self.fn(lib)
        try:
            return find(lib, self.where)
        except AttributeError:
            if lib is torch:
                raise
            pytest.fail(f"lampas.{self.where} is missing", pytrace=False)

    def form(self, lib: Any, suffix: str = "") -> Callable[..., Any]:
        """The method (suffix "") or the in-place method (suffix "_"), as a function of the tensor."""
        name = self.where.rsplit(".", 1)[-1] + suffix
        if not hasattr(lib.Tensor, name):
            pytest.fail(f"lampas.Tensor.{name} is missing", pytrace=False)
        return lambda tensor, *args, **kwargs: getattr(tensor, name)(*args, **kwargs)

    def has_method(self) -> bool:
        if self.method is None:
            return self.fn is None and "." not in self.where and hasattr(torch.Tensor, self.where)
        return self.method

    def has_inplace(self) -> bool:
        if self.inplace is None:
            return self.fn is None and "." not in self.where and hasattr(torch.Tensor, self.where + "_")
        return self.inplace

    def maker(self, dtype: str, kind: str = "") -> Maker:
        return Maker(dtype, self.name)

    def first(self, *wanted: str) -> list[str]:
        return [d for d in wanted if d in self.dtypes]

    def gradient_dtypes(self) -> list[str]:
        return [d for d in self.grad_dtypes if d in self.dtypes] if self.grad else []


def kinds(row: Op) -> Iterator[tuple[str, str]]:
    """(dtype, kind) of every test the row generates."""
    for dtype in row.dtypes:
        yield dtype, "values"
    lead = row.dtypes[0]
    if row.layouts and has_tensors(row, lead):
        for layout in ("transposed", "strided", "expanded"):
            yield lead, layout
        for dtype in row.first("bfloat16", "int64", "bool", "complex64"):
            if dtype != lead:
                yield dtype, "noncontiguous"
    for kind in ("empty", "special", "large", "broadcast"):
        if getattr(row, kind) is not nothing:
            dtypes = {"empty": (lead, "int64"), "special": FLOATS, "large": (lead, "bfloat16", "int32")}
            for dtype in dict.fromkeys(row.first(*dtypes.get(kind, (lead, "int64")))):
                yield dtype, kind
    if row.has_method():
        yield lead, "method"
    if row.has_inplace():
        for dtype in dict.fromkeys([lead, *row.first("float64", "bfloat16", "int64", "bool", "complex64")]):
            yield dtype, "inplace"
    if row.out:
        for dtype in dict.fromkeys([lead, *row.first("bfloat16", "int64")]):
            yield dtype, "out"
    if row.binary:
        for dtype in ALL:
            yield dtype, "promotion"
    for dtype in row.gradient_dtypes():
        yield dtype, "grad"
        if dtype == "float64" and row.layouts:
            yield dtype, "grad_noncontiguous"
    if row.gradient_dtypes() and row.gradgrad:
        yield row.first("float64", "complex128", "float32")[0], "gradgrad"
    if row.gradient_dtypes() and row.grad_fn:
        yield row.first("float32", "complex64", "float64")[0], "grad_fn"
    if row.errors is not nothing:
        yield "float32", "errors"


def has_tensors(row: Op, dtype: str) -> bool:
    return any(isinstance(v, (T, list, tuple)) for s in row.samples(row.maker(dtype)) for v in s.args)


def cases(rows: Iterable[Op]) -> list[Any]:
    return [
        pytest.param(row, dtype, kind, id=f"{row.name}-{dtype}-{kind}") for row in rows for dtype, kind in kinds(row)
    ]


# ---------------------------------------------------------------- the checks


def call(
    fn: Any, lib: Any, sample: S, layout: str = "contiguous", requires_grad: bool = False
) -> tuple[Any, list[Any]]:
    leaves: list[Any] = []
    args = realize(lib, sample.args, layout, requires_grad, leaves)
    kwargs = realize(lib, sample.kwargs, layout, requires_grad, leaves)
    return fn(*args, **kwargs), leaves


def compare_calls(row: Op, dtype: str, sample: S, ours: Any, theirs: Any, layout: str, errors: bool = False) -> None:
    dense = layout in ("contiguous", "transposed")
    options = {
        "strides": row.strides if row.strides is True or dense else False,
        "tolerance": row.tolerances.get(dtype),
    }
    if errors:
        same_outcome(
            lambda: call(ours, lampas, sample, layout)[0], lambda: call(theirs, torch, sample, layout)[0], **options
        )
    else:
        expected = call(theirs, torch, sample, layout)[0]
        same(call(ours, lampas, sample, layout)[0], expected, **options)


def check_samples(row: Op, dtype: str, kind: str) -> None:
    """Samples of one subject, contiguous."""
    source = row.samples if kind in ("values", "method") else getattr(row, kind)
    method = kind == "method"
    theirs = row.form(torch) if method else row.resolve(torch)
    ours = row.form(lampas) if method else row.resolve(lampas)
    with Samples() as samples:
        for sample in source(row.maker(dtype)):
            if method and not (sample.args and isinstance(sample.args[0], T)):
                continue
            with samples.sample(sample):
                compare_calls(row, dtype, sample, ours, theirs, "contiguous", errors=kind == "empty")
        if method and samples.count == 0:
            samples.count = 1


def check_layouts(row: Op, dtype: str, kind: str) -> None:
    theirs, ours = row.resolve(torch), row.resolve(lampas)
    layouts = ("transposed", "strided", "expanded") if kind == "noncontiguous" else (kind,)
    with Samples() as samples:
        for layout in layouts:
            for sample in row.samples(row.maker(dtype)):
                with samples.sample(f"{layout} {sample}"):
                    compare_calls(row, dtype, sample, ours, theirs, layout)


def check_inplace(row: Op, dtype: str, kind: str) -> None:
    theirs, ours = row.form(torch, "_"), row.form(lampas, "_")

    def mutate(fn: Any, lib: Any, sample: S, layout: str) -> Any:
        leaves: list[Any] = []
        args = realize(lib, sample.args, layout, False, leaves)
        before = args[0]._version
        result = fn(*args, **realize(lib, sample.kwargs, layout, False, leaves))
        return {
            "result": result,
            "result is the same object": result is args[0],
            "_version grew": result._version > before,
            "operand": args[0],
        }

    def through(fn: Any, lib: Any, sample: S) -> Any:
        leaves: list[Any] = []
        args = list(realize(lib, sample.args, "contiguous", True, leaves))
        kwargs = realize(lib, sample.kwargs, "contiguous", True, leaves)
        args[0] = args[0] * 1
        fn(*args, **kwargs)
        return gradients(lib, [args[0]], leaves)[0]

    succeeded = False
    with Samples() as samples:
        for sample in row.samples(row.maker(dtype)):
            if not (sample.args and isinstance(sample.args[0], T)):
                continue
            for layout in ("contiguous", "transposed", "strided"):
                with samples.sample(f"{layout} {sample}"):
                    succeeded |= same_outcome(
                        lambda: mutate(ours, lampas, sample, layout),  # noqa: B023
                        lambda: mutate(theirs, torch, sample, layout),  # noqa: B023
                        strides=True,
                        tolerance=row.tolerances.get(dtype),
                    )
            if dtype in ("float64", "float32") and row.grad and sample.args[0].grad:
                with samples.sample(f"gradient {sample}"):
                    same_outcome(
                        lambda: through(ours, lampas, sample),  # noqa: B023
                        lambda: through(theirs, torch, sample),  # noqa: B023
                        tolerance=row.tolerances.get(dtype),
                        slack=4,
                    )
        if not succeeded and not samples.failures and dtype == row.dtypes[0]:
            samples.failures.append("PyTorch raises for every sample: the row is wrong")


def check_out(row: Op, dtype: str, kind: str) -> None:
    theirs, ours = row.resolve(torch), row.resolve(lampas)

    def run(fn: Any, lib: Any, sample: S, make: Callable[[Any], Any]) -> Any:
        out = make(lib)
        result = call(lambda *a, **k: fn(*a, out=out, **k), lib, sample)[0]
        if is_tensor(out):
            assert result is out, "the result is not the tensor given as out="
        else:
            assert all(a is b for a, b in zip(result, out, strict=True)), "the results are not those given as out="
        return result

    def makers(expected: Any) -> Iterator[tuple[str, Callable[[Any], Any]]]:
        if not is_tensor(expected):
            parts = [(tuple(e.shape), dtype_name(e.dtype)) for e in expected]
            yield "right", lambda lib: tuple(lib.zeros(s, dtype=getattr(lib, d)) for s, d in parts)
            yield "resized", lambda lib: tuple(lib.empty(0, dtype=getattr(lib, d)) for _, d in parts)
            return
        shape, right = tuple(expected.shape), dtype_name(expected.dtype)
        yield "right", lambda lib: lib.ones(shape, dtype=getattr(lib, right))
        yield "resized", lambda lib: lib.empty(0, dtype=getattr(lib, right))
        yield "wrong shape", lambda lib: lib.empty((*shape, 2), dtype=getattr(lib, right))
        if len(shape) >= 2:
            yield (
                "transposed",
                lambda lib: lib.ones(shape[::-1], dtype=getattr(lib, right)).permute(
                    tuple(reversed(range(len(shape))))
                ),
            )
        for other in ("int64", "float64", "float16", "bool", "complex64"):
            yield f"{other}", lambda lib, other=other: lib.ones(shape, dtype=getattr(lib, other))

    with Samples() as samples:
        for index, sample in enumerate(row.samples(row.maker(dtype))):
            if index >= 4 and index % 3:
                continue
            expected = outcome(lambda: call(theirs, torch, sample)[0])  # noqa: B023
            if isinstance(expected, Raised):
                with samples.sample(sample):
                    raise expected.error
                continue
            # a wider out= does not make the result more exact than it was computed
            computed = dtype_name(expected.dtype) if is_tensor(expected) else dtype
            for label, make in makers(expected):
                tolerance = row.tolerances.get(dtype)
                if label == "float64" and computed != label:
                    tolerance = tolerance or TOLERANCES.get(computed)
                with samples.sample(f"out: {label} {sample}"):
                    same_outcome(
                        lambda: run(ours, lampas, sample, make),  # noqa: B023
                        lambda: run(theirs, torch, sample, make),  # noqa: B023
                        strides=label == "transposed",
                        tolerance=tolerance,
                    )
                    if label in ("right", "resized"):
                        run(theirs, torch, sample, make)


def check_promotion(row: Op, dtype: str, kind: str) -> None:
    theirs, ours = row.resolve(torch), row.resolve(lampas)
    m = Maker(dtype, "promotion")
    left, zero = m.of([1, 2, 3]), m.of(2)
    with Samples() as samples:
        for other in ALL:
            for a, b in ((left, m.of([2, 1, 3], other)), (left, m.of(3, other)), (zero, m.of([2, 1, 3], other))):
                sample = S(a, b)
                if half_complex(theirs, sample):
                    continue
                with samples.sample(sample):
                    compare_calls(row, dtype, sample, ours, theirs, "contiguous", errors=True)
        for scalar in (True, 2, 1.5, 1 + 2j) if row.scalar else ():
            for sample in (S(left, scalar), S(zero, scalar), S(scalar, left)):
                if half_complex(theirs, sample):
                    continue
                with samples.sample(sample):
                    compare_calls(row, dtype, sample, ours, theirs, "contiguous", errors=True)


def half_complex(theirs: Any, sample: S) -> bool:
    """Whether PyTorch answers in complex32, which lampas does not have."""
    result = outcome(lambda: call(theirs, torch, sample)[0])
    return is_tensor(result) and result.dtype is torch.complex32


def cotangent(lib: Any, out: Any, seed: int, requires_grad: bool) -> Any:
    dtype = dtype_name(out.dtype)
    m = Maker(dtype, f"cotangent-{seed}")
    return tensor(lib, m(*out.shape).values, dtype, requires_grad=requires_grad)


def tensors_in(value: Any) -> list[Any]:
    if is_tensor(value):
        return [value]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in tensors_in(v)]
    return []


def gradients(lib: Any, outs: list[Any], leaves: list[Any], create_graph: bool = False) -> tuple[list[Any], list[Any]]:
    """Gradients of the outputs that have one, contracted with fixed numbers; and those numbers."""
    outs = [o for o in outs if o.requires_grad]
    weights = [cotangent(lib, o, i, create_graph) for i, o in enumerate(outs)]
    found = lib.autograd.grad(outs, leaves, weights, create_graph=create_graph, allow_unused=True)
    return list(found), weights


def check_gradients(row: Op, dtype: str, kind: str) -> None:
    theirs, ours = row.resolve(torch), row.resolve(lampas)
    layouts = ("transposed", "expanded") if kind == "grad_noncontiguous" else ("contiguous",)
    tolerance = row.tolerances.get(dtype)
    if dtype == "bfloat16":
        tolerance = (3e-2, 3e-2)

    def run(fn: Any, lib: Any, sample: S, layout: str) -> tuple[Any, list[Any]]:
        result, leaves = call(fn, lib, sample, layout, True)
        return result, leaves

    with Samples() as samples:
        for layout in layouts:
            for sample in row.samples(row.maker(dtype)):
                label = f"{layout} {sample}" if len(layouts) > 1 else sample
                with samples.sample(label):
                    expected, their_leaves = run(theirs, torch, sample, layout)
                    if not any(t.requires_grad for t in tensors_in(expected)):
                        continue
                    reference = outcome(lambda: gradients(torch, tensors_in(expected), their_leaves))  # noqa: B023
                    if isinstance(reference, Raised):
                        if layout == "contiguous":
                            raise reference.error
                        continue  # a few of PyTorch's backward kernels refuse some layouts
                    theirs_g, _ = reference
                    got, our_leaves = run(ours, lampas, sample, layout)
                    same(got, expected, tolerance=tolerance)
                    ours_g, _ = gradients(lampas, tensors_in(got), our_leaves)
                    for i, (a, b) in enumerate(zip(ours_g, theirs_g, strict=True)):
                        assert (a is None) == (b is None), f"gradient {i}: {a!r}, expected {b!r}"
                        if b is not None:
                            same(a, b, f"gradient {i}", tolerance=tolerance, slack=4)


def check_second_gradients(row: Op, dtype: str, kind: str) -> None:
    theirs, ours = row.resolve(torch), row.resolve(lampas)

    def run(fn: Any, lib: Any, sample: S) -> list[Any]:
        result, leaves = call(fn, lib, sample, "contiguous", True)
        outs = tensors_in(result)
        if not leaves or not any(o.requires_grad for o in outs):
            return []
        first, weights = gradients(lib, outs, leaves, create_graph=True)
        first = [g for g in first if g is not None]
        if not any(g.requires_grad for g in first):
            return []
        second, _ = gradients(lib, first, leaves + weights)
        # an unused input and a gradient of zeros are the same statement here
        return [lib.zeros_like(x) if g is None else g for g, x in zip(second, leaves + weights, strict=True)]

    with Samples() as samples:
        for sample in row.samples(row.maker(dtype)):
            with samples.sample(sample):
                expected = run(theirs, torch, sample)
                got = run(ours, lampas, sample)
                same([g.detach() for g in got], [g.detach() for g in expected], "second gradient", slack=4)


def check_node_names(row: Op, dtype: str, kind: str) -> None:
    theirs, ours = row.resolve(torch), row.resolve(lampas)
    with Samples() as samples:
        for sample in row.samples(row.maker(dtype)):
            with samples.sample(sample):
                expected = tensors_in(call(theirs, torch, sample, "contiguous", True)[0])
                got = tensors_in(call(ours, lampas, sample, "contiguous", True)[0])
                for a, b in zip(got, expected, strict=True):
                    assert (a.grad_fn is None) == (b.grad_fn is None), f"{a.grad_fn}, expected {b.grad_fn}"
                    if b.grad_fn is not None:
                        names = a.grad_fn.name(), b.grad_fn.name()
                        assert names[0] == names[1], f"grad_fn {names[0]}, expected {names[1]}"
                        printed = [re.search(r"grad_fn=<\w+>", repr(t)) for t in (a, b)]
                        assert printed[0] and printed[0][0] == printed[1][0], f"not printed: {repr(a)[-60:]}"


def check_errors(row: Op, dtype: str, kind: str) -> None:
    theirs, ours = row.resolve(torch), row.resolve(lampas)
    with Samples() as samples:
        for e in row.errors(row.maker(dtype)):
            with samples.sample(e.sample):
                same_error(
                    lambda: call(ours, lampas, e.sample),  # noqa: B023
                    lambda: call(theirs, torch, e.sample),  # noqa: B023
                    *e.names,
                    error=e.error,
                )


CHECKS: dict[str, Callable[[Op, str, str], None]] = {
    **dict.fromkeys(("values", "method", "empty", "special", "large", "broadcast"), check_samples),
    **dict.fromkeys(("transposed", "strided", "expanded", "noncontiguous"), check_layouts),
    **dict.fromkeys(("grad", "grad_noncontiguous"), check_gradients),
    "inplace": check_inplace,
    "out": check_out,
    "promotion": check_promotion,
    "gradgrad": check_second_gradients,
    "grad_fn": check_node_names,
    "errors": check_errors,
}


def check(row: Op, dtype: str, kind: str) -> None:
    CHECKS[kind](row, dtype, kind)
