"""What functions take from around themselves, found and replaced.

A solver calls a function again and again with plain numbers, and a loop may compute its steps again. What
that function has captured (in its closure, its defaults, an object that it is a method of) may be
differentiated: such values are found here, made operands, and replaced by plain numbers, tangents or tape
nodes as the solver or a rule needs them.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.arrays.user_code import is_users
from polyad.engine.boxes.box import Box
from polyad.engine.boxes.boxing import contains_box
from polyad.engine.core.following import FOLLOWING

__all__ = ["active", "replaced", "unfollowed"]


@contextlib.contextmanager
def unfollowed() -> Iterator[None]:
    """Run code on plain numbers as it is, also where the code around it is followed through packages."""
    depth, FOLLOWING.depth = FOLLOWING.depth, 0
    try:
        yield
    finally:
        FOLLOWING.depth = depth


LARGEST = 20_000  # objects that are looked at
CONTAINERS = frozenset(("collections", "types"))  # whose objects are the user's: UserDict, SimpleNamespace


def is_active(a: Any) -> bool:
    """Whether something is a number or an array that may be differentiated, or has no values yet."""
    if isinstance(a, Box):
        return True
    if isinstance(a, np.ndarray):
        return a.dtype == object and contains_box(list(a.ravel()))
    if isinstance(a, np.generic | int | float | complex | str | bytes) or a is None:
        return False
    owner = library_of(a)
    return owner is not None and owner.is_foreign


def active(bundle: Any) -> list[Any]:
    """The active leaves of trees, functions and objects, each once."""
    found: dict[int, Any] = {}

    def note(leaf: Any) -> Any:
        found.setdefault(id(leaf), leaf)
        return leaf

    _Mapping(note)(bundle)
    return list(found.values())


def replaced(bundle: Any, leaves: list[Any], others: Any) -> Any:
    """The same trees, functions and objects with other leaves; what holds none of them stays as it is."""
    table = {id(leaf): other for leaf, other in zip(leaves, others, strict=True)}
    return _Mapping(lambda leaf: table[id(leaf)])(bundle)


class _Mapping:
    """One walk through what a bundle holds."""

    def __init__(self, leaf: Callable[[Any], Any]) -> None:
        self.leaf = leaf
        self.known: dict[int, Any] = {}
        self.kept: list[Any] = []  # so that no id is given away again

    def __call__(self, a: Any) -> Any:
        if id(a) in self.known:
            return self.known[id(a)]
        if len(self.kept) > LARGEST:
            return a
        if is_active(a):
            found = self.leaf(a)
        else:
            found = self._of(a)
        self.known[id(a)] = found
        self.kept.append(a)
        return found

    def _of(self, a: Any) -> Any:
        kind = type(a)
        if kind is list or kind is tuple:
            parts = [self(part) for part in a]
            return a if _same(parts, a) else kind(parts)
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            parts = [self(part) for part in a]
            return a if _same(parts, a) else kind(*parts)
        if kind is dict:
            parts = [self(part) for part in a.values()]
            return a if _same(parts, a.values()) else dict(zip(a, parts, strict=True))
        if kind is types.FunctionType:
            # one of a package, too, where it was made in a call: others hold nothing of it
            made = a.__closure__ is not None and not hasattr(a, "__wrapped__")
            return self._of_function(a) if made or is_users(a.__code__.co_filename) else a
        if isinstance(a, dict | list | deque):
            return self._of_container(a)
        if kind is types.MethodType:
            owner, f = self(a.__self__), self(a.__func__)
            return a if owner is a.__self__ and f is a.__func__ else types.MethodType(f, owner)
        if kind is functools.partial:
            parts = self((a.func, a.args, a.keywords))
            f, args, words = parts
            same = f is a.func and args is a.args and words is a.keywords
            return a if same else functools.partial(f, *args, **words)
        return self._of_object(a)

    def _of_container(self, a: Any) -> Any:
        """One that is no plain list or dictionary: a copy of it is filled."""
        self.known[id(a)] = a
        values = list(a.values()) if isinstance(a, dict) else list(a)
        parts = [self(part) for part in values]
        if _same(parts, values):
            return a
        other = copy.copy(a)
        if isinstance(a, dict):
            other.update(zip(a, parts, strict=True))
        else:
            for k, part in enumerate(parts):
                other[k] = part
        return other

    def _of_function(self, f: types.FunctionType) -> Any:
        closure, defaults, words = f.__closure__, f.__defaults__, f.__kwdefaults__
        wrapped = f.__dict__.get("__wrapped__")
        if closure is None and defaults is None and words is None:
            return f
        cells = tuple(types.CellType() for _ in closure or ())
        other = types.FunctionType(f.__code__, f.__globals__, f.__name__, defaults, cells or None)
        other.__kwdefaults__, other.__qualname__, other.__module__ = words, f.__qualname__, f.__module__
        other.__dict__.update(f.__dict__)
        self.known[id(f)] = other  # a function may refer to itself
        changed = False
        for cell, old in zip(cells, closure or (), strict=True):
            try:
                content = old.cell_contents
            except ValueError:  # it is not filled yet
                continue
            cell.cell_contents = self(content)
            changed |= cell.cell_contents is not content and cell.cell_contents is not other
        if defaults is not None:
            other.__defaults__ = self(defaults)
            changed |= other.__defaults__ is not defaults
        if words is not None:
            other.__kwdefaults__ = self(words)
            changed |= other.__kwdefaults__ is not words
        if wrapped is not None:
            other.__dict__["__wrapped__"] = self(wrapped)
        return other if changed else f

    def _of_object(self, a: Any) -> Any:
        if isinstance(a, type | types.ModuleType):
            return a
        held = _attributes(a)
        if not held:
            return a
        module = sys.modules.get(type(a).__module__)
        file = getattr(module, "__file__", None)
        if file is not None and not is_users(file) and type(a).__module__ not in CONTAINERS:
            return a
        self.known[id(a)] = a
        parts = self(held)
        if parts is held:
            return a
        other = copy.copy(a)
        for name, part in parts.items():
            if part is not held[name]:
                object.__setattr__(other, name, part)  # of frozen ones, too
        return other


def _attributes(a: Any) -> dict[str, Any]:
    """What an object holds, in its dictionary or in slots."""
    found = getattr(a, "__dict__", None)
    held = dict(found) if type(found) is dict else {}
    for kind in type(a).__mro__:
        names = kind.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if not name.startswith("__") and isinstance(kind.__dict__.get(name), types.MemberDescriptorType):
                with contextlib.suppress(AttributeError):  # it is not filled
                    held[name] = getattr(a, name)
    return held


def _same(parts: list[Any], others: Any) -> bool:
    return all(a is b for a, b in zip(parts, others, strict=True))
