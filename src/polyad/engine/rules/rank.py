"""Where the triangular factor of a matrix has no inverse, its factors have no derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import PRIMITIVES, Value, base, shape_of
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy, later

__all__ = ["of_full_rank", "unless", "with_regular_root"]

# in units of the precision, the relative size below which an entry of the diagonal counts as zero
ZERO = 64.0


def of_full_rank(r: Value) -> Value:
    """The factor itself, refused where it is singular but for rounding, or NaN where nobody can look."""
    return unless(r, base(r), _check, _is_singular)


def with_regular_root(t: Value, y: Value) -> Value:
    """A tangent or cotangent of a square root of a matrix, which has no derivative where it is singular."""
    return unless(t, base(y), _check_root, _is_singular_root)


def unless(v: Value, of: Value, check: Callable[[Any], object], wrong: Callable[[Value], Value]) -> Value:
    """A value, refused by a check of another one's numbers, or not a number where that is ``wrong``."""
    if type(of) is not Proxy:
        check(of)
        return v
    if later(check, of):
        return v
    known = adapter(of.library).values(of.array)
    if known is None:
        return PRIMITIVES["where"](wrong(of), np.nan, v)
    check(known)
    return v


def _check_root(y: Any) -> None:
    sizes = np.abs(np.linalg.eigvals(np.asarray(y)))
    if sizes.size and np.any(sizes.min(-1) <= _root_limit(y) * sizes.max(-1)):
        raise refuse(
            "sqrtm of a singular matrix has no derivative, as the square root of zero has none",
            "add a multiple of the identity, or move the point",
        )


def _is_singular_root(y: Value) -> Value:
    sizes = PRIMITIVES["svdvals"](y)
    first, last = (PRIMITIVES["getitem"](sizes, index=(..., slice(*k))) for k in ((0, 1), (-1, None)))
    return PRIMITIVES["reshape"](
        PRIMITIVES["less_equal"](last, first * _root_limit(y)), shape=(*shape_of(last), 1)
    )


def _root_limit(y: Value) -> float:
    """What is left of a zero after its root was taken."""
    return float(8 * np.sqrt(np.finfo(y.dtype).eps))


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
