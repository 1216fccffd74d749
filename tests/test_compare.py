"""compare: agreement, isolation, the table and its forms; never how fast anything is."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import polyad as ad
from polyad.backends.autograd import Autograd
from polyad.benchmark import Heading, Row, Table, compare
from polyad.benchmark.agreement import compare_results, distance
from polyad.benchmark.recommend import recommend
from polyad.benchmark.timing import sample
from polyad.errors import ArgumentError, BackendNotFoundError
from polyad.overview import backends

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


def crashes(x):
    os.kill(os.getpid(), signal.SIGSEGV)
    return x.sum()


def exits(x):
    raise SystemExit(7)


def prints(x):
    os.write(1, b"noise on standard output\n")
    return (x**2).sum()


X = np.array([1.0, 2.0, 3.0])
QUICK = {"seconds": 0.01, "progress": False}


# -- what compare finds ---------------------------------------------------------------------------


def test_outlier_is_named():
    table = compare(
        cubes, X, operators="gradient", backends=["autograd", "autograd:forward", Wrong()], **QUICK
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
    assert "fastest that agrees" in table.recommendations[0].reason


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


def test_all_installed_backends_by_default():
    table = compare(cubes, X, operators="gradient", **QUICK)
    assert {row.backend for row in table} == {info.name for info in backends() if info.installed}
    assert not table.disagreements


# -- isolation --------------------------------------------------------------------------------------


def test_time_limit():
    start = time.monotonic()
    table = compare(sleeps, X, operators=["gradient", "hvp"], backends="autograd", limit=2.0, **QUICK)
    assert time.monotonic() - start < 30
    assert table[0].status == "failed"
    assert table[0].reason.startswith("stopped after 2 s while ")
    assert table[1].reason.startswith("not reached, stopped after 2 s")


def test_time_limit_says_what_it_was_doing():
    table = compare(sleeps_later, X, operators="gradient", backends="autograd", limit=5.0, **QUICK)
    assert table[0].reason == "stopped after 5 s while preparing gradient"


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups here")
def test_children_are_stopped_too(tmp_path, monkeypatch):
    pid = tmp_path / "pid"
    monkeypatch.setenv("POLYAD_TEST_PID", str(pid))
    compare(leaves_a_child, X, operators="gradient", backends="autograd", limit=5.0, **QUICK)
    child = int(pid.read_text())
    for _ in range(50):
        if not _alive(child):
            break
        time.sleep(0.1)
    assert not _alive(child)


def _alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no signals of this kind here")
def test_a_crash_is_a_reason():
    table = compare(crashes, X, operators="gradient", backends="autograd", **QUICK)
    assert "died of SIGSEGV while running f itself" in table[0].reason


def test_an_exit_is_a_reason():
    table = compare(exits, X, operators="gradient", backends="autograd", **QUICK)
    assert table[0].reason == "SystemExit: 7"


def test_noise_of_the_function_disturbs_nothing():
    table = compare(prints, X, operators="gradient", backends="autograd", **QUICK)
    assert table[0].status == "agrees"


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
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["top", "agrees ()"], done.stderr


def test_the_prompt_runs_here():
    code = (
        "import numpy as np\n"
        "from polyad.benchmark import compare\n"
        "def f(x): return (x**2).sum()\n"
        "print(compare(f, np.ones(3), operators='gradient', backends='autograd', seconds=0.01))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
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
    ],
)
def test_mistakes(keywords, error, words):
    with pytest.raises(error, match=words):
        compare(cubes, X, **keywords)


def test_mistakes_in_the_function():
    with pytest.raises(ArgumentError, match="cubes failed on these arguments with TypeError"):
        compare(cubes, X, 1.0, 2.0)
    with pytest.raises(ArgumentError, match="takes the function first"):
        compare(X, cubes)
    with pytest.raises(ArgumentError, match="needs the arguments"):
        compare(cubes)


def test_failures_keep_their_cause():
    table = compare(
        cubes, np.array([1, 2]), operators="gradient", backends="autograd", isolate=False, **QUICK
    )
    assert "int64" in table[0].reason
    assert "InputTypeError" in table[0].details


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


def test_declared_single_precision_agrees():
    single = leaves(np.array([1 / 3], dtype=np.float32))
    assert all(v.agrees for v in compare_results([leaves([1 / 3]), single], "ab", [True] * 2, None))


def test_other_shapes_disagree():
    verdicts = compare_results([leaves([1.0]), leaves([1.0]), leaves([[1.0]])], "abc", [True] * 3, None)
    assert "shape" in verdicts[2].reason


# -- recommendation ---------------------------------------------------------------------------------


def row(backend, time, preparation=0.001, **options):
    options = {"status": "agrees", "samples": (time,), **options}
    return Row(
        "f",
        "gradient",
        backend,
        preparation=preparation,
        time=time,
        q25=time,
        q75=time,
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


def test_recommendation_prefers_exact():
    found = recommend([row("ad", 2e-3), row("finite", 1e-3, exact=False, agreement=1e-9)])
    assert found.backend == "ad"
    assert "finite is faster but approximates (error 1e-09)" in found.reason
    assert recommend([row("finite", 1e-3, exact=False)]).backend == "finite"


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


@pytest.mark.parametrize("width", [80, 100, 160])
def test_text_fits(table, width):
    text = table.to_text(width)
    assert max(map(len, text.splitlines())) <= width
    for words in ("12.3 µs", "1.50 s", "2.2e-16", "reference", "stopped after 60 s", "DISAGREES", "A note."):
        assert words in text
    assert "\x1b" not in text
    assert text.count("> jax") == 1


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
    with pytest.raises(ArgumentError, match="nope"):
        table.plot(tmp_path / "t.nope")


@pytest.mark.parametrize(("module", "act"), [("matplotlib", "plot"), ("pandas", "to_pandas")])
def test_missing_packages(table, monkeypatch, module, act):
    for name in [m for m in sys.modules if m == module or m.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ad.errors.OptionalPackageError, match=r"pip install 'polyad\[plot\]'"):
        getattr(table, act)()


def test_tables_add_up(table):
    both = table + table
    assert len(both) == 8
    assert len(both.headings) == 2
    assert isinstance(both[:2], Table)


def test_sampling_ends():
    calls = []
    assert len(sample(lambda: calls.append(1) or time.sleep(0.02), 0.01)) == 3
    assert len(sample(lambda: time.sleep(0.2), 0.001)) < 3
