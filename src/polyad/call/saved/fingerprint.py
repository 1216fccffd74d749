"""Whether a function is still what it was: its code, and what it takes from around it, as one number.

A program in a file is of the function as it was when it was saved. Functions are sent by name, so the one
that is found where the file is read may be another: then the program is left, and it is prepared again.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import os
import pickle
import sys
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of, library_of_package

__all__ = ["fingerprint"]

# of more things than these the function is never taken for the one that it was
MOST = 3000
GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME")
_NUMBERS = (bool, int, float, complex, str, bytes, type(None), type(...), range, slice)
_KNOWN = frozenset({"numpy", "scipy", "polyad", "optree", "array_api_compat", "builtins"})


def fingerprint(roots: tuple[Any, ...]) -> str:
    """A hash of functions' code, and of what they reach, that is the same in every process.

    Parameters
    ----------
    roots : tuple
        The functions, and other things that they are handed.
    """
    reader = _Reader()
    for root in roots:
        reader.read(root)
    return reader.digest.hexdigest()


class _Reader:
    """One walk, in an order that depends on nothing but the things themselves."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self._seen: dict[int, Any] = {}  # the things as well, so that their ids are not given to others

    def read(self, value: Any) -> None:
        """Take a thing in, with all that it reaches."""
        if isinstance(value, _NUMBERS):
            self._note(f"{type(value).__name__} {value!r}")
            return
        if id(value) in self._seen:
            self._note("again")
            return
        if len(self._seen) > MOST:
            self._never()
            return
        self._seen[id(value)] = value
        self._note(type(value).__qualname__)
        if isinstance(value, types.CodeType):
            self._code(value)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self._all(value.__func__, value.__self__)
        elif isinstance(value, functools.partial):
            self._all(value.func, value.args, value.keywords)
        elif isinstance(value, staticmethod | classmethod):
            self.read(value.__func__)
        elif isinstance(value, property):
            self._all(value.fget)
        elif isinstance(value, types.ModuleType):
            self._note(value.__name__)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, list | tuple):
            self._all(len(value), *value)
        elif isinstance(value, set | frozenset):
            self._all(*sorted(map(repr, value)))
        elif isinstance(value, Mapping):
            for key, content in list(value.items()):
                self._all(str(key), content)
        elif isinstance(value, np.ndarray):
            self._array(value)
        elif (owner := library_of(value)) is not None:
            if not (owner.boxes or owner.is_traced(value)):
                self._array(np.asarray(owner.to_numpy(value)))
        elif (inside := getattr(value, "__wrapped__", None)) is not None:
            self.read(inside)
        elif isinstance(vars_of := getattr(value, "__dict__", None), dict) and not _is_known(type(value)):
            self.read(type(value))
            for word in sorted(map(str, vars_of)):
                self._all(word, vars_of.get(word))
        elif isinstance(name := getattr(value, "__qualname__", getattr(value, "__name__", None)), str):
            self._note(name)
        else:
            self._content(value)

    def _note(self, text: str) -> None:
        self.digest.update(text.encode(errors="replace") + b"\0")

    def _all(self, *values: Any) -> None:
        for value in values:
            self.read(value)

    def _content(self, value: Any) -> None:
        """What an object holds that has no attributes to look at, as it would be sent."""
        try:
            self.digest.update(pickle.dumps(value, 4))
        except Exception:
            self._never()

    def _never(self) -> None:
        """Something is out of sight, which may be another one every time."""
        self.digest.update(os.urandom(16))

    def _array(self, a: np.ndarray) -> None:
        self._note(f"{a.dtype} {a.shape}")
        if a.dtype.hasobject:
            self._content(a)
        else:
            self.digest.update(np.ascontiguousarray(a).tobytes())

    def _code(self, code: types.CodeType) -> None:
        self.digest.update(code.co_code)
        # the first constant of a function is its docstring, if it has one
        self._all(code.co_names, code.co_varnames, code.co_freevars, code.co_flags, *code.co_consts[1:])
        if code.co_consts and not isinstance(code.co_consts[0], str):
            self.read(code.co_consts[0])

    def _function(self, f: types.FunctionType) -> None:
        self._note(f.__qualname__)
        if _is_known(f):
            return
        self._all(f.__code__, f.__defaults__, f.__kwdefaults__)
        for cell in f.__closure__ or ():
            try:
                self.read(cell.cell_contents)
            except ValueError:  # not filled yet
                self._note("empty")
        for word in sorted(_names(f.__code__, of_globals=True)):
            content = f.__globals__.get(word)
            if isinstance(content, types.ModuleType) and not _is_known_name(content.__name__):
                for inner in sorted(_names(f.__code__)):
                    if inner in vars(content):
                        self.read(vars(content)[inner])
            elif word in f.__globals__:
                self.read(content)

    def _class(self, kind: type) -> None:
        self._note(kind.__qualname__)
        if _is_known(kind):
            return
        for word, content in sorted(vars(kind).items()):
            shown = isinstance(content, types.FunctionType | property | staticmethod | classmethod)
            if shown or (isinstance(content, (*_NUMBERS, np.ndarray)) and not word.startswith("__")):
                self._all(word, content)
        self._all(*kind.__bases__)


def _names(code: types.CodeType, *, of_globals: bool = False) -> set[str]:
    """The names in code: all, or those of globals, which alone travel with a function sent by value."""
    found = set(code.co_names)
    if of_globals:
        found = {op.argval for op in dis.get_instructions(code) if op.opname in GLOBALS}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant, of_globals=of_globals)
    return found


def _is_known(thing: Any) -> bool:
    return _is_known_name(getattr(thing, "__module__", None) or "")


def _is_known_name(module: str) -> bool:
    """Whether a module's own code is that of a package whose version says what it is."""
    package = module.partition(".")[0]
    return package in _KNOWN or package in sys.stdlib_module_names or library_of_package(package) is not None
