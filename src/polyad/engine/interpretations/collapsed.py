"""Collapsed Taylor mode: a value, its tangents along many directions, and a sum of their second derivatives.

The second derivative along one direction depends linearly on the second coefficients of what went before. So
their sum over all directions can be carried in place of each (Dangel et al., Collapsing Taylor Mode Automatic
Differentiation, 2025; forward Laplacians, Li et al., 2024): an operation is pushed along the sum as along one
more direction, and adds the sum of its own second derivatives along the tangents. Those are

* nothing for what is linear, twice the products of tangents for what is bilinear,
* ``f''(x)`` times the sum of squares for a function of one operand entry by entry,
* for others entry by entry the tangents times those of the partial derivatives,
* the second coefficient of the Taylor rule, direction by direction, for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.engine.core.kinds import PARTIALS, aligned, filled, missing_partial, zeros_of
from polyad.engine.core.refusals import no_rule
from polyad.engine.core.values import (
    PRIMITIVES,
    Primitive,
    Tracer,
    Value,
    ndim_of,
    new_level,
    shape_of,
)
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.series import BILINEAR, LINEAR, rule_of

__all__ = ["Collapsed"]


class Collapsed(Tracer):
    """A value, its tangents in rows, and the sum of its second derivatives along them as one more row."""

    __slots__ = ("level", "primal", "second", "tangent")

    def __init__(self, level: int, primal: Value, tangent: Value, second: Value) -> None:
        self.level, self.primal = level, primal
        self.tangent, self.second = tangent, second

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.primal.shape

    @property
    def dtype(self) -> Any:
        return self.primal.dtype

    def lower(self) -> Value:
        return self.primal

    def process(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        level, push = self.level, primitive.push
        if push is None:
            raise no_rule(primitive.name, "forward")
        mine = [type(a) is Collapsed and a.level == level for a in args]
        primals = [a.primal if own else a for a, own in zip(args, mine, strict=True)]
        tangents = [a.tangent if own else None for a, own in zip(args, mine, strict=True)]
        seconds = [a.second if own else None for a, own in zip(args, mine, strict=True)]
        y = primitive(*primals, **params)
        t = push(y, tangents, *primals, **params)
        s = None
        if any(row is not None for row in seconds):
            s = push(y, seconds, *primals, **params)
        if not primitive.multiple:
            own = _curvature(primitive, y, t, tangents, primals, params)
            return Collapsed(level, y, t, _added(s, own, y))
        own = _by_directions(primitive, tangents, primals, params)
        rest = [None] * len(y) if s is None else s
        return tuple(
            part if rows is None else Collapsed(level, part, rows, _added(before, more, part))
            for part, rows, before, more in zip(y, t, rest, own, strict=True)
        )

    def __repr__(self) -> str:
        return f"Collapsed({self.primal!r}, {self.tangent!r}, {self.second!r})"


def _added(s: Value, own: Value, y: Value) -> Value:
    """The row of the sum; None for zero."""
    if own is None:
        return s
    own = _row(own, y)
    return own if s is None else s + own


def _row(a: Value, y: Value) -> Value:
    """A value of the shape of the result, or one that broadcasts to it, as a batch of one row."""
    shape = shape_of(y)
    if shape_of(a) != shape:
        a = PRIMITIVES["broadcast_to"](a, shape=shape)
    return PRIMITIVES["reshape"](a, shape=(1, *shape))


def _over(a: Value) -> Value:
    """The sum over the directions."""
    return PRIMITIVES["sum"](a, axis=(0,), keepdims=False)


def _curvature(
    primitive: Primitive,
    y: Value,
    t: Value,
    tangents: list[Value],
    primals: list[Value],
    params: dict[str, Any],
) -> Value:
    """The sum of the second derivatives of one operation along the tangents; None for zero."""
    name = primitive.name
    if name in LINEAR:
        return None
    active = [k for k, rows in enumerate(tangents) if rows is not None]
    if name in BILINEAR:
        if len(active) < 2:
            return None
        product = _PRODUCTS.get(name)
        found = None if product is None else product(y, *tangents, *map(ndim_of, primals))
        return _by_directions(primitive, tangents, primals, params)[0] if found is None else found
    # a power of both has its edges at zero in its own rule
    if name not in PARTIALS or primitive.home == "user" or (name == "power" and len(active) > 1):
        return _by_directions(primitive, tangents, primals, params)[0]
    ndim = ndim_of(y)
    if len(active) == 1:
        (k,) = active
        rows = aligned(tangents[k], ndim)
        zero = zeros_of(primals[k], shape_of(primals[k]))
        operands = [[a, zero + 1.0, zero] if j == k else a for j, a in enumerate(primals)]
        return rule_of(primitive)(primitive, 2, operands, params)[2] * 2 * _over(rows * rows)
    if name == "divide":  # (y b)'' = a'', where y' is known
        return _over(filled(t * aligned(tangents[1], ndim), y)) / primals[1] * -2
    return _by_partials(primitive, y, t, tangents, primals, params)


def _by_partials(
    primitive: Primitive,
    y: Value,
    t: Value,
    tangents: list[Value],
    primals: list[Value],
    params: dict[str, Any],
) -> Value:
    """Tangents times those of the partial derivatives, entry by entry."""
    partials, _ = PARTIALS[primitive.name]
    level, ndim = new_level(), ndim_of(y)
    values = [a if rows is None else Dual(level, a, rows) for a, rows in zip(primals, tangents, strict=True)]
    total = None
    for k, rows in enumerate(tangents):
        if rows is None:
            continue
        partial = partials[k]
        if partial is None:
            raise missing_partial(primitive.name, k)
        slope = partial(Dual(level, y, t), *values, **params)
        if type(slope) is Dual and slope.level == level:
            term = _over(filled(aligned(rows, ndim) * aligned(slope.tangent, ndim), y))
            total = term if total is None else total + term
    return total


def _by_directions(
    primitive: Primitive, tangents: list[Value], primals: list[Value], params: dict[str, Any]
) -> list[Value]:
    """For each result the second derivative along one direction after the other, added up."""
    rule, take = rule_of(primitive), PRIMITIVES["getitem"]
    count = next(rows.shape[0] for rows in tangents if rows is not None)
    totals: list[Value] = []
    for k in range(count):
        operands = []
        for a, rows in zip(primals, tangents, strict=True):
            if rows is None:
                operands.append(a)
            else:
                along = take(rows, index=k)
                operands.append([a, along, along * 0])
        found = rule(primitive, 2, operands, params)
        seconds = [row[2] * 2 for row in (found if primitive.multiple else [found])]
        totals = seconds if not totals else [a + b for a, b in zip(totals, seconds, strict=True)]
    return totals


# -- twice the products of tangents --------------------------------------------------------------------------


def _multiplied(y: Value, a: Value, b: Value, m: int, n: int) -> Value:
    ndim = ndim_of(y)
    return _over(filled(aligned(a, ndim) * aligned(b, ndim), y)) * 2


def _matmul(y: Value, a: Value, b: Value, m: int, n: int) -> Value:
    """Of vectors and matrices; stacks of them go direction by direction."""
    if m > 2 or n > 2:
        return None
    if m == 1:
        a = _reshaped(a, (a.shape[0], 1, a.shape[1]))
    if n == 1:
        b = _reshaped(b, (*b.shape, 1))
    return _reshaped(_over(PRIMITIVES["matmul"](a, b)), shape_of(y)) * 2


def _reshaped(a: Value, shape: tuple[int, ...]) -> Value:
    return PRIMITIVES["reshape"](a, shape=shape)


_PRODUCTS: dict[str, Callable[..., Value]] = {"multiply": _multiplied, "matmul": _matmul}
