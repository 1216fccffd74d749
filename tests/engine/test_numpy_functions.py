"""Of the less common functions of NumPy what the cases do not show: refusals, conventions, other forms."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import along

import polyad as ad
from polyad.errors import FunctionNotSupportedError

X = np.array([3.0, 1.0, 2.0])


# -- functions that write --------------------------------------------------------------------------

# what is written, and the rows of the Jacobian that the written entries take
PLAIN = {
    "put": (lambda y, x: np.put(y, [0], x[:1]), [0, None, None]),
    "put_along_axis": (lambda y, x: np.put_along_axis(y, np.array([0]), x[:1], 0), [0, None, None]),
    "place": (lambda y, x: np.place(y, [True, False, True], x), [0, None, 1]),
    "putmask": (lambda y, x: np.putmask(y, [True, False, True], x), [0, None, 2]),
    "fill_diagonal": (lambda y, x: np.fill_diagonal(np.outer(y, y), x), [None] * 3),
    "copyto": (lambda y, x: np.copyto(y, x), [0, 1, 2]),
}


@pytest.mark.parametrize("name", PLAIN)
def test_writing_into_a_plain_array_is_followed_or_refused(name):
    write, entries = PLAIN[name]

    def f(x):
        y = np.zeros(3)
        write(y, x)
        return y

    expected = [np.eye(X.size)[k] if k is not None else np.zeros(X.size) for k in entries]
    np.testing.assert_array_equal(ad.jacobian(f, X, backend="numpy"), expected)
    with pytest.raises(FunctionNotSupportedError, match=r"drop (its|the) derivative.*np\.zeros_like"):
        ad.jacobian(f, X, backend="numpy", follow=False)


def test_methods_that_write():
    def f(x):
        assert x.partition(1) is None
        assert x.put([0], [x[2] ** 2]) is None
        return x * np.array([1.0, 10.0, 100.0])

    expected = np.array([[6.0, 0, 0], [0, 0, 10], [100, 0, 0]])
    for backend in ("numpy:forward", "numpy:reverse"):
        np.testing.assert_array_equal(ad.jacobian(f, X, backend=backend), expected)
    assert X.tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_put_with_every_mode(mode):
    places = [-1, 0, 4] if mode == "raise" else [-7, 9, 4]

    def f(x):
        y = np.zeros_like(x)
        np.put(y, places, x[:2], mode=mode)
        return y

    x = np.linspace(1.0, 2.0, 5)
    np.testing.assert_array_equal(ad.jacobian(f, x) @ x, f(x))


def test_a_place_out_of_bounds_is_an_error():
    with pytest.raises(IndexError):
        ad.jacobian(lambda x: np.put(x, [7], 1.0), X)


# -- eigenvalues -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "a", [np.eye(2), np.array([[1.0, 1], [0, 1]]), np.array([[2.0, 1], [1e-17, 2]])], ids=str
)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_equal_eigenvalues_have_no_derivative(a, mode):
    for f in (lambda a: np.linalg.eigvals(a).real, lambda a: np.linalg.eig(a)[1].real):
        with pytest.raises(FunctionNotSupportedError, match=r"equal eigenvalues.*np\.linalg\.eigh"):
            ad.jacobian(f, a, backend=f"numpy:{mode}")


def test_eigenvectors_keep_the_length_and_phase_of_numpy():
    a = np.array([[0.9, 2.1, 0.3], [-1.7, 0.4, 0.2], [0.1, -0.6, 2.5]])
    v = np.random.default_rng(2).normal(size=(3, 3))
    for part in (np.real, np.imag):
        first, _ = along(lambda a, part=part: part(np.linalg.eig(a)[1]), a, v, np.float64)
        dy = ad.jvp(lambda a, part=part: part(np.linalg.eig(a)[1]), a, v=v)
        np.testing.assert_allclose(dy, first, atol=1e-10)


def test_complex_matrices():
    rng = np.random.default_rng(4)
    a, b, v = (rng.normal(size=(3, 3)) for _ in range(3))

    def f(x):
        z = x + 1j * b
        return np.linalg.svdvals(z) + np.abs(np.linalg.eigvals(z)) ** 2 + np.linalg.slogdet(z)[1]

    first, _ = along(f, a, v, np.float64)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(
            np.tensordot(ad.jacobian(f, a, backend=f"numpy:{mode}"), v), first, atol=1e-9
        )
    with pytest.raises(FunctionNotSupportedError, match=r"phase that is not determined.*svdvals"):
        ad.jacobian(lambda x: np.linalg.svd(x + 1j * b)[0].real, a)


def test_norms_of_zero_have_derivative_zero():
    for f in (np.linalg.norm, lambda x: np.linalg.norm(x, 3), lambda x: np.linalg.vector_norm(x, ord=1)):
        np.testing.assert_array_equal(ad.gradient(f, np.zeros(3), backend="numpy"), np.zeros(3))


def test_the_square_roots_branch_is_the_side_that_the_sign_of_zero_says():
    for f in (np.emath.arcsin, np.emath.arccos, np.emath.sqrt, np.emath.arctanh, np.emath.log):
        for x in (-2.1, 2.1):
            first, _ = along(f, np.array([x]), np.ones(1), np.float64)
            found = ad.jvp(lambda x, f=f: [f(x).real, f(x).imag], np.array([x]), v=np.ones(1))
            np.testing.assert_allclose(found[0] + 1j * found[1], first, atol=1e-10)


# -- order -----------------------------------------------------------------------------------------


def test_a_quantile_of_nan_is_nan_and_nanquantile_passes_over_it():
    x = np.array([[1.0, np.nan, 3.0, 2.0], [4.0, 6.0, 5.0, 8.0], [np.nan] * 4])
    for f in (
        lambda x: np.quantile(x, 0.4, axis=1),
        lambda x: np.median(x),
        lambda x: np.nanmedian(x[:2], axis=0),
        lambda x: np.nanpercentile(x[:2], [10, 90], axis=1, keepdims=True),
    ):
        y, dy = ad.value_and_jacobian(f, x, backend="numpy")
        np.testing.assert_allclose(y, f(x), rtol=1e-15)
    dy = ad.jacobian(lambda x: np.nanmedian(x[:2], axis=1), x)
    expected = np.zeros((2, 3, 4))
    expected[0, 0, 3] = 1.0
    expected[1, 1, [1, 2]] = 0.5
    np.testing.assert_array_equal(dy, expected)


@pytest.mark.parametrize(
    "method",
    "linear lower higher midpoint nearest inverted_cdf averaged_inverted_cdf closest_observation "
    "interpolated_inverted_cdf hazen weibull median_unbiased normal_unbiased".split(),
)
def test_every_method_of_quantile(method):
    x = np.array([0.3, 2.5, 1.1, -0.7, 4.2, 3.1])
    q = [0.0, 0.13, 0.5, 0.77, 1.0]
    y, dy = ad.value_and_jacobian(lambda x: np.quantile(x, q, method=method), x)
    np.testing.assert_allclose(y, np.quantile(x, q, method=method), rtol=1e-14)
    np.testing.assert_allclose(dy @ x, y, rtol=1e-14)  # homogeneous of degree one
    np.testing.assert_allclose(dy.sum(1), 1.0, rtol=1e-14)


REFUSED = {
    "equal entries in unique": (lambda x: np.unique(np.maximum(x, 2.0)), "some are equal"),
    "weights in a quantile": (
        lambda x: np.quantile(x, 0.5, weights=[1, 2, 3], method="inverted_cdf"),
        "weights=",
    ),
    "a probability": (lambda x: np.quantile(X, x[0] / 4), "make q a constant"),
    "bins from the data": (lambda x: np.histogram(x, "auto")[1], "give their number"),
    "the period of unwrap": (lambda x: np.unwrap(X, period=x[0]), "traced period"),
    "diagnostics of polyfit": (lambda x: np.polyfit(x, X, 1, full=True)[0], "np.linalg.lstsq"),
    "full svd": (lambda x: np.linalg.svd(x[:, None])[0], "full_matrices=False"),
    "complete qr": (lambda x: np.linalg.qr(x[:, None], mode="complete")[0], "mode='reduced'"),
    "rank-deficient lstsq": (lambda x: np.linalg.lstsq(np.outer(x, x), x)[0], "without full rank"),
    "copy=False": (lambda x: np.nan_to_num(x, copy=False), r"x\[\.\.\.\]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_instead(name):
    f, remedy = REFUSED[name]
    with pytest.raises(FunctionNotSupportedError, match=remedy):
        ad.jacobian(f, X, backend="numpy")


# -- other libraries -------------------------------------------------------------------------------


def test_a_power_of_two_under_torch_keeps_its_derivative():
    torch = pytest.importorskip("torch")
    del torch
    dy = ad.jacobian(lambda x: np.ldexp(x, [-1, 0, 3]), X, backend=ad.Torch(lift=True))
    np.testing.assert_array_equal(dy, np.diag([0.5, 1.0, 8.0]))


def test_whole_numbers_under_autograd_are_constant():
    pytest.importorskip("autograd")
    dy = ad.jacobian(lambda x: x * x.astype(int), X, backend=ad.Autograd(lift=True))
    np.testing.assert_array_equal(dy, np.diag(X))


def test_values_decide_where_a_library_has_them():
    pytest.importorskip("torch")
    for backend in (ad.Torch(lift=True), ad.Autograd(lift=True)):
        np.testing.assert_array_equal(
            ad.jacobian(lambda x: np.unique(x) ** 2, X, backend=backend), [[0, 2, 0], [0, 0, 4], [6, 0, 0]]
        )
    with pytest.raises(FunctionNotSupportedError, match="not known yet"):
        ad.jacobian(lambda x: np.unique(x) ** 2, X, backend=ad.JAX(lift=True))


def test_autograd_differentiates_what_it_lacks_to_second_order():
    pytest.importorskip("autograd")
    a = np.random.default_rng(1).normal(size=(3, 3)) + 3 * np.eye(3)

    def f(x):
        q, r = np.linalg.qr(x)
        return np.sum(q * r) + np.linalg.svdvals(x)[1]

    np.testing.assert_allclose(
        ad.hessian(f, a, backend=ad.Autograd(lift=True)),
        ad.hessian(f, a, backend="numpy"),
        rtol=1e-8,
        atol=1e-10,
    )
