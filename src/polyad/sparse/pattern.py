"""The pattern of a sparse matrix: which entries may be other than zero."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Self

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import PatternError

__all__ = ["Pattern"]

# dots of a Braille character, by row and column of its 4 x 2 points
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
# beyond this, indices of 32 bits do not do
_WIDE = 2**31 - 1


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Pattern:
    """Where a matrix may have entries, in CSR form.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    indptr, indices : array of int
        Where each row begins, and the columns of its entries: sorted, each once. They become read-only
        arrays, of 32 bits where these suffice.

    Raises
    ------
    PatternError
        If the arrays are not those of a matrix of that shape, or a row is not sorted.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> pattern = ad.sparse.Pattern.from_coordinates((3, 3), [2, 0, 0], [1, 2, 0])
    >>> pattern
    <Pattern of shape (3, 3), 3 entries, 33 %>
    >>> pattern.indices
    array([0, 2, 1], dtype=int32)
    """

    shape: tuple[int, int]
    indptr: Array
    indices: Array

    def __post_init__(self) -> None:
        m, n = (int(size) for size in self.shape)
        indptr, indices = np.asarray(self.indptr), np.asarray(self.indices)
        if indptr.shape != (m + 1,) or indices.ndim != 1:
            raise PatternError(
                f"a pattern of shape {(m, n)} needs indptr of {m + 1} entries and a row of indices, "
                f"not shapes {indptr.shape} and {indices.shape}"
            )
        if indptr[0] != 0 or indptr[-1] != len(indices) or np.any(indptr[1:] < indptr[:-1]):
            raise PatternError(f"indptr must rise from 0 to the number of entries, {len(indices)}")
        if len(indices):
            _within(indices, n, "column", (m, n))
            rises = indices[1:] > indices[:-1]
            starts = indptr[1:-1]
            rises[starts[(starts > 0) & (starts < len(indices))] - 1] = True
            if not rises.all():
                raise PatternError(
                    "the columns of a row must be sorted, each once: Pattern.from_coordinates sorts them"
                )
        _settle(self, (m, n), indptr, indices)

    @classmethod
    def trusted(cls, shape: tuple[int, int], indptr: Array, indices: Array) -> Self:
        """As the constructor, unchecked: for arrays that are known to be right, as those of a detector."""
        made = object.__new__(cls)
        _settle(made, (int(shape[0]), int(shape[1])), indptr, indices)
        return made

    @classmethod
    def from_coordinates(cls, shape: tuple[int, ...], rows: Any, columns: Any) -> Self:
        """The pattern of entries in any order, some of which may be the same."""
        import scipy.sparse

        m, n = int(shape[0]), int(shape[1])
        rows, columns = np.asarray(rows).reshape(-1), np.asarray(columns).reshape(-1)
        if len(rows) != len(columns):
            raise PatternError(f"{len(rows)} rows and {len(columns)} columns are no coordinates of entries")
        if not len(rows):
            return cls.trusted((m, n), np.zeros(m + 1, dtype=np.int32), np.zeros(0, dtype=np.int32))
        _within(rows, m, "row", (m, n))
        _within(columns, n, "column", (m, n))
        ones = np.ones(len(rows), dtype=np.int8)
        found = scipy.sparse.coo_array((ones, (rows, columns)), shape=(m, n)).tocsr()
        found.sum_duplicates()
        return cls.trusted((m, n), found.indptr, found.indices)

    @classmethod
    def from_scipy(cls, matrix: Any) -> Self:
        """The pattern of what a sparse matrix of SciPy's stores, zeros among it."""
        import scipy.sparse

        if matrix.ndim != 2:
            raise PatternError(f"a pattern has two axes, not shape {matrix.shape}")
        if matrix.format != "csr":
            coordinates = matrix.tocoo()
            return cls.from_coordinates(matrix.shape, coordinates.row, coordinates.col)
        ones = np.ones(len(matrix.indices), dtype=np.int8)
        found = scipy.sparse.csr_array((ones, matrix.indices, matrix.indptr), shape=matrix.shape, copy=True)
        found.sum_duplicates()
        return cls.trusted(matrix.shape, found.indptr, found.indices)

    def __repr__(self) -> str:
        size = self.shape[0] * self.shape[1]
        share = f", {100 * self.nnz / size:.2g} %" if size else ""
        return f"<Pattern of shape {self.shape}, {self.nnz} entries{share}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pattern):
            return NotImplemented
        same = self.shape == other.shape and np.array_equal(self.indptr, other.indptr)
        return same and np.array_equal(self.indices, other.indices)

    def __hash__(self) -> int:
        return hash((self.shape, self.nnz))

    @property
    def nnz(self) -> int:
        """How many entries there may be."""
        return len(self.indices)

    @property
    def T(self) -> Pattern:
        """The pattern of the transposed matrix."""
        return self.transposed()[0]

    def transposed(self) -> tuple[Pattern, Array]:
        """The pattern of the transposed matrix, and for each of its entries which one it is here."""
        import scipy.sparse

        m, n = self.shape
        numbers = np.arange(self.nnz, dtype=self.indices.dtype)
        found = scipy.sparse.csr_array((numbers, self.indices, self.indptr), shape=self.shape).tocsc()
        return Pattern.trusted((n, m), found.indptr, found.indices), found.data

    @property
    def is_symmetric(self) -> bool:
        """Whether with each entry there is the one on the other side of the diagonal."""
        return self.shape[0] == self.shape[1] and self == self.T

    def symmetric(self) -> Pattern:
        """The pattern itself if it is symmetric, else with each entry the one on the other side."""
        other = self.T
        if self == other:
            return self
        return Pattern.from_scipy((self.to_scipy() + other.to_scipy()).tocsr())

    def row_ids(self) -> Array:
        """The row of each entry."""
        return np.repeat(np.arange(self.shape[0], dtype=self.indices.dtype), np.diff(self.indptr))

    def to_scipy(self, data: Any = None) -> Any:
        """A SciPy sparse array (CSR) of True, or of the numbers given, one for each entry."""
        import scipy.sparse

        data = np.ones(self.nnz, dtype=bool) if data is None else np.asarray(data)
        return scipy.sparse.csr_array((data, self.indices.copy(), self.indptr.copy()), shape=self.shape)

    def spy(self, width: int = 60) -> str:
        """The pattern as text, in Braille; each dot stands for one or more entries."""
        m, n = self.shape
        if not m or not n:
            return ""
        columns = min(n, 2 * width)
        rows = max(1, min(m, round(columns * m / n), 400))
        down = self.row_ids().astype(np.int64) * rows // m
        across = self.indices.astype(np.int64) * columns // n
        cells = np.zeros((-(-rows // 4), -(-columns // 2)), dtype=np.int64)
        dots = np.array(_DOTS)[down % 4, across % 2]
        np.bitwise_or.at(cells, (down // 4, across // 2), dots)
        return "\n".join("".join(chr(0x2800 + int(c)) for c in line) for line in cells)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file of NumPy's format ``npz``."""
        np.savez_compressed(path, shape=np.array(self.shape), indptr=self.indptr, indices=self.indices)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what ``save`` has written."""
        with np.load(path) as found:
            m, n = found["shape"].tolist()
            return cls((m, n), found["indptr"], found["indices"])


def _within(index: Array, count: int, what: str, shape: tuple[int, int]) -> None:
    if index.dtype.kind not in "iu":
        raise PatternError(f"the {what}s of a pattern are integers, not {index.dtype}")
    low, high = int(index.min()), int(index.max())
    if low < 0 or high >= count:
        raise PatternError(f"a pattern of shape {shape} has no {what} {low if low < 0 else high}")


def _settle(pattern: Pattern, shape: tuple[int, int], indptr: Array, indices: Array) -> None:
    """Give a pattern its arrays: read-only, both of one dtype."""
    kind = np.int32 if max(*shape, len(indices)) <= _WIDE else np.int64
    indptr, indices = (np.ascontiguousarray(a, dtype=kind).view() for a in (indptr, indices))
    indptr.flags.writeable = indices.flags.writeable = False
    for name, value in (("shape", shape), ("indptr", indptr), ("indices", indices)):
        object.__setattr__(pattern, name, value)
