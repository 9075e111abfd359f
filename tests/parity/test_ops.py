"""Every row of the table against PyTorch."""

import pytest

torch = pytest.importorskip("torch")

import lampas  # noqa: E402, F401

from .harness import Op, cases, check  # noqa: E402
from .ops import ROWS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(("row", "dtype", "kind"), cases(ROWS))
def test_op(row: Op, dtype: str, kind: str) -> None:
    check(row, dtype, kind)


def test_rows_are_told_apart() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)
