"""Counterparts: what stands in a namespace for a function, while a followed call is running somewhere."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.following import FOLLOWING

__all__ = [
    "BUILTINS",
    "COUNTERPARTS",
    "Counterpart",
    "FollowedModule",
    "Maker",
    "NumberClass",
    "counterpart",
    "has_box",
    "module_like",
    "with_classes",
]

# by the identity of the original: counterparts, which hold the originals
COUNTERPARTS: dict[int, Any] = {}
# those of Python's own functions, by name
BUILTINS: dict[str, Any] = {}


class Counterpart:
    """Stands for a function or a class of numbers.

    In a thread that follows nothing, and with plain arguments, it is the original.

    Parameters
    ----------
    original : callable
        What it stands for.
    own : callable
        What is called in its place where an argument holds a box.
    """

    __slots__ = ("original", "own")

    def __init__(self, original: Any, own: Callable[..., Any]) -> None:
        self.original, self.own = original, own

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if FOLLOWING.depth and (
            (args and type(args[0]) in BOXES) or has_box(args) or (kwargs and has_box(kwargs.values()))
        ):
            return self.own(*args, **kwargs)
        return self.original(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)

    def __repr__(self) -> str:
        return repr(self.original)

    def __eq__(self, other: object) -> bool:
        return self.original == (other.original if isinstance(other, Counterpart) else other)

    def __hash__(self) -> int:
        return hash(self.original)

    def __reduce__(self) -> Any:
        return _same, (self.original,)

    def __instancecheck__(self, item: Any) -> bool:
        return isinstance(item, self.original)

    def __subclasscheck__(self, cls: type) -> bool:
        return issubclass(cls, self.original)

    def __mro_entries__(self, bases: Any) -> tuple[Any, ...]:
        return (self.original,)

    def __or__(self, other: Any) -> Any:
        return self.original | other

    def __ror__(self, other: Any) -> Any:
        return other | self.original


class NumberClass(Counterpart):
    """Stands for a class of numbers, which also is the name of a dtype."""

    # NumPy asks for one of these, and at length where it finds neither
    __slots__ = ("__numpy_dtype__", "dtype")

    def __init__(self, original: Any, own: Callable[..., Any]) -> None:
        super().__init__(original, own)
        self.dtype = self.__numpy_dtype__ = np.dtype(original)


class Maker(Counterpart):
    """Stands for a function that makes a new array, whatever its arguments are."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if FOLLOWING.depth:
            return self.own(*args, **kwargs)
        return self.original(*args, **kwargs)


def _same(original: Any) -> Any:
    return original


def has_box(items: Iterable[Any]) -> bool:
    """Whether there is a box among things, or in a nesting of lists, tuples and arrays of objects."""
    for a in items:
        kind = type(a)
        if kind in BOXES:
            return True
        if (kind is list or kind is tuple) and has_box(a):
            return True
        if kind is np.ndarray and a.dtype.kind == "O" and has_box(a.flat):
            return True
    return False


def counterpart(original: Any, kind: type[Counterpart] = Counterpart) -> Callable[[Any], Any]:
    """Decorate what is to be called in place of a function."""

    def add(own: Callable[..., Any]) -> Callable[..., Any]:
        is_number = isinstance(original, type) and issubclass(original, int | float | complex | np.number)
        made = NumberClass if is_number and kind is Counterpart else kind
        COUNTERPARTS[id(original)] = made(original, own)
        return own

    return add


class FollowedModule(types.ModuleType):
    """Stands for a module some of whose functions have counterparts."""

    def __init__(self, original: types.ModuleType, classes: bool = True) -> None:
        super().__init__(original.__name__)
        own = self.__dict__
        own.update(vars(original))
        own["_original"], own["_classes"] = original, classes
        self._fill()

    def _fill(self) -> None:
        """Put in what has a counterpart by now: parts of a package may be loaded late."""
        own = self.__dict__
        for name, value in vars(own["_original"]).items():
            found = self._found(value)
            if found is not value:
                own[name] = found

    def _found(self, value: Any) -> Any:
        found = COUNTERPARTS.get(id(value), value)
        return found if self._classes or not isinstance(found, NumberClass) else value

    def __getattr__(self, name: str) -> Any:
        return self._found(getattr(self._original, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._original, name, value)
        super().__setattr__(name, value)

    def __reduce__(self) -> Any:
        return _module, (self.__name__,)


def _module(name: str) -> Any:
    import importlib

    return importlib.import_module(name)


_WITH_CLASSES: dict[int, FollowedModule] = {}


def with_classes(module: FollowedModule) -> FollowedModule:
    """The module with classes of numbers as they are, for code that asks for the identity of one."""
    found = _WITH_CLASSES.get(id(module))
    if found is None:
        found = _WITH_CLASSES[id(module)] = FollowedModule(module._original, classes=False)
    return found


def module_like(original: types.ModuleType) -> FollowedModule:
    """The module with counterparts in it, once made."""
    found = COUNTERPARTS.get(id(original))
    if found is None:
        found = COUNTERPARTS[id(original)] = FollowedModule(original)
    else:
        found._fill()
    return found
