"""``interp1d``: lines, steps and splines under one name."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.implicit.captured import active
from polyad.engine.implicit.lifting import lifted
from polyad.errors import ArgumentError
from polyad.interpolate.pieces import Pieces, known, moved, plain_knots, taken
from polyad.interpolate.splines import make_interp_spline

__all__ = ["interp1d"]

DEGREES = {"slinear": 1, "quadratic": 2, "cubic": 3}
STEPS = ("nearest", "nearest-up", "previous", "next", "zero")


def _in_order(x: Any, y: Any) -> Any:
    return np.take(y, np.argsort(x, kind="stable"), axis=0)


class interp1d:
    """``scipy.interpolate.interp1d``, differentiable in places and values, and with "linear" in the knots.

    Parameters
    ----------
    x : array of shape (n,)
        The knots.
    y : array
        The values.
    kind : str or int
        "linear", "nearest", "nearest-up", "previous", "next", "zero", "slinear", "quadratic", "cubic", or the
        degree of a spline.
    axis : int
        Along which axis of ``y`` the knots are.
    copy : bool
        Without effect.
    bounds_error : bool, optional
        Whether places beyond the knots are an error, as SciPy has it; where a framework has no values yet the
        result is NaN instead.
    fill_value : float, pair of float or "extrapolate"
        What stands for the values there.
    assume_sorted : bool
        Whether the knots increase; otherwise they are sorted.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> x = np.array([0.0, 1.0, 2.0])
    >>> ad.gradient(lambda y: ad.interpolate.interp1d(x, y)(1.25), np.array([0.0, 1.0, 4.0]))
    array([0.  , 0.75, 0.25])
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        kind: str | int = "linear",
        axis: int = -1,
        copy: bool = True,
        bounds_error: bool | None = None,
        fill_value: Any = np.nan,
        assume_sorted: bool = False,
    ) -> None:
        import scipy.interpolate

        ndim = len(y.shape) if hasattr(y, "shape") else np.ndim(y)
        y = moved(y, axis % max(1, ndim))
        knots, values = known(x), known(y)
        if knots is not None:
            form = values[0] if values is not None else np.zeros(np.shape(y))
            scipy.interpolate.interp1d(  # for its errors
                knots[0], form, kind=kind, axis=0, bounds_error=bounds_error, assume_sorted=assume_sorted
            )
            order = np.argsort(knots[0], kind="mergesort")
            if not assume_sorted and not np.array_equal(order, np.arange(len(order))):
                x, y = (lifted(lambda a: a[order], a) for a in (x, y))
        elif not assume_sorted:
            x, y = lifted(np.sort, x), lifted(_in_order, x, y)
        if active(fill_value):
            raise ArgumentError("interp1d takes fill_value as plain numbers")
        self.x, self.y, self.kind, self.fill_value = x, y, kind, fill_value
        beyond = isinstance(fill_value, str)
        filled = not beyond and not (np.ndim(fill_value) == 0 and np.isnan(fill_value))
        self.bounds_error = not (beyond or filled) if bounds_error is None else bounds_error
        self._axis = axis % max(1, ndim)
        self._pieces = self._made()

    def _made(self) -> Pieces | None:
        x, y, kind = self.x, self.y, self.kind
        if kind == "linear":

            def f(x: Any, y: Any) -> Any:
                h = np.reshape(x[1:] - x[:-1], (-1,) + (1,) * (len(np.shape(y)) - 1))
                return np.stack([(y[1:] - y[:-1]) / h, y[:-1]])

            return Pieces(lifted(f, x, y), x if active(x) else np.asarray(x, dtype=float), True, self._axis)
        self.x = plain_knots(x, f"interp1d with kind={kind!r}")
        if kind in STEPS:
            return None
        degree = DEGREES.get(kind, kind) if isinstance(kind, str) else kind
        if not isinstance(degree, int):
            raise NotImplementedError(f"{kind} is unsupported: Use fitpack routines for other types.")
        made = make_interp_spline(self.x, y, k=degree)
        return Pieces(made.c, made.x, True, self._axis)

    def _stepped(self, x: Any) -> Any:
        """The value at a neighbouring knot."""
        knots, kind = self.x, self.kind
        n = len(knots)
        side: Any
        if kind in ("previous", "zero"):
            marks, side, shift = knots, "right", -1
        elif kind == "next":
            marks, side, shift = knots, "left", 0
        else:
            marks = knots[:-1] + (knots[1:] - knots[:-1]) / 2.0
            side, shift = ("left" if kind == "nearest" else "right"), 0

        def f(x: Any, y: Any) -> Any:
            shape, rest = np.shape(x), np.shape(y)[1:]
            index = np.clip(np.searchsorted(marks, np.reshape(x, (-1,)), side=side) + shift, 0, n - 1)
            found = np.reshape(taken(y, index), (*shape, *rest))
            if self._axis and rest:
                axes = list(range(len(shape), len(shape) + len(rest)))
                axes[self._axis : self._axis] = range(len(shape))
                found = np.transpose(found, axes)
            return found

        return lifted(f, x, self.y)

    def __call__(self, x: Any) -> Any:
        """The values at places.

        Parameters
        ----------
        x : array
            The places.

        Returns
        -------
        array
            The values.

        Raises
        ------
        ValueError
            If a place is beyond the knots and ``bounds_error`` says so.
        """
        if isinstance(x, list | tuple):
            x = np.stack(x) if active(x) else np.asarray(x, dtype=float)
        numbers = known(x, self.x)
        below, above = np.nan, np.nan
        if isinstance(self.fill_value, tuple):
            below, above = self.fill_value
        elif not isinstance(self.fill_value, str):
            below = above = self.fill_value
        if numbers is not None and self.bounds_error:
            places, knots = numbers
            for wrong, word, what in (
                (places < knots[0], "below", "minimum"),
                (places > knots[-1], "above", "maximum"),
            ):
                if wrong.any():
                    value = np.atleast_1d(places)[np.atleast_1d(wrong)][0]
                    limit = knots[0] if word == "below" else knots[-1]
                    raise ValueError(
                        f"A value ({value}) in x_new is {word} the interpolation range's {what} value "
                        f"({limit})."
                    )
        found = self._stepped(x) if self._pieces is None else self._pieces(x)
        if isinstance(self.fill_value, str):
            return found
        if numbers is not None and bool(
            np.all((numbers[0] >= numbers[1][0]) & (numbers[0] <= numbers[1][-1]))
        ):
            return found

        def filled(x: Any, found: Any, knots: Any) -> Any:
            extra = len(np.shape(found)) - len(np.shape(x))
            shape = (1,) * self._axis + np.shape(x) + (1,) * (extra - self._axis if extra else 0)
            low, high = (np.reshape(m, shape) for m in (x < knots[0], x > knots[-1]))
            return np.where(low, below, np.where(high, above, found))

        return lifted(filled, x, found, self.x)
