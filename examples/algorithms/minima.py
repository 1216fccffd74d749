"""Minima: first order, second order, and past saddles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import polyad as ad


def adam(
    f: Callable[..., Any], x: Any, *args: Any, backend: Any = None, rate: float = 0.05, steps: int = 500
) -> Any:
    """Adam (Kingma and Ba 2015, algorithm 1)."""
    gradient = ad.prepare_gradient(f, x, *args, backend=backend)
    m, v = np.zeros_like(x), np.zeros_like(x)
    for k in range(1, steps + 1):
        g = gradient(x, *args)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        x = x - rate * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
    return x


def newton(f: Callable[..., Any], x: Any, *args: Any, backend: Any = None, steps: int = 50) -> Any:
    """Newton's method; where the Hessian is not positive its diagonal is raised."""
    second = ad.prepare_hessian(f, x, *args, backend=backend)
    for _ in range(steps):
        value, g, H = second.value_and(x, *args)
        if np.max(np.abs(g)) < 1e-10:
            return x
        raised = max(0.0, 1e-3 - np.linalg.eigvalsh(H)[0])
        step = -np.linalg.solve(H + raised * np.eye(len(x)), g)
        x = x + backtracked(f, x, step, value, g @ step, *args) * step
    raise RuntimeError(f"no minimum within {steps} steps")


def saddle_free(
    f: Callable[..., Any], x: Any, *args: Any, backend: Any = None, directions: int = 5, steps: int = 60
) -> Any:
    """Saddle-free Newton (Dauphin et al. 2014): |H| in a Krylov space, from products with the Hessian."""
    hvp = ad.prepare_hvp(f, x, *args, v=x, backend=backend)
    gradient = ad.prepare_gradient(f, x, *args, backend=backend)
    for _ in range(steps):
        value, g = gradient.value_and(x, *args)
        if np.max(np.abs(g)) < 1e-9:
            return x
        basis, images = [g / np.linalg.norm(g)], []
        for _ in range(min(directions, len(x))):
            images.append(hvp(x, *args, v=basis[-1]))
            rest = images[-1] - sum((b @ images[-1]) * b for b in basis)
            if np.linalg.norm(rest) < 1e-10:
                break
            basis.append(rest / np.linalg.norm(rest))
        V = np.stack(basis[: len(images)], axis=1)
        values, vectors = np.linalg.eigh(V.T @ np.stack(images, axis=1))
        step = -V @ (vectors @ ((vectors.T @ (V.T @ g)) / np.maximum(np.abs(values), 1e-3)))
        x = x + backtracked(f, x, step, value, g @ step, *args) * step
    return x


def backtracked(f: Callable[..., Any], x: Any, step: Any, value: float, slope: float, *args: Any) -> float:
    """A step length with enough decrease (Armijo)."""
    t = 1.0
    while f(x + t * step, *args) > value + 1e-4 * t * slope and t > 1e-10:
        t /= 2
    return t


def rosenbrock(x: Any) -> Any:
    """The banana valley in any number of dimensions."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def saddle(x: Any) -> Any:
    """A saddle at 0, minima at (0, +-1)."""
    return x[0] ** 2 + (x[1] ** 2 - 1) ** 2


if __name__ == "__main__":
    start = np.array([-1.2, 1.0])
    print("Adam", adam(rosenbrock, start, steps=2000))
    print("Newton", newton(rosenbrock, start))
    print("saddle-free Newton", saddle_free(saddle, np.array([1.0, 1e-6])))
