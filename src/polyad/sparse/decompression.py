"""From products to entries: one gather, or one sweep of substitutions."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import OutMismatchError, PatternError

if TYPE_CHECKING:
    from polyad.sparse.pattern import Pattern

__all__ = ["Decompression", "equations", "plan"]

# a table of counts of so many times the entries is made, and beyond it they are sorted
_ROOMY = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Decompression:
    """Where the entries of a pattern are in the products.

    The products are one row: those of the columns' colors after each other (each as long as the matrix has
    rows), then those of the rows' colors.

    Parameters
    ----------
    size : int
        The length of that row.
    index : array of int
        For each entry, in CSR order, its place in the row.
    sweep : tuple of arrays
        Steps of the substitution: which entries are known now (their place in the row is ``index``), and from
        which place each of them is to be subtracted. Empty for a gather.
    """

    size: int
    index: Array
    sweep: tuple[tuple[Array, Array], ...] = ()

    @property
    def direct(self) -> bool:
        """Whether each entry stands alone somewhere."""
        return not self.sweep

    def __call__(self, products: Array, out: Array | None = None, work: Array | None = None) -> Array:
        """The entries; ``work`` is memory for a copy of the products, needed by a substitution only."""
        products = np.asarray(products).reshape(-1)
        if products.size != self.size:
            raise OutMismatchError(f"the products have {products.size} entries, the coloring has {self.size}")
        if out is None:
            out = np.empty(len(self.index), dtype=products.dtype)
        elif out.shape != self.index.shape or out.dtype != products.dtype:
            raise OutMismatchError(
                f"out has shape {out.shape} and dtype {out.dtype}, the entries have shape {self.index.shape} "
                f"and dtype {products.dtype}"
            )
        if self.sweep:
            if work is None:
                work = products.copy()
            else:
                np.copyto(work, products)
            products = work
            for known, places in self.sweep:
                np.subtract.at(products, places, products[self.index[known]])
        # every index is right by construction; "clip" writes to out without a copy in between
        return np.take(products, self.index, out=out, mode="clip")


def equations(
    pattern: Pattern, columns: Array | None, rows: Array | None, *, symmetric: bool
) -> tuple[Array, Array, int]:
    """For each entry its places in the products of its column's and row's colors (-1: none), and how many."""
    m, n = pattern.shape
    i, j = pattern.row_ids().astype(np.int64), pattern.indices.astype(np.int64)
    pushes = 0 if columns is None else int(columns.max(initial=-1)) + 1
    pulls = 0 if rows is None else int(rows.max(initial=-1)) + 1
    first = second = np.full(len(i), -1, dtype=np.int64)
    if columns is not None:
        color = columns[j].astype(np.int64)
        first = np.where(color >= 0, color * m + i, -1)
        if symmetric:
            color = columns[i].astype(np.int64)
            second = np.where(color >= 0, color * m + j, -1)
    if rows is not None:
        color = rows[i].astype(np.int64)
        second = np.where(color >= 0, pushes * m + color * n + j, -1)
    return first, second, pushes * m + pulls * n


def alone(keys: Array, size: int) -> Array:
    """Which keys occur once; negative ones do not count.

    Examples
    --------
    >>> import numpy as np
    >>> alone(np.array([3, -1, 2, 3]), 4)
    array([False, False,  True, False])
    """
    known = keys >= 0
    if size <= _ROOMY * max(len(keys), 1024):
        counts = np.bincount(keys[known], minlength=1)
        return known & (counts[np.where(known, keys, 0)] == 1)
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return known & (counts[inverse] == 1)


def plan(
    pattern: Pattern, columns: Array | None, rows: Array | None, *, symmetric: bool = False
) -> Decompression:
    """How the entries come out of the products.

    Raises
    ------
    PatternError
        If there is an entry that they do not determine; the message names it.
    """
    first, second, size = equations(pattern, columns, rows, symmetric=symmetric)
    one = alone(first, size)
    if one.all():
        return Decompression(size, first)
    other = alone(second, size)
    index = np.where(one, first, second)
    if (one | other).all():
        return Decompression(size, index)
    return _substitution(pattern, first, second, size, symmetric=symmetric)


def _substitution(
    pattern: Pattern, first: Array, second: Array, size: int, *, symmetric: bool
) -> Decompression:
    """Entries that stand alone are known; taken out of their other product, they leave more alone."""
    # both entries of a symmetric pair are one unknown
    twin = _twins(pattern, first, second) if symmetric else np.arange(len(first))
    ids = np.flatnonzero(twin == np.arange(len(first)))
    # a diagonal entry is in one product only, though by row and by column
    ends = np.stack([first[ids], np.where(first[ids] == second[ids], -1, second[ids])], axis=1)
    places, inverse = np.unique(ends, return_inverse=True)
    inverse = inverse.reshape(ends.shape)
    there = ends >= 0
    left = np.bincount(inverse[there], minlength=len(places))
    # the sum of the numbers of what is left in a product tells which one it is, where one is left
    total = np.zeros(len(places), dtype=np.int64)
    np.add.at(total, inverse[there], np.broadcast_to(np.arange(len(ids))[:, None], ends.shape)[there])
    if len(places) and places[0] < 0:
        left[0] = 0
    index = np.full(len(ids), -1, dtype=np.int64)
    sweep, ready = [], np.flatnonzero(left == 1)
    while len(ready):
        known, at = np.unique(total[ready], return_index=True)
        index[known] = places[ready[at]]
        side = (inverse[known, 0] == ready[at]).astype(np.intp)
        rows = np.arange(len(known))
        rest, real = inverse[known][rows, side], there[known][rows, side]
        left[ready[at]] = 0
        # what was ready from both sides is done on both
        both = real & (left[rest] > 0)
        np.subtract.at(left, rest[both], 1)
        np.subtract.at(total, rest[both], known[both])
        open_ = both & (left[rest] > 0)
        sweep.append((ids[known[open_]], places[rest[open_]]))
        ready = np.unique(rest[open_])
        ready = ready[left[ready] == 1]
    missing = np.flatnonzero(index < 0)
    if len(missing):
        k = ids[missing[0]]
        raise PatternError(
            f"the coloring does not fit the pattern: its products do not determine the entry in row "
            f"{int(pattern.row_ids()[k])}, column {int(pattern.indices[k])}"
        )
    whole = np.empty(len(first), dtype=np.int64)
    whole[ids] = index
    whole = whole[twin]
    return Decompression(size, whole, tuple(step for step in sweep if len(step[0])))


def _twins(pattern: Pattern, first: Array, second: Array) -> Array:
    """For each entry the one that stands for it and its mirror image: the one on or above the diagonal."""
    places = pattern.transposed()[1]
    return np.where(pattern.row_ids() <= pattern.indices, np.arange(len(first)), places)
