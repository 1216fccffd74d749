"""What a second reading of the cases found: each a kind, under every backend that takes the function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE, eager

X = np.array([0.3, 0.2, 1.0, 2.0])
OUTSIDE: dict[str, Callable[[Any], Any]] = {
    "entry": lambda x: x[7],
    "entry from the end": lambda x: x[-5],
    "list": lambda x: np.sum(x[[0, 7]]),
    "row": lambda x: np.sum(np.reshape(x, (2, 2))[2]),
    "column": lambda x: np.sum(np.reshape(x, (2, 2))[..., 2]),
    "pairs": lambda x: np.sum(np.reshape(x, (2, 2))[[0, 1], [1, 2]]),
    "take": lambda x: np.take(x, 7),
    "take_along_axis": lambda x: np.sum(np.take_along_axis(x, np.array([9]), 0)),
    "open mesh": lambda x: np.sum(x[np.ix_([0, 5])]),
    "slice": lambda x: np.sum(x[2:][3]),
}


def _written(x: Any, index: Any) -> Any:
    y = x * 1.0
    y[index] = 1.0
    return np.sum(y * y)


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("form", OUTSIDE)
@pytest.mark.parametrize("name", AVAILABLE)
def test_index_out_of_bounds(name: str, form: str, prepared: bool) -> None:
    f = OUTSIDE[form]
    with pytest.raises(IndexError):
        f(X)
    with pytest.raises((IndexError, ad.errors.FunctionNotSupportedError)):
        if prepared:
            ad.prepare_gradient(f, X, backend=name)(X)
        else:
            ad.gradient(f, X, backend=name)


@pytest.mark.parametrize("index", [9, -7, [0, 9], (..., 4)])
@pytest.mark.parametrize("name", AVAILABLE)
def test_write_out_of_bounds(name: str, index: Any) -> None:
    with pytest.raises((IndexError, ad.errors.FunctionNotSupportedError)):
        ad.gradient(lambda x: _written(x, index), X, backend=name)


@pytest.mark.skipif("jax" not in AVAILABLE, reason="needs JAX")
def test_traced_index_out_of_bounds_is_no_number() -> None:
    def read(x: Any) -> Any:
        return np.sum(x[np.argmax(x) + 1] * x)

    def write(x: Any) -> Any:
        return _written(x, np.argmax(x) + 1)

    inside = np.array([0.3, 2.0, 1.0, 0.2])
    for f in (read, write):
        compiled = ad.prepare_gradient(f, inside, backend="jax")
        assert np.allclose(compiled(inside), ad.gradient(f, inside))
        assert np.isnan(compiled(X)).all()
        with pytest.raises(IndexError):
            ad.gradient(f, X, backend=eager("jax"))


COUNTED: dict[str, Callable[[Any], Any]] = {
    "sum of a list": lambda x: np.sum([x[0] > 0, x[1] > 0]) * np.sum(x),
    "sum of an array": lambda x: np.array([x[0] > 0, x[1] > 0, True]).sum() * np.sum(x),
    "mean": lambda x: np.mean([x[0] > 0, x[1] > 0.25]) * np.sum(x),
    "running sum": lambda x: np.cumsum([x[0] > 0, x[1] > 0])[-1] * np.sum(x),
    "nested": lambda x: np.sum([[x[0] > 0, x[1] > 0], [True, False]]) * np.sum(x),
    "product and sum": lambda x: np.dot([x[0] > 0, x[1] > 0], [1, 1]) * np.sum(x),
    "choice": lambda x: np.sum(np.where(np.array([x[0] > 0, x[1] > 1]), 2.0, 3.0) * x[:2]),
    "mask": lambda x: np.sum(x[[x[0] > 0, x[1] > 1, x[2] > 0, False]] ** 2),
    "list of numbers": lambda x: np.sum(x[[np.argmax(x), np.argmax(x), 0]] ** 2),
    "array of numbers": lambda x: np.sum(x[np.array([np.argmax(x), np.argmax(-x)])] ** 2),
    "stacked": lambda x: np.sum(np.stack([x[0] > 0, x[1] > 0])) * np.sum(x),
}


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("form", COUNTED)
@pytest.mark.parametrize("name", AVAILABLE)
def test_truth_values_and_counts_in_lists(name: str, form: str, prepared: bool) -> None:
    f = COUNTED[form]
    steps = 1e-6 * np.eye(4)
    expected = np.array([(f(X + h) - f(X - h)) / 2e-6 for h in steps])
    try:
        found = ad.prepare_gradient(f, X, backend=name)(X) if prepared else ad.gradient(f, X, backend=name)
    except ad.errors.FunctionNotSupportedError:
        assert name not in ("numpy", "torch", "autograd")
    else:
        assert np.allclose(found, expected, rtol=1e-7)


ROUNDED: dict[str, Callable[[Any], Any]] = {
    "whole": lambda x: np.sum(np.round(x * 3) * x),
    "tenths": lambda x: np.sum(np.round(x * 1.234, 1) * x),
    "tens": lambda x: np.sum(np.round(x * 17.0, -1) * x),
    "method": lambda x: np.sum((x * 1.234).round(2) * x),
    "index": lambda x: np.sum(x[np.round(x * 0).astype(int)] * x),
    "out by name": lambda x: np.sum(np.around(x * 1.234, decimals=3) * x),
}


@pytest.mark.parametrize("form", ROUNDED)
@pytest.mark.parametrize("name", AVAILABLE)
def test_round_keeps_its_decimals(name: str, form: str) -> None:
    f = ROUNDED[form]
    expected = np.array([(f(X + h) - f(X - h)) / 2e-6 for h in 1e-6 * np.eye(4)])
    try:
        found = ad.gradient(f, X, backend=name)
    except ad.errors.FunctionNotSupportedError:
        assert form == "index"  # an index computed from symbols
    else:
        assert np.allclose(found, expected, rtol=1e-7)
