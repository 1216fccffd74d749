"""Nonlinear programs: the description is exact, and every solver solves it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from typing import Any

import nlp_problems as problems
import numpy as np
import pytest

import polyad as ad
from polyad.arrays.trees import flatten
from polyad.solvers import log_density, nlp
from polyad.solvers.scipy import minimize

METHODS = ["casadi", "ipyopt", "pounce", "uno", "trust-constr"]
# cyipopt has no wheels; pounce has its contract
REASON = "its package is not installed (pip install 'polyad[nlp]'; pounce-solver has 23 MB)"


def needs(method: str) -> None:
    if not nlp.solvers()[method]:
        pytest.skip(f"{method}: {REASON}")


def described(known: problems.Known, **options: Any) -> nlp.Program:
    return nlp.program(known.f, known.start, *known.args, **known.more, **options)


def vector(tree: Any) -> Any:
    return np.concatenate([np.ravel(leaf) for leaf in flatten(tree)[0]])


# -- what a solver is told --------------------------------------------------------------------------


def hs071_by_hand(x: Any, lagrange: Any, factor: float) -> tuple[Any, ...]:
    a, b, c, d = x
    gradient = [d * (2 * a + b + c), a * d, a * d + 1, a * (a + b + c)]
    jacobian = [[b * c * d, a * c * d, a * b * d, a * b * c], [2 * a, 2 * b, 2 * c, 2 * d]]
    f = np.array([[2 * d, d, d, 2 * a + b + c], [d, 0, 0, a], [d, 0, 0, a], [2 * a + b + c, a, a, 0]])
    c1 = np.array(
        [
            [0, c * d, b * d, b * c],
            [c * d, 0, a * d, a * c],
            [b * d, a * d, 0, a * b],
            [b * c, a * c, a * b, 0],
        ]
    )
    return gradient, jacobian, factor * f + lagrange[0] * c1 + lagrange[1] * 2 * np.eye(4)


@pytest.mark.parametrize(
    "backend", ["numpy", "jax", "torch", "autograd", "casadi", "sympy", "finite", "numpy:compiled"]
)
def test_the_description_is_that_by_hand(backend: str) -> None:
    p = described(problems.hs071(), backend=backend)
    x, lagrange = np.array([1.5, 4.0, 3.0, 1.2]), np.array([0.3, -0.7])
    exact = backend != "finite"
    close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12} if exact else {"rtol": 1e-6, "atol": 1e-3}
    gradient, jacobian, hessian = hs071_by_hand(x, lagrange, 0.4)
    np.testing.assert_allclose(p.objective(x), 1.5 * 1.2 * 8.5 + 3, rtol=1e-12)
    np.testing.assert_allclose(p.gradient(x), gradient, **close)
    np.testing.assert_allclose(p.constraints(x), [np.prod(x), x @ x], rtol=1e-12)
    J, H = np.zeros((2, 4)), np.zeros((4, 4))
    J[p.jacobianstructure()] = p.jacobian(x)
    H[p.hessianstructure()] = p.hessian(x, lagrange, 0.4)
    np.testing.assert_allclose(J, jacobian, **close)
    np.testing.assert_allclose(H, np.tril(hessian), **close)
    rows, columns = p.hessianstructure()
    assert (rows >= columns).all()
    v, w = np.array([1.0, -2.0, 0.5, 3.0]), np.array([2.0, -1.0])
    np.testing.assert_allclose(p.jacobian_product(x, v), np.array(jacobian) @ v, **close)
    np.testing.assert_allclose(p.jacobian_transposed_product(x, w), w @ np.array(jacobian), **close)
    np.testing.assert_allclose(p.hessian_product(x, v, lagrange, 0.4), hessian @ v, **close)
    np.testing.assert_allclose(p.values(x), [np.prod(x), x @ x], rtol=1e-12)


def test_the_structures_have_no_more_than_there_is() -> None:
    p = described(problems.control(steps=50))
    assert (p.n, p.m) == (152, 104)
    assert len(p.jacobianstructure()[0]) == 50 * 4 + 50 * 3 + 4
    # only the forces are in the effort, and the motion is linear
    assert len(p.hessianstructure()[0]) == 50
    rows = p.jacobianstructure()[0]
    dense = p.jacobian_matrix(p.start).toarray()
    assert np.count_nonzero(dense) == len(rows)
    step = np.random.default_rng(0).normal(size=p.n)
    np.testing.assert_allclose(
        p.constraints(p.start + step) - p.constraints(p.start), dense @ step, atol=1e-12
    )


def test_what_one_point_needs_is_computed_once() -> None:
    calls = {"f": 0, "c": 0}

    def f(x: Any) -> Any:
        calls["f"] += 1
        return np.sum(x**4)

    def c(x: Any) -> Any:
        calls["c"] += 1
        return x[1:] * x[:-1]

    # the check of a pattern calls a function once more whose captured dictionary changes, as these counts do
    backend = ad.Sparse("numpy", check=False)
    p = nlp.program(f, np.ones(5), constraints=c, constraint_bounds=(0, None), backend=backend)
    p.objective(p.start), p.gradient(p.start), p.constraints(p.start), p.jacobian(p.start)
    calls.update(f=0, c=0)
    for k in range(3):
        x = p.start + k + 1
        p.constraints(x), p.objective(x), p.gradient(x), p.jacobian(x), p.objective(x), p.constraints(x)
    assert calls == {"f": 3, "c": 3}
    # what is handed out is the solver's own
    p.gradient(x)[:] = np.nan
    p.constraints(x)[:] = np.nan
    p.jacobian(x)[:] = np.nan
    assert np.isfinite([*p.gradient(x), *p.constraints(x), *p.jacobian(x)]).all()
    x[0] = 7.0  # the solver writes into its point
    assert p.objective(x) == np.sum(x**4)


def test_products_alone_search_for_no_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("a pattern was searched")

    monkeypatch.setattr(ad.Sparse, "_pattern", refused)
    p = described(problems.rosen_suzuki())
    assert p.hessian_product(p.start, np.ones(4), np.ones(3)).shape == (4,)
    assert p.jacobian_transposed_product(p.start, np.ones(3)).shape == (4,)
    with pytest.raises(AssertionError, match="searched"):
        p.jacobianstructure()


def test_a_sparse_backend_says_how_it_is_compressed() -> None:
    known = problems.rosen_suzuki()
    S = np.ones((3, 4))
    p = described(known, backend=ad.Sparse("numpy", ad.KnownPattern(S)))
    assert len(p.jacobianstructure()[0]) == 12


# -- solved -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("problem", problems.PROBLEMS, ids=lambda f: f.__name__)
def test_a_known_solution_is_found(problem: Callable[[], problems.Known], method: str) -> None:
    needs(method)
    known = problem()
    p = described(known)
    options: dict[str, Any] = {}
    if method == "trust-constr":
        options = {"maxiter": 1000, "gtol": 1e-12, "xtol": 1e-9}  # of gtol it thinks too well
    r = p.solve(method, options=options)
    assert r.success, r.message
    assert abs(r.fun - known.fun) <= known.close * (1 + abs(known.fun))
    if known.x is not None:
        np.testing.assert_allclose(vector(r.x), known.x, atol=2e-3)
    assert flatten(r.x)[1] == flatten(known.start)[1]
    # the multipliers are in balance, whatever the solver's own signs
    x = vector(r.x)
    J = p.jacobian_matrix(x).toarray()
    balance = p.gradient(x) + J.T @ r.multipliers - r.lower_multipliers + r.upper_multipliers
    np.testing.assert_allclose(balance, 0, atol=2e-4 * max(1, *abs(r.multipliers), *r.lower_multipliers))


def clnlbeam_by_casadi(steps: int) -> float:
    """The minimum by CasADi's own expressions and derivatives."""
    casadi = pytest.importorskip("casadi")
    known = problems.clnlbeam(steps)
    z = casadi.SX.sym("z", steps + 1, 3)
    h = 1.0 / steps
    t, x, u = z[:, 0], z[:, 1], z[:, 2]
    f = (
        h
        / 2
        * casadi.sum1(
            (u[1:] ** 2 + u[:-1] ** 2) / 2 + problems.LOAD * (casadi.cos(t[1:]) + casadi.cos(t[:-1]))
        )
    )
    g = casadi.vertcat(
        x[1:] - x[:-1] - h / 2 * (casadi.sin(t[1:]) + casadi.sin(t[:-1])),
        t[1:] - t[:-1] - h / 2 * (u[1:] + u[:-1]),
    )
    own = {"print_time": False, "ipopt": {"print_level": 0, "sb": "yes"}}
    solver = casadi.nlpsol("own", "ipopt", {"x": casadi.vec(z), "f": f, "g": g}, own)
    low, high = known.more["bounds"]
    start, low, high = (a.T.reshape(-1) for a in (known.start, low, high))  # CasADi has columns first
    return float(solver(x0=start, lbx=low, ubx=high, lbg=0, ubg=0)["f"])


@pytest.mark.parametrize("method", METHODS)
def test_a_clamped_beam_bends_as_with_casadi_alone(method: str) -> None:
    needs(method)
    p = described(problems.clnlbeam(20))
    options: dict[str, Any] = {"maxiter": 300, "gtol": 1e-9} if method == "trust-constr" else {}
    r = p.solve(method, options=options)
    assert r.success, r.message
    assert abs(r.fun - clnlbeam_by_casadi(20)) < 1e-4 * r.fun


@pytest.mark.parametrize("method", ["uno", "trust-constr"])
def test_products_alone_do(method: str) -> None:
    needs(method)
    r = described(problems.hs071()).solve(method, hessian="products")
    assert r.success
    assert abs(r.fun - 17.0140172892) < 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_second_derivatives_are_the_solvers_own(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``approximate`` no Hessian is asked for; with ``exact`` it is."""
    needs(method)
    asked = []
    plain = nlp.Program.hessian_matrix
    monkeypatch.setattr(nlp.Program, "hessian_matrix", lambda *args: (asked.append(0), plain(*args))[1])
    p = described(problems.rosen_suzuki())
    r = p.solve(method, hessian="approximate")
    assert abs(r.fun + 44) < 1e-3, r.message
    assert not asked
    p.solve(method)
    assert asked


@pytest.mark.parametrize("method", METHODS)
def test_the_library_of_the_start_comes_back(method: str) -> None:
    torch = pytest.importorskip("torch")
    needs(method)
    start = {"x": torch.tensor([1.0, 2.0], dtype=torch.float64)}
    r = nlp.program(lambda p, a: torch.sum((p["x"] - a) ** 2), start, torch.tensor([3.0, 5.0])).solve(method)
    assert torch.allclose(r.x["x"], torch.tensor([3.0, 5.0], dtype=torch.float64), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("where", ["f", "c"])
def test_an_error_of_the_function_comes_out(
    method: str, where: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The solver ends at once, and what is raised is the caller's own error, from its line."""
    needs(method)
    left = {"f": 10**6, "c": 10**6}

    def raises(name: str) -> None:
        left[name] -= 1
        if name == where and left[name] < 0:
            raise LookupError("the table ends here")

    def f(x: Any) -> Any:
        raises("f")
        return rosenbrock(x)

    def c(x: Any) -> Any:
        raises("c")
        return x[0] + x[1]

    rosenbrock = problems.rosenbrock
    p = nlp.program(f, np.array([-1.2, 1.0]), constraints=c, constraint_bounds=(None, 3), backend="numpy")
    p.jacobianstructure(), p.hessianstructure(), p.objective(p.start)
    left.update(f=2, c=2)
    with pytest.raises(LookupError, match="ends here") as caught:
        p.solve(method)
    assert any(entry.name == "raises" for entry in caught.traceback)
    # and the next run is none the worse for it
    left.update(f=10**6, c=10**6)
    assert p.solve(method).success


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_number_is_said(method: str) -> None:
    needs(method)
    p = nlp.program(
        lambda x: np.sum(x**2) + np.nan, np.ones(2), constraints=lambda x: x[0], constraint_bounds=(0, None)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        r = p.solve(method, options={"maxiter": 5} if method == "trust-constr" else {})
    assert not r.success
    assert "the objective" in r.message


def test_a_program_outlives_what_made_it() -> None:
    """CasADi holds no reference to its callbacks: they have to live as long as the solver."""
    needs("casadi")

    def made() -> nlp.Program:
        return described(problems.hs071())

    p = made()
    gc.collect()
    for _ in range(2):
        assert p.solve("casadi").success
        gc.collect()


# -- refused ----------------------------------------------------------------------------------------


def test_wrong_descriptions_are_refused_with_a_remedy() -> None:
    f, x = problems.rosenbrock, np.zeros(2)
    errors = ad.errors
    with pytest.raises(errors.ArgumentError, match=r"lower bound of unknown 1 is 2.0, above"):
        nlp.program(f, x, bounds=([0, 2], [1, 1]))
    with pytest.raises(errors.ArgumentError, match=r"constrain nothing: pass a pair"):
        nlp.program(f, x, constraints=lambda x: x)
    with pytest.raises(errors.ArgumentError, match=r"constraints=.*there is none"):
        nlp.program(f, x, constraint_bounds=(0, 0))
    with pytest.raises(errors.ArgumentError, match=r"shape \(3,\), what it bounds 2 numbers"):
        nlp.program(f, x, bounds=(np.zeros(3), None))
    with pytest.raises(errors.ArgumentError, match="has NaN"):
        nlp.program(f, x, bounds=([0, np.nan], None))
    with pytest.raises(errors.ArgumentError, match="pass a pair of the lowest"):
        nlp.program(f, x, bounds=[(0, 1), (0, 1), (0, 1)])
    with pytest.raises(errors.HolomorphicError, match="the start is complex"):
        nlp.program(f, x + 0j)
    with pytest.raises(errors.ArgumentError, match="objective must be a function"):
        nlp.program(x, x)
    p = nlp.program(f, x)
    with pytest.raises(errors.ArgumentError, match="no solver here: pass one of 'ipyopt'"):
        p.solve("ipopt")
    with pytest.raises(errors.ArgumentError, match="methods that take it are 'uno', 'trust-constr'"):
        p.solve("casadi", hessian="products")
    with pytest.raises(errors.ArgumentError, match="'exact'"):
        p.solve("trust-constr", hessian="true")
    with pytest.raises(errors.ArgumentError, match="1 constraints"):
        q = nlp.program(f, x, constraints=lambda x: x[0], constraint_bounds=(0, 0))
        q.hessian(x, np.ones(2), 1.0)


def test_fewer_digits_are_told_of() -> None:
    p = nlp.program(lambda x: np.sum(x.astype(np.float32) ** 2), np.ones(2))
    with pytest.warns(ad.errors.PrecisionWarning, match="returns float32"):
        p.objective(p.start)
    # a start of float32 is none: it is solved in float64
    q = nlp.program(lambda x: np.sum((x - 0.1) ** 2), np.ones(2, dtype=np.float32))
    assert q.gradient(q.start).dtype == np.float64
    assert q.solve("trust-constr").x.dtype == np.float64


def test_bounds_of_scipy_are_taken() -> None:
    from scipy.optimize import Bounds

    p = nlp.program(problems.rosenbrock, np.zeros(2), bounds=Bounds([-1, -np.inf], 0.5))
    assert p.lower.tolist() == [-1, -np.inf]
    assert p.upper.tolist() == [0.5, 0.5]


def test_bounds_of_trees_may_leave_a_leaf_free() -> None:
    def f(p: Any) -> Any:
        return (p["a"] - 3) ** 2 + np.sum((p["b"] + 1) ** 2)

    start = {"a": 1, "b": np.zeros((1, 2))}
    p = nlp.program(f, start, bounds=({"a": 0, "b": None}, {"a": 2, "b": None}))
    np.testing.assert_array_equal(p.lower, [0, -np.inf, -np.inf])
    np.testing.assert_array_equal(p.upper, [2, np.inf, np.inf])
    found = minimize(f, start, bounds=({"a": 0, "b": None}, {"a": 2, "b": None}))
    np.testing.assert_allclose(found.x["a"], 2.0)
    np.testing.assert_allclose(found.x["b"], [[-1.0, -1.0]], atol=1e-6)


def test_what_is_no_vector_and_no_number_is_named() -> None:
    d = log_density(lambda x: -np.sum(x**2) / 2, np.zeros(3))
    for given, word in ((np.ones(2), r"shape \(2,\)"), ({"a": 1.0}, "a dict")):
        for call in (d, d.gradient, d.value_and_gradient, d.split):
            with pytest.raises(
                ad.errors.ArgumentError, match=rf"was given {word}: pass one vector of shape \(3,\)"
            ):
                call(given)
    assert d([1, 2, 3]) == -7.0
    with pytest.raises(
        ad.errors.NonScalarOutputError, match=r"the objective returns shape \(3,\): return one"
    ):
        log_density(lambda x: -(x**2), np.zeros(3))(np.ones(3))
