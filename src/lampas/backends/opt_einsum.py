"""opt_einsum, which finds a cheap order for `einsum` of many operands: `einsum` here chooses its own order."""

from lampas._absent import is_available

__all__ = ["enabled", "is_available", "strategy"]

enabled = False
strategy: str | None = None
