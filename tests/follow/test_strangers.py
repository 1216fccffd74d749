"""Kinds of code that were met in packages which polyad did not know."""

from __future__ import annotations

import inspect
import math
import types
from typing import Any

import numpy as np
import pytest
import scipy.special
from numpy.testing import assert_equal
from scipy.special import cython_special

import polyad as ad
from backends import AVAILABLE
from polyad.engine.following import Route
from polyad.errors import DependenceError

X = np.array([0.7, 1.3])
A = np.array([[2.0, 1.0], [0.5, 3.0]])


def differences(f, x, h=1e-5):
    steps = np.eye(x.size) * h
    far = [(f(x + 2 * s) - f(x - 2 * s)) / (4 * h) for s in steps]
    near = [(f(x + s) - f(x - s)) / (2 * h) for s in steps]
    return (4 * np.array(near) - np.array(far)) / 3


# -- lists where NumPy makes arrays --------------------------------------------------------------------------


def matrices(x):
    m = [[x[0], 1.0], [2.0, x[1]]]
    y = np.linalg.det(m) + np.sum(np.linalg.inv(m)) + np.linalg.solve(m, [1.0, x[0]])[1]
    return y + np.linalg.slogdet([[x[0], 1.0], [1.0, x[1] + 2]])[1] + np.sum(np.linalg.svd(m)[1] ** 3)


def averages(x):
    y = np.mean([x[0], x[1]]) + np.var([x[0], x[1], 1.0]) + np.std([x[0], x[1], 1.0])
    y = y + np.percentile([x[0], x[1], 1.0], 30) + np.sum(np.cov([x[0], x[1], 1.0], [1.0, 2.0, x[0]]))
    return y + np.nanmean([x[0], np.nan, x[1] ** 2]) + np.sum(np.gradient([x[0], x[1], 1.0]) ** 2)


def entrywise(x):
    y = scipy.special.erf([x[0], x[1]]) * np.isfinite([x[0], x[1]])
    return (
        np.sum(y) + np.sum(np.fft.fft([x[0], x[1], 1.0]).real ** 2) + np.sum(np.float_power((x[0], x[1]), 3))
    )


def joined(x):
    y = np.concatenate(((x[:1],), (x[1:],)), axis=0) ** 2
    return (
        np.sum(y) + np.interp(0.3, [0.0, x[0], x[1]], [1.0, x[1], 3.0]) + np.bincount([0, 1], [x[0], x[1]])[1]
    )


def products_with_lists(x):
    rows = [x, x**2]
    return np.sum(A @ [x, 2 * x]) + np.sum(A @ rows) + np.sum(A @ [x[0], x[1]])


# -- functions of functions ----------------------------------------------------------------------------------


def by_pieces(x):
    t = np.array([-1.0, 0.5, 2.0])
    y = np.piecewise(t, [t < 0, (t >= 0) & (t < 1)], [lambda s: s * x[0], lambda s: s * x[1] ** 2, 3.0])
    z = np.apply_along_axis(lambda row: row * x[0] + np.sum(row), 1, A)
    return np.sum(y**2) + np.sum(z**3) + np.sum(np.apply_along_axis(lambda row: np.prod(row) * x[1], 0, A))


# -- what code asks of a number ------------------------------------------------------------------------------


def asks_for_a_length(x):
    def size(a):
        return len(a) if hasattr(a, "__len__") else 0

    return (x[0] * x[1] if size(x[0] + 1j * x[1]) == 0 and size(x) == 2 else 1e3) + float(x[0])


def angles(x):
    total = math.remainder(x[0], 0.4) ** 2 + math.remainder(x[1] * 300, 360.0)
    return total + (x[0] if math.isfinite(x[1]) and not math.isclose(x[0], x[1]) else 0.0)


def asserts(x):
    assert_equal(x, x)
    np.testing.assert_allclose([x[0], 1.0], [x[0], 1.0])
    part, exponent = math.frexp(x[1] * 5)
    return float(np.sum(x**2)) + part * exponent


def masked_nowhere(x):
    seen = np.ma.asarray([1.0, 2.0])
    away = seen - float(x[0]) * A[0]
    return np.sum(np.dot(A, away)) + np.sum(np.dot(A * x[1], np.ma.array([1.0, 3.0], mask=[False, False])))


FUNCTIONS = [
    matrices,
    averages,
    entrywise,
    joined,
    products_with_lists,
    by_pieces,
    asks_for_a_length,
    angles,
    asserts,
    masked_nowhere,
]
CELLS = [("numpy", f) for f in FUNCTIONS] + [
    *(("torch", f) for f in (matrices, joined, by_pieces, angles) if "torch" in AVAILABLE),
    *(("jax", f) for f in (entrywise, products_with_lists) if "jax" in AVAILABLE),
]


@pytest.mark.parametrize(("backend", "f"), CELLS, ids=lambda v: getattr(v, "__name__", v))
def test_a_function_has_its_gradient(backend, f):
    prepared = ad.prepare_gradient(f, X, backend=ad.JAX(jit=False) if backend == "jax" else backend)
    y = X * 1.01
    assert np.allclose(prepared(y), differences(f, y), rtol=1e-7, atol=1e-9)
    assert "followed through" in repr(prepared)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_complex_numbers_that_are_not_finite():
    z = np.array([complex(np.nan, 1.0), complex(2.0, np.inf), 3 + 4j])
    w = np.array([1 + 1j, 1 - 1j, 2j])
    found = ad.jvp(np.nan_to_num, z, v=w)
    assert np.array_equal(found, [1j, 1.0, 2j])


def test_what_masks_something_is_refused():
    with pytest.raises(ad.errors.FunctionNotSupportedError, match="masked array"):
        ad.gradient(lambda x: np.dot(x, np.ma.array([1.0, 2.0], mask=[True, False])), X)


@pytest.mark.parametrize("form", ["%.17g", "{:.17g}", "list"])
def test_a_number_made_of_a_text_again_is_told_of(form):
    def f(x: Any) -> Any:
        y = float(x[0])
        if form == "list":
            text = str([y])[1:-1]
        else:
            text = form % y if "%" in form else form.format(y)
        return float(text) * x[1]

    with pytest.raises(DependenceError):
        ad.gradient(f, np.array([2.0, 3.0]))


# -- compiled functions --------------------------------------------------------------------------------------


class Dispatcher:
    """As numba's: it takes numbers only, and has the function that it was made of."""

    def __init__(self, py_func):
        self.py_func = py_func

    def __call__(self, *args):
        return self.py_func(*map(_number, args))


class Universal:
    """As numba's of entries."""

    def __init__(self, py_func):
        self._dispatcher = Dispatcher(py_func)

    def __call__(self, *args):
        return np.vectorize(self._dispatcher)(*args)

    def __getattr__(self, name):
        raise KeyError(name)  # as objects of its compiler do


Dispatcher.__module__ = Universal.__module__ = "numba.imitated"


def _number(a):
    if not isinstance(a, float | np.floating) or type(a).__module__.startswith("polyad"):
        raise TypeError("cannot determine the type")
    return a


def _kernel(*, sin, sqrt):
    def compute(a):
        return sin(a) * sqrt(a)

    return compute


def _chosen(a, b):
    return a * b if a > b else a - math.exp(b)


scalar = Dispatcher(_kernel(sin=math.sin, sqrt=math.sqrt))
each = Universal(_chosen)


def test_functions_of_entries_and_closures_that_are_compiled():
    def f(x):
        return np.sum(each(x, np.array([1.0, 0.5]))) + scalar(x[0])

    assert np.allclose(ad.gradient(f, X), differences(f, X), rtol=1e-7)


def test_a_solver_is_given_a_compiled_function():
    from scipy.optimize import brentq

    space = {"equation": Dispatcher(lambda y, a: y * math.exp(y) - a), "brentq": brentq}
    exec("def f(x):\n    return brentq(equation, x[0] - 1, x[0] + 3, args=(x[1],))", space)
    y = float(np.real(scipy.special.lambertw(X[1])))
    assert np.allclose(ad.gradient(space["f"], X), [0.0, 1 / (math.exp(y) * (1 + y))])


def test_code_that_a_profiler_has_spoilt_keeps_its_module_as_it_is():
    """numba changes the flags of code while it is profiled: its variables are those of the module then."""
    compute = _kernel(sin=math.sin, sqrt=math.sqrt)
    code = compute.__code__
    spoilt = types.FunctionType(
        code.replace(co_flags=code.co_flags & ~inspect.CO_OPTIMIZED),
        {"__name__": "spoilt_by_numba", "__builtins__": __builtins__},
        closure=compute.__closure__,
    )
    route, before = Route(), set(spoilt.__globals__)
    assert route.recorded(spoilt, 0.5) == math.sin(0.5) * math.sqrt(0.5)
    assert set(spoilt.__globals__) == before
    assert len(route.places) > 1  # what it has from the function around it, too


def elliptic(x):
    return cython_special.ellipk(x[0]) * x[1]


def test_a_refusal_names_the_compiled_function_and_its_remedies_work(monkeypatch):
    x = np.array([0.3, 2.0])
    k, e = scipy.special.ellipk(0.3), scipy.special.ellipe(0.3)
    expected = np.array([2.0 * (e - 0.7 * k) / (2 * 0.3 * 0.7), k])
    with pytest.raises(ad.errors.FunctionNotSupportedError) as caught:
        ad.gradient(elliptic, x)
    told = str(caught.value)
    assert "scipy.special.cython_special.ellipk is compiled code (Cython)" in told
    assert "backend='finite'" in told
    assert np.allclose(ad.gradient(elliptic, x, backend="finite"), expected, atol=1e-6)
    assert "cython_special.ellipk = ad.define(ellipk, ...)" in told
    ellipk = cython_special.ellipk
    slope = lambda x0: (scipy.special.ellipe(x0) / (1 - x0) - scipy.special.ellipk(x0)) / (2 * x0)  # noqa: E731
    monkeypatch.setattr(cython_special, "ellipk", ad.define(ellipk, slope))
    assert np.allclose(ad.gradient(elliptic, x), expected)
    monkeypatch.setattr(cython_special, "ellipk", scipy.special.ellipk)  # the same in what can be followed
    assert np.allclose(ad.gradient(elliptic, x), expected)


def test_the_line_of_a_refusal_is_no_line_of_compiled_code():
    """Compiled code that wants memory raises an error with a line of a source that is not there."""
    from polyad.arrays.user_code import is_users

    assert not any(map(is_users, ("<stringsource>", "arch/univariate/recursions.pyx")))
    assert is_users("model.py")


def _raises(space, context):
    """An error that passes a function of a namespace, with another as its context."""
    try:
        try:
            raise context
        except Exception:
            space["f"]()
    except ValueError as error:
        return error


def test_which_file_is_rewritten_does_not_depend_on_an_earlier_attempt():
    """The context of an error is that of an earlier attempt, in a file that is rewritten already."""
    from polyad.engine.follow.reach import _lost_in

    spaces = [{}, {}]
    for k, space in enumerate(spaces):
        exec(compile("def f():\n    raise ValueError", f"package_{k}.py", "exec"), space)
    codes = {f"package_{k}.py": [space["f"].__code__] for k, space in enumerate(spaces)}
    first = _raises(spaces[0], KeyError())
    second = _raises(spaces[1], first)
    assert _lost_in(second, codes, set()) is spaces[1]["f"].__code__
    assert _lost_in(second, codes, {"package_1.py"}) is spaces[0]["f"].__code__
    assert _lost_in(first, codes, {"package_0.py"}) is None
    assert _lost_in(second, codes, {"package_0.py", "package_1.py"}) is None
