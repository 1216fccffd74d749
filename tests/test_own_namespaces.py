"""polyad.linalg and polyad.special: SciPy's values, any library's arrays, and the errors that name them."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import scipy.fft
import scipy.integrate
import scipy.linalg
import scipy.signal
import scipy.special

import polyad as ad
from polyad.systems.registry import is_installed, load

RNG = np.random.default_rng(5)
A = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
B = RNG.normal(size=(3, 2))
P = A @ A.T
X = np.array([0.3, -1.2, 2.5])
AVAILABLE = [name for name in ("jax", "torch", "autograd") if is_installed(load(name))]

# polyad's function, SciPy's, and arguments
SAME = {
    "expm": (ad.linalg.expm, scipy.linalg.expm, (A,), {}),
    "logm": (ad.linalg.logm, scipy.linalg.logm, (A,), {}),
    "sqrtm": (ad.linalg.sqrtm, scipy.linalg.sqrtm, (A,), {}),
    "solve_triangular": (ad.linalg.solve_triangular, scipy.linalg.solve_triangular, (A, B), {"trans": "T"}),
    "solve_triangular, lower": (
        ad.linalg.solve_triangular,
        scipy.linalg.solve_triangular,
        (A, X),
        {"lower": True, "unit_diagonal": True},
    ),
    "cho_solve": (
        lambda p, b: ad.linalg.cho_solve(ad.linalg.cho_factor(p), b),
        lambda p, b: scipy.linalg.cho_solve(scipy.linalg.cho_factor(p), b),
        (P, B),
        {},
    ),
    "block_diag": (ad.linalg.block_diag, scipy.linalg.block_diag, (A, X, 2.0), {}),
    "toeplitz": (ad.linalg.toeplitz, scipy.linalg.toeplitz, (X, [7.0, 8.0]), {}),
    "toeplitz, complex": (ad.linalg.toeplitz, scipy.linalg.toeplitz, (X * (1 + 2j),), {}),
    "logsumexp": (ad.special.logsumexp, scipy.special.logsumexp, (A,), {"axis": 0}),
    "logsumexp, factors": (
        ad.special.logsumexp,
        scipy.special.logsumexp,
        (A,),
        {"axis": 1, "b": np.array([1.0, -2.0, 0.0]), "keepdims": True, "return_sign": True},
    ),
    "logsumexp, nan": (ad.special.logsumexp, scipy.special.logsumexp, (A,), {"b": -np.ones(3)}),
    "softmax": (ad.special.softmax, scipy.special.softmax, (A,), {"axis": 1}),
    "log_softmax": (ad.special.log_softmax, scipy.special.log_softmax, (A,), {"axis": (0, 1)}),
}


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", SAME)
def test_the_values_are_those_of_scipy(name):
    ours, theirs, args, options = SAME[name]
    found, expected = ours(*args, **options), theirs(*args, **options)
    for f, e in zip(*(r if isinstance(r, tuple) else (r,) for r in (found, expected)), strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-13, atol=1e-13)
        assert np.shape(f) == np.shape(e)
        assert not isinstance(f, np.ndarray) or type(f) is np.ndarray


@pytest.mark.parametrize("library", AVAILABLE)
def test_arrays_of_other_libraries_stay_theirs(library):
    if library == "torch":
        import torch

        found = ad.linalg.expm(torch.tensor(A))
        assert isinstance(found, torch.Tensor)
    elif library == "jax":
        import jax

        with jax.enable_x64(True):
            found = jax.jit(ad.linalg.expm)(A)
            slopes = jax.grad(ad.special.logsumexp)(X)
        assert isinstance(found, jax.Array)
        np.testing.assert_allclose(slopes, scipy.special.softmax(X), rtol=1e-13)
    else:
        import autograd

        found = ad.linalg.expm(A)
        slopes = autograd.grad(ad.special.logsumexp)(X)
        np.testing.assert_allclose(slopes, scipy.special.softmax(X), rtol=1e-13)
    np.testing.assert_allclose(np.asarray(found), scipy.linalg.expm(A), rtol=1e-12)


def test_logsumexp_neither_overflows_nor_loses_small_terms():
    assert ad.special.logsumexp([1000.0, 1000.0]) == 1000 + np.log(2)
    x = np.array([0.0, -50.0, -60.0])
    with mp.workdps(50):
        exact = mp.log(sum(mp.exp(mp.mpf(v)) for v in x))
        slopes = [float(mp.exp(mp.mpf(v)) / mp.exp(exact)) for v in x]
    np.testing.assert_allclose(ad.special.logsumexp(x), float(exact), rtol=1e-14)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(
            ad.gradient(ad.special.logsumexp, x, backend=f"numpy:{mode}"), slopes, rtol=1e-14
        )


def test_logsumexp_of_infinities():
    lowest = np.array([-np.inf, -np.inf])
    with np.errstate(divide="ignore"):
        assert ad.special.logsumexp(lowest) == -np.inf
        assert ad.special.logsumexp([np.inf, 1.0]) == np.inf
    np.testing.assert_array_equal(ad.gradient(ad.special.logsumexp, np.array([-np.inf, 0.0])), [0.0, 1.0])


def test_ties_in_logsumexp_share():
    np.testing.assert_allclose(ad.hessian(ad.special.logsumexp, np.zeros(2)), [[0.25, -0.25], [-0.25, 0.25]])


def test_a_square_matrix_is_wanted():
    with pytest.raises(ValueError, match=r"expm of an array of shape \(3, 2\)"):
        ad.linalg.expm(B)
    with pytest.raises(ValueError, match="trans is 3"):
        ad.linalg.solve_triangular(A, X, trans=3)


REFUSED = {
    "scipy.linalg.expm": (lambda x: scipy.linalg.expm(x), "use polyad.linalg.expm"),
    "scipy.linalg.solve_triangular": (
        lambda x: scipy.linalg.solve_triangular(x, X),
        "use polyad.linalg.solve_triangular",
    ),
    "scipy.linalg.inv": (lambda x: scipy.linalg.inv(x), "use np.linalg.inv"),
    "scipy.linalg.cholesky": (lambda x: scipy.linalg.cholesky(x), "upper=True"),
    "scipy.special.logsumexp": (lambda x: scipy.special.logsumexp(x), "use polyad.special.logsumexp"),
    "scipy.special.softmax": (lambda x: scipy.special.softmax(x), "use polyad.special.softmax"),
    "scipy.integrate.simpson": (lambda x: scipy.integrate.simpson(x), "use polyad.integrate.simpson"),
    "scipy.signal.convolve": (lambda x: scipy.signal.convolve(x[0], x[1]), "use np.convolve"),
    "scipy.fft.fft": (lambda x: scipy.fft.fft(x), "use np.fft.fft"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("backend", ["numpy", *AVAILABLE])
def test_a_function_of_scipy_names_what_to_call_instead(name, backend):
    """Where it is not followed."""
    f, remedy = REFUSED[name]
    chosen = {"jax": ad.JAX, "torch": ad.Torch, "autograd": ad.Autograd}.get(backend)
    backend = chosen(lift=True) if chosen else backend
    with pytest.raises(ad.errors.FunctionNotSupportedError) as caught:
        ad.prepare_jacobian(lambda x: f(x) * 1.0, P, backend=backend, follow=False)
    assert f"{name} turns x into a plain array" in str(caught.value)
    assert remedy in str(caught.value)
    assert "test_own_namespaces.py" in str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_function_of_scipy_is_followed_or_refused(name, backend):
    pytest.importorskip(backend)
    f, _ = REFUSED[name]
    try:
        found = ad.jacobian(lambda x: f(x) * 1.0, P, backend=backend)
    except ad.errors.PolyadError as error:
        assert name.rpartition(".")[2] in str(error)
        return
    np.testing.assert_allclose(found, ad.jacobian(f, P, backend="finite"), rtol=1e-5, atol=1e-7)
