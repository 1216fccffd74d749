"""Detection of patterns, beside SciPy's product of the pattern with itself and asdex.

``python benchmarks/sparse_detection.py [--large]`` prints a line per problem of ``benchmarks/sparse.py``: the
time of a detection from a NumPy function and from a JAX function, as it is called (with tracing), as a ratio
to the product of the pattern with itself where it is square, and to asdex, where it can be imported (``pip
install asdex==0.5.1`` in an own environment). Every figure of a line is from the same run, the least of few.
Both get a new function each time: of one that JAX has seen before it keeps the trace, which asdex then reads.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import polyad as ad
import sparse as problems

SMALL = [problems.brusselator(8), problems.brusselator(16), problems.brusselator(64)]


def large() -> list[problems.Problem]:
    """Those with more than 1e5 nonzeros."""
    return [
        problems.brusselator(256),
        problems.brusselator(512),
        problems.burgers(1_000_000),
        problems.rosenbrock(100_000),
        problems.energy(316),
        problems.arrow(100_000),
        problems.arrow_hessian(100_000),
        problems.least_squares(100_000),
    ]


def least(call: Callable[[], Any], times: int) -> float:
    """The least time of some calls, the first of which does not count.

    It is the time of the processor, which others on the machine do not lengthen; one thread computes.
    """
    call()
    best = math.inf
    for _ in range(times):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


def line(problem: problems.Problem, theirs: bool) -> str:
    """The figures of one problem."""
    import jax

    def of_numpy(x: Any) -> Any:
        return problem.f(np, x)

    def of_jax(x: Any) -> Any:
        return problem.f(jax.numpy, x)

    find = ad.hessian_sparsity if problem.second else ad.jacobian_sparsity
    pattern = find(of_numpy, problem.x)
    assert pattern == find(of_jax, problem.x, backend="jax")
    # what a new function costs, as it does for the other
    times = 5 if pattern.nnz > 100_000 else 30
    ours = {
        "numpy": least(lambda: find(of_numpy, problem.x), times),
        "jax": least(lambda: find(lambda x: of_jax(x), problem.x, backend="jax"), times),
    }
    matrix = pattern.to_scipy().astype(bool)
    square = matrix.shape[0] == matrix.shape[1] and "arrow" not in problem.name
    product = least(lambda: matrix @ matrix, 5) if square else math.nan
    other = math.nan
    if theirs and pattern.nnz < 1_500_000:
        import asdex

        found = asdex.hessian_sparsity if problem.second else asdex.jacobian_sparsity
        x = jax.numpy.asarray(problem.x)
        other = least(lambda: found(lambda x: of_jax(x), x), 1 if pattern.nnz > 10_000 else 30)
    parts = [f"{problem.name:20s} {pattern.nnz:9d} nonzeros"]
    for name, seconds in ours.items():
        parts.append(
            f"{name} {1e3 * seconds:8.2f} ms, {1e9 * seconds / pattern.nnz:7.1f} ns each, "
            f"{seconds / product:5.2f} of S @ S, asdex / it {other / seconds:6.1f}"
        )
    return "; ".join(parts)


def memory(n: int) -> str:
    """The most memory that a detection of a large pattern takes beyond what there is before."""
    import resource

    problem = problems.burgers(n)
    ad.jacobian_sparsity(lambda x: problem.f(np, x), problem.x[:100])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pattern = ad.jacobian_sparsity(lambda x: problem.f(np, x), problem.x)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    each = 1024 * used / pattern.nnz
    return f"{pattern.nnz} nonzeros take {used / 1024:.0f} MiB at most, {each:.0f} bytes each"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="those with more than 1e5 nonzeros too")
    parser.add_argument("--memory", type=int, default=0, help="the memory for Burgers with so many unknowns")
    options = parser.parse_args()
    import jax

    jax.config.update("jax_enable_x64", True)  # so that nobody pays for switching it on
    if options.memory:
        print(memory(options.memory), flush=True)
    theirs = importlib.util.find_spec("asdex") is not None
    for problem in [*SMALL, *(large() if options.large else [])]:
        print(line(problem, theirs), flush=True)


if __name__ == "__main__":
    main()
