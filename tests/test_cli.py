"""The command line: exit codes, streams, what it understands and what it refuses."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import polyad
from polyad.cli import main
from polyad.cli_args import find_function, parse_argument
from polyad.errors import ArgumentError
from polyad.operators.arguments import Static

pytest.importorskip("autograd")

MODEL = """
import numpy as np

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
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A user's file in the working directory; what it adds to the interpreter is taken back."""
    (tmp_path / "user_model.py").write_text(textwrap.dedent(MODEL))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("polyad.benchmark.sending._FILES", {})
    yield tmp_path
    sys.modules.pop("user_model", None)


def polyad_command(*args, cwd=None, **options):
    return subprocess.run(
        [sys.executable, "-m", "polyad.cli", *args],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        **options,
    )


QUICK = ["--backend", "autograd", "--seconds", "0.01"]


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


def test_compare_a_module_and_a_method(model, capsys):
    assert main(["compare", "user_model:Model.loss", "--args", "np.ones(3)", *QUICK]) == 0
    assert capsys.readouterr().out.startswith("Model.loss: ")


def test_compare_a_tree_and_chosen_operators(model, capsys):
    argument = "{'w': [1.0, 2.0], 'b': 3.0}"
    assert main(["compare", "user_model.py:tree", "--args", argument, "--operator", "hvp", *QUICK]) == 0
    out = capsys.readouterr().out
    assert "hvp" in out and "gradient" not in out


def test_disagreement_is_exit_code_one(model, capsys):
    command = ["compare", "user_model.py:wrong_backwards", "--args", "[1.0, 2.0]", "--operator", "gradient"]
    code = main([*command, "--backend", "autograd", "--backend", "autograd:forward", "--seconds", "0.01"])
    assert code == 1
    assert "DISAGREES: differs from autograd" in capsys.readouterr().out


def test_nothing_at_all_is_exit_code_one(model, capsys):
    assert main(["compare", "user_model.py:f", "--args", "[1, 2]", *QUICK]) == 1
    assert "int64" in capsys.readouterr().out


def test_plot(model, capsys):
    pytest.importorskip("matplotlib")
    assert main(["compare", "user_model.py:f", "--args", "[1.0]", *QUICK, "--plot", "p.svg"]) == 0
    assert (model / "p.svg").read_text().startswith("<?xml")


def test_built_in_problems(capsys):
    command = ["compare", "--backend", "autograd", "--operator", "gradient", "--seconds", "0.01"]
    assert main(command) == 0
    out = capsys.readouterr().out
    for name in ("lotka_volterra: Lotka-Volterra", "spiral: spiral neural ODE", "gaussian_mixture: Gaussian"):
        assert name in out
    assert out.count("agreement:") == 1  # the legend, once


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
def test_interrupt(model):
    (model / "user_model.py").write_text("import time\ndef f(x):\n    time.sleep(60)\n    return x.sum()\n")
    command = ["compare", "user_model.py:f", "--args", "np.ones(2)", "--operator", "gradient", *QUICK]
    running = subprocess.Popen(
        [sys.executable, "-m", "polyad.cli", *command],
        cwd=model,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(4)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert err == "polyad: interrupted\n"
    assert out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["f", "--args", "1.0"], "names no function: write module.py:function"),
        (["nofile.py:f", "--args", "1.0"], "there is no file nofile.py"),
        (["user_model.py:g", "--args", "1.0"], "user_model.py has no 'g'; it has Model,"),
        (["user_model.py:three", "--args", "1.0"], "is a int, not a function"),
        (["no_such_module:f", "--args", "1.0"], "no_such_module cannot be imported: ModuleNotFoundError"),
        (["user_model.py:f"], "where to differentiate user_model.py:f? Add --args"),
        (["user_model.py:f", "--args", "exit()"], "is not allowed here"),
        (["user_model.py:f", "--args", "[1.0"], "is no expression"),
        (["user_model.py:f", "--args", "[1.0]", "--backend", "jx"], "did you mean 'jax'"),
        (["user_model.py:f", "--args", "[1.0]", "--operator", "grad"], "no operator is named 'grad'"),
        (["user_model.py:f", "--args", "[1.0]", "--csv", "no/t.csv"], "no such folder"),
        (["user_model.py:f", "--args", "1.0", "2.0", "3.0"], "failed on these arguments with TypeError"),
        (["--args", "1.0"], "--args without a function"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_two(model, capsys, arguments, words):
    assert main(["compare", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.startswith("polyad: ") and captured.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--limit", "-1"], ["--limit", "x"], ["--argnums", "a"], ["--nope"]])
def test_argparse_mistakes(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["compare", *arguments])
    assert exit_.value.code == 2


# -- the other commands -----------------------------------------------------------------------------


def test_backends(capsys):
    assert main(["backends"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["backend", "version", "modes"]
    assert any(line.startswith("autograd") and "reverse" in line for line in lines)


def test_check(model, capsys):
    assert main(["check", "user_model.py:f", "--args", "[1.0, 2.0]", "--backend", "autograd"]) == 0
    assert "autograd: right, within " in capsys.readouterr().out
    assert main(["check", "user_model.py:wrong_backwards", "--args", "[1.0]", "--backend", "autograd"]) == 1
    assert "autograd: WRONG" in capsys.readouterr().out


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
        "from polyad.cli import main\n"
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
    for name in ("no.npy", "o.npy"):
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
    assert find_function("user_model.py:f")(np.ones(2)) == 2
    assert find_function("numpy:linalg.norm") is np.linalg.norm


def test_a_file_named_like_a_module(model):
    (model / "json.py").write_text("def f(x):\n    return x\n")
    import json

    assert find_function("json.py:f")(1) == 1
    assert sys.modules["json"] is json
    sys.modules.pop("_polyad_file_json")
