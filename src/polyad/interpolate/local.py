"""``PchipInterpolator`` and ``Akima1DInterpolator``: slopes of neighbours, so in the knots as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.implicit.captured import active
from polyad.engine.implicit.lifting import lifted
from polyad.interpolate.pieces import Pieces, known, moved

__all__ = ["Akima1DInterpolator", "PchipInterpolator"]


def _hermite(x: Any, y: Any, slopes: Callable[[Any, Any], Any]) -> Any:
    """The cubics with values and slopes at their ends."""
    h = np.reshape(x[1:] - x[:-1], (-1,) + (1,) * (len(np.shape(y)) - 1))
    m = (y[1:] - y[:-1]) / h
    d = slopes(h, m)
    t = (d[:-1] + d[1:] - 2 * m) / h
    return np.stack([t / h, (m - d[:-1]) / h - t, d[:-1], y[:-1]])


def _built(x: Any, y: Any, slopes: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """Coefficients, plain where the data are, and knots."""
    heard = get_state()
    try:
        set_state(SILENT)
        c = lifted(lambda x, y: _hermite(x, y, slopes), x, y)
    finally:
        set_state(heard)
    return c, x if active(x) else np.asarray(x, dtype=float)


def _end(h0: Any, h1: Any, m0: Any, m1: Any) -> Any:
    """The slope at an end: by three points, kept in the shape of the data."""
    d = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    d = np.where((np.sign(m0) != np.sign(m1)) & (np.abs(d) > 3 * np.abs(m0)), 3 * m0, d)
    return np.where(np.sign(d) != np.sign(m0), 0.0, d)


def _pchip(h: Any, m: Any) -> Any:
    if np.shape(m)[0] == 1:
        return np.concatenate([m, m])
    before, after = m[:-1], m[1:]
    flat = (np.sign(before) != np.sign(after)) | (before == 0) | (after == 0)
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    mean = w1 / np.where(flat, 1.0, before) + w2 / np.where(flat, 1.0, after)
    inner = np.where(flat, 0.0, (w1 + w2) / mean)
    first = _end(h[:1], h[1:2], m[:1], m[1:2])
    last = _end(h[-1:], h[-2:-1], m[-1:], m[-2:-1])
    return np.concatenate([first, inner, last])


class PchipInterpolator(Pieces):
    """``scipy.interpolate.PchipInterpolator``, differentiable in places, values and knots.

    Parameters
    ----------
    x : array of shape (n,)
        The knots, increasing.
    y : array
        The values.
    axis : int
        Along which axis of ``y`` the knots are.
    extrapolate : bool, optional
        As SciPy has it.

    Notes
    -----
    Where neighbouring slopes change their sign the interpolant is flat, and its derivative by the values
    there is that from the side on which it is: zero.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> x = np.array([0.0, 1.0, 2.0])
    >>> ad.gradient(lambda y: ad.interpolate.PchipInterpolator(x, y)(0.5), np.array([0.0, 1.0, 3.0])).round(6)
    array([ 0.423611,  0.666667, -0.090278])
    """

    def __init__(self, x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> None:
        from scipy.interpolate import PchipInterpolator as Own

        y = moved(y, axis)
        numbers = known(x, y)
        if numbers is not None:
            Own(*numbers)  # for its errors
        c, knots = _built(x, y, _pchip)
        super().__init__(c, knots, True if extrapolate is None else extrapolate, axis % max(1, len(y.shape)))


def _akima(h: Any, m: Any, method: str) -> Any:
    if np.shape(m)[0] == 1:
        return np.concatenate([m, m])
    left = 2 * m[:1] - m[1:2]
    right = 2 * m[-1:] - m[-2:-1]
    m = np.concatenate([2 * left - m[:1], left, m, right, 2 * right - m[-1:]])
    jumps = np.abs(m[1:] - m[:-1])
    f1, f2 = jumps[2:], jumps[:-2]
    if method == "makima":
        sums = 0.5 * np.abs(m[1:] + m[:-1])
        f1, f2 = f1 + sums[2:], f2 + sums[:-2]
    total = f1 + f2
    some = total > 1e-9 * np.max(total, initial=-np.inf)
    share = f2 / np.where(some, total, 1.0)
    return np.where(some, m[1:-2] + share * (m[2:-1] - m[1:-2]), 0.5 * (m[3:] + m[:-3]))


class Akima1DInterpolator(Pieces):
    """``scipy.interpolate.Akima1DInterpolator``, differentiable in places, values and knots.

    Parameters
    ----------
    x : array of shape (n,)
        The knots, increasing.
    y : array
        The values.
    axis : int
        Along which axis of ``y`` the knots are.
    method : {"akima", "makima"}
        As SciPy has it.
    extrapolate : bool, optional
        As SciPy has it: without it values beyond the knots are NaN.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> x = np.linspace(0, 4, 5)
    >>> float(ad.derivative(ad.interpolate.Akima1DInterpolator(x, x**2), 1.5).round(6))
    3.0
    """

    def __init__(
        self, x: Any, y: Any, axis: int = 0, *, method: str = "akima", extrapolate: Any = None
    ) -> None:
        from scipy.interpolate import Akima1DInterpolator as Own

        y = moved(y, axis)
        numbers = known(x, y)
        if numbers is not None:
            Own(*numbers, method=method)  # for its errors
        c, knots = _built(x, y, lambda h, m: _akima(h, m, method))
        super().__init__(c, knots, bool(extrapolate), axis % max(1, len(y.shape)))
