"""Second derivatives by two backends: the mechanism of every pair, and its cost beside the best native one.

Run ``python benchmarks/second_order.py`` for the table of the documentation (docs/second-order.md), with
``--functions`` to see every function in every cell, or with ``--own`` for the second table there: the same
functions in the namespace of the inner framework (``namespaces.py``). Costs are ratios within this run: the
Hessian-vector product of the pair by that of the fastest single backend, both prepared, the shortest of many
calls.
"""

from __future__ import annotations

import argparse
import re
import time
import warnings

import numpy as np
from namespaces import OWN, of_numpy

import polyad as ad

NAMES = (
    "jax:forward jax:reverse torch:forward torch:reverse autograd:forward autograd:reverse numpy:forward "
    "numpy:reverse casadi sympy finite"
).split()
NATIVE = ("jax", "torch", "numpy", "numpy:compiled", "casadi", "sympy")
X, OTHER = np.array([0.3, 1.7, -0.4, 1.2, 0.6]), np.array([0.8, 1.1, 0.6, 0.9, 1.3])
V = np.array([1.0, -2.0, 0.5, 0.3, -0.7])


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


FUNCTIONS = of_numpy()
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


def cell(outer: str, inner: str, f, *, timed: bool = True, wanted=None) -> tuple[str, str, float]:
    """How a pair computes a product: the mechanism, the state of the number, and the time."""
    limit = 1e-10 if "finite" not in (outer, inner) else 1e-7 if outer != inner else 1e-4
    wanted = ad.hvp(f, X, v=V) if wanted is None else wanted
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
    return sum(f(x) for f in FUNCTIONS.values() if f.__name__ != "system")


def everything() -> None:
    """Every function in every cell; an error in one of a sum is an error of the sum."""
    counts = {"right": 0, "refused": 0, "wrong": 0}
    print("| outer | inner | the other seven | a system of equations |")
    print("|---|---|---|---|")
    for outer in NAMES:
        for inner in NAMES:
            states = []
            for f in (together, FUNCTIONS["system"]):
                way, state, _ = cell(outer, inner, f, timed=False)
                kind = way if way == "refused" else "right" if state == "right" else "wrong"
                counts[kind] += 1
                states.append(state if kind == "wrong" else kind if kind == "refused" else f"right, {way}")
            print(f"| {outer} | {inner} | " + " | ".join(states) + " |", flush=True)
    print(f"\nof {2 * len(NAMES) ** 2}: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))


def in_own_namespace(outer: str, inner: str, functions) -> dict[str, tuple[str, str]]:
    """Of functions of the inner framework, the mechanism and the state in one cell.

    Each by itself: what one of a sum cannot do would hide how the others are computed.
    """
    found = {}
    for name, f in functions.items():
        way, state, _ = cell(outer, inner, f, timed=False, wanted=ad.hvp(FUNCTIONS[name], X, v=V))
        if way == "refused" and not re.search(
            r"SecondOrder\('\w+(:\w+)?', '\w+(:\w+)?'\) works|in a pair SecondOrder\(", state
        ):
            way = "refused without a remedy"
        found[name] = way, state
    return found


def own(outers) -> None:
    """The second table of the documentation: functions in the namespace of the inner framework."""
    inners = [name for name in NAMES if name.partition(":")[0] in OWN]
    counts: dict[str, int] = {}
    refusals: dict[str, list[str]] = {}
    print("| outer | " + " | ".join(inners) + " |")
    print("|---" * (len(inners) + 1) + "|")
    functions = {name: OWN[name.partition(":")[0]]() for name in inners}
    for outer in outers or NAMES:
        row = []
        for inner in inners:
            states = in_own_namespace(outer, inner, functions[inner])
            ways: dict[str, list[str]] = {}
            for name, (way, state) in states.items():
                kind = way if way.startswith("refused") else "right" if state == "right" else "wrong"
                counts[kind] = counts.get(kind, 0) + 1
                ways.setdefault(f"WRONG {state}" if kind == "wrong" else way, []).append(name)
                if kind.startswith("refused"):
                    refusals.setdefault(state, []).append(f"{outer} over {inner}, {name}")
            most = max(ways, key=lambda way: len(ways[way]))
            rest = "".join(f", {w}: {', '.join(names)}" for w, names in ways.items() if w != most)
            row.append(f"{most} {len(ways[most])}{rest}")
        print(f"| {outer} | " + " | ".join(row) + " |", flush=True)
    print(f"\nof {sum(counts.values())}: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
    for text, where in refusals.items():
        print(f"\n{text}\n    {'; '.join(where)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", action="store_true", help="every function in every cell")
    parser.add_argument(
        "--own", nargs="*", help="functions in the inner framework's namespace, under these or all outer ones"
    )
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    everything() if given.functions else own(given.own) if given.own is not None else table()
