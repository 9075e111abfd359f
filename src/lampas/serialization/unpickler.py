"""Reading pickles: a machine that runs nothing but what is allowed, and a thin one for files that are trusted."""

from __future__ import annotations

import pickle
import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any, BinaryIO

import lampas
from lampas import _utils
from lampas.serialization import names

__all__ = ["RestrictedUnpickler", "trusted_unpickler"]

# Modules that reach the operating system: nothing of them is ever loaded, whatever has been allowed.
_NEVER = frozenset({"os", "posix", "nt", "sys", "subprocess", "shutil"})
_MAPPINGS = (dict, OrderedDict, Counter, defaultdict)
_SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
_MARK = object()


class RestrictedUnpickler:
    """Reads one pickle without calling anything outside a list of allowed classes and functions.

    Args:
        file: where to read; only ``read`` and ``readline`` are used.
        persistent_load: turns a persistent id into a storage.
        extra: further allowed objects by full name.
        size: bytes that can be read at most; strings that claim more are refused before memory is asked for.
        encoding: of Python 2 strings.
    """

    def __init__(
        self,
        file: BinaryIO,
        persistent_load: Callable[[Any], Any] | None = None,
        extra: dict[str, Any] | None = None,
        size: int = 1 << 62,
        encoding: str = "utf-8",
    ) -> None:
        self._file = file
        self._persistent_load = persistent_load
        self._extra = extra or {}
        self._size = size
        self._encoding = encoding
        # What a few bytes can make copies of again and again is bounded by a multiple of what the file could hold.
        self._budget = 16 * min(size, 1 << 50) + (1 << 20)
        self._outside = False
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        # Tensor itself may be named as a type, but calling it could ask for any amount of memory.
        called = [v for v in names.allowed_globals().values() if v is not lampas.Tensor]
        self._callable = {id(v) for v in (*called, *self._extra.values())}

    def load(self) -> Any:
        """The object; ``pickle.UnpicklingError`` for what is refused or damaged, ``EOFError`` where it ends early."""
        read, handlers = self._file.read, _HANDLERS
        try:
            while True:
                code = read(1)
                if not code:
                    raise EOFError("the pickle ends before its end mark: the file is empty or was cut short")
                if code == b".":
                    return self._pop()
                handler = handlers.get(code[0])
                if handler is None:
                    raise pickle.UnpicklingError(f"instruction 0x{code[0]:02x} is unknown or not allowed")
                handler(self)
        except (pickle.UnpicklingError, EOFError, RuntimeError, MemoryError):
            raise
        except Exception as error:
            if self._outside:
                raise
            raise pickle.UnpicklingError(
                f"the pickle is damaged or no checkpoint ({type(error).__name__}: {error})"
            ) from None

    # --- reading ---------------------------------------------------------------------------------------------------

    def _read(self, count: int) -> bytes:
        if count > self._size:
            raise pickle.UnpicklingError(f"a string claims {count} bytes, more than the file holds: it is damaged")
        data = self._file.read(count)
        if len(data) != count:
            raise EOFError("the pickle ends in the middle of a value: the file was cut short")
        return data

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._read(struct.calcsize(form)))[0]

    def _line(self) -> str:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the pickle ends in the middle of a name: the file was cut short")
        return line[:-1].decode("utf-8")

    # --- the stack -------------------------------------------------------------------------------------------------

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise pickle.UnpicklingError("the pickle is damaged: a mark where a value was expected")
        return value

    def _top(self) -> Any:
        return self._stack[-1]

    def _pop_mark(self) -> list[Any]:
        stack = self._stack
        at = len(stack) - 1
        while stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise pickle.UnpicklingError("the pickle is damaged: a mark is missing")
        items = stack[at + 1 :]
        del stack[at:]
        return items

    def _tuple(self, count: int) -> None:
        self._push(tuple(reversed([self._pop() for _ in range(count)])))

    def _spend(self, amount: int) -> None:
        self._budget -= amount
        if self._budget < 0:
            raise pickle.UnpicklingError(
                "the pickle copies its contents over and over, far beyond its own size: do not trust this file"
            )

    def _check_key(self, key: Any) -> None:
        self._spend(names.check_hashable(key))

    def _remember(self, index: int) -> None:
        self._memo[index] = self._top()

    # --- objects ---------------------------------------------------------------------------------------------------

    def _global(self, module: str, name: str) -> None:
        module, name = names.normal_name(module, name)
        if module.partition(".")[0] in _NEVER:
            raise pickle.UnpicklingError(
                f"Trying to load unsupported GLOBAL {module}.{name} whose module {module} is blocked: it reaches the "
                "operating system, and no checkpoint needs it. Do not trust this file."
            )
        try:
            found = names.find_allowed(module, name, self._extra)
        except LookupError:
            if names.is_foreign_dtype(module, name):
                raise pickle.UnpicklingError(
                    f"the file holds tensors of dtype torch.{name}, which lampas does not have; convert them with "
                    "PyTorch and save them anew"
                ) from None
            path = name if module == "builtins" else f"{module}.{name}"
            raise pickle.UnpicklingError(
                f"Unsupported global: GLOBAL {path} was not an allowed global by default. If you trust it, allow it "
                f"with `lampas.serialization.add_safe_globals([{path}])` or inside "
                f"`with lampas.serialization.safe_globals([{path}])`; if you trust the whole file, load it with "
                "weights_only=False, which runs whatever code it contains."
            ) from None
        self._push(found)

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise pickle.UnpicklingError("the pickle is damaged: a global's name must be text")
        self._global(module, name)

    def _reduce(self) -> None:
        args, function = self._pop(), self._pop()
        if id(function) not in self._callable or type(args) is not tuple:
            raise pickle.UnpicklingError(f"Trying to call reduce for unrecognized function {function!r}")
        if function is _utils._rebuild_from_type_v2 and (not args or id(args[0]) not in self._callable):
            raise pickle.UnpicklingError(f"Trying to rebuild a tensor with an unrecognized function {args[:1]!r}")
        for arg in args:
            self._spend(len(arg) if isinstance(arg, _SIZED) else 1)
        if function is OrderedDict and args:
            for pair in args[0]:
                self._check_key(pair[0])
        self._push(function(*args))

    def _new_object(self) -> None:
        args, kind = self._pop(), self._pop()
        if not isinstance(kind, type) or id(kind) not in self._callable or type(args) is not tuple:
            raise pickle.UnpicklingError(f"Can only create objects of allowed classes, but got {kind!r}")
        self._push(kind.__new__(kind, *args))

    def _build(self) -> None:
        state, obj = self._pop(), self._top()
        kind = type(obj)
        self._spend(len(state) if isinstance(state, _SIZED) else 1)
        if kind is OrderedDict:
            _update_attributes(obj, state)
        elif kind is not type and isinstance(kind, type) and id(kind) in {id(v) for v in self._extra.values()}:
            if hasattr(obj, "__setstate__"):
                obj.__setstate__(state)
                return
            attributes, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
            _update_attributes(obj, attributes)
            for name, value in (slots or {}).items():
                setattr(obj, name, value)
        else:
            raise pickle.UnpicklingError(
                f"Can only set the state of OrderedDict or of classes that were allowed, but got {kind}"
            )

    def _persistent(self) -> None:
        key = self._pop()
        if self._persistent_load is None:
            raise pickle.UnpicklingError("the pickle refers to something outside it, and there is nothing")
        # What a user's map_location raises says nothing about the pickle.
        self._outside = True
        storage = self._persistent_load(key)
        self._outside = False
        self._push(storage)

    # --- containers ------------------------------------------------------------------------------------------------

    def _extend(self, items: list[Any]) -> None:
        target = self._top()
        if type(target) is not list:
            raise pickle.UnpicklingError(f"Can only append to lists, but got {type(target)}")
        target.extend(items)

    def _set_items(self, items: list[Any]) -> None:
        target = self._top()
        if type(target) not in _MAPPINGS:
            raise pickle.UnpicklingError(f"Can only set items of dicts, but got {type(target)}")
        if len(items) % 2:
            raise pickle.UnpicklingError("the pickle is damaged: a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._check_key(key)
            target[key] = value

    def _add_items(self) -> None:
        items, target = self._pop_mark(), self._top()
        if type(target) is not set:
            raise pickle.UnpicklingError(f"Can only add to sets, but got {type(target)}")
        for item in items:
            self._check_key(item)
        target.update(items)

    def _frozen_set(self) -> None:
        items = self._pop_mark()
        for item in items:
            self._check_key(item)
        self._push(frozenset(items))

    def _pairs_to_dict(self) -> None:
        items = self._pop_mark()
        self._push({})
        self._set_items(items)

    # --- numbers and text ------------------------------------------------------------------------------------------

    def _text(self, form: str) -> None:
        self._push(str(self._read(self._number(form)), "utf-8", "surrogatepass"))

    def _bytes(self, form: str, kind: Callable = bytes) -> None:
        self._push(kind(self._read(self._number(form))))

    def _old_string(self, form: str) -> None:
        data = self._read(max(0, self._number(form)))
        self._push(data if self._encoding == "bytes" else data.decode(self._encoding, "strict"))

    def _long(self, form: str) -> None:
        self._push(int.from_bytes(self._read(max(0, self._number(form))), "little", signed=True))

    def _integer_line(self) -> None:
        line = self._line()
        if len(line) > 32:
            raise pickle.UnpicklingError("the pickle is damaged: an integer is too long")
        self._push({"00": False, "01": True}[line] if line in ("00", "01") else int(line.rstrip("L")))

    def _protocol(self) -> None:
        version = self._read(1)[0]
        if version > pickle.HIGHEST_PROTOCOL:
            raise pickle.UnpicklingError(f"pickle protocol {version} is newer than this Python knows")


def _update_attributes(obj: Any, state: Any) -> None:
    if state is None:
        return
    if type(state) is not dict or not all(type(name) is str for name in state):
        raise pickle.UnpicklingError(f"the state of {type(obj)} must be a dict of attributes")
    obj.__dict__.update(state)


_HANDLERS: dict[int, Callable[[RestrictedUnpickler], Any]] = {
    ord("\x80"): lambda m: m._protocol(),
    ord("\x95"): lambda m: m._number("<Q"),  # a frame's length: nothing to do for it
    ord("("): lambda m: m._push(_MARK),
    ord("0"): lambda m: m._pop(),
    ord("1"): lambda m: m._pop_mark(),
    ord("2"): lambda m: m._push(m._top()),
    ord("c"): lambda m: m._global(m._line(), m._line()),
    ord("\x93"): lambda m: m._stack_global(),
    ord("R"): lambda m: m._reduce(),
    ord("\x81"): lambda m: m._new_object(),
    ord("b"): lambda m: m._build(),
    ord("Q"): lambda m: m._persistent(),
    ord("N"): lambda m: m._push(None),
    ord("\x88"): lambda m: m._push(True),
    ord("\x89"): lambda m: m._push(False),
    ord("J"): lambda m: m._push(m._number("<i")),
    ord("K"): lambda m: m._push(m._number("<B")),
    ord("M"): lambda m: m._push(m._number("<H")),
    ord("I"): lambda m: m._integer_line(),
    ord("L"): lambda m: m._integer_line(),
    ord("\x8a"): lambda m: m._long("<B"),
    ord("\x8b"): lambda m: m._long("<i"),
    ord("G"): lambda m: m._push(m._number(">d")),
    ord("F"): lambda m: m._push(float(m._line())),
    ord("X"): lambda m: m._text("<I"),
    ord("\x8c"): lambda m: m._text("<B"),
    ord("\x8d"): lambda m: m._text("<Q"),
    ord("U"): lambda m: m._old_string("<B"),
    ord("T"): lambda m: m._old_string("<i"),
    ord("C"): lambda m: m._bytes("<B"),
    ord("B"): lambda m: m._bytes("<I"),
    ord("\x8e"): lambda m: m._bytes("<Q"),
    ord("\x96"): lambda m: m._bytes("<Q", bytearray),
    ord(")"): lambda m: m._push(()),
    ord("t"): lambda m: m._push(tuple(m._pop_mark())),
    ord("\x85"): lambda m: m._tuple(1),
    ord("\x86"): lambda m: m._tuple(2),
    ord("\x87"): lambda m: m._tuple(3),
    ord("]"): lambda m: m._push([]),
    ord("l"): lambda m: m._push(m._pop_mark()),
    ord("a"): lambda m: m._extend([m._pop()]),
    ord("e"): lambda m: m._extend(m._pop_mark()),
    ord("}"): lambda m: m._push({}),
    ord("d"): lambda m: m._pairs_to_dict(),
    ord("s"): lambda m: m._set_items([m._pop(), m._pop()][::-1]),
    ord("u"): lambda m: m._set_items(m._pop_mark()),
    ord("\x8f"): lambda m: m._push(set()),
    ord("\x90"): lambda m: m._add_items(),
    ord("\x91"): lambda m: m._frozen_set(),
    ord("h"): lambda m: m._push(m._memo[m._number("<B")]),
    ord("j"): lambda m: m._push(m._memo[m._number("<I")]),
    ord("q"): lambda m: m._remember(m._number("<B")),
    ord("r"): lambda m: m._remember(m._number("<I")),
    ord("\x94"): lambda m: m._remember(len(m._memo)),
}


def trusted_unpickler(
    module: Any, file: BinaryIO, persistent_load: Callable[[Any], Any] | None, **options: Any
) -> pickle.Unpickler:
    """``module.Unpickler`` with PyTorch's names turned into ours; runs any code the pickle contains."""

    class Unpickler(module.Unpickler):
        def find_class(self, module_name: str, name: str) -> Any:
            module_name, name = names.normal_name(module_name, name)
            if names.is_torch_name(module_name):
                return names.find_global(module_name, name)
            return super().find_class(module_name, name)

        def persistent_load(self, saved_id: Any) -> Any:
            if persistent_load is None:
                raise pickle.UnpicklingError("the pickle refers to something outside it, and there is nothing")
            return persistent_load(saved_id)

    return Unpickler(file, **options)
