"""Loops as one operation against loops that are written out, and against JAX's own: ratios in one run.

Lotka-Volterra (100 Runge-Kutta steps) and the spiral neural ODE, gradients. For each line: what preparation
costs, in evaluations of the plain function, and what a call costs beside the form that it is compared with.
Everything is the smallest of many repetitions, the two sides taking turns.

    python benchmarks/loops.py
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import polyad as ad
from polyad.benchmark import built_in


def seconds(
    *functions: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """The smallest time of each, taking turns."""
    best = [np.inf] * len(functions)
    for _ in range(repeats):
        for k, f in enumerate(functions):
            start = clock()
            f()
            best[k] = min(best[k], clock() - start)
    return best


def by_hand() -> Callable[[Any], Any]:
    """Lotka-Volterra as somebody writes it for JAX."""
    import jax

    def f(p: Any) -> Any:
        alpha, beta, gamma, delta = p[0], p[1], p[2], p[3]

        def rate(x: Any, y: Any) -> Any:
            return alpha * x - beta * x * y, gamma * x * y - delta * y

        h = 0.1

        def step(carry: Any, _: Any) -> Any:
            x, y, total = carry
            k1, l1 = rate(x, y)
            k2, l2 = rate(x + h / 2 * k1, y + h / 2 * l1)
            k3, l3 = rate(x + h / 2 * k2, y + h / 2 * l2)
            k4, l4 = rate(x + h * k3, y + h * l3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            y = y + h / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
            return (x, y, total + x + y), None

        return jax.lax.scan(step, (1.0, 1.0, 0.0), None, length=100)[0][2]

    return f


def against_jax() -> None:
    """Preparation and calls of JAX, beside ``jax.jit(jax.grad(f))`` by hand; both give NumPy arrays."""
    import jax

    problem = built_in("lotka_volterra_scan")
    (p,) = problem.args

    def native() -> Any:
        compiled = jax.jit(jax.grad(by_hand()))
        compiled(p).block_until_ready()
        return compiled

    def ours() -> Any:
        return ad.prepare_gradient(problem.f, p, backend="jax")

    with jax.enable_x64(True):
        compiled = native()
        prepared = ours()
        assert np.allclose(compiled(p), prepared(p))
        preparing = seconds(native, ours, repeats=5)
        calls = seconds(lambda: np.asarray(compiled(p)), lambda: prepared(p), repeats=4000)
    print(
        f"lotka_volterra_scan, JAX:     prepared in {preparing[1] / preparing[0]:.2f} of lax.scan by hand, "
        f"called in {calls[1] / calls[0]:.2f} of it ({1e6 * calls[1]:.0f} us)"
    )


def against_unrolled() -> None:
    """Compiled NumPy and CasADi, beside the same backend on the Python loop."""
    for name in ("lotka_volterra", "spiral"):
        loop, scan = built_in(name), built_in(f"{name}_scan")
        for backend in (ad.NumPy(compile=True), ad.CasADi()):

            def prepared(problem: Any, backend: Any = backend) -> Any:
                return ad.prepare_gradient(problem.f, *problem.args, backend=backend)

            unrolled, rolled = prepared(loop), prepared(scan)

            # the processor's time: preparation is long enough for others to come between
            cpu = time.process_time
            (plainly,) = seconds(functools.partial(loop.f, *loop.args), repeats=100, clock=cpu)
            (preparing,) = seconds(functools.partial(prepared, scan), repeats=15, clock=cpu)
            (before,) = seconds(functools.partial(prepared, loop), repeats=2, clock=cpu)
            calls = seconds(
                functools.partial(unrolled, *loop.args), functools.partial(rolled, *scan.args), repeats=1500
            )
            words = f"{name}_scan, {type(backend).__name__}:"
            print(
                f"{words:30} prepared in {preparing / plainly:.0f} evaluations of the plain function "
                f"(the loop written out: {before / plainly:.0f}), called in {calls[1] / calls[0]:.2f} of the "
                f"loop written out ({1e6 * calls[1]:.0f} us)"
            )


if __name__ == "__main__":
    against_jax()
    against_unrolled()
