"""What polyad's part of a nonlinear program costs, beside Ipopt's own linear algebra.

``python benchmarks/nlp.py [--small]`` solves a clamped beam of about 10,000 variables and an optimal-control
problem of about 5,000 by CasADi's Ipopt, and prints the seconds in functions, Jacobians and Hessians (what
runs in polyad's callbacks), the rest of the solve, which is Ipopt's, and their ratio. It should be below 1.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from polyad.solvers import nlp


def beam(steps: int) -> nlp.Program:
    """The clamped beam of COPS (``clnlbeam``): angle, place and curvature at each knot."""
    h = 1.0 / steps

    def energy(z: Any) -> Any:
        t, u = z[:, 0], z[:, 2]
        return h / 2 * np.sum((u[1:] ** 2 + u[:-1] ** 2) / 2 + 20 * (np.cos(t[1:]) + np.cos(t[:-1])))

    def joints(z: Any) -> Any:
        t, x, u = z[:, 0], z[:, 1], z[:, 2]
        return np.concatenate(
            [
                x[1:] - x[:-1] - h / 2 * (np.sin(t[1:]) + np.sin(t[:-1])),
                t[1:] - t[:-1] - h / 2 * (u[1:] + u[:-1]),
            ]
        )

    upper = np.tile([1.0, 0.05, np.inf], (steps + 1, 1))
    upper[[0, -1], 1] = 0.0
    s = np.linspace(0, 1, steps + 1)
    start = np.stack([0.05 * np.cos(s), 0.05 * np.cos(s), 0 * s], axis=1)
    more: dict[str, Any] = {"constraints": joints, "constraint_bounds": (0, 0), "bounds": (-upper, upper)}
    return nlp.program(energy, start, **more)


def pendulum(steps: int) -> nlp.Program:
    """A pendulum swung up and stopped with the least effort; the unknowns are a dict of trajectories."""
    h = 4.0 / steps

    def effort(z: Any) -> Any:
        return h * np.sum(z["torque"] ** 2)

    def motion(z: Any) -> Any:
        a, v, u = z["angle"], z["speed"], z["torque"]
        return {
            "angle": a[1:] - a[:-1] - h / 2 * (v[1:] + v[:-1]),
            "speed": v[1:] - v[:-1] - h * (u - (np.sin(a[1:]) + np.sin(a[:-1])) / 2),
            "ends": np.stack([a[0], v[0], a[-1] - np.pi, v[-1]]),
        }

    start = {
        "angle": np.linspace(0, np.pi, steps + 1),
        "speed": np.full(steps + 1, np.pi / 4),
        "torque": np.zeros(steps),
    }
    return nlp.program(effort, start, constraints=motion, constraint_bounds=(0, 0))


def solved(make: Any, steps: int, backend: str) -> str:
    """A line of the table."""
    p = make(steps)
    p = nlp.program(
        p.f,
        p.unknown.returned(p.start),
        constraints=p.c,
        constraint_bounds=(p.constraint_lower, p.constraint_upper),
        bounds=(p.lower, p.upper),
        backend=backend,
    )
    begun = time.perf_counter()
    p.jacobianstructure(), p.hessianstructure(), p.objective(p.start)
    p.hessian(p.start, np.ones(p.m), 1.0)
    prepared = time.perf_counter() - begun
    best: tuple[float, float, Any] | None = None
    for _ in range(9):
        begun = time.perf_counter()
        found = p.solve("casadi")
        total = time.perf_counter() - begun
        assert found.success, found.message
        ours = sum(seconds for name, seconds in found.raw.items() if name.startswith("t_wall_nlp_"))
        if best is None or total < best[0]:
            best = total, ours, found
    assert best is not None
    total, ours, found = best
    ratio = ours / (total - ours)
    cells = [
        f"{make.__name__}, {p.n} variables, {p.m} constraints",
        backend,
        f"{prepared:.2f}",
        str(found.nit),
    ]
    return " | ".join(["", *cells, f"{ours:.3f}", f"{total - ours:.3f}", f"{ratio:.2f}", ""]).strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of the size")
    scale = 10 if parser.parse_args().small else 1
    print("| program | backend | preparation s | iterations | polyad s | Ipopt s | ratio |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for make, steps in ((beam, 3333), (pendulum, 1666)):
        for backend in ("numpy", "numpy:compiled", "casadi", "jax"):
            print(solved(make, steps // scale, backend), flush=True)


if __name__ == "__main__":
    main()
