"""What a function captures, watched: a pattern was found for it as it was.

An index array, a mask, a matrix with zeros or a flag that a function takes from around it says which entries
there are. Where such a thing is changed after preparation, the pattern may be wrong without an error. So what
can be reached from the function is noted, and looked at again at each call: names by what they stand for,
arrays by what is in them.
"""

from __future__ import annotations

import functools
import operator
import sys
import types
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of, library_of_package
from polyad.arrays.types import Array
from polyad.sparse.counters import only_counted

__all__ = ["Captured"]

# things that are looked at before the rest counts as out of sight
MOST = 3000
# of larger arrays no copy is kept to compare them with, only a checksum, which takes four times as long
COPIED = 2**24
# bytes of arrays that are compared as texts, which is the quickest
SMALL = 2**16
# bytes that are compared at a time
COMPARED = 2**18
NUMBERS = (bool, int, float, complex, str, bytes)
_CONSTANT = (
    *NUMBERS,
    type(None),
    type(...),
    type(NotImplemented),
    range,
    slice,
    np.generic,
    np.dtype,
    np.ufunc,
    types.BuiltinFunctionType,
    types.CodeType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.GenericAlias,
    type(sys.implementation),
    operator.itemgetter,
    operator.attrgetter,
)
_KNOWN = frozenset({"numpy", "scipy", "polyad", "optree", "array_api_compat", "builtins"})
_NOTHING = object()
_GETTERS = (operator.itemgetter, operator.attrgetter, operator.methodcaller)
_ASKING = (getattr, vars, globals, locals, eval, exec, dir)


class Captured:
    """What functions take from around them, as it is now.

    Parameters
    ----------
    roots : sequence
        The functions, and other things that they are handed.

    Attributes
    ----------
    unseen : str
        What could not be looked into, so that nobody knows whether it has changed; empty if there is nothing.
    """

    def __init__(self, roots: tuple[Any, ...]) -> None:
        self.unseen = ""
        self._cells: list[tuple[str, Any, Any]] = []
        self._items: list[tuple[str, Any, Any, Any]] = []
        self._sizes: list[tuple[str, Any, int]] = []
        self._orders: list[tuple[str, Any, list[Any]]] = []
        self._arrays: list[tuple[str, Callable[[], Array], Any]] = []
        self._seen: dict[int, Any] = {}
        self._names: set[str] = set()
        self._codes: list[types.CodeType] = []
        # by which names lists and mappings are reached, and whether something asks for others' attributes
        self._called: dict[int, set[str]] = {}
        self._asks = False
        self._counted: dict[tuple[str, int], bool] = {}
        self._modules: list[types.ModuleType] = []
        self._waiting: deque[tuple[Any, str]] = deque((root, "an argument") for root in roots)
        try:
            self._walk()
        except Exception:  # an object that does not let itself be looked at
            self.unseen = self.unseen or "an object"
        self._waiting.clear()
        # what was seen must stay alive while it is known by its id, and no longer
        self._seen.clear()

    def changed(self) -> str:
        """What has changed, in words; empty if nothing has.

        Numbers in which the function only counts are watched no longer.
        """
        counted: list[int] = []
        for name, cell, then in self._cells:
            try:
                now = cell.cell_contents
            except ValueError:
                now = _NOTHING
            if now is not then and not _same_number(now, then):
                if not self._counts(name, now, then):
                    return name
                counted.append(id(cell))
        if counted:
            self._cells = [noted for noted in self._cells if id(noted[1]) not in counted]
        counted = []
        for k, (name, mapping, key, then) in enumerate(self._items):
            now = mapping.get(key, _NOTHING)
            if now is not then and not _same_number(now, then):
                if not self._counts(name, now, then, mapping):
                    return name
                counted.append(k)
        if counted:
            self._items = [item for k, item in enumerate(self._items) if k not in counted]
        for name, things, count in self._sizes:
            if len(things) != count:
                return name
        for name, things, before in self._orders:
            if len(things) == len(before) and all(map(operator.is_, things, before)):
                continue
            if len(things) != len(before):
                return name
            for k, (now, then) in enumerate(zip(things, before, strict=True)):
                if now is not then and not _same_number(now, then):
                    if not self._counts(name, now, then, things):
                        return name
                    before[k] = now
        for name, read, kept in self._arrays:
            if not _is(read(), kept):
                return name
        return ""

    def _counts(self, name: str, now: Any, then: Any, inside: Any = None) -> bool:
        """Whether a number has changed in which the function only counts, in a list or mapping perhaps."""
        if self._asks or type(now) not in (int, float) or type(now) is not type(then):
            return False
        known = self._counted.get((name, id(inside)))
        if known is None:
            names, word = self._called.get(id(inside), {name}), name.rpartition(".")[2]
            known = len(names) == 1 and word.isidentifier() and only_counted(word, self._codes)
            self._counted[name, id(inside)] = known
        return known

    # -- the walk ---------------------------------------------------------------------------------------

    def _walk(self) -> None:
        while self._waiting:
            self._visit(*self._waiting.popleft())
            if not self._waiting:  # which of a module's names are meant is known when all code has been read
                self._of_modules()
            if len(self._seen) > MOST:
                self.unseen = self.unseen or "some of what it reaches"
                return

    def _visit(self, value: Any, name: str) -> None:
        if isinstance(value, list | deque | Mapping):
            self._called.setdefault(id(value), set()).add(name)
        if isinstance(value, types.BuiltinFunctionType) and not isinstance(value.__self__, types.ModuleType):
            self._put((value.__self__, name))  # a method of some list or mapping
        if isinstance(value, _GETTERS) or any(value is asking for asking in _ASKING):
            self._asks = True
        if isinstance(value, _CONSTANT) or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self._put((value.__self__, "self"), (value.__func__, name))
        elif isinstance(value, functools.partial):
            given = f"an argument of {name}"  # no name by which code speaks of it
            self._put((value.func, name), (value.args, given), (value.keywords, given))
        elif isinstance(value, types.ModuleType):
            if not _is_known(value.__name__):
                self._modules.append(value)
        elif isinstance(value, staticmethod | classmethod):
            self._put((value.__func__, name))
        elif isinstance(value, property):
            self._put((value.fget, name), (value.fset, name), (value.fdel, name))
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, list | tuple | deque):
            if not isinstance(value, tuple):
                self._orders.append((name, value, list(value)))
            self._put(*((item, name) for item in value))
            self._instance(value, name)
        elif isinstance(value, set | frozenset):
            self._sizes.append((name, value, len(value)))
            self._put(*((item, name) for item in value))
        elif isinstance(value, Mapping) and hasattr(value, "get"):
            self._mapping(value, name)
            self._instance(value, name)
        elif isinstance(value, np.ndarray):
            self._array(lambda: value, name)
            if value.dtype.hasobject:
                self.unseen = self.unseen or name
        elif (owner := library_of(value)) is not None:
            if owner.boxes or owner.is_traced(value):
                self.unseen = self.unseen or name
            elif not owner.immutable:
                self._array(lambda: np.asarray(owner.to_numpy(value)), name)
        elif (inside := getattr(value, "__wrapped__", None)) is not None:
            self._put((inside, name))
        elif not self._instance(value, name) and not self._buffer(value, name):
            if not _is_known(type(value).__module__):
                self.unseen = self.unseen or name

    def _put(self, *found: tuple[Any, str]) -> None:
        self._waiting.extend(found)

    def _function(self, f: types.FunctionType) -> None:
        if _is_known(f.__module__ or ""):
            return
        for word, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:  # not filled yet
                content = _NOTHING
            self._cells.append((word, cell, content))
            if content is not _NOTHING:
                self._put((content, word))
        given = f"an argument of {f.__name__}"
        self._put(
            (f.__defaults__, given), (f.__kwdefaults__, given), (f.__dict__, f"attributes of {f.__name__}")
        )
        self._codes.append(f.__code__)
        inside, mentioned = [f.__code__], set[str]()
        for code in inside:
            mentioned.update(code.co_names)
            inside.extend(k for k in code.co_consts if isinstance(k, types.CodeType))
        self._names |= mentioned
        for word in mentioned:
            content = f.__globals__.get(word, _NOTHING)
            if content is not _NOTHING and not isinstance(content, types.ModuleType):
                self._items.append((word, f.__globals__, word, content))
            if content is not _NOTHING:
                self._put((content, word))

    def _class(self, kind: type) -> None:
        if _is_known(kind.__module__):
            return
        for word, content in vars(kind).items():
            if not (word.startswith("__") and word.endswith("__")) or isinstance(content, types.FunctionType):
                self._items.append((f"{kind.__name__}.{word}", vars(kind), word, content))
                self._put((content, f"{kind.__name__}.{word}"))
        self._put(*((base, base.__name__) for base in kind.__bases__))

    def _mapping(self, value: Mapping[Any, Any], name: str) -> None:
        self._sizes.append((name, value, len(value)))
        for key, content in list(value.items()):
            self._items.append((name, value, key, content))
            self._put((content, name))

    def _instance(self, value: Any, name: str) -> bool:
        """Note the attributes of an object; whether it has any."""
        kind = type(value)
        known = getattr(value, "__dict__", None)
        slots = [s for base in kind.__mro__ for s in _slots(base)]
        if known is None and not slots:
            return False
        self._put((kind, kind.__name__))
        for word, content in list((known or {}).items()):
            self._items.append((f"{name}.{word}", known, word, content))
            self._put((content, f"{name}.{word}"))
        if slots:
            reading = _Slots(value)
            for word in slots:
                content = reading.get(word, _NOTHING)
                self._items.append((f"{name}.{word}", reading, word, content))
                self._put((content, f"{name}.{word}"))
        return True

    def _array(self, read: Callable[[], Array], name: str) -> None:
        self._arrays.append((name, read, _kept(read())))

    def _buffer(self, value: Any, name: str) -> bool:
        """Note the memory of a ``bytearray`` and its like; whether it is one."""
        try:
            memoryview(value)
        except TypeError:
            return False
        self._array(lambda: np.frombuffer(value, np.uint8), name)
        return True

    def _of_modules(self) -> None:
        for module in self._modules:
            for word in self._names:
                content = vars(module).get(word, _NOTHING)
                if content is _NOTHING:
                    continue
                name = f"{module.__name__}.{word}"
                if not isinstance(content, types.ModuleType):
                    self._items.append((name, vars(module), word, content))
                self._put((content, name))
        self._modules.clear()


class _Slots:
    """The attributes of an object that has slots for them, asked for as those of a dict."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def get(self, word: str, default: Any) -> Any:
        return getattr(self._value, word, default)


def _slots(kind: type) -> tuple[str, ...]:
    found = vars(kind).get("__slots__", ())
    names = (found,) if isinstance(found, str) else tuple(found)
    return tuple(
        f"_{kind.__name__.lstrip('_')}{s}" if s.startswith("__") and not s.endswith("__") else s
        for s in names
        if s not in ("__dict__", "__weakref__")
    )


def _is_known(module: str) -> bool:
    """Whether a module's own code is known to hold nothing that a caller changes."""
    package = module.partition(".")[0]
    return package in _KNOWN or package in sys.stdlib_module_names or library_of_package(package) is not None


def _same_number(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, NUMBERS) and bool(a == b)


def _line(a: Array) -> Array:
    """What is in an array, as bytes in a row."""
    flat = np.ascontiguousarray(a).reshape(-1)
    return flat.view(np.uint8) if flat.size else np.zeros(0, np.uint8)


def _kept(a: Array) -> bytes | int | Array:
    """What a later state of an array is compared with."""
    if a.nbytes <= SMALL:
        return a.tobytes()
    return _line(a).copy() if a.nbytes <= COPIED else zlib.crc32(_line(a))


def _is(a: Array, kept: Any) -> bool:
    if type(kept) is bytes:
        return a.nbytes == len(kept) and a.tobytes() == kept
    now = _line(a)
    if type(kept) is int:
        return zlib.crc32(now) == kept
    parts = range(0, now.size, COMPARED)
    return now.size == kept.size and all(
        np.array_equal(now[k : k + COMPARED], kept[k : k + COMPARED]) for k in parts
    )
