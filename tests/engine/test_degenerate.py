"""Choices, roots, determinants and factorisations at the points where a rule alone would fail."""

from __future__ import annotations

import cProfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import polyad as ad
from polyad.call.degenerate import is_degenerate
from polyad.errors import DegenerateError, FunctionNotSupportedError, OperationNotSupportedError

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

ENGINE: dict[str, Any] = {
    "forward": "numpy:forward",
    "reverse": "numpy:reverse",
    "compiled": ad.NumPy(compile=True),
}
LIFTS = {name: name for name in ("jax", "torch", "autograd", "casadi", "sympy")}
ALL = {**ENGINE, **LIFTS}
EYE = np.eye(2)


def backend_of(name: str) -> Any:
    if name in LIFTS:
        pytest.importorskip(name)
    return ALL[name]


def everywhere(*without: str) -> Any:
    return pytest.mark.parametrize("name", [n for n in ALL if n not in without])


# -- what was not chosen -----------------------------------------------------------------------------------


def masked_write(x: Any) -> Any:
    y = np.log(x)
    y[x <= 0] = 0.0
    return np.sum(y)


# name -> function, point, the gradient, the diagonal of the Hessian
CHOICES: dict[str, tuple[Callable[..., Any], list[float], list[float], list[float]]] = {
    "x log x": (
        lambda x: np.sum(np.where(x > 0, x * np.log(x), 0.0)),
        [-1.0, 0.0, 2.0],
        [0.0, 0.0, np.log(2.0) + 1],
        [0.0, 0.0, 0.5],
    ),
    "root": (
        lambda x: np.sum(np.where(x > 0, np.sqrt(x), x**2)),
        [-1.0, 0.0, 4.0],
        [-2.0, 0.0, 0.25],
        [2.0, 2.0, -1 / 32],
    ),
    "quotient": (
        lambda x: np.sum(np.where(x == 0, 1.0, np.sin(x) / x)),
        [0.0, np.pi],
        [0.0, -1 / np.pi],
        [0.0, 2 / np.pi**2],
    ),
    "power": (lambda x: np.sum(np.where(x > 0, x**-0.5, 3.0)), [0.0, 4.0], [0.0, -1 / 16], [0.0, 3 / 128]),
    "arc": (
        lambda x: np.sum(np.where(np.abs(x) < 1, np.arccos(x), 0.0)),
        [1.0, 2.0, 0.0],
        [0.0, 0.0, -1.0],
        [0.0, 0.0, 0.0],
    ),
    "nested": (
        lambda x: np.sum(np.where(x > 0, np.where(x > 1, np.log(x), np.sqrt(x)), -x)),
        [-1.0, 0.25, 4.0],
        [-1.0, 1.0, 0.25],
        [0.0, -2.0, -1 / 16],
    ),
    "overflow": (lambda x: np.sum(np.where(x < 9, np.exp(x), x)), [1e4, 0.0], [1.0, 1.0], [0.0, 1.0]),
    "select": (
        lambda x: np.sum(np.select([x > 1, x > 0], [x, np.sqrt(x) * 2], 0.0)),
        [-1.0, 0.0, 2.0, 0.25],
        [0.0, 0.0, 1.0, 2.0],
        [0.0, 0.0, 0.0, -4.0],
    ),
    "maximum": (lambda x: np.sum(np.maximum(np.sqrt(x), 1.0)), [0.0, 4.0], [0.0, 0.25], [0.0, -1 / 32]),
    "minimum": (lambda x: np.sum(np.minimum(1 / x, 2.0)), [0.0, 4.0], [0.0, -1 / 16], [0.0, 1 / 32]),
    "clip": (lambda x: np.sum(np.clip(1 / x, -3, 3)), [0.0, 4.0], [0.0, -1 / 16], [0.0, 1 / 32]),
    "max": (lambda x: np.max(np.sqrt(x)), [0.0, 4.0], [0.0, 0.25], [0.0, -1 / 32]),
}
# not a number there, as told in the documentation
LEFT = {("casadi", "maximum"), ("casadi", "clip"), ("sympy", "clip")}


@everywhere()
@pytest.mark.parametrize("case", CHOICES)
def test_what_was_not_chosen_has_no_part(case: str, name: str) -> None:
    f, x, first, second = CHOICES[case]
    backend = backend_of(name)
    g, h = (getattr(ad, of)(f, np.array(x), backend=backend) for of in ("gradient", "hessian"))
    if (name, case) in LEFT:
        assert np.isnan([*g, *h.ravel()]).any()
        g, h = np.where(np.isnan(g), first, g), np.where(np.isnan(h), np.diag(second), h)
    np.testing.assert_allclose(g, first, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(h, np.diag(second), rtol=1e-11, atol=1e-14)


@everywhere("casadi", "sympy")
@pytest.mark.parametrize("f", [masked_write, lambda x: np.sum(np.log(x)[x > 0])], ids=["write", "read"])
def test_masks_choose(f: Any, name: str) -> None:
    x = np.array([-1.0, 0.0, 4.0])
    backend = backend_of(name)
    if name == "jax" and f is not masked_write:
        backend = ad.JAX(jit=False)
    np.testing.assert_allclose(ad.gradient(f, x, backend=backend), [0.0, 0.0, 0.25])


@pytest.mark.parametrize("name", ENGINE)
def test_entries_that_are_not_used_have_no_part(name: str) -> None:
    x = np.array([0.0, 4.0])
    np.testing.assert_allclose(ad.gradient(lambda x: np.sqrt(x)[1], x, backend=ENGINE[name]), [0, 0.25])
    np.testing.assert_allclose(
        ad.gradient(lambda x: np.sum((np.log(x) * 2)[1:] ** 2), x, backend=ENGINE[name]), [0, 2 * np.log(4.0)]
    )
    a = np.array([[0.0, 1.0], [2.0, 3.0]])
    f = lambda a: np.sum(np.where(a[:, 0] > 0, np.sum(np.log(a), axis=1), 0.0))  # noqa: E731
    np.testing.assert_allclose(ad.gradient(f, a, backend=ENGINE[name]), [[0, 0], [1 / 2, 1 / 3]])


@everywhere("sympy", "casadi")
def test_a_computed_zero_is_no_choice(name: str) -> None:
    """``sqrt(x) * sqrt(x)`` has the derivative one at zero: not a number is honest, zero would be wrong."""
    g = ad.gradient(lambda x: np.sum(np.sqrt(x) * np.sqrt(x * 1.0)), np.zeros(1), backend=backend_of(name))
    assert np.isnan(g).all() or g == 1


@pytest.mark.parametrize("name", ["torch", "autograd"])
def test_a_loop_of_choices_does_not_compute_its_past_again(name: str) -> None:
    backend = backend_of(name)
    seen: list[int] = []

    def f(x: Any, steps: Any) -> Any:
        for _ in range(steps):
            x = np.where(x > 0, np.sqrt(x) + 0.5, x)
        return np.sum(x)

    for steps in (20, 40):
        profile = cProfile.Profile()
        profile.runcall(ad.gradient, f, np.array([-1.0, 2.0]), ad.Static(steps), argnums=0, backend=backend)
        seen.append(sum(entry.callcount for entry in profile.getstats()))
    assert seen[1] < 2.5 * seen[0]


@pytest.mark.parametrize("name", ENGINE)
def test_shared_operands_count_where_one_use_does(name: str) -> None:
    def f(x: Any) -> Any:
        r = np.sqrt(x)
        return np.sum(np.where(x > 1, r, 0.0) + np.where(x > 0, 3 * r, 0.0))

    x = np.array([0.0, 0.25, 4.0])
    np.testing.assert_allclose(ad.gradient(f, x, backend=ENGINE[name]), [0.0, 3.0, 1.0])


def test_choices_in_taylor_mode() -> None:
    row = ad.taylor(lambda x: np.maximum(np.sqrt(x), 1.0), np.array([0.0, 4.0]), v=np.ones(2), order=2)
    np.testing.assert_allclose(row, [[1, 2], [0, 0.25], [0, -1 / 64]])


# -- roots and their squares -------------------------------------------------------------------------------

norm = np.linalg.norm
SQUARES: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "power": (lambda x: np.exp(-(norm(x) ** 2)), np.zeros(2), -2 * EYE),
    "fourth": (lambda x: norm(x) ** 4 + norm(x) ** 2, np.zeros(2), 2 * EYE),
    "third": (lambda x: norm(x) ** 3, np.zeros(2), 0 * EYE),
    "product": (lambda x: norm(x) * norm(x), np.zeros(2), 2 * EYE),
    "square": (lambda x: np.square(norm(x)), np.zeros(2), 2 * EYE),
    "scaled": (lambda x: np.exp(-((norm(x) / 2.0) ** 2) / 2), np.zeros(2), -EYE / 4),
    "std": (lambda x: np.std(x) ** 2, np.ones(2), np.array([[0.5, -0.5], [-0.5, 0.5]])),
    "hypot": (lambda x: np.hypot(x[0], x[1]) ** 2, np.zeros(2), 2 * EYE),
    "size": (lambda x: np.sum(np.abs(x) ** 2), np.zeros(2), 2 * EYE),
    "root": (lambda x: np.sqrt(np.sum(x**2)) ** 2, np.zeros(2), 2 * EYE),
    "rows": (lambda x: np.sum(norm(np.stack([x, 2 * x]), axis=1) ** 2), np.zeros(2), 10 * EYE),
    "dot": (lambda x: (lambda r: r @ r)(norm(np.stack([x, x]), axis=1)), np.zeros(2), 4 * EYE),
    "in place": (lambda x: _in_place(x), np.zeros(2), 4 * EYE),
}


def _in_place(x: Any) -> Any:
    r = norm(np.stack([x, x]), axis=1)
    r **= 2
    return np.sum(r)


@everywhere()
@pytest.mark.parametrize("case", SQUARES)
def test_squares_of_roots_are_smooth(case: str, name: str) -> None:
    f, x, expected = SQUARES[case]
    backend = backend_of(name)
    np.testing.assert_allclose(ad.hessian(f, x, backend=backend), expected, atol=1e-12)
    np.testing.assert_allclose(ad.gradient(f, x, backend=backend), 0 * x, atol=1e-12)
    away = np.array([0.3, -0.4])
    np.testing.assert_allclose(
        ad.gradient(f, away, backend=backend), ad.gradient(f, away, backend="finite"), rtol=1e-6
    )


@everywhere()
def test_roots_at_zero(name: str) -> None:
    """The first derivative is zero by convention, of the entries that are zero only; there is no second."""
    backend = backend_of(name)
    np.testing.assert_array_equal(ad.gradient(np.std, np.ones(3), backend=backend), np.zeros(3))
    a = np.array([[0.0, 3.0], [0.0, 4.0]])
    for f in (lambda a: np.sum(norm(a, axis=0)), lambda a: np.sum(norm(a, axis=0, keepdims=True))):
        np.testing.assert_allclose(ad.gradient(f, a, backend=backend), [[0, 0.6], [0, 0.8]])
    b = np.array([[1.0, 3.0], [1.0, 1.0]])
    np.testing.assert_allclose(
        ad.gradient(lambda b: np.sum(np.std(b, axis=0)), b, backend=backend), [[0, 0.5], [0, -0.5]]
    )
    assert np.isnan(ad.hessian(norm, np.zeros(2), backend=backend)).all()


def test_a_root_that_was_written_to_is_none() -> None:
    def f(x: Any) -> Any:
        r = np.abs(x)
        r[0] = 3.0 * x[0]
        return np.sum(r**2)

    np.testing.assert_allclose(ad.hessian(f, np.array([0.0, 2.0]), backend="numpy"), np.diag([18.0, 2.0]))


# -- determinants ------------------------------------------------------------------------------------------


def _cofactors(a: np.ndarray) -> np.ndarray:
    n = len(a)
    minor = lambda i, j: np.linalg.det(np.delete(np.delete(a, i, 0), j, 1))  # noqa: E731
    return np.array([[(-1) ** (i + j) * minor(i, j) for j in range(n)] for i in range(n)])


SINGULAR = {
    "rank 1": np.diag([1.0, 0.0, 0.0]),
    "rank 2": np.array([[1.0, 2, 3], [4, 5, 6], [5, 7, 9]]),
    "zero": np.zeros((3, 3)),
    "regular": np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 1]]),
}


@everywhere()
@pytest.mark.parametrize("case", SINGULAR)
def test_determinants_of_singular_matrices(case: str, name: str) -> None:
    a, backend = SINGULAR[case], backend_of(name)
    np.testing.assert_allclose(ad.gradient(np.linalg.det, a, backend=backend), _cofactors(a), atol=1e-12)
    # of three rows the second derivatives are linear: differences of cofactors are exact
    shifted = np.zeros((3, 3, 3, 3))
    for k in np.ndindex(3, 3):
        e = np.zeros((3, 3))
        e[k] = 1.0
        shifted[(..., *k)] = (_cofactors(a + e) - _cofactors(a - e)) / 2
    np.testing.assert_allclose(ad.hessian(np.linalg.det, a, backend=backend), shifted, atol=1e-9)


def test_third_derivatives_of_determinants() -> None:
    h = lambda t: ad.second_derivative(lambda s: np.linalg.det(s * np.eye(3)), t)  # noqa: E731
    assert ad.derivative(h, 0.0) == pytest.approx(6.0)


def test_determinants_of_larger_and_complex_matrices() -> None:
    rng = np.random.default_rng(3)
    u, s, vh = np.linalg.svd(rng.standard_normal((9, 9)))
    a = (u * np.append(s[:-1], 0)) @ vh
    exact = np.linalg.det(u) * np.linalg.det(vh) * np.prod(s[:-1]) * np.outer(u[:, -1], vh[-1])
    np.testing.assert_allclose(ad.gradient(np.linalg.det, a), exact, atol=1e-10)
    e = np.zeros((9, 9))
    e[2, 3] = 1e-4
    expected = (_cofactors(a + e) - _cofactors(a - e)) / 2e-4
    found = ad.hvp(np.linalg.det, a, v=e * 1e4)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    z = np.diag([1.0 + 1j, 0.0])
    w = ad.gradient(lambda z: np.real(np.linalg.det(z)), z)
    np.testing.assert_allclose(w, [[0, 0], [0, 1 - 1j]], atol=1e-14)
    with pytest.raises(OperationNotSupportedError, match="slogdet of a singular"):
        ad.gradient(lambda a: np.linalg.slogdet(a)[1], np.diag([1.0, 0.0]))


# -- equal eigenvalues and singular values -------------------------------------------------------------------

_RNG = np.random.default_rng(5)
Q = np.linalg.qr(_RNG.standard_normal((3, 3)))[0]
WEIGHTS = _RNG.standard_normal((3, 3))
EQUAL = (Q * [1.0, 1.0, 2.0]) @ Q.T
EQUAL = (EQUAL + EQUAL.T) / 2


def _exponential(a: Any) -> Any:
    w, v = np.linalg.eigh((a + a.T) / 2)
    return (v * np.exp(w)) @ v.T


def _rebuilt(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return (u * s) @ vh


def _cubed(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return (u * s**3) @ vh


def _frechet(a: np.ndarray, e: np.ndarray) -> np.ndarray:
    found: np.ndarray = scipy.linalg.expm_frechet(a, (e + e.T) / 2)[1]
    return found


@everywhere("sympy")
def test_eigenvalues_alone(name: str) -> None:
    f = lambda a: np.sum(np.linalg.eigvalsh((a + a.T) / 2) ** 3)  # noqa: E731
    np.testing.assert_allclose(ad.gradient(f, EQUAL, backend=backend_of(name)), 3 * EQUAL @ EQUAL, atol=1e-12)
    s = lambda a: np.sum(np.linalg.svdvals(a) ** 2)  # noqa: E731
    np.testing.assert_allclose(ad.gradient(s, EQUAL, backend=backend_of(name)), 2 * EQUAL, atol=1e-12)
    both = lambda a: np.sum(np.exp(np.linalg.eigh((a + a.T) / 2)[0]))  # noqa: E731
    np.testing.assert_allclose(
        ad.gradient(both, EQUAL, backend=backend_of(name)), scipy.linalg.expm(EQUAL), atol=1e-12
    )


POINTS = {
    "turned": EQUAL,
    "diagonal": np.diag([1.0, 1.0, 2.0]),
    "nearly": np.diag([1.0, 1.0 + 1e-14, 2.0]),
    "all": np.eye(3),
    "zero": np.zeros((3, 3)),
    "rank 1": np.outer(Q[0], Q[0]),
    "different": np.diag([1.0, 2.0, 3.5]),
}


@everywhere("sympy")
@pytest.mark.parametrize("case", POINTS)
def test_functions_of_symmetric_matrices(case: str, name: str) -> None:
    """Divided differences (Daleckii and Krein), against the Frechet derivative of the exponential."""
    a, backend = POINTS[case], backend_of(name)
    np.testing.assert_allclose(
        ad.gradient(lambda a: np.sum(WEIGHTS * _exponential(a)), a, backend=backend),
        _frechet(a, WEIGHTS),
        rtol=1e-9,
        atol=1e-12,
    )
    np.testing.assert_allclose(
        ad.jvp(_exponential, a, v=WEIGHTS, backend=backend), _frechet(a, WEIGHTS), rtol=1e-9, atol=1e-12
    )


@everywhere("sympy")
@pytest.mark.parametrize("example", ["all", "different"])
def test_prepared_functions_of_symmetric_matrices(example: str, name: str) -> None:
    backend = backend_of(name)
    at = POINTS[example]
    grad = ad.prepare_gradient(lambda a: np.sum(WEIGHTS * _exponential(a)), at, backend=backend)
    rows = ad.prepare_jacobian(_exponential, at, backend=backend)
    for a in POINTS.values():
        np.testing.assert_allclose(grad(a), _frechet(a, WEIGHTS), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(grad.value_and(a)[1], _frechet(a, WEIGHTS), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            np.tensordot(rows(a), WEIGHTS), _frechet(a, WEIGHTS), rtol=1e-9, atol=1e-12
        )


@everywhere("sympy")
def test_products_at_equal_eigenvalues(name: str) -> None:
    backend, other = backend_of(name), Q @ WEIGHTS
    w = np.stack([WEIGHTS, other])
    expected = np.stack([_frechet(EQUAL, WEIGHTS), _frechet(EQUAL, other)])
    both = ad.vjp(_exponential, EQUAL, w=w, batched=True, backend=backend)
    np.testing.assert_allclose(both, expected, rtol=1e-9)
    both = ad.jvp(_exponential, EQUAL, v=w, batched=True, backend=backend)
    np.testing.assert_allclose(both, expected, rtol=1e-9)
    y, J = ad.linearize(_exponential, EQUAL, backend=backend)
    np.testing.assert_allclose(y, scipy.linalg.expm(EQUAL))
    np.testing.assert_allclose(J.vjp(other), expected[1], rtol=1e-9)
    np.testing.assert_allclose(J.jvp(other), expected[1], rtol=1e-9)
    push = ad.prepare_jvp(_exponential, np.eye(3), backend=backend)
    np.testing.assert_allclose(push(EQUAL, v=other), expected[1], rtol=1e-9)
    g, more = ad.gradient(
        lambda a: (np.sum(other * _exponential(a)), a[0]), EQUAL, has_aux=True, backend=backend
    )
    np.testing.assert_allclose(g, expected[1], rtol=1e-9)
    np.testing.assert_allclose(more, EQUAL[0])


SINGULAR_VALUES = {
    "two": [1.0, 1.0, 2.0],
    "three": [2.0, 2.0, 2.0],
    "rank 2": [1.0, 2.0, 0.0],
    "rank 1": [1.0, 0.0, 0.0],
    "both": [1.0, 1.0, 0.0],
    "none": [0.0, 0.0, 0.0],
    "different": [3.0, 2.0, 1.0],
}


@everywhere("sympy")
@pytest.mark.parametrize("case", SINGULAR_VALUES)
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)])
def test_functions_of_singular_values(shape: tuple[int, int], case: str, name: str) -> None:
    backend, (m, n) = backend_of(name), shape
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((4, 4)))[0]
    u, v = (turn if k == 4 else Q for k in shape)
    w = np.random.default_rng(8).standard_normal(shape)
    for left, right in ((np.eye(m), np.eye(n)), (u, v)):
        a = (left[:, :3] * SINGULAR_VALUES[case]) @ right[:, :3].T
        np.testing.assert_allclose(
            ad.gradient(lambda a: np.sum(w * _rebuilt(a)), a, backend=backend), w, rtol=1e-9, atol=1e-12
        )
        np.testing.assert_allclose(
            ad.gradient(lambda a: np.sum(w * _cubed(a)), a, backend=backend),
            w @ a.T @ a + a @ w.T @ a + a @ a.T @ w,
            rtol=1e-9,
            atol=1e-12,
        )


def _cancelling(a: Any) -> Any:
    """The cotangents of the vectors cancel where eigenvalues are one, the derivative does not."""
    w, v = np.linalg.eigh((a + a.T) / 2)
    return np.sum(WEIGHTS * ((v * np.exp(w)) @ v.T / np.e - (v * w) @ v.T))


def _twice(a: Any) -> Any:
    """At zero every cotangent of the vectors is zero, the derivative is not."""
    w, v = np.linalg.eigh((a + a.T) / 2)
    return np.sum(WEIGHTS * ((v * np.exp(w)) @ v.T @ WEIGHTS @ (v * np.sin(w)) @ v.T))


def _one_by_one(a: Any) -> Any:
    w, v = np.linalg.eigh((a + a.T) / 2)
    return sum(np.exp(w[k]) * (v[:, k] @ WEIGHTS[0]) ** 2 for k in range(3))


def _stacked(a: Any) -> Any:
    s = np.stack([a, 2 * a])
    w, v = np.linalg.eigh((s + np.swapaxes(s, 1, 2)) / 2)
    return np.sum(WEIGHTS * ((v * np.exp(w)[:, None, :]) @ np.swapaxes(v, 1, 2)))


def _repeated(a: Any) -> Any:
    return sum(np.sum(WEIGHTS * _exponential(a * k)) for k in (1.0, 2.0, 3.0))


@everywhere("sympy")
def test_limits_of_every_form(name: str) -> None:
    backend, one = backend_of(name), np.diag([1.0, 1.0, 2.0])
    half = (WEIGHTS + WEIGHTS.T) / 2
    cases: list[tuple[Any, np.ndarray, np.ndarray]] = [
        (_cancelling, one, _frechet(one, WEIGHTS) / np.e - half),
        # at zero the sine alone has a derivative that counts
        (_twice, np.zeros((3, 3)), (WEIGHTS.T @ WEIGHTS + WEIGHTS.T @ WEIGHTS) / 2),
        (_one_by_one, one, _frechet(one, np.outer(WEIGHTS[0], WEIGHTS[0]))),
        (_stacked, EQUAL, _frechet(EQUAL, WEIGHTS) + 2 * _frechet(2 * EQUAL, WEIGHTS)),
        (_repeated, EQUAL, sum(k * _frechet(k * EQUAL, WEIGHTS) for k in (1.0, 2.0, 3.0))),
    ]
    for f, a, exact in cases:
        np.testing.assert_allclose(ad.gradient(f, a, backend=backend), exact, rtol=1e-9, atol=1e-12)


def _vectors(a: Any) -> Any:
    return np.linalg.eigh((a + a.T) / 2)


# name -> a function that depends on which vectors are chosen, and a point
CHOSEN: dict[str, tuple[Callable[..., Any], np.ndarray]] = {
    "entry": (lambda a: _vectors(a)[1][0, 0], EQUAL),
    "stationary entry": (lambda a: _vectors(a)[1][0, 0] ** 2, np.diag([1.0, 1.0, 2.0])),
    "entry that is zero": (lambda a: _vectors(a)[1][0, 1] ** 2, np.diag([1.0, 1.0, 2.0])),
    "weighed": (
        lambda a: np.sum(
            _vectors(a)[0] * np.arange(3.0) * np.diag(_vectors(a)[1].T @ WEIGHTS @ _vectors(a)[1])
        ),
        np.diag([1.0, 1.0, 2.0]),
    ),
    "weighed, zero": (
        lambda a: (lambda y: np.sum(y[0] * np.arange(3.0) * np.diag(y[1].T @ WEIGHTS @ y[1])))(_vectors(a)),
        np.diag([0.0, 0.0, 1.0]),
    ),
    "left vector": (lambda a: np.linalg.svd(a)[0][0, 0] ** 2, np.eye(3)),
    "polar factor": (
        lambda a: (lambda y: np.sum(WEIGHTS * (y[0] @ y[2])))(np.linalg.svd(a)),
        np.diag([1.0, 0.0, 0.0]),
    ),
    "polar factor of one that is zero": (
        lambda a: (lambda y: np.sum(WEIGHTS * (y[0] @ y[2])))(np.linalg.svd(a)),
        (Q * [3.0, 2.0, 0.0]) @ Q[::-1],
    ),
    "signs of one that is zero": (
        lambda a: (lambda y: np.sum(WEIGHTS * ((y[0] * np.cosh(y[1])) @ y[2])))(np.linalg.svd(a)),
        (Q * [3.0, 3.0, 0.0]) @ Q,
    ),
    "size": (
        lambda a: (lambda y: np.sum(WEIGHTS * ((y[2].T * y[1]) @ y[2])))(np.linalg.svd(a)),
        np.diag([1.0, 0.0, 0.0]),
    ),
}


@everywhere("sympy")
@pytest.mark.parametrize("case", CHOSEN)
def test_functions_that_depend_on_the_vectors_are_refused(case: str, name: str) -> None:
    f, a = CHOSEN[case]
    with pytest.raises(DegenerateError, match="depends on which of them are chosen"):
        ad.gradient(f, a, backend=backend_of(name))


def _dilation(a: Any) -> Any:
    """Blocks of the exponential of [[0, a], [a.T, 0]]: the signs of the vectors meet in pairs."""
    u, s, vh = np.linalg.svd(a)
    cosh, sinh = np.cosh(s), np.sinh(s)
    return np.block([[(u * cosh) @ u.T, (u * sinh) @ vh], [(vh.T * sinh) @ u.T, (vh.T * cosh) @ vh]])


@everywhere("sympy")
@pytest.mark.parametrize("values", [[3.0, 2.0, 0.0], [2.0, 2.0, 0.0], [2.0, 0.0, 0.0], [3.0, 2.0, 1.0]])
def test_functions_in_which_signs_meet_in_pairs(values: list[float], name: str) -> None:
    a = (Q * values) @ Q[::-1]
    w = np.random.default_rng(3).standard_normal((6, 6))
    whole = lambda x: np.block([[np.zeros((3, 3)), x], [x.T, np.zeros((3, 3))]])  # noqa: E731
    exact = scipy.linalg.expm_frechet(whole(a), (w + w.T) / 2)[1]
    found = ad.gradient(lambda a: np.sum(w * _dilation(a)), a, backend=backend_of(name))
    np.testing.assert_allclose(found, exact[:3, 3:] + exact[3:, :3].T, rtol=1e-9, atol=1e-12)
    push = ad.jvp(_dilation, a, v=WEIGHTS, backend=backend_of(name))
    np.testing.assert_allclose(push, scipy.linalg.expm_frechet(whole(a), whole(WEIGHTS))[1], rtol=1e-9)


RANKS = {
    "twice": np.array([[1.0, 2, 3], [2, 4, 1], [3, 6, 2], [1, 2, 7]]),
    "zero column": np.array([[1.0, 0], [2, 0]]),
    "zero": np.zeros((3, 2)),
}


@everywhere("sympy")
@pytest.mark.parametrize("case", RANKS)
@pytest.mark.parametrize("part", [0, 1], ids="qr")
def test_triangular_factors_of_dependent_columns(part: int, case: str, name: str) -> None:
    """Refused where there are values; otherwise not a number, and a warning."""
    a, backend = RANKS[case], backend_of(name)
    for call in (ad.gradient, ad.jacobian):
        f = lambda a: np.sum(np.linalg.qr(a)[part] ** 3)  # noqa: E731
        if name in ("jax", "casadi"):
            with pytest.warns(ad.errors.NonFiniteWarning):
                assert np.isnan(call(f, a, backend=backend)).all()
        else:
            with pytest.raises(OperationNotSupportedError, match="columns depend on each other"):
                call(f, a, backend=backend)
    # the factors of a constant are nobody's business
    constant = lambda x, a: np.sum(x * np.linalg.qr(a)[1][0, 0])  # noqa: E731
    expected = np.full(2, np.linalg.qr(a)[1][0, 0])
    np.testing.assert_allclose(ad.gradient(constant, np.ones(2), a, backend=backend), expected, rtol=1e-12)


@everywhere("sympy")
def test_triangular_factors_of_full_rank(name: str) -> None:
    a, w = WEIGHTS[:, :2] + np.eye(3, 2), np.random.default_rng(4).standard_normal((3, 2))

    def projected(a: Any) -> Any:
        q, r = np.linalg.qr(a)
        return np.sum(w * (q @ q.T @ w)) + np.sum((r.T @ r) ** 2)

    plus = np.linalg.pinv(a)
    away = np.eye(3) - a @ plus
    expected = 2 * away @ w @ w.T @ plus.T + 4 * a @ a.T @ a
    np.testing.assert_allclose(ad.gradient(projected, a, backend=backend_of(name)), expected, rtol=1e-10)
    second = ad.hvp(projected, a, v=w, backend=backend_of(name))
    np.testing.assert_allclose(second, ad.hvp(projected, a, v=w, backend="finite"), rtol=1e-5, atol=1e-5)


def test_polar_factors_of_equal_singular_values() -> None:
    f = lambda a: (lambda y: np.sum(WEIGHTS * (y[0] @ y[2])))(np.linalg.svd(a))  # noqa: E731
    np.testing.assert_allclose(ad.gradient(f, 2 * np.eye(3)), (WEIGHTS - WEIGHTS.T) / 4, atol=1e-14)


def test_hermitian_matrices_with_equal_eigenvalues() -> None:
    rng = np.random.default_rng(9)
    m = np.linalg.qr(rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3)))[0]
    z = (m * [1.0, 1.0, 2.0]) @ m.conj().T
    z = (z + z.conj().T) / 2
    c = rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3))

    def f(z: Any) -> Any:
        w, v = np.linalg.eigh((z + np.conj(z.T)) / 2)
        return np.real(np.sum(np.conj(c) * ((v * np.exp(w)) @ np.conj(v.T))))

    exact = scipy.linalg.expm_frechet(z, (c + c.conj().T) / 2)[1]
    np.testing.assert_allclose(ad.gradient(f, z), exact, rtol=1e-12)


def test_outer_derivatives_by_what_is_not_the_matrix() -> None:
    inner = lambda s: ad.gradient(lambda a: np.sum(WEIGHTS * _exponential(a)) * s, EQUAL)[0, 1]  # noqa: E731
    column = lambda s: ad.jvp(_exponential, EQUAL, v=WEIGHTS, backend="numpy:forward")[0, 1] * s  # noqa: E731
    exact = pytest.approx(_frechet(EQUAL, WEIGHTS)[0, 1])
    for backend in ("numpy:forward", "numpy:reverse"):
        assert ad.derivative(inner, 2.0, backend=backend) == exact
        assert ad.derivative(column, 2.0, backend=backend) == exact


@everywhere("sympy")
def test_second_derivatives_at_equal_eigenvalues_are_refused(name: str) -> None:
    values = lambda a: np.sum(np.linalg.eigvalsh((a + a.T) / 2) ** 2)  # noqa: E731
    for f in (values, lambda a: np.sum(WEIGHTS * _exponential(a)), lambda a: np.sum(_rebuilt(a) ** 2)):
        with pytest.raises(DegenerateError, match="equal eigenvalues"):
            ad.hessian(f, np.eye(2) if f is values else EQUAL, backend=backend_of(name))


@everywhere("sympy")
def test_second_derivatives_of_vectors(name: str) -> None:
    """Where eigenvalues differ; forward within forward once gave another number."""
    a = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, -1.0]])
    f = lambda a: np.sum(WEIGHTS * _exponential(a))  # noqa: E731
    e, d = np.zeros((3, 3)), 1e-3
    e[0, 1] = e[1, 0] = d
    at = [_frechet(a + k * e, WEIGHTS) for k in (1, -1, 2, -2)]
    exact = (8 * (at[0] - at[1]) - (at[2] - at[3])) / (12 * d)
    np.testing.assert_allclose(ad.hvp(f, a, v=e / d, backend=backend_of(name)), exact, rtol=1e-8, atol=1e-8)
    h = ad.hessian(f, a, backend=backend_of(name))
    np.testing.assert_allclose(np.tensordot(h, e / d), exact, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(h, np.transpose(h, (2, 3, 0, 1)), rtol=1e-9, atol=1e-9)


# -- failures -----------------------------------------------------------------------------


def _with_fallback(x: Any) -> Any:
    m = np.stack([np.stack([x[0], x[1]]), np.stack([x[1], x[2]])])
    try:
        return np.sum(np.linalg.cholesky(m))
    except np.linalg.LinAlgError:
        return np.sum(m**2)


def _with_other_fallback(x: Any) -> Any:
    m = np.stack([np.stack([x[0], x[1]]), np.stack([x[1], x[2]])])
    try:
        return np.sum(np.linalg.inv(m))
    except np.linalg.LinAlgError:
        return np.sum(m**2)


@everywhere("jax", "casadi", "sympy", "compiled")
def test_failures_are_those_of_numpy(name: str) -> None:
    backend = backend_of(name)
    g = ad.gradient(_with_fallback, np.array([1.0, 2.0, 1.0]), backend=backend)
    np.testing.assert_allclose(g, [2.0, 8.0, 2.0])
    g = ad.gradient(_with_other_fallback, np.array([1.0, 2.0, 4.0]), backend=backend)
    np.testing.assert_allclose(g, [2.0, 8.0, 8.0])


@pytest.mark.parametrize("name", ["jax", "casadi", "sympy"])
@pytest.mark.parametrize("f", [_with_fallback, _with_other_fallback])
def test_a_fallback_that_cannot_be_taken_is_refused(f: Any, name: str) -> None:
    with pytest.raises(OperationNotSupportedError, match="LinAlgError is caught"):
        ad.gradient(f, np.array([1.0, 2.0, 1.0]), backend=backend_of(name))


def test_a_compiled_program_has_no_fallback() -> None:
    """At every point it would do what it did at the first."""
    with pytest.raises(FunctionNotSupportedError, match="LinAlgError is caught"):
        ad.prepare_gradient(_with_fallback, np.array([2.0, 0.5, 1.0]), backend=ad.NumPy(compile=True))
    grad = ad.prepare_gradient(_with_fallback, np.array([2.0, 0.5, 1.0]))
    np.testing.assert_allclose(grad(np.array([1.0, 2.0, 1.0])), [2.0, 8.0, 2.0])


def test_errors_of_the_function_are_its_own() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        ad.gradient(lambda a: np.sum(np.linalg.inv(a)), np.zeros((2, 2)))


def _writes_to_its_mask(x: Any) -> Any:
    mask = np.array([True, True, False])
    y = np.where(mask, np.log(x), 3.0)
    mask[:] = [True, False, False]
    return np.sum(np.where(x > 0, y, 0.0))


def _writes_to_its_factor(x: Any) -> Any:
    factor = np.full(3, 2.0)
    y = np.exp(x) * factor
    factor[:] = 5.0
    return np.sum(np.where(x > 0, y, 0.0))


def _writes_to_what_scales_a_root(x: Any) -> Any:
    factor = np.full(3, 2.0)
    y = np.abs(x) * factor
    factor[:] = 5.0
    return np.sum(y**2)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("f", "value", "slope"),
    [
        (_writes_to_its_mask, np.log(2), [1, 0.5, 0]),
        (_writes_to_its_factor, 2 * np.exp([1, 2]).sum(), [*(2 * np.exp([1, 2])), 0]),
        (_writes_to_what_scales_a_root, 24, [8, 16, -8]),
    ],
)
def test_what_a_choice_makes_again_is_made_of_what_the_arrays_were(
    f: Callable[..., Any], value: float, slope: list[float], name: str
) -> None:
    found = ad.value_and_gradient(f, np.array([1.0, 2.0, -1.0]), backend=backend_of(name))
    np.testing.assert_allclose(found[0], value)
    np.testing.assert_allclose(found[1], slope)


@pytest.mark.parametrize("name", ["torch", "autograd"])
def test_a_power_by_the_table_is_made_once(name: str) -> None:
    backend = backend_of(name)
    gradient = ad.prepare_gradient(lambda x: np.sum(x**x), np.ones(3), backend=backend)
    gradient(np.ones(3))
    primitive_vjps = pytest.importorskip("autograd.core").primitive_vjps
    before = len(primitive_vjps)
    np.testing.assert_allclose(gradient(np.full(3, 2.0)), 4 * (np.log(2) + 1))
    assert len(primitive_vjps) == before


def test_an_error_that_has_itself_below_is_looked_at_once():
    """One that was kept and is raised again while another, made of it, is handled."""
    kept, made = ValueError("kept"), ValueError("made of it")
    made.__cause__, kept.__context__ = kept, made
    assert not is_degenerate(kept)
    made.__context__ = DegenerateError("equal")
    kept.__cause__ = None
    made.__cause__ = None
    assert is_degenerate(kept)


# -- functions of matrices, ties and what is empty ---------------------------------------------------------

DEFECTIVE = np.array([[1.0, 1, 0], [0, 1, 1], [0, 0, 1]])


@everywhere("sympy")
@pytest.mark.parametrize("a", [EQUAL, DEFECTIVE], ids=["equal", "defective"])
def test_functions_of_matrices_with_equal_eigenvalues(a: np.ndarray, name: str) -> None:
    backend = backend_of(name)
    found = ad.jvp(ad.linalg.expm, a, v=WEIGHTS, backend=backend)
    np.testing.assert_allclose(found, scipy.linalg.expm_frechet(a, WEIGHTS)[1], rtol=1e-11)
    if name in ("jax", "torch"):
        with pytest.raises(OperationNotSupportedError, match="no counterpart of sqrtm"):
            ad.jvp(ad.linalg.sqrtm, a, v=WEIGHTS, backend=backend)
        return
    root = scipy.linalg.sqrtm(a)
    expected = scipy.linalg.solve_sylvester(root, root, WEIGHTS)
    np.testing.assert_allclose(ad.jvp(ad.linalg.sqrtm, a, v=WEIGHTS, backend=backend), expected, rtol=1e-9)
    v = scipy.linalg.expm_frechet(scipy.linalg.logm(a), WEIGHTS)[1]
    np.testing.assert_allclose(ad.jvp(ad.linalg.logm, a, v=v, backend=backend), WEIGHTS, rtol=1e-9)


@pytest.mark.parametrize("name", [*ENGINE, "autograd", "casadi"])
def test_roots_of_singular_matrices(name: str) -> None:
    f = lambda a: np.sum(WEIGHTS * ad.linalg.sqrtm(a))  # noqa: E731
    with pytest.raises((OperationNotSupportedError, ad.errors.DomainError), match="singular matrix"):
        ad.gradient(f, np.diag([1.0, 4.0, 0.0]), backend=backend_of(name))


@everywhere("sympy")
def test_pseudo_inverses_without_full_rank(name: str) -> None:
    """The derivative along matrices of the same rank, a curve of which shows it."""
    p, q = np.array([1.0, 2, 3]), np.array([1.0, 0, 2])
    dp, dq = WEIGHTS[0], WEIGHTS[1]
    a, v = np.outer(p, q), np.outer(dp, q) + np.outer(p, dq)
    found = ad.jvp(np.linalg.pinv, a, v=v, backend=backend_of(name))
    size = (p @ p) * (q @ q)
    change = 2 * (dp @ p) * (q @ q) + 2 * (p @ p) * (dq @ q)
    expected = (np.outer(dq, p) + np.outer(q, dp)) / size - np.outer(q, p) * change / size**2
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ENGINE)
def test_least_squares_without_full_rank(name: str) -> None:
    a = np.outer([1.0, 2, 3], [1.0, 0, 2])
    with pytest.raises(OperationNotSupportedError, match="without full rank"):
        ad.gradient(lambda a: np.sum(np.linalg.lstsq(a, WEIGHTS[0], rcond=None)[0]), a, backend=ENGINE[name])


TIES: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "columns": (lambda a: norm(a, 1), np.ones((2, 2)), np.full((2, 2), 0.5)),
    "rows": (lambda a: norm(a, np.inf), np.ones((2, 2)), np.full((2, 2), 0.5)),
    "largest": (lambda x: norm(x, np.inf), np.array([1.0, -1, 0]), np.array([0.5, -0.5, 0])),
    "sizes": (lambda x: norm(x, 1), np.array([0.0, -2]), np.array([0.0, -1])),
}


@everywhere()
@pytest.mark.parametrize("case", TIES)
def test_ties_share(case: str, name: str) -> None:
    f, x, expected = TIES[case]
    np.testing.assert_allclose(ad.gradient(f, x, backend=backend_of(name)), expected, atol=1e-15)


EMPTY: dict[str, tuple[Callable[..., Any], tuple[int, ...], float]] = {
    "sum": (lambda x: np.sum(x**2) + 1.0, (0,), 1.0),
    "prod": (np.prod, (0,), 1.0),
    "norm": (norm, (0,), 0.0),
    "product": (lambda a: np.sum(a @ a.T), (2, 0), 0.0),
    "det": (np.linalg.det, (0, 0), 1.0),
}


@everywhere()
@pytest.mark.parametrize("case", EMPTY)
def test_what_is_empty(case: str, name: str) -> None:
    f, shape, expected = EMPTY[case]
    y, slope = ad.value_and_gradient(f, np.zeros(shape), backend=backend_of(name))
    assert slope.shape == shape
    assert y == expected


@pytest.mark.filterwarnings("ignore::polyad.errors.NonFiniteWarning")
@pytest.mark.parametrize("name", ["numpy:forward", "numpy:reverse", "jax", "torch", "autograd", "casadi"])
def test_least_squares_without_full_rank_have_no_derivative(name):
    if name in LIFTS:
        pytest.importorskip(name)
    b, flat, regular = np.array([1.0, 0.0, 2.0]), np.array([[1.0, 2], [2, 4], [3, 6]]), np.eye(3)[:, :2]

    def f(a):
        return np.sum(np.linalg.lstsq(a, b, rcond=None)[0] ** 2)

    np.testing.assert_allclose(ad.gradient(f, regular, backend=name), [[-2.0, 0], [0, 0], [4, 0]], atol=1e-12)
    try:
        got = ad.gradient(f, flat, backend=name)
    except OperationNotSupportedError as error:
        assert "full rank" in str(error) or "rcond" in str(error)
    else:
        assert np.isnan(got).any()
