"""Special functions in terms of others, for libraries that lack them.

Each is written so that it loses no digits, and that its derivatives are right to every order where a
framework takes them from the formula: a branch that is not taken sees arguments for which it is finite.
What has no such form is not here; ``scipy_values`` computes it by SciPy where that is possible, and it is
refused by name elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.kinds import DECOMPOSITIONS, traced
from polyad.engine.core.values import Value
from polyad.engine.rules.arithmetic import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    not_equal,
    power,
    where,
)
from polyad.engine.rules.elementwise import (
    absolute,
    cos,
    exp,
    exp2,
    expm1,
    floor,
    isnan,
    log1p,
    logaddexp,
    logical_and,
    maximum,
    minimum,
    rint,
    sign,
    sin,
    sqrt,
)
from polyad.engine.rules.special.gamma import near_zero

__all__ = ["DECOMPOSITIONS"]

Form = Callable[..., Value]


def form(f: Form) -> Form:
    """Decorate a function that stands for the primitive of its name."""
    DECOMPOSITIONS[f.__name__] = f
    return f


# -- elementary -------------------------------------------------------------------------------------


@form
def leg(x: Value) -> Value:
    return sqrt((1 - x) * (1 + x))


@form
def cbrt(x: Value) -> Value:
    return sign(x) * power(absolute(x), 1 / 3)


@form
def heaviside(x: Value, h: Value) -> Value:
    return where(equal(x, 0), h, where(isnan(x), x, where(greater(x, 0), 1.0, 0.0)))


@form
def fmax(a: Value, b: Value) -> Value:
    return where(isnan(a), b, where(isnan(b), a, maximum(a, b)))


@form
def fmin(a: Value, b: Value) -> Value:
    return where(isnan(a), b, where(isnan(b), a, minimum(a, b)))


@form
def ldexp(x: Value, n: Value) -> Value:
    return x * exp2(n * 1.0)


@form
def exp10(x: Value) -> Value:
    return power(10.0, x)


@form
def cosm1(x: Value) -> Value:
    half = sin(x / 2)
    return half * half * -2


@form
def log_expit(x: Value) -> Value:
    return -logaddexp(0.0, -x)


@form
def radian(d: Value, m: Value, s: Value) -> Value:
    return (d + m / 60 + s / 3600) * (np.pi / 180)


def _degrees(f: Form) -> Form:
    """Of degrees, whose whole turns are dropped before they become radians."""
    return lambda x: f((x - 360 * rint(x / 360)) * (np.pi / 180))


DECOMPOSITIONS["sindg"], DECOMPOSITIONS["cosdg"] = _degrees(sin), _degrees(cos)


@form
def gammasgn(x: Value) -> Value:
    below = floor(x)
    turn = 1 - 2 * (below - 2 * floor(below / 2))
    pole = logical_and(less(x, 0), equal(x, below))
    return where(greater_equal(x, 0), 1.0, where(pole, np.nan, turn))


# -- entropies --------------------------------------------------------------------------------------


@form
def xlogy(a: Value, b: Value) -> Value:
    free = logical_and(equal(a, 0), less_equal(b, 0))
    return a * log(where(free, 1.0, b))


@form
def xlog1py(a: Value, b: Value) -> Value:
    free = logical_and(equal(a, 0), less_equal(b, -1))
    return a * log1p(where(free, 0.0, b))


@form
def entr(x: Value) -> Value:
    positive, valid = greater(x, 0), greater_equal(x, 0)
    safe = where(positive, x, 1.0)
    return where(positive, -safe * log(safe), _cusp(x, valid, 1) - _outside(x, valid))


@form
def rel_entr(a: Value, b: Value) -> Value:
    return _relative(a, b, lambda a, b: a * log(a / b), 0.0)


@form
def kl_div(a: Value, b: Value) -> Value:
    return _relative(a, b, lambda a, b: a * log(a / b) - a + b, b)


def _relative(a: Value, b: Value, inside: Form, edge: Value) -> Value:
    """``inside`` where both are positive, ``edge`` where the first is zero, infinite elsewhere."""
    both = logical_and(greater(a, 0), greater(b, 0))
    value = inside(where(both, a, 1.0), where(both, b, 1.0))
    valid = logical_and(equal(a, 0), greater_equal(b, 0))
    return where(both, value, edge + _cusp(a, valid, -1) + _outside(a + b, valid))


def _cusp(x: Value, valid: Value, turn: int) -> Value:
    """Zero with the infinite slope that ``x log(x)`` has at zero."""
    zero = logical_and(valid, equal(x, 0))
    return where(zero, turn * sqrt(where(zero, x, 1.0)), 0.0)


def _outside(x: Value, valid: Value) -> Value:
    """Zero where a point is valid, infinity where it is not, NaN where it is NaN."""
    return where(valid, 0.0, absolute(where(valid, 1.0, x)) + np.inf)


# -- powers and losses ------------------------------------------------------------------------------


@form
def exprel(x: Value) -> Value:
    return near_zero(x, 0.5, _exprel_series, lambda t: expm1(t) / t)


def _exprel_series(x: Value) -> Value:
    tail: Value = 1.0
    for k in range(18, 1, -1):
        tail = 1 + x * tail / k
    return tail


@form
def boxcox(x: Value, power: Value) -> Value:
    zero = equal(x, 0)
    return _boxcox(log(where(zero, 1.0, x)), x, zero, power)


@form
def boxcox1p(x: Value, power: Value) -> Value:
    zero = equal(x, -1)
    return _boxcox(log1p(where(zero, 0.0, x)), 1 + x, zero, power)


def _boxcox(size: Value, x: Value, zero: Value, exponent: Value) -> Value:
    # of a base of zero by its definition, for positive powers and, infinite, for others
    p = where(logical_and(zero, not_equal(exponent, 0)), exponent, -1.0)
    at_zero = (power(where(zero, x, 1.0), p) - 1) / p
    # a series where the quotient is 0 / 0, whose slope would lose digits elsewhere
    t = exponent * size
    small = less(absolute(t), 0.5)
    near = size * _exprel_series(where(small, t, 0.0))
    far = expm1(where(small, 1.0, t)) / where(small, 1.0, exponent)
    return where(zero, at_zero, where(small, near, far))


def _logrel(t: Value) -> Value:
    """``log1p(t) / t``: by ``2 artanh(s)`` with ``s = t / (2 + t)`` where the quotient is ``0 / 0``."""
    return near_zero(t, 0.3, _logrel_series, lambda t: log1p(t) / t)


def _logrel_series(t: Value) -> Value:
    s = t / (2 + t)
    q, tail = s * s, 0.0
    for k in range(25, 0, -2):
        tail = 1 / k + q * tail
    return 2 * tail / (2 + t)


@form
def inv_boxcox(y: Value, power: Value) -> Value:
    return exp(y * _logrel(y * power))


@form
def inv_boxcox1p(y: Value, power: Value) -> Value:
    return expm1(y * _logrel(y * power))


@form
def huber(delta: Value, r: Value) -> Value:
    size = absolute(r)
    inner, outer = r * r / 2, delta * (size - delta / 2)
    # their first derivatives agree at the threshold; the second is shared there
    value = where(less(size, delta), inner, where(greater(size, delta), outer, inner / 2 + outer / 2))
    return where(less(delta, 0), np.inf, value)


@form
def pseudo_huber(delta: Value, r: Value) -> Value:
    s = r / delta
    return r * r / (1 + sqrt(1 + s * s))


# -- integrals by the arithmetic-geometric mean (DLMF 19.8) -----------------------------------------

# enough for a ratio of 1e-300: it takes its square root at every step, and the last five are quadratic
_STEPS = 16


@form
def agm(a: Value, b: Value) -> Value:
    turn = sign(a)
    zero, mixed = equal(a * b, 0), less(turn * sign(b), 0)
    p, q = (where(zero, 1.0, absolute(v)) for v in (a, b))
    for _ in range(_STEPS):
        p, q = (p + q) / 2, sqrt(p) * sqrt(q)
    return where(zero, 0.0, where(mixed, np.nan, turn * p))


@form
def ellipk(m: Value) -> Value:
    return np.pi / 2 / agm(1.0, sqrt(1 - m))


@form
def ellipkm1(p: Value) -> Value:
    return np.pi / 2 / agm(1.0, sqrt(p))


# -- orthogonal polynomials of a known degree, by their recurrences (DLMF 18.9) ---------------------


def _polynomial(start: Callable[..., tuple[Value, Value]], step: Callable[..., Value]) -> Form:
    """From the polynomials of degrees 0 and 1 and ``step(k, p[k-1], p[k-2], *rest)``."""

    def evaluate(n: Any, *rest: Value) -> Value:
        if traced(n) or np.ndim(n) or n != int(n) or not 0 <= n <= 200:
            return NotImplemented
        before, p = start(*rest)
        before = before + rest[-1] * 0.0
        for k in range(2, int(n) + 1):
            before, p = p, step(k, p, before, *rest)
        return p if n else before

    return evaluate


def _jacobi(k: int, p: Value, q: Value, a: Value, b: Value, x: Value) -> Value:
    s = 2 * k + a + b
    ahead = (s - 1) * (s * (s - 2) * x + a * a - b * b) * p - 2 * (k + a - 1) * (k + b - 1) * s * q
    return ahead / (2 * k * (k + a + b) * (s - 2))


_CHEBYSHEV: Form = lambda k, p, q, x: 2 * x * p - q  # noqa: E731
_RECURRENCES: dict[str, tuple[Form, Form]] = {
    "eval_legendre": (lambda x: (1.0, x), lambda k, p, q, x: ((2 * k - 1) * x * p - (k - 1) * q) / k),
    "eval_chebyt": (lambda x: (1.0, x), _CHEBYSHEV),
    "eval_chebyu": (lambda x: (1.0, 2 * x), _CHEBYSHEV),
    "eval_chebyc": (lambda x: (2.0, x), lambda k, p, q, x: x * p - q),
    "eval_chebys": (lambda x: (1.0, x), lambda k, p, q, x: x * p - q),
    "eval_hermite": (lambda x: (1.0, 2 * x), lambda k, p, q, x: 2 * x * p - 2 * (k - 1) * q),
    "eval_hermitenorm": (lambda x: (1.0, x), lambda k, p, q, x: x * p - (k - 1) * q),
    "eval_laguerre": (lambda x: (1.0, 1 - x), lambda k, p, q, x: ((2 * k - 1 - x) * p - (k - 1) * q) / k),
    "eval_genlaguerre": (
        lambda a, x: (1.0, 1 + a - x),
        lambda k, p, q, a, x: ((2 * k - 1 + a - x) * p - (k + a - 1) * q) / k,
    ),
    "eval_gegenbauer": (
        lambda a, x: (1.0, 2 * a * x),
        lambda k, p, q, a, x: (2 * x * (k + a - 1) * p - (k + 2 * a - 2) * q) / k,
    ),
    "eval_jacobi": (lambda a, b, x: (1.0, a + 1 + (a + b + 2) * (x - 1) / 2), _jacobi),
}
for _name, (_start, _step) in _RECURRENCES.items():
    DECOMPOSITIONS[_name] = _polynomial(_start, _step)


def _shifted(name: str) -> Form:
    evaluate = DECOMPOSITIONS[name]
    return lambda n, x: evaluate(n, 2 * x - 1)


for _name in ("chebyt", "chebyu", "legendre"):
    DECOMPOSITIONS[f"eval_sh_{_name}"] = _shifted(f"eval_{_name}")
