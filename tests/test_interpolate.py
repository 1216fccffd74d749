"""Interpolation inside differentiated functions: SciPy's values, and derivatives in places and values."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.interpolate

import polyad as ad
from backends import EXACT
from polyad.errors import ArgumentError, OperationNotSupportedError
from polyad.testing import check_derivatives

RNG = np.random.default_rng(20)
X = np.cumsum(RNG.random(7) + 0.3)
Y = RNG.random(7)
Q = X[0] + (X[-1] - X[0]) * np.array([0.05, 0.32, 0.61, 0.93])

KINDS = ("linear", "nearest", "nearest-up", "previous", "next", "zero", "slinear", "quadratic", "cubic")
STEPS = KINDS[1:6]
MAKERS = {
    "CubicSpline": lambda m, y: m.CubicSpline(X, y),
    "natural": lambda m, y: m.CubicSpline(X, y, bc_type="natural"),
    "pchip": lambda m, y: m.PchipInterpolator(X, y),
    "akima": lambda m, y: m.Akima1DInterpolator(X, y),
    "makima": lambda m, y: m.Akima1DInterpolator(X, y, method="makima"),
    **{f"spline {k}": lambda m, y, k=k: m.make_interp_spline(X, y, k=k) for k in (1, 2, 3, 5)},
    **{kind: lambda m, y, kind=kind: m.interp1d(X, y, kind=kind, axis=0) for kind in KINDS},
}


@pytest.mark.parametrize("name", MAKERS)
def test_values_and_derivatives(name):
    make = MAKERS[name]
    for y in (Y, RNG.random((7, 2))):
        scipys, own = make(scipy.interpolate, y), make(ad.interpolate, y)
        np.testing.assert_allclose(own(Q), scipys(Q), rtol=1e-11, atol=1e-12)
        value = ad.value_and_jvp(lambda y, q: make(ad.interpolate, y)(q), y, Q, v=(y, Q), argnums=(0, 1))[0]
        np.testing.assert_allclose(value, scipys(Q), rtol=1e-11, atol=1e-12)
    for f, x in (
        (lambda y: np.sum(np.sin(make(ad.interpolate, y)(Q))), Y),
        (lambda q: np.sum(np.sin(make(ad.interpolate, Y)(q))), Q),
    ):
        if x is Q and name in STEPS:  # constant between knots
            np.testing.assert_array_equal(ad.gradient(f, x), 0)
            continue
        check_derivatives(f, x)
        check_derivatives(f, x, order=2)
    scipys, own = make(scipy.interpolate, Y), make(ad.interpolate, Y)
    if isinstance(own, ad.interpolate.CubicSpline | ad.interpolate.PchipInterpolator):
        for nu in (1, 2, 4):
            np.testing.assert_allclose(own(Q, nu), scipys(Q, nu), atol=1e-10)
            np.testing.assert_allclose(own.derivative(nu)(Q), scipys(Q, nu), atol=1e-10)
        np.testing.assert_allclose(own.integrate(Q[0], Q[2]), scipys.integrate(Q[0], Q[2]), rtol=1e-11)
        np.testing.assert_allclose(own.antiderivative(2)(Q), scipys.antiderivative(2)(Q), rtol=1e-11)


@pytest.mark.parametrize("backend", [name for name in EXACT if name not in ("numpy", "sympy")])
@pytest.mark.parametrize("name", ["CubicSpline", "pchip", "akima", "linear", "next"])
def test_under_every_backend(name, backend):
    if backend == "jax":
        if name == "akima":
            pytest.skip("dear, and its operations are those of pchip")
        backend = ad.JAX(jit=False)

    def f(z):
        return np.sum(np.sin(MAKERS[name](ad.interpolate, Y * z[0])(Q * z[1])) ** 2)

    z = np.array([1.1, 0.99])
    np.testing.assert_allclose(ad.gradient(f, z, backend=backend), ad.gradient(f, z), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ad.hessian(f, z, backend=backend), ad.hessian(f, z), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ["PchipInterpolator", "Akima1DInterpolator", "interp1d"])
def test_in_the_knots(name):
    make = getattr(ad.interpolate, name)
    check_derivatives(lambda x: np.sum(make(x, Y)(Q)), X)
    for refused in (ad.interpolate.CubicSpline, ad.interpolate.make_interp_spline):
        with pytest.raises(OperationNotSupportedError, match="not in its knots"):
            ad.jacobian(lambda x, f=refused: f(x, Y)(Q), X)


def test_ends_and_conditions():
    both = (scipy.interpolate, ad.interpolate)
    out = np.array([X[0] - 0.5, X[2], X[-1] + 0.25])
    ends = ((1, 0.5), (2, -0.3))
    closed = np.concatenate([Y[:-1], Y[:1]])
    for make in (
        lambda m: m.CubicSpline(X, Y, bc_type=ends)(out),
        lambda m: m.CubicSpline(X, closed, bc_type="periodic")(out),
        lambda m: m.CubicSpline(X, Y, extrapolate=False)(out),
        lambda m: m.PchipInterpolator(X, Y)(out),
        lambda m: m.Akima1DInterpolator(X, Y)(out),
        lambda m: m.interp1d(X, Y, fill_value="extrapolate")(out),
        lambda m: m.interp1d(X, Y, fill_value=(1.5, 2.5), bounds_error=False)(out),
        lambda m: m.interp1d(X[::-1], Y)(X[2]),
    ):
        wanted, found = map(make, both)
        np.testing.assert_allclose(found, wanted, rtol=1e-10)
    for wrong in (
        lambda m: m.interp1d(X, Y)(out),
        lambda m: m.CubicSpline(X[::-1], Y),
        lambda m: m.RegularGridInterpolator((X,), Y)(out),
    ):
        for module in both:
            with pytest.raises(ValueError):
                wrong(module)


def test_on_a_grid():
    grid = (np.linspace(0, 1, 3), np.array([0.0, 0.4, 1.0, 1.5]))
    values, places = RNG.random((3, 4, 2)), RNG.random((5, 2))
    for method in ("linear", "nearest"):

        def f(v, x, m=ad.interpolate, method=method):
            return m.RegularGridInterpolator(grid, v, method=method)(x)

        np.testing.assert_allclose(f(values, places), f(values, places, scipy.interpolate), rtol=1e-13)
        check_derivatives(lambda v: np.sum(np.sin(f(v, places))), values)
        check_derivatives(lambda x: np.sum(np.sin(f(values, x))), places)
    with pytest.raises(ArgumentError, match="CubicSpline"):
        ad.interpolate.RegularGridInterpolator(grid, values, method="cubic")


@pytest.mark.parametrize("backend", ["numpy", *[b for b in ("jax", "torch") if b in EXACT]])
def test_knots_in_any_order_and_values_that_are_not_finite(backend):
    def backwards(y):
        return np.sum(ad.interpolate.interp1d(X[::-1], y, fill_value="extrapolate")(Q) ** 2)

    def forwards(y):
        return np.sum(ad.interpolate.interp1d(X, y[::-1], fill_value="extrapolate")(Q) ** 2)

    np.testing.assert_allclose(ad.gradient(backwards, Y, backend=backend), ad.gradient(forwards, Y))
    np.testing.assert_allclose(
        ad.gradient(lambda x: np.sum(ad.interpolate.interp1d(x, Y[::-1])(Q)), X[::-1], backend=backend),
        ad.gradient(lambda x: np.sum(ad.interpolate.interp1d(x, Y)(Q)), X)[::-1],
        atol=1e-12,
    )
    lost = np.where(np.arange(len(Y)) == len(Y) - 1, np.nan, Y)
    near = np.full(1, 0.3 * X[0] + 0.7 * X[1])
    found = ad.gradient(lambda x: np.sum(ad.interpolate.interp1d(X, lost)(x)), near, backend=backend)
    np.testing.assert_allclose(found, (Y[1] - Y[0]) / (X[1] - X[0]))
