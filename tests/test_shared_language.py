"""Unmodified NumPy code under every backend: one answer, or a refusal at preparation that says why.

In-place functions and scratch memory are in ``test_inplace``, perturbation confusion in ``test_nesting``,
the lift of every single rule in ``engine/test_lift``, views in ``engine/test_views``.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import scipy.linalg
import scipy.special as sp

import polyad as ad
from backends import AVAILABLE, EXACT, eager
from polyad.errors import FunctionNotSupportedError
from polyad.systems.registry import load

MODES = [
    pytest.param(name, mode, id=f"{name}:{mode}" if mode else name)
    for name in EXACT
    for mode in (None, *sorted(load(name).supports))
]
X = np.array([0.6, 1.1, 0.4, 1.7])
V = np.array([0.3, -0.8, 0.5, 0.2])


def complex_step(f, x):
    """The gradient to rounding, by NumPy alone, of functions that are analytic where they are taken."""
    return np.array([f(x + 1e-30j * e).imag / 1e-30 for e in np.eye(x.size)])


# -- the known Hessian-vector product, in plain NumPy -------------------------------------------------


@pytest.mark.parametrize(("name", "mode"), MODES)
@pytest.mark.parametrize("prepared", [False, True])
def test_the_known_hvp(name, mode, prepared):
    """f = |x|**3 x_n + x_1**2; its Hessian is written out below."""
    x, v = np.arange(1.0, 6.0), np.arange(6.0, 11.0)
    r, last = np.linalg.norm(x), np.eye(5)[4]
    hessian = 3 * x[-1] * (r * np.eye(5) + np.outer(x, x) / r)
    hessian += 3 * r * (np.outer(x, last) + np.outer(last, x))
    hessian[0, 0] += 2

    def f(x):
        return np.linalg.norm(x) ** 3 * x[-1] + x[0] ** 2

    backend = eager(name, mode)
    if prepared:
        found = ad.prepare_hvp(f, np.ones(5), backend=backend)(x, v=v)
    else:
        found = ad.hvp(f, x, v=v, backend=backend)
    np.testing.assert_allclose(found, hessian @ v, rtol=1e-12)


# -- everything in one function -----------------------------------------------------------------------


def everything(x):
    """scipy.special, item assignment, accumulation in a loop, where, einsum and solve."""
    y = np.zeros_like(x)
    for i in range(len(x)):
        y[i] = sp.expit(x[i]) * x[0]
        y[i] += y[i - 1] if i else 0.0
    a = np.einsum("i,j->ij", y, x) + 3 * np.eye(len(x))
    z = np.linalg.solve(a, np.where(x > 1.0, x**2, sp.erf(x)))
    y[1:3] *= z[:2]
    y[-1] -= z[3]
    return np.sum(y * z) + sp.gammaln(x[1])


def bits(x):
    """The same in operations that hold for complex numbers, where SciPy's functions do not."""
    erf = sp.wofz  # erf(z) = 1 - exp(-z*z) w(iz)
    y = np.zeros_like(x)
    for i in range(len(x)):
        y[i] = x[0] / (1 + np.exp(-x[i])) + (y[i - 1] if i else 0.0)
    a = np.outer(y, x) + 3 * np.eye(len(x))
    z = np.linalg.solve(a, np.where(x.real > 1.0, x**2, 1 - np.exp(-x * x) * erf(1j * x)))
    y[1:3] = y[1:3] * z[:2]
    y[-1] = y[-1] - z[3]
    return np.sum(y * z) + sp.loggamma(x[1])


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_everything_in_one_function(name, mode):
    backend = eager(name, mode)
    if (name, mode) == ("autograd", "forward"):
        with pytest.raises(FunctionNotSupportedError, match="JVP of solve"):
            ad.prepare_gradient(everything, X, backend=backend)(X)
        return
    wanted = complex_step(bits, X)
    grad = ad.prepare_gradient(everything, X + 0.01, backend=backend)
    np.testing.assert_allclose(grad(X), wanted, rtol=1e-12)
    np.testing.assert_allclose(ad.gradient(everything, X, backend=backend), wanted, rtol=1e-12)
    # second order: the change of the reference along v
    h = 1e-4
    g = [complex_step(bits, X + k * h * V) for k in (-2, -1, 1, 2)]
    change = (g[0] - 8 * g[1] + 8 * g[2] - g[3]) / (12 * h)
    np.testing.assert_allclose(ad.hvp(everything, X, v=V, backend=backend), change, rtol=1e-9, atol=1e-9)


@pytest.mark.skipif("finite" not in AVAILABLE, reason="differences are not there")
def test_everything_by_differences():
    found = ad.gradient(everything, X, backend="finite")
    np.testing.assert_allclose(found, complex_step(bits, X), rtol=1e-7)


# -- the mutation trap --------------------------------------------------------------------------------


def trap(x):
    r = np.sum(x * x)
    x[:] = 0
    return r


OPERATORS = {
    "gradient": ({}, 2 * X),
    "jacobian": ({}, 2 * X),
    "jvp": ({"v": V}, 2 * X @ V),
    "vjp": ({"w": 3.0}, 6 * X),
    "hvp": ({"v": V}, 2 * V),
    "hessian": ({}, 2 * np.eye(4)),
}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("name", AVAILABLE)
def test_the_mutation_trap(name, operator):
    seeds, wanted = OPERATORS[operator]
    x, rtol = X.copy(), 1e-4 if name == "finite" else 1e-14
    prepared = getattr(ad, f"prepare_{operator}")(trap, X + 1, backend=eager(name))
    for call in (getattr(ad, operator), getattr(ad, f"value_and_{operator}", None)):
        if call is not None:
            found = call(trap, x, backend=eager(name), **seeds)
            found = found[1] if isinstance(found, tuple) else found
            np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-6 if name == "finite" else 0)
    for _ in range(2):
        np.testing.assert_allclose(
            prepared(x, **seeds), wanted, rtol=rtol, atol=1e-6 if name == "finite" else 0
        )
    np.testing.assert_array_equal(x, X)  # the caller's array is as it was


@pytest.mark.parametrize("name", EXACT)
def test_a_constant_that_is_written_to_later(name):
    def f(x):
        c = np.array([1.0, 2.0, 3.0, 4.0])
        r = np.sum(c * x * x)
        c[:] = 0
        return r

    np.testing.assert_allclose(ad.gradient(f, X, backend=eager(name)), 2 * np.arange(1, 5) * X, rtol=1e-14)


# -- the corners of NumPy's language --------------------------------------------------------------------


def soft(t):
    return np.log1p(np.exp(t))


def corners_out(x):
    y = np.empty_like(x)
    np.multiply(x, x, out=y)
    np.add(y, 1.0, out=y)
    return np.sum(np.sqrt(y, out=np.zeros_like(x)))


def corners_methods(x):
    return np.add.reduce(x * x) + np.multiply.outer(x, x)[0, 1] + np.add.accumulate(x)[2] + x.dot(x[::-1])


def corners_vectorized(x):
    return np.sum(np.vectorize(soft)(x) * x)


def corners_views(x):
    y = x * 1.0
    part = y[1:3]
    part *= x[0]
    y.reshape(2, 2)[1, 1] = x[1] * x[2]
    row = y.reshape(2, 2)[0]
    row += 1
    return np.sum(y * y)


def corners_loop(x):
    total = 0.0
    for k, value in enumerate(x):
        total += value * len(x) ** k
    first, *rest = x
    return total * first + rest[-1]


def plain_views(x):
    """What ``corners_views`` is, without a view."""
    y = np.array([x[0] + 1, x[1] * x[0] + 1, x[2] * x[0], x[1] * x[2]])
    return np.sum(y * y)


CORNERS = {
    "out=": (corners_out, lambda x: np.sum(np.sqrt(x * x + 1))),
    "methods of ufuncs": (
        corners_methods,
        lambda x: np.sum(x * x) + x[0] * x[1] + x[0] + x[1] + x[2] + np.sum(x * x[::-1]),
    ),
    "np.vectorize": (corners_vectorized, lambda x: np.sum(np.log(1 + np.exp(x)) * x)),
    "views": (corners_views, plain_views),
    "iteration": (corners_loop, lambda x: (x @ 4.0 ** np.arange(4)) * x[0] + x[3]),
}


@pytest.mark.parametrize("case", CORNERS)
@pytest.mark.parametrize("name", AVAILABLE)
def test_corners(name, case):
    f, plain = CORNERS[case]
    wanted = complex_step(plain, X)
    rtol = 1e-7 if name == "finite" else 1e-13
    np.testing.assert_allclose(ad.gradient(f, X, backend=eager(name)), wanted, rtol=rtol)
    prepared = ad.prepare_gradient(f, X + 0.1, backend=eager(name))
    np.testing.assert_allclose(prepared(X), wanted, rtol=rtol)


# function, and the gradient that who can follow it must give
DROPPING = {
    "np.zeros(n)": (lambda x: _written(np.zeros(4), x), [1, 0, 0, 0]),
    "float": (lambda x: float(x[0]) * x[1], [X[1], X[0], 0, 0]),
    "math": (lambda x: math.sin(x[0]) * x[1], [math.cos(X[0]) * X[1], math.sin(X[0]), 0, 0]),
    "np.asarray": (lambda x: np.sum(np.asarray(x) ** 2), 2 * X),
    "int": (lambda x: int(x[0] * 10) * x[1], [0, 6, 0, 0]),
}


def _written(y, x):
    y[0] = x[0]
    return np.sum(y)


@pytest.mark.parametrize("case", DROPPING)
@pytest.mark.parametrize("name", EXACT)
def test_what_would_drop_the_derivative_is_right_or_refused_with_the_line(name, case):
    f, wanted = DROPPING[case]
    backend = eager(name)
    if case != "int":  # whatever is lost is followed
        np.testing.assert_allclose(ad.gradient(f, X, backend=backend), wanted, rtol=1e-14)
    # eager backends follow the function's operations at the first call only
    for call in (
        lambda: ad.gradient(f, X, backend=backend, follow=False),
        lambda: ad.prepare_gradient(f, X, backend=backend, follow=False)(X),
    ):
        try:
            found = call()
        except FunctionNotSupportedError as error:
            assert "test_shared_language.py" in str(error)
        except ValueError as error:  # NumPy's own, of an array of numbers that gets something else
            assert "setting an array element" in str(error)
        else:
            assert name in ("jax", "autograd")  # these follow a few of them by themselves
            np.testing.assert_allclose(found, wanted, rtol=1e-14)


# -- shapes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AVAILABLE)
def test_values_have_numpys_shapes(name):
    """A tolerance that broadcasts does not see an axis too many: ``np.ascontiguousarray`` adds one."""
    nothing = np.array(0)  # an index without axes
    cases = [
        lambda x: np.take(x, 0),
        lambda x: x.take(nothing),
        lambda x: np.ravel(x)[nothing],
        lambda x: x[nothing],
        lambda x: x[:, nothing],
        lambda x: x[..., nothing],
        lambda x: x[nothing, nothing],
        lambda x: np.take(x, 0, axis=1),
        lambda x: np.take(x, [0], axis=1),
        lambda x: np.sum(x)[()],
        lambda x: x[0, None, [1]],
        lambda x: np.atleast_1d(np.sum(x)),
        lambda x: np.asfortranarray(np.sum(x)),
    ]
    m = np.array([[0.4, 1.2, 0.3], [0.7, 0.1, 0.9]])
    for k, f in enumerate(cases):
        value, jacobian = ad.value_and_jacobian(f, m, backend=eager(name))
        assert np.shape(value) == np.shape(f(m)), k
        assert np.shape(jacobian) == np.shape(f(m)) + m.shape, k
        np.testing.assert_allclose(value, f(m), rtol=1e-15)


# -- functions that are none of the caller's own ----------------------------------------------------------


HALVED = functools.partial(math.pow, 2.0)
POWERS = np.vectorize(HALVED)


@pytest.mark.parametrize("name", AVAILABLE)
def test_compiled_functions_are_differentiated_as_they_are(name):
    """``math.sin`` handed over itself, and what is made of such functions, names or not."""
    backend, t, x = eager(name), 1.2, np.array([0.3, 1.1])
    tolerance = {"rtol": 1e-6 if name == "finite" else 1e-13}
    cases = [
        (math.sin, math.cos(t)),
        (math.lgamma, sp.digamma(t)),
        (float, 1.0),
        (np.float64, 1.0),
        (functools.partial(math.hypot, 0.5), t / math.hypot(0.5, t)),
        (HALVED, math.log(2.0) * 2**t),
        (lambda t: HALVED(t) * 1.0, math.log(2.0) * 2**t),
        (functools.partial(functools.partial(math.atan2), 0.5), -0.5 / (0.25 + t * t)),
    ]
    for k, (f, expected) in enumerate(cases):
        np.testing.assert_allclose(
            ad.derivative(f, t, backend=backend), expected, err_msg=str(k), **tolerance
        )
    for f, expected in [
        (math.fsum, [1.0, 1.0]),
        (functools.partial(math.dist, [0.0, 0.0]), x / math.hypot(*x)),
        (scipy.linalg.norm, x / math.hypot(*x)),
        (lambda x: np.sum(POWERS(x)), math.log(2.0) * 2**x),
        (lambda x: sum(functools.partial(map, math.sin)(x)), np.cos(x)),
    ]:
        np.testing.assert_allclose(ad.gradient(f, x, backend=backend), expected, **tolerance)


def test_what_stands_for_a_function_is_called_while_it_is_followed_only():
    ad.derivative(HALVED, 1.2)
    assert HALVED.func is math.pow
    assert type(HALVED(3.0)) is float and HALVED(3.0) == 8.0
