"""What random programs found, each made short, with its siblings."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special as sp

import polyad as ad
from backends import AVAILABLE, EXACT, eager

ENGINE = [ad.NumPy(mode="forward"), ad.NumPy(mode="reverse"), ad.NumPy(compile=True)]
FRAMEWORKS = [eager(name) for name in EXACT if name not in ("numpy", "sympy")]
EVERY = [*ENGINE, *FRAMEWORKS]
every = pytest.mark.parametrize("backend", EVERY, ids=repr)
LIFTED = [name for name in EXACT if name not in ("autograd", "sympy")]


# -- constants out of the function's reach: NumPy's ufunc.at writes to read-only arrays ---------------------


@pytest.mark.parametrize("backend", [*EVERY, *(["finite"] if "finite" in AVAILABLE else [])], ids=repr)
@pytest.mark.parametrize("prepared", [False, True])
def test_ufunc_at_does_not_reach_a_constant(backend, prepared):
    def counted(c):
        np.add.at(c, [0, 0, 2], 1.0)

    def f(x, c):
        counted(c)  # in a function that is called
        np.subtract.at(c, 1, 2.0)
        return np.sum(x * c)

    x, c = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    for _ in range(2):
        if prepared:
            got = ad.prepare_gradient(f, x, c, backend=backend)(x, c)
        else:
            got = ad.gradient(f, x, c, backend=backend)
        np.testing.assert_allclose(got, [2.0, -2.0, 1.0], rtol=1e-8)
        np.testing.assert_array_equal(c, 0.0)


def test_a_flag_that_is_set_back_does_not_help():
    def f(x, c):
        c.flags.writeable = True
        c[0] = 5.0
        return np.sum(x * c)

    x, c = np.ones(2), np.ones(2)
    for backend in ENGINE:
        np.testing.assert_array_equal(ad.gradient(f, x, c, backend=backend), [5.0, 1.0])
        np.testing.assert_array_equal(c, 1.0)


@pytest.mark.parametrize("backend", ENGINE, ids=repr)
@pytest.mark.parametrize("operator", ["jvp", "jacobian", "vjp"])
def test_a_constant_that_is_written_to_and_returned(backend, operator):
    def f(x, c):
        c /= 2.0
        return c

    x, c, v = np.array([1.0]), np.array([3.0]), np.ones(1)
    seed = {"jvp": {"v": v}, "vjp": {"w": v}, "jacobian": {}}[operator]
    prepared = getattr(ad, f"prepare_{operator}")(f, x, c, backend=backend, **seed)
    value, result = prepared.value_and(x, c, **seed)
    assert value == 1.5
    assert not np.any(result)
    assert c == 3.0


# -- arrays of objects --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIFTED)
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda a: sp.ndtr(a), np.exp(-(0.3**2) / 2) / np.sqrt(2 * np.pi)),
        (lambda a: np.cbrt(a), 0.3 ** (-2 / 3) / 3),
        (lambda a: np.heaviside(a, 0.5), 0.0),
        (lambda a: np.float_power(a, 2.0), 0.6),
        (lambda a: np.divmod(a, 0.25)[1], 1.0),
        (lambda a: np.fft.rfft(a).real, 2.0),
        (lambda a: sp.xlogy(a, a), 1 + np.log(0.3)),
    ],
)
def test_a_function_that_takes_no_objects_is_followed_or_refused(name, f, slope):
    def g(x):
        return np.sum(f(np.array([x[0], 1.0])))

    x = np.array([0.3, 0.4])
    try:
        found = ad.gradient(g, x, backend=eager(name))
    except ad.errors.OperationNotSupportedError as error:
        assert name == "casadi" and "casadi has no counterpart of" in str(error)
    else:
        np.testing.assert_allclose(found, [slope, 0.0], rtol=1e-13)
    with pytest.raises(ad.errors.FunctionNotSupportedError, match=r"np\.stack"):
        ad.gradient(g, x, backend=eager(name), follow=False)


def test_the_users_own_mistake_stays_his():
    with pytest.raises(TypeError, match="bitwise_and") as caught:
        ad.gradient(lambda x: np.sum(np.bitwise_and(np.ones(2), 1.5) * x), np.ones(2))
    assert not isinstance(caught.value, ad.errors.PolyadError)


@pytest.mark.parametrize("name", LIFTED)
def test_writing_through_flat_is_followed_or_refused(name):
    def f(x):
        y = np.zeros(3)
        y.flat[1] = x[0]
        return np.sum(y)

    np.testing.assert_array_equal(ad.gradient(f, np.ones(2), backend=eager(name)), [1.0, 0.0])
    with pytest.raises(ad.errors.FunctionNotSupportedError, match="flat"):
        ad.gradient(f, np.ones(2), backend=eager(name), follow=False)


# -- one entry, computed places ------------------------------------------------------------------------------


@every
def test_interpolation_in_a_table_of_one_node(backend):
    x, y = np.array([0.4, 0.1]), np.array([2.0])

    def f(x, y):
        return 3.0 * np.interp(x[0], [0.2], y) + np.interp(x[1], [0.2], y, left=7.0)

    gx, gy = ad.gradient(f, x, y, argnums=(0, 1), backend=backend)
    np.testing.assert_array_equal(gx, [0.0, 0.0])
    np.testing.assert_array_equal(gy, [3.0])


@every
@pytest.mark.parametrize(("mode", "places"), [("wrap", [1, 0]), ("clip", [1, 1])])
def test_taking_at_places_beyond_the_end(backend, mode, places):
    x = np.array([[1.0, 2.0]])
    got = ad.jacobian(lambda x, n: np.take(x, n, axis=1, mode=mode), x, np.array([3, 4]), backend=backend)
    np.testing.assert_array_equal(got[0, :, 0], np.eye(2)[places])


@every
def test_a_constant_of_one_entry_that_was_turned(backend):
    def f(x, c):
        chosen = np.where(np.array([True])[::-1], [[2.0]], 9.0)
        return np.sum(x) * np.sum(c[np.arange(1)[::-1]]) + np.sum(chosen * x)

    np.testing.assert_allclose(ad.gradient(f, np.array([1.0]), np.array([0.6])[::-1], backend=backend), [2.6])


# -- what np.where did not choose, where an entry is taken twice ---


@pytest.mark.parametrize("backend", EVERY, ids=repr)
@pytest.mark.parametrize("index", [[0, 0], [1, -1], [[0, 1], [0, 0]], (0, [1, 0])], ids=str)
def test_an_entry_that_is_chosen_once_and_left_out_once_counts(backend, index):
    index = tuple(index) if isinstance(index, tuple) else np.array(index)
    x = np.array([[0.4, 1.3], [0.7, 2.0]]) if isinstance(index, tuple) else np.array([0.4, 1.3])
    mask = np.zeros(np.shape(x[index]), dtype=bool)
    mask.flat[0] = True

    def f(x):
        return np.where(mask, (x**3)[index], 0.0)

    w = np.arange(2.0, 2.0 + mask.size).reshape(mask.shape)
    expected = np.zeros_like(x)
    np.add.at(expected, index, w * mask)
    np.testing.assert_allclose(ad.vjp(f, x, w=w, backend=backend), expected * 3 * x**2, rtol=1e-14)


@pytest.mark.parametrize("backend", EVERY, ids=repr)
def test_an_inserted_constant_leaves_the_others(backend):
    x, w = np.array([-1.3]), np.array([2.0, 3.0])
    got = ad.vjp(lambda x: np.insert(x**3, 1, 0.5), x, w=w, backend=backend)
    np.testing.assert_allclose(got, 2.0 * 3.0 * x**2, rtol=1e-14)
    got = ad.vjp(lambda x: np.pad(x**3, 1), x, w=np.array([1.0, 2.0, 3.0]), backend=backend)
    np.testing.assert_allclose(got, 2.0 * 3.0 * x**2, rtol=1e-14)


@pytest.mark.parametrize("backend", ENGINE, ids=repr)
def test_zeros_in_a_batch_of_products(backend):
    x, mask = np.array([-1.3, 0.5]), np.array([True, False])
    got = ad.jvp(
        lambda x: np.where(mask, x**2, 0.0), x, v=np.eye(2)[[0, 1, 0]], batched=True, backend=backend
    )
    np.testing.assert_allclose(got, [[-2.6, 0.0], [0.0, 0.0], [-2.6, 0.0]])
    with pytest.raises(ad.errors.DependenceError):
        ad.jvp(lambda x: x * 0.0 + _steps(x), x, v=np.eye(2), batched=True, backend="numpy:forward")


def _steps(x):
    low, high = 0.0, 4.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if middle > x[1] + 1.0 else (middle, high)
    return low


@every
@pytest.mark.parametrize("mode", ["constant", "edge", "wrap", "mean", "linear_ramp", "empty"])
def test_padding_a_number(backend, mode):
    got = ad.gradient(
        lambda x: np.pad(x[0] * x[1], 1, mode=mode) + x[1], np.array([2.0, 3.0]), backend=backend
    )
    np.testing.assert_allclose(got, [3.0, 3.0], rtol=1e-14)


# -- entries of roots, which remember their square ---------------------------------------------------------


@every
@pytest.mark.parametrize(
    "index", [(0, 1), (1, -2), (..., 0, 1), (np.int64(1), 0), (-1, ..., -1), (np.array(0), 1)], ids=str
)
def test_an_entry_of_a_root_is_that_entry(backend, index):
    x = np.array([[4.0, 9.0], [16.0, 25.0]])
    expected = np.zeros((2, 2))
    expected[index] = 1.0
    value, got = ad.value_and_gradient(lambda x: np.sum(np.sqrt(x)[index] ** 2), x, backend=backend)
    np.testing.assert_allclose(value, x[index], rtol=1e-14)
    np.testing.assert_allclose(got, expected, atol=1e-14)
    got = ad.gradient(lambda x: np.sqrt(np.sum(x**2, axis=0, keepdims=True))[0, 1] ** 2, x, backend=backend)
    np.testing.assert_allclose(got, 2 * x * [0.0, 1.0], atol=1e-13)


@every
def test_an_entry_of_a_root_of_a_constant(backend):
    x, c = np.array([1.3]), np.array([[1.1, 0.1, 0.7], [0.2, 0.7, 0.0]])
    got = ad.gradient(lambda x, c: np.sum(x) * np.sqrt(1.0 + c)[1, -3] ** 2, x, c, backend=backend)
    np.testing.assert_allclose(got, [1.2], rtol=1e-14)
    got = ad.gradient(lambda x, c: np.sum(x) * np.std(c, axis=-2)[..., 0] ** 2, x, c, backend=backend)
    np.testing.assert_allclose(got, [0.45**2], rtol=1e-13)
