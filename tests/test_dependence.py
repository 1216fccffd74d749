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


# -- a number found by looking, beside a derivative ------------------------------------------------------


def root_of_each(a: Any) -> Any:
    """As ``cube_root``, for arrays, without a branch."""
    low, high = np.zeros(2), np.full(2, 5.0)
    for _ in range(45):
        middle = (low + high) / 2
        above = middle**3 > a
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    return low


def untraced(a: Any, digits: int = 40) -> Any:
    """The same by adding halves, weighted by what a comparison says."""
    root = 0.0
    for k in range(digits):
        step = 4 * 0.5**k
        root = root + step * float((root + step) ** 3 <= a)
    return root


MISSED = r"compares its input many|not have|compiled|drop the deriv|traced JAX"
MIXED = {
    "bisection": lambda x: x[0] * cube_root(x[0]) + x[1],
    "of arrays": lambda x: np.sum(x * root_of_each(x)),
    "of halves": lambda x: np.sin(x[0]) * untraced(x[0]) + x[1],
    "digits cut off": lambda x: np.sum(x * np.round(x, 8)),
    "rounded down": lambda x: np.sum(x * np.floor(x * 1e7) / 1e7),
}


@pytest.mark.parametrize("backend", BY_VALUE)
@pytest.mark.parametrize("case", MIXED)
def test_a_number_found_by_looking_beside_a_derivative(case: str, backend: Any) -> None:
    f, x = MIXED[case], np.array([2.0, 1.5])
    calls = [
        lambda: ad.gradient(f, x, backend=backend),
        lambda: ad.prepare_gradient(f, x, backend=backend),
        lambda: ad.value_and_gradient(f, x, backend=backend),
        lambda: ad.jacobian(lambda x: np.stack([x[1], f(x)]), x, backend=backend),
        lambda: ad.jvp(f, x, v=np.array([1e-3, 0.0]), backend=backend),
        lambda: ad.vjp(f, x, w=3.0, backend=backend),
        lambda: ad.derivative(lambda a: f(a * x), 1.0, backend=backend),
        lambda: ad.value_gradient_and_hessian(f, x, backend=backend),
        lambda: ad.hvp(f, x, v=x, backend=backend),
    ]
    # JAX compiles each operation of each call, for seconds
    for call in calls[: 2 if backend == "jax" else None]:
        with pytest.raises(FunctionNotSupportedError, match=MISSED):
            call()


def newton(a: Any) -> Any:
    y, step = a, 1.0
    while abs(step) > 1e-10:
        step = (y**3 - a) / (3 * y * y)
        y = y - step
    return y


def adaptive(x: Any) -> Any:
    """Heun's method with steps that its error decides."""
    t, h, y = 0.0, 0.1, x[0]
    while t < 1.0:
        h = min(h, 1.0 - t)
        slope = x[1] * y
        euler = y + h * slope
        heun = y + h / 2 * (slope + x[1] * euler)
        error = abs(heun - euler)
        if error < 1e-3:
            t, y = t + h, heun
        h = h * 1.3 if error < 2e-4 else h * 0.7
        if h < 1e-9:
            break
    return y


def bubbles(x: Any) -> Any:
    y = [x[k] for k in range(len(x))]
    for _ in y:
        for k in range(len(y) - 1):
            if y[k] > y[k + 1]:
                y[k], y[k + 1] = y[k + 1], y[k]
    return sum((k + 1.0) * y[k] for k in range(len(y)))


def kinks(x: Any) -> Any:
    for k in range(30):
        x = np.where(x > 0.0, x, -0.5 * x) + 1e-3 * k * x
    return np.sum(x)


def cells(x: Any) -> Any:
    """Between the nodes of a table, its place by rounding."""
    table, total = np.cos(np.linspace(0.0, 4.0, 401)), 0.0
    for k in range(len(x)):
        place = int(np.floor(x[k] * 100))
        part = x[k] * 100 - place
        total = total + (1 - part) * table[place] + part * table[place + 1]
    return total


def rounded_outside(x: Any) -> Any:
    y = np.array(3e6) + np.floor(x[0] * 2.0**18) * 2.0**-18 - ad.stop_gradient(x[0])
    return y * 0 + np.sum(x * x)


RIGHT = {
    "newton": lambda x: x[0] * newton(x[0]),
    "adaptive steps": adaptive,
    "sort by hand": bubbles,
    "kinks at the point": lambda x: kinks(x - np.array([2.0, 1.5])),
    "kinks beside the point": lambda x: kinks(x - np.array([1.99999, 1.50003])),
    "cells of a table": cells,
    "interp": lambda x: np.sum(np.interp(x, np.linspace(0, 4, 2000), np.sin(np.linspace(0, 4, 2000)))),
    "rounded away": rounded_outside,
    "on purpose": lambda x: x[0] * cube_root(ad.stop_gradient(x[0])) + x[1],
    "defined": lambda x: x[0] * ROOTED(x[0]) + x[1],
    "straight through": lambda x: np.sum(x * THROUGH(x * 1e7)) + 0 * cube_root(x[0]),
}
ROOTED = ad.define(cube_root, lambda y: 1 / (3 * y**2), name="rooted")
THROUGH = ad.define(lambda x: np.round(x) / 1e7, lambda x: 1e-7 + 0 * x, name="straight through")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "backend", ["numpy:forward", "numpy:reverse", *[b for b in BY_VALUE if b == "torch"]]
)
@pytest.mark.parametrize("case", RIGHT)
def test_code_with_many_branches_that_loses_nothing_passes(case: str, backend: Any) -> None:
    f, x = RIGHT[case], np.array([2.0, 1.5])
    if (case, backend) == ("cells of a table", "torch"):
        pytest.skip("an integer of an array that may be differentiated is refused")
    slope = ad.gradient(f, x, backend=backend)
    assert np.array_equal(ad.prepare_gradient(f, x, backend=backend)(x), slope)
    assert np.isfinite(slope).all()
    assert slope.any()
