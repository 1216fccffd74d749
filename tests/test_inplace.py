"""Functions that fill an array, and scratch memory, under every backend."""

from __future__ import annotations

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE, EXACT
from polyad.systems.registry import load

EVERY = tuple(dict.fromkeys(("numpy", *AVAILABLE)))
EXACTLY = tuple(dict.fromkeys(("numpy", *EXACT)))
X = np.array([0.5, 1.25, -0.75])


def rates(dy, y, a):
    """Fills, accumulates, and reads what it has written."""
    dy[0] = a * y[0] - y[0] * y[1]
    dy[1:] = np.sin(y[1:]) * y[0]
    dy[2] += dy[0] * y[2]


def plain(dy, y, a):
    """The same without a word of NumPy."""
    dy[0] = a * y[0] - y[0] * y[1]
    dy[1] = y[0] * y[2] ** 2
    dy[2] = dy[0] * y[2]
    dy[2] += y[1] * y[0]


def jacobian_of_rates(y, a):
    d0 = np.array([a - y[1], -y[0], 0.0])
    f0 = a * y[0] - y[0] * y[1]
    return np.array(
        [
            d0,
            [np.sin(y[1]), np.cos(y[1]) * y[0], 0.0],
            [np.sin(y[2]) + d0[0] * y[2], d0[1] * y[2], np.cos(y[2]) * y[0] + f0],
        ]
    )


def jacobian_of_plain(y, a):
    f0 = a * y[0] - y[0] * y[1]
    return np.array(
        [
            [a - y[1], -y[0], 0.0],
            [y[2] ** 2, 0.0, 2 * y[0] * y[2]],
            [(a - y[1]) * y[2] + y[1], -y[0] * y[2] + y[0], f0],
        ]
    )


CASES = {"NumPy": (rates, jacobian_of_rates), "plain": (plain, jacobian_of_plain)}


def tolerance(backend):
    return 1e-6 if backend.startswith("finite") else 1e-13


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("backend", EVERY)
def test_an_inplace_function_is_an_ordinary_one(backend, case):
    f, reference = CASES[case]
    g = ad.inplace(f, like=np.zeros(3))
    p = ad.prepare_jacobian(g, X + 1, 1.0, backend=backend)
    for _ in range(2):
        np.testing.assert_allclose(p(X, 1.5), reference(X, 1.5), rtol=0, atol=tolerance(backend))
    np.testing.assert_allclose(
        ad.jacobian(g, X, 1.5, backend=backend), reference(X, 1.5), rtol=0, atol=tolerance(backend)
    )


@pytest.mark.parametrize("backend", EXACTLY)
def test_an_inplace_function_to_second_order(backend):
    g = ad.inplace(rates, like=np.zeros(3))
    hessian = ad.hessian(lambda y: np.sum(g(y, 1.5) ** 2), X, backend=backend)
    h = 1e-5

    def gradient(y):
        return 2 * jacobian_of_rates(y, 1.5).T @ g(y, 1.5)

    central = [(gradient(X + h * e) - gradient(X - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(hessian, central, rtol=1e-8, atol=1e-8)


def test_an_inplace_function_runs_on_plain_arrays_in_their_dtype():
    g = ad.inplace(rates, like=np.zeros(3))
    assert g(X.astype(np.float32), 1.5).dtype == np.float32
    assert g(X + 0j, 1.5).dtype == np.complex128
    assert g.__name__ == "rates"


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_an_inplace_function_on_the_arrays_of_a_framework(name):
    if name not in AVAILABLE:
        pytest.skip(f"{name} is not installed")
    if name == "torch":
        torch = pytest.importorskip("torch")
        x = torch.tensor(X)

        def f(y, x):
            y[0] = torch.sin(x[0]) * x[1]
            y[1] = y[0] * x[2]
    else:
        jnp = pytest.importorskip("jax").numpy
        x = X

        def f(y, x):
            y[0] = jnp.sin(x[0]) * x[1]
            y[1] = y[0] * x[2]

    found = np.asarray(ad.jacobian(ad.inplace(f, like=np.zeros(2)), x, backend=name))
    row = np.array([np.cos(X[0]) * X[1], np.sin(X[0]), 0.0])
    last = row * X[2] + np.array([0.0, 0.0, np.sin(X[0]) * X[1]])
    np.testing.assert_allclose(found, [row, last], rtol=1e-14, atol=1e-15)


def test_an_inplace_function_of_a_tree():
    def f(y, x):
        y["a"][0] = x[0] * x[1]
        y["b"][...] = x[2] ** 2

    g = ad.inplace(f, like={"a": np.zeros(1), "b": np.zeros(())})
    found = ad.jacobian(g, X)
    np.testing.assert_allclose(found["a"], [[X[1], X[0], 0.0]])
    np.testing.assert_allclose(found["b"], [0.0, 0.0, 2 * X[2]])


def test_an_inplace_function_that_returns_is_refused():
    g = ad.inplace(lambda y, x: x * 2, like=X)
    with pytest.raises(ad.errors.OutputTypeError, match="fill its first argument"):
        ad.jacobian(g, X)
    with pytest.raises(ad.errors.ArgumentError, match="like="):
        ad.inplace(rates, like=())


def scratch(x, w):
    w[:] = x * x
    w[0] += np.sin(x[1])
    total = np.sum(w * x)
    w[:] = 0
    return total


def scratch_plain(x, w):
    w[0] = x[0] * x[1]
    w[1] = w[0] * x[2]
    return w[0] + w[1] * x[0]


GRADIENTS = {
    "NumPy": (scratch, lambda x: 3 * x**2 + np.array([np.sin(x[1]), np.cos(x[1]) * x[0], 0.0])),
    "plain": (
        scratch_plain,
        lambda x: np.array([x[1] + 2 * x[0] * x[1] * x[2], x[0] + x[0] ** 2 * x[2], x[0] ** 2 * x[1]]),
    ),
}


@pytest.mark.parametrize("case", GRADIENTS)
@pytest.mark.parametrize("backend", EVERY)
def test_scratch_memory_is_never_touched(backend, case):
    f, reference = GRADIENTS[case]
    w = np.full(3, 7.0)
    p = ad.prepare_gradient(f, X + 1, ad.Cache(np.ones(3)), backend=backend)
    for _ in range(2):
        np.testing.assert_allclose(p(X, ad.Cache(w)), reference(X), rtol=0, atol=tolerance(backend))
    found = ad.gradient(f, X, ad.Cache(w), backend=backend)
    np.testing.assert_allclose(found, reference(X), rtol=0, atol=tolerance(backend))
    assert np.all(w == 7.0)


@pytest.mark.parametrize("backend", EXACTLY)
def test_scratch_memory_to_second_order(backend):
    _, reference = GRADIENTS["NumPy"]
    w, h = np.zeros(3), 1e-5
    central = [(reference(X + h * e) - reference(X - h * e)) / (2 * h) for e in np.eye(3)]
    found = ad.hessian(scratch, X, ad.Cache(w), backend=backend)
    np.testing.assert_allclose(found, central, rtol=1e-8, atol=1e-8)
    assert np.all(w == 0)


def test_scratch_memory_starts_from_what_the_array_holds():
    def f(x, w):
        w += x
        return np.sum(w * w)

    w = np.array([1.0, 2.0, 3.0])
    for backend in EVERY:
        found = ad.gradient(f, X, ad.Cache(w), backend=backend)
        np.testing.assert_allclose(found, 2 * (X + w), rtol=1e-6)
    assert w.tolist() == [1.0, 2.0, 3.0]


def test_scratch_memory_holds_complex_values():
    def f(z, w):
        w[:] = z * z
        return np.sum(np.abs(w) ** 2)

    z = X + 1j
    for backend in [name for name in EXACTLY if load(name).complex_inputs]:
        found = ad.gradient(f, z, ad.Cache(np.zeros(3)), backend=backend)
        np.testing.assert_allclose(found, 4 * np.abs(z) ** 2 * z, rtol=1e-13)


def test_scratch_memory_in_other_processes():
    backend = ad.FiniteDifferences()
    p = ad.prepare_gradient(scratch, X, ad.Cache(np.zeros(3)), backend=backend)
    remote, items = p._flat.remote([(X,), (2 * X,)], (np.zeros(3),))
    import pickle

    arrived = pickle.loads(pickle.dumps(remote))
    for item in items:
        assert arrived(item) == scratch(*item, np.zeros(3))


def test_scratch_memory_that_does_not_fit():
    with pytest.raises(ad.errors.ArgumentError, match="Cache"):
        ad.gradient(scratch, ad.Cache(X), np.zeros(3))
    with pytest.raises(ad.errors.InputTypeError, match="array of floats"):
        ad.gradient(scratch, X, ad.Cache(np.zeros(3, dtype=int)))
    p = ad.prepare_gradient(scratch, X, ad.Cache(np.zeros(3)))
    with pytest.raises(ad.errors.PreparationMismatchError, match="Cache of numpy"):
        p(X, np.zeros(3))
    with pytest.raises(ad.errors.PreparationMismatchError):
        p(X, ad.Cache(np.zeros(4)))
    assert "Cache of numpy float64[3]" in repr(p)
