"""Products of matrices and vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..harness import COMPLEX, FLOATS, INTS, E, Maker, Op, S

DTYPES = FLOATS + ("int64", "int32") + COMPLEX
# sums over the inner dimension in another order; half precision rounds at the end
TOLERANCES = {"bfloat16": (1.6e-2, 6e-2), "float16": (2e-3, 8e-3), "float32": (2e-6, 4e-6)}
Samples = Callable[[Maker], Iterator[S]]


def shapes(*given: tuple[tuple[int, ...], ...]) -> Samples:
    def make(m: Maker) -> Iterator[S]:
        for group in given:
            yield S(*(m(*shape) for shape in group))

    return make


def product(name: str, samples: Samples, **options: Any) -> Op:
    return Op(name, samples, **({"dtypes": DTYPES, "tolerances": TOLERANCES, "inplace": False} | options))


def mixed(*given: tuple[int, ...]) -> Callable[[Maker], list[E]]:
    return lambda m: [E(RuntimeError, S(m(*given[0]), m(*given[1], dtype="float64")))]


def bad(*pairs: tuple[tuple[int, ...], tuple[int, ...], tuple[str, ...]]) -> Callable[[Maker], list[E]]:
    """Shapes that do not fit, with what the message must name; and operands of two dtypes."""

    def make(m: Maker) -> list[E]:
        errors = [E(RuntimeError, S(m(*a), m(*b)), *names) for a, b, names in pairs]
        return [*errors, E(TypeError, S(m(3, 3), 2))]

    return make


def with_scales(name: str, *groups: tuple[tuple[int, ...], ...], **options: Any) -> Op:
    def samples(m: Maker) -> Iterator[S]:
        for index, group in enumerate(groups):
            tensors = [m(*shape) for shape in group]
            yield S(*tensors)
            yield S(*tensors, beta=2, alpha=3)
            if index == 0 and (m.is_float or m.is_complex):
                yield S(*tensors, beta=0.5, alpha=-1.5)
                yield S(*tensors, beta=0)

    return product(name, samples, **({"inplace": None, "out": True} | options))


def einsum_samples(m: Maker) -> Iterator[S]:
    for equation, *operands in (
        ("ij,jk->ik", (3, 4), (4, 5)),
        ("ij,jk", (3, 4), (4, 5)),
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
        ("ij->ji", (3, 4)),
        ("ij->", (3, 4)),
        ("ij->i", (3, 4)),
        ("ii->i", (3, 3)),
        ("ii", (3, 3)),
        ("i,i->", (4,), (4,)),
        ("i,j->ij", (3,), (4,)),
        ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
        ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
        ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
        ("ba,cba->ca", (3, 2), (4, 3, 2)),
        (" i j , j k -> i k ", (2, 3), (3, 2)),
        ("i...->...", (3, 2, 2)),
        ("ij,ij->ij", (3, 4), (3, 4)),
        ("ij,kj->ik", (3, 1), (2, 4)),
    ):
        yield S(equation, *(m(*shape) for shape in operands))


MATMUL = (
    ((4,), (4,)),
    ((3, 4), (4,)),
    ((4,), (4, 3)),
    ((3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 2)),
    ((1, 1), (1, 1)),
    ((1, 5), (5, 1)),
)

ROWS = [
    product(
        "matmul",
        shapes(*MATMUL),
        out=True,
        large=shapes(
            ((65, 33), (33, 17)),
            ((128, 130), (130, 64)),
            ((3, 17, 31), (3, 31, 9)),
            ((257,), (257, 3)),
            ((1, 300), (300, 1)),
        ),
        empty=shapes(
            ((0, 3), (3, 2)),
            ((2, 0), (0, 3)),
            ((0,), (0,)),
            ((2, 0, 3), (3, 4)),
            ((0, 2, 3), (0, 3, 4)),
            ((2, 3), (3, 0)),
        ),
        errors=bad(
            ((3, 4), (5, 6), ("4", "5")),
            ((3, 4), (3,), ("4", "3")),
            ((), (3,), ()),
            ((2, 3, 4), (3, 4, 5), ("2", "3")),
            ((2, 3), (2, 3), ("3", "2")),
        ),
    ),
    product(
        "mm",
        shapes(((3, 4), (4, 5)), ((1, 7), (7, 1)), ((6, 1), (1, 6))),
        out=True,
        empty=shapes(((0, 3), (3, 2)), ((2, 0), (0, 3))),
        errors=bad(((3, 4), (5, 6), ("4", "5")), ((2, 3, 4), (4, 5), ()), ((3,), (3, 3), ())),
    ),
    product(
        "bmm",
        shapes(((2, 3, 4), (2, 4, 5)), ((1, 1, 3), (1, 3, 1))),
        out=True,
        empty=shapes(((0, 3, 4), (0, 4, 5)), ((2, 3, 0), (2, 0, 5))),
        errors=bad(((2, 3, 4), (3, 4, 5), ("2", "3")), ((3, 4), (4, 5), ()), ((2, 3, 4), (2, 5, 6), ("4", "5"))),
    ),
    product(
        "mv",
        shapes(((3, 4), (4,)), ((1, 5), (5,))),
        out=True,
        empty=shapes(((0, 3), (3,)), ((3, 0), (0,))),
        errors=bad(((3, 4), (3,), ("3", "4"))),
    ),
    product(
        "dot",
        shapes(((4,), (4,)), ((1,), (1,)), ((67,), (67,))),
        out=True,
        empty=shapes(((0,), (0,))),
        errors=bad(((3,), (4,), ("3", "4")), ((3, 4), (4,), ())),
        tolerances={"bfloat16": (1.6e-2, 0.15), "float16": (2e-3, 3e-2), "float32": (2e-6, 1e-5)},
    ),
    product("inner", shapes(((4,), (4,)), ((3, 4), (2, 4))), grad_fn=False),
    product("outer", shapes(((3,), (4,)), ((1,), (5,))), errors=bad(((3, 4), (4,), ()))),
    product(
        "tensordot",
        lambda m: [S(m(3, 4), m(4, 5), 1), S(m(2, 3, 4), m(4, 3, 5), dims=([1, 2], [1, 0])), S(m(3), m(4), dims=0)],
        grad_fn=False,
        method=False,
    ),
    product("chain_matmul", shapes(((2, 3), (3, 4), (4, 2))), dtypes=("float32",), grad_fn=False),
    product("linalg.multi_dot", lambda m: [S([m(2, 3), m(3, 4), m(4, 2)])], dtypes=("float32",), grad_fn=False),
    product("kron", shapes(((2, 3), (2, 2))), grad_fn=False),
    with_scales(
        "addmm",
        ((3, 5), (3, 4), (4, 5)),
        ((5,), (3, 4), (4, 5)),
        ((), (3, 4), (4, 5)),
        ((3, 1), (3, 4), (4, 5)),
        empty=shapes(((3, 5), (3, 0), (0, 5)), ((0, 5), (0, 4), (4, 5))),
        errors=lambda m: [
            E(RuntimeError, S(m(3, 5), m(3, 4), m(5, 5)), "4", "5"),
            E(RuntimeError, S(m(2, 7), m(3, 4), m(4, 5))),
        ],
    ),
    with_scales("addmv", ((3,), (3, 4), (4,)), ((), (3, 4), (4,))),
    with_scales("addr", ((3, 4), (3,), (4,)), ((4,), (3,), (4,)), gradgrad=False, grad_fn=False),
    with_scales(
        "baddbmm",
        ((2, 3, 5), (2, 3, 4), (2, 4, 5)),
        ((5,), (2, 3, 4), (2, 4, 5)),
        errors=lambda m: [E(RuntimeError, S(m(2, 3, 5), m(2, 3, 4), m(2, 5, 5)))],
    ),
    with_scales(
        "addbmm",
        ((3, 5), (2, 3, 4), (2, 4, 5)),
        dtypes=FLOATS,
        grad_fn=False,
        tolerances={"bfloat16": (3e-2, 0.2), "float16": (4e-3, 2e-2), "float32": (4e-6, 1e-5)},
    ),
    product(
        "einsum",
        einsum_samples,
        method=False,
        grad_fn=False,
        dtypes=FLOATS + COMPLEX,
        errors=lambda m: [
            E(RuntimeError, S("ij,jk->ik", m(3, 4), m(5, 6)), "4", "5"),
            E(RuntimeError, S("ij->ik", m(3, 4))),
            E(RuntimeError, S("ijk->i", m(3, 4))),
            E(RuntimeError, S("ij,jk->ik", m(3, 4))),
        ],
    ),
    product(
        "operands of two dtypes",
        lambda m: [S(m(2, 3), m(3, 2))],
        path="matmul",
        method=False,
        dtypes=INTS,
        grad=False,
        errors=mixed((2, 3), (3, 2)),
    ),
    Op(
        "nn.functional.linear",
        lambda m: [
            S(m(3, 4), m(5, 4)),
            S(m(3, 4), m(5, 4), m(5)),
            S(m(4), m(5, 4), m(5)),
            S(m(2, 3, 4), m(5, 4), m(5)),
            S(m(2, 3, 4), m(5, 4)),
        ],
        dtypes=FLOATS,
        tolerances=TOLERANCES,
        empty=lambda m: [S(m(0, 4), m(5, 4), m(5))],
        errors=lambda m: [
            E(RuntimeError, S(m(3, 4), m(5, 6), m(5)), "4", "6"),
            E(RuntimeError, S(m(3, 4), m(5, 4), m(3))),
        ],
    ),
    Op(
        "nn.functional.bilinear",
        lambda m: [S(m(3, 4), m(3, 5), m(2, 4, 5)), S(m(3, 4), m(3, 5), m(2, 4, 5), m(2))],
        grad_fn=False,
    ),
]
