"""Splines, fits, equations and densities of SciPy's and Python's."""

from __future__ import annotations

import math
import statistics
import types

import numpy as np
import pytest
import scipy.interpolate as sp
import scipy.linalg as sl
import scipy.optimize as so
import scipy.stats as st

import polyad as ad

X = np.array([0.313, 0.547, 0.728, 0.216, 0.935, 0.452])
AT = np.array([0.11, 0.52, 0.83])
T = np.linspace(0, 1, 6)
KNOTS = np.array([0, 0, 0, 0, 0.3, 0.6, 1, 1, 1, 1.0])
POINTS = np.random.default_rng(3).standard_normal((6, 2))
BASIS = sp.make_interp_spline(T, np.sin(3 * T))
FITTED = sp.UnivariateSpline(np.linspace(0, 1, 9), np.cos(np.linspace(0, 4, 9)), s=0.01)
TABLE = sp.RectBivariateSpline(T, T, np.outer(T, np.sin(T)) + T)
A, B = np.random.default_rng(5).standard_normal((2, 2)), np.array([[1.0], [0.5]])
WIDE = np.abs(np.random.default_rng(5).standard_normal((6, 3)))


def of_values(x):
    whole = sp.BSpline(KNOTS, x, 3)
    parts = [
        np.sum(whole(AT) ** 2) + whole.derivative()(0.4) * whole.integrate(0.1, 0.7),
        np.sum(sp.UnivariateSpline(T, x, s=0)(AT) ** 2),
        sp.InterpolatedUnivariateSpline(T, x, k=5).integral(0.2, 0.9),
        np.sum(sp.LSQUnivariateSpline(T, x, [0.5])(AT) ** 2),
        np.sum(sp.make_lsq_spline(T, x, np.array([0, 0, 0, 0, 0.5, 1, 1, 1, 1]), 3)(AT) ** 2),
        np.sum(sp.splev(AT, sp.splrep(T, x)) ** 3) + sp.splev(0.3, sp.splrep(T, x), der=1) ** 2,
        np.sum(sp.RBFInterpolator(POINTS, x)(np.array([[0.1, 0.2]])) ** 2),
        np.sum(sp.griddata(POINTS, x, POINTS.mean(axis=0)[None, :]) ** 2),
    ]
    return sum(parts)


def of_places(x):
    outside = TABLE(np.array([0.2, 1.4]), x[:2])  # it is constant there
    return np.sum(BASIS(x) ** 2) + np.sum(FITTED(x) ** 2) + np.sum(outside**2) + np.sum(TABLE.ev(x, x[::-1]))


def riccati(x):
    q, r = np.diag([1 + x[0], 2 + x[1]]), np.array([[1 + x[2]]])
    return np.sum(sl.solve_continuous_are(A + x[3], B, q, r)) + np.sum(
        sl.solve_discrete_are(A, B * (1 + x[4]), q, r, s=np.array([[x[5]], [0.1]])) ** 2
    )


def matrices(x):
    banded = sl.solveh_banded(np.array([[0.0, x[0], x[1], x[2]], [3.0, 4.0, 5.0, 6.0]]), np.ones(4))
    return (
        np.sum(sl.circulant(x[:3]) @ sl.hankel(x[3:], [0.0, 1.0, 2.0]) ** 2)
        + np.sum(sl.companion(x) ** 2)
        + np.sum(sl.solve_toeplitz((x[:3] + 2, [0.0, 1.0, x[3]]), x[3:]) ** 2)
        + np.sum(banded**3)
    )


def density(x):
    return np.sum(st.gaussian_kde(x, bw_method=0.5)(AT)) + st.gaussian_kde(X, weights=x)(0.4)[0]


def of_data(x):
    line = statistics.linear_regression([1.0, 2.0, 4.0, 5.0, 7.0, 8.0], list(x))
    spread = statistics.covariance(x, X**2) + statistics.correlation(list(x), [1.0, 3.0, 2.0, 5.0, 4.0, 7.0])
    means = statistics.geometric_mean(x) * statistics.harmonic_mean(list(x)) + statistics.median(x)
    return line.slope * line.intercept + spread + means


ALL = (of_values, of_places, riccati, matrices, density, of_data)


@pytest.mark.parametrize("f", ALL, ids=lambda f: f.__name__)
def test_derivatives_are_right(f):
    wanted = ad.gradient(f, X, backend="finite")
    assert np.allclose(ad.gradient(f, X, backend="numpy"), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("f", [of_places, riccati], ids=lambda f: f.__name__)
def test_forward_mode_and_frameworks_agree(f):
    wanted = ad.gradient(f, X, backend="numpy")
    assert np.allclose(ad.gradient(f, X, backend=ad.NumPy("forward")), wanted)
    pytest.importorskip("torch")
    assert np.allclose(ad.gradient(f, X, backend="torch"), wanted)


def least(y):
    """A line by its normal equations."""
    a = np.stack([np.ones(6), T], axis=1)
    return np.linalg.solve(a.T @ a, a.T @ y), a


def test_a_fit_and_its_covariance():
    def fit(y):
        p, covariance = so.curve_fit(lambda t, a, b: a + b * t, T, y)
        return np.concatenate([p, np.ravel(covariance)])

    def by_hand(y):
        p, a = least(y)
        return np.concatenate([p, np.ravel(np.linalg.inv(a.T @ a) * np.sum((a @ p - y) ** 2) / 4)])

    assert np.allclose(fit(X), by_hand(X))
    assert np.allclose(ad.jacobian(fit, X, backend="numpy"), ad.jacobian(by_hand, X), atol=1e-9)

    def curve(y):
        p, _ = so.curve_fit(lambda t, a, b: a * np.exp(-b * t), T, y, p0=[1.0, 1.0], sigma=1 + T)
        return so.leastsq(lambda q, r: (q[0] * np.exp(-q[1] * T) - r) / (1 + T), [1.0, 1.0], y)[0] - 2 * p

    # a minimum: the slope of the sum of squares is zero there
    p = so.curve_fit(
        lambda t, a, b: a * np.exp(-b * t), T, X, p0=[1, 1], sigma=1 + T, ftol=1e-14, xtol=1e-14
    )[0]
    h = ad.hessian(lambda v: np.sum(((v[0] * np.exp(-v[1] * T) - v[2:]) / (1 + T)) ** 2), np.append(p, X))
    wanted = np.linalg.solve(h[:2, :2], h[:2, 2:])  # once negative for the implicit function, once for 1 - 2
    assert np.allclose(ad.jacobian(curve, X, backend="numpy"), wanted, atol=1e-6)


def test_unknowns_that_are_not_negative():
    def fit(b):
        x, norm = so.nnls(WIDE, b)
        return np.sum(x**2) + norm

    b = np.array([1.0, 2.0, 0.3, 0.4, 1.0, 2.0])
    assert (so.nnls(WIDE, b)[0] == 0).any()
    assert np.allclose(ad.gradient(fit, b, backend="numpy"), ad.gradient(fit, b, backend="finite"), atol=1e-6)
    with pytest.raises(ad.errors.DomainError, match="where nothing holds it"):
        ad.gradient(lambda b: so.nnls(np.eye(2), b)[0][0], np.array([0.0, 1.0]), backend="numpy")


def test_what_chooses_by_its_data_is_refused():
    with pytest.raises(ad.errors.PolyadError, match="s=0"):
        ad.gradient(lambda y: sp.UnivariateSpline(T, y)(0.3), X, backend="numpy")
    with pytest.raises(ad.errors.PolyadError):
        ad.gradient(lambda t: sp.BSpline(t, X, 3)(0.3), KNOTS, backend="numpy")


class Field(np.ndarray):
    """An array with something more, as packages for finite elements have it."""

    def __new__(cls, value, slope):
        found = np.asarray(value).view(cls)
        found.slope = slope
        return found

    def __array_finalize__(self, other):
        self.slope = getattr(other, "slope", None)


def test_views_as_subclasses():
    def energy(x):
        field = Field(x, 2.0 * x)
        return (
            np.sum(field**2 * field.slope) + np.sum(np.asarray(field)[:2]) + np.sum(np.asanyarray(field) ** 2)
        )

    wanted = 6 * X**2 + 2 * X + np.array([1.0, 1, 0, 0, 0, 0])
    assert np.allclose(ad.gradient(energy, X, backend="numpy"), wanted)
    assert np.allclose(ad.hessian(energy, X, backend="numpy"), np.diag(12 * X + 2))


@pytest.mark.parametrize("order", ["view", "array"])
def test_a_view_as_a_subclass_is_not_left_behind(order):
    def f(x):
        own = x * 1.0
        field = own.view(Field)
        if order == "view":
            field[0] = 3.0
        else:
            own[0] = 3.0
        return np.sum(own) + np.sum(np.asarray(field) ** 2)

    assert np.isfinite(f(X))
    with pytest.raises(ad.errors.PolyadError):
        ad.gradient(f, X, backend="numpy")


def test_numpy_by_another_name(package):
    assert np.allclose(ad.gradient(package.through_other_names, X, backend="numpy"), 2 * X + 1)
    assert np.allclose(ad.jacobian(package.through_other_names, X, backend=ad.NumPy("forward")), 2 * X + 1)


def chain(count):
    """Modules of which each is reached with boxes only when the one before is followed."""
    modules = []
    for k in range(count):
        module = types.ModuleType(f"chained_{k}")
        module.__dict__.update(np=np, math=math, after=modules[-1].f if modules else (lambda y: y))
        code = f"def f(y):\n    z = np.asarray(y, dtype=float)\n    return after(z) * math.cos(z[{k % 6}])"
        exec(compile(code, f"/site-packages/chained_{k}.py", "exec"), module.__dict__)
        modules.append(module)
    return modules[-1].f


def test_a_long_chain_of_packages_is_followed():
    f = chain(12)

    def g(x):
        return np.sum(f(x) ** 2)

    assert np.allclose(ad.gradient(g, X, backend="numpy"), ad.gradient(g, X, backend="finite"), atol=1e-6)
