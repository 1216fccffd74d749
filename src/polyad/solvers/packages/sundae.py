"""scikit-sundae: right-hand sides and Jacobians for CVODE, residuals and theirs for IDA, filled in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import ArgumentError
from polyad.operators.jacobian import PreparedJacobian
from polyad.solvers.function import joined
from polyad.solvers.packages.checks import function, looked_at, number, valued, vector
from polyad.sparse.backend import Sparse
from polyad.systems.registry import resolve

__all__ = ["cvode", "ida"]


def cvode(
    f: Callable[..., Any],
    t0: float,
    y0: Any,
    *args: Any,
    sparse: bool = False,
    backend: Any = None,
    follow: Any = None,
) -> dict[str, Any]:
    """The arguments ``rhsfn``, ``jacfn`` (and ``sparsity``, ``linsolver``) of ``sksundae.cvode.CVODE``.

    Parameters
    ----------
    f : callable
        ``f(t, y, *args)``, the right-hand side, as ``solve_ivp`` takes it.
    t0, y0 : float, array
        Examples of both.
    *args
        Constants.
    sparse : bool
        Whether the Jacobian is sparse: its pattern is found, and SuperLU solves with it.
    backend, follow
        As for ``jacobian``.

    Raises
    ------
    polyad.errors.ArgumentError
        If ``y0`` is no vector of finite numbers, or ``f`` does not return one of its length.
    """
    function(f, "right-hand side")
    found, t0, y0 = _inner(backend, sparse=sparse), number(t0, "t0"), vector(y0, "y0")
    f = joined(f)
    made = PreparedJacobian(f, (t0, y0, *args), argnums=1, backend=found, follow=follow)
    _fits(made, "right-hand side", len(y0))
    value = valued(f, (t0, y0, *args), argnums=1, backend=backend, follow=follow)

    def rhsfn(t: float, y: Array, yp: Array) -> None:
        yp[:] = value(float(t), y, *args)

    def jacfn(t: float, y: Array, yp: Array, JJ: Array) -> None:
        J = made(float(t), np.array(y), *args)
        JJ[...] = J.data if sparse else J

    return {"rhsfn": rhsfn, "jacfn": jacfn, **(_of_pattern(made) if sparse else {})}


def ida(
    f: Callable[..., Any],
    t0: float,
    y0: Any,
    yp0: Any,
    *args: Any,
    sparse: bool = False,
    backend: Any = None,
    follow: Any = None,
) -> dict[str, Any]:
    """The arguments ``resfn``, ``jacfn`` (and ``sparsity``, ``linsolver``) of ``sksundae.ida.IDA``.

    Parameters
    ----------
    f : callable
        ``f(t, y, yp, *args)``, the residual of a differential-algebraic equation, zero where it holds.
    t0, y0, yp0 : float, array, array
        Examples of the time, of the state and of its derivative.
    *args
        Constants.
    sparse : bool
        Whether the Jacobian is sparse: its pattern is found, and SuperLU solves with it.
    backend, follow
        As for ``jacobian``.

    Raises
    ------
    polyad.errors.ArgumentError
        If ``y0`` and ``yp0`` are no vectors of finite numbers, or ``f`` does not return one of their length.
    """
    function(f, "residual")
    found, t0 = _inner(backend, sparse=sparse), number(t0, "t0")
    y0, yp0 = vector(y0, "y0"), vector(yp0, "yp0")
    if len(y0) != len(yp0):
        raise ArgumentError(f"y0 has {len(y0)} numbers and yp0 {len(yp0)}: pass a derivative for each")
    f = joined(f)

    def moved(z: Any, t: Any, y: Any, yp: Any, c: Any, *args: Any) -> Any:
        """IDA wants ``df/dy + c df/dyp``: one Jacobian, of both moved together."""
        return f(t, y + z, yp + c * z, *args)

    zero = np.zeros_like(y0)
    made = PreparedJacobian(moved, (zero, t0, y0, yp0, 1.0, *args), backend=found, follow=follow)
    _fits(made, "residual", len(y0))
    value = valued(f, (t0, y0, yp0, *args), argnums=1, backend=backend, follow=follow)

    def resfn(t: float, y: Array, yp: Array, res: Array) -> None:
        res[:] = value(float(t), y, yp, *args)

    def jacfn(t: float, y: Array, yp: Array, res: Array, cj: float, JJ: Array) -> None:
        J = made(zero, float(t), np.array(y), np.array(yp), float(cj), *args)
        JJ[...] = J.data if sparse else J

    return {"resfn": resfn, "jacfn": jacfn, **(_of_pattern(made) if sparse else {})}


def _fits(made: PreparedJacobian, what: str, n: int) -> None:
    """Refuse what NumPy would spread over the entries of the state."""
    looked_at(made, what, "SUNDIALS")
    (spec,) = made.problem.outputs
    if tuple(spec.shape) != (n,):
        raise ArgumentError(
            f"the {what} returns shape {tuple(spec.shape)} for a state of {n} numbers: return a vector of {n}"
        )


def _inner(backend: Any, *, sparse: bool) -> Any:
    """The backend of a matrix with its entries as SUNDIALS has them: column by column, or all."""
    found = resolve(backend)
    if isinstance(found, Sparse):
        return found.replace(format="csc" if sparse else "dense")
    return Sparse(found, format="csc") if sparse else found


def _of_pattern(made: PreparedJacobian) -> dict[str, Any]:
    """What a solver is told of a sparse Jacobian, whose entries it takes column by column."""
    return {"sparsity": made.pattern.to_scipy().tocsc().astype(int), "linsolver": "sparse"}
