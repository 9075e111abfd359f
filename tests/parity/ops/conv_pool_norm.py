"""Convolution, pooling, normalisation, padding, interpolation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from ..harness import E, Maker, Op, S

Samples = Callable[[Maker], Any]
KINDS = ("float32", "float64", "bfloat16")
# sums over channels and windows in another order; bf16 rounds at the end
SUMS = {"float32": (3e-6, 1e-5), "bfloat16": (2e-2, 0.12)}
NORMED = {"float32": (5e-6, 5e-6), "bfloat16": (3e-2, 5e-2)}
LETTERS = {1: (9,), 2: (7, 6), 3: (5, 4, 5)}
F = "nn.functional."


def conv(dims: int) -> Op:
    size = LETTERS[dims]
    window = (3, 2, 2)[:dims]

    def samples(m: Maker) -> list[S]:
        x, w, b = m(2, 4, *size), m(6, 4, *window), m(6)
        found = [
            S(x, w),
            S(x, w, b),
            S(x, w, b, stride=2),
            S(x, w, b, padding=1),
            S(x, w, b, 2, 1, 1),
            S(x, w, b, dilation=2),
            S(x, w, b, padding="same"),
            S(x, w, b, padding="valid"),
        ]
        found += [
            S(x, m(6, 2, *window), b, groups=2),
            S(x, m(4, 1, *window), None, padding=1, groups=4),
            S(m(4, *size), w, b),
            S(x, m(6, 4, *(1,) * dims), b),
            S(m(1, 1, *size), m(1, 1, *window)),
        ]
        if dims == 2:
            found += [
                S(x, w, b, stride=(2, 1), padding=(0, 1), dilation=(1, 2)),
                S(x, m(8, 1, 3, 3), m(8), padding=1, groups=4),
            ]
        return found

    def errors(m: Maker) -> list[E]:
        x, w = m(2, 4, *size), m(6, 4, *window)
        return [
            E(RuntimeError, S(x, m(6, 3, *window)), "4", "3"),
            E(RuntimeError, S(x, w, m(5))),
            E(RuntimeError, S(m(2, 4, *(1,) * dims), w)),
            E(RuntimeError, S(x, w, None, -1)),
            E(RuntimeError, S(x, w, None, 0)),
            E(RuntimeError, S(x, w, groups=3), "3"),
            E(RuntimeError, S(m(4), w)),
            E(RuntimeError, S(x, w, None, stride=2, padding="same")),
            E(RuntimeError, S(x, m(6, 4, *window, dtype="float64"))),
        ]

    empty: Samples = lambda m: [S(m(0, 4, *size), m(6, 4, *window), m(6))]  # noqa: E731
    return Op(
        f"{F}conv{dims}d",
        samples,
        dtypes=KINDS,
        tolerances=SUMS,
        grad_fn=True,
        empty=empty,
        errors=errors,
        gradgrad=True,
    )


def conv_transpose(dims: int) -> Op:
    size = LETTERS[dims]
    window = (3, 2, 2)[:dims]

    def samples(m: Maker) -> list[S]:
        x, w, b = m(2, 4, *(max(2, n - 2) for n in size)), m(4, 3, *window), m(3)
        return [
            S(x, w),
            S(x, w, b),
            S(x, w, b, stride=2),
            S(x, w, b, 2, 1, 1),
            S(x, w, b, padding=1),
            S(x, w, b, dilation=2),
            S(x, m(4, 3, *window), m(6), groups=2),
            S(m(4, *size), w, b),
        ]

    errors: Samples = lambda m: [  # noqa: E731
        E(RuntimeError, S(m(2, 4, *size), m(3, 3, *window)), "4", "3"),
        E(RuntimeError, S(m(2, 4, *size), m(4, 3, *window), None, 1, 0, 2)),
    ]
    return Op(f"{F}conv_transpose{dims}d", samples, dtypes=KINDS, tolerances=SUMS, errors=errors)


def pool(kind: str, dims: int) -> Op:
    size = LETTERS[dims]
    distinct = {"distinct": True} if kind == "max" else {}

    def samples(m: Maker) -> list[S]:
        x = m(2, 3, *size, **distinct)
        found = [
            S(x, 2),
            S(x, 3, 1),
            S(x, 3, stride=2, padding=1),
            S(x, 2, ceil_mode=True),
            S(x, (2,) * dims, stride=(1,) * dims),
            S(m(3, *size, **distinct), 2),
        ]
        if kind == "max":
            found += [S(x, 2, dilation=2, stride=1), S(x, 2, 2, 0, 1, False, True), S(x, 3, 2, 1, return_indices=True)]
        else:
            found += [S(x, 3, 2, 1, count_include_pad=False), S(x, 3, 2, 1, True)] + (
                [S(x, 2, divisor_override=3)] if dims > 1 else []
            )
        return found

    errors: Samples = lambda m: [  # noqa: E731
        E(RuntimeError, S(m(2, 3, *(1,) * dims), 2)),
        E(RuntimeError, S(m(2, 3, *size), 2, padding=2)),
        E(RuntimeError, S(m(2, 3, *size), 2, 0)),
    ]
    empty: Samples = lambda m: [S(m(0, 3, *size), 2)]  # noqa: E731
    return Op(
        f"{F}{kind}_pool{dims}d",
        samples,
        dtypes=KINDS[:2] if (kind, dims) == ("avg", 3) else KINDS,
        tolerances=SUMS if kind == "avg" else {},
        errors=errors,
        empty=empty,
        grad_fn=dims == 2,
    )


def adaptive(kind: str, dims: int) -> Op:
    size = LETTERS[dims]
    distinct = {"distinct": True} if kind == "max" else {}

    def samples(m: Maker) -> list[S]:
        x = m(2, 3, *size, **distinct)
        found = [S(x, 1), S(x, 2), S(x, 3), S(x, size), S(m(3, *size, **distinct), 2)]
        return (
            found + ([S(x, (None, 2))] if dims == 2 else []) + ([S(x, 2, return_indices=True)] if kind == "max" else [])
        )

    return Op(
        f"{F}adaptive_{kind}_pool{dims}d",
        samples,
        dtypes=KINDS,
        tolerances=SUMS if kind == "avg" else {},
        grad_fn=False,
        empty=lambda m: [S(m(0, 3, *size), 2)],
    )


def batch_norms(m: Maker) -> list[S]:
    mean, var = m(3, grad=False), m(3, low=0.5, high=2, grad=False)
    found = []
    for shape in ((4, 3), (2, 3, 5), (2, 3, 4, 4), (2, 3, 2, 3, 2)):
        x = m(*shape)
        found += [
            S(x, mean, var),
            S(x, mean, var, m(3), m(3)),
            S(x, None, None, m(3), m(3), training=True),
            S(x, mean, var, m(3), m(3), True, 0.3, 1e-3),
            S(x, None, None, training=True),
        ]
    return found


def running_statistics(lib: Any) -> Callable[..., Any]:
    def run(x: Any, mean: Any, var: Any, momentum: float) -> Any:
        mean, var = mean.clone(), var.clone()
        out = lib.nn.functional.batch_norm(x, mean, var, training=True, momentum=momentum)
        return out, mean, var

    return run


def layer_norms(m: Maker) -> list[S]:
    return [
        S(m(3, 4), (4,)),
        S(m(3, 4), (4,), m(4), m(4)),
        S(m(2, 3, 4), (3, 4), m(3, 4), m(3, 4)),
        S(m(2, 3, 4), (4,), m(4), None),
        S(m(2, 5), [5], eps=0.1),
    ]


def pads(m: Maker) -> list[S]:
    x = m(2, 3, 4, 5)
    found = [
        S(x, (1, 2)),
        S(x, (1, 2, 0, 1)),
        S(x, (1, 1), "constant", 2),
        S(x, (-1, 1)),
        S(x, (0, 0, 1, 1, 1, 0), value=1),
        S(m(3), (2, 0)),
        S(m(3, 4), (0, -1, -1, 2), value=3),
    ]
    for mode in ("reflect", "replicate", "circular"):
        found += [
            S(x, (1, 2, 2, 1), mode),
            S(m(2, 3, 6), (2, 1), mode=mode),
            S(m(1, 2, 3, 4, 3), (1, 1, 1, 1, 1, 1), mode),
        ]
    return found


def interpolations(m: Maker) -> list[S]:
    image, line, volume = m(2, 3, 4, 5), m(2, 3, 5), m(1, 2, 3, 4, 3)
    found = [
        S(image, scale_factor=2),
        S(image, size=(3, 7)),
        S(image, size=6, mode="nearest"),
        S(line, scale_factor=1.5),
        S(volume, scale_factor=2),
        S(image, size=(6, 9), mode="nearest-exact"),
        S(image, scale_factor=0.5),
    ]
    for mode, corners in product(("bilinear", "bicubic"), (False, True)):
        found += [
            S(image, size=(7, 8), mode=mode, align_corners=corners),
            S(image, scale_factor=2, mode=mode, align_corners=corners),
            S(image, scale_factor=0.6, mode=mode, align_corners=corners),
        ]
    found += [
        S(image, scale_factor=(2, 1.5), mode="bilinear", recompute_scale_factor=True),
        S(image, size=(2, 3), mode="area"),
        *([S(image, size=(2, 2), mode="bilinear", antialias=True)] if m.dtype != "bfloat16" else []),
    ]
    return [*found, S(line, size=8, mode="linear"), S(volume, size=(4, 5, 6), mode="trilinear", align_corners=True)]


ROWS = [
    *(conv(dims) for dims in (1, 2, 3)),
    *(conv_transpose(dims) for dims in (1, 2, 3)),
    *(pool(kind, dims) for kind in ("max", "avg") for dims in (1, 2, 3)),
    *(adaptive(kind, dims) for kind in ("max", "avg") for dims in (1, 2, 3)),
    Op(
        "max pooling with ties",
        lambda m: [S(m.of([[[[1, 1, 2, 2], [1, 1, 2, 2], [0, 3, 3, 0], [3, 3, 0, 0]]]]), 2, return_indices=True)],
        path=F + "max_pool2d",
        dtypes=KINDS,
        gradgrad=False,
    ),
    Op(
        F + "lp_pool2d",
        lambda m: [S(m(2, 3, 6, 6, low=0.5, high=2), 2.0, 2), S(m(2, 3, 6, 6, low=0.5, high=2), 3.0, 3, stride=1)],
        grad_fn=False,
        gradgrad=False,
        tolerances=SUMS,
    ),
    Op(
        F + "max_unpool2d",
        lambda m: [S(m(1, 1, 2, 2), m.of([[[[0, 3], [9, 14]]]], "int64"), 2)],
        layouts=False,
        grad_fn=False,
        gradgrad=False,
    ),
    # normalisation
    Op(
        F + "batch_norm",
        batch_norms,
        dtypes=KINDS,
        tolerances=NORMED,
        grad_fn=False,
        errors=lambda m: [
            E(ValueError, S(m(1, 3), None, None, training=True)),
            E(RuntimeError, S(m(2, 4), m(3, grad=False), m(3, grad=False)), "4", "3"),
            E(RuntimeError, S(m(2, 3), None, None, m(4), m(4), training=True), "4", "3"),
        ],
        empty=lambda m: [S(m(0, 3, 4), m(3, grad=False), m(3, low=0.5, high=2, grad=False))],
    ),
    Op(
        "batch_norm's running statistics",
        lambda m: [
            S(m(*shape), m(3, grad=False), m(3, low=0.5, high=2, grad=False), momentum)
            for shape in ((4, 3), (2, 3, 4, 4))
            for momentum in (0.1, 0.5)
        ],
        fn=running_statistics,
        dtypes=KINDS,
        tolerances=NORMED,
        grad_fn=False,
        gradgrad=False,
    ),
    Op(
        F + "layer_norm",
        layer_norms,
        dtypes=KINDS,
        tolerances=NORMED,
        grad_fn=True,
        empty=lambda m: [S(m(0, 4), (4,))],
        large=lambda m: [S(m(7, n), (n,), m(n), m(n)) for n in (33, 257)],
        errors=lambda m: [E(RuntimeError, S(m(3, 4), (5,)), "5"), E(RuntimeError, S(m(3, 4), (4,), m(3)), "4", "3")],
    ),
    Op(
        F + "group_norm",
        lambda m: [
            S(m(2, 6, 4), 3),
            S(m(2, 6, 3, 3), 2, m(6), m(6)),
            S(m(2, 6), 1),
            S(m(2, 4, 5), 4, m(4), m(4), eps=0.1),
        ],
        dtypes=KINDS,
        tolerances=NORMED,
        grad_fn=True,
        errors=lambda m: [E(RuntimeError, S(m(2, 5, 3), 2), "5", "2"), E(RuntimeError, S(m(2, 4, 3), 2, m(3)))],
    ),
    Op(
        F + "instance_norm",
        lambda m: [
            S(m(2, 3, 5)),
            S(m(2, 3, 4, 4), None, None, m(3), m(3)),
            S(m(2, 3, 4), m(3, grad=False), m(3, low=0.5, high=2, grad=False), use_input_stats=False),
        ],
        dtypes=KINDS,
        tolerances=NORMED,
        grad_fn=False,
    ),
    Op(
        F + "rms_norm",
        lambda m: [S(m(3, 4), (4,)), S(m(3, 4), (4,), m(4)), S(m(2, 3, 4), (3, 4), eps=0.1)],
        dtypes=KINDS,
        tolerances=NORMED,
        grad_fn=False,
    ),
    Op(
        F + "local_response_norm",
        lambda m: [S(m(2, 5, 4, 4), 3), S(m(2, 5, 4), 2, alpha=0.1, beta=0.5, k=2.0)],
        dtypes=KINDS[:2],
        grad_fn=False,
        gradgrad=False,
        tolerances=NORMED,
    ),
    # padding, resizing, rearranging
    Op(
        F + "pad",
        pads,
        dtypes=KINDS + ("int64",),
        grad_fn=False,
        errors=lambda m: [
            E(RuntimeError, S(m(3), (1,))),
            E(RuntimeError, S(m(2, 3, 3), (3, 1), "reflect")),
            E(RuntimeError, S(m(3), (-4, 0))),
            E((NotImplementedError, RuntimeError, ValueError), S(m(2, 3), (1, 1), "x")),
        ],
        empty=lambda m: [S(m(0, 3), (1, 1))],
    ),
    Op(
        F + "interpolate",
        interpolations,
        dtypes=KINDS,
        tolerances={"float32": (1e-5, 1e-5), "bfloat16": (2e-2, 5e-2)},
        grad_fn=False,
        errors=lambda m: [
            E(ValueError, S(m(2, 3, 4))),
            E(ValueError, S(m(2, 3, 4), size=3, scale_factor=2)),
            E((NotImplementedError, ValueError), S(m(2, 3, 4), size=3, mode="bilinear")),
            E((NotImplementedError, ValueError), S(m(2, 3, 4), size=3, mode="x"), "x"),
            E(ValueError, S(m(2, 3, 4, 4), size=(3, 3, 3))),
        ],
    ),
    Op(
        F + "pixel_shuffle",
        lambda m: [S(m(1, 8, 2, 3), 2), S(m(9, 2, 2), 3)],
        errors=lambda m: [E(RuntimeError, S(m(1, 7, 2, 2), 2), "7")],
    ),
    Op(
        F + "pixel_unshuffle",
        lambda m: [S(m(1, 2, 4, 6), 2)],
        errors=lambda m: [E(RuntimeError, S(m(1, 2, 3, 4), 2), "3")],
    ),
    Op(
        F + "unfold",
        lambda m: [S(m(2, 3, 5, 6), 2), S(m(2, 3, 5, 6), (3, 2), padding=1, stride=2), S(m(2, 3, 5, 6), 2, dilation=2)],
        grad_fn=False,
    ),
    Op(F + "fold", lambda m: [S(m(2, 12, 20), (5, 6), 2), S(m(1, 8, 4), (4, 4), 2, stride=2)], grad_fn=False),
    Op(
        F + "grid_sample",
        lambda m: [
            S(m(2, 3, 4, 5), m(2, 3, 3, 2, low=-1.2, high=1.2), mode=mode, padding_mode=pad, align_corners=corners)
            for mode in ("bilinear", "nearest")
            for pad in ("zeros", "border")
            for corners in (False, True)
        ],
        tolerances=SUMS,
        grad_fn=False,
        gradgrad=False,
    ),
    Op(
        F + "affine_grid",
        lambda m: [S(m(2, 2, 3), (2, 3, 4, 5), align_corners=False), S(m(2, 2, 3), (2, 3, 4, 5), align_corners=True)],
        grad_fn=False,
        gradgrad=False,
    ),
    Op("channel_shuffle", lambda m: [S(m(1, 6, 2, 2), 3)], grad_fn=False, path=F + "channel_shuffle"),
]
