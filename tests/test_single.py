"""The fast path of unprepared calls: it gives what the general code gives, and keeps nothing.

What is compared is the same call with the fast path and without: results, types, errors, warnings, and that
the function does not run more often. That results are right is the business of the scenarios, which take the
fast path too.
"""

from __future__ import annotations

import gc
import math
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import polyad as ad
from backends import EXACT
from polyad.call.single import usual

X, V, C = np.linspace(0.5, 1.5, 5), np.arange(5.0), np.linspace(-1.0, 1.0, 5)
BACKENDS = [n for n in ("numpy", "numpy:forward", "torch", "autograd") if n.partition(":")[0] in EXACT]


def bisected(x):
    low, high = 0.0, 10.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if middle > x[0] else (middle, high)
    return low * x[0]


def written(x, c, s):
    c[0] = x[0] * s
    return c.sum() + x.sum()


FUNCTIONS = {
    "scalar": (lambda x: x @ x, ()),
    "constants": (lambda x, c, s: np.sum(x * c) * s * x[0], (C, 2.0)),
    "array": (lambda x: x * x[::-1], ()),
    "matrix": (lambda x: x[:, None] * x, ()),
    "itself": (lambda x: x, ()),
    "view": (lambda x: x[1:3], ()),
    "linear": (lambda x: x.sum(), ()),
    "a row of zeros": (lambda x: np.stack([x[0] ** 2, x[0] * 0.0]), ()),
    "no dependence": (lambda x: 3.0, ()),
    "a table": (lambda x: float(np.array([1.0, 4.0])[int(x[0] > 0.4)]), ()),
    "not a number": (lambda x: np.sqrt(x - x[0]).sum(), ()),
    "many comparisons": (bisected, ()),
    "asks for types": (lambda x: x.sum() if isinstance(x, np.ndarray) else 2 * x.sum(), ()),
    "writes to a constant": (written, (np.zeros(5), 2.0)),
    "its own error": (lambda x: x[7], ()),
    "a tree": (lambda x: (x.sum(), x), ()),
    "nothing": (lambda x: None, ()),
    "complex": (lambda x: x.sum() * 1j, ()),
    "followed": (lambda x: np.asarray(x, dtype=float).sum() ** 2, ()),
    "eigenvalues": (lambda x: np.linalg.eigh(np.diag(x * 0.0 + 2.0))[1].sum() * x[0], ()),
}
OPERATORS = {
    "gradient": {},
    "value_and_gradient": {},
    "hessian": {},
    "value_gradient_and_hessian": {},
    "hvp": {"v": V},
    "gradient_and_hvp": {"v": V},
    "jacobian": {},
    "value_and_jacobian": {},
    "jvp": {"v": V},
    "value_and_jvp": {"v": V},
    "vjp": {"w": 2.0},
    "value_and_vjp": {"w": np.linspace(1.0, 2.0, 5)},
}


def told(operator, f, args, backend, **given):
    """All that a call shows: its result with the types, or its error, its warnings, and the runs of f."""
    runs = []

    def counted(*args):
        runs.append(None)
        return f(*args)

    copies = tuple(a.copy() if isinstance(a, np.ndarray) else a for a in args)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            given = given or OPERATORS.get(operator, {})
            found = getattr(ad, operator)(counted, *copies, backend=backend, **given)
            parts = found if type(found) is tuple else (found,)
            shown = [(type(part).__name__, repr(part)) for part in parts]
            shared = any(np.shares_memory(a, b) for a in parts for b in (*copies, V) if type(b) is np.ndarray)
            assert not shared
        except Exception as error:
            shown = [(type(error).__name__, str(error))]
    assert all(np.array_equal(a, b) for a, b in zip(copies, args, strict=True))
    return shown, [str(w.message) for w in heard], len(runs)


# those that take many runs in the general code, which is the same for all
DEAR = ("followed", "eigenvalues")


@pytest.mark.parametrize(
    ("name", "backend"), [(n, b) for n in FUNCTIONS for b in (BACKENDS[:1] if n in DEAR else BACKENDS)]
)
def test_the_fast_path_gives_what_the_general_code_gives(name, backend, monkeypatch):
    f, constants = FUNCTIONS[name]
    with monkeypatch.context() as general:
        general.setattr(usual, "_usual", lambda *key: None)
        slow = {operator: told(operator, f, (X, *constants), backend) for operator in OPERATORS}
    for operator, (shown, warned, runs) in slow.items():
        found = told(operator, f, (X, *constants), backend)
        assert (found[0], set(found[1])) == (shown, set(warned)), operator
        # how often a function is tried that is followed depends on the packages that a process has loaded
        # what a cotangent has to be like is known when the function has run, which may be once too often
        unfit = "vjp" in operator and (name == "its own error" or found[2] == runs + 1)
        assert name in DEAR or found[2] <= runs or unfit, operator


# of a number, and of a constant
NUMBERS = {
    "smooth": lambda t, c: np.sin(t) * c,
    "python": lambda t, c: t**2 + 1.0 if isinstance(t, float) else t,
    "math": lambda t, c: math.sin(t) * c,
    "array": lambda t, c: np.stack([t, t * c]),
    "a part is constant": lambda t, c: np.stack([t, t * 0.0]),
    "flat": lambda t, c: 2.0 * c,
    "not a number": lambda t, c: np.sqrt(t - t) * c,
}
OF_NUMBERS = {
    "gradient": {},
    "derivative": {},
    "value_and_derivative": {},
    "second_derivative": {},
    "value_derivative_and_second_derivative": {},
    "jvp": {"v": 2.0},
    "vjp": {"w": np.array([1.0, 2.0])},
}


@pytest.mark.parametrize("backend", [b for b in BACKENDS if b != "numpy:forward"])
@pytest.mark.parametrize("number", [float, np.float64])
def test_numbers_are_taken_as_the_general_code_takes_them(number, backend, monkeypatch):
    args = number(0.7), 3
    for name, f in NUMBERS.items():
        for operator, given in OF_NUMBERS.items():
            with monkeypatch.context() as general:
                general.setattr(usual, "_usual", lambda *key: None)
                slow = told(operator, f, args, backend, **given)
            found = told(operator, f, args, backend, **given)
            assert found[:2] == slow[:2], (name, operator)
            assert name == "math" or found[2] <= slow[2] + ("vjp" in operator), (name, operator)


def test_tensors_are_taken_as_the_general_code_takes_them(monkeypatch):
    torch = pytest.importorskip("torch")
    x, v = torch.linspace(0.5, 1.5, 5, dtype=torch.float64), torch.arange(5.0, dtype=torch.float64)
    one, w = torch.tensor(1.5, dtype=torch.float64), torch.ones((), dtype=torch.float64)
    tracked = x.clone().requires_grad_()
    functions = {
        "scalar": lambda x, c, s: (x @ c) * s,
        "array": lambda x, c, s: x * c,
        "itself": lambda x, c, s: x,
        "linear": lambda x, c, s: x.sum(),
        "a row of zeros": lambda x, c, s: x * (x > 1),
        "no dependence": lambda x, c, s: torch.tensor(3.0, dtype=torch.float64),
        "single": lambda x, c, s: x.float().sum(),
        "writes to a constant": lambda x, c, s: c.add_(1.0).sum() * x.sum(),
        "takes a number out": lambda x, c, s: x.sum() * x[0].item(),
        "followed around": lambda x, c, s: (x * tracked).sum(),
        "its own error": lambda x, c, s: x[7],
    }
    given = {
        "hvp": {"v": v},
        "gradient_and_hvp": {"v": v},
        "jvp": {"v": v},
        "vjp": {"w": w},
        "value_and_vjp": {"w": v},
    }
    first = ("gradient", "value_and_gradient", "hessian", "jacobian", "value_and_jacobian")

    def shown(f, operator, seed, *args):
        runs = []
        copies = [a.clone() if isinstance(a, torch.Tensor) else a for a in args]
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                found = getattr(ad, operator)(lambda *a: (runs.append(None), f(*a))[1], *copies, **seed)
                parts = found if type(found) is tuple else (found,)
                text = [(repr(a), a.requires_grad) for a in parts]
                places = {a.untyped_storage().data_ptr() for a in copies[:2]}
                assert not places & {a.untyped_storage().data_ptr() for a in parts}
            except Exception as error:
                text = [(type(error).__name__, str(error))]
        assert all(a is b or torch.equal(a, b) for a, b in zip(copies, args, strict=True))
        return text, [str(w.message) for w in heard], len(runs)

    for name, f in functions.items():
        calls = [(operator, given.get(operator, {}), (x, v, 2.0)) for operator in (*first, *given)]
        if name == "scalar":
            calls += [("derivative", {}, (one, one, 2.0)), ("gradient", {}, (x.float(), v.float(), 2.0))]
            calls += [("gradient", {}, (tracked, v, 2.0)), ("gradient", {}, (x, v.numpy(), 2.0))]
        for operator, seed, args in calls:
            f_here = (lambda t, c, s: t * c * s) if operator == "derivative" else f
            with monkeypatch.context() as general:
                general.setattr(usual, "_usual", lambda *key: None)
                slow = shown(f_here, operator, seed, *args)
            found = shown(f_here, operator, seed, *args)
            assert found[:2] == slow[:2], (name, operator)
            assert found[2] <= slow[2] + ("vjp" in operator) or name == "its own error", (name, operator)


def test_what_is_usual_takes_it(monkeypatch):
    general = []
    monkeypatch.setattr(usual.Begun, "executable", lambda self: general.append(self))
    for operator, given in OPERATORS.items():
        f = FUNCTIONS["array" if "jacobian" in operator or operator == "value_and_vjp" else "constants"]
        for backend in (b for b in ("numpy", "torch", "autograd") if b in EXACT):
            getattr(ad, operator)(f[0], X, *f[1], backend=backend, **given)
    for operator, given in OF_NUMBERS.items():
        f = NUMBERS["array" if operator == "vjp" else "smooth"]
        getattr(ad, operator)(f, 0.7, 3, backend="numpy", **given)
    assert not general


def test_nothing_of_a_call_is_kept():
    def called():
        captured, x = np.ones(5), X.copy()
        f = lambda x: np.sum(captured * x**2)  # noqa: E731
        found = ad.gradient(f, x), ad.hessian(f, x, backend=ad.NumPy())
        return [weakref.ref(a) for a in (captured, x, f, *found)]

    on = gc.isenabled()
    try:
        gc.disable()
        assert [ref() for ref in called()] == [None] * 5
    finally:
        if on:
            gc.enable()


def test_a_later_call_is_of_what_it_is_given():
    captured = np.array([1.0, 2.0])
    f = lambda x: np.sum(captured * x**2)  # noqa: E731
    x = np.array([3.0, 4.0])
    assert np.array_equal(ad.gradient(f, x), [6.0, 16.0])
    captured[0] = 10.0
    assert np.array_equal(ad.gradient(f, x), [60.0, 16.0])
    assert np.array_equal(ad.gradient(lambda x: -f(x), x), [-60.0, -16.0])
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert np.array_equal(ad.gradient(lambda x: np.sum(x**3), x), 3 * x**2)
    assert ad.gradient(lambda x: np.sum(x**3), x.astype(np.float32)).dtype == np.float32


def test_the_table_is_bounded(monkeypatch):
    monkeypatch.setattr(usual, "MOST", 4)
    for chunk in range(1, 12):
        assert np.array_equal(ad.gradient(lambda x: x @ x, X, backend=ad.NumPy(chunk_size=chunk)), 2 * X)
    assert len(usual.TABLE) <= 4


def test_threads_share_the_table():
    usual.TABLE.clear()

    def call(k):
        return ad.gradient(lambda x: k * (x @ x), X), ad.hessian(lambda x: k * (x @ x), X)

    with ThreadPoolExecutor(8) as pool:
        for k, (g, h) in enumerate(pool.map(call, range(1, 200)), start=1):
            assert np.array_equal(g, 2 * k * X) and np.array_equal(h, 2 * k * np.eye(5))
