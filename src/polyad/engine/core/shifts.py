"""``top + log(sum(exp(x - top)))`` where ``top`` is the maximum of x, by which it has no derivative.

A framework that traces would compute the derivative by the maximum, of which nothing is left but rounding
errors. Where such a sum has been recognised it is written down again with the maximum as a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.values import PRIMITIVES, Value, keys_of, shape_of

__all__ = ["SHIFTS", "Shift", "unshifted"]

Recipe = tuple[tuple[str, dict[str, Any]], ...]


class Shift:
    """How far ``top + log(sum(exp(x - top)))`` has been computed.

    Attributes
    ----------
    step : str
        What has been computed last.
    x : value
        Of what it is the maximum.
    made : tuple
        How the maximum, in its shape, is made of x: names of primitives, and their parameters.
    by : tuple
        The same of what x is shifted by.
    params : dict
        Of the sum.
    kept : tuple of int
        The shape of the maximum beside the sum.
    """

    __slots__ = ("by", "kept", "made", "params", "step", "x")

    def __init__(self, step: str, x: Value, made: Recipe, by: Recipe = ()) -> None:
        self.step, self.x, self.made, self.by = step, x, made, by
        self.params: dict[str, Any] = {}
        self.kept: tuple[int, ...] = ()

    def then(self, step: str, **more: Any) -> Shift:
        """The next step."""
        found = Shift(step, self.x, self.made, self.by)
        found.params, found.kept = self.params, self.kept
        for name, value in more.items():
            setattr(found, name, value)
        return found


def _shift(a: Value, step: str) -> Shift | None:
    how = getattr(a, "made", None)
    return how.shift if how is not None and how.shift is not None and how.shift.step == step else None


def _shaped(name: str) -> Callable[[tuple[Value, ...], dict[str, Any]], Shift | None]:
    def found(args: tuple[Value, ...], params: dict[str, Any]) -> Shift | None:
        index, whole = params.get("index"), True
        if index is not None:
            keys, like = keys_of(index), np.broadcast_to(0, shape_of(args[0]))
            plain = all(
                k is None or k is Ellipsis or type(k) is int or (type(k) is slice and k == slice(None))
                for k in keys
            )
            whole = plain and like[index].size == like.size
        top = _shift(args[0], "top") if whole else None
        return None if top is None else top.then("top", made=(*top.made, (name, params)))

    return found


def _shifted(args: tuple[Value, ...], params: dict[str, Any]) -> Shift | None:
    x, by = args
    top = _shift(by, "top")
    if top is None or top.x is not x:
        return None
    shape = shape_of(by)
    if len(shape) > len(shape_of(x)):
        return None
    return top.then("shifted", by=top.made, kept=(1,) * (len(shape_of(x)) - len(shape)) + shape)


def _next(before: str, step: str) -> Callable[[tuple[Value, ...], dict[str, Any]], Shift | None]:
    def found(args: tuple[Value, ...], params: dict[str, Any]) -> Shift | None:
        last = _shift(args[0], before)
        return None if last is None else last.then(step)

    return found


def _summed(args: tuple[Value, ...], params: dict[str, Any]) -> Shift | None:
    last = _shift(args[0], "exp")
    if last is None:
        return None
    shape, axis, ndim = last.kept, params["axis"], len(last.kept)
    axes = range(ndim) if axis is None else [k % ndim for k in (axis if type(axis) is tuple else (axis,))]
    if any(shape[k] != 1 for k in axes):  # it is not the same along the sum
        return None
    kept = shape if params["keepdims"] else tuple(n for k, n in enumerate(shape) if k not in axes)
    return last.then("sum", params=params, kept=kept)


def _added(args: tuple[Value, ...], params: dict[str, Any]) -> Shift | None:
    for a, b in (args, args[::-1]):
        top, log = _shift(a, "top"), _shift(b, "log")
        if top is None or log is None or top.x is not log.x or top.made[0] != log.by[0]:
            continue
        shape = shape_of(a)
        if (1,) * (len(log.kept) - len(shape)) + shape == log.kept:
            return log.then("added", made=top.made)
    return None


# of what is made so, what there is to know
SHIFTS: dict[str, Callable[[tuple[Value, ...], dict[str, Any]], Shift | None]] = {
    "max": lambda args, params: Shift("top", args[0], (("max", params),)),
    "reshape": _shaped("reshape"),
    "getitem": _shaped("getitem"),
    "subtract": _shifted,
    "exp": _next("shifted", "exp"),
    "sum": _summed,
    "log": _next("sum", "log"),
    "add": _added,
}


def unshifted(shift: Shift, stop: Callable[[Value], Value]) -> Value:
    """The same number again, without a derivative by the maximum."""
    still = stop(shift.x)

    def top(made: Recipe) -> Value:
        value = still
        for name, params in made:
            value = PRIMITIVES[name](value, **params)
        return value

    z = PRIMITIVES["subtract"](shift.x, top(shift.by))
    total = PRIMITIVES["sum"](PRIMITIVES["exp"](z), **shift.params)
    return PRIMITIVES["add"](top(shift.made), PRIMITIVES["log"](total))
