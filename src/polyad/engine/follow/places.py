"""The places in which counterparts stand while a followed call runs: namespaces of modules, cells, defaults.

What stands in a place is counted, since calls may run in several threads and within each other: the first
puts the counterparts there, and the last takes them away again.
"""

from __future__ import annotations

import dis
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, NamedTuple

from polyad.engine.core.following import FOLLOWING
from polyad.engine.follow.counterparts import (
    BUILTINS,
    COUNTERPARTS,
    FollowedModule,
    NumberClass,
    has_box,
    with_classes,
)
from polyad.engine.follow.packages import compiled

__all__ = [
    "Defaults",
    "Enclosed",
    "Helper",
    "Holder",
    "Namespace",
    "Replaced",
    "entered",
    "instead",
    "left",
    "shared",
]

_LOCK = threading.RLock()
_MISSING = object()
# classes of numbers that NumPy has, and what stands for one that is looked up in a module
_CLASSES = ("float64", "float32", "complex128", "double", "single", "float_", "cdouble")
_OF_NUMPY = ".class"


class Holder:
    """Somewhere a function can be found by the code of another.

    Whatever ``put`` and ``take`` do may be interrupted at any place, by Ctrl-C, and is then done again.
    """

    def __init__(self) -> None:
        # the calls that need the counterparts, and whether all of these stand there
        self._users: set[object] = set()
        self._standing = False

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
        self._put: tuple[tuple[str, Any, Any], ...] = ()
        self._keys: int = -1
        self._plan: tuple[tuple[str, Any, Any], ...] = ()
        self._new: dict[str, Any] = {}

    def _planned(self) -> tuple[tuple[str, Any, Any], ...]:
        """Names with what stands there and what is put there."""
        names = self.names
        if self._keys == len(names) and all(names.get(n, _MISSING) is old for n, old, _ in self._plan):
            return self._plan
        used, held = _uses(names)
        plan = []
        for name, value in list(names.items()):
            found = COUNTERPARTS.get(id(value)) or compiled(value)
            if found is not None and _OF_NUMPY in held and type(found) is FollowedModule:
                found = with_classes(found)
            if found is not None and not (isinstance(found, NumberClass) and name in held):
                plan.append((name, value, found))
        for name, found in BUILTINS.items():
            if name in used and name not in names and not (isinstance(found, NumberClass) and name in held):
                plan.append((name, _MISSING, found))
        self._plan, self._keys = tuple(plan), len(names)
        self._new = {name: new for name, _, new in plan}
        return self._plan

    def put(self) -> None:
        self._put = self._planned()
        self.names.update(self._new)  # one call of C: nothing comes between

    def take(self) -> None:
        names = self.names
        there = [(n, old) for n, old, new in self._put if names.get(n) is new]
        names.update({n: old for n, old in there if old is not _MISSING})
        deque(map(names.pop, [n for n, old in there if old is _MISSING], repeat(None)), maxlen=0)
        self._put = ()


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
        if self._old is not _MISSING and self._holds_new():
            self._cell.cell_contents = self._old
        self._old = _MISSING

    def _holds_new(self) -> bool:
        try:
            return self._cell.cell_contents is self._new
        except ValueError:  # emptied in the meantime
            return False


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


class Replaced(Holder):
    """The code of a function."""

    def __init__(self, f: types.FunctionType, new: types.CodeType) -> None:
        super().__init__()
        self._f, self._old, self._new = f, f.__code__, new

    def put(self) -> None:
        if self._f.__code__ is self._old:
            self._f.__code__ = self._new

    def take(self) -> None:
        if self._f.__code__ is self._new:
            self._f.__code__ = self._old


class Helper(NamedTuple):
    """Something that replaced code uses, as one of its constants."""

    use: Any


def instead(f: types.FunctionType, own: Any) -> Replaced:
    """A method whose code calls another one, where an argument holds a box, unless that is no help.

    The other one says so by ``NotImplemented``.
    """
    original = types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    original.__kwdefaults__ = f.__kwdefaults__

    def apply(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if FOLLOWING.depth and (has_box(args) or has_box(kwargs.values())):
            result = own(self, *args, **kwargs)
            if result is not NotImplemented:
                return result
        return original(self, *args, **kwargs)

    code = _template.__code__
    consts = tuple([Helper(apply) if c == _PLACE else c for c in code.co_consts])
    file = f.__code__.co_filename
    return Replaced(f, code.replace(co_consts=consts, co_name=f.__name__, co_filename=file))


_PLACE = "\0polyad"


def _template(self: Any, *args: Any, **kwargs: Any) -> Any:
    return "\0polyad".use(self, args, kwargs)  # type: ignore[attr-defined]


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
        else:
            try:
                todo.append(value.py_func)
            except Exception:  # some objects answer a name that they lack with an error of their own
                continue


def _uses(names: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Of the names that could be replaced those in use, and those whose identity is asked for."""
    used: set[str] = set()
    held: set[str] = set()
    for code in _codes(names):
        used.update(code.co_names)
        classes = [
            n
            for n in code.co_names
            if n in ("float", "complex", "type", *_CLASSES) or isinstance(names.get(n), type)
        ]
        if classes:
            held.update(_compared(code, classes))
    return used, held


def _compared(code: types.CodeType, classes: list[str]) -> Iterator[str]:
    """Names of classes that code compares, or looks up, instead of calling them."""
    before: list[str] = []
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_GLOBAL" and step.argval in classes:
            before.append(step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and step.argval in _CLASSES:
            before.append(_OF_NUMPY)
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


_SHARED: weakref.WeakValueDictionary[tuple[Any, ...], Holder] = weakref.WeakValueDictionary()


def shared(kind: Callable[..., Holder], of: Any, *more: Any) -> Holder:
    """The place of a kind in an object: the same for all calls that need it at the same time."""
    key = (kind, id(of), *map(id, more))
    with _LOCK:
        found = _SHARED.get(key)
        if found is None:
            found = _SHARED[key] = kind(of, *more)
        return found


def entered(places: Iterable[Holder], user: object) -> None:
    """Put counterparts in places where there are none yet, for a call that is known by ``user``."""
    with _LOCK:
        for place in places:
            place._users.add(user)
            if not place._standing:
                place.put()
                place._standing = True


def left(places: Iterable[Holder], user: object) -> None:
    """Take them away from places that nobody needs any more; to be called again if it is interrupted."""
    with _LOCK:
        for place in places:
            place._users.discard(user)
            if not place._users:
                place._standing = False
                place.take()
