"""Second derivatives by differences of standard least-squares problems: right, or told of.

J. J. More, B. S. Garbow and K. E. Hillstrom, Testing unconstrained optimization software, ACM TOMS 7
(1981), at the starting points given there and at ten times those.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polyad as ad
from polyad.errors import PrecisionWarning

FD = ad.FiniteDifferences
PROBLEMS: dict[str, tuple[Callable[[Any], list[Any]], list[float]]] = {}


def problem(*start: float) -> Callable[[Any], Any]:
    def enter(residuals: Any) -> Any:
        PROBLEMS[residuals.__name__] = residuals, list(start)
        return residuals

    return enter


@problem(-1.2, 1.0)
def rosenbrock(x):
    return [10 * (x[1] - x[0] ** 2), 1 - x[0]]


@problem(0.5, -2.0)
def freudenstein_roth(x):
    return [
        -13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1],
        -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1],
    ]


@problem(0.0, 1.0)
def powell_badly_scaled(x):
    return [1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001]


@problem(1.0, 1.0)
def brown_badly_scaled(x):
    return [x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2]


@problem(1.0, 1.0)
def beale(x):
    return [c - x[0] * (1 - x[1] ** (i + 1)) for i, c in enumerate((1.5, 2.25, 2.625))]


@problem(0.3, 0.4)
def jennrich_sampson(x):
    return [2 + 2 * i - (np.exp(i * x[0]) + np.exp(i * x[1])) for i in range(1, 11)]


@problem(-1.0, 0.0, 0.0)
def helical_valley(x):
    turns = np.arctan(x[1] / x[0]) / (2 * np.pi) + 0.5
    return [10 * (x[2] - 10 * turns), 10 * (np.sqrt(x[0] ** 2 + x[1] ** 2) - 1), x[2]]


@problem(1.0, 1.0, 1.0)
def bard(x):
    y = [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39]
    return [y - (x[0] + (i + 1) / ((15 - i) * x[1] + min(i + 1, 15 - i) * x[2])) for i, y in enumerate(y)]


@problem(0.02, 4000.0, 250.0)
def meyer(x):
    y = [
        34780,
        28610,
        23650,
        19630,
        16370,
        13720,
        11540,
        9744,
        8261,
        7030,
        6005,
        5147,
        4427,
        3820,
        3307,
        2872,
    ]
    return [x[0] * np.exp(x[1] / (50 + 5 * i + x[2])) - y for i, y in enumerate(y)]


@problem(0.0, 10.0, 20.0)
def box(x):
    return [
        np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t))
        for t in np.arange(1, 11) * 0.1
    ]


@problem(3.0, -1.0, 0.0, 1.0)
def powell_singular(x):
    return [
        x[0] + 10 * x[1],
        5**0.5 * (x[2] - x[3]),
        (x[1] - 2 * x[2]) ** 2,
        10**0.5 * (x[0] - x[3]) ** 2,
    ]


@problem(-3.0, -1.0, -3.0, -1.0)
def wood(x):
    return [
        10 * (x[1] - x[0] ** 2),
        1 - x[0],
        90**0.5 * (x[3] - x[2] ** 2),
        1 - x[2],
        10**0.5 * (x[1] + x[3] - 2),
        10**-0.5 * (x[1] - x[3]),
    ]


@problem(0.25, 0.39, 0.415, 0.39)
def kowalik_osborne(x):
    y = [0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]
    u = [4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625]
    return [y - x[0] * (u * u + u * x[1]) / (u * u + u * x[2] + x[3]) for y, u in zip(y, u, strict=True)]


@problem(25.0, 5.0, -5.0, -1.0)
def brown_dennis(x):
    return [
        (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2
        for t in np.arange(1, 21) / 5
    ]


@problem(0.5, 1.5, -1.0, 0.01, 0.02)
def osborne(x):
    y = [
        *(0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751),
        *(0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490),
        *(0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406),
    ]
    return [
        y - (x[0] + x[1] * np.exp(-10 * i * x[3]) + x[2] * np.exp(-10 * i * x[4])) for i, y in enumerate(y)
    ]


@problem(1.0, 2.0, 1.0, 1.0, 1.0, 1.0)
def biggs(x):
    return [
        x[2] * np.exp(-t * x[0])
        - x[3] * np.exp(-t * x[1])
        + x[5] * np.exp(-t * x[4])
        - (np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t))
        for t in np.arange(1, 14) * 0.1
    ]


@problem(*[0.0] * 12)
def watson(x):
    r = [x[0], x[1] - x[0] ** 2 - 1]
    for t in np.arange(1, 30) / 29:
        powers = t ** np.arange(12)
        r.append(np.sum(np.arange(1, 12) * x[1:] * powers[:-1]) - np.sum(x * powers) ** 2 - 1)
    return r


@problem(*np.arange(1.0, 11))
def penalty_1(x):
    return [*(1e-5**0.5 * (x[i] - 1) for i in range(10)), np.sum(x * x) - 0.25]


@problem(*[0.5] * 10)
def penalty_2(x):
    a = 1e-5**0.5
    e = np.exp(x / 10)
    return [
        x[0] - 0.2,
        *(a * (e[i] + e[i - 1] - np.exp((i + 1) / 10) - np.exp(i / 10)) for i in range(1, 10)),
        *(a * (e[i] - np.exp(-0.1)) for i in range(1, 10)),
        np.sum((10 - np.arange(10)) * x**2) - 1,
    ]


@problem(*(1 - np.arange(1.0, 21) / 20))
def variably_dimensioned(x):
    s = np.sum(np.arange(1, 21) * (x - 1))
    return [*(x[i] - 1 for i in range(20)), s, s**2]


@problem(*[0.1] * 10)
def trigonometric(x):
    return [10 - np.sum(np.cos(x)) + (i + 1) * (1 - np.cos(x[i])) - np.sin(x[i]) for i in range(10)]


@problem(*[0.5] * 10)
def brown_almost_linear(x):
    return [*(x[i] + np.sum(x) - 11 for i in range(9)), np.prod(x) - 1]


@problem(*(t * (t - 1) for t in np.arange(1, 11) / 11))
def boundary_value(x):
    h = 1 / 11
    z = lambda i: x[i] if 0 <= i < 10 else 0.0  # noqa: E731
    return [2 * x[i] - z(i - 1) - z(i + 1) + h * h * (x[i] + (i + 1) * h + 1) ** 3 / 2 for i in range(10)]


@problem(*[-1.0] * 10)
def broyden_tridiagonal(x):
    z = lambda i: x[i] if 0 <= i < 10 else 0.0  # noqa: E731
    return [(3 - 2 * x[i]) * x[i] - z(i - 1) - 2 * z(i + 1) + 1 for i in range(10)]


# exponentials and polynomials of large degree overflow at ten times the start
FARTHER = {name for name in PROBLEMS if name not in ("meyer", "jennrich_sampson")}


@pytest.mark.parametrize("b", [FD(), FD(order=4)], ids=lambda b: repr(b)[18:])
@pytest.mark.parametrize("name", PROBLEMS)
def test_a_hessian_is_right_or_told_of(name: str, b: Any) -> None:
    residuals, start = PROBLEMS[name]
    f = lambda x: np.sum(np.stack(residuals(x)) ** 2)  # noqa: E731
    for factor in (1.0, 10.0) if name in FARTHER else (1.0,):
        x = factor * np.array(start)
        exact = ad.hessian(f, x, backend="numpy")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            h = ad.hessian(f, x, backend=b)
        off = np.max(abs(h - exact)) / max(np.max(abs(exact)), np.max(abs(h)))
        words = [str(w.message) for w in caught if isinstance(w.message, PrecisionWarning)]
        found = [float(re.search(r"to about (\S+) of", text).group(1)) for text in words]
        assert off < 1e-4 or found, (factor, off)
        assert not found or off < 3 * max(found), (factor, off, found)
        assert not found or off > 1e-6, (factor, off, found)  # nothing is told of where all is well
