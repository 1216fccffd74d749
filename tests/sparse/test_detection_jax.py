"""Patterns of JAX functions against dense derivatives at random points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from constructs import CONSERVATIVE as OF_NUMPY
from constructs import EXACT as EXACT_OF_NUMPY
from constructs import POINTS, SCALAR_EXACT
from test_detection import dense, union

import polyad as ad

jax = pytest.importorskip("jax")
jnp = jax.numpy

from jax_constructs import CONSERVATIVE, EXACT  # noqa: E402

CHEAP = "square sign slice index band matmul concatenate loop fft cumsum sort".split()


@pytest.mark.parametrize("name", CHEAP)
def test_numpy_code_lifted_to_jax(name: str) -> None:
    f = {**EXACT_OF_NUMPY, **OF_NUMPY}[name]
    found = dense(ad.jacobian_sparsity(f, POINTS[0], backend="jax"))
    assert not (union(ad.jacobian, f, found.shape) & ~found).any()


@pytest.mark.parametrize("name", ["linear", "chain", "one product", "norm"])
def test_hessian(name: str) -> None:
    f = SCALAR_EXACT[name]
    found = dense(ad.hessian_sparsity(f, POINTS[0], backend="jax"))
    assert np.array_equal(found, union(ad.hessian, f, found.shape))


@pytest.mark.parametrize("name", [*EXACT, *CONSERVATIVE])
def test_functions_of_jax(name: str) -> None:
    f = {**EXACT, **CONSERVATIVE}[name]
    points = [*POINTS, -POINTS[0], 5 * POINTS[1]]
    with jax.enable_x64(True):
        found = dense(ad.jacobian_sparsity(f, jnp.asarray(POINTS[0]), backend="jax"))
        try:
            jacobian = jax.jit(jax.jacfwd(f))
            jacobian(POINTS[0])
        except TypeError:  # a custom_vjp
            jacobian = jax.jit(jax.jacrev(f))
        known = union(lambda _, x: np.asarray(jacobian(x)), f, found.shape, points)
    assert not (known & ~found).any()
    assert name not in EXACT or np.array_equal(known, found)


CURVED = (
    "at add,conv,conv of groups,entries of a sparse matrix,scan,long map,solve,dynamic_slice,sort,max_pool,"
    "relu,matmul"
)


@pytest.mark.parametrize("name", CURVED.split(","))
def test_hessian_of_a_sum_of_sines(name: str) -> None:
    inner = {**EXACT, **CONSERVATIVE}[name]

    def f(x: Any) -> Any:
        y = inner(x)
        return jnp.sum(jnp.sin(y) * jnp.arange(1.0, jnp.size(y) + 1).reshape(jnp.shape(y))) + x[0]

    with jax.enable_x64(True):
        found = dense(ad.hessian_sparsity(f, jnp.asarray(POINTS[0]), backend="jax"))
        second = jax.jit(jax.hessian(f))
        known = union(lambda _, x: np.asarray(second(x)), f, found.shape, POINTS[:3], 1e-9)
    assert not (known & ~found).any()


def test_local_patterns_are_those_of_the_point() -> None:
    x = jnp.array([3.0, 1.0, 2.0])
    for f in (jnp.sort, lambda x: jax.lax.cond(x[0] > 0, lambda x: x, lambda x: x[::-1], x)):
        assert ad.jacobian_sparsity(f, x, local=True).nnz == 3 < ad.jacobian_sparsity(f, x).nnz


def test_an_unknown_operation_is_refused_or_dense() -> None:
    from jax.experimental import sparse

    matrices = sparse.BCOO.fromdense(jnp.stack([jnp.eye(3)] * 2), n_batch=1)

    def f(x: Any) -> Any:
        return sparse.bcoo_dot_general(matrices, x, dimension_numbers=(((2,), (0,)), ((), ())))

    with pytest.raises(ad.errors.PatternError, match="unknown='dense'"):
        ad.jacobian_sparsity(f, jnp.ones(3))
    assert ad.jacobian_sparsity(f, jnp.ones(3), unknown="dense").nnz == 18


@jax.custom_vjp
def crossed(x: Any) -> Any:
    return jnp.sin(x) * x[::-1]


def _crossed_back(x: Any, g: Any) -> Any:
    return (g * jnp.cos(x) * x[::-1] + (g * jnp.sin(x))[::-1],)


crossed.defvjp(lambda x: (crossed(x), x), _crossed_back)


def test_rules_for_reverse_mode_alone_are_compressed_by_rows() -> None:
    def f(x: Any) -> Any:
        return crossed(x)[1:] * x[:-1]

    x = np.linspace(0.1, 1.0, 6)
    p = ad.prepare_jacobian(f, x, backend=ad.Sparse("jax"))
    assert "pullbacks" in repr(p) and "Sparse(JAX())" in repr(p)
    for point in (x, -2 * x):
        assert np.allclose(p(point).toarray(), ad.jacobian(f, point, backend="jax:reverse"))
    with jax.enable_x64(True):
        second = jax.jacrev(jax.grad(lambda x: jnp.sum(f(x) ** 2)))(jnp.asarray(x))
    # its rule calls the function itself, so that the second derivative is one of reverse mode again
    for backend in ("jax", "jax:reverse"):
        H = ad.hessian(lambda x: jnp.sum(f(x) ** 2), x, backend=ad.Sparse(backend))
        assert np.allclose(H.toarray(), second)
    with pytest.raises(ad.errors.PolyadError, match="no forward mode"):
        ad.jacobian(f, x, backend=ad.Sparse("jax", coloring=lambda S, p: ad.sparse.color(S, "column")))
