"""Forward mode from one backend and reverse mode from another."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from polyad.combine.wrapper import Wrapper
from polyad.errors import ArgumentError
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem
from polyad.systems.registry import resolve

__all__ = ["MixedMode"]


@dataclasses.dataclass(frozen=True, repr=False)
class MixedMode(Wrapper):
    """Pushforwards by one backend, pullbacks by another, of the same array library.

    ``Sparse(MixedMode(forward, reverse))`` compresses a Jacobian by columns and by rows at once, which takes
    few products where both some rows and some columns are dense.

    Parameters
    ----------
    backend : Backend or str
        Who does forward mode.
    pullbacks : Backend or str, optional
        Who does reverse mode; None: the same backend.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> mixed = ad.MixedMode("numpy:forward", "numpy:reverse")
    >>> ad.gradient(lambda x: np.sum(x**2), np.array([1.0, 2.0]), backend=mixed)
    array([2., 4.])
    """

    pullbacks: Backend | str | None = None

    name: ClassVar[str] = "mixed"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "pullbacks", resolve(self.pullbacks or self.backend))
        if self.lift is None and self._inner.lift is not None:
            object.__setattr__(self, "lift", self._inner.lift)
        for backend, mode in ((self._inner, "forward"), (self._other, "reverse")):
            if not getattr(backend, mode):
                raise ArgumentError(f"MixedMode takes {mode} mode from {backend!r}, which has none")
        if self._inner.library != self._other.library:
            raise ArgumentError(
                f"{self._inner!r} computes with arrays of the library {self._inner.library}, {self._other!r} "
                f"with those of {self._other.library}: take both modes from backends of one library"
            )
        if self._differ and self._inner.takes_tables:
            raise ArgumentError(f"{self._inner!r} compiles what it differentiates: take both modes from it")

    def __repr__(self) -> str:
        return f"MixedMode({self.backend!r}, {self.pullbacks!r})"

    @property
    def _other(self) -> Backend:
        assert isinstance(self.pullbacks, Backend)
        return self.pullbacks

    @property
    def _differ(self) -> bool:
        return type(self._inner) is not type(self._other)

    @property
    def reverse(self) -> bool:
        return self.mode != "forward"

    @property
    def nestable(self) -> bool:  # type: ignore[override]
        return self._inner.nestable and not self._differ

    @property
    def exact(self) -> bool:  # type: ignore[override]
        return self._inner.exact and self._other.exact

    @property
    def freezes(self) -> bool:  # type: ignore[override]
        return self._inner.freezes and self._other.freezes

    def jvp_batched(self, problem: Problem) -> Kernel:
        return self._inner.jvp_batched(problem)

    def vjp(self, problem: Problem) -> Kernel:
        return self._other.vjp(problem)

    def vjp_batched(self, problem: Problem) -> Kernel:
        return self._other.vjp_batched(problem)
