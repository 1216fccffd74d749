"""Derivatives of distribution functions by their parameters, as integrals.

A distribution function is an integral of a density. Its derivative by a parameter is the integral of the
density times a **weight**, the score ``w = d log(density) / da``, and the second derivative that of
``w**2 + dw/da``. Over all points these integrals vanish, so each is taken over the tail that has fewer
changes of sign, and keeps its relative digits there.

The integrals are those of an analytic function that falls exponentially, ``s`` from zero to infinity. With
``s = c exp(t - exp(-t))`` they fall doubly exponentially in ``t``, and the sum over equidistant ``t`` is
right to rounding (Takahasi and Mori, Double exponential formulas for numerical integration, 1974). ``c`` is
the smallest scale of the integrand, and the number of points grows with the logarithm of the ratio of the
largest to it.

Stirling's error and the deviance, which keep the digits of densities of large parameters, are those of
Loader, Fast and accurate computation of binomial probabilities, 2000.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np
import scipy.special as sp

__all__ = [
    "bell",
    "beta_moment",
    "finished",
    "gamma_moment",
    "prepared",
    "student_constant",
    "student_moment",
]

Array = Any
Weight = Callable[..., Array]

# the step in ``t``; the first ``t``; beyond that exponent nothing is left
_STEP, _LEFT, _FAR = 0.15, -3.5, 40.0
_CHUNK = 256  # integrals at a time: their points stay in the cache


def _integrals(f: Weight, small: Array, large: Array, *operands: Array) -> Array:
    """``f(s, *operands)`` summed from zero to infinity, given the smallest scale of ``s`` and its end."""
    result = np.empty(small.shape)
    for start in range(0, small.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        c = small[part]
        last = np.log(np.maximum(large[part] / c, 1.0)) + 0.3
        n = int(np.ceil((last.max() - _LEFT) / _STEP)) + 1
        step = (last - _LEFT) / (n - 1)
        t = _LEFT + step * np.arange(n)[:, None]
        e = np.exp(-t)
        s = c * np.exp(t - e)
        result[part] = np.einsum("ij,ij->j", f(s, *(a[part] for a in operands)), s * (1 + e)) * step
    return result


# -- densities --------------------------------------------------------------------------------------

_LOG_ROOT_2PI = 0.5 * float(np.log(2 * np.pi))
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


def _stirling_error(a: Array) -> Array:
    """``log(gamma(a + 1))`` less Stirling's formula ``(a + 1/2) log(a) - a + log(2 pi) / 2``."""
    far = a > 15
    big = np.where(far, a, 15.0)
    q, tail = 1 / (big * big), np.zeros_like(big)
    for k in reversed(_STIRLING):
        tail = k + q * tail
    near = np.where(far, 1.0, a)
    direct = sp.gammaln(near + 1) - (near + 0.5) * np.log(near) + near - _LOG_ROOT_2PI
    return np.where(far, tail / big, direct)


def _deviance(a: Array, m: Array, surplus: Array) -> Array:
    """``a log(a / m) + m - a`` for ``m = a + surplus``, each of which has all its digits."""
    d = surplus / a
    near = np.abs(d) < 0.5
    return a * (d - np.where(near, np.log1p(np.where(near, d, 0.0)), np.log(m / a)))


def _gamma_front(a: Array, x: Array) -> Array:
    """``x**a exp(-x) / gamma(a)``."""
    return np.sqrt(a / (2 * np.pi)) * np.exp(-_stirling_error(a) - _deviance(a, x, x - a))


def _beta_front(a: Array, b: Array, x: Array, rest: Array) -> Array:
    """``x**a rest**b / beta(a, b)`` for ``rest = 1 - x``."""
    n = a + b
    surplus = b * x - a * rest
    error = _stirling_error(n) - _stirling_error(a) - _stirling_error(b)
    exponent = error - _deviance(a, n * x, surplus) - _deviance(b, n * rest, -surplus)
    return np.sqrt(a / n * b / (2 * np.pi)) * np.exp(exponent)


def _polygamma(n: int, x: Array) -> Array:
    return sp.psi(x) if n == 0 else (-1.0) ** (n + 1) * sp.gamma(n + 1) * sp.zeta(n + 1.0, x)


def _polygamma_drop(n: int, a: Array, b: Array) -> Array:
    """``polygamma(n, a) - polygamma(n, a + b)``, by Taylor's series where ``b`` is small."""
    small = b < 0.01 * a
    if not small.any():
        return _polygamma(n, a) - _polygamma(n, a + b)
    h, total = np.where(small, b, 0.0), 0.0
    for k in range(8, 0, -1):
        total = (total + _polygamma(n + k, a)) * h / k
    return np.where(small, -total, _polygamma(n, a) - _polygamma(n, a + b))


# -- weights ----------------------------------------------------------------------------------------


@functools.cache
def _plan(i: int, j: int) -> tuple[tuple[int, int], ...]:
    """The orders in which weights are built, the last one being the wanted."""
    return tuple((p, q) for p in range(i + 1) for q in range(j + 1))[1:]


def bell(i: int, j: int, score: Callable[[int, int], Array]) -> Array:
    """Complete Bell polynomials: ``exp(-g) (d/da)**i (d/db)**j exp(g)`` from the derivatives of ``g``."""
    known: dict[tuple[int, int], Array] = {(0, 0): 1.0}
    for p, q in _plan(i, j):
        # one derivative less, by ``a`` where there is one, and then by that
        u, v = (p - 1, q) if p else (p, q - 1)
        du, dv = p - u, q - v
        total: Array = 0.0
        for m in range(u + 1):
            for k in range(v + 1):
                total = total + comb(u, m) * comb(v, k) * score(m + du, k + dv) * known[u - m, v - k]
        known[p, q] = total
    return known[i, j]


# -- the incomplete gamma function ------------------------------------------------------------------


def gamma_moment(order: int, a: Array, x: Array, upper: bool = False) -> Array:
    """The derivative of ``gammainc(a, x)``, or of ``gammaincc``, by ``a``, ``order`` times.

    Parameters
    ----------
    order : int
        At least 1.
    a, x : array
        Numbers, which broadcast.
    upper : bool
        Whether that of ``gammaincc``, its negative.

    Returns
    -------
    array
        NaN outside of ``a > 0``, ``x >= 0``.
    """
    a, x, shape, dtype = prepared(a, x)
    result = np.where((a > 0) & (x >= 0), 0.0, np.nan)
    inside = (a > 0) & (a < np.inf) & (x > 0) & (x < np.inf)
    center = np.exp(sp.psi(np.where(inside, a, 1.0)))
    for tail, which in ((_gamma_left, inside & (x <= center)), (_gamma_right, inside & (x > center))):
        if which.any():
            result[which] = tail(order, a[which], x[which])
    return finished(-result if upper else result, shape, dtype)


def _gamma_left(order: int, a: Array, x: Array) -> Array:
    """By ``t = x exp(-s)``."""
    slope = a - x
    scale = np.abs(slope) + np.sqrt(x)
    near = 2 * _FAR / (slope + np.sqrt(slope * slope + 4 * _FAR * x / 3))
    far = np.where(near <= 1, near, (_FAR + x) / a)
    cumulants = [np.log(x) - sp.psi(a), *(-_polygamma(k, a) for k in range(1, order))]

    def f(s: Array, a: Array, x: Array, *cumulants: Array) -> Array:
        w = bell(order, 0, lambda i, _: cumulants[0] - s if i == 1 else cumulants[i - 1])
        return np.exp(-a * s - x * np.expm1(-s)) * w

    return _gamma_front(a, x) * _integrals(f, 1 / scale, far, a, x, *cumulants)


def _gamma_right(order: int, a: Array, x: Array) -> Array:
    """By ``t = x + s``; minus the integral, since that over all points is zero."""
    slope = 1 - (a - 1) / x
    scale = np.abs(slope) + (np.sqrt(np.abs(a - 1)) + 1) / x
    bend = np.maximum(a - 1, 0.0) / (4 * x * x)
    near = 2 * _FAR / (slope + np.sqrt(slope * slope + 4 * _FAR * bend))
    far = np.where(a <= 1, _FAR, np.where(near <= x, near, x + 2 * _FAR))
    cumulants = [np.log(x) - sp.psi(a), *(-_polygamma(k, a) for k in range(1, order))]

    def f(s: Array, a: Array, x: Array, *cumulants: Array) -> Array:
        grown = np.log1p(s / x)
        w = bell(order, 0, lambda i, _: cumulants[0] + grown if i == 1 else cumulants[i - 1])
        return np.exp((a - 1) * grown - s) * w

    return -_gamma_front(a, x) / x * _integrals(f, 1 / scale, far, a, x, *cumulants)


# -- the incomplete beta function -------------------------------------------------------------------


def beta_moment(i: int, j: int, a: Array, b: Array, x: Array, upper: bool = False) -> Array:
    """The derivative of ``betainc(a, b, x)``, or of ``betaincc``, by ``a`` and ``b``, ``i`` and ``j`` times.

    Parameters
    ----------
    i, j : int
        At least 1 together.
    a, b, x : array
        Numbers, which broadcast.
    upper : bool
        Whether that of ``betaincc``, its negative.

    Returns
    -------
    array
        NaN outside of ``a > 0``, ``b > 0``, ``0 <= x <= 1``; zero where the other parameter is zero.
    """
    a, b, x, shape, dtype = prepared(a, b, x)
    valid = (a > 0) & (b > 0) & (x >= 0) & (x <= 1)
    # without its other parameter the function is 0 or 1, whatever this one is
    constant = ((a == 0) & (b > 0) & (i == 0)) | ((b == 0) & (a > 0) & (j == 0))
    result = np.where(valid | (constant & (x > 0) & (x < 1)), 0.0, np.nan)
    inside = valid & (x > 0) & (x < 1) & (a < np.inf) & (b < np.inf)
    a_, b_ = np.where(inside, a, 1.0), np.where(inside, b, 1.0)
    if i >= j:
        left = np.log(np.where(inside, x, 0.5)) <= _polygamma_drop(0, a_, b_)
    else:
        left = np.log1p(-np.where(inside, x, 0.5)) >= _polygamma_drop(0, b_, a_)
    for which, turned in ((inside & left, False), (inside & ~left, True)):
        if which.any():
            p, q, y = a[which], b[which], x[which]
            result[which] = -_beta_left(j, i, q, p, 1 - y, y) if turned else _beta_left(i, j, p, q, y, 1 - y)
    return finished(-result if upper else result, shape, dtype)


def _beta_left(i: int, j: int, a: Array, b: Array, x: Array, rest: Array) -> Array:
    def cumulant(m: int, k: int) -> Array:
        if not k:
            return -_polygamma_drop(m - 1, a, b)
        return -_polygamma_drop(k - 1, b, a) if not m else _polygamma(m + k - 1, a + b)

    orders = [(m, k) for m in range(i + 1) for k in range(j + 1)][1:]
    cumulants = [cumulant(m, k) for m, k in orders]
    if (1, 0) in orders:
        cumulants[orders.index((1, 0))] += _log_of(x, rest)
    if (0, 1) in orders:
        cumulants[orders.index((0, 1))] += _log_of(rest, x)

    def weight(s: Array, grown: Array, *cumulants: Array) -> Array:
        known = dict(zip(orders, cumulants, strict=True))
        if (1, 0) in known:
            known[1, 0] = known[1, 0] - s
        if (0, 1) in known:
            known[0, 1] = known[0, 1] + grown
        return bell(i, j, lambda m, k: known[m, k])

    return _beta_integral(weight, a, b, x, rest, *cumulants)


def _log_of(x: Array, rest: Array) -> Array:
    near = x > 0.5
    return np.where(near, np.log1p(-np.where(near, rest, 0.0)), np.log(x))


def _beta_integral(weight: Weight, a: Array, b: Array, x: Array, rest: Array, *operands: Array) -> Array:
    """The density of ``beta(a, b)`` times a weight from zero to ``x``, by ``t = x exp(-s)``.

    The weight sees ``s``, ``log((1 - t) / (1 - x))`` and the operands.
    """
    r = x / rest
    slope = a - (b - 1) * r
    bend = np.abs(b - 1) * r * (1 + r)
    scale = np.abs(slope) + np.sqrt(bend) + 1 / np.log1p(1 / r)
    near = 2 * _FAR / (slope + np.sqrt(slope * slope + 4 * _FAR * bend / 22))
    far = np.where(near <= np.minimum(1.0, 1 / r), near, (_FAR + (b - 1) * np.log1p(r)) / a)
    far = np.where(b <= 1, _FAR / a, far)

    def f(s: Array, a: Array, b: Array, r: Array, *operands: Array) -> Array:
        grown = np.log1p(-r * np.expm1(-s))
        return np.exp((b - 1) * grown - a * s) * weight(s, grown, *operands)

    return _beta_front(a, b, x, rest) / rest * _integrals(f, 1 / scale, far, a, b, r, *operands)


# -- Student's distribution -------------------------------------------------------------------------

_STUDENT_ROOT = 1 + float(
    np.sqrt(2)
)  # the square of where the score changes its sign, for many degrees of freedom
# ``psi((n + 1) / 2) - psi(n / 2) - 1 / n`` is the sum of these over ``n**2, n**4, ...``
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)
_HALVES = tuple((4.0**k - 1) * c / k for k, c in enumerate(_BERNOULLI, 1))


def student_constant(df: Array) -> tuple[Array, Array]:
    """``psi((df + 1) / 2) - psi(df / 2) - 1 / df``, and its derivative."""
    far = df > 25
    n = np.where(far, df, 25.0)
    q, value, slope = 1 / (n * n), np.zeros_like(n), np.zeros_like(n)
    for k in range(len(_HALVES), 0, -1):
        value = (value + _HALVES[k - 1]) * q
        slope = (slope - 2 * k * _HALVES[k - 1]) * q
    m = np.where(far, 1.0, df)
    near = sp.psi((m + 1) / 2) - sp.psi(m / 2) - 1 / m
    near_slope = (sp.zeta(2.0, (m + 1) / 2) - sp.zeta(2.0, m / 2)) / 2 + 1 / (m * m)
    return np.where(far, value, near), np.where(far, slope / n, near_slope)


def _log_rest(log_z: Array, y: Array) -> Array:
    """``log(z) + y`` for ``z = 1 - y``."""
    small = y < 0.03
    if not small.any():
        return log_z + y
    v, tail = np.where(small, y, 0.0), np.zeros_like(y)
    for k in range(11, 1, -1):
        tail = (tail + 1 / k) * v
    return np.where(small, -tail * v, log_z + y)


def student_moment(order: int, df: Array, t: Array) -> Array:
    """The derivative of ``stdtr(df, t)`` by ``df``, once or twice; NaN where ``df`` is not positive.

    ``z = df / (df + t**2)`` has a beta distribution with parameters ``df / 2`` and ``1 / 2``, and the weights
    are taken at fixed ``t``: so there is no difference of nearly equal numbers when ``df`` is large.
    """
    df, t, shape, dtype = prepared(df, t)
    result = np.where((df > 0) & ~np.isnan(t), 0.0, np.nan)
    inside = (df > 0) & (df < np.inf) & (t != 0) & np.isfinite(t)
    square = t * t
    tail = square > _STUDENT_ROOT
    for which, outer in ((inside & tail, True), (inside & ~tail, False)):
        if which.any():
            n, q = df[which], square[which]
            z, y = n / (n + q), q / (n + q)
            part = _student_tail(order, n, z, y) if outer else -_student_center(order, n, z, y)
            result[which] = np.where(t[which] < 0, 0.5, -0.5) * part
    return finished(result, shape, dtype)


def _student_tail(order: int, n: Array, z: Array, y: Array) -> Array:
    def weight(s: Array, _: Array, n: Array, z: Array, y: Array, log_z: Array, *constants: Array) -> Array:
        return _student_weight(order, n, y - z * np.expm1(-s), log_z - s, *constants)

    constants = student_constant(n)
    return _beta_integral(weight, n / 2, np.full_like(n, 0.5), z, y, n, z, y, np.log(z), *constants)


def _student_center(order: int, n: Array, z: Array, y: Array) -> Array:
    def weight(s: Array, grown: Array, n: Array, y: Array, log_z: Array, *constants: Array) -> Array:
        return _student_weight(order, n, y * np.exp(-s), log_z + grown, *constants)

    return _beta_integral(weight, np.full_like(n, 0.5), n / 2, y, z, n, y, np.log(z), *student_constant(n))


def _student_weight(order: int, n: Array, y: Array, log_z: Array, c: Array, slope: Array) -> Array:
    w = 0.5 * (c + _log_rest(log_z, y) + y / n)
    return w if order == 1 else w * w + 0.5 * (slope + y * y / n - y * (2 - y) / (n * n))


# -- what is common ---------------------------------------------------------------------------------


def prepared(*args: Array) -> tuple[Any, ...]:
    """Operands as vectors of one length in double precision, their shape, and the dtype of the result."""
    dtype = np.result_type(*args)
    dtype = dtype if dtype.kind == "f" and dtype.itemsize < 8 else np.dtype(float)
    arrays = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in args))
    return *(a.ravel() for a in arrays), arrays[0].shape, dtype


def finished(result: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """A vector of results in the shape and dtype that they have outside."""
    return result.reshape(shape).astype(dtype, copy=False)[()]
