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
    arrays = ad.laplacian(lambda x: np.stack([[f(x), 2.0], [x[0] ** 2, -f(x)]]), X, backend=eager(name))
    assert np.allclose(arrays, [[LAPLACIAN, 0.0], [2.0, -LAPLACIAN]], rtol=1e-12)
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


A, B = X[0], X[1]
R = np.hypot(A, B)
P = 1 / (1 + np.exp(B - A))
M = np.array([[2.0, 1.0, 0.0], [3.0, -1.0, 1.0], [0.5, 0.0, 4.0]])
# by hand: each operation that has a way of its own in collapsed Taylor mode, or goes direction by direction
OPERATIONS = {
    "quotient": (lambda x: x[0] / x[1], 2 * A / B**3),
    "quotient by a constant": (lambda x: x[0] ** 2 / 4.0, 0.5),
    "power": (lambda x: x[0] ** x[1], B * (B - 1) * A ** (B - 2) + np.log(A) ** 2 * A**B),
    "hypot": (lambda x: np.hypot(x[0], x[1]), 1 / R),
    "arctan2": (lambda x: np.arctan2(x[0], x[1]), 0.0),
    "logaddexp": (lambda x: np.logaddexp(x[0], x[1]), 2 * P * (1 - P)),
    "vectors": (lambda x: x @ (M @ x), 2 * np.trace(M)),
    "matrices": (lambda x: np.sum(np.outer(x, x) @ np.outer(x, x)), 14 * np.sum(X) ** 2 + 6 * X @ X),
    "einsum": (lambda x: np.einsum("i,ij,j->", x, M, x), 2 * np.trace(M)),
    "inverse": (lambda x: np.sum(np.linalg.inv(np.diag(x))), np.sum(2 / X**3)),
    "determinant": (lambda x: np.linalg.det(np.diag(x) + np.eye(3)), 0.0),
    "sorted": (lambda x: np.sort(x)[1] ** 3, 6 * B),
    "branches": (lambda x: np.sum(np.where(x > 0.5, x**3, x)), 6 * np.sum(X[1:])),
    "larger": (lambda x: np.sum(np.maximum(x, 0.5) ** 3), 6 * np.sum(X[1:])),
    "harmonic": (lambda x: 1 / np.linalg.norm(x), 0.0),
    "many": (lambda x: np.stack([np.prod(x), np.sum(np.cos(x))]), np.array([0.0, -np.sum(np.cos(X))])),
    "loop": (lambda x: ad.fori_loop(0, 2, lambda k, s: s * s, x[0]), 12 * A**2),
    "constant": (lambda x: 3.0 + 0 * x[0], 0.0),
}


@pytest.mark.parametrize("case", OPERATIONS)
def test_operations_are_collapsed(case: str) -> None:
    f, right = OPERATIONS[case]
    assert np.allclose(ad.laplacian(f, X, backend="numpy"), right, rtol=1e-12, atol=1e-13)
    compiled = ad.prepare_laplacian(f, X + 0.01, backend="numpy:compiled")
    assert np.allclose(compiled(X), right, rtol=1e-12, atol=1e-13)


def test_operations_are_collapsed_by_jax() -> None:
    pytest.importorskip("jax")
    chosen = "quotient power hypot vectors branches larger harmonic loop".split()
    p = ad.prepare_laplacian(lambda x: np.stack([OPERATIONS[k][0](x) for k in chosen]), X, backend="jax")
    assert np.allclose(p(X), [OPERATIONS[k][1] for k in chosen], rtol=1e-12, atol=1e-13)
    assert np.isclose(ad.laplacian(f, X, backend=ad.JAX(jit=False)), LAPLACIAN, rtol=1e-12)


@pytest.mark.parametrize("name", ["numpy", "jax"])
def test_chunks_and_the_laplacian_of_the_laplacian(name: str) -> None:
    backend = ad.JAX(chunk_size=2) if name == "jax" else ad.NumPy(chunk_size=2)
    assert np.isclose(ad.laplacian(f, X, backend=backend), LAPLACIAN, rtol=1e-12)
    fourth = ad.prepare_bilaplacian(lambda x: (x @ x) ** 2 + np.linalg.norm(x), X, backend=backend)
    assert np.isclose(fourth(X), 8 * 3 * 5, rtol=1e-11)
    assert "twice" in repr(fourth)


def test_edges_are_those_of_the_rules() -> None:
    zero = np.zeros(2)
    for k, right in ((2, 4.0), (1, 0.0), (3, 0.0), (0, 0.0)):
        assert ad.laplacian(lambda x, k=k: np.sum(x**k), zero) == right
    with np.errstate(all="ignore"), pytest.warns(ad.errors.NonFiniteWarning):
        assert np.isnan(ad.laplacian(lambda x: np.sum(x**x), zero))  # no derivative there


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
