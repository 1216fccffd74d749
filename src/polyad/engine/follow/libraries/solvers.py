"""SciPy's solvers, integrals and interpolations in compiled code, by those that polyad has."""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.values import base
from polyad.engine.follow.counterparts import Counterpart, counterpart
from polyad.engine.follow.libraries import equations, splines
from polyad.engine.interpretations.proxy import Proxy

__all__ = ["ENTER"]

OPTIMIZE = "brentq newton root minimize least_squares"
INTEGRATE = "quad quad_vec odeint"
SAMPLES = "simpson cumulative_trapezoid"
# searches between two ends, whose root is that of ``brentq``
BRACKETS = "bisect brenth ridder toms748"
# the relative tolerance up to which the steps of solve_ivp give the derivative of the solution
TIGHT = 1e-7
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
    return _by(lambda: getattr(importlib.import_module(room), name))


def _by(find: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """What calls a function of polyad's, of which nothing is followed but the functions that it is given."""

    def apply(*args: Any, **kwargs: Any) -> Any:
        own = find()
        args, kwargs = tuple(map(_kept, args)), {k: _kept(a) for k, a in kwargs.items()}
        depth, FOLLOWING.depth = FOLLOWING.depth, 0
        try:
            return own(*args, **kwargs)
        finally:
            FOLLOWING.depth = depth

    return apply


def _kept(a: Any) -> Any:
    """A function that a solver is given, which may be called when the followed call is over."""
    if isinstance(a, types.FunctionType | types.MethodType | Counterpart) and FOLLOWING.route is not None:
        return functools.partial(FOLLOWING.route.run, a)
    return a


def _is_active(*bundle: Any) -> bool:
    return bool(importlib.import_module("polyad.engine.implicit.captured").active(bundle))


def _is_foreign(*bundle: Any) -> bool:
    """Whether something that is differentiated is computed by a framework."""
    found = importlib.import_module("polyad.engine.implicit.captured").active(bundle)
    return any(type(base(a._value)) is Proxy if type(a) in BOXES else True for a in found)


def _fsolve(original: Any) -> Callable[..., Any]:
    def fsolve(func: Any, x0: Any, args: Any = (), fprime: Any = None, *rest: Any, **options: Any) -> Any:
        if rest or set(options) - {"xtol"} or not _is_active(func, x0, args, fprime):
            return original(func, x0, args, fprime, *rest, **options)
        room, tol = importlib.import_module("polyad.optimize"), options.get("xtol", 1.49012e-08)
        return np.atleast_1d(room.root(func, x0, args, jac=fprime, tol=tol).x)

    return fsolve


def _bracketed(original: Any) -> Callable[..., Any]:
    def search(f: Any, a: Any, b: Any, args: Any = (), **options: Any) -> Any:
        if not _is_active(f, a, b, args):
            return original(f, a, b, args, **options)
        options.pop("k", None)
        return importlib.import_module("polyad.optimize").brentq(f, a, b, args, **options)

    return search


def _root_scalar(original: Any) -> Callable[..., Any]:
    def root_scalar(f: Any, args: Any = (), method: Any = None, bracket: Any = None, **options: Any) -> Any:
        if bracket is None or options.get("fprime") or not _is_active(f, args, bracket):
            return original(f, args, method, bracket, **options)
        few = {k: a for k, a in options.items() if k in ("xtol", "rtol", "maxiter") and a is not None}
        found = importlib.import_module("polyad.optimize").brentq(f, *bracket, args, full_output=True, **few)
        found[1].root = found[0]
        return found[1]

    return root_scalar


def _solve_ivp(original: Any) -> Callable[..., Any]:
    """Through the steps, which are SciPy's own Python, or by the sensitivities under a framework.

    That would compute the steps one by one; sensitivities are the same where tolerances are tight.
    """
    by_steps = original

    def solve_ivp(
        fun: Any, t_span: Any, y0: Any, method: Any = "RK45", t_eval: Any = None, *rest: Any, **options: Any
    ) -> Any:
        plain = not (rest or {"dense_output", "vectorized", "events"} & set(options))
        tight = plain and isinstance(method, str) and np.max(options.get("rtol", 1e-3)) <= TIGHT
        if tight and _is_foreign(fun, t_span, y0, options.get("args")):
            return by_solution(fun, t_span, y0, method, t_eval, **options)
        return by_steps(fun, t_span, y0, method, t_eval, *rest, **options)

    by_solution = _found("polyad.integrate", "solve_ivp")
    return solve_ivp


def _optimize(module: Any) -> None:
    _enter("polyad.optimize", OPTIMIZE, Solver)(module)
    counterpart(module.fsolve, Solver)(_by(functools.partial(_fsolve, module.fsolve)))
    counterpart(module.root_scalar, Solver)(_by(functools.partial(_root_scalar, module.root_scalar)))
    for name, make in {"curve_fit": equations.curve_fit, "leastsq": equations.leastsq}.items():
        counterpart(getattr(module, name), Solver)(_by(functools.partial(make, getattr(module, name))))
    counterpart(module.nnls)(equations.nnls(module.nnls))
    for name in BRACKETS.split():
        original = getattr(module, name)
        counterpart(original, Solver)(_by(functools.partial(_bracketed, original)))


def _integrate(module: Any) -> None:
    _enter("polyad.integrate", INTEGRATE, Solver)(module)
    _enter("polyad.integrate", SAMPLES, Counterpart)(module)
    counterpart(module.solve_ivp, Solver)(_solve_ivp(module.solve_ivp))


def _interpolate(module: Any) -> None:
    _enter("polyad.interpolate", INTERPOLATE, Interpolating)(module)
    splines.enter(module)


ENTER: dict[str, Callable[[Any], None]] = {
    "scipy.optimize": _optimize,
    "scipy.integrate": _integrate,
    "scipy.interpolate": _interpolate,
    "scipy.sparse.linalg": _enter("polyad.linalg", "spsolve", Counterpart),
}
