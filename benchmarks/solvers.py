"""SciPy's solvers through ``polyad.solvers.scipy`` beside SciPy alone: ratios of times of one run.

``python benchmarks/solvers.py [brusselator] [large] [krylov] [overhead]`` prints a line for each figure.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.integrate
import scipy.optimize
import scipy.sparse

import polyad as ad
from polyad.solvers import scipy as solvers
from polyad.solvers.caught import Caught
from polyad.solvers.function import Differentiated
from polyad.solvers.point import LastPoint
from polyad.solvers.unknown import Unknown


def brusselator(t: float, y: Any) -> Any:
    """The periodic Brusselator on a square, which is disturbed from t = 1.1 on (Hairer and Wanner, IV.10)."""
    n = round((np.size(y) / 2) ** 0.5)
    u, v = np.reshape(y, (2, n, n))
    x = np.arange(n) / n

    def diffusion(a: Any) -> Any:
        around = np.roll(a, 1, 0) + np.roll(a, -1, 0) + np.roll(a, 1, 1) + np.roll(a, -1, 1)
        return 0.1 * n * n * (around - 4 * a)

    disturbed = 5.0 * ((x[:, None] - 0.3) ** 2 + (x - 0.6) ** 2 <= 0.01) * (t >= 1.1)
    du = 1.0 + u * u * v - 4.4 * u + diffusion(u) + disturbed
    dv = 3.4 * u - u * u * v + diffusion(v)
    return np.concatenate([np.ravel(du), np.ravel(dv)])


def start(n: int) -> Any:
    x = np.arange(n) / n
    u, v = 22 * (x * (1 - x)) ** 1.5, 27 * (x * (1 - x)) ** 1.5
    return np.concatenate([np.tile(u, n), np.repeat(v, n)])


def pattern(n: int) -> Any:
    """Which entries the Jacobian has, written out by hand."""
    line = scipy.sparse.diags_array([1.0] * 5, offsets=[0, 1, -1, n - 1, 1 - n], shape=(n, n))
    grid, unit = scipy.sparse.kronsum(line, line), scipy.sparse.eye_array(n * n)
    return scipy.sparse.csc_array(scipy.sparse.block_array([[grid, unit], [unit, grid]]) != 0)


def timed(call: Callable[[], Any], repeat: int = 1) -> tuple[float, Any]:
    best = np.inf
    for _ in range(repeat):
        begun = time.perf_counter()
        found = call()
        best = min(best, time.perf_counter() - begun)
    return best, found


def show_brusselator(n: int = 32, *, alone: bool = True) -> None:
    y0, span, known = start(n), (0.0, 11.5), pattern(n)
    ours = by_hand = np.inf
    for _ in range(3 if alone else 1):  # in turns
        seconds, found = timed(lambda: solvers.solve_ivp(brusselator, span, y0, method="BDF"))
        ours = min(ours, seconds)
        if alone:
            seconds, other = timed(
                lambda: scipy.integrate.solve_ivp(brusselator, span, y0, method="BDF", jac_sparsity=known)
            )
            by_hand = min(by_hand, seconds)
    assert found.success
    print(
        f"brusselator N={n}, {len(y0)} unknowns: polyad {ours:.2f} s, "
        f"{found.nfev} calls, {found.njev} Jacobians"
    )
    if not alone:
        return
    assert np.max(np.abs(found.y[:, -1] - other.y[:, -1])) < 1e-2
    print(f"  SciPy with the pattern by hand {by_hand:.2f} s, over polyad {by_hand / ours:.2f}")
    seconds, _ = timed(lambda: scipy.integrate.solve_ivp(brusselator, span, y0, method="BDF"))
    print(f"  SciPy alone {seconds:.2f} s, over polyad {seconds / ours:.1f}")


def chained(z: Any) -> Any:
    """A Rosenbrock function of neighbours whose variables have different scales."""
    x = z * scales(len(z))
    return np.sum(10.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@functools.cache
def scales(n: int) -> Any:
    return np.logspace(-0.5, 0.5, n)


def show_krylov(n: int = 100_000) -> None:
    """Exact products beside differences of the same exact gradient; what is compiled counts."""
    x0 = np.random.default_rng(0).uniform(0.5, 1.5, n) / scales(n)
    words: dict[str, Any] = {"method": "trust-krylov", "options": {"gtol": 1e-5}}
    for backend in ("numpy", "jax"):
        gradient = ad.prepare_gradient(chained, x0, backend=backend)

        def differences(x: Any, p: Any, gradient: Any = gradient) -> Any:
            size = float(np.linalg.norm(p))
            if not size:
                return 0 * p
            h = 1.5e-8 * (1 + float(np.linalg.norm(x))) / size
            return (gradient(x + h * p) - gradient(x)) / h

        times = []
        for hessp in (None, differences):
            seconds, found = timed(
                lambda h=hessp, b=backend: solvers.minimize(chained, x0, hessp=h, backend=b, **words)
            )
            times.append(seconds)
            print(
                f"trust-krylov n={n}, {backend}, {'differences' if hessp else 'exact'}: {seconds:.2f} s, "
                f"{found.nit} iterations, {found.nhev} products, success {found.success}"
            )
        print(f"  differences over exact: {times[1] / times[0]:.2f}")


def show_overhead(n: int = 10) -> None:
    """What a callback costs besides the prepared call in it, over the cheapest call of JAX here.

    The prepared call is replaced by one that returns at once: as a difference of two calls of 20
    microseconds the share would be lost in their noise.
    """
    import jax

    x = np.linspace(0.0, 1.0, n)
    cheapest_call, array = jax.jit(lambda x: x + 1.0), jax.numpy.zeros(n)
    f = Differentiated(chained, Unknown(x))
    known = np.float64(1.0), np.ones(n)

    class AtOnce:
        def value_and(self, x: Any) -> Any:
            return known

    f.prepared = lambda kind: AtOnce()  # type: ignore[method-assign]
    at = LastPoint(Caught().watched(f.value_and_gradient()))
    value, gradient = at.part(0), at.part(1)
    points = [x + 1e-3 * k for k in range(200)]
    at_once = AtOnce().value_and

    def callbacks() -> None:
        for p in points:
            value(p)
            gradient(p)

    def alone() -> None:
        for p in points:
            at_once(p)

    def cheapest() -> None:
        for _ in points:
            cheapest_call(array)

    best = {callbacks: np.inf, alone: np.inf, cheapest: np.inf}
    for _ in range(200):
        for call in best:
            best[call] = min(best[call], timed(call)[0] / len(points))
    share = (best[callbacks] - best[alone]) / 2  # two callbacks at each point
    print(
        f"adapter: {1e6 * share:.2f} us for a callback, {100 * share / best[cheapest]:.0f} % of JAX's "
        f"cheapest call, {1e6 * best[cheapest]:.2f} us"
    )


SHOWN = {
    "brusselator": show_brusselator,
    "large": lambda: show_brusselator(128, alone=False),
    "krylov": show_krylov,
    "overhead": show_overhead,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SHOWN), help=", ".join(SHOWN))
    for name in parser.parse_args().names:
        SHOWN[name]()


if __name__ == "__main__":
    main()
