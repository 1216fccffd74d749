"""The command line: exit codes, streams, what it understands and what it refuses."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import polyad
from polyad.benchmark.address import Address
from polyad.benchmark.worker import act
from polyad.call.inputs.arguments import Static
from polyad.cli.arguments import check_numbers, parse_argument
from polyad.cli.main import main
from polyad.errors import ArgumentError

pytest.importorskip("autograd")

MODEL = """
import os
import threading
import numpy as np

print("noise of the module")

def f(x, a=1.0):
    return a * (x**3).sum()

def wrong_backwards(x):
    from autograd.extend import defjvp, defvjp, primitive
    squares = primitive(lambda x: (x**2).sum())
    defvjp(squares, lambda y, x: lambda g: 2.1 * g * x)
    defjvp(squares, lambda v, y, x: (2.0 * v * x).sum())
    return squares(x)

def tree(p):
    return (p["w"] ** 2).sum() * p["b"]

class Model:
    @staticmethod
    def loss(x):
        return (x**2).sum()

three = 3

class Odd:
    def __init__(self):
        self.lock = threading.Lock()
    def __call__(self, x):
        return (x**2).sum()

odd = Odd()  # no pickle knows it, and its address does

def loud(x):
    print("noise of the function")
    os.write(1, b"noise from below")
    return (x**2).sum()

def text(x):
    return "text"

def nothing(x):
    return (x - x) / (x - x)

def leaves(x):
    os._exit(3)

calls = 0

def leaves_later(x):
    global calls
    calls += 1
    if calls > 2:
        os._exit(3)
    return (x**2).sum()

def hangs(x):
    threading.Event().wait()

def asks_first(x):
    memoryview(x)  # never of a box
    return (x**2).sum()
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A user's file in the working directory; what it adds to the interpreter is taken back."""
    (tmp_path / "user_model.py").write_text(textwrap.dedent(MODEL))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("polyad.benchmark.transport._FILES", {})
    yield tmp_path
    sys.modules.pop("user_model", None)


@pytest.fixture
def here(model, monkeypatch):
    """The workers' tasks done in this process, which is quicker where no process is at stake."""

    def run(task, limit, report, tick):
        act(task, report)
        return ""

    monkeypatch.setattr("polyad.benchmark.side_by_side.run", run)


def polyad_command(*args, cwd=None, **options):
    return subprocess.run(
        [sys.executable, "-m", "polyad.cli.main", *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        **options,
    )


# a limit that no load of the machine reaches
QUICK = ["--backend", "autograd", "--seconds", "0.01", "--limit", "3600"]


# -- compare ----------------------------------------------------------------------------------------


def test_compare_a_file(model):
    done = polyad_command(
        "compare", "user_model.py:f", "--args", "[1.0, 2.0]", "2.0", *QUICK, "--csv", "rows.csv", cwd=model
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("f: ")
    assert "take autograd" in done.stdout
    assert "\x1b" not in done.stdout and "\r" not in done.stderr  # a pipe is no terminal
    assert done.stderr == "polyad: rows written to rows.csv\n"
    with (model / "rows.csv").open(newline="") as file:
        assert [row["operator"] for row in csv.DictReader(file)] == ["gradient", "hvp"]


def test_noise_stays_out_of_the_table(model, capfd):
    assert main(["compare", "user_model.py:loud", "--args", "[1.0]", "--operator", "jvp", *QUICK]) == 0
    out, err = capfd.readouterr()
    assert "noise" not in out + err
    assert "user_model" not in sys.modules  # nothing of the user's runs in this process


def test_compare_an_object_that_no_pickle_knows(model, capsys):
    assert main(["compare", "user_model.py:odd", "--args", "[1.0]", "--operator", "gradient", *QUICK]) == 0
    out = capsys.readouterr().out
    assert out.startswith("odd: ") and "without a time limit" not in out


def test_a_function_that_ends_its_process(model, capsys):
    assert main(["compare", "user_model.py:leaves", "--args", "[1.0]"]) == 2
    assert capsys.readouterr() == (
        "",
        "polyad: leaves cannot be compared: its process ended with exit code 3 while running f itself\n",
    )


def test_compare_a_module_and_a_method(here, capsys):
    assert main(["compare", "user_model:Model.loss", "--args", "np.ones(3)", *QUICK]) == 0
    assert "\nModel.loss: " in capsys.readouterr().out


def test_compare_a_tree_and_chosen_operators(here, capsys):
    argument = "{'w': [1.0, 2.0], 'b': 3.0}"
    assert main(["compare", "user_model.py:tree", "--args", argument, "--operator", "hvp", *QUICK]) == 0
    out = capsys.readouterr().out
    assert "hvp" in out and "gradient" not in out


def test_disagreement_is_exit_code_one(here, capsys):
    command = ["compare", "user_model.py:wrong_backwards", "--args", "[1.0, 2.0]", "--operator", "gradient"]
    code = main([*command, "--backend", "autograd", "--backend", "autograd:forward", "--seconds", "0.01"])
    assert code == 1
    assert "DISAGREES: differs from autograd" in capsys.readouterr().out


def test_nothing_at_all_is_exit_code_one(here, capsys):
    function = "user_model.py:sent"
    lines = ("import pickle", "def sent(x):", "    return pickle.loads(pickle.dumps(x))[0]", "")
    Path("user_model.py").write_text("\n".join(lines))
    command = ["compare", function, "--args", "[1.0]", "--backend", "numpy", "--seconds", "0.01"]
    assert main(command) == 1
    assert "none can be recommended: there is no result" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("argument", "offer"),
    [
        ("[1, 2]", "[1.0, 2.0]"),
        ("np.arange(3)", "np.arange(3.0)"),
        ("np.reshape(np.arange(6), (2, 3))", "1.0 * (np.reshape(np.arange(6), (2, 3)))"),
        ("{'a': 1, 'b': (True, [2])}", "{'a': 1.0, 'b': (1.0, [2.0])}"),
        ("-3", "-3.0"),
    ],
)
def test_whole_numbers_get_a_remedy_that_can_be_typed(model, capsys, argument, offer):
    assert main(["compare", "user_model.py:f", f"--args={argument}"]) == 2
    assert f'write --args "{offer}"\n' in capsys.readouterr().err
    check_numbers([offer], [parse_argument(offer)], 0)


def test_plot(here, capsys):
    pytest.importorskip("matplotlib")
    assert main(["compare", "user_model.py:f", "--args", "[1.0]", *QUICK, "--plot", "p.svg"]) == 0
    assert Path("p.svg").read_text().startswith("<?xml")


def test_built_in_problems(here, capsys):
    command = ["compare", "--backend", "autograd", "--operator", "gradient", "--seconds", "0.01"]
    assert main(command) == 0
    out = capsys.readouterr().out
    for name in ("lotka_volterra: Lotka-Volterra", "spiral: spiral neural ODE", "gaussian_mixture: Gaussian"):
        assert name in out
    assert out.count("agreement:") == 1  # the legend, once


HANGS = "pathlib.Path('runs').touch(); time.sleep(600)\n"


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
@pytest.mark.parametrize("command", ["compare", "check"])
@pytest.mark.parametrize("where", ["f", "import"])
def test_interrupt(model, command, where):
    # an import of a module stands for that of a framework
    body = f"def f(x):\n    {HANGS}" if where == "f" else HANGS
    (model / "user_model.py").write_text("import pathlib, time\n" + body)
    command = [command, "user_model.py:f", "--args", "np.ones(2)", "--backend", "autograd"]
    # what a shell without job control starts in the background ignores the signal, and so would its children
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        running = subprocess.Popen(
            [sys.executable, "-m", "polyad.cli.main", *command],
            cwd=model,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    while not (model / "runs").exists() and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate()
    assert (running.returncode, out, err) == (130, "", "polyad: interrupted\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_a_result_that_cannot_be_written():
    command = [sys.executable, "-m", "polyad.cli.main", "backends"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("polyad: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["f", "--args", "1.0"], "names no function: write module.py:function"),
        (["nofile.py:f", "--args", "1.0"], "there is no file nofile.py"),
        (["user_model.py:g", "--args", "1.0"], "user_model.py has no 'g'; it has Model,"),
        (["user_model.py:three", "--args", "1.0"], "is of type int, not a function"),
        (["no_such_module:f", "--args", "1.0"], "no_such_module cannot be imported: ModuleNotFoundError"),
        (["user_model.py:f"], "where to differentiate user_model.py:f? Add --args"),
        (["user_model.py:f", "--args", "exit()"], "is not allowed here"),
        (["user_model.py:f", "--args", "[1.0"], "is no expression"),
        (["user_model.py:f", "--args", "[1.0]", "--backend", "jx"], "did you mean 'jax'"),
        (["user_model.py:f", "--args", "[1.0]", "--operator", "grad"], "no operator is named 'grad'"),
        (["user_model.py:f", "--args", "[1.0]", "--csv", "no/t.csv"], "no such folder"),
        (["user_model.py:f", "--args", "1.0", "2.0", "3.0"], "does not take these arguments: TypeError"),
        (["user_model.py:f", "--args", "[1.0]", "--argnums", "7"], "--argnums 7: there is 1 argument"),
        (["user_model.py:f", "--args", "1.0", "2.0", "--argnums", "0,2"], "--argnums 2: there are 2 arg"),
        (["user_model.py:f", "--args", "'text'"], "is text: name another one"),
        (["user_model.py:f", "--args", "[1.0]", "--plot", "p.xyz"], "no ending of a picture"),
        (["user_model.py:f", "--args", "[1.0]", "--plot", "p"], "no ending of a picture"),
        (["user_model.py:f", "--args", "[1.0]", "--backend", "numpy:comp"], "did you mean 'numpy:compiled'"),
        (["user_model.py:text", "--args", "[1.0]"], "text: the function returned a str"),
        (["user_model.py:nothing", "--args", "[1.0]"], "nothing: its value is nan at [0]"),
        (["broken.py:f", "--args", "[1.0]"], "broken.py cannot be imported: SystemExit: 4"),
        (["user_model:f.no.such", "--args", "[1.0]"], "user_model has no 'no'"),
        (["my model.py:f", "--args", "[1.0]"], "there is no file my model.py"),
        (["--args", "1.0"], "--args without a function"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_mistakes_are_one_line_and_exit_code_two(here, capsys, arguments, words):
    Path("broken.py").write_text("import sys\nsys.exit(4)\n")
    assert main(["compare", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out in ("", "noise of the module\n")  # the module's, which is imported here for once
    assert words in captured.err
    assert captured.err.startswith("polyad: ") and captured.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["--limit", "-1"], ["--limit", "nan"], ["--limit", "x"], ["--argnums", "a"], ["--nope"]]
)
def test_argparse_mistakes(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["compare", *arguments])
    assert exit_.value.code == 2


# -- the other commands -----------------------------------------------------------------------------


def test_backends(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["backends"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["backend", "version", "modes"]
    assert any(line.startswith("autograd") and "reverse" in line for line in lines)
    assert any(line.startswith("numpy") and "compiled" in line for line in lines)


@pytest.mark.parametrize("width", [20, 50, 80, 120])
def test_backends_fit_the_terminal(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["backends"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert {"jax", "compiled", "second_derivative"} <= set(re.findall(r"\w+", " ".join(lines)))


def test_check(here, capsys):
    def check(name, *more, backend="autograd"):
        return main(["check", f"user_model.py:{name}", "--args", "[1.0, 2.0]", "--backend", backend, *more])

    assert check("f") == 0
    assert "autograd: right, within " in capsys.readouterr().out
    assert check("wrong_backwards") == 1
    assert "autograd: WRONG\n" in capsys.readouterr().out
    assert check("asks_first") == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("autograd: no result: ") and "memoryview" in last
    assert check("text") == 2
    assert capsys.readouterr().err.startswith("polyad: text: the function returned a str")
    with pytest.raises(SystemExit):
        check("f", "--limit", "-1")


def test_check_runs_nothing_of_the_users_in_this_process(model, capfd, monkeypatch):
    quick = ["--args", "[1.0, 2.0]", "--limit", "3600", "--backend", "finite:adaptive"]
    assert main(["check", "user_model.py:loud", *quick]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("finite:adaptive: right") and "noise" not in out + err
    assert main(["check", "user_model.py:leaves", *quick]) == 2
    assert capfd.readouterr() == (
        "",
        "polyad: leaves cannot be checked: its process ended with exit code 3 while running f itself\n",
    )
    # one that only a backend brings to that
    assert main(["check", "user_model.py:leaves_later", *quick]) == 1
    assert capfd.readouterr().out == (
        "finite:adaptive: no result: its process ended with exit code 3 while checking\n"
    )
    said = []
    monkeypatch.setattr("polyad.benchmark.comparison.Progress.say", lambda self, text: said.append(text))
    running = "hangs: running f itself"
    monkeypatch.setattr("polyad.benchmark.worker.clock", lambda: np.inf if running in said else 0.0)
    assert main(["check", "user_model.py:hangs", *quick]) == 2
    assert (
        "hangs cannot be checked: stopped after 3600 s while running f itself: give" in capfd.readouterr().err
    )
    assert "user_model" not in sys.modules


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"polyad {polyad.__version__}\n"


def test_no_command(capsys):
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "compare" in captured.err


def test_help_loads_no_framework():
    code = (
        "import sys\n"
        "from polyad.cli.main import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "loaded = {'jax', 'torch', 'autograd', 'matplotlib', 'pandas', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


# -- arguments and functions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2.5", 2.5),
        ("-1e-3", -1e-3),
        ("[1.0, 2.0]", np.array([1.0, 2.0])),
        ("[[1.0], [2.0]]", np.array([[1.0], [2.0]])),
        ("np.linspace(0, 1, 5)", np.linspace(0, 1, 5)),
        ("2 * np.ones(3) + np.pi", 2 * np.ones(3) + np.pi),
        ("np.ones(2, dtype=np.float32)", np.ones(2, dtype=np.float32)),
        ("1 + 2j", 1 + 2j),
    ],
)
def test_arguments(text, value):
    found = parse_argument(text)
    np.testing.assert_array_equal(found, value)
    assert type(found) is type(value)
    assert getattr(found, "dtype", None) == getattr(value, "dtype", None)


def test_trees_and_strings():
    found = parse_argument("{'w': [1.0], 'b': (2.0, 3.0)}")
    assert found["b"] == (2.0, 3.0) and isinstance(found["w"], np.ndarray)
    assert parse_argument("'relu'") == Static("relu")


def test_npy_file(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(3.0))
    np.testing.assert_array_equal(parse_argument(f"@{tmp_path / 'x.npy'}"), np.arange(3.0))
    np.save(tmp_path / "o.npy", np.array([object()], dtype=object))
    np.savez(tmp_path / "z.npz", a=np.ones(2))
    (tmp_path / "e.npy").touch()
    for name in ("no.npy", "o.npy", "z.npz", "e.npy"):
        with pytest.raises(ArgumentError, match=name):
            parse_argument(f"@{tmp_path / name}")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "open('x')",
        "np.load('x')",
        "np.ones.__globals__",
        "[x for x in (1, 2)]",
        "lambda: 0",
        "np.ones(*[3])",
        "f'{1}'",
        "1 if 2 else 3",
        "9 ** 9 ** 9",
        "np.ones('a')",
        "1 / 0",
        "",
    ],
)
def test_nothing_else_is_evaluated(text):
    with pytest.raises(ArgumentError):
        parse_argument(text)


def test_find_function(model):
    assert Address("user_model.py:f").find()(np.ones(2)) == 2
    assert Address("numpy:linalg.norm").find() is np.linalg.norm


def test_a_file_named_like_a_module(model):
    (model / "json.py").write_text("def f(x):\n    return x\n")
    import json

    assert Address("json.py:f").find()(1) == 1
    assert sys.modules["json"] is json
    sys.modules.pop("_polyad_file_json")
