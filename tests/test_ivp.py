"""``solve_ivp`` and ``odeint`` in differentiated functions, against the closed form of logistic growth."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate

import polyad as ad
from backends import EXACT
from polyad.errors import ArgumentError, DomainError, FunctionNotSupportedError
from polyad.integrate import odeint, solve_ivp

P = np.array([1.1, 0.4])
T = np.array([0.0, 0.5, 1.3, 2.0])
TIGHT = {"rtol": 1e-10, "atol": 1e-11}


def closed(p, t):
    return p[1] * np.exp(p[0] * t) / (1 + p[1] * (np.exp(p[0] * t) - 1))


def at_times(p, **how):
    # it ends beyond the last time of the result
    found = solve_ivp(lambda t, y: p[0] * y * (1 - y), (0, 2.3), [p[1]], t_eval=T, **TIGHT, **how)
    return np.sum(np.sin(found.y))


def at_steps(p):
    return solve_ivp(
        lambda t, y, r: r * y * (1 - y), (0, 2), p[1:], args=(p[0],), method="DOP853", **TIGHT
    ).y[0, -1]


def stiff(p):
    found = solve_ivp(lambda t, y: [p[0] * y[0] * (1 - y[0])], (0, 2), p[1:], "LSODA", T[1:], **TIGHT)
    return np.sum(found.y**2)


def by_odeint(p):
    return np.sum(odeint(lambda y, t: p[0] * y * (1 - y), p[1:], T, rtol=1e-11, atol=1e-11) ** 2)


def active_span(p):
    return solve_ivp(lambda t, y: p[0] * y * (1 - y), (p[0] - 1.1, p[1] + 1), [0.3], **TIGHT).y[0, -1]


def until_event(p):
    def level(t, y):
        return y[0] - 0.5 - p[1]

    level.terminal = True
    found = solve_ivp(lambda t, y: p[0] * y * (1 - y), (0, 20), [p[1]], events=level, **TIGHT)
    return found.t_events[0][0] * found.y[0, -1] + found.t[-1] * found.y_events[0][0, 0]


CASES = {
    "times": (at_times, lambda p: np.sum(np.sin(closed(p, T)))),
    "steps": (at_steps, lambda p: closed(p, 2.0)),
    "stiff": (stiff, lambda p: np.sum(closed(p, T[1:]) ** 2)),
    "adjoint": (
        lambda p: at_times(p, sensitivities="adjoint", method="DOP853"),
        lambda p: np.sum(np.sin(closed(p, T))),
    ),
    "odeint": (by_odeint, lambda p: np.sum(closed(p, T) ** 2)),
    "span": (active_span, lambda p: closed([p[0], 0.3], p[1] - p[0] + 2.1)),
    "event": (
        until_event,
        lambda p: (0.5 + p[1]) * 2 * np.log((0.5 + p[1]) / (0.5 - p[1]) * (1 - p[1]) / p[1]) / p[0],
    ),
}


@pytest.mark.parametrize(
    "backend", [b for b in ("numpy", "numpy:forward", "torch", "autograd") if b[:5] in str(EXACT)]
)
@pytest.mark.parametrize("case", CASES)
def test_against_the_closed_form(case, backend):
    f, form = CASES[case]
    value, gradient = ad.prepare_gradient(f, P * 1.05, backend=backend).value_and(P)
    np.testing.assert_allclose(value, form(P), rtol=1e-8)
    np.testing.assert_allclose(gradient, ad.gradient(form, P), rtol=1e-7)
    if backend == "numpy" or case in ("times", "adjoint"):
        np.testing.assert_allclose(
            ad.hessian(f, P, backend=backend), ad.hessian(form, P), rtol=1e-6, atol=1e-7
        )


def test_programs_and_expansions():
    gradient = ad.prepare_gradient(at_times, P * 1.05, backend=ad.NumPy(compile=True))
    np.testing.assert_allclose(gradient(P), ad.gradient(CASES["times"][1], P), rtol=1e-7)
    v = np.array([0.5, 1.0])
    found = ad.taylor(at_times, P, v=v, order=4)
    np.testing.assert_allclose(found, ad.taylor(CASES["times"][1], P, v=v, order=4), rtol=1e-6)


def test_compiled_by_jax():
    pytest.importorskip("jax")
    gradient = ad.prepare_gradient(at_times, P * 1.05, backend="jax")
    np.testing.assert_allclose(gradient(P), ad.gradient(CASES["times"][1], P), rtol=1e-7)
    with pytest.raises(FunctionNotSupportedError, match="needs numbers"):
        ad.prepare_gradient(at_steps, P, backend="jax")


def test_many_parameters_by_the_adjoint():
    """Decay in a chain, whose matrix is differentiated entry by entry; the reference is its exponential."""
    n = 12
    rng = np.random.default_rng(3)
    a, y0, w = rng.random((n, n)) * 0.3 - np.eye(n), rng.random(n), rng.random(n)

    def f(a, y0):
        found = solve_ivp(lambda t, y: a @ y, (0, 2), y0, t_eval=[0.5, 2.0], method="DOP853", **TIGHT)
        return w @ found.y[:, 0] + np.sum(found.y[:, 1] ** 2)

    def exponential(a, y0):
        half = ad.linalg.expm(0.5 * a) @ y0
        return w @ half + np.sum((ad.linalg.expm(1.5 * a) @ half) ** 2)

    for found, wanted in zip(
        ad.gradient(f, a, y0, argnums=(0, 1)), ad.gradient(exponential, a, y0, argnums=(0, 1)), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9)


def test_plain_calls_are_scipys_and_failures_give_no_number():
    def blow_up(t, y, c):
        return c * y**2

    ours = solve_ivp(blow_up, (0, 0.5), [1.0], args=(1.0,))
    np.testing.assert_array_equal(ours.y, scipy.integrate.solve_ivp(blow_up, (0, 0.5), [1.0], args=(1.0,)).y)
    with np.errstate(all="ignore"), pytest.raises(DomainError, match="step size"):
        ad.derivative(lambda c: solve_ivp(blow_up, (0, 5), [1.0], args=(c,)).y[0, -1], 1.0)
    with pytest.raises(ArgumentError, match="sensitivities"):
        solve_ivp(blow_up, (0, 1), [1.0], args=(1.0,), sensitivities="both")
    with pytest.raises(FunctionNotSupportedError, match="needs numbers"):
        ad.gradient(at_times, P, backend="casadi")


def slope_given(p, **how):
    found = solve_ivp(
        lambda t, y, r: r * y * (1 - y) + 0 * p[1], (0, 2), [p[1]], "BDF", args=(p[0],),
        jac=lambda t, y, r: np.diag(r * (1 - 2 * y)) + 0 * p[0], rtol=1e-8, atol=1e-10, **how,
    )  # fmt: skip
    return found.y[0, -1]


@pytest.mark.parametrize("backend", ["numpy", *[b for b in ("torch", "jax") if b in EXACT]])
def test_the_caller_gives_the_jacobian(backend):
    """It takes args, may be made of what is differentiated, and is not that of the larger system."""
    how = {"t_eval": [2.0]} if backend == "jax" else {}
    found = ad.gradient(lambda p: slope_given(p, **how), P, backend=backend)
    np.testing.assert_allclose(found, ad.gradient(lambda p: closed(p, 2.0), P), rtol=1e-6)


def test_differences_are_of_the_solution_and_not_of_its_steps():
    """At the default tolerances a Hessian of differences was eight times too large, and nothing said so."""

    def predators(t, y, a, b):
        return np.array([y[0] * (a - y[1]), y[1] * (b * y[0] - 1)])

    def at_end(solver, p, **how):
        if solver is odeint:
            return np.sum(odeint(predators, [1.0, 0.5], [0.0, 5.0], tuple(p), tfirst=True, **how)[-1] ** 2)
        return np.sum(solve_ivp(predators, (0, 5), [1.0, 0.5], t_eval=[5.0], args=tuple(p), **how).y ** 2)

    p = np.array([1.2, 0.7])
    exact = ad.hessian(lambda p: at_end(solve_ivp, p, method="DOP853", rtol=1e-12, atol=1e-13), p)
    for solver in (solve_ivp, odeint):
        found = ad.hessian(lambda p, f=solver: at_end(f, p), p, backend="finite")
        np.testing.assert_allclose(found, exact, rtol=1e-4)
