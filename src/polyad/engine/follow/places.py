"""The places in which counterparts stand while a followed call runs: namespaces of modules, cells, defaults.

What stands in a place is counted, since calls may run in several threads and within each other: the first
puts the counterparts there, and the last takes them away again.
"""

from __future__ import annotations

import dis
import threading
import types
from collections.abc import Iterable, Iterator
from typing import Any

from polyad.engine.follow.counterparts import BUILTINS, COUNTERPARTS, NumberClass
from polyad.engine.follow.packages import compiled

__all__ = ["Defaults", "Enclosed", "Namespace", "entered", "left"]

_LOCK = threading.RLock()
_MISSING = object()


class Holder:
    """Somewhere a function can be found by the code of another."""

    def __init__(self) -> None:
        self._count = 0

    def put(self) -> None:
        """Put the counterparts there."""
        raise NotImplementedError

    def take(self) -> None:
        """Take them away, as often as one likes."""
        raise NotImplementedError


class Namespace(Holder):
    """The global names of a module.

    Parameters
    ----------
    names : dict
        The module's own dictionary.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__()
        self.names = names
        self._put: dict[str, tuple[Any, Any]] = {}
        self._keys: int = -1
        self._plan: tuple[tuple[str, Any, Any], ...] = ()

    def _planned(self) -> tuple[tuple[str, Any, Any], ...]:
        """Names with what stands there and what is put there."""
        names = self.names
        if self._keys == len(names) and all(names.get(n, _MISSING) is old for n, old, _ in self._plan):
            return self._plan
        used, held = _uses(names)
        plan = []
        for name, value in list(names.items()):
            found = COUNTERPARTS.get(id(value)) or compiled(value)
            if found is not None and not (isinstance(found, NumberClass) and name in held):
                plan.append((name, value, found))
        for name, found in BUILTINS.items():
            if name in used and name not in names and not (isinstance(found, NumberClass) and name in held):
                plan.append((name, _MISSING, found))
        self._plan, self._keys = tuple(plan), len(names)
        return self._plan

    def put(self) -> None:
        names, put = self.names, self._put
        for name, old, new in self._planned():
            put[name] = old, new
            names[name] = new

    def take(self) -> None:
        names, put = self.names, self._put
        for name, (old, new) in list(put.items()):
            if names.get(name) is new:
                if old is _MISSING:
                    del names[name]
                else:
                    names[name] = old
        put.clear()


class Enclosed(Holder):
    """A variable that a function has from the one around it."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self._cell = cell
        self._old: Any = _MISSING
        self._new: Any = None

    def put(self) -> None:
        try:
            old = self._cell.cell_contents
        except ValueError:
            return
        new = COUNTERPARTS.get(id(old)) or compiled(old)
        if new is not None:
            self._old, self._new = old, new
            self._cell.cell_contents = new

    def take(self) -> None:
        if self._old is not _MISSING and self._cell.cell_contents is self._new:
            self._cell.cell_contents = self._old
        self._old = _MISSING


class Defaults(Holder):
    """Default arguments of a function."""

    def __init__(self, f: types.FunctionType) -> None:
        super().__init__()
        self._f = f
        self._old: Any = None
        self._new: Any = None

    def put(self) -> None:
        old = self._f.__defaults__
        if old:
            self._old, self._new = old, tuple([COUNTERPARTS.get(id(a), a) for a in old])
            self._f.__defaults__ = self._new

    def take(self) -> None:
        if self._new is not None and self._f.__defaults__ is self._new:
            self._f.__defaults__ = self._old
        self._new = None


def _codes(names: dict[str, Any]) -> Iterator[types.CodeType]:
    """All code that has these names for its globals."""
    seen: set[int] = set()
    todo: list[Any] = list(names.values())
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, types.FunctionType):
            if value.__globals__ is names:
                todo.append(value.__code__)
            todo.append(getattr(value, "__wrapped__", None))
            for cell in value.__closure__ or ():
                try:
                    todo.append(cell.cell_contents)
                except ValueError:
                    continue
        elif isinstance(value, types.CodeType):
            yield value
            todo.extend(k for k in value.co_consts if isinstance(k, types.CodeType))
        elif isinstance(value, type) and value.__module__ == names.get("__name__"):
            todo.extend(vars(value).values())
        elif isinstance(value, staticmethod | classmethod):
            todo.append(value.__func__)
        elif isinstance(value, property):
            todo.extend((value.fget, value.fset))
        elif hasattr(value, "py_func"):
            todo.append(value.py_func)


def _uses(names: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Of the names that could be replaced those in use, and those whose identity is asked for."""
    used: set[str] = set()
    held: set[str] = set()
    for code in _codes(names):
        used.update(code.co_names)
        classes = [n for n in code.co_names if n in ("float", "complex") or isinstance(names.get(n), type)]
        if classes:
            held.update(_compared(code, classes))
    return used, held


def _compared(code: types.CodeType, classes: list[str]) -> Iterator[str]:
    """Names of classes that code compares, or looks up, instead of calling them."""
    before: list[str] = []
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_GLOBAL" and step.argval in classes:
            before.append(step.argval)
        elif step.opname in (
            "IS_OP",
            "COMPARE_OP",
            "CONTAINS_OP",
            "BUILD_MAP",
            "BUILD_SET",
            "BUILD_CONST_KEY_MAP",
        ):
            yield from before
            before = []
        elif step.opname.startswith(("STORE", "POP", "RETURN", "CALL", "JUMP")):
            before = []


def entered(places: Iterable[Holder], done: list[Holder]) -> None:
    """Put counterparts in places where there are none yet; ``done`` has those that are counted."""
    with _LOCK:
        for place in places:
            done.append(place)
            place._count += 1
            if place._count == 1:
                place.put()


def left(places: Iterable[Holder]) -> None:
    """Take them away from places that nobody needs any more."""
    with _LOCK:
        for place in places:
            place._count -= 1
            if place._count == 0:
                place.take()
