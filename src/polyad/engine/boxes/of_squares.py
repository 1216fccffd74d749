"""Powers and even functions of a root, as functions of its square."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.core.values import Value
from polyad.engine.rules.arithmetic import equal, power, where

__all__ = ["SERIES", "even", "half_power"]


def half_power(s: Value, k: float) -> Value:
    """``s ** (k / 2)`` of a k that is not even, s a square: its derivatives at zero are zero below k.

    Derivatives of higher order do not exist there; they come out as NaN, not as a silent zero.
    """
    zero = equal(s, 0)
    if isinstance(zero, np.bool_) and not zero:
        return power(s, 0.5 * k)
    return where(zero, power(s, k + 0.5), power(where(zero, 1.0, s), 0.5 * k))


def even(series: tuple[float, ...], f: Callable[[Value], Value], value: Value, s: Value) -> Value:
    """An even function of a root: at zero its power series in the square."""
    zero, total = equal(s, 0), s * 0.0 + series[-1]
    for c in series[-2::-1]:
        total = total * s + c
    if isinstance(zero, np.bool_):
        return total if zero else f(value)
    return where(zero, total, f(where(zero, 1.0, value)))


# even functions by their power series in the square: so many terms are exact to the ninth derivative
_OF_COS = tuple(1 / math.factorial(2 * k) for k in range(5))
_OF_I0 = tuple(0.25**k / math.factorial(k) ** 2 for k in range(5))
SERIES: dict[Any, tuple[float, ...]] = {
    np.cos: tuple(c * (-1) ** k for k, c in enumerate(_OF_COS)),
    np.cosh: _OF_COS,
    np.sinc: tuple((-(math.pi**2)) ** k / math.factorial(2 * k + 1) for k in range(5)),
    sp.j0: tuple(c * (-1) ** k for k, c in enumerate(_OF_I0)),
    sp.i0: _OF_I0,
    np.i0: _OF_I0,
}
