"""Random programs of everything that array code does: no entry is missing, and the matrices are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from steps import random_program
from test_detection import dense

import polyad as ad

pytestmark = [
    pytest.mark.filterwarnings("ignore::polyad.errors.PolyadWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


def check(seed: int, backends: dict[Any, Callable[..., Any]], *, numpy_only: bool = False) -> None:
    """Patterns and matrices of both orders against dense derivatives at three points."""
    shape, f = random_program(seed, numpy_only=numpy_only)
    random = np.random.default_rng(seed)
    points = 0.8 * random.standard_normal((3, *shape))
    size = int(np.prod(shape))
    weights = random.standard_normal(np.shape(f(np, points[0])))

    def total(xp: Any, x: Any) -> Any:
        return xp.sum(weights * f(xp, x))

    for g, operator, prepare, detect, tiny in (
        (f, ad.jacobian, ad.prepare_jacobian, ad.jacobian_sparsity, 1e-12),
        (total, ad.hessian, ad.prepare_hessian, ad.hessian_sparsity, 1e-10),
    ):
        wanted = [np.reshape(operator(lambda x, g=g: g(np, x), x), (-1, size)) for x in points]
        for backend, made in backends.items():
            found = dense(detect(made(g), np.ones(shape), backend=backend))
            for a in wanted:
                assert not ((np.abs(a) > tiny) & ~found).any()
            prepared = prepare(made(g), points[0], backend=ad.Sparse(backend))
            for x, a in zip(points, wanted, strict=True):
                np.testing.assert_allclose(prepared(x).toarray(), a, rtol=1e-6, atol=1e-8)


def in_numpy(g: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: g(np, x)


@pytest.mark.parametrize("seed", range(40))
def test_numpy(seed: int) -> None:
    check(seed, {"numpy": in_numpy}, numpy_only=True)


@pytest.mark.parametrize("seed", range(100, 104))
def test_jax(seed: int) -> None:
    jnp = pytest.importorskip("jax").numpy
    check(seed, {"jax": lambda g: lambda x: g(jnp, x)})


@pytest.mark.parametrize("seed", range(200, 208))
def test_numpy_code_by_torch(seed: int) -> None:
    pytest.importorskip("torch")
    check(seed, {"torch": in_numpy})


@pytest.mark.parametrize("seed", range(300, 316))
def test_compiled(seed: int) -> None:
    try:
        check(seed, {"numpy:compiled": in_numpy}, numpy_only=True)
    except ad.errors.FunctionNotSupportedError as error:  # a branch on a value
        assert "cannot be compiled" in str(error)
