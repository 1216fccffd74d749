"""From a pattern and its coloring to what a backend needs to compute the entries (``Compression``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polyad.arrays.types import Array
from polyad.systems.contract import Compression

if TYPE_CHECKING:
    from polyad.sparse.coloring.result import Coloring
    from polyad.sparse.pattern import Pattern

__all__ = ["compression", "describe", "uncolored"]


def uncolored(pattern: Pattern) -> Compression:
    """The plan of a pattern for a backend that compresses by itself."""
    m, n = pattern.shape
    none_of = np.full(n, -1), 0, np.full(m, -1), 0
    return Compression((m, n), pattern.indptr, pattern.indices, pattern.row_ids(), *none_of, None)


def compression(pattern: Pattern, coloring: Coloring) -> Compression:
    """The plan of a pattern and its coloring; one that is no direct one leaves the products as they are."""
    m, n = pattern.shape
    columns, pushes = _groups(coloring.column_colors, n)
    rows, pulls = _groups(coloring.row_colors, m)
    row_ids = pattern.row_ids()
    found = coloring.plan
    index = found.index if found.direct else None
    return Compression((m, n), pattern.indptr, pattern.indices, row_ids, columns, pushes, rows, pulls, index)


def _groups(colors: Array | None, size: int) -> tuple[Array, int]:
    """Groups from 0 on without gaps, -1 for none, and how many there are."""
    if colors is None:
        return np.full(size, -1), 0
    colors = np.asarray(colors)
    return colors, int(colors.max(initial=-1)) + 1


def describe(pattern: Pattern) -> str:
    """A pattern in a few words."""
    m, n = pattern.shape
    share = 100 * pattern.nnz / (m * n) if m * n else 0.0
    return f"{m} x {n} with {pattern.nnz} entries, {share:.2g} %"
