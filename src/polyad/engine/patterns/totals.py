"""What one number depends on that is made of many entries: put together when somebody asks for it.

The value of a function whose gradient is looked at is such a number, and nobody asks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polyad.engine.patterns.sets import IndexSets, index_type, tag

__all__ = ["Total"]


class Total(IndexSets):
    """One row that has all that the rows of some sets have.

    Parameters
    ----------
    parts : sequence of IndexSets
        The sets.
    """

    __slots__ = ("_found", "_parts")

    deferred = True

    def __init__(self, parts: Sequence[IndexSets]) -> None:
        self._parts = tuple(parts)
        self._found: IndexSets | None = None
        self._indptr = self._indices = None
        self.columns, self.rows = parts[0].columns, 1
        self.layers = None
        self.origin = frozenset((tag(),))

    @property
    def indptr(self) -> np.ndarray:
        """Where the row begins and ends."""
        return self._row().indptr

    @property
    def indices(self) -> np.ndarray:
        """The columns."""
        return self._row().indices

    @property
    def full(self) -> np.ndarray | None:  # type: ignore[override]
        """Whether the row has every column."""
        return self._row().full

    @property
    def is_empty(self) -> bool:
        """Whether there is no column."""
        return all(part.is_empty for part in self._parts)

    def united(self, other: IndexSets) -> IndexSets:
        """The union with another row."""
        if other is self or other.is_empty:
            return self
        more = other._parts if isinstance(other, Total) else (other,)
        known = set(map(id, self._parts))
        return Total((*self._parts, *(part for part in more if id(part) not in known)))

    def _row(self) -> IndexSets:
        if self._found is None:
            self._found = _together(self._parts)
        return self._found


def _together(parts: Sequence[IndexSets]) -> IndexSets:
    columns = parts[0].columns
    marked = np.zeros(columns + 1, dtype=bool)
    full = False
    for part in parts:
        if part.layers is not None:
            for layer in part.layers:
                marked[layer.reshape(-1)] = True
        else:
            marked[part.indices + 1] = True
            full = full or part.full is not None
    found = np.flatnonzero(marked[1:])
    dtype = index_type(columns)
    if full or (found.size == columns > 1):
        none = np.zeros(2, dtype=dtype)
        return IndexSets(none, none[:0], columns, np.ones(1, dtype=bool))
    return IndexSets(np.array([0, found.size], dtype=dtype), found.astype(dtype), columns)
