"""A function of leaves, expanded along a direction or along many at once: the door of Taylor mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from polyad.arrays.types import Leaves
from polyad.engine.boxes.box import Box
from polyad.engine.core.kinds import zeros_of
from polyad.engine.core.values import shape_of, under_way
from polyad.engine.interpretations.collapsed import Collapsed
from polyad.engine.interpretations.series import Series
from polyad.engine.rules import taylor_matrix  # noqa: F401  (fills the table, with what it imports)
from polyad.engine.rules.structure import astype, reshape, stack
from polyad.engine.run import Function, called, enter, leave, lowered, outcome

__all__ = ["expand", "laplacian"]


def expand(f: Function, x: Sequence[Any], v: Sequence[Any], order: int) -> tuple[Leaves, Leaves, Leaves]:
    """The Taylor coefficients of ``f(x + t v)`` in ``t``.

    Parameters
    ----------
    f : callable
        The function on boxes.
    x, v : sequence
        Its leaves and the direction.
    order : int
        The highest power.

    Returns
    -------
    coefficients, y, aux : tuple
        Of every output the ``order + 1`` coefficients along a leading axis, the outputs, and what came
        with them.
    """
    with under_way() as level:
        boxes = []
        for leaf, direction in zip(x, v, strict=True):
            value = enter(leaf)
            rest = [enter(direction)] + [zeros_of(value, shape_of(value))] * (order - 1)
            boxes.append(Box(Series(level, [value, *rest][: order + 1])))
        outputs, aux = called(f, tuple(boxes))
        values = [outcome(leaf) for leaf in outputs]
    found, y = [], []
    for value in values:
        if type(value) is Series and value.level == level:
            row = value.coefficients
        else:
            row = [value] + [zeros_of(value, shape_of(value))] * order
        y.append(leave(row[0], level))
        found.append(leave(stack(*row, axis=0), level))
    return tuple(found), tuple(y), tuple([lowered(leaf, level) for leaf in aux])


def laplacian(f: Function, x: Sequence[Any], rows: Sequence[Any]) -> tuple[Leaves, Leaves, Leaves]:
    """The sum of the second derivatives of a function along directions, by collapsed Taylor mode.

    Parameters
    ----------
    f : callable
        The function on boxes.
    x : sequence
        Its leaves.
    rows : sequence
        For each leaf the directions along a leading axis.

    Returns
    -------
    sums, y, aux : tuple
        Of every output the sum, the outputs, and what came with them.
    """
    with under_way() as level:
        boxes = [
            Box(Collapsed(level, enter(leaf), enter(directions), None))
            for leaf, directions in zip(x, rows, strict=True)
        ]
        outputs, aux = called(f, tuple(boxes))
        values = [outcome(leaf) for leaf in outputs]
    found, y = [], []
    for value in values:
        second = None
        if type(value) is Collapsed and value.level == level:
            value, second = value.primal, value.second
        y.append(leave(value, level))
        shape = shape_of(value)
        second = zeros_of(value, shape) if second is None else reshape(second, shape=shape)
        if second.dtype != value.dtype:  # a rule may have widened it
            second = astype(second, dtype=value.dtype)
        found.append(leave(second, level))
    return tuple(found), tuple(y), tuple([lowered(leaf, level) for leaf in aux])
