"""Formulas of continuous distributions that SciPy computes in C, by loops, or by branches on values.

On standardised data within the support, and the shape parameters. None stands for what follows from the other
methods: a density from its logarithm, a quantile by Newton's steps from SciPy's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.distributions.methods import FORMULAS, unavailable

Array = Any

LOG_PI, LOG_2, LOG_ROOT_2PI = float(np.log(np.pi)), float(np.log(2)), float(np.log(2 * np.pi) / 2)


def _normal(x: Array) -> Array:
    return -x * x / 2 - LOG_ROOT_2PI


def log1p_over(x: Array, c: Array) -> Array:
    """``log(1 + c x) / c``, smooth at ``c = 0``."""
    t = c * x
    small = np.abs(t) < 0.03
    v = np.where(small, t, 0.0)
    tail: Array = 0.0
    for k in range(11, -1, -1):
        tail = 1 / (k + 1) - v * tail
    return np.where(small, x * tail, np.log1p(np.where(small, 1.0, t)) / np.where(small, 1.0, c))


# -- Student, Cauchy, normal with a shape -------------------------------------------------------------


def _student(x: Array, df: Array) -> Array:
    many = np.isinf(df)
    n = np.where(many, 1.0, df)
    front = np.log(sp.poch(0.5 * n, 0.5)) - 0.5 * (np.log(n) + LOG_PI)
    return np.where(many, _normal(x), front - (n + 1) / 2 * np.log1p(x * x / n))


def _cauchy_quantile(q: Array) -> Array:
    middle = np.abs(q - 0.5) < 0.25
    return np.where(
        middle,
        np.tan(np.pi * (np.where(middle, q, 0.5) - 0.5)),
        -1 / np.tan(np.pi * np.where(middle, 0.25, q)),
    )


def _skewed(x: Array, a: Array) -> Array:
    return LOG_2 + _normal(x) + sp.log_ndtr(a * x)


FORMULAS["t"] = {"logpdf": _student, "pdf": None}
FORMULAS["cauchy"] = {
    "logpdf": lambda x: -LOG_PI - 2 * np.log(np.hypot(1.0, x)),
    "ppf": _cauchy_quantile,
    "isf": lambda q: -_cauchy_quantile(q),
}
FORMULAS["skewnorm"] = {
    "logpdf": _skewed,
    "pdf": None,
    "cdf": lambda x, a: sp.ndtr(x) - 2 * sp.owens_t(x, a),
    "sf": lambda x, a: sp.ndtr(-x) + 2 * sp.owens_t(x, a),
    "ppf": None,
    "isf": None,
}
FORMULAS["lognorm"] = {
    "logpdf": lambda x, s: -(np.log(x) ** 2) / (2 * s * s) - np.log(s * x) - LOG_ROOT_2PI,
    "pdf": None,
}


def _log_mass(a: Array, b: Array) -> Array:
    """The logarithm of the normal distribution's probability between ``a`` and ``b``."""
    turned = a > 0
    low, high = np.where(turned, -b, a), np.where(turned, -a, b)
    tail = high <= 0
    end = sp.log_ndtr(np.where(tail, high, 0.0))
    start = sp.log_ndtr(np.where(tail, low, -1.0))
    outer = end + np.log(-np.expm1(start - end))
    inner = np.log1p(-sp.ndtr(np.where(tail, -1.0, low)) - sp.ndtr(np.where(tail, -1.0, -high)))
    return np.where(tail, outer, inner)


def _truncated(part: Array, rest: Array, whole: Array) -> Array:
    """The logarithm of a share, from the other share where it is nearly one."""
    direct = part - whole
    near = direct > -0.1
    other = np.where(near, rest - whole, -1.0)
    return np.where(near, np.log1p(-np.exp(other)), direct)


FORMULAS["truncnorm"] = {
    "logpdf": lambda x, a, b: _normal(x) - _log_mass(a, b),
    "logcdf": lambda x, a, b: _truncated(_log_mass(a, x), _log_mass(x, b), _log_mass(a, b)),
    "logsf": lambda x, a, b: _truncated(_log_mass(x, b), _log_mass(a, x), _log_mass(a, b)),
    "cdf": lambda x, a, b: np.exp(FORMULAS["truncnorm"]["logcdf"](x, a, b)),
    "sf": lambda x, a, b: np.exp(FORMULAS["truncnorm"]["logsf"](x, a, b)),
    "pdf": None,
    "ppf": None,
    "isf": None,
}

# -- extreme values -----------------------------------------------------------------------------------


def _pareto_end(c: Array) -> tuple[Array, Array]:
    bounded = c < 0
    return 0.0, np.where(bounded, -1 / np.where(bounded, c, -1.0), np.inf)


FORMULAS["genpareto"] = {
    "support": _pareto_end,
    "logpdf": lambda x, c: -(c + 1) * log1p_over(x, c),
    "logsf": lambda x, c: -log1p_over(x, c),
    "pdf": None,
}


def _extreme(x: Array, c: Array) -> Array:
    y = log1p_over(x, -c)
    return -np.exp(-y) - y - np.log1p(-c * x)


def _extreme_quantile(q: Array, c: Array) -> Array:
    x = -np.log(-np.log(q))
    return x * sp.exprel(-c * x)


def _extreme_ends(c: Array) -> tuple[Array, Array]:
    """One over the shape on its side; SciPy's own divides by the smallest of all numbers on the other."""
    low, high = c < 0, c > 0
    return (
        np.where(low, 1 / np.where(low, c, -1.0), -np.inf),
        np.where(high, 1 / np.where(high, c, 1.0), np.inf),
    )


FORMULAS["genextreme"] = {
    "support": _extreme_ends,
    "logpdf": _extreme,
    "logcdf": lambda x, c: -np.exp(-log1p_over(x, -c)),
    "cdf": lambda x, c: np.exp(-np.exp(-log1p_over(x, -c))),
    "sf": lambda x, c: -np.expm1(-np.exp(-log1p_over(x, -c))),
    "logsf": lambda x, c: np.log(-np.expm1(-np.exp(-log1p_over(x, -c)))),
    "pdf": None,
    "ppf": _extreme_quantile,
    "isf": None,
}

# -- gamma and beta -----------------------------------------------------------------------------------


def _log_gamma_below(x: Array, c: Array) -> Array:
    """``gammainc(c, exp(x))``, also where ``exp(x)`` is nothing."""
    far = x < -600
    near = sp.gammainc(c, np.exp(np.where(far, 0.0, x)))
    return np.where(far, np.exp(c * np.where(far, x, 0.0) - sp.gammaln(c + 1)), near)


def _burr(x: Array, c: Array, d: Array) -> Array:
    low = x < 1
    u, v = np.where(low, x, 1.0), np.where(low, 1.0, x)
    left = sp.xlogy(c * d - 1, u) - (d + 1) * np.log1p(u**c)
    right = -(c + 1) * np.log(v) - (d + 1) * np.log1p(v**-c)
    return np.log(c) + np.log(d) + np.where(low, left, right)


def _betaprime(lower: Any, upper: Any) -> Any:
    def formula(x: Array, a: Array, b: Array) -> Array:
        far = x > 1
        left = lower(a, b, np.where(far, 0.5, x / (1 + x)))
        return np.where(far, upper(b, a, np.where(far, 1 / (1 + x), 0.5)), left)

    return formula


FORMULAS["beta"] = {
    "pdf": None,
    "ppf": lambda q, a, b: sp.betaincinv(a, b, q),
    "isf": lambda q, a, b: sp.betainccinv(a, b, q),
}
FORMULAS["betaprime"] = {
    "cdf": _betaprime(sp.betainc, sp.betaincc),
    "sf": _betaprime(sp.betaincc, sp.betainc),
    "ppf": None,
    "isf": None,
}
FORMULAS["rdist"] = {"ppf": lambda q, c: 2 * sp.betaincinv(c / 2, c / 2, q) - 1, "isf": None}
FORMULAS["loggamma"] = {
    "cdf": _log_gamma_below,
    "sf": lambda x, c: sp.gammaincc(c, np.exp(x)),
    "ppf": None,
    "isf": None,
}
FORMULAS["gengamma"] = {
    "logpdf": lambda x, a, c: np.log(np.abs(c)) + sp.xlogy(c * a - 1, x) - x**c - sp.gammaln(a),
    "pdf": None,
}
FORMULAS["burr"] = {"logpdf": _burr, "pdf": None}
FORMULAS["fisk"] = {"logpdf": lambda x, c: _burr(x, c, 1.0), "pdf": None}

# -- others -------------------------------------------------------------------------------------------


def _triangle(x: Array, c: Array) -> Array:
    left = x < c
    return np.where(left, 2 * x / np.where(left, c, 1.0), 2 * (1 - x) / np.where(left, 1.0, 1 - c))


def _triangle_below(x: Array, c: Array) -> Array:
    left = x < c
    right = 1 - (1 - x) ** 2 / np.where(left, 1.0, 1 - c)
    return np.where(left, x * x / np.where(left, c, 1.0), right)


def _triangle_quantile(q: Array, c: Array) -> Array:
    left = q < c
    first = np.sqrt(np.where(left, c * q, 1.0))
    return np.where(left, first, 1 - np.sqrt(np.where(left, 1.0, (1 - c) * (1 - q))))


FORMULAS["triang"] = {
    "valid": lambda c: (c >= 0) & (c <= 1),
    "pdf": _triangle,
    "logpdf": None,
    "cdf": _triangle_below,
    "ppf": _triangle_quantile,
}
FORMULAS["invgauss"] = {"ppf": None, "isf": None}
FORMULAS["wald"] = {"ppf": None, "isf": None}
FORMULAS["semicircular"] = {"ppf": lambda q: 2 * sp.betaincinv(1.5, 1.5, q) - 1, "isf": None}


def _half_logistic_above(q: Array) -> Array:
    small = q < 0.5
    tail = -sp.logit(np.where(small, q, 0.5) / 2)
    return np.where(small, tail, 2 * np.arctanh(1 - np.where(small, 0.5, q)))


FORMULAS["halflogistic"] = {"isf": _half_logistic_above}
FORMULAS["recipinvgauss"] = {
    "logpdf": lambda x, mu: -0.5 * np.log(x) - (1 - mu * x) ** 2 / (2 * x * mu * mu) - LOG_ROOT_2PI,
    "pdf": None,
    "ppf": None,
    "isf": None,
}
FORMULAS["alpha"] = {"ppf": lambda q, a: 1 / (a - sp.ndtri(q * sp.ndtr(a)))}
FORMULAS["cosine"] = {
    "logpdf": lambda x: np.log1p(np.cos(x)) - LOG_2 - LOG_PI,
    "cdf": lambda x: (np.pi + x + np.sin(x)) / (2 * np.pi),
    "sf": lambda x: (np.pi - x - np.sin(x)) / (2 * np.pi),
    "ppf": None,
    "isf": None,
}

# -- Bessel functions ---------------------------------------------------------------------------------


def _hyperbolic(x: Array, p: Array, a: Array, b: Array) -> Array:
    g, r = np.sqrt((a - b) * (a + b)), np.hypot(1.0, x)
    front = p * np.log(g) - (p - 0.5) * np.log(a) - np.log(sp.kve(p, g)) + g - LOG_ROOT_2PI
    return front + b * x - a * r + np.log(sp.kve(p - 0.5, a * r)) + (p - 0.5) * np.log(r)


def _general_inverse(x: Array, p: Array, b: Array) -> Array:
    return (p - 1) * np.log(x) - b * (x + 1 / x) / 2 - LOG_2 - np.log(sp.kve(p, b)) + b


FORMULAS["genhyperbolic"] = {"logpdf": _hyperbolic, "pdf": None}
FORMULAS["geninvgauss"] = {"logpdf": _general_inverse, "pdf": None}
for _name in ("genhyperbolic", "geninvgauss", "norminvgauss"):
    FORMULAS.setdefault(_name, {}).update(
        dict.fromkeys(("cdf", "sf", "logcdf", "logsf", "ppf", "isf"), unavailable)
    )
