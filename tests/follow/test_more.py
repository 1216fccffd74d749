"""Filters, transforms, solvers, factors, statistics and caches, which know nothing of boxes."""

from __future__ import annotations

import functools
import math
import statistics

import numpy as np
import pytest
import scipy.fft
import scipy.integrate
import scipy.linalg as sl
import scipy.ndimage as nd
import scipy.optimize as so
import scipy.signal as sg
import scipy.sparse as ss
import scipy.sparse.linalg as ssl

import polyad as ad
from polyad.errors import FunctionNotSupportedError

X = np.array([0.313, 0.547, 0.728, 0.216, 0.935, 0.452])
SPARSE = ss.csc_matrix(np.diag([1.0, 2.0, 3.0]) + 0.1)


def matrix(x):
    return np.array([[1 + x[0], x[1], 0.2], [x[2], -0.3, x[3]], [x[4], 0.1, 2 + x[5]]])


def filters(x):
    smooth = nd.gaussian_filter1d(x, 1.0) + sg.savgol_filter(x, 5, 2) + sg.lfilter([0.3, 0.2], [1.0, -0.4], x)
    return np.sum(smooth**2) + np.sum(
        nd.convolve(x.reshape(2, 3), np.ones((2, 2)), mode="constant", cval=2.0) ** 2
    )


def coefficients_of_a_filter(x):
    return np.sum(sg.lfilter([x[0], 0.2], [1.0, -x[1], x[2]], [1.0, 2, 0, 1, 3.0]) ** 2)


def transforms(x):
    whole = np.abs(scipy.fft.fft(x))[1] + np.sum(scipy.fft.dct(x, norm="ortho")[:3] ** 3)
    return (
        whole
        + np.sum(sg.fftconvolve(x, [1.0, 2.0]) ** 2)
        + np.sum(sg.correlate(x, [1.0, 2, 3], mode="same") ** 2)
    )


def factors(x):
    p, lower, upper = sl.lu(matrix(x))
    both, _ = sl.lu_factor(matrix(x))
    solved = sl.lu_solve(sl.lu_factor(matrix(x)), np.array([x[0], 2.0, 3.0]), trans=1)
    return np.sum(p @ lower**2) + np.sum(upper**3) + np.sum(np.log(np.abs(np.diag(both)))) + np.sum(solved**2)


def equations(x):
    banded = sl.solve_banded(
        (1, 1), np.array([[0, x[0], x[1]], [2 + x[2], 3.0, 4.0], [x[3], x[4], 0]]), np.ones(3)
    )
    a = np.array([[-1.0, x[0]], [0.0, -x[1]]])
    lyapunov = sl.solve_continuous_lyapunov(a, -np.eye(2)) + sl.solve_discrete_lyapunov(a / 3, np.eye(2))
    return (
        np.sum(banded**2) + np.sum(lyapunov) + np.sum(sl.solve_sylvester(a, np.eye(2) * 3, np.ones((2, 2))))
    )


def sparse_system(x):
    return np.sum(ssl.spsolve(SPARSE, x[:3]) ** 2)


def roots(x):
    both = so.fsolve(lambda u: [u[0] ** 2 + x[0] * u[1] - 1 - x[1], u[0] - u[1] + x[2]], [1.0, 1.0])
    ends = so.bisect(lambda u: u**3 - x[0] - 1, 0, 3, xtol=1e-14)
    return both[1] + ends * so.root_scalar(lambda u: u**3 - math.sin(x[3]) - 1, bracket=[0, 3]).root


def equations_of_motion(x):
    y = scipy.integrate.odeint(lambda y, t, k: -k * y + x[1], [1.0, x[2]], np.linspace(0, 1, 5), args=(x[0],))
    z = scipy.integrate.solve_ivp(lambda t, y: -x[0] * y, (0, 1), [1.0, x[1]], rtol=1e-9, atol=1e-10)
    return np.sum(y**2) + np.sum(z.y[:, -1])


def samples(x):
    t = np.linspace(0, 1, 6)
    steps = scipy.integrate.cumulative_trapezoid(x**2, t, initial=0)
    return scipy.integrate.simpson(np.exp(-x * x), x=t) + np.sum(steps**2)


def numbers(x):
    data = list(x)
    spread = statistics.mean(data) * statistics.pstdev(data) + statistics.fmean(u * u for u in x)
    return spread + math.fsum(u * u for u in x.tolist()) + np.sum(np.fromiter((u**3 for u in x), dtype=float))


def whole_numbers(x):
    return x[int(x[0] * 10)] ** 2 + sum(v ** (k[0] + 1) for k, v in np.ndenumerate(x))


ENTRYWISE = np.vectorize(lambda u, v: math.sin(u) * max(u, v), otypes=[float])


@functools.cache
def cached(u):
    return math.sqrt(u) + u * u


def functions_of_entries(x):
    inner = np.vectorize(lambda u: math.exp(u) if u > 0.4 else u, otypes=[float])
    return float(np.sum(ENTRYWISE(x, 0.5)) + np.sum(inner(x))) + sum(cached(float(u)) for u in x)


def products(x):
    return np.sum(np.vecdot(x.reshape(2, 3), x.reshape(2, 3) ** 2, axis=0) ** 2)


FUNCTIONS = [filters, coefficients_of_a_filter, transforms, factors, equations, sparse_system, roots]
FUNCTIONS += [equations_of_motion, samples, numbers, whole_numbers, functions_of_entries, products]


def differences(f, x):
    """Central differences of sixth order."""
    at = lambda h: np.array([(f(x + h * k) - f(x - h * k)) / (2 * h) for k in np.eye(x.size)])  # noqa: E731
    return (64 * at(2.5e-4) - 20 * at(5e-4) + at(1e-3)) / 45


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_function_has_its_gradient(f, backend):
    pytest.importorskip(backend)
    if backend == "torch" and f is whole_numbers:  # a framework's number is asked for nothing but its truth
        with pytest.raises(FunctionNotSupportedError, match=r"polyad\.stop_gradient"):
            ad.prepare_gradient(f, X, backend=backend)
        return
    prepared = ad.prepare_gradient(f, X, backend=backend)
    y = X * 1.01
    assert np.allclose(prepared(y), differences(f, y), rtol=1e-6, atol=1e-6)


def test_the_steps_of_a_loose_solver_are_differentiated_as_they_are():
    def end(x):
        return scipy.integrate.solve_ivp(lambda t, y: -x[0] * y, (0, 1), [1.0, x[1]]).y[0, -1]

    assert np.allclose(ad.gradient(end, X), differences(end, X), rtol=1e-7, atol=1e-9)


def test_plain_arguments_within_a_followed_call_give_what_the_originals_give():
    seen = []

    def f(x):
        seen.append([g(X) for g in FUNCTIONS])
        return np.sum(np.asarray(x, dtype=float) ** 2)

    ad.gradient(f, X)
    expected = [g(X) for g in FUNCTIONS]
    assert all(np.array_equal(row, expected) for row in seen)


def test_a_graph_without_values_has_no_pivots():
    pytest.importorskip("jax")
    with pytest.raises(ad.errors.PolyadError, match="finite"):
        ad.gradient(factors, X, backend="jax")


@pytest.mark.parametrize("backend", ["numpy", "numpy:compiled", "jax", "torch"])
@pytest.mark.parametrize("returns", [np.stack, list, lambda parts: np.array(parts)])
def test_a_solver_of_scipys_is_followed_without_a_word(returns, backend, capfd):
    """SciPy prints what its compiled part meets, and boxes there were an error before they were followed."""
    pytest.importorskip(backend.partition(":")[0])

    def f(x):
        return so.fsolve(lambda z: returns([z[0] ** 3 - x[0], z[1] - x[1]]), [1.0, 1.0])[0]

    found = ad.gradient(f, np.array([2.1, 0.7]), backend=backend)
    np.testing.assert_allclose(found, [2.1 ** (-2 / 3) / 3, 0.0], atol=1e-9)
    assert capfd.readouterr().err == ""
