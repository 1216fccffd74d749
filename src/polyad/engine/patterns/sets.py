"""Index sets of a whole array at once: of every entry, in flat order, the input positions it depends on.

They stand in compressed rows (``indptr``, ``indices``), and every operation on them is one of a few compiled
kernels of SciPy's. A row that contains every column is only marked as full, so that a mean of everything
which is added to everything does not need the square of the size.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse import _sparsetools as kernels

__all__ = ["IndexSets", "joined"]

Ints = np.ndarray
_TAGS = itertools.count()
_MOST = np.iinfo(np.int32).max
_ANCESTORS = 48  # how many unions back it is remembered that a union has been made


class IndexSets:
    """One set of columns for each row.

    Parameters
    ----------
    indptr, indices : numpy.ndarray
        Compressed rows, sorted within each, without repetition. Full rows are empty here.
    columns : int
        How many columns there are.
    full : numpy.ndarray of bool, optional
        Which rows contain every column.
    width : int, optional
        How many entries each row has, where that is the same for all.
    """

    __slots__ = ("columns", "full", "indices", "indptr", "origin", "tag", "width")

    def __init__(
        self,
        indptr: Ints,
        indices: Ints,
        columns: int,
        full: np.ndarray | None = None,
        width: int | None = None,
    ) -> None:
        self.indptr, self.indices, self.columns = indptr, indices, columns
        self.full = full if full is not None and full.any() else None
        self.width = width
        self.tag = next(_TAGS)
        # what this is a union of: to unite it with one of them once more changes nothing
        self.origin: frozenset[int] = frozenset((self.tag,))

    @classmethod
    def identity(cls, start: int, count: int, columns: int) -> IndexSets:
        """Row ``k`` is the one column ``start + k``."""
        dtype = _index_type(max(columns, count))
        return cls(
            np.arange(count + 1, dtype=dtype),
            np.arange(start, start + count, dtype=dtype),
            columns,
            width=1,
        )

    @classmethod
    def empty(cls, count: int, columns: int) -> IndexSets:
        """Rows without columns."""
        dtype = _index_type(columns)
        return cls(np.zeros(count + 1, dtype=dtype), np.zeros(0, dtype=dtype), columns, width=0)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.indptr.size - 1

    @property
    def is_empty(self) -> bool:
        """Whether no row has any column."""
        return self.indices.size == 0 and self.full is None

    # -- rows moved about -----------------------------------------------------------------------------

    def gathered(self, positions: Ints) -> IndexSets:
        """The rows at positions; a negative one stands for an empty row."""
        flat = positions.ravel()
        if flat.size and flat.min() < 0:
            return self._placed(flat)
        full = None if self.full is None else self.full[flat]
        if self.width is not None:
            table = self.indices.reshape(self.rows, self.width)
            picked = self.indices[flat] if self.width == 1 else np.take(table, flat, axis=0).ravel()
            dtype = _index_type(max(picked.size, self.columns))
            indptr = np.arange(0, picked.size + 1, self.width, dtype=dtype) if self.width else None
            if indptr is None:
                indptr = np.zeros(flat.size + 1, dtype=dtype)
            return IndexSets(indptr, picked.astype(dtype, copy=False), self.columns, full, self.width)
        lengths = np.diff(self.indptr)[flat]
        total = int(lengths.sum(dtype=np.int64))
        dtype = _index_type(max(total, self.columns, self.rows))
        indptr = np.zeros(flat.size + 1, dtype=dtype)
        np.cumsum(lengths, out=indptr[1:])
        indices = np.empty(total, dtype=dtype)
        old_ptr, old = self._as(dtype)
        kernels.csr_row_index(
            flat.size, flat.astype(dtype, copy=False), old_ptr, old, _ones(old.size), indices, _scratch(total)
        )
        return IndexSets(indptr, indices, self.columns, full)

    def _placed(self, flat: Ints) -> IndexSets:
        known = flat >= 0
        picked = self.gathered(flat[known])
        lengths = np.zeros(flat.size, dtype=picked.indptr.dtype)
        lengths[known] = np.diff(picked.indptr)
        indptr = np.zeros(flat.size + 1, dtype=picked.indptr.dtype)
        np.cumsum(lengths, out=indptr[1:])
        full = None
        if picked.full is not None:
            full = np.zeros(flat.size, dtype=bool)
            full[known] = picked.full
        return IndexSets(indptr, picked.indices, self.columns, full)

    def _as(self, dtype: Any) -> tuple[Ints, Ints]:
        return self.indptr.astype(dtype, copy=False), self.indices.astype(dtype, copy=False)

    # -- unions -----------------------------------------------------------------------------------------

    def united(self, other: IndexSets) -> IndexSets:
        """The union, row by row."""
        if other is self or other.origin <= self.origin or other.is_empty:
            return self
        if self.origin <= other.origin or self.is_empty:
            return other
        made = _united(self, other)
        together = self.origin | other.origin
        made.origin = together | made.origin if len(together) < _ANCESTORS else made.origin
        return made

    def grouped(self, labels: Ints, groups: int) -> IndexSets:
        """The union of the rows of each label, for as many labels as there are groups."""
        labels = labels.ravel()
        if groups == 1:
            return self._everything()
        return self.mapped(labels, np.arange(self.rows), groups)

    def _everything(self) -> IndexSets:
        marked = np.zeros(self.columns, dtype=bool)
        marked[self.indices] = True
        found = np.flatnonzero(marked)
        if self.full is not None or (found.size == self.columns > 1):
            return IndexSets(
                np.zeros(2, dtype=self.indptr.dtype),
                np.zeros(0, dtype=self.indptr.dtype),
                self.columns,
                np.ones(1, dtype=bool),
                0,
            )
        dtype = self.indptr.dtype
        return IndexSets(
            np.array([0, found.size], dtype=dtype), found.astype(dtype), self.columns, width=found.size
        )

    def mapped(self, targets: Ints, sources: Ints, rows: int) -> IndexSets:
        """Rows of which row ``targets[k]`` contains this one's row ``sources[k]``, for every k."""
        targets, sources = targets.ravel(), sources.ravel()
        if targets.size > 1 and not (targets[1:] >= targets[:-1]).all():
            order = np.argsort(targets, kind="stable")
            targets, sources = targets[order], sources[order]
        counts = np.bincount(targets, minlength=rows)
        full = None
        if self.full is not None:
            full = np.zeros(rows, dtype=bool)
            full[targets[self.full[sources]]] = True
        if counts.size == 0 or counts.max() <= 1:
            where = np.full(rows, -1)
            where[targets] = sources
            return self.gathered(where)
        lengths = np.diff(self.indptr)
        most = int(lengths[sources].sum(dtype=np.int64))
        dtype = _index_type(max(most, self.columns, targets.size))
        start = np.zeros(rows + 1, dtype=dtype)
        np.cumsum(counts, out=start[1:])
        old_ptr, old = self._as(dtype)
        indptr = np.empty(rows + 1, dtype=dtype)
        indices = np.empty(most, dtype=dtype)
        kernels.csr_matmat(
            rows,
            self.columns,
            start,
            sources.astype(dtype, copy=False),
            _ones(targets.size),
            old_ptr,
            old,
            _ones(old.size),
            indptr,
            indices,
            _scratch(most),
        )
        indices = indices[: indptr[-1]]
        kernels.csr_sort_indices(rows, indptr, indices, _ones(indices.size))
        return _marked(IndexSets(indptr, indices, self.columns, full))

    # -- the whole ------------------------------------------------------------------------------------

    def transposed(self) -> IndexSets:
        """A row for each column, of the rows that contain it."""
        indptr, indices = self.csr()
        matrix = scipy.sparse.csr_array(
            (_ones(indices.size), indices, indptr), shape=(self.rows, self.columns)
        ).tocsc()
        return _marked(IndexSets(matrix.indptr, matrix.indices, self.rows))

    def csr(self) -> tuple[Ints, Ints]:
        """``indptr`` and ``indices`` with the full rows written out."""
        if self.full is None:
            return self.indptr, self.indices
        lengths = np.diff(self.indptr).astype(np.int64)
        lengths[self.full] = self.columns
        dtype = _index_type(max(int(lengths.sum()), self.columns))
        indptr = np.zeros(self.rows + 1, dtype=dtype)
        np.cumsum(lengths, out=indptr[1:])
        indices = np.empty(int(indptr[-1]), dtype=dtype)
        wide = np.repeat(self.full, lengths)
        indices[wide] = np.tile(np.arange(self.columns, dtype=dtype), int(self.full.sum()))
        indices[~wide] = self._without(self.full).indices
        return indptr, indices

    def _without(self, emptied: np.ndarray) -> IndexSets:
        """The same with some rows emptied."""
        lengths = np.diff(self.indptr)
        if not lengths[emptied].any():
            return IndexSets(self.indptr, self.indices, self.columns, width=self.width)
        kept = np.repeat(~emptied, lengths)
        indptr = np.zeros_like(self.indptr)
        np.cumsum(np.where(emptied, 0, lengths), out=indptr[1:])
        return IndexSets(indptr, self.indices[kept], self.columns)


def joined(parts: list[IndexSets]) -> IndexSets:
    """The rows of all, one after the other."""
    total = sum(p.indices.size for p in parts)
    columns = parts[0].columns
    dtype = _index_type(max(total, columns))
    starts = np.cumsum([0, *(p.indices.size for p in parts)])
    indptr = np.concatenate(
        [np.zeros(1, dtype), *(p.indptr[1:] + dtype.type(s) for p, s in zip(parts, starts, strict=False))]
    ).astype(dtype, copy=False)
    indices = np.concatenate([p.indices for p in parts]).astype(dtype, copy=False)
    full = None
    if any(p.full is not None for p in parts):
        full = np.concatenate([np.zeros(p.rows, bool) if p.full is None else p.full for p in parts])
    widths = {p.width for p in parts}
    return IndexSets(indptr, indices, columns, full, widths.pop() if len(widths) == 1 else None)


def _united(a: IndexSets, b: IndexSets) -> IndexSets:
    full = None
    if a.full is not None or b.full is not None:
        none = np.zeros(a.rows, dtype=bool)
        full = (none if a.full is None else a.full) | (none if b.full is None else b.full)
        if full.all():
            none = np.zeros(a.rows + 1, dtype=a.indptr.dtype)
            return IndexSets(none, none[:0], a.columns, full, 0)
        a, b = a._without(full), b._without(full)
    most = a.indices.size + b.indices.size
    dtype = _index_type(max(most, a.columns))
    if a.width == 1 and b.width == 1:
        low, high = np.minimum(a.indices, b.indices), np.maximum(a.indices, b.indices)
        if (low != high).all():
            pairs = np.empty((a.rows, 2), dtype=dtype)
            pairs[:, 0], pairs[:, 1] = low, high
            indptr = np.arange(0, 2 * a.rows + 1, 2, dtype=dtype)
            return _marked(IndexSets(indptr, pairs.ravel(), a.columns, full, 2))
    indptr = np.empty(a.rows + 1, dtype=dtype)
    indices = np.empty(most, dtype=dtype)
    kernels.csr_plus_csr(
        a.rows,
        a.columns,
        *a._as(dtype),
        _ones(a.indices.size),
        *b._as(dtype),
        _ones(b.indices.size),
        indptr,
        indices,
        _scratch(most),
    )
    size = int(indptr[-1])
    width = None
    if a.width is not None and b.width is not None and a.rows and size % a.rows == 0:
        width = size // a.rows
        if not (np.diff(indptr) == width).all():
            width = None
    return _marked(IndexSets(indptr, indices[:size], a.columns, full, width))


def _marked(sets: IndexSets) -> IndexSets:
    """The same, with the rows that have become full marked so."""
    if sets.indices.size < sets.columns or sets.columns < 2:
        return sets
    found = np.diff(sets.indptr) == sets.columns
    if not found.any():
        return sets
    rest = sets._without(found)
    return IndexSets(
        rest.indptr, rest.indices, sets.columns, found if sets.full is None else sets.full | found
    )


def _index_type(largest: int) -> np.dtype[Any]:
    return np.dtype(np.int32 if largest < _MOST else np.int64)


_TRUE = np.ones(1024, dtype=bool)


def _ones(size: int) -> np.ndarray:
    """Truth values for kernels that want numbers beside the indices."""
    global _TRUE
    if size > _TRUE.size:
        if size > 1 << 24:
            return np.ones(size, dtype=bool)
        _TRUE = np.ones(2 * size, dtype=bool)
    return _TRUE[:size]


def _scratch(size: int) -> np.ndarray:
    return np.empty(size, dtype=bool)
