"""Gradients through ``polyad.integrate.solve_ivp`` against SciPy's own solve: ratios in one run.

* Lotka-Volterra, 2 states, 4 parameters, tolerance 1e-10: value and gradient by each kind of sensitivities.
* Reaction and diffusion on a 40 x 50 grid: 2000 states, a growth rate for each of them, by the adjoint.

Every gradient is compared with an independent one: Taylor series of 40 digits (mpmath) for Lotka-Volterra,
a complex step of SciPy's own solution along some directions for reaction and diffusion. Times are the
smallest of several, the sides taking turns.

    python benchmarks/sensitivities.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.integrate

import polyad as ad

P = np.array([1.5, 1.0, 1.0, 3.0])
END, TOLERANCE = 10.0, 1e-10


def seconds(functions: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """The smallest time of each on the processor, taking turns."""
    best = dict.fromkeys(functions, np.inf)
    for _ in range(repeats):
        for name, f in functions.items():
            start = time.process_time()
            f()
            best[name] = min(best[name], time.process_time() - start)
    return best


# -- Lotka-Volterra -----------------------------------------------------------------------------------------


def rates(t: float, y: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Prey and predators."""
    return np.array([a * y[0] - b * y[0] * y[1], d * y[0] * y[1] - c * y[1]])


def prey(solve: Callable[..., Any], p: Any, method: str, **how: Any) -> Any:
    """What is left of the prey at the end."""
    words = {"rtol": TOLERANCE, "atol": TOLERANCE, "t_eval": [END], "method": method}
    return solve(rates, (0, END), np.array([1.0, 1.0]), args=tuple(p), **words, **how).y[0, -1]


def prey_gradient() -> list[float]:
    """The gradient by Taylor series of solution and sensitivities, with 40 digits."""
    import mpmath

    mpmath.mp.dps = 40
    a, b, c, d = (mpmath.mpf(float(p)) for p in P)
    steps, order = 400, 24
    h = mpmath.mpf(END) / steps
    # values and derivatives by the four parameters, as series in the time
    x, y = [[mpmath.mpf(1), 0, 0, 0, 0] for _ in range(2)]
    for _ in range(steps):
        xs, ys = [list(x)], [list(y)]
        for k in range(order):
            xy = [mpmath.mpf(0)] * 5
            for i in range(k + 1):
                u, v = xs[i], ys[k - i]
                xy[0] += u[0] * v[0]
                for j in range(1, 5):
                    xy[j] += u[j] * v[0] + u[0] * v[j]
            u, v = xs[k], ys[k]
            dx = [a * u[j] - b * xy[j] for j in range(5)]
            dy = [d * xy[j] - c * v[j] for j in range(5)]
            dx[1] += u[0]
            dx[2] -= xy[0]
            dy[3] -= v[0]
            dy[4] += xy[0]
            xs.append([e / (k + 1) for e in dx])
            ys.append([e / (k + 1) for e in dy])
        x = [mpmath.polyval([s[j] for s in reversed(xs)], h) for j in range(5)]
        y = [mpmath.polyval([s[j] for s in reversed(ys)], h) for j in range(5)]
    return [float(e) for e in x[1:]]


def lotka_volterra() -> None:
    wanted = np.array(prey_gradient())
    for method in ("RK45", "DOP853", "LSODA"):
        functions: dict[str, Any] = {
            "SciPy": lambda m=method: prey(scipy.integrate.solve_ivp, P, m),
        }
        for how in ("forward", "adjoint"):
            f = ad.prepare_gradient(
                lambda p, m=method, how=how: prey(ad.integrate.solve_ivp, p, m, sensitivities=how), P
            )
            error = np.max(np.abs(f(P) - wanted) / np.max(np.abs(wanted)))
            print(f"Lotka-Volterra, {method}, {how}: error {error:.1e}")
            assert error < 1e-7
            functions[how] = lambda f=f: f.value_and(P)
        best = seconds(functions, 7)
        for how in ("forward", "adjoint"):
            print(f"  value and gradient, {how}: {best[how] / best['SciPy']:.2f} of SciPy's solve "
                  f"({1e3 * best['SciPy']:.1f} ms)")  # fmt: skip


# -- reaction and diffusion ---------------------------------------------------------------------------

SHAPE = 40, 50


def growth(t: float, u: Any, r: Any) -> Any:
    """Logistic growth at rates of each place, and diffusion, with no flow over the edges."""
    v = np.reshape(u, SHAPE)
    top, left = v[1:] - v[:-1], v[:, 1:] - v[:, :-1]
    down = np.concatenate([top, np.zeros((1, SHAPE[1]))]) - np.concatenate([np.zeros((1, SHAPE[1])), top])
    across = np.concatenate([left, np.zeros((SHAPE[0], 1))], axis=1) - np.concatenate(
        [np.zeros((SHAPE[0], 1)), left], axis=1
    )
    return np.reshape(8.0 * (down + across), (-1,)) + r * u * (1 - u)


def reaction_diffusion() -> None:
    rng = np.random.default_rng(5)
    n = SHAPE[0] * SHAPE[1]
    r, start, weights = 1 + rng.random(n), 0.2 + 0.3 * rng.random(n), rng.random(n)
    words: dict[str, Any] = {"rtol": 1e-8, "atol": 1e-10, "t_eval": [2.0]}

    def amount(solve: Callable[..., Any], r: Any) -> Any:
        return np.sum(weights * solve(growth, (0, 2.0), start, args=(r,), **words).y[:, -1] ** 2)

    gradient = ad.prepare_gradient(lambda r: amount(ad.integrate.solve_ivp, r), r)
    found = gradient(r)
    for _ in range(3):
        v = rng.standard_normal(n)
        h = 1e-30
        slope = scipy.integrate.solve_ivp(
            growth, (0, 2.0), start + 0j, "DOP853", [2.0], args=(r + 1j * h * v,), rtol=1e-11, atol=1e-12
        ).y[:, -1]  # fmt: skip
        wanted = np.sum(weights * slope**2).imag / h
        error = abs(found @ v - wanted) / (np.linalg.norm(found) * np.linalg.norm(v) / n**0.5)
        print(f"reaction and diffusion, adjoint: error {error:.1e} along a direction")
        assert error < 1e-7
    best = seconds(
        {
            "SciPy": lambda: amount(scipy.integrate.solve_ivp, r),
            "adjoint": lambda: gradient.value_and(r),
        },
        3,
    )
    print(
        f"  value and gradient, 2000 states and parameters: {best['adjoint'] / best['SciPy']:.2f} of SciPy's "
        f"solve ({best['SciPy']:.2f} s)"
    )


if __name__ == "__main__":
    lotka_volterra()
    reaction_diffusion()
