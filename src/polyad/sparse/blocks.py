"""Which entries of a sparse matrix belong to which block of it, and in which order they stand there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from polyad.arrays.library import ArraySpec
from polyad.arrays.types import Array

if TYPE_CHECKING:
    from polyad.sparse.pattern import Pattern

__all__ = ["Block", "blocks_of"]


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """A part of a pattern: some rows by some columns.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    indptr, columns : array of int
        Its pattern in CSR form, or by columns where ``by_columns`` (``columns`` holds rows then).
    rows : array of int
        The row of each entry; the column of each where ``by_columns``.
    where : array of int, optional
        Which entries of the whole, in the order of this block; None: all, as they are.
    dense_shape : tuple of int
        The shape of the block as an array.
    dtype : dtype
        Of its entries.
    by_columns : bool
        Whether entries stand column by column.
    """

    shape: tuple[int, int]
    indptr: Array
    columns: Array
    rows: Array
    where: Array | None
    dense_shape: tuple[int, ...]
    dtype: np.dtype
    by_columns: bool

    def of(self, data: Array) -> Array:
        """Its entries among all."""
        return data if self.where is None else data[self.where]

    @property
    def coordinates(self) -> tuple[Array, Array]:
        """Row and column of each entry."""
        return (self.columns, self.rows) if self.by_columns else (self.rows, self.columns)


def blocks_of(
    pattern: Pattern,
    outputs: Sequence[ArraySpec],
    inputs: Sequence[ArraySpec],
    *,
    whole: bool,
    by_columns: bool,
) -> list[Block]:
    """The blocks of all output leaves by all input leaves, row by row; or the one of the whole."""
    rows, columns = pattern.row_ids(), pattern.indices
    if whole or len(outputs) == len(inputs) == 1:
        dtype = np.result_type(*(spec.dtype for spec in (*outputs, *inputs)))
        shape = (*outputs[0].shape, *inputs[0].shape) if not whole else pattern.shape
        return [_block(pattern.shape, rows, columns, None, shape, dtype, by_columns)]
    found, top = [], 0
    for out in outputs:
        left = 0
        for spec in inputs:
            mine = (rows >= top) & (rows < top + out.size) & (columns >= left) & (columns < left + spec.size)
            where = np.flatnonzero(mine)
            found.append(
                _block(
                    (out.size, spec.size),
                    rows[where] - top,
                    columns[where] - left,
                    where,
                    (*out.shape, *spec.shape),
                    np.result_type(out.dtype, spec.dtype),
                    by_columns,
                )
            )
            left += spec.size
        top += out.size
    return found


def _block(
    shape: tuple[int, int],
    rows: Array,
    columns: Array,
    where: Array | None,
    dense_shape: tuple[int, ...],
    dtype: np.dtype,
    by_columns: bool,
) -> Block:
    if by_columns:
        order = np.lexsort((rows, columns))
        where = order if where is None else where[order]
        rows, columns = columns[order], rows[order]
    count = shape[1] if by_columns else shape[0]
    kind = np.int32 if max(len(rows), *shape) < 2**31 else np.int64
    indptr = np.zeros(count + 1, dtype=kind)
    np.cumsum(np.bincount(rows, minlength=count), out=indptr[1:])
    return Block(
        (int(shape[0]), int(shape[1])),
        indptr,
        columns.astype(kind, copy=False),
        rows.astype(kind, copy=False),
        where,
        dense_shape,
        dtype,
        by_columns,
    )
