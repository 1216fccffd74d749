"""Forward mode: a value with its tangents.

Tangents stand in a row along a leading axis, so one run of the function carries any number of
directions in vectorised operations (Griewank and Walther, Evaluating Derivatives, 2nd ed., 2008,
section 3.1). A constant has no tangents rather than zeros.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from polyad.engine.core.refusals import no_rule
from polyad.engine.core.values import PRIMITIVES, Binary, Primitive, Tracer, Value

__all__ = ["Dual"]

_new = object.__new__


class Dual(Tracer):
    """A value and its tangents, of shape ``(k, *value.shape)``."""

    __slots__ = ("level", "primal", "tangent")

    def __init__(self, level: int, primal: Value, tangent: Value) -> None:
        self.level = level
        self.primal = primal
        self.tangent = tangent

    # without a frame of Python's, because every operation asks several times
    shape = property(operator.attrgetter("primal.shape"))
    dtype = property(operator.attrgetter("primal.dtype"))

    def lower(self) -> Value:
        return self.primal

    def process(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        level = self.level
        push = primitive.push
        if push is None:
            raise no_rule(primitive.name, "forward")
        if len(args) == 1:
            primal = self.primal
            y = (primitive.compute if type(primal) is np.ndarray else primitive)(primal, **params)
            t = push(y, (self.tangent,), primal, **params)
            if primitive.multiple:
                return _joined(level, y, t)
            dual = _new(Dual)  # without a frame of Python's
            dual.level, dual.primal, dual.tangent = level, y, t
            return dual
        primals = []
        tangents = []
        for a in args:
            if type(a) is Dual and a.level == level:
                primals.append(a.primal)
                tangents.append(a.tangent)
            else:
                primals.append(a)
                tangents.append(None)
        y = primitive(*primals, **params)
        t = push(y, tangents, *primals, **params)
        return _joined(level, y, t) if primitive.multiple else Dual(level, y, t)

    def with_value(self, primitive: Binary, a: Value, b: Value) -> Value:
        level = self.level
        s = t = None
        if type(a) is Dual and a.level == level:
            s, a = a.tangent, a.primal
        if type(b) is Dual and b.level == level:
            t, b = b.tangent, b.primal
        y = primitive.compute(a, b) if type(a) is type(b) is np.ndarray else primitive(a, b)
        dual = _new(Dual)
        dual.level, dual.primal, dual.tangent = level, y, primitive.push(y, (s, t), a, b)  # type: ignore[misc]
        return dual

    def with_number(self, primitive: Binary, a: Value, b: Value, side: int) -> Value:
        level = self.level
        value = self.primal
        if side:
            b = value
        else:
            a = value
        y = primitive.compute(a, b) if type(value) is np.ndarray else primitive(a, b)
        dual = _new(Dual)
        dual.level, dual.primal, dual.tangent = level, y, primitive.numbers[2 * side](y, self.tangent, a, b)
        return dual

    def sliced(self, index: slice) -> Value:
        """A slice of an array: the same as ``getitem``, in fewer steps."""
        a, t = self.primal, self.tangent
        if type(a) is not np.ndarray or type(t) is not np.ndarray or t.shape[1:] != a.shape:
            return PRIMITIVES["getitem"](self, index=index)
        return Dual(self.level, a[index], t[:, index])

    def __repr__(self) -> str:
        return f"Dual({self.primal!r}, {self.tangent!r})"


def _joined(level: int, y: tuple[Value, ...], t: tuple[Value, ...]) -> tuple[Value, ...]:
    """Several results, each with its tangents where it has any."""
    return tuple(
        part if tangent is None else Dual(level, part, tangent) for part, tangent in zip(y, t, strict=True)
    )
