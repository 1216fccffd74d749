"""Distributions in mpmath: the logarithm of the density, and the distribution function.

The references of ``test_stats.py`` and of the table in ``docs/distributions.md``. On standardised data, then
the shape parameters; derivatives are differences in 50 digits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats as st

DIGITS = 50
Real = Any
HALF = mp.mpf(1) / 2


def phi(x: Real) -> Real:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def below(a: Real, x: Real) -> Real:
    """The incomplete gamma function, as a series of positive terms."""
    return mp.exp(a * mp.log(x) - x - mp.loggamma(a + 1)) * mp.hyp1f1(1, a + 1, x)


def beta_below(a: Real, b: Real, x: Real) -> Real:
    front = mp.exp(
        a * mp.log(x) + b * mp.log1p(-x) + mp.loggamma(a + b) - mp.loggamma(a + 1) - mp.loggamma(b)
    )
    return front * mp.hyp2f1(a + b, 1, a + 1, x)


def beta_share(a: Real, b: Real, x: Real, rest: Real) -> tuple[Real, Real]:
    """The distribution function of ``beta(a, b)`` and what it lacks of one."""
    if x <= HALF:
        low = beta_below(a, b, x)
        return low, 1 - low
    high = beta_below(b, a, rest)
    return 1 - high, high


def student_share(x: Real, n: Real) -> tuple[Real, Real]:
    w = n + x * x
    tail = beta_share(n / 2, HALF, n / w, x * x / w)[0] / 2
    return (tail, 1 - tail) if x < 0 else (1 - tail, tail)


def normal_share(x: Real) -> tuple[Real, Real]:
    return mp.ncdf(x), mp.ncdf(-x)


def gamma_share(a: Real, x: Real) -> tuple[Real, Real]:
    low = below(a, x)
    return low, 1 - low


def mass(f: Callable[[Real], Real], low: Real, high: Real) -> Real:
    """An integral of a smooth function that falls to nothing at infinite ends."""
    return mp.quad(f, [low, (low + high) / 2, high])


def inverse_gauss(x: Real, m: Real) -> tuple[Real, Real]:
    root = 1 / mp.sqrt(x)
    first, second = mp.ncdf(root * (x / m - 1)), mp.exp(2 / m) * mp.ncdf(-root * (x / m + 1))
    return first + second, mp.ncdf(-root * (x / m - 1)) - second


def owen(h: Real, a: Real) -> Real:
    return mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a]) / (2 * mp.pi)


def of_rice(x: Real, b: Real) -> tuple[Real, Real]:
    """By Poisson's weights of gamma distributions."""
    low = weighted(b * b / 2, lambda j: below(1 + j, x * x / 2))
    return low, 1 - low


def weighted(m: Real, f: Callable[[int], Real]) -> Real:
    term, total, j = mp.exp(-m), mp.mpf(0), 0
    while j < 2 * m + 5 or term > mp.mpf(10) ** -(DIGITS + 10):
        total += term * f(j)
        j += 1
        term *= m / j
    return total


def of_vonmises(x: Real, k: Real) -> tuple[Real, Real]:
    half = mp.quad(lambda t: mp.exp(k * mp.cos(t)), [0, abs(x)]) / (2 * mp.pi * mp.besseli(0, k))
    rest = mp.quad(lambda t: mp.exp(k * mp.cos(t)), [abs(x), mp.pi]) / (2 * mp.pi * mp.besseli(0, k))
    return (HALF + half, rest) if x > 0 else (rest, HALF + half)


def of_gengamma(x: Real, a: Real, c: Real) -> tuple[Real, Real]:
    return gamma_share(a, x**c)


def pair(high: Real) -> tuple[Real, Real]:
    return 1 - high, high


def snedecor(x: Real, a: Real, b: Real) -> Real:
    front = a / 2 * mp.log(a) + b / 2 * mp.log(b) - mp.log(mp.beta(a / 2, b / 2))
    return front + (a / 2 - 1) * mp.log(x) - (a + b) / 2 * mp.log(b + a * x)


# name -> shapes, the logarithm of the density, the distribution function and its complement
CONTINUOUS: dict[str, tuple[tuple[float, ...], Callable[..., Real], Callable[..., tuple[Real, Real]]]] = {
    "norm": ((), lambda x: mp.log(phi(x)), normal_share),
    "expon": ((), lambda x: -x, lambda x: pair(mp.exp(-x))),
    "gamma": ((2.3,), lambda x, a: (a - 1) * mp.log(x) - x - mp.loggamma(a), lambda x, a: gamma_share(a, x)),
    "beta": (
        (2.3, 1.7),
        lambda x, a, b: (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-x) - mp.log(mp.beta(a, b)),
        lambda x, a, b: beta_share(a, b, x, 1 - x),
    ),
    "chi2": (
        (3.3,),
        lambda x, n: (n / 2 - 1) * mp.log(x) - x / 2 - mp.loggamma(n / 2) - n / 2 * mp.log(2),
        lambda x, n: gamma_share(n / 2, x / 2),
    ),
    "t": (
        (4.2,),
        lambda x, n: mp.loggamma((n + 1) / 2) - mp.loggamma(n / 2) - mp.log(n * mp.pi) / 2
        - (n + 1) / 2 * mp.log1p(x * x / n),
        student_share,
    ),
    "f": (
        (3.2, 5.5),
        snedecor,
        lambda x, a, b: beta_share(a / 2, b / 2, a * x / (b + a * x), b / (b + a * x)),
    ),
    "uniform": ((), lambda x: 0 * x, lambda x: (x, 1 - x)),
    "cauchy": (
        (),
        lambda x: -mp.log(mp.pi) - mp.log1p(x * x),
        lambda x: (mp.atan2(1, -x) / mp.pi, mp.atan2(1, x) / mp.pi),
    ),
    "laplace": (
        (),
        lambda x: -abs(x) - mp.log(2),
        lambda x: (mp.exp(x) / 2, 1 - mp.exp(x) / 2) if x < 0 else pair(mp.exp(-x) / 2),
    ),
    "logistic": (
        (),
        lambda x: -x - 2 * mp.log1p(mp.exp(-x)),
        lambda x: (1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))),
    ),
    "lognorm": (
        (0.8,),
        lambda x, s: mp.log(phi(mp.log(x) / s)) - mp.log(s * x),
        lambda x, s: normal_share(mp.log(x) / s),
    ),
    "weibull_min": (
        (1.7,),
        lambda x, c: mp.log(c) + (c - 1) * mp.log(x) - x**c,
        lambda x, c: (-mp.expm1(-(x**c)), mp.exp(-(x**c))),
    ),
    "pareto": ((2.3,), lambda x, b: mp.log(b) - (b + 1) * mp.log(x), lambda x, b: pair(x**-b)),
    "genpareto": (
        (0.3,),
        lambda x, c: -(1 + 1 / c) * mp.log1p(c * x),
        lambda x, c: pair(mp.exp(-mp.log1p(c * x) / c)),
    ),
    "genextreme": (
        (0.3,),
        lambda x, c: (1 / c - 1) * mp.log1p(-c * x) - (1 - c * x) ** (1 / c),
        lambda x, c: (mp.exp(-((1 - c * x) ** (1 / c))), -mp.expm1(-((1 - c * x) ** (1 / c)))),
    ),
    "gumbel_r": (
        (),
        lambda x: -x - mp.exp(-x),
        lambda x: (mp.exp(-mp.exp(-x)), -mp.expm1(-mp.exp(-x))),
    ),
    "rayleigh": (
        (),
        lambda x: mp.log(x) - x * x / 2,
        lambda x: (-mp.expm1(-x * x / 2), mp.exp(-x * x / 2)),
    ),
    "maxwell": (
        (),
        lambda x: mp.log(2 / mp.pi) / 2 + 2 * mp.log(x) - x * x / 2,
        lambda x: gamma_share(3 * HALF, x * x / 2),
    ),
    "halfnorm": (
        (),
        lambda x: mp.log(2 * phi(x)),
        lambda x: (mp.erf(x / mp.sqrt(2)), mp.erfc(x / mp.sqrt(2))),
    ),
    "invgamma": (
        (3.2,),
        lambda x, a: -(a + 1) * mp.log(x) - 1 / x - mp.loggamma(a),
        lambda x, a: gamma_share(a, 1 / x)[::-1],
    ),
    "invgauss": (
        (0.8,),
        lambda x, m: -(mp.log(2 * mp.pi) + 3 * mp.log(x)) / 2 - (x / m - 1) ** 2 / (2 * x),
        inverse_gauss,
    ),
    "skewnorm": (
        (1.3,),
        lambda x, a: mp.log(2 * phi(x) * mp.ncdf(a * x)),
        lambda x, a: (mp.ncdf(x) - 2 * owen(x, a), mp.ncdf(-x) + 2 * owen(x, a)),
    ),
    "truncnorm": (
        (-0.7, 1.8),
        lambda x, a, b: mp.log(phi(x) / (mp.ncdf(b) - mp.ncdf(a))),
        lambda x, a, b: (
            (mp.ncdf(x) - mp.ncdf(a)) / (mp.ncdf(b) - mp.ncdf(a)),
            (mp.ncdf(b) - mp.ncdf(x)) / (mp.ncdf(b) - mp.ncdf(a)),
        ),
    ),
    "triang": (
        (0.3,),
        lambda x, c: mp.log(2 * x / c if x < c else 2 * (1 - x) / (1 - c)),
        lambda x, c: (x * x / c, 1 - x * x / c) if x < c else pair((1 - x) ** 2 / (1 - c)),
    ),
    "vonmises": (
        (1.7,),
        lambda x, k: k * mp.cos(x) - mp.log(2 * mp.pi * mp.besseli(0, k)),
        of_vonmises,
    ),
    "rice": (
        (0.9,),
        lambda x, b: mp.log(x) - (x * x + b * b) / 2 + mp.log(mp.besseli(0, x * b)),
        of_rice,
    ),
    "gengamma": (
        (1.7, 1.2),
        lambda x, a, c: mp.log(c) + (c * a - 1) * mp.log(x) - x**c - mp.loggamma(a),
        of_gengamma,
    ),
}  # fmt: skip


def choose(n: Real, k: Real) -> Real:
    return mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1)


def lbeta(a: Real, b: Real) -> Real:
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


# name -> shapes, of which whole numbers are counts; the first number; the logarithm of the mass
DISCRETE: dict[str, tuple[tuple[Any, ...], int, Callable[..., Real]]] = {
    "bernoulli": ((0.3,), 0, lambda k, p: mp.log(p if k else 1 - p)),
    "binom": ((7, 0.3), 0, lambda k, n, p: choose(n, k) + k * mp.log(p) + (n - k) * mp.log1p(-p)),
    "poisson": ((2.7,), 0, lambda k, m: k * mp.log(m) - m - mp.loggamma(k + 1)),
    "nbinom": (
        (3.4, 0.4),
        0,
        lambda k, n, p: mp.loggamma(k + n) - mp.loggamma(n) - mp.loggamma(k + 1)
        + n * mp.log(p) + k * mp.log1p(-p),
    ),
    "geom": ((0.3,), 1, lambda k, p: mp.log(p) + (k - 1) * mp.log1p(-p)),
    "betabinom": ((7, 2.3, 1.7), 0, lambda k, n, a, b: choose(n, k) + lbeta(k + a, n - k + b) - lbeta(a, b)),
    "zipf": ((2.6,), 1, lambda k, a: -a * mp.log(k) - mp.log(mp.zeta(a))),
    "logser": ((0.6,), 1, lambda k, p: k * mp.log(p) - mp.log(k) - mp.log(-mp.log1p(-p))),
    "skellam": (
        (1.8, 2.4),
        -70,
        lambda k, m, n: -m - n + k * mp.log(m / n) / 2 + mp.log(mp.besseli(abs(k), 2 * mp.sqrt(m * n))),
    ),
    "planck": ((0.7,), 0, lambda k, a: mp.log(-mp.expm1(-a)) - a * k),
    "boltzmann": ((0.7, 9), 0, lambda k, a, n: mp.log(mp.expm1(-a) / mp.expm1(-a * n)) - a * k),
    "dlaplace": ((0.8,), -150, lambda k, a: mp.log(mp.tanh(a / 2)) - a * abs(k)),
}  # fmt: skip


def det(m: list[Real]) -> Real:
    return m[0] * m[2] - m[1] * m[1]


def form(m: list[Real], x: list[Real]) -> Real:
    """``x' inv(M) x`` for a symmetric matrix of two rows, ``[m11, m12, m22]``."""
    return (m[2] * x[0] ** 2 - 2 * m[1] * x[0] * x[1] + m[0] * x[1] ** 2) / det(m)


def of_wishart(n: Real, v: list[Real], x: list[Real]) -> Real:
    trace = (v[2] * x[0] - 2 * v[1] * x[1] + v[0] * x[2]) / det(v)
    front = n * mp.log(2) + mp.log(mp.pi) / 2 + mp.loggamma(n / 2) + mp.loggamma((n - 1) / 2)
    return ((n - 3) * mp.log(det(x)) - trace - n * mp.log(det(v))) / 2 - front


def square(p: Any) -> Any:
    return np.stack([np.stack([p[0], p[1]]), np.stack([p[1], p[2]])])


def of_dirichlet(a: list[Real], x: list[Real]) -> Real:
    powers = sum((c - 1) * mp.log(y) for c, y in zip(a, x, strict=True))
    return powers - sum(map(mp.loggamma, a)) + mp.loggamma(sum(a))


# name -> all parameters and the data in a row, the call, the logarithm of the density
MULTIVARIATE: dict[str, tuple[tuple[float, ...], Callable[..., Any], Callable[..., Real]]] = {
    "multivariate_normal": (
        (0.3, -0.2, 1.5, 0.4, 0.9, 1.1, 0.6),
        lambda f, p: f(p[5:], p[:2], square(p[2:5])),
        lambda p: -mp.log(2 * mp.pi) - mp.log(det(p[2:5])) / 2 - form(p[2:5], [p[5] - p[0], p[6] - p[1]]) / 2,
    ),
    "multivariate_t": (
        (0.3, -0.2, 1.5, 0.4, 0.9, 1.1, 0.6, 4.5),
        lambda f, p: f(p[5:7], p[:2], square(p[2:5]), p[7]),
        lambda p: mp.loggamma(p[7] / 2 + 1) - mp.loggamma(p[7] / 2) - mp.log(p[7] * mp.pi)
        - mp.log(det(p[2:5])) / 2
        - (p[7] / 2 + 1) * mp.log1p(form(p[2:5], [p[5] - p[0], p[6] - p[1]]) / p[7]),
    ),
    "dirichlet": (
        (1.5, 2.5, 0.7, 0.2, 0.3),
        lambda f, p: f(p[3:], p[:3]),
        lambda p: of_dirichlet(p[:3], [p[3], p[4], 1 - p[3] - p[4]]),
    ),
    "wishart": (
        (5.5, 1.5, 0.4, 0.9, 2.1, 0.6, 1.2),
        lambda f, p: f(square(p[4:]), p[0], square(p[1:4])),
        lambda p: of_wishart(p[0], p[1:4], p[4:]),
    ),
}  # fmt: skip

CONTINUOUS_METHODS = ("logpdf", "nnlf", "logcdf", "logsf", "cdf", "ppf")
DISCRETE_METHODS = ("logpmf", "nnlf", "logcdf", "logsf", "cdf")
Q = (0.02, 0.4, 0.97)
LOC, SCALE = 0.2, 1.3


def methods(name: str) -> tuple[str, ...]:
    if name in MULTIVARIATE:
        return ("logpdf",)
    return CONTINUOUS_METHODS if name in CONTINUOUS else DISCRETE_METHODS


@functools.cache
def data(name: str) -> Any:
    """Where a distribution is taken: two points towards its ends and one in the middle."""
    shapes = (CONTINUOUS if name in CONTINUOUS else DISCRETE)[name][0]
    x = getattr(st, name).ppf(Q, *shapes)
    if name in CONTINUOUS:
        return x * SCALE + LOC
    x = np.unique(x)  # not the last number, beyond which there is nothing
    return x[x < getattr(st, name).support(*shapes)[1]]


def point(name: str) -> Any:
    """The parameters that are differentiated: shapes, and of continuous ones location, scale and data."""
    if name in MULTIVARIATE:
        return np.array(MULTIVARIATE[name][0])
    if name in CONTINUOUS:
        return np.array([*CONTINUOUS[name][0], LOC, SCALE, 0.0])
    return np.array([v for v in DISCRETE[name][0] if isinstance(v, float)])


def function(name: str, method: str, module: Any) -> Callable[[Any], Any]:
    """A method of the distribution of a module, at all points of the data, as a function of ``point``."""
    f = getattr(getattr(module, name), method)
    if name in MULTIVARIATE:
        return lambda p: MULTIVARIATE[name][1](f, p)
    x = data(name)
    if name in CONTINUOUS:
        n = len(CONTINUOUS[name][0])
        if method == "nnlf":
            return lambda p: f(tuple(p[k] for k in range(n + 2)), x + p[n + 2])
        x = np.array(Q) if method == "ppf" else x
        return lambda p: f(x + p[n + 2], *(p[k] for k in range(n)), loc=p[n], scale=p[n + 1])
    shapes = DISCRETE[name][0]

    def g(p: Any) -> Any:
        rest = iter(range(len(shapes)))
        own = [p[next(rest)] if isinstance(v, float) else v for v in shapes]
        return f((*own, 0), x) if method == "nnlf" else f(x, *own)

    return g


def exact(name: str, method: str, p: list[Real], where: int) -> Real:
    """The same at one point of the data, in mpmath."""
    if name in MULTIVARIATE:
        return MULTIVARIATE[name][2](p)
    if method == "nnlf":
        base = "logpdf" if name in CONTINUOUS else "logpmf"
        return -sum(exact(name, base, p, k) for k in range(data(name).size))
    if name in DISCRETE:
        shapes, first, density = DISCRETE[name]
        rest = iter(p)
        own = [next(rest) if isinstance(v, float) else mp.mpf(v) for v in shapes]
        k = int(data(name)[where])
        if method == "logpmf":
            return density(k, *own)
        total = sum(mp.exp(density(j, *own)) for j in range(first, k + 1))
        return total if method == "cdf" else mp.log(total if method == "logcdf" else 1 - total)
    shapes, density, share = CONTINUOUS[name]
    own, (loc, scale, shift) = p[: len(shapes)], p[len(shapes) :]
    if method == "ppf":
        q = mp.mpf(Q[where])
        y = mp.mpf(float((data(name)[where] - LOC) / SCALE))
        for _ in range(3):
            y -= (share(y, *own)[0] - q - shift) / mp.exp(density(y, *own))
        return y * scale + loc
    y = (mp.mpf(float(data(name)[where])) + shift - loc) / scale
    if method == "logpdf":
        return density(y, *own) - mp.log(scale)
    low, high = share(y, *own)
    return low if method == "cdf" else mp.log(low if method == "logcdf" else high)


def directions(count: int) -> list[Any]:
    """Each parameter alone, and all together with different weights."""
    eye = np.eye(count)
    return [*eye, np.cos(np.arange(count) + 1.0)] if count > 1 else [*eye]


def derivatives(f: Callable[[list[Real]], Real], at: Any, along: Any) -> tuple[float, float]:
    """The first and second derivative of a function in mpmath along a direction."""
    with mp.workdps(DIGITS):
        h = mp.mpf(10) ** -9
        values = [
            f([mp.mpf(float(a)) + k * h * mp.mpf(float(u)) for a, u in zip(at, along, strict=True)])
            for k in (-2, -1, 0, 1, 2)
        ]
        a, b, c, d, e = values
        return float((a - 8 * b + 8 * d - e) / (12 * h)), float(
            (-a + 16 * b - 30 * c + 16 * d - e) / (12 * h * h)
        )


@functools.cache
def reference(name: str, method: str) -> tuple[Any, Any]:
    """The first and second derivatives: a row for each direction, a column for each point of the data."""
    at = point(name)
    count = 1 if method == "nnlf" or name in MULTIVARIATE else data(name).size
    rows = [
        [derivatives(lambda p, k=k: exact(name, method, p, k), at, u) for k in range(count)]
        for u in directions(at.size)
    ]
    both = np.array(rows)
    return both[..., 0], both[..., 1]
