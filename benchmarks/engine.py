"""polyad's engine and the lift beside hand-written code and other systems, in the same run.

    python benchmarks/engine.py [--quick] [--out benchmarks/results/engine.md]

Each line is one quotient of medians of calls timed in turns, and the goal that was set for it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import autograd
import autograd.numpy as anp
import jax
import jax.numpy as jnp
import numpy as np
import torch
from harness import duration, header, medians

import polyad as ad
from polyad.benchmark.problems import lotka_volterra

torch.set_num_threads(1)


class Figure(NamedTuple):
    """One quotient: ``slow`` over ``fast``, or the other way round, as the goal is put."""

    problem: str
    n: int
    first: str
    second: str
    times: dict[str, float]
    goal: str

    @property
    def ratio(self) -> float:
        """The quotient."""
        return self.times[self.first] / self.times[self.second]


# -- the chained Rosenbrock function ------------------------------------------------------------------


def rosenbrock(x: Any, a: Any) -> Any:
    """As a user writes it."""
    return np.sum(a * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_in(xp: Any) -> Callable[..., Any]:
    """The same in another namespace."""
    return lambda x, a: xp.sum(a * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


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


def in_torch(x: np.ndarray, a: float) -> np.ndarray:
    """Its gradient by torch."""
    t = torch.from_numpy(x).requires_grad_()
    return torch.autograd.grad(rosenbrock_in(torch)(t, a), t)[0].numpy()


def in_jax(f: Callable[..., Any]) -> Callable[..., Any]:
    """Its gradient by jitted JAX, NumPy in and out."""
    compiled = jax.jit(jax.grad(f))

    def call(*args: Any) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(compiled(*args))

    return call


def rosenbrock_figures(sizes: tuple[int, ...]) -> Iterator[Figure]:
    """The engine's gradient and Hessian product beside all others'."""
    for n in sizes:
        yield from rosenbrock_figures_of(n)


def rosenbrock_figures_of(n: int) -> Iterator[Figure]:
    """Those of one size."""
    random = np.random.default_rng(0)
    x, v = random.standard_normal(n), random.standard_normal(n)
    gradient = ad.prepare_gradient(rosenbrock, x, 100.0, backend=ad.NumPy())
    product = ad.prepare_hvp(rosenbrock, x, 100.0, v=v, backend=ad.NumPy())
    theirs = autograd.grad(rosenbrock_in(anp))
    along = autograd.hessian_vector_product(rosenbrock_in(anp))
    native = in_jax(rosenbrock_in(jnp))
    np.testing.assert_allclose(gradient(x, 100.0), by_hand(x, 100.0), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(product(x, 100.0, v=v), by_hand_along(x, 100.0, v), rtol=1e-9, atol=1e-9)
    times = medians(
        {
            "NumPy()": lambda: gradient(x, 100.0),
            "autograd": lambda: theirs(x, 100.0),
            "by hand": lambda: by_hand(x, 100.0),
            "torch": lambda: in_torch(x, 100.0),
            "jitted JAX": lambda: native(x, 100.0),
        }
    )
    goal = {5: "at least 2", 100_000: "at least 6"}.get(n, "")
    yield Figure("Rosenbrock gradient", n, "autograd", "NumPy()", times, goal)
    for other in ("by hand", "torch", "jitted JAX"):
        yield Figure("Rosenbrock gradient", n, other, "NumPy()", times, "")
    times = medians(
        {
            "NumPy()": lambda: product(x, 100.0, v=v),
            "autograd": lambda: along(x, 100.0, v),
            "by hand": lambda: by_hand_along(x, 100.0, v),
        }
    )
    yield Figure("Rosenbrock HVP", n, "autograd", "NumPy()", times, "at least 2")
    yield Figure("Rosenbrock HVP", n, "by hand", "NumPy()", times, "")


# -- an unrolled loop over numbers --------------------------------------------------------------------


def lotka_figures() -> Iterator[Figure]:
    """Lotka-Volterra: indexing and arithmetic on numbers, about 6000 operations."""
    p = np.array([1.5, 1.0, 1.0, 3.0])
    calls: dict[str, Any] = {"the function": lambda: lotka_volterra(p)}
    backends = {
        'NumPy("forward")': ad.NumPy("forward"),
        'NumPy("reverse")': ad.NumPy("reverse"),
        "NumPy(compile=True)": ad.NumPy(compile=True),
        "CasADi()": ad.CasADi(),
    }
    preparation = {}
    for name, backend in backends.items():
        start = time.perf_counter()
        prepared = ad.prepare_gradient(lotka_volterra, p, backend=backend)
        preparation[name] = time.perf_counter() - start
        calls[name] = lambda prepared=prepared: prepared.value_and(p)
    theirs = autograd.value_and_grad(lotka_volterra)
    calls["autograd"] = lambda: theirs(p)
    expected = calls["CasADi()"]()[1]
    for name in (*backends, "autograd"):
        np.testing.assert_allclose(calls[name]()[1], expected, rtol=1e-9)
    times = medians(calls, rounds=9)
    goals = {'NumPy("forward")': "at most 25", "NumPy(compile=True)": "below 1", "CasADi()": "below 1"}
    for name in (*backends, "autograd"):
        yield Figure("Lotka-Volterra value and gradient", 4, name, "the function", times, goals.get(name, ""))
    preparation["one second"] = 1.0
    for name in ("NumPy(compile=True)", "CasADi()"):
        goal = "below 1" if name == "CasADi()" else ""
        yield Figure("Lotka-Volterra preparation", 4, name, "one second", preparation, goal)


# -- a dense Jacobian -----------------------------------------------------------------------------------


def jacobian_figures(n: int) -> Iterator[Figure]:
    """tanh(A x + b), by duals with many tangents and by differences."""
    random = np.random.default_rng(1)
    a, b, x = (
        random.standard_normal((n, n)) / np.sqrt(n),
        random.standard_normal(n),
        random.standard_normal(n),
    )

    def f(x: Any) -> Any:
        return np.tanh(a @ x + b)

    def differences(x: np.ndarray, h: float = 6e-6) -> np.ndarray:
        columns = np.empty((n, n))
        for k in range(n):
            e = np.zeros(n)
            e[k] = h
            columns[:, k] = (f(x + e) - f(x - e)) / (2 * h)
        return columns

    forward = ad.prepare_jacobian(f, x, backend=ad.NumPy("forward"))
    free = ad.prepare_jacobian(f, x, backend=ad.NumPy())
    expected = (1 - f(x) ** 2)[:, None] * a
    np.testing.assert_allclose(forward(x), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(free(x), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(differences(x), expected, rtol=1e-5, atol=1e-7)
    calls = {
        'NumPy("forward")': lambda: forward(x),
        "NumPy()": lambda: free(x),
        "central differences": lambda: differences(x),
        "by hand": lambda: (1 - f(x) ** 2)[:, None] * a,
    }
    times = medians(calls, rounds=7)
    goal = "at least 5"
    yield Figure("Jacobian of tanh(A x + b)", n, "central differences", 'NumPy("forward")', times, goal)
    yield Figure("Jacobian of tanh(A x + b)", n, "central differences", "NumPy()", times, "")
    yield Figure("Jacobian of tanh(A x + b)", n, "by hand", 'NumPy("forward")', times, "")


# -- the lift under JAX -----------------------------------------------------------------------------------


def logistic_in(xp: Any) -> Callable[..., Any]:
    """Logistic regression with a ridge."""
    return lambda x, data: xp.sum(xp.log1p(xp.exp(-(data @ x)))) + 0.5 * xp.sum(x * x)


def network_in(xp: Any) -> Callable[..., Any]:
    """Two layers of tanh."""

    def f(x: Any, data: Any) -> Any:
        hidden = x.shape[0] // 10
        weights = xp.reshape(x[: 8 * hidden], (8, hidden))
        return xp.mean(xp.sum(xp.tanh(data @ weights) * x[8 * hidden : 9 * hidden], axis=1) ** 2)

    return f


def lifted_figures(sizes: tuple[int, ...]) -> Iterator[Figure]:
    """The same function in NumPy and in jax.numpy, both prepared for JAX."""
    for n in sizes:
        random = np.random.default_rng(2)
        x = random.standard_normal(n)
        data = random.standard_normal((64, n)) / np.sqrt(n)
        problems = {
            "Rosenbrock": (rosenbrock_in, 100.0),
            "logistic": (logistic_in, data),
            "MLP": (network_in, random.standard_normal((32, 8))),
        }
        for name, (make, constant) in problems.items():
            lifted = ad.prepare_gradient(make(np), x, constant, backend="jax")
            written = ad.prepare_gradient(make(jnp), x, constant, backend="jax")
            assert "lifted" in lifted.strategy and "lifted" not in written.strategy
            np.testing.assert_allclose(lifted(x, constant), written(x, constant), rtol=1e-10, atol=1e-12)
            calls = {
                "NumPy, lifted": lambda g=lifted, x=x, c=constant: g(x, c),
                "jax.numpy": lambda g=written, x=x, c=constant: g(x, c),
            }
            times = medians(calls, rounds=61)
            yield Figure(f"{name} under JAX", n, "NumPy, lifted", "jax.numpy", times, "at most 1.05")


def table(figures: list[Figure]) -> str:
    """A Markdown table."""
    lines = [
        "| problem | n | this | over that | this takes | that takes | quotient | goal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {f.problem} | {f.n} | {f.first} | {f.second} | {duration(f.times[f.first])} | "
        f"{duration(f.times[f.second])} | {f.ratio:.2f} | {f.goal} |"
        for f in figures
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--out", type=Path, help="write the table to this file")
    options = parser.parse_args()
    sizes = (5, 1000) if options.quick else (5, 1000, 100_000)
    figures = []
    for part in (
        rosenbrock_figures(sizes),
        lotka_figures(),
        jacobian_figures(100 if options.quick else 1000),
        lifted_figures((10,) if options.quick else (10, 1000, 100_000)),
    ):
        for figure in part:
            figures.append(figure)
            print(
                f"{figure.problem} n={figure.n}: {figure.first} / {figure.second} = {figure.ratio:.2f}",
                flush=True,
            )
    text = f"{header()}\n\n{table(figures)}\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
