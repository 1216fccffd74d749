"""Every rule: forward, reverse, and nested to second order in all four ways."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES as GENERAL
from cases_numpy import FOLLOWED
from cases_special import CASES as SPECIAL
from oracle import derivatives

from polyad.engine import run

CASES = GENERAL | SPECIAL | FOLLOWED


def directions(x, y):
    rng = np.random.default_rng(3)
    return rng.normal(size=x.shape), rng.normal(size=y.shape)


def function(f):
    return lambda boxes: ((f(boxes[0]),), ())


def pushed(f, x, v):
    (dy,), (y,), _ = run.push(function(f), (x,), (run.as_row(v),))
    return run.first_row(dy), y


def pulled(f, x, w):
    recorded = run.record(function(f), (x,))
    return recorded.pull((w,))[0]


@pytest.mark.parametrize("name", CASES)
def test_rule(name):
    f, x = CASES[name]
    x = np.array(x)
    kept = x.copy()
    y = np.asarray(f(x.copy()))
    v, w = directions(x, y)
    first, second, (loose, looser) = derivatives(f, x, v)
    scale, scale2 = np.max(np.abs(first)) + 1, np.max(np.abs(second)) + 1

    dy, value = pushed(f, x, v)
    np.testing.assert_allclose(value, y, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(dy, np.float64(first), atol=loose * scale, rtol=0)

    # every column by forward mode, every row by reverse mode, in one batch each
    columns = run.push(function(f), (x,), (np.eye(x.size).reshape(x.size, *x.shape),))[0][0]
    recorded = run.record(function(f), (x,))
    rows = recorded.pull_batched((np.eye(y.size).reshape(y.size, *y.shape),))[0]
    np.testing.assert_allclose(
        columns.reshape(x.size, -1).T, rows.reshape(-1, x.size), atol=1e-11 * scale, rtol=1e-11
    )
    np.testing.assert_allclose(
        v.ravel() @ columns.reshape(x.size, -1), np.float64(first).ravel(), atol=loose * scale
    )
    dx = pulled(f, x, w)
    np.testing.assert_allclose(np.sum(dx * v), np.sum(w * dy), rtol=1e-10, atol=1e-11 * scale)

    expected = np.float64(np.sum(w * second))
    size = looser * scale2 * w.size
    found = {
        "forward over forward": np.sum(w * pushed(lambda a: pushed(f, a, v)[0], x, v)[0]),
        "forward over reverse": np.sum(v * pushed(lambda a: pulled(f, a, w), x, v)[0]),
        "reverse over reverse": np.sum(v * pulled(lambda a: pulled(f, a, w), x, v)),
        "reverse over forward": np.sum(v * pulled(lambda a: pushed(f, a, v)[0], x, w)),
    }
    for way, number in found.items():
        assert abs(number - expected) <= size, f"{way}: {number} for {expected}"
    assert (x == kept).all()
