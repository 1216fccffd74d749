"""Laplacians by the engine's collapsed Taylor mode; the bilaplacian is the Laplacian of the Laplacian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyad.systems.contract import Kernel, Leaves, Problem, strategy
from polyad.systems.derive.basis import basis, chunk_of, size
from polyad.systems.derive.laplacian import check_real

if TYPE_CHECKING:
    from polyad.systems.numpy.backend import NumPy

__all__ = ["laplacian"]


def laplacian(backend: NumPy, problem: Problem, order: int) -> Kernel:
    """``kernel(x, c)`` giving the Laplacian (order 2) or the bilaplacian (order 4), the value and ``aux``."""
    specs, xp = problem.inputs, backend.xp
    check_real(specs)
    n = size(specs)
    # what is carried for each direction; of order 4 all directions of the outer Laplacian for each
    carried = 2 * (n + size(problem.outputs)) * (1 if order == 2 else n + 1)
    chunk = chunk_of(backend, n, carried)

    def summed(f: Any, x: Leaves) -> Any:
        from polyad.engine.expand import laplacian as collapsed

        total: Any = None
        y = aux = None
        for _, rows in basis(xp, specs, (), chunk):
            parts, y, aux = collapsed(f, x, rows)
            total = parts if total is None else tuple(a + b for a, b in zip(total, parts, strict=True))
        if total is None:
            y, aux = f(x)
            total = tuple(leaf * 0 for leaf in y)
        return total, y, aux

    @strategy(f"{n} directions, collapsed Taylor mode{' twice' * (order == 4)}")
    def kernel(x: Leaves, c: Leaves) -> Any:
        if order == 2:
            return summed(lambda boxes: problem.f(boxes, c), x)

        def inner(boxes: Leaves) -> Any:
            found, y, aux = summed(lambda within: problem.f(within, c), boxes)
            return found, (*y, *aux)

        found, _, both = summed(inner, x)
        count = len(problem.outputs)
        return found, both[:count], both[count:]

    return kernel
