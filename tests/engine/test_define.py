"""``define``: primitives of the user's own, in every mode, to second order, and what is refused."""

from __future__ import annotations

import importlib
import inspect
import math
import threading

import numpy as np
import pytest
import scipy.special as sp

import polyad as ad
from polyad.engine.boxes import dispatch
from polyad.errors import ArgumentError, FunctionNotSupportedError, OperationNotSupportedError
from polyad.testing import check_derivatives

X = np.array([0.4, 1.1, -0.7])
BACKENDS = ["numpy:forward", "numpy:reverse"]


@pytest.fixture
def table():
    """The table as it was, after the test: a rule for a universal function lasts."""
    kept = dict(dispatch.UFUNCS)
    yield dispatch.UFUNCS
    dispatch.UFUNCS.clear()
    dispatch.UFUNCS.update(kept)


def scalar_cube(t):
    return math.pow(t, 3)


# -- elementwise ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_ufunc_made_of_a_python_function(table, backend):
    cube = np.frompyfunc(scalar_cube, 1, 1)
    with pytest.raises(FunctionNotSupportedError):  # math.pow would drop the derivative
        ad.gradient(lambda x: np.sum(cube(x)), X, follow=False)
    np.testing.assert_allclose(ad.gradient(lambda x: np.sum(cube(x)), X), 3 * X**2, rtol=1e-14)
    assert ad.define(cube, lambda x: 3 * x**2) is cube

    def f(x):
        return np.sum(cube(x) * x)

    np.testing.assert_allclose(ad.gradient(f, X, backend=backend), 4 * X**3, rtol=1e-14)
    np.testing.assert_allclose(ad.hessian(f, X, backend=backend), np.diag(12 * X**2), rtol=1e-14)
    np.testing.assert_allclose(ad.hvp(f, X, v=X, backend=backend), 12 * X**3, rtol=1e-14)
    np.testing.assert_allclose(ad.derivative(cube, 2.0), 12.0)


def test_a_ufunc_of_numba(table):
    numba = pytest.importorskip("numba")
    for f in (
        numba.vectorize(lambda x, y: x * x * y),
        numba.vectorize(["f8(f8, f8)"])(lambda x, y: x * x * y),
    ):
        f(1.0, 1.0)
        with pytest.raises(OperationNotSupportedError, match=r"polyad\.define\(f, lambda x"):
            ad.gradient(lambda x, f=f: np.sum(f(x, x)), X, follow=False)
        np.testing.assert_allclose(ad.gradient(lambda x, f=f: np.sum(f(x, x)), X), 3 * X * X)  # by its Python
        ad.define(f, lambda a, b: 2 * a * b, lambda a: a * a)
        for backend in BACKENDS:
            found = ad.jacobian(lambda x, f=f: f(x, x[::-1]), X, backend=backend)
            np.testing.assert_allclose(
                found, np.diag(2 * X * X[::-1]) + np.diag(X**2)[:, ::-1], rtol=1e-14, atol=1e-15
            )


def test_a_function_of_scipy_under_unmodified_code(table):
    """Owen's T function: dT/dh = -erf(a h / sqrt 2) exp(-h^2 / 2) / (2 sqrt(2 pi))."""
    table.pop(sp.owens_t, None)
    ad.define(
        sp.owens_t,
        lambda a, b: -np.exp(-a * a / 2) * sp.erf(a * b / np.sqrt(2)) / (2 * np.sqrt(2 * np.pi)),
        lambda a, b: np.exp(-a * a * (1 + b * b) / 2) / (2 * np.pi * (1 + b * b)),
    )
    for order in (1, 2):
        check_derivatives(lambda x: np.sum(sp.owens_t(x, 0.5 * x)), X, order=order)
    with pytest.raises(FunctionNotSupportedError, match=r"casadi has no counterpart of owens_t.*lifts"):
        ad.gradient(lambda x: np.sum(sp.owens_t(x, 1.0)), X, backend="casadi")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_plain_elementwise_function(backend):
    def softplus(t):
        t = np.asarray(t, dtype=float)  # nothing is traced in here
        return np.array([math.log1p(math.exp(v)) for v in np.ravel(t)]).reshape(np.shape(t))

    smooth = ad.define(softplus, lambda t: 1 / (1 + np.exp(-t)))
    assert smooth.__name__ == "softplus" and str(inspect.signature(smooth)) == "(t)"
    np.testing.assert_array_equal(smooth(X), softplus(X))
    s = 1 / (1 + np.exp(-X))
    np.testing.assert_allclose(ad.gradient(lambda x: np.sum(smooth(x)), X, backend=backend), s, rtol=1e-14)
    np.testing.assert_allclose(
        ad.hessian(lambda x: np.sum(smooth(x)), X, backend=backend), np.diag(s * (1 - s)), rtol=1e-13
    )
    # of lists, and of arrays of objects
    np.testing.assert_allclose(
        ad.gradient(lambda x: np.sum(smooth([x[0], 1.0])), X, backend=backend), [s[0], 0, 0], rtol=1e-14
    )
    np.testing.assert_allclose(
        ad.gradient(lambda x: np.sum(smooth(np.array([x[0], x[1]]))), X, backend=backend), [*s[:2], 0]
    )


def test_broadcasting_the_result_and_constants():
    quotient = ad.define(lambda p, q: p / q, lambda q: 1 / q, lambda y, q: -y / q)

    def f(x):
        return np.sum(quotient(x[:, None], 2 + x) * quotient(3.0, x[0]))

    check_derivatives(f, X)
    check_derivatives(f, X, order=2)
    half = ad.define(lambda y: 0.5 * y * y, lambda y: y)  # here y is the operand, not the result
    np.testing.assert_array_equal(ad.gradient(lambda x: np.sum(half(x)), X), X)
    line = ad.define(lambda x: 3 * x, lambda: 3.0)
    np.testing.assert_array_equal(ad.gradient(lambda x: np.sum(line(x)), X), [3, 3, 3])


def test_taylor_follows_from_the_partials():
    own = ad.define(lambda x: np.exp(x), lambda y: y)
    found = ad.taylor(own, 0.3, v=1.0, order=8)
    np.testing.assert_allclose(found, [math.exp(0.3) / math.factorial(k) for k in range(9)], rtol=1e-13)


def test_a_partial_that_is_not_there():
    f = ad.define(lambda n, x: x**n, None, lambda n, x: n * x ** (n - 1))
    np.testing.assert_allclose(ad.gradient(lambda x: np.sum(f(3, x)), X), 3 * X**2)
    with pytest.raises(FunctionNotSupportedError, match="no derivative with respect to its operand 0"):
        ad.gradient(lambda x: np.sum(f(x, 2.0)), X)


# -- functions of arrays --------------------------------------------------------------------------------


def solve_compiled(a, b):
    """A stand-in for compiled code: it takes plain arrays only, and writes to what it gets."""
    assert type(a) is np.ndarray and type(b) is np.ndarray
    b[:] = np.linalg.inv(a) @ b
    return b


def solve_vjp(a, b, w):
    g = np.linalg.solve(a.T, w)
    return -np.outer(g, np.linalg.solve(a, b)), g


def solve_jvp(a, b, v):
    da, db = v
    return np.linalg.solve(a, db - da @ np.linalg.solve(a, b))


RULES = {
    "both": {"jvp": solve_jvp, "vjp": solve_vjp},
    "vjp": {"vjp": solve_vjp},
    "jvp": {"jvp": solve_jvp},
}
A = np.array([[2.0, 0.3, 0.1], [0.2, 1.5, -0.4], [0.0, 0.6, 3.0]])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("rules", RULES)
def test_one_rule_suffices(rules, backend):
    solve = ad.define(solve_compiled, **RULES[rules])

    def f(x):
        return solve(A + np.outer(x, x), x * x)

    def plain(x):
        return np.linalg.solve(A + np.outer(x, x), x * x)

    h = 1e-20
    wanted = np.stack([plain(X + 1j * h * e).imag / h for e in np.eye(3)], axis=1)  # the complex step
    for g in (f, lambda x: f(x) + 0):
        np.testing.assert_allclose(ad.jacobian(g, X, backend=backend), wanted, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ad.jvp(f, X, v=X, backend=backend), wanted @ X, rtol=1e-12)
    np.testing.assert_allclose(ad.vjp(f, X, w=X, backend=backend), X @ wanted, rtol=1e-12)
    check_derivatives(lambda x: np.sum(np.sin(f(x))), X, backend=backend, order=2)
    # one argument is constant
    only = ad.jacobian(lambda b: solve(A, b), X, backend=backend)
    np.testing.assert_allclose(only, np.linalg.inv(A), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("backend", BACKENDS)
def test_rules_in_compiled_code(backend):
    """Rules that accept plain arrays only serve every first-order operator."""

    def plain(a):
        assert type(a) is np.ndarray
        return a

    scan = ad.define(
        lambda x: np.cumsum(plain(x)) ** 2,
        jvp=lambda x, v: 2 * np.cumsum(plain(x)) * np.cumsum(plain(v)),
        vjp=lambda x, w: np.cumsum((2 * np.cumsum(plain(x)) * plain(w))[::-1])[::-1],
    )
    wanted = 2 * np.cumsum(X)[:, None] * np.tril(np.ones((3, 3)))
    np.testing.assert_allclose(ad.jacobian(scan, X, backend=backend), wanted, rtol=1e-14)
    np.testing.assert_allclose(
        ad.vjp(scan, X, w=np.eye(3), batched=True, backend=backend), wanted, rtol=1e-14
    )
    np.testing.assert_allclose(
        ad.jvp(scan, X, v=np.eye(3), batched=True, backend=backend), wanted.T, rtol=1e-14
    )


def test_keyword_arguments_reach_the_rules():
    power = ad.define(
        lambda x, *, n: x**n,
        jvp=lambda x, v, n: n * x ** (n - 1) * v,
        vjp=lambda x, w, n: n * x ** (n - 1) * w,
    )
    for backend in BACKENDS:
        np.testing.assert_allclose(
            ad.gradient(lambda x: np.sum(power(x, n=3)), X, backend=backend), 3 * X**2, rtol=1e-14
        )
    with pytest.raises(FunctionNotSupportedError, match=r"keyword argument .* is traced"):
        ad.gradient(lambda x: np.sum(power(X, n=x)), X)


def test_what_the_caller_overwrites_later():
    scale = ad.define(
        lambda x, c: x * c, jvp=lambda x, c, v: v[0] * c + x * v[1], vjp=lambda x, c, w: (w * c, w * x)
    )

    def f(x):
        c = np.array([1.0, 2.0, 3.0])
        y = scale(x, c)
        c[:] = 0
        return np.sum(y)

    for backend in BACKENDS:
        np.testing.assert_array_equal(ad.gradient(f, X, backend=backend), [1, 2, 3])


# -- other frameworks -------------------------------------------------------------------------------------


def lifted():
    def exp_of(module):
        return lambda x: importlib.import_module(module).exp(-x * x)

    own = {
        "jax": exp_of("jax.numpy"),
        "torch": exp_of("torch"),
        "autograd": exp_of("autograd.numpy"),
        "casadi": lambda x: np.exp(-x * x),
        "sympy": lambda x: np.exp(-x * x),
    }
    bell = np.vectorize(lambda t: math.exp(-t * t))
    return ad.define(bell, lambda x, y: -2 * x * y, lifts=own, name="bell")


@pytest.mark.parametrize("backend", ["jax", "torch", "autograd", "casadi", "sympy"])
def test_counterparts(backend):
    pytest.importorskip(backend)
    bell = lifted()
    wanted = -2 * X * np.exp(-(X**2))
    found = ad.gradient(lambda x: np.sum(bell(x) * np.ones(3)), X, backend=backend)
    np.testing.assert_allclose(found, wanted, rtol=1e-14)
    alone = ad.define(lambda x: np.cumsum(x), vjp=lambda x, w: np.cumsum(w[::-1])[::-1], name="alone")
    if backend != "sympy":  # takes the rule
        np.testing.assert_array_equal(ad.gradient(lambda x: np.sum(alone(x)), X, backend=backend), [3, 2, 1])
        return
    words = f"{backend} has no counterpart of alone.*lifts={{'{backend}': g}}"
    with pytest.raises(FunctionNotSupportedError, match=words):
        ad.gradient(lambda x: np.sum(alone(x)), X, backend=backend)


@pytest.mark.parametrize("backend", ["jax", "torch", "autograd", "sympy"])
def test_elementwise_functions_are_computed_on_the_host(backend):
    pytest.importorskip(backend)

    def area(p, q):
        p, q = np.broadcast_arrays(p, q)
        return np.array([math.hypot(a, b) for a, b in zip(p.flat, q.flat, strict=True)]).reshape(p.shape)

    far = ad.define(area, lambda p, y: p / y, lambda q, y: q / y)

    def f(x):
        return np.sum(far(x, 2.0) * far(x[0], x[1:, None]))

    for operator in ("gradient", "hessian"):
        found = getattr(ad, f"prepare_{operator}")(f, X + 1, backend=backend)(X)
        wanted = getattr(ad, operator)(lambda x: np.sum(np.hypot(x, 2.0) * np.hypot(x[0], x[1:, None])), X)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("backend", ["casadi"])
def test_a_graph_has_no_host(backend):
    pytest.importorskip(backend)
    plain = ad.define(lambda x: np.exp(x), lambda y: y, name="plain")
    with pytest.raises(FunctionNotSupportedError, match=f"{backend} has no counterpart of plain"):
        ad.gradient(lambda x: np.sum(plain(x)), X, backend=backend)


def test_a_name_of_another_library_is_not_looked_up():
    """``jax.numpy`` has a ``det`` of its own, which is another function."""
    det = ad.define(lambda x: x * 7, lambda: 7.0, name="det")
    np.testing.assert_allclose(ad.gradient(lambda x: np.sum(det(x)), X, backend="jax"), [7, 7, 7])
    det = ad.define(lambda x: x * 7, vjp=lambda x, w: 7 * w, name="det")
    np.testing.assert_allclose(ad.gradient(lambda x: np.sum(det(x)), X, backend="jax"), [7, 7, 7])
    with pytest.raises(ArgumentError, match="'tensorflow'"):
        ad.define(lambda x: x, lambda: 1.0, lifts={"tensorflow": np.sin})


def test_native_arrays_take_the_counterpart():
    jnp = pytest.importorskip("jax").numpy
    bell = lifted()
    np.testing.assert_allclose(bell(jnp.array([0.0])), [1.0])
    bare = ad.define(lambda x: np.exp(x), lambda y: y, name="bare")
    with pytest.raises(OperationNotSupportedError, match="jax has no counterpart of bare"):
        bare(jnp.array([0.0]))


# -- what is wrong ------------------------------------------------------------------------------------------


def two(p, q):
    return p * q


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ad.define(3, lambda x: x), "the function first"),
        (lambda: ad.define(two), "takes either"),
        (lambda: ad.define(two, lambda p: p, lambda q: q, jvp=solve_jvp), "takes either"),
        (lambda: ad.define(two, lambda p: p), r"two has 2 operands \(p, q\), and define got 1"),
        (lambda: ad.define(two, lambda q: q, lambda x: x), r"by q has a parameter 'x'.*\(p, q\), and y"),
        (lambda: ad.define(two, lambda q: q, 1.0), "by q is 1.0"),
        (lambda: ad.define(two, lambda *a: 1, lambda p: p), r"'\*args'"),
        (lambda: ad.define(two, vjp=lambda p, q: (q, p)), "must take the keyword w"),
        (lambda: ad.define(two, jvp=lambda p, q: (q, p)), "must take the keyword v"),
        (lambda: ad.define(np.frompyfunc(two, 2, 1), lambda x, y: y, lambda x: x), r"\(a, b\), and y"),
        (lambda: ad.define(np.sin, lambda x: 1.0), "belongs to polyad's own rules"),
        (lambda: ad.define(np.sin, lambda x: 1.0, replace=True), "belongs to polyad's own rules"),
        (lambda: ad.define(sp.erf, lambda x: 1.0), "erf has derivatives already: replace=True"),
        (lambda: ad.define(np.frompyfunc(divmod, 2, 2), lambda a: a, None), "2 results"),
        (lambda: ad.define(np.matmul, lambda a: a, None), "polyad's own|not elementwise|derivatives already"),
    ],
)
def test_wrong_definitions(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()


def test_replacing_a_rule(table):
    ad.define(sp.erf, lambda x: 0 * x + 5.0, replace=True)
    np.testing.assert_array_equal(ad.gradient(lambda x: np.sum(sp.erf(x)), X), [5, 5, 5])
    ad.define(sp.erf, lambda x: 0 * x + 6.0, replace=True)
    np.testing.assert_array_equal(ad.gradient(lambda x: np.sum(sp.erf(x)), X), [6, 6, 6])
    # the counterpart of another library is its own
    found = ad.gradient(lambda x: np.sum(sp.erf(x)), X, backend="jax")
    np.testing.assert_allclose(found, 2 / np.sqrt(np.pi) * np.exp(-(X**2)), rtol=1e-14)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (ad.define(lambda x: x * 2, lambda x: x[:, None], name="wide"), r"has shape \(3, 1\)"),
        (ad.define(lambda x: (x, x), lambda x: x, name="pair"), "pair returned a tuple"),
        (ad.define(lambda x: None, lambda x: x, name="none"), "none returned a NoneType"),
        (ad.define(lambda x: x, lambda x: "text", name="text"), "'text'"),
        (ad.define(lambda x: x, lambda x: math.sin(x), name="scalar"), None),
        (ad.define(two, vjp=lambda p, q, w: w, name="short"), "1 cotangents for 2 arguments"),
        (ad.define(two, vjp=lambda p, q, w: (None, w), name="gap"), "None for an argument"),
        (ad.define(lambda x: x * 2, vjp=lambda x, w: w[:2], name="cut"), r"has shape \(2,\)"),
        (ad.define(lambda x: x * 2, jvp=lambda x, v: v[:2], name="cut"), r"has shape \(2,\)"),
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_rules_that_are_wrong(f, words, backend):
    def g(x):
        return np.sum(f(x, x) if f.__name__ == "two" else f(x))

    with pytest.raises((FunctionNotSupportedError, TypeError), match=words):
        ad.gradient(g, X, backend=backend)


def test_a_rule_must_not_write_to_what_it_gets():
    def careless(x, w):
        w *= 2
        return w

    f = ad.define(lambda x: x * 2, vjp=careless)
    with pytest.raises(ValueError, match="read-only"):
        ad.gradient(lambda x: np.sum(f(x) * x), X, backend="numpy:reverse")


def test_definitions_in_many_threads():
    found = []

    def work(k):
        f = ad.define(lambda x: k * x, lambda: float(k), name="same")
        found.append((k, ad.derivative(f, 1.0)))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(k, float(k)) for k in range(8)]
