"""The ways to differentiate a program, and the operators: prepare, call, and what must come out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

import polyad as ad
from polyad.arrays.trees import flatten
from polyad.systems.base import Backend
from polyad.systems.registry import is_installed, load, resolve
from polyad.testing.fuzz.differences import Reference
from polyad.testing.fuzz.program import Program
from polyad.testing.suite import profile_of

__all__ = ["OPERATORS", "WAYS", "Operator", "available", "backend_of", "tolerance"]

# Names, and after a plus the option of the backend that is switched over.
WAYS: tuple[str, ...] = (
    "numpy:reverse",
    "numpy:forward",
    "numpy+compile",
    "autograd",
    "torch:reverse",
    "torch:forward",
    "casadi",
    "sympy",
    "finite",
    "jax+jit",
    "jax:forward+jit",
    "jax",
    "jax:forward",
)

EXACT, EXACT_SECOND = 1e-9, 1e-8


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator of the interface, on a program.

    Parameters
    ----------
    name : str
        Its name.
    seed : str
        The keyword of its direction, or nothing.
    scalar : bool
        Whether it wants a scalar function.
    expected : callable
        From the reference to the flat result.
    second : bool
        Whether it is of second order.
    """

    name: str
    seed: str
    scalar: bool
    expected: Callable[[Reference], np.ndarray]
    second: bool = False

    def prepare(
        self, program: Program, f: Callable[..., Any], args: Any, way: Backend, ref: Reference
    ) -> Any:
        """The prepared object."""
        prepared = getattr(ad, f"prepare_{self.name}")
        return prepared(f, *args, argnums=program.argnums, backend=way, **self.seeds(program, ref))

    def once(self, program: Program, f: Callable[..., Any], args: Any, way: Backend, ref: Reference) -> Any:
        """The operator without preparation."""
        call = getattr(ad, self.name)
        return call(f, *args, argnums=program.argnums, backend=way, **self.seeds(program, ref))

    def seeds(self, program: Program, ref: Reference) -> dict[str, Any]:
        """The direction in the structure that it pairs with."""
        if not self.seed:
            return {}
        if self.seed == "w":
            return {"w": ref.w.reshape(np.shape(ref.value)) if np.shape(ref.value) else float(ref.w[0])}
        parts, start = [], 0
        for name in program.active:
            like = program.points[0][name]
            part = ref.v[start : start + np.size(like)]
            parts.append(part.reshape(like.shape) if isinstance(like, np.ndarray) else float(part[0]))
            start += np.size(like)
        return {"v": parts[0] if len(parts) == 1 else tuple(parts)}

    def shapes(self, program: Program, ref: Reference) -> list[tuple[int, ...]]:
        """The shapes of the leaves of the result."""
        inputs = [np.shape(program.points[0][name]) for name in program.active]
        output = np.shape(ref.value)
        if self.name == "jvp":
            return [output]
        return [output + shape for shape in inputs] if self.name == "jacobian" else inputs

    def flat(self, leaves: list[np.ndarray], ref: Reference) -> np.ndarray:
        """The leaves of a result in the layout of what is expected."""
        if self.name == "jacobian":
            return np.concatenate([leaf.reshape(ref.jacobian.shape[0], -1) for leaf in leaves], axis=1)
        row = np.concatenate([np.ravel(leaf) for leaf in leaves])
        return np.atleast_1d(ref.s @ row) if self.second else row


OPERATORS: dict[str, Operator] = {
    op.name: op
    for op in (
        Operator("gradient", "", True, lambda r: r.jacobian[0]),
        Operator("jacobian", "", False, lambda r: r.jacobian),
        Operator("jvp", "v", False, lambda r: r.jacobian @ r.v),
        Operator("vjp", "w", False, lambda r: r.w @ r.jacobian),
        Operator("hvp", "v", True, lambda r: np.array([r.second]), second=True),
    )
}


def backend_of(way: str | Backend) -> Backend:
    """The backend of a way: ``"jax:forward+jit"`` is ``JAX(mode="forward", jit=not the default)``."""
    if isinstance(way, Backend):
        return way
    name, _, option = way.partition("+")
    backend = resolve(name)
    return backend.replace(**{option: not getattr(backend, option)}) if option else backend


def available(ways: tuple[str, ...] = WAYS) -> tuple[str, ...]:
    """Those whose framework is installed."""
    return tuple(w for w in ways if is_installed(load(w.partition("+")[0].partition(":")[0])))


def tolerance(backend: Backend, operator: Operator, ref: Reference, expected: np.ndarray) -> float:
    """What an entry may be off: a fixed number of digits, and what the differences do not know."""
    scale = max(ref.scale, float(np.max(np.abs(expected), initial=0.0)))
    size = 1.0 if operator.name in ("gradient", "jacobian") else float(ref.v.size + ref.w.size)
    error = 30 * ref.second_error if operator.second else 10 * ref.error * size
    approximate = profile_of(backend).rtol
    if approximate is not None:
        # as promised for numbers near one; the entries of a random program have a spread of curvatures
        return (
            1e2 * approximate[operator.second] * size * max(scale, float(np.max(np.abs(ref.value)))) + error
        )
    return (EXACT_SECOND if operator.second else EXACT) * scale + error


def leaves_of(result: Any) -> list[Any]:
    """The leaves of a result."""
    return list(flatten(result)[0])
