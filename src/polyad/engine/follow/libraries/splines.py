"""SciPy's B-splines, FITPACK's classes, and interpolations that are linear in their values."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.follow.conversions import as_box
from polyad.engine.follow.counterparts import counterpart, has_box

__all__ = ["EVALUATED", "enter"]


def _array(a: Any) -> Any:
    return as_box(a) if has_box((a,)) else np.asarray(a, dtype=float)


def _pieces(c: Any, knots: Any, extrapolate: Any = True, axis: int = 0) -> Any:
    return importlib.import_module("polyad.interpolate.pieces").Pieces(c, knots, extrapolate, axis)


@functools.lru_cache(64)
def _basis(knots: bytes, degree: int, count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Coefficients and knots of all B-splines as polynomials in pieces, the unit vectors last."""
    from scipy.interpolate import BSpline

    spline = BSpline(np.frombuffer(knots), np.eye(count), degree)
    table, places = importlib.import_module("polyad.interpolate.splines").pieces_of(spline)
    return table, places


def combined(t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0) -> Any:
    """A spline with coefficients that may be differentiated, as polynomials in pieces."""
    if has_box((t,)):
        raise refuse("a spline that is differentiated in its knots", "keep the knots as plain numbers")
    t = np.ascontiguousarray(t, dtype=float)
    table, places = _basis(t.tobytes(), int(k), len(t) - int(k) - 1)
    c = np.moveaxis(c, axis, 0)[: table.shape[-1]]
    return _pieces(np.tensordot(table, c, axes=1), places, extrapolate, axis)


def _bspline(self: Any, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
    how = self.extrapolate if extrapolate is None else extrapolate
    return combined(self.t, self.c, self.k, how, self.axis)(x, nu)


def _fitpack(self: Any, x: Any, nu: int = 0, ext: Any = None) -> Any:
    t, c, k = self._eval_args
    ext = self.ext if ext is None else ext
    if ext not in (0, "extrapolate"):
        return NotImplemented
    return combined(t, c, k)(x, nu)


def _of_two(self: Any, x: Any, y: Any, dx: int = 0, dy: int = 0, grid: bool = True) -> Any:
    """A spline of two variables, which is constant beyond its rectangle."""
    (tx, ty, c), (kx, ky) = self.tck[:3], self.degrees
    nx, ny = len(tx) - kx - 1, len(ty) - ky - 1
    beyond = [np.clip(v, t[k], t[-k - 1]) for v, t, k in ((x, tx, kx), (y, ty, ky))]
    rows = combined(tx, np.eye(nx), kx)(beyond[0], dx)
    columns = combined(ty, np.eye(ny), ky)(beyond[1], dy)
    table = np.reshape(c, (nx, ny))
    if grid:
        return np.tensordot(np.tensordot(rows, table, axes=1), columns, axes=(-1, -1))
    return np.sum(np.tensordot(rows, table, axes=1) * columns, axis=-1)


def _of_two_at(self: Any, xi: Any, yi: Any, dx: int = 0, dy: int = 0) -> Any:
    return _of_two(self, xi, yi, dx, dy, grid=False)


# class -> what is called in place of a method, where its arguments hold boxes
EVALUATED: dict[str, dict[str, Callable[..., Any]]] = {
    "BSpline": {"__call__": _bspline},
    "UnivariateSpline": {"__call__": _fitpack},
    "_BivariateSplineBase": {"__call__": _of_two},
    "BivariateSpline": {"__call__": _of_two, "ev": _of_two_at},
}


class Fitpack:
    """An interpolating spline of values that are differentiated, with the methods of FITPACK's classes."""

    def __init__(self, pieces: Any) -> None:
        self._pieces = pieces

    def __call__(self, x: Any, nu: int = 0, ext: Any = None) -> Any:
        """The values at places, or those of a derivative."""
        if ext not in (None, 0, "extrapolate"):
            raise refuse(
                "a spline with ext= whose values are differentiated", "use np.where for what lies outside"
            )
        return self._pieces(x, nu)

    def derivative(self, n: int = 1) -> Fitpack:
        """The derivative, a spline."""
        return Fitpack(self._pieces.derivative(n))

    def antiderivative(self, n: int = 1) -> Fitpack:
        """An antiderivative, a spline."""
        return Fitpack(self._pieces.antiderivative(n))

    def integral(self, a: Any, b: Any) -> Any:
        """The integral between two places."""
        return self._pieces.integrate(a, b)


def _through(x: Any, y: Any, k: int) -> Any:
    return importlib.import_module("polyad.interpolate").make_interp_spline(x, _array(y), int(k))


def _interpolating(original: Any) -> Callable[..., Any]:
    def make(x: Any, y: Any, w: Any = None, bbox: Any = (None, None), k: int = 3, **options: Any) -> Any:
        if k % 2 == 0 or options.get("ext", 0) not in (0, "extrapolate") or any(b is not None for b in bbox):
            return original(x, y, w=w, bbox=bbox, k=k, **options)  # refuses
        return Fitpack(_through(x, y, k))

    return make


def _smoothing(original: Any) -> Callable[..., Any]:
    through = _interpolating(original)

    def make(
        x: Any, y: Any, w: Any = None, bbox: Any = (None, None), k: int = 3, s: Any = None, **rest: Any
    ) -> Any:
        if s != 0:
            raise refuse(
                "UnivariateSpline of values that are differentiated, for it chooses its knots",
                "use s=0, or LSQUnivariateSpline or make_lsq_spline with knots of your own",
            )
        return through(x, y, w, bbox, k, **rest)

    return make


def _least_squares(original: Any) -> Callable[..., Any]:
    """Coefficients that are linear in the values, for knots that are given."""

    def make(x: Any, y: Any, t: Any, *args: Any, **options: Any) -> Any:
        if has_box((x, t, args, tuple(options.values()))):
            return original(x, y, t, *args, **options)  # refuses
        y = _array(y)
        plain = original(x, np.eye(y.shape[0]), t, *args, **options)
        return combined(plain.t, np.tensordot(plain.c, y, axes=1), plain.k)

    return make


def _lsq_univariate(original: Any) -> Callable[..., Any]:
    def make(
        x: Any, y: Any, t: Any, w: Any = None, bbox: Any = (None, None), k: int = 3, **options: Any
    ) -> Any:
        if has_box((x, t, w)):
            return original(x, y, t, w, bbox, k, **options)  # refuses
        y = _array(y)
        made = [original(x, unit, t, w, bbox, k, **options)._eval_args for unit in np.eye(y.shape[0])]
        columns = np.stack([c[: len(knots) - degree - 1] for knots, c, degree in made], axis=1)
        return Fitpack(combined(made[0][0], columns @ y, k))

    return make


class Linear:
    """An interpolation that is linear in its values, at places that are plain."""

    def __init__(self, make: Callable[[Any], Any], values: Any) -> None:
        self._make, self._values = make, values

    def __call__(self, *places: Any, **options: Any) -> Any:
        """The values at places."""
        if has_box(places):
            raise refuse(
                "an interpolation of scattered points that is differentiated in its values and its places",
                "differentiate in one of them at a time",
            )
        n = self._values.shape[0]
        table = np.asarray(self._make(np.eye(n))(*places, **options))
        return np.tensordot(table, self._values, axes=1)


def _linear(original: Any) -> Callable[..., Any]:
    def make(points: Any, values: Any, *args: Any, **options: Any) -> Any:
        if has_box((points, args, tuple(options.values()))):
            return original(points, values, *args, **options)  # refuses
        return Linear(lambda v: original(points, v, *args, **options), _array(values))

    return make


def _splev(original: Any) -> Callable[..., Any]:
    def splev(x: Any, tck: Any, der: int = 0, ext: int = 0) -> Any:
        if isinstance(tck, tuple) and len(tck) == 3 and ext == 0 and not isinstance(tck[1], list):
            t, c, k = tck
            return combined(t, c, k)(x, der)
        return original(x, tck, der, ext)  # refuses

    return splev


def _splrep(original: Any) -> Callable[..., Any]:
    def splrep(x: Any, y: Any, w: Any = None, xb: Any = None, xe: Any = None, k: int = 3, **rest: Any) -> Any:
        ends = xb is not None or xe is not None
        if (
            rest.pop("s", None) not in (0, None)
            or rest
            or ends
            or w is not None
            or k % 2 == 0
            or has_box((x,))
        ):
            return original(x, y, w, xb, xe, k, **rest)  # refuses
        y = _array(y)
        made = [original(x, unit, k=k, s=0) for unit in np.eye(y.shape[0])]
        return made[0][0], np.stack([c for _, c, _ in made], axis=1) @ y, k

    return splrep


def _made(original: Any) -> Callable[..., Any]:
    def make(t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0) -> Any:
        return combined(t, _array(c), k, extrapolate, axis)

    return make


def enter(module: Any) -> None:
    """Enter the counterparts of ``scipy.interpolate``."""
    for name, own in {
        "BSpline": _made,
        "InterpolatedUnivariateSpline": _interpolating,
        "UnivariateSpline": _smoothing,
        "LSQUnivariateSpline": _lsq_univariate,
        "make_lsq_spline": _least_squares,
        "RBFInterpolator": _linear,
        "LinearNDInterpolator": _linear,
        "NearestNDInterpolator": _linear,
        "splev": _splev,
        "splrep": _splrep,
    }.items():
        original = getattr(module, name)
        counterpart(original)(own(original))
