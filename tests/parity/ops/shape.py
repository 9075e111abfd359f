"""Views, joins, splits: values stay, shapes change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..harness import ALL, REAL_BOOL, D, E, Maker, Op, S

Samples = Callable[[Maker], Any]


def view(name: str, samples: Samples, **options: Any) -> Op:
    return Op(name, samples, **({"dtypes": ALL, "strides": True} | options))


def method(name: str, samples: Samples, **options: Any) -> Op:
    """A form which only Tensor has."""
    return Op(name, samples, path=f"Tensor.{name}", **({"dtypes": ALL, "strides": True} | options))


def copying(name: str, samples: Samples, **options: Any) -> Op:
    return Op(name, samples, **({"dtypes": ALL} | options))


ROWS = [
    method(
        "view",
        lambda m: [
            S(m(3, 4), 12),
            S(m(3, 4), 2, 6),
            S(m(3, 4), (4, 3)),
            S(m(3, 4), -1, 2),
            S(m(), 1),
            S(m(1), ()),
            S(m(2, 3, 4), 6, -1),
        ],
        layouts=False,
        empty=lambda m: [S(m(0, 3), 3, 0), S(m(0, 3), -1, 3), S(m(0), -1), S(m(0, 3), -1, 0)],
        errors=lambda m: [
            E(RuntimeError, S(m(3, 4), 5, 2), "12"),
            E(RuntimeError, S(m(3, 4), -1, -1)),
            E(RuntimeError, S(m(3, 4), -2, 6)),
            E(RuntimeError, S(m(3, 4), -1, 5), "12", "5"),
            E(TypeError, S(m(3), "x")),
        ],
    ),
    method("view_as", lambda m: [S(m(3, 4), m(2, 6, grad=False))], layouts=False),
    view(
        "view as dtype",
        lambda m: [S(m(4, 4), D("int32")), S(m(4, 4), D("int16")), S(m(4, 4), D("int64")), S(m(4, 4), D("uint8"))],
        path="Tensor.view",
        layouts=False,
        dtypes=("float32", "int32"),
        grad=False,
    ),
    view(
        "reshape",
        lambda m: [
            S(m(3, 4), (12,)),
            S(m(3, 4), (2, 6)),
            S(m(3, 4), (-1, 2)),
            S(m(), (1, 1)),
            S(m(1), ()),
            S(m(2, 3, 4), (4, -1)),
        ],
        method=True,
        strides="dense",
        empty=lambda m: [S(m(0, 3), (3, 0)), S(m(0, 3), (-1,)), S(m(0, 3), (-1, 0))],
        errors=lambda m: [
            E(RuntimeError, S(m(3, 4), (5, 2)), "12"),
            E(RuntimeError, S(m(3, 4), (-1, -1))),
            E(RuntimeError, S(m(3, 4), (-1, 5)), "12", "5"),
            E(RuntimeError, S(m(3, 4), (-5,))),
        ],
    ),
    method("reshape_as", lambda m: [S(m(3, 4), m(2, 6, grad=False))], strides="dense"),
    view(
        "permute",
        lambda m: [S(m(2, 3, 4), (2, 0, 1)), S(m(2, 3, 4), (0, -1, 1)), S(m(), ()), S(m(5), (0,))],
        empty=lambda m: [S(m(0, 3), (1, 0))],
        errors=lambda m: [
            E(RuntimeError, S(m(2, 3), (0, 0))),
            E(RuntimeError, S(m(2, 3), (0, 1, 2))),
            E(IndexError, S(m(2, 3), (0, 2)), "2"),
        ],
    ),
    view("permute with separate dims", lambda m: [S(m(2, 3, 4), 2, 0, 1)], path="Tensor.permute"),
    view(
        "transpose",
        lambda m: [S(m(2, 3, 4), 0, 2), S(m(2, 3, 4), -1, -2), S(m(2, 3), 0, 0), S(m(), 0, 0)],
        empty=lambda m: [S(m(0, 3), 0, 1)],
        errors=lambda m: [E(IndexError, S(m(2, 3), 0, 2), "2"), E(IndexError, S(m(2, 3), -3, 1), "-3")],
    ),
    view("t", lambda m: [S(m(3, 4)), S(m(4)), S(m())], errors=lambda m: [E(RuntimeError, S(m(2, 3, 4)), "3")]),
    view("swapaxes", lambda m: [S(m(2, 3, 4), 0, 1)], grad_dtypes=("float32",), gradgrad=False),
    view("swapdims", lambda m: [S(m(2, 3, 4), 0, 1)], grad_dtypes=("float32",), gradgrad=False),
    view(
        "movedim",
        lambda m: [S(m(2, 3, 4), 0, 2), S(m(2, 3, 4), (0, 1), (2, 0))],
        errors=lambda m: [E(IndexError, S(m(2, 3), 0, 2), "2")],
    ),
    view("moveaxis", lambda m: [S(m(2, 3, 4), 0, -1)]),
    view("adjoint", lambda m: [S(m(3, 4)), S(m(2, 3, 4))], dtypes=REAL_BOOL, grad_fn=False),
    *(
        Op(
            f"Tensor.{name}",
            lambda m: [S(m(3, 4)), S(m(4, 2))],
            fn=lambda lib, name=name: lambda x: getattr(x, name),
            strides=True,
            dtypes=ALL,
            grad_fn=name != "H",
        )
        for name in ("T", "mT", "mH", "H")
    ),
    view(
        "squeeze",
        lambda m: [
            S(m(1, 3, 1, 4)),
            S(m(1, 3, 1), 0),
            S(m(1, 3, 1), -1),
            S(m(1, 3, 1), 1),
            S(m(1, 3, 1, 1), (0, 2)),
            S(m()),
            S(m(1), 0),
        ],
        empty=lambda m: [S(m(1, 0, 1))],
        errors=lambda m: [E(IndexError, S(m(2, 3), 2), "2")],
    ),
    view(
        "unsqueeze",
        lambda m: [S(m(3, 4), 0), S(m(3, 4), 1), S(m(3, 4), -1), S(m(3, 4), -3), S(m(), 0)],
        empty=lambda m: [S(m(0), 0)],
        errors=lambda m: [E(IndexError, S(m(2, 3), 3), "3"), E(IndexError, S(m(2, 3), -4), "-4")],
    ),
    method(
        "expand",
        lambda m: [
            S(m(3, 1), 3, 4),
            S(m(4), 3, 4),
            S(m(1, 4), (3, -1)),
            S(m(), 2, 3),
            S(m(3, 1), -1, 5),
            S(m(2, 3), 4, 2, 3),
        ],
        empty=lambda m: [S(m(1, 3), 0, 3), S(m(1), 0)],
        errors=lambda m: [
            E(RuntimeError, S(m(3, 2), 3, 4), "2", "4"),
            E(RuntimeError, S(m(3, 2), 2)),
            E(RuntimeError, S(m(3), -1, 3)),
        ],
    ),
    method("expand_as", lambda m: [S(m(3, 1), m(3, 4, grad=False))]),
    view("broadcast_to", lambda m: [S(m(3, 1), (2, 3, 4))]),
    copying(
        "broadcast_tensors",
        lambda m: [S(m(3, 1), m(4)), S(m(), m(2), m(3, 1))],
        strides=True,
        grad_fn=True,
        errors=lambda m: [E(RuntimeError, S(m(3), m(4)), "3", "4")],
    ),
    view(
        "flatten",
        lambda m: [S(m(2, 3, 4)), S(m(2, 3, 4), 1), S(m(2, 3, 4), 0, 1), S(m(2, 3, 4), start_dim=-2), S(m()), S(m(5))],
        strides="dense",
        empty=lambda m: [S(m(0, 3, 2), 1), S(m(2, 0))],
        errors=lambda m: [E(RuntimeError, S(m(2, 3, 4), 2, 1)), E(IndexError, S(m(2, 3), 2), "2")],
    ),
    view("ravel", lambda m: [S(m(2, 3)), S(m())], strides="dense"),
    view(
        "unflatten",
        lambda m: [S(m(2, 12), 1, (3, 4)), S(m(2, 12), -1, (-1, 2)), S(m(6, 2), 0, (2, 3))],
        errors=lambda m: [E(RuntimeError, S(m(2, 12), 1, (5, 2)), "12")],
    ),
    # joining
    copying(
        "cat",
        lambda m: [
            S([m(2, 3), m(4, 3)]),
            S([m(2, 3), m(2, 1), m(2, 2)], 1),
            S((m(2, 3), m(2, 3)), dim=-1),
            S([m(3)]),
            S([m(2, 3), m(0)]),
            S([m(2, 3), m(2, 3, dtype="float64")]),
        ],
        out=False,
        method=False,
        empty=lambda m: [S([m(0, 3), m(2, 3)]), S([m(0), m(0)]), S([m(2, 0), m(2, 0)], 1)],
        errors=lambda m: [
            E(RuntimeError, S([m(2, 3), m(2, 4)]), "3", "4"),
            E((RuntimeError, ValueError), S([])),
            E(RuntimeError, S([m(2, 3), m(3)])),
            E(IndexError, S([m(2, 3)], 2), "2"),
            E(RuntimeError, S([m(), m()])),
            E(TypeError, S([1, 2])),
        ],
    ),
    copying("concat", lambda m: [S([m(2, 3), m(4, 3)])], dtypes=("float32",)),
    copying("concatenate", lambda m: [S([m(2, 3), m(4, 3)], 0)], dtypes=("float32",)),
    copying(
        "cat with out",
        lambda m: [S([m(2, 3), m(4, 3)]), S([m(2, 3), m(2, 1)], 1)],
        path="cat",
        dtypes=("float32", "int64"),
        out=True,
        grad=False,
    ),
    copying(
        "stack",
        lambda m: [S([m(2, 3), m(2, 3)]), S([m(2, 3), m(2, 3)], 1), S([m(2, 3), m(2, 3)], dim=-1), S([m(), m()])],
        out=True,
        empty=lambda m: [S([m(0), m(0)])],
        errors=lambda m: [
            E(RuntimeError, S([m(2, 3), m(2, 4)]), "2", "3", "4"),
            E((RuntimeError, ValueError), S([])),
            E(IndexError, S([m(2)], 2), "2"),
        ],
    ),
    *(
        copying(name, lambda m: [S([m(2, 3), m(2, 3)]), S([m(3), m(3)])], grad_fn=False)
        for name in ("hstack", "vstack", "dstack")
    ),
    copying("column_stack", lambda m: [S([m(3), m(3)])], grad_fn=False, dtypes=("float32",)),
    # splitting
    view(
        "split",
        lambda m: [S(m(7, 2), 3), S(m(7, 2), [2, 5]), S(m(2, 6), 2, dim=1), S(m(5), 9), S(m(2, 6), (1, 5), -1)],
        empty=lambda m: [S(m(0, 2), 3), S(m(0), 0)],
        errors=lambda m: [
            E(RuntimeError, S(m(5), [2, 2]), "5"),
            E(RuntimeError, S(m(5), -1), "-1"),
            E(RuntimeError, S(m(5), 0)),
            E(IndexError, S(m(5), 2, 1), "1"),
        ],
    ),
    view(
        "chunk",
        lambda m: [S(m(7, 2), 3), S(m(2, 6), 4, 1), S(m(5), 9), S(m(6), chunks=2, dim=0)],
        empty=lambda m: [S(m(0, 2), 3)],
        errors=lambda m: [E(RuntimeError, S(m(5), 0), "0"), E(IndexError, S(m(5), 2, 1), "1")],
    ),
    view("tensor_split", lambda m: [S(m(7, 2), 3), S(m(7), (2, 4)), S(m(2, 6), 2, dim=1)], grad_fn=True),
    view(
        "unbind",
        lambda m: [S(m(3, 4)), S(m(3, 4), 1), S(m(2, 3, 4), -1)],
        empty=lambda m: [S(m(0, 2)), S(m(2, 0))],
        errors=lambda m: [E(IndexError, S(m(3), 1), "1")],
    ),
    view(
        "narrow",
        lambda m: [S(m(5, 3), 0, 1, 3), S(m(5, 3), 1, -2, 2), S(m(5, 3), -1, 0, 0)],
        errors=lambda m: [
            E(RuntimeError, S(m(5), 0, 3, 3), "3", "5"),
            E(IndexError, S(m(5), 0, 6, 1)),
            E(RuntimeError, S(m(5), 0, 0, -1)),
            E(IndexError, S(m(5), 1, 0, 1), "1"),
        ],
    ),
    view(
        "select",
        lambda m: [S(m(3, 4), 0, 1), S(m(3, 4), 1, -1), S(m(3, 4), -1, 0)],
        errors=lambda m: [
            E(IndexError, S(m(3, 4), 0, 3), "3"),
            E(IndexError, S(m(3, 4), 2, 0), "2"),
            E(IndexError, S(m(), 0, 0)),
        ],
    ),
    view(
        "diagonal",
        lambda m: [
            S(m(3, 4)),
            S(m(3, 4), 1),
            S(m(3, 4), -1),
            S(m(2, 3, 4), 0, 1, 2),
            S(m(2, 3, 4), offset=1, dim1=-1, dim2=0),
            S(m(3, 4), 7),
        ],
        errors=lambda m: [E(RuntimeError, S(m(3, 4), 0, 1, 1))],
    ),
    copying("diag", lambda m: [S(m(3, 4)), S(m(3, 4), 1), S(m(4)), S(m(3), -1)], grad_fn=False),
    copying("diag_embed", lambda m: [S(m(3)), S(m(2, 3)), S(m(3), 1)]),
    copying(
        "trace",
        lambda m: [S(m(3, 4)), S(m(2, 2))],
        dtypes=("float32", "float64", "int64"),
        errors=lambda m: [E(RuntimeError, S(m(3)))],
    ),
    method(
        "unfold",
        lambda m: [S(m(7), 0, 3, 2), S(m(3, 5), 1, 2, 1), S(m(3, 5), -2, 3, 1)],
        errors=lambda m: [E(RuntimeError, S(m(3), 0, 4, 1), "4", "3"), E(RuntimeError, S(m(3), 0, 1, 0))],
    ),
    view(
        "as_strided",
        lambda m: [
            S(m(3, 4), (2, 2), (4, 1)),
            S(m(3, 4), (3, 3), (1, 1)),
            S(m(3, 4), (2, 3), (1, 4), 1),
            S(m(3, 4), (5,), (0,)),
        ],
        layouts=False,
        errors=lambda m: [
            E(RuntimeError, S(m(3), (5,), (1,))),
            E(RuntimeError, S(m(3), (2,), (-1,))),
            E(RuntimeError, S(m(3), (2, 2), (1,))),
        ],
    ),
    # moving and repeating
    copying(
        "roll",
        lambda m: [S(m(5), 2), S(m(3, 4), 1), S(m(3, 4), -1, 0), S(m(3, 4), (1, 2), (0, 1)), S(m(3, 4), 7, 1)],
        empty=lambda m: [S(m(0, 3), 1, 0)],
        errors=lambda m: [E(RuntimeError, S(m(3, 4), (1, 2), 0)), E(IndexError, S(m(3), 1, 1), "1")],
    ),
    copying(
        "flip",
        lambda m: [S(m(3, 4), (0,)), S(m(3, 4), (0, 1)), S(m(3, 4), [-1]), S(m(), ())],
        empty=lambda m: [S(m(0, 3), (0,))],
        errors=lambda m: [E(RuntimeError, S(m(3, 4), (0, 0))), E(IndexError, S(m(3), (1,)), "1")],
    ),
    copying("fliplr", lambda m: [S(m(3, 4))], grad_fn=False),
    copying("flipud", lambda m: [S(m(3, 4))], grad_fn=False),
    copying("rot90", lambda m: [S(m(3, 4)), S(m(3, 4), 2), S(m(2, 3, 4), -1, (1, 2))], grad_fn=False),
    *(
        copying(
            name,
            lambda m: [S(m(3, 4)), S(m(4, 3), 1), S(m(3, 4), -1), S(m(2, 3, 3), 0), S(m(3, 3), diagonal=5)],
            out=True,
            empty=lambda m: [S(m(0, 3)), S(m(2, 0, 3))],
            errors=lambda m: [E(RuntimeError, S(m(3)))],
        )
        for name in ("tril", "triu")
    ),
    copying(
        "repeat",
        lambda m: [S(m(3), 2), S(m(3), 2, 3), S(m(2, 3), (2, 1)), S(m(2, 3), 1, 2, 2), S(m(), 3)],
        path="Tensor.repeat",
        empty=lambda m: [S(m(3), 0), S(m(0), 2)],
        errors=lambda m: [E(RuntimeError, S(m(2, 3), 2)), E(RuntimeError, S(m(3), -1))],
    ),
    copying("tile", lambda m: [S(m(3), (2,)), S(m(2, 3), (2, 2, 1)), S(m(2, 3), (2,))], grad_fn=False),
    copying(
        "repeat_interleave",
        lambda m: [
            S(m(3), 2),
            S(m(2, 3), 2, dim=1),
            S(m(3), m.of([1, 0, 2], "int64")),
            S(m(3, 2), m.of([1, 0, 2], "int64"), dim=0),
        ],
        grad_fn=False,
    ),
    copying(
        "meshgrid",
        lambda m: [
            S(m(2), m(3), indexing="ij"),
            S(m(2), m(3), indexing="xy"),
            S(m(2), m(3), m(4), indexing="ij"),
            S(m(2), indexing="ij"),
        ],
        errors=lambda m: [
            E(RuntimeError, S(m(2), m(3), indexing="zz"), "zz"),
            E(RuntimeError, S(m(2, 2), m(3), indexing="ij")),
        ],
    ),
    copying("cartesian_prod", lambda m: [S(m(2), m(3))], grad_fn=False, dtypes=("float32", "int64")),
    copying("combinations", lambda m: [S(m(4)), S(m(4), r=3)], grad_fn=False, dtypes=("float32", "int64")),
    copying("block_diag", lambda m: [S(m(2, 2), m(1, 3))], grad_fn=False, dtypes=("float32",)),
    copying("atleast_1d", lambda m: [S(m()), S(m(3))], dtypes=("float32",), grad_fn=False),
    copying("atleast_2d", lambda m: [S(m()), S(m(3))], dtypes=("float32",), grad_fn=False),
    copying("atleast_3d", lambda m: [S(m()), S(m(3))], dtypes=("float32",), grad_fn=False),
    copying("numel", lambda m: [S(m(3, 4)), S(m()), S(m(0))], grad=False),
    *(
        Op(
            f"Tensor.{name}",
            lambda m: [S(m(3, 4)), S(m(0, 2)), S(m())],
            fn=lambda lib, name=name: lambda x: getattr(x, name)(),
            dtypes=ALL,
            grad=False,
            strides=False,
        )
        for name in (
            "size",
            "stride",
            "dim",
            "numel",
            "element_size",
            "is_contiguous",
            "storage_offset",
            "is_floating_point",
            "is_complex",
            "tolist",
            "ndimension",
            "nelement",
        )
    ),
    *(
        Op(
            f"Tensor.{name} attribute",
            lambda m: [S(m(3, 4)), S(m(0, 2)), S(m())],
            fn=lambda lib, name=name: lambda x: getattr(x, name),
            dtypes=ALL,
            grad=False,
        )
        for name in ("shape", "ndim", "dtype", "device", "itemsize", "nbytes", "is_leaf")
    ),
    Op(
        "Tensor.item",
        lambda m: [S(m()), S(m(1)), S(m(1, 1))],
        dtypes=ALL,
        grad=False,
        layouts=False,
        path="Tensor.item",
        errors=lambda m: [E(RuntimeError, S(m(3)), "3"), E(RuntimeError, S(m(0)), "0")],
    ),
]
