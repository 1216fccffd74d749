"""Methods of plain arrays that are given what is differentiated, and writes into plain arrays."""

from __future__ import annotations

import sys

import cutest
import numpy as np
import pytest

import polyad as ad
from polyad.engine.follow import arrays
from polyad.engine.follow.rewriting import rewritten

X = cutest.X


def differences(f, x, h=1e-4):
    steps = np.eye(x.size) * h
    far = [(f(x + 2 * s) - f(x - 2 * s)) / (4 * h) for s in steps]
    near = [(f(x + s) - f(x - s)) / (2 * h) for s in steps]
    return (4 * np.array(near) - np.array(far)) / 3


@pytest.mark.parametrize("f", cutest.PROBLEMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("backend", ["numpy", "numpy:forward", "torch", "autograd", "jax", "casadi"])
def test_a_problem_has_its_gradient(f, backend):
    if not backend.startswith("numpy"):
        pytest.importorskip(backend)
    if backend in ("jax", "casadi") and f is cutest.methods:
        pytest.skip("an index that depends on a value")
    before = f.__code__
    prepared = ad.prepare_gradient(f, X, backend=backend)
    y = X * 1.01
    assert np.allclose(prepared(y), differences(f, y), rtol=1e-6, atol=1e-7)
    assert f.__code__ is before


def test_a_branch_on_a_product():
    for backend in ("numpy", ad.JAX(jit=False)):
        assert np.allclose(ad.gradient(cutest.branch, X, backend=backend), cutest.A[0])


@pytest.mark.parametrize("f", cutest.SHARED, ids=lambda f: f.__name__)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_write_that_others_see_is_refused(f, backend):
    if backend != "numpy":
        pytest.importorskip(backend)
    before = cutest.B.copy()
    with pytest.raises(ad.errors.PolyadError, match=r"np\.zeros_like\(x\)|polyad\.stop_gradient"):
        ad.gradient(f, X, backend=backend)
    assert np.array_equal(cutest.B, before)


@pytest.mark.parametrize("f", [*cutest.PROBLEMS, *cutest.SHARED[1:]], ids=lambda f: f.__name__)
def test_rewritten_code_computes_the_same(f):
    code = rewritten(f.__code__)
    if code is None:
        assert f in (cutest.loop, cutest.in_a_list)  # nothing in them is rewritten
        return
    assert code != f.__code__
    again = type(f)(code, f.__globals__)
    assert again(X) == f(X)
    assert type(again(X)) is type(f(X))


def test_the_source_must_be_that_of_the_code(tmp_path):
    file = tmp_path / "changing.py"
    file.write_text("def f(a, x):\n    return a.dot(x)\n")
    names = {}
    exec(compile(file.read_text(), str(file), "exec", dont_inherit=True), names)
    assert rewritten(names["f"].__code__) is not None
    file.write_text("def f(a, x):\n    return a.dot(x) + 1\n\n")
    sys.modules["linecache"].checkcache(str(file))
    assert rewritten(names["f"].__code__) is None
    exec("def g(a, x):\n    return a.dot(x)", names)
    assert rewritten(names["g"].__code__) is None


def test_helpers_are_the_ordinary_thing_elsewhere():
    a = np.ones(3)
    assert arrays.method(a, "dot")(a) == 3.0
    assert arrays.owned([a], 1.0) is a
    assert arrays.augmented([a, a[0]], 0, 1.0)[0] is a
    assert arrays.kind(1.0) is float
    assert arrays.found(np) is np
    with pytest.raises(AttributeError, match="no attribute"):
        arrays.method(a, "nothing")
