"""The array libraries polyad knows.

* A library is recognised by the type of an array through ``sys.modules``: what is not loaded
  cannot own an array, so nothing is ever imported to find out.
* Python numbers and NumPy scalars belong to NumPy.
* NumPy is the meeting point of conversions; memory is shared wherever that is safe, and a
  result never shares memory with what the caller passed in.
* NumPy and polyad's own arrays stand here. All others come from the entry-point group
  ``polyad.libraries``, those of polyad's systems among them; their classes are loaded when their
  framework is.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import sys
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np

from polyad.arrays.library import ArraySpec, Host, Library, loaded
from polyad.errors import BackendNotFoundError, InputTypeError

__all__ = [
    "PLAIN",
    "ArraySpec",
    "Library",
    "entries",
    "is_followed",
    "is_leaf",
    "is_number",
    "libraries",
    "library",
    "library_names",
    "library_of",
    "library_of_kind",
    "library_of_package",
    "loaded",
    "spec_of",
]

GROUP = "polyad.libraries"
_DOUBLE = np.dtype(np.float64)


class NumPy(Host):
    """NumPy arrays, NumPy scalars and Python numbers."""

    name = module = "numpy"
    packages = ("numpy",)
    backends = ("numpy", "finite")
    plain = True
    copies_scratch = True

    def array_types(self) -> tuple[type, ...]:
        return (np.ndarray, np.generic, float, int, complex)

    def spec(self, a: Any) -> ArraySpec:
        if isinstance(a, np.ndarray):
            if type(a) is not np.ndarray:
                kind = f"{type(a).__module__}.{type(a).__name__}"
                raise InputTypeError(
                    f"an argument is a {kind}, whose extra meaning would be lost: "
                    "pass a plain array, np.asarray(x)"
                )
            return ArraySpec(a.shape, a.dtype)
        if isinstance(a, np.generic):
            return ArraySpec((), a.dtype)
        return ArraySpec((), np.dtype(type(a)), weak=True)

    def doubles(self, a: Any) -> Any:
        return a if type(a) is np.ndarray and a.dtype is _DOUBLE else None

    def cast(self, a: Any, dtype: Any) -> Any:
        return np.asarray(a).astype(dtype)


class Engine(Host):
    """Boxes of polyad's own engine, which exist only while it runs a function."""

    name = "engine"
    module = "polyad.engine.boxes.box"
    backends = ("numpy",)  # within a function that the engine differentiates
    boxes = hidden = True

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules["polyad.engine.boxes.box"].Box,)

    def is_traced(self, a: Any) -> bool:
        return not sys.modules["polyad.engine.core.values"].is_over(a._value)

    def spec(self, a: Any) -> ArraySpec:
        return ArraySpec(a.shape, a.dtype)

    def own(self, a: Any) -> Any:
        return sys.modules["polyad.engine.boxes.memory"].apart(a)

    def released(self, a: Any) -> Any:
        return sys.modules["polyad.engine.run"].released(a)

    guarded = own  # a box is written to by giving it another value, so another box is enough

    def writeable(self, out: Any) -> bool:
        return True


class Recording(Host):
    """Arrays of a function that is being recorded, which are met in boxes only."""

    name = "recording"
    module = "polyad.engine.programs.adapter"
    adapter = "polyad.engine.programs.adapter:RecordingAdapter"
    hidden = True


class Pattern(Host):
    """Arrays of a function whose pattern is looked for, which are met in boxes only."""

    name = "pattern"
    module = "polyad.engine.patterns.adapter"
    adapter = "polyad.engine.patterns.adapter:PatternAdapter"
    hidden = True


PLAIN = NumPy()
_KNOWN: dict[str, Library] = {lib.name: lib for lib in (PLAIN, Engine(), Recording(), Pattern())}


@functools.cache
def entries(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group, by their names."""
    return {entry.name: entry for entry in _every_entry().select(group=group)}


@functools.cache
def _every_entry() -> Any:
    return importlib.metadata.entry_points()  # which reads a file of each installed package


def library_names() -> list[str]:
    """Names of the libraries to whose arrays NumPy code can be lifted, or that have backends."""
    return [name for name in entries(GROUP) if not library(name).hidden]


def library(name: str) -> Library:
    """The library of that name.

    Raises
    ------
    BackendNotFoundError
        If none is registered under it.
    """
    found = _KNOWN.get(name)
    if found is not None:
        return found
    entry = entries(GROUP).get(name)
    if entry is None:
        known = ", ".join(map(repr, ("numpy", *entries(GROUP))))
        raise BackendNotFoundError(
            f"no array library is named {name!r}. Registered: {known}. They are entry points of installed "
            "packages: install the package that has it, polyad itself for its own, once more"
        )
    return _KNOWN.setdefault(name, entry.load()())


def libraries() -> list[Library]:
    """NumPy, polyad's own, and every library whose package is loaded."""
    for name in entries(GROUP):
        if name not in _KNOWN and loaded(name) is not None:
            library(name)
    return list(_KNOWN.values())


_BY_PACKAGE: dict[str, Library] = {}
# packages of no library, and how many modules were imported when that was found: one may be imported later
_OF_NONE: dict[str, int] = {}


def library_of_package(package: str) -> Library | None:
    """The library that a top-level package belongs to, of those that are loaded."""
    found = _BY_PACKAGE.get(package)
    if found is None and _OF_NONE.get(package) != (count := len(sys.modules)):
        for lib in libraries():
            if package in lib.packages:
                found = _BY_PACKAGE[package] = lib
                return found
        _OF_NONE[package] = count
    return found


def refresh() -> None:
    """Look for entry points again, after a package was installed or removed in this process."""
    entries.cache_clear()
    _every_entry.cache_clear()
    _BY_PACKAGE.clear()
    _OF_NONE.clear()
    _BY_TYPE.clear()
    for name, lib in list(_KNOWN.items()):
        if not lib.hidden and not lib.plain and name not in entries(GROUP):
            del _KNOWN[name]


_BY_TYPE: dict[type, Library] = {}


def library_of(a: Any) -> Library | None:
    """The library that owns ``a``, or None if it is no array and no number."""
    kind = type(a)
    try:
        return _BY_TYPE[kind]
    except KeyError:
        pass
    for lib in libraries():
        # by instance: the classes of tracers are recognised by JAX's own instance check only
        if loaded(lib.module) is not None and isinstance(a, lib.array_types()):
            _BY_TYPE[kind] = lib  # what is unknown today may belong to a library loaded tomorrow
            return lib
    return None


def library_of_kind(kind: type) -> Library | None:
    """The library of a class of which an array was met before."""
    return _BY_TYPE.get(kind)


def is_followed(a: Any) -> bool:
    """Whether a differentiation or a trace that is running follows ``a``."""
    owner = library_of(a)
    return owner is not None and owner is not PLAIN and owner.is_traced(a)


def is_leaf(a: Any) -> bool:
    """Whether ``a`` is an array or a number of any library."""
    return type(a) in _BY_TYPE or library_of(a) is not None


def is_number(a: Any) -> bool:
    """Whether a leaf is a real double number in a box, of a differentiation that is running."""
    owner = library_of(a)
    return owner is not None and owner.boxes and bool(sys.modules["polyad.engine.lift"].is_number(a))


def spec_of(a: Any) -> ArraySpec:
    """Shape and dtype of a leaf."""
    lib = library_of(a)
    if lib is None:
        raise InputTypeError(f"{type(a).__name__} is no array and no number")
    return lib.spec(a)
