"""Integrals of samples: ``simpson``, ``trapezoid``, ``cumulative_trapezoid``; in samples and places."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.implicit.captured import active
from polyad.engine.implicit.lifting import lifted

__all__ = ["cumulative_trapezoid", "simpson", "trapezoid"]


def _steps(y: Any, x: Any, dx: Any, axis: int) -> Any:
    """The widths between samples, to be multiplied with differences along the last axis."""
    n = y.shape[axis]
    if x is None:
        return dx * np.ones(max(n - 1, 0))
    if x.ndim == 1:
        if x.shape[0] != n:
            raise ValueError("If given, length of `x` along `axis` must be the same as `y`.")
        return x[1:] - x[:-1]
    if x.shape != y.shape:
        raise ValueError("If given, shape of `x` must be 1-D or the same as `y`.")
    x = np.moveaxis(x, axis, -1)
    return x[..., 1:] - x[..., :-1]


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """``scipy.integrate.trapezoid``, differentiable in the samples and their places.

    Parameters
    ----------
    y : array
        Samples.
    x : array, optional
        Their places; otherwise they are ``dx`` apart.
    dx : float
        The distance between samples.
    axis : int
        Along which axis.

    Returns
    -------
    array or float
        As ``scipy.integrate.trapezoid``.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.gradient(lambda y: ad.integrate.trapezoid(y, dx=0.5), np.ones(3))
    array([0.25, 0.5 , 0.25])
    """
    import scipy.integrate

    if not active((y, x, dx)):
        return scipy.integrate.trapezoid(y, x, dx, axis)

    def f(y: Any, x: Any, dx: Any) -> Any:
        d, y = _steps(y, x, dx, axis), np.moveaxis(y, axis, -1)
        return np.sum(d * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)

    return lifted(f, y, x, dx)


def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    """``scipy.integrate.cumulative_trapezoid``, differentiable in the samples and their places.

    Parameters
    ----------
    y, x, dx, axis
        As in ``trapezoid``.
    initial : {0, None}
        Whether the result begins with a zero.

    Returns
    -------
    array
        As ``scipy.integrate.cumulative_trapezoid``.
    """
    import scipy.integrate

    if not active((y, x, dx)):
        return scipy.integrate.cumulative_trapezoid(y, x, dx, axis, initial)
    if initial not in (None, 0):
        raise ValueError("`initial` must be `None` or `0`.")

    def f(y: Any, x: Any, dx: Any) -> Any:
        d, y = _steps(y, x, dx, axis), np.moveaxis(y, axis, -1)
        found = np.cumsum(d * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
        if initial is not None:
            found = np.concatenate([0.0 * y[..., :1], found], axis=-1)
        return np.moveaxis(found, -1, axis)

    return lifted(f, y, x, dx)


def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Any:
    """``scipy.integrate.simpson``, differentiable in the samples and their places.

    Parameters
    ----------
    y, x, dx, axis
        As in ``trapezoid``. For an even number of samples the last interval is done as SciPy does it, after
        Cartwright (Journal of Mathematical Sciences and Mathematics Education 11, 2017).

    Returns
    -------
    array or float
        As ``scipy.integrate.simpson``.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.gradient(lambda y: ad.integrate.simpson(y, dx=3.0), np.ones(5))
    array([1., 4., 2., 4., 1.])
    """
    import scipy.integrate

    if not active((y, x, dx)):
        return scipy.integrate.simpson(y, x, dx=dx, axis=axis)

    def f(y: Any, x: Any, dx: Any) -> Any:
        h, y = _steps(y, x, dx, axis), np.moveaxis(y, axis, -1)
        n = y.shape[-1]
        if n == 1:
            return 0.0 * y[..., 0]
        if n == 2:
            return 0.5 * h[..., 0] * (y[..., 0] + y[..., 1])
        last = n if n % 2 else n - 1
        h0, h1 = h[..., 0 : last - 2 : 2], h[..., 1 : last - 1 : 2]
        total, ratio, product = h0 + h1, h0 / h1, h0 * h1
        terms = (
            y[..., 0 : last - 2 : 2] * (2.0 - 1.0 / ratio)
            + y[..., 1 : last - 1 : 2] * (total * total / product)
            + y[..., 2:last:2] * (2.0 - ratio)
        )
        found = np.sum(total / 6.0 * terms, axis=-1)
        if n % 2 == 0:
            p, q = h[..., -2], h[..., -1]  # the last interval, by the parabola through the last three
            found = found + (
                (2 * q * q + 3 * p * q) / (6 * (p + q)) * y[..., -1]
                + (q * q + 3 * p * q) / (6 * p) * y[..., -2]
                - q * q * q / (6 * p * (p + q)) * y[..., -3]
            )
        return found

    return lifted(f, y, x, dx)
