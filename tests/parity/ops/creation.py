"""Tensors from nothing, and from other tensors' shapes."""

from __future__ import annotations

from typing import Any

from ..harness import ALL, COMPLEX, FLOATS, INTS, REAL, D, E, Maker, Op, S

INTEGERS = INTS


def filled(name: str, *tail: Any, **options: Any) -> Op:
    """zeros, ones, full: every way to give the size."""

    def samples(m: Maker) -> list[S]:
        dtype = D(m.dtype)
        sizes = [((2, 3),), ((),), ((0, 3),), ([4],)]
        return [S(*size, *tail, dtype=dtype) for size in sizes] + [
            S((2,), *tail, dtype=dtype, device="cpu"),
            S((2,), *tail, dtype=dtype, requires_grad=m.is_float),
        ]

    return Op(name, samples, **({"dtypes": ALL, "grad": False, "strides": True} | options))


def like(name: str, *tail: Any, **options: Any) -> Op:
    def samples(m: Maker) -> list[S]:
        return [
            S(m(3, 4), *tail),
            S(m(), *tail),
            S(m(0, 2), *tail),
            S(m(2, 3, 4), *tail, dtype=D("float64")),
            S(m(3, 4), *tail, dtype=D("bool")),
        ]

    return Op(name, samples, **({"dtypes": ALL, "grad": False, "strides": True} | options))


def arange_samples(m: Maker) -> list[S]:
    dtype = D(m.dtype)
    found = [
        S(5, dtype=dtype),
        S(2, 7, dtype=dtype),
        S(1, 10, 3, dtype=dtype),
        S(0, dtype=dtype),
        S(start=1, end=4, dtype=dtype),
    ]
    if m.dtype != "uint8":
        found += [S(5, -5, -2, dtype=dtype)]
    if m.is_float:
        found += [S(0, 1, 0.25, dtype=dtype), S(0.5, 3.2, dtype=dtype)]
    return found


def tensor_samples(m: Maker) -> list[S]:
    return [
        S(v, dtype=D(m.dtype)) for v in (1, 0, True, [1, 2], [[1, 0], [1, 1]], (1, 2), [], [[]], [[[1]], [[0]]])
    ] + [S([0.5, 1.5], dtype=D(m.dtype))] * (m.is_float or m.is_complex)


ROWS = [
    filled("zeros"),
    filled("ones"),
    filled("full", 1),
    Op(
        "zeros with separate sizes",
        lambda m: [S(2, 3), S(4), S(0), S(2, 3, dtype=D("int64")), S(size=(2, 3))],
        path="zeros",
        grad=False,
        strides=True,
        errors=lambda m: [
            E(RuntimeError, S(-1), "-1"),
            E(RuntimeError, S(2, -3), "-3"),
            E(TypeError, S("x")),
            E(TypeError, S(1.5)),
            E(RuntimeError, S(2, dtype=D("int64"), requires_grad=True)),
        ],
    ),
    Op(
        "full infers the dtype",
        lambda m: [S((2,), v) for v in (1, 1.5, True, 1 + 2j)] + [S((2, 2), 3, dtype=D("float64"))],
        path="full",
        grad=False,
    ),
    Op(
        "empty",
        lambda m: [S(2, 3, dtype=D(m.dtype)), S((0, 4), dtype=D(m.dtype))],
        fn=lambda lib: lambda *a, **k: lib.empty(*a, **k).zero_(),
        dtypes=ALL,
        grad=False,
        strides=True,
    ),
    Op(
        "empty_strided",
        lambda m: [S((2, 3), (1, 2), dtype=D(m.dtype))],
        fn=lambda lib: lambda *a, **k: lib.empty_strided(*a, **k).zero_(),
        dtypes=ALL,
        grad=False,
        strides=True,
    ),
    like("zeros_like"),
    like("ones_like"),
    like("full_like", 1),
    Op(
        "empty_like",
        lambda m: [S(m(3, 4)), S(m(2, 3, 4))],
        fn=lambda lib: lambda *a, **k: lib.empty_like(*a, **k).zero_(),
        dtypes=ALL,
        grad=False,
        strides="dense",
    ),
    Op(
        "Tensor.new_zeros",
        lambda m: [S(m(2), (3, 4)), S(m(2), 3, 4), S(m(2), 2, dtype=D("int64"))],
        path="Tensor.new_zeros",
        dtypes=ALL,
        grad=False,
    ),
    Op(
        "Tensor.new_ones",
        lambda m: [S(m(2), (3, 4)), S(m(2), 2, dtype=D("int64"))],
        path="Tensor.new_ones",
        dtypes=ALL,
        grad=False,
    ),
    Op("Tensor.new_full", lambda m: [S(m(2), (3, 4), 1)], path="Tensor.new_full", dtypes=ALL, grad=False),
    Op("Tensor.new_tensor", lambda m: [S(m(2), [1, 0]), S(m(2), 1)], path="Tensor.new_tensor", dtypes=ALL, grad=False),
    Op(
        "arange",
        arange_samples,
        dtypes=REAL,
        grad=False,
        errors=lambda m: [
            E(RuntimeError, S(1, 5, -1)),
            E(RuntimeError, S(1, 5, 0)),
            E((TypeError, RuntimeError), S("x")),
        ],
    ),
    Op(
        "arange infers the dtype",
        lambda m: [S(5), S(5.0), S(0, 3, 0.5), S(1, 4), S(0.0, 1.0, 0.1)],
        path="arange",
        grad=False,
    ),
    Op(
        "linspace",
        lambda m: [
            S(0, 1, 5, dtype=D(m.dtype)),
            S(0, 10, 4, dtype=D(m.dtype)),
            S(3, 3, 1, dtype=D(m.dtype)),
            S(0, 1, 0, dtype=D(m.dtype)),
            S(start=5, end=0, steps=11, dtype=D(m.dtype)),
        ],
        dtypes=FLOATS + ("int64",),
        grad=False,
        errors=lambda m: [E(RuntimeError, S(0, 1, -1)), E(TypeError, S(0, 1))],
    ),
    Op("logspace", lambda m: [S(0, 2, 5, dtype=D(m.dtype)), S(0, 3, 4, base=2, dtype=D(m.dtype))], grad=False),
    Op(
        "eye",
        lambda m: [S(3, dtype=D(m.dtype)), S(2, 4, dtype=D(m.dtype)), S(0, dtype=D(m.dtype))],
        dtypes=ALL,
        grad=False,
        errors=lambda m: [E(RuntimeError, S(-1), "-1")],
    ),
    Op(
        "tensor",
        tensor_samples,
        dtypes=ALL,
        grad=False,
        strides=True,
        errors=lambda m: [
            E(ValueError, S([[1, 2], [3]])),
            E((TypeError, RuntimeError, ValueError), S("x")),
            E(RuntimeError, S([1], requires_grad=True)),
            E(TypeError, S()),
            E((TypeError, RuntimeError), S([None])),
            E((RuntimeError, TypeError, ValueError), S(["x"])),
        ],
    ),
    Op(
        "tensor infers the dtype",
        lambda m: (
            [
                S(v)
                for v in (
                    1,
                    1.5,
                    True,
                    1j,
                    [1, 2.5],
                    [True, False],
                    [True, 2],
                    [],
                    [[1.0, 2], [3, 4]],
                    (1, (2)),
                    [1, 2j],
                )
            ]
            + [S([1.0, 2.0], requires_grad=True)]
        ),
        path="tensor",
        grad=False,
    ),
    Op(
        "as_tensor",
        lambda m: [S([1, 2]), S(1.5), S(m(3)), S(m(3), dtype=D("float64"))],
        dtypes=FLOATS + ("int64",),
        grad_dtypes=("float32",),
        gradgrad=False,
        grad_fn=False,
    ),
    Op("tril_indices", lambda m: [S(3, 4), S(3, 3, -1), S(2, 4, offset=1)], grad=False),
    Op("triu_indices", lambda m: [S(3, 4), S(3, 3, 1)], grad=False),
    Op(
        "complex",
        lambda m: [S(m(3), m(3)), S(m(2, 2), m(2, 2))],
        dtypes=("float32", "float64"),
        errors=lambda m: [E(RuntimeError, S(m(3), m(3, dtype="float64")))],
    ),
    Op("polar", lambda m: [S(m(3, low=0.5, high=2), m(3))], dtypes=("float32", "float64"), gradgrad=False),
    Op("vander", lambda m: [S(m(3))], dtypes=("float32",), grad=False),
    Op("view_as_real", lambda m: [S(m(3))], dtypes=COMPLEX, strides=True, gradgrad=False),
    Op(
        "view_as_complex",
        lambda m: [S(m(3, 2))],
        dtypes=("float32", "float64"),
        strides=True,
        layouts=False,
        gradgrad=False,
    ),
    *(
        Op(
            name,
            lambda m: [S(D(m.dtype))],
            fn=lambda lib, name=name, fields=fields: (
                lambda dtype: {f: getattr(getattr(lib, name)(dtype), f) for f in fields}
            ),
            dtypes=dtypes,
            grad=False,
            layouts=False,
        )
        for name, fields, dtypes in (
            ("finfo", ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution"), FLOATS),
            ("iinfo", ("bits", "max", "min"), INTS),
        )
    ),
]
