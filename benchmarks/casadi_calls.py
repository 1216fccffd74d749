"""polyad's prepared CasADi call beside the best native one, in the same run.

    python benchmarks/casadi_calls.py [--quick] [--out benchmarks/results/casadi_calls.md]

Native is what an expert writes: the derivative built by hand with SX and with MX, whichever is quicker,
called through ``Function.buffer()`` on arrays that are there already, its result copied out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import casadi
import numpy as np
from harness import Call, Row, compare, duration, header, medians, table

import polyad as ad
from polyad.benchmark.problems import lotka_volterra


def rosenbrock(x: Any) -> Any:
    """Chained Rosenbrock, in NumPy."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def symbolic(kind: Any, n: int) -> tuple[Any, Any]:
    """The same in CasADi's own language."""
    x = kind.sym("x", n)
    return x, casadi.sum1(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def buffered(function: Any, inputs: list[np.ndarray], shape: tuple[int, ...]) -> Call:
    """The quickest call of a function that CasADi offers: its buffers filled, its result copied."""
    places = [np.zeros(a.shape) for a in inputs]
    result = np.zeros(shape)
    buffer, trigger = function.buffer()
    for k, place in enumerate(places):
        buffer.set_arg(k, memoryview(place))
    buffer.set_res(0, memoryview(result))

    def call() -> np.ndarray:
        for place, a in zip(places, inputs, strict=True):
            place[...] = a
        trigger()
        return result.copy()

    call.keep = buffer  # type: ignore[attr-defined]  # a trigger without its buffer reads freed memory
    return call


def native(operator: str, kind: Any, x: np.ndarray, v: np.ndarray) -> Call:
    """A derivative by hand."""
    n = len(x)
    s, y = symbolic(kind, n)
    g = casadi.gradient(y, s)
    if operator == "gradient":
        return buffered(casadi.Function("g", [s], [g]), [x], (n,))
    if operator == "hvp":
        t = kind.sym("v", n)
        return buffered(casadi.Function("hv", [s, t], [casadi.jtimes(g, s, t)]), [x, v], (n,))
    h = casadi.hessian(y, s)[0]
    rows, columns = map(np.array, h.sparsity().get_triplet())
    values = buffered(casadi.Function("h", [s], [h]), [x], (h.nnz(),))

    def dense() -> np.ndarray:
        full = np.zeros((n, n))
        full[rows, columns] = values()
        return full

    return dense


def ours(operator: str, x: np.ndarray, v: np.ndarray) -> tuple[Call, float, Any]:
    """The prepared call of polyad, and the seconds of its preparation."""
    start = time.perf_counter()
    p = getattr(ad, f"prepare_{operator}")(rosenbrock, x, backend="casadi")
    seconds = time.perf_counter() - start
    return ((lambda: p(x, v=v)) if operator == "hvp" else (lambda: p(x))), seconds, p


def calls(quick: bool) -> list[Row]:
    """Gradient and Hessian products at several sizes, the dense Hessian at one."""
    rows = []
    cases = [(o, n) for n in ((10, 1000) if quick else (2, 10, 1000, 100_000)) for o in ("gradient", "hvp")]
    for operator, n in [*cases, ("hessian", 1000)]:
        random = np.random.default_rng(0)
        x, v = random.standard_normal(n), random.standard_normal(n)
        natives = {kind.__name__: native(operator, kind, x, v) for kind in (casadi.SX, casadi.MX)}
        times = medians(natives, rounds=7)
        best = min(times, key=lambda k: times[k])
        mine, seconds, p = ours(operator, x, v)
        np.testing.assert_allclose(mine(), natives[best](), rtol=1e-10, atol=1e-10)
        a, b, ratio = compare(natives[best], mine)
        rows.append(Row("Rosenbrock", operator, f"casadi ({best} by hand)", "NumPy", n, a, b, ratio))
        kind = "SX" if "SX" in repr(p) else "MX"
        print(f"{operator} n={n}: {ratio:.2f}, {kind}, prepared in {duration(seconds)}", flush=True)
    return rows


def loop() -> str:
    """Lotka-Volterra by scalar indexing, against one evaluation of the Python function."""
    p = np.array([1.5, 1.0, 1.0, 3.0])
    start = time.perf_counter()
    prepared = ad.prepare_gradient(lotka_volterra, p, backend="casadi")
    preparation = time.perf_counter() - start
    functions: dict[str, Callable[[], object]] = {
        "function": lambda: lotka_volterra(p),
        "both": lambda: prepared.value_and(p),
    }
    found = medians(functions)
    return (
        f"Lotka-Volterra: the Python function {duration(found['function'])}, value and gradient by casadi "
        f"{duration(found['both'])} (ratio {found['both'] / found['function']:.2f}), "
        f"prepared in {duration(preparation)}."
    )


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two sizes only")
    parser.add_argument("--out", type=Path, help="write the table to this file")
    options = parser.parse_args()
    text = f"{header()}, casadi {casadi.__version__}\n\n{table(calls(options.quick))}\n\n{loop()}\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
