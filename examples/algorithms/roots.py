"""Zeros of systems: with the Jacobian, and with products alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse.linalg import gmres

import polyad as ad


def newton_raphson(f: Callable[..., Any], x: Any, *args: Any, backend: Any = None, steps: int = 50) -> Any:
    """A zero of ``f(x, *args)`` by Newton's method."""
    jacobian = ad.prepare_jacobian(f, x, *args, backend=backend)
    for _ in range(steps):
        y, J = jacobian.value_and(x, *args)
        if np.max(np.abs(y)) < 1e-12:
            return x
        x = x - np.linalg.solve(J, y)
    raise RuntimeError(f"no zero within {steps} steps")


def newton_krylov(f: Callable[..., Any], x: Any, *args: Any, backend: Any = None, steps: int = 50) -> Any:
    """The same without a Jacobian: GMRES needs its products only, and they are exact."""
    J = ad.jacobian_operator(f, x, *args, backend=backend)
    for _ in range(steps):
        y = f(x, *args)
        size = np.linalg.norm(y)
        if size < 1e-10:
            return x
        step, _ = gmres(J.update(x).to_scipy(), -y, rtol=min(0.1, size))
        t = 1.0
        while np.linalg.norm(f(x + t * step, *args)) > (1 - 1e-4 * t) * size and t > 1e-6:
            t /= 2
        x = x + t * step
    raise RuntimeError(f"no zero within {steps} steps")


def bratu(u: Any, heat: float) -> Any:
    """Bratu's problem on a line: ``u'' + heat exp(u) = 0`` with ``u = 0`` at both ends."""
    h = 1.0 / (len(u) + 1)
    left, right = np.concatenate([[0.0], u[:-1]]), np.concatenate([u[1:], [0.0]])
    return left - 2 * u + right + h**2 * heat * np.exp(u)


if __name__ == "__main__":
    start = np.zeros(50)
    u, v = newton_raphson(bratu, start, 1.0), newton_krylov(bratu, start, 1.0)
    print("highest", u.max(), "differ by", np.abs(u - v).max())
