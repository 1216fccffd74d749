"""``polyad.solvers.scipy``: fits, roots, ODEs and boundary values, and what their methods take."""

from __future__ import annotations

import subprocess
import sys
import traceback

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

import polyad as ad
from polyad.errors import ArgumentError, PrecisionWarning
from polyad.solvers import scipy as solvers
from polyad.solvers.scipy.accepts import IVP, LEAST_SQUARES, ROOTS

CONTAINERS = {
    "dense": lambda J: J,
    "sparse": scipy.sparse.csr_array,
    "products": lambda J: LinearOperator(J.shape, lambda v: J @ v, lambda w: J.T @ w, dtype=float),
}


class Own(Exception):
    pass


def surfaces(call, **how):
    """Whether an error of the function comes out, with the function's line last in its traceback."""
    with pytest.raises(Own, match="here") as caught:
        call(**how)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "failing"


def test_importing_the_room_imports_no_solver():
    code = (
        "import sys, polyad.solvers.scipy as s; from polyad.solvers.scipy import minimize, solve_ivp; "
        "assert not {'scipy.optimize', 'scipy.integrate', 'jax', 'torch'} & set(sys.modules), sys.modules; "
        "assert 'newton' in dir(s)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- least squares ------------------------------------------------------------------------------------

T = np.linspace(0.0, 4.0, 30)
DATA = 2.5 * np.exp(-1.3 * T) + 0.5 + 0.02 * np.cos(17 * T)


def model(t, a, b, c):
    return a * np.exp(-b * t) + c


def residuals(p):
    return model(T, p[0], p[1], p[2]) - DATA


@pytest.mark.parametrize("form", [*CONTAINERS, "banded"])
@pytest.mark.parametrize("method", LEAST_SQUARES)
def test_the_acceptance_matrix_of_least_squares(method, form):
    reference = scipy.optimize.least_squares(residuals, np.ones(3), "3-point", xtol=1e-12, ftol=1e-12)
    wanted = [form]
    if form in CONTAINERS:
        wanted.append(lambda x: CONTAINERS[form](ad.jacobian(residuals, x)))
    for jac in wanted:
        if form in LEAST_SQUARES[method]:
            found = solvers.least_squares(residuals, [1, 1, 1], jac, method=method, xtol=1e-12, ftol=1e-12)
            assert np.allclose(found.x, reference.x, atol=1e-6)
            assert isinstance(found.jac, LinearOperator) is (form == "products")
            assert scipy.sparse.issparse(found.jac) is (form == "sparse")
        else:
            with pytest.raises(ArgumentError, match=f"'{method}' takes no {form} Jacobian"):
                solvers.least_squares(residuals, np.ones(3), jac, method=method)


def test_least_squares_has_sparse_jacobians_of_many_unknowns():
    def r(x):
        return np.concatenate([x[1:] * x[:-1] - 1.0, 0.1 * (x - 1.0)])

    x0 = np.linspace(0.5, 1.5, 120)
    found = solvers.least_squares(r, x0)
    assert scipy.sparse.issparse(found.jac)
    assert np.allclose(found.x, 1.0, atol=1e-5)
    assert not scipy.sparse.issparse(solvers.least_squares(r, x0, tr_solver="exact").jac)
    pattern = ad.jacobian_sparsity(r, x0).to_scipy()
    assert scipy.sparse.issparse(solvers.least_squares(r, x0, jac_sparsity=pattern).jac)
    with pytest.raises(ad.errors.PatternError, match="has no entry"):
        solvers.least_squares(r, x0, jac_sparsity=scipy.sparse.eye_array(239, 120))
    with pytest.raises(ArgumentError, match="takes no sparse Jacobian"):
        solvers.least_squares(r, x0, method="lm", jac_sparsity=pattern)
    with pytest.raises(ArgumentError, match="tr_solver='exact' takes no sparse"):
        solvers.least_squares(r, x0, "sparse", tr_solver="exact")
    with pytest.raises(ArgumentError, match="x_scale='jac' needs the entries"):
        solvers.least_squares(r, x0, "products", x_scale="jac")


def test_least_squares_takes_trees_arguments_and_bounds():
    def r(p, data, scale):
        return (p["a"] * np.exp(-p["bc"][0] * T) + p["bc"][1] - data) * scale

    start = {"a": 1, "bc": np.ones(2)}
    bounds = ({"a": 0.0, "bc": np.zeros(2)}, {"a": 2.0, "bc": np.inf})
    words = {"args": (DATA,), "kwargs": {"scale": 3.0}}
    found = solvers.least_squares(r, start, bounds=bounds, loss="soft_l1", **words)
    assert found.x["a"] == pytest.approx(2.0, abs=1e-3)
    assert found.grad["bc"].shape == (2,)
    free = solvers.least_squares(r, start, backend="jax", method="lm", **words)
    assert np.allclose([free.x["a"], *free.x["bc"]], scipy.optimize.curve_fit(model, T, DATA)[0], atol=1e-5)
    with pytest.warns(PrecisionWarning, match="x0 is float32, so least_squares"):
        solvers.least_squares(residuals, np.ones(3, np.float32))


# -- curve_fit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"p0": (1, 1, 1)},
        {"p0": [1, 1, 1], "bounds": (0, [3.0, 1.2, np.inf])},
        {"sigma": np.linspace(0.01, 0.03, 30), "absolute_sigma": True},
        {"sigma": np.diag(np.linspace(0.01, 0.03, 30)), "method": "dogbox"},
        {"method": "trf", "loss": "soft_l1"},
    ],
    ids=str,
)
def test_curve_fit_has_scipys_parameters_and_errors(words):
    popt, pcov = solvers.curve_fit(model, T, DATA, **words)
    reference = scipy.optimize.curve_fit(model, T, DATA, **words)
    assert np.allclose(popt, reference[0], rtol=1e-5)
    assert np.allclose(pcov, reference[1], rtol=1e-3, atol=1e-9)


def test_curve_fit_runs_the_model_once_at_each_point():
    runs = []

    def counted(t, a, b, c):
        runs.append(type(a))
        return model(t, a, b, c)

    *_, info, _, _ = solvers.curve_fit(counted, T, DATA, p0=[1, 1, 1], full_output=True)
    # the rest are those of preparation
    assert len(runs) <= info["nfev"] + 3
    assert len(info["fvec"]) == 30


def test_curve_fit_omits_what_is_not_a_number_and_refuses_what_it_cannot():
    broken = DATA.copy()
    broken[3] = np.nan
    popt, _ = solvers.curve_fit(model, T, broken, p0=(1, 1, 1), nan_policy="omit")
    assert np.allclose(
        popt, scipy.optimize.curve_fit(model, np.delete(T, 3), np.delete(DATA, 3))[0], rtol=1e-5
    )
    with pytest.raises(ArgumentError, match="the model's exact Jacobian is taken"):
        solvers.curve_fit(model, T, DATA, jac="sparse")
    for wrong in (0.0, np.nan):  # of which SciPy's lm returns the start
        widths = np.full(len(T), 0.1)
        widths[2] = wrong
        with pytest.raises(ArgumentError, match=rf"sigma is {wrong} at \[2\]: pass the error of each datum"):
            solvers.curve_fit(model, T, DATA, p0=(1, 1, 1), sigma=widths)
    widths = np.where(np.isnan(broken), np.nan, 0.1)
    weighted, _ = solvers.curve_fit(model, T, broken, p0=(1, 1, 1), sigma=widths, nan_policy="omit")
    assert np.allclose(weighted, popt, rtol=1e-5)

    def failing(t, a, b, c):
        if a > 1.0:
            raise Own("here")
        return model(t, a, b, c)

    for method in ("lm", "trf"):
        surfaces(lambda m=method: solvers.curve_fit(failing, T, DATA, p0=[1, 1, 1], method=m))


# -- roots ------------------------------------------------------------------------------------------------


def circle(x, r=2.0):
    return [x[0] ** 2 + x[1] ** 2 - r, x[0] - x[1]]


def test_the_acceptance_matrix_of_root():
    for method, forms in ROOTS.items():
        found = solvers.root(circle, [1, 2], method=method)
        if forms:
            assert np.allclose(found.x, 1.0, atol=1e-6), method
        else:
            with pytest.raises(ArgumentError, match="uses no derivatives"):
                solvers.root(circle, [1, 2], method=method, backend="numpy")
        for form, make in CONTAINERS.items():
            own = lambda x, make=make: make(ad.jacobian(lambda x: np.stack(circle(x)), x))  # noqa: E731
            if method in ("hybr", "lm") and form == "dense":
                assert np.allclose(solvers.root(circle, [1, 2], method=method, jac=own).x, 1.0)
                continue
            with pytest.raises(ArgumentError, match=rf"'{method}' takes no ({form} )?Jacobian"):
                solvers.root(circle, [1.0, 2.0], method=method, jac=own)


def test_root_and_fsolve_take_arguments_trees_and_backends():
    for backend in ("jax", "autograd", "casadi"):
        assert np.allclose(solvers.root(circle, [1, 2], (8.0,), backend=backend).x, 2.0)
    found = solvers.root(lambda p: [p["x"] ** 2 - 4, p["y"] - p["x"]], {"x": 1, "y": 1})
    assert found.x["y"] == pytest.approx(2.0)
    x, info, flag, _ = solvers.fsolve(circle, [1, 2], full_output=True)
    assert np.allclose(x, 1.0)
    assert flag == 1
    assert info["nfev"] < 15
    assert np.allclose(solvers.fsolve(circle, [1, 2], fprime=lambda x: [[2 * x[0], 2 * x[1]], [1, -1]]), 1.0)
    pair = solvers.root(lambda x: (x**2 - 4, np.diag(2 * x)), [1.0, 3.0], jac=True)
    assert np.allclose(pair.x, 2.0)
    with pytest.raises(ArgumentError, match="1 equations for 2 unknowns"):
        solvers.root(lambda x: x[:1], [1.0, 2.0])
    with pytest.raises(ArgumentError, match="or take method='lm'"):
        solvers.fsolve(lambda x: np.concatenate([x, x]), np.ones(2))


@pytest.mark.parametrize("method", ["hybr", "lm", "krylov"])
def test_an_error_in_equations_is_the_callers(method):
    def failing(x):
        if x[0] < 1.4:
            raise Own("here")
        return np.stack(circle(x))

    surfaces(lambda: solvers.root(failing, [2.0, 2.5], method=method))


def bratu(u):
    n = round(np.size(u) ** 0.5)
    grid = np.reshape(u, (n, n))
    q = np.pad(grid, 1)
    laplacian = q[2:, 1:-1] + q[:-2, 1:-1] + q[1:-1, 2:] + q[1:-1, :-2] - 4 * grid
    return np.reshape(laplacian * (n + 1) ** 2 + 3 * np.exp(grid), np.shape(u))


@pytest.mark.parametrize("method", ["lgmres", "gmres", "bicgstab"])
def test_newton_krylov_takes_exact_products(method):
    runs = []

    def counted(u):
        runs.append(type(u) is np.ndarray)
        return bratu(u)

    words = {"method": method, "inner_maxiter": 60, "f_tol": 1e-8}
    found = solvers.newton_krylov(counted, np.zeros((20, 20)), **words)
    ours = sum(runs)
    runs.clear()
    reference = scipy.optimize.newton_krylov(counted, np.zeros((20, 20)), **words)
    assert np.allclose(found, reference, atol=1e-7)
    assert np.max(np.abs(bratu(found))) < 1e-8
    # differences run the function for each product
    assert ours < 12 < 60 < sum(runs)


def test_newton_krylov_keeps_the_callers_preconditioner():
    calls = []

    class Preconditioner:
        shape, dtype = (9, 9), np.dtype(float)

        def setup(self, x, f, func):
            calls.append("setup")

        def update(self, x, f):
            calls.append("update")

        def matvec(self, v):
            return v / -80.0

    found = solvers.newton_krylov(bratu, np.zeros(9), inner_M=Preconditioner(), method="gmres", f_tol=1e-9)
    assert np.max(np.abs(bratu(found))) < 1e-9
    assert calls[:2] == ["setup", "update"]
    with pytest.raises(ArgumentError, match="rdiff is the step of differences"):
        solvers.newton_krylov(bratu, np.zeros(9), rdiff=1e-6)


@pytest.mark.parametrize("backend", ["numpy", "jax", "sympy", "casadi"])
@pytest.mark.parametrize("order", [1, 2])
def test_newton_and_halley(order, backend):
    x, found = solvers.newton(
        lambda x, a: x**3 - a, 3, args=(8,), order=order, full_output=True, backend=backend
    )
    assert x == pytest.approx(2.0)
    assert found.method == ("halley" if order == 2 else "newton")
    assert found.iterations <= (4 if order == 2 else 6)


def test_newton_of_arrays_and_of_complex_numbers():
    for order in (1, 2):
        found = solvers.newton(
            lambda x, a: x**2 - a, np.array([1, 2]), args=(np.array([4.0, 9.0]),), order=order
        )
        assert np.allclose(found, [2.0, 3.0])
    assert solvers.newton(lambda z: z**3 - 1, -1 + 1j) == pytest.approx(-0.5 + 0.75**0.5 * 1j)
    assert solvers.newton(lambda x: x**2 - 4, 1.0, x1=3.0) == pytest.approx(2.0)
    for f in (lambda x: x - np.sum(x) + 1, lambda x: x + x[::-1] ** 2):
        with pytest.raises(ArgumentError, match="depends on other entries of x"):
            solvers.newton(f, np.zeros(3))
    with pytest.warns(PrecisionWarning):
        solvers.newton(lambda x: x**2 - 4, np.float32(1.0), tol=1e-3)


def test_root_scalar():
    f = lambda x: np.cos(x) - x  # noqa: E731
    for words in ({"x0": 1}, {"x0": 1, "method": "halley"}, {"bracket": (0, 2)}, {"x0": 1, "x1": 0.5}):
        found = solvers.root_scalar(f, **words)
        assert found.root == pytest.approx(0.7390851332151607)
    assert solvers.root_scalar(f, x0=1, method="halley").iterations <= 3
    with pytest.raises(ArgumentError, match="'brentq' uses no derivatives"):
        solvers.root_scalar(f, bracket=(0, 2), backend="jax")
    with pytest.raises(ArgumentError, match="begins at a point: give x0"):
        solvers.root_scalar(f, method="newton")


# -- initial and boundary values -----------------------------------------------------------------------------


def robertson(t, y):
    a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    return [b - a, a - b - c, c]


def heat(t, u, k):
    q = np.pad(u, 1)
    return k * (q[2:] - 2 * u + q[:-2]) - u**3


HOT = np.sin(np.linspace(0.0, 3.0, 60))
STIFF = {"rtol": 1e-6, "atol": 1e-9}


@pytest.mark.parametrize("method", IVP)
def test_the_acceptance_matrix_of_solve_ivp(method):
    name = {"radau": "Radau"}.get(method, method.upper())
    if not IVP[method]:
        found = solvers.solve_ivp(heat, (0, 1), HOT, method=name, args=(0.1,))
        reference = scipy.integrate.solve_ivp(heat, (0, 1), HOT, method=name, args=(0.1,))
        assert np.array_equal(found.y, reference.y)
        for words in ({"backend": "numpy"}, {"jac": "dense"}):
            with pytest.raises(ArgumentError, match=f"'{method}' uses no Jacobian"):
                solvers.solve_ivp(robertson, (0, 1), [1, 0, 0], method=name, **words)
        return
    reference = scipy.integrate.solve_ivp(heat, (0, 2), HOT, method=name, args=(100.0,), **STIFF)
    own = lambda t, u, k: ad.jacobian(lambda u: heat(t, u, k), u)  # noqa: E731
    for form in ("dense", "sparse", "banded", None):
        jac = (
            [form] if form not in CONTAINERS else [form, lambda t, u, k, m=CONTAINERS[form]: m(own(t, u, k))]
        )
        for j in jac:
            words = {} if j is None else {"jac": j}
            if form is None or form in IVP[method]:
                found = solvers.solve_ivp(heat, (0, 2), HOT, method=name, args=(100.0,), **words, **STIFF)
                assert np.allclose(found.y[:, -1], reference.y[:, -1], rtol=1e-4)
            else:
                with pytest.raises(ArgumentError, match=f"'{method}' takes no {form} Jacobian"):
                    solvers.solve_ivp(heat, (0, 2), HOT, method=name, args=(100.0,), **words)
    with pytest.raises(ArgumentError, match=f"'{method}' takes no products Jacobian"):
        operator = lambda t, u, k: CONTAINERS["products"](own(t, u, k))  # noqa: E731
        solvers.solve_ivp(heat, (0, 2), HOT, method=name, args=(100.0,), jac=operator)


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "casadi"])
def test_stiff_equations_by_every_kind_of_backend(backend):
    reference = scipy.integrate.solve_ivp(robertson, (0, 40), [1, 0, 0], method="BDF", **STIFF)
    found = solvers.solve_ivp(robertson, (0, 40), [1, 0, 0], method="BDF", backend=backend, **STIFF)
    assert np.allclose(found.y[:, -1], reference.y[:, -1], rtol=1e-5)
    assert found.njev <= reference.njev + 2


def test_bands_and_patterns_that_are_known_are_checked():
    lsoda = {"method": "LSODA", "args": (100.0,)}
    reference = solvers.solve_ivp(heat, (0, 1), HOT, jac="dense", **lsoda)
    found = solvers.solve_ivp(heat, (0, 1), HOT, lband=1, uband=1, **lsoda)
    assert np.allclose(found.y[:, -1], reference.y[:, -1], rtol=1e-6)
    with pytest.raises(ad.errors.PatternError, match="has no entry in row"):
        solvers.solve_ivp(heat, (0, 1), HOT, lband=1, uband=0, **lsoda)
    with pytest.raises(ad.errors.PatternError, match="has no entry in row"):
        solvers.solve_ivp(heat, (0, 1), HOT, "BDF", args=(100.0,), jac_sparsity=scipy.sparse.eye_array(60))
    with pytest.raises(ArgumentError, match="'lsoda' takes no jac_sparsity"):
        solvers.solve_ivp(heat, (0, 1), HOT, jac_sparsity=scipy.sparse.eye_array(60), **lsoda)


def test_the_jacobian_of_many_unknowns_is_sparse():
    seen = []

    class BDF(scipy.integrate.BDF):
        def __init__(self, *args, jac, **options):
            def watched(t, y):
                J = jac(t, y)
                seen.append(J)
                return J

            super().__init__(*args, jac=watched, **options)

    BDF.__module__ = scipy.integrate.BDF.__module__
    solvers.solve_ivp(heat, (0, 1), HOT, method=BDF, args=(100.0,))
    assert all(scipy.sparse.issparse(J) and J.nnz == 3 * 60 - 2 for J in seen)
    expected = ad.jacobian(lambda u: heat(0.0, u, 100.0), HOT)
    assert np.allclose(seen[0].toarray(), expected)


def test_states_may_be_trees():
    def swing(t, s, w):
        return {"x": s["v"], "v": -(w**2) * s["x"]}

    def turns(t, s, w):
        return s["x"][0]

    turns.terminal = True
    start = {"x": np.ones(2), "v": np.zeros(2)}
    for method in ("RK45", "BDF"):
        found = solvers.solve_ivp(
            swing, (0, 3), start, method, args=(2.0,), events=turns, rtol=1e-8, atol=1e-9
        )
        assert found.t[-1] == pytest.approx(np.pi / 4, abs=1e-4)
        assert found.y["x"].shape == (2, len(found.t))
        assert np.allclose(found.y_events[0]["v"], -2.0, atol=1e-4)


@pytest.mark.parametrize("method", ["BDF", "Radau", "LSODA", "RK45"])
def test_an_error_of_the_right_hand_side_is_the_callers(method):
    def failing(t, y):
        if t > 0.01:
            raise Own("here")
        return np.stack(robertson(t, y))

    surfaces(lambda: solvers.solve_ivp(failing, (0, 1), [1.0, 0.0, 0.0], method=method))


@pytest.mark.parametrize("backend", ["numpy", "autograd"])
def test_boundary_values_with_a_parameter_on_a_changing_mesh(backend):
    def fun(x, y, p):
        return np.stack([y[1], -(p[0] ** 2) * y[0]])

    def bc(ya, yb, p):
        return [ya[0], yb[0], ya[1] - p[0]]

    x, y = np.linspace(0, 1, 5), np.zeros((2, 5))
    y[0, 1:4] = 1, 0, -1
    words = {"tol": 1e-6} if backend == "numpy" else {"tol": 1e-3}
    found = solvers.solve_bvp(fun, bc, x, y, p=[6], backend=backend, **words)
    assert found.p[0] == pytest.approx(2 * np.pi, abs=1e-3)
    assert len(found.x) > 5


def test_boundary_values_refuse_a_function_that_mixes_nodes():
    x, y = np.linspace(0, 1, 5), np.ones((2, 5))
    with pytest.raises(ArgumentError, match="depends on the state at another one"):
        solvers.solve_bvp(lambda x, y: np.stack([y[1], -np.sum(y) + y[0]]), lambda a, b: [a[0], b[0]], x, y)
    S = np.array([[0, 0], [0, -2]])
    f = lambda x, y: np.stack([y[1], -(y[0] ** 5)])  # noqa: E731  (Emden's equation, singular at 0)
    found = solvers.solve_bvp(f, lambda a, b: [a[1], b[0] - 0.75**0.5], x, 0.9 * y, S=S, tol=1e-5)
    assert np.allclose(found.sol(x)[0], (1 + x**2 / 3) ** -0.5, atol=1e-5)


def test_check_grad_compares_with_the_exact_gradient():
    f = lambda x, a: np.sum(np.exp(a * x))  # noqa: E731
    assert solvers.check_grad(f, lambda x, a: a * np.exp(a * x), np.arange(3.0), 0.5) < 1e-14
    wrong = solvers.check_grad(f, lambda x, a: a * np.exp(a * x) + 1e-9, np.arange(3.0), 0.5)
    assert wrong == pytest.approx(3**0.5 * 1e-9, rel=1e-4)
    along = solvers.check_grad(f, lambda x, a: np.exp(a * x), np.arange(3.0), 0.5, direction="random", rng=1)
    v = np.random.default_rng(1).standard_normal(3)
    assert along == pytest.approx(abs(0.5 * np.exp(0.5 * np.arange(3.0)) @ v))
    assert solvers.check_grad(lambda x: x**2, lambda x: np.diag(2 * x), np.arange(3.0)) == 0.0
    tree = solvers.check_grad(lambda p: p["a"] ** 2, lambda p: {"a": 2 * p["a"] + 1}, {"a": 3.0})
    assert tree == pytest.approx(1.0)


def test_what_a_solver_cannot_take_is_refused_before_it_runs():
    with pytest.raises(ArgumentError, match=r"bounds are 2.0 to 1.0 at \[1\]: exchange them"):
        solvers.least_squares(lambda x: x - 1, [1, 1], bounds=([0, 2], [None, 1]))
    with pytest.raises(ArgumentError, match=r"bounds are nan to 2.0 at \[0\]: pass -inf or inf"):
        solvers.curve_fit(model, T, DATA, p0=(1, 1, 1), bounds=([np.nan, 0, 0], 2))
    with pytest.raises(ArgumentError, match=r"x0 is nan at \[1\]: pass finite numbers"):
        solvers.newton(lambda x: x**2 - 2, np.array([1.0, np.nan]))
    with pytest.raises(ArgumentError, match=r"x0 has shape \(2,\), and root_scalar takes a number"):
        solvers.root_scalar(lambda x: x**2 - 2, x0=np.ones(2))
    for krylov in (
        lambda: solvers.newton_krylov(lambda x: x - 1, np.zeros(3), method="gmers"),
        lambda: solvers.root(
            lambda x: x - 1, np.zeros(3), method="krylov", options={"jac_options": {"method": "gmers"}}
        ),
    ):
        with pytest.raises(ArgumentError, match="method='gmers' is none of SciPy's Krylov methods"):
            krylov()
    with pytest.raises(ArgumentError, match="a tree of 1 array, and least_squares takes one"):
        solvers.least_squares(lambda x: {"a": x - 1}, [1, 2])
    for bounds in ((0, 3), scipy.optimize.Bounds([0, 0], [1, 1])):
        with pytest.raises(ArgumentError, match="'lm' takes no bounds: leave them out, or take 'trf'"):
            solvers.least_squares(lambda x: x - 1, [1, 1], method="lm", bounds=bounds)
    with pytest.raises(ArgumentError, match=r"x has shape \(5,\) and y \(2, 4\): pass the nodes"):
        solvers.solve_bvp(lambda x, y: y, lambda a, b: a, np.linspace(0, 1, 5), np.zeros((2, 4)))
