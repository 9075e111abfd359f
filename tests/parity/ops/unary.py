"""Functions of one tensor, element by element."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..harness import (
    ALL,
    BOOL,
    COMPLEX,
    FLOATS,
    INTS,
    MATH,
    MATH_COMPLEX,
    REAL,
    REAL_BOOL,
    D,
    E,
    Maker,
    Op,
    S,
)

INF, NAN = float("inf"), float("nan")


def samples(low: float = -2.0, high: float = 2.0, **kwargs: Any) -> Callable[[Maker], Iterator[S]]:
    def make(m: Maker) -> Iterator[S]:
        for shape in ((5,), (), (2, 3, 4), (1,), (3, 1, 5)):
            yield S(m(*shape, low=low, high=high, **kwargs))

    return make


def empty(m: Maker) -> Iterator[S]:
    for shape in ((0,), (2, 0, 3), (0, 0)):
        yield S(m(*shape))


def large(low: float, high: float, **kwargs: Any) -> Callable[[Maker], Iterator[S]]:
    """Lengths around vector widths, and more elements than one thread's grain."""

    def make(m: Maker) -> Iterator[S]:
        for n in (3, 7, 8, 15, 16, 17, 31, 33, 63, 65, 127, 1025, 70001):
            yield S(m(n, low=low, high=high, **kwargs))
        yield S(m(37, 129, low=low, high=high, **kwargs))

    return make


def special(m: Maker) -> Iterator[S]:
    tiny = {"float32": 1e-40, "float64": 1e-310, "bfloat16": 1e-39, "float16": 6e-8}[m.dtype]
    big = {"float32": 3e38, "float64": 1e308, "bfloat16": 3e38, "float16": 6e4}[m.dtype]
    yield S(m.of([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, tiny, -tiny, big, -big, 0.5, -0.5, 1.5, 2.5, -2.5]))
    yield S(m.of([NAN, 1.0] * 20 + [INF] * 3))


def unary(name: str, low: float = -2.0, high: float = 2.0, *, nonzero: bool = False, **options: Any) -> Op:
    options = {
        "dtypes": MATH,
        "out": True,
        "strides": "dense",
        "special": special,
        "empty": empty,
        "large": large(low, high, nonzero=nonzero),
    } | options
    return Op(name, samples(low, high, nonzero=nonzero), **options)


def alias(name: str, low: float = -2.0, high: float = 2.0, **options: Any) -> Op:
    return Op(name, samples(low, high), dtypes=("float32",), gradgrad=False, **options)


def plain(name: str, **options: Any) -> Op:
    """A predicate: no gradient, no in-place form, no out=."""
    return unary(name, **({"out": False, "grad": False, "inplace": False, "dtypes": ALL} | options))


def clamp_samples(m: Maker) -> Iterator[S]:
    for shape in ((5,), (), (2, 3, 4)):
        yield S(m(*shape), -1, 1)
        yield S(m(*shape), min=0)
        yield S(m(*shape), max=1)
        yield S(m(*shape), 2, 1)  # min > max
    yield S(m(3, 4), m(3, 4, low=-2, high=0), m(3, 4, low=0, high=2))
    yield S(m(3, 4), min=m(4, low=-1, high=1))
    yield S(m(3, 4), max=m(3, 1, low=-1, high=1))
    if m.is_float:
        yield S(m(7), -0.5, 0.75)


def round_samples(m: Maker) -> Iterator[S]:
    yield from samples(-9, 9)(m)
    if m.dtype in ("float32", "float64"):
        yield S(m(4, 5), decimals=2)
        yield S(m.of([0.125, 2.5, 3.5, -1.5, 12345.678]), decimals=1)
        yield S(m(6, low=-900, high=900), decimals=-2)


def nan_to_num_samples(m: Maker) -> Iterator[S]:
    if m.is_float:
        yield S(m.of([NAN, INF, -INF, 1.0, -2.0]))
        yield S(m.of([[NAN, INF], [-INF, 1.0]]), nan=1.5)
        yield S(m.of([NAN, INF, -INF, 1.0, -2.0]), 0.5, 3.0, -3.0)
        yield S(m.of([NAN, INF, -INF, 1.0, -2.0]), posinf=7.0, neginf=-7.0)
    yield S(m(2, 3))


def to_samples(m: Maker) -> Iterator[S]:
    x = m(3, 4, low=0, high=2)
    for dtype in (d for d in ALL if not m.is_complex or d in COMPLEX):
        yield S(x, D(dtype))
    yield S(x, "cpu")
    yield S(x, dtype=D("float64") if not m.is_complex else D("complex128"), copy=True)
    yield S(x, m(1))


def bad_bool(error: type[Exception]) -> Callable[[Maker], Iterator[E]]:
    def make(m: Maker) -> Iterator[E]:
        yield E(error, S(m.of([True, False], "bool")))

    return make


def not_a_tensor(m: Maker) -> Iterator[E]:
    yield E(TypeError, S("x"))
    yield E(TypeError, S())
    yield E(TypeError, S(m(2), nonsense=1))


ROUNDING = REAL
INTEGRAL = INTS + BOOL

ROWS = [
    # sign and size
    unary("abs", dtypes=REAL + COMPLEX, errors=not_a_tensor, inplace=True),
    unary("neg", dtypes=REAL + COMPLEX, errors=bad_bool(RuntimeError)),
    unary("positive", dtypes=REAL + COMPLEX, out=False, strides=True),
    unary("sign", dtypes=REAL_BOOL),
    unary("sgn", dtypes=REAL_BOOL + COMPLEX, nonzero=True),
    unary("signbit", dtypes=REAL_BOOL, grad=False, inplace=False),
    unary("square", dtypes=ALL),
    unary("reciprocal", dtypes=MATH_COMPLEX, nonzero=True),
    # rounding
    unary("ceil", -9, 9, dtypes=ROUNDING),
    unary("floor", -9, 9, dtypes=ROUNDING),
    unary("trunc", -9, 9, dtypes=ROUNDING),
    unary("frac", -9, 9, dtypes=FLOATS),
    Op("round", round_samples, dtypes=ROUNDING, out=True, strides="dense", special=special, empty=empty),
    # exponentials and logarithms
    unary("exp", dtypes=MATH_COMPLEX, errors=not_a_tensor),
    unary("exp2", dtypes=MATH),
    unary("expm1", dtypes=MATH),
    unary("log", 0.1, 4, dtypes=MATH_COMPLEX),
    unary("log2", 0.1, 4, dtypes=MATH),
    unary("log10", 0.1, 4, dtypes=MATH),
    unary("log1p", -0.8, 4, dtypes=MATH),
    unary("sqrt", 0.1, 4, dtypes=MATH_COMPLEX),
    unary("rsqrt", 0.1, 4, dtypes=MATH),
    # trigonometric and hyperbolic
    unary("sin", -7, 7, dtypes=MATH_COMPLEX),
    unary("cos", -7, 7, dtypes=MATH_COMPLEX),
    unary("tan", -1.2, 1.2, dtypes=MATH),
    unary("asin", -0.9, 0.9, dtypes=MATH),
    unary("acos", -0.9, 0.9, dtypes=MATH),
    unary("atan", -4, 4, dtypes=MATH),
    unary("sinh", dtypes=MATH),
    unary("cosh", dtypes=MATH),
    unary("tanh", -4, 4, dtypes=MATH_COMPLEX),
    unary("asinh", -4, 4, dtypes=MATH),
    unary("acosh", 1.1, 4, dtypes=MATH),
    unary("atanh", -0.9, 0.9, dtypes=MATH),
    unary("deg2rad", -180, 180, dtypes=FLOATS),
    unary("rad2deg", -3, 3, dtypes=FLOATS),
    # of probability and statistics
    unary("sigmoid", -6, 6, dtypes=MATH),
    unary("erf", -3, 3, dtypes=MATH),
    unary("erfc", -3, 3, dtypes=MATH),
    unary("erfinv", -0.9, 0.9, dtypes=MATH),
    unary("lgamma", 0.2, 5, dtypes=MATH, gradgrad=False),
    unary("digamma", 0.5, 5, dtypes=FLOATS, gradgrad=False),
    Op(
        "logit",
        lambda m: [
            S(m(3, 4, low=0.1, high=0.9)),
            S(m(5, low=0.05, high=0.95), 0.1),
            S(m(4, low=0.1, high=0.9), eps=0.2),
        ],
        dtypes=FLOATS,
        out=True,
        strides="dense",
    ),
    # bounds
    Op(
        "clamp",
        clamp_samples,
        dtypes=REAL,
        out=True,
        strides=False,
        special=lambda m: [S(m.of([NAN, INF, -INF, 0.0]), -1, 1)],
        empty=lambda m: [S(m(0, 3), 0, 1)],
        errors=lambda m: [E(RuntimeError, S(m(3))), E(RuntimeError, S(m(3), m(4)))],
    ),
    Op("clip", clamp_samples, dtypes=("float32",), out=True),
    Op("clamp_min", lambda m: [S(m(3, 4), 0), S(m(4), m(4)), S(m(), 1)], dtypes=("float32", "int64"), out=True),
    Op("clamp_max", lambda m: [S(m(3, 4), 0), S(m(4), m(4)), S(m(), 1)], dtypes=("float32", "int64"), out=True),
    Op("nan_to_num", nan_to_num_samples, dtypes=REAL, out=True, strides="dense"),
    # predicates
    plain("isnan", dtypes=ALL),
    plain("isinf", dtypes=ALL),
    plain("isfinite", dtypes=ALL),
    plain("isposinf", dtypes=REAL_BOOL, out=True),
    plain("isneginf", dtypes=REAL_BOOL, out=True),
    plain("isreal", dtypes=ALL),
    # logic
    unary("logical_not", dtypes=ALL, grad=False, special=special),
    Op(
        "bitwise_not",
        samples(),
        dtypes=INTEGRAL,
        out=True,
        grad=False,
        strides="dense",
        empty=empty,
        errors=lambda m: [E(RuntimeError, S(m(3)))],
    ),
    # complex numbers
    unary("angle", dtypes=REAL_BOOL + COMPLEX, nonzero=True, inplace=False, gradgrad=False),
    Op("real", samples(), dtypes=FLOATS + COMPLEX, method=False, strides=True),
    Op("imag", samples(), dtypes=COMPLEX, method=False, strides=True, errors=lambda m: [E(RuntimeError, S(m(3)))]),
    Op("conj", samples(), dtypes=REAL + COMPLEX, inplace=False, grad_fn=False),
    # dtype and copies
    Op(
        "to",
        to_samples,
        path="Tensor.to",
        dtypes=ALL,
        grad_dtypes=("float32", "float64"),
        gradgrad=False,
        strides="dense",
    ),
    Op(
        "type_as",
        lambda m: [S(m(3, 4), m(2, dtype="float64", grad=False)), S(m(3, 4), m(2, grad=False))],
        path="Tensor.type_as",
        dtypes=REAL_BOOL,
        grad_dtypes=("float32", "float64"),
    ),
    Op("clone", samples(), dtypes=ALL, strides="dense", empty=empty),
    Op("contiguous", samples(), path="Tensor.contiguous", dtypes=ALL, strides=True, empty=empty, grad_fn=False),
    Op("detach", samples(), dtypes=ALL, grad=False, strides=True),
    *(
        Op(
            f"Tensor.{name}",
            samples(0, 2),
            dtypes=REAL_BOOL,
            grad_dtypes=("float32", "float64"),
            gradgrad=False,
            strides="dense",
        )
        for name in ("float", "double", "half", "bfloat16", "int", "long", "short", "char", "byte", "bool")
    ),
    # other names of the same functions
    alias("absolute"),
    alias("negative"),
    alias("fix"),
    alias("arcsin", -0.9, 0.9),
    alias("arccos", -0.9, 0.9),
    alias("arctan"),
    alias("arcsinh"),
    alias("arccosh", 1.1, 4),
    alias("arctanh", -0.9, 0.9),
    Op("special.expit", samples(), dtypes=("float32",)),
    Op("special.erf", samples(), dtypes=("float32",)),
]
