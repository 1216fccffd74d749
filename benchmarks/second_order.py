"""Second derivatives by two backends: the mechanism of every pair, and its cost beside the best native one.

Run ``python benchmarks/second_order.py`` for the table of the documentation (docs/second-order.md), or with
``--functions`` to see every function in every cell. Costs are ratios within this run: the Hessian-vector
product of the pair by that of the fastest single backend, both prepared, the shortest of many calls.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import scipy.special as sp

import polyad as ad

NAMES = (
    "jax:forward jax:reverse torch:forward torch:reverse autograd:forward autograd:reverse numpy:forward "
    "numpy:reverse casadi sympy finite"
).split()
NATIVE = ("jax", "torch", "numpy", "numpy:compiled", "casadi", "sympy")
A = np.arange(25.0).reshape(5, 5) / 11 - 1
X, OTHER = np.array([0.3, 1.7, -0.4, 1.2, 0.6]), np.array([0.8, 1.1, 0.6, 0.9, 1.3])
V = np.array([1.0, -2.0, 0.5, 0.3, -0.7])


def indexing(x):
    return x[0] ** 3 * x[-1] + np.sum(x[1:] ** 2 * x[:-1]) + x[[0, 2, 0]] @ x[[1, 1, 3]]


def reductions(x):
    return np.sum(x**2) ** 1.5 * np.mean(x) + np.max(x) * np.min(x) ** 2 + np.prod(x) + np.linalg.norm(x)


def products(x):
    return np.sum(np.tanh(A @ x) ** 2) + x @ A @ np.sin(x)


def system(x):
    return np.linalg.solve(np.diag(x) + A @ A.T + 3 * np.eye(5), x) @ x


def choice(x):
    return np.sum(np.where(x > 0.5, x**3 * x[0], np.exp(x) * x))


def special(x):
    return np.sum(sp.erf(x) * sp.gammaln(x + 3) + sp.expit(x) * np.log1p(x**2))


def assignment(x):
    y = np.zeros_like(x)
    y[0] = x[0] * x[1]
    y[1:] = x[:-1] ** 2
    y[2] *= x[3]
    return np.sum(y**2) * x[0]


def loop(x):
    s = x[0]
    for k in range(1, len(x)):
        s = np.sin(s) * x[k] + s * x[k - 1]
    return s**2


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


FUNCTIONS = (indexing, reductions, products, system, choice, special, assignment, loop)
WORDS = ("native", "run on its arrays", "expressions on its arrays", "replayed", "delegated", "differences")


def mechanism(strategy: str) -> str:
    """The mechanism that a strategy names."""
    return next((word for word in WORDS if word in strategy), "native").replace(" on its arrays", "")


def seconds(call) -> float:
    """The shortest of many calls."""
    best = np.inf
    call()
    for _ in range(40):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def cell(outer: str, inner: str, f, *, timed: bool = True) -> tuple[str, str, float]:
    """How a pair computes a product: the mechanism, the state of the number, and the time."""
    limit = 1e-10 if "finite" not in (outer, inner) else 1e-7 if outer != inner else 1e-4
    wanted = ad.hvp(f, X, v=V)
    try:
        product = ad.prepare_hvp(f, OTHER, backend=ad.SecondOrder(outer, inner))
        error = np.max(np.abs(product(X, v=V) - wanted)) / np.max(np.abs(wanted))
    except ad.errors.PolyadError as refusal:
        return "refused", str(refusal), np.inf
    return (
        mechanism(product.strategy),
        "right" if error < limit else f"WRONG {error:.0e}",
        seconds(lambda: product(X, v=V)) if timed else 0.0,
    )


def table() -> None:
    """The table of the documentation."""
    singles = [ad.prepare_hvp(rosenbrock, OTHER, backend=name) for name in NATIVE]
    best = min(seconds(lambda p=p: p(X, v=V)) for p in singles)
    print("| outer | " + " | ".join(NAMES) + " |")
    print("|---" * (len(NAMES) + 1) + "|")
    for outer in NAMES:
        row = []
        for inner in NAMES:
            way, state, took = cell(outer, inner, rosenbrock)
            row.append(way if took == np.inf else f"{way} {took / best:.0f}" + " !" * (state != "right"))
        print(f"| {outer} | " + " | ".join(row) + " |", flush=True)


def together(x):
    """All functions but the system of equations, which autograd's forward mode refuses."""
    return sum(f(x) for f in FUNCTIONS if f is not system)


def everything() -> None:
    """Every function in every cell; an error in one of a sum is an error of the sum."""
    counts = {"right": 0, "refused": 0, "wrong": 0}
    print("| outer | inner | the other seven | a system of equations |")
    print("|---|---|---|---|")
    for outer in NAMES:
        for inner in NAMES:
            states = []
            for f in (together, system):
                way, state, _ = cell(outer, inner, f, timed=False)
                kind = way if way == "refused" else "right" if state == "right" else "wrong"
                counts[kind] += 1
                states.append(state if kind == "wrong" else kind if kind == "refused" else f"right, {way}")
            print(f"| {outer} | {inner} | " + " | ".join(states) + " |", flush=True)
    print(f"\nof {2 * len(NAMES) ** 2}: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", action="store_true", help="every function in every cell")
    warnings.simplefilter("ignore")
    everything() if parser.parse_args().functions else table()
