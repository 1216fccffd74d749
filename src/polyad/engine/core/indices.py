"""What is asked of indices: what they are made of, and whether they name an entry twice."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["has_one_array", "is_basic", "is_mask", "names_once"]

# of rows of integers in an index that are no longer it is looked whether they name an entry twice
SHORT = 32


def is_basic(index: Any) -> bool:
    """Whether an index is made of integers, slices, None and Ellipsis only."""
    if type(index) is not tuple:
        return isinstance(index, int | slice | np.integer) or index is None or index is Ellipsis
    return all(isinstance(k, int | slice | np.integer) or k is None or k is Ellipsis for k in index)


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
