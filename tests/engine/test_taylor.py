"""Taylor mode to order 10 against differences in 60 digits, closed forms and SymPy."""

from __future__ import annotations

from math import comb, factorial

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp


from polyad.engine import taylor

ORDER = 10

# name -> the function in NumPy, the same in mpmath, a point inside both's domain
UNARY = {
    "exp": (np.exp, mp.exp, 0.7),
    "exp2": (np.exp2, lambda x: 2**x, 0.7),
    "expm1": (np.expm1, mp.expm1, 0.7),
    "log": (np.log, mp.log, 1.7),
    "log2": (np.log2, lambda x: mp.log(x, 2), 1.7),
    "log10": (np.log10, mp.log10, 1.7),
    "log1p": (np.log1p, lambda x: mp.log(1 + x), 0.7),
    "sqrt": (np.sqrt, mp.sqrt, 1.7),
    "cbrt": (np.cbrt, mp.cbrt, 1.7),
    "square": (np.square, lambda x: x * x, 1.7),
    "reciprocal": (np.reciprocal, lambda x: 1 / x, 1.7),
    "sin": (np.sin, mp.sin, 0.7),
    "cos": (np.cos, mp.cos, 0.7),
    "tan": (np.tan, mp.tan, 0.7),
    "arcsin": (np.arcsin, mp.asin, 0.3),
    "arccos": (np.arccos, mp.acos, 0.3),
    "arctan": (np.arctan, mp.atan, 0.7),
    "sinh": (np.sinh, mp.sinh, 0.7),
    "cosh": (np.cosh, mp.cosh, 0.7),
    "tanh": (np.tanh, mp.tanh, 0.7),
    "arcsinh": (np.arcsinh, mp.asinh, 0.7),
    "arccosh": (np.arccosh, mp.acosh, 2.2),
    "arctanh": (np.arctanh, mp.atanh, 0.3),
    "deg2rad": (np.deg2rad, mp.radians, 0.7),
    "absolute": (np.abs, lambda x: -x, -0.7),
    "cube": (lambda x: x**3, lambda x: x**3, 1.7),
    "negative power": (lambda x: x**-2, lambda x: x**-2, 1.7),
    "real power": (lambda x: x**2.5, lambda x: x ** mp.mpf(2.5), 1.7),
    "exponential": (lambda x: 1.5**x, lambda x: mp.mpf(1.5) ** x, 1.7),
    "power of itself": (lambda x: x**x, lambda x: x**x, 1.7),
    "quotient": (lambda x: x / (1 + x * x), lambda x: x / (1 + x * x), 0.7),
    "over": (lambda x: 2 / (3 - x), lambda x: 2 / (3 - x), 0.7),
    "hypot": (lambda x: np.hypot(x, 1 + x), lambda x: mp.hypot(x, 1 + x), 0.7),
    "arctan2": (lambda x: np.arctan2(x, 2 - x), lambda x: mp.atan2(x, 2 - x), 0.7),
    "logaddexp": (lambda x: np.logaddexp(x, -x), lambda x: mp.log(mp.exp(x) + mp.exp(-x)), 0.7),
    "maximum": (lambda x: np.maximum(x * x, x), lambda x: x * x, 1.7),
    "where": (lambda x: np.where(x > 0, np.sin(x), x), mp.sin, 0.7),
    "erf": (sp.erf, mp.erf, 0.7),
    "erfc": (sp.erfc, mp.erfc, 0.7),
    "erfcx": (sp.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), 0.7),
    "erfinv": (sp.erfinv, mp.erfinv, 0.3),
    "ndtr": (sp.ndtr, mp.ncdf, 0.7),
    "expit": (sp.expit, lambda x: 1 / (1 + mp.exp(-x)), 0.7),
    "logit": (sp.logit, lambda x: mp.log(x / (1 - x)), 0.3),
    "gamma": (sp.gamma, mp.gamma, 2.7),
    "gammaln": (sp.gammaln, mp.loggamma, 2.7),
    "digamma": (sp.digamma, mp.digamma, 2.7),
    "gammainc": (lambda x: sp.gammainc(2.5, x), lambda x: mp.gammainc(2.5, 0, x, regularized=True), 1.7),
    "beta": (lambda x: sp.beta(x, 2 + x), lambda x: mp.beta(x, 2 + x), 1.7),
    "expi": (sp.expi, mp.ei, 1.7),
    "exp1": (sp.exp1, mp.e1, 1.7),
    "logaddexp over an axis": (
        lambda x: np.logaddexp.reduce(np.stack([x, 2 * x, 1 - x])),
        lambda x: mp.log(mp.exp(x) + mp.exp(2 * x) + mp.exp(1 - x)),
        0.7,
    ),
}


def coefficients(f, x, v, order=ORDER):
    return taylor.expand(lambda boxes: ((f(boxes[0]),), ()), (x,), (v,), order)[0][0]


def reference(f, x, v, order=ORDER):
    with mp.workdps(60):
        found = mp.taylor(lambda t: f(mp.mpf(x) + t * mp.mpf(v)), 0, order)
        return np.array([float(c) for c in found])


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * np.max(np.abs(expected)))


@pytest.mark.parametrize("name", UNARY)
def test_a_function(name):
    f, exact, x = UNARY[name]
    assert_close(coefficients(f, np.float64(x), np.float64(0.8)), reference(exact, x, 0.8))
