"""Taylor coefficients by pushforwards of pushforwards, for backends without a Taylor mode.

The ``j``-th derivative along ``v`` is the pushforward of the one before it. Every level doubles the
work of the last, so the order is capped: what costs more is left to a Taylor mode.
"""

from __future__ import annotations

import dataclasses
from math import factorial
from typing import TYPE_CHECKING, Any

from polyad.errors import UnsupportedOperatorError
from polyad.systems.contract import Kernel, Leaves, Problem, strategy, strategy_of

if TYPE_CHECKING:
    from polyad.systems.base import Backend

__all__ = ["MAX_ORDER", "batched", "nested"]

MAX_ORDER = 3


def nested(backend: Backend, problem: Problem, order: int) -> Kernel:
    """``kernel(x, c, v)`` giving the coefficients, the value and ``aux``."""
    _check(backend, order)
    xp, count = backend.xp, len(problem.x)
    outs = problem.outputs

    def value(x: Leaves, cv: Leaves) -> tuple[Leaves, Leaves]:
        y, aux = problem.f(x, cv[: len(cv) - count])
        # rows of derivatives travel in aux, the highest in the output
        return y, (*y, *aux)

    # the direction is a constant of every level
    level = dataclasses.replace(problem.derived(value, outs), c=(*problem.c, *problem.x))
    for _ in range(order):
        level = _pushed(backend, level, count)

    @strategy(f"{order} nested pushforwards")
    def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
        _, aux = level.f(x, (*c, *v))
        n = len(outs)
        rows = [aux[k * n : (k + 1) * n] for k in range(order + 1)][::-1]
        coefficients = tuple(
            xp.stack([row[i] / factorial(j) for j, row in enumerate(rows)]) for i in range(n)
        )
        return coefficients, rows[0], aux[(order + 1) * n :]

    return kernel


def batched(backend: Backend, single: Kernel) -> Kernel:
    """One direction after the other."""
    xp = backend.xp

    @strategy(strategy_of(single))
    def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
        outcomes = [single(x, c, tuple(s[k] for s in v)) for k in range(int(v[0].shape[0]))]
        stacked = tuple(xp.stack(leaf) for leaf in zip(*(o[0] for o in outcomes), strict=True))
        return (stacked, *outcomes[-1][1:])

    return kernel


def _pushed(backend: Backend, level: Problem, count: int) -> Problem:
    from polyad.systems.derive import operators

    push = operators.pushforward(backend, level)

    def f(x: Leaves, cv: Leaves) -> tuple[Leaves, Leaves]:
        dy, _, aux = push(x, cv, cv[len(cv) - count :])
        return dy, (*dy, *aux)

    return level.derived(f, level.outputs)


def _check(backend: Backend, order: int) -> None:
    if order > MAX_ORDER:
        raise UnsupportedOperatorError(
            f"{backend!r} has no Taylor mode, and nested derivatives to order {order} cost 2**{order} times "
            f"the function: up to order {MAX_ORDER} they are taken, for more use backend='numpy' or 'jax'"
        )
    if order > 1 and not backend.nestable:
        raise UnsupportedOperatorError(
            f"{backend!r} cannot differentiate its own derivatives: for Taylor coefficients of order {order} "
            "use backend='numpy' or 'jax'"
        )
