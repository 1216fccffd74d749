"""What backends around another backend have in common: whatever they do not do themselves is the other's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from polyad.arrays.libraries import ArraySpec
from polyad.errors import ArgumentError
from polyad.systems.base import Backend
from polyad.systems.contract import Executable, Kernel, Leaves, Linearized, Problem, Selection
from polyad.systems.registry import resolve

__all__ = ["Passing", "Wrapper"]


@dataclasses.dataclass(frozen=True, repr=False)
class Wrapper(Backend):
    """Base class of a backend around another.

    Parameters
    ----------
    backend : Backend or str
        The other.
    """

    backend: Backend | str = ""

    supports: ClassVar[frozenset[str]] = frozenset({"forward", "reverse"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backend == "":
            name = type(self).__name__
            raise ArgumentError(f"{name} takes the backend that it is around, as in {name}('numpy')")
        object.__setattr__(self, "backend", resolve(self.backend))

    @property
    def _inner(self) -> Backend:
        assert isinstance(self.backend, Backend)
        return self.backend

    # -- what is said of it ---------------------------------------------------------------------

    @property
    def forward(self) -> bool:
        return self._inner.forward and self.mode != "reverse"

    @property
    def reverse(self) -> bool:
        return self._inner.reverse and self.mode != "forward"

    @property
    def library(self) -> str:  # type: ignore[override]
        return self._inner.library

    @property
    def requires(self) -> tuple[str, ...]:  # type: ignore[override]
        return self._inner.requires

    @property
    def extra(self) -> str:  # type: ignore[override]
        return self._inner.extra

    @property
    def nestable(self) -> bool:  # type: ignore[override]
        return self._inner.nestable

    @property
    def exact(self) -> bool:  # type: ignore[override]
        return self._inner.exact

    @property
    def by_value(self) -> bool:  # type: ignore[override]
        return self._inner.by_value

    @property
    def freezes(self) -> bool:  # type: ignore[override]
        return self._inner.freezes

    @property
    def hosts(self) -> bool:  # type: ignore[override]
        return self._inner.hosts

    @property
    def keeps_boxes(self) -> bool:  # type: ignore[override]
        return self._inner.keeps_boxes

    @property
    def native(self) -> bool:  # type: ignore[override]
        return self._inner.native

    @property
    def complex_inputs(self) -> bool:  # type: ignore[override]
        return self._inner.complex_inputs

    @property
    def takes_tables(self) -> bool:  # type: ignore[override]
        return self._inner.takes_tables

    @property
    def tolerances(self) -> tuple[float, float] | None:  # type: ignore[override]
        return self._inner.tolerances

    @property
    def refusals(self) -> Mapping[str, str]:
        return self._inner.refusals

    @property
    def lifts_to(self) -> str | None:
        return self._inner.lifts_to

    @property
    def follows(self) -> str | None:
        return self._inner.follows

    @property
    def runner(self) -> Backend:
        return self._inner.runner

    @property
    def live(self) -> tuple[int, int]:  # type: ignore[override]
        return self._inner.live

    @property
    def xp(self) -> Any:
        return self._inner.xp

    # -- primitives and surroundings --------------------------------------------------------------

    def jvp(self, problem: Problem) -> Kernel:
        return self._inner.jvp(problem)

    def vjp(self, problem: Problem) -> Kernel:
        return self._inner.vjp(problem)

    def directed(self, problem: Problem) -> Backend:
        inner = self._inner.directed(problem)
        return self if inner is self._inner else self.replace(backend=inner)

    def selection(self, problem: Problem, most: int) -> Selection | None:
        return self._inner.selection(problem, most)

    def folded(self, a: Any, places: Any) -> Any:
        return self._inner.folded(a, places)

    def jacobian_sparsity(
        self, problem: Problem, *, local: bool = False, dense: bool = False
    ) -> tuple[Any, Any]:
        return self._inner.jacobian_sparsity(problem, local=local, dense=dense)

    def hessian_sparsity(
        self, problem: Problem, *, local: bool = False, dense: bool = False
    ) -> tuple[Any, Any]:
        return self._inner.hessian_sparsity(problem, local=local, dense=dense)

    def take(self, a: Any, index: Any) -> Any:
        return self._inner.take(a, index)

    def table(self, a: Any, problem: Problem) -> Any:
        return self._inner.table(a, problem)

    def outputs(self, problem: Problem) -> tuple[ArraySpec, ...]:
        return self._inner.outputs(problem)

    def output(self, leaf: Any) -> Any:
        return self._inner.output(leaf)

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        return self._inner.finish(kernel, problem, seeds, prepared=prepared)

    def explain(self, error: Exception) -> str | None:
        return self._inner.explain(error)


class Passing(Wrapper):
    """Base class of a backend that leaves the operators to another, but for those that it defines."""

    def jvp_batched(self, problem: Problem) -> Kernel:
        return self._inner.jvp_batched(problem)

    def vjp_batched(self, problem: Problem) -> Kernel:
        return self._inner.vjp_batched(problem)

    def derivative(self, problem: Problem) -> Kernel:
        return self._inner.derivative(problem)

    def gradient(self, problem: Problem) -> Kernel:
        return self._inner.gradient(problem)

    def second_derivative(self, problem: Problem) -> Kernel:
        return self._inner.second_derivative(problem)

    def hvp(self, problem: Problem) -> Kernel:
        return self._inner.hvp(problem)

    def hvp_batched(self, problem: Problem) -> Kernel:
        return self._inner.hvp_batched(problem)

    def taylor(self, problem: Problem, order: int) -> Kernel:
        return self._inner.taylor(problem, order)

    def taylor_batched(self, problem: Problem, order: int) -> Kernel:
        return self._inner.taylor_batched(problem, order)

    def laplacian(self, problem: Problem, order: int) -> Kernel:
        return self._inner.laplacian(problem, order)

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Linearized:
        return self._inner.linearize(problem, x, c)

    def value(self, problem: Problem) -> Kernel:
        return self._inner.value(problem)

    def jacobian(self, problem: Problem) -> Kernel:
        return self._inner.jacobian(problem)

    def hessian(self, problem: Problem) -> Kernel:
        return self._inner.hessian(problem)
