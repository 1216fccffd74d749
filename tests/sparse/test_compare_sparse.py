"""``compare`` tries ``Sparse`` where a matrix is sparse enough, and says what that saves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import polyad as ad
from polyad.benchmark import compare, comparison, sparsity


def chain(x: Any) -> Any:
    return np.concatenate([x[:1] ** 2, x[1:] * x[:-1] ** 2])


def energy(x: Any) -> Any:
    return np.sum(x[:-1] * x[1:] ** 2)


def full(x: Any) -> Any:
    return np.sum(x) * x


@pytest.fixture
def numpy_alone(monkeypatch: Any) -> None:
    monkeypatch.setattr(comparison, "_backends", lambda *_: ([("numpy", "numpy")], []))
    kept = [c for c in sparsity.candidates() if c[0] == "Sparse('numpy')"]
    assert len(kept) == 1
    monkeypatch.setattr(sparsity, "candidates", lambda: kept)


def table(f: Any, size: int, operators: Any = None) -> Any:
    return compare(f, np.linspace(0.5, 1.5, size), operators=operators, seconds=0.001, isolate=False)


@pytest.mark.usefixtures("numpy_alone")
def test_a_sparse_matrix_is_tried_and_agrees() -> None:
    found = table(chain, 40)
    assert [(row.backend, row.status) for row in found] == [
        ("numpy", "agrees"),
        ("Sparse('numpy')", "agrees"),
    ]
    note = "The jacobian is sparse (40 x 40, 79 entries, 4.9 %): Sparse takes 2 products in place of 40."
    assert note in " ".join(str(found).split())  # a narrow terminal wraps it
    both = table(energy, 40, ("gradient", "hessian"))
    assert [(row.operator, row.backend) for row in both] == [
        ("gradient", "numpy"),
        ("hessian", "numpy"),
        ("hessian", "Sparse('numpy')"),
    ]
    assert "3 products in place of 40" in " ".join(str(both).split()) and all(
        row.status == "agrees" for row in both
    )


@pytest.mark.usefixtures("numpy_alone")
@pytest.mark.parametrize(("f", "size"), [(full, 40), (chain, 20)])
def test_what_saves_little_is_not_tried(f: Any, size: int) -> None:
    found = table(f, size)
    assert [row.backend for row in found] == ["numpy"] and "Sparse" not in str(found)


def test_a_function_without_a_pattern_is_left_to_the_others(monkeypatch: Any) -> None:
    def branching(x: Any) -> Any:
        return x**2 if x[0] > 0 else x

    monkeypatch.setattr(comparison, "_backends", lambda *_: ([("numpy", "numpy")], []))
    assert [row.backend for row in table(branching, 40)] == ["numpy"]


def test_the_label_makes_the_backend() -> None:
    for label, backend in sparsity.candidates():
        assert repr(eval(label, {"Sparse": ad.Sparse})) == repr(backend)
