"""Settings of ``lampas.save`` and ``lampas.load``: see :mod:`lampas.utils.serialization.config`."""

from lampas.utils.serialization import config

__all__ = ["config"]
