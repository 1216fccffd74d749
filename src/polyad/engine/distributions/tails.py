"""Distribution functions as integrals over a tail, in NumPy code with a fixed number of points.

Where SciPy takes one from another, or integrates step by step. An integral of positive numbers keeps its
digits where they are small, and as it is NumPy code it has derivatives of every order in every library.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.distributions import continuous  # noqa: F401  (its formulas come first)
from polyad.engine.distributions.methods import FORMULAS

Array = Any
LOG_2, LOG_ROOT_2PI = float(np.log(2)), float(np.log(2 * np.pi) / 2)

# from nothing to infinity: ``s = exp(t - exp(-t))`` at equidistant ``t``, see ``rules/special/integrals``
_T = np.linspace(-3.5, 4.5, 73)
_S = np.exp(_T - np.exp(-_T))
_LOG_WEIGHTS = np.log(_S * (1 + np.exp(-_T)) * (_T[1] - _T[0]))
# from nothing to one, by Gauss and Legendre
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(80)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


def _column(a: Array) -> Array:
    return np.reshape(a, (*np.shape(a), 1))


def _log_skewed_tail(x: Array, a: Array) -> Array:
    """The logarithm of the skewed normal distribution below ``x``, for a negative ``x``."""
    # how fast the density falls to the left of x, at least by its own width
    steep = np.where(a > 0, a, 0.0)
    slope = 1 + steep - x * (1 + steep * steep)
    scale = _column(1 / slope)
    y = _column(x) - scale * _S
    first = -x * x / 2 + sp.log_ndtr(a * x)
    f = -y * y / 2 + sp.log_ndtr(_column(a) * y) - _column(first) + _LOG_WEIGHTS
    return first + np.log(np.sum(np.exp(f), axis=-1)) - np.log(slope) + LOG_2 - LOG_ROOT_2PI


def _log_skewed(x: Array, a: Array) -> Array:
    """Of the smaller side; where that reaches beyond zero, where the density may have an edge, by values."""
    low = sp.ndtr(x) - 2 * sp.owens_t(x, a) < 0.5
    z, b = np.where(low, x, -x), np.where(low, a, -a)
    thin = z < 0
    tail = _log_skewed_tail(np.where(thin, z, -1.0), b)
    thick = np.where(thin, 0.5, z)
    part = np.where(thin, tail, np.log(sp.ndtr(thick) - 2 * sp.owens_t(thick, b)))
    return np.where(low, part, np.log1p(-np.exp(np.where(low, -1.0, part))))


FORMULAS["skewnorm"]["logcdf"] = _log_skewed
FORMULAS["skewnorm"]["logsf"] = lambda x, a: _log_skewed(-x, -a)


def _circular_tail(x: Array, k: Array) -> Array:
    """Von Mises' distribution beyond ``x``, from nothing to pi."""
    # beyond this length nothing is left: the exponent is 2 k sin(x + s / 2) sin(s / 2)
    steep = np.minimum(np.sin(np.minimum(x, np.pi / 2)), np.cos(x / 2))
    by_slope = 20 * np.pi / (k * np.maximum(steep, 1e-300))
    by_bend = np.where(x < np.pi / 2, np.pi * np.sqrt(20 / k), np.pi)
    end = np.minimum(np.pi - x, np.minimum(by_slope, by_bend))
    s, far = _column(end) * _NODES, _column(x)
    f = np.exp(-2 * _column(k) * np.sin(far + s / 2) * np.sin(s / 2))
    front = np.exp(-2 * k * np.sin(x / 2) ** 2) / (2 * np.pi * sp.i0e(k))
    return front * end * np.sum(f * _WEIGHTS, axis=-1)


def _circular(x: Array, k: Array, turn: float) -> Array:
    turns = np.round(x / (2 * np.pi))
    x = turn * (x - 2 * np.pi * turns)
    right = x >= 0
    tail = _circular_tail(np.where(right, x, -x), k)
    return np.where(right, 1 - tail, tail) + turn * turns


FORMULAS["vonmises"] = {
    "cdf": lambda x, k: _circular(x, k, 1.0),
    "sf": lambda x, k: _circular(x, k, -1.0),
    "logcdf": None,
    "logsf": None,
    "ppf": None,
    "isf": None,
}
