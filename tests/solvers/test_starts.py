"""Many starts: the best is found, whoever works, and each worker prepares once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from scipy.optimize import NonlinearConstraint

import polyad as ad
from polyad.operators.gradient import PreparedGradient
from polyad.solvers import multistart
from polyad.solvers.scipy import least_squares, minimize, root


def wells(x: Any) -> Any:
    return np.sum(x**4 - 8 * x**2 + x)


STARTS = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])


@pytest.mark.parametrize("workers", [None, "threads", 2])
def test_the_best_is_that_of_a_loop(workers: Any) -> None:
    each = [scipy.optimize.minimize(wells, x, tol=1e-10, method="BFGS") for x in STARTS]
    with ThreadPoolExecutor(2) as threads:
        given = threads if workers == "threads" else workers
        found = multistart(minimize, wells, STARTS, method="BFGS", workers=given)
    assert "4 starts, 4 succeeded" in repr(found)
    for ours, scipys in zip(found.results, each, strict=True):
        np.testing.assert_allclose(ours.x, scipys.x, atol=1e-5)
    np.testing.assert_allclose(found.best.x, -2.0309, atol=1e-3)
    again = multistart(minimize, wells, STARTS, method="BFGS")
    assert all(np.array_equal(a.x, b.x) for a, b in zip(found.results, again.results, strict=True))


def test_what_was_prepared_for_one_start_serves_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    plain = PreparedGradient.__init__

    def counting(self: Any, *args: Any, **options: Any) -> None:
        made.append(type(self))
        plain(self, *args, **options)

    monkeypatch.setattr(PreparedGradient, "__init__", counting)
    found = multistart(minimize, wells, STARTS, method="L-BFGS-B", backend="autograd")
    assert len(made) == 1
    assert found.best is found.results[2]
    # of another form, with other arguments, as one number in an array: prepared for each
    trees = [{"a": x[0], "b": x[1:]} for x in STARTS]
    f = lambda p, c: wells(c * np.concatenate([np.reshape(p["a"], (1,)), p["b"]]))[None]  # noqa: E731
    found = multistart(minimize, f, [*trees, STARTS[0]][:4], args=(2.0,), method="L-BFGS-B")
    np.testing.assert_allclose([found.best.x["a"], *found.best.x["b"]], -1.0155, atol=1e-3)
    np.testing.assert_allclose(found.best.fun, -36.0308, rtol=1e-4)
    mixed = [np.ones(2), np.ones(3), np.ones((1, 2))]
    sums = multistart(minimize, lambda x: np.sum((x - 2) ** 2), mixed, method="L-BFGS-B").results
    assert [r.x.shape for r in sums] == [(2,), (3,), (1, 2)]
    assert all(np.allclose(r.x, 2) for r in sums)


def test_fits_roots_and_constraints() -> None:
    t = np.linspace(0, 1, 20)
    residual = lambda p: np.sin(p[0] * t) - np.sin(9.0 * t)  # noqa: E731
    found = multistart(least_squares, residual, np.linspace(1, 12, 6)[:, None])
    np.testing.assert_allclose(found.best.x, 9.0)
    assert found.best.cost < 1e-15 < max(r.cost for r in found.results)
    found = multistart(root, lambda x: x**2 + 1 - 5 * np.tanh(x), [[-3.0], [0.2], [4.0]])
    np.testing.assert_allclose(found.best.x**2 + 1, 5 * np.tanh(found.best.x), rtol=1e-8)
    disc = NonlinearConstraint(lambda x: x @ x, -np.inf, 2.0)
    found = multistart(minimize, wells, STARTS, constraints=disc, method="SLSQP")
    np.testing.assert_allclose(found.best.x, -1.0, atol=1e-4)


def test_errors_name_the_start_or_skip_it() -> None:
    def f(x: Any) -> Any:
        if x[0] < 0:
            raise ZeroDivisionError("left of zero")
        return np.sum((x - 1) ** 2)

    with pytest.raises(ZeroDivisionError, match="left of zero") as caught:
        multistart(minimize, f, [[2.0], [-1.0]])
    assert "in start 1" in caught.value.__notes__[0]
    found = multistart(minimize, f, [[-1.0], [2.0]], skip=(ArithmeticError,))
    assert found.results[0] is None
    assert isinstance(found.errors[0], ZeroDivisionError)
    assert "1 skipped" in repr(found)
    np.testing.assert_allclose(found.best.x, 1.0)
    with pytest.raises(ZeroDivisionError):
        multistart(minimize, f, [[-1.0]], skip=(ArithmeticError,))
    for given, words in ((([], f), "no starts"), (([[1.0]], 3), "must be a function")):
        with pytest.raises(ad.errors.ArgumentError, match=words):
            multistart(minimize, given[1], given[0])
