"""Formulas of discrete distributions that SciPy computes in C or by loops; see ``continuous``."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.boxes.box import Box
from polyad.engine.core.refusals import refuse
from polyad.engine.distributions.methods import FORMULAS, Formula

Array = Any


def summed(name: str, first: int) -> Formula:
    """The distribution function as a sum of probabilities, for distributions that begin at a known number."""

    def formula(k: Array, *shapes: Array) -> Array:
        if isinstance(k, Box):
            raise refuse(f"the cdf of scipy.stats.{name} is a sum up to its data", "make the data a constant")
        k = np.floor(k)
        size = int(np.max(k, initial=first)) - first + 1
        if size > 100_000:
            raise refuse(
                f"the cdf of scipy.stats.{name} is a sum of {size} terms here", "use backend='finite'"
            )
        j = np.arange(first, first + size, dtype=float)
        kept = j <= np.asarray(k)[..., None]
        masses = FORMULAS[name]["mass"](np.where(kept, j, float(first)), *(_column(a) for a in shapes))
        return np.sum(np.where(kept, masses, 0.0), axis=-1)

    return formula


def _column(a: Array) -> Array:
    return np.reshape(a, (*np.shape(a), 1))


# -- binomial -----------------------------------------------------------------------------------------


def _below(k: Array, n: Array, p: Array) -> Array:
    return sp.betaincc(np.floor(k) + 1, n - np.floor(k), p)


def _above(k: Array, n: Array, p: Array) -> Array:
    return sp.betainc(np.floor(k) + 1, n - np.floor(k), p)


FORMULAS["binom"] = {"pmf": None, "cdf": _below, "sf": _above}
FORMULAS["bernoulli"] = {
    "pmf": None,
    "logpmf": lambda k, p: sp.xlogy(k, p) + sp.xlog1py(1 - k, -p),
    "cdf": lambda k, p: _below(k, 1.0, p),
    "sf": lambda k, p: _above(k, 1.0, p),
    "logcdf": None,
    "logsf": None,
}
FORMULAS["nbinom"] = {
    "pmf": None,
    "cdf": lambda k, n, p: sp.betainc(n, np.floor(k) + 1, p),
    "sf": lambda k, n, p: sp.betaincc(n, np.floor(k) + 1, p),
    "logcdf": None,
    "logsf": None,
}


def _beta_binomial(k: Array, n: Array, a: Array, b: Array) -> Array:
    return np.exp(sp.betaln(k + a, n - k + b) - sp.betaln(a, b) - sp.betaln(n - k + 1, k + 1)) / (n + 1)


def _beta_negative(k: Array, n: Array, a: Array, b: Array) -> Array:
    return np.exp(sp.betaln(a + n, b + k) - sp.betaln(a, b) - sp.betaln(n, k + 1) - np.log(n + k))


FORMULAS["betabinom"] = {"mass": _beta_binomial}
FORMULAS["betanbinom"] = {"mass": _beta_negative}
for _name in ("betabinom", "betanbinom"):
    FORMULAS[_name].update(cdf=summed(_name, 0), sf=None, logcdf=None, logsf=None)

# -- Zipf, Skellam, Laplace ---------------------------------------------------------------------------


def _harmonic(n: Array, a: Array) -> Array:
    """The sum of ``j**-a`` up to ``n``."""
    if isinstance(n, Box):
        raise refuse("the number of ranks of scipy.stats.zipfian is differentiated", "make it a constant")
    j = np.arange(1.0, np.max(n, initial=1) + 1)
    return np.sum(np.where(j <= np.asarray(n)[..., None], j ** -_column(a), 0.0), axis=-1)


FORMULAS["zipf"] = {
    "logpmf": lambda k, a: -a * np.log(k) - np.log(sp.zeta(a, 1.0)),
    "pmf": None,
    "sf": lambda k, a: sp.zeta(a, np.floor(k) + 1) / sp.zeta(a, 1.0),
    "cdf": None,
}
FORMULAS["zipfian"] = {
    "logpmf": lambda k, a, n: -a * np.log(k) - np.log(_harmonic(n, a)),
    "pmf": None,
    "cdf": lambda k, a, n: _harmonic(np.floor(k), a) / _harmonic(n, a),
    "sf": None,
    "logcdf": None,
    "logsf": None,
}


def _skellam(k: Array, m: Array, n: Array) -> Array:
    root = 2 * np.sqrt(m * n)
    return k / 2 * np.log(m / n) - (np.sqrt(m) - np.sqrt(n)) ** 2 + np.log(sp.ive(np.abs(k), root))


def _skellam_below(k: Array, m: Array, n: Array) -> Array:
    k = np.floor(k)
    left = k < 0
    below = sp.chndtr(2 * n, np.where(left, -2 * k, 2.0), 2 * m)
    return np.where(left, below, 1 - sp.chndtr(2 * m, np.where(left, 2.0, 2 * (k + 1)), 2 * n))


FORMULAS["skellam"] = {"logpmf": _skellam, "pmf": None, "cdf": _skellam_below, "sf": None}


def _laplace_below(k: Array, a: Array) -> Array:
    k = np.floor(k)
    right = k >= 0
    tail = np.exp(-a * np.where(right, k, -k - 1)) / (np.exp(a) + 1)
    return np.where(right, 1 - tail, tail)


FORMULAS["dlaplace"] = {"cdf": _laplace_below, "sf": None, "logcdf": None, "logsf": None}
