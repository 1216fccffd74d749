"""``Spread``: a backend whose batched products workers compute, for Jacobians and Hessians."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from polyad.arrays.libraries import library
from polyad.combine.wrapper import Passing
from polyad.systems.base import Backend
from polyad.systems.contract import Compression, Executable, Kernel, Leaves, Problem
from polyad.systems.derive import operators as derive

__all__ = ["Spread"]

# batches that all directions are taken in where the caller does not say how many go together
PIECES = 64


class Gathered(Kernel):
    """A kernel that puts together what workers have computed."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Spread(Passing):
    """A backend whose batched products workers compute, for Jacobians and Hessians.

    Parameters
    ----------
    backend : Backend or str
        Who differentiates, in each worker.
    workers : int, executor, Dask client or callable, optional
        Who works.
    chunk : int, optional
        Directions in a batch.
    most : int, optional
        Directions in a batch, at most.
    make : callable, optional
        From the class of a product to what computes it elsewhere; there once the function is known.
    """

    workers: Any = None
    chunk: int | None = None
    most: int | None = None
    make: Callable[[str, Backend], Any] | None = None

    name: ClassVar[str] = "spread"

    def __repr__(self) -> str:
        return f"{self._inner!r} by workers={self.workers!r}"

    @property
    def chunk_size(self) -> int | None:
        """Directions in a batch, at most; None where nobody has said how many."""
        said = (self.chunk, self.most, getattr(self._inner, "chunk_size", None))
        return min((k for k in said if k is not None), default=None)

    @property
    def pieces(self) -> int:  # type: ignore[override]
        """Batches, at least, that all directions of a Jacobian are taken in."""
        return 1 if self.chunk else PIECES

    def _many(self, name: str, problem: Problem) -> Kernel:
        """A batched product, of which many are asked for at once."""
        assert self.make is not None
        many = self.make(name, self._inner)

        def call(x: Leaves, c: Leaves, seeds: Leaves) -> Any:
            ((_, outcome),) = many(x, c, [(None, seeds)])
            return outcome

        return Kernel(call, f"by workers={self.workers!r}", many=many)

    def jvp_batched(self, problem: Problem) -> Kernel:
        return self._inner.jvp_batched(problem) if self.make is None else self._many("jvp", problem)

    def vjp_batched(self, problem: Problem) -> Kernel:
        return self._inner.vjp_batched(problem) if self.make is None else self._many("vjp", problem)

    def hvp_batched(self, problem: Problem) -> Kernel:
        return self._inner.hvp_batched(problem) if self.make is None else self._many("hvp", problem)

    def jacobian(self, problem: Problem) -> Kernel:
        kernel = derive.jacobian(self, problem)
        return Gathered(kernel.call, f"{kernel.words}, spread")

    def hessian(self, problem: Problem) -> Kernel:
        products = self.hvp_batched(problem)

        def many(x: Leaves, c: Leaves, batches: Iterable[tuple[Any, Leaves]]) -> Iterator[Any]:
            assert products.many is not None
            for tag, (hv, y, aux, g) in products.many(x, c, batches):
                yield tag, (hv, g, (*y, *aux))

        def empty(x: Leaves, c: Leaves) -> tuple[Leaves, Leaves]:
            """The gradient, where there is nothing to differentiate by."""
            y, aux = problem.f(x, c)
            return x, (*y, *aux)

        gradient = problem.derived(empty, problem.inputs)
        by_columns = derive.jacobian_by_columns(self, gradient, Kernel(products.call, many=many))

        def kernel(x: Leaves, c: Leaves) -> Any:
            blocks, g, aux = by_columns(x, c)
            return blocks, aux[:1], aux[1:], g

        return Gathered(kernel, f"{by_columns.words} of the gradient, spread")

    def sparse_jacobian(self, problem: Problem, plan: Compression) -> Kernel:
        kernel = super().sparse_jacobian(problem, plan)
        return Gathered(kernel.call, f"{kernel.words}, spread", own=kernel.own)

    def sparse_hessian(self, problem: Problem, plan: Compression) -> Kernel:
        kernel = super().sparse_hessian(problem, plan)
        return Gathered(kernel.call, f"{kernel.words}, spread", own=kernel.own)

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        if not isinstance(kernel, Gathered):
            return self._inner.finish(kernel, problem, seeds, prepared=prepared)
        # what is put together here is no program of the framework's
        if library(self.library).plain:
            return Backend.finish(self, kernel, problem, seeds, prepared=False)
        return self._inner.finish(kernel, problem, seeds, prepared=False)
