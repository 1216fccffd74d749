"""Nonlinear programs with known solutions, as a caller writes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq

# the load of the beam: with the 350 of COPS it has many local minima, and each solver finds another one
LOAD = 20.0


@dataclasses.dataclass(frozen=True)
class Known:
    """A program, its minimum, and what the solution is where there is one only."""

    f: Callable[..., Any]
    start: Any
    fun: float
    args: tuple[Any, ...] = ()
    x: Any = None
    more: dict[str, Any] = dataclasses.field(default_factory=dict)
    # how far a solver's minimum may be off, relative to 1 + |fun|
    close: float = 1e-5


def hs071() -> Known:
    """Hock and Schittkowski 71."""
    more = {
        "constraints": lambda x: np.stack([np.prod(x), np.sum(x**2)]),
        "bounds": (1, 5),
        "constraint_bounds": ([25, 40], [None, 40]),
    }
    x = [1.0, 4.742999643, 3.821149978, 1.379408294]
    start = np.array([1.0, 5.0, 5.0, 1.0])
    return Known(lambda x: x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2], start, 17.0140172892, x=x, more=more)


def rosenbrock(x: Any) -> Any:
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def rosenbrock_in_a_disk() -> Known:
    """Where the gradient points to the middle: one equation in the angle."""

    def along(t: float) -> float:
        x, y = np.cos(t), np.sin(t)
        return -y * (-2 * (1 - x) - 400 * x * (y - x**2)) + x * 200 * (y - x**2)

    t = brentq(along, 0.5, 0.8, xtol=1e-15)
    x = np.array([np.cos(t), np.sin(t)])
    more = {"constraints": lambda x: x[0] ** 2 + x[1] ** 2, "constraint_bounds": (None, 1)}
    return Known(rosenbrock, np.zeros(2), rosenbrock(x), x=x, more=more)


def hs007() -> Known:
    """Hock and Schittkowski 7: one equation."""
    more = {"constraints": lambda x: (1 + x[0] ** 2) ** 2 + x[1] ** 2, "constraint_bounds": (4, 4)}
    start = np.array([2.0, 2.0])
    return Known(lambda x: np.log1p(x[0] ** 2) - x[1], start, -np.sqrt(3), x=[0, np.sqrt(3)], more=more)


def rosen_suzuki() -> Known:
    """Hock and Schittkowski 43: two of three inequalities hold as equations."""

    def f(x: Any) -> Any:
        a, b, c, d = x
        return a**2 + b**2 + 2 * c**2 + d**2 - 5 * a - 5 * b - 21 * c + 7 * d

    def constraints(x: Any) -> tuple[Any, ...]:
        a, b, c, d = x
        return (
            8 - a**2 - b**2 - c**2 - d**2 - a + b - c + d,
            10 - a**2 - 2 * b**2 - c**2 - 2 * d**2 + a + d,
            5 - 2 * a**2 - b**2 - c**2 - 2 * a + b + d,
        )

    more = {"constraints": constraints, "constraint_bounds": (0, None)}
    return Known(f, np.zeros(4), -44.0, x=[0, 1, 2, -1], more=more)


def hs024() -> Known:
    """Hock and Schittkowski 24: the solution is a corner."""

    def constraints(x: Any) -> Any:
        return np.stack([x[0] / np.sqrt(3) - x[1], x[0] + np.sqrt(3) * x[1], 6 - x[0] - np.sqrt(3) * x[1]])

    more = {"constraints": constraints, "constraint_bounds": (0, None), "bounds": (0, None)}
    start = np.array([1.0, 0.5])
    x = [3.0, np.sqrt(3)]
    return Known(lambda x: ((x[0] - 3) ** 2 - 9) * x[1] ** 3 / (27 * np.sqrt(3)), start, -1.0, x=x, more=more)


def entropy() -> Known:
    """The dice of which only the mean is known (Jaynes): probabilities fall or rise geometrically."""
    faces = np.arange(1.0, 7.0)
    ratio = brentq(lambda r: np.sum((faces - 4.5) * r**faces), 1.0, 3.0, xtol=1e-15)
    p = ratio**faces / np.sum(ratio**faces)

    def constraints(p: Any) -> dict[str, Any]:
        return {"all": np.sum(p), "mean": faces @ p}

    more = {
        "constraints": constraints,
        "constraint_bounds": ({"all": 1.0, "mean": 4.5},) * 2,
        "bounds": (1e-6, 1),
    }
    return Known(
        lambda p: np.sum(p * np.log(p)), np.full(6, 1 / 6), float(np.sum(p * np.log(p))), x=p, more=more
    )


def decay() -> Known:
    """A fit with bounds; the data are exact, so the parameters are those that made them."""
    t, true = np.linspace(0, 4, 25), {"amplitude": 2.5, "rate": 1.3, "offset": np.array([0.5])}

    def model(p: Any, t: Any) -> Any:
        return p["amplitude"] * np.exp(-p["rate"] * t) + p["offset"]

    start = {"amplitude": 1.0, "rate": 1.0, "offset": np.array([0.0])}
    upper = {"amplitude": 10.0, "rate": 3.0, "offset": np.array([1.0])}
    return Known(
        lambda p, t, y: np.sum((model(p, t) - y) ** 2),
        start,
        0.0,
        args=(t, model(true, t)),
        x=[2.5, 0.5, 1.3],  # a dict has its keys in order
        more={"bounds": (0.0, upper)},
    )


def bounded_fit() -> Known:
    """Least squares with one parameter at its bound: what is left is a line through the origin."""
    t = np.linspace(0, 1, 11)
    y = 2.0 * t + 1.0
    slope = float(t @ y / (t @ t))
    more = {"bounds": ([None, -1.0], [None, 0.0])}
    fun = float(np.sum((slope * t - y) ** 2))
    start = np.array([1.0, -0.5])
    return Known(
        lambda p, t, y: np.sum((p[0] * t + p[1] - y) ** 2), start, fun, args=(t, y), x=[slope, 0], more=more
    )


def control(steps: int = 20) -> Known:
    """From rest at 0 to rest at 1 with the least effort.

    The optimum of the discretisation is linear algebra. Unknowns and constraints are trees.
    """
    h = 1.0 / steps

    def effort(z: Any) -> Any:
        return h * np.sum(z["force"] ** 2)

    def motion(z: Any) -> dict[str, Any]:
        x, v, u = z["x"], z["v"], z["force"]
        return {
            "position": x[1:] - x[:-1] - h * (v[1:] + v[:-1]) / 2,
            "velocity": v[1:] - v[:-1] - h * u,
            "ends": np.stack([x[0], v[0], x[-1] - 1, v[-1]]),
        }

    start = {"x": np.linspace(0, 1, steps + 1), "v": np.ones(steps + 1), "force": np.zeros(steps)}
    # two equations remain in the forces: no speed is left, and the way is 1
    k = np.arange(steps)
    A = h * np.stack([np.ones(steps), h * (steps - k - 0.5)])
    force = np.linalg.lstsq(A, np.array([0.0, 1.0]), rcond=None)[0]
    more = {"constraints": motion, "constraint_bounds": (0, 0)}
    return Known(effort, start, float(h * force @ force), x=None, more=more)


def clnlbeam(steps: int = 20) -> Known:
    """The clamped beam of the COPS set; its minimum comes from CasADi's own derivatives."""
    h = 1.0 / steps

    def f(z: Any) -> Any:
        t, u = z[:, 0], z[:, 2]
        return h / 2 * np.sum((u[1:] ** 2 + u[:-1] ** 2) / 2 + LOAD * (np.cos(t[1:]) + np.cos(t[:-1])))

    def constraints(z: Any) -> tuple[Any, ...]:
        t, x, u = z[:, 0], z[:, 1], z[:, 2]
        return (
            x[1:] - x[:-1] - h / 2 * (np.sin(t[1:]) + np.sin(t[:-1])),
            t[1:] - t[:-1] - h / 2 * (u[1:] + u[:-1]),
        )

    lower = np.tile([-1.0, -0.05, -np.inf], (steps + 1, 1))
    lower[0, :2] = lower[-1, :2] = 0.0
    lower[[0, -1], 0] = -1.0
    upper = -lower
    s = np.linspace(0, 1, steps + 1)
    start = np.stack([0.05 * np.cos(s), 0.05 * np.cos(s), 0 * s], axis=1)
    more = {"constraints": constraints, "constraint_bounds": (0, 0), "bounds": (lower, upper)}
    return Known(f, start, np.nan, more=more)


def thomson() -> Known:
    """Four charges on a sphere are at the corners of a tetrahedron; its turns are as good."""
    first, second = np.triu_indices(4, 1)

    def energy(r: Any) -> Any:
        return np.sum(1 / np.sqrt(np.sum((r[first] - r[second]) ** 2, axis=1)))

    rng = np.random.default_rng(0)
    more = {"constraints": lambda r: np.sum(r**2, axis=1), "constraint_bounds": (1, 1)}
    return Known(energy, rng.normal(size=(4, 3)), 6 / np.sqrt(8 / 3), more=more)


PROBLEMS = (
    hs071,
    rosenbrock_in_a_disk,
    hs007,
    rosen_suzuki,
    hs024,
    entropy,
    decay,
    bounded_fit,
    control,
    thomson,
)
