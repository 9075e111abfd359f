"""The older name of `lampas.hub`'s downloads."""

from __future__ import annotations

from lampas.hub import load_state_dict_from_url

__all__ = ["load_url"]

load_url = load_state_dict_from_url
