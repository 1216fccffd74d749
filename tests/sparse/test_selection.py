"""Jacobians of functions that gather what they compute with, under JAX: by what comes after the selection."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import polyad as ad

jax = pytest.importorskip("jax")
jnp = jax.numpy

APART = "of what comes after the selection"
N, M = 40, 30
RANDOM = np.random.default_rng(20261130)
INDEX = RANDOM.integers(0, N, (M, 10))
INDEX[0] = 3  # an entry that is used ten times in a row
X = RANDOM.uniform(0.5, 1.5, N)


def gathered(x: Any) -> Any:
    return np.sum(x[INDEX] ** 3, axis=1) * np.cos(x[INDEX[:, 0]])


def native(x: Any) -> Any:
    return jnp.sum(x[INDEX] ** 3, axis=1) * jnp.cos(x[INDEX[:, 0]])


def mixed(x: Any) -> Any:  # what is selected, the whole, and slices of it
    return np.concatenate([np.prod(x[INDEX - N], axis=1), x**2, x[::-1][2:5] * x[:3]])


def shared(x: Any) -> Any:  # a number for all rows, so that these share a column
    return np.prod(x[INDEX], axis=1) + x[0]


def whole(x: Any) -> Any:
    return x[np.arange(N)[::-1]] * np.sum(np.sin(x))


rounded = jax.custom_jvp(lambda x: jnp.round(x))
rounded.defjvp(lambda x, v: (rounded(*x), 2.0 * v[0]))


def with_a_rule(x: Any) -> Any:
    return jnp.sum(rounded(x)[INDEX] ** 2, axis=1) + jnp.sum(rounded(x[INDEX]), axis=1)


def inside(x: Any) -> Any:
    return jnp.sum(jax.jit(lambda x: x[INDEX])(x) ** 2, axis=1)


@pytest.mark.parametrize(
    "f", [gathered, native, mixed, shared, whole, with_a_rule, inside], ids=lambda f: f.__name__
)
def test_the_jacobian_is_the_dense_one(f: Any) -> None:
    p = ad.prepare_jacobian(f, X, backend=ad.Sparse("jax"))
    assert (APART in repr(p)) == (f in (gathered, native, mixed)), repr(p)
    for x in (X, -X):
        wanted = np.asarray(ad.jacobian(f, x, backend="jax"))
        assert np.allclose(p(x).toarray(), wanted, rtol=1e-12, atol=1e-12)
    if f is gathered:
        assert p.ncolors == 1 and p.coloring is None
        y, found = p.value_and(X, out=p(X))
        assert np.allclose(y, f(X)) and np.allclose(found.toarray(), ad.jacobian(f, X))


@pytest.mark.parametrize("format", ["csc", "bcoo"])
def test_every_format_has_it(format: str) -> None:
    p = ad.prepare_jacobian(gathered, X, backend=ad.Sparse("jax", format=format))
    found: Any = p(X)
    if format == "bcoo":
        rows, columns = np.asarray(found.indices).T
        dense = np.zeros(found.shape)
        dense[rows, columns] = found.data
    else:
        dense = found.toarray()
    assert APART in repr(p) and np.allclose(dense, ad.jacobian(gathered, X))


def test_trees_of_blocks_and_single_precision() -> None:
    index = INDEX.astype(np.int32)

    def f(a: Any, b: Any) -> Any:
        return {"first": np.prod(a[index], axis=1) * b[index[:, 1] % 4], "second": b**2}

    a, b = X.astype(np.float32), np.linspace(1, 2, 4, dtype=np.float32)
    p = ad.prepare_jacobian(f, a, b, argnums=(0, 1), backend=ad.Sparse("jax"))
    assert APART in repr(p)
    found, wanted = p(a, b), ad.jacobian(f, a, b, argnums=(0, 1))
    for key in found:
        for block, dense in zip(found[key], wanted[key], strict=True):
            assert block.dtype == np.float32 and np.allclose(block.toarray(), dense, rtol=1e-5, atol=1e-6)


def by_index(x: Any, index: Any) -> Any:
    return np.sum(x[index] ** 2, axis=1)


def test_other_places_are_refused_and_a_known_pattern_takes_them() -> None:
    p = ad.prepare_jacobian(by_index, X, INDEX, backend=ad.Sparse("jax"))
    assert APART in repr(p)
    # the same pattern, and each entry elsewhere
    other = INDEX[:, ::-1].copy()
    assert np.allclose(p(X, INDEX).toarray(), ad.jacobian(by_index, X, INDEX))
    with pytest.raises(ad.errors.PreparationMismatchError, match="KnownPattern"):
        p(X, other)
    q = ad.prepare_jacobian(by_index, X, INDEX, backend=ad.Sparse("jax", ad.KnownPattern(p.pattern)))
    assert APART not in repr(q)
    assert np.allclose(q(X, other).toarray(), ad.jacobian(by_index, X, other))


def test_places_that_numbers_decide_are_not_taken_for_constant() -> None:
    def f(x: Any, a: Any) -> Any:
        return np.sum(x[np.argsort(a)][INDEX] ** 2, axis=1)

    a = np.arange(float(N))
    p = ad.prepare_jacobian(f, X, a, backend=ad.Sparse("jax"))
    assert APART not in repr(p)
    assert np.allclose(p(X, a[::-1].copy()).toarray(), ad.jacobian(f, X, a[::-1].copy()))


def test_a_coloring_of_the_callers_and_aux_leave_it_whole() -> None:
    p = ad.prepare_jacobian(gathered, X, backend=ad.Sparse("jax", coloring=ad.sparse.color))
    assert p.coloring is not None and p.ncolors == p.coloring.ncolors

    def f(x: Any) -> Any:
        return gathered(x), {"sum": np.sum(x)}

    J, aux = ad.jacobian(f, X, has_aux=True, backend=ad.Sparse("jax"))
    assert np.allclose(J.toarray(), ad.jacobian(gathered, X)) and np.isclose(float(aux["sum"]), X.sum())
