"""Rules of ``scipy.special``: derivatives of Bessel functions of the first and second kind by their order.

``jv_1`` is ``jv`` differentiated by its order once, ``yv_1`` is ``yv``. A **jet** here is a function with its
derivatives by the order, one row each.

Where the argument is large beside the order, and for the second kind at orders below 2, they are Schläfli's
integrals (DLMF 10.9.6 and 10.9.7), differentiated under the sign. Elsewhere the first kind is the power
series (10.2.2) at an order that is high enough for all its terms to fall, and from there goes down by the
recurrence in the order (10.6.1), which is stable that way; the second kind goes up by it. Negative orders
are those of both kinds at the positive one (10.4.6).
"""

from __future__ import annotations

from functools import partial
from math import comb
from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.core.kinds import elementwise
from polyad.engine.core.values import Primitive
from polyad.engine.rules.special.integrals import bell, finished, prepared

__all__ = ["jv_orders", "yv_orders"]

Array = Any
ORDERS = 3
# beyond these the results are NaN: the work grows with the argument, its square, and the order
LARGEST, LARGEST_BELOW, HIGHEST = 1000.0, 150.0, 5000.0

jv_orders: dict[int, Primitive] = {}
yv_orders: dict[int, Primitive] = {}

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


def _panels(n: int) -> tuple[Array, Array]:
    """Places and weights of so many rows of Gauss's nodes between 0 and 1."""
    starts = np.arange(n)[:, None]
    places = ((starts + (_NODES + 1) / 2) / n).ravel()
    return places[:, None], np.tile(_WEIGHTS / (2 * n), n)


def _turned(f: Any, angle: Array, order: int) -> Array:
    """The sine or the cosine, differentiated so often."""
    return f(angle + order * np.pi / 2) if order % 4 else f(angle)


def _half_turns(order: int, v: Array, cosine: bool) -> Array:
    """``cos(pi v)`` or ``sin(pi v)`` differentiated so often, exactly zero where it is."""
    turns = v + (order + cosine) / 2
    near = turns - 2 * np.round(turns / 2)
    inner = np.where(np.abs(near) > 0.5, np.sign(near) * (1 - np.abs(near)), near)
    return np.pi**order * np.sin(np.pi * inner)


def _by_integrals(count: int, v: Array, x: Array, second: bool) -> Array:
    """The jet of either kind, for ``v >= 0``."""
    places, weights = _panels(int(np.max(x + 4 * v) / 12) + 3)
    t = np.pi * places
    phase = x * np.sin(t) - v * t
    turned = np.sin if second else np.cos
    jet = [weights @ ((-t) ** k * _turned(turned, phase, k)) for k in range(count)]
    end = np.arcsinh(60 / x)
    end = np.arcsinh((60 + v * end) / x) if second else end
    places, weights = _panels(10)
    t = end * places
    down = np.exp(-x * np.sinh(t) - v * t)
    parts = [end * (weights @ ((-t) ** k * down)) / np.pi for k in range(count)]
    for k in range(count):
        jet[k] = jet[k] - sum(comb(k, m) * _half_turns(m, v, second) * parts[k - m] for m in range(k + 1))
        if second:
            up = np.exp(v * t - x * np.sinh(t))
            jet[k] = jet[k] - end * (weights @ (t**k * up)) / np.pi
    return np.array(jet)


def _by_powers(count: int, v: Array, x: Array, size: Array) -> Array:
    """The jet of the first kind over ``exp(size)``, by its series."""
    m = np.arange(40)[:, None]
    end = v + m + 1
    log = np.log(x / 2)
    terms = (-1.0) ** m * np.exp((2 * m + v) * log - sp.gammaln(m + 1) - sp.gammaln(end) - size)

    def slope(i: int, _: Any) -> Array:
        return log - sp.psi(end) if i == 1 else -sp.polygamma(i - 1, end)

    return np.array([np.sum(terms * bell(k, 0, slope), axis=0) for k in range(count)])


def _recurred(jet: Array, before: Array, v: Array, x: Array, steps: int, sign: int) -> tuple[Array, float]:
    """The jet so many orders up or down, from that at ``v`` and the one before; and the log of its unit."""
    unit = 0.0
    for _ in range(steps):
        following = 2 * v / x * jet - before
        for k in range(1, len(jet)):
            following[k] += 2 * k / x * jet[k - 1]
        jet, before = following, jet
        v = v + sign
        if sign < 0 and abs(jet[0, 0]) > 1e200:
            jet, before, unit = jet * 1e-200, before * 1e-200, unit + 200 * np.log(10.0)
    return jet, unit


def _first(count: int, v: Array, x: Array) -> Array:
    """The jet of the first kind for ``v >= 0``."""
    if x[0] > 8 and v[0] <= x[0]:
        return _by_integrals(count, v, x, second=False)
    if x[0] > LARGEST_BELOW:
        return np.full((count, 1), np.nan)
    steps = max(0, int(np.ceil(x[0] ** 2 / 4 - v[0])))
    top = v + steps
    size = top * np.log(x / 2) - sp.gammaln(top + 1) if steps else 0.0  # up there it may underflow
    jet, before = _by_powers(count, top, x, size), _by_powers(count, top + 1, x, size)
    found, unit = _recurred(jet, before, top, x, steps, -1)
    return found * np.exp(size + unit)


def _second(count: int, v: Array, x: Array) -> Array:
    """The jet of the second kind for ``v >= 0``."""
    steps = int(v[0])
    low = v - steps
    jet = _by_integrals(count, low, x, second=True)
    if not steps:
        return jet
    above = _by_integrals(count, low + 1, x, second=True)
    return _recurred(above, jet, low + 1, x, steps - 1, 1)[0]


def _moment(order: int, second: bool, v: float, x: float) -> float:
    if not (0 < x <= LARGEST and abs(v) <= HIGHEST):
        return 0.0 if x == 0 and v > 0 and not second else np.nan
    u, y = np.array([abs(v)]), np.array([x])
    if v >= 0:
        return float((_second if second else _first)(order + 1, u, y)[order, 0])
    j, n = _first(order + 1, u, y), _second(order + 1, u, y)
    a, b = (j, n) if not second else (n, -j)  # cos J - sin Y, and cos Y + sin J
    total = sum(
        comb(order, m) * (_half_turns(m, u, True) * a[order - m] - _half_turns(m, u, False) * b[order - m])
        for m in range(order + 1)
    )
    return float((-1) ** order * total[0])


def moment(order: int, second: bool, v: Array, x: Array) -> Array:
    """The derivative by the order, so often; NaN where the argument is not positive."""
    v, x, shape, dtype = prepared(v, x)
    result = np.array([_moment(order, second, float(a), float(b)) for a, b in zip(v, x, strict=True)])
    return finished(result, shape, dtype)


def _order(k: int, name: str, orders: dict[int, Primitive]) -> Primitive:
    primitive = elementwise(
        f"{name}_{k}",
        partial(moment, k, name == "yv"),
        None if k == ORDERS else lambda a, b: orders[k + 1](a, b),
        lambda a, b: (orders[k](a - 1, b) - orders[k](a + 1, b)) / 2,
    )
    primitive.home = "scipy.special"
    return primitive


for _k in range(1, ORDERS + 1):
    jv_orders[_k], yv_orders[_k] = _order(_k, "jv", jv_orders), _order(_k, "yv", yv_orders)
