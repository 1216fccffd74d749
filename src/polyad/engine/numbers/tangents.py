"""The tangents of scalar code: a linear program, run in one go.

The tangents of numbers follow from those of others by short sums, ``t[i] = p * t[a] + q * t[b]``.
While the function runs only ``(a, p, b, q)`` is written down; when a tangent is asked for, all
rows that are missing are computed together. That is forward substitution with a unit triangular
matrix, and exactly the arithmetic of forward mode.

The entries have the form of those on a ``Tape``, so numbers record alike in both modes:
``()`` for a row that is given, else ``(parent, partial, ...)`` in pairs.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.interpretations.dual import Dual

__all__ = ["PROGRAMS", "ScalarTangents", "program_of"]

F8 = np.dtype(np.float64)
# A program keeps a row for every number. It is closed when it has this many rows, or this many tangents;
# numbers that are still used move to a new one, so that the memory of a long loop is bounded.
LIMIT = 1 << 16
TANGENTS = 1 << 21
# The longest row: with more tangents at once, duals are as fast.
WIDEST = 1 << 12
# Up to so many rows are computed one by one, which is quicker than making a matrix of them.
FEW = 12

# The programs of the differentiations that are running: level -> the current one, None before the first.
PROGRAMS: dict[int, ScalarTangents | None] = {}

Matvecs = Callable[[int, int, int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]


class ScalarTangents(list[tuple[Any, ...]]):
    """The scalar entries of one forward-mode differentiation, and the rows known so far."""

    __slots__ = ("_done", "_known", "_matrix", "_pending", "level", "limit", "width")

    def __init__(self, level: int, width: int) -> None:
        self.level = level
        self.width = width
        self.limit = min(LIMIT, TANGENTS // max(width, 1))
        self._done = 0  # the entries before this one have their rows
        self._known: dict[int, np.ndarray] = {}  # rows by themselves: those that are given, at least
        self._matrix: np.ndarray | None = None  # all rows together, once many were asked for at once
        self._pending: list[int] = []  # rows that are known and not in the matrix

    def leaf(self, row: np.ndarray) -> int:
        """The place of a number whose tangents are known."""
        self._known[index := len(self)] = row
        self._pending.append(index)
        self.append(())
        return index

    def tracer(self, index: int, x: float) -> Dual:
        """A number with its tangents."""
        row = self._known.get(index)
        return Dual(self.level, np.float64(x), self.row(index) if row is None else row)

    def row(self, index: int) -> np.ndarray:
        """The tangents of one number."""
        row = self._known.get(index)
        if row is None:
            if index >= self._done:
                self._sweep()
                row = self._known.get(index)
            if row is None:
                assert self._matrix is not None
                row = self._known[index] = self._matrix[index].copy()  # a view would keep the matrix
        return row

    def successor(self) -> ScalarTangents:
        """The program to which numbers of this one move: itself as long as it has room."""
        current = PROGRAMS.get(self.level)
        if current is None:  # the differentiation is over: what was kept beyond it is an error elsewhere
            return self
        if len(current) >= current.limit:
            current._sweep()
            current.limit = -1
            current.clear()
            current = PROGRAMS[self.level] = ScalarTangents(self.level, self.width)
        return current

    def _sweep(self) -> None:
        """Compute every row that is missing."""
        start, stop = self._done, len(self)
        self._done = stop
        solve = _matvecs() if stop - start > FEW else None
        if solve is None:
            self._one_by_one(start, stop)
        else:
            self._at_once(start, stop, solve)

    def _one_by_one(self, start: int, stop: int) -> None:
        known = self._known
        for i in range(start, stop):
            entry = self[i]
            if not entry:
                continue
            row: Any = None
            for k in range(0, len(entry), 2):
                j, p = entry[k], entry[k + 1]
                term = known.get(j)
                if term is None:
                    term = self._matrix[j].copy()  # type: ignore[index]  # what is not by itself is there
                if p != 1.0:
                    term = term * p
                row = term if row is None else row + term
            known[i] = row
            self._pending.append(i)

    def _at_once(self, start: int, stop: int, solve: Matvecs) -> None:
        matrix = self._matrix
        if matrix is None or stop > len(matrix):
            matrix = np.empty((max(stop, min(2 * stop, self.limit)), self.width))
            if self._matrix is not None:  # it may end before the rows that were computed one by one since
                matrix[: len(self._matrix)] = self._matrix
            self._matrix = matrix
        matrix[start:stop] = 0.0
        for i in self._pending:
            matrix[i] = self._known[i]
        self._pending.clear()
        parts = _matrix(self[start:])
        solve(stop - start, stop, self.width, *parts, matrix.reshape(-1), matrix[start:].reshape(-1))


def _matrix(entries: list[tuple[Any, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries as a sparse matrix by rows: where each begins, columns and values."""
    count = len(entries)
    begins = np.zeros(count + 1, dtype=np.intc)
    np.cumsum(np.fromiter(map(len, entries), np.intc, count), out=begins[1:])
    pairs = np.fromiter(itertools.chain.from_iterable(entries), np.float64, begins[-1])
    begins >>= 1
    return begins, pairs[0::2].astype(np.intc), pairs[1::2].copy()


@functools.cache
def _matvecs() -> Matvecs | None:
    """SciPy's product of a sparse matrix with columns, added to ``y``, if it serves.

    It goes from row to row. So with ``x`` and ``y`` the same memory and a strictly lower triangular
    matrix it is forward substitution. The function is not public, so it is used only where it exists and
    a small example comes out right.
    """
    try:
        from scipy.sparse import _sparsetools

        solve: Matvecs = _sparsetools.csr_matvecs
        rows = np.array([[2.0, 3.0], [0.0, 0.0], [0.0, 0.0], [5.0, 0.0]])
        flat = rows.reshape(-1)
        solve(3, 4, 2, *_matrix([(0, 2.0), (1, 3.0, 0, 1.0), (2, 0.5, 1, -1.0)]), flat, flat[2:])
    except (ImportError, AttributeError, TypeError, ValueError):
        return None
    expected = [[2.0, 3.0], [4.0, 6.0], [14.0, 21.0], [8.0, 4.5]]
    return solve if np.array_equal(rows, expected) else None


def program_of(dual: Dual, *, begin: bool = True) -> ScalarTangents | None:
    """The program that a number's tangents can join; None where they stay with the number.

    Parameters
    ----------
    dual : Dual
        The number, or the array of which it is an entry.
    begin : bool
        Whether to begin a program where there is none.
    """
    level = dual.level
    program = PROGRAMS.get(level, ...)
    if program is ...:
        return None
    tangent = dual.tangent
    if type(tangent) is not np.ndarray or tangent.dtype is not F8:
        return None
    if program is None:
        width = tangent.shape[0]
        if width > WIDEST or not begin:
            return None
        program = PROGRAMS[level] = ScalarTangents(level, width)
    elif len(program) >= program.limit:
        program = program.successor()
    return program
