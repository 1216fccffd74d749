"""``check_derivatives`` finds wrong derivatives, names the entry and says why."""

from __future__ import annotations

import re

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE, EXACT, eager
from polyad.errors import DerivativeMismatchError, FunctionNotSupportedError, PolyadError
from polyad.testing import check_derivatives

pytestmark = pytest.mark.skipif("finite" not in AVAILABLE, reason="differences are not there")
X = np.array([0.4, -1.3, 0.9])
needs_jax = pytest.mark.skipif("jax" not in EXACT, reason="jax is not installed")
needs_torch = pytest.mark.skipif("torch" not in EXACT, reason="torch is not installed")


def smooth(x, a=1.0):
    xp = ad.namespace(x)
    return xp.sum(a * xp.sin(x) * x)


@pytest.mark.parametrize("name", EXACT)
def test_right_derivatives_pass(name):
    backend = eager(name)
    assert check_derivatives(smooth, X, backend=backend) < 1e-6
    assert check_derivatives(smooth, X, 2.0, backend=backend, order=2) < 1e-6
    assert check_derivatives(lambda x, y: x * y**2, X, X + 3, backend=backend, argnums=(0, 1)) < 1e-6
    assert check_derivatives(lambda p, n: p["a"] * p["b"] ** n, {"a": X, "b": 1.5}, ad.Static(3),
                             backend=backend) < 1e-6  # fmt: skip
    assert check_derivatives(lambda x: 0 * x, X, backend=backend) == 0
    assert check_derivatives(lambda t: t**3, 2.0, backend=backend, order=2) < 1e-6


def test_float32_is_checked_in_double_precision():
    name = EXACT[0]
    assert check_derivatives(smooth, X.astype(np.float32), backend=eager(name)) < 1e-6


def test_arguments_stay():
    x = X.copy()
    check_derivatives(smooth, x, backend=eager(EXACT[0]))
    np.testing.assert_array_equal(x, X)


def jax_rule(backward):
    """x ** 3 with a backward rule of one's own."""
    import jax

    @jax.custom_vjp
    def cube(x):
        return x**3

    cube.defvjp(lambda x: (x**3, x), backward)
    return cube


@needs_jax
def test_a_right_jax_rule_passes_though_it_knows_no_forward_mode():
    cube = jax_rule(lambda x, w: (3 * x**2 * w,))
    assert check_derivatives(cube, X, backend=eager("jax")) < 1e-6


@needs_jax
def test_a_wrong_jax_rule_is_found():
    cube = jax_rule(lambda x, w: ((3 * x**2).at[1].add(0.5) * w,))
    with pytest.raises(DerivativeMismatchError) as caught:
        check_derivatives(cube, X, backend=eager("jax"))
    message = str(caught.value)
    assert "d y[1] / d x[1]" in message
    assert "5.57" in message
    assert "5.07" in message
    assert "custom rule" in message
    assert "reverse mode" in message
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, PolyadError)


@needs_jax
def test_a_factor_is_named():
    cube = jax_rule(lambda x, w: (6 * x**2 * w,))
    with pytest.raises(DerivativeMismatchError, match="off by the factor 2"):
        check_derivatives(lambda x: ad.namespace(x).sum(cube(x)), X, backend=eager("jax"))


@needs_jax
def test_a_rule_wrong_in_one_mode_says_which():
    import jax

    @jax.custom_jvp
    def cube(x):
        return x**3

    cube.defjvps(lambda dx, y, x: -3 * x**2 * dx)
    with pytest.raises(DerivativeMismatchError, match=r"off by the factor -1"):
        check_derivatives(cube, X, backend=eager("jax"))


@needs_jax
def test_stop_gradient_is_named():
    import jax

    with pytest.raises(DerivativeMismatchError, match="the derivative was dropped by detach, stop_gradient"):
        check_derivatives(lambda x: jax.lax.stop_gradient(x) ** 2, X, backend=eager("jax"))


@needs_jax
def test_wrong_second_order_is_found_and_first_order_is_not_blamed():
    import jax

    @jax.custom_jvp
    def cube(x):
        return x**3

    @cube.defjvp
    def rule(primals, tangents):
        (x,), (v,) = primals, tangents
        return x**3, jax.lax.stop_gradient(3 * x**2) * v

    def f(x):
        return cube(x).sum()

    assert check_derivatives(f, X, backend=eager("jax")) < 1e-6
    with pytest.raises(DerivativeMismatchError, match=r"the Hessian of .* is wrong"):
        check_derivatives(f, X, backend=eager("jax"), order=2)


def torch_rule(backward):
    import torch

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, w):
            (x,) = ctx.saved_tensors
            return backward(x, w)

    return Cube.apply


@needs_torch
def test_a_wrong_torch_rule_is_found():
    right = torch_rule(lambda x, w: 3 * x**2 * w)
    wrong = torch_rule(lambda x, w: 3 * x**2 * w + (x < 0) * w)
    assert check_derivatives(lambda x: right(x).sum(), X, backend="torch:reverse") < 1e-6
    with pytest.raises(DerivativeMismatchError) as caught:
        check_derivatives(lambda x: wrong(x).sum(), X, backend="torch:reverse")
    assert "d y / d x[1]: 6.07" in str(caught.value)


@needs_torch
def test_detach_is_named():
    with pytest.raises(DerivativeMismatchError, match="detach"):
        check_derivatives(lambda x: (x.detach() ** 2).sum() + 0 * x.sum(), X, backend="torch")


@needs_torch
def test_native_arguments():
    import torch

    assert check_derivatives(lambda x: x.exp().sum(), torch.tensor(X)) < 1e-6


@pytest.mark.parametrize("name", EXACT)
def test_a_kink_is_named(name):
    x = np.array([1.0, 0.0, 2.0])
    with pytest.raises(DerivativeMismatchError) as caught:
        # the slope at the kink is 0, 0.5 or 1 by framework: 3 times the larger part is wrong in all
        check_derivatives(lambda x: ad.namespace(x).abs(x) + 3 * ad.namespace(x).maximum(x, 0 * x), x,
                          backend=eager(name), rtol=1e-8)  # fmt: skip
        pytest.skip("this framework takes the mean slope at kinks, as central differences do")
    assert re.search(r"kink there: slope -1(\.0*)? on the left, 4(\.0*)? on the right", str(caught.value))


@pytest.mark.parametrize("name", EXACT)
def test_trees_and_names_of_entries(name):
    backend = eager(name)

    def f(p, q):
        return {"s": p["a"] * q[0], "t": q[0] ** 2}

    assert check_derivatives(f, {"a": X, "n": None}, (X + 1,), backend=backend, argnums=(0, 1)) < 1e-6


@needs_jax
def test_the_path_of_a_wrong_entry_in_a_tree():
    cube = jax_rule(lambda x, w: ((3 * x**2).at[2].add(9.0) * w,))
    with pytest.raises(DerivativeMismatchError, match=r"d y\['s'\]\[2\] / d x\['a'\]\[2\]"):
        check_derivatives(lambda p: {"s": cube(p["a"]), "t": p["b"]}, {"a": X, "b": X}, backend=eager("jax"))


@needs_jax
def test_what_no_mode_can_follow_is_the_framework_error():
    cube = jax_rule(lambda x, w: (3 * x**2 * w,))
    with pytest.raises(FunctionNotSupportedError, match="custom_vjp"):
        check_derivatives(cube, X, backend="jax:forward")
