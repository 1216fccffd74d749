"""Rules of ``scipy.special``: derivatives of zeta and of modified Bessel functions by their order.

``zeta_1`` is ``zeta`` differentiated by its exponent, ``kve_1`` is ``kve`` differentiated by its order.

The zeta function is summed by Euler and Maclaurin's formula (DLMF 25.11.28) on truncated power series in the
exponent. Bessel's is the integral of ``exp(-x cosh(t)) cosh(v t)`` (DLMF 10.32.9), whose integrand is even
and falls doubly exponentially, so that the sum over equidistant points is right to rounding.

``ive_1`` is ``ive`` differentiated by its order: integrals (DLMF 10.32.4) where the order is small beside
the root of the argument, the power series (10.25.2), all of whose terms are positive, elsewhere.
"""

from __future__ import annotations

from functools import partial
from math import comb, factorial
from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.core.kinds import elementwise
from polyad.engine.core.values import PRIMITIVES, Primitive, Value
from polyad.engine.rules.special.integrals import bell, finished, prepared

__all__ = ["ive_orders", "kve_orders", "zeta_orders"]

Array = Any
ORDERS = 3

ive_orders: dict[int, Primitive] = {}
kve_orders: dict[int, Primitive] = {}
zeta_orders: dict[int, Primitive] = {}

# -- Hurwitz's zeta function --------------------------------------------------------------------------

_TERMS = 24
_BERNOULLI = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
    -174611 / 330,
)


def _product(a: list[Array], b: list[Array]) -> list[Array]:
    return [sum(a[i] * b[k - i] for i in range(k + 1)) for k in range(len(a))]


def zeta_moment(order: int, s: Array, q: Array) -> Array:
    """The derivative of ``zeta(s, q)`` by ``s``, ``order`` times; NaN outside of ``s > 1``, ``q > 0``."""
    s, q, shape, dtype = prepared(s, q)
    inside = (s > 1) & (q > 0) & np.isfinite(s) & np.isfinite(q)
    s, q = np.where(inside, s, 2.0), np.where(inside, q, 1.0)
    n = np.arange(_TERMS)[:, None] + q
    sign = (-1.0) ** order
    head = sign * np.sum(np.log(n) ** order * n**-s, axis=0)

    end = q + _TERMS
    log = np.log(end)
    powers = [end**-s * (-log) ** k / factorial(k) for k in range(order + 1)]
    tail = _product([end / (s - 1) * (-1 / (s - 1)) ** k for k in range(order + 1)], powers)
    tail = [t + p / 2 for t, p in zip(tail, powers, strict=True)]
    rising = [s, np.ones_like(s), *(0.0 * s for _ in range(order))][: order + 1]
    scale = 1 / end
    for j, b in enumerate(_BERNOULLI, 1):
        term = _product(rising, powers)
        tail = [t + b / factorial(2 * j) * scale * u for t, u in zip(tail, term, strict=True)]
        for m in (2 * j - 1, 2 * j):
            rising = [(s + m) * rising[k] + (rising[k - 1] if k else 0.0) for k in range(order + 1)]
        scale = scale / (end * end)
    return finished(np.where(inside, head + factorial(order) * tail[order], np.nan), shape, dtype)


def _zeta_order(k: int) -> Primitive:
    def before(a: Value, b: Value) -> Value:
        return zeta_orders[k - 1](a, b) if k > 1 else PRIMITIVES["zeta"](a, b)

    primitive = elementwise(
        f"zeta_{k}",
        partial(zeta_moment, k),
        None if k == ORDERS else lambda a, b: zeta_orders[k + 1](a, b),
        lambda a, b: -(a * zeta_orders[k](a + 1, b) + k * before(a + 1, b)),
    )
    primitive.home = "scipy.special"
    return primitive


# -- modified Bessel functions ------------------------------------------------------------------------

_FAR, _CHUNK = 40.0, 256


def kve_moment(order: int, v: Array, x: Array) -> Array:
    """The derivative of ``kve(v, x)`` by ``v``, ``order`` times; NaN where ``x`` is not positive."""
    v, x, shape, dtype = prepared(v, x)
    inside = (x > 0) & np.isfinite(x) & np.isfinite(v)
    order_of = np.abs(np.where(inside, v, 0.0))
    result = np.empty(x.shape)
    for start in range(0, x.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        result[part] = _bessel(order, order_of[part], np.where(inside, x, 1.0)[part])
    turn = np.sign(v) if order % 2 else 1.0
    return finished(np.where(inside, turn * result, np.nan), shape, dtype)


def _bessel(order: int, v: Array, x: Array) -> Array:
    peak, width = np.arcsinh(v / x), np.hypot(x, v)
    last = peak + np.arccosh(1 + _FAR / width)
    reach = np.sqrt(3 * _FAR / width)
    first = np.where(reach <= 1, np.maximum(peak - reach, 0.0), 0.0)
    step = np.minimum(0.2, 0.6 / np.sqrt(width))
    n = int(np.ceil(((last - first) / step).max())) + 1
    step = (last - first) / n
    t = first + step * np.arange(n + 1)[:, None]
    height = v * peak - 2 * x * np.sinh(peak / 2) ** 2
    up = v * t - 2 * x * np.sinh(t / 2) ** 2 - height
    f = np.exp(up) * (1 + (-1.0) ** order * np.exp(-2 * v * t)) / 2 * t**order
    f[0] *= np.where(first > 0, 1.0, 0.5)
    return np.exp(height) * step * f.sum(axis=0)


def _kve_order(k: int) -> Primitive:
    primitive = elementwise(
        f"kve_{k}",
        partial(kve_moment, k),
        None if k == ORDERS else lambda a, b: kve_orders[k + 1](a, b),
        lambda a, b, y: y - (kve_orders[k](a - 1, b) + kve_orders[k](a + 1, b)) / 2,
    )
    primitive.home = "scipy.special"
    return primitive


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(128)
_NODES, _WEIGHTS = ((_NODES + 1) / 2)[:, None], _WEIGHTS / 2


def ive_moment(order: int, v: Array, x: Array) -> Array:
    """The derivative of ``ive(v, x)`` by ``v``, ``order`` times; NaN where ``x`` is not positive."""
    v, x, shape, dtype = prepared(v, x)
    inside = (x > 0) & np.isfinite(x) & np.isfinite(v)
    result = np.where((x == 0) & (v > 0), 0.0, np.nan)
    for start in range(0, x.size, _CHUNK):
        part = np.arange(start, min(start + _CHUNK, x.size))
        part = part[inside[part]]
        u, y = np.abs(v[part]), x[part]
        small = (u * u < 4 * y) & (y > 2)
        found = np.empty(part.shape)
        for which, by in ((small, _by_angle), (~small, _by_powers)):
            if which.any():
                found[which] = by(order, u[which], y[which])
        mirrored = v[part] < 0
        if mirrored.any():  # I(-u) is I(u) and a multiple of K(u)
            u, y = u[mirrored], y[mirrored]
            second = [kve_moment(m, u, y) if m else sp.kve(u, y) for m in range(order + 1)]
            more = sum(comb(order, m) * _sine(m, u) * second[order - m] for m in range(order + 1))
            found[mirrored] = (-1) ** order * (found[mirrored] + 2 / np.pi * np.exp(-2 * y) * more)
        result[part] = found
    return finished(result, shape, dtype)


def _sine(order: int, v: Array) -> Array:
    """``sin(pi v)`` differentiated so often."""
    angle = np.pi * (v % 2)
    turned = (np.sin, np.cos, lambda a: -np.sin(a), lambda a: -np.cos(a))[order % 4](angle)
    return np.pi**order * turned


def _by_angle(order: int, v: Array, x: Array) -> Array:
    """By integrals over an angle and over an exponent, as far as anything is left of them."""
    end = np.minimum(np.pi, np.pi * np.sqrt(_FAR / (2 * x)))
    t = end * _NODES
    turned = (np.cos, lambda a: -np.sin(a), lambda a: -np.cos(a), np.sin)[order % 4](v * t)
    first = end * (_WEIGHTS @ (np.exp(-2 * x * np.sin(t / 2) ** 2) * t**order * turned)) / np.pi
    end = np.arccosh(1 + _FAR / x)
    t = end * _NODES
    f = np.exp(-2 * x * np.sinh(t / 2) ** 2 - v * t)
    second = 0.0
    for m in range(order + 1):
        part = end * (_WEIGHTS @ (f * (-t) ** (order - m)))
        second = second + comb(order, m) * _sine(m, v) * part
    return first - np.exp(-2 * x) * second / np.pi


def _by_powers(order: int, v: Array, x: Array) -> Array:
    """By the terms around the largest."""
    peak = x * x / (2 * (np.sqrt(v * v + x * x) + v))
    width = np.sqrt(peak * (v + peak) / (v + 2 * peak + 1e-300))
    first = np.floor(np.maximum(peak - 10 * width - 10, 0.0))
    n = int(np.ceil((peak + 10 * width + 30 - first).max()))
    k = first + np.arange(n)[:, None]
    end = v + k + 1
    log = np.log(x / 2)
    terms = np.exp((2 * k + v) * log - sp.gammaln(k + 1) - sp.gammaln(end) - x)
    weight = bell(order, 0, lambda i, _: log - sp.psi(end) if i == 1 else -sp.polygamma(i - 1, end))
    return np.sum(terms * weight, axis=0)


def _ive_order(k: int) -> Primitive:
    primitive = elementwise(
        f"ive_{k}",
        partial(ive_moment, k),
        None if k == ORDERS else lambda a, b: ive_orders[k + 1](a, b),
        lambda a, b, y: (ive_orders[k](a - 1, b) + ive_orders[k](a + 1, b)) / 2 - y,
    )
    primitive.home = "scipy.special"
    return primitive


ive_orders.update({k: _ive_order(k) for k in range(1, ORDERS + 1)})
zeta_orders.update({k: _zeta_order(k) for k in range(1, ORDERS + 1)})
kve_orders.update({k: _kve_order(k) for k in range(1, ORDERS + 1)})
