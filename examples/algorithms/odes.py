"""Differential equations: a stiff one with its sparse Jacobian, and sensitivities both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

import polyad as ad


def brusselator(t: float, y: Any) -> Any:
    """The Brusselator with diffusion on a line of cells, periodic (Hairer and Wanner)."""
    n = len(y) // 2
    u, v = y[:n], y[n:]
    around = np.concatenate([np.arange(1, n), [0]])
    before = np.concatenate([[n - 1], np.arange(n - 1)])
    c = 0.02 * n**2
    du = 1 + u**2 * v - 4 * u + c * (u[around] - 2 * u + u[before])
    dv = 3 * u - u**2 * v + c * (v[around] - 2 * v + v[before])
    return np.concatenate([du, dv])


def stiff(f: Callable[..., Any], y0: Any, end: float, *args: Any, backend: Any = "numpy") -> Any:
    """``solve_ivp`` by BDF, with the Jacobian compressed: its pattern is found from ``f`` alone."""
    jacobian = ad.prepare_jacobian(f, 0.0, y0, *args, argnums=1, backend=ad.Sparse(backend, format="csc"))
    return solve_ivp(
        lambda t, y: f(t, y, *args),
        (0.0, end),
        y0,
        method="BDF",
        jac=lambda t, y: jacobian(float(t), y, *args),
        rtol=1e-6,
        atol=1e-8,
    )


def forward_sensitivities(f: Callable[..., Any], y0: Any, p: Any, end: float, *, backend: Any = None) -> Any:
    """``dy(end)/dp`` by the equations of the sensitivities, solved beside those of ``y``: few parameters."""
    n, k = len(y0), len(p)
    jacobian = ad.prepare_jacobian(lambda y, p, t: f(t, y, p), y0, p, 0.0, argnums=(0, 1), backend=backend)

    def both(t: float, z: Any) -> Any:
        y, S = z[:n], z[n:].reshape(n, k)
        value, (J, P) = jacobian.value_and(y, p, float(t))
        return np.concatenate([value, (J @ S + P).reshape(-1)])

    start = np.concatenate([y0, np.zeros(n * k)])
    return solve_ivp(both, (0.0, end), start, rtol=1e-10, atol=1e-12).y[n:, -1].reshape(n, k)


def adjoint_sensitivities(
    f: Callable[..., Any], y0: Any, p: Any, end: float, w: Any, *, backend: Any = None
) -> Any:
    """``d (w @ y(end)) / dp`` by one equation that is solved backwards: many parameters."""
    n = len(y0)
    options = {"rtol": 1e-10, "atol": 1e-12}
    there = solve_ivp(lambda t, y: f(t, y, p), (0.0, end), y0, dense_output=True, **options)
    pull = ad.prepare_vjp(lambda y, p, t: f(t, y, p), y0, p, 0.0, w=w, argnums=(0, 1), backend=backend)

    def back(t: float, z: Any) -> Any:
        of_y, of_p = pull(there.sol(t), p, float(t), w=z[:n])
        return np.concatenate([-of_y, -of_p])

    start = np.concatenate([w, np.zeros(len(p))])
    return solve_ivp(back, (end, 0.0), start, **options).y[n:, -1]


def rabbits(t: float, y: Any, p: Any) -> Any:
    """Lotka and Volterra."""
    return np.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[1] * y[0] * y[1] - p[2] * y[1]])


if __name__ == "__main__":
    n = 32
    x = np.linspace(0, 2 * np.pi, n, endpoint=False)
    found = stiff(brusselator, np.concatenate([1 + np.sin(x), np.full(n, 3.0)]), 10.0)
    print("Brusselator:", found.message, found.njev, "Jacobians")
    y0, p, w = np.array([1.0, 0.5]), np.array([1.1, 0.8, 0.6]), np.array([1.0, 2.0])
    S = forward_sensitivities(rabbits, y0, p, 3.0)
    print("forward", w @ S, "adjoint", adjoint_sensitivities(rabbits, y0, p, 3.0, w))
