"""Sums of pure second and fourth derivatives by Taylor coefficients along directions.

The Laplacian is the sum of the second derivatives along the unit vectors. The bilaplacian has mixed ones as
well, which fourth derivatives along sums and differences of two unit vectors give:
``12 f_iijj = D4(e_i + e_j) + D4(e_i - e_j) - 2 D4(e_i) - 2 D4(e_j)``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import ArraySpec
from polyad.errors import InputTypeError
from polyad.systems.contract import Kernel, Leaves, Problem, strategy, strategy_of
from polyad.systems.derive.basis import chunk_of, device, dtype, size

if TYPE_CHECKING:
    from polyad.systems.base import Backend

__all__ = ["check_real", "laplacian"]

# j! of the coefficient that is wanted, and the weight of a sum or difference of two unit vectors
FACTORIAL = {2: 2.0, 4: 24.0}
PAIR = 1 / 6


def laplacian(backend: Backend, problem: Problem, order: int) -> Kernel:
    """``kernel(x, c)`` giving the Laplacian (order 2) or the bilaplacian (order 4), the value and ``aux``."""
    specs, xp = problem.inputs, backend.xp
    check_real(specs)
    n = size(specs)
    count = n if order == 2 else n * n
    expand = backend.taylor_batched(problem, order)
    chunk = chunk_of(backend, count, (order + 1) * (n + size(problem.outputs)))

    @strategy(f"{count} directions, {strategy_of(expand)}")
    def kernel(x: Leaves, c: Leaves) -> Any:
        total: Any = None
        y = aux = None
        for weights, seeds in _directions(xp, specs, x, order, chunk):
            coefficients, y, aux = expand(x, c, seeds)
            parts = [_weighted(xp, a, weights * FACTORIAL[order]) for a in coefficients]
            total = parts if total is None else [a + b for a, b in zip(total, parts, strict=True)]
        if y is None:
            y, aux = problem.f(x, c)
            total = [xp.zeros_like(leaf) for leaf in y]
        return tuple(total), y, aux

    return kernel


def check_real(specs: Sequence[ArraySpec]) -> None:
    """Refuse complex arguments."""
    if any(spec.is_complex for spec in specs):
        raise InputTypeError(
            "the Laplacian is one over real numbers: pass real and imaginary parts as two real arguments"
        )


def _weighted(xp: Any, coefficients: Any, weights: np.ndarray) -> Any:
    """The sum over directions of the highest coefficients, each times its weight."""
    highest = coefficients[:, -1]
    w = xp.asarray(weights.tolist(), dtype=highest.dtype, **device((highest,), 0))
    flat = w @ highest.reshape(highest.shape[0], -1)
    return flat.reshape(highest.shape[1:])


def _directions(
    xp: Any, specs: Sequence[ArraySpec], x: Leaves, order: int, chunk: int
) -> Iterator[tuple[np.ndarray, Leaves]]:
    """Batches of directions, as seeds with a leading axis, and the weights of their derivatives."""
    n = size(specs)
    ones = 1.0 if order == 2 else 1 - 2 * PAIR * (n - 1)
    rows: Iterator[tuple[float, list[tuple[int, float]]]] = ((ones, [(i, 1.0)]) for i in range(n))
    if order == 4:
        pairs = itertools.product(itertools.combinations(range(n), 2), (1.0, -1.0))
        rows = itertools.chain(rows, ((PAIR, [(i, 1.0), (j, sign)]) for (i, j), sign in pairs))
    while batch := list(itertools.islice(rows, chunk)):
        flat = np.zeros((len(batch), n))
        for k, (_, entries) in enumerate(batch):
            for place, value in entries:
                flat[k, place] = value
        seeds, start = [], 0
        for k, spec in enumerate(specs):
            part = flat[:, start : start + spec.size].reshape(len(batch), *spec.shape)
            seeds.append(xp.asarray(part, dtype=dtype(xp, spec), **device(x, k)))
            start += spec.size
        yield np.array([weight for weight, _ in batch]), tuple(seeds)
