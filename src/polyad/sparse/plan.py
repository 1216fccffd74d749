"""From a pattern and its coloring to what a backend needs to compute the entries (``Compression``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import PatternError
from polyad.systems.contract import Compression

if TYPE_CHECKING:
    from polyad.sparse.pattern import Pattern

__all__ = ["compression", "gather_index", "uncolored"]


def uncolored(pattern: Pattern) -> Compression:
    """The plan of a pattern for a backend that compresses by itself."""
    m, n = pattern.shape
    none_of = np.full(n, -1), 0, np.full(m, -1), 0
    return Compression((m, n), pattern.indptr, pattern.indices, pattern.row_ids(), *none_of, None)


def compression(pattern: Pattern, coloring: Any) -> Compression:
    """The plan of a pattern and its coloring; one that is no direct one leaves the products as they are."""
    m, n = pattern.shape
    columns, pushes = _groups(coloring.column_colors, n)
    rows, pulls = _groups(coloring.row_colors, m)
    row_ids = pattern.row_ids()
    index = None
    if coloring.decompression == "direct":
        index = gather_index(pattern, row_ids, columns, pushes, rows, symmetric=coloring.symmetric)
    return Compression((m, n), pattern.indptr, pattern.indices, row_ids, columns, pushes, rows, pulls, index)


def _groups(colors: Array | None, size: int) -> tuple[Array, int]:
    """Groups from 0 on without gaps, -1 for none, and how many there are."""
    if colors is None:
        return np.full(size, -1), 0
    colors = np.asarray(colors)
    return colors, int(colors.max(initial=-1)) + 1


def gather_index(
    pattern: Pattern, row_ids: Array, columns: Array, pushes: int, rows: Array, *, symmetric: bool
) -> Array:
    """Where each entry stands alone in the products, all pushforwards in a row and then all pullbacks.

    Raises
    ------
    PatternError
        If the coloring leaves an entry that stands alone nowhere.
    """
    m, n = pattern.shape
    i, j = row_ids.astype(np.int64), pattern.indices.astype(np.int64)
    group = columns[j].astype(np.int64)
    alone = _alone(group * m + i, pushes * m) & (group >= 0)
    index = group * m + i
    if alone.all():
        return index
    if symmetric:
        other = columns[i].astype(np.int64)
        index = np.where(alone, index, other * m + j)
        alone |= _alone(other * m + j, pushes * m) & (other >= 0)
    else:
        other = rows[i].astype(np.int64)
        index = np.where(alone, index, pushes * m + other * n + j)
        pulls = int(rows.max(initial=-1)) + 1
        alone |= _alone(other * n + j, pulls * n) & (other >= 0)
    if not alone.all():
        k = int(np.argmin(alone))
        raise PatternError(
            f"the coloring does not fit the pattern: no product has the entry in row {int(i[k])}, column "
            f"{int(j[k])} alone"
        )
    return index


def _alone(keys: Array, size: int) -> Array:
    """Which keys occur once; negative ones do not count."""
    known = keys >= 0
    if size <= 8 * max(len(keys), 1024):
        counts = np.bincount(keys[known], minlength=1)
        return known & (counts[np.where(known, keys, 0)] == 1)
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return known & (counts[inverse] == 1)
