"""Collapsed Taylor mode beside one expansion for each direction: ``python benchmarks/laplacians.py``.

The function is a network with two hidden layers. Ratios are of the shortest of many calls in turns.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

import polyad as ad
from polyad.systems.derive.laplacian import laplacian as by_directions

CASES = (
    ("laplacian", "numpy"),
    ("laplacian", "numpy:compiled"),
    ("laplacian", "jax"),
    ("bilaplacian", "numpy"),
)
SIZES = (5, 20, 50)
MOST = {"bilaplacian": 20, "numpy:compiled": 20}


def network(n: int, width: int) -> Any:
    """A scalar function of n numbers."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(width, n)), rng.normal(size=(width, width))
    last = rng.normal(size=width)
    return lambda x: np.tanh(second @ np.tanh(first @ x)) @ last


def single(backend: Any) -> Any:
    """The backend without its own Laplacian."""
    kind = type(backend)
    alone = type(kind.__name__, (kind,), {"laplacian": lambda self, p, order: by_directions(self, p, order)})
    return alone(**{field.name: getattr(backend, field.name) for field in dataclasses.fields(backend)})


def main() -> None:
    """Print the table."""
    backends = {"numpy": ad.NumPy(), "numpy:compiled": ad.NumPy(compile=True), "jax": ad.JAX()}
    print("| operator | backend | inputs | collapsed, us | over single expansions |")
    print("|---|---|---:|---:|---:|")
    for operator, name in CASES:
        for n in SIZES:
            if n > min(MOST.get(operator, n), MOST.get(name, n)):
                continue
            f, x = network(n, 256 if name == "jax" else 32), np.linspace(-1, 1, n)
            prepare = getattr(ad, f"prepare_{operator}")
            calls = prepare(f, x, backend=backends[name]), prepare(f, x, backend=single(backends[name]))
            assert np.allclose(calls[0](x), calls[1](x))
            best = [np.inf, np.inf]
            for _ in range(15):
                for k, call in enumerate(calls):
                    start = time.perf_counter()
                    call(x)
                    best[k] = min(best[k], time.perf_counter() - start)
            print(
                f"| {operator} | {name} | {n} | {best[0] * 1e6:.0f} | {best[0] / best[1]:.2f} |", flush=True
            )


if __name__ == "__main__":
    main()
