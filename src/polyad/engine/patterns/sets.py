"""Index sets of a whole array at once: of every entry, in flat order, the input positions it depends on.

They stand in a few layers, one column a row in each (``layers``), as long as the rows are alike; else in
compressed rows (``indptr``, ``indices``), and every operation on these is one of a few compiled kernels of
SciPy's. A row that contains every column is only marked as full, so that a mean of everything
which is added to everything does not need the square of the size.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse import _sparsetools as kernels

from polyad.engine.patterns.layers import Layer, compressed, narrowed, put_together

__all__ = ["IndexSets", "index_type", "tag"]

Ints = np.ndarray
tag = itertools.count().__next__
_MOST = np.iinfo(np.int32).max
_DEEP = 16  # layers beyond which compressed rows take less
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
    """

    # whether it is put together only when it is asked for
    deferred = False

    __slots__ = ("_indices", "_indptr", "columns", "full", "layers", "origin", "rows")

    def __init__(self, indptr: Ints, indices: Ints, columns: int, full: np.ndarray | None = None) -> None:
        self._indptr: Ints | None = indptr
        self._indices: Ints | None = indices
        self.columns = columns
        self.rows: int = indptr.size - 1
        self.full = full if full is not None and full.any() else None
        # the same in layers, where it is made of some
        self.layers: tuple[Layer, ...] | None = None
        # what this is a union of: to unite it with one of them once more changes nothing
        self.origin: frozenset[int] = frozenset((tag(),))

    @classmethod
    def of_layers(cls, layers: Sequence[Layer], rows: int, columns: int) -> IndexSets:
        """Rows that are given in layers."""
        made = object.__new__(cls)
        made._indptr = made._indices = made.full = None
        made.columns, made.rows = columns, rows
        made.layers = tuple([a.reshape(-1) if a.flags.c_contiguous else a for a in layers])
        made.origin = frozenset((tag(),))
        return made

    @classmethod
    def identity(cls, start: int, count: int, columns: int) -> IndexSets:
        """Row ``k`` is the one column ``start + k``."""
        dtype = index_type(max(columns, count))
        return cls.of_layers([np.arange(start + 1, start + count + 1, dtype=dtype)], count, columns)

    @classmethod
    def empty(cls, count: int, columns: int) -> IndexSets:
        """Rows without columns."""
        dtype = index_type(columns)
        return cls(np.zeros(count + 1, dtype=dtype), np.zeros(0, dtype=dtype), columns)

    @property
    def indptr(self) -> Ints:
        """Where each row begins among ``indices``."""
        if self._indptr is None:
            self._settle()
        assert self._indptr is not None
        return self._indptr

    @property
    def indices(self) -> Ints:
        """The columns, row after row."""
        if self._indices is None:
            self._settle()
        assert self._indices is not None
        return self._indices

    def _settle(self) -> None:
        assert self.layers is not None
        depth = len(self.layers)
        dtype = index_type(max(depth * self.rows, self.columns))
        if not depth:
            self._indptr, self._indices = np.zeros(self.rows + 1, dtype=dtype), np.zeros(0, dtype=dtype)
        else:
            self._indptr, self._indices = compressed(self.layers, self.rows, dtype)

    @property
    def is_empty(self) -> bool:
        """Whether no row has any column."""
        if self.layers is not None:
            return not self.layers or not self.rows
        return self.indices.size == 0 and self.full is None

    @property
    def extent(self) -> int:
        """How many columns all rows have together."""
        wide = 0 if self.full is None else int(np.count_nonzero(self.full))
        empty = 0 if self.full is None else int(np.diff(self.indptr)[self.full].sum())
        return int(self.indices.size) - empty + wide * self.columns

    # -- rows moved about -----------------------------------------------------------------------------

    def gathered(self, positions: Ints) -> IndexSets:
        """The rows at positions; a negative one stands for an empty row."""
        flat = positions.reshape(-1)
        negative = bool(flat.size) and bool(flat.min() < 0)
        if self.layers is not None:
            found = []
            for layer in self.layers:
                line = layer.reshape(-1)
                if negative:
                    picked = np.zeros(flat.size, line.dtype)
                    if line.size:
                        np.take(line, flat, mode="clip", out=picked)
                    picked[flat < 0] = 0
                    if not picked.any():
                        continue
                else:
                    picked = line[flat]
                found.append(picked)
            return IndexSets.of_layers(found, flat.size, self.columns)
        if negative:
            return self._placed(flat)
        full = None if self.full is None else self.full[flat]
        lengths = np.diff(self.indptr)[flat]
        total = int(lengths.sum(dtype=np.int64))
        dtype = index_type(max(total, self.columns, self.rows))
        indptr = np.zeros(flat.size + 1, dtype=dtype)
        np.cumsum(lengths, out=indptr[1:])
        indices = np.empty(total, dtype=dtype)
        old_ptr, old = self._as(dtype)
        kernels.csr_row_index(
            flat.size, flat.astype(dtype, copy=False), old_ptr, old, _ones(old.size), indices, _scratch(total)
        )
        return IndexSets(indptr, indices, self.columns, full)

    def moved(self, shape: tuple[int, ...], run: Callable[[np.ndarray], np.ndarray]) -> IndexSets:
        """The rows as ``run`` moves the entries of an array of this shape; what is zero has none."""
        if self.layers is not None:
            found = [run(layer.reshape(shape)) for layer in self.layers]
            rows = found[0].size if found else self._moved(shape, run).size
            return IndexSets.of_layers(found, rows, self.columns)
        return self.gathered(self._moved(shape, run) - 1)

    def _moved(self, shape: tuple[int, ...], run: Callable[[np.ndarray], np.ndarray]) -> Ints:
        return run(np.arange(1, self.rows + 1).reshape(shape))

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
        if other.deferred:
            return other.united(self)
        made = self._in_layers(other)
        if made is self:
            return self
        made = _united(self, other) if made is None else made
        together = self.origin | other.origin
        made.origin = together | made.origin if len(together) < _ANCESTORS else made.origin
        return made

    def _in_layers(self, other: IndexSets) -> IndexSets | None:
        """The union in layers, where both are in some and it does not get many."""
        if self.layers is None or other.layers is None:
            return None
        layers = put_together(self.layers, other.layers)
        if len(layers) == len(self.layers):
            return self
        if len(layers) > _DEEP:
            layers = narrowed(layers, self.rows)
            if len(layers) > _DEEP // 2:
                return None
        return IndexSets.of_layers(layers, self.rows, self.columns)

    def along(self, shape: tuple[int, ...], axes: tuple[int, ...]) -> IndexSets | None:
        """The union along axes, in layers, where that does not get many."""
        count = 1
        for k in axes:
            count *= shape[k]
        if self.layers is None or not 0 < count * len(self.layers) <= _DEEP:
            return None
        found: list[Layer] = []
        for layer in self.layers:
            parts = [layer.reshape(shape)]
            for k in axes:
                lead = (slice(None),) * k
                parts = [a[(*lead, slice(i, i + 1))] for a in parts for i in range(shape[k])]
            found += parts
        return IndexSets.of_layers(found, self.rows // count, self.columns)

    def grouped(self, labels: Ints, groups: int) -> IndexSets:
        """The union of the rows of each label, for as many labels as there are groups."""
        labels = labels.ravel()
        if groups == 1:
            from polyad.engine.patterns.totals import Total

            return Total((self,))
        return self.mapped(labels, np.arange(self.rows), groups)

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
        most_each = int(counts.max())
        if self.layers is not None and most_each * len(self.layers) <= _DEEP and _is_even(counts, most_each):
            # the first of each, then the second of each, and so on
            first = np.cumsum(counts) - counts
            rank = np.arange(targets.size) - first[targets]
            layers: tuple[Layer, ...] = ()
            for k in range(most_each):
                mine = rank == k
                where = np.full(rows, -1)
                where[targets[mine]] = sources[mine]
                layers += self.gathered(where).layers or ()
            return IndexSets.of_layers(layers, rows, self.columns)
        lengths = np.diff(self.indptr)
        most = int(lengths[sources].sum(dtype=np.int64))
        dtype = index_type(max(most, self.columns, targets.size))
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
        dtype = index_type(max(int(lengths.sum()), self.columns))
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
            return IndexSets(self.indptr, self.indices, self.columns)
        kept = np.repeat(~emptied, lengths)
        indptr = np.zeros_like(self.indptr)
        np.cumsum(np.where(emptied, 0, lengths), out=indptr[1:])
        return IndexSets(indptr, self.indices[kept], self.columns)


def _is_even(counts: Ints, most: int) -> bool:
    """Whether as many as the most for all would not be many more than there are."""
    return bool(most * counts.size <= 1024 + 3 * int(counts.sum()))


def _united(a: IndexSets, b: IndexSets) -> IndexSets:
    full = None
    if a.full is not None or b.full is not None:
        none = np.zeros(a.rows, dtype=bool)
        full = (none if a.full is None else a.full) | (none if b.full is None else b.full)
        if full.all():
            none = np.zeros(a.rows + 1, dtype=a.indptr.dtype)
            return IndexSets(none, none[:0], a.columns, full)
        a, b = a._without(full), b._without(full)
    most = a.indices.size + b.indices.size
    dtype = index_type(max(most, a.columns))
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
    return _marked(IndexSets(indptr, indices[: indptr[-1]], a.columns, full))


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


def index_type(largest: int) -> np.dtype[Any]:
    """The dtype of indices up to so many."""
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
