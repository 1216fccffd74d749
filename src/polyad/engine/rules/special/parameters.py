"""Rules of ``scipy.special``: derivatives of distribution functions by their parameters.

They have no closed form, so each is a primitive, an integral of ``integrals``; its own partials are the next
order, and by the argument the derivative of the density, which is in closed form. ``gammainc_2`` is
``gammainc`` differentiated twice by ``a``, ``betainc_2_1`` is ``betainc`` differentiated twice by ``a`` and
once by ``b``, ``stdtr_1`` is ``stdtr`` differentiated by its degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import comb

from polyad.engine.core.kinds import elementwise
from polyad.engine.core.values import Primitive, Value, base
from polyad.engine.rules.arithmetic import equal, greater, less, log, where
from polyad.engine.rules.elementwise import exp, log1p, logical_and, sqrt
from polyad.engine.rules.special import integrals
from polyad.engine.rules.special.gamma import beta_density, betaln, digamma, gamma_density, zeta

__all__ = [
    "beta_by_first",
    "beta_by_second",
    "betainc_orders",
    "gammainc_orders",
    "student_density",
    "student_orders",
]

ORDERS = 3  # of parameters, all together

gammainc_orders: dict[int, Primitive] = {}
betainc_orders: dict[tuple[int, int], Primitive] = {}
student_orders: dict[int, Primitive] = {}


def _hosted(name: str, compute: Callable[..., Value], *partials: Callable[..., Value] | None) -> Primitive:
    primitive = elementwise(name, compute, *partials)
    primitive.home = "scipy.special"
    return primitive


def _polygamma(n: int, x: Value) -> Value:
    return zeta(n + 1.0, x) * float((-1) ** (n + 1) * _FACTORIALS[n]) if n else digamma(x)


_FACTORIALS = (1, 1, 2, 6, 24)


def _logarithm(x: Value, power: Value) -> Value:
    """``log(x)``; zero where a density with that power of ``x`` is zero because ``x`` is."""
    return log(where(logical_and(equal(x, 0), greater(base(power), 0)), 1.0, x))


# -- the incomplete gamma function ------------------------------------------------------------------


def _gamma_slope(k: int, a: Value, x: Value) -> Value:
    """``gamma_density`` differentiated ``k`` times by ``a``."""
    first, known = _logarithm(x, a - 1) - digamma(a), [1.0]
    for n in range(k):
        total = first * known[n]
        for m in range(1, n + 1):
            total = total - comb(n, m) * _polygamma(m, a) * known[n - m]
        known.append(total)
    return gamma_density(a, x) * known[k]


def _gammainc_order(k: int) -> Primitive:
    return _hosted(
        f"gammainc_{k}",
        partial(integrals.gamma_moment, k),
        None if k == ORDERS else lambda a, b: gammainc_orders[k + 1](a, b),
        lambda a, b: _gamma_slope(k, a, b),
    )


gammainc_orders.update({k: _gammainc_order(k) for k in range(1, ORDERS + 1)})

# -- the incomplete beta function -------------------------------------------------------------------


def _beta_slope(i: int, j: int, a: Value, b: Value, x: Value) -> Value:
    """``beta_density`` differentiated by ``a`` and ``b``, ``i`` and ``j`` times."""
    total = digamma(a + b)
    scores = {
        (1, 0): _logarithm(x, a - 1) - digamma(a) + total,
        (0, 1): _logarithm(1 - x, b - 1) - digamma(b) + total,
    }

    def score(m: int, k: int) -> Value:
        if (m, k) not in scores:
            common = _polygamma(m + k - 1, a + b)
            own = 0.0 if m and k else _polygamma(m + k - 1, a if m else b)
            scores[m, k] = common - own
        return scores[m, k]

    return beta_density(a, b, x) * integrals.bell(i, j, score)


def _betainc_order(i: int, j: int) -> Primitive:
    last = i + j == ORDERS
    return _hosted(
        f"betainc_{i}_{j}",
        partial(integrals.beta_moment, i, j),
        None if last else lambda a, b, c: betainc_orders[i + 1, j](a, b, c),
        None if last else lambda a, b, c: betainc_orders[i, j + 1](a, b, c),
        lambda a, b, c: _beta_slope(i, j, a, b, c),
    )


betainc_orders.update(
    {(i, j): _betainc_order(i, j) for i in range(ORDERS + 1) for j in range(ORDERS + 1 - i) if i + j}
)


def beta_by_first(a: Value, b: Value, x: Value, rest: Value) -> Value:
    """The derivative of ``betainc(a, b, x)`` by ``a``, with the digits of a small ``rest = 1 - x``."""
    low = less(base(x), 0.5)
    left = betainc_orders[1, 0](a, b, where(low, x, 0.5))
    return where(low, left, -betainc_orders[0, 1](b, a, where(low, 0.5, rest)))


def beta_by_second(a: Value, b: Value, x: Value, rest: Value) -> Value:
    """The derivative of ``betainc(a, b, x)`` by ``b``."""
    return -beta_by_first(b, a, rest, x)


# -- Student's distribution -------------------------------------------------------------------------

# ``psi((n + 1) / 2) - psi(n / 2) - 1 / n``, which is a difference of nearly equal numbers
student_slope = _hosted(
    "student_slope", lambda n: integrals.student_constant(n)[1], lambda x: _student_bend(x)
)
student_constant = _hosted(
    "student_constant", lambda n: integrals.student_constant(n)[0], lambda x: student_slope(x)
)


def _student_bend(n: Value) -> Value:
    return (zeta(3.0, n / 2) - zeta(3.0, (n + 1) / 2)) / 2 - 2 / (n * n * n)


def student_density(df: Value, t: Value) -> Value:
    """The derivative of ``stdtr(df, t)`` by ``t``."""
    return exp((df + 1) / -2 * log1p(t * t / df) - betaln(0.5, df / 2)) / sqrt(df * 1.0)


def _student_turn(k: int, df: Value, t: Value) -> Value:
    """The density differentiated by the degrees of freedom."""
    square = t * t
    y = square / (df + square)
    score = (student_constant(df) + (y - log1p(square / df)) + y / df) / 2
    if k == 1:
        return student_density(df, t) * score
    slope = (student_slope(df) + (y * y - y * (2 - y) / df) / df) / 2
    return student_density(df, t) * (score * score + slope)


def _student_order(k: int) -> Primitive:
    return _hosted(
        f"stdtr_{k}",
        partial(integrals.student_moment, k),
        None if k == 2 else lambda a, b: student_orders[k + 1](a, b),
        lambda a, b: _student_turn(k, a, b),
    )


student_orders.update({k: _student_order(k) for k in (1, 2)})
