"""Recurrent networks (through their modules, with given weights) and attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..harness import E, Maker, Op, S, dtype_name, rounded, tensor

Samples = Callable[[Maker], Any]
KINDS = ("float32", "float64")
TOLERANCES = {"float32": (1e-5, 5e-6), "bfloat16": (3e-2, 3e-2), "float16": (5e-3, 5e-3)}


def with_weights(lib: Any, module: Any, dtype: Any) -> Any:
    """The module in that dtype, its parameters the same numbers in either library."""
    module = module.to(dtype)
    with lib.no_grad():
        for name, parameter in module.named_parameters():
            m = Maker("float64", name)
            values = rounded(m(*parameter.shape, low=-0.5, high=0.5).values, dtype_name(dtype))
            parameter.copy_(tensor(lib, values, dtype_name(dtype)))
    return module


def flat(value: Any) -> list[Any]:
    return [t for v in value for t in flat(v)] if isinstance(value, (tuple, list)) else [value]


def recurrent(kind: str, **settings: Any) -> Callable[[Any], Callable[..., Any]]:
    """Outputs and states, and the gradients of every weight."""

    def build(lib: Any) -> Callable[..., Any]:
        def run(x: Any, *state: Any) -> Any:
            module = with_weights(lib, getattr(lib.nn, kind)(4, 3, **settings), x.dtype)
            given = (tuple(state) if len(state) == 2 else state[0],) if state else ()
            outs = flat(module(x, *given))
            loss = sum((o * o).sum() for o in outs)
            weights = lib.autograd.grad(loss, list(module.parameters()), retain_graph=True)
            return [*outs, *(w.detach() for w in weights)]

        return run

    return build


def sequences(states: int, *, layers: int = 1, hidden: int = 3, batch_first: bool = False) -> Samples:
    def make(m: Maker) -> list[S]:
        x = m(2, 5, 4) if batch_first else m(5, 2, 4)
        return [
            S(x),
            S(x, *(m(layers, 2, hidden) for _ in range(states))),
            S(m(5, 4)),
            S(m(5, 4), *(m(layers, hidden) for _ in range(states))),
            S(m(1, 1, 4)),
        ]

    return make


def network(label: str, kind: str, states: int, *, layers: int = 1, **settings: Any) -> Op:
    samples = sequences(states, layers=layers, batch_first=settings.get("batch_first", False))
    # gradients of gradients are left to the cells: PyTorch's fused LSTM on CPU has none
    return Op(
        label,
        samples,
        fn=recurrent(kind, **settings),
        dtypes=KINDS,
        tolerances=TOLERANCES,
        grad_fn=False,
        gradgrad=False,
    )


def networks() -> list[Op]:
    rows = []
    for kind, states in (("RNN", 1), ("LSTM", 2), ("GRU", 1)):
        rows += [
            network(kind, kind, states),
            network(f"{kind} two layers", kind, states, layers=2, num_layers=2),
            network(f"{kind} both ways", kind, states, layers=2, bidirectional=True),
            network(f"{kind} batch first", kind, states, batch_first=True),
            network(f"{kind} without bias", kind, states, bias=False),
            network(
                f"{kind} of everything",
                kind,
                states,
                layers=4,
                num_layers=2,
                bidirectional=True,
                batch_first=True,
                dropout=0.0,
            ),
            Op(
                f"{kind}Cell",
                lambda m, states=states: [S(m(2, 4)), S(m(2, 4), *(m(2, 3) for _ in range(states))), S(m(4))],
                fn=recurrent(f"{kind}Cell"),
                dtypes=KINDS,
                tolerances=TOLERANCES,
                grad_fn=False,
                gradgrad=True,
            ),
            Op(
                f"{kind} errors",
                lambda m: [S(m(5, 2, 4))],
                fn=recurrent(kind),
                dtypes=("float32",),
                layouts=False,
                grad=False,
                tolerances=TOLERANCES,
                errors=lambda m, states=states: [
                    E(RuntimeError, S(m(5, 2, 7)), "4", "7"),
                    E((RuntimeError, ValueError), S(m(4))),
                    E(RuntimeError, S(m(5, 2, 4), *(m(1, 3, 3) for _ in range(states)))),
                    E(RuntimeError, S(m(5, 2, 4), *(m(1, 2, 5) for _ in range(states)))),
                ],
            ),
        ]
    rows += [
        network("RNN with relu", "RNN", 1, nonlinearity="relu"),
        Op(
            "LSTM with projection",
            lambda m: [S(m(5, 2, 4)), S(m(5, 2, 4), m(1, 2, 2), m(1, 2, 3))],
            fn=recurrent("LSTM", proj_size=2),
            dtypes=KINDS,
            tolerances=TOLERANCES,
            grad_fn=False,
            gradgrad=False,
        ),
        Op("LSTM in half", sequences(2), fn=recurrent("LSTM"), dtypes=("bfloat16",), tolerances=TOLERANCES, grad=False),
    ]
    return rows


def attention(m: Maker) -> list[S]:
    q, k, v = m(2, 2, 3, 4), m(2, 2, 5, 4), m(2, 2, 5, 4)
    mask = m.mask(3, 5)
    mask.values[:, 0] = True  # a row of nothing is a case of its own
    found = [
        S(q, k, v),
        S(q, k, v, attn_mask=mask),
        S(q, k, v, attn_mask=m(3, 5, grad=False)),
        S(q, m(2, 2, 3, 4), m(2, 2, 3, 4), is_causal=True),
        S(q, k, v, is_causal=True),
        S(q, k, v, scale=0.3),
        S(q, k, m(2, 2, 5, 6)),
    ]
    found += [
        S(m(2, 3, 4), m(2, 5, 4), m(2, 5, 4)),
        S(m(3, 4), m(5, 4), m(5, 4)),
        S(q, k, v, attn_mask=m(2, 1, 3, 5, grad=False)),
        S(m(2, 4, 3, 4), k, v, enable_gqa=True),
    ]
    return [*found, S(m(1, 1, 40, 8), m(1, 1, 33, 8), m(1, 1, 33, 8))]


ROWS = [
    *networks(),
    Op(
        "nn.functional.scaled_dot_product_attention",
        attention,
        dtypes=("float32", "float64", "bfloat16", "float16"),
        tolerances={"float32": (1e-5, 5e-6), "bfloat16": (3e-2, 2e-2), "float16": (4e-3, 4e-3)},
        grad_fn=False,
        gradgrad=False,
        errors=lambda m: [
            E(RuntimeError, S(m(2, 3, 4), m(2, 5, 6), m(2, 5, 6)), "4", "6"),
            E(RuntimeError, S(m(2, 3, 4), m(2, 5, 4), m(2, 5, 4, dtype="float64"))),
            E(RuntimeError, S(m(2, 3, 4), m(2, 5, 4), m(2, 5, 4), attn_mask=m.mask(3, 5), is_causal=True)),
        ],
    ),
]
