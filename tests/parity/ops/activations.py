"""Activations, softmax, dropout's certain cases, embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..harness import FLOATS, D, E, Maker, Op, S
from .unary import special

INF = float("inf")
Samples = Callable[[Maker], Any]
KINDS = ("float32", "float64", "bfloat16", "float16")


def shapes(m: Maker, **values: Any) -> list[S]:
    return [S(m(*shape, low=-4, high=4), **values) for shape in ((5,), (), (2, 3, 4))]


def large(m: Maker) -> list[S]:
    return [S(m(n, low=-5, high=5)) for n in (7, 15, 17, 33, 65, 1025, 40001)]


def activation(name: str, *settings: dict[str, Any], base: Samples = shapes, **options: Any) -> Op:
    def samples(m: Maker) -> list[S]:
        return [*base(m), *(S(m(3, 4, low=-4, high=4), **setting) for setting in settings)]

    options = {
        "dtypes": KINDS,
        "special": special,
        "large": large,
        "inplace": False,
        "strides": "dense",
        "empty": lambda m: [S(m(0, 3))],
    } | options
    return Op(f"nn.functional.{name}", samples, **options)


def softmaxes(m: Maker) -> list[S]:
    found = [S(m(5, low=-4, high=4), dim=0), S(m(), dim=0), S(m(1, 1), dim=1)]
    found += [S(m(2, 3, 4, low=-4, high=4), dim=dim) for dim in (0, 1, 2, -1, -2)]
    if m.dtype == "float32":
        found += [S(m(3, 4), dim=1, dtype=D("float64"))]
    return found


def softmax(name: str, **options: Any) -> Op:
    return Op(
        f"nn.functional.{name}",
        softmaxes,
        **(
            {
                "dtypes": KINDS,
                "empty": lambda m: [S(m(0, 3), dim=1), S(m(3, 0), dim=1), S(m(3, 0), dim=0)],
                "large": lambda m: (
                    [S(m(5, n), dim=1) for n in (7, 17, 33, 65, 1025)]
                    + [S(m(n, 5), dim=0) for n in (33, 257)]
                    + [S(m(3, 33, 17), dim=1)]
                ),
                "special": lambda m: [
                    S(
                        m.of(
                            [
                                [-INF, 0.0, 1.0],
                                [-INF, -INF, -INF],
                                [100.0, 0.0, -100.0],
                                [float("nan"), 0.0, 1.0],
                                [INF, 0.0, 0.0],
                            ]
                        ),
                        dim=1,
                    )
                ],
                "errors": lambda m: [E(IndexError, S(m(2, 3), dim=2), "2"), E(IndexError, S(m(2, 3), dim=-3), "-3")],
            }
            | options
        ),
    )


def prelu(m: Maker) -> list[S]:
    return [S(m(2, 3, 4), m(3)), S(m(2, 3), m(1)), S(m(4), m(1))]


def embeddings(m: Maker) -> list[S]:
    index = m.index(2, 3, high=5)
    return [
        S(index, m(5, 4)),
        S(m.index(high=5), m(5, 4)),
        S(m.index(7, high=5, dtype="int32"), m(5, 1)),
        S(index, m(5, 4), padding_idx=1),
        S(index, m(5, 4), padding_idx=-1),
        S(index, m(5, 4), scale_grad_by_freq=True),
    ]


ROWS = [
    activation("relu"),
    activation("relu6"),
    activation("leaky_relu", {"negative_slope": 0.3}),
    activation("elu", {"alpha": 2.0}),
    activation("selu"),
    activation("celu", {"alpha": 2.0}),
    activation(
        "gelu",
        {"approximate": "tanh"},
        {"approximate": "none"},
        errors=lambda m: [E(RuntimeError, S(m(3), approximate="x"))],
    ),
    activation("silu"),
    activation("mish"),
    activation("hardtanh", {"min_val": -2.0, "max_val": 0.5}),
    activation("hardsigmoid", gradgrad=False),
    activation("hardswish"),
    activation("softplus", {"beta": 2.0}, {"threshold": 1.0}),
    activation("softsign", grad_fn=False),
    activation("tanhshrink", grad_fn=False),
    activation("hardshrink", {"lambd": 1.0}),
    activation("softshrink", {"lambd": 1.0}),
    activation(
        "threshold",
        base=lambda m: [S(m(3, 4, low=-2, high=2), 0.5, -1.0), S(m(5), 0, 2)],
        large=lambda m: [S(m(33), 0.1, 0.0)],
        special=lambda m: [S(m.of([INF, -INF, float("nan")]), 0.5, 1.0)],
        empty=lambda m: [S(m(0), 0, 0)],
    ),
    activation("logsigmoid"),
    activation("sigmoid"),
    activation("tanh"),
    activation(
        "glu",
        base=lambda m: [S(m(4, 6)), S(m(4, 6), dim=0), S(m(2, 4, 3), 1)],
        special=lambda m: [S(m(4))],
        large=lambda m: [S(m(66))],
        empty=lambda m: [S(m(0, 2))],
        strides=False,
        errors=lambda m: [E(RuntimeError, S(m(3, 5)), "5")],
    ),
    activation(
        "prelu",
        base=prelu,
        special=lambda m: [S(m(4), m(1))],
        large=lambda m: [S(m(2, 3, 65), m(3))],
        empty=lambda m: [S(m(0, 3), m(3))],
        strides=False,
        grad_fn=True,
        errors=lambda m: [E(RuntimeError, S(m(2, 3), m(4)), "3", "4")],
    ),
    *(
        activation(
            f"{name} in place",
            fn=lambda lib, name=name: lambda x: getattr(lib.nn.functional, name)(x * 1, inplace=True),
            grad_fn=True,
        )
        for name in ("relu", "leaky_relu", "elu", "silu", "hardtanh", "relu6", "hardswish", "selu")
    ),
    Op("relu", lambda m: shapes(m), dtypes=KINDS + ("int64",), strides="dense"),
    Op("selu", lambda m: shapes(m), dtypes=KINDS, method=False),
    Op("celu", lambda m: shapes(m), dtypes=KINDS, method=False),
    # softmax
    softmax("softmax"),
    softmax("log_softmax"),
    softmax("softmin", special=lambda m: [S(m(3), dim=0)]),
    *(
        Op(
            name,
            lambda m: [S(m(3, 4), 1), S(m(3, 4), dim=0)],
            dtypes=("float32",),
            errors=lambda m: [E(IndexError, S(m(2, 3), 2), "2")],
        )
        for name in ("softmax", "log_softmax")
    ),
    Op(
        "softmax of integers",
        lambda m: [S(m(3, 4), dim=1, dtype=D("float32"))],
        path="softmax",
        dtypes=("int64", "int32"),
        grad=False,
        method=False,
    ),
    # dropout, where nothing is left to chance
    *(
        Op(
            f"nn.functional.{name}",
            lambda m: [
                S(m(2, 3, 4, 5), 0.5, False),
                S(m(2, 3, 4, 5), p=0.0, training=True),
                S(m(2, 3, 4, 5), p=1.0, training=True),
            ],
            dtypes=KINDS,
            inplace=False,
            grad_fn=False,
            errors=lambda m: [
                E(ValueError, S(m(2, 3, 4, 5), p=1.5), "1.5"),
                E(ValueError, S(m(2, 3, 4, 5), p=-0.1), "-0.1"),
            ],
        )
        for name in ("dropout", "dropout2d", "alpha_dropout")
    ),
    # embedding
    Op(
        "nn.functional.embedding",
        embeddings,
        dtypes=FLOATS,
        gradgrad=True,
        empty=lambda m: [S(m.index(0, high=5), m(5, 4)), S(m.index(2, 0, high=5), m(5, 4))],
        errors=lambda m: [
            E(IndexError, S(m.of([0, 5], "int64"), m(5, 4))),
            E(IndexError, S(m.of([-1], "int64"), m(5, 4))),
            E(RuntimeError, S(m(2), m(5, 4))),
            E(RuntimeError, S(m.index(2, high=3), m(5))),
        ],
    ),
    Op(
        "nn.functional.one_hot",
        lambda m: [S(m.index(2, 3, high=5)), S(m.index(4, high=3), 6)],
        grad=False,
        errors=lambda m: [E(RuntimeError, S(m.of([3], "int64"), 3)), E(RuntimeError, S(m(2)))],
    ),
    Op(
        "nn.functional.embedding_bag",
        lambda m: (
            [S(m.index(2, 3, high=5), m(5, 4), mode=mode) for mode in ("sum", "mean", "max")]
            + [S(m.index(5, high=5), m(5, 4), m.of([0, 2], "int64"))]
        ),
        grad_fn=False,
        gradgrad=False,
    ),
    # distances and normalisation of vectors
    Op(
        "nn.functional.normalize",
        lambda m: [S(m(3, 4)), S(m(3, 4), p=1, dim=0), S(m.of([[0.0, 0.0], [3.0, 4.0]]))],
        dtypes=("float32", "float64"),
        grad_fn=False,
        gradgrad=False,
    ),
    Op(
        "nn.functional.cosine_similarity",
        lambda m: [S(m(3, 4), m(3, 4)), S(m(3, 4), m(4), dim=1), S(m(3, 4), m(3, 4), dim=0)],
        dtypes=("float32", "float64"),
        grad_fn=False,
    ),
    Op(
        "nn.functional.pairwise_distance",
        lambda m: [S(m(3, 4), m(3, 4)), S(m(3, 4), m(3, 4), p=1, keepdim=True)],
        dtypes=("float32", "float64"),
        grad_fn=False,
        gradgrad=False,
    ),
    Op(
        "cdist",
        lambda m: [S(m(3, 4), m(5, 4)), S(m(2, 3, 4), m(2, 5, 4), p=1.0)],
        dtypes=("float32", "float64"),
        grad_fn=False,
        gradgrad=False,
        tolerances={"float32": (1e-5, 1e-5)},
    ),
]
