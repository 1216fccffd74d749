"""Code of public packages, called as it is, under polyad: makes the table of docs/wild.md.

    python benchmarks/wild.py install FOLDER            an environment with the packages and the frameworks
    FOLDER/bin/python benchmarks/wild.py run OUT.jsonl [PACKAGE ...]
    FOLDER/bin/python benchmarks/wild.py table OUT.jsonl ... --page docs/wild.md

A job of its own: no test needs the packages, and CI does not run it. Each package is run in a process, and
each function under each backend: prepared at one point, called there and at a second one, and compared with
central differences extrapolated by Ridders' method (Numerical Recipes, section 5.7). An outcome is "right",
"refused" (an error of polyad's), "unclear" (another error), "hang" (over 60 s) or "WRONG".
The functions are those of ``wild_cases.py``, or of another file of its form: ``--cases FILE``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import runpy
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

HERE = Path(__file__).resolve().parent
# name of a function -> its package, its builder; and the packages to install (``chosen``)
CASES: dict[str, tuple[str, Callable[[], tuple[Callable[..., Any], list[float]]]]] = {}
PACKAGES: list[str] = []
BACKENDS = ["numpy", "compile", "jax", "jax_nojit", "torch", "autograd", "casadi", "sympy"]
TITLES = {"numpy": "`NumPy()`", "compile": "compiled", "jax": "JAX", "jax_nojit": "JAX, `jit=False`"}
TITLES.update(torch="torch", autograd="autograd", casadi="CasADi", sympy="SymPy")
MARKS = {"right": "+", "refused": "-", "unclear": "?", "WRONG": "**wrong**", "hang": "slow"}
LONGEST = 60  # seconds for one function under one backend
BEGIN, END = "<!-- table wild: python benchmarks/wild.py -->", "<!-- end of table wild -->"


class Hang(BaseException):
    """Raised by the alarm."""


def alarm(*_: Any) -> None:
    """What happens when the time is over."""
    raise Hang


def backend(name: str) -> Any:
    """The backend of a column."""
    import polyad as ad

    return {"jax_nojit": ad.JAX(jit=False), "compile": ad.NumPy(compile=True)}.get(name, name)


def ridders(g: Callable[[np.ndarray], np.ndarray], x: np.ndarray, k: int, h: float) -> tuple[Any, float]:
    """Column ``k`` of a Jacobian by extrapolated differences, and the error that its table shows."""

    def central(h: float) -> np.ndarray:
        high, low = x.copy(), x.copy()
        high[k] += h
        low[k] -= h
        return (g(high) - g(low)) / (high[k] - low[k])

    table, best, least = [[central(h)]], central(h), np.inf
    for i in range(1, 9):
        h /= 1.6
        row = [central(h)]
        for j in range(1, i + 1):
            q = 1.6 ** (2 * j)
            row.append((q * row[j - 1] - table[-1][j - 1]) / (q - 1))
            error = max(np.max(np.abs(row[j] - row[j - 1])), np.max(np.abs(row[j] - table[-1][j - 1])))
            if error < least:
                best, least = row[j], error
        if np.isfinite(np.max(np.abs(row[-1]))):
            table.append(row)
    return best, float(least)


def reference(f: Callable[..., Any], x: np.ndarray) -> tuple[np.ndarray, float]:
    """The Jacobian of the plain function, and its relative error."""
    g = lambda u: np.ravel(np.asarray(f(u))).astype(float)  # noqa: E731
    columns, errors = [], []
    for k in range(x.size):
        size = max(abs(x[k]), 1e-3)
        column, error = min((ridders(g, x, k, h * size) for h in (3e-2, 3e-3)), key=lambda t: t[1])
        columns.append(column)
        errors.append(error)
    jacobian = np.array(columns).T
    return jacobian, max(errors) / max(float(np.max(np.abs(jacobian))), 1e-300)


def measured(name: str, backends: list[str]) -> Iterator[dict[str, Any]]:
    """The outcomes of one function."""
    import polyad as ad

    package, build = CASES[name]
    f, start = build()
    x0 = np.array(start, float)
    x1 = x0 * (1 + 0.01 * np.random.default_rng(5).uniform(-1, 1, x0.size))
    y = np.asarray(f(x0.copy()))
    g = f
    if np.iscomplexobj(y):
        g = lambda x: (lambda z: np.concatenate([np.real(z), np.imag(z)]))(f(x))  # noqa: E731
    references = [reference(g, x.copy()) for x in (x0, x1)]
    for b in backends:
        row: dict[str, Any] = {"case": name, "package": package, "backend": b}
        signal.alarm(LONGEST)
        try:
            prepare = ad.prepare_gradient if y.shape == () else ad.prepare_jacobian
            p = prepare(g, x0.copy(), backend=backend(b))
            errors = []
            for x, (jacobian, _) in zip((x0, x1), references, strict=True):
                found = np.asarray(p(x.copy())).reshape(jacobian.shape)
                errors.append(float(np.max(np.abs(found - jacobian)) / max(np.max(np.abs(jacobian)), 1e-300)))
            near = max(1e-6, 20 * max(error for _, error in references))
            row["errors"], row["outcome"] = errors, "right" if max(errors) < near else "WRONG"
        except Hang:
            row["outcome"] = "hang"
        except Exception as error:
            row["outcome"] = "refused" if isinstance(error, ad.errors.PolyadError) else "unclear"
            row["error"] = f"{type(error).__name__}: {error}"[:700]
        finally:
            signal.alarm(0)
        yield row


def chosen(path: Path) -> None:
    """Take the functions and packages of a file."""
    space = runpy.run_path(str(path))
    CASES.update(space["CASES"])
    PACKAGES.extend(space["PACKAGES"])


def run(out: Path, packages: list[str], backends: list[str], cases: Path) -> None:
    """One process for each package."""
    for package in dict.fromkeys(p for p, _ in CASES.values()):
        if not packages or package in packages:
            start = time.perf_counter()
            command = [sys.executable, "-W", "ignore", __file__, "_package", str(out), package]
            subprocess.run([*command, "--cases", str(cases), "--backends", *backends], check=False)
            print(package, f"{time.perf_counter() - start:.0f} s", flush=True)


def run_package(out: Path, package: str, backends: list[str]) -> None:
    """The functions of one package, in this process."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    signal.signal(signal.SIGALRM, alarm)
    for name, (owner, _) in CASES.items():
        if owner == package:
            for row in measured(name, backends):
                with out.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def table(files: list[Path]) -> str:
    """The table in Markdown, with the versions that are installed here and the date."""
    rows: dict[str, dict[str, str]] = {}
    for path in files:
        for line in path.read_text().splitlines():
            row = json.loads(line)
            if row["backend"] in BACKENDS and row["case"] in CASES:
                rows.setdefault(row["case"], {})[row["backend"]] = row["outcome"]
    names = ["polyad", "numpy", "scipy", "jax", "torch", "autograd", "casadi", "sympy", *sorted(PACKAGES)]
    versions = ", ".join(f"{n} {v}" for n in names if (v := version(n)))
    lines = [
        f"Measured on {datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d} with {versions}.",
        "",
        "| | " + " | ".join(TITLES[b] for b in BACKENDS) + " |",
        "|---|" + "---|" * len(BACKENDS),
    ]
    for outcome, title in {"right": "right", "refused": "refused", "unclear": "another error"}.items():
        lines.append(f"| {title} | " + " | ".join(count(rows, b, outcome) for b in BACKENDS) + " |")
    for outcome, title in {"hang": "over 60 s", "WRONG": "wrong"}.items():
        lines.append(f"| {title} | " + " | ".join(count(rows, b, outcome) for b in BACKENDS) + " |")
    lines += ["", "| function | " + " | ".join(TITLES[b] for b in BACKENDS) + " |"]
    lines.append("|---|" + "---|" * len(BACKENDS))
    for name in CASES:
        if name in rows:
            marks = [MARKS.get(rows[name].get(b, ""), "") for b in BACKENDS]
            lines.append(f"| {name.replace(':', ': ').replace('_', ' ')} | " + " | ".join(marks) + " |")
    return "\n".join(lines)


def count(rows: dict[str, dict[str, str]], backend: str, outcome: str) -> str:
    """How many functions have an outcome under a backend."""
    return str(sum(row.get(backend) == outcome for row in rows.values()))


def version(name: str) -> str | None:
    """The installed version of a package."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def install(folder: Path) -> None:
    """Make a virtual environment with everything that is needed."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "-e", f"{HERE.parent}[jax,torch,autograd,casadi,sympy]", *PACKAGES], check=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("command", choices=["install", "run", "table", "_package"])
    parser.add_argument("path", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--backends", nargs="+", default=BACKENDS)
    parser.add_argument("--page", type=Path, help="the page whose table is replaced")
    parser.add_argument("--cases", type=Path, default=HERE / "wild_cases.py", help="the file of functions")
    given = parser.parse_args()
    chosen(given.cases)
    if given.command == "install":
        install(given.path)
    elif given.command == "run":
        run(given.path, given.names, given.backends, given.cases)
    elif given.command == "_package":
        run_package(given.path, given.names[0], given.backends)
    else:
        made = table([given.path, *map(Path, given.names)])
        print(made)
        if given.page is not None:
            text = given.page.read_text()
            before, after = text.partition(BEGIN)[0], text.partition(END)[2]
            given.page.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}")


if __name__ == "__main__":
    main()
