"""Elementwise functions on columns of CasADi that it lacks, or whose derivative it has otherwise.

Ties share equally, a cusp has the derivative zero, and what the branch that is not taken would spoil
(``0 * inf``) gets arguments where it is finite: see ``adapter``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from polyad.systems.casadi.direct import direct

__all__ = ["RESULTS", "Forms"]

# the name of a form -> the dtype of its result, where that is not the operands'
RESULTS: dict[str, str] = {}
Form = TypeVar("Form", bound=Callable[..., Any])


def floating(form: Form) -> Form:
    """A form whose result is of floating-point numbers, whatever its operands are."""
    RESULTS[form.__name__] = "float"
    return form


def truth(form: Form) -> Form:
    """A form whose result is true or false."""
    RESULTS[form.__name__] = "bool"
    return form


class Forms:
    """The name of a primitive -> a function of columns."""

    @staticmethod
    def power(a: Any, b: Any) -> Any:
        import casadi

        if isinstance(b, float) or (isinstance(a, float) and a > 0):
            return direct("power")(a, b)
        # CasADi's partials are 0 * log(0) and 0 / 0 at a base of zero, so that has a branch of its own:
        # small whole exponents multiplied out, larger ones zero, others by half a power of their kind.
        zero, whole = casadi.eq(a, 0.0), casadi.logic_and(casadi.ge(b, 0.0), casadi.eq(casadi.floor(b), b))
        infinite = casadi.logic_and(zero, casadi.logic_not(whole))
        product, at_zero = 1.0, casadi.if_else(casadi.eq(b, 0.0), 1.0, 0.0)
        for k in range(1, 5):
            product = product * a
            at_zero = at_zero + casadi.if_else(casadi.eq(b, float(k)), product, 0.0)
        half = casadi.power(casadi.if_else(infinite, a, 1.0), casadi.floor(b) + 0.5)
        at_zero = casadi.if_else(whole, at_zero, half)
        return casadi.if_else(zero, at_zero, casadi.power(casadi.if_else(zero, 1.0, a), b))

    @staticmethod
    @truth
    def isnan(x: Any) -> Any:
        import casadi

        # CasADi takes x != x for false
        return casadi.logic_not(casadi.logic_or(casadi.le(x, 0.0), casadi.gt(x, 0.0)))

    @staticmethod
    @truth
    def isinf(x: Any) -> Any:
        import casadi

        return casadi.eq(casadi.fabs(x), math.inf)

    @staticmethod
    @truth
    def isfinite(x: Any) -> Any:
        import casadi

        return casadi.lt(casadi.fabs(x), math.inf)

    @staticmethod
    @truth
    def signbit(x: Any) -> Any:
        import casadi

        return casadi.lt(casadi.copysign(1.0, x), 0.0)

    @staticmethod
    def leg(x: Any) -> Any:
        import casadi

        return casadi.sqrt((1.0 - x) * (1.0 + x))

    # CasADi's own slopes of these lose their digits beside one

    @staticmethod
    @floating
    def arcsin(x: Any) -> Any:
        import casadi

        return casadi.atan2(x, Forms.leg(x))

    @staticmethod
    @floating
    def arccos(x: Any) -> Any:
        import casadi

        return casadi.atan2(Forms.leg(x), x)

    @staticmethod
    @floating
    def arctanh(x: Any) -> Any:
        import casadi

        return 0.5 * (casadi.log1p(x) - casadi.log1p(-x))

    @staticmethod
    @floating
    def ldexp(a: Any, b: Any) -> Any:
        return a * Forms.exp2(b)

    @staticmethod
    def square(x: Any) -> Any:
        return x * x

    @staticmethod
    def reciprocal(x: Any) -> Any:
        return 1.0 / x

    @staticmethod
    @floating
    def exp2(x: Any) -> Any:
        import casadi

        return casadi.power(2.0, x)

    @staticmethod
    @floating
    def log2(x: Any) -> Any:
        import casadi

        return casadi.log(x) / math.log(2.0)

    @staticmethod
    @floating
    def cbrt(x: Any) -> Any:
        import casadi

        # the slope at zero is infinite, 0 * inf by CasADi's rules; that of a root is as well
        zero = casadi.eq(x, 0.0)
        rest = casadi.if_else(zero, 1.0, x)
        root = casadi.sign(rest) * casadi.power(casadi.fabs(rest), 1.0 / 3.0)
        return casadi.if_else(zero, casadi.sqrt(casadi.if_else(zero, x, 1.0)), root)

    @staticmethod
    @floating
    def deg2rad(x: Any) -> Any:
        return x * (math.pi / 180.0)

    @staticmethod
    @floating
    def rad2deg(x: Any) -> Any:
        return x * (180.0 / math.pi)

    @staticmethod
    @floating
    def hypot(a: Any, b: Any) -> Any:
        import casadi

        # the derivative at the origin is zero by convention, 0 / 0 by CasADi's rule; there is no second one
        origin = casadi.logic_and(casadi.eq(a, 0.0), casadi.eq(b, 0.0))
        cone = (a * a + b * b) ** 1.5
        return casadi.if_else(origin, cone, casadi.hypot(casadi.if_else(origin, 1.0, a), b))

    @staticmethod
    @floating
    def arctan2(a: Any, b: Any) -> Any:
        import casadi

        # zero at the origin, 0 / 0 by CasADi's rule
        origin = casadi.logic_and(casadi.eq(a, 0.0), casadi.eq(b, 0.0))
        return casadi.if_else(origin, 0.0, casadi.atan2(a, casadi.if_else(origin, 1.0, b)))

    @staticmethod
    @floating
    def logaddexp(a: Any, b: Any) -> Any:
        import casadi

        # both branches are the same smooth function, so its derivatives are right at ties as well;
        # equal infinities share equally
        tie = casadi.logic_and(casadi.eq(a, b), Forms.isinf(a))
        shared = 0.5 * a + 0.5 * b
        a, b = casadi.if_else(tie, 0.0, a), casadi.if_else(tie, 0.0, b)
        first = casadi.gt(a, b)
        head, gap = casadi.if_else(first, a, b), casadi.if_else(first, b - a, a - b)
        return casadi.if_else(tie, shared, head + casadi.log1p(casadi.exp(gap)))

    @staticmethod
    @floating
    def logaddexp2(a: Any, b: Any) -> Any:
        ln2 = math.log(2.0)
        return Forms.logaddexp(a * ln2, b * ln2) / ln2

    @staticmethod
    def maximum(a: Any, b: Any) -> Any:
        import casadi

        tie = 0.5 * a + 0.5 * b  # ties share equally; not a number stays so
        return casadi.if_else(casadi.gt(a, b), a, casadi.if_else(casadi.lt(a, b), b, tie))

    @staticmethod
    def minimum(a: Any, b: Any) -> Any:
        import casadi

        tie = 0.5 * a + 0.5 * b
        return casadi.if_else(casadi.lt(a, b), a, casadi.if_else(casadi.gt(a, b), b, tie))

    @staticmethod
    def fmax(a: Any, b: Any) -> Any:
        return Forms._valid(Forms.maximum, a, b)

    @staticmethod
    def fmin(a: Any, b: Any) -> Any:
        return Forms._valid(Forms.minimum, a, b)

    @staticmethod
    def _valid(best: Callable[..., Any], a: Any, b: Any) -> Any:
        import casadi

        rest = casadi.if_else(Forms.isnan(b), a, best(a, b))
        return casadi.if_else(Forms.isnan(a), b, rest)

    @staticmethod
    def fmod(a: Any, b: Any) -> Any:
        import casadi

        return casadi.fmod(a, b)

    @staticmethod
    def remainder(a: Any, b: Any) -> Any:
        import casadi

        rest = casadi.fmod(a, b)
        return rest + casadi.if_else(casadi.lt(rest * casadi.sign(b), 0.0), b, 0.0)

    @staticmethod
    def floor_divide(a: Any, b: Any) -> Any:
        import casadi

        whole = casadi.floor((a - Forms.remainder(a, b)) / b + 0.5)
        return casadi.if_else(casadi.eq(b, 0.0), a / b, whole)

    @staticmethod
    def trunc(x: Any) -> Any:
        import casadi

        return casadi.if_else(casadi.lt(x, 0.0), casadi.ceil(x), casadi.floor(x))

    @staticmethod
    def rint(x: Any) -> Any:
        import casadi

        return x - casadi.remainder(x, 1.0)

    @staticmethod
    @floating
    def heaviside(x: Any, h: Any) -> Any:
        import casadi

        return casadi.if_else(casadi.eq(x, 0.0), h, casadi.if_else(casadi.gt(x, 0.0), 1.0, 0.0))

    @staticmethod
    @floating
    def expit(x: Any) -> Any:
        import casadi

        negative = casadi.lt(x, 0.0)
        e = casadi.exp(casadi.if_else(negative, x, -x))
        return casadi.if_else(negative, e, 1.0) / (1.0 + e)

    @staticmethod
    @floating
    def logit(x: Any) -> Any:
        import casadi

        return casadi.log(x / (1.0 - x))
