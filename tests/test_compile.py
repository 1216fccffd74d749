"""``NumPy(compile=True)``: prepared derivatives as recorded programs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import polyad as ad
from polyad.benchmark.problems import lotka_volterra
from polyad.errors import FunctionNotSupportedError

COMPILED = ad.NumPy(compile=True)
SMALL, LARGE = np.linspace(0.2, 1.7, 4), np.linspace(-1.0, 2.0, 5000)


def rosenbrock(x, a):
    return np.sum(a * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_gradient(x, a):
    g = np.zeros_like(x)
    g[:-1] = -4 * a * (x[1:] - x[:-1] ** 2) * x[:-1] - 2 * (1 - x[:-1])
    g[1:] += 2 * a * (x[1:] - x[:-1] ** 2)
    return g


@pytest.mark.parametrize("x", [SMALL, LARGE], ids=["numbers", "arrays"])
def test_gradient_and_value_elsewhere(x):
    prepared = ad.prepare_gradient(rosenbrock, x, 100.0, backend=COMPILED)
    for z, a in ((x, 100.0), (x[::-1].copy(), 3.5), (np.zeros_like(x), -1.0)):
        before = z.copy()
        np.testing.assert_allclose(prepared(z, a), rosenbrock_gradient(z, a), rtol=1e-12, atol=1e-12)
        value, g = prepared.value_and(z, a)
        assert value == pytest.approx(rosenbrock(z, a), rel=1e-13)
        np.testing.assert_allclose(g, rosenbrock_gradient(z, a), rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(z, before)


@pytest.mark.parametrize("x", [SMALL, LARGE], ids=["numbers", "arrays"])
def test_hessian_product(x):
    prepared = ad.prepare_hvp(rosenbrock, x, 100.0, v=np.ones_like(x), backend=COMPILED)
    z, v, a = x[::-1].copy(), np.cos(np.arange(x.size)), 7.0
    expected = np.zeros_like(z)
    slope = v[1:] - 2 * z[:-1] * v[:-1]
    expected[:-1] = -4 * a * (slope * z[:-1] + (z[1:] - z[:-1] ** 2) * v[:-1]) + 2 * v[:-1]
    expected[1:] += 2 * a * slope
    np.testing.assert_allclose(prepared(z, a, v=v), expected, rtol=1e-11, atol=1e-11)


def test_lotka_volterra_by_a_complex_step():
    p = np.array([1.5, 1.0, 1.0, 3.0])
    prepared = ad.prepare_gradient(lotka_volterra, p, backend=COMPILED)
    assert "operations on numbers" in repr(prepared)
    q = p * np.array([0.9, 1.1, 1.05, 0.95])
    step = 1e-30j * np.eye(4)
    expected = [lotka_volterra(q + s).imag / 1e-30 for s in step]
    np.testing.assert_allclose(prepared(q), expected, rtol=1e-11)


def test_what_it_is_is_shown():
    prepared = ad.prepare_gradient(rosenbrock, LARGE, 1.0, backend=COMPILED)
    assert "NumPy(compile=True): reverse, tape, compiled to a program of" in repr(prepared)
    assert "NumPy calls" in prepared.strategy
    assert "compiled" not in repr(ad.prepare_gradient(rosenbrock, LARGE, 1.0, backend=ad.NumPy()))


def test_an_unprepared_call_records_nothing():
    found = ad.gradient(lambda x: x[0] ** 2 if x[0] > 0 else x[1], SMALL, backend=COMPILED)
    np.testing.assert_array_equal(found, [0.4, 0, 0, 0])


# -- what is refused ------------------------------------------------------------------------------------

REFUSALS = {
    "branch": (lambda x: x[0] if x[0] > 0 else x[1], "branch"),
    "while": (lambda x: _halved(x), "branch"),
    "maximum by Python": (lambda x: max(x[0], x[1]), "branch"),
    "mask": (lambda x: np.sum(x[x > 0.5]), "mask"),
    "nonzero": (lambda x: np.sum(x[np.nonzero(x)]), "nonzero"),
    "unique": (lambda x: np.sum(np.unique(x)), "values"),
    "a number out of an array": (lambda x: x[int(ad.stop_gradient(x[0]))], "int"),
    "a branch on a constant part": (lambda x: x[0] if ad.stop_gradient(x[1]) > 0 else x[1], "branch"),
}


def _halved(x):
    y = x[0]
    while y > 0.01:
        y = y / 2
    return y


@pytest.mark.parametrize("name", REFUSALS)
def test_decisions_on_values_are_refused(name):
    f, word = REFUSALS[name]
    with pytest.raises(FunctionNotSupportedError, match=word) as caught:
        ad.prepare_gradient(f, SMALL, backend=COMPILED, follow=False)
    assert "compile=False" in str(caught.value)


def test_a_branch_on_a_floating_point_constant_is_refused_and_on_a_static_one_taken():
    def f(x, c):
        return np.sum(x**2) if c > 0 else np.sum(x)

    with pytest.raises(FunctionNotSupportedError, match="Static"):
        ad.prepare_gradient(f, SMALL, 1.0, backend=COMPILED)
    prepared = ad.prepare_gradient(f, SMALL, ad.Static(1.0), backend=COMPILED)
    np.testing.assert_allclose(prepared(SMALL, ad.Static(1.0)), 2 * SMALL)


def test_randomness_is_noticed():
    rng = np.random.default_rng(0)
    with pytest.raises(FunctionNotSupportedError, match="random"):
        ad.prepare_gradient(lambda x: np.sum(x * rng.normal(size=4)), SMALL, backend=COMPILED)


def test_too_many_operations(monkeypatch):
    from polyad.engine.programs import recording

    monkeypatch.setattr(recording, "LIMIT", 100)
    with pytest.raises(FunctionNotSupportedError, match="more than 100 operations"):
        ad.prepare_gradient(lotka_volterra, np.ones(4), backend=COMPILED)


# -- constants ------------------------------------------------------------------------------------------


def test_constants_of_every_kind_may_change():
    def f(x, a, n, w, flag):
        return np.sum(w * x**n) * a + (x[0] if flag else x[1])

    prepared = ad.prepare_gradient(f, SMALL, 2.0, 3, np.ones(4), True, backend=COMPILED)
    for a, n, w, flag in ((2.0, 3, np.ones(4), True), (-1.5, 2, SMALL, True), (1.0, 4, np.ones(4), False)):
        expected = a * n * w * SMALL ** (n - 1)
        expected[0 if flag else 1] += 1
        np.testing.assert_allclose(prepared(SMALL, a, n, w, flag), expected, rtol=1e-13)


def test_indices_as_constants():
    prepared = ad.prepare_gradient(lambda x, k: np.sum(x[k] ** 2), SMALL, np.array([0, 1]), backend=COMPILED)
    np.testing.assert_allclose(prepared(SMALL, np.array([3, 3])), [0, 0, 0, 4 * SMALL[3]])


def test_a_python_number_takes_the_precision_of_what_it_meets():
    x = SMALL.astype(np.float32)
    prepared = ad.prepare_gradient(lambda x, a: np.sum(a * x * x), x, 2.0, backend=COMPILED)
    for a in (2.0, 3.0):
        found = prepared(x, a)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, np.float32(2 * a) * x, rtol=1e-6)


def test_what_the_function_captures_is_as_it_was():
    w = np.array([1.0, 2.0, 3.0, 4.0])
    prepared = ad.prepare_gradient(lambda x: np.sum(w * x), SMALL, backend=COMPILED)
    w[:] = 0
    np.testing.assert_array_equal(prepared(SMALL), [1, 2, 3, 4])


def test_a_captured_array_that_is_written_to_meanwhile():
    w = np.zeros(4)

    def f(x):
        y = 0.0
        for k in range(4):
            w[:] = k
            y = y + np.sum(w * x) * x[k]
        return y

    prepared = ad.prepare_gradient(f, SMALL, backend=COMPILED)
    z = SMALL[::-1].copy()
    expected = np.sum(z * np.arange(4)) + np.arange(4) * np.sum(z)
    np.testing.assert_allclose(prepared(z), expected, rtol=1e-13)


# -- domains ----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("n", [3, 3000])
def test_poles_and_domains_are_numpys(n):
    x = np.linspace(0.5, 2.0, n)
    prepared = ad.prepare_gradient(
        lambda x: np.sum(np.log(x) + 1 / x + np.sqrt(x) + np.exp(x)), x, backend=COMPILED
    )
    z = x.copy()
    z[:3] = [0.0, -1.0, 800.0]
    with np.errstate(all="ignore"):
        expected = 1 / z - 1 / z**2 + 0.5 / np.sqrt(z) + np.exp(z)
    expected[0] = np.nan  # 1 / 0 - 1 / 0**2
    np.testing.assert_allclose(prepared(z), expected, rtol=1e-13)
    np.testing.assert_allclose(prepared(x), 1 / x - 1 / x**2 + 0.5 / np.sqrt(x) + np.exp(x), rtol=1e-13)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n", [3, 3000])
def test_nan_goes_through_extremes(n):
    x = np.linspace(0.5, 2.0, n)

    def f(x):
        return np.sum(np.maximum(x, 1.0) * np.minimum(x, 3.0)) + np.max(x)

    prepared = ad.prepare_gradient(f, x, backend=COMPILED)
    z = x.copy()
    z[1] = np.nan
    assert np.isnan(prepared.value_and(z)[0])
    assert np.isnan(prepared(z)[1])


# -- forms of arguments and results -----------------------------------------------------------------------


def test_trees_aux_and_value():
    def f(p, c):
        y = np.sum(p["a"] * p["b"][0] ** 2) * c
        return y, {"twice": 2 * y, "word": "left", "c": c}

    p = {"a": np.array([1.0, 2.0]), "b": [np.float64(3.0)]}
    prepared = ad.prepare_gradient(f, p, 2.0, has_aux=True, backend=COMPILED)
    q = {"a": np.array([-1.0, 5.0]), "b": [np.float64(0.5)]}
    (value, aux), g = prepared.value_and(q, 3.0)
    assert value == pytest.approx(4 * 0.25 * 3)
    assert aux["twice"] == pytest.approx(6.0)
    assert aux["word"] == "left"
    assert aux["c"] == 3.0
    np.testing.assert_allclose(g["a"], [0.75, 0.75])
    assert g["b"][0] == pytest.approx(12.0)


def test_results_are_fresh_and_writable():
    for f, x in ((lambda x: np.sum(x * 2.0), LARGE), (lambda x: np.sum(x), SMALL), (rosenbrock, LARGE)):
        args = (1.0,) if f is rosenbrock else ()
        prepared = ad.prepare_gradient(f, x, *args, backend=COMPILED)
        first, second = prepared(x, *args), prepared(x, *args)
        assert not np.may_share_memory(first, second)
        assert not np.may_share_memory(first, x)
        kept = second.copy()
        first[:] = 99.0
        np.testing.assert_array_equal(prepared(x, *args), kept)
        np.testing.assert_array_equal(second, kept)


def test_the_argument_itself_as_a_result():
    prepared = ad.prepare_gradient(lambda x: np.sum(x * x) / 2, LARGE, backend=COMPILED)
    g = prepared(LARGE)
    assert not np.may_share_memory(g, LARGE)
    np.testing.assert_allclose(g, LARGE)
    jvp = ad.prepare_jvp(lambda x: x, LARGE, v=LARGE, backend=COMPILED)
    assert not np.may_share_memory(jvp(LARGE, v=LARGE), LARGE)


def test_complex_arguments():
    z = SMALL + 1j * SMALL[::-1]
    prepared = ad.prepare_gradient(lambda z: np.sum(np.abs(z) ** 2), z, backend=COMPILED)
    np.testing.assert_allclose(prepared(2j * z), 4j * z, rtol=1e-13)


def test_batches_of_other_sizes():
    prepared = ad.prepare_jvp(np.sin, SMALL, v=np.eye(4), batched=True, backend=COMPILED)
    for v in (np.eye(4), np.ones((2, 4)), np.ones((0, 4))):
        np.testing.assert_allclose(prepared(SMALL, v=v), v * np.cos(SMALL), rtol=1e-14)


def test_jacobians_and_hessians():
    a = np.arange(12.0).reshape(3, 4)
    jacobian = ad.prepare_jacobian(lambda x: np.tanh(a @ x), SMALL, backend=COMPILED)
    z = SMALL / 7
    np.testing.assert_allclose(jacobian(z), (1 - np.tanh(a @ z) ** 2)[:, None] * a, rtol=1e-11)
    hessian = ad.prepare_hessian(lambda x: np.sum(x**3) + np.prod(x[:2]), SMALL, backend=COMPILED)
    expected = np.diag(6 * z)
    expected[0, 1] = expected[1, 0] = 1
    np.testing.assert_allclose(hessian(z), expected, rtol=1e-12)


def test_other_shapes_are_prepared_anew():
    prepared = ad.prepare_gradient(rosenbrock, SMALL, 2.0, backend=COMPILED, on_mismatch="reprepare")
    np.testing.assert_allclose(prepared(LARGE, 2.0), rosenbrock_gradient(LARGE, 2.0), rtol=1e-12, atol=1e-12)


def test_writing_in_place():
    def f(x):
        y = np.zeros_like(x)
        for k in range(1, len(x)):
            y[k] = y[k - 1] * 0.5 + x[k]
        x[:] = 0  # the mutation trap
        return np.sum(y**2)

    prepared = ad.prepare_gradient(f, SMALL, backend=COMPILED)
    z = SMALL[::-1].copy()
    kept = z.copy()
    m = np.array([[0.5 ** (i - j) if 1 <= j <= i else 0.0 for j in range(4)] for i in range(4)])
    np.testing.assert_allclose(prepared(z), 2 * m.T @ m @ kept, rtol=1e-13)
    np.testing.assert_array_equal(z, kept)


def at(x):
    return np.argmax(x) % 3


def set_at(x):
    y = x.copy()
    y[..., at(x)] = np.exp(y[..., at(x)] * 2)
    return y * 3


PARTS = {
    "row": lambda x: x[at(x)] ** 2 * 3,
    "row and all": lambda x: x[at(x), ...] ** 2 * 3,
    "column": lambda x: x[..., at(x)] ** 2 * 3,
    "column of one row": lambda x: x[0][..., at(x)] ** 2 * 3,
    "between": lambda x: x[:, at(x), None] * np.exp(x[..., None, at(x)]),
    "negative": lambda x: -x[at(x)] * 3 + np.sum(x),
    "beside": lambda x: np.exp(x[at(x)]) * 3 + x[0],
    "turned": lambda x: x[at(x)][1:].reshape(1, -1).T ** 2 * 3,
    "itself": lambda x: x[at(x)],
    "transposed": lambda x: x.T[at(x)],
    "taken": lambda x: np.take(x, at(x), axis=1) ** 2 * 3,
    "sorted": lambda x: x[np.argsort(x[0])[0]] ** 2 * 3,
    "rounded": lambda x: x[np.floor(np.abs(x[0, 0])).astype(int) % 3] ** 2 * 3,
    "in a loop": lambda x: ad.fori_loop(0, 3, lambda k, c: c * 1.1 + np.sum(x[k] ** 2 * 3), x),
    "set": set_at,
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_at_a_computed_place_is_no_scratch_memory(name):
    f = PARTS[name]
    x, z, v = (np.random.default_rng(k).standard_normal((3, 3)) for k in (0, 3, 5))
    kept, w = z.copy(), np.cos(np.arange(np.size(f(z)))).reshape(np.shape(f(z)))
    total = lambda x: np.sum(w * f(x))  # noqa: E731
    for operator, prepare, given in (
        (ad.value_and_jacobian, ad.prepare_jacobian, {}),
        (ad.value_and_jvp, ad.prepare_jvp, {"v": v}),
        (ad.value_and_vjp, ad.prepare_vjp, {"w": w}),
        (ad.value_and_gradient, ad.prepare_gradient, {}),
        (ad.value_gradient_and_hvp, ad.prepare_hvp, {"v": v}),
    ):
        g = total if "grad" in prepare.__name__ or "hvp" in prepare.__name__ else f
        found = prepare(g, x, backend=COMPILED, **given).value_and(z, **given)
        np.testing.assert_array_equal(z, kept)
        for one, other in zip(found, operator(g, kept.copy(), backend="numpy:reverse", **given), strict=True):
            assert not np.shares_memory(one, z)
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


def test_scratch_memory_and_functions_that_fill():
    def f(x, w):
        w[:] = x * x
        return w[0] * w[1]

    w = np.zeros(4)
    prepared = ad.prepare_gradient(f, SMALL, ad.Cache(w), backend=COMPILED)
    expected = [2 * SMALL[0] * SMALL[1] ** 2, 2 * SMALL[1] * SMALL[0] ** 2, 0, 0]
    np.testing.assert_allclose(prepared(SMALL, ad.Cache(w)), expected)
    assert not w.any()


def test_dropped_derivatives_stay_values():
    prepared = ad.prepare_gradient(lambda x: np.sum(x * ad.stop_gradient(x)), SMALL, backend=COMPILED)
    np.testing.assert_allclose(prepared(SMALL * 3), SMALL * 3)


def test_order_found_at_the_time_of_the_call():
    w = np.array([1.0, 10.0, 100.0, 1000.0])
    prepared = ad.prepare_gradient(lambda x: np.sum(np.sort(x) * w), SMALL, backend=COMPILED)
    z = np.array([3.0, 1.0, 2.0, 0.5])
    np.testing.assert_array_equal(prepared(z), [1000.0, 10.0, 100.0, 1.0])


def test_what_cannot_be_replayed_is_run():
    """Real eigenvalues at preparation, complex ones at the call: another dtype all the way."""
    f = lambda a: np.sum(np.abs(np.linalg.eig(a)[0]) ** 2)  # noqa: E731
    a, turn = np.diag([1.0, 2.0]), np.array([[0.3, -1.0], [1.0, 0.2]])
    prepared = ad.prepare_gradient(f, a, backend=COMPILED)
    # a pair of complex eigenvalues: both have the size squared of the determinant
    det = 2 * np.linalg.det(turn) * np.linalg.inv(turn).T
    np.testing.assert_allclose(prepared(turn), det, rtol=1e-12)
    with pytest.raises(ad.errors.OperationNotSupportedError, match="equal eigenvalues"):
        prepared(np.eye(2))


def test_another_differentiation_around_it():
    options = {"backend": COMPILED, "on_mismatch": "reprepare"}
    inner = ad.prepare_gradient(lambda x: np.sum(x**3), SMALL, **options)
    jacobian = ad.jacobian(inner, SMALL, backend="numpy")
    np.testing.assert_allclose(jacobian, np.diag(6 * SMALL), rtol=1e-13)
    outer = ad.prepare_jacobian(lambda x: ad.gradient(lambda y: np.sum(y**3), x), SMALL, backend=COMPILED)
    np.testing.assert_allclose(outer(2 * SMALL), np.diag(12 * SMALL), rtol=1e-13)


def test_taylor_coefficients():
    prepared = ad.prepare_taylor(np.sin, SMALL, v=np.ones(4), order=3, backend=COMPILED)
    z = SMALL[::-1].copy()
    expected = [np.sin(z), np.cos(z), -np.sin(z) / 2, -np.cos(z) / 6]
    np.testing.assert_allclose(prepared(z, v=np.ones(4)), expected, rtol=1e-14)
    assert "compiled" in repr(prepared)


def test_near_a_removable_singularity():
    prepared = ad.prepare_hvp(lambda x: np.sum(np.sinc(x)), SMALL, v=np.ones(4), backend=COMPILED)
    found = prepared(np.array([0.0, 1e-9, 1e-4, -1e-6]), v=np.ones(4))
    np.testing.assert_allclose(found, -(np.pi**2) / 3, rtol=1e-7)


def test_a_constraint_is_checked_at_every_call():
    a = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
    prepared = ad.prepare_gradient(lambda a: np.sum(np.linalg.lstsq(a, np.ones(3))[0]), a, backend=COMPILED)
    prepared(2 * a)
    with pytest.raises(ad.errors.OperationNotSupportedError, match="full rank"):
        prepared(np.ones((3, 2)))


# -- threads ----------------------------------------------------------------------------------------------


def test_many_threads_at_once():
    prepared = ad.prepare_gradient(rosenbrock, LARGE, 2.0, backend=COMPILED)
    points = [np.random.default_rng(k).standard_normal(LARGE.size) for k in range(8)]
    expected = [rosenbrock_gradient(x, k + 1.0) for k, x in enumerate(points)]

    def check(k):
        found = prepared(points[k % 8], k % 8 + 1.0)
        return np.allclose(found, expected[k % 8], rtol=1e-11, atol=1e-11)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, range(400)))
