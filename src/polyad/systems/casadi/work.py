"""How much a function computes while it is lifted, by which scalar or matrix expressions are chosen.

Expressions are built under one lock (``BUILDING``), so one count serves all threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from polyad.engine.core.refusals import noted
from polyad.systems.casadi.numpy_nodes import NeedsMatrices

__all__ = ["WORK", "Broad"]

# Scalar expressions are given up before they are complete where so many entries have been computed, so
# many in one operation: matrix expressions take a fraction of that time then, to prepare and to run.
MANY, WIDE = 50_000, 64


class Broad(NeedsMatrices):
    """The function computes on arrays of so many entries that scalar expressions would be slower."""


class _Work:
    """Operations of arithmetic since the count began, and their entries."""

    def __init__(self) -> None:
        self.operations = self.entries = 0
        self.watched = False

    @contextlib.contextmanager
    def counted(self, *, watched: bool) -> Iterator[None]:
        """Within, count from zero, and raise ``Broad`` if watched; the count stays until the next one."""
        before, self.watched = self.watched, watched
        self.operations = self.entries = 0
        try:
            yield
        finally:
            self.watched = before

    def note(self, entries: int) -> None:
        """One more operation."""
        self.operations += 1
        self.entries += entries
        if self.watched and self.entries > MANY and self.entries > WIDE * self.operations:
            words = "the function computes on arrays of many entries, too many for scalar expressions"
            raise noted(Broad(f"{words}: use polyad.CasADi(symbols='MX')"))


WORK = _Work()
