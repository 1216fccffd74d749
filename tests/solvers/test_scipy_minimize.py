"""``polyad.solvers.scipy.minimize``: every method and form of a Hessian, constraints, trees, refusals."""

from __future__ import annotations

import math
import traceback
import warnings

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

import polyad as ad
from polyad.solvers.function import Differentiated
from polyad.solvers.scipy import minimize
from polyad.solvers.scipy.accepts import GRADIENTS, HESSIANS, OPERATORS, WITHOUT
from polyad.solvers.unknown import Unknown

START = np.array([0.5, -0.3, 0.2, 0.1])


def chain(x, a=10.0):
    return np.sum(a * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def bowl(x):  # convex, for dogleg
    return np.sum(np.cosh(x - 1.0)) + 0.1 * (x[0] - x[1]) ** 2


@pytest.mark.parametrize("method", [*GRADIENTS, *HESSIANS])
def test_every_method_with_derivatives_finds_the_minimum(method):
    runs = []

    def counted(x):
        if type(x) is np.ndarray:
            runs.append(1)
        return bowl(x)

    found = minimize(counted, START, method=method)
    assert found.success
    assert np.allclose(found.x, 1.0, atol=1e-4)
    # differences would run it on plain numbers, n times more at each gradient
    assert len(runs) <= 4
    assert type(found) is scipy.optimize.OptimizeResult


@pytest.mark.parametrize("method", WITHOUT)
def test_methods_without_derivatives_are_scipys(method):
    found = minimize(bowl, START, method=method)
    reference = scipy.optimize.minimize(bowl, START, method=method)
    assert np.array_equal(found.x, reference.x)
    with pytest.raises(ad.errors.ArgumentError, match="uses no derivatives: leave backend= out"):
        minimize(bowl, START, method=method, backend="jax")


@pytest.mark.parametrize("backend", ["jax", "torch", "autograd", "casadi", "sympy", "finite"])
def test_every_backend_differentiates(backend):
    found = minimize(chain, START + 0.5, args=(5.0,), method="SLSQP", tol=1e-9, backend=backend)
    assert np.allclose(found.x, 1.0, atol=1e-4)


def test_value_and_gradient_of_a_point_are_computed_once():
    points = []

    def f(x):
        points.append(None if type(x) is np.ndarray else float(ad.stop_gradient(x)[0]))
        return chain(x)

    found = minimize(f, START, method="BFGS", options={"maxiter": 3})
    # preparation runs it at the start as well
    followed = [p for p in points if p not in (None, START[0])]
    assert len(followed) == len(set(followed)) == found.nfev - 1 == found.njev - 1 > 2


CONTAINERS = {
    "dense": lambda H: H,
    "sparse": scipy.sparse.csr_array,
    "products": lambda H: LinearOperator(H.shape, matvec=lambda v: H @ v, dtype=float),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("method", HESSIANS)
def test_the_acceptance_matrix_of_hessians(method, container):
    """What SciPy takes is handed over; what it does not take is refused by polyad, at the first call."""

    def own(x):
        return CONTAINERS[container](ad.hessian(bowl, np.asarray(x)))

    for hess in (own, container):
        if container in HESSIANS[method] and (hess != own or container != "products" or method in OPERATORS):
            assert np.allclose(minimize(bowl, START, method=method, hess=hess).x, 1.0, atol=1e-4)
        else:
            refusal = f"'{method}' takes no ({container} Hessian|LinearOperator from hess)"
            with pytest.raises(ad.errors.ArgumentError, match=refusal):
                minimize(bowl, START, method=method, hess=hess)
    jax = pytest.importorskip("jax.numpy")
    if container == "dense":
        found = minimize(
            bowl, START, method=method, hess=lambda x: jax.asarray(ad.hessian(bowl, np.asarray(x)))
        )
        assert np.allclose(found.x, 1.0, atol=1e-3)


def test_what_a_method_does_not_use_is_refused():
    with pytest.raises(ad.errors.ArgumentError, match="'bfgs' takes no products Hessian"):
        minimize(bowl, START, method="BFGS", hessp=lambda x, p: p)
    with pytest.raises(ad.errors.ArgumentError, match="'cg' takes no dense Hessian"):
        minimize(bowl, START, method="CG", hess=lambda x: np.eye(4))
    with pytest.raises(ad.errors.ArgumentError, match="'bfgs' takes no bounds"):
        minimize(bowl, START, method="BFGS", bounds=[(0, 1)] * 4)
    with pytest.raises(ad.errors.ArgumentError, match="takes no constraints"):
        minimize(bowl, START, method="trust-ncg", constraints={"type": "eq", "fun": np.sum})
    with pytest.raises(ad.errors.ArgumentError, match="none of minimize: pass one of"):
        minimize(bowl, START, method="newton")
    with pytest.raises(ad.errors.HolomorphicError, match="x0 is complex"):
        minimize(bowl, START + 0j)


@pytest.mark.parametrize("method", ["Nelder-Mead", "Powell", "L-BFGS-B", "SLSQP", "trust-constr"])
def test_bounds_that_are_not_numbers_or_reversed_are_refused(method):
    free = [(None, None)] * 2
    for pair in ((np.nan, 1), (0, np.nan)):
        with pytest.raises(ad.errors.ArgumentError, match=r"bounds are .*nan.* at \[2\]: pass -inf or inf"):
            minimize(bowl, START, method=method, bounds=[*free, pair, (0, 1)])
    with pytest.raises(ad.errors.ArgumentError, match=r"bounds are 1.0 to 0.0 at \[0\]: exchange them"):
        minimize(
            bowl, START, method=method, bounds=scipy.optimize.Bounds([1, 0, 0, 0], np.array([0, 1, 1, 1]))
        )
    with pytest.raises(ValueError, match="bounds"):  # SciPy's own
        minimize(bowl, START, method=method, bounds=[(0, 1)] * 3)


def circle(x):
    return [x[0] ** 2 + x[1] ** 2, x[2] * x[3]]


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr"])
@pytest.mark.parametrize("form", ["auto", "sparse", "products", "own"])
def test_constraints_get_jacobians_and_weighted_hessians(method, form):
    target = np.array([2.0, 1.0, 0.5, 0.5])

    def f(x):
        return np.sum((x - target) ** 2)

    jac = {"auto": "2-point", "own": lambda x: scipy.sparse.csr_array(ad.jacobian(_circle, x))}.get(
        form, form
    )
    c = scipy.optimize.NonlinearConstraint(circle, [-np.inf, -np.inf], [1.0, 0.1], jac="2-point")
    c.jac = jac
    if form == "products":
        with pytest.raises(ad.errors.ArgumentError, match="takes no products Jacobian of constraints"):
            minimize(f, START, method=method, constraints=c)
        return
    found = minimize(f, START, method=method, constraints=[c], bounds=[(0, 3)] * 4, tol=1e-10)
    assert np.allclose(found.x[:2], target[:2] / np.sqrt(5), atol=1e-5)
    assert np.allclose(found.x[2:], np.sqrt(0.1), atol=1e-5)


def _circle(x):
    return np.stack(circle(x))


def test_old_constraints_have_arguments_and_get_derivatives():
    c = {"type": "eq", "fun": lambda x, r: x[0] ** 2 + x[1] ** 2 - r**2, "args": (2.0,)}
    for method in ("SLSQP", "trust-constr", None):
        found = minimize(lambda x: x[0] + x[1], [-1.0, -1.5], method=method, constraints=c)
        assert np.allclose(found.x, -np.sqrt(2.0), atol=1e-5)


def test_a_large_sparse_problem_has_sparse_derivatives():
    n, seen = 60, []

    def f(x):
        return np.sum((x - 1) ** 2) + np.sum(x[1:] * x[:-1]) * 0.1

    def state(x, state):
        seen.append(state.jac[0])

    c = scipy.optimize.NonlinearConstraint(lambda x: x[1:] ** 2 + x[:-1] ** 2, 0.0, 1.0)
    linear = scipy.optimize.LinearConstraint(np.ones((1, n)), -np.inf, 100.0)
    found = minimize(
        f,
        np.full(n, 0.3),
        method="trust-constr",
        constraints=[c, linear],
        callback=state,
        options={"maxiter": 300, "gtol": 1e-6},
    )
    assert found.constr_violation < 1e-6
    assert all(map(scipy.sparse.issparse, seen))
    assert np.max(np.abs(found.x - found.x[::-1])) < 1e-3


def test_trees_go_in_and_come_out():
    seen = []

    def f(p):
        return np.sum((p["w"] - 1) ** 2) + (p["b"] - 2.0) ** 2

    start = {"w": np.zeros((2, 3)), "b": 0}
    found = minimize(
        f, start, method="L-BFGS-B", bounds=(None, {"w": np.inf, "b": 1.5}), callback=seen.append
    )
    assert found.x["w"].shape == (2, 3)
    assert np.allclose(found.x["w"], 1.0)
    assert found.x["b"] == 1.5
    assert isinstance(found.x["b"], np.float64)
    assert found.jac["w"].shape == (2, 3)
    assert set(seen[0]) == {"w", "b"}
    for method in ("trust-exact", "Newton-CG", "trust-constr"):
        assert np.allclose(minimize(f, start, method=method).x["b"], 2.0)
    again = minimize(f, start, jac=lambda p: {"w": 2 * (p["w"] - 1), "b": 2 * (p["b"] - 2.0)})
    assert np.allclose(again.x["w"], 1.0)
    assert np.allclose(minimize(lambda x: np.sum((x - 1) ** 2), np.zeros((2, 2))).x, np.ones((2, 2)))


def test_torch_arrays_go_in_and_come_out():
    torch = pytest.importorskip("torch")
    start = (torch.zeros(2, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64))
    found = minimize(lambda t: ((t[0] - 1) ** 2).sum() + (t[1] - 2) ** 2, start, method="trust-krylov")
    assert torch.allclose(found.x[0], torch.ones(2, dtype=torch.float64))
    assert found.x[1].dtype is torch.float64


def test_numbers_are_taken_as_scipy_takes_them():
    assert minimize(lambda x: (x - 1) ** 2, 3).x.shape == (1,)
    assert np.allclose(minimize(lambda x: (x[0] - 1) ** 2 + x[1] ** 2, [0, 1]).x, [1, 0])


def test_less_than_float64_is_told_of():
    with pytest.warns(ad.errors.PrecisionWarning, match=r"x0 is float32, so minimize\(method='bfgs'\)"):
        found = minimize(lambda x: np.sum((x - 1) ** 2), np.zeros(2, np.float32))
    assert found.x.dtype == np.float32
    with pytest.warns(ad.errors.PrecisionWarning, match="the function returns float32") as told:
        minimize(lambda x: np.sum((x.astype(np.float32) - 1) ** 2), np.zeros(2), method="CG")
    assert told[0].filename == __file__


def test_an_error_of_the_function_is_the_callers():
    class OwnError(Exception):
        pass

    def f(x):
        if np.max(x) > 0.9:
            raise OwnError("here")
        return bowl(x)

    for method in ("BFGS", "trust-constr", "SLSQP", "TNC"):
        with pytest.raises(OwnError, match="here") as caught:
            minimize(f, START, method=method)
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert names[-1] == "f"


def test_jac_true_callables_and_differences_are_scipys():
    def both(x):
        return bowl(x), ad.gradient(bowl, x)

    for jac, f in ((True, both), ("3-point", bowl), (lambda x: ad.gradient(bowl, x), bowl)):
        assert np.allclose(minimize(f, START, jac=jac, tol=1e-8).x, 1.0, atol=1e-4)
    assert np.allclose(minimize(both, START, jac=True, method="trust-exact").x, 1.0, atol=1e-4)
    hessp = minimize(bowl, START, method="trust-ncg", hessp=lambda x, p: ad.hvp(bowl, x, v=p))
    assert np.allclose(hessp.x, 1.0, atol=1e-4)
    quasi = minimize(bowl, START, method="trust-constr", hess=scipy.optimize.BFGS())
    assert np.allclose(quasi.x, 1.0, atol=1e-4)


def test_arguments_may_be_anything():
    class Scale:
        by = 3.0

    def f(x, data, how, scale):
        return np.sum((x - data) ** 2) * scale.by if how == "square" else None

    for backend in ("numpy", "jax"):
        found = minimize(f, np.zeros(3), (np.arange(3.0), "square", Scale()), backend=backend)
        assert np.allclose(found.x, np.arange(3.0))


def test_following_is_the_callers_choice():
    def f(x):  # math.cosh takes no traced number, unless it is followed
        return math.cosh(x[0] - 1.0) + x[1] ** 2

    assert np.allclose(minimize(f, [0.0, 1.0]).x, [1.0, 0.0], atol=1e-4)
    with pytest.raises(ad.errors.FunctionNotSupportedError, match="a math function"):
        minimize(f, [0.0, 1.0], follow=False)


def test_a_custom_method_is_given_derivatives():
    def method(fun, x0, args, **given):
        assert np.allclose(given["jac"](x0), ad.gradient(bowl, x0))
        assert np.allclose(given["hessp"](x0, np.ones(4)), ad.hvp(bowl, x0, v=np.ones(4)))
        return scipy.optimize.OptimizeResult(x=x0, fun=fun(x0), success=True)

    assert np.array_equal(minimize(bowl, START, method=method).x, START)


def test_nothing_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        minimize(bowl, START, method="trust-constr")


def test_many_products_at_a_point_share_one_run_of_the_gradient():
    runs = []

    def f(p, a):
        runs.append(1)
        return a * np.sum(p["u"][1:] ** 2 * p["u"][:-1]) + np.sum(np.exp(p["w"]))

    start = {"u": np.ones(4), "w": np.ones((2, 2))}
    made = Differentiated(f, Unknown(start), (3.0,))
    product, dense = made.hessian_product(), made.dense_hessian()
    rng = np.random.default_rng(0)
    for many in (2, 12, 3, 1):
        x = rng.normal(size=8)
        H, before = dense(x), len(runs)
        for v in rng.normal(size=(many, 8)):
            assert np.allclose(product(x, v), H @ v)
        # three single ones and the linearization; at once the linearization after a point that had many
        assert len(runs) - before <= 5
    x[0] += 1.0  # a solver writes into its array
    assert np.allclose(product(x, v), dense(x) @ v)
