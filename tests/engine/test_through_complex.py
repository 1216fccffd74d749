"""Real functions of real numbers that go through complex ones: values and gradients against differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import polyad as ad
from backends import AVAILABLE

FRAMEWORKS = [name for name in AVAILABLE if name in ("jax", "torch", "autograd")]
POINT = np.array([0.5, -1.2, 0.3, 0.9])
BASE = np.array([[1, 2j, 0.5], [0.3, -1, 1j], [2, 0, 1 + 1j]])


def turned(x: Any) -> Any:
    """A complex vector on both sides of every axis."""
    return np.exp(2j * x) * (x - 0.4j)


def matrix(x: Any) -> Any:
    """A complex matrix of full rank."""
    return BASE + np.outer(turned(x)[:3], np.array([1, 1j, -0.5]))


def hermitian(x: Any) -> Any:
    """A positive one."""
    return matrix(x) @ np.conj(matrix(x)).T + 2 * np.eye(3)


# what was wrong somewhere
ONCE_WRONG: dict[str, Callable[[Any], Any]] = {
    "sign": lambda x: np.sum(np.imag(np.sign(turned(x)) * x)),
    "sign alone": lambda x: np.sum(np.real(np.sign(turned(x)))),
    "vecmat": lambda x: np.sum(np.imag(np.vecmat(turned(x)[:3], matrix(x)))),
    "negative base": lambda x: np.sum(np.imag(x ** (x + 1j))),
    "negative number": lambda x: np.sum(np.imag((-2.0) ** (x + 1j))),
    "arccosh": lambda x: np.sum(np.imag(np.arccosh(turned(x)))),
    "cholesky": lambda x: np.sum(np.abs(np.linalg.cholesky(hermitian(x)))),
    "pinv": lambda x: np.sum(np.imag(np.linalg.pinv(matrix(x)[:, :2]))),
    "lstsq": lambda x: np.sum(np.abs(np.linalg.lstsq(matrix(x)[:, :2], turned(x)[:3], rcond=None)[0])),
    "cho_solve": lambda x: np.sum(
        np.imag(scipy.linalg.cho_solve(scipy.linalg.cho_factor(hermitian(x)), turned(x)[:3]))
    ),
    "sqrt in complex": lambda x: np.sum(np.imag(np.sqrt(x, dtype=complex))),
    "log in complex": lambda x: np.sum(np.imag(np.log(x, dtype=np.complex128) * 1j)),
    "product in complex": lambda x: np.sum(np.imag(np.multiply(x, x, dtype=complex) * 1j)),
    "outer product in complex": lambda x: np.sum(np.imag(np.multiply.outer(x, x, dtype=complex) * 1j)),
    "list": lambda x: np.sum(np.imag(np.array([x[0] + 1j * x[1], 2.0, x[2] * 1j]) ** 2)),
    "list of one part": lambda x: np.sum(np.array([x[0] * 1j, x[1]]).imag),
    "list asked": lambda x: np.sum(np.iscomplex(np.array([x[0] * 1j, x[1]])) * x[:2]),
    "full": lambda x: np.sum(np.full(2, x[0] * 1j).imag),
    # is zero, of which each system computes other digits
    "nothing but rounding": lambda x: (
        np.sum(np.imag(np.linalg.solve(np.array(BASE), x[:3] * (2 - 1j)))) * 0.0
        + np.imag(np.sum(np.linalg.solve(np.array([[1, 2j, 3], [1j, 2, 1], [1, 1, 1]]), x[:3])))
    ),
}
# what stood
OTHERS: dict[str, Callable[[Any], Any]] = {
    "angle": lambda x: np.sum(np.angle(turned(x), deg=True)),
    "power": lambda x: np.sum(np.real(turned(x) ** turned(x)[::-1])),
    "root": lambda x: np.sum(np.imag(turned(x) ** 1.5)),
    "variance": lambda x: np.var(turned(x)) + np.std(turned(x), ddof=1),
    "norms": lambda x: np.linalg.norm(turned(x), 3) + np.linalg.norm(matrix(x), "nuc"),
    "transform": lambda x: np.sum(np.abs(np.fft.fft(turned(x), 7)) * np.arange(7)),
    "determinant": lambda x: np.angle(np.linalg.det(matrix(x))) + np.linalg.slogdet(matrix(x))[1],
    "eigenvalues": lambda x: np.sum(np.linalg.eigvalsh(hermitian(x)) * np.arange(3)),
    "eigenvectors": lambda x: np.sum(np.abs(np.linalg.eigh(hermitian(x))[1]) ** 4 * np.arange(3)),
    "general eigenvalues": lambda x: np.sum(np.abs(np.linalg.eigvals(matrix(x))) ** 2),
    "correlation": lambda x: np.sum(np.real(np.correlate(turned(x), x + 1j, "full") * np.arange(7))),
    "covariance": lambda x: np.sum(np.real(np.cov(matrix(x))) * np.arange(9.0).reshape(3, 3)),
    "largest": lambda x: np.imag(np.max(turned(0.8 * x))) + np.imag(np.sort(turned(0.8 * x))[1]),
    "writes": lambda x: _written(x),
    "products": lambda x: np.real(np.vecdot(turned(x), x + 1j)) + np.imag(np.vdot(turned(x), x + 1j)),
    "interpolated": lambda x: np.imag(np.sum(np.interp(x, [-2.0, 0.0, 2.0], [1.0, 2j, 5.0]) ** 2)),
}


def _written(x: Any) -> Any:
    z = np.zeros(4, dtype=complex)
    z.real = x
    z.imag = x**2
    z[1] *= 2j
    z[2:] += x[:2]
    return np.sum(np.abs(z) ** 3)


def differences(f: Callable[[Any], Any], x: np.ndarray, h: float = 2e-3) -> np.ndarray:
    """The gradient by central differences of sixth order."""
    moves = h * np.eye(len(x))
    parts = [w * np.array([f(x + k * e) - f(x - k * e) for e in moves]) for k, w in enumerate((45, -9, 1), 1)]
    return np.sum(parts, axis=0) / (60 * h)


@pytest.mark.parametrize("backend", ["numpy", "numpy:forward", "numpy:compiled", *FRAMEWORKS])
@pytest.mark.parametrize("name", ONCE_WRONG)
def test_values_and_gradients_are_right(name: str, backend: str) -> None:
    check(ONCE_WRONG[name], backend)


@pytest.mark.parametrize("backend", ["numpy", "numpy:forward", "numpy:compiled"])
@pytest.mark.parametrize("name", OTHERS)
def test_engine(name: str, backend: str) -> None:
    check(OTHERS[name], backend)


@pytest.mark.parametrize("name", ["sign", "negative base", "cholesky", "eigenvectors"])
def test_second_order(name: str) -> None:
    f = (ONCE_WRONG | OTHERS)[name]
    rows = [differences(lambda x, k=k: ad.gradient(f, x)[k], POINT) for k in range(4)]
    found = ad.hessian(f, POINT)
    np.testing.assert_allclose(found, rows, rtol=1e-7, atol=1e-7 * np.max(np.abs(found)))


def check(f: Callable[[Any], Any], backend: str) -> None:
    value, gradient = ad.value_and_gradient(f, POINT, backend=backend)
    np.testing.assert_allclose(value, f(POINT), rtol=1e-12, atol=1e-13)
    expected = differences(f, POINT)
    np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-8 * max(1.0, np.max(np.abs(expected))))
