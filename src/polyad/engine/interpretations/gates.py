"""Choices (``where``) in other frameworks, so that the branch not taken leaves no NaN in the derivative.

A framework's rule of ``where`` gives the branch that was not taken a zero cotangent. The rules of that branch
may multiply it by an infinite partial, and zero times infinity is NaN. A branch in which that may happen is
computed from gated operands, ``where(chosen, x, stop(x))``: the values are the same, and a cotangent of an
entry that was not chosen is dropped, to any order. The framework removes the first computation as unused.

Operations entry by entry are looked through, up to ``DEPTH`` of them; ``masked`` is the engine's own, which
follows the cotangents themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.values import PRIMITIVES, Primitive, Tracer, Value, keys_of, shape_of

__all__ = ["CHOICES", "Made", "gated", "made"]

# How many operations, and how many choices (a gate is one as well), are looked through at most: a loop that
# chooses at every step must not compute all earlier steps again at each.
DEPTH, NESTED = 12, 2
CHOICES = frozenset("where maximum minimum fmax fmin max min setitem getitem".split())


class Made:
    """How a value was made, if only elementwise operations made it."""

    __slots__ = ("args", "choices", "depth", "params", "primitive", "steep")

    def __init__(
        self,
        primitive: Primitive,
        args: tuple[Value, ...],
        params: Any,
        counts: tuple[int, int],
        steep: bool,
    ) -> None:
        self.primitive, self.args, self.params = primitive, args, params
        self.depth, self.choices = counts
        self.steep = steep


def made(primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Made | None:
    """What to remember of how a result was made, by an elementwise operation or a ``where``.

    None where it is not looked through, and where that tells nothing: without an infinite partial, and
    without a choice.
    """
    steep, depth = primitive.steep or primitive.home != "numpy", 0
    choices, plain = 0, False
    for a in args:
        before = getattr(a, "made", None)
        if before is not None:
            if before.depth >= depth:
                depth = before.depth + 1
            if before.choices > choices:
                choices = before.choices
            if before.steep:
                steep = True
        elif isinstance(a, np.ndarray):
            plain = True
            if not steep and a.dtype.kind in "fc":
                steep = not np.isfinite(a).all()
    if primitive.name == "where":
        choices += 1
    if not (steep or choices) or depth > DEPTH or choices > NESTED:
        return None
    if plain:  # copied, since the value may be computed again after the caller has written to them
        args = tuple([a.copy() if isinstance(a, np.ndarray) else a for a in args])
    return Made(primitive, args, params, (depth, choices), steep)


def _is_steep(a: Value) -> bool:
    found = getattr(a, "made", None)
    return found is not None and found.steep


def gated(
    primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any], stop: Callable[[Value], Value]
) -> tuple[Value, ...]:
    """The operands of a choice, gated so that entries that were not chosen get no cotangent."""
    if not any(map(_is_steep, args)):
        return args
    name = primitive.name
    if name == "where":
        c, a, b = args
        return c, _through(a, c, True, stop), _through(b, c, False, stop)
    if name in ("max", "min"):
        (x,) = args
        top = PRIMITIVES[name](stop(x), **{**params, "keepdims": True})
        if params["axis"] is None:
            top = PRIMITIVES["reshape"](top, shape=(1,) * len(shape_of(x)))
        return (_through(x, PRIMITIVES["equal"](x, top), True, stop),)
    if name in ("setitem", "getitem"):
        return _at_index(name, args, params["index"], stop)
    a, b = args
    order = PRIMITIVES["greater_equal" if name in ("maximum", "fmax") else "less_equal"]
    return _through(a, order(a, b), True, stop), _through(b, order(b, a), True, stop)


def _at_index(name: str, args: tuple[Value, ...], index: Any, stop: Callable[[Value], Value]) -> Any:
    """What is written to, and what a mask picks from; other indices may be as many as entries."""
    x, *rest = args
    shape, picks = shape_of(x), name == "getitem"
    if isinstance(index, Tracer | np.ndarray) and index.dtype.kind == "b" and shape_of(index) == shape:
        return _through(x, index, picks, stop), *rest
    keys = keys_of(index)
    if picks or any(isinstance(k, Tracer) for k in keys):
        return args
    mask = np.ones(shape, dtype=bool)
    mask[index] = False
    return _through(x, mask, True, stop), *rest


def _through(a: Value, mask: Value, side: bool, stop: Callable[[Value], Value]) -> Value:
    """The same value made of gated operands."""
    where = PRIMITIVES["where"]
    known: dict[int, Value] = {}

    def again(v: Value) -> Value:
        if not isinstance(v, Tracer):
            return v
        if id(v) not in known:
            if _is_steep(v):
                how: Made = v.made  # type: ignore[attr-defined]
                parts = tuple(map(again, how.args))
                first = next((p for p in parts if hasattr(p, "remade")), None)
                # without gates: what is chosen within has its own
                known[id(v)] = v if first is None else first.remade(how.primitive, parts, how.params)
            elif v.dtype.kind not in "fc":
                known[id(v)] = v
            else:
                known[id(v)] = where(mask, v, stop(v)) if side else where(mask, stop(v), v)
        return known[id(v)]

    return again(a) if _is_steep(a) else a
