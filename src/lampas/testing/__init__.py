"""Comparing values in tests, and making tensors to test with."""

from __future__ import annotations

from lampas.testing._comparison import assert_allclose, assert_close
from lampas.testing._creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
