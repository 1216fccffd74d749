"""How the user's function is handed its constants, so that nothing it does reaches the caller's arrays.

* Where a library can say "read-only" (NumPy) the function gets such a view, which costs next to nothing;
  where it counts writes (torch) the count is compared; frameworks' immutable arrays need neither.
* A function that writes to its constants shows it by that, mostly when it is prepared. From then on every
  call hands it copies, so each starts from what the caller passed.
* One that writes active values there gets scratch memory that can hold them, as ``Cache`` gives it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.arrays.types import Leaves
from polyad.call.inputs.scratch import copied
from polyad.call.inputs.signature import Signature
from polyad.errors import FunctionNotSupportedError, OperationNotSupportedError

__all__ = ["Constants", "is_refused_write"]


GUARDED, COPIED, SCRATCH = range(3)


def is_refused_write(error: BaseException) -> bool:
    """Whether an error says that something read-only was to be written to, by whoever found it."""
    text = str(error).lower()
    return isinstance(error, ValueError | TypeError | BufferError) and (
        "read-only" in text or "readonly" in text
    )


class Constants:
    """The user's function on leaves, its constants out of its reach.

    Parameters
    ----------
    f : callable
        The user's function.
    signature : Signature
        How leaves become its arguments.
    """

    # which active leaves the caller passed as Python's floats
    _floats: tuple[int, ...] = ()
    _all_floats: tuple[int, ...] = ()
    # and which as arrays without axes, which are no numbers
    _points: tuple[int, ...] = ()
    _told = False
    _mode = GUARDED
    # whether one run on copies has shown that nothing is written; where writing is counted only
    _trusted = False
    # whether the code writes to something, so that it may begin to write to constants at any call
    may_write = True

    def __init__(self, f: Callable[..., Any], signature: Signature) -> None:
        self._f = f
        self._build = signature.rebuild
        self._arrays = False
        if signature.count > 1:
            leaves = [leaf for a in signature.arguments if not a.active for leaf in a.leaves]
            self._arrays = any(
                [
                    type(a) is not float and hasattr(a, "dtype") and not isinstance(a, np.generic)
                    for a in leaves
                ]
            )
        self._floats = tuple([k for k, leaf in enumerate(signature.x_leaves) if type(leaf) is float])
        self._points = tuple(
            [
                k
                for k, leaf in enumerate(signature.x_leaves)
                if isinstance(leaf, np.ndarray) and leaf.shape == ()
            ]
        )
        # nothing is to be done for the function but to call it
        self._simple = not (self._arrays or self._floats or self._points) and signature.plain
        self._all_floats = self._floats

    @property
    def guards(self) -> bool:
        """Whether there are arrays to keep out of the function's reach."""
        return self._arrays

    def copy(self) -> None:
        """Hand the function copies from the start."""
        self._mode = max(self._mode, COPIED)

    @property
    def copies(self) -> bool:
        """Whether the function writes to its constants, so that it needs copies."""
        return self._mode != GUARDED

    def call_instead(self, f: Callable[..., Any]) -> None:
        """Call what stands for the function where it is followed, and find out again what it does."""
        self._f = f
        # whether it matters that numbers are Python's
        self._floats, self._told = self._all_floats, False

    def arguments(self, x: Leaves, c: Leaves) -> tuple[Any, ...]:
        """The arguments of the user's function."""
        x = _python_floats(x, self._floats) if self._floats else x
        return self._build(x, self._handed(x, c) if self._arrays else c)

    def __call__(self, x: Leaves, c: Leaves) -> Any:
        """What the function returns."""
        if self._simple:
            return self._f(*x, *c)
        if self._points:
            x = _arrays_of_points(x, self._points)
        if self._floats:
            if not self._told:
                return self._first(x, c)
            x = _python_floats(x, self._floats)
        if not self._arrays:
            return self._f(*self._build(x, c))
        mode, plain = self._mode, True
        handed: Leaves | list[Any]
        if mode == GUARDED:
            handed = []
            for leaf in c:
                if type(leaf) is np.ndarray:
                    leaf = leaf.view()
                    leaf.flags.writeable = False
                elif type(leaf) is not float:
                    leaf, plain = _guarded(leaf), False
                handed.append(leaf)
        else:
            handed, plain = self._handed(x, c), False
        before = [] if plain else _written(tuple(handed))
        try:
            if not before:
                return self._f(*self._build(x, tuple(handed)))
            return self._counted(x, c, tuple(handed), before)
        except Exception as error:
            error.polyad_mode = mode  # type: ignore[attr-defined]  # another thread may change it
            raise

    def _first(self, x: Leaves, c: Leaves) -> Any:
        """The first run, which tells whether it matters that numbers are Python's."""
        self._told = True
        given = _python_floats(x, self._floats)
        if all(type(given[k]) is float for k in self._floats):
            try:
                return self(x, c)
            finally:
                self._told = False  # nothing of what it does with its stand-ins was seen
        from polyad.engine.run import TOLD

        before = TOLD.count
        out = self(x, c)
        if TOLD.count == before:
            self._floats = ()
        return out

    def _handed(self, x: Leaves, c: Leaves) -> Leaves:
        if self._mode == GUARDED:
            return tuple([_guarded(leaf) for leaf in c])
        if self._mode == COPIED:
            return tuple([_own(leaf) for leaf in c])
        return tuple([copied(leaf, x) if _is_inexact(leaf) else _own(leaf) for leaf in c])

    def _counted(self, x: Leaves, c: Leaves, handed: Leaves, before: list[tuple[Any, int]]) -> Any:
        """A run that is watched by the counts of writing that its constants have."""
        if self._mode == GUARDED and (self.may_write or not self._trusted):
            handed = tuple([_own(leaf) for leaf in c])
            before = _written(handed)
        out = self._f(*self._build(x, handed))
        if all(
            owner.writes(leaf) == count
            for (leaf, count), owner in zip(before, map(_owner, before), strict=True)
        ):
            self._trusted = True
        elif self._mode == GUARDED:
            if self._trusted and not self.may_write:
                raise FunctionNotSupportedError(
                    "the function wrote to a constant argument, which it did not do when it was prepared: "
                    "the array has been changed. Let it write to a copy (c = c.clone()), or pass "
                    "polyad.Cache(c)"
                )
            self._mode = COPIED
        return out

    def relents(self, error: BaseException) -> bool:
        """Whether another run, with constants that the function may write to, gets past an error."""
        if not self._arrays:
            return False
        mode = getattr(error, "polyad_mode", self._mode)
        if mode == GUARDED and is_refused_write(error):
            self._mode = max(self._mode, COPIED)
            return True
        refused = isinstance(error, OperationNotSupportedError) or isinstance(
            error.__cause__, OperationNotSupportedError
        )
        if mode == COPIED and refused:
            self._mode = SCRATCH
            return True
        return False


def _python_floats(x: Leaves, which: tuple[int, ...]) -> Leaves:
    """The active leaves, with Python's numbers where the caller passed such."""
    # without the engine, or while another thread imports it, there are no boxes: differences, or a framework
    as_python = getattr(sys.modules.get("polyad.engine.run"), "as_python", None)
    if as_python is None:
        return tuple([float(a) if k in which and type(a) is np.float64 else a for k, a in enumerate(x)])
    if len(x) == 1:
        return (as_python(x[0]),)
    return tuple([as_python(a) if k in which else a for k, a in enumerate(x)])


def _arrays_of_points(x: Leaves, which: tuple[int, ...]) -> Leaves:
    """The active leaves, with stand-ins of arrays where the caller passed arrays without axes."""
    as_point = getattr(sys.modules.get("polyad.engine.run"), "as_point", None)
    return x if as_point is None else tuple([as_point(a) if k in which else a for k, a in enumerate(x)])


def _guarded(leaf: Any) -> Any:
    if type(leaf) is np.ndarray:  # the common case, without a question
        leaf = leaf.view()
        leaf.flags.writeable = False
        return leaf
    owner = library_of(leaf)
    return leaf if owner is None else owner.guarded(leaf)


def _own(leaf: Any) -> Any:
    owner = library_of(leaf)
    return leaf if owner is None else owner.own(leaf)


def _owner(pair: tuple[Any, int]) -> Any:
    return library_of(pair[0])


def _is_inexact(leaf: Any) -> bool:
    owner = library_of(leaf) if hasattr(leaf, "shape") else None
    return owner is not None and bool(owner.spec(leaf).is_inexact)


def _written(leaves: Leaves) -> list[tuple[Any, int]]:
    """Of the leaves that count what is written to them, the counts so far."""
    found = []
    for leaf in leaves:
        if type(leaf) is np.ndarray or type(leaf) is float:
            continue
        owner = library_of(leaf)
        if owner is not None and owner.counts:
            found.append((leaf, owner.writes(leaf)))
    return found
