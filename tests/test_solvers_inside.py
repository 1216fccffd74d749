"""SciPy's solvers inside differentiated functions: roots, minima, integrals; against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.special as sp

import polyad as ad
from backends import EXACT
from polyad.errors import DomainError, FunctionNotSupportedError
from polyad.testing import check_derivatives

P = np.array([1.3, 0.7])
A = np.array([[2.0, 0.3], [0.3, 1.0]])
T = np.linspace(0, 1, 8)
VALUES = [name for name in EXACT if name not in ("casadi", "sympy")]


def cubic(a, b):
    """The real root of x**3 + a x - b, by Cardano."""
    r = np.sqrt(b * b / 4 + a**3 / 27)
    return np.cbrt(b / 2 + r) - np.cbrt(r - b / 2)


def of_root(p):
    found = ad.optimize.root(
        lambda x, q: [x[0] ** 3 + q[0] * x[0] - q[1], x[1] - x[0] * p[1]], p * 0 + 1.0, args=(p,)
    )
    return np.sum(found.x**2)


def of_newton(p):
    return np.sum(ad.optimize.newton(lambda x: x**3 + p[0] * x - p, p * 0 + 1.0, tol=1e-13) * p)


def of_brentq(p):
    return ad.optimize.brentq(lambda x, b: x**3 + p[0] * x - b, 0 * p[0], p[1] + 3, args=(p[1],), xtol=1e-15)


def of_fixed_point(p):
    # w exp(w) = p[0]: Lambert's function
    return p[1] * ad.optimize.fixed_point(lambda w: p[0] * np.exp(-w), 0.5, xtol=1e-14)


def lambert(a):
    w = 0.6
    for _ in range(8):
        w = w - (w * np.exp(w) - a) / (np.exp(w) * (1 + w))
    return w


def of_minimum(p):
    found = ad.optimize.minimize(lambda x: 0.5 * x @ A @ x * p[0] - np.sum(p * x), np.zeros(2), tol=1e-12)
    return found.fun + np.sum(found.x**3)


def minimum(p):
    x = np.linalg.solve(A, p) / p[0]
    return -0.5 * np.sum(p * x) + np.sum(x**3)


def of_bounded(p):
    found = ad.optimize.minimize(
        lambda x: np.sum((x - p) ** 2) + x[0] * x[1],
        np.ones(2),
        bounds=[(None, p[1] * 0.5), (0.0, None)],
        tol=1e-12,
    )
    return np.sum(found.x**2) + found.fun


def bounded(p):
    x = p[1] * 0.5
    y = p[1] - x / 2
    return x * x + y * y + (x - p[0]) ** 2 + (y - p[1]) ** 2 + x * y


def of_fit(p):
    found = ad.optimize.least_squares(lambda c: c[0] + c[1] * T - np.sin(p[0] * T) * p[1], np.zeros(2))
    return found.cost + np.sum(found.x**2)


def fit(p):
    y = np.sin(p[0] * T) * p[1]
    basis = np.stack([np.ones(8), T], axis=1)
    c = np.linalg.solve(basis.T @ basis, basis.T @ y)
    return 0.5 * np.sum((basis @ c - y) ** 2) + np.sum(c**2)


def of_quad(p):
    return ad.integrate.quad(lambda t: np.exp(-p[0] * t) * np.sin(p[1] * t), p[1], p[0] + 1, epsabs=1e-12)[0]


def quad(p):
    a, b = p

    def whole(t):
        return -np.exp(-a * t) * (a * np.sin(b * t) + b * np.cos(b * t)) / (a * a + b * b)

    return whole(a + 1) - whole(b)


def of_gauss(p):
    return ad.integrate.quad(lambda t, a: np.exp(-a * t * t), -np.inf, p[1], args=(p[0],), epsabs=1e-12)[0]


def gauss(p):
    return np.sqrt(np.pi / p[0]) / 2 * (1 + sp.erf(np.sqrt(p[0]) * p[1]))


def of_moments(p):
    return np.sum(
        ad.integrate.quad_vec(lambda t: np.exp(-p[0] * t) * t ** np.arange(3) * p[1], 0, np.inf)[0] ** 2
    )


def moments(p):
    return sum((p[1] * float(sp.gamma(n + 1)) / p[0] ** (n + 1)) ** 2 for n in range(3))


CASES = {
    "root": (of_root, lambda p: cubic(p[0], p[1]) ** 2 * (1 + p[1] ** 2)),
    "brentq": (of_brentq, lambda p: cubic(p[0], p[1])),
    "newton": (of_newton, lambda p: cubic(p[0], p[0]) * p[0] + cubic(p[0], p[1]) * p[1]),
    "fixed_point": (of_fixed_point, lambda p: p[1] * lambert(p[0])),
    "minimize": (of_minimum, minimum),
    "bounds": (of_bounded, bounded),
    "least_squares": (of_fit, fit),
    "quad": (of_quad, quad),
    "quad to infinity": (of_gauss, gauss),
    "quad_vec": (of_moments, moments),
}


@pytest.mark.parametrize("backend", [*VALUES, "numpy:forward", "compiled"])
@pytest.mark.parametrize("case", CASES)
def test_against_closed_forms(case, backend):
    f, closed = CASES[case]
    if backend == "jax" and case not in ("brentq", "quad"):  # operations of JAX are dear to begin with
        pytest.skip("two cases stand for JAX")
    backend = {"compiled": ad.NumPy(compile=True), "jax": ad.JAX(jit=False)}.get(backend, backend)
    np.testing.assert_allclose(f(P), closed(P), rtol=1e-8)
    value, gradient = ad.prepare_gradient(f, P + 0.1, backend=backend).value_and(P)
    np.testing.assert_allclose(value, closed(P), rtol=1e-8)
    np.testing.assert_allclose(gradient, ad.gradient(closed, P), rtol=1e-7)
    np.testing.assert_allclose(ad.hessian(f, P, backend=backend), ad.hessian(closed, P), rtol=1e-6, atol=1e-7)


def test_compiled_by_jax():
    pytest.importorskip("jax")
    for case in ("brentq", "quad to infinity"):
        f, closed = CASES[case]
        np.testing.assert_allclose(
            ad.prepare_gradient(f, P + 0.1, backend="jax")(P), ad.gradient(closed, P), rtol=1e-8
        )


def test_plain_calls_are_scipys():
    f = lambda x: x**3 - x - 1  # noqa: E731
    assert ad.optimize.brentq(f, 1, 2) == scipy.optimize.brentq(f, 1, 2)
    assert ad.optimize.newton(f, 1.0) == scipy.optimize.newton(f, 1.0)
    assert ad.optimize.root(f, 1.0).x == scipy.optimize.root(f, 1.0).x
    assert ad.integrate.quad(np.exp, 0, 1) == scipy.integrate.quad(np.exp, 0, 1)
    assert not ad.optimize.root(lambda x: x**2 + 1, 1.0).success


def test_expansions():
    found = ad.taylor(of_brentq, P, v=np.ones(2), order=4)
    np.testing.assert_allclose(
        found, ad.taylor(lambda p: cubic(p[0], p[1]), P, v=np.ones(2), order=4), rtol=1e-10
    )

    def fixed(p):
        return ad.integrate.quad(lambda t: np.exp(-p[0] * t * p[1]), 0.0, 2.0)[0]

    wanted = ad.taylor(lambda p: (1 - np.exp(-2 * p[0] * p[1])) / (p[0] * p[1]), P, v=np.ones(2), order=4)
    np.testing.assert_allclose(ad.taylor(fixed, P, v=np.ones(2), order=4), wanted, rtol=1e-10)
    with pytest.raises(FunctionNotSupportedError, match="in its limits"):
        ad.taylor(of_quad, P, v=np.ones(2), order=2)


def test_losses_are_scipys():
    def f(c):
        return c[0] * np.exp(-c[1] * T) - 1 / (1 + T) - 0.3 * np.sin(9 * T)

    for loss in ("linear", "soft_l1", "huber", "cauchy", "arctan"):
        wanted = scipy.optimize.least_squares(f, np.ones(2), loss=loss, f_scale=0.2).cost
        found = ad.value_and_gradient(
            lambda s, loss=loss: (
                ad.optimize.least_squares(lambda c: f(c) * s[0], np.ones(2), loss=loss, f_scale=0.2).cost
            ),
            np.ones(1),
        )[0]
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_errors_are_scipys_or_say_what_to_do():
    with pytest.raises(ValueError, match="must have different signs"):
        ad.derivative(lambda a: ad.optimize.brentq(lambda x: x * x + a, 0, 1), 1.0)
    with pytest.raises(DomainError, match="root did not converge"):
        ad.derivative(lambda a: ad.optimize.root(lambda x: x * x + a, 1.0).x[0], 1.0)
    with pytest.raises(RuntimeError, match="Failed to converge"):
        ad.derivative(lambda a: ad.optimize.newton(lambda x: np.exp(x) + a, 1.0), 1.0)
    with pytest.raises(DomainError, match="minimize did not converge"):
        ad.derivative(
            lambda a: ad.optimize.minimize(
                lambda x: np.sum(a * x**2), np.ones(2), method="Nelder-Mead", options={"maxiter": 3}
            ).x[0],
            1.0,
        )
    with pytest.raises(DomainError, match="on a bound and has no slope"):
        ad.derivative(
            lambda a: ad.optimize.minimize(lambda x: np.sum((x - a) ** 2), [1.0], bounds=[(0, 1)]).x[0], 1.0
        )
    with pytest.raises(DomainError, match="quad:"):
        ad.derivative(lambda a: ad.integrate.quad(lambda t: a / t, 0, 1)[0], 1.0)
    with pytest.raises(FunctionNotSupportedError, match="needs numbers"):
        ad.gradient(of_brentq, P, backend="casadi")


def test_an_assignment_is_constant_in_pieces():
    c = np.array([[4.0, 1.0, 3.0], [2.0, 0.0, 5.0], [3.0, 2.0, 2.0]])
    rows, columns = scipy.optimize.linear_sum_assignment(c)
    wanted = np.zeros((3, 3))
    wanted[rows, columns] = 1
    for backend in VALUES:
        if backend != "jax":
            found = ad.gradient(lambda c: np.sum(c[ad.optimize.linear_sum_assignment(c)]), c, backend=backend)
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_integrals_of_samples(n):
    rng = np.random.default_rng(n)
    y, x = rng.random((2, n)), np.cumsum(rng.random(n) + 0.1)
    for name in ("simpson", "trapezoid", "cumulative_trapezoid"):
        own, scipys = getattr(ad.integrate, name), getattr(scipy.integrate, name)
        for axis, samples in ((-1, y), (0, y.T)):
            both = ad.value_and_jvp(
                lambda y, x, own=own, axis=axis: own(y, x, axis=axis),
                samples,
                x,
                v=(samples, x),
                argnums=(0, 1),
            )
            np.testing.assert_allclose(both[0], scipys(samples, x, axis=axis), rtol=1e-12)
            # of degree one in the samples, and in the places
            np.testing.assert_allclose(both[1], 2 * scipys(samples, x, axis=axis), rtol=1e-12)
            np.testing.assert_allclose(own(samples, dx=0.3, axis=axis), scipys(samples, dx=0.3, axis=axis))
    check_derivatives(lambda x: np.sum(np.sin(ad.integrate.simpson(y, x))), x)
