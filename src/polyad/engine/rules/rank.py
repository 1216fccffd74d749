"""Where the triangular factor of a matrix has no inverse, its factors have no derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import PRIMITIVES, Value, base, shape_of
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy, later

__all__ = ["of_full_rank"]

# in units of the precision, the relative size below which an entry of the diagonal counts as zero
ZERO = 64.0


def of_full_rank(r: Value) -> Value:
    """The factor itself, refused where it is singular but for rounding, or NaN where nobody can look."""
    value = base(r)
    if type(value) is not Proxy:
        _check(value)
        return r
    if later(_check, value):
        return r
    known = adapter(value.library).values(value.array)
    if known is not None:
        _check(known)
        return r
    return PRIMITIVES["where"](_is_singular(value), np.nan, r)


def _is_singular(r: Value) -> Value:
    """Whether each matrix of a stack is, where there are no values to look at."""
    n, axis = r.shape[-1], len(r.shape) - 1
    diagonal = PRIMITIVES["absolute"](PRIMITIVES["sum"](r * np.eye(n), axis=(axis,), keepdims=False))
    largest = PRIMITIVES["max"](diagonal, axis=(axis - 1,), keepdims=True)
    smallest = -PRIMITIVES["max"](-diagonal, axis=(axis - 1,), keepdims=True)
    limit = largest * (ZERO * float(np.finfo(r.dtype).eps))
    return PRIMITIVES["reshape"](PRIMITIVES["less_equal"](smallest, limit), shape=(*shape_of(smallest), 1))


def _check(r: Any) -> None:
    diagonal = np.abs(np.diagonal(np.asarray(r), axis1=-2, axis2=-1))
    if not diagonal.size:
        return
    smallest, largest = diagonal.min(-1), diagonal.max(-1)
    if np.any(smallest <= ZERO * np.finfo(diagonal.dtype).eps * largest):
        raise refuse(
            "np.linalg.qr of a matrix whose columns depend on each other has no derivative",
            "use np.linalg.svdvals, np.linalg.norm or a.T @ a where they are enough, or move the point",
        )
