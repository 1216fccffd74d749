"""Methods of SciPy's distributions and interpolations by polyad's.

SciPy's own code has masks, look-ups and compiled parts. Methods stand in classes, so that a distribution that
an object holds is reached as well, and a spline that was made before: the functions get other code for the
time of a followed call.
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polyad.engine.core.refusals import taken_back
from polyad.engine.follow.conversions import as_box
from polyad.engine.follow.counterparts import has_box
from polyad.engine.follow.libraries.splines import EVALUATED
from polyad.engine.follow.places import Holder, Replaced, instead
from polyad.errors import OperationNotSupportedError

__all__ = ["of_density", "of_interpolation", "of_scipy", "of_sparse"]

MODULES = ("scipy.stats._distn_infrastructure", "scipy.stats._multivariate")
_MULTIVARIATE = ("multivariate_normal", "multivariate_t", "dirichlet", "wishart")


def of_scipy(name: str) -> Iterator[Holder]:
    """The functions of a module of ``scipy.stats`` that get other code."""
    if name not in MODULES:
        return
    from polyad.engine.distributions.methods import METHODS

    module = sys.modules[name]
    if name == MODULES[0]:
        classes = [module.rv_generic, module.rv_continuous, module.rv_discrete]
    else:
        classes = [type(getattr(module, n)) for n in _MULTIVARIATE]
    for cls in classes:
        for method in METHODS:
            f = vars(cls).get(method)
            if isinstance(f, types.FunctionType) and not f.__code__.co_freevars and not f.__defaults__:
                yield _replaced(f, method)
            elif isinstance(f, types.FunctionType) and name == MODULES[1]:
                yield _replaced(f, method)


@functools.cache
def _replaced(f: types.FunctionType, method: str) -> Replaced:
    def own(self: Any, *args: Any, **kwargs: Any) -> Any:
        known = _known(self, method)
        return NotImplemented if known is None else getattr(known, method)(*args, **kwargs)

    return instead(f, own)


def _known(distribution: Any, method: str) -> Any:
    """Polyad's distribution, where it has one of its own for this one; SciPy copies those with parameters."""
    import scipy.stats

    from polyad.engine.distributions.counterparts import of

    if type(distribution).__name__.endswith("_gen") and hasattr(distribution, "name"):
        name, ends = distribution.name, ["a", "b"]
    else:
        name, ends = type(distribution).__name__.removesuffix("_gen"), []
    original = getattr(scipy.stats, name, None)
    if type(original) is not type(distribution):
        return None
    if any(getattr(original, end) != getattr(distribution, end) for end in ends):
        return None
    found = of(original)
    if ends and method not in ("ppf", "isf"):
        try:
            found.formula(("logpmf" if found.discrete else "logpdf") if method == "nnlf" else method)
        except OperationNotSupportedError as error:
            taken_back(error)
            return None
    return found


# -- interpolations ------------------------------------------------------------------------------------------


def of_interpolation(name: str) -> Iterator[Holder]:
    """The methods of a module of ``scipy.interpolate`` that get other code."""
    if not name.startswith("scipy.interpolate."):
        return
    module = sys.modules[name]
    for cls, methods in _EVALUATED.items():
        # what the module has itself: SciPy's old modules warn of the names that they pass on
        own = vars(vars(module).get(cls, object))
        for method, use in methods.items():
            f = own.get(method)
            if isinstance(f, types.FunctionType) and f.__module__ == name:
                yield _evaluated(f, use)


def of_density(name: str) -> Iterator[Holder]:
    """The methods of an estimated density that get other code: its data may be differentiated."""
    if name == "scipy.stats._kde":
        yield _estimated(vars(sys.modules[name].gaussian_kde)["evaluate"])


def of_sparse(name: str) -> Iterator[Holder]:
    """The entrywise product of sparse arrays with what is differentiated."""
    for cls in ("_spbase", "_cs_matrix"):
        f = vars(vars(sys.modules[name]).get(cls, object)).get("multiply")
        if isinstance(f, types.FunctionType) and f.__module__ == name and not f.__code__.co_freevars:
            yield _entrywise(f)


@functools.cache
def _entrywise(f: types.FunctionType) -> Holder:
    room = importlib.import_module("polyad.engine.follow.libraries.sparse")
    return instead(f, room.multiplied)


@functools.cache
def _estimated(f: types.FunctionType) -> Holder:
    return instead(f, _density, held=("dataset", "covariance", "weights"))


def _density(self: Any, points: Any) -> Any:
    """The sum of kernels, by their factor; a line of places for each dimension."""
    points = np.atleast_2d(np.asarray(points) if not has_box((points,)) else as_box(points))
    d, m = points.shape
    if d != self.d:
        if d != 1 or m != self.d:
            raise ValueError(f"points have dimension {d}, dataset has dimension {self.d}")
        points = np.reshape(points, (self.d, 1))
    factor = np.linalg.cholesky(self.covariance)
    away = points[:, None, :] - self.dataset[:, :, None]
    scaled = np.linalg.solve(factor, np.reshape(away, (self.d, -1)))
    heights = np.exp(-0.5 * np.sum(scaled**2, axis=0)).reshape((self.dataset.shape[1], -1))
    norm = np.prod(np.diagonal(factor)) * (2 * np.pi) ** (self.d / 2)
    return np.tensordot(self.weights, heights, axes=1) / norm


@functools.cache
def _evaluated(f: types.FunctionType, own: Callable[..., Any]) -> Holder:
    return instead(f, own)


def _pieces(self: Any, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
    room = importlib.import_module("polyad.interpolate.pieces")
    return room.Pieces(self.c, self.x, self.extrapolate, self.axis)(x, nu, extrapolate)


def _one(self: Any, x: Any) -> Any:
    if not hasattr(self, "_kind") or has_box((self.y,)):
        return NotImplemented
    room = importlib.import_module("polyad.interpolate")
    options = {"bounds_error": self.bounds_error, "fill_value": self.fill_value}
    return room.interp1d(self.x, self.y, self._kind, self.axis, **options)(x)


def _grid(self: Any, xi: Any, method: Any = None, *, nu: Any = None) -> Any:
    if nu is not None:
        return NotImplemented
    room = importlib.import_module("polyad.interpolate")
    options = {"bounds_error": self.bounds_error, "fill_value": self.fill_value}
    return room.RegularGridInterpolator(self.grid, self.values, method or self.method, **options)(xi)


_EVALUATED: dict[str, dict[str, Callable[..., Any]]] = {
    "PPoly": {"__call__": _pieces},
    "_PPolyBase": {"__call__": _pieces},
    "_Interpolator1D": {"__call__": _one},
    "RegularGridInterpolator": {"__call__": _grid},
    **EVALUATED,
}
