"""Printed forms against PyTorch's, on random tensors of all kinds."""

import random

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]
DTYPES += ["complex128"]


def random_pair(rng: random.Random, numbers: np.random.Generator):
    """The same random tensor here and in PyTorch."""
    shape = [
        rng.choice([0, 1, 2, 3, 5, 7, 13, 40] if rng.random() < 0.2 else [1, 2, 3, 4, 7, 9])
        for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4]))
    ]
    values = numbers.standard_normal(shape) * 10.0 ** rng.randint(-6, 9)
    kind = rng.random()
    if kind < 0.3:
        values = np.round(values)
    elif kind < 0.5:
        values = numbers.integers(-9, 9, shape).astype(float)
    elif kind < 0.55:
        values = values * 0
    values = np.asarray(values)
    if values.size and rng.random() < 0.3:
        where = numbers.integers(0, values.size, 1 + values.size // 4)
        values.reshape(-1)[where] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0])
    name = rng.choice(DTYPES)
    if name.startswith("complex"):
        with np.errstate(invalid="ignore"):  # infinity times 1j
            values = values + 1j * values[::-1] if values.ndim else values * (1 - 2j)
    elif "float" not in name:
        values = np.clip(np.nan_to_num(values), 0, 100)
    ours = lampas.from_numpy(np.asarray(values)).to(getattr(lampas, name))
    theirs = torch.from_numpy(np.asarray(values)).to(getattr(torch, name))
    if rng.random() < 0.1:
        ours, theirs = ours.to("meta"), theirs.to("meta")
    if ("float" in name or "complex" in name) and rng.random() < 0.3:
        ours.requires_grad_(), theirs.requires_grad_()
        if rng.random() < 0.5:
            ours, theirs = ours * 2, theirs * 2
    if len(shape) > 1 and rng.random() < 0.2:
        ours, theirs = ours.transpose(0, 1), theirs.transpose(0, 1)
    return ours, theirs


OPTIONS = [
    {"profile": "default"},
    {"profile": "short"},
    {"precision": 0},
    {"precision": 8, "linewidth": 120},
    {"threshold": 10, "edgeitems": 1},
    {"threshold": 0, "edgeitems": 4},
    {"threshold": 1, "edgeitems": 0},
    {"linewidth": 20},
    {"sci_mode": True},
    {"sci_mode": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("default", ["float32", "float64"])
def test_random(options, default):
    rng, numbers = random.Random(str(options)), np.random.default_rng(0)
    lampas.set_printoptions(**options), torch.set_printoptions(**options)
    lampas.set_default_dtype(getattr(lampas, default)), torch.set_default_dtype(getattr(torch, default))
    try:
        for _ in range(150):
            ours, theirs = random_pair(rng, numbers)
            assert repr(ours) == repr(theirs)
    finally:
        for library in (lampas, torch):
            library.set_printoptions(profile="default")
            library.set_default_dtype(library.float32)
