"""The plugin of pytest, in a pytest of its own."""

from __future__ import annotations

import textwrap

import pytest

pytest_plugins = ["pytester"]

TESTS = """
    import numpy as np
    import pytest
    import polyad as ad

    wrong = ad.define(lambda x: np.sin(x), lambda x: 1.01 * np.cos(x), name="wrong")
    X = np.array([0.3, 1.2])

    @pytest.fixture
    def scale():
        return 3.0

    @pytest.mark.gradcheck
    def test_one():
        return lambda x: np.sum(np.sin(x)), X

    @pytest.mark.gradcheck(backends=["numpy", "autograd"], order=2, argnums=(0, 1))
    @pytest.mark.parametrize("power", [2, 3])
    def test_many(scale, power):
        return lambda x, a: a * np.sum(x**power) * scale, X, 2.0

    @pytest.mark.gradcheck("numpy")
    def test_wrong():
        return lambda x: np.sum(wrong(x)), X

    @pytest.mark.gradcheck
    def test_nothing():
        pass

    class TestGroup:
        @pytest.mark.gradcheck(backends=ad.NumPy("forward"))
        def test_method(self):
            return np.sum, X

    def test_without_the_mark():
        assert True
"""


def test_the_mark_checks_the_function_that_a_test_returns(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(textwrap.dedent(TESTS))
    options = ("-p", "no:cacheprovider", "-rA", "--strict-markers", "-o", "addopts=")
    result = pytester.runpytest_subprocess(*options)
    result.assert_outcomes(passed=7, failed=2)
    text = result.stdout.str()
    assert "test_many[autograd-2]" in text or "test_many[2-autograd]" in text
    assert "DerivativeMismatchError" in text
    assert "is wrong at d y / d x[0]" in text
    assert "is marked gradcheck and returned NoneType" in text


def test_the_mark_is_known(pytester: pytest.Pytester) -> None:
    assert "@pytest.mark.gradcheck(backends=None" in pytester.runpytest_subprocess("--markers").stdout.str()
