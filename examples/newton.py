"""A library function that serves the users of every framework: Newton's method for systems.

It knows no framework. Arrays and trees of any library go in and come back, and ``backend=`` is handed
on; where the user gives none, the type of the array decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import polyad as ad


def newton(
    f: Callable[..., Any],
    x: Any,
    *args: Any,
    backend: Any = None,
    tolerance: float = 1e-12,
    steps: int = 50,
) -> Any:
    """A zero of ``f(x, *args)`` near ``x``; ``f`` takes and gives a vector."""
    jacobian = ad.prepare_jacobian(f, x, *args, backend=backend)
    xp = ad.namespace(x)
    for _ in range(steps):
        y, J = jacobian.value_and(x, *args)
        if float(xp.max(xp.abs(y))) < tolerance:
            return x
        x = x - xp.linalg.solve(J, y)
    raise RuntimeError(f"no zero within {steps} steps: the residual is {float(xp.max(xp.abs(y))):.1e}")


def circle_and_line(x: Any, radius: float) -> Any:
    """Where the circle of that radius meets the diagonal."""
    xp = ad.namespace(x)
    return xp.stack([x[0] ** 2 + x[1] ** 2 - radius**2, x[0] - x[1]])


if __name__ == "__main__":
    start = np.array([1.0, 0.5])
    for name in ("finite", "autograd", "jax", "torch"):
        print(f"{name:9}", newton(circle_and_line, start, 2.0, backend=name))

    import torch

    print(newton(circle_and_line, torch.tensor([1.0, 0.5], dtype=torch.float64), 2.0))
