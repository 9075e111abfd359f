"""Seeds and states of the default random number generator.

One seed gives one stream of numbers, the same on every run and every machine: the Mersenne Twister MT19937
(M. Matsumoto, T. Nishimura, ACM TOMACS 8(1), 1998). ``default_generator`` is the stream that functions draw from
when no ``generator=`` is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import lampas
from lampas import _C

default_generator: lampas.Generator = _C.default_generator

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
]


def manual_seed(seed: int) -> lampas.Generator:
    """Start the default stream of ``seed`` and return its generator.

    ``seed`` is turned into an int in ``[-2**63, 2**64)``; a negative one means ``2**64 + seed``. Raises ValueError
    outside that range, TypeError or ValueError for what ``int()`` refuses.

    >>> lampas.manual_seed(0)
    >>> lampas.rand(2)  # tensor([0.4963, 0.7682])
    """
    seed = int(seed)
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"Overflow: manual_seed got {seed}, expected a seed from -2**63 to 2**64 - 1")
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system's entropy and return the seed, a 64-bit number.

    >>> s = lampas.seed()
    >>> lampas.initial_seed() == s  # True
    """
    return default_generator.seed()


def initial_seed() -> int:
    """Return the seed the default generator's stream started from, as a number in ``[0, 2**64)``.

    >>> lampas.manual_seed(-1)
    >>> lampas.initial_seed()  # 18446744073709551615
    """
    return default_generator.initial_seed()


def get_rng_state() -> lampas.Tensor:
    """Return the default generator's state, a copy, as a uint8 tensor of 5056 bytes.

    The bytes are PyTorch's own: either library continues a stream the other one saved.

    >>> state = lampas.get_rng_state()
    >>> a = lampas.rand(3); lampas.set_rng_state(state); b = lampas.rand(3)  # a equals b
    """
    return default_generator.get_state()


def set_rng_state(new_state: lampas.Tensor) -> None:
    """Continue the default stream where ``new_state`` was taken.

    ``new_state`` is what :func:`get_rng_state` returned. Raises TypeError for anything but a uint8 tensor,
    RuntimeError for a wrong size or bytes that are no state; the generator is then unchanged.

    >>> state = lampas.get_rng_state()
    >>> lampas.set_rng_state(state)
    """
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str | None = None,
) -> Iterator[None]:
    """Put the default generator's state back on leaving the block, also when an exception leaves it.

    ``enabled=False`` makes the block an ordinary one. ``devices`` names accelerators whose states are kept as well;
    raises AssertionError if it names any, for there are none. Raises RuntimeError for an unknown ``device_type``.

    >>> with lampas.random.fork_rng():
    ...     lampas.manual_seed(1)
    """
    if device_type is not None:
        lampas.device(device_type)
    if device_type == "meta" or not enabled:
        yield
        return
    named = [] if devices is None else list(devices)
    if named:
        raise AssertionError(
            f"{_caller} got {_devices_kw}={named}, but lampas computes on the CPU alone; "
            f"leave {_devices_kw} out or pass {_devices_kw}=[]"
        )
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


def thread_safe_generator() -> lampas.Generator | None:
    """Return a DataLoader worker thread's own generator; None in the main thread and in worker processes.

    None means the default generator to every function that takes ``generator=``.

    >>> g = lampas.random.thread_safe_generator()
    >>> lampas.randint(0, 10, (5,), generator=g)
    """
    from lampas.utils.data import get_worker_info

    info = get_worker_info()
    if info is None or getattr(info, "worker_method", None) != "thread":
        return None
    rng = getattr(info, "rng", None)
    return None if rng is None else rng.torch_generator
