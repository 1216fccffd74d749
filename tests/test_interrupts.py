"""What Ctrl-C leaves behind: nothing, wherever it comes."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE
from interrupts import DROPPED, interrupted, uncollected  # noqa: F401
from polyad.arrays.memory import collector_paused
from polyad.engine.core.values import ALIVE

X = np.array([0.3, 1.2, 2.0])


def roots(x):
    return np.sum(np.sqrt(x) * x**1.5) + np.sqrt(x[0])


@DROPPED
@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("kind", ["call", "c_return"])
@pytest.mark.parametrize("backend", ["numpy:reverse", "numpy:forward", "autograd", "finite"])
def test_numpy_is_not_left_silent(backend, kind):
    """What NumPy says of floating point is set for the time of a rule, and Ctrl-C may come within."""
    prepared = ad.prepare_gradient(roots, X, backend=backend)
    heard, expected = np.geterr(), prepared(X)
    count = 1
    while interrupted(lambda: prepared(X), count, kind):
        assert np.geterr() == heard, f"event {count}"
        count += 1 + count // 60  # of hundreds, those of the beginning one by one
    assert count > 50
    np.testing.assert_array_equal(prepared(X), expected)


@DROPPED
@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("kind", ["call", "c_return"])
@pytest.mark.parametrize("backend", ["numpy", "casadi", "sympy"])
def test_the_next_call_is_right(backend, kind):
    """What a call sets for its time, such as who is tracing, is set back."""

    def call():
        return ad.gradient(roots, X, backend=backend)

    expected, alive = call(), len(ALIVE)
    count = 1
    while interrupted(call, count, kind):
        assert len(ALIVE) == alive, f"event {count}"
        found = call()
        assert type(found) is np.ndarray, f"event {count}"
        np.testing.assert_allclose(found, expected, rtol=1e-14, err_msg=f"event {count}")
        count += 1 + count // 8


@DROPPED
@pytest.mark.skipif("jax" not in AVAILABLE, reason="not installed")
@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("kind", ["call", "c_return"])
def test_jax_is_not_left_with_64_bits(kind):
    import jax

    prepared = ad.prepare_gradient(roots, X, backend="jax")
    before = jax.config.jax_enable_x64
    count = 1
    while interrupted(lambda: prepared(X), count, kind):
        assert jax.config.jax_enable_x64 == before, f"event {count}"
        count += 1
    assert count > 1


@DROPPED
def test_an_interrupted_preparation_leaves_the_collector_on():
    def paused():
        with collector_paused():
            pass

    assert gc.isenabled()
    # where the collector has been switched off, and it is not yet remembered to switch it on
    for count in range(1, 12):
        interrupted(paused, count, "c_return")
        assert gc.isenabled(), f"event {count}"
