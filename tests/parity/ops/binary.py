"""Functions of two tensors (or three), element by element, and Python's operators."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from ..harness import ALL, BOOL, COMPLEX, FLOATS, INTS, REAL, REAL_BOOL, E, Maker, Op, S, nothing

INF, NAN = float("inf"), float("nan")
SHAPES = (((5,), (5,)), ((), ()), ((2, 3, 4), (2, 3, 4)), ((3, 4), ()))
BROADCAST = (
    ((3, 4), (4,)),
    ((3, 1), (1, 4)),
    ((2, 1, 3), (4, 1)),
    ((), (2, 3)),
    ((1,), (5,)),
    ((2, 3, 4), (3, 1)),
    ((1, 1, 1), (4,)),
    ((5, 1, 3, 1), (2, 1, 7)),
    ((0,), (1,)),
    ((3, 0), (1,)),
    ((1, 3), (0, 1)),
)
Samples = Callable[[Maker], Iterator[S]]


def pairs(left: dict[str, Any], right: dict[str, Any], shapes: Any, **kwargs: Any) -> Samples:
    def make(m: Maker) -> Iterator[S]:
        for a, b in shapes:
            yield S(m(*a, **left), m(*b, **right), **kwargs)

    return make


def with_scalars(base: Samples, left: dict[str, Any], scalars: tuple[Any, ...]) -> Samples:
    def make(m: Maker) -> Iterator[S]:
        yield from base(m)
        for scalar in scalars:
            if isinstance(scalar, float) and not (m.is_float or m.is_complex):
                continue
            yield S(m(3, 4, **left), scalar)

    return make


def special_pairs(m: Maker) -> Iterator[S]:
    values = [NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 2.5]
    yield S(m.of([a for a in values for _ in values]), m.of([b for _ in values for b in values]))


def large_pairs(left: dict[str, Any], right: dict[str, Any]) -> Samples:
    def make(m: Maker) -> Iterator[S]:
        for n in (3, 8, 15, 17, 33, 65, 1025, 70001):
            yield S(m(n, **left), m(n, **right))
        yield S(m(33, 65, **left), m(65, **right))
        yield S(m(33, 65, **left), m(33, 1, **right))
        yield S(m(1025, **left), m(**right))

    return make


def mismatch(m: Maker) -> Iterator[E]:
    yield E(RuntimeError, S(m(3, 4), m(3, 5)), "4", "5")
    yield E(RuntimeError, S(m(2, 3), m(2)), "3", "2")
    yield E(TypeError, S(m(3), "x"))
    yield E(TypeError, S(m(3), None))


def binary(
    name: str,
    *,
    left: dict[str, Any] | None = None,
    right: dict[str, Any] | None = None,
    scalars: tuple[Any, ...] = (2, 3, 1.5),
    extra: Callable[[Maker], list[S]] = lambda m: [],
    **options: Any,
) -> Op:
    left, right = left or {}, right or {}

    def samples(m: Maker) -> Iterator[S]:
        yield from with_scalars(pairs(left, right, SHAPES), left, scalars)(m)
        yield from extra(m)

    options = {
        "dtypes": ALL,
        "binary": True,
        "scalar": bool(scalars),
        "out": True,
        "strides": False,
        "special": special_pairs,
        "large": large_pairs(left, right),
        "broadcast": pairs(left, right, BROADCAST),
        "errors": mismatch,
    } | options
    return Op(name, samples, **options)


def comparison(name: str, **options: Any) -> Op:
    return binary(name, **({"grad": False, "dtypes": REAL_BOOL, "left": {"low": -1, "high": 1}} | options))


def rounding(m: Maker) -> list[S]:
    if m.is_complex or m.dtype == "bool":
        return []
    x, y = m(3, 4, low=-9, high=9), m(3, 4, nonzero=True)
    return [S(x, y, rounding_mode=mode) for mode in (None, "floor", "trunc")] + [S(x, 2, rounding_mode="floor")]


def alpha(m: Maker) -> list[S]:
    found = [S(m(3, 4), m(3, 4), alpha=2), S(m(3, 4), 3, alpha=2)]
    return [*found, S(m(4), m(4), alpha=0.5)] if m.is_float or m.is_complex else found


def powers(m: Maker) -> Iterator[S]:
    if m.is_float or m.is_complex:
        for exponent in (0, 1, 2, 3, 0.5, -1, -2, -0.5, 2.5):
            yield S(m(3, 4, low=0.3, high=2), exponent)
        yield S(m(3, 4, low=0.3, high=2), m(3, 4))
        yield S(2, m(3, 4))
        yield S(1.5, m(5))
    else:
        for exponent in (0, 1, 2, 3):
            yield S(m(3, 4), exponent)
        yield S(m(3, 4), m(3, 4, low=0, high=3))
        yield S(2, m(5, low=0, high=4))


def where_samples(m: Maker) -> Iterator[S]:
    yield S(m.mask(3, 4), m(3, 4), m(3, 4))
    yield S(m.mask(3, 4), m(4), m(3, 1))
    yield S(m.mask(4), m(3, 4), m())
    yield S(m.mask(), m(2), m(2))
    if m.is_float:
        yield S(m.mask(3, 4), m(3, 4), 2.0)
        yield S(m.mask(3, 4), 1, m(3, 4))
        yield S(m.mask(5), m(5), m(5, dtype="float64"))


def ternary(m: Maker) -> Iterator[S]:
    yield S(m(3, 4), m(3, 4), m(3, 4, nonzero=True))
    yield S(m(3, 4), m(4), m(3, 1, nonzero=True), value=2)
    yield S(m(2, 3, 4), m(), m(4, nonzero=True), value=-1)
    yield S(m(), m(), m(nonzero=True))


def lerp_samples(m: Maker) -> Iterator[S]:
    yield S(m(3, 4), m(3, 4), 0.3)
    yield S(m(3, 4), m(3, 4), 0.8)
    yield S(m(3, 4), m(4), m(3, 1, low=0, high=1))
    yield S(m(), m(), m(low=0, high=1))


def op(symbol: str, fn: Callable[..., Any], samples: Samples, **options: Any) -> Op:
    """A Python operator."""
    return Op(f"operator {symbol}", samples, fn=lambda lib: fn, **({"binary": True, "grad_fn": True} | options))


def augmented(symbol: str, fn: Callable[..., Any], samples: Samples, **options: Any) -> Op:
    """An augmented assignment: on a copy, that must stay the same object."""

    def build(lib: Any) -> Callable[..., Any]:
        def run(a: Any, b: Any) -> Any:
            target = before = a.clone()
            target = fn(target, b)
            assert target is before, f"{symbol} made a new tensor"
            return target

        return run

    return Op(f"operator {symbol}", samples, fn=build, **options)


def operands(**right: Any) -> Samples:
    def make(m: Maker) -> Iterator[S]:
        yield S(m(3, 4), m(3, 4, **right))
        yield S(m(3, 4), m(4, **right))
        yield S(m(3, 4), 2)
        if m.is_float or m.is_complex:
            yield S(m(3, 4), 1.5)

    return make


def reflected(base: Samples, *scalars: Any, **left: Any) -> Samples:
    def make(m: Maker) -> Iterator[S]:
        yield from base(m)
        for scalar in scalars or (2,):
            yield S(scalar, m(3, 4, **left))

    return make


NONZERO = {"nonzero": True}
BITS = INTS + BOOL
POSITIVE = {"low": 0.3, "high": 2}

ROWS = [
    # arithmetic
    binary("add", extra=alpha),
    binary("sub", extra=alpha, dtypes=REAL + COMPLEX),
    binary("mul"),
    binary("div", right=NONZERO, extra=rounding),
    binary("floor_divide", left={"low": -9, "high": 9}, right=NONZERO, dtypes=REAL, grad=False),
    binary(
        "remainder",
        left={"low": -9, "high": 9},
        right=NONZERO,
        dtypes=REAL,
        gradgrad=False,
        tolerances={"bfloat16": (1.6e-2, 2e-2)},
    ),
    binary("fmod", left={"low": -9, "high": 9}, right=NONZERO, dtypes=REAL, gradgrad=False),
    Op(
        "pow",
        powers,
        dtypes=REAL + COMPLEX,
        binary=True,
        out=True,
        special=special_pairs,
        inplace=True,
        broadcast=pairs(POSITIVE, POSITIVE, BROADCAST),
        errors=lambda m: [
            E(RuntimeError, S(m(3, 4), m(3, 5)), "4", "5"),
            E(RuntimeError, S(m.of([1, 2, 3], "int64"), -1)),
        ],
    ),
    binary(
        "float_power",
        left=POSITIVE,
        right=POSITIVE,
        dtypes=("float64", "float32", "bfloat16", "float16", "int64"),
        grad_dtypes=("float32", "float64"),
        errors=lambda m: [E(RuntimeError, S(m(3), m(4)), "3", "4")],
    ),
    Op("rsub", lambda m: [S(m(3, 4), m(3, 4)), S(m(3, 4), 2), S(m(4), 3, alpha=2)], dtypes=REAL, binary=True),
    binary("true_divide", right=NONZERO, dtypes=("float32", "int64")),
    binary("subtract", dtypes=("float32",)),
    binary("multiply", dtypes=("float32",)),
    binary("divide", right=NONZERO, dtypes=("float32",)),
    # larger, smaller, geometry
    binary("maximum", scalars=(), dtypes=REAL_BOOL),
    binary("minimum", scalars=(), dtypes=REAL_BOOL),
    binary("fmax", scalars=(), dtypes=REAL_BOOL),
    binary("fmin", scalars=(), dtypes=REAL_BOOL),
    binary("atan2", scalars=(), left=NONZERO, right=NONZERO, dtypes=FLOATS + ("int64",)),
    binary("hypot", scalars=(), left=NONZERO, right=NONZERO, dtypes=FLOATS),
    binary("logaddexp", scalars=(), dtypes=FLOATS),
    binary("logaddexp2", scalars=(), dtypes=FLOATS),
    binary("copysign", left=NONZERO, dtypes=FLOATS + ("int64",), scalars=(2, -1.5)),
    binary("nextafter", scalars=(), dtypes=("float32", "float64"), grad=False),
    binary("xlogy", right=POSITIVE, dtypes=FLOATS + ("int64",)),
    binary("heaviside", scalars=(), dtypes=REAL, grad=False),
    # comparison
    *(comparison(name) for name in ("eq", "ne")),
    *(comparison(name) for name in ("lt", "le", "gt", "ge")),
    Op(
        "eq complex",
        lambda m: [S(m(3, 4), m(3, 4)), S(m(4), 1)],
        path="eq",
        dtypes=COMPLEX,
        grad=False,
        method=False,
        inplace=False,
    ),
    *(
        comparison(name, dtypes=("float32", "int64"))
        for name in ("less", "greater", "less_equal", "greater_equal", "not_equal")
    ),
    Op(
        "isclose",
        lambda m: [
            S(m(3, 4), m(3, 4)),
            S(m.of([1.0, 2.0, NAN, INF]), m.of([1.0, 2.1, NAN, INF]), rtol=0.1),
            S(m.of([1.0, NAN]), m.of([1.5, NAN]), atol=1, equal_nan=True),
        ],
        dtypes=FLOATS,
        grad=False,
        inplace=False,
    ),
    Op(
        "allclose",
        lambda m: [
            S(m.of([1.0, 2.0]), m.of([1.0, 2.0])),
            S(m(3), m(3)),
            S(m.of([1.0, 2.0]), m.of([1.0, 2.1]), rtol=0.1),
            S(m.of([NAN]), m.of([NAN]), equal_nan=True),
        ],
        dtypes=FLOATS,
        grad=False,
        inplace=False,
        errors=lambda m: [E(RuntimeError, S(m(3), m(3, dtype="float64")))],
    ),
    Op(
        "equal",
        lambda m: [
            S(m.of([1, 0]), m.of([1, 0])),
            S(m(3), m(3)),
            S(m(3), m(4)),
            S(m(0), m(0)),
            S(m.of([[1, 1]]), m.of([1, 1])),
        ],
        dtypes=ALL,
        grad=False,
        inplace=False,
    ),
    # logic and bits
    *(binary(name, scalars=(), grad=False) for name in ("logical_and", "logical_or", "logical_xor")),
    *(
        binary(
            name,
            scalars=(1, 2),
            grad=False,
            dtypes=BITS,
            special=nothing,
            errors=lambda m: [E(RuntimeError, S(m(3), m(3)))],
        )
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    *(
        binary(name, scalars=(1, 2), left={"low": 0, "high": 5}, right={"low": 0, "high": 3}, grad=False, dtypes=INTS)
        for name in ("bitwise_left_shift", "bitwise_right_shift")
    ),
    binary("gcd", scalars=(), grad=False, dtypes=INTS),
    binary("lcm", scalars=(), grad=False, dtypes=INTS),
    # three tensors
    Op(
        "where",
        where_samples,
        dtypes=ALL,
        method=False,
        inplace=False,
        out=True,
        empty=lambda m: [S(m.mask(0, 3), m(0, 3), m(3)), S(m.mask(0), m(1), m(1))],
        errors=lambda m: [E(RuntimeError, S(m.mask(3), m(4), m(4)), "3", "4"), E(RuntimeError, S(m(3), m(3), m(3)))],
    ),
    Op(
        "where(condition)",
        lambda m: [S(m.mask(3, 4)), S(m.mask(5)), S(m.mask(0, 2)), S(m(3, 4))],
        path="where",
        dtypes=("float32",),
        method=False,
        inplace=False,
        grad=False,
    ),
    Op(
        "addcmul",
        ternary,
        dtypes=FLOATS + ("int64",) + COMPLEX,
        out=True,
        errors=lambda m: [E(RuntimeError, S(m(3, 4), m(3, 5), m(3, 4)), "4", "5")],
    ),
    Op(
        "addcdiv",
        ternary,
        dtypes=FLOATS + COMPLEX,
        out=True,
        errors=lambda m: [
            E(RuntimeError, S(m(3, 4), m(3, 5), m(3, 4)), "4", "5"),
            E(RuntimeError, S(*(m(3, dtype="int64") for _ in range(3)))),
        ],
    ),
    Op(
        "lerp",
        lerp_samples,
        dtypes=FLOATS,
        out=True,
        errors=lambda m: [
            E(RuntimeError, S(m(3), m(3, dtype="float64"), 0.5)),
            E(RuntimeError, S(m(3), m(4), 0.5), "3", "4"),
        ],
    ),
    # Python's operators
    op("+", operator.add, reflected(operands(), 2, 1.5), dtypes=ALL),
    op("-", operator.sub, reflected(operands(), 2, 1.5), dtypes=REAL + COMPLEX),
    op("*", operator.mul, reflected(operands(), 2, 1.5), dtypes=ALL),
    op("/", operator.truediv, reflected(operands(**NONZERO), 2, 1.5, **NONZERO), dtypes=ALL),
    op("//", operator.floordiv, reflected(operands(**NONZERO), 7, **NONZERO), dtypes=REAL, grad=False),
    op("%", operator.mod, operands(**NONZERO), dtypes=REAL, gradgrad=False),
    op("% of a number", operator.mod, lambda m: [S(7, m(3, 4, **NONZERO))], dtypes=REAL, grad=False, binary=False),
    op(
        "**",
        operator.pow,
        lambda m: [
            S(m(3, 4, low=0.3, high=2), 2),
            S(m(3, low=0.3, high=2), m(3, low=0, high=2)),
            S(2, m(4, low=0, high=3)),
        ],
        dtypes=REAL + COMPLEX,
    ),
    op(
        "@",
        operator.matmul,
        lambda m: [S(m(3, 4), m(4, 2)), S(m(4), m(4)), S(m(2, 3, 4), m(4, 5))],
        dtypes=FLOATS + ("int64",),
        binary=False,
        tolerances={"bfloat16": (1.6e-2, 5e-2)},
    ),
    *(
        op(
            symbol,
            fn,
            lambda m: [S(m(3, 4), m(3, 4)), S(m(3, 4), m(4)), S(m(4), 1), S(1, m(4))],
            dtypes=BITS,
            grad=False,
        )
        for symbol, fn in (("&", operator.and_), ("|", operator.or_), ("^", operator.xor))
    ),
    *(
        op(
            symbol,
            fn,
            lambda m: [
                S(m(3, 4, low=0, high=5), m(4, low=0, high=3)),
                S(m(4, low=0, high=5), 1),
                S(1, m(4, low=0, high=3)),
            ],
            dtypes=INTS,
            grad=False,
        )
        for symbol, fn in (("<<", operator.lshift), (">>", operator.rshift))
    ),
    *(
        op(symbol, fn, reflected(operands(), 1), dtypes=REAL_BOOL, grad=False)
        for symbol, fn in (
            ("==", operator.eq),
            ("!=", operator.ne),
            ("<", operator.lt),
            ("<=", operator.le),
            (">", operator.gt),
            (">=", operator.ge),
        )
    ),
    *(
        op(symbol, fn, lambda m: [S(m(3, 4)), S(m())], dtypes=dtypes, binary=False, grad_fn=False)
        for symbol, fn, dtypes in (
            ("-x", operator.neg, REAL + COMPLEX),
            ("+x", operator.pos, REAL),
            ("abs()", abs, REAL + COMPLEX),
        )
    ),
    op("~", operator.invert, lambda m: [S(m(3, 4)), S(m())], dtypes=BITS, grad=False, binary=False),
    *(
        augmented(symbol, fn, operands(), dtypes=REAL + COMPLEX)
        for symbol, fn in (("+=", operator.iadd), ("-=", operator.isub), ("*=", operator.imul))
    ),
    augmented("/=", operator.itruediv, operands(**NONZERO), dtypes=FLOATS),
    augmented("//=", operator.ifloordiv, operands(**NONZERO), dtypes=REAL, grad=False),
    augmented("%=", operator.imod, operands(**NONZERO), dtypes=REAL, gradgrad=False),
    augmented("**=", operator.ipow, lambda m: [S(m(3, 4, low=0.3, high=2), 2)], dtypes=REAL),
    *(
        augmented(symbol, fn, lambda m: [S(m(3, 4), m(4)), S(m(3), m.dtype == "bool" or 1)], dtypes=BITS, grad=False)
        for symbol, fn in (("&=", operator.iand), ("|=", operator.ior), ("^=", operator.ixor))
    ),
    Op("result_type of operands", lambda m: [S(m(3), m(2, dtype="int8"))], path="result_type", dtypes=ALL, grad=False),
]
