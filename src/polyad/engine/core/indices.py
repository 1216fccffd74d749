"""What is asked of indices: what they are made of, and whether they name an entry twice."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["copies", "has_one_array", "is_basic", "is_mask", "keeps_array", "names_once", "spelled"]

# of rows of integers in an index that are no longer it is looked whether they name an entry twice
SHORT = 32


def is_basic(index: Any) -> bool:
    """Whether an index is made of integers, slices, None and Ellipsis only."""
    if type(index) is not tuple:
        return isinstance(index, int | slice | np.integer) or index is None or index is Ellipsis
    return all(isinstance(k, int | slice | np.integer) or k is None or k is Ellipsis for k in index)


def copies(index: Any) -> bool:
    """Whether entries at an index are surely a copy: a number that is computed may select a part, a view."""
    return any(getattr(k, "shape", ()) for k in (index if type(index) is tuple else (index,)))


def spelled(index: Any, ndim: int) -> Any:
    """An index of an array of so many axes that has the slices which ``...`` stands for."""
    if type(index) is not tuple or not any(k is Ellipsis for k in index):
        return index
    rest, at = ndim, 0
    left: list[Any] = []
    for k in index:
        if k is Ellipsis:
            at = len(left)
            continue
        left.append(k)
        if k is not None:
            dtype = getattr(k, "dtype", None)
            rest -= len(k.shape) if dtype is not None and dtype.kind == "b" else 1
    return (*left[:at], *(slice(None),) * rest, *left[at:])


def is_mask(index: Any) -> bool:
    """Whether an index is an array of truth values."""
    return isinstance(index, np.ndarray) and index.dtype.kind == "b"


def has_one_array(index: Any) -> bool:
    """Whether an index is slices and one row of integers, which stay at their places behind other axes."""
    count = 0
    for k in index if type(index) is tuple else (index,):
        if isinstance(k, np.ndarray):
            if k.ndim != 1 or k.dtype.kind not in "iu":
                return False
            count += 1
        elif not (isinstance(k, slice) or k is None or k is Ellipsis):
            return False
    return count == 1


def names_once(index: Any) -> bool:
    """Whether an index of slices and a short row of integers names no entry twice."""
    if not has_one_array(index):
        return False
    (k,) = [k for k in (index if type(index) is tuple else (index,)) if isinstance(k, np.ndarray)]
    if not 0 < k.size <= SHORT:
        return False
    numbers = k.tolist()
    return len(set(numbers)) == len(numbers) and (min(numbers) >= 0 or max(numbers) < 0)


def keeps_array(index: Any) -> bool:
    """Whether an index that leaves no axes still gives an array, not a scalar: ``x[0, ...]``."""
    return index is Ellipsis or (type(index) is tuple and any(k is Ellipsis for k in index))
