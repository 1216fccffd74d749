"""``RegularGridInterpolator``: values on a grid, by weights of its corners."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from polyad.engine.implicit.captured import active
from polyad.engine.implicit.lifting import lifted
from polyad.errors import ArgumentError
from polyad.interpolate.pieces import known, plain_knots, taken

__all__ = ["RegularGridInterpolator"]


class RegularGridInterpolator:
    """``scipy.interpolate.RegularGridInterpolator``, differentiable in places and values.

    Parameters
    ----------
    points : tuple of array
        The grid, increasing in each direction; plain numbers.
    values : array of shape (m1, ..., mn, ...)
        The values, which may be differentiated.
    method : {"linear", "nearest"}
        How it interpolates; SciPy's splines are not there.
    bounds_error : bool
        Whether places beyond the grid are an error; where a framework has no values yet the result is NaN.
    fill_value : float, optional
        What stands for the values there; None extrapolates.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> a = np.array([0.0, 1.0])
    >>> f = ad.interpolate.RegularGridInterpolator((a, a), np.array([[0.0, 1.0], [2.0, 5.0]]))
    >>> ad.gradient(lambda x: f(x)[0], np.array([0.5, 0.25]))
    array([2.5, 2. ])
    """

    def __init__(
        self,
        points: Any,
        values: Any,
        method: str = "linear",
        bounds_error: bool = True,
        fill_value: float | None = np.nan,
    ) -> None:
        import scipy.interpolate

        self.grid = tuple(plain_knots(p, "RegularGridInterpolator") for p in points)
        numbers = known(values)
        if method not in ("linear", "nearest"):
            raise ArgumentError(
                f"RegularGridInterpolator is differentiated with method 'linear' or 'nearest', not "
                f"{method!r}: "
                "for splines interpolate along one axis after the other with CubicSpline"
            )
        if numbers is not None:
            scipy.interpolate.RegularGridInterpolator(  # for its errors
                self.grid, numbers[0], method, bounds_error, None if fill_value is None else float(fill_value)
            )
        self.values = values if active(values) else np.asarray(values, dtype=float)
        self.method, self.bounds_error, self.fill_value = method, bounds_error, fill_value

    def __call__(self, xi: Any, method: str | None = None) -> Any:
        """The values at places.

        Parameters
        ----------
        xi : array of shape (..., n), or tuple of n arrays
            The places.
        method : {"linear", "nearest"}, optional
            As in the constructor.

        Returns
        -------
        array
            The values.

        Raises
        ------
        ValueError
            If a place is beyond the grid and ``bounds_error`` says so.
        """
        method = self.method if method is None else method
        n = len(self.grid)
        if isinstance(xi, tuple | list) and (len(xi) == n and isinstance(xi, tuple)):
            xi = lifted(lambda *parts: np.stack(np.broadcast_arrays(*parts), axis=-1), *xi)
        elif isinstance(xi, list):
            xi = np.asarray(xi, dtype=float) if not active(xi) else np.stack([np.stack(row) for row in xi])
        if len(xi.shape) == 1:
            xi = lifted(lambda x: np.reshape(x, (-1, n)), xi)
        if xi.shape[-1] != n:
            raise ValueError(
                f"The requested sample points xi have dimension {xi.shape[-1]} but this "
                f"RegularGridInterpolator has dimension {n}"
            )
        numbers = known(xi)
        if numbers is not None and self.bounds_error:
            for k, p in enumerate(self.grid):
                x = numbers[0][..., k]
                if not np.all((x >= p[0]) & (x <= p[-1])):
                    raise ValueError(f"One of the requested xi is out of bounds in dimension {k}")
        return lifted(lambda x, v: self._at(x, v, method), xi, self.values)

    def _at(self, xi: Any, values: Any, method: str) -> Any:
        n = len(self.grid)
        shape, rest = np.shape(xi)[:-1], np.shape(values)[n:]
        x = np.reshape(xi, (-1, n))
        indices, parts, outside = [], [], False
        for k, p in enumerate(self.grid):
            t = x[:, k]
            i = np.clip(np.searchsorted(p, t, side="right") - 1, 0, max(len(p) - 2, 0))
            if len(p) == 1:
                part = 0.0 * t
            else:
                part = (t - taken(p[:-1], i)) / taken(p[1:] - p[:-1], i)
            indices.append(i)
            parts.append(part)
            outside = outside | (t < p[0]) | (t > p[-1])
        sizes = [len(p) for p in self.grid]
        flat = np.reshape(values, (-1, *rest))
        strides = [int(np.prod(sizes[k + 1 :])) for k in range(n)]
        total: Any = 0.0
        if method == "nearest":
            index: Any = 0
            for i, part, stride, size in zip(indices, parts, strides, sizes, strict=True):
                step = np.where(part <= 0.5, 0, 1) if size > 1 else 0
                index = index + (i + step) * stride
            total = taken(flat, index)
        else:
            for corner in itertools.product(*[(0, 1) if size > 1 else (0,) for size in sizes]):
                weight: Any = 1.0
                index = 0
                for c, i, part, stride in zip(corner, indices, parts, strides, strict=True):
                    weight = weight * (part if c else 1.0 - part)
                    index = index + (i + c) * stride
                total = total + np.reshape(weight, (-1,) + (1,) * len(rest)) * taken(flat, index)
        if self.fill_value is not None:
            total = np.where(np.reshape(outside, (-1,) + (1,) * len(rest)), self.fill_value, total)
        return np.reshape(total, (*shape, *rest))
