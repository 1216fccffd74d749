"""What the preparation of programs costs, in eager gradients and in evaluations of the plain function.

    python benchmarks/preparation.py [--only NAME ...] [--out benchmarks/results/preparation.md]

A preparation is counted with its first call. Times are the processor's, the least of many, and each ratio is
of one run. Compiled programs are compared with a prepared gradient of ``NumPy()``, CasADi's with the function
on plain numbers; the goal is 30 for both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import duration, header

import polyad as ad
from polyad.benchmark.problems import lotka_volterra

COMPILED = ad.NumPy(compile=True)
Case = tuple[Callable[..., Any], np.ndarray]


def determinant(n: int) -> Case:
    """By expansion along rows."""

    def expanded(a: Any, row: int, columns: tuple[int, ...]) -> Any:
        if len(columns) == 1:
            return a[row, columns[0]]
        total = 0.0
        for k, column in enumerate(columns):
            term = a[row, column] * expanded(a, row + 1, columns[:k] + columns[k + 1 :])
            total = total + term if k % 2 == 0 else total - term
        return total

    x = np.random.default_rng(0).normal(size=n * n)
    return lambda x: expanded(x.reshape(n, n), 0, tuple(range(n))), x


def one_number(steps: int) -> Case:
    """A loop of two operations on numbers."""

    def f(x: Any) -> Any:
        a, b = x[0], x[1]
        for _ in range(steps):
            a = a + 0.001 * np.sin(b)
        return a

    return f, np.array([0.3, 0.7])


def two_numbers(steps: int) -> Case:
    """A loop of seven."""

    def f(x: Any) -> Any:
        a, b = x[0], x[1]
        for _ in range(steps):
            a, b = a + 0.001 * b * a, b - 0.001 * np.sin(a)
        return a * b

    return f, np.array([0.3, 0.7])


def vectors(steps: int, size: int) -> Case:
    """Straight code on arrays."""
    w = np.linspace(0.1, 1.0, size)

    def f(x: Any) -> Any:
        y = x
        for _ in range(steps):
            y = np.sin(y) * w + x
        return np.sum(y)

    return f, 1.0 * w


def entries(size: int) -> Case:
    """A sum over entries, one by one."""

    def f(x: Any) -> Any:
        total = 0.0
        for k in range(size):
            total = total + x[k] * x[k]
        return total

    return f, np.linspace(0.0, 1.0, size)


CASES: dict[str, Callable[[], Case]] = {
    "recursive determinant, 6 rows": lambda: determinant(6),
    "recursive determinant, 7 rows": lambda: determinant(7),
    "loop of 10,000 steps on one number": lambda: one_number(10_000),
    "loop of 300 steps on two numbers": lambda: two_numbers(300),
    "loop of 10,000 steps on two numbers": lambda: two_numbers(10_000),
    "30 steps on arrays of 1000": lambda: vectors(30, 1000),
    "300 steps on arrays of 1000": lambda: vectors(300, 1000),
    "30 steps on arrays of 10": lambda: vectors(30, 10),
    "sum over 1000 entries": lambda: entries(1000),
    "Lotka-Volterra, 100 Runge-Kutta steps": lambda: (lotka_volterra, np.array([1.5, 1.0, 1.0, 3.0])),
}


def least(call: Callable[[], Any], seconds: float) -> float:
    """The least of the processor's times within so many seconds, of one call at least."""
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


def measured(name: str) -> str:
    """A line of the table."""
    f, x = CASES[name]()
    eager = ad.prepare_gradient(f, x, backend="numpy")
    program = ad.prepare_gradient(f, x, backend=COMPILED)
    np.testing.assert_allclose(program(x), eager(x), rtol=1e-9)
    plain, gradient = least(lambda: f(x), 0.5), least(lambda: eager(x), 1.0)
    compiled = least(lambda: ad.prepare_gradient(f, x, backend=COMPILED)(x), 2.0)
    casadi = least(lambda: ad.prepare_gradient(f, x, backend="casadi")(x), 2.0)
    return (
        f"| {name} | {duration(plain)} | {duration(gradient)} | {duration(compiled)} | "
        f"{compiled / gradient:.0f} | {duration(casadi)} | {casadi / plain:.0f} | {casadi / gradient:.1f} |"
    )


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=CASES, nargs="+", help="these alone")
    parser.add_argument("--out", type=Path, help="where to write the table")
    options = parser.parse_args()
    lines = [
        "| function | plain | eager gradient | compiled | in gradients | CasADi | in plain | in gradients |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name in options.only or CASES:
        lines.append(measured(name))
        print(lines[-1], flush=True)
    if options.out:
        words = "\n".join((__doc__ or "").splitlines()[4:])
        text = "\n".join(lines)
        options.out.write_text(f"# What the preparation of programs costs\n\n{header()}\n{words}\n\n{text}\n")


if __name__ == "__main__":
    main()
