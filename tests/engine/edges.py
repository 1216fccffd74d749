"""Every elementwise primitive at its special points: the data of ``test_edges``, and of a page of the docs.

* ``SMOOTH``: where the function is smooth. Value and derivatives come from mpmath, by differences of values
  beside the point in as many digits as it takes; what mpmath lacks comes from a defining equation.
* ``LIMITS``: poles, infinities, borders of a domain. Values and derivatives are limits, written down.
* ``CONVENTIONS``: where the function has no derivative, what polyad gives, and why.

A point is a tuple of operands. ``None`` in an expected row is a derivative that is not promised.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import scipy.special as sp

from polyad.engine import expand  # noqa: F401  (fill the table)
from polyad.engine.boxes import methods  # noqa: F401  (fill the table)
from polyad.engine.core.table import UFUNCS
from polyad.engine.core.values import PRIMITIVES

inf, nan, pi = np.inf, np.nan, np.pi

# -- references -----------------------------------------------------------------------------------


def along(f: Callable[..., Any], point: tuple[float, ...], way: tuple[int, ...]) -> tuple[Any, ...]:
    """Value and three derivatives of ``f(point + t way)`` by differences that leave the point itself out."""
    size = min([abs(p) for p, u in zip(point, way, strict=True) if u and p], default=1.0)
    with mp.workdps(170 + int(4 * abs(np.log10(size)))):
        h = mp.mpf(size) * mp.mpf(10) ** -30
        exact = [mp.mpf(float(p)) if isinstance(p, float) else p for p in point]

        def at(k: int) -> Any:
            return f(*(p + k * h * u if u else p for p, u in zip(exact, way, strict=True)))

        a, b, c, d = at(-2), at(-1), at(1), at(2)
        found = (
            (-a + 4 * b + 4 * c - d) / 6,
            (a - 8 * b + 8 * c - d) / (12 * h),
            (a - b - c + d) / (3 * h * h),
            (-a + 2 * b - 2 * c + d) / (2 * h**3),
        )
        if 0.0 in point and max(map(abs, found)) < 1e-50:
            return 0.0, 0.0, 0.0, 0.0
        # what is below this is the error of the differences, and stands for zero
        largest = max(abs(v) * mp.mpf(size) ** k for k, v in enumerate(found))
        return tuple(
            plain(v) if abs(v) * mp.mpf(size) ** k > largest * mp.mpf(10) ** -57 else 0.0
            for k, v in enumerate(found)
        )


def plain(v: Any) -> Any:
    v = complex(v)
    return v.real if v.imag == 0 else v


class Given(NamedTuple):
    """A function known by its slope, its inverse or its values, with the way to its derivatives."""

    derivatives: Callable[[tuple[float, ...], tuple[int, ...]], tuple[Any, ...]]


def slope(g: Callable[..., Any], f: Callable[..., Any]) -> Given:
    """A function whose derivative by its last operand is ``g``; its value is SciPy's."""

    def derivatives(point: tuple[float, ...], way: tuple[int, ...]) -> tuple[Any, ...]:
        v, first, second, _ = along(g, point, way)
        return f(*point), v, first, second

    return Given(derivatives)


def inverse(g: Callable[..., Any], f: Callable[..., Any], *, first: bool = False) -> Given:
    """The inverse of ``g`` in its last operand; SciPy's value is corrected by Newton's method.

    The probability is the last operand of ``f``, and of the primitive the first one where it says so.
    """

    def derivatives(point: tuple[float, ...], way: tuple[int, ...]) -> tuple[Any, ...]:
        if first:
            point, way = (*point[1:], point[0]), (*way[1:], way[0])
        *rest, p = point
        y = float(f(*point))
        for _ in range(3):
            v, a, *_ = along(g, (*rest, y), way)
            y -= (v - p) / a
        _, a, b, c = along(g, (*rest, y), way)
        return y, 1 / a, -b / a**3, (3 * b * b - a * c) / a**5

    return Given(derivatives)


def by_values(f: Callable[..., Any]) -> Given:
    """What mpmath lacks: a polynomial through SciPy's values, right to fewer digits."""

    def derivatives(point: tuple[float, ...], way: tuple[int, ...]) -> tuple[Any, ...]:
        nodes = np.cos(np.pi * (np.arange(17) + 0.5) / 17)
        size = 0.25
        args = [p + u * size * nodes if u else p for p, u in zip(point, way, strict=True)]
        values = f(*args)
        fit = np.polynomial.Chebyshev.fit(size * nodes, values.real + values.imag, 16)
        return tuple(fit.deriv(k)(0.0) if k else fit(0.0) for k in range(4))

    return Given(derivatives)


def part(name: str, k: int) -> Callable[..., Any]:
    """One result of a function of SciPy that has several."""
    return lambda *args: getattr(sp, name)(*args)[k]


# -- smooth points --------------------------------------------------------------------------------


class Smooth(NamedTuple):
    """A reference, points, the directions in which the operands move, and how many digits are promised."""

    reference: Any
    points: list[tuple[float, ...]]
    ways: tuple[tuple[int, ...], ...]
    rtol: float


def at(reference: Any, *points: Any, ways: Any = None, rtol: float = 1e-11) -> Smooth:
    """A row; numbers are points of one operand. Without ``ways`` every operand moves, alone and together."""
    tuples = [p if isinstance(p, tuple) else (p,) for p in points]
    n = len(tuples[0])
    tuples = [
        tuple(float(v) if not isinstance(v, int) or isinstance(v, bool) else v for v in p) for p in tuples
    ]
    if ways is None:
        ways = [(1,)] if n == 1 else [tuple(int(k == j) for k in range(n)) for j in range(n)]
        if n == 2:
            ways += [(1, 1), (1, -1)]
    return Smooth(reference, tuples, tuple(ways), rtol)


def last(n: int) -> tuple[tuple[int, ...], ...]:
    """The last of ``n`` operands moves."""
    return ((0,) * (n - 1) + (1,),)


def hazard(x: Any) -> Any:
    return mp.log(mp.erfc(-x / mp.sqrt(2)) / 2)


def wofz(z: Any) -> Any:
    return mp.exp(-z * z) * mp.erfc(-1j * z)


def xlogy(a: Any, b: Any) -> Any:
    return a * mp.log(b) if a else mp.mpf(0)


def log1p(x: Any) -> Any:
    return mp.log1p(x) if x > -1 else mp.nan


def logaddexp(a: Any, b: Any) -> Any:
    return mp.log(mp.exp(a) + mp.exp(b))


def fresnel(x: Any, kind: Any) -> Any:
    return kind(x)


def lower_gamma(a: Any, x: Any) -> Any:
    return mp.mpf(x) ** a * mp.hyp1f1(a, a + 1, -x) / mp.gamma(a + 1)


def lower_beta(a: Any, b: Any, x: Any) -> Any:
    return mp.betainc(a, b, 0, x, regularized=True)


def cdf(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def elliptic_e(phi: Any, m: Any) -> Any:
    return mp.ellipe(phi, m)


def exprel(x: Any) -> Any:
    return mp.expm1(x) / x if x else mp.mpf(1)


def boxcox(a: Any, b: Any) -> Any:
    return mp.log(a) * exprel(b * mp.log(a))


def inv_boxcox(a: Any, b: Any) -> Any:
    return mp.exp(a * (mp.log1p(a * b) / (a * b) if a * b else 1))


def relative(a: Any, b: Any) -> Any:
    return a * mp.log(a / b)


def pseudo(a: Any, b: Any) -> Any:
    return a * a * (mp.sqrt(1 + (b / a) ** 2) - 1)


def student(n: Any, t: Any) -> Any:
    return (1 + t * t / n) ** (-(n + 1) / 2) / (mp.sqrt(n) * mp.beta(0.5, n / 2))


def fisher(a: Any, b: Any, x: Any) -> Any:
    return lower_beta(mp.mpf(a) / 2, mp.mpf(b) / 2, a * x / (b + a * x))


def degrees(f: Any) -> Any:
    return lambda x: f(x * mp.pi / 180)


def kolmogorov(x: Any) -> Any:
    return 2 * mp.fsum((-1) ** (k - 1) * mp.exp(-2 * k * k * x * x) for k in range(1, 40))


SMALL, TINY = 1e-8, 1e-16
LINE = (-2.5, -1.0, -SMALL, 0.0, TINY, SMALL, 0.7, 3.0)
POSITIVE = (TINY, SMALL, 0.3, 1.0, 1 + SMALL, 4.0)
UNIT = (-0.9, -SMALL, 0.0, TINY, SMALL, 0.5, 1 - 1e-9)
NEGATIVES = (-2.5, -0.5, 0.5, 1.0, 2.0, 5.0, 40.0)

SMOOTH: dict[str, Smooth] = {
    # arithmetic
    "add": at(lambda a, b: a + b, (0.0, 0.0), (1.5, -1.5), (1e30, 1.0)),
    "subtract": at(lambda a, b: a - b, (0.0, 0.0), (1.5, 1.5)),
    "multiply": at(lambda a, b: a * b, (0.0, 0.0), (0.0, 2.0), (3.0, -0.5)),
    "divide": at(lambda a, b: a / b, (0.0, 2.0), (0.0, -1.0), (3.0, 1e-5), (2.0, -4.0)),
    "negative": at(lambda x: -x, *LINE),
    "conjugate": at(lambda x: x, *LINE),
    "real": at(lambda x: x, *LINE),
    "absolute": at(abs, -2.0, -TINY, TINY, 3.0),
    "power": at(
        lambda a, b: a**b,
        (1.0, 0.0),
        (2.0, 0.0),
        (2.0, 1.0),
        (0.5, 2.0),
        (1.5, -1.0),
        (1e-5, 3.0),
        (4.0, 0.5),
    ),
    # exponentials, logarithms, roots
    "exp": at(mp.exp, *LINE, -700.0, 700.0),
    "exp2": at(lambda x: mp.mpf(2) ** x, *LINE, -1000.0, 1000.0),
    "exp10": at(lambda x: mp.mpf(10) ** x, *LINE, -300.0, 300.0),
    "expm1": at(mp.expm1, *LINE, -40.0, 700.0),
    "log": at(mp.log, *POSITIVE, 1e-30, 1e30),
    "log2": at(lambda x: mp.log(x, 2), *POSITIVE, 1e30),
    "log10": at(mp.log10, *POSITIVE, 1e30),
    "log1p": at(mp.log1p, -1 + SMALL, *LINE[2:], 1e30),
    "sqrt": at(mp.sqrt, *POSITIVE, 1e30),
    "cbrt": at(lambda x: mp.sign(x) * mp.cbrt(abs(x)), -8.0, -SMALL, SMALL, 1.0, 27.0),
    "square": at(lambda x: x * x, *LINE, 1e100),
    "reciprocal": at(lambda x: 1 / x, -2.0, SMALL, 1.0, 1e20),
    # trigonometric and hyperbolic
    "sin": at(mp.sin, *LINE),
    "cos": at(mp.cos, *LINE),
    "tan": at(mp.tan, *LINE, 1.57),
    "arcsin": at(mp.asin, *UNIT),
    "arccos": at(mp.acos, *UNIT),
    "arctan": at(mp.atan, *LINE, 1e10),
    "sinh": at(mp.sinh, *LINE, 40.0),
    "cosh": at(mp.cosh, *LINE, 40.0),
    "tanh": at(mp.tanh, *LINE, -20.0, 20.0, 300.0),
    "arcsinh": at(mp.asinh, *LINE, 1e10),
    "arccosh": at(mp.acosh, 1 + SMALL, 1.5, 1e10),
    "arctanh": at(mp.atanh, *UNIT[:-1], 1 - 1e-6),
    "deg2rad": at(mp.radians, *LINE),
    "rad2deg": at(mp.degrees, *LINE),
    "sinc": at(mp.sincpi, *LINE, 0.05, 0.15, 2.0),
    # of two operands
    "arctan2": at(
        mp.atan2,
        (0.0, 1.0),
        (1.0, 0.0),
        (-1.0, 0.0),
        (1e-9, 1.0),
        (1.0, -1e-9),
        (-1.0, -2.0),
        (1e-9, 2e-9),
    ),
    "hypot": at(mp.hypot, (0.0, 1.0), (1.0, 0.0), (-3.0, 4.0), (0.0, -2.0), (1e-3, 1.0), (3e-9, 4e-9)),
    "logaddexp": at(
        logaddexp,
        (0.0, 0.0),
        (1.0, -1.0),
        (40.0, 0.0),
        (0.0, 40.0),
        (-60.0, 0.0),
        (700.0, 700.0),
        (-745.0, -745.0),
    ),
    "logaddexp2": at(
        lambda a, b: mp.log(mp.mpf(2) ** a + mp.mpf(2) ** b, 2),
        (0.0, 0.0),
        (1.0, -1.0),
        (60.0, 0.0),
        (0.0, 60.0),
        (1000.0, 1000.0),
    ),
    "maximum": at(max, (1.0, 2.0), (2.0, 1.0), (0.0, -1.0)),
    "minimum": at(min, (1.0, 2.0), (2.0, 1.0), (0.0, -1.0)),
    "fmax": at(max, (1.0, 2.0), (2.0, 1.0), (0.0, -1.0)),
    "fmin": at(min, (1.0, 2.0), (2.0, 1.0), (0.0, -1.0)),
    "copysign": at(lambda a, b: abs(a) * mp.sign(b), (1.0, 2.0), (1.0, -2.0), (-3.0, 1.0), (-3.0, -1.0)),
    "remainder": at(lambda a, b: a - b * mp.floor(a / b), (5.5, 2.0), (-5.5, 2.0), (0.5, 2.0), (5.5, -2.0)),
    "fmod": at(
        lambda a, b: a - b * (mp.floor(a / b) if a / b > 0 else mp.ceil(a / b)),
        (5.5, 2.0),
        (-5.5, 2.0),
        (0.5, 2.0),
    ),
    "heaviside": at(lambda a, b: mp.mpf(int(a > 0)), (-1.0, 0.5), (2.0, 0.5), (TINY, 1.0)),
    "ldexp": at(lambda a, b: a * 2**b, (0.0, 3), (1.5, -2), (1.5, 0), ways=[(1, 0)]),
    "nextafter": at(lambda a, b: a, (1.0, 2.0), (0.0, 1.0)),
    # error functions
    "erf": at(mp.erf, *LINE, -20.0, 20.0),
    "erfc": at(mp.erfc, *LINE, 20.0),
    "erfcx": at(lambda x: mp.exp(x * x) * mp.erfc(x), -5.0, *LINE, rtol=1e-9),
    "erfi": at(mp.erfi, *LINE),
    "dawsn": at(lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), *LINE, rtol=1e-9),
    "wofz": at(wofz, *LINE, rtol=1e-9),
    "erfinv": at(mp.erfinv, -0.9, -SMALL, 0.0, TINY, 0.5, 1 - 1e-9, rtol=1e-8),
    "erfcinv": at(lambda x: mp.erfinv(1 - x), 1e-5, 0.5, 1.0, 1.5, rtol=1e-9),
    "fresnel_0": at(mp.fresnels, *LINE),
    "fresnel_1": at(mp.fresnelc, *LINE),
    # gamma and beta
    "gamma": at(mp.gamma, *NEGATIVES, -1 + 1e-5, 1e-5, rtol=1e-9),
    "gammaln": at(lambda x: mp.log(abs(mp.gamma(x))), *NEGATIVES, -1 + 1e-5, 1e-5, 1e10, rtol=1e-9),
    "loggamma": at(mp.loggamma, *NEGATIVES[2:], 1e-5, 1e10, rtol=1e-9),
    "rgamma": at(mp.rgamma, *NEGATIVES, -2.0, -1.0, 0.0, 1e-9, -1 + 1e-9, rtol=1e-9),
    "digamma": at(mp.digamma, *NEGATIVES, -1 + 1e-5, 1e-5, 1e10, rtol=1e-9),
    "zeta": at(mp.zeta, (2.0, 1.0), (2.0, 0.5), (1.5, 1e-3), (30.0, 2.0), ways=last(2)),
    "beta": at(mp.beta, (1.0, 1.0), (2.0, 2.0), (0.5, 3.0), (1e-5, 1.0), (30.0, 30.0), rtol=1e-9),
    "betaln": at(
        lambda a, b: mp.log(mp.beta(a, b)),
        (1.0, 1.0),
        (2.0, 2.0),
        (0.5, 3.0),
        (1e-5, 1.0),
        (30.0, 30.0),
        rtol=1e-9,
    ),
    "gammainc": at(
        lower_gamma,
        (1.0, 0.0),
        (2.0, 0.0),
        (3.0, 0.0),
        (4.0, 0.0),
        (2.5, 1.0),
        (30.0, 25.0),
        (0.5, 1e-3),
        ways=last(2),
    ),
    "gammaincc": at(
        lambda a, x: 1 - lower_gamma(a, x),
        (1.0, 0.0),
        (2.0, 0.0),
        (3.0, 0.0),
        (2.5, 1.0),
        (3.0, 60.0),
        ways=last(2),
    ),
    "gammaincinv": at(
        inverse(lower_gamma, sp.gammaincinv), (1.0, 0.3), (2.5, 0.9), (2.5, 1e-6), ways=last(2), rtol=1e-8
    ),
    "gammainccinv": at(
        inverse(lambda a, x: mp.gammainc(a, x, regularized=True), sp.gammainccinv),
        (1.0, 0.3),
        (2.5, 0.9),
        (2.5, 1e-6),
        ways=last(2),
        rtol=1e-8,
    ),
    "betainc": at(
        lower_beta,
        (1.0, 1.0, 0.0),
        (2.0, 1.0, 0.0),
        (3.0, 2.0, 0.0),
        (2.5, 3.5, 0.5),
        (2.0, 3.0, 1.0),
        (1.0, 1.0, 1.0),
        ways=last(3),
        rtol=1e-10,
    ),
    "betaincc": at(
        lambda a, b, x: 1 - lower_beta(a, b, x),
        (2.0, 1.0, 0.0),
        (2.5, 3.5, 0.5),
        (2.0, 3.0, 1.0),
        ways=last(3),
        rtol=1e-10,
    ),
    "betaincinv": at(
        inverse(lower_beta, sp.betaincinv), (1.0, 1.0, 0.3), (2.5, 3.5, 0.5), ways=last(3), rtol=1e-8
    ),
    "betainccinv": at(
        inverse(lambda a, b, x: 1 - lower_beta(a, b, x), sp.betainccinv),
        (1.0, 1.0, 0.3),
        (2.5, 3.5, 0.5),
        ways=last(3),
        rtol=1e-8,
    ),
    "poch": at(lambda a, b: mp.gamma(a + b) / mp.gamma(a), (1.0, 0.0), (2.0, 3.0), (0.5, 1.5), rtol=1e-9),
    "binom": at(lambda n, k: mp.binomial(n, k), (5.0, 0.0), (5.0, 2.0), (5.5, 2.5), (3.0, 3.0), rtol=1e-9),
    # exponential integrals
    "exp1": at(mp.e1, 1e-5, 0.5, 1.0, 30.0),
    "expi": at(mp.ei, -30.0, -1e-5, 1e-5, 1.0, 30.0),
    "expn": at(mp.expint, (1, 0.5), (2, 1e-3), (3, 1.0), (3, 40.0), (0, 0.7), ways=last(2)),
    "spence": at(lambda x: mp.re(mp.polylog(2, 1 - x)), 1e-5, 0.5, 1.0, 1 - SMALL, 1 + SMALL, 1.6, 2.0, 30.0),
    "hyp0f1": at(mp.hyp0f1, (1.5, 0.0), (1.5, TINY), (1.5, -3.0), (0.5, 4.0), ways=last(2)),
    "sici_0": at(mp.si, *LINE),
    "sici_1": at(mp.ci, 1e-5, 0.5, 1.0, 30.0),
    "shichi_0": at(mp.shi, *LINE),
    "shichi_1": at(mp.chi, 1e-5, 0.5, 1.0, 30.0),
    # Bessel functions
    "j0": at(lambda x: mp.besselj(0, x), *LINE, 30.0),
    "j1": at(lambda x: mp.besselj(1, x), *LINE, 30.0),
    "y0": at(lambda x: mp.bessely(0, x), 1e-5, 0.5, 1.0, 30.0),
    "y1": at(lambda x: mp.bessely(1, x), 1e-5, 0.5, 1.0, 30.0),
    "jv": at(
        mp.besselj,
        (0.0, 0.0),
        (1.0, 0.0),
        (2.0, 0.0),
        (3.0, 0.0),
        (0.5, 1.0),
        (2.0, SMALL),
        (2.5, 30.0),
        ways=last(2),
        rtol=1e-10,
    ),
    "yv": at(mp.bessely, (0.0, 1e-3), (1.0, 0.5), (0.5, 1.0), (2.5, 30.0), ways=last(2), rtol=1e-10),
    "yn": at(mp.bessely, (0, 1e-3), (1, 0.5), (3, 30.0), ways=last(2), rtol=1e-10),
    "iv": at(
        mp.besseli, (0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0), (0.5, 1.0), (2.5, 30.0), ways=last(2)
    ),
    "kv": at(mp.besselk, (0.0, 1e-3), (1.0, 0.5), (0.5, 1.0), (2.5, 30.0), ways=last(2)),
    "kn": at(mp.besselk, (0, 1e-3), (1, 0.5), (3, 30.0), ways=last(2)),
    "i0": at(lambda x: mp.besseli(0, x), *LINE, 30.0),
    "i1": at(lambda x: mp.besseli(1, x), *LINE, 30.0),
    "k0": at(lambda x: mp.besselk(0, x), 1e-5, 0.5, 1.0, 30.0),
    "k1": at(lambda x: mp.besselk(1, x), 1e-5, 0.5, 1.0, 30.0),
    "hankel1": at(mp.hankel1, (0.0, 0.5), (1.0, 1.0), (2.5, 30.0), ways=last(2), rtol=1e-10),
    "hankel2": at(mp.hankel2, (0.0, 0.5), (1.0, 1.0), (2.5, 30.0), ways=last(2), rtol=1e-10),
    "i0e": at(
        lambda x: mp.exp(-abs(x)) * mp.besseli(0, x), -2.0, -SMALL, TINY, 0.5, 1.0, 30.0, 500.0, rtol=1e-8
    ),
    "i1e": at(
        lambda x: mp.exp(-abs(x)) * mp.besseli(1, x), -2.0, -SMALL, TINY, 0.5, 1.0, 30.0, 500.0, rtol=1e-8
    ),
    "ive": at(
        lambda v, x: mp.exp(-abs(x)) * mp.besseli(v, x),
        (1.5, 0.5),
        (0.0, 1.0),
        (2.0, 30.0),
        ways=last(2),
        rtol=1e-8,
    ),
    "kve": at(
        lambda v, x: mp.exp(x) * mp.besselk(v, x),
        (1.5, 0.5),
        (0.0, 1.0),
        (2.0, 30.0),
        ways=last(2),
        rtol=1e-8,
    ),
    "k0e": at(lambda x: mp.exp(x) * mp.besselk(0, x), 1e-5, 0.5, 1.0, 30.0, rtol=1e-8),
    "k1e": at(lambda x: mp.exp(x) * mp.besselk(1, x), 1e-5, 0.5, 1.0, 30.0, rtol=1e-8),
    "jve": at(mp.besselj, (0.0, 0.0), (1.5, 1.0), (2.5, 30.0), ways=last(2), rtol=1e-10),
    "yve": at(mp.bessely, (0.0, 0.5), (1.5, 1.0), (2.5, 30.0), ways=last(2), rtol=1e-10),
    "hankel1e": at(
        lambda v, x: mp.hankel1(v, x) * mp.exp(-1j * x),
        (0.0, 0.5),
        (1.5, 1.0),
        (2.5, 30.0),
        ways=last(2),
        rtol=1e-8,
    ),
    "hankel2e": at(
        lambda v, x: mp.hankel2(v, x) * mp.exp(1j * x),
        (0.0, 0.5),
        (1.5, 1.0),
        (2.5, 30.0),
        ways=last(2),
        rtol=1e-8,
    ),
    "itj0y0_0": at(slope(lambda x: mp.besselj(0, x), lambda x: sp.itj0y0(x)[0]), 0.0, SMALL, 0.5, 5.0),
    "itj0y0_1": at(slope(lambda x: mp.bessely(0, x), lambda x: sp.itj0y0(x)[1]), 1e-3, 0.5, 5.0),
    "iti0k0_0": at(slope(lambda x: mp.besseli(0, x), lambda x: sp.iti0k0(x)[0]), 0.0, SMALL, 0.5, 5.0),
    "iti0k0_1": at(slope(lambda x: mp.besselk(0, x), lambda x: sp.iti0k0(x)[1]), 1e-3, 0.5, 5.0),
    "it2j0y0_0": at(
        slope(lambda x: (1 - mp.besselj(0, x)) / x, lambda x: sp.it2j0y0(x)[0]),
        0.0,
        SMALL,
        0.5,
        1.0,
        5.0,
        rtol=1e-10,
    ),
    "it2j0y0_1": at(slope(lambda x: -mp.bessely(0, x) / x, lambda x: sp.it2j0y0(x)[1]), 1e-3, 0.5, 5.0),
    "it2i0k0_0": at(
        slope(lambda x: (mp.besseli(0, x) - 1) / x, lambda x: sp.it2i0k0(x)[0]),
        0.0,
        SMALL,
        0.5,
        1.0,
        5.0,
        rtol=1e-10,
    ),
    "it2i0k0_1": at(slope(lambda x: -mp.besselk(0, x) / x, lambda x: sp.it2i0k0(x)[1]), 1e-3, 0.5, 5.0),
    "struve": at(
        mp.struveh, (0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (0.0, 1.0), (1.5, 3.0), ways=last(2), rtol=1e-9
    ),
    "modstruve": at(
        mp.struvel, (0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (0.0, 1.0), (1.5, 3.0), ways=last(2), rtol=1e-9
    ),
    "itstruve0": at(slope(lambda x: mp.struveh(0, x), sp.itstruve0), SMALL, 0.5, 5.0, rtol=1e-9),
    "it2struve0": at(slope(lambda x: -mp.struveh(0, x) / x, sp.it2struve0), 1e-3, 0.5, 5.0, rtol=1e-9),
    "itmodstruve0": at(slope(lambda x: mp.struvel(0, x), sp.itmodstruve0), SMALL, 0.5, 5.0, rtol=1e-9),
    "airy_0": at(mp.airyai, *LINE),
    "airy_1": at(lambda x: mp.airyai(x, derivative=1), *LINE),
    "airy_2": at(mp.airybi, *LINE),
    "airy_3": at(lambda x: mp.airybi(x, derivative=1), *LINE),
    "airye_0": at(lambda x: mp.airyai(x) * mp.exp(2 * x * mp.sqrt(x) / 3), 0.3, 1.0, 30.0, rtol=1e-8),
    "airye_1": at(
        lambda x: mp.airyai(x, derivative=1) * mp.exp(2 * x * mp.sqrt(x) / 3), 0.3, 1.0, 30.0, rtol=1e-8
    ),
    "airye_2": at(lambda x: mp.airybi(x) * mp.exp(-2 * x * mp.sqrt(x) / 3), 0.3, 1.0, 30.0, rtol=1e-8),
    "airye_3": at(
        lambda x: mp.airybi(x, derivative=1) * mp.exp(-2 * x * mp.sqrt(x) / 3), 0.3, 1.0, 30.0, rtol=1e-8
    ),
    "ber": at(lambda x: mp.ber(0, x), 0.0, 0.7, 3.0, rtol=1e-9),
    "bei": at(lambda x: mp.bei(0, x), 0.0, 0.7, 3.0, rtol=1e-9),
    "ker": at(lambda x: mp.ker(0, x), 1e-3, 0.5, 1.0, 5.0, rtol=1e-8),
    "kei": at(lambda x: mp.kei(0, x), 1e-3, 0.5, 1.0, 5.0, rtol=1e-8),
    "berp": at(lambda x: mp.diff(lambda t: mp.ber(0, t), x), 0.5, 1.0, 5.0, rtol=1e-8),
    "beip": at(lambda x: mp.diff(lambda t: mp.bei(0, t), x), 0.5, 1.0, 5.0, rtol=1e-8),
    "kerp": at(lambda x: mp.diff(lambda t: mp.ker(0, t), x), 0.5, 1.0, 5.0, rtol=1e-8),
    "keip": at(lambda x: mp.diff(lambda t: mp.kei(0, t), x), 0.5, 1.0, 5.0, rtol=1e-8),
    "pbdv_0": at(mp.pcfd, (0.5, 0.0), (1.5, 0.7), (2.0, 2.0), ways=last(2), rtol=1e-8),
    "pbvv_0": at(
        lambda v, x: mp.pcfv(-v - 0.5, x), (0.5, 0.1), (1.5, 0.7), (2.0, 2.0), ways=last(2), rtol=1e-8
    ),
    "pbwa_0": at(mp.pcfw, (0.5, 0.1), (1.5, 0.7), (1.0, 2.0), ways=last(2), rtol=1e-7),
    # elliptic integrals and functions
    "ellipk": at(mp.ellipk, -1e5, -1.0, 0.0, TINY, SMALL, 0.5, 1 - 1e-5),
    "ellipkm1": at(lambda p: mp.ellipk(1 - p), 1e-50, 1e-5, 0.5, 1.0, 2.0),
    "ellipe": at(mp.ellipe, -1e5, -1.0, 0.0, TINY, SMALL, 0.5, 1 - 1e-5),
    "ellipkinc": at(mp.ellipf, (0.0, 0.5), (0.5, 0.0), (1.5, 0.3), (2.0, -0.7), (-1.0, SMALL), rtol=1e-8),
    "ellipeinc": at(elliptic_e, (0.0, 0.5), (0.5, 0.0), (1.5, 0.3), (2.0, -0.7), (-1.0, SMALL), rtol=1e-8),
    "ellipj_0": at(lambda u, m: mp.ellipfun("sn", u, m=m), (0.7, SMALL), (1.3, 0.3), rtol=1e-8),
    "ellipj_1": at(lambda u, m: mp.ellipfun("cn", u, m=m), (0.7, SMALL), (1.3, 0.3), rtol=1e-8),
    "ellipj_2": at(lambda u, m: mp.ellipfun("dn", u, m=m), (0.7, SMALL), (1.3, 0.3), rtol=1e-8),
    "ellipj_3": at(lambda u, m: mp.asin(mp.ellipfun("sn", u, m=m)), (0.7, SMALL), (1.0, 0.3), rtol=1e-8),
    "elliprc": at(mp.elliprc, (1.0, 1.0), (0.5, 2.0), (2.0, 0.5), rtol=1e-9),
    "elliprf": at(
        mp.elliprf, (1.0, 1.0, 1.0), (0.0, 1.0, 2.0), (0.5, 2.0, 3.0), ways=[(0, 1, 0), (0, 0, 1)], rtol=1e-9
    ),
    "elliprd": at(
        mp.elliprd, (1.0, 1.0, 1.0), (0.0, 1.0, 2.0), (0.5, 2.0, 3.0), ways=[(0, 1, 0), (0, 0, 1)], rtol=1e-9
    ),
    "elliprg": at(mp.elliprg, (1.0, 1.0, 1.0), (0.5, 2.0, 3.0), ways=[(1, 0, 0), (0, 0, 1)], rtol=1e-9),
    "elliprj": at(
        mp.elliprj, (1.0, 1.0, 1.0, 1.0), (0.5, 2.0, 3.0, 0.7), ways=[(1, 0, 0, 0), (0, 0, 0, 1)], rtol=1e-8
    ),
    "agm": at(mp.agm, (1.0, 1.0), (1e-5, 1.0), (0.5, 2.0), (3.0, 3.0), rtol=1e-9),
    # hypergeometric functions, Legendre functions, polynomials
    "hyp1f1": at(
        mp.hyp1f1, (0.5, 1.5, 0.0), (0.5, 1.5, TINY), (1.0, 2.0, -3.0), (2.0, 2.0, 1.0), ways=last(3)
    ),
    "hyperu": at(mp.hyperu, (0.5, 1.5, 1e-2), (1.0, 2.0, 3.0), ways=last(3), rtol=1e-8),
    "hyp2f1": at(
        mp.hyp2f1,
        (0.5, 1.0, 1.5, 0.0),
        (0.5, 1.0, 1.5, TINY),
        (1.0, 1.0, 2.0, 0.5),
        (1.0, 1.0, 2.0, -3.0),
        ways=last(4),
        rtol=1e-10,
    ),
    "wright_bessel": at(
        lambda a, b, x: mp.nsum(lambda k: x**k / mp.factorial(k) * mp.rgamma(a * k + b), [0, 60]),
        (0.5, 1.5, 0.0),
        (0.5, 1.5, 1.0),
        (1.0, 1.0, 2.0),
        ways=last(3),
        rtol=1e-10,
    ),
    "log_wright_bessel": at(
        lambda a, b, x: mp.log(mp.nsum(lambda k: x**k / mp.factorial(k) * mp.rgamma(a * k + b), [0, 60])),
        (0.5, 1.5, 1.0),
        (1.0, 1.0, 2.0),
        ways=last(3),
        rtol=1e-9,
    ),
    "lpmv": at(
        lambda m, v, x: mp.legenp(v, m, x),
        (0.0, 2.0, 0.0),
        (1.0, 2.0, 0.3),
        (0.0, 1.5, -0.5),
        ways=last(3),
        rtol=1e-8,
    ),
    **{
        f"eval_{name}": at(f, *points, ways=last(len(points[0])), rtol=1e-10)
        for name, f, points in [
            ("legendre", mp.legendre, [(0, 0.3), (1, 0.0), (2, 1.0), (5, -1.0), (3, 0.0)]),
            ("sh_legendre", lambda n, x: mp.legendre(n, 2 * x - 1), [(0, 0.3), (1, 0.5), (2, 1.0), (5, 0.0)]),
            ("chebyt", mp.chebyt, [(0, 0.3), (1, 0.0), (2, 1.0), (5, -1.0), (3, 0.0)]),
            ("chebyu", mp.chebyu, [(0, 0.3), (1, 0.0), (2, 0.9), (5, -0.9), (3, 0.0)]),
            ("chebyc", lambda n, x: 2 * mp.chebyt(n, x / 2), [(0, 0.3), (1, 0.0), (2, 1.0), (5, -1.0)]),
            ("chebys", lambda n, x: mp.chebyu(n, x / 2), [(0, 0.3), (1, 0.0), (2, 1.0), (5, -1.0)]),
            ("sh_chebyt", lambda n, x: mp.chebyt(n, 2 * x - 1), [(0, 0.3), (1, 0.5), (2, 1.0), (5, 0.0)]),
            ("sh_chebyu", lambda n, x: mp.chebyu(n, 2 * x - 1), [(0, 0.3), (1, 0.5), (2, 0.9), (5, 0.1)]),
            ("laguerre", lambda n, x: mp.laguerre(n, 0, x), [(0, 0.3), (1, 0.0), (2, 0.0), (5, 3.0)]),
            ("genlaguerre", mp.laguerre, [(0, 0.5, 0.3), (1, 0.5, 0.0), (2, 0.5, 0.0), (5, 0.5, 3.0)]),
            ("gegenbauer", mp.gegenbauer, [(0, 0.5, 0.3), (1, 0.5, 0.0), (2, 0.7, 0.0), (5, 0.5, 0.9)]),
            (
                "jacobi",
                mp.jacobi,
                [(0, 0.5, 0.7, 0.3), (1, 0.5, 0.7, 0.0), (2, 0.5, 0.7, 1.0), (5, 0.5, 0.7, -0.9)],
            ),
            ("hermite", mp.hermite, [(0, 0.3), (1, 0.0), (2, 0.0), (5, -1.0), (3, 0.0)]),
            (
                "hermitenorm",
                lambda n, x: mp.hermite(n, x / mp.sqrt(2)) / mp.mpf(2) ** (mp.mpf(n) / 2),
                [(0, 0.3), (1, 0.0), (2, 0.0), (5, -1.0), (3, 0.0)],
            ),
        ]
    },
    "eval_sh_jacobi": at(
        lambda n, p, q, x: mp.jacobi(n, p - q, q - 1, 2 * x - 1) / mp.binomial(2 * n + p - 1, n),
        (0, 2.0, 1.5, 0.3),
        (1, 2.0, 1.5, 0.5),
        (3, 2.0, 1.5, 0.9),
        ways=last(4),
        rtol=1e-9,
    ),
    # normal distribution and what is like it
    "ndtr": at(cdf, *LINE, -35.0, 8.0),
    "ndtri": at(inverse(cdf, sp.ndtri), 1e-10, 0.3, 0.5, 0.9, rtol=1e-8),
    "log_ndtr": at(hazard, *LINE, -800.0, -40.0, -20.0, 8.0, rtol=1e-8),
    "ndtri_exp": at(inverse(hazard, sp.ndtri_exp), -50.0, -1.0, -0.1, rtol=1e-8),
    "nrdtrimn": at(
        lambda p, s, x: x - s * mp.sqrt(2) * mp.erfinv(2 * p - 1),
        (0.5, 1.0, 0.3),
        (0.3, 2.0, 1.0),
        ways=[(1, 0, 0), (0, 1, 0), (0, 0, 1)],
        rtol=1e-9,
    ),
    "nrdtrisd": at(
        lambda m, p, x: (x - m) / (mp.sqrt(2) * mp.erfinv(2 * p - 1)),
        (0.1, 0.7, 0.3),
        (0.0, 0.9, 1.0),
        ways=[(1, 0, 0), (0, 1, 0), (0, 0, 1)],
        rtol=1e-9,
    ),
    "owens_t": at(
        lambda h, a: mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a]) / (2 * mp.pi),
        (0.0, 0.5),
        (1.0, 0.0),
        (0.7, 1.3),
        (-2.0, 0.5),
        rtol=1e-9,
    ),
    "voigt_profile": at(
        lambda x, s, g: mp.re(wofz((x + 1j * g) / (s * mp.sqrt(2)))) / (s * mp.sqrt(2 * mp.pi)),
        (0.0, 1.0, 0.5),
        (1.5, 0.5, 0.1),
        ways=[(1, 0, 0), (0, 1, 0), (0, 0, 1)],
        rtol=1e-8,
    ),
    # distributions
    "chdtr": at(
        lambda v, x: lower_gamma(mp.mpf(v) / 2, x / 2), (2.0, 0.0), (4.0, 0.0), (3.5, 1.0), ways=last(2)
    ),
    "chdtrc": at(
        lambda v, x: 1 - lower_gamma(mp.mpf(v) / 2, x / 2), (2.0, 0.0), (4.0, 0.0), (3.5, 1.0), ways=last(2)
    ),
    "chdtri": at(
        inverse(lambda v, x: 1 - lower_gamma(mp.mpf(v) / 2, x / 2), sp.chdtri),
        (3.5, 0.3),
        (2.0, 0.9),
        ways=last(2),
        rtol=1e-8,
    ),
    "pdtr": at(
        lambda k, m: 1 - lower_gamma(mp.floor(k) + 1, m), (0.0, 0.0), (2.0, 0.0), (2.0, 1.5), ways=last(2)
    ),
    "pdtrc": at(
        lambda k, m: lower_gamma(mp.floor(k) + 1, m), (0.0, 0.0), (2.0, 0.0), (2.0, 1.5), ways=last(2)
    ),
    "pdtri": at(
        inverse(lambda k, m: 1 - lower_gamma(k + 1, m), sp.pdtri), (2, 0.3), (0, 0.9), ways=last(2), rtol=1e-8
    ),
    "gdtr": at(
        lambda a, b, x: lower_gamma(b, a * x), (1.0, 2.0, 0.5), (0.7, 1.5, 3.0), ways=[(1, 0, 0), (0, 0, 1)]
    ),
    "gdtrc": at(
        lambda a, b, x: 1 - lower_gamma(b, a * x),
        (1.0, 2.0, 0.5),
        (0.7, 1.5, 3.0),
        ways=[(1, 0, 0), (0, 0, 1)],
    ),
    "gdtrix": at(
        inverse(lambda a, b, x: lower_gamma(b, a * x), sp.gdtrix),
        (1.0, 2.0, 0.5),
        (0.7, 1.5, 0.9),
        ways=last(3),
        rtol=1e-8,
    ),
    "gdtria": at(
        inverse(lambda b, x, a: lower_gamma(b, a * x), lambda b, x, p: sp.gdtria(p, b, x), first=True),
        (0.5, 2.0, 0.5),
        ways=[(1, 0, 0)],
        rtol=1e-8,
    ),
    "bdtr": at(
        lambda k, n, p: 1 - lower_beta(k + 1, n - k, p),
        (2.0, 7, 0.3),
        (0.0, 3, 0.5),
        (2.0, 7, 0.9),
        ways=last(3),
        rtol=1e-9,
    ),
    "bdtrc": at(
        lambda k, n, p: lower_beta(k + 1, n - k, p), (2.0, 7, 0.3), (0.0, 3, 0.5), ways=last(3), rtol=1e-9
    ),
    "bdtri": at(
        inverse(lambda k, n, p: 1 - lower_beta(k + 1, n - k, p), sp.bdtri),
        (2.0, 7, 0.3),
        ways=last(3),
        rtol=1e-8,
    ),
    "nbdtr": at(lambda k, n, p: lower_beta(n, k + 1, p), (2, 4, 0.3), (0, 2, 0.5), ways=last(3), rtol=1e-9),
    "nbdtrc": at(
        lambda k, n, p: 1 - lower_beta(n, k + 1, p), (2, 4, 0.3), (0, 2, 0.5), ways=last(3), rtol=1e-9
    ),
    "nbdtri": at(
        inverse(lambda k, n, p: lower_beta(n, k + 1, p), sp.nbdtri), (2, 4, 0.3), ways=last(3), rtol=1e-8
    ),
    "fdtr": at(fisher, (3.0, 5.0, 0.7), (4.0, 2.0, 0.0), (2.0, 4.0, 3.0), ways=last(3), rtol=1e-9),
    "fdtrc": at(
        lambda a, b, x: 1 - fisher(a, b, x), (3.0, 5.0, 0.7), (4.0, 2.0, 0.0), ways=last(3), rtol=1e-9
    ),
    "fdtri": at(inverse(fisher, sp.fdtri), (3.0, 5.0, 0.7), ways=last(3), rtol=1e-8),
    "stdtr": at(slope(student, sp.stdtr), (3.0, 0.0), (2.5, 1.0), (1.0, -5.0), ways=last(2), rtol=1e-9),
    "chndtr": at(by_values(sp.chndtr), (3.0, 3.5, 1.2), ways=[(1, 0, 0), (0, 0, 1)], rtol=1e-6),
    "ncfdtr": at(by_values(sp.ncfdtr), (3.0, 5.0, 1.2, 2.0), ways=[(0, 0, 0, 1), (0, 0, 1, 0)], rtol=1e-6),
    "nctdtr": at(by_values(sp.nctdtr), (3.5, 0.7, 1.0), (3.5, 0.7, 0.4), ways=last(3), rtol=1e-6),
    "kolmogorov": at(kolmogorov, 0.4, 0.999, 1.0, 1.001, 2.0, rtol=1e-9),
    "kolmogi": at(inverse(kolmogorov, sp.kolmogi), 0.2, 0.7, rtol=1e-7),
    # logistic functions and entropies
    "expit": at(lambda x: 1 / (1 + mp.exp(-x)), -2.5, -1.0, 0.0, 0.7, 3.0, -700.0, 40.0, 700.0),
    "log_expit": at(lambda x: -mp.log1p(mp.exp(-x)), *LINE, -700.0, 40.0, 700.0),
    "logit": at(lambda x: mp.log(x / (1 - x)), 1e-20, SMALL, 0.5, 0.9, 1 - 1e-5),
    "exprel": at(exprel, *LINE, -700.0, 1.0, -1.0, 40.0),
    "xlogy": at(xlogy, (0.0, 2.0), (1.0, 1.0), (0.0, 1.0), (0.0, 1e-9), (1e-9, 1e-9), (-2.0, 3.0)),
    "xlog1py": at(
        lambda a, b: a * mp.log1p(b),
        (0.0, 0.0),
        (1.0, 0.0),
        (0.0, 2.0),
        (1e-9, SMALL),
        (0.0, -1 + 1e-5),
        (-2.0, 3.0),
    ),
    "entr": at(lambda x: -x * mp.log(x), 1e-100, *POSITIVE),
    "rel_entr": at(relative, (1.0, 1.0), (1e-9, 2.0), (2.0, 1e-9), (3.0, 4.0)),
    "kl_div": at(
        lambda a, b: relative(a, b) - a + b,
        (1.0, 1.0),
        (2.0, 2.0),
        (1.0, 1 + 1e-3),
        (1e-9, 2.0),
        (3.0, 4.0),
        rtol=1e-10,
    ),
    "cosm1": at(lambda x: mp.cos(x) - 1, *LINE),
    "huber": at(
        lambda d, r: r * r / 2 if abs(r) <= d else d * (abs(r) - d / 2),
        (1.0, 0.0),
        (1.0, 0.5),
        (1.0, 2.0),
        (1.0, -2.0),
    ),
    "pseudo_huber": at(pseudo, (1.0, 0.0), (1.0, 1e-9), (2.0, -3.0), (1e-3, 1.0), rtol=1e-9),
    "boxcox": at(
        boxcox, (1.0, 0.0), (2.0, 0.0), (1.0, 2.0), (0.5, 1e-9), (3.0, -1.5), (1e-5, 2.0), rtol=1e-9
    ),
    "boxcox1p": at(lambda a, b: boxcox(1 + a, b), (0.0, 0.0), (1.0, 0.0), (0.0, 2.0), (3.0, -1.5), rtol=1e-9),
    "inv_boxcox": at(
        inv_boxcox, (0.0, 0.0), (0.5, 0.0), (0.0, 2.0), (1.0, 1e-9), (0.4, -0.5), (3.0, 2.0), rtol=1e-9
    ),
    "inv_boxcox1p": at(
        lambda a, b: inv_boxcox(a, b) - 1,
        (0.0, 0.0),
        (0.5, 0.0),
        (0.0, 2.0),
        (0.4, -0.5),
        (3.0, 2.0),
        rtol=1e-9,
    ),
    "powm1": at(lambda a, b: a**b - 1, (1.0, 0.0), (1.0, 2.0), (2.0, 0.0), (1 + 1e-9, 1.0), (0.5, -1.5)),
    "sindg": at(degrees(mp.sin), 0.0, 90.0, 180.0, 30.0, 1e-9),
    "cosdg": at(degrees(mp.cos), 0.0, 90.0, 180.0, 30.0, 1e-9),
    "tandg": at(degrees(mp.tan), 0.0, 45.0, 180.0, 89.0),
    "cotdg": at(degrees(mp.cot), 90.0, 45.0, 1.0),
    "radian": at(
        lambda d, m, s: (d + m / 60 + s / 3600) * mp.pi / 180,
        (1.0, 2.0, 3.0),
        ways=[(1, 0, 0), (0, 1, 0), (0, 0, 1)],
    ),
    "wrightomega": at(lambda x: mp.lambertw(mp.exp(x)), -40.0, *LINE, 1e3, rtol=1e-9),
    "lambertw": at(
        lambda x, k: mp.lambertw(x),
        (-0.3, 0),
        (0.0, 0),
        (TINY, 0),
        (1.0, 0),
        (30.0, 0),
        ways=[(1, 0)],
        rtol=1e-10,
    ),
    "tklmbda": at(
        inverse(lambda b, p: (p**b - (1 - p) ** b) / b, lambda b, x: sp.tklmbda(x, b), first=True),
        (0.3, 0.7),
        (0.0, 0.5),
        ways=[(1, 0)],
        rtol=1e-8,
    ),
    # what mpmath lacks: no special points are known
    "besselpoly": at(by_values(sp.besselpoly), (1.0, 1.0, 0.5), (2.0, 1.5, 1.0), ways=[(1, 0, 0)], rtol=1e-6),
    **{
        f"{name}_{k}": at(by_values(part(name, k)), *points, ways=last(len(points[0])), rtol=1e-6)
        for name, points in [
            ("mathieu_cem", [(2, 1.5, 0.3)]),
            ("mathieu_sem", [(2, 1.5, 0.3)]),
            ("mathieu_modcem1", [(2, 1.5, 0.5)]),
            ("mathieu_modcem2", [(2, 1.5, 0.5)]),
            ("mathieu_modsem1", [(2, 1.5, 0.5)]),
            ("mathieu_modsem2", [(2, 1.5, 0.5)]),
            ("pro_ang1", [(1, 2, 0.7, 0.3)]),
            ("obl_ang1", [(1, 2, 0.7, 0.3)]),
            ("pro_rad1", [(1, 2, 0.7, 1.9)]),
            ("obl_rad1", [(1, 2, 0.7, 0.9)]),
        ]
        for k in range(2)
    },
    **{
        f"{name}_1": at(by_values(part(name, 1)), (0.7, 0.5), (1.0, 1.5), ways=last(2), rtol=1e-6)
        for name in ("pbdv", "pbvv", "pbwa")
    },
    **{
        f"{name}_{k}": at(by_values(part(name, k)), 0.5, 1.5, rtol=1e-6)
        for name in ("modfresnelp", "modfresnelm")
        for k in range(2)
    },
    "stdtrit": at(by_values(sp.stdtrit), (3.5, 0.4), (2.0, 0.6), ways=last(2), rtol=1e-6),
    "chndtrix": at(by_values(sp.chndtrix), (0.5, 3.5, 1.2), ways=[(1, 0, 0)], rtol=1e-5),
    "ncfdtri": at(by_values(sp.ncfdtri), (3.0, 5.0, 1.2, 0.5), ways=last(4), rtol=1e-5),
    "nctdtrit": at(by_values(sp.nctdtrit), (3.5, 0.7, 0.5), ways=last(3), rtol=1e-5),
}
# What ``test_special`` has instead: piecewise polynomials with a first derivative only, and inverses that
# SciPy finds to six digits, so that no third derivative can be had of their values.
ELSEWHERE = frozenset({"smirnov", "smirnovi", "chndtrinc", "ncfdtrinc"})

# -- conventions ----------------------------------------------------------------------------------


class Convention(NamedTuple):
    """A point without a derivative: what every backend gives for each operand, and why."""

    name: str
    point: tuple[float, ...]
    partials: tuple[float, ...]
    why: str


_TIE = "a tie is shared equally"
_CUSP = "a cusp: the mean of both sides"
_STEP = "constant in pieces"
_LIMIT = "the limit is infinite"
_CORNER = "no limit: the function is constant along an axis"
CONVENTIONS = [
    Convention("absolute", (0.0,), (0.0,), _CUSP),
    Convention("sign", (0.0,), (0.0,), _STEP),
    *(Convention(name, (2.0,), (0.0,), _STEP) for name in ("floor", "ceil", "trunc", "rint")),
    Convention("heaviside", (0.0, 0.5), (0.0, 1.0), _STEP),
    Convention("copysign", (0.0, 1.0), (0.0, 0.0), _CUSP),
    *(Convention(name, (1.0, 1.0), (0.5, 0.5), _TIE) for name in ("maximum", "minimum", "fmax", "fmin")),
    Convention("remainder", (4.0, 2.0), (1.0, -2.0), "a jump: from the side on which the value lies"),
    Convention("fmod", (4.0, 2.0), (1.0, -2.0), "a jump: from the side on which the value lies"),
    Convention("hypot", (0.0, 0.0), (0.0, 0.0), "a cone: the mean of all sides"),
    Convention("arctan2", (0.0, 0.0), (0.0, 0.0), "every angle meets there"),
    Convention("power", (0.0, 0.0), (0.0, 0.0), _CORNER),
    Convention("power", (0.0, 2.0), (0.0, 0.0), "0**b is zero for every positive b"),
    Convention("xlogy", (0.0, 0.0), (0.0, 0.0), _CORNER),
    Convention("xlog1py", (0.0, -1.0), (0.0, 0.0), _CORNER),
    Convention("sqrt", (0.0,), (inf,), _LIMIT),
    Convention("cbrt", (0.0,), (inf,), _LIMIT),
    Convention("log", (0.0,), (inf,), _LIMIT),
    Convention("entr", (0.0,), (inf,), _LIMIT),
    Convention("rel_entr", (0.0, 1.0), (-inf, 0.0), _LIMIT),
    Convention("kl_div", (0.0, 1.0), (-inf, 1.0), _LIMIT),
    Convention("logaddexp", (-inf, -inf), (0.5, 0.5), _TIE),
    Convention("logaddexp", (-inf, 0.0), (0.0, 1.0), "the smaller one does not count"),
    Convention("huber", (1.0, 1.0), (0.0, 1.0), "smooth to first order; the second derivative is 1/2"),
]

# -- the table in the file beside this one ----------------------------------------------------------

FILE = Path(__file__).with_name("edges.json")


def function(name: str) -> Callable[..., Any]:
    """The function of NumPy or SciPy that a user calls to reach a primitive."""
    if name == "lambertw":
        return lambda x, k: sp.lambertw(x)
    if name in ("sinc", "real", "conjugate", "absolute"):
        return getattr(np, name)
    found = getattr(np, name, None) or getattr(sp, name, None)
    if isinstance(found, np.ufunc):
        return found
    if name[-2:] in ("_0", "_1", "_2", "_3"):
        return part(name[:-2], int(name[-1]))
    return next(f for f, g in UFUNCS.items() if g is PRIMITIVES[name])


def references(name: str, way: tuple[int, ...], point: tuple[float, ...]) -> list[float]:
    """Value and three derivatives; real and imaginary part are added."""
    row = SMOOTH[name].reference
    with np.errstate(all="ignore"):
        found = row.derivatives(point, way) if isinstance(row, Given) else along(row, point, way)
    return [float(np.real(v) + np.imag(v)) for v in found]


def key(name: str, way: tuple[int, ...], point: tuple[float, ...]) -> str:
    return f"{name} {list(way)} {list(point)}"


def main() -> None:
    """Write the table of references."""
    table = {
        key(name, way, point): references(name, way, point)
        for name, row in SMOOTH.items()
        for way in row.ways
        for point in row.points
    }
    FILE.write_text(
        "{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in table.items()) + "\n}\n"
    )


if __name__ == "__main__":
    main()
