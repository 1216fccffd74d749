"""From the entries of a sparse matrix to the matrices that the caller gets, or fills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import Library
from polyad.arrays.types import Array, Leaves
from polyad.errors import ArgumentError, OutMismatchError
from polyad.sparse.blocks import Block, blocks_of
from polyad.sparse.decompression import Decompression

if TYPE_CHECKING:
    from polyad.sparse.pattern import Pattern
    from polyad.systems.contract import Problem

__all__ = ["DENSE", "SCIPY", "SparseForm"]

SCIPY = ("csr", "csc", "coo")
DENSE = "dense"
# entries that are compared at a time, so that no array of the size of the pattern is made for it
COMPARED = 2**16


class SparseForm:
    """The sparse matrices of one operator of one problem.

    Parameters
    ----------
    pattern : Pattern
        Of the whole.
    coloring : Coloring or None
        How it was compressed; None where the backend does that by itself.
    problem : Problem
        Whose derivative it is.
    second : bool
        Whether it is a Hessian.
    format : str
        One of SciPy's formats, or one that the library of the backend has.
    flat : bool
        Whether all leaves make one matrix.
    source : Library
        The library of the entries.
    decompress : callable, optional
        From the products to the entries, where the kernel gives products.
    """

    def __init__(
        self,
        pattern: Pattern,
        coloring: Any,
        problem: Problem,
        *,
        second: bool,
        format: str,
        flat: bool,
        source: Library,
        decompress: Callable[..., Array] | None = None,
    ) -> None:
        self.pattern, self.coloring, self.format, self.source = pattern, coloring, format, source
        self.decompress = decompress
        # whether the pattern was found at some points
        self.of_points = False
        # the gradient at the point of preparation, where somebody has computed it
        self.lower: Leaves | None = None
        # how many products the whole takes; None where the backend knows
        self.products: int | None = None if coloring is None else int(coloring.ncolors)
        self.outputs = problem.inputs if second else problem.outputs
        self.inputs = problem.inputs
        self.single = flat
        self.blocks = blocks_of(pattern, self.outputs, self.inputs, whole=flat, by_columns=format == "csc")
        # where each entry stands alone in a product, every block takes its own out of all of them
        self.gathers: list[Decompression] | None = None
        if isinstance(decompress, Decompression) and decompress.direct:
            self.gathers = [
                Decompression(decompress.size, block.of(decompress.index)) for block in self.blocks
            ]
        self._makers: list[Callable[[Any], Any]] | None = None
        if format not in (*SCIPY, DENSE) and format not in source.sparse_kinds:
            known = ", ".join(map(repr, (*SCIPY, DENSE, *source.sparse_kinds)))
            raise ArgumentError(f"format={format!r} is none that a backend of {source.name} has: {known}")

    # -- made -----------------------------------------------------------------------------------------

    def entries(self, result: Leaves) -> Any:
        """All entries in the order of the pattern, as the backend's array."""
        if self.decompress is None:
            return result[0]
        return self.decompress(self._numbers(result[0]))

    def made(self, result: Leaves) -> list[Any]:
        """The matrices, each in memory of its own."""
        if self.gathers is not None and self.format in SCIPY:
            products = self._numbers(result[0])
            found = zip(self.blocks, self.gathers, strict=True)
            return [self._matrix(block, gather(products)) for block, gather in found]
        entries = self.entries(result)
        if self.format in SCIPY:
            data = self._numbers(entries, own=True)
            return [self._matrix(block, block.of(data)) for block in self.blocks]
        if self._makers is None:
            self._makers = [
                self.source.sparse_maker(
                    self.format, block.shape, block.indptr, block.columns, block.rows, entries
                )
                for block in self.blocks
            ]
        return [
            maker(entries if block.where is None else entries[block.where])
            for maker, block in zip(self._makers, self.blocks, strict=True)
        ]

    def _numbers(self, entries: Any, *, own: bool = False) -> Array:
        if isinstance(entries, np.ndarray):
            return entries
        if self.source.is_traced(entries):
            raise ArgumentError(
                f"format={self.format!r} makes matrices of SciPy, which hold numbers, and a trace of "
                f"{self.source.name} goes on around this call: use one of "
                f"{', '.join(map(repr, self.source.sparse_kinds))}"
            )
        return np.asarray(self.source.take(entries) if own else self.source.to_numpy(entries))

    def _matrix(self, block: Block, data: Array) -> Any:
        import scipy.sparse

        data = data.astype(block.dtype, copy=False)
        if self.format == "coo":
            return scipy.sparse.coo_array(
                (data, (block.rows.copy(), block.columns.copy())), shape=block.shape
            )
        kind = scipy.sparse.csc_array if block.by_columns else scipy.sparse.csr_array
        matrix = kind((data, block.columns.copy(), block.indptr.copy()), shape=block.shape)
        matrix.has_canonical_format = True  # or asking would cost a look at all of it
        return matrix

    def dense(self, result: Leaves) -> list[Array]:
        """The blocks as arrays of shape ``output.shape + input.shape``."""
        data, found = self._numbers(self.entries(result)), []
        for block in self.blocks:
            array = np.zeros(block.shape, dtype=block.dtype)
            array[block.coordinates] = block.of(data)
            found.append(array.reshape(block.dense_shape))
        return found

    # -- filled ---------------------------------------------------------------------------------------

    def check(self, places: Sequence[Any]) -> None:
        """Refuse ``out`` unless it is matrices like those that would be made."""
        if self.format not in SCIPY:
            raise OutMismatchError(f"matrices of format={self.format!r} cannot be written to: leave out= out")
        if len(places) != len(self.blocks):
            raise OutMismatchError(f"out has {len(places)} leaves, the result has {len(self.blocks)}")
        for place, block in zip(places, self.blocks, strict=True):
            self._check(place, block)

    def _check(self, place: Any, block: Block) -> None:
        found = getattr(place, "format", None)
        if found != self.format or not hasattr(place, "data"):
            raise OutMismatchError(
                f"out is a {type(place).__name__}: pass a matrix in SciPy's {self.format} format, such as an "
                "earlier result"
            )
        if tuple(place.shape) != block.shape:
            raise OutMismatchError(f"out has shape {tuple(place.shape)}, the result has shape {block.shape}")
        if not np.can_cast(block.dtype, place.dtype, "safe"):
            raise OutMismatchError(
                f"out has dtype {place.dtype}, the result has dtype {block.dtype}, which does not fit into it"
            )
        if not place.data.flags.writeable:
            raise OutMismatchError(
                "out has entries that cannot be written to: pass a matrix of its own memory"
            )
        if found == "coo":
            mine = (block.rows, block.columns)
            theirs = (place.row, place.col)
        else:
            mine = (block.indptr, block.columns)
            theirs = (place.indptr, place.indices)
        if not all(map(_equal, mine, theirs)) or len(place.data) != len(block.columns):
            raise OutMismatchError(
                "out has another pattern than the result, or the same in another order: pass an earlier "
                "result, or a matrix made of .pattern"
            )

    def fill(self, places: Sequence[Any], result: Leaves) -> None:
        """Write the entries into matrices that were checked."""
        if self.gathers is not None:
            products = self._numbers(result[0])
            for place, gather in zip(places, self.gathers, strict=True):
                if place.data.dtype == products.dtype and place.data.flags.c_contiguous:
                    gather(products, place.data)
                else:
                    place.data[...] = gather(products)
            return
        data = self._numbers(self.entries(result))
        for place, block in zip(places, self.blocks, strict=True):
            if block.where is None:
                np.copyto(place.data, data)
            elif place.data.dtype == data.dtype and place.data.flags.c_contiguous:
                # with mode="raise" NumPy would go through a copy
                np.take(data, block.where, out=place.data, mode="clip")
            else:
                place.data[...] = data[block.where]

    # -- looked at ------------------------------------------------------------------------------------

    def summary(self, result: Leaves) -> Leaves | None:
        """For each block which rows have an entry that is not zero; None while there are no numbers."""
        if self.source.is_traced(result[0]):
            return None
        data = self._numbers(self.entries(result))
        found = []
        for block in blocks_of(self.pattern, self.outputs, self.inputs, whole=False, by_columns=False):
            values = block.of(data)
            found.append(np.bincount(block.rows, weights=values != 0, minlength=block.shape[0])[:, None])
        return tuple(found)

    def undefined(self, result: Leaves) -> list[tuple[int, int]]:
        """Row and column of the entries that are not a number."""
        if self.source.is_traced(result[0]):
            return []
        data = self._numbers(self.entries(result))
        bad = np.flatnonzero(np.isnan(data))
        rows = np.searchsorted(self.pattern.indptr, bad, side="right") - 1
        return [(int(i), int(j)) for i, j in zip(rows, self.pattern.indices[bad], strict=True)]


def _equal(a: Array, b: Array) -> bool:
    if a is b:
        return True
    if len(a) != len(b):
        return False
    parts = range(0, len(a), COMPARED)
    return all(np.array_equal(a[k : k + COMPARED], b[k : k + COMPARED]) for k in parts)
