"""Polynomials in pieces: evaluated at places, differentiated, integrated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polyad.engine.boxes.box import Box
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Tracer, base, settled
from polyad.engine.implicit.captured import active
from polyad.engine.implicit.lifting import lifted
from polyad.errors import OperationNotSupportedError

__all__ = ["Pieces", "known", "moved", "plain_knots", "taken"]


def known(*parts: Any) -> list[Any] | None:
    """The plain numbers of some arrays, or None where a framework has none yet."""
    found = []
    for part in parts:
        value = base(settled(unbox(part)))
        if isinstance(value, Tracer):
            from polyad.engine.interpretations.adapter import adapter

            try:
                value = adapter(value.library).values(value.array)  # type: ignore[attr-defined]
            except OperationNotSupportedError:  # a program is compiled for all values
                return None
            if value is None:
                return None
        found.append(np.asarray(value, dtype=float))
    return found


def plain_knots(x: Any, label: str) -> np.ndarray[Any, Any]:
    """Knots, which must not be differentiated."""
    if active(x):
        raise refuse(
            f"{label} is differentiated in places and values, and not in its knots",
            "use PchipInterpolator, Akima1DInterpolator or interp1d with kind='linear', which are; or "
            "polyad.stop_gradient(x) where dropping the derivative is meant",
        )
    return np.asarray(x, dtype=float)


def moved(y: Any, axis: int) -> Any:
    """Values with the axis of the knots in front; a list as an array."""
    y = y if hasattr(y, "shape") else np.asarray(y)
    if isinstance(y, np.ndarray) and y.dtype.kind in "biu":
        y = y.astype(float)
    return y if axis == 0 or len(y.shape) < 2 else lifted(lambda y: np.moveaxis(y, axis, 0), y)


def taken(table: Any, index: Any) -> Any:
    """Rows of a table of plain numbers or boxes at places that may be traced."""
    if isinstance(index, Box) and not isinstance(unbox(table), Tracer):
        size = unbox(table).shape[0]
        hits = np.asarray(np.arange(size)) == np.expand_dims(index, -1)
        if not np.isfinite(unbox(table)).all():  # a product with zero would spread what is not finite
            rest = (1,) * (len(np.shape(table)) - 1)
            return np.sum(
                np.where(np.reshape(hits, (*np.shape(hits), *rest)), table, 0.0), axis=np.ndim(index)
            )
        return np.tensordot(np.where(hits, 1.0, 0.0), table, axes=1)
    return table[index]


class Pieces:
    """A function that is a polynomial between knots, with values of any shape.

    Parameters
    ----------
    c : array of shape (k + 1, m, ...)
        The coefficients of each piece, the highest power first.
    x : array of shape (m + 1,)
        The knots.
    extrapolate : bool or "periodic"
        What happens outside of them; with False the values there are NaN.
    axis : int
        Where the axis of the places stands in results.
    """

    def __init__(self, c: Any, x: Any, extrapolate: Any = True, axis: int = 0) -> None:
        self.c, self.x, self.extrapolate, self.axis = c, x, extrapolate, axis

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        """The values at places, or those of a derivative.

        Parameters
        ----------
        x : array
            The places.
        nu : int
            The order of the derivative.
        extrapolate : bool or "periodic", optional
            As in the constructor.

        Returns
        -------
        array
            Its shape is that of the values with that of ``x`` in the place of the axis of the knots.
        """
        beyond = self.extrapolate if extrapolate is None else extrapolate
        if isinstance(x, list | tuple):
            x = np.stack(x) if active(x) else np.asarray(x, dtype=float)
        return lifted(lambda x, c, knots: self._at(x, c, knots, nu, beyond), x, self.c, self.x)

    def _at(self, x: Any, c: Any, knots: Any, nu: int, beyond: Any) -> Any:
        shape, rest = np.shape(x), np.shape(c)[2:]
        x = np.reshape(x, (-1,))
        first, last = knots[0], knots[-1]
        if beyond == "periodic":
            x = first + (x - first) - (last - first) * np.floor((x - first) / (last - first))
        pieces = np.shape(c)[1]
        index = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, pieces - 1)
        d = np.reshape(x - taken(knots, index), (-1,) + (1,) * len(rest))
        total: Any = 0.0
        order = np.shape(c)[0] - 1
        for k in range(order - nu + 1):
            power = order - k
            factor = math.factorial(power) / math.factorial(power - nu)
            total = total * d + factor * taken(c[k], index)
        if order < nu:
            total = 0.0 * d * taken(c[0], index)
        if beyond is False:
            outside = np.reshape((x < first) | (x > last), (-1,) + (1,) * len(rest))
            total = np.where(outside, np.nan, total)
        total = np.reshape(total, (*shape, *rest))
        if self.axis and rest:
            axes = list(range(len(shape), len(shape) + len(rest)))
            axes[self.axis : self.axis] = range(len(shape))
            total = np.transpose(total, axes)
        return total

    def derivative(self, nu: int = 1) -> Pieces:
        """The derivative as such a function; a negative order is an antiderivative."""
        if nu < 0:
            return self.antiderivative(-nu)
        c = self.c
        for _ in range(nu):
            n = c.shape[0]
            if n == 1:
                c = lifted(lambda c: 0.0 * c, c)
                continue
            factors = np.arange(n - 1, 0, -1.0).reshape(-1, *[1] * (len(c.shape) - 1))
            c = lifted(lambda c, factors=factors: c[:-1] * factors, c)
        return Pieces(c, self.x, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> Pieces:
        """The antiderivative that is zero at the first knot, ``nu`` times."""
        found: Pieces = self
        for _ in range(nu):
            found = found._integrated()
        return found

    def _integrated(self) -> Pieces:
        def f(c: Any, knots: Any) -> Any:
            n, rest = np.shape(c)[0], np.shape(c)[2:]
            factors = np.reshape(1.0 / np.arange(n, 0, -1.0), (-1,) + (1,) * (len(rest) + 1))
            raised = c * factors
            width = np.reshape(knots[1:] - knots[:-1], (-1,) + (1,) * len(rest))
            gain: Any = 0.0
            for k in range(n):
                gain = (gain + raised[k]) * width
            start = np.concatenate([0.0 * gain[:1], np.cumsum(gain, axis=0)[:-1]])
            return np.concatenate([raised, np.reshape(start, (1, *np.shape(start)))])

        return Pieces(lifted(f, self.c, self.x), self.x, self.extrapolate, self.axis)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        """The integral from ``a`` to ``b``.

        Parameters
        ----------
        a, b : float
            The limits.
        extrapolate : bool, optional
            As in the constructor, but for "periodic".

        Returns
        -------
        array or float
            The integral.
        """
        beyond = self.extrapolate if extrapolate is None else extrapolate
        if beyond == "periodic":
            raise ValueError("integrate of a periodic interpolant: integrate over its knots, and multiply")
        whole = self._integrated()
        return whole(b, extrapolate=beyond) - whole(a, extrapolate=beyond)
