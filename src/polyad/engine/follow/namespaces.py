"""The global names of a module as a place for counterparts, and which of them its code asks for."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterable, Iterator
from itertools import repeat
from operator import is_
from typing import Any, NamedTuple

from polyad.engine.follow.counterparts import (
    BUILTINS,
    COUNTERPARTS,
    FollowedModule,
    NumberClass,
    with_classes,
)
from polyad.engine.follow.packages import compiled
from polyad.engine.follow.places import Holder

__all__ = ["Names", "Namespace"]

_MISSING = object()
# classes of numbers that NumPy has, and what stands for one that is looked up in a module
_CLASSES = ("float64", "float32", "complex128", "double", "single", "float_", "cdouble")
_OF_NUMPY = ".class"


class _Plan(NamedTuple):
    """Names, what they stand for now, and what they will."""

    names: tuple[str, ...] = ()
    old: tuple[Any, ...] = ()
    new: tuple[Any, ...] = ()
    # the same by name: what is put there, and what is put back; and what is to go
    put: dict[str, Any] = {}  # noqa: RUF012  (never written to)
    back: dict[str, Any] = {}  # noqa: RUF012
    added: tuple[str, ...] = ()


def _plan(found: Iterable[tuple[str, Any, Any]]) -> _Plan:
    found = list(found)
    if not found:
        return _Plan()
    names, old, new = zip(*found, strict=True)
    back = {n: o for n, o, _ in found if o is not _MISSING}
    added = tuple([n for n, o, _ in found if o is _MISSING])
    return _Plan(names, old, new, dict(zip(names, new, strict=True)), back, added)


class Namespace:
    """The global names of a module.

    Parameters
    ----------
    names : dict
        The module's own dictionary.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        # the parts that stand there
        self.standing: list[Names] = []

    @property
    def label(self) -> str:
        """The module's name."""
        return str(self.names.get("__name__", ""))

    def clean(self) -> dict[str, Any]:
        """The names without counterparts."""
        names = dict(self.names)
        for part in self.standing:
            plan = part.plan
            for name, old, new in zip(plan.names, plan.old, plan.new, strict=True):
                if names.get(name, _MISSING) is new:
                    names.pop(name) if old is _MISSING else names.update({name: old})
        return names

    def candidates(self, names: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
        """Names with what stands there and what is put there."""
        used, held = _uses(self.names, names)
        for name, value in names.items():
            found = COUNTERPARTS.get(id(value)) or compiled(value)
            if found is not None and _OF_NUMPY in held and type(found) is FollowedModule:
                found = with_classes(found)
            if found is not None and not (isinstance(found, NumberClass) and name in held):
                yield name, value, found
        for name, found in BUILTINS.items():
            if name in used and name not in names and not (isinstance(found, NumberClass) and name in held):
                yield name, _MISSING, found


class Names(Holder):
    """Of the names of a module those that a route needs.

    Parameters
    ----------
    of : Namespace
        The module's.
    only : frozenset of str, optional
        The names; all of them by default.
    """

    def __init__(self, of: Namespace, only: frozenset[str] | None = None) -> None:
        super().__init__()
        self.namespace, self._only = of, only
        self.plan = _Plan()
        # how many names the module had
        self._size = -1

    def prepare(self) -> None:
        """Know what is to be put there; where nothing has changed, nothing is asked in a loop of Python."""
        names, plan = self.namespace.names, self.plan
        known = map(names.get, plan.names, repeat(_MISSING))
        if self._size == len(names) and all(map(is_, known, plan.old)):
            return
        if self.namespace.standing:
            names = self.namespace.clean()
            known = map(names.get, plan.names, repeat(_MISSING))
            if self._size == len(names) and all(map(is_, known, plan.old)):
                return
        self._size = -1  # not known until all of it is
        only = self._only
        found = self.namespace.candidates(names)
        self.plan = _plan(item for item in found if only is None or item[0] in only)
        self._size = len(names)

    def put(self) -> None:
        self.prepare()
        self.namespace.standing.append(self)
        self.namespace.names.update(self.plan.put)  # one call of C: nothing comes between

    def take(self) -> None:
        namespace, plan = self.namespace, self.plan
        if self not in namespace.standing:
            return
        names = namespace.names
        others = {n for part in namespace.standing if part is not self for n in part.plan.names}
        back, added = plan.back, plan.added
        if others or not all(map(is_, map(names.get, plan.names, repeat(_MISSING)), plan.new)):
            # others need some; or somebody has changed some, or an interruption came between
            ours = {n for n in plan.names if n not in others and names.get(n, _MISSING) is plan.put[n]}
            back = {n: old for n, old in back.items() if n in ours}
            added = tuple([n for n in added if n in ours])
        names.update(back)
        for name in added:
            names.pop(name, None)
        namespace.standing.remove(self)


def _codes(space: dict[str, Any], names: dict[str, Any]) -> Iterator[types.CodeType]:
    """All code that has these names for its globals."""
    seen: set[int] = set()
    todo: list[Any] = list(names.values())
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, types.FunctionType):
            if value.__globals__ is space:
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


def _uses(space: dict[str, Any], names: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Of the names that could be replaced those in use, and those whose identity is asked for."""
    used: set[str] = set()
    held: set[str] = set()
    for code in _codes(space, names):
        used.update(code.co_names)
        classes = [
            n
            for n in code.co_names
            if n in ("float", "int", "complex", "type", *_CLASSES) or isinstance(names.get(n), type)
        ]
        if classes:
            try:
                held.update(_compared(code, classes))
            except Exception:  # numba changes code so that it cannot be read
                held.update(classes)
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
