"""``CubicSpline`` and ``make_interp_spline``: linear in the values, by SciPy's splines of unit vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polyad.engine.implicit.captured import active
from polyad.engine.implicit.lifting import lifted
from polyad.errors import ArgumentError
from polyad.interpolate.pieces import Pieces, known, moved, plain_knots

__all__ = ["CubicSpline", "make_interp_spline"]


def _combined(table: np.ndarray[Any, Any], y: Any, rest: Any = 0.0) -> Any:
    """Coefficients as linear functions of the values."""
    return lifted(lambda y: np.tensordot(table, y, axes=1) + rest, y)


class CubicSpline(Pieces):
    """``scipy.interpolate.CubicSpline``, differentiable in places and values.

    Parameters
    ----------
    x : array of shape (n,)
        The knots, increasing; plain numbers.
    y : array
        The values, which may be differentiated.
    axis : int
        Along which axis of ``y`` the knots are.
    bc_type : str or tuple
        Conditions at the ends, as SciPy has them; their numbers are plain.
    extrapolate : bool or "periodic", optional
        As SciPy has it.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> x = np.linspace(0, 3, 4)
    >>> ad.gradient(lambda y: ad.interpolate.CubicSpline(x, y)(1.5), x**2).round(6)
    array([-0.0625,  0.5625,  0.5625, -0.0625])
    """

    def __init__(
        self, x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None
    ) -> None:
        from scipy.interpolate import CubicSpline as Own

        knots = plain_knots(x, "CubicSpline")
        if active(bc_type):
            raise ArgumentError("CubicSpline takes the numbers of bc_type as constants")
        y = moved(y, axis)
        values = known(y)
        if values is not None:
            Own(knots, values[0], bc_type=bc_type)  # for its errors
        n = len(knots)
        if extrapolate is None:
            extrapolate = "periodic" if bc_type == "periodic" else True
        if bc_type == "periodic":
            unit = np.eye(n)[:, 1:]
            unit[0, -1] = 1.0  # the first value is the last
            table = np.concatenate([np.zeros((4, n - 1, 1)), Own(knots, unit, bc_type=bc_type).c], axis=2)
            rest: Any = 0.0
        else:
            table, rest = self._tables(Own, knots, bc_type, y)
        super().__init__(_combined(table, y, rest), knots, extrapolate, axis % max(1, len(y.shape)))

    @staticmethod
    def _tables(own: Any, knots: np.ndarray[Any, Any], bc_type: Any, y: Any) -> tuple[Any, Any]:
        n, shape = len(knots), tuple(y.shape[1:])
        if isinstance(bc_type, str):
            return own(knots, np.eye(n), bc_type=bc_type).c, 0.0
        numbered = [bc if isinstance(bc, str) else (bc[0], np.zeros(n)) for bc in bc_type]
        table = own(knots, np.eye(n), bc_type=tuple(numbered)).c
        return table, own(knots, np.zeros((n, *shape)), bc_type=tuple(bc_type)).c


def pieces_of(spline: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Coefficients and knots of a spline of SciPy's as polynomials in pieces."""
    t, k = spline.t, spline.k
    knots = np.unique(t[k : len(t) - k])
    rows = [
        spline.derivative(m)(knots[:-1]) / math.factorial(m) if m else spline(knots[:-1])
        for m in range(k + 1)
    ]
    return np.stack(rows[::-1]), knots


def make_interp_spline(
    x: Any,
    y: Any,
    k: int = 3,
    t: Any = None,
    bc_type: Any = None,
    axis: int = 0,
    check_finite: bool = True,
) -> Pieces:
    """``scipy.interpolate.make_interp_spline``, differentiable in places and values.

    Parameters
    ----------
    x : array of shape (n,)
        The places of the values; plain numbers.
    y : array
        The values, which may be differentiated.
    k, t, axis, check_finite
        As SciPy has them.
    bc_type : str, optional
        Conditions at the ends, by their names: "natural", "clamped", "not-a-knot".

    Returns
    -------
    Pieces
        The spline as polynomials in pieces: a function of places, with ``derivative``, ``antiderivative`` and
        ``integrate``.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> x = np.linspace(0, 1, 6)
    >>> spline = ad.interpolate.make_interp_spline(x, x**3, k=5)
    >>> float(ad.derivative(spline, 0.5).round(6))
    0.75
    """
    import scipy.interpolate

    places = plain_knots(x, "make_interp_spline")
    if not (bc_type is None or isinstance(bc_type, str)) or bc_type == "periodic":
        raise ArgumentError("make_interp_spline takes bc_type as None or a name, not 'periodic'")
    y = moved(y, axis)
    values = known(y)
    words: dict[str, Any] = {"k": k, "t": t, "bc_type": bc_type, "check_finite": check_finite}
    if values is not None:
        scipy.interpolate.make_interp_spline(places, values[0], **words)  # for its errors
    if k == 0:
        table, knots = np.eye(len(places))[None, :-1], places
    else:
        table, knots = pieces_of(scipy.interpolate.make_interp_spline(places, np.eye(len(places)), **words))
    return Pieces(_combined(table, y), knots, True, axis % max(1, len(y.shape)))
