"""compare: agreement, isolation, the table and its forms; never how fast anything is."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest

import polyad as ad
from polyad.benchmark import Heading, Row, Table, compare, transport
from polyad.benchmark.agreement import compare_results, distance, where_not_finite
from polyad.benchmark.comparison import PREPARING, _backends
from polyad.benchmark.events import Event, Task
from polyad.benchmark.recommend import recommend
from polyad.benchmark.timing import sample
from polyad.benchmark.worker import act, run
from polyad.errors import (
    ArgumentError,
    BackendNotFoundError,
    InputTypeError,
    NonScalarOutputError,
    OutputTypeError,
)
from polyad.systems.autograd.backend import Autograd
from polyad.systems.overview import backends
from polyad.systems.registry import resolve
from polyad.workers.progress import terminal_width

pytest.importorskip("autograd")


@dataclasses.dataclass(frozen=True, repr=False)
class Wrong(Autograd):
    """A backend whose gradients are off by a thousandth in the first entry."""

    def gradient(self, problem):
        kernel = super().gradient(problem)

        def wrong(x, c):
            (g,), y, aux = kernel(x, c)
            return (g + 0.001 * np.array([1.0, 0.0, 0.0]),), y, aux

        return wrong


def cubes(x, a=1.0):
    return a * (x**3).sum()


def squares(x):
    return x**2


def sleeps(x):
    time.sleep(60)
    return x.sum()


def sleeps_later(x):
    if type(x) is not np.ndarray:
        time.sleep(60)
    return x.sum()


def leaves_a_child(x):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(os.environ["POLYAD_TEST_PID"]).write_text(str(child.pid))
    child.wait()
    return x.sum()


def _times(k):
    def inner(x):
        return k * (x**2).sum()

    return inner


named_lambda = lambda x: (x**2).sum()  # noqa: E731
named_closure = _times(3.0)


def process(x):
    return (x * os.getpid()).sum()


def crashes(x):
    os.kill(os.getpid(), signal.SIGSEGV)
    return x.sum()


def exits(x):
    raise SystemExit(7)


def prints(x):
    os.write(1, b"noise on standard output\n")
    print("more of it")
    print("and on standard error", file=sys.stderr)
    return (x**2).sum()


X = np.array([1.0, 2.0, 3.0])
# a limit that no load of the machine reaches
QUICK = {"seconds": 0.01, "progress": False, "limit": 3600.0}


# -- what compare finds ---------------------------------------------------------------------------


def test_outlier_is_named():
    table = compare(
        cubes,
        X,
        operators="gradient",
        backends=["autograd", "autograd:forward", Wrong()],
        isolate=False,
        **QUICK,
    )
    assert [row.status for row in table] == ["agrees", "agrees", "disagrees"]
    (row,) = table.disagreements
    assert row.backend == "Wrong()"
    assert row.agreement == pytest.approx(0.001 / 27)
    assert "gives 3.001 at [0], the others 3" in row.reason
    assert "DISAGREES: gives 3.001" in str(table)
    assert table.recommendations[0].backend != "Wrong()"


def test_two_against_each_other_have_no_majority():
    table = compare(cubes, X, operators="gradient", backends=["autograd", Wrong()], isolate=False, **QUICK)
    assert [row.status for row in table] == ["disagrees", "disagrees"]
    assert all("no majority" in row.reason for row in table)
    assert table.recommendations == []


def test_rows():
    table = compare(cubes, X, 2.0, backends=["autograd", "autograd:forward"], **QUICK)
    assert [(row.operator, row.backend) for row in table] == [
        ("gradient", "autograd"),
        ("gradient", "autograd:forward"),
        ("hvp", "autograd"),
        ("hvp", "autograd:forward"),
    ]
    row = table[0]
    assert row.status == "agrees"
    assert row.calls == 1
    assert row.preparation > 0 and row.time > 0 and row.ratio > 0
    assert row.q25 <= row.time <= row.q75
    assert row.strategy
    assert "autograd" in table.recommendations[0].backend
    assert table.recommendations[0].reason


def test_jacobian_where_the_output_is_an_array():
    table = compare(squares, X, backends="autograd", isolate=False, **QUICK)
    assert {row.operator for row in table} == {"jacobian"}


@pytest.mark.parametrize(
    ("operator", "x"),
    [("derivative", 2.0), ("second_derivative", 2.0), ("jvp", X), ("vjp", X), ("hvp", X), ("hessian", X)],
)
def test_every_operator(operator, x):
    f = squares if operator in ("jvp", "vjp") else cubes
    if operator in ("derivative", "second_derivative"):
        f = squares
    table = compare(
        f, x, operators=operator, backends=["autograd", "autograd:forward"], isolate=False, **QUICK
    )
    assert [row.status for row in table] == ["agrees", "agrees"], str(table)


def test_trees_statics_aux_and_directions():
    def f(params, power):
        y = (params["a"] ** power).sum() * params["b"]
        return y, params["b"]

    table = compare(
        f,
        {"a": X, "b": 2.0},
        ad.Static(3),
        has_aux=True,
        operators=["gradient", "hvp"],
        v={"a": np.ones(3), "b": 1.0},
        backends="autograd",
        **QUICK,
    )
    assert [row.status for row in table] == ["agrees", "agrees"], str(table)


def test_all_that_may_win_are_compared_by_default():
    few, many = ([label for label, _ in _backends(None, n)[0]] for n in (2, 1000))
    installed = {info.name for info in backends() if info.installed}
    assert installed <= set(few)
    assert "numpy:compiled" in few
    if "jax" in installed:
        assert "jax:forward" in few and "jax:forward" not in many
    if "torch" in installed:
        assert "torch:compiled" in few
    assert set(many) == set(few) - {"jax:forward"}
    for label in few:
        resolve(label)


# -- isolation --------------------------------------------------------------------------------------


def test_variants_of_what_was_stopped_are_not_waited_for(monkeypatch):
    tried = []

    def run(task, limit, report, tick):
        if task.backend is None:
            act(task, report)
            return ""
        tried.append(task.backend)
        why = "stopped after 1 s while preparing gradient" if task.backend == "numpy" else ""
        report(Event("failed", "gradient", why or "no"))
        return why

    monkeypatch.setattr("polyad.benchmark.side_by_side.run", run)
    table = compare(cubes, X, operators="gradient", **QUICK)
    assert "numpy" in tried and "numpy:compiled" not in tried
    (row,) = [row for row in table if row.backend == "numpy:compiled"]
    assert row.reason.startswith("not tried, because numpy was stopped")
    compare(cubes, X, operators="gradient", backends=["numpy", "numpy:compiled"], **QUICK)
    assert "numpy:compiled" in tried


@pytest.fixture
def ends_at(monkeypatch):
    """Let the time limit be reached when something has happened, however long that takes."""

    def at(happened):
        monkeypatch.setattr("polyad.benchmark.worker.clock", lambda: np.inf if happened() else 0.0)

    return at


@pytest.mark.parametrize("workers", [2, map])
def test_backends_side_by_side_have_the_same_rows(workers):
    words = {"operators": "gradient", "backends": ["autograd", "numpy", "finite"], "seconds": 0.01}
    table = compare(cubes, np.array([0.5, 1.0, 2.0]), workers=workers, **words)
    assert [(row.backend, row.status) for row in table] == [
        ("autograd", "agrees"),
        ("numpy", "agrees"),
        ("finite", "agrees"),
    ]
    assert any("side by side" in note for heading in table.headings for note in heading.notes)
    with pytest.raises(ArgumentError, match="workers is 0"):
        compare(cubes, np.ones(3), workers=0)


def test_time_limit(ends_at):
    events = []
    ends_at(lambda: any(event.data == "preparing gradient" for event in events))
    task = Task(sleeps_later, (X,), ("gradient", "hvp"), "autograd", seconds=0.01)
    assert run(task, 2.0, events.append) == "stopped after 2 s while preparing gradient"
    reasons = [event.data for event in events if event.kind == "failed"]
    assert reasons == [
        "stopped after 2 s while preparing gradient",
        "not reached, stopped after 2 s while preparing gradient",
    ]


def test_a_variant_that_nobody_named_is_not_waited_for(monkeypatch):
    events = []
    # more than one preparation may take, and less than the limit
    late = lambda: 20.0 if any(event.data == "preparing gradient" for event in events) else 0.0  # noqa: E731
    monkeypatch.setattr("polyad.benchmark.worker.clock", late)
    task = Task(sleeps_later, (X,), ("gradient", "hvp"), "autograd", seconds=0.01, preparing=15.0)
    why = run(task, 100.0, events.append)
    reasons = [event.data for event in events if event.kind == "failed"]
    words = "left out, preparing gradient takes over 15 s: name it as a backend to wait for it"
    assert reasons == [why, f"not reached, {why}"] and why == words

    given = {}
    monkeypatch.setattr(
        "polyad.benchmark.side_by_side.run",
        lambda task, limit, report, tick: given.setdefault(task.backend, task.preparing) and "",
    )
    monkeypatch.setattr("polyad.benchmark.comparison._look", lambda task, process: (task, None, []))
    compare(cubes, X, operators="gradient", **QUICK)
    assert given["numpy"] == np.inf and given["numpy:compiled"] == PREPARING
    given.clear()
    compare(cubes, X, operators="gradient", backends="numpy:compiled", **QUICK)
    assert given == {"numpy:compiled": np.inf}


def test_a_function_that_hangs_is_stopped_before_any_backend_runs(ends_at, monkeypatch):
    said = []
    monkeypatch.setattr("polyad.benchmark.comparison.Progress.say", lambda self, text: said.append(text))
    ends_at(lambda: "sleeps: running f itself" in said)
    with pytest.raises(ArgumentError, match="sleeps cannot be compared: stopped after 3 s while runn"):
        compare(sleeps, X, backends="autograd", **QUICK | {"limit": 3.0})


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups here")
def test_children_are_stopped_too(tmp_path, monkeypatch, ends_at):
    pid = tmp_path / "pid"
    monkeypatch.setenv("POLYAD_TEST_PID", str(pid))
    ends_at(lambda: pid.exists() and pid.read_text())
    run(Task(leaves_a_child, (X,), ("gradient",), "autograd"), 5.0, lambda event: None)
    child = int(pid.read_text())
    while _alive(child):  # it has been killed; the system may take its time
        time.sleep(0.05)


def _alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no signals of this kind here")
def test_a_crash_is_a_reason():
    events = []
    why = run(Task(crashes, (X,), ("gradient",), "autograd"), 600.0, events.append)
    assert why == "its process died of SIGSEGV while running f itself"
    assert [event.data for event in events if event.kind == "failed"] == [why]
    with pytest.raises(ArgumentError, match="crashes cannot be compared: its process died of SIGSEGV"):
        compare(crashes, X, operators="gradient", backends="autograd", **QUICK)


def test_an_exit_is_a_reason():
    table = compare(exits, X, operators="gradient", backends="autograd", isolate=False, **QUICK)
    assert table[0].reason == "SystemExit: 7"
    assert "No plain run of exits to compare with" in str(table)


def test_noise_of_the_function_disturbs_nothing(capfd):
    table = compare(prints, X, operators="gradient", backends="autograd", **QUICK)
    assert table[0].status == "agrees"
    assert capfd.readouterr() == ("", "")


def test_a_lambda_with_a_name_in_its_module_is_sent():
    for f in (named_lambda, named_closure):
        received = transport.unpack(transport.pack(Task(f, (X,), ())))
        assert received.f is f


@pytest.mark.parametrize("kind", ["lambda", "closure"])
def test_what_cannot_be_sent_runs_here(kind):
    def local(x):
        return (x**2).sum()

    f = local if kind == "closure" else lambda x: (x**2).sum()
    table = compare(f, X, operators="gradient", backends="autograd", **QUICK)
    assert table[0].status == "agrees"
    assert "Ran in this process, without a time limit" in str(table)
    assert kind == "closure" or "lambda" in table.headings[0].notes[0]


def test_script_without_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "from polyad.benchmark import compare\n"
        "print('top')\n"
        "def f(x):\n"
        "    return (x**2).sum()\n"
        "table = compare(f, np.ones(3), operators='gradient', backends='autograd', seconds=0.01)\n"
        "print(table[0].status, table.headings[0].notes)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["top", "agrees ()"], done.stderr


def test_the_prompt_runs_here():
    code = (
        "import numpy as np\n"
        "from polyad.benchmark import compare\n"
        "def f(x): return (x**2).sum()\n"
        "print(compare(f, np.ones(3), operators='gradient', backends='autograd', seconds=0.01))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "defined at the prompt" in " ".join(done.stdout.split()), done.stderr


# -- mistakes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "error", "words"),
    [
        ({"operators": "grad"}, ArgumentError, "no operator is named 'grad'; known: derivative"),
        ({"operators": ()}, ArgumentError, "name at least one"),
        ({"backends": ()}, ArgumentError, "name at least one"),
        ({"backends": "jx"}, BackendNotFoundError, "did you mean 'jax'"),
        ({"limit": 0}, ArgumentError, "must be positive"),
        ({"limit": float("nan")}, ArgumentError, "must be positive"),
        ({"backends": "numpy:comp"}, ArgumentError, "did you mean 'numpy:compiled'"),
    ],
)
def test_mistakes(keywords, error, words):
    with pytest.raises(error, match=words):
        compare(cubes, X, **keywords)


def test_mistakes_in_the_function():
    with pytest.raises(ArgumentError, match="cubes: it does not take these arguments: TypeError"):
        compare(cubes, X, 1.0, 2.0, isolate=False)
    with pytest.raises(ArgumentError, match="takes the function first"):
        compare(X, cubes)
    with pytest.raises(ArgumentError, match="needs the arguments"):
        compare(cubes)
    with pytest.raises(InputTypeError, match="int64"):
        compare(cubes, np.array([1, 2]))
    with pytest.raises(ArgumentError, match="argnums"):
        compare(cubes, X, argnums=7)


def _raises(x):
    raise ZeroDivisionError("on purpose")


def _recurses(x):
    return _recurses(x)


@pytest.mark.parametrize(
    ("f", "error", "words"),
    [
        (lambda x: "text", OutputTypeError, "returned a str"),
        (lambda x: None, OutputTypeError, "returned None"),
        (lambda x: (), OutputTypeError, "holds no numbers"),
        (lambda x: {"a": x, "b": "text"}, OutputTypeError, "str"),
        (lambda x: 1j * np.sum(x), NonScalarOutputError, "complex"),
        (lambda x: np.sum(np.log(-x)), ArgumentError, "its value is nan at these arguments"),
        (lambda x: x / (x - 1.0), ArgumentError, r"its value is inf at \[0\]"),
        (lambda x: np.sum(x) * np.random.default_rng().random(), ArgumentError, "draws random numbers or"),
        (lambda x, seen=[]: seen.append(1) or len(seen) * np.sum(x), ArgumentError, "keeps a state"),
        (lambda x, seen=[]: x[: -len(seen) or None] + (seen.append(1) or 0), ArgumentError, "two calls"),
        (_raises, ArgumentError, "fails on these arguments with ZeroDivisionError: on purpose"),
        (_recurses, ArgumentError, "RecursionError"),
        (exits, ArgumentError, "SystemExit: 7"),
    ],
)
def test_a_function_that_nobody_can_compare_is_refused_once(f, error, words):
    with np.errstate(all="ignore"), pytest.raises(error, match=words):
        compare(f, X, backends=["numpy", "finite"], isolate=False, **QUICK)


def test_an_operator_that_does_not_suit_the_output_is_refused_once():
    with pytest.raises(NonScalarOutputError, match=r"squares: .*jacobian"):
        compare(squares, X, operators=["jacobian", "hessian"], backends="numpy", isolate=False, **QUICK)


def test_a_function_of_its_process_is_refused():
    with pytest.raises(ArgumentError, match="two processes give"):
        compare(process, X, operators="gradient", backends="numpy", **QUICK)


def test_a_function_that_writes_to_its_arguments():
    def f(x, c):
        c[0] += 1.0
        return np.sum(x**2 * c)

    c = np.ones(3)
    table = compare(
        f, X, c, operators="gradient", backends=["finite", "finite:forward"], isolate=False, **QUICK
    )
    assert "writes to its argument 1: each run was given a copy." in " ".join(table.headings[0].notes)
    assert np.all(c == 1.0)


def test_failures_keep_their_cause():
    def f(x):
        return pickle.loads(pickle.dumps(x))[0]

    table = compare(f, X, operators="gradient", backends="numpy", isolate=False, **QUICK)
    assert table[0].status == "failed"
    assert "pickling or deep-copying x" in table[0].reason
    assert "OperationNotSupportedError" in table[0].details


# -- agreement --------------------------------------------------------------------------------------


def leaves(*values):
    return tuple(np.asarray(v) for v in values)


def test_distance():
    assert distance(leaves(1.0, [2.0]), leaves(1.0, [2.0])) == 0
    assert distance(leaves([np.nan, np.inf, 1.0]), leaves([np.nan, np.inf, 2.0])) == 0.5
    assert distance(leaves([np.nan]), leaves([1.0])) == np.inf
    assert distance(leaves([1.0]), leaves([[1.0]])) == np.inf
    assert distance(leaves(np.zeros(0)), leaves(np.zeros(0))) == 0


def test_an_approximation_is_a_witness_with_a_wider_tolerance():
    good, bad, rough = leaves([1.0]), leaves([1.1]), leaves([1.0 + 1e-6])
    verdicts = compare_results([bad, good, rough], "abc", [True, True, False], None)
    assert [v.agrees for v in verdicts] == [False, True, True]
    assert [v.reference for v in verdicts] == [False, True, False]


def test_hidden_single_precision_disagrees():
    good, low = leaves([1 / 3]), leaves([float(np.float32(1 / 3))])
    verdicts = compare_results([good, good, low], "abc", [True] * 3, None)
    assert [v.agrees for v in verdicts] == [True, True, False]
    assert all(v.agrees for v in compare_results([good, good, low], "abc", [True] * 3, 1e-6))


@pytest.mark.parametrize("size", [1.0, 100.0])
def test_single_precision_within_the_tolerance_is_told(size):
    """What ``np.where(x > 0, 1.0, 0.01) * x`` gives where a framework computes it in float32."""
    good, low = leaves([size, 0.01]), leaves([size, float(np.float32(0.01))])
    also = leaves([size, np.nextafter(0.01, 1)])
    verdicts = compare_results([good, also, low, low], "abcd", [True] * 4, None)
    assert [v.agrees for v in verdicts] == [True, True, False, False]
    assert re.match(r"loses precision: right to 2e-0\d only, as if in single precision", verdicts[2].reason)
    assert all(v.agrees for v in compare_results([good, also, low], "abc", [True] * 3, 1e-6))


def test_no_precision_is_lost_where_all_scatter_or_too_few_can_tell():
    rng = np.random.default_rng(0)
    exact = rng.standard_normal(5)
    scattered = [leaves(exact * (1 + 1e-10 * rng.standard_normal(5))) for _ in range(4)]
    assert all(v.agrees for v in compare_results(scattered, "abcd", [True] * 4, None))
    # three of one order of summation, and three that each have their own
    same = [leaves(exact)] * 3
    assert all(v.agrees for v in compare_results(same + scattered[:3], "abcdef", [True] * 6, None))
    pair = [leaves(exact), leaves(exact * (1 + 1e-10))]
    assert all(v.agrees for v in compare_results(pair, "ab", [True] * 2, None))
    # differences are no exact witness
    assert all(v.agrees for v in compare_results([*pair, pair[0]], "abc", [True, True, False], None))


@pytest.mark.parametrize(("order", "noise"), [(1, 4e-12), (2, 1e-8)])
def test_rounding_where_the_derivative_is_zero_is_no_disagreement(order, noise):
    zero, rounded, rough = leaves([0.0, 0.0]), leaves([1e-16, 0.0]), leaves([noise, 0.0])
    results, exact = [zero, zero, rounded, rough], [True, True, True, False]
    verdicts = compare_results(results, "abcd", exact, None, size=1.0, order=order)
    assert all(v.agrees for v in verdicts)
    wrong = compare_results([zero, zero, leaves([1e-9, 0.0])], "abc", [True] * 3, None, size=1.0, order=order)
    assert [v.agrees for v in wrong] == [True, True, False]
    small = leaves([1.0, 0.0]), leaves([1.0, 0.0]), leaves([1.0, 3e-16])  # an entry that is zero
    assert all(v.agrees for v in compare_results(small, "abc", [True] * 3, None))


def test_nan_has_no_vote_against_a_number():
    number, lost = leaves([0.0, 1.0]), leaves([np.nan, 1.0])
    verdicts = compare_results([lost, lost, lost, number], "abcd", [True] * 4, None)
    assert [v.agrees for v in verdicts] == [False, False, False, True]
    assert verdicts[0].reason == "gives nan at [0], the others 0"
    both = compare_results([lost, lost], "ab", [True] * 2, None)
    assert [v.agrees for v in both] == [True, True]


def test_differences_are_not_blamed_where_exact_results_are_not_finite():
    for value in (np.nan, np.inf):
        exact, rough = leaves([value, 1.0]), leaves([1e5, 1.0 + 1e-9])
        assert all(v.agrees for v in compare_results([exact, exact, rough], "abc", [True, True, False], None))
    assert where_not_finite(leaves([1.0, np.nan])) == "nan at [1]"
    assert where_not_finite(leaves(1.0, np.inf)) == "inf of leaf 1"
    assert where_not_finite(leaves(1.0, [2.0])) == ""


def test_declared_single_precision_agrees():
    single = leaves(np.array([1 / 3], dtype=np.float32))
    assert all(v.agrees for v in compare_results([leaves([1 / 3]), single], "ab", [True] * 2, None))


def test_other_shapes_disagree():
    verdicts = compare_results([leaves([1.0]), leaves([1.0]), leaves([[1.0]])], "abc", [True] * 3, None)
    assert "shape" in verdicts[2].reason


# -- recommendation ---------------------------------------------------------------------------------


def row(backend, time, preparation=0.001, **options):
    options = {"status": "agrees", "samples": (time,), "q25": time, "q75": time, **options}
    return Row(
        "f",
        "gradient",
        backend,
        preparation=preparation,
        time=time,
        ratio=1.0,
        preparation_calls=1,
        calls=1,
        memory=1_000_000,
        **options,
    )


def test_recommendation_counts_preparation():
    found = recommend([row("slow", 2e-3, 0.01), row("fast", 1e-3, 1.01)])
    assert found.backend == "fast"
    assert "2.0 times as fast as slow" in found.reason
    assert "repaid after 1,000 calls, for fewer take slow" in found.reason


def test_recommendation_for_so_many_calls():
    rows = [row("slow", 2e-3, 0.01), row("fast", 1e-3, 1.01)]
    few, many = recommend(rows, 10), recommend(rows, 10_000)
    assert few.backend == "slow"
    assert few.reason == "10 calls and the preparation take 30.0 ms, with fast 1.02 s"
    assert many.backend == "fast"
    assert recommend(rows[:1], 1).reason == "1 call and the preparation take 12.0 ms"
    headings = [Heading("f", calls=10)]
    assert Table(rows, headings).recommendations[0].backend == "slow"
    with pytest.raises(ArgumentError, match="calls=0"):
        compare(lambda x: x, 1.0, calls=0)


def test_recommendation_prefers_exact():
    found = recommend([row("ad", 2e-3), row("finite", 1e-3, exact=False, agreement=1e-9)])
    assert found.backend == "ad"
    assert "finite is faster but approximates (error 1e-09)" in found.reason
    assert recommend([row("finite", 1e-3, exact=False)]).backend == "finite"


def test_a_winner_within_the_noise_is_a_tie():
    found = recommend([row("a", 1.00e-3), row("b", 1.05e-3), row("c", 3e-3)])
    assert found.backend == "a" and "a tie within the noise with b" in found.reason
    spread = {"q25": 1.1e-3, "q75": 1.4e-3}
    found = recommend([row("a", 1.0e-3, q25=0.95e-3, q75=1.15e-3), row("b", 1.3e-3, **spread)])
    assert "a tie within the noise with b" in found.reason
    found = recommend([row("a", 1.0e-3, q25=0.95e-3, q75=1.05e-3), row("b", 1.3e-3, **spread)])
    assert "1.3 times as fast as b" in found.reason


def test_noisy_rows_are_not_recommended_while_others_are_steady():
    noisy = {"q25": 0.8e-3, "q75": 1.2e-3}
    found = recommend([row("fast", 1e-3, **noisy), row("steady", 2e-3), row("slow", 3e-3)])
    assert found.backend == "steady"
    assert "1.5 times as fast as slow" in found.reason
    assert "fast may be faster, but its times are noisy" in found.reason
    found = recommend([row("fast", 1e-3, **noisy), row("slow", 9e-3, q25=6e-3, q75=9.1e-3)])
    assert found.backend == "fast" and "all times are noisy" in found.reason


def test_what_is_not_finite_is_not_recommended():
    rows = [row("a", 1.0, not_finite="inf at [0]"), row("b", 0.5, exact=False)]
    assert recommend(rows) is None
    text = Table(rows, [Heading("f")]).to_text(100)
    assert "none can be recommended: the derivative is inf at [0]" in text
    assert "the result is inf at [0]" in text


def test_recommendation_never_takes_an_outlier():
    assert recommend([row("a", 1.0, status="disagrees")]) is None


# -- forms of the table -----------------------------------------------------------------------------


@pytest.fixture
def table():
    rows = [
        row("jax", 1.234e-5, 1.5, strategy="reverse, jax.vjp, compiled by XLA", agreement=2.2e-16),
        row("torch", 2.5e-4, strategy="double backward", reference=True),
        row("bad", 1e-3, status="disagrees", agreement=0.5, reason="gives 1 at [0], the others 2"),
        Row("f", "gradient", "slow", "failed", reason="stopped after 60 s while preparing gradient"),
    ]
    return Table(rows, [Heading("f", "a function", 3e-6, ("A note.",))])


@pytest.mark.parametrize("width", [20, 35, 50, 80, 100, 160, 200])
def test_text_fits(table, width):
    text = table.to_text(width)
    assert max(map(len, text.splitlines())) <= width
    text = " ".join(text.split())
    for words in ("12.3 µs", "1.50 s", "2.2e-16", "reference", "stopped after 60 s", "DISAGREES", "A note."):
        assert words in text
    assert "\x1b" not in text
    assert text.count("> jax") == 1


@pytest.mark.parametrize("width", [40, 120])
def test_noise_is_told_in_the_row(width):
    text = Table([row("a", 1e-3, q25=0.9e-3, q75=1.25e-3)], [Heading("f")]).to_text(width)
    assert "35 % noisy" in " ".join(text.split())


def test_width_is_that_of_the_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setenv("COLUMNS", "50")
    assert terminal_width(stream) == 50
    monkeypatch.setenv("COLUMNS", "3")
    assert terminal_width(stream) == 20
    for nothing in ("", "0", "wide"):
        monkeypatch.setenv("COLUMNS", nothing)
        assert terminal_width(stream) == 100
    assert terminal_width(None, 80) == 80


def test_failures_come_last(table):
    assert [r.backend for r in table.groups()[0]] == ["jax", "torch", "bad", "slow"]


def test_csv(table, tmp_path):
    table.to_csv(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["backend"] for r in rows] == ["jax", "torch", "bad", "slow"]
    assert float(rows[0]["time"]) == 1.234e-5
    assert rows[3]["time"] == "nan"


def test_pandas(table):
    pandas = pytest.importorskip("pandas")
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert len(frame) == 4
    assert {"backend", "agreement", "preparation", "time", "ratio", "calls", "memory"} <= set(frame)


def test_rich(table):
    rich = pytest.importorskip("rich.console")
    console = rich.Console(record=True, width=100, file=io.StringIO())
    console.print(table)
    assert console.export_text().split() == table.to_text(100).split()


def test_plot(table, tmp_path):
    pytest.importorskip("matplotlib")
    figure = table.plot(tmp_path / "t.png")
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    assert len(figure.axes) == 1
    for name in ("t.nope", "t"):
        with pytest.raises(ArgumentError, match="no ending of a picture"):
            table.plot(tmp_path / name)


@pytest.mark.parametrize(("module", "act"), [("matplotlib", "plot"), ("pandas", "to_pandas")])
def test_missing_packages(table, monkeypatch, module, act):
    for name in [m for m in sys.modules if m == module or m.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ad.errors.OptionalPackageError, match=r"pip install -e '.\[plot\]'"):
        getattr(table, act)()


def test_tables_add_up(table):
    both = table + table
    assert len(both) == 8
    assert len(both.headings) == 2
    assert isinstance(both[:2], Table)


def test_sampling_ends(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("polyad.benchmark.timing.time", types.SimpleNamespace(perf_counter=lambda: now[0]))

    def takes(seconds):
        def call():
            now[0] += seconds

        return call

    assert sample(takes(0.02), 0.01) == pytest.approx((0.02,) * 3)
    assert len(sample(takes(0.2), 0.001)) == 1
    assert len(sample(takes(0.002), 0.1)) == pytest.approx(50, abs=2)
    assert len(sample(takes(1e-6), 10.0)) == 200


def test_pairs_are_compared():
    pair = ("numpy:forward", "numpy:reverse")
    table = compare(
        cubes, X, operators="hvp", backends=["numpy", pair, ad.SecondOrder(*pair)], isolate=False, **QUICK
    )
    labels = [row.backend for row in table]
    assert labels[1:] == [repr(ad.SecondOrder(*pair))] * 2
    assert all(row.agreement is not None and row.agreement < 1e-12 for row in list(table)[1:])
