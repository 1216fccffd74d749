"""The engine inside other frameworks: as the inner differentiation that any outer one can differentiate."""

from __future__ import annotations

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE

X = np.array([0.5, 1.0, 2.0])
V = np.array([1.0, -2.0, 0.5])


def f(x):
    return np.sum(np.sin(x) * x**2)


# its derivatives by hand
GRADIENT = np.cos(X) * X**2 + 2 * X * np.sin(X)
CURVATURE = -np.sin(X) * X**2 + 4 * X * np.cos(X) + 2 * np.sin(X)


def gradient(x):
    return ad.gradient(f, x, backend="numpy")


needs_jax = pytest.mark.skipif("jax" not in AVAILABLE, reason="JAX is not installed")
needs_torch = pytest.mark.skipif("torch" not in AVAILABLE, reason="torch is not installed")
needs_autograd = pytest.mark.skipif("autograd" not in AVAILABLE, reason="autograd is not installed")


@needs_jax
def test_preparing_inside_a_jit_of_ones_own():
    """With what is traced as the example, also where the result is one array."""
    import jax

    @jax.jit
    def all_of(x):
        gradient, jacobian = ad.prepare_gradient(f, x), ad.prepare_jacobian(np.sin, x)
        product = ad.prepare_jvp(np.sin, x, v=x)
        return gradient(x), jacobian(x), product(x, v=2 * x), ad.prepare_hessian(f, x)(x)

    with jax.enable_x64(True):
        found = all_of(X)
    for value, right in zip(
        found, (GRADIENT, np.diag(np.cos(X)), 2 * X * np.cos(X), np.diag(CURVATURE)), strict=True
    ):
        np.testing.assert_allclose(value, right, rtol=1e-13)


@needs_jax
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_inside_jax(mode):
    import jax

    def inner(x):
        return ad.gradient(f, x, backend=ad.NumPy(mode))

    with jax.enable_x64(True):
        x, v = jax.numpy.asarray(X), jax.numpy.asarray(V)
        found = jax.jit(inner)(x)
        assert isinstance(found, jax.Array)
        np.testing.assert_allclose(found, GRADIENT, rtol=1e-14)
        np.testing.assert_allclose(jax.vmap(inner)(jax.numpy.stack([x, x]))[1], GRADIENT, rtol=1e-14)
        np.testing.assert_allclose(jax.jacfwd(inner)(x), np.diag(CURVATURE), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(jax.jacrev(inner)(x), np.diag(CURVATURE), rtol=1e-13, atol=1e-15)
        along = jax.jit(lambda x, v: ad.value_gradient_and_hvp(f, x, v=v, backend="numpy"))(x, v)
        for got, want in zip(along, (f(X), GRADIENT, CURVATURE * V), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-13)


@needs_jax
def test_trees_constants_and_aux_inside_jax():
    import jax

    def g(p, c):
        return np.sum(p["a"] ** 2 * c) + p["b"], np.sqrt(c)

    def inner(p, c):
        return ad.gradient(g, p, c, has_aux=True, backend="numpy")

    with jax.enable_x64(True):
        found, aux = jax.jit(inner)({"a": jax.numpy.asarray(X), "b": jax.numpy.asarray(2.0)}, V**2)
        np.testing.assert_allclose(found["a"], 2 * X * V**2, rtol=1e-15)
        np.testing.assert_allclose(found["b"], 1.0)
        np.testing.assert_allclose(aux, np.abs(V), rtol=1e-15)
        # the traced argument is a constant of the inner derivative
        slope = jax.grad(lambda c: ad.gradient(lambda x, c: np.sum(x**2 * c), X, c, backend="numpy").sum())
        np.testing.assert_allclose(slope(jax.numpy.asarray(V)), 2 * X, rtol=1e-15)


@needs_torch
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch imports its own relics
def test_inside_torch():
    import torch

    x, v = torch.tensor(X), torch.tensor(V)
    np.testing.assert_allclose(
        torch.func.jacrev(gradient)(x).numpy(), np.diag(CURVATURE), rtol=1e-13, atol=1e-15
    )
    np.testing.assert_allclose(torch.func.jvp(gradient, (x,), (v,))[1].numpy(), CURVATURE * V, rtol=1e-13)
    np.testing.assert_allclose(
        torch.func.vmap(gradient)(torch.stack([x, x]))[1].numpy(), GRADIENT, rtol=1e-14
    )
    tracked = x.clone().requires_grad_()
    found = gradient(tracked)
    assert isinstance(found, torch.Tensor)
    found.sum().backward()
    np.testing.assert_allclose(tracked.grad.numpy(), CURVATURE, rtol=1e-13)
    # without anything to follow, torch's arrays are handed over as before
    np.testing.assert_allclose(gradient(x).numpy(), GRADIENT, rtol=1e-14)


@needs_autograd
def test_inside_autograd():
    import autograd

    np.testing.assert_allclose(autograd.jacobian(gradient)(X), np.diag(CURVATURE), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(autograd.make_jvp(gradient)(X)(V)[1], CURVATURE * V, rtol=1e-13)
    pair = autograd.jacobian(lambda x: ad.value_and_gradient(f, x, backend="numpy")[1])
    np.testing.assert_allclose(pair(X), np.diag(CURVATURE), rtol=1e-13, atol=1e-15)


OUTER = [name for name in AVAILABLE if name != "finite"]


@pytest.mark.parametrize("backend", OUTER)
def test_inside_every_backend(backend):
    np.testing.assert_allclose(
        ad.jacobian(gradient, X, backend=backend), np.diag(CURVATURE), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("backend", OUTER)
@pytest.mark.parametrize("captured", [True, False])
def test_a_derivative_with_respect_to_what_the_inner_one_holds_constant(backend, captured):
    """The outer variable reaches the inner derivative as a constant, as in an implicit function."""

    def outer(c):
        if captured:
            return np.sum(ad.gradient(lambda x: np.sum(x**2 * c**2), X))
        return np.sum(ad.gradient(lambda x, c: np.sum(x**2 * c**2), X, c))

    np.testing.assert_allclose(ad.gradient(outer, V, backend=backend), 4 * X * V, rtol=1e-13)


def test_a_prepared_inner_derivative():
    inner = ad.prepare_gradient(lambda x, c: np.sum(x**2 * c**2), X, V)
    np.testing.assert_allclose(inner(X, V), 2 * X * V**2, rtol=1e-15)
    found = ad.gradient(
        lambda c: np.sum(ad.prepare_gradient(lambda x: np.sum(x**2 * c**2), X)(X)), V, backend="numpy"
    )
    np.testing.assert_allclose(found, 4 * X * V, rtol=1e-14)


@needs_jax
def test_a_refusal_inside_is_made_once():
    import jax

    def refuses(x):
        raise ad.errors.FunctionNotSupportedError("it is not to be had")

    with jax.enable_x64(True), pytest.raises(ad.errors.FunctionNotSupportedError, match="not to be had"):
        jax.grad(lambda x: ad.gradient(refuses, x, backend="jax")[0])(jax.numpy.asarray(X))
