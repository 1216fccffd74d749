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
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library, library_of
from polyad.arrays.trees import flatten
from polyad.arrays.types import Leaves
from polyad.call.function.constants import is_refused_write
from polyad.call.function.foreign_traces import AROUND, lost
from polyad.call.function.mentions import Mentions
from polyad.call.function.whole_numbers import makes_whole_numbers, speaks_numpy
from polyad.errors import ON_OTHER_ARRAYS, OperationNotSupportedError, is_ruled_out

__all__ = ["Lifting"]


# What a function raises on arrays it was not written for.
UNFIT = (TypeError, ValueError, AttributeError, RuntimeError, IndexError, NotImplementedError)


class Lifting:
    """The user's function on a framework's arrays, lifted where it is NumPy code.

    Parameters
    ----------
    mentions : Mentions
        What the code of the user's function speaks of.
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
    natively : callable or None
        Who runs ``apply`` on the framework's own arrays, if that needs anything.
    """

    def __init__(
        self,
        mentions: Mentions,
        apply: Callable[..., Any],
        library: str | None,
        lift: bool | None,
        *,
        numbers: bool = False,
        plain: bool = False,
        natively: Callable[[Callable[..., Any], Leaves, Leaves], Any] | None = None,
    ) -> None:
        self._mentions = mentions
        self._numbers = numbers and not mentions.library(library)
        self._of_numpy = plain
        # where nothing else can run it
        self.plain = apply
        self._natively = natively
        self._library = library
        self.lifted: bool | None = False if library is None else lift

    def __call__(self, x: Leaves, c: Leaves) -> Any:
        """What the function returns, in the framework's arrays."""
        if self.lifted is None:
            return self._decide(x, c)
        return self._run(x, c, lifted=self.lifted)

    def forced(self) -> Lifting:
        """The same function, taken for NumPy's."""
        return Lifting(self._mentions, self.plain, self._library, True)

    def native(self, x: Leaves, c: Leaves) -> Any:
        """What the function returns on the framework's own arrays."""
        around = AROUND.library
        if around is None:
            return self.plain(x, c) if self._natively is None else self._natively(self.plain, x, c)
        AROUND.library = None
        try:
            return self.plain(x, c) if self._natively is None else self._natively(self.plain, x, c)
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
        around = AROUND.library
        try:  # Ctrl-C may come between any two calls
            run.ALIVE.add(level)
            AROUND.library = name

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
        said, name = self._mentions, str(self._library)
        # inside of NumPy code that is lifted, what is captured is in boxes
        inside = AROUND.library is not None and not said.library(name)
        first = inside or self._numbers or self._is_for_numpy((*x, *c))
        # whoever reads entries and says no more means NumPy's: some frameworks take the last for one too far
        own = library(name)
        first = first or (own.clamps and said.nothing and _reads_entries(said.f))
        # what a package does with it is not known, and np.asarray there would lose the derivative
        blind = own.enters_objects and not said.library(name) and said.packages
        first = first or blind
        try:
            out = self._run(x, c, lifted=first)
            self.lifted = first
        except UNFIT as error:
            # writes to constants: it is tried again with some that it may write to
            if is_refused_write(error) or is_ruled_out(error, ON_OTHER_ARRAYS):
                raise
            # a framework's array is of no class of numbers, so the function would do something else with it
            # and plain code of a package would lose some of it without an error
            if blind or (first and ("this is code of " in str(error) or said.classes)):
                raise
            try:
                out = self._run(x, c, lifted=not first)
            except UNFIT as other:
                neither = self._of_numpy and not said.library(name)
                if isinstance(other, OperationNotSupportedError) and neither:
                    raise  # of code that speaks of no framework, given NumPy's arrays: it says what to write
                # the error of the form that the function is written for tells what is wrong
                raise error from error.__cause__  # its cause says what NumPy was doing
            if first and isinstance(error, OperationNotSupportedError) and self._differs(out, x, c):
                raise
            self.lifted = not first
        return out

    def _differs(self, out: Any, x: Leaves, c: Leaves) -> bool:
        """Whether NumPy's code, refused in boxes, makes something else of arrays that are not NumPy's.

        A text of such an array, or the order in which it lies in memory, is another one.
        """
        from polyad.engine.lift import numbers_in

        def plain(leaf: Any) -> Any:
            return leaf if library_of(leaf) is None else numbers_in(leaf)

        given = tuple(map(plain, x)), tuple(map(plain, c))
        if any(leaf is None for group in given for leaf in group):
            return False  # there are no numbers now
        try:
            wanted = flatten(self.plain(*given))[0]
            found = [plain(leaf) for leaf in flatten(out)[0]]
            pairs = list(zip(found, wanted, strict=True))
            return not all(np.allclose(a, b, 1e-6, 1e-9, equal_nan=True) for a, b in pairs if a is not None)
        except Exception:  # it is not NumPy's code after all
            return False

    @property
    def is_named(self) -> bool:
        """Whether the code of the function speaks of the framework, or is written for any."""
        return self._mentions.library(self._library)

    @property
    def is_native(self) -> bool:
        """Whether the function is an object of the framework, or speaks of it and not of NumPy."""
        said = self._mentions
        return said.is_object_of(self._library) or (self.is_named and not said.numpy)

    @property
    def may_look(self) -> bool:
        """Whether code that runs natively, and speaks of no framework, may branch on values in loops."""
        return self.lifted is False and self._mentions.compares_in_loops(self._library)

    def _is_for_numpy(self, leaves: Leaves) -> bool:
        """Whether the code speaks of NumPy or SciPy, or counts, and not of the framework."""
        said = self._mentions
        if said.library(self._library):
            return False
        if said.numpy or said.classes or makes_whole_numbers(said.f, leaves):
            return True
        return self._of_numpy and not said.frameworks and speaks_numpy(said.f)


@functools.cache
def _engine() -> Any:
    """The engine's door; an import statement costs half a microsecond a call."""
    from polyad.engine import run

    return run


def _reads_entries(f: Any) -> bool:
    """Whether a function's code reads or writes entries of anything."""
    code = getattr(f, "__code__", None)
    return code is not None and any("SUBSCR" in each.opname for each in dis.get_instructions(code))
