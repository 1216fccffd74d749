"""scikit-sundae: right-hand sides and Jacobians for CVODE, filled in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.operators.jacobian import PreparedJacobian
from polyad.sparse.backend import Sparse
from polyad.systems.registry import resolve

__all__ = ["cvode"]


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
    """
    found, y0 = resolve(backend), np.asarray(y0, dtype=np.float64)
    if sparse and not isinstance(found, Sparse):
        found = Sparse(found, format="csc")
    made = PreparedJacobian(f, (float(t0), y0, *args), argnums=1, backend=found, follow=follow)

    def rhsfn(t: float, y: Array, yp: Array) -> None:
        yp[:] = f(t, y, *args)

    def jacfn(t: float, y: Array, yp: Array, JJ: Array) -> None:
        J = made(float(t), np.array(y), *args)
        JJ[...] = J.data if sparse else J

    given: dict[str, Any] = {"rhsfn": rhsfn, "jacfn": jacfn}
    if sparse:
        given |= {"sparsity": made.pattern.to_scipy().tocsc().astype(int), "linsolver": "sparse"}
    return given
