"""A derivative that is zero because the function only looks at its input is refused."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import polyad as ad
from backends import AVAILABLE
from polyad.errors import DependenceError, FunctionNotSupportedError

BY_VALUE = [
    *("numpy:forward", "numpy:reverse", ad.NumPy(compile=True)),
    *(name for name in ("torch", "autograd", "jax") if name in AVAILABLE),
]


TOLD = r"is zero, but its value changes.*finite.*stop_grad"


def cube_root(a: Any) -> Any:
    """By bisection: the input decides branches, and nothing else."""
    low, high = 0.0, 5.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        if middle**3 - a > 0:
            high = middle
        else:
            low = middle
    return (low + high) / 2


@pytest.mark.parametrize("backend", BY_VALUE)
def test_a_result_that_depends_on_the_input_through_branches_only(backend: Any) -> None:
    at = np.array([2.0])
    calls = [
        lambda: ad.derivative(cube_root, 2.0, backend=backend),
        lambda: ad.value_and_gradient(lambda x: cube_root(x[0]), at, backend=backend),
        lambda: ad.jacobian(
            lambda x: np.stack([x[0] * 1.0, cube_root(x[0]) + 0 * x[0]]), at, backend=backend
        ),
        lambda: ad.jvp(lambda x: cube_root(x[0]), at, v=1e-3 * at, backend=backend),
        lambda: ad.vjp(lambda x: cube_root(x[0]), at, w=3.0, backend=backend),
        lambda: ad.hvp(lambda x: cube_root(x[0]), at, v=at, backend=backend),
        lambda: ad.value_gradient_and_hessian(lambda x: cube_root(x[0]), at, backend=backend),
    ]
    refused = 0
    for call in calls:
        with pytest.raises(FunctionNotSupportedError) as caught:
            call()
        if not isinstance(caught.value, DependenceError):  # torch, of a second derivative of a plain number
            refused += 1
            continue
        assert re.search(TOLD, str(caught.value))
    assert refused <= (2 if backend == "torch" else 0)


@pytest.mark.parametrize("backend", BY_VALUE)
def test_the_remedies_work(backend: Any) -> None:
    assert abs(ad.derivative(cube_root, 2.0, backend="finite") - 1 / (3 * 2 ** (2 / 3))) < 1e-6
    rooted = ad.define(cube_root, lambda y: 1 / (3 * y**2))
    assert abs(ad.derivative(rooted, 2.0, backend=backend) - 1 / (3 * 2 ** (2 / 3))) < 1e-9
    assert ad.derivative(lambda a: cube_root(ad.stop_gradient(a)), 2.0, backend=backend) == 0


@pytest.mark.parametrize("backend", ["numpy:forward", "numpy:reverse"])
def test_it_is_told_of_at_preparation(backend: Any) -> None:
    with pytest.raises(DependenceError, match="derivative of cube_root"):
        ad.prepare_derivative(cube_root, 2.0, backend=backend)


def test_only_the_argument_that_is_lost_is_told_of() -> None:
    def f(p: Any) -> Any:
        return p["a"] ** 2 * cube_root(p["b"])

    with pytest.raises(DependenceError):
        ad.gradient(f, {"a": 1.5, "b": 2.0})
    assert abs(ad.gradient(lambda a, b: f({"a": a, "b": b}), 1.5, 2.0) - 3 * 2 ** (1 / 3)) < 1e-9


@pytest.mark.parametrize("backend", BY_VALUE)
def test_zeros_that_are_zeros_pass(backend: Any) -> None:
    functions = {
        "stationary": (lambda x: np.sum(x * x), np.zeros(2)),
        "third power": (lambda x: np.sum(x**3), np.zeros(2)),
        "kink": (lambda x: np.sum(np.maximum(x, -x)), np.zeros(2)),
        "steps": (lambda x: np.sum(np.floor(x)) + np.sum(x > 0) * 1.0, np.array([0.0, 1.5])),
        "constant": (lambda x: np.sum(0 * x) + 3.0, np.array([0.3, 1.5])),
        "stopped": (lambda x: np.sum(ad.stop_gradient(x) ** 2), np.array([0.3, 1.5])),
        "flat branch": (lambda x: x[0] * 2 if x[1] > 3 else 0.5 + 0 * x[0], np.array([0.3, 1.5])),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, (f, x) in functions.items():
            assert not ad.gradient(f, x, backend=backend).any(), name
    # a direction of zeros says nothing
    assert ad.jvp(lambda x: np.sum(x), np.ones(2), v=np.zeros(2), backend=backend) == 0


@pytest.mark.parametrize("backend", BY_VALUE)
def test_the_filters_of_other_threads_are_left_alone(backend: Any) -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.append(list(warnings.filters))
        return cube_root(x[0])

    with pytest.raises(DependenceError):
        ad.gradient(f, np.array([2.0]), backend=backend)
    assert len(seen) > 4  # beside the point too
    assert all(filters == seen[0] for filters in seen)


@pytest.mark.filterwarnings("error")
def test_complex_values_are_looked_at_in_both_parts() -> None:
    with pytest.raises(DependenceError):
        ad.jvp(lambda x: 1j * cube_root(x[0]) + 0 * x, np.array([2.0]), v=np.ones(1), backend="numpy")


@pytest.mark.skipif("sympy" not in AVAILABLE, reason="not installed")
@pytest.mark.filterwarnings("error")
def test_what_warns_of_counts_is_not_run_to_find_its_dtype() -> None:
    g = ad.gradient(lambda p: np.sum(sp.bdtr(np.array([1, 2]), 5, p)), np.array([0.3, 0.4]), backend="sympy")
    assert np.allclose(g, [-5 * 4 * 0.3 * 0.7**3, -5 * 6 * 0.4**2 * 0.6**2])
