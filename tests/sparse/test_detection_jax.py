"""Patterns of JAX functions against dense derivatives at random points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from constructs import CONSERVATIVE, EXACT, POINTS, SCALAR_EXACT
from test_detection import dense, union

import polyad as ad

jax = pytest.importorskip("jax")
jnp = jax.numpy

CHEAP = "square sign slice index band matmul concatenate loop fft cumsum sort".split()


@pytest.mark.parametrize("name", CHEAP)
def test_numpy_code_lifted_to_jax(name: str) -> None:
    f = {**EXACT, **CONSERVATIVE}[name]
    found = dense(ad.jacobian_sparsity(f, POINTS[0], backend="jax"))
    assert not (union(ad.jacobian, f, found.shape) & ~found).any()


@pytest.mark.parametrize("name", ["linear", "chain", "one product", "norm"])
def test_hessian(name: str) -> None:
    f = SCALAR_EXACT[name]
    found = dense(ad.hessian_sparsity(f, POINTS[0], backend="jax"))
    assert np.array_equal(found, union(ad.hessian, f, found.shape))


@jax.custom_jvp
def straight(x: Any) -> Any:
    return jnp.round(x)


straight.defjvps(lambda t, y, x: t)


def scanned(x: Any) -> Any:
    return jax.lax.scan(lambda c, a: (c * a, c + a), 1.0, x)[1]


FUNCTIONS = {
    "straight": (lambda x: 2 * straight(x) + x[::-1], True),
    "stop_gradient": (lambda x: x * jax.lax.stop_gradient(x[::-1]), True),
    "index arithmetic": (lambda x: x[(jnp.arange(6) * 2) % 6] ** 2, True),
    "segment_sum": (lambda x: jax.ops.segment_sum(x**2, jnp.arange(6) // 2, 3), True),
    "cond": (lambda x: jax.lax.cond(x[0] > 0, lambda x: x, lambda x: x[::-1], x), True),
    "vmap": (lambda x: jax.vmap(jnp.dot)(x.reshape(2, 3), x.reshape(2, 3)), True),
    "at set": (lambda x: jnp.zeros(6).at[jnp.array([1, 4])].set(x[:2] ** 2), True),
    "at add": (lambda x: x.at[jnp.array([1, 1, 4])].add(x[:3] ** 2), True),
    "checkpoint": (lambda x: jax.checkpoint(lambda x: jnp.sin(x) * x[::-1])(x), True),
    "scan": (scanned, False),
    "solve": (lambda x: jnp.linalg.solve(jnp.eye(6) + jnp.diag(x**2), x), False),
    "data index": (lambda x: x[jnp.argsort(x)], False),
    "convolution": (lambda x: jnp.convolve(x, jnp.array([1.0, 2.0])), False),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_jax(name: str) -> None:
    f, exact = FUNCTIONS[name]
    found = dense(ad.jacobian_sparsity(f, POINTS[0], backend="jax"))
    points = [*POINTS[:3], -POINTS[0]]
    known = union(lambda f, x: ad.jacobian(f, x, backend="jax"), f, found.shape, points)
    assert not (known & ~found).any()
    assert not exact or np.array_equal(known, found)
