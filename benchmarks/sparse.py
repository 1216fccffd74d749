"""Sparse Jacobians and Hessians: detection, coloring, compiling, evaluation, beside asdex, CasADi and SciPy.

``python benchmarks/sparse.py [NAME ...] [--large]`` prints one line per problem, every figure measured in
this run. asdex is measured where it can be imported (``pip install asdex==0.5.1`` in an own environment);
without it its columns are empty. Times are the least of many.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import polyad as ad


@dataclasses.dataclass
class Problem:
    """A function of any namespace of arrays, and where it is differentiated."""

    name: str
    f: Callable[[Any, Any], Any]
    x: np.ndarray
    second: bool = False


def brusselator(n: int) -> Problem:
    """Two species on a periodic grid."""

    def f(xp: Any, z: Any) -> Any:
        u, v = z.reshape(2, n, n)

        def diffusion(a: Any) -> Any:
            around = xp.roll(a, 1, 0) + xp.roll(a, -1, 0) + xp.roll(a, 1, 1) + xp.roll(a, -1, 1)
            return around - 4.0 * a

        du = 1.0 + u * u * v - 4.4 * u + 0.1 * n * n * diffusion(u)
        dv = 3.4 * u - u * u * v + 0.1 * n * n * diffusion(v)
        return xp.concatenate([du.reshape(-1), dv.reshape(-1)])

    return Problem(f"brusselator {n}", f, np.random.default_rng(0).uniform(0.5, 1.5, 2 * n * n))


def burgers(n: int) -> Problem:
    """Burgers' equation on a line."""

    def f(xp: Any, u: Any) -> Any:
        inner = 0.01 * (u[2:] - 2.0 * u[1:-1] + u[:-2]) - u[1:-1] * (u[2:] - u[:-2])
        return xp.concatenate([u[:1], inner, u[-1:]])

    return Problem(f"burgers {n}", f, np.sin(np.linspace(0.0, 3.0, n)))


def rosenbrock(n: int) -> Problem:
    """Chained Rosenbrock function, its Hessian."""

    def f(xp: Any, x: Any) -> Any:
        return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return Problem(f"rosenbrock {n}", f, np.linspace(0.5, 1.5, n), second=True)


def energy(n: int) -> Problem:
    """Elastic energy on a grid, its Hessian."""

    def f(xp: Any, z: Any) -> Any:
        u = z.reshape(n, n)
        return xp.sum((u[1:] - u[:-1]) ** 4) + xp.sum((u[:, 1:] - u[:, :-1]) ** 4) + xp.sum(xp.sin(u))

    return Problem(f"energy {n}", f, np.random.default_rng(0).uniform(0.5, 1.5, n * n), second=True)


def arrow(n: int) -> Problem:
    """A dense row, a dense column and the diagonal."""

    def f(xp: Any, x: Any) -> Any:
        return xp.concatenate([xp.sum(x**2)[None], x[1:] ** 2 + x[0] * x[1:]])

    return Problem(f"arrow {n}", f, np.linspace(0.5, 1.5, n))


def arrow_hessian(n: int) -> Problem:
    """A function whose Hessian has a dense row and column."""

    def f(xp: Any, x: Any) -> Any:
        return x[0] ** 2 * xp.sum(x[1:]) + xp.sum(x**3)

    return Problem(f"arrow Hessian {n}", f, np.linspace(0.5, 1.5, n), second=True)


def least_squares(n: int) -> Problem:
    """Residuals of five random entries each."""
    index = np.random.default_rng(0).integers(0, n, (2 * n, 5))

    def f(xp: Any, x: Any) -> Any:
        return xp.sum(x[index] ** 2, axis=1) - 1.0

    return Problem(f"least squares {n}", f, np.linspace(0.5, 1.5, n))


MAKERS = {
    "brusselator": (brusselator, (8, 32, 128), (256, 512)),
    "burgers": (burgers, (10_000,), (1_000_000,)),
    "rosenbrock": (rosenbrock, (10_000,), (100_000,)),
    "energy": (energy, (100,), (316,)),
    "arrow": (arrow, (1000,), (10_000, 100_000)),
    "arrow_hessian": (arrow_hessian, (10_000,), (100_000,)),
    "least_squares": (least_squares, (10_000,), (100_000,)),
}


def least(call: Callable[[], Any], seconds: float = 1.0, most: int = 200) -> float:
    """The least time of many calls."""
    best, until = float("inf"), time.perf_counter() + seconds
    for _ in range(most):
        start = time.perf_counter()
        call()
        end = time.perf_counter()
        best = min(best, end - start)
        if end > until:
            break
    return best


def once(call: Callable[[], Any]) -> tuple[float, Any]:
    """The time of one call, and what it gives."""
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def polyad_figures(problem: Problem, backend: str, namespace: Any) -> tuple[dict[str, float], Any]:
    """Figures of polyad, and the matrix."""

    def f(x: Any) -> Any:
        return problem.f(namespace, x)

    find = ad.hessian_sparsity if problem.second else ad.jacobian_sparsity
    detect, pattern = once(lambda: find(f, problem.x, backend=backend))
    detect = min(detect, once(lambda: find(f, problem.x, backend=backend))[0])
    prepare = ad.prepare_hessian if problem.second else ad.prepare_jacobian
    known = ad.Sparse(backend, detector=ad.KnownPattern(pattern))
    total, p = once(lambda: prepare(f, problem.x, backend=known))
    settled = ad.Sparse(backend, detector=ad.KnownPattern(pattern), coloring=p.coloring, check=False)
    build, _ = once(lambda: prepare(f, problem.x, backend=settled))
    out = p(problem.x)
    figures = {
        "nnz": pattern.nnz,
        "detect": detect,
        "color": least(lambda: recolored(p.coloring), 0.5, 20),
        "colors": p.ncolors,
        "prepare": total,
        "compile": build,
        "csr": least(lambda: p(problem.x)),
        "out": least(lambda: p(problem.x, out=out)),
    }
    if backend == "jax":
        native = prepare(f, problem.x, backend=settled.replace(format="bcoo"))
        figures["eval"] = least(lambda: native(problem.x).data.block_until_ready())
    return figures, out


def recolored(coloring: Any) -> Any:
    """The coloring found again, by its own partition."""
    both = coloring.column_colors is not None and coloring.row_colors is not None
    partition = "bidirectional" if both else "row" if coloring.column_colors is None else "column"
    return ad.sparse.color(coloring.pattern, partition, symmetric=coloring.symmetric)


def asdex_figures(problem: Problem) -> tuple[dict[str, float], Any]:
    """Figures of asdex, and the matrix."""
    import asdex
    import jax
    import jax.numpy as jnp

    def f(x: Any) -> Any:
        return problem.f(jnp, x)

    with jax.enable_x64(True):
        x = jnp.asarray(problem.x)
        second = problem.second
        detect, pattern = once(lambda: (asdex.hessian_sparsity if second else asdex.jacobian_sparsity)(f, x))
        color = asdex.hessian_coloring_from_sparsity if second else asdex.jacobian_coloring_from_sparsity
        color_time, coloring = once(lambda: color(pattern))
        again = once(lambda: color(pattern))[0]
        make = asdex.hessian_from_coloring if second else asdex.jacobian_from_coloring
        run = jax.jit(make(f, coloring))
        build, found = once(lambda: jax.block_until_ready(run(x)))
        return {
            "nnz": pattern.nnz,
            "detect": detect,
            "color": min(color_time, again),
            "colors": coloring.num_colors,
            "compile": build,
            "eval": least(lambda: jax.block_until_ready(run(x))),
        }, found


def group_columns(pattern: Any) -> dict[str, float]:
    """SciPy's grouping of the columns, random order and natural."""
    from scipy.optimize._numdiff import group_columns as group

    matrix = pattern.astype(float)
    default = least(lambda: group(matrix), 0.5, 20)
    colors = int(group(matrix).max()) + 1
    natural = np.arange(matrix.shape[1])
    return {
        "scipy color": default,
        "scipy colors": colors,
        "scipy natural": least(lambda: group(matrix, natural), 0.5, 20),
    }


def casadi_figures(problem: Problem) -> dict[str, float]:
    """CasADi through polyad's lift: preparation and evaluation."""

    def f(x: Any) -> Any:
        return problem.f(np, x)

    prepare = ad.prepare_hessian if problem.second else ad.prepare_jacobian
    total, p = once(lambda: prepare(f, problem.x, backend=ad.Sparse("casadi", check=False)))
    out = p(problem.x)
    return {"casadi prepare": total, "casadi out": least(lambda: p(problem.x, out=out))}


def line(name: str, figures: dict[str, float]) -> str:
    """Figures in a row, times in milliseconds."""
    counted = ("nnz", "colors", "scipy colors")
    parts = [f"{k} {v:g}" if k in counted else f"{k} {1e3 * v:.3g}" for k, v in figures.items()]
    return f"{name:28s} {'  '.join(parts)}"


def main() -> None:
    """Measure the problems that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(MAKERS)}")
    parser.add_argument("--large", action="store_true", help="the large sizes too")
    options = parser.parse_args()
    import jax

    jax.config.update("jax_enable_x64", True)  # so that nobody pays for switching it on
    for name in options.names or MAKERS:
        make, small, large = MAKERS[name]
        for size in (*small, *(large if options.large else ())):
            problem = make(size)
            ours, matrix = polyad_figures(problem, "jax", np)
            print(line(f"{problem.name}: polyad, jax", ours))
            theirs = {}
            if (
                importlib.util.find_spec("asdex")
                and ours["nnz"] < 2e6
                and not (name == "arrow" and size > 1000)
            ):
                theirs, other = asdex_figures(problem)
                print(line(f"{problem.name}: asdex", theirs))
                if matrix.shape[1] < 3000:
                    dense = np.zeros(other.shape)
                    dense[tuple(np.asarray(other.indices).T)] = np.asarray(other.data)
                    assert np.allclose(dense, matrix.toarray(), rtol=1e-9, atol=1e-9)
                ratios = {k: theirs[k] / ours[k] for k in ("detect", "color", "compile", "eval")}
                print(f"{'':28s} asdex / polyad: {', '.join(f'{k} {v:.3g}' for k, v in ratios.items())}")
            numpy, _ = polyad_figures(problem, "numpy", np)
            print(line(f"{problem.name}: polyad, numpy", numpy))
            if not problem.second and matrix.shape[1] <= 200_000 and name != "arrow":
                print(line(f"{problem.name}: SciPy", group_columns(matrix)))
            if problem.x.size <= 10_000:
                print(line(f"{problem.name}: CasADi", casadi_figures(problem)))


if __name__ == "__main__":
    main()
