"""Other people's packages get exact derivatives, and use them.

What CI does not install is skipped, with the reason; all of it was run against the real packages.
"""

from __future__ import annotations

import pickle
import sys
import types
import warnings
from typing import Any

import nlp_problems as problems
import numpy as np
import pytest

import polyad as ad
from polyad.operators.gradient import PreparedGradient
from polyad.operators.jacobian import PreparedJacobian
from polyad.solvers import log_density, nlp, packages
from polyad.solvers.nlp import Program

# the packages' own: of their imports, and of what they do with new versions of others
pytestmark = pytest.mark.filterwarnings("ignore")


def wanted(name: str) -> Any:
    """A package that is not among CI's: too large, or with many others behind it."""
    return pytest.importorskip(name, reason=f"{name} is not installed: it is not among CI's packages")


class Counted:
    """How often methods were called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *methods: tuple[type, str]) -> None:
        self.calls = dict.fromkeys((name for _, name in methods), 0)
        for kind, name in methods:
            monkeypatch.setattr(kind, name, self._counting(getattr(kind, name), name))

    def _counting(self, plain: Any, name: str) -> Any:
        def counting(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            return plain(*args, **kwargs)

        return counting


# -- samplers ---------------------------------------------------------------------------------------------


def gauss(p: Any, mean: Any, precision: Any) -> Any:
    d = p["x"] - mean
    return -d @ precision @ d / 2


MEAN, PRECISION = np.array([1.0, -2.0]), np.array([[2.0, 0.6], [0.6, 1.0]])
START = {"x": np.zeros(2)}


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "autograd", "casadi"])
def test_a_log_density_is_that_by_hand(backend: str) -> None:
    d = log_density(gauss, START, MEAN, PRECISION, backend=backend)
    x, v = np.array([0.5, 3.0]), np.array([1.0, -1.0])
    value, gradient = d.value_and_gradient(x)
    r = x - MEAN
    np.testing.assert_allclose(value, -r @ PRECISION @ r / 2)
    np.testing.assert_allclose(d(x), value)
    np.testing.assert_allclose(gradient, -PRECISION @ r)
    np.testing.assert_allclose(d.gradient(x), -PRECISION @ r)
    np.testing.assert_allclose(d.hvp(x, v), -PRECISION @ v)
    np.testing.assert_allclose(d.hessian(x), -PRECISION)
    assert d.split(x)["x"].tolist() == x.tolist()
    again = pickle.loads(pickle.dumps(d))
    assert again(x) == d(x)


def test_jax_samplers_get_a_function_of_jax() -> None:
    jax = pytest.importorskip("jax")
    f = log_density(gauss, START, MEAN, PRECISION, backend="torch").to_jax()
    x = np.array([0.5, 3.0])
    with jax.enable_x64(True):
        value, gradient = jax.jit(jax.value_and_grad(f))(jax.numpy.asarray(x))
    np.testing.assert_allclose(np.asarray(gradient), -PRECISION @ (x - MEAN), rtol=1e-6)
    assert value < 0
    # a number among the parameters, which is an entry of the vector
    mixed = log_density(lambda p: -np.sum((p["a"] - p["b"]) ** 2), {"a": np.ones(2), "b": 1}, backend="numpy")
    with jax.enable_x64(True):
        slope = jax.grad(mixed.to_jax())(jax.numpy.asarray([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(np.asarray(slope), [6.0, 4.0, -10.0])
    single = log_density(gauss, START, MEAN, PRECISION, backend="numpy").to_jax()
    with pytest.raises(ad.errors.OperationNotSupportedError, match="jax_enable_x64"):
        jax.grad(single)(jax.numpy.zeros(2, dtype="float32"))


def drawn_well(draws: Any) -> None:
    np.testing.assert_allclose(draws.mean(axis=0), MEAN, atol=0.25)
    np.testing.assert_allclose(np.cov(draws.T), np.linalg.inv(PRECISION), atol=0.45)


def test_nutpie_draws_with_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    nutpie = wanted("nutpie")
    counted = Counted(monkeypatch, (Program, "gradient"))
    model = log_density(gauss, START, MEAN, PRECISION).to_nutpie()
    trace = nutpie.sample(model, draws=600, tune=300, chains=2, cores=1, seed=1, progress_bar=False)
    drawn_well(np.asarray(trace.posterior["x"]).reshape(-1, 2))
    assert counted.calls["gradient"] > 1000


def test_blackjax_draws_from_a_density_of_another_framework() -> None:
    blackjax = wanted("blackjax")
    import jax

    f = log_density(gauss, START, MEAN, PRECISION, backend="numpy").to_jax()
    draws = []
    with jax.enable_x64(True):
        sampler = blackjax.nuts(f, step_size=0.6, inverse_mass_matrix=np.ones(2))
        state, step = sampler.init(jax.numpy.zeros(2)), jax.jit(sampler.step)
        for key in jax.random.split(jax.random.key(0), 500):
            state, _ = step(key, state)
            draws.append(np.asarray(state.position))
    drawn_well(np.array(draws[50:]))


def test_numpyro_takes_it_as_a_potential() -> None:
    wanted("numpyro")
    import jax
    from numpyro.infer import MCMC, NUTS

    f = log_density(gauss, START, MEAN, PRECISION, backend="numpy").to_jax()
    mcmc = MCMC(NUTS(potential_fn=lambda x: -f(x)), num_warmup=200, num_samples=500, progress_bar=False)
    # of the whole process: NumPyro's loop calls back from a thread in which JAX knows of no context
    before = jax.config.jax_enable_x64
    try:
        jax.config.update("jax_enable_x64", True)
        mcmc.run(jax.random.key(0), init_params=jax.numpy.zeros(2))
        drawn_well(np.asarray(mcmc.get_samples()))
    finally:
        jax.config.update("jax_enable_x64", before)


def test_emcee_takes_the_density_itself() -> None:
    emcee = wanted("emcee")
    d = log_density(gauss, START, MEAN, PRECISION)
    sampler = emcee.EnsembleSampler(10, 2, d)
    rng = np.random.default_rng(0)
    sampler.random_state = np.random.RandomState(0).get_state()
    sampler.run_mcmc(rng.normal(size=(10, 2)), 300)
    drawn_well(sampler.get_chain(discard=50, flat=True))


def test_a_model_of_pymc_contains_it() -> None:
    pm = wanted("pymc")

    t = np.linspace(0.0, 2.0, 9)
    data = 1.5 * np.exp(-0.7 * t)
    curve = packages.pytensor.op(lambda p: p[0] * np.exp(-p[1] * t), np.ones(2), backend="numpy")
    with pm.Model() as model:
        p = pm.Normal("p", 0.0, 10.0, shape=2)
        pm.Normal("y", curve(p), 0.1, observed=data)
    at = np.array([1.2, 0.5])
    e = np.exp(-at[1] * t)
    r = (data - at[0] * e) / 0.1**2
    right = np.array([r @ e, r @ (-at[0] * t * e)]) - at / 10.0**2
    assert np.allclose(model.compile_dlogp()({"p": at}), right, rtol=1e-10)
    with model:
        found = pm.find_MAP(start={"p": np.ones(2)}, progressbar=False)
    assert np.allclose(found["p"], [1.5, 0.7], atol=2e-3)


def test_a_model_of_pytensor_contains_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytensor = wanted("pytensor")
    import pytensor.tensor as pt

    counted = Counted(monkeypatch, (ad.operators.vjp.PreparedVJP, "__call__"))
    f = packages.pytensor.op(lambda x, a: np.sin(x) * a, np.ones(3), 2.0, backend="torch")
    x, a = pt.dvector("x"), pt.dscalar("a")
    y = (f(x, a) ** 2).sum()
    run = pytensor.function([x, a], [y, *pytensor.grad(y, [x, a])], mode="FAST_COMPILE")
    x0 = np.array([0.3, 0.5, 1.0])
    value, dx, da = run(x0, 1.5)
    np.testing.assert_allclose(value, np.sum((1.5 * np.sin(x0)) ** 2))
    np.testing.assert_allclose(dx, 2 * 1.5**2 * np.sin(x0) * np.cos(x0))
    np.testing.assert_allclose(da, 2 * 1.5 * np.sum(np.sin(x0) ** 2))
    assert counted.calls["__call__"]


# -- optimizers -------------------------------------------------------------------------------------------


def test_nlopt_is_filled_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    nlopt = wanted("nlopt")
    known = problems.hs071()
    p = nlp.program(known.f, known.start, **known.more)
    counted = Counted(monkeypatch, (Program, "gradient"), (Program, "jacobian_matrix"))
    opt = nlopt.opt(nlopt.LD_SLSQP, 4)
    opt.set_min_objective(packages.nlopt.objective(known.f, known.start))
    opt.add_equality_mconstraint(*packages.nlopt.constraints(p, equal=True))
    opt.add_inequality_mconstraint(*packages.nlopt.constraints(p, equal=False))
    opt.set_lower_bounds(p.lower)
    opt.set_upper_bounds(p.upper)
    opt.set_xtol_rel(1e-10)
    np.testing.assert_allclose(opt.optimize(p.start), known.x, atol=1e-5)
    assert all(counted.calls.values())


def test_minuit_has_gradient_and_hessian(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted("iminuit")
    t = np.linspace(0, 2, 30)
    y = 2.0 * np.exp(-1.5 * t) + 0.05 * np.sin(40 * t)

    def cost(p: Any, t: Any, y: Any) -> Any:
        return np.sum(((p[0] * np.exp(-p[1] * t) - y) / 0.05) ** 2)

    counted = Counted(monkeypatch, (Program, "gradient"), (Program, "hessian_matrix"))
    m = packages.iminuit.minuit(cost, np.array([1.0, 1.0]), t, y, name=["a", "b"])
    m.strategy = 0
    m.migrad()
    m.hesse()
    assert m.valid
    found = np.array(m.values)
    np.testing.assert_allclose(found, [2.0, 1.5], atol=0.05)
    covariance = 2 * np.linalg.inv(ad.hessian(cost, found, t, y))
    np.testing.assert_allclose(np.array(m.errors) ** 2, covariance.diagonal(), rtol=1e-3)
    assert all(counted.calls.values())


def test_lmfit_gets_the_jacobian_of_what_varies(monkeypatch: pytest.MonkeyPatch) -> None:
    lmfit = wanted("lmfit")
    t = np.linspace(0, 2, 30)

    def residual(p: Any, t: Any, y: Any) -> Any:
        return p["amplitude"] * np.exp(-p["rate"] * t) + p["offset"] - y

    true = {"amplitude": 2.0, "rate": 1.5, "offset": 0.3}
    y = residual(true, t, 0.0)
    params = lmfit.Parameters()
    params.add("amplitude", value=1.0)
    params.add("offset", value=0.3, vary=False)
    params.add("rate", value=1.0, min=0.0, max=5.0)
    counted = Counted(monkeypatch, (PreparedJacobian, "__call__"))
    function, jacobian = packages.lmfit.functions(residual, params, t, y)
    assert jacobian(params).shape == (30, 2)
    found = lmfit.minimize(function, params, Dfun=jacobian)
    for name, value in true.items():
        assert abs(found.params[name].value - value) < 1e-6
    assert counted.calls["__call__"] > 2
    params.add("half", expr="amplitude / 2")
    with pytest.raises(ad.errors.ArgumentError, match="compute it in the residual"):
        packages.lmfit.functions(residual, params, t, y)


def test_optimagic_keeps_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    om = wanted("optimagic")

    def f(p: Any) -> Any:
        return (p["a"] - 1.0) ** 2 + np.sum((p["b"] - np.array([2.0, 3.0])) ** 4)

    start = {"a": 0.0, "b": np.zeros(2)}
    counted = Counted(monkeypatch, (PreparedGradient, "value_and"), (PreparedGradient, "__call__"))
    found = om.minimize(params=start, algorithm="scipy_lbfgsb", **packages.optimagic.functions(f, start))
    assert abs(found.params["a"] - 1) < 1e-3
    np.testing.assert_allclose(found.params["b"], [2, 3], atol=0.05)
    assert sum(counted.calls.values()) > 5


def test_pygmo_has_sparse_gradients_and_hessians() -> None:
    pg = wanted("pygmo")
    known = problems.hs071()
    udp = packages.pygmo.Problem(nlp.program(known.f, known.start, **known.more))
    problem = pg.problem(udp)
    assert problem.has_gradient()
    assert problem.has_hessians()
    problem.c_tol = 1e-6
    algorithm = pg.algorithm(pg.nlopt("slsqp"))
    population = pg.population(problem)
    population.push_back(known.start)
    found = algorithm.evolve(population)
    np.testing.assert_allclose(found.champion_x, known.x, atol=1e-3)
    x = known.start + 0.1
    dense = np.zeros((3, 4))
    for (i, j), value in zip(udp.gradient_sparsity(), udp.gradient(x), strict=True):
        dense[i, j] = value
    expected = ad.jacobian(lambda x: np.stack([known.f(x), np.sum(x**2), -np.prod(x)]), x)
    np.testing.assert_allclose(dense, expected)
    assert udp.gradient_sparsity() == sorted(udp.gradient_sparsity())
    with pytest.raises(ad.errors.ArgumentError, match="within bounds"):
        packages.pygmo.Problem(nlp.program(known.f, known.start))


def test_pymoo_asks_for_dF() -> None:
    wanted("pymoo")
    problem = packages.pymoo.problem(
        lambda x: np.stack([np.sum(x**2), np.sum((x - 1) ** 2)]),
        np.zeros(3),
        2.0,
        constraints=lambda x: 0.5 - x[0] * x[1],
    )
    x = np.array([[0.5, 1.0, 1.5]])
    out = problem.evaluate(x, return_values_of=["F", "G", "dF", "dG"], return_as_dictionary=True)
    np.testing.assert_allclose(out["dF"][0], [2 * x[0], 2 * (x[0] - 1)])
    np.testing.assert_allclose(out["dG"][0], [[-1.0, -0.5, 0.0]])
    np.testing.assert_allclose(out["G"], [[0.0]])


def test_statsmodels_fits_with_the_exact_score(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted("statsmodels")
    rng = np.random.default_rng(0)
    X = np.stack([np.ones(200), rng.normal(size=200)], axis=1)
    y = rng.poisson(np.exp(X @ [0.3, 0.7])).astype(float)

    def loglike(b: Any, y: Any, X: Any) -> Any:
        return np.sum(y * (X @ b) - np.exp(X @ b))

    counted = Counted(monkeypatch, (Program, "gradient"), (Program, "hessian_matrix"))
    found = packages.statsmodels.likelihood_model(loglike, y, X, np.zeros(2)).fit(method="newton", disp=False)
    np.testing.assert_allclose(ad.gradient(loglike, found.params, y, X), 0, atol=1e-4)
    information = -ad.hessian(loglike, found.params, y, X)
    np.testing.assert_allclose(found.bse, np.sqrt(np.linalg.inv(information).diagonal()), rtol=1e-6)
    assert all(counted.calls.values())


def test_an_openmdao_component_has_sparse_partials(monkeypatch: pytest.MonkeyPatch) -> None:
    om = wanted("openmdao.api")

    def f(p: Any) -> Any:
        return {"y": p["x"] ** 2 * p["a"], "s": np.sum(p["x"])}

    counted = Counted(monkeypatch, (PreparedJacobian, "__call__"))
    model = om.Problem()
    part = packages.openmdao.component(f, {"x": np.arange(1.0, 4.0), "a": np.array([2.0])})
    model.model.add_subsystem("part", part, promotes=["*"])
    model.setup()
    model.run_model()
    J = model.compute_totals(of=["y", "s"], wrt=["x", "a"])
    x = np.arange(1.0, 4.0)
    np.testing.assert_allclose(J["y", "x"], np.diag(4 * x))
    np.testing.assert_allclose(J["y", "a"][:, 0], x**2)
    np.testing.assert_allclose(J["s", "x"], np.ones((1, 3)))
    assert counted.calls["__call__"]


@pytest.mark.parametrize("sparse", [False, True])
def test_cvode_is_given_its_jacobian(sparse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted("sksundae")
    from scipy.integrate import solve_ivp
    from sksundae.cvode import CVODE

    def f(t: float, y: Any) -> Any:
        a, b, c = y[0], y[1], y[2]
        return np.stack([-0.04 * a + 1e4 * b * c, 0.04 * a - 1e4 * b * c - 3e7 * b**2, 3e7 * b**2])

    counted = Counted(monkeypatch, (PreparedJacobian, "__call__"))
    y0 = np.array([1.0, 0.0, 0.0])
    given = packages.sundae.cvode(f, 0.0, y0, sparse=sparse)
    solver = CVODE(**given, rtol=1e-8, atol=1e-12)
    found = solver.solve(np.array([0.0, 40.0]), y0)
    expected = solve_ivp(f, (0, 40), y0, method="Radau", rtol=1e-9, atol=1e-12).y[:, -1]
    np.testing.assert_allclose(found.y[-1], expected, rtol=1e-5)
    assert counted.calls["__call__"]


@pytest.mark.parametrize("sparse", [False, True])
def test_ida_is_given_its_jacobian(sparse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted("sksundae")
    from sksundae.ida import IDA

    counted = Counted(monkeypatch, (PreparedJacobian, "__call__"))

    def robertson(t: Any, y: Any, yp: Any) -> Any:
        a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
        return np.stack([yp[0] + a - b, yp[1] - a + b + c, y[0] + y[1] + y[2] - 1.0])

    y0, yp0 = np.array([1.0, 0.0, 0.0]), np.array([-0.04, 0.04, 0.0])
    given = packages.sundae.ida(robertson, 0.0, y0, yp0, sparse=sparse, backend="numpy")
    y = np.array([0.9, 1e-5, 0.1])
    right = [
        [2.54, -1e4 * y[2], -1e4 * y[1]],
        [-0.04, 2.5 + 1e4 * y[2] + 6e7 * y[1], 1e4 * y[1]],
        [1.0, 1.0, 1.0],
    ]
    filled = np.zeros(given["sparsity"].nnz) if sparse else np.zeros((3, 3))
    given["jacfn"](1.0, y, yp0, None, 2.5, filled)
    assert np.allclose(filled, np.ravel(right, order="F") if sparse else right, rtol=1e-13)
    before = counted.calls["__call__"]
    found = IDA(algebraic_idx=[2], rtol=1e-8, atol=1e-12, **given).solve(np.array([0.0, 40.0]), y0, yp0)
    assert counted.calls["__call__"] > before
    # as the documentation of SUNDIALS prints it
    assert np.allclose(found.y[-1], [7.1583e-01, 9.1855e-06, 2.8416e-01], rtol=2e-5)


@pytest.mark.parametrize("backend", ["numpy", ad.Sparse("numpy"), ad.Sparse("numpy", format="coo")])
def test_entries_are_in_the_order_of_sundials(backend: Any) -> None:
    def f(t: float, y: Any) -> Any:
        return np.stack([y[1] * y[2], y[0] * 3.0, y[2] ** 2 + y[0]])

    y = np.array([1.0, 2.0, 5.0])
    exact = np.array([[0.0, 5.0, 2.0], [3.0, 0.0, 0.0], [1.0, 0.0, 10.0]])
    given = packages.sundae.cvode(f, 0.0, y, sparse=True, backend=backend)
    entries = np.zeros(given["sparsity"].nnz)
    given["jacfn"](0.0, y, y, entries)
    np.testing.assert_allclose(entries, exact.T[exact.T != 0])
    assert given["sparsity"].format == "csc"
    dense = np.zeros((3, 3))
    packages.sundae.cvode(f, 0.0, y, backend=backend)["jacfn"](0.0, y, y, dense)
    np.testing.assert_allclose(dense, exact)
    residual = packages.sundae.ida(lambda t, y, yp: yp - f(t, y), 0.0, y, y, sparse=True, backend=backend)
    residual["jacfn"](0.0, y, y, y, 4.0, entries := np.zeros(residual["sparsity"].nnz))
    whole = 4.0 * np.eye(3) - exact
    np.testing.assert_allclose(entries, whole.T[residual["sparsity"].T.toarray() != 0])


# -- what is wrong ----------------------------------------------------------------------------------------


class Named(dict):
    """What of ``lmfit.Parameters`` the adapter looks at."""

    def valuesdict(self) -> dict[str, float]:
        return {name: p.value for name, p in self.items()}


def parameters(*values: Any, vary: bool = True) -> Any:
    made = (types.SimpleNamespace(value=value, vary=vary, expr=None) for value in values)
    return Named(zip("abc", made, strict=False))


def total(x: Any, *_: Any) -> Any:
    return np.sum((x - 1) ** 2)


def narrow(x: Any) -> Any:
    return total(x).astype(np.float32)


def decay(t: Any, y: Any) -> Any:
    return -y


E, TWO = ad.errors, np.zeros(2)
ARGUMENT = E.ArgumentError
LMFIT, OPTIMAGIC, SUNDAE = packages.lmfit.functions, packages.optimagic.functions, packages.sundae
PYTENSOR, PYMOO, OPENMDAO = packages.pytensor.op, packages.pymoo.problem, packages.openmdao.component
MINUIT, MODEL = packages.iminuit.minuit, packages.statsmodels.likelihood_model
WRONG = [
    ("", LMFIT, (total, {"a": 1.0}), E.InputTypeError, r"pass lmfit.Parameters"),
    ("", LMFIT, (3.0, parameters(1.0)), ARGUMENT, "residual must be a function, and it is 3.0"),
    (
        "",
        LMFIT,
        (lambda p: p["a"] ** 2, parameters(1.0, 2.0)),
        ARGUMENT,
        "1 number.*2 parameters vary",
    ),
    ("", LMFIT, (total, parameters(1.0, vary=False)), ARGUMENT, "no parameter varies"),
    ("", LMFIT, (total, parameters(1.0, np.nan)), ARGUMENT, "the parameter 'b' is nan: pass finite"),
    ("", LMFIT, (lambda p: [p["a"] * 1j], parameters(1.0)), E.OutputTypeError, "lmfit takes real ones"),
    (
        "",
        LMFIT,
        (lambda p: {"r": p["a"]}, parameters(1.0)),
        ARGUMENT,
        "a tree of 1 array.*in one array",
    ),
    ("", OPTIMAGIC, (3.0, TWO), ARGUMENT, "function must be a function"),
    ("", OPTIMAGIC, (total, {"p": np.array([1.0, np.inf])}), ARGUMENT, r"\['p'\] is inf at \[1\]"),
    ("", OPTIMAGIC, (total, TWO + 1j), E.HolomorphicError, "params is complex"),
    ("", SUNDAE.cvode, (lambda t, y: y[:1], 0.0, TWO), ARGUMENT, r"shape \(1,\) for a state of 2"),
    ("", SUNDAE.cvode, (lambda t, y: y[0], 0.0, TWO), ARGUMENT, r"shape \(\) for a state of 2"),
    ("", SUNDAE.cvode, (decay, TWO, 0.0), ARGUMENT, r"t0 has shape \(2,\): pass one number"),
    ("", SUNDAE.cvode, (decay, 0.0, np.ones((2, 2))), ARGUMENT, r"y0 has shape \(2, 2\)"),
    ("", SUNDAE.cvode, (decay, 0.0, TWO * np.nan), ARGUMENT, r"y0 is nan at \[0\]"),
    ("", SUNDAE.cvode, (decay, 0.0, TWO * 1j), E.HolomorphicError, "y0 is complex"),
    ("", SUNDAE.cvode, (decay, 0.0, {"a": 1.0}), E.InputTypeError, "y0 is {'a': 1.0}"),
    ("", SUNDAE.ida, (lambda t, y, z: y, 0.0, TWO, np.ones(3)), ARGUMENT, "yp0 3: pass a derivative"),
    ("", SUNDAE.ida, (lambda t, y, z: y @ z, 0.0, TWO, TWO), ARGUMENT, "the residual returns shape"),
    ("", packages.pygmo.Problem, (total,), ARGUMENT, "pass polyad.solvers.nlp.program"),
    ("", packages.nlopt.objective, (total, TWO * np.nan), ARGUMENT, r"the start is nan at \[0\]"),
    ("", packages.nlopt.objective, (total, np.zeros(0)), ARGUMENT, "the start has no entries"),
    ("iminuit", MINUIT, (lambda x: np.sum(np.log(x)), TWO), ARGUMENT, "-inf at the start"),
    ("statsmodels", MODEL, (total, np.ones(4), np.ones((5, 2)), TWO), ARGUMENT, "a row of both"),
    ("statsmodels", MODEL, (total, ["a"], np.ones((1, 2)), TWO), E.InputTypeError, "endog holds what is no"),
    (
        "statsmodels",
        MODEL,
        (lambda b, y, X: np.sum(y * b[0]), [np.nan], [1.0], TWO),
        ARGUMENT,
        "is nan at",
    ),
    ("pymoo", PYMOO, (total, np.ones(2), np.zeros(2)), ARGUMENT, "unknown 0 is 1.0, above the upper"),
    ("pymoo", PYMOO, (total, np.ones(2), np.ones(3)), ARGUMENT, "2 numbers and upper 3"),
    ("pymoo", PYMOO, (total, TWO, np.inf), ARGUMENT, r"upper is inf at \[0\]"),
    ("pymoo", PYMOO, (lambda x: x * 1j, TWO, 1.0), E.OutputTypeError, "pymoo takes real ones"),
    ("openmdao", OPENMDAO, (lambda p: p["x"], {"x": TWO}), ARGUMENT, "returns a ndarray"),
    ("openmdao", OPENMDAO, (lambda p: p, TWO), ARGUMENT, "inputs are a ndarray"),
    ("openmdao", OPENMDAO, (lambda p: p, {"x": {"y": TWO}}), ARGUMENT, "one array for each name"),
    ("openmdao", OPENMDAO, (lambda p: p, {"x": TWO * 1j}), E.HolomorphicError, "the input 'x' is complex"),
    (
        "pytensor",
        PYTENSOR,
        (lambda x: (x, x), TWO),
        ARGUMENT,
        "2 arrays, and PyTensor takes one",
    ),
    ("pytensor", PYTENSOR, (lambda x: x * 1j, TWO), E.OutputTypeError, "PyTensor takes real ones"),
    ("pytensor", PYTENSOR, (total, None), E.InputTypeError, "example 0 is None"),
]


@pytest.mark.parametrize(("needs", "call", "args", "error", "words"), WRONG)
def test_what_an_adapter_cannot_take_is_told(
    needs: str, call: Any, args: Any, error: Any, words: str
) -> None:
    if needs:
        wanted(needs)
    with pytest.raises(error, match=words):
        call(*args)


def test_less_than_float64_is_told_of_by_every_adapter() -> None:
    single = lambda t, y: (-y).astype(np.float32)  # noqa: E731
    calls: list[Any] = [
        lambda: packages.optimagic.functions(narrow, TWO),
        lambda: packages.lmfit.functions(lambda p: np.stack([p["a"]]).astype("f4"), parameters(1.0)),
        lambda: packages.sundae.cvode(single, 0.0, TWO),
        lambda: packages.nlopt.objective(narrow, TWO),
        lambda: log_density(narrow, TWO).gradient(TWO),
    ]
    for call in calls:
        with pytest.warns(ad.errors.PrecisionWarning, match="float32"):
            call()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        packages.lmfit.functions(lambda p: [p["a"] - 1], parameters(1))


def test_code_of_a_framework_is_called_through_it() -> None:
    torch = pytest.importorskip("torch")
    fcn, jacobian = packages.lmfit.functions(
        lambda p: torch.stack([torch.exp(p["a"]), p["b"] ** 2]), parameters(1.0, 3.0), backend="torch"
    )
    np.testing.assert_allclose(fcn(parameters(0.0, 2.0)), [1.0, 4.0])
    np.testing.assert_allclose(jacobian(parameters(0.0, 2.0)), np.diag([1.0, 4.0]))
    given = packages.sundae.cvode(lambda t, y: -torch.sin(y), 0.0, TWO, backend="torch")
    given["rhsfn"](0.0, np.ones(2), filled := np.zeros(2))
    np.testing.assert_allclose(filled, -np.sin(np.ones(2)))


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, call, args in (
        ("iminuit", MINUIT, (total, TWO)),
        ("statsmodels", MODEL, (total, TWO, TWO, TWO)),
        ("pymoo", PYMOO, (total, TWO, 1.0)),
        ("openmdao", OPENMDAO, (total, {"x": TWO})),
        ("pytensor", PYTENSOR, (total, TWO)),
    ):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(E.OptionalPackageError, match=f"pip install {name}"):
            call(*args)
    monkeypatch.setitem(sys.modules, "nutpie", None)
    monkeypatch.setitem(sys.modules, "nutpie.compiled_pyfunc", None)
    with pytest.raises(E.OptionalPackageError, match="pip install nutpie"):
        log_density(total, TWO).to_nutpie()


@pytest.mark.parametrize("algorithm", ["LD_LBFGS", "LD_SLSQP"])
def test_an_error_within_nlopt_is_the_callers(algorithm: str) -> None:
    nlopt = wanted("nlopt")
    calls = 0

    def f(x: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise LookupError("mine")
        return np.sum((x - 3) ** 4)

    opt = nlopt.opt(getattr(nlopt, algorithm), 2)
    opt.set_min_objective(packages.nlopt.objective(f, TWO))
    with pytest.raises(LookupError, match="mine") as caught:
        packages.nlopt.optimize(opt, TWO)
    assert caught.traceback[-1].name == "f"
    opt.set_min_objective(packages.nlopt.objective(total, TWO))
    opt.set_xtol_rel(1e-8)
    np.testing.assert_allclose(packages.nlopt.optimize(opt, [0, 0]), 1.0)


def test_whole_numbers_start_optimagic() -> None:
    given = packages.optimagic.functions(
        lambda p: (p["a"] - 1) ** 2 + np.sum(p["b"]), {"a": 3, "b": np.arange(2)}
    )
    value, slope = given["fun_and_jac"]({"a": 3, "b": np.arange(2)})
    assert (value, slope["a"], slope["b"].tolist()) == (5.0, 4.0, [1.0, 1.0])
