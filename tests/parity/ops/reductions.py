"""Functions that reduce dimensions, and the cumulative ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..harness import ALL, COMPLEX, FLOAT, FLOATS, INTS, REAL, REAL_BOOL, D, E, Maker, Op, S

NAN, INF = float("nan"), float("inf")
Samples = Callable[[Maker], Iterator[S]]
# half precision rounds once at the end here and there; sums of twenty terms near zero need room
HALF_SUMS = {"bfloat16": (1.6e-2, 3e-2), "float16": (2e-3, 4e-3)}


def over_dims(many: bool = True, full: bool = True, shape: tuple[int, ...] = (2, 3, 4), **values: Any) -> Samples:
    """Every way to name the dims: none, one, negative, several, all, with keepdim."""

    def make(m: Maker) -> Iterator[S]:
        if full:
            yield S(m(*shape, **values))
            yield S(m(5, **values))
            yield S(m(**values))
        for dim in (0, 1, -1, -3):
            yield S(m(*shape, **values), dim)
        yield S(m(*shape, **values), dim=1, keepdim=True)
        yield S(m(*shape, **values), 2, True)
        yield S(m(**values), 0)
        yield S(m(1, 5, 1, **values), dim=1)
        if many:
            yield S(m(*shape, **values), dim=(0, 2))
            yield S(m(*shape, **values), dim=[-1, 0], keepdim=True)
            yield S(m(*shape, **values), dim=(0, 1, 2))

    return make


def with_dtype(base: Samples, *dtypes: str) -> Samples:
    def make(m: Maker) -> Iterator[S]:
        yield from base(m)
        if m.dtype in COMPLEX:
            return
        for dtype in dtypes:
            if m.is_float and dtype in INTS:
                continue
            yield S(m(3, 4), dtype=D(dtype))
            yield S(m(3, 4), dim=1, dtype=D(dtype))

    return make


def empty(many: bool = True, full: bool = True) -> Samples:
    def make(m: Maker) -> Iterator[S]:
        if full:
            yield S(m(0))
            yield S(m(2, 0, 3))
        for dim in (0, 1, 2):
            yield S(m(2, 0, 3), dim)
            yield S(m(2, 0, 3), dim=dim, keepdim=True)
        if many:
            yield S(m(2, 0, 3), dim=(0, 2))
            yield S(m(2, 0, 3), dim=(0, 1))

    return make


def special(m: Maker) -> Iterator[S]:
    yield S(m.of([1.0, NAN, 2.0]))
    yield S(m.of([1.0, INF, 2.0]))
    yield S(m.of([-INF, -INF, 0.0]))
    yield S(m.of([[1.0, NAN, 2.0], [3.0, 1.0, -1.0]]), dim=1)


def large(low: float = -1.0, high: float = 1.0, **values: Any) -> Samples:
    def make(m: Maker) -> Iterator[S]:
        for n in (7, 9, 31, 33, 257, 1025):
            yield S(m(n, low=low, high=high, **values))
            yield S(m(3, n, low=low, high=high, **values), dim=1)
            yield S(m(n, 3, low=low, high=high, **values), dim=0)
            yield S(m(2, n, 5, low=low, high=high, **values), dim=1)

    return make


def bad_dim(m: Maker) -> Iterator[E]:
    yield E(IndexError, S(m(2, 3), dim=2), "2")
    yield E(IndexError, S(m(2, 3), dim=-3), "-3")
    yield E(TypeError, S(m(2, 3), dim="x"))


def bad_dims(m: Maker) -> Iterator[E]:
    yield from bad_dim(m)
    yield E(RuntimeError, S(m(2, 3), dim=(0, 0)))
    yield E(RuntimeError, S(m(2, 3), dim=(0, -2)))


def reduction(name: str, samples: Samples, **options: Any) -> Op:
    options = {"dtypes": REAL_BOOL, "inplace": False, "errors": bad_dims, "empty": empty(), "out": False} | options
    return Op(name, samples, **options)


def correction(m: Maker) -> Iterator[S]:
    for shape in ((5,), (2, 3, 4)):
        yield S(m(*shape))
        yield S(m(*shape), unbiased=False)
        yield S(m(*shape), correction=0)
        yield S(m(*shape), dim=0)
    yield S(m(2, 3, 4), dim=(0, 2))
    yield S(m(2, 3, 4), dim=1, keepdim=True)
    yield S(m(2, 3, 4), 1, False)
    yield S(m(2, 3, 4), dim=1, unbiased=True, keepdim=True)
    yield S(m(2, 3, 4), dim=-1, correction=2, keepdim=True)
    yield S(m(2, 3, 4), dim=None, correction=1)


def correction_empty(m: Maker) -> Iterator[S]:
    yield S(m(0))
    yield S(m(1))
    yield S(m(2, 0), dim=1)
    yield S(m(2, 0), dim=0)
    yield S(m(1, 3), dim=0)


def norms(m: Maker) -> Iterator[S]:
    yield S(m(3, 4))
    for p in (1, 2, 3, 0, INF, -INF, 0.5, "fro"):
        yield S(m(3, 4), p=p)
        yield S(m(3, 4), p=p, dim=1)
    yield S(m(3, 4), "fro", dim=(0, 1))
    yield S(m(2, 3, 4), 2, dim=(0, 2), keepdim=True)
    yield S(m(5), 2)
    if m.dtype == "float32":
        yield S(m(3, 4), 2, dim=0, dtype=D("float64"))


def vector_norms(m: Maker) -> Iterator[S]:
    yield S(m(3, 4))
    for order in (1, 2, 3, 0, INF, -INF, 0.5):
        yield S(m(3, 4), order)
        yield S(m(3, 4), order, dim=-1)
    yield S(m(2, 3, 4), 2, dim=(0, 2), keepdim=True)


def matrix_norms(m: Maker) -> Iterator[S]:
    yield S(m(3, 4))
    for order in ("fro", 1, -1, INF, -INF):
        yield S(m(2, 3, 4), order)
    yield S(m(2, 3, 4), "fro", (0, 2), True)


def cumulative(dtype: bool = True, **values: Any) -> Samples:
    def make(m: Maker) -> Iterator[S]:
        for dim in (0, 1, -1):
            yield S(m(2, 3, 4, **values), dim)
        yield S(m(5, **values), dim=0)
        yield S(m(**values), 0)
        yield S(m(1, 7, 1, **values), 1)
        if dtype and m.dtype not in COMPLEX:
            yield S(m(3, 4, **values), 1, dtype=D("float64"))

    return make


def cumulative_empty(m: Maker) -> Iterator[S]:
    for dim in (0, 1):
        yield S(m(0, 3), dim)


def cumulative_op(name: str, samples: Samples, **options: Any) -> Op:
    errors: Any = lambda m: [  # noqa: E731
        E(IndexError, S(m(2, 3), 2), "2"),
        E(IndexError, S(m(2, 3), dim=-3), "-3"),
        E(TypeError, S(m(2, 3))),
    ]
    return Op(name, samples, **({"dtypes": REAL_BOOL, "empty": cumulative_empty, "errors": errors} | options))


def max_pair(m: Maker) -> Iterator[S]:
    yield S(m(3, 4), m(3, 4))
    yield S(m(3, 4), m(4))


DISTINCT = {"distinct": True}
DISTINCT_DTYPES = FLOATS + INTS

ROWS = [
    reduction(
        "sum",
        with_dtype(over_dims(), "float64", "float32", "int32"),
        dtypes=ALL,
        large=large(),
        special=special,
        tolerances=HALF_SUMS,
    ),
    reduction(
        "mean",
        with_dtype(over_dims(), "float64", "float32"),
        dtypes=FLOATS + COMPLEX,
        large=large(),
        special=special,
        tolerances=HALF_SUMS,
        errors=lambda m: [*bad_dims(m), E(RuntimeError, S(m(3, dtype="int64")))],
    ),
    reduction(
        "sum over dims with out",
        over_dims(full=False),
        path="sum",
        dtypes=("float32", "int64"),
        out=True,
        method=False,
        grad=False,
        errors=bad_dim,
    ),
    reduction(
        "nansum",
        lambda m: [S(m(3, 4)), S(m(3, 4), 1), S(m.of([[1, NAN], [3, 4]]), dim=0), S(m.of([NAN, 2.0]))],
        dtypes=FLOATS,
        tolerances=HALF_SUMS,
    ),
    reduction(
        "nanmean",
        lambda m: [S(m(3, 4)), S(m(3, 4), 1), S(m.of([[1, NAN], [3, 4]]), dim=0, keepdim=True)],
        dtypes=FLOATS,
        tolerances=HALF_SUMS,
    ),
    reduction(
        "prod",
        with_dtype(over_dims(many=False, nonzero=True), "float64"),
        dtypes=ALL,
        errors=bad_dim,
        empty=empty(many=False),
        large=lambda m: [S(m(n, low=0.8, high=1.2)) for n in (9, 33, 65)],
        tolerances={"bfloat16": (3e-2, 1e-2), "float16": (4e-3, 1e-3)},
    ),
    Op(
        "prod with zeros",
        lambda m: [
            S(m.of([[1, 0, 3], [2, 4, 5], [0, 0, 6]])),
            S(m.of([[1, 0, 3], [2, 4, 5], [0, 0, 6]]), 1),
            S(m.of([2, 0, 3])),
        ],
        path="prod",
        method=False,
    ),
    # largest and smallest
    *(
        reduction(
            name,
            over_dims(many=False, **DISTINCT),
            dtypes=REAL_BOOL,
            errors=bad_dim,
            empty=empty(many=False),
            special=special,
            large=large(**DISTINCT),
        )
        for name in ("max", "min")
    ),
    *(
        reduction(
            f"{name} of dim with out",
            over_dims(many=False, full=False, **DISTINCT),
            path=name,
            dtypes=("float32", "int64"),
            out=True,
            method=False,
            errors=bad_dim,
            grad=False,
        )
        for name in ("max", "min")
    ),
    *(
        reduction(
            f"{name} with ties",
            lambda m: [
                S(m.of([[1, 3, 3], [2, 2, 2]])),
                S(m.of([[1, 3, 3], [2, 2, 2]]), 1),
                S(m.of([[1, 3], [1, 3]]), 0),
            ],
            path=name,
            method=False,
            dtypes=FLOATS + INTS,
            errors=bad_dim,
            empty=empty(many=False),
        )
        for name in ("max", "min")
    ),
    *(Op(f"{name} of two", max_pair, path=name, dtypes=REAL_BOOL, out=True, inplace=False) for name in ("max", "min")),
    *(
        reduction(
            name,
            over_dims(many=False, **DISTINCT),
            dtypes=DISTINCT_DTYPES,
            grad=False,
            errors=bad_dim,
            empty=empty(many=False),
            special=special,
            large=large(**DISTINCT),
        )
        for name in ("argmax", "argmin")
    ),
    *(
        reduction(
            f"{name} with ties",
            lambda m: [
                S(m.of([[1, 3, 3], [2, 2, 2]])),
                S(m.of([[1, 3, 3], [2, 2, 2]]), 1),
                S(m.of([[1, 3], [1, 3]]), 0, True),
            ],
            path=name,
            method=False,
            grad=False,
            dtypes=DISTINCT_DTYPES,
            errors=bad_dim,
            empty=empty(many=False),
        )
        for name in ("argmax", "argmin")
    ),
    *(
        reduction(name, over_dims(), dtypes=REAL_BOOL, special=special, large=large(), out=True)
        for name in ("amax", "amin")
    ),
    *(
        reduction(
            f"{name} with ties",
            lambda m: [
                S(m.of([[1, 3, 3], [2, 2, 2]])),
                S(m.of([[1, 3, 3], [2, 2, 2]]), 1),
                S(m.of([[1, 3], [3, 3]]), (0, 1)),
            ],
            path=name,
            method=False,
        )
        for name in ("amax", "amin")
    ),
    reduction(
        "aminmax",
        lambda m: [S(m(3, 4)), S(m(3, 4), dim=1), S(m(3, 4), dim=0, keepdim=True)],
        dtypes=REAL_BOOL,
        method=False,
        errors=lambda m: [E(IndexError, S(m(2, 3), dim=2), "2")],
        empty=lambda m: [S(m(0))],
    ),
    # truth
    *(reduction(name, over_dims(low=-1, high=1), dtypes=ALL, grad=False, out=True) for name in ("any", "all")),
    reduction(
        "count_nonzero",
        lambda m: [S(m(3, 4)), S(m(3, 4), 1), S(m(3, 4), dim=(0, 1)), S(m())],
        dtypes=ALL,
        grad=False,
        empty=lambda m: [S(m(0)), S(m(2, 0), 0)],
    ),
    # spread
    *(
        reduction(
            name,
            correction,
            dtypes=FLOATS,
            empty=correction_empty,
            tolerances={"bfloat16": (1.6e-2, 2e-2)},
            out=False,
            errors=lambda m: [E(IndexError, S(m(2, 3), dim=2), "2"), E(RuntimeError, S(m(3, dtype="int64")))],
        )
        for name in ("var", "std", "var_mean", "std_mean")
    ),
    # norms
    Op(
        "norm",
        norms,
        dtypes=FLOATS,
        inplace=False,
        tolerances=HALF_SUMS,
        gradgrad=False,
        grad_fn=False,
        errors=lambda m: [E(RuntimeError, S(m(3, dtype="int64")))],
    ),
    Op("linalg.vector_norm", vector_norms, dtypes=FLOATS, gradgrad=False, tolerances=HALF_SUMS),
    Op(
        "linalg.norm",
        lambda m: [S(m(3, 4)), S(m(5)), S(m(5), 1), S(m(3, 4), "fro"), S(m(3, 4), 1, dim=0), S(m(2, 3, 4), dim=(1, 2))],
        dtypes=FLOAT,
        gradgrad=False,
        grad_fn=False,
    ),
    Op("linalg.matrix_norm", matrix_norms, dtypes=FLOAT, gradgrad=False, grad_fn=False),
    reduction(
        "logsumexp",
        over_dims(full=False),
        dtypes=FLOATS,
        out=True,
        empty=empty(full=False),
        special=lambda m: [
            S(m.of([1000.0, 1000.0]), 0),
            S(m.of([-INF, -INF]), 0),
            S(m.of([INF, 1.0]), 0),
            S(m.of([NAN, 1.0]), 0),
        ],
        errors=bad_dim,
    ),
    # cumulative
    cumulative_op(
        "cumsum",
        cumulative(),
        dtypes=ALL,
        out=True,
        tolerances=HALF_SUMS,
        large=lambda m: [S(m(n, low=0, high=1), 0) for n in (9, 33, 129)],
    ),
    cumulative_op(
        "cumprod",
        cumulative(nonzero=True),
        dtypes=ALL,
        out=True,
        tolerances={"bfloat16": (3e-2, 1e-2), "float16": (4e-3, 1e-3)},
    ),
    Op(
        "cumprod with zeros",
        lambda m: [S(m.of([[1, 0, 3], [2, 4, 5], [0, 0, 6]]), 1), S(m.of([2, 0, 3]), 0)],
        path="cumprod",
        method=False,
        inplace=False,
        gradgrad=False,
    ),
    *(
        cumulative_op(name, cumulative(dtype=False, **DISTINCT), dtypes=DISTINCT_DTYPES, inplace=False)
        for name in ("cummax", "cummin")
    ),
    cumulative_op("logcumsumexp", cumulative(dtype=False), dtypes=FLOATS, inplace=False, gradgrad=False),
    # order statistics
    reduction(
        "median",
        layouts=False,
        samples=lambda m: [S(m(3, 5, **DISTINCT)), S(m(3, 5, **DISTINCT), 1), S(m(5, **DISTINCT), dim=0, keepdim=True)],
        dtypes=DISTINCT_DTYPES,
        errors=bad_dim,
        empty=lambda m: [S(m(2, 0), 0)],
    ),
    Op("diff", lambda m: [S(m(5)), S(m(3, 4), n=2), S(m(3, 4), dim=0)], dtypes=REAL, inplace=False),
]
