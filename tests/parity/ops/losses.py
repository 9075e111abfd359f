"""Losses, with every reduction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..harness import E, Maker, Op, S

Samples = Callable[[Maker], Any]
KINDS = ("float32", "float64", "bfloat16")
REDUCTIONS = ("mean", "sum", "none")
# sums of a dozen terms in bf16
HALF = {"bfloat16": (2e-2, 6e-2)}


def loss(name: str, *calls: Samples, **options: Any) -> Op:
    """A loss: each maker of (args, kwargs) under each reduction."""

    def samples(m: Maker) -> list[S]:
        return [
            S(*sample.args, **sample.kwargs, reduction=r) for r in REDUCTIONS for sample in (make(m) for make in calls)
        ] + [S(*calls[0](m).args)]

    return Op(f"nn.functional.{name}", samples, **({"dtypes": KINDS, "tolerances": HALF, "grad_fn": False} | options))


def labels(m: Maker, *shape: int, classes: int, ignore: int | None = None) -> Any:
    index = m.index(*shape, high=classes)
    if ignore is not None:
        index.values.reshape(-1)[0] = ignore
    return index


def chances(m: Maker, *shape: int) -> Any:
    return m(*shape, low=0.05, high=0.95)


def signs(m: Maker, *shape: int) -> Any:
    return m.of(m.random.choice([-1.0, 1.0], shape), grad=False)


def class_errors(log_probabilities: bool = False) -> Samples:
    def make(m: Maker) -> list[E]:
        return [
            E(IndexError, S(m(2, 3), m.of([0, 3], "int64")), "3"),
            E(IndexError, S(m(2, 3), m.of([0, -1], "int64")), "-1"),
            E(ValueError, S(m(2, 3), m.index(4, high=3)), "2", "4"),
            E((RuntimeError, NotImplementedError), S(m(2, 3), m.index(2, high=3, dtype="int32"))),
            E(RuntimeError, S(m(2, 3), m.index(2, high=3), m(2))),
            E(ValueError, S(m(2, 3), m.index(2, high=3), reduction="x"), "x"),
        ]

    return make


def class_samples(*extra: Samples) -> tuple[Samples, ...]:
    return (
        lambda m: S(m(4, 3), labels(m, 4, classes=3)),
        lambda m: S(m(3), labels(m, classes=3)),
        lambda m: S(m(2, 3, 5), labels(m, 2, 5, classes=3)),
        lambda m: S(m(2, 3, 2, 4), labels(m, 2, 2, 4, classes=3)),
        lambda m: S(m(4, 3), labels(m, 4, classes=3), m(3, low=0.5, high=2, grad=False)),
        lambda m: S(m(4, 3), labels(m, 4, classes=3, ignore=-100)),
        lambda m: S(m(4, 3), labels(m, 4, classes=3, ignore=1), ignore_index=1),
        *extra,
    )


def shape_error(m: Maker) -> list[E]:
    return [E(RuntimeError, S(m(3), m(4)), "3", "4")]


PAIR: Samples = lambda m: S(m(3, 4), m(3, 4))  # noqa: E731

ROWS = [
    loss(
        "mse_loss",
        PAIR,
        lambda m: S(m(), m()),
        errors=shape_error,
        empty=lambda m: [S(m(0), m(0)), S(m(0, 3), m(0, 3), reduction="sum")],
        grad_fn=True,
    ),
    loss("l1_loss", PAIR, errors=shape_error),
    loss(
        "smooth_l1_loss",
        PAIR,
        lambda m: S(m(3, 4), m(3, 4), beta=0.5),
        lambda m: S(m(3, 4), m(3, 4), beta=0),
        errors=shape_error,
        gradgrad=True,
    ),
    loss("huber_loss", PAIR, lambda m: S(m(3, 4), m(3, 4), delta=0.5), errors=shape_error),
    loss(
        "cross_entropy",
        *class_samples(
            lambda m: S(m(4, 3), labels(m, 4, classes=3), label_smoothing=0.1),
            lambda m: S(
                m(4, 3), labels(m, 4, classes=3, ignore=-100), m(3, low=0.5, high=2, grad=False), label_smoothing=0.2
            ),
            lambda m: S(m(4, 3), chances(m, 4, 3)),
            lambda m: S(m(2, 3, 5), chances(m, 2, 3, 5), label_smoothing=0.1),
            lambda m: S(m(4, 3), chances(m, 4, 3), m(3, low=0.5, high=2, grad=False)),
        ),
        errors=lambda m: [*class_errors()(m), E((RuntimeError, ValueError), S(m(2, 3), m(2, 4)))],
        empty=lambda m: [S(m(0, 3), m.index(0, high=3)), S(m(0, 3), m.index(0, high=3), reduction="none")],
    ),
    loss(
        "nll_loss",
        *class_samples(),
        grad_fn=True,
        errors=class_errors(),
        empty=lambda m: [S(m(0, 3), m.index(0, high=3), reduction="sum")],
    ),
    loss(
        "binary_cross_entropy",
        lambda m: S(chances(m, 3, 4), chances(m, 3, 4)),
        lambda m: S(chances(m, 3, 4), chances(m, 3, 4), m(4, low=0.5, high=2, grad=False)),
        grad_fn=True,
        gradgrad=True,
        errors=lambda m: [
            E(ValueError, S(chances(m, 3), chances(m, 4)), "3", "4"),
            E(RuntimeError, S(m.of([2.0]), m.of([1.0]))),
        ],
        tolerances={"bfloat16": (3e-2, 0.1)},
    ),
    loss(
        "binary_cross_entropy_with_logits",
        lambda m: S(m(3, 4, low=-5, high=5), chances(m, 3, 4)),
        lambda m: S(m(3, 4), chances(m, 3, 4), m(4, low=0.5, high=2, grad=False)),
        lambda m: S(m(3, 4), chances(m, 3, 4), pos_weight=m(4, low=0.5, high=2, grad=False)),
        errors=lambda m: [E(ValueError, S(m(3), m(4)), "3", "4")],
    ),
    loss("kl_div", lambda m: S(m(3, 4), chances(m, 3, 4)), lambda m: S(m(3, 4), m(3, 4), log_target=True)),
    Op(
        "nn.functional.kl_div batchmean",
        lambda m: [S(m(3, 4), chances(m, 3, 4), reduction="batchmean")],
        path="nn.functional.kl_div",
        grad_fn=False,
    ),
    loss(
        "poisson_nll_loss",
        lambda m: S(m(3, 4), m(3, 4, low=1, high=3)),
        lambda m: S(m(3, 4, low=0.5, high=2), m(3, 4, low=1, high=3), log_input=False),
        lambda m: S(m(3, 4), m(3, 4, low=2, high=3, grad=False), full=True),
    ),
    loss("gaussian_nll_loss", lambda m: S(m(3, 4), m(3, 4), m(3, 4, low=0.5, high=2)), dtypes=("float32", "float64")),
    loss(
        "hinge_embedding_loss", lambda m: S(m(3, 4), signs(m, 3, 4)), lambda m: S(m(3, 4), signs(m, 3, 4), margin=0.5)
    ),
    loss("margin_ranking_loss", lambda m: S(m(4), m(4), signs(m, 4)), lambda m: S(m(4), m(4), signs(m, 4), margin=0.5)),
    loss("soft_margin_loss", lambda m: S(m(3, 4), signs(m, 3, 4))),
    loss(
        "cosine_embedding_loss",
        lambda m: S(m(3, 4), m(3, 4), signs(m, 3)),
        lambda m: S(m(3, 4), m(3, 4), signs(m, 3), margin=0.2),
        dtypes=("float32", "float64"),
    ),
    loss(
        "triplet_margin_loss",
        lambda m: S(m(3, 4), m(3, 4), m(3, 4)),
        lambda m: S(m(3, 4), m(3, 4), m(3, 4), margin=0.5, p=1, swap=True),
        dtypes=("float32", "float64"),
        gradgrad=False,
    ),
    loss(
        "multi_margin_loss",
        lambda m: S(m(4, 3), labels(m, 4, classes=3)),
        lambda m: S(m(4, 3), labels(m, 4, classes=3), p=2, margin=0.5),
        dtypes=("float32", "float64"),
        gradgrad=False,
    ),
    loss(
        "multilabel_soft_margin_loss",
        lambda m: S(m(4, 3), m.of([[0, 1, 1], [1, 0, 0], [1, 1, 1], [0, 0, 0]], grad=False)),
        dtypes=("float32", "float64"),
    ),
    loss(
        "multilabel_margin_loss",
        lambda m: S(m(2, 4), m.of([[3, 0, -1, 1], [0, -1, 1, 2]], "int64")),
        dtypes=("float32", "float64"),
        gradgrad=False,
    ),
    Op(
        "nn.functional.ctc_loss",
        lambda m: [
            S(m(6, 2, 4), m.of([[1, 2, 3], [1, 1, 2]], "int64"), (6, 6), (3, 2), reduction=r) for r in REDUCTIONS
        ],
        dtypes=("float32", "float64"),
        grad_fn=False,
        gradgrad=False,
        layouts=False,
    ),
]
