"""Reading and writing by index, sorting, searching. Random index expressions are in test_indexing.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..harness import ALL, FLOATS, INTS, REAL, REAL_BOOL, E, Maker, Op, S, T

Samples = Callable[[Maker], Any]
DISTINCT = {"distinct": True}
SORTABLE = FLOATS + INTS


def row(name: str, samples: Samples, **options: Any) -> Op:
    return Op(name, samples, **({"dtypes": ALL} | options))


def getitem(name: str, *indices: Callable[[Maker], Any], **options: Any) -> Op:
    return Op(
        f"getitem {name}",
        lambda m: [S(m(4, 5, 3), index(m)) for index in indices],
        fn=lambda lib: lambda x, i: x[i],
        **({"dtypes": ALL} | options),
    )


def setitem(name: str, *indices: tuple[Callable[[Maker], Any], tuple[int, ...] | None], **options: Any) -> Op:
    """Writes into a copy: a tensor of the given shape, or the number 1."""

    def build(lib: Any) -> Callable[..., Any]:
        def run(x: Any, index: Any, value: Any) -> Any:
            x = x.clone()
            x[index] = value
            return x

        return run

    def samples(m: Maker) -> list[S]:
        return [S(m(4, 5, 3), index(m), 1 if shape is None else m(*shape)) for index, shape in indices]

    return Op(f"setitem {name}", samples, fn=build, **({"dtypes": ALL} | options))


def index_of(m: Maker, *values: Any) -> T:
    return m.of(list(values), "int64")


def nd(m: Maker, shape: tuple[int, ...], dim: int, high: int) -> T:
    """An index tensor without repeats along `dim`."""
    rows = [m.random.permutation(high)[: shape[dim]] for _ in range(int(max(1, m.random.integers(1, 2))))]
    base = rows[0].reshape([-1 if i == dim else 1 for i in range(len(shape))])
    return m.of(base + 0 * m.random.integers(0, 1, shape), "int64")


def reduce_samples(*names: str) -> Samples:
    def make(m: Maker) -> list[S]:
        index = index_of(m, 0, 2, 1, 0, 2)
        found = [S(m(3), 0, index, m(5), name) for name in names]
        found += [S(m(3), 0, index, m(5), name, include_self=False) for name in names]
        return [*found, S(m(3, 4), 1, m.index(3, 2, high=4), m(3, 2), names[0])]

    return make


ROWS = [
    # views and copies by indexing
    getitem("ints", lambda m: 2, lambda m: -1, lambda m: (1, 2), lambda m: (1, -2, 0), strides=True),
    getitem(
        "slices",
        lambda m: slice(1, 3),
        lambda m: slice(None, None, 2),
        lambda m: (slice(None), slice(-3, None)),
        lambda m: (slice(1, 9), slice(4, 2)),
        lambda m: (slice(None), slice(0, 5, 3), 1),
        strides=True,
    ),
    getitem(
        "None and Ellipsis",
        lambda m: None,
        lambda m: Ellipsis,
        lambda m: (Ellipsis, 1),
        lambda m: (None, Ellipsis, None),
        lambda m: (1, Ellipsis, slice(0, 2)),
        lambda m: (slice(None), None, 2),
        strides=True,
    ),
    getitem(
        "index tensors",
        lambda m: index_of(m, 2, 0, 2),
        lambda m: (slice(None), index_of(m, 4, -1)),
        lambda m: (index_of(m, 0, 1), index_of(m, 2, 3)),
        lambda m: (index_of(m, [0], [1]), slice(None), index_of(m, 1, 2)),
        lambda m: [0, 2],
        lambda m: ([0, 1], [1, 2]),
    ),
    getitem(
        "masks",
        lambda m: m.mask(4),
        lambda m: m.mask(4, 5),
        lambda m: m.mask(4, 5, 3),
        lambda m: (slice(None), m.mask(5)),
        lambda m: (m.mask(4), 1),
        lambda m: True,
        lambda m: False,
        grad_fn=False,
    ),
    Op(
        "getitem errors",
        lambda m: [S(m(3), 0)],
        fn=lambda lib: lambda x, i: x[i],
        layouts=False,
        gradgrad=False,
        errors=lambda m: [
            E(IndexError, S(m(3), 3), "3"),
            E(IndexError, S(m(3), -4), "-4"),
            E(IndexError, S(m(3, 4), (0, 4)), "4"),
            E(IndexError, S(m(3), (0, 0))),
            E(IndexError, S(m(3), index_of(m, 0, 3)), "3"),
            E(IndexError, S(m(3), m.mask(4)), "4", "3"),
            E((IndexError, TypeError), S(m(3), "x")),
            E(IndexError, S(m(3), m(2))),
            E(IndexError, S(m(), 0)),
            E(IndexError, S(m(4, 4), (index_of(m, 0, 1), index_of(m, 0, 1, 2)))),
            E(ValueError, S(m(3), slice(None, None, -1))),
            E(ValueError, S(m(3), slice(None, None, 0))),
            E((IndexError, TypeError), S(m(3), 1.5)),
        ],
    ),
    setitem(
        "ints and slices",
        (lambda m: 2, (5, 3)),
        (lambda m: slice(1, 3), None),
        (lambda m: (slice(None), 1), (3,)),
        (lambda m: (Ellipsis, 0), (4, 5)),
        (lambda m: (1, 2, 0), ()),
        (lambda m: slice(None, None, 2), (2, 5, 3)),
        (lambda m: slice(3, 1), None),
    ),
    setitem(
        "index tensors and masks",
        (lambda m: index_of(m, 2, 0), (2, 5, 3)),
        (lambda m: (slice(None), index_of(m, 4, 0)), None),
        (lambda m: (index_of(m, 0, 1), index_of(m, 2, 3)), (3,)),
        (lambda m: m.mask(4), None),
        (lambda m: m.mask(4, 5), (3,)),
        (lambda m: m.mask(4, 5, 3), None),
        (lambda m: [0, 3], None),
    ),
    Op(
        "setitem errors",
        lambda m: [S(m(3), 0, 1)],
        fn=lambda lib: lambda x, i, v: x.__setitem__(i, v),
        layouts=False,
        grad=False,
        errors=lambda m: [
            E(RuntimeError, S(m(3), slice(None), m(4)), "3", "4"),
            E(IndexError, S(m(3), 5, 1), "5"),
            E(RuntimeError, S(m(3, 4), 0, m(3)), "3", "4"),
            E(RuntimeError, S(m(3), index_of(m, 0, 1), m(3)), "3", "2"),
            E(TypeError, S(m(3), 0, "x")),
        ],
    ),
    # along one dim
    row(
        "gather",
        lambda m: [
            S(m(3, 4), 1, m.index(3, 2, high=4)),
            S(m(3, 4), 0, m.index(2, 4, high=3)),
            S(m(3, 4), -1, m.index(2, 3, high=4)),
            S(m(5), 0, m.index(7, high=5)),
            S(m(), 0, m.index(high=1)),
            S(m(2, 3, 4), 1, m.index(2, 5, 4, high=3)),
        ],
        out=True,
        empty=lambda m: [S(m(3, 4), 1, m.index(3, 0, high=4)), S(m(0, 4), 1, m.index(0, 2, high=4))],
        errors=lambda m: [
            E(RuntimeError, S(m(3, 4), 1, index_of(m, [4])), "4"),
            E(RuntimeError, S(m(3, 4), 1, index_of(m, 0))),
            E(RuntimeError, S(m(3, 4), 0, m.index(1, 5, high=3)), "5"),
            E(IndexError, S(m(3), 1, index_of(m, 0)), "1"),
            E(RuntimeError, S(m(3), 0, m(2))),
        ],
    ),
    row(
        "take_along_dim",
        lambda m: [S(m(3, 4), m.index(3, 2, high=4), 1), S(m(3, 4), m.index(1, 4, high=3), dim=0)],
        dtypes=FLOATS + ("int64",),
        grad_fn=False,
    ),
    row(
        "take_along_dim of all",
        lambda m: [S(m(3, 4), m.index(5, high=12))],
        path="take_along_dim",
        dtypes=FLOATS + ("int64",),
        layouts=False,
        method=False,
        grad_fn=False,
    ),
    row(
        "scatter",
        lambda m: [
            S(m(3, 5), 1, nd(m, (3, 4), 1, 5), m(3, 4)),
            S(m(5, 3), 0, nd(m, (4, 3), 0, 5), m(4, 3)),
            S(m(3, 5), 1, nd(m, (2, 3), 1, 5), 2),
            S(m(5), -1, m.permutation(5), m(5)),
        ],
        out=False,
        empty=lambda m: [S(m(3, 5), 1, m.index(3, 0, high=5), m(3, 0))],
        errors=lambda m: [
            E(RuntimeError, S(m(3), 0, index_of(m, 3), m(1)), "3"),
            E(RuntimeError, S(m(3, 4), 0, index_of(m, 0), m(1))),
            E(RuntimeError, S(m(3), 0, index_of(m, 0), m(1, dtype="float64"))),
            E(IndexError, S(m(3), 1, index_of(m, 0), m(1)), "1"),
        ],
    ),
    row(
        "scatter with reduce",
        lambda m: [
            S(m(3), 0, index_of(m, 0, 2, 0), m(3), reduce="add"),
            S(m(3), 0, index_of(m, 0, 2, 0), m(3), reduce="multiply"),
        ],
        path="scatter",
        dtypes=REAL,
        grad=False,
    ),
    row(
        "scatter_add",
        lambda m: [
            S(m(3), 0, index_of(m, 0, 2, 0, 1), m(4)),
            S(m(3, 4), 1, m.index(3, 5, high=4), m(3, 5)),
            S(m(3, 4), 0, m.index(5, 4, high=3), m(5, 4)),
        ],
        tolerances={"bfloat16": (1.6e-2, 3e-2), "float16": (2e-3, 4e-3)},
        errors=lambda m: [E(RuntimeError, S(m(3), 0, index_of(m, 3), m(1)), "3")],
    ),
    row(
        "scatter_reduce",
        reduce_samples("sum", "prod", "mean", "amax", "amin"),
        dtypes=FLOATS + ("int64",),
        gradgrad=False,
        tolerances={"bfloat16": (3e-2, 3e-2), "float16": (4e-3, 4e-3)},
    ),
    row(
        "index_select",
        lambda m: [
            S(m(3, 4), 0, index_of(m, 2, 0, 2)),
            S(m(3, 4), 1, index_of(m, 3)),
            S(m(3, 4), -1, index_of(m, 1, 1)),
            S(m(5), 0, m.index(7, high=5, dtype="int32")),
            S(m(), 0, index_of(m, 0)),
        ],
        out=True,
        empty=lambda m: [S(m(3, 4), 0, m.index(0, high=3)), S(m(0, 4), 1, index_of(m, 1))],
        errors=lambda m: [
            E(IndexError, S(m(3, 4), 0, index_of(m, 3))),
            E(IndexError, S(m(3, 4), 2, index_of(m, 0)), "2"),
            E((IndexError, RuntimeError), S(m(3, 4), 0, m(2))),
            E(IndexError, S(m(3, 4), 0, m.index(2, 2, high=2))),
        ],
    ),
    row(
        "index_add",
        lambda m: [
            S(m(3, 4), 0, index_of(m, 2, 0, 2), m(3, 4)),
            S(m(3, 4), 1, index_of(m, 3, 1), m(3, 2)),
            S(m(5), 0, index_of(m, 1, 1), m(2), alpha=2),
        ],
        dtypes=REAL,
        errors=lambda m: [E((IndexError, RuntimeError), S(m(3), 0, index_of(m, 3), m(1)))],
    ),
    row("index_copy", lambda m: [S(m(3, 4), 0, index_of(m, 2, 0), m(2, 4)), S(m(3, 4), 1, index_of(m, 3, 1), m(3, 2))]),
    row(
        "index_fill",
        lambda m: [S(m(3, 4), 0, index_of(m, 2, 0), 1), S(m(3, 4), 1, index_of(m, 3, 1), m(grad=False))],
        grad_fn=False,
    ),
    Op(
        "index_put_",
        lambda m: [
            S(m(3, 4), (index_of(m, 0, 2), index_of(m, 1, 3)), m(2)),
            S(m(3, 4), (index_of(m, 0, 0, 2),), m(3, 4), accumulate=True),
            S(m(3, 4), (m.mask(3, 4),), m(1)),
        ],
        path="index_put",
        dtypes=ALL,
        inplace=True,
        method=True,
    ),
    row(
        "masked_select",
        lambda m: [S(m(3, 4), m.mask(3, 4)), S(m(3, 4), m.mask(4)), S(m(), m.mask()), S(m(4), m.mask(3, 4))],
        out=False,
        empty=lambda m: [S(m(0), m.mask(0))],
        errors=lambda m: [E(RuntimeError, S(m(3), m.mask(4)), "3", "4"), E(RuntimeError, S(m(3), m(3)))],
    ),
    row(
        "masked_fill",
        lambda m: [
            S(m(3, 4), m.mask(3, 4), 1),
            S(m(3, 4), m.mask(4), 0),
            S(m(3, 4), m.mask(3, 4), m(grad=False)),
            S(m(2, 1, 3), m.mask(3), 1),
            S(m(), m.mask(), 1),
        ],
        empty=lambda m: [S(m(0, 2), m.mask(0, 2), 1)],
        errors=lambda m: [
            E(RuntimeError, S(m(3), m.mask(4), 1), "3", "4"),
            E(RuntimeError, S(m(3), m(3), 1)),
            E(RuntimeError, S(m(3), m.mask(3), m(2))),
        ],
    ),
    row(
        "masked_fill with infinity",
        lambda m: [S(m(3, 4), m.mask(3, 4), float("-inf")), S(m(3, 4), m.mask(4), 0.5)],
        path="masked_fill",
        dtypes=FLOATS,
        method=False,
        inplace=False,
    ),
    row(
        "masked_scatter",
        lambda m: [S(m(3, 4), m.mask(3, 4), m(12)), S(m(3, 4), m.mask(4), m(3, 4))],
        grad_fn=True,
        gradgrad=False,
    ),
    row(
        "take",
        lambda m: [
            S(m(3, 4), m.index(5, high=12)),
            S(m(3, 4), index_of(m, [0, -1], [3, 11])),
            S(m(3, 4), m.index(high=5)),
        ],
        out=True,
        empty=lambda m: [S(m(3), m.index(0, high=3))],
        errors=lambda m: [E(IndexError, S(m(3), index_of(m, 3)), "3"), E(RuntimeError, S(m(3), m(2)))],
    ),
    row(
        "put",
        lambda m: [S(m(3, 4), index_of(m, 0, 5, -1), m(3)), S(m(3, 4), index_of(m, 0, 5, 0), m(3), accumulate=True)],
        gradgrad=False,
    ),
    # sorting and searching
    row(
        "sort",
        lambda m: [
            S(m(7, **DISTINCT)),
            S(m(3, 5, **DISTINCT)),
            S(m(3, 5, **DISTINCT), dim=0),
            S(m(3, 5, **DISTINCT), 1, True),
            S(m(3, 5, **DISTINCT), descending=True),
            S(m(), 0),
        ],
        dtypes=SORTABLE,
        empty=lambda m: [S(m(0)), S(m(2, 0), 1), S(m(0, 3), 1)],
        large=lambda m: [S(m(n, **DISTINCT)) for n in (17, 100)],
        special=lambda m: [
            S(m.of([2.0, float("nan"), 1.0, float("inf"), float("-inf")])),
            S(m.of([2.0, float("nan"), 1.0]), descending=True),
        ],
        errors=lambda m: [E(IndexError, S(m(3), 1), "1")],
    ),
    row(
        "sort stable",
        lambda m: [
            S(m.of([3, 1, 3, 1, 2, 1] * 4), stable=True),
            S(m.of([[1, 0, 1, 0]]), dim=1, descending=True, stable=True),
        ],
        path="sort",
        dtypes=REAL_BOOL,
        method=True,
    ),
    row(
        "argsort",
        lambda m: [
            S(m(7, **DISTINCT)),
            S(m(3, 5, **DISTINCT), 0),
            S(m(3, 5, **DISTINCT), descending=True),
            S(m.of([1, 0, 1, 0]), stable=True),
        ],
        dtypes=SORTABLE,
        grad=False,
        errors=lambda m: [E(IndexError, S(m(3), 1), "1")],
    ),
    row("msort", lambda m: [S(m(5, 2, **DISTINCT))], dtypes=("float32",)),
    row(
        "topk",
        lambda m: [
            S(m(7, **DISTINCT), 3),
            S(m(3, 5, **DISTINCT), 2),
            S(m(5, 3, **DISTINCT), 2, dim=0),
            S(m(3, 5, **DISTINCT), 2, largest=False),
            S(m(7, **DISTINCT), 7),
            S(m(7, **DISTINCT), 0),
            S(m(), 1),
        ],
        dtypes=SORTABLE,
        empty=lambda m: [S(m(0), 0), S(m(0, 3), 2)],
        large=lambda m: [S(m(120, **DISTINCT), 10)],
        errors=lambda m: [E(RuntimeError, S(m(3), 4)), E(IndexError, S(m(3), 1, 1), "1"), E(RuntimeError, S(m(3), -1))],
    ),
    row(
        "kthvalue",
        lambda m: [S(m(7, **DISTINCT), 3), S(m(3, 5, **DISTINCT), 2, 0), S(m(3, 5, **DISTINCT), 2, keepdim=True)],
        dtypes=SORTABLE,
    ),
    row(
        "unique",
        lambda m: [
            S(m.of([3, 1, 2, 1, 3])),
            S(m.of([3, 1, 2, 1, 3]), return_inverse=True),
            S(m.of([[3, 1], [2, 1]]), return_counts=True),
            S(m.of([3, 1, 2, 1, 3]), True, True, True),
            S(m.of([[1, 2], [1, 2], [0, 1]]), dim=0),
            S(m.of([[1, 1, 0], [2, 2, 1]]), dim=1, return_inverse=True, return_counts=True),
        ],
        dtypes=REAL_BOOL,
        grad=False,
        empty=lambda m: [S(m(0))],
    ),
    row(
        "unique_consecutive",
        lambda m: [S(m.of([1, 1, 0, 0, 1])), S(m.of([1, 1, 0, 0, 1]), return_inverse=True, return_counts=True)],
        dtypes=REAL_BOOL,
        grad=False,
    ),
    row(
        "nonzero",
        lambda m: [
            S(m(3, 4, low=-1, high=1)),
            S(m.of([[0, 1], [2, 0]])),
            S(m.of(1)),
            S(m.of(0)),
            S(m.of([[0, 1], [2, 0]]), as_tuple=True),
        ],
        grad=False,
        empty=lambda m: [S(m(0)), S(m(2, 0))],
        errors=lambda m: [E(TypeError, S(m(3), as_tuple=True, nonsense=1))],
    ),
    row("argwhere", lambda m: [S(m.of([[0, 1], [2, 0]]))], grad=False, dtypes=REAL),
    row(
        "searchsorted",
        lambda m: [
            S(m.of([1, 3, 5]), m.of([0, 1, 4, 9])),
            S(m.of([1, 3, 5]), m.of([1, 3]), right=True),
            S(m.of([1, 3, 5]), 3),
        ],
        dtypes=REAL,
        grad=False,
        method=False,
    ),
    row(
        "bucketize",
        lambda m: [S(m.of([0, 1, 4, 9]), m.of([1, 3, 5])), S(m.of([1, 3]), m.of([1, 3]), right=True)],
        dtypes=REAL,
        grad=False,
        method=False,
    ),
    row(
        "bincount",
        lambda m: [
            S(m.of([0, 1, 1, 3])),
            S(m.of([0, 1, 1, 3]), minlength=6),
            S(m.of([0, 1, 1, 3]), m.of([0.5, 1, 1, 2], "float32", grad=False)),
        ],
        dtypes=INTS,
        grad=False,
    ),
    row("histc", lambda m: [S(m.of([1.0, 2.0, 1.0]), bins=4, min=0, max=3)], dtypes=("float32", "float64"), grad=False),
    row("isin", lambda m: [S(m.of([1, 2, 3]), m.of([1, 3]))], dtypes=REAL, grad=False),
    # writing whole tensors
    *(
        Op(
            f"Tensor.{name}",
            samples,
            path=f"Tensor.{name}",
            dtypes=ALL,
            inplace=False,
            gradgrad=False,
            grad=False,
            layouts=False,
        )
        for name, samples in (
            ("fill_", lambda m: [S(m(3, 4), 1), S(m(3), m(grad=False))]),
            ("zero_", lambda m: [S(m(3, 4))]),
            ("copy_", lambda m: [S(m(3, 4), m(3, 4)), S(m(3, 4), m(4)), S(m(3, 4), m(3, 4, dtype="int32"))]),
            ("fill_diagonal_", lambda m: [S(m(3, 3), 1)]),
        )
    ),
    Op(
        "Tensor.copy_ errors",
        lambda m: [S(m(3), m(3))],
        path="Tensor.copy_",
        grad=False,
        layouts=False,
        errors=lambda m: [E(RuntimeError, S(m(3), m(4)), "3", "4")],
    ),
]
