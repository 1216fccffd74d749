"""Colorings beside those of CasADi, SciPy, networkx and asdex: time per nonzero, and colors.

``python benchmarks/sparse_coloring.py [--large] [--out FILE]`` prints one line per pattern and kind: the
nanoseconds per nonzero and the colors of each tool, and the ratio of polyad's time to that of the fastest
tool that has as many colors or fewer. Times are the least of several, the tools in turns. asdex is measured
where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse

import polyad as ad
from polyad.sparse import Pattern

FIVE = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
NINE = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
# beyond so many nonzeros networkx takes minutes
SLOW = 20_000

Tool = Callable[[], int]


def grid(n: int, offsets: list[tuple[int, int]], *, periodic: bool = False, fields: int = 1) -> Pattern:
    """A stencil on a square grid; of two fields each point is coupled to the same point of the other."""
    i, j = np.indices((n, n))
    rows, columns = [], []
    for a, b in offsets:
        x, y = i + a, j + b
        inside = np.full(x.shape, True) if periodic else (x >= 0) & (x < n) & (y >= 0) & (y < n)
        rows.append((i * n + j)[inside])
        columns.append((x % n * n + y % n)[inside])
    r, c, p = np.concatenate(rows), np.concatenate(columns), np.arange(n * n)
    if fields == 2:
        r, c = np.concatenate([r, r + n * n, p, p + n * n]), np.concatenate([c, c + n * n, p + n * n, p])
    return Pattern.from_coordinates((fields * n * n,) * 2, r, c)


def bands(n: int) -> Pattern:
    """A tridiagonal matrix."""
    ones = [np.ones(n - abs(d)) for d in (-1, 0, 1)]
    return Pattern.from_scipy(scipy.sparse.diags_array(ones, offsets=(-1, 0, 1), shape=(n, n)))


def arrow(n: int) -> Pattern:
    """A dense row, a dense column and the diagonal."""
    p, z = np.arange(n), np.zeros(n, dtype=int)
    return Pattern.from_coordinates((n, n), np.concatenate([p, z, p]), np.concatenate([p, p, z]))


def least_squares(n: int) -> Pattern:
    """Twice as many rows as columns, five random entries in each."""
    columns = np.random.default_rng(0).integers(0, n, 10 * n)
    return Pattern.from_coordinates((2 * n, n), np.repeat(np.arange(2 * n), 5), columns)


def patterns(*, large: bool) -> dict[str, tuple[Pattern, str]]:
    """The patterns, and what is colored: columns, a symmetric matrix, or columns and rows."""
    found = {
        "Brusselator 32": (grid(32, FIVE, periodic=True, fields=2), "column"),
        "Brusselator 128": (grid(128, FIVE, periodic=True, fields=2), "column"),
        "5-point 316": (grid(316, FIVE), "column"),
        "5-point 316, star": (grid(316, FIVE), "symmetric"),
        "9-point 316": (grid(316, NINE), "column"),
        "tridiagonal 1e5": (bands(100_000), "column"),
        "least squares 1e4": (least_squares(10_000), "column"),
        "arrow 1e4": (arrow(10_000), "bidirectional"),
        "arrow 1e4, star": (arrow(10_000), "symmetric"),
        "arrow 1e5": (arrow(100_000), "bidirectional"),
    }
    if large:
        found |= {
            "Brusselator 256": (grid(256, FIVE, periodic=True, fields=2), "column"),
            "5-point 1000": (grid(1000, FIVE), "column"),
            "9-point 1000": (grid(1000, NINE), "column"),
            "least squares 1e5": (least_squares(100_000), "column"),
        }
    return found


def tools(pattern: Pattern, kind: str) -> dict[str, Tool]:
    """What colors the pattern in that way."""
    symmetric = kind == "symmetric"
    partition = "column" if symmetric else kind
    found: dict[str, Tool] = {
        "polyad": lambda: ad.sparse.color(pattern, partition, symmetric=symmetric).ncolors,
    }
    if not symmetric:
        order = "natural" if kind == "column" else "auto"
        found["polyad natural"] = lambda: ad.sparse.color(pattern, partition, order=order).ncolors
    dense = kind == "bidirectional" or (symmetric and pattern.nnz and np.diff(pattern.indptr).max() > 1000)
    if kind == "column":
        from scipy.optimize._numdiff import group_columns

        matrix = scipy.sparse.csr_matrix(pattern.to_scipy())
        matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
        natural = np.arange(pattern.shape[1])
        found["scipy"] = lambda: int(group_columns(matrix).max()) + 1
        found["scipy natural"] = lambda: int(group_columns(matrix, natural).max()) + 1
    if importlib.util.find_spec("casadi") and not dense:
        import casadi

        sparse = pattern.to_scipy().tocsr()
        # of its transposed pattern, whose columns are the rows here
        theirs = casadi.Sparsity(*pattern.shape[::-1], sparse.indptr.tolist(), sparse.indices.tolist())
        color = theirs.star_coloring if symmetric else theirs.uni_coloring
        found["casadi"] = lambda: color().size2()
    if importlib.util.find_spec("networkx") and kind == "column" and pattern.nnz < SLOW:
        import networkx

        def by_networkx() -> int:
            matrix = pattern.to_scipy().astype(int)
            graph = networkx.from_scipy_sparse_array(matrix.T @ matrix)
            graph.remove_edges_from(list(networkx.selfloop_edges(graph)))
            return max(networkx.greedy_color(graph, "largest_first").values()) + 1

        found["networkx"] = by_networkx
    if importlib.util.find_spec("asdex") and not dense:
        import asdex

        rows, columns = pattern.row_ids(), pattern.indices
        given = asdex.SparsityPattern.from_coo(rows, columns, pattern.shape)
        make = asdex.hessian_coloring_from_sparsity if symmetric else asdex.jacobian_coloring_from_sparsity
        found["asdex"] = lambda: make(given).num_colors
    return found


def measured(pattern: Pattern, kind: str) -> dict[str, tuple[float, int]]:
    """The least time of each tool, and its colors."""
    calls = tools(pattern, kind)
    found = {name: (float("inf"), call()) for name, call in calls.items()}  # compiled, if it is, by now
    rounds = 5 if pattern.nnz < 10**6 else 3
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            found[name] = min(found[name][0], time.perf_counter() - start), found[name][1]
    return found


def main() -> None:
    """Measure them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="up to nine million nonzeros")
    parser.add_argument("--out", type=Path, help="write the lines to a file as well")
    options = parser.parse_args()
    lines = []
    for name, (pattern, kind) in patterns(large=options.large).items():
        found = measured(pattern, kind)
        parts = [f"{tool} {1e9 * t / pattern.nnz:.3g} ({colors})" for tool, (t, colors) in found.items()]
        ratios = []
        for mine in ("polyad", "polyad natural"):
            if mine in found:
                time_, colors = found[mine]
                others = [t for tool, (t, k) in found.items() if "polyad" not in tool and k <= colors]
                ratios.append(f"{time_ / min(others):.2f}" if others else "nobody has as few")
        lines.append(f"{name} ({pattern.nnz}): {', '.join(parts)}; ratio {' and '.join(ratios)}")
        print(lines[-1], flush=True)
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
