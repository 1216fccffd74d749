"""What the code of a function speaks of: packages, and names that say how it is meant."""

from __future__ import annotations

import dis
import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from polyad.arrays.libraries import library, library_of_package

__all__ = ["Mentions", "packages_of"]

GENERIC = frozenset({"namespace", "array_namespace", "__array_namespace__"})
CLASSES = frozenset({"float", "Number", "Real"})
# What some frameworks answer with a plain number, the derivative lost.
NUMBERS = frozenset({"item"})
# How frameworks say that a derivative is dropped on purpose.
STOPS = frozenset({"detach", "no_grad", "inference_mode", "stop_gradient"})
# What writes to a read-only array without an error: ``np.add.at``, and flags that are set back.
UNASKED = frozenset({"at", "setflags", "writeable"})
TELLING = GENERIC | NUMBERS | STOPS | UNASKED
# What tells a stand-in from a number, and what is said of code that asks it.
TYPES = frozenset("type isinstance issubclass hasattr getattr callable iterable".split())
ASKS = "type?"
# What makes arrays of objects out of stand-ins, and what NumPy answers of these otherwise than of numbers.
ARRAYS = "array?"
MAKERS = frozenset("array asarray asanyarray full full_like empty fromiter".split())
PARTS = "part?"
OF_KINDS = frozenset(
    "real imag conj conjugate angle dtype isreal iscomplex isrealobj iscomplexobj issubdtype".split()
)
# What writes to an array in place: an entry is stored, ``+=``, ``out=``, and methods like torch's ``add_``.
WRITES = "write"
STORES = dis.opmap["STORE_SUBSCR"]
OUT = "out"
# Who makes a text of a number, from which it may be read again.
TEXTS = frozenset(("str", "format", "repr"))
FORMATS = frozenset(code for name, code in dis.opmap.items() if name.startswith("FORMAT_"))
# What is said of code that compares and has a loop, or makes texts, and how these look in Python's bytecode.
LOOP = "while"
COMPARES = dis.opmap["COMPARE_OP"]
LOOPS = frozenset(code for name, code in dis.opmap.items() if "JUMP_BACKWARD" in name)
# Through so many functions calls are followed.
DEPTH = 4


class Mentions:
    """The packages and telling names in a function's code and in that of the functions it calls.

    They are read when something is first asked, and once: every unprepared call asks several times.

    Parameters
    ----------
    f : callable
        The user's function.
    """

    __slots__ = ("_names", "f")

    def __init__(self, f: Any) -> None:
        self.f = f
        self._names: frozenset[str] | None = None

    @property
    def names(self) -> frozenset[str]:
        """Top-level packages, and names that tell something."""
        if self._names is None:
            self._names = frozenset(_mentions(self.f, DEPTH, set()))
        return self._names

    def library(self, name: str | None) -> bool:
        """Whether the code speaks of an array library, or is written for any."""
        return _is_named(name, self.names) or not GENERIC.isdisjoint(self.names)

    def is_object_of(self, name: str | None) -> bool:
        """Whether the function is an object of an array library's: of ``jax.custom_vjp``, say."""
        return _is_named(name, frozenset(packages_of(self.f)))

    @property
    def nothing(self) -> bool:
        """Whether no package is spoken of."""
        return not self.names - {LOOP, ASKS, WRITES, ARRAYS, PARTS}

    @property
    def numpy(self) -> bool:
        """Whether NumPy or SciPy is spoken of."""
        return "numpy" in self.names or "scipy" in self.names

    @property
    def classes(self) -> bool:
        """Whether it is asked of what class a number is, which a framework's arrays of one number are not."""
        return "numbers" in self.names

    @property
    def frameworks(self) -> bool:
        """Whether some framework is spoken of, of which the library may not be."""
        return any(map(_is_foreign, self.names))

    @property
    def packages(self) -> bool:
        """Whether a package is spoken of that is none of arrays: its modules, or objects."""
        return any(map(_is_of_others, self.names))

    @property
    def numbers(self) -> bool:
        """Whether plain numbers are taken out of arrays: ``x.item()``."""
        return not NUMBERS.isdisjoint(self.names)

    @property
    def stops(self) -> bool:
        """Whether some of the input is said to count as constant."""
        return not STOPS.isdisjoint(self.names)

    @property
    def types(self) -> bool:
        """Whether it is asked of what type things are, or what errors they raise."""
        return ASKS in self.names or (ARRAYS in self.names and PARTS in self.names)

    @property
    def ignores_flags(self) -> bool:
        """Whether an array may be written to that says it is read-only."""
        return not UNASKED.isdisjoint(self.names)

    @property
    def writes(self) -> bool:
        """Whether something is written to in place, an array maybe."""
        return WRITES in self.names

    def compares_in_loops(self, name: str | None) -> bool:
        """Whether there are loops with comparisons, in code that is not written for the library."""
        return name is not None and LOOP in self.names and not _is_named(name, self.names)


def packages_of(value: Any) -> Iterator[str]:
    """Top-level packages that a value is of: a module, a function, an object that can be called."""
    return _packages(value, 1, set())


def _is_named(name: str | None, packages: frozenset[str]) -> bool:
    return name is not None and not packages.isdisjoint(library(name).packages)


def _is_foreign(package: str) -> bool:
    owner = library_of_package(package)
    return owner is not None and owner.is_foreign


def _is_of_others(package: str) -> bool:
    return (
        package in sys.modules
        and package not in ("__main__", "polyad", "optree")
        and package not in sys.stdlib_module_names
        and library_of_package(package) is None
    )


@functools.lru_cache(maxsize=512)
def _said(code: types.CodeType) -> tuple[frozenset[str], tuple[str, ...]]:
    """The telling names of a code and of those inside of it, and all their names."""
    telling: set[str] = set()
    names: dict[str, None] = {}
    codes = [code]
    for each in codes:
        operations = each.co_code[::2]
        if COMPARES in operations and not LOOPS.isdisjoint(operations):
            telling.add(LOOP)
        if not (TEXTS.isdisjoint(each.co_names) and FORMATS.isdisjoint(operations)):
            telling.add(LOOP)
        # a handler of errors, too: plain numbers raise other ones
        if each.co_exceptiontable or not TYPES.isdisjoint(each.co_names):
            telling.add(ASKS)
        codes.extend(k for k in each.co_consts if isinstance(k, types.CodeType))
        if "isinstance" in each.co_names and not CLASSES.isdisjoint(each.co_names):
            telling.add("numbers")
        keywords = any(type(k) is tuple and OUT in k for k in each.co_consts)
        if keywords or STORES in operations or any(map(_is_in_place, dis.get_instructions(each))):
            telling.add(WRITES)
        if not MAKERS.isdisjoint(each.co_names):
            telling.add(ARRAYS)
        if not OF_KINDS.isdisjoint(each.co_names):
            telling.add(PARTS)
        telling |= TELLING.intersection(each.co_names)
        names.update(dict.fromkeys(each.co_names))
    return frozenset(telling), tuple(names)


def _is_in_place(step: dis.Instruction) -> bool:
    if step.opname == "BINARY_OP":
        return step.argrepr.endswith("=")
    name = step.argval if step.opname in ("LOAD_METHOD", "LOAD_ATTR") else ""
    return isinstance(name, str) and name.endswith("_") and not name.startswith("_")


def _mentions(f: Any, depth: int, seen: set[int]) -> Iterator[str]:
    while isinstance(f, functools.partial):
        f = f.func
    f = getattr(f, "__wrapped__", f)
    f = getattr(f, "__func__", f)
    if isinstance(f, types.BuiltinFunctionType | np.ufunc):
        yield from _packages(f, depth, seen)
        return
    if not isinstance(f, types.FunctionType):
        f = type(f).__call__ if callable(f) else None
    if not isinstance(f, types.FunctionType) or id(f) in seen or depth == 0:
        return
    seen.add(id(f))
    telling, names = _said(f.__code__)
    # polyad's own loops and questions are none of the caller's
    own = (f.__module__ or "").partition(".")[0] == "polyad"
    yield from telling - {LOOP, ASKS} if own else telling
    globals_of = f.__globals__
    for name in names:
        if (value := globals_of.get(name)) is None:
            continue
        if type(value) is types.ModuleType:
            yield value.__name__.partition(".")[0]
        else:
            yield from _packages(value, depth, seen)
    for cell in f.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:  # not filled yet
            continue
        yield from _packages(content, depth, seen)


def _packages(value: Any, depth: int, seen: set[int]) -> Iterator[str]:
    if isinstance(value, types.ModuleType):
        parts = value.__name__.split(".")
        yield parts[0]
    elif isinstance(value, types.FunctionType | functools.partial | types.MethodType):
        package = (getattr(value, "__module__", None) or "").partition(".")[0]
        owner = library_of_package(package)
        if owner is not None or package == "scipy":
            yield package if owner is None else owner.packages[0]
        else:
            yield from _mentions(value, depth - 1, seen)
    elif isinstance(value, types.BuiltinFunctionType):
        owner = library_of_package(_home_of(value))
        if owner is not None:
            yield owner.packages[0]
    elif value is not None:
        package = (type(value).__module__ or "").partition(".")[0]
        owner = library_of_package(package)
        if owner is not None and callable(value):
            yield owner.packages[0]
        elif owner is None and _is_of_others(package):
            yield package


def _home_of(f: types.BuiltinFunctionType) -> str:
    """The package of a compiled function; torch's say it by the class or the module that they are of."""
    belongs = f.__self__
    named = f.__module__ or getattr(belongs, "__module__", None) or getattr(belongs, "__name__", "")
    return str(named).partition(".")[0]
