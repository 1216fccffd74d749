"""Prepared objects in other processes, and copies of them."""

from __future__ import annotations

import copy
import functools
import inspect
import multiprocessing
import pickle
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import cloudpickle
import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE, EXACT, eager
from polyad import errors
from polyad.errors import ArgumentError, NotPicklableError

X = np.array([0.4, 1.2, -0.7])
V = np.array([1.0, -2.0, 0.5])


def f(x, c=2.0):
    """At the top of a module, where pickle finds it."""
    return np.sum(c * x**3)


def squares(x):
    return x**2


def power(x, c, n, scratch):
    scratch[:] = x**n * c
    return scratch[0] + scratch[1] + scratch[2], {"label": "kept", "y": x * c}


def of_a_number(t):
    return np.sin(t) * np.exp(t)


class Model:
    """A callable object with parameters."""

    def __init__(self, a):
        self.a = a

    def __call__(self, x):
        return np.sum(self.a * x**2)

    def energy(self, x):
        return np.sum(self.a * x**4)


OPERATORS = {
    "derivative": (ad.prepare_derivative, of_a_number, (0.3,), {}),
    "gradient": (ad.prepare_gradient, f, (X, 1.5), {}),
    "jacobian": (ad.prepare_jacobian, squares, (X,), {}),
    "jvp": (ad.prepare_jvp, squares, (X,), {"v": V}),
    "vjp": (ad.prepare_vjp, squares, (X,), {"w": V}),
    "second_derivative": (ad.prepare_second_derivative, of_a_number, (0.3,), {}),
    "hvp": (ad.prepare_hvp, f, (X, 1.5), {"v": V}),
    "hessian": (ad.prepare_hessian, f, (X, 1.5), {}),
    "taylor": (functools.partial(ad.prepare_taylor, order=2), f, (X,), {"v": V}),
}


def backend_of(name):
    return ad.NumPy(compile=True) if name == "numpy compiled" else eager(name)


def there_and_back(p):
    return pickle.loads(pickle.dumps(p))


@pytest.mark.parametrize("name", [*AVAILABLE, "numpy compiled"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_of_every_backend(operator, name):
    prepare, function, args, seed = OPERATORS[operator]
    if operator == "taylor" and name == "finite":
        pytest.skip("has none")
    p = prepare(function, *args, backend=backend_of(name))
    q = there_and_back(p)
    assert isinstance(q, type(p))
    np.testing.assert_array_equal(q(*args, **seed), p(*args, **seed))
    assert type(q) is type(p)  # arrived and used: one as any other
    assert repr(q) == repr(p)
    if operator != "jacobian" and hasattr(p, "value_and"):
        for a, b in zip(q.value_and(*args, **seed), p.value_and(*args, **seed), strict=True):
            np.testing.assert_array_equal(a, b)
    again = there_and_back(there_and_back(p))  # sent on before it was used
    np.testing.assert_array_equal(again(*args, **seed), p(*args, **seed))


@pytest.mark.parametrize("name", EXACT)
def test_what_a_prepared_object_was_made_with_goes_along(name):
    scratch = ad.Cache(np.zeros(3))
    p = ad.prepare_gradient(
        power, X, 2.0, ad.Static(3), scratch, argnums=(0, 1), has_aux=True, backend=eager(name)
    )
    q = there_and_back(p)
    (dx, dc), aux = q(X, 2.0, ad.Static(3), scratch)
    np.testing.assert_allclose(dx, 6 * X**2, rtol=1e-12)
    np.testing.assert_allclose(dc, np.sum(X**3), rtol=1e-12)
    np.testing.assert_allclose(aux["y"], 2 * X, rtol=1e-12)
    assert aux["label"] == "kept"
    with pytest.raises(errors.PreparationMismatchError):
        q(X, 2.0, ad.Static(2), scratch)


def test_batches_mismatches_and_out_go_along():
    p = ad.prepare_jvp(squares, X, v=np.ones((2, 3)), batched=True, on_mismatch="reprepare")
    q = there_and_back(p)
    np.testing.assert_allclose(q(X, v=np.stack([V, 2 * V])), [2 * X * V, 4 * X * V], rtol=1e-15)
    np.testing.assert_allclose(q(X[:2], v=np.ones((1, 2))), [2 * X[:2]], rtol=1e-15)
    out = np.zeros(3)
    assert there_and_back(ad.prepare_gradient(f, X))(X, out=out) is out
    np.testing.assert_allclose(out, 6 * X**2, rtol=1e-15)


@pytest.mark.parametrize("name", AVAILABLE)
def test_a_linearization_is_that_of_its_point(name):
    x = X.copy()
    _, J = ad.linearize(squares, x, backend=eager(name))
    x += 10.0
    for other in (there_and_back(J), copy.copy(J), copy.deepcopy(J)):
        np.testing.assert_allclose(other.jvp(V), 2 * X * V, rtol=1e-6)
        np.testing.assert_allclose(other.vjp(V), 2 * X * V, rtol=1e-6)
        np.testing.assert_allclose(other.value, X**2, rtol=1e-12)


@pytest.mark.parametrize("name", AVAILABLE)
def test_copies(name):
    p = ad.prepare_gradient(f, X, backend=eager(name))
    assert copy.copy(p) is p  # it never changes
    assert copy.deepcopy(p) is p
    held = copy.deepcopy({"solver": [p]})
    np.testing.assert_allclose(held["solver"][0](X), 6 * X**2, rtol=1e-6)


def test_a_deep_copy_has_the_function_of_its_own():
    model = Model(np.array([1.0, 2.0, 3.0]))
    p = ad.prepare_gradient(model, X)
    q = copy.deepcopy(p)
    model.a[:] = 0.0
    np.testing.assert_allclose(q(X), 2 * np.array([1.0, 2.0, 3.0]) * X, rtol=1e-15)
    assert q.f is not model


@pytest.mark.parametrize("function", [Model(V), Model(V).energy, functools.partial(f, c=3.0)])
def test_objects_methods_and_partials(function):
    p = ad.prepare_gradient(function, X)
    np.testing.assert_array_equal(there_and_back(p)(X), p(X))


# -- what cannot be sent ------------------------------------------------------------------------------


def refused(p, *words):
    for send in (pickle.dumps, lambda p: multiprocessing.reduction.ForkingPickler.dumps(p)):
        with pytest.raises(errors.NotPicklableError) as caught:
            send(p)
        assert isinstance(caught.value, pickle.PicklingError)
        for word in words:
            assert word in str(caught.value)


def test_a_lambda_is_sent_by_cloudpickle_only():
    p = ad.prepare_gradient(lambda x: np.sum(x**3), X)
    refused(p, "prepared gradient", "<lambda>", "a lambda", "top level of a module", "cloudpickle")
    q = pickle.loads(cloudpickle.dumps(p))
    np.testing.assert_allclose(q(X), 3 * X**2, rtol=1e-15)


def test_an_inner_function_is_sent_by_cloudpickle_only():
    scale = 3.0

    def inner(x):
        return np.sum(scale * x**2)

    p = ad.prepare_hessian(inner, X)
    refused(p, "prepared hessian", "inner", "inside of a function", "cloudpickle")
    np.testing.assert_allclose(pickle.loads(cloudpickle.dumps(p))(X), 6 * np.eye(3), rtol=1e-15)


def test_an_object_with_a_lock_is_named():
    model = Model(V)
    model.lock = threading.Lock()
    refused(ad.prepare_gradient(model, X), "Model", "lock")


def test_a_static_argument_is_named():
    p = ad.prepare_gradient(lambda_free, X, ad.Static(lambda x: x))
    refused(p, "argument 1 (Static)", "lambda_free")


def lambda_free(x, g):
    return np.sum(g(x))


def test_what_was_made_inside_of_a_differentiation_stays_there():
    kept = []

    def outer(w):
        kept.append(ad.prepare_gradient(f, w))
        return np.sum(kept[-1](w))

    ad.gradient(outer, X)
    with pytest.raises(errors.NotPicklableError, match="inside of another differentiation"):
        pickle.dumps(kept[0])


def test_what_cannot_be_prepared_there_says_so_when_it_is_used():
    p = ad.prepare_gradient(broken_elsewhere, X)
    message = pickle.dumps(p)
    global BROKEN
    BROKEN = True
    try:
        q = pickle.loads(message)  # a pool of processes would hang on an error here
        for _ in range(2):
            with pytest.raises(errors.NonScalarOutputError):
                q(X)
    finally:
        BROKEN = False
    np.testing.assert_allclose(q(X), 2 * X, rtol=1e-15)


BROKEN = False


def broken_elsewhere(x):
    return x if BROKEN else np.sum(x**2)


def test_threads_may_be_the_first_to_use_it():
    q = there_and_back(ad.prepare_gradient(f, X))
    with ThreadPoolExecutor(4) as pool:
        for g in pool.map(q, [X] * 8):
            np.testing.assert_allclose(g, 6 * X**2, rtol=1e-15)


# -- other processes ----------------------------------------------------------------------------------


def apply(p, x):
    return p(x)


def fail(x):
    return ad.gradient(lambda x: x, x)


def test_a_spawned_process():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        sent = {name: ad.prepare_gradient(f, X, backend=name) for name in ("numpy", "finite")}
        sent["compiled"] = ad.prepare_gradient(f, X, backend=ad.NumPy(compile=True))
        if "casadi" in AVAILABLE:
            sent["casadi"] = ad.prepare_gradient(f, X, backend="casadi")
        futures = {name: pool.submit(apply, p, X) for name, p in sent.items()}
        for name, future in futures.items():
            np.testing.assert_allclose(future.result(), 6 * X**2, rtol=1e-6, err_msg=name)
        # a prepared object is a callable that can be submitted itself, and errors come back
        np.testing.assert_allclose(pool.submit(sent["numpy"], X).result(), 6 * X**2, rtol=1e-15)
        with pytest.raises(errors.NonScalarOutputError, match="use jacobian"):
            pool.submit(fail, X).result()
        with pytest.raises(errors.NotPicklableError, match="cloudpickle"):
            pool.submit(ad.prepare_gradient(lambda x: np.sum(x), X), X).result()


def test_joblib():
    joblib = pytest.importorskip("joblib")
    p = ad.prepare_gradient(lambda x: np.sum(x**3), X)  # joblib sends functions by value
    q = ad.prepare_hessian(f, X)
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(p)(k * X) for k in (1.0, 2.0))
    np.testing.assert_allclose(found, [3 * X**2, 12 * X**2], rtol=1e-15)
    (found,) = joblib.Parallel(n_jobs=2)([joblib.delayed(q)(X)])
    np.testing.assert_allclose(found, np.diag(12 * X), rtol=1e-15)


# -- errors -------------------------------------------------------------------------------------------

ERRORS = [
    e
    for e in vars(errors).values()
    if inspect.isclass(e) and issubclass(e, errors.PolyadError | errors.PolyadWarning)
]


@pytest.mark.parametrize("kind", ERRORS)
def test_errors_and_warnings_can_be_pickled(kind):
    error = kind("what, and what to do")
    error.add_note("a note")
    back = there_and_back(error)
    assert type(back) is kind
    assert str(back) == str(error)
    assert back.__notes__ == ["a note"]


def test_errors_as_they_are_raised_can_be_pickled():
    p = ad.prepare_gradient(f, X)
    calls = [
        lambda: p(np.ones(4)),
        lambda: ad.gradient(squares, X),
        lambda: ad.gradient(f, np.arange(3)),
        lambda: ad.gradient(f, X, backend="nothing"),
        lambda: ad.jvp(squares, X, v=np.ones(2)),
        lambda: p(X, out=np.zeros(2)),
        lambda: ad.gradient(lambda x: np.sum(np.asarray(x)), X, follow=False),
        lambda: pickle.dumps(ad.prepare_gradient(lambda x: np.sum(x), X)),
    ]
    for call in calls:
        with pytest.raises(errors.PolyadError) as caught:
            call()
        back = there_and_back(caught.value)
        assert type(back) is type(caught.value)
        assert str(back) == str(caught.value)


# -- files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AVAILABLE)
def test_a_file(name, tmp_path):
    p = ad.prepare_gradient(f, X, 2.0, backend=name)
    p.save(tmp_path / "p")
    assert np.array_equal(ad.load(tmp_path / "p")(X + 1, 3.0), p(X + 1, 3.0))
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_what_took_long_to_be_found_is_in_the_file(tmp_path, monkeypatch):
    p = ad.prepare_jacobian(lambda x: x**2, np.ones(5), backend=ad.Sparse("numpy"))
    p.save(tmp_path / "p")
    arrived = ad.load(tmp_path / "p")
    monkeypatch.setattr(ad.sparse.TracingDetector, "__call__", None)  # nothing is looked for
    assert np.array_equal(arrived(np.arange(5.0)).toarray(), np.diag(2 * np.arange(5.0)))
    assert arrived.ncolors == p.ncolors == 1


def test_another_version_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "p"
    ad.prepare_gradient(f, X, 2.0).save(path)
    monkeypatch.setattr(ad, "__version__", "0.2.0")
    with pytest.raises(ArgumentError, match=r"of f\) was saved by polyad 0.1.0, and this is polyad 0.2"):
        ad.load(path)
    path.write_bytes(b"\x80\x04N.")
    with pytest.raises(ArgumentError, match="holds no prepared derivative"):
        ad.load(path)
    with pytest.raises(FileNotFoundError):
        ad.load(tmp_path / "nothing")


def test_what_cannot_be_saved_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "p"
    ad.prepare_gradient(f, X, 2.0).save(path)
    before = path.read_bytes()
    lock = threading.Lock()
    p = ad.prepare_gradient(lambda x: np.sum(x) if lock else x, X)
    with pytest.raises(NotPicklableError, match=r"<lambda> cannot be saved .* keep locks"):
        p.save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["p"]


def test_without_cloudpickle_a_lambda_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(NotPicklableError, match=r"is a lambda.* or install cloudpickle"):
        ad.prepare_gradient(lambda x: np.sum(x), X).save(tmp_path / "p")
    assert not list(tmp_path.iterdir())
