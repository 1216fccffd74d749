"""Long programs: what their preparation costs is counted in calls of Python functions, not timed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import polyad as ad
from polyad.systems.casadi import program as casadi_program

COMPILED = ad.NumPy(compile=True)


def steps(count):
    """A loop on numbers, and its gradient by the chain rule."""

    def f(x):
        a, b = x[0], x[1]
        for _ in range(count):
            a, b = a + 0.001 * np.sin(b), b - 0.001 * a
        return a * a + b

    def gradient(x):
        a, b, jacobian = x[0], x[1], np.eye(2)
        for _ in range(count):
            jacobian = np.array([[1.0, 0.001 * np.cos(b)], [-0.001, 1.0]]) @ jacobian
            a, b = a + 0.001 * np.sin(b), b - 0.001 * a
        return np.array([2 * a, 1.0]) @ jacobian

    return f, gradient


def calls(run):
    """How many functions of Python a call calls."""
    found = 0

    def count(frame, event, argument):
        nonlocal found
        found += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(before)
    return found


@pytest.mark.parametrize("backend", [COMPILED, "casadi"], ids=["compiled", "casadi"])
def test_preparation_is_linear_in_the_length_of_the_program(backend):
    if backend == "casadi":
        pytest.importorskip("casadi")
    x = np.array([0.5, 0.3])
    ad.prepare_gradient(steps(300)[0], x, backend=backend)  # imports
    short = calls(lambda: ad.prepare_gradient(steps(400)[0], x, backend=backend))
    long = calls(lambda: ad.prepare_gradient(steps(1600)[0], x, backend=backend))
    assert long < 4.2 * short


@pytest.mark.parametrize("backend", [COMPILED, "casadi"], ids=["compiled", "casadi"])
def test_a_long_loop_on_numbers(backend):
    if backend == "casadi":
        pytest.importorskip("casadi")
    f, gradient = steps(2000)
    prepared = ad.prepare_gradient(f, np.array([0.1, 0.2]), backend=backend)
    for x in (np.array([0.5, 0.3]), np.array([-1.0, 2.0])):
        np.testing.assert_allclose(prepared(x), gradient(x), rtol=1e-10)


def chain(count):
    def f(x):
        y = x
        for _ in range(count):
            y = y + 0.001 * np.sin(y)
        return np.sum(y)

    return f


def test_casadi_gives_scalar_expressions_of_wide_arrays_up_early(monkeypatch):
    """Of each of 200 operations on 1000 entries a node was made, before matrix expressions were."""
    casadi = pytest.importorskip("casadi")
    kinds = []
    original = casadi_program.CasADiGraph.__init__

    def init(self, *args):
        original(self, *args)
        kinds.append((args[-1], self.instructions))

    monkeypatch.setattr(casadi_program.CasADiGraph, "__init__", init)
    x = np.linspace(0.0, 1.0, 1000)
    found = ad.prepare_gradient(chain(200), x, backend="casadi")(x)
    assert [kind for kind, _ in kinds] == [casadi.MX]
    expected = np.ones(1000)
    y = x
    for _ in range(200):
        expected, y = expected * (1 + 0.001 * np.cos(y)), y + 0.001 * np.sin(y)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_casadi_keeps_to_scalar_expressions_of_scalar_code(monkeypatch):
    """The function of a long loop on numbers is lifted once."""
    casadi = pytest.importorskip("casadi")
    kinds = []
    original = casadi_program.CasADiGraph.__init__

    def init(self, *args):
        original(self, *args)
        kinds.append(args[-1])

    monkeypatch.setattr(casadi_program.CasADiGraph, "__init__", init)
    ad.prepare_gradient(steps(500)[0], np.array([0.5, 0.3]), backend="casadi")
    assert kinds == [casadi.SX]


def test_casadi_takes_scalar_expressions_where_a_small_part_of_wide_arrays_matters():
    """The last entry only: matrix expressions would compute all."""
    pytest.importorskip("casadi")

    def f(x):
        y = x
        for _ in range(100):
            y = y + 0.001 * np.sin(y)
        return y[-1]

    x = np.linspace(0.0, 1.0, 1000)
    prepared = ad.prepare_gradient(f, x, backend="casadi")
    y, slope = x[-1], 1.0
    for _ in range(100):
        slope, y = slope * (1 + 0.001 * np.cos(y)), y + 0.001 * np.sin(y)
    np.testing.assert_allclose(prepared(x), np.append(np.zeros(999), slope), rtol=1e-12)


def test_wide_arrays_do_not_become_numbers_first(monkeypatch):
    """The compiled engine does not write a million numbers down to find that arrays are faster."""
    from polyad.engine.programs import code

    def refused(*args):
        raise AssertionError("a graph of numbers was begun")

    monkeypatch.setattr(code, "ScalarGraph", refused)
    x = np.linspace(0.0, 1.0, 1000)
    found = ad.prepare_gradient(chain(20), x, backend=COMPILED)(x)
    expected, y = np.ones(1000), x
    for _ in range(20):
        expected, y = expected * (1 + 0.001 * np.cos(y)), y + 0.001 * np.sin(y)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "autograd", "casadi", "sympy", "finite"])
def test_a_batch_may_have_another_number_of_directions_than_the_example(backend: str) -> None:
    if backend not in ("numpy", "finite"):
        pytest.importorskip(backend)
    f = lambda x: np.stack([x[0] * x[1], np.sin(x[2]), x[1] ** 2, x[0] + 3.0 * x[2]])  # noqa: E731
    g = lambda x: np.sum(x**3) + x[0] * x[1] * x[2]  # noqa: E731
    a, b, c = x = np.array([0.3, -0.7, 1.1])
    J = np.array([[b, a, 0], [0, 0, np.cos(c)], [0, 2 * b, 0], [1, 0, 3]])
    H = np.diag(6 * x) + np.array([[0, c, b], [c, 0, a], [b, a, 0]])
    for prepare, h, name, n, expected in (
        (ad.prepare_jvp, f, "v", 3, J.T),
        (ad.prepare_vjp, f, "w", 4, J),
        (ad.prepare_hvp, g, "v", 3, H),
    ):
        p = prepare(h, x, **{name: np.eye(n)[:2]}, batched=True, backend=backend)
        for k in (n, 1, 2):
            for found in (p(x, **{name: np.eye(n)[:k]}), p.value_and(x, **{name: np.eye(n)[:k]})[-1]):
                assert found.shape == expected[:k].shape
                np.testing.assert_allclose(found, expected[:k], rtol=1e-5, atol=1e-5)
