"""A call that the fast path began and does not end: what the general code takes over."""

from __future__ import annotations

from typing import Any

from polyad.call.function.flat import FlatFunction
from polyad.systems.contract import Executable, Leaves, Problem

__all__ = ["Begun"]


class Begun:
    """What is there of a call.

    The function is not run again for what it has shown already: the first run of the executable gives the
    outcome that is there, or raises the error that was met.

    Parameters
    ----------
    flat : FlatFunction
        The function.
    before : tuple of int
        What this thread had asked for and learnt before it ran.
    """

    __slots__ = ("_outcome", "before", "failed", "flat", "problem", "ready")

    def __init__(self, flat: FlatFunction, before: tuple[int, int, int]) -> None:
        self.flat, self.before = flat, before
        self.problem: Problem | None = None
        self.ready: Executable | None = None
        self.failed: Exception | None = None
        self._outcome: Any = None

    def keep(self, outcome: Any) -> None:
        """What the form of the executable that the call asks for gave."""
        self._outcome = outcome

    def check(self) -> None:
        """Raise the error with which the kernel could not be made."""
        if self.ready is None:
            self._take()

    def executable(self) -> Executable:
        """The kernel, which is not run for what is there."""
        ready = self.ready
        assert ready is not None

        def full(x: Leaves, c: Leaves, *seeds: Leaves) -> Any:
            found = self._take()
            return ready.full(x, c, *seeds) if found is None else found

        def result(x: Leaves, c: Leaves, *seeds: Leaves) -> Leaves:
            found: Leaves | None = self._take()
            return ready.result(x, c, *seeds) if found is None else found

        return Executable(full, result, ready.strategy, form=ready.form)

    def _take(self) -> Any:
        found, self._outcome = self._outcome, None
        error, self.failed = self.failed, None
        if error is None:
            return found
        try:
            raise error
        finally:
            error = None  # it knows this frame
