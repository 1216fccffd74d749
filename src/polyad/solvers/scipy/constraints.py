"""Constraints of ``minimize`` with exact Jacobians, and for trust-constr with weighted Hessians."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.errors import ArgumentError
from polyad.operators.hessian import PreparedHessian
from polyad.operators.hvp import PreparedHVP
from polyad.solvers.caught import Caught
from polyad.solvers.function import FEW, Differentiated, joined
from polyad.solvers.point import LastPoint
from polyad.solvers.scipy import accepts
from polyad.solvers.unknown import Unknown

__all__ = ["any_sparse", "with_derivatives"]

Call = Callable[..., Any]


def with_derivatives(
    name: str, constraints: Any, unknown: Unknown, caught: Caught, how: dict[str, Any]
) -> list[Any]:
    """SciPy's constraints, one or several, as constraints of a vector with derivatives by polyad.

    Parameters
    ----------
    name : str
        The method.
    constraints : dict, constraint of SciPy's or sequence of them
        As the caller gave them.
    unknown : Unknown
        What is looked for.
    caught : Caught
        Who remembers errors of the functions.
    how : dict
        ``backend``, ``follow`` and ``solver`` of the derivatives.
    """
    several = constraints if isinstance(constraints, list | tuple) else [constraints]
    return [_one(name, c, unknown, caught, how) for c in several]


def any_sparse(constraints: list[Any], x: Any) -> bool:
    """Whether a Jacobian of the constraints is sparse."""
    for c in constraints:
        slope = getattr(c, "jac", getattr(c, "A", None))
        if accepts.container(slope(x) if callable(slope) else slope) == "sparse":
            return True
    return False


def _one(name: str, c: Any, unknown: Unknown, caught: Caught, how: dict[str, Any]) -> Any:
    from scipy.optimize import NonlinearConstraint

    if isinstance(c, NonlinearConstraint):
        return _new(name, c, unknown, caught, how)
    if not isinstance(c, dict):
        return c  # linear ones and bounds have no function
    kind, args = str(c.get("type", "")).lower(), c.get("args", ())
    if kind not in ("eq", "ineq") or not callable(c.get("fun")):
        raise ArgumentError(f"the constraint {c!r}: pass {{'type': 'eq' or 'ineq', 'fun': callable}}")
    args, jac = args if isinstance(args, tuple) else (args,), c.get("jac")
    if name == "trust-constr":
        ends = (0.0, 0.0) if kind == "eq" else (0.0, np.inf)
        fun = functools.wraps(c["fun"])(lambda x: c["fun"](x, *args)) if args else c["fun"]
        own = (lambda x: jac(x, *args)) if callable(jac) else jac or "2-point"
        return _new(name, NonlinearConstraint(fun, *ends, jac=own), unknown, caught, how)
    value, slope = _functions(name, c["fun"], jac, args, None, unknown, caught, how)
    return {"type": kind, "fun": value} | ({} if slope is None else {"jac": slope})


def _new(name: str, c: Any, unknown: Unknown, caught: Caught, how: dict[str, Any]) -> Any:
    from scipy.optimize import BFGS, NonlinearConstraint

    pattern = c.finite_diff_jac_sparsity
    value, slope = _functions(name, c.fun, c.jac, (), pattern, unknown, caught, how)
    if slope is None:
        slope = c.jac
    hess, words = c.hess, {"keep_feasible": c.keep_feasible}
    if not callable(slope):
        words |= {"finite_diff_rel_step": c.finite_diff_rel_step, "finite_diff_jac_sparsity": pattern}
    if name == "trust-constr" and callable(hess):
        own = hess
        hess = caught.watched(own if unknown.plain else lambda x, v: own(unknown.given(x), v))
    elif name == "trust-constr" and isinstance(hess, BFGS) and callable(slope) and not callable(c.jac):
        hess = caught.watched(_weighted(c.fun, len(value(unknown.start)), unknown, how))
    return NonlinearConstraint(value, c.lb, c.ub, slope, hess, **words)


def _functions(
    name: str,
    fun: Call,
    jac: Any,
    args: tuple[Any, ...],
    pattern: Any,
    unknown: Unknown,
    caught: Caught,
    how: dict[str, Any],
) -> tuple[Call, Call | None]:
    """Value and Jacobian as functions of a vector; None for one that SciPy finds, or does without."""
    forms = accepts.CONSTRAINTS[name]
    wanted = jac if isinstance(jac, str) else "auto" if jac is None or jac is False else ""
    if wanted in accepts.FORMS:
        accepts.accepted(wanted, forms, name, "Jacobian of constraints")
    if callable(jac) or wanted in accepts.DIFFERENCES[1:] or not forms:
        plain = unknown.plain and not args
        value = caught.watched(fun if plain else lambda x: fun(unknown.given(x), *args))
        if not callable(jac) or not forms:
            return value, None
        return value, caught.watched(lambda x: _checked(jac(unknown.given(x), *args), forms, name))
    f = Differentiated(fun, unknown, args, several=True, **how)
    found = None
    if pattern is not None:
        found = f.value_and_jacobian("sparse", pattern)
    elif wanted == "sparse":
        found = f.value_and_jacobian("sparse")
    elif wanted != "dense" and name == "trust-constr":
        found = f.worthwhile_jacobian()
    at = LastPoint(caught.watched(found or f.value_and_jacobian()))
    return at.part(0), at.part(1)


def _checked(J: Any, forms: tuple[str, ...], name: str) -> Any:
    accepts.accepted(accepts.container(J), forms, name, "Jacobian of constraints")
    return J


def _weighted(fun: Call, m: int, unknown: Unknown, how: dict[str, Any]) -> Call:
    """``hess(x, v)``: the sum of the constraints' Hessians, each times its multiplier."""
    together = joined(fun)

    @functools.wraps(fun)
    def weighted(x: Any, v: Any) -> Any:
        return (v * together(x).reshape(-1)).sum()

    f = Differentiated(weighted, unknown, **how)
    f.args = (np.ones(m),)  # which changes from call to call
    enter, left = unknown.enter, f.left
    if unknown.size > FEW:
        sparse = f.worthwhile(PreparedHessian)
        if sparse is not None:
            return lambda x, v: sparse(enter(x), v)
    if unknown.size <= FEW:
        dense = f.prepared(PreparedHessian)
        return lambda x, v: left(dense(enter(x), v))
    product, n = f.prepared(PreparedHVP), unknown.size

    def operator(x: Any, v: Any) -> Any:
        from scipy.sparse.linalg import LinearOperator

        at, weights = enter(x.copy()), v.copy()
        return LinearOperator(
            (n, n), lambda p: left(product(at, weights, v=enter(np.ravel(p)))), dtype=np.float64
        )

    return operator
