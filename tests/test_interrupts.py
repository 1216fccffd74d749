"""What Ctrl-C leaves behind: nothing, wherever it comes."""

from __future__ import annotations

import numpy as np
import pytest

import polyad as ad
from interrupts import DROPPED, interrupted, uncollected  # noqa: F401

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
        count += 1
    assert count > 50
    np.testing.assert_array_equal(prepared(X), expected)
