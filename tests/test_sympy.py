"""The SymPy backend, which is not registered yet: known values, refusals, the smoke scenarios."""

from __future__ import annotations

import numpy as np
import pytest

import polyad as ad
from polyad.backends.sympy import SymPy
from polyad.testing import check_backend


def test_the_known_hessian_product():
    x, v = np.arange(1.0, 6.0), np.arange(6.0, 11.0)
    expected = [
        1164.881764812144,
        1749.5486430921133,
        2346.2155213720825,
        2942.8823996520514,
        6431.86668789933,
    ]
    prepared = ad.prepare_hvp(lambda x: np.linalg.norm(x) ** 3 * x[-1] + x[0] ** 2, x, backend=SymPy())
    np.testing.assert_allclose(prepared(x, v=v), expected, rtol=1e-12)


def test_a_branch_on_a_value_is_refused():
    with pytest.raises(ad.errors.FunctionNotSupportedError):
        ad.gradient(lambda x: x[0] if x[0] > 0 else x[1], np.ones(2), backend=SymPy())


def test_the_scenarios():
    check_backend(SymPy()).raise_if_failed()
