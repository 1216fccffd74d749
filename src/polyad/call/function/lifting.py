"""NumPy functions on the arrays of other frameworks.

A function either knows the framework's own arrays or is lifted: it gets boxes (``engine.lift``), on
which NumPy code runs by the framework's functions. Which of the two is decided at the first call,
within preparation: what the function's code mentions says which is tried first, and the other is
tried where that fails. Code that mentions neither and makes truth values or whole numbers is NumPy's
(``whole_numbers``). The decision never changes afterwards, ``repr`` shows it, and the backend's option
``lift`` forces it.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from polyad.arrays.libraries import library, library_of, library_of_package
from polyad.arrays.trees import flatten
from polyad.arrays.types import Leaves
from polyad.call.function.constants import is_refused_write
from polyad.call.function.foreign_traces import AROUND, lost
from polyad.call.function.whole_numbers import makes_whole_numbers, speaks_numpy

__all__ = [
    "Lifting",
    "asks_for_numbers",
    "compares_in_loops",
    "drops_derivatives",
    "ignores_flags",
    "packages_of",
    "speaks_of",
]


# What a function raises on arrays it was not written for.
UNFIT = (TypeError, ValueError, AttributeError, RuntimeError, IndexError, NotImplementedError)
GENERIC = frozenset({"namespace", "array_namespace", "__array_namespace__"})
CLASSES = frozenset({"float", "Number", "Real"})
# What some frameworks answer with a plain number, the derivative lost.
NUMBERS = frozenset({"item"})
# How frameworks say that a derivative is dropped on purpose.
STOPS = frozenset({"detach", "no_grad", "inference_mode", "stop_gradient"})
# What writes to a read-only array without an error: ``np.add.at``, and flags that are set back.
UNASKED = frozenset({"at", "setflags", "writeable"})
# What is said of code that compares and has a loop, and how both look in Python's bytecode.
LOOP = "while"
COMPARES = dis.opmap["COMPARE_OP"]
LOOPS = frozenset(code for name, code in dis.opmap.items() if "JUMP_BACKWARD" in name)


class Lifting:
    """The user's function on a framework's arrays, lifted where it is NumPy code.

    Parameters
    ----------
    f : callable
        The user's function.
    apply : callable
        The function on active and constant leaves.
    library : str or None
        The library to whose arrays NumPy code can be lifted; None where it needs no lift.
    lift : bool or None
        Whether to lift; None decides.
    numbers : bool
        Whether it is given Python's floats, which the framework's arrays of one number do not stand for.
    plain : bool
        Whether what is differentiated comes in NumPy's arrays or in numbers, none of it in a framework's.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        apply: Callable[..., Any],
        library: str | None,
        lift: bool | None,
        *,
        numbers: bool = False,
        plain: bool = False,
    ) -> None:
        self._f = f
        self._numbers = numbers and not speaks_of(f, library)
        self._of_numpy = plain
        # where nothing else can run it
        self.plain = apply
        self._library = library
        self.lifted: bool | None = False if library is None else lift

    def __call__(self, x: Leaves, c: Leaves) -> Any:
        """What the function returns, in the framework's arrays."""
        if self.lifted is None:
            return self._decide(x, c)
        return self._run(x, c, lifted=self.lifted)

    def forced(self) -> Lifting:
        """The same function, taken for NumPy's."""
        return Lifting(self._f, self.plain, self._library, True)

    def native(self, x: Leaves, c: Leaves) -> Any:
        """What the function returns on the framework's own arrays."""
        around, AROUND.library = AROUND.library, None
        try:
            return self.plain(x, c)
        finally:
            AROUND.library = around

    def _run(self, x: Leaves, c: Leaves, *, lifted: bool) -> Any:
        if not lifted:
            out = self.native(x, c)
            if "polyad.engine.run" not in sys.modules:
                return out
            # an inner differentiation by the engine may have left its boxes in the output
            return self._unlifted(out)
        run = _engine()
        level, name = run.new_level(), self._library
        run.ALIVE.add(level)
        around, AROUND.library = AROUND.library, name
        try:

            def enter(leaf: Any) -> Any:
                if type(leaf) is float:
                    return leaf
                owner = library_of(leaf)
                return run.lift(name, leaf, level) if owner is not None and owner.name == name else leaf

            boxes = tuple([run.boxed(enter(leaf)) for leaf in x])
            out = run.called(self.plain, boxes, tuple([enter(leaf) for leaf in c]))
            AROUND.library = around
            return self._unlifted(out)
        finally:
            AROUND.library = around
            run.ALIVE.discard(level)

    def _unlifted(self, out: Any) -> Any:
        """The output with the framework's own arrays in place of boxes."""
        run = _engine()
        if isinstance(out, run.Box):  # the common case, without a question
            value = out._value
            if type(value) is run.Proxy and value.library == self._library:
                return value.array

        def opened(leaf: Any) -> Any:
            value = run.unlift(leaf)
            owner = library_of(value)
            known = owner is not None and (owner.name == self._library or not owner.is_traced(value))
            if not known and (isinstance(leaf, run.Box) or owner is not None):
                raise lost(getattr(leaf, "_value", value), f"backend={self._library!r}")
            return value

        leaves, structure = flatten(out)
        return structure.unflatten(map(opened, leaves))

    def _decide(self, x: Leaves, c: Leaves) -> Any:
        # inside of NumPy code that is lifted, what is captured is in boxes
        inside = AROUND.library is not None and not speaks_of(self._f, self._library)
        first = (
            inside or self._numbers or _is_for_numpy(self._f, str(self._library), (*x, *c), self._of_numpy)
        )
        # whoever reads entries and says no more means NumPy's: some frameworks take the last for one too far
        own = library(str(self._library))
        first = first or (own.clamps and _reads_entries(self._f))
        # what a package does with it is not known, and np.asarray there would lose the derivative
        blind = own.enters_objects and not speaks_of(self._f, self._library) and _uses_packages(self._f)
        first = first or blind
        try:
            out = self._run(x, c, lifted=first)
            self.lifted = first
        except UNFIT as error:
            # writes to constants: it is tried again with some that it may write to
            if is_refused_write(error) or getattr(error, "decisive", False):
                raise
            # a framework's array is of no class of numbers, so the function would do something else with it
            # and plain code of a package would lose some of it without an error
            if blind or (
                first and ("this is code of " in str(error) or "numbers" in _mentions(self._f, 4, set()))
            ):
                raise
            try:
                out = self._run(x, c, lifted=not first)
            except UNFIT:
                # the error of the form that the function is written for tells what is wrong
                raise error from error.__cause__  # its cause says what NumPy was doing
            self.lifted = not first
        return out

    @property
    def may_look(self) -> bool:
        """Whether code that runs natively, and speaks of no framework, may branch on values in loops."""
        return (
            self.lifted is False and self._library is not None and compares_in_loops(self._f, self._library)
        )


@functools.cache
def _engine() -> Any:
    """The engine's door; an import statement costs half a microsecond a call."""
    from polyad.engine import run

    return run


def _is_for_numpy(f: Any, library: str, leaves: Leaves, plain: bool) -> bool:
    """Whether the code of a function speaks of NumPy or SciPy, or counts, and not of the framework."""
    names = set(_mentions(f, 4, set()))
    if _is_named(library, names) or names & GENERIC:
        return False
    if names & {"numpy", "scipy", "numbers"} or makes_whole_numbers(f, leaves):
        return True
    return plain and not any(map(_is_foreign, names)) and speaks_numpy(f)


def _is_named(name: str | None, packages: set[str]) -> bool:
    return name is not None and not packages.isdisjoint(library(name).packages)


def _is_foreign(package: str) -> bool:
    """Whether a package is a framework's, whose arrays a function may hold that mentions none of them."""
    owner = library_of_package(package)
    return owner is not None and owner.is_foreign


def _reads_entries(f: Any) -> bool:
    """Whether a function reads or writes entries, and its code speaks of no package."""
    code = getattr(f, "__code__", None)
    if code is None or set(_mentions(f, 4, set())) - {LOOP}:
        return False
    return any("SUBSCR" in each.opname for each in dis.get_instructions(code))


def _uses_packages(f: Any) -> bool:
    """Whether the code of a function speaks of a package that is none of arrays: its modules, or objects."""
    return any(map(_is_of_others, _mentions(f, 4, set())))


def _is_of_others(package: str) -> bool:
    return (
        package in sys.modules
        and package not in ("__main__", "polyad", "optree")
        and package not in sys.stdlib_module_names
        and library_of_package(package) is None
    )


def speaks_of(f: Any, library: str | None) -> bool:
    """Whether the code of a function speaks of the framework, or is written for any."""
    names = set(_mentions(f, 4, set()))
    return _is_named(library, names) or bool(names & GENERIC)


def asks_for_numbers(f: Any) -> bool:
    """Whether the code of a function takes plain numbers out of arrays: ``x.item()``."""
    return not NUMBERS.isdisjoint(_mentions(f, 4, set()))


def drops_derivatives(f: Any) -> bool:
    """Whether the code of a function says that some of its input counts as constant."""
    return not STOPS.isdisjoint(_mentions(f, 4, set()))


def packages_of(value: Any) -> Iterator[str]:
    """Top-level packages that a value is of: a module, a function, an object that can be called."""
    return _packages(value, 1, set())


def compares_in_loops(f: Any, library: str) -> bool:
    """Whether the code of a function has loops with comparisons, and is not written for the framework."""
    names = set(_mentions(f, 4, set()))
    return LOOP in names and not _is_named(library, names)


def ignores_flags(f: Any) -> bool:
    """Whether the code of a function may write to an array that says it is read-only."""
    return not UNASKED.isdisjoint(_mentions(f, 4, set()))


def _mentions(f: Any, depth: int, seen: set[int]) -> Iterator[str]:
    """Top-level packages that a function's code refers to, through the functions it calls."""
    while isinstance(f, functools.partial):
        f = f.func
    f = getattr(f, "__wrapped__", f)
    f = getattr(f, "__func__", f)
    if not isinstance(f, types.FunctionType):
        f = type(f).__call__ if callable(f) else None
    if not isinstance(f, types.FunctionType) or id(f) in seen or depth == 0:
        return
    seen.add(id(f))
    codes = [f.__code__]
    for code in codes:
        operations = code.co_code[::2]
        if COMPARES in operations and not LOOPS.isdisjoint(operations):
            yield LOOP
        codes.extend(k for k in code.co_consts if isinstance(k, types.CodeType))
        if "isinstance" in code.co_names and not CLASSES.isdisjoint(code.co_names):
            yield "numbers"  # of what class a number is, which a framework's arrays of one number are not
        for name in code.co_names:
            if name in GENERIC or name in NUMBERS or name in STOPS or name in UNASKED:
                yield name
            yield from _packages(f.__globals__.get(name), depth, seen)
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
    elif value is not None:
        package = (type(value).__module__ or "").partition(".")[0]
        owner = library_of_package(package)
        if owner is not None and callable(value):
            yield owner.packages[0]
        elif owner is None and _is_of_others(package):
            yield package
