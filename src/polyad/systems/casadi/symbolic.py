"""CasADi's symbols with the shapes of NumPy.

CasADi knows matrices only, column by column. A ``Symbolic`` keeps its entries as one flat column in
NumPy's order beside a shape and a dtype, so that every rearrangement is a gather of flat positions
and nothing but arithmetic is left to CasADi.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

__all__ = ["Symbolic", "constant", "positions"]

Shape = tuple[int, ...]
_DOUBLE = np.dtype(np.float64)


class Symbolic:
    """An N-d array of SX or MX expressions.

    Parameters
    ----------
    raw : casadi.SX or casadi.MX
        Its entries as one column in NumPy's order.
    shape : tuple of int
        Its shape.
    dtype : numpy.dtype
        The dtype that NumPy would have here; CasADi computes all in float64.
    weak : bool
        Whether it stands for a Python number, which adapts its precision.
    """

    __slots__ = ("_dense", "dtype", "raw", "shape", "weak")

    def __init__(self, raw: Any, shape: Shape, dtype: Any, weak: bool = False) -> None:
        self.raw = raw
        self.shape = shape
        self.dtype = dtype if dtype is _DOUBLE else np.dtype(dtype)
        self.weak = weak
        self._dense = False

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def kind(self) -> Any:
        """``casadi.SX`` or ``casadi.MX``."""
        return type(self.raw)

    @property
    def column(self) -> Any:
        """The entries, structural zeros written out."""
        if not self._dense:
            if not self.raw.is_dense():
                import casadi

                self.raw = casadi.densify(self.raw)
            self._dense = True
        return self.raw

    def like(self, column: Any, shape: Shape | None = None, dtype: Any = None) -> Symbolic:
        """Other entries, of this dtype and shape unless others are given."""
        return Symbolic(
            column, self.shape if shape is None else shape, self.dtype if dtype is None else dtype
        )

    def reshaped(self, shape: Shape) -> Symbolic:
        """The same entries in another shape."""
        return Symbolic(self.raw, shape, self.dtype, self.weak)

    def typed(self, dtype: Any) -> Symbolic:
        """The same entries under another dtype."""
        return Symbolic(self.raw, self.shape, dtype)

    def take(self, where: np.ndarray[Any, Any]) -> Symbolic:
        """The entries at flat positions, in the shape of the positions."""
        return self.like(gathered(self.column, where.ravel(), self.kind), where.shape)

    def spread(self, shape: Shape) -> Symbolic:
        """Broadcast to a shape."""
        if self.shape == shape:
            return self
        if self.size == 1 and 0 not in shape:
            import casadi

            count = int(np.prod(shape))
            return self.like(self.column if count == 1 else casadi.repmat(self.column, count, 1), shape)
        return self.take(np.broadcast_to(positions(self.shape), shape))

    def matrix(self) -> Any:
        """A 2-d array as CasADi's matrix."""
        import casadi

        rows, columns = self.shape
        return casadi.reshape(self.column, columns, rows).T

    def __repr__(self) -> str:
        return f"Symbolic({self.kind.__name__}, shape={self.shape}, {self.dtype})"


def gathered(column: Any, where: np.ndarray[Any, Any], kind: Any) -> Any:
    """Entries of a column, in the cheapest form that says which."""
    count = where.size
    if count == 0:
        return kind(0, 1)
    first = int(where[0])
    if count == 1:
        return column[first]
    if column.numel() == 1:  # of which CasADi would make a row
        import casadi

        return casadi.repmat(column, count, 1)
    if int(where[-1]) - first == count - 1 and bool((np.diff(where) == 1).all()):
        return column if count == column.numel() else column[first : first + count]
    return column[where.tolist()]


def constant(a: Any, kind: Any) -> Symbolic:
    """A real NumPy array or number among symbols of a kind."""
    import casadi

    a = np.asarray(a)
    if a.size == 0:
        return Symbolic(kind(0, 1), a.shape, a.dtype)
    return Symbolic(kind(casadi.DM(a.astype(np.float64).ravel())), a.shape, a.dtype)


@functools.lru_cache(maxsize=256)
def _counted(shape: Shape) -> np.ndarray[Any, Any]:
    found = np.arange(math.prod(shape)).reshape(shape)
    found.flags.writeable = False
    return found


def positions(shape: Shape) -> np.ndarray[Any, Any]:
    """The flat positions of the entries of an array, in its shape; for reading only."""
    size = math.prod(shape)
    return _counted(shape) if size < 4096 else np.arange(size).reshape(shape)
