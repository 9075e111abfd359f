"""Where a storage was, and where it goes when it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lampas
from lampas.storage import TypedStorage

__all__ = ["default_restore_location", "location_tag", "register_package", "restorer"]

_packages: list[tuple[int, Callable[[Any], str | None], Callable[[Any, str], Any]]] = []


def register_package(
    priority: int, tagger: Callable[[Any], str | None], deserializer: Callable[[Any, str], Any]
) -> None:
    """Teach ``save`` and ``load`` a further kind of place.

    Args:
        priority: packages are asked in ascending order.
        tagger: from a storage to the text that names its place, or ``None`` where it is not this package's.
        deserializer: from a storage in memory and such a text to the storage in its place, or ``None``.
    """
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda package: package[0])


def location_tag(storage: lampas.UntypedStorage) -> str:
    """The text that names the place of a storage in a file."""
    for _, tagger, _ in _packages:
        tag = tagger(storage)
        if tag is not None:
            return tag
    raise RuntimeError(f"cannot name the place of a storage on device {storage.device}; see register_package")


def default_restore_location(storage: lampas.UntypedStorage, location: str) -> Any:
    """``storage`` (in memory) moved to ``location``; ``RuntimeError`` where that is not possible here."""
    for _, _, deserializer in _packages:
        moved = deserializer(storage, location)
        if moved is not None:
            return moved
    if location.startswith("cuda"):
        raise RuntimeError(
            f"Attempting to deserialize object on a CUDA device ({location!r}) but lampas.cuda.is_available() is "
            "False. Load with map_location='cpu' to have the tensors in main memory."
        )
    raise RuntimeError(
        f"don't know how to restore data location {location!r} of a storage; give map_location='cpu', or register the "
        "place with lampas.serialization.register_package"
    )


class MetaStorage:
    """Stands for a storage whose values are not wanted (``map_location='meta'``)."""

    device = "meta"

    def __init__(self, nbytes: int) -> None:
        self._nbytes = nbytes

    def nbytes(self) -> int:
        return self._nbytes


def _on_cpu(storage: Any, location: str) -> Any:
    return storage if location == "cpu" or location.startswith("cpu:") else None


def _on_meta(storage: Any, location: str) -> Any:
    return MetaStorage(storage.nbytes()) if location == "meta" else None


register_package(10, lambda storage: "cpu" if storage.device.type == "cpu" else None, _on_cpu)
register_package(22, lambda storage: "meta" if storage.device.type == "meta" else None, _on_meta)


def restorer(map_location: Any) -> Callable[[Any, str], Any]:
    """The function that puts a storage where ``map_location`` wants it."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(storage, str(map_location.get(location, location)))
    if isinstance(map_location, bytes):
        map_location = map_location.decode("ascii")
    if isinstance(map_location, (str, lampas.device)):
        target = str(map_location)
        return lambda storage, location: default_restore_location(storage, target)
    if not callable(map_location):
        raise TypeError(
            "map_location must be a device, its name, a dict of locations or a function (storage, location) -> "
            "storage, "
            f"got {type(map_location).__name__}"
        )

    def ask(storage: Any, location: str) -> Any:
        moved = map_location(storage, location)
        if moved is None:
            return default_restore_location(storage, location)
        if isinstance(moved, TypedStorage):
            moved = moved.untyped()
        if not isinstance(moved, (lampas.UntypedStorage, MetaStorage)):
            raise TypeError(f"map_location must return a storage or None, got {type(moved).__name__}")
        return moved

    return ask
