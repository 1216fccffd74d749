"""SciPy's ``trust-constr``, which is always there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.types import Array
from polyad.solvers.nlp.interfaces.solution import Solution

if TYPE_CHECKING:
    from polyad.solvers.caught import Caught
    from polyad.solvers.nlp.program import Program

__all__ = ["modes", "run"]

modes = ("exact", "products", "approximate")


def run(p: Program, caught: Caught, hessian: str, options: dict[str, Any]) -> Solution:
    """Solve a program by ``scipy.optimize.minimize(method="trust-constr")``."""
    import scipy.sparse
    from scipy.optimize import BFGS, Bounds, NonlinearConstraint, minimize
    from scipy.sparse.linalg import LinearOperator

    nothing = np.zeros(p.m)

    def whole(x: Array, lagrange: Array) -> Any:
        if hessian == "products":
            at, lagrange = x.copy(), lagrange.copy()
            product = caught.watched(lambda v: p.hessian_product(at, v.reshape(-1), lagrange))
            return LinearOperator((p.n, p.n), matvec=product, dtype=np.float64)
        return p.hessian_matrix(x, lagrange)

    # SciPy adds the Hessian of the objective to that of the constraints: here the latter is all of it, so
    # that the functions are differentiated together
    second: Any = caught.watched(lambda x: whole(x, nothing))
    of_constraints: Any = caught.watched(whole)
    if hessian == "approximate":
        second = of_constraints = BFGS()
    constraints = []
    if p.m:
        if hessian != "approximate":
            zero: Any = scipy.sparse.csr_array((p.n, p.n))
            if hessian == "products":
                zero = LinearOperator((p.n, p.n), matvec=np.zeros_like, dtype=np.float64)
            second = lambda x: zero  # noqa: E731
        constraints.append(
            NonlinearConstraint(
                caught.watched(p.constraints),
                p.constraint_lower,
                p.constraint_upper,
                jac=caught.watched(p.jacobian_matrix),
                hess=of_constraints,
            )
        )
    bounded = np.isfinite(p.lower).any() or np.isfinite(p.upper).any()
    found = minimize(
        caught.watched(p.objective),
        p.start.copy(),
        method="trust-constr",
        jac=caught.watched(p.gradient),
        hess=second,
        bounds=Bounds(p.lower, p.upper) if bounded else None,
        constraints=constraints,
        options=options,
    )
    of_bounds = found.v[-1] if bounded else np.zeros(p.n)
    return Solution(
        found.x,
        # 0 is a limit of iterations, 3 a callback's word
        found.status in (1, 2) and found.constr_violation <= 1e-6,
        found.message,
        found.v[0] if p.m else np.zeros(0),
        np.maximum(-of_bounds, 0.0),
        np.maximum(of_bounds, 0.0),
        found.nit,
        found,
    )
