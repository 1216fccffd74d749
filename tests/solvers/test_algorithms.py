"""The algorithms among the examples, on every backend that can: what they find is known otherwise."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyad as ad

PLACE = Path(__file__).parents[2] / "examples" / "algorithms"
BACKENDS = ["numpy", "jax", "torch", "autograd", "casadi", "sympy", "finite"]
EXACT = BACKENDS[:-1]


def example(name: str) -> Any:
    """A module of the examples."""
    spec = importlib.util.spec_from_file_location(f"algorithms_{name}", PLACE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


roots, minima, fits = example("roots"), example("minima"), example("fits")
odes, networks = example("odes"), example("networks")


@pytest.mark.parametrize("backend", BACKENDS)
def test_newton_raphson_and_newton_krylov(backend: str) -> None:
    """Bratu's problem by SciPy alone."""
    from scipy.optimize import fsolve

    n = 6
    expected = fsolve(roots.bratu, np.zeros(n), args=(1.0,), xtol=1e-13)
    for solve in (roots.newton_raphson, roots.newton_krylov):
        np.testing.assert_allclose(solve(roots.bratu, np.zeros(n), 1.0, backend=backend), expected, atol=1e-8)


@pytest.mark.parametrize("backend", BACKENDS)
def test_adam(backend: str) -> None:
    """It goes along with Adam whose gradient is written by hand."""

    def f(x: Any) -> Any:
        return np.sum((x - np.array([1.0, 2.0])) ** 2)

    found = minima.adam(f, np.zeros(2), backend=backend, steps=20)
    m, v, x = np.zeros(2), np.zeros(2), np.zeros(2)
    for k in range(1, 21):
        g = 2 * (x - [1.0, 2.0])
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        x = x - 0.05 * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
    np.testing.assert_allclose(found, x, rtol=1e-6)


@pytest.mark.parametrize("backend", EXACT)
def test_newton_finds_the_end_of_the_valley(backend: str) -> None:
    found = minima.newton(minima.rosenbrock, np.array([-1.2, 1.0]), backend=backend)
    np.testing.assert_allclose(found, 1, atol=1e-8)


@pytest.mark.parametrize("backend", EXACT)
def test_saddle_free_newton_leaves_the_saddle(backend: str) -> None:
    found = minima.saddle_free(minima.saddle, np.array([1.0, 1e-6]), backend=backend)
    np.testing.assert_allclose(np.abs(found), [0, 1], atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_least_squares_and_the_most_probable(backend: str) -> None:
    from scipy.optimize import least_squares

    t = np.linspace(0, 3, 8)
    y = 2.5 * np.exp(-1.3 * t) + 0.05 * np.sin(17 * t)
    start = np.array([1.0, 0.5])
    expected = least_squares(fits.decay, start, args=(t, y), xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    for solve in (fits.levenberg_marquardt, fits.gauss_newton):
        np.testing.assert_allclose(solve(fits.decay, start, t, y, backend=backend), expected, atol=1e-6)
    if backend != "finite":
        p, covariance = fits.most_probable(fits.log_posterior, start, t, y, backend=backend)
        # the prior is one more residual for each parameter
        whole = lambda p: np.concatenate([fits.decay(p, t, y) / 0.1, p / 10])  # noqa: E731
        best = least_squares(whole, start, xtol=1e-14, ftol=1e-14, gtol=1e-14).x
        np.testing.assert_allclose(p, best, atol=1e-6)
        a, b = best
        J = np.stack([np.exp(-b * t), -a * t * np.exp(-b * t)]) / 0.1
        second = np.array([[0 * t, -t * np.exp(-b * t)], [-t * np.exp(-b * t), a * t**2 * np.exp(-b * t)]])
        H = J @ J.T + second @ (fits.decay(best, t, y) / 0.01) + np.eye(2) / 100
        np.testing.assert_allclose(covariance, np.linalg.inv(H), rtol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_jacobian_of_the_brusselator_is_sparse(backend: str) -> None:
    from scipy.integrate import solve_ivp

    n = 6
    y0 = np.concatenate([1 + np.sin(np.arange(n)), np.full(n, 3.0)])
    found = odes.stiff(odes.brusselator, y0, 0.5, backend=backend)
    expected = solve_ivp(odes.brusselator, (0, 0.5), y0, method="Radau", rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.y[:, -1], expected.y[:, -1], rtol=1e-4)
    assert found.njev < 10
    J = ad.jacobian(odes.brusselator, 0.0, y0, argnums=1, backend=ad.Sparse(backend))
    assert J.nnz == 2 * n * 4


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "autograd", "casadi"])
def test_sensitivities_both_ways(backend: str) -> None:
    """Against differences of the solution itself."""
    from scipy.integrate import solve_ivp

    y0, p, w, end = np.array([1.0, 0.5]), np.array([1.1, 0.8, 0.6]), np.array([1.0, 2.0]), 0.7

    def solution(p: Any) -> Any:
        return solve_ivp(odes.rabbits, (0, end), y0, args=(p,), rtol=1e-11, atol=1e-12).y[:, -1]

    h = 1e-4
    steps = [solution(p + h * e) - solution(p - h * e) for e in np.eye(3)]
    expected = np.stack(steps, axis=1) / (2 * h)
    forward = odes.forward_sensitivities(odes.rabbits, y0, p, end, backend=backend)
    np.testing.assert_allclose(forward, expected, atol=1e-6)
    adjoint = odes.adjoint_sensitivities(odes.rabbits, y0, p, end, w, backend=backend)
    np.testing.assert_allclose(adjoint, w @ expected, atol=1e-6)


def test_networks_of_all_frameworks_are_trained_alike() -> None:
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    import optree

    parts = networks.start(units=4)
    _, expected = networks.trained(networks.loss, *parts, backend="finite", steps=15)
    assert expected[-1] < expected[0] / 2
    for backend in ("numpy", "autograd", "jax", "torch"):
        losses = networks.trained(networks.loss, *parts, backend=backend, steps=15)[1]
        np.testing.assert_allclose(losses, expected, rtol=1e-5)
    tensors = [optree.tree_map(torch.from_numpy, a) for a in parts]
    p, losses = networks.trained(networks.loss, *tensors, steps=15)
    assert isinstance(p["in"], torch.Tensor)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    with jax.enable_x64(True):
        arrays = [optree.tree_map(jax.numpy.asarray, a) for a in parts]
        p, losses = networks.trained(networks.loss, *arrays, steps=15)
    assert isinstance(p["in"], jax.Array)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_every_algorithm_is_in_the_list() -> None:
    text = (PLACE / "README.md").read_text()
    assert all(path.name in text for path in PLACE.glob("*.py"))
