"""Dictionaries and references that do not keep tensors alive, with tensors compared by identity."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, MutableMapping
from typing import Any

import lampas

__all__ = ["TensorWeakRef", "WeakIdKeyDictionary", "WeakIdRef", "WeakTensorKeyDictionary"]


class WeakIdRef(weakref.ref):
    """A weak reference, equal to another one where both are to the very same object."""

    __slots__ = ["_id"]

    def __init__(self, key: Any, callback: Any = None) -> None:
        super().__init__(key, callback)  # type: ignore[call-arg]
        self._id = id(key)

    def __call__(self) -> Any:
        """The object, or None after its end."""
        return super().__call__()

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        # A dead reference equals only itself: its object's place may be another one's by now.
        if not isinstance(other, WeakIdRef):
            return False
        mine, theirs = self(), other()
        return mine is theirs if mine is not None and theirs is not None else self is other

    def __ne__(self, other: object) -> bool:
        return not self == other


class TensorWeakRef:
    """A weak reference to a tensor (AssertionError: to something else)."""

    ref: WeakIdRef

    def __init__(self, tensor: lampas.Tensor) -> None:
        if not isinstance(tensor, lampas.Tensor):
            raise AssertionError(f"expected a Tensor, got {type(tensor)}")
        self.ref = WeakIdRef(tensor)

    def __call__(self) -> lampas.Tensor | None:
        """The tensor, or None after its end."""
        return self.ref()


class WeakIdKeyDictionary(MutableMapping):
    """A dictionary whose keys are compared by identity and leave when nothing else refers to them."""

    def __init__(self, dict: Any = None, ref_type: type[WeakIdRef] = WeakIdRef) -> None:
        self.data: dict_type[WeakIdRef, Any] = {}
        self.ref_type = ref_type
        data = self.data

        def forget(reference: WeakIdRef) -> None:
            data.pop(reference, None)

        self._forget = forget
        if dict is not None:
            self.update(dict)

    def __getitem__(self, key: Any) -> Any:
        return self.data[self.ref_type(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.data[self.ref_type(key, self._forget)] = value

    def __delitem__(self, key: Any) -> None:
        del self.data[self.ref_type(key)]

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        for reference in list(self.data):
            key = reference()
            if key is not None:
                yield key

    def __contains__(self, key: object) -> bool:
        try:
            return self.ref_type(key) in self.data
        except TypeError:
            return False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x}>"

    def copy(self) -> WeakIdKeyDictionary:
        """Another one with the same keys and values."""
        return type(self)(self, self.ref_type)

    def keyrefs(self) -> list[WeakIdRef]:
        """The references to the keys."""
        return list(self.data)


dict_type = dict
WeakTensorKeyDictionary = WeakIdKeyDictionary
