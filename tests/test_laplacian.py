"""Laplacians and bilaplacians against SymPy's, and what is looked at beside Taylor coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import polyad as ad
from backends import EXACT, eager
from polyad.errors import DependenceError, InputTypeError, UnsupportedOperatorError

X = np.array([0.3, 0.7, 1.1])


def f(x: Any) -> Any:
    return np.exp(x[0]) * np.sin(2 * x[1]) + x[2] ** 4 * x[0] ** 2


# by hand: (1 - 4) e^a sin 2b + 12 c^2 a^2 + 2 c^4, and the same once more
LAPLACIAN = -3 * np.exp(0.3) * np.sin(1.4) + 12 * 1.1**2 * 0.3**2 + 2 * 1.1**4
BILAPLACIAN = 9 * np.exp(0.3) * np.sin(1.4) + 24 * 0.3**2 + 48 * 1.1**2


@pytest.mark.parametrize("name", EXACT)
def test_every_backend_has_the_laplacian(name: str) -> None:
    assert np.isclose(ad.laplacian(f, X, backend=eager(name)), LAPLACIAN, rtol=1e-12)
    p = ad.prepare_laplacian(f, X + 0.1, backend=eager(name))
    y, found = p.value_and(X)
    assert np.isclose(y, f(X), rtol=1e-14)
    assert np.isclose(found, LAPLACIAN, rtol=1e-12)
    assert "3 directions" in repr(p)


@pytest.mark.parametrize("name", ["numpy", "numpy:compiled", "jax", "sympy"])
def test_taylor_modes_have_the_bilaplacian(name: str) -> None:
    p = ad.prepare_bilaplacian(f, X, backend=name)
    assert np.isclose(p(X), BILAPLACIAN, rtol=1e-11)
    assert np.isclose(ad.bilaplacian(f, X, backend="numpy"), BILAPLACIAN, rtol=1e-11)


def test_what_has_no_taylor_mode_says_so() -> None:
    with pytest.raises(UnsupportedOperatorError, match="use backend='numpy' or 'jax'"):
        ad.bilaplacian(f, X, backend="torch")
    with pytest.raises(UnsupportedOperatorError, match="use backend='numpy'"):
        ad.laplacian(f, X, backend="finite")
    with pytest.raises(InputTypeError, match="real and imaginary parts"):
        ad.laplacian(lambda z: np.sum(abs(z) ** 2), X * 1j)


def test_trees_aux_and_many_outputs() -> None:
    tree = {"a": X[:2], "b": 2.0}

    def g(p: Any, c: float) -> Any:
        return {"s": c * p["b"] ** 3 * np.sum(p["a"] ** 2), "v": p["a"] ** 4}, "kept"

    found, aux = ad.laplacian(g, tree, 0.5, has_aux=True)
    assert aux == "kept"
    assert np.isclose(found["s"], 0.5 * (8 * 4 + 12 * np.sum(X[:2] ** 2)))
    assert np.allclose(found["v"], 12 * X[:2] ** 2)
    assert np.isclose(ad.laplacian(lambda x, y: np.sum(x * y) ** 2, X, X, argnums=(0, 1)), 4 * X @ X)
    assert ad.laplacian(lambda x: 1.0 + np.sum(x), np.ones(0)) == 0.0
    assert ad.laplacian(f, X.astype(np.float32)).dtype == np.float32


def test_inside_of_other_derivatives() -> None:
    slope = ad.gradient(lambda x: ad.laplacian(f, x), X)
    a, b, c = X
    e, s = np.exp(a), np.sin(2 * b)
    right = [-3 * e * s + 24 * c**2 * a, -6 * e * np.cos(2 * b), 24 * c * a**2 + 8 * c**3]
    assert np.allclose(slope, right, rtol=1e-12)


def test_inside_of_a_program_of_jax() -> None:
    jax = pytest.importorskip("jax")
    found = jax.jit(jax.vmap(lambda x: ad.laplacian(f, x)))(np.stack([X, X]).astype(np.float32))
    assert np.allclose(found, LAPLACIAN, rtol=1e-5)


def bisection(x: Any) -> float:
    low, high = 0.0, 3.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * middle < x[0] else (low, middle)
    return low


@pytest.mark.parametrize("extra", [0.0, 1.0])
def test_a_function_that_only_looks_is_refused(extra: float) -> None:
    def g(x: Any) -> Any:
        return bisection(x) + extra * x[0] ** 2

    x = np.array([2.0])
    for call in (
        lambda: ad.taylor(g, x, v=x, order=2),
        lambda: ad.prepare_taylor(g, x, order=1),
        lambda: ad.laplacian(g, x),
        lambda: ad.prepare_laplacian(g, x),
        lambda: ad.bilaplacian(g, x),
    ):
        with pytest.raises(DependenceError):
            call()
    assert ad.taylor(g, x, v=x, order=0)[0] == g(x)  # nothing is differentiated
