"""What NumPy's own code, and code written for it, asks a box about its class."""

from __future__ import annotations

import functools
import numbers
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial

import polyad as ad

MODES = "numpy:reverse numpy:forward numpy:compiled jax torch autograd casadi sympy".split()
X = np.array([0.3, -0.7])
C = np.arange(6.0).reshape(3, 2) + 0.5
C3 = np.arange(12.0).reshape(3, 2, 2) + 0.5


def differences(f: Any, x: np.ndarray) -> np.ndarray:
    """By central differences of eighth order, exact for the polynomials here up to rounding."""
    columns = []
    for e in np.eye(x.size).reshape(x.size, *x.shape):
        steps = zip(range(1, 5), (4 / 5, -1 / 5, 4 / 105, -1 / 280), strict=True)
        columns.append(sum(c * (f(x + 0.01 * k * e) - f(x - 0.01 * k * e)) for k, c in steps) / 0.01)
    return np.stack(columns, -1).reshape(np.shape(columns[0]) + x.shape)


@functools.singledispatch
def doubled(x: Any) -> Any:
    return x * 100


@doubled.register
def _(x: np.ndarray) -> Any:
    return x * 2


@doubled.register
def _(x: float) -> Any:
    return x * 3


def of_rows(x: Any) -> Any:
    """As users write it."""
    if not isinstance(x, np.ndarray):
        x = x * 0
    return x * x


def of_numbers(x: Any) -> Any:
    return sum(
        v if isinstance(v, float) and isinstance(v, numbers.Real) and np.isscalar(v) else v * 0 for v in x
    )


EVALUATIONS = {
    "polyval": lambda x: polynomial.polyval(x, C),
    "chebval": lambda x: chebyshev.chebval(x, C),
    "legval": lambda x: legendre.legval(x, C),
    "hermval": lambda x: hermite.hermval(x, C),
    "hermeval": lambda x: hermite_e.hermeval(x, C),
    "lagval": lambda x: laguerre.lagval(x, C),
    "polyvalfromroots": lambda x: polynomial.polyvalfromroots(x, C),
    "of a matrix": lambda x: polynomial.polyval(np.outer(x, x), C),
    "of a list": lambda x: polynomial.polyval([x[0], x[1]], C),
    "of a number": lambda x: polynomial.polyval(x[0], C),
    "not by outer product": lambda x: polynomial.polyval(x, C, tensor=False),
    "both active": lambda x: polynomial.polyval(x, np.stack([x, x * x])),
    "polyval2d": lambda x: polynomial.polyval2d(x, 2 * x, C),
    "polyval3d": lambda x: polynomial.polyval3d(x, 2 * x, x + 1, C3),
    "polygrid2d": lambda x: polynomial.polygrid2d(x, 2 * x, C),
    "polygrid3d": lambda x: polynomial.polygrid3d(x, 2 * x, x + 1, C3),
    "chebgrid2d": lambda x: chebyshev.chebgrid2d(x, 2 * x, C),
    "leggrid2d": lambda x: legendre.leggrid2d(x, 2 * x, C),
    "hermgrid2d": lambda x: hermite.hermgrid2d(x, 2 * x, C),
    "laggrid2d": lambda x: laguerre.laggrid2d(x, 2 * x, C),
    "singledispatch": lambda x: doubled(np.multiply(x, x)),
    "singledispatch of a number": lambda x: doubled(np.multiply(x, x)[0]),
    "a user's question": of_rows,
    "questions about numbers": of_numbers,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", EVALUATIONS)
def test_the_branch_for_arrays_is_taken(name: str, mode: str) -> None:
    f = EVALUATIONS[name]
    value, jacobian = ad.value_and_jacobian(f, X, backend=mode)
    np.testing.assert_allclose(value, f(X), rtol=1e-13)
    assert np.shape(jacobian) == np.shape(f(X)) + X.shape
    np.testing.assert_allclose(jacobian, differences(f, X), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("mode", MODES)
def test_a_python_float_stays_one(mode: str) -> None:
    def f(s: Any) -> Any:
        return (
            s * 3.0 if type(s) is float or (isinstance(s, float) and not isinstance(s, np.generic)) else s * 0
        )

    assert ad.derivative(f, 2.0, backend=mode) == 3.0


def test_a_box_of_whole_numbers_is_none_of_floats() -> None:
    def f(x: Any) -> Any:
        assert isinstance(x.astype(int)[0], np.integer)
        assert not isinstance(x, list | tuple | float | np.generic)
        assert not isinstance(x[0], np.ndarray)
        return x.sum()

    np.testing.assert_array_equal(ad.gradient(f, X), [1.0, 1.0])
