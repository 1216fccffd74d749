"""Programs of ``NumPy(compile=True)`` beside the function, hand-written code, and no compilation.

    python benchmarks/compiled.py [--quick] [--out benchmarks/results/compiled.md]

Each line is one quotient of medians of calls timed in turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from harness import duration, header, medians

import polyad as ad
from polyad.benchmark.problems import lotka_volterra

COMPILED, PLAIN = ad.NumPy(compile=True), ad.NumPy()


class Figure(NamedTuple):
    """One quotient: ``first`` over ``second``."""

    problem: str
    first: str
    second: str
    times: dict[str, float]
    goal: str = ""

    @property
    def ratio(self) -> float:
        """The quotient."""
        return self.times[self.first] / self.times[self.second]


def rosenbrock(x: Any, a: Any) -> Any:
    """As a user writes it."""
    return np.sum(a * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def by_hand(x: np.ndarray, a: float) -> np.ndarray:
    """Its gradient, written with NumPy."""
    g = np.zeros_like(x)
    d = x[1:] - x[:-1] ** 2
    g[:-1] = -4 * a * d * x[:-1] - 2 * (1 - x[:-1])
    g[1:] += 2 * a * d
    return g


def by_hand_along(x: np.ndarray, a: float, v: np.ndarray) -> np.ndarray:
    """Its Hessian times ``v``, written with NumPy."""
    h = np.zeros_like(x)
    d = x[1:] - x[:-1] ** 2
    slope = v[1:] - 2 * x[:-1] * v[:-1]
    h[:-1] = -4 * a * (slope * x[:-1] + d * v[:-1]) + 2 * v[:-1]
    h[1:] += 2 * a * slope
    return h


def rosenbrock_figures(n: int) -> Iterator[Figure]:
    """Gradient and Hessian product at one size."""
    random = np.random.default_rng(0)
    x, v = random.standard_normal(n), random.standard_normal(n)
    gradients = [ad.prepare_gradient(rosenbrock, x, 100.0, backend=b) for b in (COMPILED, PLAIN)]
    products = [ad.prepare_hvp(rosenbrock, x, 100.0, v=v, backend=b) for b in (COMPILED, PLAIN)]
    for gradient, product in zip(gradients, products, strict=True):
        np.testing.assert_allclose(gradient(x, 100.0), by_hand(x, 100.0), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(product(x, 100.0, v=v), by_hand_along(x, 100.0, v), rtol=1e-9, atol=1e-9)
    times = medians(
        {
            "compiled": lambda: gradients[0](x, 100.0),
            "not compiled": lambda: gradients[1](x, 100.0),
            "by hand": lambda: by_hand(x, 100.0),
            "the function": lambda: rosenbrock(x, 100.0),
        }
    )
    for other in ("by hand", "not compiled", "the function"):
        yield Figure(f"Rosenbrock gradient, n = {n}", "compiled", other, times)
    times = medians(
        {
            "compiled": lambda: products[0](x, 100.0, v=v),
            "not compiled": lambda: products[1](x, 100.0, v=v),
            "by hand": lambda: by_hand_along(x, 100.0, v),
        }
    )
    for other in ("by hand", "not compiled"):
        yield Figure(f"Rosenbrock HVP, n = {n}", "compiled", other, times)


def lotka_figures() -> Iterator[Figure]:
    """A loop of scalar arithmetic."""
    p = np.array([1.5, 1.0, 1.0, 3.0])
    start = time.perf_counter()
    compiled = ad.prepare_gradient(lotka_volterra, p, backend=COMPILED)
    preparation = time.perf_counter() - start
    plain = ad.prepare_gradient(lotka_volterra, p, backend=PLAIN)
    times = medians(
        {
            "compiled": lambda: compiled.value_and(p),
            "not compiled": lambda: plain.value_and(p),
            "the function": lambda: lotka_volterra(p),
        }
    )
    times["preparation"] = preparation
    name = "Lotka-Volterra value and gradient"
    yield Figure(name, "compiled", "the function", times, "below 1")
    yield Figure(name, "compiled", "not compiled", times)
    yield Figure(name, "preparation", "compiled", times)


def table(figures: list[Figure]) -> str:
    """A Markdown table."""
    lines = [
        "| problem | this | over that | this takes | that takes | quotient | goal |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {f.problem} | {f.first} | {f.second} | {duration(f.times[f.first])} | "
        f"{duration(f.times[f.second])} | {f.ratio:.3g} | {f.goal} |"
        for f in figures
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--out", type=Path, help="write the table to this file")
    options = parser.parse_args()
    figures = list(lotka_figures())
    for n in (5, 1000) if options.quick else (5, 1000, 100_000):
        figures += rosenbrock_figures(n)
    text = f"{header()}\n\n{table(figures)}\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
