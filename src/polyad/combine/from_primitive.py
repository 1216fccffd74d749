"""A backend reduced to its primitive, so that everything else is derived from it."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from polyad.arrays.libraries import ArraySpec
from polyad.errors import ArgumentError
from polyad.systems.base import Backend
from polyad.systems.contract import Executable, Kernel, Leaves, Problem
from polyad.systems.registry import resolve

__all__ = ["FromPrimitive"]


@dataclasses.dataclass(frozen=True, repr=False)
class FromPrimitive(Backend):
    """Another backend's ``jvp`` or ``vjp`` alone, everything else derived.

    For the tests of the derivations, and for authors who want to see what a backend of one
    primitive costs.

    Parameters
    ----------
    backend : Backend or str
        The backend whose primitive is used.
    mode : {"forward", "reverse"}, optional
        Which primitive; None takes ``vjp`` where the backend has it, else ``jvp``.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.gradient(lambda x: (x**2).sum(), np.ones(2), backend=ad.FromPrimitive("jax", mode="forward"))
    array([2., 2.])
    """

    backend: Backend | str

    name: ClassVar[str] = "primitive"
    supports: ClassVar[frozenset[str]] = frozenset({"forward", "reverse"})

    def __post_init__(self) -> None:
        super().__post_init__()
        inner = resolve(self.backend)
        object.__setattr__(self, "backend", inner)
        if self.mode is not None and self.mode not in inner.supports:
            raise ArgumentError(f"{inner!r} has no {self.mode} mode: leave mode out")

    @property
    def _inner(self) -> Backend:
        assert isinstance(self.backend, Backend)
        return self.backend

    @property
    def forward(self) -> bool:
        return not self.reverse

    @property
    def reverse(self) -> bool:
        return self.mode == "reverse" or (self.mode is None and self._inner.reverse)

    @property
    def library(self) -> str:  # type: ignore[override]
        return self._inner.library

    @property
    def nestable(self) -> bool:  # type: ignore[override]
        return self._inner.nestable

    @property
    def hosts(self) -> bool:  # type: ignore[override]
        return self._inner.hosts

    @property
    def keeps_boxes(self) -> bool:  # type: ignore[override]
        return self._inner.keeps_boxes

    @property
    def follows(self) -> str | None:
        return self._inner.follows

    @property
    def xp(self) -> Any:
        return self._inner.xp

    def jvp(self, problem: Problem) -> Kernel:
        return self._inner.jvp(problem)

    def vjp(self, problem: Problem) -> Kernel:
        return self._inner.vjp(problem)

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
