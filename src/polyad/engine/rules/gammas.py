"""The gamma function and its relatives in terms of others, for libraries that lack them.

Stirling's series (Abramowitz and Stegun 6.1.40 and 6.3.18) at arguments that are moved up to 12 or more, the
power series (6.1.33) near 1 and 2, where the logarithm is zero, and the reflection below 0.
"""

from __future__ import annotations

import numpy as np
import scipy.special as sp

from polyad.engine.core.values import Value
from polyad.engine.rules.arithmetic import equal, greater, less, log, where
from polyad.engine.rules.decompositions import form, gammasgn
from polyad.engine.rules.elementwise import absolute, exp, floor, log1p, logical_and, rint, sin

__all__: list[str] = []

UP = 12
# B(2k) / (2k (2k - 1)), and B(2k) / 2k
_BERNOULLI = [float(b) for b in sp.bernoulli(16)[2::2]]
_STIRLING = [b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, 1)]
_PSI = [b / (2 * k) for k, b in enumerate(_BERNOULLI, 1)]
# of the logarithm at 1: -euler, zeta(2) / 2, -zeta(3) / 3, ...
_AT_ONE = [-float(np.euler_gamma), *((-1.0) ** k * float(sp.zeta(k)) / k for k in range(2, 40))]
RADIUS = 0.3


def _horner(x: Value, coefficients: list[float]) -> Value:
    total: Value = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def _moved(x: Value) -> tuple[Value, Value]:
    """Whether a positive argument is small, and one that is large instead."""
    small = less(x, UP)
    return small, where(small, x + UP, x)


def _positive_gammaln(x: Value) -> Value:
    small, z = _moved(x)
    near = where(small, x, 1.0)
    product = near
    for k in range(1, UP):
        product = product * (near + k)
    series = _horner(1 / (z * z), _STIRLING) / z
    large = (z - 0.5) * log(z) - z + 0.5 * float(np.log(2 * np.pi)) + series
    return large - where(small, log(product), 0.0)


def _near(x: Value, centre: float, other: Value) -> Value:
    """The power series near 1 or 2, another value elsewhere."""
    inside = less(absolute(x - centre), RADIUS)
    e = where(inside, x - centre, 0.0)
    own = e * _horner(e, _AT_ONE)
    return where(inside, own + log1p(e) if centre == 2.0 else own, other)


@form
def gammaln(x: Value) -> Value:
    positive = greater(x, 0)
    y = where(positive, x, 1 - x)
    found = _near(y, 1.0, _near(y, 2.0, _positive_gammaln(y)))
    pole = logical_and(equal(x, floor(x)), less(x, 0.5))
    turned = sin((x - rint(x)) * float(np.pi))
    reflected = float(np.log(np.pi)) - log(absolute(where(positive, 1.0, where(pole, 1.0, turned)))) - found
    return where(positive, found, where(pole, np.inf, reflected))


@form
def gamma(x: Value) -> Value:
    return gammasgn(x) * exp(gammaln(x))


@form
def digamma(x: Value) -> Value:
    positive = greater(x, 0)
    y = where(positive, x, 1 - x)
    small, z = _moved(y)
    near = where(small, y, 1.0)
    moved = sum((1 / (near + k) for k in range(1, UP)), 1 / near)
    square = 1 / (z * z)
    found = log(z) - 0.5 / z - square * _horner(square, _PSI) - where(small, moved, 0.0)
    pole = logical_and(equal(x, floor(x)), less(x, 0.5))
    angle = where(pole, 0.25, x - rint(x)) * float(np.pi)
    slope = float(np.pi) * sin(angle + float(np.pi) / 2) / sin(angle)
    return where(positive, found, where(pole, np.nan, found - slope))
