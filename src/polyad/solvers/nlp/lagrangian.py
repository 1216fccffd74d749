"""The Lagrangian of a nonlinear program as one function, so that its Hessian is one sparse Hessian."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from polyad.arrays.trees import flatten

__all__ = ["lagrangian"]


def lagrangian(
    f: Callable[..., Any] | None, c: Callable[..., Any] | None, shapes: tuple[tuple[int, ...], ...]
) -> Callable[..., Any]:
    """``L(x, obj_factor, lagrange, *args) = obj_factor * f(x, *args) + lagrange @ c(x, *args)``.

    Parameters
    ----------
    f : callable or None
        The objective; None leaves it and its factor out.
    c : callable or None
        The constraints, an array, a number or a tree of them.
    shapes : tuple
        The shapes of the constraints' leaves.
    """

    def weighted(x: Any, lagrange: Any, *args: Any) -> Any:
        total, at = None, 0
        for values, shape in zip(flatten(c(x, *args))[0], shapes, strict=True):  # type: ignore[misc]
            size = math.prod(shape)
            if shape:
                term = (lagrange[at : at + size].reshape(shape) * values).sum()
            else:
                term = lagrange[at] * values
            total = term if total is None else total + term
            at += size
        return total

    def whole(x: Any, obj_factor: Any, lagrange: Any, *args: Any) -> Any:
        value = obj_factor * f(x, *args)  # type: ignore[misc]
        return value if c is None else value + weighted(x, lagrange, *args)

    return weighted if f is None else whole
