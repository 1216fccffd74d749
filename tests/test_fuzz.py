"""Random programs with fixed seeds, and that the fuzzer finds a planted fault and makes it short."""

from __future__ import annotations

import contextlib
import dataclasses
import io

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE
from polyad.engine.core.values import PRIMITIVES
from polyad.systems.contract import Kernel, Problem
from polyad.testing.fuzz import Finding, check, generate, script, shrink
from polyad.testing.fuzz.__main__ import main
from polyad.testing.fuzz.check import references
from polyad.testing.fuzz.differences import Unreliable, reference
from polyad.testing.fuzz.program import Program
from polyad.testing.fuzz.run import Outcome, run

# Ways that share a program, how many programs, whether those decide by values, how many results at least.
ENGINE = ("numpy:reverse", "numpy:forward", "numpy+compile")
SHARES = [
    (ENGINE, range(1000, 1040), None, 400),
    (ENGINE, range(1040, 1080), None, 400),
    (ENGINE, range(1080, 1120), None, 400),
    (("autograd",), range(1120, 1140), None, 60),
    (("torch:reverse",), range(1140, 1155), None, 50),
    (("torch:forward",), range(1160, 1165), None, 15),
    (("casadi",), range(1160, 1180), False, 20),
    (("finite",), range(1180, 1210), None, 150),
    (("sympy",), range(1236, 1260), False, 10),
    (("jax+jit",), range(1230, 1235), None, 10),
]


@pytest.mark.parametrize(
    ("ways", "seeds", "branches", "least"), SHARES, ids=lambda v: v[0] if isinstance(v, tuple) else str(v)
)
def test_random_programs(ways, seeds, branches, least):
    ways = tuple(way for way in ways if way.partition("+")[0].partition(":")[0] in AVAILABLE)
    if not ways:
        pytest.skip("the framework is not installed")
    outcomes = [run(seed, ways, branches=branches) for seed in seeds]
    findings = [f for outcome in outcomes for f in outcome.findings]
    assert not findings, "\n".join(f"program {f.program.seed}: {f}" for f in findings)
    assert sum(outcome.passed for outcome in outcomes) >= least  # what only refuses shows nothing


def test_a_seed_is_a_program():
    programs = [generate(seed) for seed in range(5)]
    assert [p.text for p in programs] == [generate(p.seed).text for p in programs]
    assert len({p.text for p in programs}) == len(programs)
    assert all(10 <= len(p.statements) <= 30 for p in programs)
    branches = [generate(seed, branches=False).source for seed in range(20)]
    assert not any(word in text for text in branches for word in ("if np", "while "))


# -- the reference ---------------------------------------------------------------------------------------


def program(result, x, *statements, c=None):
    """A program of one active and perhaps one constant argument."""
    point = {"x": np.asarray(x)} | ({} if c is None else {"c": c})
    return Program(0, ("x",), () if c is None else ("c",), (point,), {}, statements, result)


def test_differences_have_ten_digits_and_know_it():
    x = np.array([0.3, -0.7])
    found = reference(program("np.sum(np.exp(x) * np.sin(3.0 * x))", x), 0)
    slope = np.exp(x) * (np.sin(3 * x) + 3 * np.cos(3 * x))
    bend = np.exp(x) * (np.sin(3 * x) + 6 * np.cos(3 * x) - 9 * np.sin(3 * x))
    assert np.max(np.abs(found.jacobian[0] - slope)) <= found.error < 1e-10
    assert abs(found.second - found.s @ (bend * found.v)) <= found.second_error < 1e-7


@pytest.mark.parametrize(
    ("result", "x"),
    [
        ("np.sum(np.abs(x))", [0.0, 1.0]),  # symmetric: a central difference says 0
        ("np.sum(np.maximum(x, 0.3))", [0.3, 1.0]),
        ("np.maximum(x[0], x[1])", [0.5, 0.5]),  # a kink across both entries
        ("np.sum(np.sqrt(x))", [1e-9, 1.0]),
        ("np.sum(np.floor(x) + x)", [1.0, 2.5]),
        ("np.sum(np.sin(1e6 * x))", [0.3, 0.4]),
        ("np.sum(1e12 + x)", [0.3, 0.4]),  # rounding
        ("[x[0]]", [0.3, 0.4]),
        ("x > 0", [0.3, 0.4]),
    ],
)
def test_differences_say_where_they_know_nothing(result, x):
    with pytest.raises(Unreliable):
        reference(program(result, np.array(x)), 0)


# -- a planted fault --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, repr=False)
class Planted(ad.NumPy):
    """The engine with a factor of 1 + 3e-8, about that of single precision, in one rule in reverse."""

    def vjp(self, problem: Problem) -> Kernel:
        right, kernel = PRIMITIVES["tanh"].pulls, super().vjp(problem)

        def wrong(x, c, w):
            PRIMITIVES["tanh"].pulls = (lambda y, a: lambda w: (1 + 3e-8) * w * (1 - y * y),)
            try:
                return kernel(x, c, w)
            finally:
                PRIMITIVES["tanh"].pulls = right

        return wrong


PLANTED = ad.FromPrimitive(Planted(), mode="reverse")


def test_a_planted_fault_is_found_and_made_short():
    found = None
    for seed in range(2000, 2060):
        found = next((f for f in run(seed, [PLANTED], ["vjp"]).findings if f.kind == "wrong"), None)
        if found is not None:
            break
    assert found is not None
    assert len(found.program.statements) >= 10
    short = shrink(found, seconds=30.0)
    assert short.kind == "wrong"
    assert "np.tanh" in short.program.source
    assert len(short.program.statements) <= 2
    assert short.program.size < 100
    assert not check(short.program, "numpy:reverse", operators=["vjp"]).findings
    text = script(dataclasses.replace(short, way="numpy:reverse"))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(text, "<script>", "exec"), {})
    assert printed.getvalue().startswith("got")
    assert "# expected" in text


# -- what else counts ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, repr=False)
class Spoiled(ad.NumPy):
    """The engine with a fault that is none of a rule."""

    fault: str = ""

    def vjp(self, problem: Problem) -> Kernel:
        kernel, counts = super().vjp(problem), []

        def wrong(x, c, w):
            dx, y, aux = kernel(x, c, w)
            counts.append(1)
            if self.fault == "raises":
                raise IndexError("deep inside")
            if self.fault == "single":
                return tuple(np.float32(a) for a in dx), y, aux
            if self.fault == "shape":
                return tuple(a[None] for a in dx), y, aux
            if self.fault == "later":
                return tuple(a + 1e-13 * len(counts) for a in dx), y, aux
            if self.fault == "value":
                return dx, tuple(a + 1e-3 for a in y), aux
            return dx, y, aux

        return wrong


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("raises", "raw error"),
        ("single", "wrong"),
        ("shape", "shape"),
        ("later", "not the same again"),
        ("value", "wrong value"),
        ("", None),
    ],
)
def test_every_kind_of_fault_is_seen(fault, kind):
    one = program("np.sum(np.exp(x) * c)", [0.3, -0.7], c=np.array([1.0, 2.0]))
    backend = ad.FromPrimitive(Spoiled(fault=fault), mode="reverse")
    checked = check(one, backend, references(one), ["vjp"])
    assert {f.kind for f in checked.findings} == ({kind} if kind else set())


def test_an_argument_that_is_written_to_is_seen():
    one = program("np.sum(np.exp(x) * c)", [0.3, -0.7], c=np.array([1.0, 2.0]))
    refs = references(one)

    @dataclasses.dataclass(frozen=True, repr=False)
    class Writes(ad.NumPy):
        def vjp(self, problem: Problem) -> Kernel:
            kernel = super().vjp(problem)

            def wrong(x, c, w):
                c[0][...] = 3.0
                return kernel(x, c, w)

            return wrong

    checked = check(one, ad.FromPrimitive(Writes(), mode="reverse"), refs, ["vjp"])
    assert "changed argument" in {f.kind for f in checked.findings}


def test_what_never_ends_is_broken_off():
    one = program("np.sum(x * x)", [0.3])

    @dataclasses.dataclass(frozen=True, repr=False)
    class Endless(ad.NumPy):
        def vjp(self, problem: Problem) -> Kernel:
            def wrong(x, c, w):
                while True:
                    pass

            return wrong

    checked = check(one, ad.FromPrimitive(Endless(), mode="reverse"), operators=["vjp"], limit=0.05)
    assert {f.kind for f in checked.findings} == {"no end"}


def test_a_refusal_is_no_finding():
    one = program("np.sum(x) if x[0] > 0 else np.prod(x)", [0.3, 0.7])
    checked = check(one, "numpy+compile")
    assert not checked.findings
    assert any("branch" in text for text in checked.refusals)


# -- the command ------------------------------------------------------------------------------------------


def test_the_command_says_what_it_did(capsys):
    assert main(["--programs", "2", "--seed", "1000", "--backends", "numpy", "--operators", "jvp"]) == 0
    assert "2 programs" in capsys.readouterr().out


def test_the_command_refuses_what_it_does_not_know(capsys):
    for options in (["--backends", "numpyy"], ["--operators", "slope"]):
        with pytest.raises(SystemExit) as stopped:
            main(options)
        assert stopped.value.code == 2
    assert "slope" in capsys.readouterr().err


def test_the_command_prints_a_finding_and_says_so_by_its_code(capsys, monkeypatch):
    one = generate(1000)
    finding = Finding(one, "numpy", "jvp", True, 0, "wrong", "off by 1", np.zeros(1), np.ones(1))
    monkeypatch.setattr(
        "polyad.testing.fuzz.__main__.run",
        lambda *a, **k: type(
            "O", (), {"findings": [finding], "refusals": [], "passed": 0, "rejected": False}
        ),
    )
    assert main(["--programs", "1", "--shrink", "0"]) == 1
    assert one.source in capsys.readouterr().out


def test_the_command_says_at_an_interrupt_what_there_was(capsys, monkeypatch):
    programs = []

    def run(seed, ways, operators, limit):
        if len(programs) == 2:
            raise KeyboardInterrupt
        programs.append(seed)
        return Outcome([], [], 3, rejected=False)

    monkeypatch.setattr("polyad.testing.fuzz.__main__.run", run)
    assert main(["--minutes", "1e9", "--backends", "numpy"]) == 130
    out, err = capsys.readouterr()
    assert out.startswith("2 programs (0 left out: kinks, bad conditioning), 6 results right")
    assert err.endswith("interrupted\n")
