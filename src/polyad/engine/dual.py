"""Forward mode: a value with its tangents.

Tangents stand in a row along a leading axis, so one run of the function carries any number of
directions in vectorised operations (Griewank and Walther, Evaluating Derivatives, 2nd ed., 2008,
section 3.1). A constant has no tangents rather than zeros.
"""

from __future__ import annotations

from typing import Any

from polyad.engine.core import Primitive, Tracer, Value
from polyad.engine.refuse import no_rule

__all__ = ["Dual"]


class Dual(Tracer):
    """A value and its tangents, of shape ``(k, *value.shape)``."""

    __slots__ = ("level", "primal", "tangent")

    def __init__(self, level: int, primal: Value, tangent: Value) -> None:
        self.level = level
        self.primal = primal
        self.tangent = tangent

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.primal.shape

    @property
    def dtype(self) -> Any:  # type: ignore[override]
        return self.primal.dtype

    def lower(self) -> Value:
        return self.primal

    def process(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        level = self.level
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
        push = primitive.push
        if push is None:
            raise no_rule(primitive.name, "forward")
        t = push(y, tangents, *primals, **params)
        if primitive.multiple:
            return tuple(
                part if tangent is None else Dual(level, part, tangent)
                for part, tangent in zip(y, t, strict=True)
            )
        return y if t is None else Dual(level, y, t)

    def __repr__(self) -> str:
        return f"Dual({self.primal!r}, {self.tangent!r})"


def split(value: Value, level: int) -> tuple[Value, Value | None]:
    """Primal and tangents of a value at a level."""
    if type(value) is Dual and value.level == level:
        return value.primal, value.tangent
    return value, None
