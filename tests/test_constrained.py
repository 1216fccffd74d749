"""Minima under constraints inside of differentiated functions: places known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, NonlinearConstraint

import polyad as ad
from backends import EXACT
from polyad.errors import ArgumentError, DomainError, PrecisionWarning

P = np.array([0.4, 1.1, -0.7])
Q = np.append(P, 2.0)
BACKENDS = [name for name in EXACT if name not in ("casadi", "sympy")]


def near(p, **how):
    """The nearest place on a plane that moves."""
    return ad.optimize.minimize(
        lambda x: np.sum((x - p) ** 4) / 4 + np.sum((x - p) ** 2),
        np.zeros(3),
        constraints={"type": "eq", "fun": lambda x: np.sum(x) - p[0] * p[1]},
        **how,
    ).x


def nearest(p):
    return p - (np.sum(p) - p[0] * p[1]) / 3


def farthest(q):
    """The place of a ball that is farthest in a direction."""
    return q[:3] * np.sqrt(q[3] / np.sum(q[:3] ** 2))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_plane_under_every_backend_to_second_order(backend):
    if backend == "jax":  # compiles, once
        found = ad.gradient(lambda p: near(p)[1], P, backend=backend)
        np.testing.assert_allclose(found, ad.jacobian(nearest, P)[1], atol=1e-12)
        return
    np.testing.assert_allclose(ad.jacobian(near, P, backend=backend), ad.jacobian(nearest, P), atol=1e-12)
    found, wanted = (
        ad.hessian(lambda p, place=place: np.sum(place(p) ** 3), P, backend=name)
        for place, name in ((near, backend), (nearest, "numpy"))
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)


def ball(q, form):
    p, r = q[:3], q[3]
    constraint, method = {
        "dict": ({"type": "ineq", "fun": lambda x: r - np.sum(x**2)}, "SLSQP"),
        "arguments": ([{"type": "ineq", "fun": lambda x, r: r - np.sum(x**2), "args": (r,)}], "SLSQP"),
        "limit": (NonlinearConstraint(lambda x: np.sum(x**2) / r, -np.inf, 1.0), "trust-constr"),
        "differences": ([{"type": "ineq", "fun": lambda x: r - np.sum(x**2)}], "COBYQA"),
    }[form]
    return ad.optimize.minimize(
        lambda x: -np.sum(p * x), np.full(3, 0.1), method=method, constraints=constraint
    ).x


@pytest.mark.filterwarnings("ignore:delta_grad == 0.0:UserWarning")  # SciPy's, of its own search
@pytest.mark.parametrize("form", ["dict", "arguments", "limit", "differences"])
def test_a_ball_in_every_form_of_constraint(form):
    np.testing.assert_allclose(ad.jacobian(lambda q: ball(q, form), Q), ad.jacobian(farthest, Q), atol=1e-12)
    if form == "dict":
        found, wanted = (
            ad.hessian(lambda q, f=f: np.sum(f(q) ** 3), Q) for f in (lambda q: ball(q, form), farthest)
        )
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-11)


def test_bounds_and_constraints_that_are_reached_or_not():
    a = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0]])

    def place(p):
        return ad.optimize.minimize(
            lambda x: np.sum((x - p[:3]) ** 2),
            np.ones(3) / 3,
            bounds=[(0.0, None), (None, 5.0), (p[3], None)],
            constraints=[LinearConstraint(a[:1], 1, 1), LinearConstraint(a[1:], -np.inf, 0.5)],
        ).x

    def known(p):
        first = (1 - p[3] + p[0] - p[1]) / 2
        return np.stack([first, 1 - p[3] - first, p[3]])

    p = np.append(P, 0.1)
    np.testing.assert_allclose(place(p), known(p), atol=1e-7)
    np.testing.assert_allclose(ad.jacobian(place, p), ad.jacobian(known, p), atol=1e-12)

    def free(p):
        far = {"type": "ineq", "fun": lambda x: 10 - np.sum(x)}
        return ad.optimize.minimize(lambda x: np.sum((x - p) ** 2), np.zeros(3), constraints=far).x

    np.testing.assert_allclose(ad.jacobian(free, P), np.eye(3), atol=1e-12)


@pytest.mark.filterwarnings("ignore:(delta_grad == 0.0|Singular Jacobian):UserWarning")
def test_what_has_no_derivative_is_refused():
    def reached(p):
        return ad.optimize.minimize(
            lambda x: np.sum((x - p) ** 2),
            np.zeros(3),
            constraints={"type": "ineq", "fun": lambda x: x[0] - p[0]},
        ).x

    with pytest.raises(DomainError, match=r"constraint 0 .* has no multiplier"):
        ad.jacobian(reached, P)

    def twice(p):
        return ad.optimize.minimize(
            lambda x: np.sum((x - p) ** 2),
            np.zeros(3),
            method="trust-constr",
            constraints=[LinearConstraint(np.ones(3), 1, 1), LinearConstraint(2 * np.ones(3), 2, 2)],
        ).x

    with pytest.raises(DomainError, match="Karush, Kuhn and Tucker are singular"):
        ad.jacobian(twice, P)
    with pytest.raises(ArgumentError, match="type 'eq' or 'ineq'"):
        ad.jacobian(
            lambda p: ad.optimize.minimize(lambda x: np.sum((x - p) ** 2), P, constraints={"fun": np.sum}).x,
            P,
        )


def test_on_plain_numbers_it_is_scipys():
    import scipy.optimize

    constraint = {"type": "eq", "fun": lambda x: np.sum(x) - 1.0}
    mine, theirs = (
        module.minimize(lambda x: np.sum((x - P) ** 2), np.zeros(3), constraints=constraint).x
        for module in (ad.optimize, scipy.optimize)
    )
    np.testing.assert_allclose(mine, theirs, atol=1e-7)


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "Nelder-Mead", "SLSQP"])
def test_differences_see_the_minimum_and_not_where_the_search_stops(method):
    """A search stops at some six digits, another for each point: divided by a step that was -4 for 0."""

    def total(p):
        found = ad.optimize.minimize(lambda x: np.sum(np.cosh(x - p)), np.zeros(3), method=method)
        return np.sum(found.x) + found.fun

    for p in (np.array([-0.85, 0.0, 0.46]), np.array([-0.9, 0.28, 0.3])):
        np.testing.assert_allclose(ad.gradient(total, p, backend="finite"), np.ones(3), atol=1e-7)
        np.testing.assert_allclose(ad.hessian(total, p, backend="finite"), np.zeros((3, 3)), atol=1e-5)


def test_differences_see_roots_and_fits_in_all_digits():
    """Each to a tolerance of six digits, from which Hessians of differences had none."""
    t = np.linspace(0.0, 2.0, 9)

    def fit(p):
        residuals = lambda c: c[0] * np.exp(-c[1] * t) - p[0] - np.sin(p[1] * t)  # noqa: E731
        return np.sum(ad.optimize.least_squares(residuals, [1.0, 1.0], loss="soft_l1").x)

    def still(p):
        return np.sum(
            ad.optimize.fixed_point(
                lambda x: np.cos(p * x), np.ones(2), xtol=1e-5, method="iteration", maxiter=5000
            )
        )

    for f, p in ((fit, np.array([2.0, 0.5])), (still, np.array([0.9, 0.6]))):
        found = ad.hessian(f, p, backend="finite")
        np.testing.assert_allclose(found, ad.hessian(f, p), rtol=1e-4, atol=1e-4)
    with pytest.warns(PrecisionWarning, match="singular|not fulfilled"):
        ad.gradient(
            lambda p: ad.optimize.minimize(lambda x: (x[0] - p[0]) ** 4, [0.5], tol=1e-9).x[0],
            np.ones(1),
            backend="finite",
        )


def test_what_the_search_takes_may_be_made_of_what_is_differentiated():
    p = np.array([1.0, 2.0])

    def mode(p):
        return ad.optimize.minimize(
            lambda x: np.sum((x - p) ** 4 + x**2), [0.5, 0.1], jac=lambda x: 4 * (x - p) ** 3 + 2 * x,
            hess=lambda x: np.diag(12 * (x - p) ** 2 + 2), method="trust-exact", tol=1e-12,
        ).x  # fmt: skip

    x = mode(p)
    np.testing.assert_allclose(
        ad.jacobian(mode, p), np.diag(12 * (x - p) ** 2 / (12 * (x - p) ** 2 + 2)), rtol=1e-9
    )

    def scaled(s):  # the cost of soft_l1 at its minimum, by s: the envelope theorem
        residuals = lambda c: np.array([c[0] - 1.0, c[0] + 2.0])  # noqa: E731
        return ad.optimize.least_squares(residuals, [0.3], loss="soft_l1", f_scale=s, gtol=1e-14).cost

    r = np.array([1.5, 1.5])
    np.testing.assert_allclose(
        ad.derivative(scaled, 0.5), np.sum(2 * 0.5 * (np.sqrt(1 + (r / 0.5) ** 2) - 1))
        - np.sum(r**2 / (0.5 * np.sqrt(1 + (r / 0.5) ** 2))), rtol=1e-7,
    )  # fmt: skip
