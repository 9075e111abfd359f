"""Autograd's rules, each as a small program run on both libraries: same results, same exception types."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import lampas  # noqa: E402

from .autograd_programs import (  # noqa: E402, F401
    ERRORS,
    PROGRAMS,
    Program,
    functions,
    graphs,
    hooks,
    inplace,
    leaves,
    modes,
    odd,
    saved,
)
from .comparing import Raised, outcome, same, same_raised  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("run", PROGRAMS, ids=lambda p: p.__name__)
def test_program(run: Program) -> None:
    expected, got = outcome(lambda: run(torch)), outcome(lambda: run(lampas))
    if isinstance(expected, Raised):
        raise AssertionError(f"the program is wrong: PyTorch raises {expected}")
    if isinstance(got, Raised):
        raise got.error
    same(got, expected, run.__name__)


@pytest.mark.parametrize(("run", "words"), [pytest.param(*e, id=e[0].__name__) for e in ERRORS])
def test_error(run: Program, words: tuple[str, ...]) -> None:
    expected, got = outcome(lambda: run(torch)), outcome(lambda: run(lampas))
    assert isinstance(expected, Raised), "the program is wrong: PyTorch accepts it"
    assert isinstance(got, Raised), f"nothing raised, expected {expected}"
    same_raised(got, expected)
    for word in words:
        assert word in str(got.error), f"the message does not say {word!r}: {got.error}"
