"""Rules for functions of trees, and rules in Taylor mode: references are the same functions without rules."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import polyad as ad
from backends import EXACT
from polyad.errors import OperationNotSupportedError

X, V = np.array([0.4, 1.1, -0.7]), np.array([1.0, -2.0, 0.5])
BACKENDS = [name for name in EXACT if name != "sympy"]


@dataclasses.dataclass
class Parts:
    top: object
    rest: object


def written(p, scale):
    """A function of a dict and a number, with a tuple of an array and a dataclass as its result."""
    w, (b, c) = p["w"], p["more"]
    return w * b * scale, Parts(np.sum(w**2) * c, np.stack([b * c, b + scale]))


def compiled(p, scale):
    """The same, for plain arrays only."""
    assert all(type(a) in (np.ndarray, np.float64, float) for a in (p["w"], *p["more"], scale))
    return written(p, scale)


def pushed(p, scale, v):
    w, (b, c) = p["w"], p["more"]
    dp, ds = v
    dw, (db, dc) = dp["w"], dp["more"]
    moved = dw * b * scale + w * db * scale + w * b * ds
    return moved, Parts(2 * np.sum(w * dw) * c + np.sum(w**2) * dc, np.stack([db * c + b * dc, db + ds]))


def pulled(p, scale, w):
    a, (b, c) = p["w"], p["more"]
    whole, parts = w
    cotangents = {
        "w": whole * b * scale + parts.top * 2 * a * c,
        "more": [
            np.sum(whole * a) * scale + parts.rest[0] * c + parts.rest[1],
            parts.top * np.sum(a**2) + parts.rest[0] * b,
        ],
    }
    return cotangents, np.sum(whole * a) * b + parts.rest[1]


def like(p, scale):
    return p["w"], Parts(0.0, np.zeros(2))


RULES = {"jvp": {"jvp": pushed}, "vjp": {"vjp": pulled}, "both": {"jvp": pushed, "vjp": pulled}}


def cost(function, x):
    first, parts = function({"w": np.sin(x), "more": [x[0] * x[1], x[2]]}, x[1])
    return np.sum(first**2) * parts.top + np.sum(parts.rest**3)


# JAX compiles: once
CELLS = [(rules, name) for rules in RULES for name in BACKENDS if name != "jax" or rules == "vjp"]


@pytest.mark.parametrize(("rules", "backend"), CELLS)
def test_trees_in_and_out(rules, backend):
    f = ad.custom_rule(compiled, **RULES[rules], like=like)
    gradient = ad.prepare_gradient(lambda x: cost(f, x), X + 0.1, backend=backend)
    np.testing.assert_allclose(gradient(X), ad.gradient(lambda x: cost(written, x), X), rtol=1e-12)
    np.testing.assert_allclose(gradient(2 * X), ad.gradient(lambda x: cost(written, x), 2 * X), rtol=1e-12)
    if (rules == "vjp" and backend != "jax") or backend == "numpy":
        wanted = ad.hessian(lambda x: cost(written, x), X)
        np.testing.assert_allclose(ad.hessian(lambda x: cost(f, x), X, backend=backend), wanted, rtol=1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_rule_is_taken_and_not_the_function(backend):
    """A rule that is not the derivative tells which one was used."""
    f = ad.custom_rule(
        lambda p: {"y": p["x"] * 2}, vjp=lambda p, w: {"x": 10.0 * w["y"]}, like=lambda p: {"y": p["x"]}
    )
    np.testing.assert_array_equal(
        ad.gradient(lambda x: np.sum(f({"x": x})["y"]), X, backend=backend), [10] * 3
    )
    np.testing.assert_array_equal(f({"x": X})["y"], 2 * X)


@pytest.mark.parametrize("backend", ["jax", "torch", "autograd"])
def test_within_a_framework(backend):
    pytest.importorskip(backend)
    f = ad.custom_rule(
        lambda p: (np.array(p["x"]) ** 2, np.sum(p["x"])),
        vjp=lambda p, w: {"x": 2 * p["x"] * w[0] + w[1]},
        like=lambda p: (p["x"], 0.0),
    )

    def g(x):
        squares, total = f({"x": x})
        return squares.sum() * total

    if backend == "jax":
        import jax

        with jax.enable_x64(True):
            found = jax.jit(jax.grad(g))(jax.numpy.array(X))
    elif backend == "torch":
        import torch

        x = torch.tensor(X, requires_grad=True)
        (found,) = torch.autograd.grad(g(x), x)
    else:
        import autograd

        found = autograd.grad(g)(X)
    np.testing.assert_allclose(found, 2 * X * np.sum(X) + np.sum(X**2), rtol=1e-14)


def test_numbers_of_several_kinds_keep_them():
    """Constants in a tree may be whole numbers, and None is their cotangent; dtypes of parts stay."""

    def f(p):
        return {"a": p["x"].astype(np.float32)[p["k"]], "b": p["x"] ** 2}

    def back(p, w):
        given = np.zeros(3)
        given[p["k"]] += 1.0
        return {"x": given * w["a"][0] + 2 * p["x"] * w["b"], "k": None}

    ruled = ad.custom_rule(f, vjp=back)

    def kinds(x):
        found = ruled({"x": x, "k": np.array([1])})
        assert found["a"].dtype == np.float32 and found["b"].dtype == np.float64
        return found["a"][0] * 2.0 + np.sum(found["b"])

    np.testing.assert_allclose(ad.gradient(kinds, X), 2 * X + [0, 2, 0], rtol=1e-6)


def test_what_disagrees_is_refused():
    def taken(**rules):
        f = ad.custom_rule(lambda p: (p["x"] ** 2, p["x"][0]), **rules)
        return ad.jvp(lambda x: f({"x": x})[0], X, v=V, backend="numpy:forward")

    for rules, words in (
        ({"jvp": lambda p, v: 2 * p["x"] * v["x"]}, "disagree"),
        ({"jvp": lambda p, v: (2 * p["x"] * v["x"], v["x"])}, "disagree: leaves of shapes"),
        ({"vjp": lambda p, w: 2 * p["x"] * w[0]}, "for an argument"),
    ):
        with pytest.raises(OperationNotSupportedError, match=words):
            taken(**rules)
    hidden = ad.custom_rule(lambda x, scale=None: x, jvp=lambda x, v, scale=None: v)
    with pytest.raises(OperationNotSupportedError, match="keyword argument"):
        ad.gradient(lambda x: np.sum(hidden(X, scale={"a": x})), X)
    itself = ad.custom_rule(lambda a, b: np.array(b) / a, jvp=lambda a, b, v: itself(a, v[1]))
    with pytest.raises(OperationNotSupportedError, match="calls itself"):
        ad.gradient(lambda x: np.sum(itself(2.0, x)), X)
    np.testing.assert_array_equal(ad.jvp(lambda x: itself(2.0, x), X, v=V, backend="numpy:forward"), V / 2)


# -- Taylor mode --------------------------------------------------------------------------------------------

A = np.array([[2.0, 0.3, 0.1], [0.2, 1.5, -0.4], [0.0, 0.6, 3.0]])


def solve_jvp(a, b, v):
    return np.linalg.solve(a, v[1] - v[0] @ np.linalg.solve(a, b))


def solve_vjp(a, b, w):
    g = np.linalg.solve(a.T, w)
    return -np.outer(g, np.linalg.solve(a, b)), g


@pytest.mark.parametrize("rules", [{"jvp": solve_jvp}, {"vjp": solve_vjp}])
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name in ("numpy", "torch")])
def test_taylor_coefficients_follow_from_a_rule(rules, backend):
    order = 6 if backend == "numpy" else 3
    solve = ad.custom_rule(lambda a, b: np.linalg.inv(a) @ b, **rules, like=lambda a, b: b)

    def coefficients(solve):
        def f(x):
            return np.sum(np.sin(solve(A + np.outer(x, x), x * x)))

        return ad.taylor(f, X, v=V, order=order, backend=backend if solve is ruled else "numpy")

    ruled = solve
    np.testing.assert_allclose(coefficients(ruled), coefficients(np.linalg.solve), rtol=1e-12)


def test_taylor_coefficients_of_rules_that_differentiate():
    """In a rule stands what it stands for, the function itself, or a derivative of it."""
    exp = ad.custom_rule(lambda x: np.exp(np.array(x)), vjp=lambda x, w: exp(x) * w)
    sinh = ad.define(np.vectorize(np.sinh), lambda x: ad.gradient(lambda y: np.sum(np.sinh(y)), x))
    trees = ad.custom_rule(lambda p: [np.array(p[0]) ** 3], jvp=lambda p, v: [3 * p[0] ** 2 * v[0]])
    for f, g in ((exp, np.exp), (sinh, np.sinh), (lambda x: trees([x])[0], lambda x: x**3)):
        found, wanted = (ad.taylor(lambda x, h=h: np.sum(h(x) * x), X, v=V, order=5) for h in (f, g))
        np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_derivatives_inside_of_integrals_and_equations_have_taylor_coefficients():
    """An expansion goes through what the integrand and the right-hand side differentiate themselves."""

    def integral(a):
        return ad.integrate.quad(lambda t: ad.derivative(lambda s: np.sin(a * s) * a**2, t), 0, 1)[0]

    def flow(a):
        def rhs(t, y):
            return ad.gradient(lambda z: np.sum(a**2 * z**2 / 2), y)

        return ad.integrate.solve_ivp(rhs, (0, 1), np.ones(1), t_eval=[1.0], rtol=1e-9, atol=1e-9).y[0, 0]

    for f, g, tolerance in (
        (integral, lambda a: np.sin(a) * a**2, 1e-10),
        (flow, lambda a: np.exp(a**2), 1e-7),
    ):
        found, wanted = (ad.taylor(h, 0.7, v=1.0, order=3) for h in (f, g))
        np.testing.assert_allclose(found, wanted, rtol=tolerance)
