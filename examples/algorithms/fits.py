"""Least squares, and the most probable parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import polyad as ad
from polyad.solvers import log_density


def levenberg_marquardt(
    residual: Callable[..., Any], x: Any, *args: Any, backend: Any = None, steps: int = 100
) -> Any:
    """Levenberg-Marquardt with a damping that is adapted to success."""
    jacobian = ad.prepare_jacobian(residual, x, *args, backend=backend)
    damping = 1e-2
    r, J = jacobian.value_and(x, *args)
    for _ in range(steps):
        A, g = J.T @ J, J.T @ r
        if np.max(np.abs(g)) < 1e-10:
            break
        step = -np.linalg.solve(A + damping * np.diag(np.diag(A)), g)
        new, K = jacobian.value_and(x + step, *args)
        if new @ new < r @ r:
            x, r, J, damping = x + step, new, K, damping / 5
        elif np.linalg.norm(step) < 1e-12 * (1 + np.linalg.norm(x)):
            break
        else:
            damping *= 4
    return x


def gauss_newton(
    residual: Callable[..., Any], x: Any, *args: Any, backend: Any = None, steps: int = 100
) -> Any:
    """Gauss-Newton with a line search."""
    jacobian = ad.prepare_jacobian(residual, x, *args, backend=backend)
    for _ in range(steps):
        r, J = jacobian.value_and(x, *args)
        slope = J.T @ r
        if np.max(np.abs(slope)) < 1e-10:
            break
        step = -np.linalg.lstsq(J, r, rcond=None)[0]
        t = 1.0
        while np.sum(residual(x + t * step, *args) ** 2) > r @ r + 2e-4 * t * (slope @ step) and t > 1e-10:
            t /= 2
        x = x + t * step
    return x


def most_probable(
    log_posterior: Callable[..., Any], x: Any, *args: Any, backend: Any = None, steps: int = 50
) -> tuple[Any, Any]:
    """The maximum of a log posterior, and the covariance of its normal approximation (Laplace)."""
    d = log_density(log_posterior, x, *args, backend=backend)
    for _ in range(steps):
        value, g = d.value_and_gradient(x)
        H = d.hessian(x)
        if np.max(np.abs(g)) < 1e-9:
            break
        lowered = max(0.0, np.linalg.eigvalsh(H)[-1] + 1e-3)
        step, t = -np.linalg.solve(H - lowered * np.eye(len(x)), g), 1.0
        while d(x + t * step) < value and t > 1e-10:
            t /= 2
        x = x + t * step
    return x, np.linalg.inv(-d.hessian(x))


def decay(p: Any, t: Any, y: Any) -> Any:
    """Residuals of ``a exp(-b t)``."""
    return p[0] * np.exp(-p[1] * t) - y


def log_posterior(p: Any, t: Any, y: Any) -> Any:
    """Errors of 0.1, and a wide normal prior."""
    return -np.sum((decay(p, t, y) / 0.1) ** 2) / 2 - np.sum(p**2) / 200


if __name__ == "__main__":
    t = np.linspace(0, 3, 20)
    y = 2.5 * np.exp(-1.3 * t) + 0.05 * np.sin(17 * t)
    start = np.array([1.0, 0.5])
    print("Levenberg-Marquardt", levenberg_marquardt(decay, start, t, y))
    print("Gauss-Newton", gauss_newton(decay, start, t, y))
    p, covariance = most_probable(log_posterior, start, t, y)
    print("most probable", p, "+-", np.sqrt(np.diag(covariance)))
