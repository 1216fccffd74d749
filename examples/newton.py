"""A library function that serves the users of every framework: Newton's method for systems.

It knows no framework. ``backend=`` is handed on; where the user gives none, the type of the arrays
decides. The unknowns are an array or a tree of arrays, and come back as that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optree

import polyad as ad


def newton(
    f: Callable[..., Any],
    x: Any,
    *args: Any,
    backend: Any = None,
    tolerance: float | None = 1e-12,
    steps: int = 50,
) -> Any:
    """A zero of ``f(x, *args)`` near ``x``.

    Parameters
    ----------
    f : callable
        Gives as many numbers as ``x`` holds, in an array or a tree of arrays.
    x : array or tree of arrays
        Where to start.
    *args
        Constants of ``f``.
    backend : backend or str, optional
        Handed on to polyad.
    tolerance : float or None
        The largest residual that counts as zero. With None every step is taken and no value is looked at, so
        that ``newton`` also runs inside ``jax.jit``.
    steps : int
        The most steps.
    """
    leaves, structure = optree.tree_flatten(x)

    def flat_f(flat: Any, *args: Any) -> Any:
        return flatten(f(unflatten(flat, leaves, structure), *args))

    flat = flatten(x)
    xp = ad.namespace(flat)
    jacobian = ad.prepare_jacobian(flat_f, flat, *args, backend=backend)
    for _ in range(steps):
        y, J = jacobian.value_and(flat, *args)
        if tolerance is not None and float(xp.max(xp.abs(y))) < tolerance:
            break
        flat = flat - xp.linalg.solve(J, y)
    else:
        if tolerance is not None:
            raise RuntimeError(f"no zero within {steps} steps: residual {float(xp.max(xp.abs(y))):.1e}")
    return unflatten(flat, leaves, structure)


def flatten(tree: Any) -> Any:
    """The entries of all arrays of a tree in one vector."""
    leaves = optree.tree_leaves(tree)
    xp = ad.namespace(*leaves)
    return xp.concat([xp.reshape(leaf, (-1,)) for leaf in leaves])


def unflatten(flat: Any, leaves: list[Any], structure: Any) -> Any:
    """The tree of a vector."""
    parts, start = [], 0
    for leaf in leaves:
        end = start + math.prod(leaf.shape)
        parts.append(flat[start:end].reshape(leaf.shape))
        start = end
    return optree.tree_unflatten(structure, parts)


def circle_and_line(x: Any, radius: float) -> Any:
    """Where the circle of that radius meets the diagonal."""
    return np.stack([x[0] ** 2 + x[1] ** 2 - radius**2, x[0] - x[1]])


def two_points(p: dict[str, Any]) -> dict[str, Any]:
    """The same of two points, the second on the first one's height; a tree in, a tree out."""
    return {"circle": circle_and_line(p["a"], 2.0), "level": np.stack([p["b"][1] - p["a"][1], p["b"][0] - 3])}


if __name__ == "__main__":
    start = np.array([1.0, 0.5])
    print(newton(circle_and_line, start, 2.0))
    print(newton(two_points, {"a": start, "b": start}))

    # the same functions under every framework that is installed
    installed = [backend.name for backend in ad.backends() if backend.installed]
    for name in installed:
        print(f"{name:9}", newton(circle_and_line, start, 2.0, backend=name))
    if "torch" in installed:
        import torch

        print(newton(circle_and_line, torch.tensor([1.0, 0.5], dtype=torch.float64), 2.0))
    if "jax" in installed:
        import jax

        print(jax.jit(lambda x: newton(circle_and_line, x, 2.0, tolerance=None, steps=6))(start))
