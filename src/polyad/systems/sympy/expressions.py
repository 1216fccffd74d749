"""Arrays of SymPy expressions, which exist while the SymPy backend runs a function on symbols.

They know shape, dtype and entries, and nothing that calculates: the engine's adapter does that, so
that NumPy can never take one for an array of objects and drop what the entries mean.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

__all__ = ["Expressions"]


class Expressions:
    """An array whose entries are SymPy expressions.

    Parameters
    ----------
    array : numpy.ndarray
        The entries, of dtype object; those of a boolean array are SymPy's conditions.
    dtype : dtype
        What NumPy's array would have.
    weak : bool
        Whether it stands for a Python number, which adapts its precision.
    """

    __slots__ = ("array", "dtype", "weak")
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: np.ndarray, dtype: Any, *, weak: bool = False) -> None:
        self.array = array
        self.dtype = np.dtype(dtype)
        self.weak = weak

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.array.ndim

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.array.size

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("an array of SymPy expressions calculates through NumPy's functions only")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise TypeError("an array of SymPy expressions has no numbers to make a plain array of")

    def __repr__(self) -> str:
        return f"Expressions({self.array!r}, {self.dtype})"
