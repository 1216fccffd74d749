"""The box behaves as an array: memory, mixing, conversion; and says no where a derivative would be lost."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special as sp

import polyad as ad
from polyad.errors import FunctionNotSupportedError, OperationNotSupportedError

X = np.array([1.5, 2.0, 3.0, 4.0])
MODES = ("numpy", "numpy:forward", "numpy:reverse")


@pytest.mark.parametrize("backend", MODES)
def test_mutation_trap(backend):
    def g(x):
        r = np.sum(x * x)
        x[:] = 0
        return r

    x = X.copy()
    np.testing.assert_array_equal(ad.gradient(g, x, backend=backend), 2 * X)
    np.testing.assert_array_equal(x, X)
    value, _ = ad.value_and_gradient(g, x, backend=backend)
    assert value == np.sum(X * X)
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize("backend", MODES)
def test_constants_overwritten_later_keep_their_value(backend):
    scratch, index, mask = np.zeros(4), np.array([0, 1]), np.ones(4, dtype=bool)

    def f(x):
        scratch[:] = 2.0
        index[:] = [2, 3]
        mask[:] = [True, False, True, True]
        y = x * scratch + np.where(mask, x**2, 0.0)
        z = y[index] * x[mask][:2]
        scratch[:] = -7.0
        index[:] = 0
        mask[:] = False
        return z.sum()

    def plain(x):
        y = x * 2 + np.where([True, False, True, True], x**2, 0.0)
        return (y[2:] * x[[0, 2]]).sum()

    np.testing.assert_allclose(ad.gradient(f, X, backend=backend), ad.gradient(plain, X, backend="jax"))


def test_a_large_constant_is_held_once_and_noticed_when_it_changes():
    a = np.arange(10_000.0).reshape(100, 100) / 1e4

    def f(x):
        y = a @ x
        y = a @ y
        a[0, 0] += 1.0
        y = a @ y
        a[0, 0] -= 1.0
        return y.sum()

    x = np.linspace(0, 1, 100)
    b = a.copy()
    b[0, 0] += 1
    expected = np.ones(100) @ b @ a @ a
    np.testing.assert_allclose(ad.gradient(f, x, backend="numpy:reverse"), expected, rtol=1e-10)


def test_linearize_keeps_the_point():
    x = X.copy()
    _, jacobian = ad.linearize(lambda x: np.sin(x) * x, x)
    x[:] = 0
    expected = np.cos(X) * X + np.sin(X)
    np.testing.assert_allclose(jacobian.jvp(np.ones(4)), expected)
    np.testing.assert_allclose(jacobian.vjp(np.ones(4)), expected)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: math.sin(x[0]),
        lambda x: float(x[0]) * x[1],
        lambda x: int(x[0]) * x[1],
        lambda x: complex(x[0]) * x[1],
        lambda x: np.asarray(x).sum(),
        lambda x: np.array(x, dtype=float).sum(),
        lambda x: np.array([x[0], x[1]], dtype=float).sum(),
        lambda x: np.array([x, x], dtype=float).sum(),
        lambda x: np.ascontiguousarray(x).sum(),
        lambda x: x.view(np.int64).sum(),
        lambda x: x.tobytes(),
    ],
)
def test_what_would_drop_the_derivative_is_refused_with_the_line(f):
    with pytest.raises(OperationNotSupportedError, match=r"test_box\.py:\d+ `lambda x"):
        ad.gradient(f, X, follow=False)


def _assigned(x):
    y = np.zeros(4)
    y[0] = x[0]
    return y.sum()


def _sliced(x):
    y = np.zeros(4)
    y[:2] = x[:2]
    return y.sum()


def _added(x):
    y = np.zeros(4)
    y += x
    return y.sum()


def _out(x):
    y = np.zeros(4)
    np.sin(x, out=y)
    return y.sum()


def _at(x):
    y = np.zeros(4)
    np.add.at(y, [0, 1, 2, 3], x)
    return y.sum()


@pytest.mark.parametrize("f", [_assigned, _sliced, _added, _out, _at])
def test_writing_into_a_plain_array_names_the_remedy(f):
    with pytest.raises(FunctionNotSupportedError, match=r"np\.zeros_like\(x\)") as caught:
        ad.gradient(f, X, follow=False)
    assert "test_box.py" in str(caught.value)


@pytest.mark.parametrize("backend", MODES)
def test_boxes_win_on_either_side(backend):
    a, s = np.arange(4.0), np.float64(3.0)

    def f(x):
        y = a * x + x * a + s * x + x * s + a @ x + x @ a + (a < x) * x + [1, 2, 3, 4] * x
        y = y + np.stack([a, a])[0] * x + a**x * 0 + x**a * 0 + divmod(x, 1.7)[1] + 7 % x + 1j * x * -1j
        return np.sum(y.real)

    def by_hand(x):
        return np.sum(2 * a + 2 * s + (a < x) + [1, 2, 3, 4] + a) + 0 * x

    gradient = ad.gradient(f, X, backend=backend)
    step = 1e-6
    expected = [(f(X + step * e) - f(X - step * e)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(gradient, expected, rtol=1e-8)


@pytest.mark.parametrize("backend", MODES)
def test_views_share_memory_as_numpy_does(backend):
    def f(x):
        x = x.copy()
        row, flat, turned = x[1], x.reshape(-1), x.T
        x[1, 0] = x[0, 0] ** 2  # a write to the base is seen by its views
        first = row[0] * flat[2] * turned[0, 1]
        turned[1, 1] = x[0, 1] * 2  # a write through a view is seen by the base and by other views
        np.square(row, out=row)
        flat[0] += row[1]
        return first + x[1, 1] * x[0, 0] + x.ravel()[3] + np.sum(x)

    x = np.array([[1.1, 0.7], [0.4, 1.3]])
    step = 1e-6
    directions = np.eye(4).reshape(4, 2, 2)
    expected = [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in directions]
    np.testing.assert_allclose(ad.gradient(f, x, backend=backend).ravel(), expected, rtol=1e-8)


def test_scalars_are_replaced_not_written_to():
    def f(x):
        s = x[0]
        t = s
        s += x[1]
        s *= 2
        return s * t

    np.testing.assert_allclose(ad.gradient(f, X), [2 * (2 * X[0] + X[1]), 2 * X[0], 0, 0])


def test_python_sees_values_in_branches_and_loops():
    def f(x):
        total = 0.0
        for item in x:
            if item > 1.9 and not item == 3.0:
                total = total + item**2
        while total > 30:
            total = total / 2
        return total if len(x) == 4 and 4.0 in x else None

    np.testing.assert_allclose(ad.gradient(f, X), [0, 4, 0, 8])


def test_conventions_at_ties():
    assert ad.derivative(lambda x: abs(x), 0.0) == 0.0
    assert ad.derivative(lambda x: np.maximum(x, 0.0), 0.0) == 0.5
    np.testing.assert_array_equal(ad.gradient(np.max, np.array([2.0, 1.0, 2.0])), [0.5, 0, 0.5])
    np.testing.assert_array_equal(ad.gradient(np.linalg.norm, np.zeros(3)), np.zeros(3))
    np.testing.assert_array_equal(ad.gradient(np.prod, np.array([0.0, 2.0, 3.0])), [6.0, 0, 0])


@pytest.mark.parametrize("backend", MODES)
def test_precision_is_kept(backend):
    def f(x):
        y = np.zeros_like(x)
        y[:2] = np.exp(x[:2]) * 2.0
        return np.sum(np.where(x > 2, y, 3 * x) + sp.erf(x) + np.mean(x))

    g = ad.gradient(f, X.astype(np.float32), backend=backend)
    assert g.dtype == np.float32
    np.testing.assert_allclose(g, ad.gradient(f, X), rtol=1e-5)


def test_stop_gradient():
    g = ad.gradient(lambda x: np.sum(x * np.round(ad.stop_gradient(x), 1)), X)
    np.testing.assert_array_equal(g, X)
    seen = []
    ad.gradient(lambda x: seen.append(ad.stop_gradient(x)) or np.sum(x), X)
    assert all(type(a) is np.ndarray for a in seen)


def test_no_confusion_of_perturbations():
    # d/dx (x * d/dy (x + y)) = 1, which confused tags make 2 (Siskind and Pearlmutter, 2005)
    inner = lambda x: ad.derivative(lambda y: x + y, 1.0)  # noqa: E731
    assert ad.derivative(lambda x: x * inner(x), 1.0) == 1.0


def test_nested_by_the_user_to_fourth_order():
    f = lambda x: x**5 * np.exp(2 * x)  # noqa: E731
    for _ in range(4):
        f = lambda x, g=f: ad.derivative(g, x)  # noqa: E731
    x, e = 0.7, np.exp(1.4)
    fourth = e * (16 * x**5 + 4 * 8 * 5 * x**4 + 6 * 4 * 20 * x**3 + 4 * 2 * 60 * x**2 + 120 * x)
    np.testing.assert_allclose(f(x), fourth, rtol=1e-12)


@pytest.mark.parametrize("inside", ["numpy:forward", "numpy:reverse"])
@pytest.mark.parametrize("backend", ["numpy:forward", "numpy:reverse"])
def test_a_value_kept_beyond_its_differentiation_is_what_it_is_to_the_outer_one(backend, inside):
    def outer(x):
        kept = np.zeros_like(x)

        def inner(y):
            kept[0] = y[0]
            kept[1] = y[0] * y[1]
            return np.sum(y)

        ad.gradient(inner, x * 2, backend=inside)
        return np.sum(kept * x**2)  # 2 x0^3 + 4 x0 x1^3

    a, b, *_ = X
    gradient = np.zeros_like(X)
    gradient[:2] = 6 * a**2 + 4 * b**3, 12 * a * b**2
    np.testing.assert_allclose(ad.gradient(outer, X, backend=backend), gradient, rtol=1e-14)
    hessian = np.zeros((X.size, X.size))
    hessian[:2, :2] = [[12 * a, 12 * b**2], [12 * b**2, 24 * a * b]]
    np.testing.assert_allclose(ad.hessian(outer, X, backend=backend), hessian, rtol=1e-14)


@pytest.mark.parametrize("backend", ["numpy:forward", "numpy:reverse", "torch", "autograd"])
def test_vectorized_python_functions(backend):
    def entry(a, b):
        return a * b if a > 1.5 else np.sin(a) * b

    def f(x):
        both = np.vectorize(entry)(x.reshape(2, 2), 2.0)
        squares = np.vectorize(lambda v: v @ v, signature="(n)->()")(x.reshape(2, 2))
        cubes = np.frompyfunc(lambda a: a**3, 1, 1)(x)
        return np.sum(both) + np.sum(squares) + np.sum(cubes[1:])

    x = np.array([1.0, 2.0, 3.0, 0.5])
    expected = np.where(x > 1.5, 2.0, 2 * np.cos(x)) + 2 * x + np.array([0, 1, 1, 1]) * 3 * x**2
    np.testing.assert_allclose(ad.gradient(f, x, backend=backend), expected, rtol=1e-13)


def test_vectorize_with_a_type_of_its_own_is_refused_or_followed():
    def f(x):
        return np.sum(np.vectorize(lambda a: a * a, otypes=[float])(x))

    with pytest.raises(OperationNotSupportedError, match="would drop the derivative"):
        ad.gradient(f, X, follow=False)
    np.testing.assert_allclose(ad.gradient(f, X), 2 * X, rtol=1e-15)


def test_an_array_of_objects_in_linear_algebra_is_explained():
    def f(x):
        return np.linalg.det(np.array([[x[0], x[1]], [x[2], x[3]]]) + np.eye(2))

    with pytest.raises(ad.errors.FunctionNotSupportedError, match=r"array of objects.*np\.stack"):
        ad.gradient(f, X, follow=False)
