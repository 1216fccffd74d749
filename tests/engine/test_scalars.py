"""Scalar code: every operator against differences in extended precision, and the corners."""

from __future__ import annotations

import copy
import gc
import math
import operator
import pickle
import tracemalloc
import warnings

import mpmath
import numpy as np
import pytest
import scipy.special as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import derivatives

import polyad as ad
from polyad.engine.boxes import box
from polyad.engine.numbers import tangents
from polyad.engine.numbers.number import ScalarBox
from polyad.errors import OperationNotSupportedError

X = np.array([0.7, 1.3, 2.1])
V = np.array([0.3, -1.1, 0.6])
MODES = ("numpy:forward", "numpy:reverse")
both = pytest.mark.parametrize("backend", MODES)


def general(f, *args):
    """The same without the short way: every number is an ordinary tracer."""
    numbers, entries = dict(box.NUMBERS), dict(box.ENTRIES)
    box.NUMBERS.clear()
    box.ENTRIES.clear()
    try:
        return f(*args)
    finally:
        box.NUMBERS.update(numbers)
        box.ENTRIES.update(entries)


def unpacked(x):
    a, b, c = x
    return a * b - c / a


def looped(x):
    total = 0.0
    for item in x:
        total = total + item * item * 0.5
    return total


def augmented(x):
    s = x[0]
    t = s
    s += x[1]
    s *= x[2]
    s -= 0.5
    s /= t
    s **= 2
    return s


def branched(x):
    return x[0] * x[1] if x[0] < x[2] and not x[1] >= 5.0 else x[2]


def buffered(x):
    y = np.zeros_like(x)
    y[0] = x[0] * x[1]
    y[1] = y[0] + x[2]
    y[-1] = y[1] / y[0]
    y[1] += y[2]
    return np.sum(y * x) + y[1] * y[0]


def horner(x):
    y = x[0]
    for c in np.array([1.0, -2.0, 0.5]):
        y = c + y * x[1]
    return y


FUNCTIONS = {
    "+": lambda x: x[0] * (x[0] + x[1] + 2.0 + 3),
    "r+": lambda x: (1.5 + x[0]) * (2 + x[1]),
    "-": lambda x: x[0] * (x[0] - x[1] - 2.0 - 3),
    "r-": lambda x: (1.5 - x[0]) * (2 - x[1]),
    "*": lambda x: x[0] * x[1] * x[0] * 2.0 * 3,
    "r*": lambda x: 1.5 * x[0] * (2 * x[1]),
    "/": lambda x: x[0] / x[1] / 2.0 / 3,
    "r/": lambda x: 1.5 / x[0] + 2 / x[1],
    "0/": lambda x: 0.0 / x[0] + x[1],
    "**": lambda x: x[0] ** 2 + x[1] ** 3 + x[2] ** -2 + x[0] ** 1.5 + x[1] ** 1 + x[1] ** 0,
    "s**s": lambda x: x[0] ** x[1] + pow(x[1], x[2]),
    "r**": lambda x: 2.0 ** x[0] + 3 ** x[1],
    "%": lambda x: (x[2] % x[1]) * x[0] + (x[1] % 0.4) * x[2] + (5.2 % x[0]),
    "unary": lambda x: -x[0] * +x[1] * abs(-x[2]) * abs(x[0]),
    "index by several": lambda x: np.reshape(x, (1, 3))[0, 1] ** 2 * x[-1] * x[(0,)] * x[np.int64(1)],
    "float64": lambda x: (
        np.float64(1.5) * x[0] * np.float64(2)
        + np.float64(3) / x[1]
        - (np.float64(2) - x[2]) / np.float64(3)
        + (np.float64(0.5) + x[0]) ** np.float64(2)
    ),
    "other numbers": lambda x: (
        np.int64(2) * x[0] * x[1] + x[2] * np.float32(0.5) + x[1] / np.int32(3) + True * x[0]
    ),
    "ufuncs": lambda x: np.sin(x[0]) * np.exp(x[1]) + np.sqrt(x[2]) * np.log(x[1]) - np.tanh(x[0] * x[1]),
    "ufuncs of two": lambda x: np.arctan2(x[0], x[1]) + np.hypot(x[2], x[1]) + np.logaddexp(x[0], 1.0),
    "operators as ufuncs": lambda x: (
        np.add(x[0], x[1]) * np.subtract(2.0, x[1]) * np.multiply(x[2], 3) / np.divide(np.float64(2), x[0])
        + np.power(x[0], 3)
        + np.power(2, x[1])
        - np.negative(x[0]) * np.square(x[1])
    ),
    "maximum": lambda x: np.maximum(x[0], x[1]) * np.minimum(x[1], 0.3 + x[2]) * max(x[0], x[2]) * min(x),
    "absolute": lambda x: np.absolute(x[0] - x[1]) * np.fabs(x[1] - x[2]),
    "where": lambda x: np.where(x[0] < x[1], x[0] * x[1], x[2]) * x[2],
    "stack": lambda x: np.sum(np.stack([x[0] * x[1], x[2], x[0] ** 2]) * x) * x[1],
    "array": lambda x: np.sum(np.array([x[0] * x[1], x[2], 1.0]) * x) * x[1],
    "array times number": lambda x: np.sum(x[0] * x + x * (x[1] * x[2]) - x / x[2]),
    "reductions": lambda x: np.sum(x) * x[0] / np.sqrt(x @ x) + np.mean(x) ** 2 * x.max(),
    "sum of list": lambda x: sum([x[0] * x[1], x[2], x[0]]) + np.sum([x[0] ** 2, x[1]]),
    "sorted": lambda x: sorted([x[2] * x[1], x[0], x[1]])[1] * sorted(x)[2],
    "reshaped": lambda x: np.sum(np.atleast_1d(x[0] * x[1]) * x) + (x[2] * x[0]).reshape(1, 1)[0, 0],
    "parts": lambda x: x[0].real * x[1].item() * np.conjugate(x[2]) * x[0].copy() * copy.copy(x[1]),
    "rounded": lambda x: x[0] * np.floor(x[2]) * (x[1] // 0.4) * np.sign(x[0]),
    "linear algebra": lambda x: np.linalg.solve(np.array([[x[0], 1.0], [0.5, x[1]]]), x[1:])[0] * x[2],
    "unpacked": unpacked,
    "looped": looped,
    "augmented": augmented,
    "branched": branched,
    "buffered": buffered,
    "horner": horner,
}
every = pytest.mark.parametrize("name", FUNCTIONS)


@every
@both
def test_operators(name, backend):
    f = FUNCTIONS[name]
    y, g = ad.value_and_gradient(f, X, backend=backend)
    assert type(y) is np.float64
    np.testing.assert_allclose(y, float(f(X)), rtol=1e-15)
    for k, unit in enumerate(np.eye(3)):
        first, _, (tolerance, _) = derivatives(f, X, unit)
        np.testing.assert_allclose(g[k], float(first), rtol=tolerance, atol=tolerance)
    first, _, (tolerance, _) = derivatives(f, X, V)
    np.testing.assert_allclose(
        ad.jvp(f, X, v=V, backend=backend), float(first), rtol=tolerance, atol=tolerance
    )


@every
def test_second_order(name):
    f = FUNCTIONS[name]
    _, second, (_, tolerance) = derivatives(f, X, V)
    along = [
        V @ ad.hvp(f, X, v=V, backend="numpy"),
        V @ ad.hessian(f, X, backend="numpy") @ V,
        V @ ad.jvp(lambda x: ad.gradient(f, x, backend="numpy:reverse"), X, v=V, backend="numpy:forward"),
        V @ ad.jvp(lambda x: ad.gradient(f, x, backend="numpy:forward"), X, v=V, backend="numpy:reverse"),
    ]
    np.testing.assert_allclose(along, float(second), rtol=tolerance, atol=tolerance)


@both
def test_special_functions(backend):
    def f(x):
        return sp.gammaln(x[0]) * sp.erf(x[1]) + sp.betainc(1.5, 2.0, x[0] / 2) + sp.jv(2, x[2])

    def exact(a, b, c):
        beta = mpmath.betainc(1.5, 2, 0, a / 2, regularized=True)
        return mpmath.loggamma(a) * mpmath.erf(b) + beta + mpmath.besselj(2, c)

    g = ad.gradient(f, X, backend=backend)
    for k in range(3):
        n = tuple(int(j == k) for j in range(3))
        np.testing.assert_allclose(g[k], float(mpmath.diff(exact, tuple(map(mpmath.mpf, X)), n)), rtol=1e-11)


@both
def test_the_short_way_is_taken(backend):
    seen = []

    def f(x):
        values = [
            x[0], x[-1], x[0] * x[1], 2.0 * x[0], x[0] + 1, x[0] / x[1], x[0] ** 2, x[0] ** x[1], 2**x[0],
            -x[0], np.sin(x[0]), np.float64(2) * x[0], np.sum(x), np.sum(x) * x[0], x @ x,
            np.arctan2(x[0], 1.0),
            *x,
        ]  # fmt: skip
        seen.extend(map(type, values))
        return sum(values)

    ad.gradient(f, X, backend=backend)
    assert set(seen) - {np.float64} == {ScalarBox}  # forward mode evaluates f once without derivatives
    seen.clear()
    ad.derivative(lambda t: seen.append(type(t)) or t * t, 0.5, backend=backend)
    assert any(issubclass(kind, ScalarBox) for kind in seen)


# -- infinite and undefined --------------------------------------------------------------------------------

CORNERS = {
    "division by zero": lambda a, b: a / b,
    "number by zero": lambda a, b: 1.0 / b + a,
    "by the number zero": lambda a, b: a / 0.0 + b,
    "by the integer zero": lambda a, b: a / 0 + b,
    "by NumPy's zero": lambda a, b: a / np.float64(0) + b,
    "negative power": lambda a, b: b**-1 + a,
    "fractional power": lambda a, b: b**0.5 + a**0.5,
    "power of power": lambda a, b: a**b + b**a,
    "number to a power": lambda a, b: 0.0**b + (-2.0) ** a,
    "product": lambda a, b: a * b,
    "sum": lambda a, b: a + b,
    "difference": lambda a, b: a - b + 1.0,
    "large product": lambda a, b: (a * 1e300) * (b + 1e300),
    "times infinity": lambda a, b: a * np.inf + b,
    "by infinity": lambda a, b: a / np.inf + b,
    "plus nan": lambda a, b: (a + np.nan) * b,
    "root": lambda a, b: np.sqrt(b) + a,
    "logarithm": lambda a, b: np.log(b) * a,
    "exponential": lambda a, b: np.exp(1000 * a) * b,
    "by the smallest": lambda a, b: a / 5e-324 + b,
    "by a subnormal": lambda a, b: b / 1e-310 + a,
    "by small numbers": lambda a, b: (a * 1e-310) / (b + 2e-310),
    "absolute": lambda a, b: abs(a) * abs(b),
    "maximum": lambda a, b: np.maximum(a, b) * np.fmin(a, b),
    "minimum": lambda a, b: np.minimum(a, b) * np.maximum(b, 0.0) + np.minimum(1.0, a),
    "number to powers": lambda a, b: 2.0 ** (a * 600) + 3 ** (b * b) + 10 ** (-a * 400),
    "large square": lambda a, b: (a * 1e200) ** 2 + b,
    "back to finite": lambda a, b: 1.0 / (a / b) + 1.0 / np.exp(1000 * a),
    "remainder": lambda a, b: a % b,
}
PAIRS = (
    [1.0, 0.0],
    [-2.0, 0.0],
    [0.0, 0.0],
    [np.inf, 2.0],
    [np.nan, 1.0],
    [3.0, -np.inf],
    [2.0, -0.0],
    [-1.5, 2.5],
)


@both
@pytest.mark.parametrize("name", CORNERS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_not_finite_is_as_without_the_short_way(name, backend):
    f = CORNERS[name]
    for pair in PAIRS:
        x = np.array(pair)
        prepared = ad.prepare_gradient(lambda x: f(x[0], x[1]), x, backend=backend)
        y, g = prepared.value_and(x)
        y_general, g_general = general(prepared.value_and, x)
        np.testing.assert_array_equal(y, f(x[0], x[1]))
        np.testing.assert_array_equal(y, y_general)
        np.testing.assert_allclose(g, g_general, rtol=1e-15, atol=0)


@both
def test_warnings_are_those_of_numpy(backend):
    for f in (lambda a, b: a / b, lambda a, b: (a * 1e200) * (a * 1e200), lambda a, b: a**0.5):
        x = np.array([-3.0, 0.0])
        with pytest.warns(RuntimeWarning) as expected:
            f(x[0], x[1])
        with pytest.warns(RuntimeWarning) as found:
            ad.jvp(lambda x, f=f: f(x[0], x[1]), x, v=np.ones(2), backend=backend)
        assert str(expected[0].message) in {str(w.message) for w in found}
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            ad.jvp(lambda x, f=f: f(x[0], x[1]), x, v=np.ones(2), backend=backend)


# -- random programs ---------------------------------------------------------------------------------------

STEPS = ("+", "-", "*", "/", "**2", "**3", "sin", "exp", "tanh", "abs", "c*", "c-", "c/", "+c", "where", "if",
         "stack", "array", "buffer", "sum", "max", "+=")  # fmt: skip


def run_program(x, steps):
    """A straight-line program with branches and detours through arrays."""
    v = [x[0], x[1], x[2]]
    y = np.zeros_like(x)
    for step, i, j, c in steps:
        a, b = v[i % len(v)], v[j % len(v)]
        match step:
            case "+":
                r = a + b
            case "-":
                r = a - b
            case "*":
                r = a * b
            case "/":
                r = a / (b * b + 1)
            case "**2":
                r = a**2
            case "**3":
                r = (a / 2) ** 3
            case "sin" | "tanh":
                r = getattr(np, step)(a)
            case "exp":
                r = np.exp(-a * a)
            case "abs":
                r = abs(a + 3.5)
            case "c*":
                r = c * a
            case "c-":
                r = c - a
            case "c/":
                r = c / (a * a + 2.0)
            case "+c":
                r = a + c
            case "where":
                r = np.where(a < b, a, b * 2)
            case "if":
                r = a * b if a > c else b - a
            case "stack":
                r = np.sum(np.stack([a, b, a * b]) * x)
            case "array":
                r = (np.stack([a, b]) * np.stack([b, a]))[1]
            case "buffer":
                y[i % 3] = a
                y[j % 3] += b
                r = y[i % 3] * y[j % 3] + c
            case "sum":
                r = sum([a, b, a])
            case "max":
                r = max(a, b) + min(a, b) * 0.5
            case "+=":
                r = a
                r += b
                r *= 0.5
        v.append(np.tanh(r) if abs(r) > 5 else r)
    return sum(v[-3:]) + y[0]


steps = st.lists(
    st.tuples(
        st.sampled_from(STEPS), st.integers(0, 30), st.integers(0, 30), st.sampled_from([-1.5, 0.5, 2.0])
    ),
    min_size=1,
    max_size=30,
)


def central(f, x, v):
    """A central difference of fourth order in extended precision; None where a branch is near."""
    x, v = x.astype(np.longdouble), v.astype(np.longdouble)
    estimates = []
    for h in (np.longdouble(1e-4), np.longdouble(5e-5)):
        near, far = f(x + h * v) - f(x - h * v), f(x + 2 * h * v) - f(x - 2 * h * v)
        estimates.append(float((8 * near - far) / (12 * h)))
    a, b = estimates
    return b if abs(a - b) <= 1e-9 * (1 + abs(b)) else None


@given(steps, st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_random_programs(steps, seed):
    x = np.random.default_rng(seed).uniform(0.2, 1.8, 3)
    f = lambda x: run_program(x, steps)  # noqa: E731
    first = central(f, x, V)
    slow = general(ad.gradient, f, x)
    for backend in MODES:
        y, g = ad.value_and_gradient(f, x, backend=backend)
        assert y == f(x)
        np.testing.assert_allclose(g, slow, rtol=1e-10, atol=1e-10 * max(1.0, abs(slow).max()))
        if first is not None:
            np.testing.assert_allclose(g @ V, first, rtol=1e-8, atol=1e-8)


# -- many numbers ------------------------------------------------------------------------------------------


def recursion(n):
    """``y -> y - h (y**2 - a)``, n times, and its derivatives by the same recursion written out."""

    def f(x):
        y, a = x[0], x[1]
        for _ in range(n):
            y = y - 0.01 * (y * y - a)
        return y

    def exact(x):
        y, a = x
        dy, da = 1.0, 0.0
        for _ in range(n):
            y, dy, da = y - 0.01 * (y * y - a), dy - 0.02 * y * dy, da - 0.01 * (2 * y * da - 1)
        return y, np.array([dy, da])

    return f, exact


@both
def test_a_hundred_thousand_operations(backend):
    f, exact = recursion(25_000)
    x = np.array([0.5, 2.0])
    y, g = ad.value_and_gradient(f, x, backend=backend)
    y_exact, g_exact = exact(x)
    assert y == y_exact
    np.testing.assert_allclose(g, g_exact, rtol=1e-11)


@pytest.mark.parametrize("limit", [4, 7, 100])
def test_full_programs_hand_over_what_is_still_used(limit, monkeypatch):
    monkeypatch.setattr(tangents, "LIMIT", limit)
    f, exact = recursion(60)
    x = np.array([0.5, 2.0])
    np.testing.assert_allclose(ad.gradient(f, x, backend="numpy:forward"), exact(x)[1], rtol=1e-12)
    for name, f in FUNCTIONS.items():
        expected = ad.gradient(f, X, backend="numpy:reverse")
        found = ad.gradient(f, X, backend="numpy:forward")
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14, err_msg=name)


def test_memory_of_forward_mode_does_not_grow_with_the_loop(monkeypatch):
    monkeypatch.setattr(tangents, "LIMIT", 1000)
    x = np.array([0.5, 2.0])
    peaks = []
    for n in (2_000, 16_000):
        f, _ = recursion(n)
        prepared = ad.prepare_gradient(f, x, backend="numpy:forward")
        found = []
        for _ in range(2):  # the lower of two: what other threads allocate meanwhile is not meant
            gc.collect()
            tracemalloc.start()
            prepared(x)
            found.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        peaks.append(min(found))
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("few", [0, 3, 12, 1000])
@pytest.mark.parametrize("pattern", [(3,), (40,), (40, 2, 2, 2, 30), (1, 70, 1, 1, 200, 5), (2, 13) * 20])
def test_rows_in_large_and_small_groups(pattern, few, monkeypatch):
    monkeypatch.setattr(tangents, "FEW", few)

    def f(x):  # after each group of operations the array of the last numbers is asked for
        y, rows = x[0] * x[1], []
        for count in pattern:
            for k in range(count):
                y = y * 0.9 + x[k % 3] * x[0] / (1.0 + k)
            rows.append(np.stack([y, x[1] * y]))
        return np.sum(np.stack(rows)) * x[2]

    g = ad.gradient(f, X, backend="numpy:forward")
    expected = [f(X + 1e-30j * unit).imag / 1e-30 for unit in np.eye(3)]
    np.testing.assert_allclose(g, expected, rtol=1e-13)


def test_rows_one_by_one_where_scipy_has_no_product(monkeypatch):
    f, exact = recursion(60)
    x = np.array([0.5, 2.0])
    assert tangents._matvecs() is not None
    monkeypatch.setattr(tangents, "_matvecs", lambda: None)
    np.testing.assert_allclose(ad.gradient(f, x, backend="numpy:forward"), exact(x)[1], rtol=1e-12)


def triple(x):
    """A vector function in scalar code, of any length."""
    y = np.zeros_like(x)
    for i in range(len(x)):
        y[i] = np.sin(x[i]) * x[i - 1] - x[0] ** 2
    return y


@pytest.mark.parametrize("widest", [10, 1000])
@pytest.mark.parametrize("n", [1, 3, 20, 70])
@pytest.mark.parametrize("backend", ["numpy:forward", "numpy:reverse", "numpy"])
def test_jacobians_narrow_and_wide(backend, n, widest, monkeypatch):
    monkeypatch.setattr(tangents, "WIDEST", widest)
    monkeypatch.setattr(tangents, "TANGENTS", 3000)
    x = np.linspace(0.3, 1.9, n)
    expected = np.stack([triple(x + 1e-30j * unit).imag / 1e-30 for unit in np.eye(n)], axis=1)
    np.testing.assert_allclose(ad.jacobian(triple, x, backend=backend), expected, rtol=1e-13, atol=1e-15)


def test_batches_and_linearization():
    x = np.linspace(0.3, 1.9, 5)
    jacobian = np.stack([triple(x + 1e-30j * unit).imag / 1e-30 for unit in np.eye(5)], axis=1)
    w = np.random.default_rng(0).standard_normal((3, 5))
    np.testing.assert_allclose(
        ad.vjp(triple, x, w=w, batched=True, backend="numpy"), w @ jacobian, rtol=1e-12, atol=1e-14
    )
    np.testing.assert_allclose(
        ad.jvp(triple, x, v=w, batched=True, backend="numpy"), w @ jacobian.T, rtol=1e-12, atol=1e-14
    )
    _, linear = ad.linearize(triple, x)
    np.testing.assert_allclose(linear.jvp(w[0]), jacobian @ w[0], rtol=1e-12, atol=1e-14)
    for _ in range(2):
        np.testing.assert_allclose(linear.vjp(w[0]), w[0] @ jacobian, rtol=1e-12, atol=1e-14)


@both
def test_products_are_linear_and_differentiable_in_their_seeds(backend):
    x, w = np.linspace(0.3, 1.9, 5), np.linspace(-1, 1, 5)
    jacobian = np.stack([triple(x + 1e-30j * unit).imag / 1e-30 for unit in np.eye(5)], axis=1)
    back = ad.jacobian(lambda w: ad.vjp(triple, x, w=w, backend="numpy"), w, backend=backend)
    np.testing.assert_allclose(back, jacobian.T, rtol=1e-12, atol=1e-14)
    there = ad.jacobian(lambda v: ad.jvp(triple, x, v=v, backend="numpy"), w, backend=backend)
    np.testing.assert_allclose(there, jacobian, rtol=1e-12, atol=1e-14)


def test_cotangents_of_lower_precision_do_not_lower_that_of_the_way_back():
    # the cotangent comes in as float32, the partials are doubles
    f = lambda x: (x[0] * x[1] * 0.1).astype(np.float32)  # noqa: E731
    g = ad.gradient(f, X, backend="numpy:reverse")
    np.testing.assert_allclose(g, [0.1 * X[1], 0.1 * X[0], 0.0], rtol=1e-15)


# -- levels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outer", MODES)
@pytest.mark.parametrize("inner", MODES)
def test_perturbations_are_not_confused(outer, inner):
    # d/dx (x * d/dy (x + y)) = 1 (Siskind and Pearlmutter, 2005)
    def f(x):
        return x[0] * ad.gradient(lambda y: x[0] + y[0], np.array([1.0]), backend=inner)[0]

    np.testing.assert_array_equal(ad.gradient(f, np.array([1.0]), backend=outer), [1.0])

    def g(x):  # x0 * d/dy (x0 * y**2) at 3 = 6 x0**2, the inner one's numbers on either side
        return x[0] * ad.derivative(lambda y: (x[0] * y) * y if y > x[0] else y * x[0], 3.0, backend=inner)

    np.testing.assert_allclose(ad.gradient(g, np.array([1.5]), backend=outer), [18.0], rtol=1e-15)


@both
def test_a_number_kept_beyond_its_differentiation_is_what_it_is_to_the_outer_one(backend):
    def outer(x):
        kept = []
        ad.gradient(lambda y: kept.append(y[0] * y[1]) or y[0] * 1.0, X, backend=backend)
        kept_here = np.zeros_like(x)

        def inner(y):
            kept_here[0] = y[0] * 2
            return y[0] * y[1]

        ad.gradient(inner, x * 2, backend=backend)
        return np.sum(kept_here * x) + kept[0] * x[1]  # 4 x0^2, and a constant times x1

    expected = np.zeros_like(X)
    expected[:2] = 8 * X[0], X[0] * X[1]
    np.testing.assert_allclose(ad.gradient(outer, X, backend=backend), expected, rtol=1e-15)


@both
def test_results_and_what_comes_with_them_are_numbers_of_numpy(backend):
    f = lambda x: (x[0] * x[1], {"a": x[0] + 1, "b": [x[2]]})  # noqa: E731
    (y, aux), g = ad.value_and_gradient(f, X, backend=backend, has_aux=True)
    assert type(y) is np.float64
    assert type(g) is np.ndarray
    assert g.base is None or g.base.size <= 3
    assert type(aux["a"]) is np.float64
    assert (aux["a"], aux["b"]) == (X[0] + 1, [X[2]])


# -- what a number is --------------------------------------------------------------------------------------


def inside(look, backend="numpy:reverse"):
    """What a look at the number ``x[0]`` gives inside a differentiation."""
    seen = []

    def f(x):
        s = x[0]
        found = look(s)
        if type(s) is not np.float64:  # of a run without derivatives
            seen.append(found)
        return s * x[1]

    ad.gradient(f, X, backend=backend)
    return seen[-1]


@both
def test_comparisons_are_those_of_numpy(backend):
    others = (X[0], float(X[0]), 1, np.float64(2), np.float32(0.5), np.int64(0), np.nan, 2**53 + 1, True)
    for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        for other in others:
            for f in (lambda s, o: compare(s, o), lambda s, o: compare(o, s)):  # noqa: B023
                found, expected = inside(lambda s: f(s, other), backend), f(X[0], other)  # noqa: B023
                assert type(found) is np.bool_
                assert found == expected
        assert inside(lambda s: compare(s, s), backend) == compare(X[0], X[0])  # noqa: B023
        found = inside(lambda s: compare(s, np.array([0.0, X[0], 1.0])), backend)  # noqa: B023
        np.testing.assert_array_equal(found, compare(X[0], np.array([0.0, X[0], 1.0])))
    assert inside(lambda s: s == None, backend) is False  # noqa: E711
    assert inside(lambda s: s != "a", backend) is True


@both
def test_properties(backend):
    assert inside(lambda s: (s.shape, s.ndim, s.size, s.dtype), backend) == ((), 0, 1, np.dtype(float))
    assert inside(lambda s: (np.shape(s), np.ndim(s), np.size(s), np.result_type(s)), backend) == (
        (), 0, 1, np.dtype(float),
    )  # fmt: skip
    assert inside(lambda s: f"{s:.3f} {s} {s!s}", backend) == f"{X[0]:.3f} {X[0]} {X[0]!s}"
    assert inside(lambda s: (bool(s), bool(s * 0.0), bool(-s * 0.0)), backend) == (True, False, False)
    assert inside(lambda s: X[0] in [s], backend)
    assert inside(ad.stop_gradient, backend) == X[0]
    assert type(inside(ad.stop_gradient, backend)) is np.float64
    for broken in (len, iter, hash):
        with pytest.raises(TypeError):
            inside(broken, backend)


@pytest.mark.parametrize(
    "f",
    [
        float,
        int,
        complex,
        math.sin,
        pickle.dumps,
        lambda s: np.array([s, s], dtype=float).any(),
        lambda s: np.float64(s),
    ],
)
@both
def test_what_would_drop_the_derivative_is_refused(f, backend):
    with pytest.raises(OperationNotSupportedError):
        ad.gradient(lambda x: f(x[0] * 2) and x[0], X, backend=backend, follow=False)


@both
def test_numbers_are_immutable_and_arrays_made_of_them_are_their_own(backend):
    def f(x):
        s = x[0] * x[1]
        t = s
        t += 1.0
        made = np.reshape(s, 1)
        made[0] = x[2]
        other = np.atleast_1d(s)
        other *= 2.0
        whole = s[...]
        whole[...] = x[0]
        filled = s.reshape(1, 1)
        filled[0] += x[2]
        return s * t + made[0] * other[0] + whole * filled[0, 0]

    g = ad.gradient(f, X, backend=backend)
    for k, unit in enumerate(np.eye(3)):
        np.testing.assert_allclose(g[k], f(X + 1e-30j * unit).imag / 1e-30, rtol=1e-14)
    with pytest.raises(TypeError, match="item assignment"):
        inside(lambda s: operator.setitem(s, (), 1.0), backend)
    with pytest.raises(IndexError):
        ad.gradient(lambda x: x[3] * x[0], X, backend=backend)


def test_other_types_take_the_general_way():
    for kind in (np.float32, np.complex128, np.longdouble):
        x = X.astype(kind)
        g = ad.gradient(lambda x: (x[0] * x[1] * x[2]).real ** 1, x, backend="numpy")
        assert g.dtype == kind
        np.testing.assert_allclose(g, [X[1] * X[2], X[0] * X[2], X[0] * X[1]], rtol=1e-6)
    g = ad.gradient(lambda x: ((x[0] + 2j) * x[1] * (1 + 1j)).real + (x[2] * 1j).imag, X, backend="numpy")
    np.testing.assert_allclose(g, [X[1], X[0] - 2, 1.0], rtol=1e-15)  # Re((a + 2i) b (1 + i)) = ab - 2b


@both
def test_functions_without_a_derivative_are_refused(backend):
    with pytest.raises(OperationNotSupportedError, match="struve"):
        ad.gradient(lambda x: sp.struve(x[0], 1.0), X, backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        g = ad.gradient(lambda x: np.ldexp(x[0], 2) * x[1], X, backend=backend)
    np.testing.assert_allclose(g, [4 * X[1], 4 * X[0], 0], rtol=1e-15)
