"""Derivatives along one direction, order by order, each by a backend of its own.

The direction is a constant of every order, after the constants of the function. The kernels here give
``(derivative, (), rows)`` for ``(x, (*c, *v))``: all derivatives travel in the rows, the highest first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from math import factorial
from typing import Any

from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Leaves, Problem, strategy_of
from polyad.systems.derive import operators

__all__ = ["derivative_along", "expansion", "pushed"]


def derivative_along(backend: Backend, problem: Problem) -> Kernel:
    """The derivative of the highest order that a backend has: of a tower its depth, else the first."""
    tower = getattr(backend, "along", None)
    if tower is not None:
        found: Kernel = tower(problem)
        return found

    def value(x: Leaves, cv: Leaves) -> tuple[Leaves, Leaves]:
        y, aux = problem.f(x, cv)
        return y, (*y, *aux)

    return pushed(backend, problem.derived(value, problem.outputs), "")


def pushed(backend: Backend, lower: Problem, words: str) -> Kernel:
    """One order more."""
    push, count = operators.pushforward(backend, lower), len(lower.x)

    def kernel(x: Leaves, cv: Leaves) -> Any:
        dy, _, rows = push(x, cv, cv[len(cv) - count :])
        return dy, (), (*dy, *rows)

    return Kernel(kernel, f"{strategy_of(push)} over {words}" if words else strategy_of(push))


def expansion(backend: Backend, problem: Problem, along: Callable[[Problem], Kernel]) -> Kernel:
    """``kernel(x, c, v)`` giving Taylor coefficients, the value and ``aux``."""
    outs, count, xp = problem.outputs, len(problem.x), backend.xp
    whole = dataclasses.replace(
        problem.derived(lambda x, cv: problem.f(x, cv[: len(cv) - count]), outs), c=(*problem.c, *problem.x)
    )
    whole.__dict__.update(inputs=problem.inputs, outputs=outs)
    highest = along(whole)

    def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
        _, _, rows = highest(x, (*c, *v))
        n = len(outs)
        order = backend.depth  # type: ignore[attr-defined]
        parts = [rows[k * n : (k + 1) * n] for k in range(order + 1)][::-1]
        coefficients = tuple(
            xp.stack([part[i] / factorial(j) for j, part in enumerate(parts)]) for i in range(n)
        )
        return coefficients, parts[0], rows[(order + 1) * n :]

    return Kernel(kernel, strategy_of(highest))
