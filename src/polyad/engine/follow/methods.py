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

from polyad.engine.core.refusals import taken_back
from polyad.engine.follow.counterparts import has_box
from polyad.engine.follow.places import Holder, Replaced, instead
from polyad.errors import OperationNotSupportedError

__all__ = ["of_interpolation", "of_scipy"]

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
    for cls, own in _EVALUATED.items():
        # what the module has itself: SciPy's old modules warn of the names that they pass on
        f = vars(vars(module).get(cls, object)).get("__call__")
        if isinstance(f, types.FunctionType) and f.__module__ == name:
            yield _evaluated(f, own)


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


_EVALUATED = {
    "PPoly": _pieces,
    "_PPolyBase": _pieces,
    "_Interpolator1D": _one,
    "RegularGridInterpolator": _grid,
}
