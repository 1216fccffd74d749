"""The guard of complex derivatives, which exist for holomorphic functions only."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.arrays.libraries import library, library_of
from polyad.errors import HolomorphicError
from polyad.systems.base import Backend
from polyad.systems.contract import Leaves, Problem
from polyad.systems.derive import operators

__all__ = ["check_holomorphic"]

# Probes are random but the same in every run; a function that passes at a generic point and
# fails only on a set of measure zero has the derivative almost everywhere.
SEED = 20261121


def check_holomorphic(backend: Backend, problem: Problem, operator: str) -> None:
    """Refuse complex inputs unless the Cauchy-Riemann equations hold at two points.

    The tangent along ``1j * v`` must be ``1j`` times the tangent along ``v``, at the example and
    at a perturbation of it. Real inputs need no check.

    Raises
    ------
    HolomorphicError
        If they do not hold.
    """
    if not any(spec.is_complex for spec in problem.inputs):
        return
    if not all(spec.is_complex for spec in problem.inputs):
        raise HolomorphicError(
            f"the active leaves are real and complex at once, which {operator} cannot mean: "
            "make one kind constant with argnums, or use jvp and vjp"
        )
    if not all(spec.is_complex for spec in problem.outputs):
        raise HolomorphicError(
            f"a real output of complex inputs has no {operator}: use gradient, jvp or vjp, or "
            "differentiate with respect to real and imaginary parts"
        )
    random = np.random.default_rng(SEED)
    target = library(backend.library)
    to_numpy = target.to_numpy

    def enter(arrays: list[Any]) -> Leaves:
        return tuple(target.from_numpy(a) for a in arrays)

    specs = problem.inputs
    v = [_noise(random, spec.shape).astype(spec.dtype) for spec in specs]
    base = [np.asarray(_plain(leaf)) for leaf in problem.x]
    moved = [a + (0.1 * (1 + abs(a)) * _noise(random, a.shape)).astype(a.dtype) for a in base]
    kernel = operators.pushforward(backend, problem)
    examples = (enter(v),)
    run = backend.finish(kernel, problem, examples, prepared=False).result
    for point in (base, moved):
        along = run(enter(point), problem.c, enter(v))
        across = run(enter(point), problem.c, enter([1j * a for a in v]))
        for straight, turned in zip(along, across, strict=True):
            a, b = np.asarray(to_numpy(straight)), np.asarray(to_numpy(turned))
            scale = np.max(np.abs(a), initial=0.0) + np.max(np.abs(b), initial=0.0)
            if np.all(np.isfinite(a) & np.isfinite(b)) and np.any(
                np.abs(b - 1j * a) > 1e-3 * max(scale, 1e-30)
            ):
                raise HolomorphicError(
                    f"{problem.label} is not holomorphic, so it has no complex {operator}: use jvp and "
                    "vjp, or differentiate with respect to real and imaginary parts"
                )


def _noise(random: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return random.standard_normal(shape) + 1j * random.standard_normal(shape)


def _plain(leaf: Any) -> Any:
    owner = library_of(leaf)
    return leaf if owner is None else owner.to_numpy(leaf)
