"""``autograd.numpy`` under the names of the array API standard.

autograd wraps whatever NumPy has, but knows derivatives for NumPy's older names only: most newer
ones raise, and ``concat`` is worse, it returns an array that autograd takes for a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import autograd.numpy as anp
import numpy as np

acos, acosh, asin, asinh = anp.arccos, anp.arccosh, anp.arcsin, anp.arcsinh
atan, atanh, atan2, pow = anp.arctan, anp.arctanh, anp.arctan2, anp.power
concat: Callable[..., Any] = anp.concatenate
permute_dims: Callable[..., Any] = anp.transpose


def __getattr__(name: str) -> Any:
    return getattr(anp, name)


def flip(x: Any, /, *, axis: int | Sequence[int] | None = None) -> Any:
    """Reverse the order of entries along axes, all of them without ``axis``."""
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    reverse = {k % x.ndim for k in axes}
    return x[tuple(slice(None, None, -1 if k in reverse else None) for k in range(x.ndim))]


def matrix_transpose(x: Any, /) -> Any:
    """Exchange the last two axes."""
    return anp.swapaxes(x, -1, -2)


def cumulative_sum(x: Any, /, *, axis: int | None = None) -> Any:
    """Sums of leading entries."""
    return anp.cumsum(x, axis=axis)


def vecdot(x: Any, y: Any, /, *, axis: int = -1) -> Any:
    """Inner products along an axis, the first factor conjugated."""
    return anp.sum(anp.conj(x) * y, axis=axis)


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """The array in another dtype."""
    dtype = np.dtype(dtype)
    if dtype.kind == "c" and np.dtype(x.dtype).itemsize * 2 == dtype.itemsize:
        return x * dtype.type(1)  # of which autograd knows the forward derivative as well
    return x.astype(dtype)
