"""``custom_rule``: one rule in NumPy, taken by every backend, to the second order; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import polyad as ad
from backends import EXACT
from polyad.errors import ArgumentError, FunctionNotSupportedError, OperationNotSupportedError

X = np.array([0.4, 1.1, -0.7])
A = np.array([[2.0, 0.3, 0.1], [0.2, 1.5, -0.4], [0.0, 0.6, 3.0]])


def solve_compiled(a, b):
    """A stand-in for compiled code: it takes plain arrays only."""
    assert type(a) is np.ndarray and type(b) is np.ndarray
    return np.linalg.inv(a) @ b


def solve_jvp(a, b, v):
    da, db = v
    return np.linalg.solve(a, db - da @ np.linalg.solve(a, b))


def solve_vjp(a, b, w):
    g = np.linalg.solve(a.T, w)
    return -np.outer(g, np.linalg.solve(a, b)), g


def plain(x):
    return np.sum(np.sin(np.linalg.solve(A + np.outer(x, x), x * x)))


RULES = {"jvp": {"jvp": solve_jvp}, "vjp": {"vjp": solve_vjp}, "both": {"jvp": solve_jvp, "vjp": solve_vjp}}
BACKENDS = [name for name in EXACT if name != "sympy"]
MODES = ["torch:forward", "numpy:forward"]
needs_torch = pytest.mark.skipif("torch" not in EXACT, reason="torch is not installed")


@pytest.mark.parametrize("backend", [*BACKENDS, *(m for m in MODES if m.split(":")[0] in EXACT)])
@pytest.mark.parametrize("rules", RULES)
def test_every_backend_takes_the_rule(rules, backend):
    if backend == "jax" and rules != "vjp":  # compiles: once
        backend = ad.JAX(jit=False)
    solve = ad.custom_rule(solve_compiled, **RULES[rules], like=lambda a, b: b)

    def f(x):
        return np.sum(np.sin(solve(A + np.outer(x, x), x * x)))

    gradient = ad.prepare_gradient(f, X + 0.1, backend=backend)
    np.testing.assert_allclose(gradient(X), ad.gradient(plain, X), rtol=1e-12)
    np.testing.assert_allclose(gradient(2 * X), ad.gradient(plain, 2 * X), rtol=1e-12)
    np.testing.assert_allclose(ad.hessian(f, X, backend=backend), ad.hessian(plain, X), rtol=1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_rule_is_taken_and_not_the_function(backend):
    """A rule that is not the derivative tells which one was used."""

    @ad.custom_rule(vjp=lambda x, w: 10.0 * w, like=X)
    def f(x):
        return x * x

    np.testing.assert_array_equal(ad.gradient(lambda x: np.sum(f(x)), X, backend=backend), [10, 10, 10])
    np.testing.assert_array_equal(ad.jvp(f, X, v=X, backend=backend), 10 * X)
    np.testing.assert_array_equal(f(X), X * X)


def test_without_a_form_jax_lets_its_arrays_run_through():
    pytest.importorskip("jax")
    by_numpy = ad.custom_rule(lambda x: np.cumsum(x), vjp=lambda x, w: 5 * np.cumsum(w[::-1])[::-1])
    np.testing.assert_array_equal(ad.gradient(lambda x: np.sum(by_numpy(x)), X, backend="jax"), [15, 10, 5])
    compiled = ad.custom_rule(lambda x: np.frombuffer(x.tobytes()), vjp=lambda x, w: w)
    with pytest.raises(FunctionNotSupportedError):
        ad.prepare_gradient(lambda x: np.sum(compiled(x)), X, backend="jax")
    eager = ad.JAX(jit=False)
    np.testing.assert_array_equal(ad.gradient(lambda x: np.sum(compiled(x)), X, backend=eager), [1, 1, 1])


@pytest.mark.parametrize("backend", ["jax", "torch", "autograd"])
def test_within_a_framework(backend):
    pytest.importorskip(backend)
    f = ad.custom_rule(lambda x: np.array(x) ** 2, vjp=lambda x, w: 2 * x * w, like=lambda x: x)
    if backend == "jax":
        import jax

        with jax.enable_x64(True):
            found = jax.jit(jax.grad(lambda x: f(x).sum()))(jax.numpy.array(X))
            rows = jax.vmap(jax.grad(lambda x: f(x).sum()))(jax.numpy.array([X, 2 * X]))
    elif backend == "torch":
        import torch

        x = torch.tensor(X, requires_grad=True)
        (found,) = torch.autograd.grad(f(x).sum(), x)
        rows = torch.func.vmap(torch.func.grad(lambda x: f(x).sum()))(torch.tensor(np.array([X, 2 * X])))
    else:
        import autograd

        found = autograd.grad(lambda x: f(x).sum())(X)
        rows = np.array([2 * X, 4 * X])
    np.testing.assert_allclose(found, 2 * X, rtol=1e-15)
    np.testing.assert_allclose(rows, [2 * X, 4 * X], rtol=1e-15)


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "casadi"])
def test_a_captured_active_value_is_not_dropped(backend):
    def f(x):
        return np.sum(ad.custom_rule(lambda t: t * x, vjp=lambda t, w: w * x, like=X)(np.ones(3) * x[0]))

    with pytest.raises(
        (FunctionNotSupportedError, OperationNotSupportedError), match=r"around itself|finished"
    ):
        ad.gradient(f, X, backend=backend)


@needs_torch
def test_forward_mode_within_forward_mode_of_torch():
    """Where torch turns forward mode off, the outer level would get zeros."""
    import torch

    from polyad.engine import run

    f = ad.custom_rule(lambda x: np.array(x) ** 3, jvp=lambda x, v: 3 * x**2 * v, like=lambda x: x)
    m = torch.tensor(A + A.T)
    functions = {
        "rule": (lambda x: f(x).sum(), np.diag(6 * X)),
        "table": (
            lambda x: run.unlift(np.linalg.eigvalsh(run.lift("torch", m + torch.diag(x)))[0] ** 3),
            None,
        ),
    }
    for g, wanted in functions.values():
        if wanted is None:
            wanted = torch.func.hessian(g)(torch.tensor(X))
        twice = torch.func.jacfwd(torch.func.jacfwd(g))(torch.tensor(X))
        np.testing.assert_allclose(twice, wanted, rtol=1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_constants_have_no_cotangent(backend):
    """Whole numbers and captured arrays reach the rule as they are, and None is enough for them."""
    index, scale = np.array([0, 2]), np.array([3.0, -1.0])
    f = ad.custom_rule(
        lambda x, k, s: np.array(x)[k] ** 2 * s,
        vjp=lambda x, k, s, w: (np.eye(3)[k].T @ (2 * x[k] * s * w), None, None),
        like=scale,
    )
    found = ad.hessian(lambda x: np.sum(f(x, index, scale) ** 2), X, backend=backend)
    np.testing.assert_allclose(found, np.diag([12 * 9 * X[0] ** 2, 0, 12 * X[2] ** 2]), rtol=1e-12)
    with pytest.raises(OperationNotSupportedError, match="None for an argument that is differentiated"):
        ad.gradient(lambda x: np.sum(f(x, index, x[:2])), X, backend=backend)


def test_a_function_that_writes_to_its_argument_writes_to_a_copy():
    f = ad.custom_rule(lambda x: np.multiply(x, 2, out=x), vjp=lambda x, w: 2 * w)
    x = X.copy()
    for backend in ("numpy", "finite"):
        np.testing.assert_allclose(
            ad.gradient(lambda x: np.sum(f(x) * x), x, backend=backend), 4 * X, rtol=1e-6
        )
    np.testing.assert_array_equal(f(x), 2 * X)
    np.testing.assert_array_equal(x, X)


def test_what_is_wrong():
    for call in (
        lambda: ad.custom_rule(np.sin, jvp=lambda x, v: v),
        lambda: ad.custom_rule(lambda x: x),
        lambda: ad.custom_rule(3, jvp=lambda x, v: v),
        lambda: ad.custom_rule(lambda x: x, jvp=lambda x: x),
    ):
        with pytest.raises(ArgumentError):
            call()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mode", ["jvp", "vjp"])
def test_a_rule_may_choose_in_its_direction(mode, backend):
    """What is masked in a tangent is masked in the transposed rule, which JAX could not transpose."""

    def choice(x, v):
        return np.where(x <= 1, v, v / np.sqrt(np.where(x <= 1, 1.0, x)))

    by_rule = {"jvp": lambda x, v: choice(x, v), "vjp": lambda x, w: choice(x, w)}
    f = ad.custom_rule(
        lambda x: np.where(x <= 1, x, 2 * np.sqrt(abs(x)) - 1), like=X, **{mode: by_rule[mode]}
    )
    backend = ad.JAX(jit=False) if backend == "jax" else backend
    x = np.array([0.3, 2.0, 4.0])
    found = ad.gradient(lambda x: np.sum(f(x)), x, backend=backend)
    np.testing.assert_allclose(found, [1.0, np.sqrt(0.5), 0.5], rtol=1e-14)


NOT_LINEAR = {
    "jvp of a size": {"jvp": lambda x, v: np.cos(x) * np.abs(v)},
    "jvp with a term": {"jvp": lambda x, v: np.cos(x) * v + 1.0},
    "vjp of a square": {"vjp": lambda x, w: np.cos(x) * w**2},
}


@pytest.mark.parametrize("backend", [*BACKENDS, "numpy:forward"])
@pytest.mark.parametrize("name", NOT_LINEAR)
def test_a_rule_that_is_not_linear_is_told(name, backend):
    rules = NOT_LINEAR[name]
    sine = ad.custom_rule(lambda x: np.array([np.sin(t) for t in x]), **rules, like=lambda x: x)
    for _ in range(2):  # not only the first time
        with pytest.raises(OperationNotSupportedError, match=rf"the {name[:3]} of .* is not linear in [vw]"):
            ad.gradient(lambda x: np.sum(sine(x)), X, backend=backend)
    with pytest.raises(OperationNotSupportedError, match="is not linear"):
        ad.jvp(sine, X, v=np.ones(3), backend=backend)


def test_a_rule_may_fail_or_make_noise_where_it_is_not_asked():
    """The check of linearity blames no rule for what it does beside the call."""
    noise = np.random.default_rng(0)
    noisy = ad.custom_rule(np.positive.__call__, jvp=lambda x, v: v * (1 + 0.2 * noise.standard_normal()))
    assert np.all(np.isfinite(ad.jvp(noisy, X, v=np.ones(3))))

    def jvp(x, v):
        if np.any(np.abs(v) != 1):
            raise ValueError("along units only")
        return np.cos(x) * v

    picky = ad.custom_rule(lambda x: np.sin(x), jvp=jvp)
    np.testing.assert_allclose(ad.jvp(picky, X, v=-np.ones(3), backend="numpy"), -np.cos(X))
