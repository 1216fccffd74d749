"""Functions of packages that know nothing of differentiation are followed."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import polyad as ad
from polyad.engine.follow.namespaces import Names, Namespace
from polyad.engine.follow.reach import _NAMESPACES

X = np.array([0.3, 1.2, 1.7])


def differences(f, x, h=1e-5):
    steps = np.eye(x.size) * h
    far = [(f(x + 2 * s) - f(x - 2 * s)) / (4 * h) for s in steps]
    near = [(f(x + s) - f(x - s)) / (2 * h) for s in steps]
    return (4 * np.array(near) - np.array(far)) / 3


NAMES = "conversion imported buffers mathematics asked described of_scipy methods closure".split()
NAMES += ["ends_in_float", "ends_in_item"]

# the dear backends on some
CELLS = [
    *(("numpy", name) for name in NAMES),
    *(("numpy:forward", name) for name in ("buffers", "mathematics")),
    *(("torch", name) for name in ("conversion", "buffers", "mathematics", "asked", "ends_in_item")),
    *(("autograd", name) for name in ("conversion", "mathematics", "methods")),
    *(("jax", name) for name in ("imported", "asked", "methods")),
    *(("casadi", name) for name in ("conversion", "buffers")),
]


@pytest.mark.parametrize(("backend", "name"), CELLS)
def test_a_pattern_has_its_gradient(package, name, backend):
    if backend not in ("numpy", "numpy:forward"):
        pytest.importorskip(backend)
    f = getattr(package, name)
    if backend == "jax":
        backend = ad.JAX(jit=False)
    before = dict(vars(package))
    prepared = ad.prepare_gradient(lambda x: f(x), X, backend=backend)
    y = X * 1.01
    assert np.allclose(prepared(y), differences(f, y), rtol=1e-7)
    assert np.allclose(ad.gradient(lambda x: f(x), y, backend=backend), differences(f, y), rtol=1e-7)
    assert all(vars(package)[k] is v for k, v in before.items())
    assert list(vars(package)) == list(before)


def test_repr_says_through_what(package):
    prepared = ad.prepare_gradient(lambda x: package.conversion(x), X)
    assert "followed through" in repr(prepared)
    assert "wildly" in repr(prepared)
    assert "followed" not in repr(ad.prepare_gradient(lambda x: np.sum(x**2), X))


def test_follow_is_forced_and_forbidden(package):
    f = package.mathematics
    with pytest.raises(ad.errors.PolyadError):
        ad.gradient(f, X, follow=False)
    for follow in (True, ("wildly",)):
        assert np.allclose(ad.gradient(f, X, follow=follow), differences(f, X), rtol=1e-7)
    with pytest.raises(ad.errors.PolyadError):
        ad.gradient(lambda x: f(x), X, follow=("another",))
    with pytest.raises(ad.errors.ArgumentError, match="follow is"):
        ad.gradient(f, X, follow="wildly")


def test_second_order(package):
    hessian = ad.prepare_hessian(lambda x: package.mathematics(x), X)(X)
    gradient = ad.prepare_gradient(lambda x: package.mathematics(x), X)
    columns = [(gradient(X + s) - gradient(X - s)) / 2e-6 for s in np.eye(3) * 1e-6]
    assert np.allclose(hessian, np.array(columns), rtol=1e-6, atol=1e-7)


def test_errors_of_the_function_stay_its_own(package):
    before = dict(vars(package))
    with pytest.raises(KeyError, match="of its own"):
        ad.gradient(lambda x: package.fails(x) + package.conversion(x), X)

    def interrupted(x):
        package.conversion(x)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ad.gradient(interrupted, X, follow=True)
    assert all(vars(package)[k] is v for k, v in before.items())
    assert not any(space.standing for space in _NAMESPACES.values())


def test_nesting(package):
    def outer(x):
        inner = ad.gradient(lambda y: package.mathematics(y) * x[0], x)
        return np.sum(inner) + package.conversion(x)

    def plain(x):
        return np.sum(differences(package.mathematics, x) * x[0]) + package.conversion(x)

    got = ad.gradient(outer, X)
    inner = ad.hessian(lambda x: package.mathematics(x), X)
    expected = inner.sum(axis=0) * X[0] + differences(package.conversion, X)
    # the inner function has its factor x[0] as a constant of the inner differentiation
    expected[0] += np.sum(differences(package.mathematics, X))
    assert np.allclose(got, expected, rtol=1e-6)
    assert np.isfinite(plain(X))


def test_other_threads_get_ordinary_results(package):
    stop, wrong = threading.Event(), []
    expected = package.buffers(X)

    def work():
        while not stop.is_set():
            y = package.buffers(X)
            if type(y) is not type(expected) or y != expected or type(package.np.zeros(2)) is not np.ndarray:
                wrong.append(y)

    other = threading.Thread(target=work)
    other.start()
    prepared = ad.prepare_gradient(lambda x: package.buffers(x), X)
    results = [prepared(X) for _ in range(100)]
    stop.set()
    other.join()
    assert not wrong
    assert all(np.array_equal(r, results[0]) for r in results)


def test_two_threads_differentiate(package):
    prepared = [ad.prepare_gradient(lambda x, f=f: f(x), X) for f in (package.buffers, package.mathematics)]
    expected = [p(X) for p in prepared]
    wrong = []

    def work(k):
        for _ in range(50):
            if not np.array_equal(prepared[k](X), expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k % 2,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert not any(space.standing for space in _NAMESPACES.values())


def test_plain_arguments_give_what_the_original_gives(package):
    # inside of a followed call, of what is not active
    constant = np.array([0.5, 0.25, 2.0])
    seen = []

    def f(x):
        for name in ("mathematics", "asked", "ends_in_float", "ends_in_item"):
            seen.append(getattr(package, name)(constant))
        return package.conversion(x)

    ad.gradient(f, X, follow=True)
    expected = [package.mathematics(constant), package.asked(constant), package.ends_in_float(constant)]
    expected.append(package.ends_in_item(constant))
    assert seen[-4:] == expected
    assert [type(a) for a in seen[-4:]] == [type(a) for a in expected]


def test_classes_that_are_compared_stay_themselves(package):
    names = {"__name__": "compared"}
    code = """
def f(x):
    return type(x) is float, float(x)
def g(x):
    return isinstance(x, float)
"""
    exec(code, names)
    place = Names(Namespace(names))
    place.put()
    try:
        assert "float" not in names
        assert "isinstance" in names
        assert names["f"](1.0) == (True, 1.0)
    finally:
        place.take()
    assert set(names) == {"__name__", "__builtins__", "f", "g"}


def test_a_module_stands_for_itself_elsewhere(package):
    import copy
    import pickle

    from polyad.engine.follow.counterparts import COUNTERPARTS, module_like

    stand_in = module_like(np)
    assert stand_in.asarray == np.asarray
    assert hash(stand_in.asarray) == hash(np.asarray)
    assert pickle.loads(pickle.dumps(stand_in.asarray)) is np.asarray
    assert copy.copy(COUNTERPARTS[id(float)]) is float
    assert isinstance(1.0, COUNTERPARTS[id(float)])
    assert np.zeros(2, dtype=COUNTERPARTS[id(np.float32)].original).dtype == np.float32
    assert type(stand_in.zeros(2)) is np.ndarray


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_a_refusal_in_a_package_shows_its_line_and_the_callers(package, backend):
    pytest.importorskip(backend)
    with pytest.raises(ad.errors.PolyadError) as caught:
        ad.gradient(lambda x: package.viewed(x), X, backend=backend)
    text = str(caught.value)
    assert "test_follow.py" in text and "`ad.gradient(lambda x: package.viewed(x)" in text
    assert "code of wildly, __init__.py:" in text and "`return float(np.sum(x.view(Length) ** 2))`" in text
    # the remedies that it names
    assert "backend='finite'" in text
    assert "ad.define" in text
    assert np.allclose(ad.gradient(lambda x: package.viewed(x), X, backend="finite"), 2 * X, rtol=1e-6)
