"""Taylor mode: a value with the coefficients of its expansion.

A ``Series`` stands for ``c[0] + c[1] t + ... + c[k] t**k``; each coefficient has the shape of the value.
Linear operations act on every coefficient, products convolve them, and everything else follows from
its differential equation, coefficient by coefficient (Griewank and Walther, Evaluating Derivatives,
2nd ed., 2008, section 13.2). Doubling the order multiplies the work by a fixed number, where nested
first derivatives would square it. ``rules.taylor`` fills ``RULES``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from polyad.engine.core.kinds import PARTIALS
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Primitive, Tracer, Value

__all__ = ["BILINEAR", "ELEMENTWISE", "LINEAR", "RULED", "RULES", "Series", "order_of", "rule_of"]

# name of a primitive -> rule(primitive, order, operands, params): the coefficients of the result. An
# operand is the list of its coefficients, or a value where it is constant.
RULES: dict[str, Callable[..., Any]] = {}

# Names of primitives that are linear in all operands that are expanded, and in each of two of them.
LINEAR: set[str] = set()
BILINEAR: set[str] = set()

# The row of ``RULES`` for elementwise primitives that have none of their own: it uses their partials.
ELEMENTWISE = "any elementwise primitive"

# The row for functions with rules of the user's, which are written in NumPy for any values.
RULED = "any function with a rule of the user's"


class Series(Tracer):
    """A value and the coefficients of its expansion, the value first."""

    __slots__ = ("coefficients", "level")

    def __init__(self, level: int, coefficients: Sequence[Value]) -> None:
        self.level = level
        self.coefficients = list(coefficients)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.coefficients[0].shape

    @property
    def dtype(self) -> Any:
        return self.coefficients[0].dtype

    def lower(self) -> Value:
        return self.coefficients[0]

    def process(self, primitive: Primitive, args: tuple[Value, ...], params: dict[str, Any]) -> Value:
        level = self.level
        operands = [a.coefficients if type(a) is Series and a.level == level else a for a in args]
        result = rule_of(primitive)(primitive, len(self.coefficients) - 1, operands, params)
        if primitive.multiple:
            return tuple(Series(level, part) for part in result)
        return Series(level, result)

    def __repr__(self) -> str:
        return f"Series({self.coefficients!r})"


def rule_of(primitive: Primitive) -> Callable[..., Any]:
    """The rule of a primitive, or the named error."""
    name = primitive.name
    rule = RULES.get(name)
    if rule is None and name in PARTIALS:
        rule = RULES[ELEMENTWISE]
    if rule is None and primitive.home == "user" and primitive.push is not None:
        rule = RULES[RULED]
    if rule is None:
        raise refuse(
            f"{name} has no Taylor rule", "nest polyad.jvp for the first few orders, or use other functions"
        )
    return rule


def order_of(value: Value) -> int:
    """How far a value is expanded: 0 where it is not, the sum where an expansion is within another."""
    order = 0
    while isinstance(value, Tracer) and value.level > 0:
        if type(value) is Series:
            order += len(value.coefficients) - 1
        value = value.lower()
    return order
