"""The fast path of `nn.TransformerEncoderLayer` and `nn.MultiheadAttention`."""

_enabled = [True]


def get_fastpath_enabled() -> bool:
    """What :func:`set_fastpath_enabled` was given last; True at first."""
    return _enabled[0]


def set_fastpath_enabled(value: bool) -> None:
    """Accepted for programs that set it: attention has one path here, and it is the fast one."""
    _enabled[0] = bool(value)
