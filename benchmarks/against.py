"""Two versions of polyad side by side: what a call costs in one checkout over what it costs in another.

    git worktree add ../before COMMIT
    python benchmarks/against.py ../before [--now .] [--system numpy,torch] [--only gradient] [--calls]

Every system has two processes, one for each checkout, which time the same call in turns: the least of many
short repeats, so that a machine with others on it hits both alike. ``--calls`` counts the calls of functions,
Python's and C's, that one call of the operator makes, in place of the time: exact on any machine, and it
tells polyad's own share, not what the frameworks do in between. A ratio over 1 is slower than before;
``nan`` stands where a version refuses the function.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import tomllib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Call = Callable[[], object]


def dot(x: Array) -> Any:
    """One operation."""
    return x @ x


def mixed(x: Array, a: Array) -> Any:
    """Elementwise, with indexing."""
    return np.sum(a[1:] * (x[1:] - x[:-1] ** 2) ** 2) + np.sum(np.sin(x[::2]) * x[0]) + np.exp(-x[-1])


def scalars(x: Array) -> Any:
    """A loop on single numbers."""
    a, b = x[0], x[1]
    for k in range(20):
        a, b = a + 0.1 * np.sin(b), b * x[k % 5] - 0.1 * a
    return a * b


def solve(x: Array, m: Array) -> Any:
    """A product and a linear system."""
    y = np.linalg.solve(m + np.diag(x), m @ x)
    return y @ y


def branches(x: Array) -> Any:
    """Choices between values, and where."""
    y = x * 2.0 if x[0] > 0.1 else x
    z = np.where(y > 1.0, y**2, np.abs(y))
    return np.sum(np.maximum(z, 0.5)) + np.max(y)


def writes(x: Array) -> Any:
    """Item assignment."""
    y = x.copy()
    y[1:] = x[1:] ** 2
    y[0] = x[0] * x[1]
    y[2:] += x[1:-1]
    return np.sum(y * y)


def vector(x: Array, a: Array) -> Any:
    """Arrays to arrays: for Jacobians."""
    return np.sin(x) * a + x[::-1] ** 2


FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[[int], tuple[Array, ...]]]] = {
    "dot": (dot, lambda n: ()),
    "mixed": (mixed, lambda n: (np.linspace(1.0, 2.0, n),)),
    "scalars": (scalars, lambda n: ()),
    "solve": (solve, lambda n: (np.random.default_rng(1).standard_normal((n, n)) + n * np.eye(n),)),
    "branches": (branches, lambda n: ()),
    "writes": (writes, lambda n: ()),
    "vector": (vector, lambda n: (np.linspace(1.0, 2.0, n),)),
}
OPERATORS = ("value_and_gradient", "gradient", "hvp", "hessian", "jacobian")
SYSTEMS = (
    "numpy", "numpy:forward", "numpy:reverse", "numpy:compiled", "torch", "autograd", "jax", "casadi",
)  # fmt: skip
BATCH = 0.002  # seconds of one repeat


def rows(system: str, sizes: tuple[int, ...], only: str) -> Iterator[tuple[str, str, int, str]]:
    """Function, operator, n, and whether the call is prepared."""
    kinds = (
        ("prepared",) if system == "jax" else ("prepared", "unprepared")
    )  # which would time XLA's compiler
    for how in kinds:
        for name in FUNCTIONS:
            for n in sizes:
                for operator in OPERATORS:
                    apt = (operator == "jacobian") == (name == "vector")
                    small = n <= 10 or (operator != "hessian" and name in ("dot", "mixed", "branches"))
                    row = name, operator, n, how
                    if apt and small and only in " ".join(map(str, row)):
                        yield row


def call_of(system: str, name: str, operator: str, n: int, how: str) -> Call:
    """The call that is measured, once done."""
    import polyad as ad

    f, constants = FUNCTIONS[name]
    x = np.linspace(0.5, 1.5, n)
    args = (x, *constants(n))
    backend: Any = ad.NumPy(compile=True) if system == "numpy:compiled" else system
    given = {"v": np.linspace(1.0, 2.0, n)} if operator == "hvp" else {}
    if how == "prepared":
        stem = operator.removeprefix("value_and_")
        prepared = getattr(ad, f"prepare_{stem}")(f, *args, backend=backend)
        target = prepared if stem == operator else prepared.value_and
        result: Call = lambda: target(*args, **given)  # noqa: E731
    else:
        public = getattr(ad, operator)
        result = lambda: public(f, *args, backend=backend, **given)  # noqa: E731
    for _ in range(3):
        result()
    return result


def least(call: Call, seconds: float) -> float:
    """The least seconds per call of repeats of `BATCH` within about that many seconds."""
    start = time.perf_counter()
    call()
    count = max(1, int(BATCH / max(time.perf_counter() - start, 1e-7)))
    best, until = float("inf"), start + seconds
    while True:
        begun = time.perf_counter()
        for _ in range(count):
            call()
        now = time.perf_counter()
        best = min(best, (now - begun) / count)
        if now > until:
            return best


def calls(call: Call) -> float:
    """How many functions one call calls."""
    count = 0

    def seen(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    call()
    sys.setprofile(seen)
    call()
    sys.setprofile(None)
    return count - 1  # setprofile's own


def work() -> None:
    """Answer lines of a pipe: a row and the seconds that it may take, 0 for a count."""
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    made: dict[tuple[str, ...], Call | None] = {}
    for line in sys.stdin:
        *row, seconds = line.split()
        key = system, name, operator, n, how = (row[0], row[1], row[2], row[3], row[4])
        if key not in made:
            try:
                made[key] = call_of(system, name, operator, int(n), how)
            except Exception as error:
                print(*key, repr(error)[:200], file=sys.stderr)
                made[key] = None
        call = made[key]
        if call is None:
            found = float("nan")
        else:
            found = least(call, float(seconds)) if float(seconds) else calls(call)
        print(found, file=out, flush=True)


def announce(tree: Path, into: Path) -> None:
    """Write the metadata of a checkout: the installed one's entry points may name other modules."""
    project = tomllib.loads((tree / "pyproject.toml").read_text())["project"]
    folder = into / f"{project['name']}-0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0\n")
    lines = []
    for group, entries in project.get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
    (folder / "entry_points.txt").write_text("\n".join(lines))


class Worker:
    """A process that has one checkout's polyad."""

    def __init__(self, tree: Path) -> None:
        self.metadata = tempfile.TemporaryDirectory()
        announce(tree, Path(self.metadata.name))
        path = os.pathsep.join((self.metadata.name, str(tree.resolve() / "src")))
        environment = dict(os.environ, PYTHONPATH=path, OMP_NUM_THREADS="1", PYTHONHASHSEED="0")
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--work"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, *words: object) -> float:
        """What the process measured."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(*words, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline() or "nan")

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.metadata.cleanup()


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("--now", type=Path, default=Path(__file__).parents[1], help="this one by default")
    parser.add_argument("--system", default=",".join(SYSTEMS), help="names with commas between")
    parser.add_argument("--only", default="", help="rows that contain this, as 'mixed gradient 5 prepared'")
    parser.add_argument("--sizes", default="5,1000")
    parser.add_argument("--calls", action="store_true", help="count calls of functions, not seconds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.02, help="of a row in one round, for one checkout")
    parser.add_argument("--out", type=Path, help="write the table to this file")
    options = parser.parse_args()
    unit = "calls" if options.calls else "us"
    lines = [
        f"| system | function | operator | n | | before ({unit}) | now ({unit}) | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    sizes = tuple(map(int, options.sizes.split(",")))
    for system in options.system.split(","):
        wanted = list(rows(system, sizes, options.only))
        best = {row: [float("inf"), float("inf")] for row in wanted}
        for _ in range(1 if options.calls else 2):  # fresh processes twice
            workers = [Worker(options.before), Worker(options.now)]
            for row in wanted:
                for k in range(1 if options.calls else options.rounds):
                    for which in ((0, 1), (1, 0))[k % 2]:
                        found = workers[which].ask(system, *row, 0 if options.calls else options.seconds)
                        best[row][which] = min(best[row][which], found)
            for worker in workers:
                worker.close()
        for row in wanted:
            before, now = (b if b < float("inf") else float("nan") for b in best[row])
            scale = 1.0 if options.calls else 1e6
            words = " | ".join(map(str, (system, *row)))
            line = f"| {words} | {before * scale:.1f} | {now * scale:.1f} | {now / before:.2f} |"
            lines.append(line)
            print(line, flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--work"]:
        work()
    else:
        main()
