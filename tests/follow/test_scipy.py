"""SciPy's functions that are compiled, or look at values, lead to polyad's where they are followed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from scipy import integrate, optimize
from scipy.interpolate import CubicSpline, PchipInterpolator, RegularGridInterpolator, interp1d
from scipy.spatial.transform import Rotation

import polyad as ad

X = np.array([0.3, 0.5, 0.7, 0.2, 0.9, 0.4])
KNOTS = np.linspace(0, 1, 6)
SPLINE, HERMITE = CubicSpline(KNOTS, np.sin(KNOTS)), PchipInterpolator(KNOTS, np.sin(3 * KNOTS))
LINES = interp1d(KNOTS, np.cos(KNOTS))
GRID = RegularGridInterpolator((KNOTS, KNOTS), np.outer(KNOTS, KNOTS) ** 2)
POINTS = np.random.default_rng(0).standard_normal((4, 3))


def splines(x):
    return np.sum(CubicSpline(KNOTS, x)(np.linspace(0.05, 0.95, 9)) ** 2)


def of_values(x):
    return np.sum(SPLINE(x) ** 2) + np.sum(LINES(x)) + np.sum(HERMITE(x)) + GRID(x[:2])[0]


def rotations(x):
    turned = Rotation.from_rotvec(x[:3]).apply(POINTS)
    return np.sum(turned**3) + np.sum(Rotation.from_euler("xyz", x[3:]).as_matrix()[0])


def roots(x):
    first = optimize.brentq(lambda u: u**3 - math.sin(x[0]) * u - 1, 0, 5)
    return first * optimize.newton(lambda u: u**3 - x[1] - 1, 1.5)


def integrals(x):
    return integrate.quad(lambda u: math.exp(-x[0] * u), 0, x[1])[0]


class Holder:
    """Keeps a distribution, and one with parameters."""

    def __init__(self):
        self.distribution = scipy.stats.gamma
        self.fixed = scipy.stats.norm(0.5, 2.0)


HOLDER = Holder()


def distributions(x):
    d = np.array([0.5, 1.5, 2.5])
    given = np.sum(HOLDER.distribution.logpdf(d, x[0], scale=x[1])) + scipy.stats.weibull_min.nnlf(
        (x[2], 0, x[3]), d
    )
    return given + np.sum(HOLDER.fixed.logpdf(x)) + scipy.stats.norm.logcdf(x[4])


FUNCTIONS = [splines, of_values, rotations, roots, integrals, distributions]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_a_function_has_its_gradient(f, backend):
    pytest.importorskip(backend)
    codes = scipy.stats.rv_continuous.logpdf.__code__, type(SPLINE).__call__.__code__
    prepared = ad.prepare_gradient(f, X, backend=backend)
    y = X * 1.02
    h = np.eye(6) * 1e-4
    near = np.array([(f(y + s) - f(y - s)) / 2e-4 for s in h])
    far = np.array([(f(y + 2 * s) - f(y - 2 * s)) / 4e-4 for s in h])
    assert np.allclose(prepared(y), (4 * near - far) / 3, rtol=1e-6, atol=1e-6)
    assert codes == (scipy.stats.rv_continuous.logpdf.__code__, type(SPLINE).__call__.__code__)


def test_plain_arguments_within_a_followed_call_give_what_scipy_gives():
    seen = []

    def f(x):
        seen.append((splines(X), of_values(X), rotations(X), distributions(X)))
        return np.sum(np.asarray(x, dtype=float) ** 2)

    ad.gradient(f, X)
    assert all(row == (splines(X), of_values(X), rotations(X), distributions(X)) for row in seen)


def test_an_error_of_boxes_only_is_explained():
    def f(x):
        if not hasattr(x, "__array_struct__"):
            raise LookupError("no array")
        return np.sum(x)

    with pytest.raises(ad.errors.FunctionNotSupportedError, match=r"LookupError.*backend='finite'"):
        ad.gradient(f, X)
    with pytest.raises(LookupError):
        ad.gradient(f, X, follow=False)
