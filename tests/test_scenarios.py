"""The conformance suite over every backend, and the suite itself: its references and its teeth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE, EXACT, eager, matrix
from polyad.errors import ConformanceError, UnsupportedOperatorError
from polyad.systems.operations import operations
from polyad.testing import Point, Scenario, all_scenarios, check_backend, smoke_scenarios, support_table
from polyad.testing.scenario import vary
from polyad.testing.scenarios import FAMILIES, count
from polyad.testing.suite import profile_of, run_scenario
from polyad.testing.trees import leaves, map_leaves

RUNS = [
    pytest.param(backend, scenario, id=f"{name} | {scenario.id}")
    for name, backend, amount in matrix()
    for scenario in (all_scenarios() if amount == "all" else smoke_scenarios())
    if not scenario.dear or name in ("jax eager", "torch", "autograd")
]


@pytest.mark.parametrize(("backend", "scenario"), RUNS)
def test_scenario(backend, scenario):
    row = run_scenario(backend, scenario)
    assert row.status in ("passed", "refused"), row.message


NATIVE = [
    pytest.param(name, scenario, id=f"{name} | {scenario.id}")
    for name in EXACT
    if name in ("jax", "torch")
    for scenario in smoke_scenarios()
    if not scenario.needs & {"byte order"} and scenario.family != "layouts"
]


@pytest.mark.parametrize(("name", "scenario"), NATIVE)
def test_native_arrays_in_and_out(name, scenario):
    row = run_scenario(eager(name), scenario, native=True)
    assert row.status in ("passed", "refused"), row.message


# -- what the suite holds ---------------------------------------------------------------------------


def test_the_suite_is_wide():
    scenarios = all_scenarios()
    assert len(scenarios) >= 600  # the Julia peer has 170
    assert len({s.id for s in scenarios}) == len(scenarios)
    counted = count()
    assert set(counted["operator"]) == set(operations())
    assert min(counted["operator"].values()) >= 15
    assert set(counted["family"]) == set(FAMILIES)


def test_smoke_has_every_function_and_operator():
    chosen = smoke_scenarios()
    assert {s.operator for s in chosen} == set(operations())
    assert {s.family for s in chosen} == set(FAMILIES) - {"larger"}


def test_profiles_refuse_nothing_that_no_scenario_needs():
    known = {need for s in all_scenarios() for need in s.needs} | set(operations()) | {"second order"}
    variants = [
        ad.CasADi(symbols="SX"),
        ad.JAX(jit=False),
        ad.NumPy(compile=True),
        ad.Autograd(mode="forward"),
    ]
    for backend in (*map(eager, AVAILABLE), ad.JAX(), *variants):
        assert set(profile_of(backend).refuses) <= known


CASES = [
    pytest.param(case, id=f"{family}: {case.name}")
    for family, cases in FAMILIES.items()
    for case in cases
    if case.operators is None or case.operators
]


@pytest.mark.parametrize("case", CASES)
def test_references_agree_with_differences(case):
    """Closed forms have mistakes too: the only oracle here is NumPy running the function."""
    args = map_leaves(lambda a: np.asarray(a, np.result_type(a, 1.0))[()] if _moves(a) else a, case.args)
    args = map_leaves(_double, args)
    x = case._active(args)
    rng = np.random.default_rng(0)
    v = map_leaves(lambda a: _direction(rng, a), x)
    y, _ = case._value(args)
    step = 1e-5

    def along(function, h):
        moved = iter([np.asarray(a + h * b) for (_, a), (_, b) in zip(leaves(x), leaves(v), strict=True)])
        active = map_leaves(lambda a: next(moved) if isinstance(a, np.ndarray) else next(moved)[()], x)
        changed = list(args)
        if isinstance(case.argnums, int):
            changed[case.argnums] = active
        else:
            for k, part in zip(case.argnums, active, strict=True):
                changed[k] = part
        return [np.asarray(leaf) for _, leaf in leaves(function(tuple(changed)))]

    def check(function, reference):
        plus, minus = along(function, step), along(function, -step)
        wanted = [np.asarray(leaf) for _, leaf in leaves(reference)]
        for a, b, c in zip(plus, minus, wanted, strict=True):
            difference = (a - b) / (2 * step)
            scale = 1 + np.max(np.abs(c), initial=0) + np.max(np.abs(a), initial=0)
            np.testing.assert_allclose(c, difference, atol=1e-7 * scale, rtol=0)

    check(lambda a: case._value(a)[0], case._reference("jvp", args, x, y, v, None)[0])
    if case.H is None:
        return
    if len(list(leaves(y))) == 1 and np.ndim(y) == 0 and not np.iscomplexobj(y):
        check(
            lambda a: case._reference("gradient", a, case._active(a), y, None, None)[0],
            case._reference("hvp", args, x, y, v, None)[0],
        )
    else:
        second, _ = case._reference("second_derivative", args, x, y, None, None)
        scaled = map_leaves(lambda a: a * v, second)
        check(lambda a: case._reference("second_derivative", a, case._active(a), y, None, None)[1], scaled)


def _moves(leaf):
    return np.result_type(leaf).kind in "fc"


def _double(leaf):
    kind = getattr(leaf, "dtype", np.dtype(object)).kind
    return leaf if kind not in "fc" else leaf.astype(np.complex128 if kind == "c" else np.float64)


def _direction(rng, a):
    values = rng.standard_normal(np.shape(a))
    if np.iscomplexobj(a):
        values = values + 1j * rng.standard_normal(np.shape(a))
    return np.asarray(values)[()]


# -- its teeth --------------------------------------------------------------------------------------


SQUARES = [s for s in all_scenarios() if s.name in ("sum of cubes", "vector to vector with a vector")]
needs_autograd = pytest.mark.skipif("autograd" not in EXACT, reason="autograd is not installed")


def broken(**methods):
    """Autograd with some methods replaced."""
    return dataclasses.dataclass(frozen=True, repr=False)(type("Broken", (ad.Autograd,), methods))()


def spoilt(spoil):
    """The gradient of sums with something done to the kernel's outcome."""

    def gradient(self, problem):
        kernel = ad.Autograd.gradient(self, problem)
        return lambda x, c: spoil(kernel, x, c)

    return gradient


def wrong_factor(kernel, x, c):
    g, y, aux = kernel(x, c)
    return (2 * g[0],), y, aux


def writes_to_input(kernel, x, c):
    result = kernel(x, c)
    x[0][0] = 99.0
    return result


def single_precision(kernel, x, c):
    g, y, aux = kernel(x, c)
    return g, (np.float32(y[0]),), aux


class Stale:
    def __init__(self):
        self.kept = {}

    def __call__(self, kernel, x, c):
        (g,), y, aux = self.kept.setdefault(id(kernel), kernel(x, c))
        return (g.copy(),), y, aux


@needs_autograd
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (wrong_factor, "it must be"),
        (writes_to_input, "changed"),
        (single_precision, "dtype float32"),
        (Stale(), "it must be"),
    ],
    ids=["wrong", "writes to its input", "wrong dtype", "stale"],
)
def test_a_bad_backend_fails(spoil, words):
    scenarios = [s for s in SQUARES if s.operator == "gradient"]
    report = check_backend(broken(gradient=spoilt(spoil)), scenarios)
    assert not report.ok
    assert words in str(report)
    with pytest.raises(ConformanceError, match=r"1 of 1 scenarios failed"):
        report.raise_if_failed()


@needs_autograd
def test_refusing_everything_does_not_pass():
    def refuse(self, problem):
        raise UnsupportedOperatorError("not today")

    backend = broken(gradient=refuse)
    scenarios = [s for s in SQUARES if s.operator == "gradient"]
    undeclared = check_backend(backend, scenarios)
    assert [row.status for row in undeclared] == ["failed"]
    assert "without having declared it" in str(undeclared)
    declared = check_backend(backend, scenarios, refuses={"gradient": "not today"})
    assert [row.status for row in declared] == ["refused"]
    assert not declared.ok  # nothing passed
    assert "not today" in declared.table()
    both = check_backend(backend, SQUARES, refuses={"gradient": "not today"}, exclude=["hvp", "hessian"])
    assert both.ok
    assert both.support("gradient") == "refused"
    assert both.support("jvp") == "yes"
    assert both.support("hvp") == "not run"


@needs_autograd
def test_an_error_of_the_backend_is_a_failure_with_its_name():
    def stumble(self, problem):
        raise ZeroDivisionError("oops")

    report = check_backend(broken(jvp=stumble), [s for s in SQUARES if s.operator == "jvp"])
    assert all(row.status == "failed" and "ZeroDivisionError: oops" in row.message for row in report)


@needs_autograd
def test_ones_own_scenario():
    points = tuple(Point(args=(x,), value=np.sum(x**2), result=2 * x) for x in (np.ones(2), np.arange(2.0)))
    scenario = Scenario("squares", "gradient", lambda x: (x**2).sum(), points)
    assert check_backend("autograd", [scenario]).ok
    off = dataclasses.replace(scenario, points=(dataclasses.replace(points[0], result=np.ones(2)),))
    report = check_backend("autograd", [off])
    assert not report.ok
    assert "result (unprepared)[0]" in report.rows[0].message or "[0] is" in report.rows[0].message
    with pytest.raises(ValueError, match="none of"):
        dataclasses.replace(scenario, operator="grad")
    with pytest.raises(ValueError, match="no points"):
        dataclasses.replace(scenario, points=())


def test_vary_keeps_types_and_signs():
    tree = (1.5, np.float32(2), np.array(-1.0), np.arange(3), -np.ones((2, 2)), 1j, True)
    for k in (1, 2):
        other = vary(tree, k)
        for a, b in zip(tree, other, strict=True):
            assert type(a) is type(b)
            assert np.shape(a) == np.shape(b)
            assert np.result_type(a) == np.result_type(b)
    assert vary(tree, 1)[2] < 0
    assert vary(tree, 1)[0] != vary(tree, 2)[0]


@needs_autograd
def test_support_table():
    table = support_table(["autograd", "autograd:forward"], SQUARES)
    lines = table.splitlines()
    assert lines[0] == "| | autograd | autograd:forward |"
    assert "| gradient | yes | slower fallback |" in lines
    assert "| jvp | yes | yes |" in lines


def test_wrappers_have_the_profile_of_what_they_wrap():
    for name in AVAILABLE:
        inner = eager(name)
        for mode in sorted(inner.supports)[:1]:  # symbolic ones have none
            assert profile_of(ad.FromPrimitive(inner, mode=mode)) == profile_of(inner.replace(mode=mode))
