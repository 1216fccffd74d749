"""Compiled programs whose buffers lie with their long axis last, and what rules of indices and sums do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polyad as ad
from polyad.engine.core.contraction import contracted
from polyad.engine.core.indices import names_once

RANDOM = np.random.default_rng(20261201)
X, A = RANDOM.standard_normal((700, 3)) + 0.1, RANDOM.standard_normal((700, 3))


def turned(x: Any, a: Any) -> Any:
    size = np.sqrt(np.sum(x * x, axis=1, keepdims=True))
    y = np.cross(x / size, a) * np.sin(size)
    return np.sum(y * a, axis=1) + y[:, 0] * x[:, 1]


def written(x: Any, a: Any) -> Any:
    y = np.where(x > 0, x * a[:, :1], np.exp(-x))
    z = np.concatenate([y, x[:, [2, 0]]], axis=1)
    z[:, 1] = z[:, 0] * 2
    return np.stack([z.sum(1), np.prod(x, axis=1)], axis=1) / np.max(x, axis=1, keepdims=True)


def picked(x: Any, a: Any) -> Any:
    back = np.arange(len(x))[::-1]
    return (x[back] * a + np.cumsum(x, axis=0)[back - len(x)]) * np.linalg.norm(a, axis=1)[:, None]


@pytest.mark.parametrize("f", [turned, written, picked], ids=lambda f: f.__name__)
@pytest.mark.parametrize("form", [np.ascontiguousarray, np.asfortranarray], ids=["rows", "columns"])
def test_tall_arrays_are_right_and_lie_as_usual(f: Any, form: Callable[..., Any]) -> None:
    x = form(X)
    w = np.cos(np.arange(f(X, A).size)).reshape(f(X, A).shape)
    for of, seed in ((ad.prepare_jvp, {"v": A}), (ad.prepare_vjp, {"w": w})):
        p, q = of(f, x, A, backend="numpy:compiled", **seed), of(f, x, A, **seed)
        for point in (x, form(X[::-1] + 0.01)):
            found = p(point, A, **seed)
            assert np.allclose(found, q(point, A, **seed), rtol=1e-10, atol=1e-10)
            assert found.flags.c_contiguous or form is np.asfortranarray


def test_indices_that_name_an_entry_twice_are_known() -> None:
    every = slice(None)
    for index, once in [
        ((..., np.array([2, 0, 1])), True),
        (np.array([-1, -3]), True),
        ((every, np.array([0, -3])), False),  # the same entry of three
        ((every, np.array([1, 1])), False),
        ((0, np.array([0, 1])), False),  # two arrays, for NumPy
        ((every, np.array([[0, 1]])), False),
        (np.array([True, False]), False),
        (np.arange(100), False),  # not looked at
    ]:
        assert names_once(index) == once, index
    J = ad.jacobian(lambda x: x[:, np.array([0, -3])] * x[..., [1, 2]], X[:2], backend="numpy:reverse")
    assert np.allclose(J, ad.jacobian(lambda x: x[:, [0, 0]] * x[:, 1:], X[:2], backend="numpy:forward"))


@pytest.mark.parametrize(
    "subscripts", ["abc,dc->adb", "ab,cabd->cad", "ab,ab->", "abc,bc->ac", "abc,cd->ad", "ab,cb->ca"]
)
def test_sums_of_products_are_those_of_einsum(subscripts: str) -> None:
    sizes = dict(zip("abcd", (30, 7, 20, 17), strict=True))
    inputs = subscripts.split("->")[0].split(",")
    a, b = (RANDOM.standard_normal([sizes[c] for c in term]) for term in inputs)
    for form in (np.ascontiguousarray, np.asfortranarray):
        found, wanted = contracted(subscripts, form(a), form(b)), np.einsum(subscripts, a, b)
        assert found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-12, atol=1e-12)
