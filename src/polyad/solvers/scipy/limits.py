"""Bounds and weights of the caller's that SciPy takes without a word, or refuses without a place."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.errors import ArgumentError

__all__ = ["bounded", "weighted"]


def bounded(bounds: Any, start: Any, *, pairs: bool) -> Any:
    """The bounds, refused where one is NaN or above its upper one.

    SciPy's methods go on with NaN, and end somewhere.

    Parameters
    ----------
    bounds : Bounds, sequence or None
        As SciPy takes them.
    start : numpy.ndarray
        Where the search begins.
    pairs : bool
        Whether a sequence has a pair for each unknown (``minimize``) or is a pair itself (``least_squares``).
    """
    try:
        ends = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
        if ends is bounds and pairs:
            ends = zip(*bounds, strict=True)
        low, high = (
            np.broadcast_to(_numbers(end, none), start.shape)
            for end, none in zip(ends, (-np.inf, np.inf), strict=True)
        )
    except (TypeError, ValueError):
        return bounds  # none at all, or in a form of which SciPy speaks
    wrong = np.isnan(low) | np.isnan(high) | (low > high)
    if wrong.any():
        k = int(np.argmax(wrong))
        remedy = "exchange them" if low[k] > high[k] else "pass -inf or inf for what has none"
        raise ArgumentError(f"bounds are {low[k]} to {high[k]} at [{k}]: {remedy}")
    return bounds


def _numbers(end: Any, none: float) -> Any:
    array = np.asarray(end)
    if array.dtype == object:
        array = np.array([none if v is None else v for v in array.flat]).reshape(array.shape)
    return array.astype(np.float64)


def weighted(sigma: Any, xdata: Any, ydata: Any, omit: bool) -> None:
    """Refuse errors of data that are 0 or NaN: the fit would end where it began."""
    if sigma is None or np.ndim(sigma) != 1:
        return  # SciPy asks a matrix for being definite
    widths = np.asarray(sigma, dtype=np.float64)
    wrong = np.isnan(widths) | (widths == 0)
    if omit and np.shape(ydata) == widths.shape == np.shape(xdata)[-1:]:
        x = np.asarray(xdata, dtype=np.float64)
        wrong &= ~(np.isnan(np.asarray(ydata, dtype=np.float64)) | np.isnan(x).reshape(-1, len(wrong)).any(0))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ArgumentError(
            f"sigma is {widths[k]} at [{k}]: pass the error of each datum, above 0, or leave the datum out"
        )
