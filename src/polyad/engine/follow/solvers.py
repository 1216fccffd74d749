"""SciPy's solvers, integrals and interpolations in compiled code, by those that polyad has."""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Callable
from typing import Any

from polyad.engine.core.following import FOLLOWING
from polyad.engine.follow.counterparts import Counterpart, counterpart

__all__ = ["ENTER"]

OPTIMIZE = "brentq newton root minimize least_squares"
INTEGRATE = "quad quad_vec"
INTERPOLATE = (
    "CubicSpline PchipInterpolator Akima1DInterpolator interp1d RegularGridInterpolator make_interp_spline"
)


class Solver(Counterpart):
    """Stands for a function whose derivatives may come in by functions that it is given."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if FOLLOWING.depth:
            return self.own(*args, **kwargs)
        return self.original(*args, **kwargs)


class Interpolating(Counterpart):
    """Stands for a class of interpolations."""

    __slots__ = ()


def _enter(room: str, names: str, kind: type[Counterpart]) -> Callable[[Any], None]:
    def enter(module: Any) -> None:
        for name in names.split():
            if hasattr(module, name):
                counterpart(getattr(module, name), kind)(_found(room, name))

    return enter


def _found(room: str, name: str) -> Callable[..., Any]:
    def apply(*args: Any, **kwargs: Any) -> Any:
        own = getattr(importlib.import_module(room), name)
        args, kwargs = tuple(map(_kept, args)), {k: _kept(a) for k, a in kwargs.items()}
        depth, FOLLOWING.depth = FOLLOWING.depth, 0  # of polyad nothing is followed
        try:
            return own(*args, **kwargs)
        finally:
            FOLLOWING.depth = depth

    return apply


def _kept(a: Any) -> Any:
    """A function that a solver is given, which may be called when the followed call is over."""
    if isinstance(a, types.FunctionType | types.MethodType) and FOLLOWING.route is not None:
        return functools.partial(FOLLOWING.route.run, a)
    return a


ENTER: dict[str, Callable[[Any], None]] = {
    "scipy.optimize": _enter("polyad.optimize", OPTIMIZE, Solver),
    "scipy.integrate": _enter("polyad.integrate", INTEGRATE, Solver),
    "scipy.interpolate": _enter("polyad.interpolate", INTERPOLATE, Interpolating),
}
