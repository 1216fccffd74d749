"""Forms of code that used to end in an error of a framework or of Python: right now, or refused by name."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE
from polyad.errors import FunctionNotSupportedError, OperationNotSupportedError

ENGINE = ["numpy:forward", "numpy:reverse"]
EAGER = [*ENGINE, *[n for n in ("jax", "torch", "autograd") if n in AVAILABLE]]
LIFTED = [*EAGER, *[n for n in ("casadi", "sympy") if n in AVAILABLE]]
X = np.array([0.3, -1.2, 0.9])


def both(f: Callable[..., Any], x: np.ndarray, backend: str) -> np.ndarray:
    """The gradient, unprepared and prepared beside the point."""
    found = ad.gradient(f, x, backend=backend)
    np.testing.assert_allclose(ad.prepare_gradient(f, x * 1.1, backend=backend)(x), found, rtol=1e-14)
    return found


@pytest.mark.parametrize("backend", LIFTED)
def test_pieces_that_are_constant(backend: str) -> None:
    found = both(lambda x: np.sum(np.piecewise(x, [x < -1, x > 0.5], [0.1, 0.3, -2.0]) * x**2), X, backend)
    np.testing.assert_allclose(found, 2 * X * [-2.0, 0.1, 0.3], rtol=1e-14)
    scaled = both(lambda x: np.sum(np.piecewise(x * 1.0, [x > 0], [x[1]]) * x), X, backend)
    np.testing.assert_allclose(scaled, [X[1], X[0] + X[2], X[1]], rtol=1e-14)


WRITES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "number": (lambda x: 0.5, lambda x: [0.5, x[1], 0.5]),
    "plain": (lambda x: np.array([1.0, 2.0]), lambda x: [1.0, x[1], 2.0]),
    "active": (lambda x: x[:2] * 3.0, lambda x: [3 * x[0], x[1], 3 * x[1]]),
    "one": (lambda x: x[1:2], lambda x: [x[1], x[1], x[1]]),
}


@pytest.mark.parametrize("backend", EAGER)
@pytest.mark.parametrize("case", WRITES)
def test_values_written_where_a_mask_says(case: str, backend: str) -> None:
    value, written = WRITES[case]

    def f(x: Any) -> Any:
        y = x * 1.0
        y[x > 0] = value(x)
        return np.sum(y**3)

    expected = ad.gradient(lambda x: sum(v**3 for v in written(x)), X, backend="numpy:forward")
    np.testing.assert_allclose(both(f, X, backend), expected, rtol=1e-13)


@pytest.mark.skipif("jax" not in AVAILABLE, reason="not installed")
def test_masks_that_jax_traces() -> None:
    def rows(x: Any) -> Any:
        y = x * 1.0
        y[x[:, 0] > 0] = np.array([5.0, 7.0])
        return np.sum(y**2)

    a = np.array([[1.0, 2.0], [-1.0, 3.0]])
    np.testing.assert_allclose(both(rows, a, "jax"), [[0, 0], [-2, 6]])

    def f(x: Any) -> Any:
        y = x * 1.0
        y[x > 0] = x[:2]
        return np.sum(y)

    prepared = ad.prepare_gradient(f, X, backend="jax")
    assert np.isnan(prepared(np.array([1.0, 2.0, 3.0]))).all()  # three places, two values: an error of NumPy

    def moved(x: Any) -> Any:
        y = x * 1.0
        y[x[:, 0] > 0] = x[:1] * np.ones((2, 1))
        return np.sum(y)

    with pytest.raises(OperationNotSupportedError, match=r"np\.where"):
        ad.prepare_gradient(moved, abs(a), backend="jax")


@pytest.mark.parametrize("backend", LIFTED)
def test_methods_called_on_their_class(backend: str) -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        np.ndarray.sort(y)
        return np.sum(y)

    with pytest.raises(OperationNotSupportedError, match=r"np.ndarray.sort.*use x.sort"):
        ad.gradient(f, X, backend=backend)


@pytest.mark.parametrize("backend", ENGINE)
def test_keys_of_dictionaries(backend: str) -> None:
    table = {0.3: 2.0}
    with pytest.raises(OperationNotSupportedError, match=r"key of a dictionary.*stop_gradient"):
        ad.gradient(lambda x: x[0] * table[x[0]], X, backend=backend)
    known = ad.gradient(lambda x: x[0] * table[float(ad.stop_gradient(x[0]))], X, backend=backend)
    assert known[0] == 2.0
    with pytest.raises(TypeError, match=r"unhashable type: 'numpy.ndarray'"):
        ad.gradient(lambda x: np.sum(x) * hash(x), X, backend=backend)
    counted = ad.gradient(lambda x: x[0] * {2: 5.0}[np.count_nonzero(x > 0)], X, backend=backend)
    assert counted[0] == 5.0


@pytest.mark.parametrize("backend", ENGINE)
def test_the_remedies_of_polynomials(backend: str) -> None:
    poly, t = np.polynomial.polynomial, np.arange(3.0)
    with pytest.raises(OperationNotSupportedError, match=r"polyfit.*use np.polyfit"):
        ad.gradient(lambda y: poly.polyfit(t, y, 1)[1], X, backend=backend)
    slope = ad.gradient(lambda y: np.polyfit(t, y, 1)[0], X, backend=backend)
    np.testing.assert_allclose(slope, [-0.5, 0.0, 0.5], atol=1e-14)
    c = np.array([2.0, -3.0, 1.0])
    with pytest.raises(OperationNotSupportedError, match=r"polyroots.*use np.roots"):
        ad.gradient(lambda c: np.max(np.real(poly.polyroots(c))), c, backend=backend)
    found = ad.gradient(lambda c: np.max(np.real(np.roots(c[::-1]))), c, backend=backend)
    np.testing.assert_allclose(found, [-1.0, -2.0, -4.0], rtol=1e-12)


@pytest.mark.parametrize("backend", [n for n in LIFTED if n not in ENGINE])
def test_the_sign_of_a_singular_determinant(backend: str) -> None:
    f = lambda a: np.linalg.slogdet(a)[0] * np.sum(a)  # noqa: E731
    try:
        found = ad.gradient(f, np.diag([1.0, 0.0]), backend=backend)
    except OperationNotSupportedError as error:
        assert "slogdet of a singular" in str(error)
    else:
        np.testing.assert_array_equal(found, np.zeros((2, 2)))


@dataclasses.dataclass
class Pair:
    """Two parameters, as models keep them."""

    a: Any
    b: Any


COPIES: dict[str, Callable[..., Any]] = {
    "asdict": lambda x: sum(dataclasses.asdict(Pair(x[0], x[1])).values()),
    "astuple": lambda x: sum(dataclasses.astuple(Pair(x[0] * 1.0, x[1]))),
    "deepcopy": lambda x: copy.deepcopy(x)[0] + copy.deepcopy({"b": [x[1] * 1.0]})["b"][0],
    "copy": lambda x: copy.copy(x)[0] + copy.copy(x[1]),
}


@pytest.mark.parametrize("backend", [*LIFTED[1:], "numpy:compiled"])
@pytest.mark.parametrize("case", COPIES)
def test_copies_of_what_is_differentiated(case: str, backend: str) -> None:
    """Nothing here mentions NumPy, so that a framework's own objects are copied."""

    def f(x: Any) -> Any:
        s = COPIES[case](x)
        return s * s * x[0]

    x = X[:2]
    s = x[0] + x[1]
    np.testing.assert_allclose(
        ad.prepare_gradient(f, x, backend=backend)(x), [2 * s * x[0] + s * s, 2 * s * x[0]], rtol=1e-13
    )
    np.testing.assert_allclose(
        ad.hessian(f, x, backend=backend),
        [[4 * s + 2 * x[0], 2 * s + 2 * x[0]], [2 * s + 2 * x[0], 2 * x[0]]],
        rtol=1e-13,
    )


@pytest.mark.parametrize("follow", [None, False])
@pytest.mark.parametrize("backend", LIFTED)
def test_what_is_pickled_is_refused(backend: str, follow: bool | None) -> None:
    f = lambda x: pickle.loads(pickle.dumps(x[0])) ** 2 * x[1]  # noqa: E731
    for operator in (ad.gradient, ad.prepare_hessian):
        with pytest.raises(FunctionNotSupportedError):
            operator(f, X, backend=backend, follow=follow)


@pytest.mark.parametrize("backend", LIFTED)
def test_a_type_taken_from_a_value_keeps_the_derivative(backend: str) -> None:
    """``type(x)(x)`` made a box of a box, which was a constant to every level but the inner one."""
    f = lambda x: type(x[0])(x[0]) * x[1]  # noqa: E731
    for operator, expected in (("gradient", X[1::-1]), ("hessian", [[0.0, 1.0], [1.0, 0.0]])):
        try:
            found = getattr(ad, "prepare_" + operator)(f, X[:2], backend=backend)(X[:2])
        except OperationNotSupportedError:
            continue
        np.testing.assert_allclose(found, expected)
