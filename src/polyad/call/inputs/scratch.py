"""Arrays that a function writes to: fresh at every call, able to hold active values.

What a function fills while it is differentiated must hold what its active arguments hold: beside boxes
and the arrays of a framework it is a box. ``inplace`` and ``Cache`` ask for such an array here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.errors import InputTypeError

__all__ = ["Cache", "bare", "buffer", "copied"]


class Cache:
    """Marks an argument that the function only uses as scratch memory.

    Every call hands the function a copy of the array that can hold active values, whatever the
    backend; the caller's array is never touched. What a call leaves there does not reach the next one.

    Parameters
    ----------
    array : array or tree of arrays
        The scratch memory, of floating-point numbers: what it holds is where every call starts.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def f(x, w):
    ...     w[:] = x * x
    ...     return w[0] * w[1]
    >>> w = np.zeros(2)
    >>> ad.gradient(f, np.array([2.0, 3.0]), ad.Cache(w))
    array([36., 24.])
    >>> w
    array([0., 0.])
    """

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def __repr__(self) -> str:
        return f"Cache({self.array!r})"


def writable(dtype: Any, where: str) -> None:
    """Refuse scratch memory that would cut what is written to it, derivative and all."""
    if not np.issubdtype(dtype, np.inexact):
        raise InputTypeError(
            f"{where} is a Cache of {dtype}, which cannot hold derivatives: pass an array of floats"
        )


def _is_box(a: Any) -> bool:
    owner = library_of(a)
    return owner is not None and owner.boxes


def _is_inexact(a: Any) -> bool:
    owner = library_of(a) if hasattr(a, "shape") else None
    return owner is not None and bool(owner.spec(a).is_inexact)


def _is_complex(a: Any) -> bool:
    owner = library_of(a)
    return owner is not None and owner.spec(a).is_inexact and bool(owner.spec(a).is_complex)


def bare(y: Any, leaves: Sequence[Any]) -> Any:
    """A filled buffer as what computed with it: a framework's array where no argument is a box."""
    if not _is_box(y) or any(map(_is_box, leaves)):
        return y
    from polyad.engine.lift import unlift

    return unlift(y)


def buffer(shape: tuple[int, ...], leaves: Sequence[Any]) -> Any:
    """Zeros that can hold what is computed from ``leaves``, in their common dtype.

    Python's numbers among them adapt to the others.
    """
    arrays = [a for a in leaves if _is_inexact(a)]
    if all(owner is not None and owner.plain for owner in map(library_of, arrays)):
        return np.zeros(shape, dtype=np.result_type(*(a.dtype for a in arrays)) if arrays else float)
    from polyad.engine.lift import zeros_beside

    return zeros_beside(arrays, shape)


def copied(leaf: Any, active: Sequence[Any]) -> Any:
    """A copy of scratch memory that can hold what is computed from the active leaves."""
    if not _is_complex(leaf) and any(map(_is_complex, active)):
        leaf = leaf + 0j
    owner = library_of(leaf)
    if owner is not None and owner.copies_scratch:
        leaf = np.array(leaf) if owner.plain else owner.own(leaf)
    if _is_box(leaf) or any(map(_is_box, active)):
        from polyad.engine.lift import box_of

        return box_of(leaf)
    return leaf
