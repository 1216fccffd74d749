"""Scalar code under polyad's engine: functions that index an array and calculate with its entries.

    python benchmarks/scalars.py [--rounds 15]

Prints multiples of the function itself, medians of calls timed in turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import duration, header, medians

import polyad as ad
from polyad.benchmark.problems import lotka_volterra

try:
    import autograd
except ImportError:  # an extra
    autograd = None


def lorenz(x: Any) -> Any:
    """200 steps of Euler's method, the right-hand side in scalar code with a buffer."""
    y = x
    for _ in range(200):
        rate = np.zeros_like(y)
        rate[0] = 10.0 * (y[1] - y[0])
        rate[1] = y[0] * (28.0 - y[2]) - y[1]
        rate[2] = y[0] * y[1] - 8.0 / 3.0 * y[2]
        y = y + 0.001 * rate
    return np.sum(y)


def chain(x: Any) -> Any:
    """The chained Rosenbrock function, entry by entry."""
    total = 0.0
    for i in range(len(x) - 1):
        total = total + 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


def elementary(x: Any) -> Any:
    """A recursion with elementary functions."""
    y = x[0]
    for _ in range(300):
        y = np.sin(y) * x[1] + np.exp(-y * y)
    return y


PROBLEMS: dict[str, tuple[Callable[..., Any], np.ndarray]] = {
    "Lotka-Volterra, 6000 operations": (lotka_volterra, np.array([1.5, 1.0, 1.0, 3.0])),
    "Lorenz, buffer per step": (lorenz, np.array([1.0, 2.0, 20.0])),
    "Rosenbrock in a loop, n = 4": (chain, np.linspace(0.5, 1.5, 4)),
    "Rosenbrock in a loop, n = 16": (chain, np.linspace(0.5, 1.5, 16)),
    "Rosenbrock in a loop, n = 100": (chain, np.linspace(0.5, 1.5, 100)),
    "sin and exp, 600 operations": (elementary, np.array([0.3, 0.8])),
}


def figures(name: str, rounds: int) -> None:
    """One line per system."""
    f, x = PROBLEMS[name]
    calls: dict[str, Callable[[], object]] = {"the function": lambda: f(x)}
    for mode in ("forward", "reverse"):
        prepared = ad.prepare_gradient(f, x, backend=ad.NumPy(mode))
        calls[f'NumPy("{mode}")'] = lambda prepared=prepared: prepared(x)
    expected = calls['NumPy("reverse")']()
    if autograd is not None:
        theirs = autograd.grad(f)
        try:
            np.testing.assert_allclose(theirs(x), expected, rtol=1e-9)
            calls["autograd"] = lambda: theirs(x)
        except Exception as error:  # what it cannot follow: assignment, for one
            print(f"{name}: autograd does not: {type(error).__name__}")
    np.testing.assert_allclose(calls['NumPy("forward")'](), expected, rtol=1e-9, atol=1e-12)
    times = medians(calls, rounds=rounds)
    own = times.pop("the function")
    print(f"{name}: the function {duration(own)}")
    for system, seconds in times.items():
        print(f"    {system:18s} {duration(seconds):>8s}  {seconds / own:7.1f} times the function")


def main() -> None:
    """Print all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(header())
    for name in PROBLEMS:
        figures(name, options.rounds)


if __name__ == "__main__":
    main()
