"""Patterns of random programs that move, choose, sum and multiply entries: none lacks an entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_detection import dense

import polyad as ad


def moves(n: int, random: np.random.Generator) -> list[Callable[..., Any]]:
    """What a step makes of two arrays, in a namespace."""
    s = int(random.integers(1, n))
    index, mask = random.integers(0, n, n), random.random(n) < 0.5
    return [
        lambda xp, a, b: a * b,
        lambda xp, a, b: xp.roll(a, s),
        lambda xp, a, b: a + b[::-1],
        lambda xp, a, b: a[index],
        lambda xp, a, b: xp.where(mask, a, b),
        lambda xp, a, b: xp.concatenate([a[s:], b[:s]]),
        lambda xp, a, b: a.reshape(2, -1).T.reshape(-1) - b,
        lambda xp, a, b: a + xp.concatenate([xp.zeros(s), b[s:]]),
        lambda xp, a, b: a + xp.sum(b[:s]) * mask,
        lambda xp, a, b: xp.sum(a.reshape(3, -1) * b.reshape(3, -1), axis=0)[xp.arange(n) % (n // 3)],
        lambda xp, a, b: a + xp.mean(b),
        lambda xp, a, b: xp.repeat(a[::2], 2) * b,
        lambda xp, a, b: xp.broadcast_to(a[:2], (n // 2, 2)).reshape(-1) + b,
        lambda xp, a, b: xp.stack([a[: n // 2], b[n // 2 :]], 1).reshape(-1),
    ]


def program(seed: int) -> tuple[int, Callable[[Any, Any], Any]]:
    """The number of entries, and a function of a namespace and an array."""
    random = np.random.default_rng(seed)
    n = int(random.choice([6, 12, 24, 60]))
    steps = []
    for _ in range(int(random.integers(3, 14))):
        known = moves(n, random)
        steps.append((known[random.integers(len(known))], *random.integers(0, 10, 2)))

    def f(xp: Any, x: Any) -> Any:
        pool = [x]
        for step, i, j in steps:
            pool.append(xp.tanh(step(xp, pool[i % len(pool)], pool[j % len(pool)])))
        return pool[-1]

    return n, f


@pytest.mark.parametrize("seed", range(40))
def test_numpy(seed: int) -> None:
    n, f = program(seed)
    x = 0.7 * np.random.default_rng(seed).standard_normal(n)
    found = dense(ad.jacobian_sparsity(lambda x: f(np, x), np.ones(n)))
    assert not ((ad.jacobian(lambda x: f(np, x), x) != 0) & ~found).any()
    if seed % 4 == 0:
        total = lambda x: np.sum(f(np, x))  # noqa: E731
        found = dense(ad.hessian_sparsity(total, np.ones(n)))
        assert not ((np.abs(ad.hessian(total, x)) > 1e-13) & ~found).any()


@pytest.mark.parametrize("seed", range(0, 40, 8))
def test_jax(seed: int) -> None:
    jnp = pytest.importorskip("jax").numpy
    n, f = program(seed)
    x = 0.7 * np.random.default_rng(seed).standard_normal(n)
    found = dense(ad.jacobian_sparsity(lambda x: f(jnp, x), np.ones(n), backend="jax"))
    assert not ((ad.jacobian(lambda x: f(np, x), x) != 0) & ~found).any()
    found = dense(ad.hessian_sparsity(lambda x: jnp.sum(f(jnp, x)), np.ones(n), backend="jax"))
    second = ad.hessian(lambda x: np.sum(f(np, x)), x)
    assert not ((np.abs(second) > 1e-13) & ~found).any()
