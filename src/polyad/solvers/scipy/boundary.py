"""``solve_bvp`` with exact Jacobians of the equations and of the boundary conditions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library
from polyad.errors import ArgumentError, HolomorphicError
from polyad.operators.differentiate_with import PreparedValue
from polyad.operators.jacobian import PreparedJacobian
from polyad.operators.jvp import PreparedJVP
from polyad.solvers.caught import Caught
from polyad.solvers.function import joined
from polyad.solvers.unknown import warn_of_precision
from polyad.systems.base import Backend
from polyad.systems.registry import resolve

__all__ = ["solve_bvp"]

Call = Callable[..., Any]
# so many meshes stay prepared; each has another number of nodes
KEPT = 8


def solve_bvp(
    fun: Call,
    bc: Call,
    x: Any,
    y: Any,
    p: Any = None,
    S: Any = None,
    fun_jac: Any = None,
    bc_jac: Any = None,
    tol: float = 1e-3,
    max_nodes: int = 1000,
    verbose: int = 0,
    bc_tol: float | None = None,
    *,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
) -> Any:
    """``scipy.integrate.solve_bvp`` with exact Jacobians, whatever the mesh becomes.

    Parameters
    ----------
    fun : callable
        ``fun(x, y)`` or ``fun(x, y, p)``, over all nodes at once; what it gives at a node depends on the
        state there alone, and on ``p``.
    bc : callable
        ``bc(ya, yb)`` or ``bc(ya, yb, p)``, the residuals of the boundary conditions.
    fun_jac, bc_jac : callable or str, optional
        None takes polyad's; callables are SciPy's, and ``"2-point"`` leaves one to its differences.
    x, y, p, S, tol, max_nodes, verbose, bc_tol
        As SciPy has them, of real numbers.
    backend : Backend or str, optional
        Who differentiates, as in ``polyad.jacobian``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``polyad.jacobian``.

    Returns
    -------
    Bunch object of SciPy's
        With the solution ``sol``.

    Raises
    ------
    polyad.errors.ArgumentError
        If the function at one node depends on the state at another.
    polyad.errors.FunctionNotSupportedError
        If a function cannot be differentiated by the backend; the message names line and remedy.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers.scipy import solve_bvp
    >>> def bratu(x, y):
    ...     return np.stack([y[1], -np.exp(y[0])])
    >>> found = solve_bvp(bratu, lambda a, b: [a[0], b[0]], np.linspace(0, 1, 5), np.zeros((2, 5)))
    >>> round(float(found.sol(0.5)[0]), 4)
    0.1405
    """
    import scipy.integrate

    if np.iscomplexobj(y) or np.iscomplexobj(p):
        raise HolomorphicError("y is complex: pass real and imaginary parts as states of their own")
    who, caught = resolve(backend), Caught()
    how: dict[str, Any] = {"backend": who, "follow": follow}
    plain = library(who.library).plain
    nodes = np.asarray(x, dtype=np.float64)
    states = np.asarray(y, dtype=np.float64)
    if nodes.ndim != 1 or states.ndim != 2 or states.shape[1] != len(nodes):
        raise ArgumentError(
            f"x has shape {nodes.shape} and y {states.shape}: pass the nodes as a vector, and in y a row for "
            "each state with a column for each node"
        )
    given: dict[str, Any] = {"fun_jac": fun_jac, "bc_jac": bc_jac}
    value, ends = fun, bc
    for name, jac in given.items():
        if isinstance(jac, str):
            if jac != "2-point":
                raise ArgumentError(f"{name}={jac!r}: leave it out, or pass a callable or '2-point'")
            given[name] = None
        elif callable(jac):
            given[name] = caught.watched(jac)
    if fun_jac is None:
        slopes = _Slopes(fun, how)
        slopes.at(nodes, states, () if p is None else (np.asarray(p, dtype=np.float64),))  # refuses early
        given["fun_jac"] = caught.watched(slopes.jacobian)
        value = fun if plain else slopes.value
    if bc_jac is None:
        conditions = _Conditions(bc, how)
        given["bc_jac"] = caught.watched(conditions.jacobian)
        ends = bc if plain else conditions.value
    return caught.run(
        scipy.integrate.solve_bvp,
        caught.watched(value),
        caught.watched(ends),
        x,
        y,
        p,
        S,
        tol=tol,
        max_nodes=max_nodes,
        verbose=verbose,
        bc_tol=bc_tol,
        **given,
    )


class _Slopes:
    """The right-hand side with its derivatives by state and parameters, prepared for each mesh."""

    def __init__(self, fun: Call, how: dict[str, Any]) -> None:
        f = joined(fun)
        self._f = functools.wraps(fun)(lambda y, x, *p: f(x, y, *p))
        self._by_p = functools.wraps(fun)(lambda p, x, y: f(x, y, p))
        self._how = how
        self._prepared: dict[int, list[Any]] = {}
        self._values: dict[int, Any] = {}

    def at(self, x: Any, y: Any, p: tuple[Any, ...]) -> tuple[Any, ...]:
        """The prepared products with the states' and the parameters' directions, and these."""
        m = len(x)
        found = self._prepared.get(m)
        if found is None:
            while len(self._prepared) >= KEPT:
                self._prepared.pop(next(iter(self._prepared)))
            n = len(y)
            units = np.broadcast_to(np.eye(n)[:, :, None], (n, n, m)).copy()
            push = PreparedJVP(self._f, (y, x, *p), seed=units, batched=True, **self._how)
            if not self._prepared:
                self._check(push, (y, x, *p), units)
            found = [push, units, None, None]
            if p and len(p[0]):
                along = np.eye(len(p[0]))
                found[2:] = (
                    PreparedJVP(self._by_p, (p[0], x, y), seed=along, batched=True, **self._how),
                    along,
                )
            self._prepared[m] = found
        return tuple(found)

    def _check(self, push: Any, args: tuple[Any, ...], units: Any) -> None:
        """Refuse a function that mixes the nodes, and say where it computes in less than float64."""
        spec = push.problem.outputs[0]
        if spec.shape != units.shape[1:]:
            raise ArgumentError(
                f"fun returned an array of shape {spec.shape} for states of shape {units.shape[1:]}: "
                "return as many, one column for each node"
            )
        if np.dtype(spec.dtype).itemsize < 8:
            warn_of_precision(f"fun returns {spec.dtype}", "solve_bvp")
        weights = np.random.default_rng(0).uniform(1.0, 2.0, units.shape[-1])
        plain, weighted = push(*args, v=units), push(*args, v=units * weights)
        scale = np.max(np.abs(plain), initial=0.0)
        if not np.allclose(weighted, plain * weights, rtol=1e-5, atol=1e-8 * scale, equal_nan=True):
            raise ArgumentError(
                "fun at one node depends on the state at another one, which solve_bvp does not allow: "
                "compute each column from the same column of y"
            )

    def value(self, x: Any, y: Any, *p: Any) -> Any:
        """The right-hand side."""
        prepared = self._values.get(len(x))
        if prepared is None:
            prepared = self._values[len(x)] = PreparedValue(self._f, (y, x, *p), **self._how)
        return prepared(y, x, *p)

    def jacobian(self, x: Any, y: Any, *p: Any) -> Any:
        """``df_dy`` of shape ``(n, n, m)``, and with parameters ``df_dp`` of shape ``(n, k, m)``."""
        push, units, along, directions = self.at(x, y, p)
        by_state = np.moveaxis(push(y, x, *p, v=units), 0, 1)
        if not p:
            return by_state
        if along is None:
            return by_state, np.zeros((len(y), 0, len(x)))
        return by_state, np.moveaxis(along(p[0], x, y, v=directions), 0, 1)


class _Conditions:
    """The boundary conditions with their derivatives."""

    def __init__(self, bc: Call, how: dict[str, Any]) -> None:
        self._f, self._how = joined(bc), how
        self._prepared: Any = None
        self._values: Any = None

    def value(self, *args: Any) -> Any:
        """The residuals."""
        if self._values is None:
            self._values = PreparedValue(self._f, args, **self._how)
        return self._values(*args)

    def jacobian(self, *args: Any) -> Any:
        """The Jacobians by both ends, and by the parameters where there are any."""
        if self._prepared is None:
            self._prepared = PreparedJacobian(self._f, args, argnums=tuple(range(len(args))), **self._how)
        return self._prepared(*args)
