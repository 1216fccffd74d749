"""Jacobians of NumPy functions that gather what they compute with, by polyad's engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import polyad as ad

APART = "of what comes after the selection"
N, M = 40, 30
RANDOM = np.random.default_rng(20261201)
INDEX = RANDOM.integers(0, N, (M, 10))
INDEX[0] = 3  # an entry that is used ten times in a row
X = RANDOM.uniform(0.5, 1.5, N)


def gathered(x: Any) -> Any:
    return np.sum(x[INDEX] ** 3, axis=1) * np.cos(x[INDEX[:, 0]])


def mixed(x: Any) -> Any:  # what is selected, the whole, and slices of it
    return np.concatenate([np.prod(x[INDEX - N], axis=1), x**2, x[::-1][2:5] * x[:3]])


def in_steps(x: Any) -> Any:  # reshaped, turned, gathered, taken apart
    rows = x.reshape(-1, 4).T[:, INDEX % 10]
    return np.sum(rows[1] * rows[0], axis=1) / rows[2][:, 0]


def written(x: Any) -> Any:  # what is written to is no longer what was selected
    part = x[INDEX]
    part[:, 1] = part[:, 0] ** 2
    return np.prod(part, axis=1)


def handed(x: Any) -> Any:  # an array that is written to after it has met what was selected
    weights = np.full(INDEX.shape, 2.0)
    y = x[INDEX] * weights
    weights[:] = 0.0
    return np.sum(y**2, axis=1)


def kept(x: Any) -> Any:
    return np.concatenate([x[INDEX[:, 0]], np.prod(x[INDEX], axis=1)])


def shared(x: Any) -> Any:  # a number for all rows, so that these share a column
    return np.prod(x[INDEX], axis=1) + x[0]


def nested(x: Any) -> Any:  # a derivative within
    part = x[INDEX]
    return np.sum(ad.gradient(lambda z: np.sum(z**3), part) * part, axis=1)


def sorts(x: Any) -> Any:  # places that values decide
    return np.prod(np.sort(x)[INDEX], axis=1)


FUNCTIONS = {f: True for f in (gathered, mixed, in_steps, written, handed, kept, nested)} | {
    f: False for f in (shared, sorts)
}


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_the_jacobian_is_the_dense_one(f: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyad.systems.numpy.backend.LARGE", 0)
    wanted = {sign: ad.jacobian(f, sign * X, backend="numpy:forward") for sign in (1.0, -1.0)}
    for backend in ("numpy", "numpy:compiled"):
        try:
            p = ad.prepare_jacobian(f, X, backend=ad.Sparse(backend))
        except ad.errors.FunctionNotSupportedError:
            assert (backend, f) == ("numpy:compiled", sorts)
            continue
        assert (APART in repr(p)) == FUNCTIONS[f], repr(p)
        for sign in (1.0, -1.0):
            found = p(sign * X, out=p(X)) if FUNCTIONS[f] else p(sign * X)
            assert np.allclose(found.toarray(), wanted[sign], rtol=1e-12, atol=1e-12)


def test_trees_of_blocks_and_single_precision() -> None:
    index = INDEX.astype(np.int32)

    def f(a: Any, b: Any) -> Any:
        return {"first": np.prod(a[index], axis=1) * b[index[:, 1] % 4], "second": b**2}

    a, b = X.astype(np.float32), np.linspace(1, 2, 4, dtype=np.float32)
    p = ad.prepare_jacobian(f, a, b, argnums=(0, 1), backend=ad.Sparse("numpy:compiled"))
    assert APART in repr(p)
    found, wanted = p(a, b), ad.jacobian(f, a, b, argnums=(0, 1))
    for key in found:
        for block, dense in zip(found[key], wanted[key], strict=True):
            assert block.dtype == np.float32 and np.allclose(block.toarray(), dense, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("repeated", [False, True], ids=["once", "repeated"])
def test_places_that_have_changed_are_gathered_from_again(
    repeated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polyad.systems.numpy.backend.LARGE", 0)
    index = np.stack([RANDOM.permutation(N)[:8] for _ in range(M)])
    if repeated:
        index[0, 1] = index[0, 0]

    def f(x: Any) -> Any:
        return np.sum(x[index] ** np.arange(2, 10), axis=1)

    p = ad.prepare_jacobian(f, X, backend=ad.Sparse("numpy"))
    assert APART in repr(p)
    index[:] = index[:, ::-1].copy()  # of the same pattern
    assert np.allclose(p(X).toarray(), ad.jacobian(f, X), rtol=1e-12)
    index[0] = (index[0] + 1) % N
    with pytest.raises(ad.errors.PatternError, match="index"):
        p(X)


def by_index(x: Any, index: Any) -> Any:
    return np.sum(x[index] ** np.arange(2, 12), axis=1)


def test_other_places_of_the_same_pattern_are_taken_and_of_another_refused() -> None:
    p = ad.prepare_jacobian(by_index, X, INDEX, backend=ad.Sparse("numpy:compiled"))
    assert APART in repr(p)
    for index in (INDEX, np.roll(INDEX, 1, axis=1)):
        assert np.allclose(p(X, index).toarray(), ad.jacobian(by_index, X, index))
    with pytest.raises(ad.errors.PreparationMismatchError, match="KnownPattern"):
        p(X, (INDEX + 1) % N)


def test_small_functions_that_run_at_each_call_go_by_columns() -> None:
    assert APART not in repr(ad.prepare_jacobian(gathered, X, backend=ad.Sparse("numpy")))
