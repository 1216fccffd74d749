"""The places in which counterparts stand while a followed call runs: cells, defaults, code; ``namespaces``.

What stands in a place is counted, since calls may run in several threads and within each other: the first
puts the counterparts there, and the last takes them away again.
"""

from __future__ import annotations

import threading
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from polyad.engine.core.following import FOLLOWING
from polyad.engine.follow.counterparts import COUNTERPARTS, has_box
from polyad.engine.follow.packages import compiled

__all__ = [
    "LOCK",
    "Defaults",
    "Enclosed",
    "Helper",
    "Holder",
    "Replaced",
    "entered",
    "instead",
    "left",
    "shared",
]

# held while counterparts come and go
LOCK = threading.RLock()
_MISSING = object()


class Holder:
    """Somewhere a function can be found by the code of another.

    Whatever ``put`` and ``take`` do may be interrupted at any place, by Ctrl-C, and is then done again.
    """

    def __init__(self) -> None:
        # the calls that need the counterparts, and whether all of these stand there
        self._users: set[object] = set()
        self._standing = False
        # identities of the namespaces, or of the code, that look there; empty where that is not known
        self.of: set[int] = set()

    def put(self) -> None:
        """Put the counterparts there."""
        raise NotImplementedError

    def take(self) -> None:
        """Take them away, as often as one likes."""
        raise NotImplementedError


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
        self.of = {id(f.__code__), id(new)}

    def put(self) -> None:
        if self._f.__code__ is self._old:
            self._f.__code__ = self._new

    def take(self) -> None:
        if self._f.__code__ is self._new:
            self._f.__code__ = self._old


class Helper(NamedTuple):
    """Something that replaced code uses, as one of its constants."""

    use: Any


def instead(f: types.FunctionType, own: Any, held: tuple[str, ...] = ()) -> Replaced:
    """A method whose code calls another one, where an argument holds a box, unless that is no help.

    The other one says so by ``NotImplemented``. ``held`` are attributes of the object that are looked at too.
    """
    original = types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    original.__kwdefaults__ = f.__kwdefaults__

    def apply(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if FOLLOWING.depth and (
            has_box(args)
            or has_box(kwargs.values())
            or (held and has_box(getattr(self, n, None) for n in held))
        ):
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


_SHARED: weakref.WeakValueDictionary[tuple[Any, ...], Holder] = weakref.WeakValueDictionary()


def shared(kind: Callable[..., Holder], of: Any, *more: Any) -> Holder:
    """The place of a kind in an object: the same for all calls that need it at the same time."""
    key = (kind, id(of), *map(id, more))
    with LOCK:
        found = _SHARED.get(key)
        if found is None:
            found = _SHARED[key] = kind(of, *more)
        return found


def entered(places: Iterable[Holder], user: object) -> None:
    """Put counterparts in places where there are none yet, for a call that is known by ``user``."""
    with LOCK:
        for place in places:
            place._users.add(user)
            if not place._standing:
                place.put()
                place._standing = True


def left(places: Iterable[Holder], user: object) -> None:
    """Take them away from places that nobody needs any more; to be called again if it is interrupted."""
    with LOCK:
        for place in places:
            place._users.discard(user)
            if not place._users:
                place._standing = False
                place.take()
