"""Where the triangular factor of a matrix has no inverse, its factors have no derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Value, base
from polyad.engine.interpretations.proxy import Proxy, later

__all__ = ["of_full_rank"]

# in units of the precision, the relative size below which an entry of the diagonal counts as zero
ZERO = 64.0


def of_full_rank(r: Value) -> Value:
    """The factor itself, refused where it is singular but for rounding."""
    value = base(r)
    if type(value) is Proxy:
        later(_check, value)
    else:
        _check(value)
    return r


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
