"""The pattern from the function itself: by the backend's own way, on index sets."""

from __future__ import annotations

import dataclasses
from typing import Any

from polyad.arrays.libraries import ArraySpec
from polyad.errors import ArgumentError
from polyad.sparse.pattern import Pattern
from polyad.systems.base import Backend
from polyad.systems.contract import Problem

__all__ = ["TracingDetector", "detector_of"]


@dataclasses.dataclass(frozen=True)
class TracingDetector:
    """The pattern from what the function does: exact where that can be, never without an entry.

    NumPy functions are run on index sets by polyad's engine; of JAX functions the program of the derivative
    is read; CasADi knows it. Whole numbers among the constant arguments are taken as they are, since
    they mostly say which entries are meant; other constants may be anything.

    Parameters
    ----------
    local : bool
        Whether the pattern is that at the given point: branches and choices are made by its values.
        Otherwise it holds for every input of the same form, and a branch on a value is refused.
    unknown : {"raise", "dense"}
        Of an operation whose derivative's pattern is not known, whether it is an error or counts as one of
        which every result depends on every operand.
    backend : Backend, optional
        Who differentiates; ``bound`` sets it.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> detector = ad.sparse.TracingDetector(local=True)
    >>> ad.jacobian_sparsity(lambda x: x if x[0] > 0 else x[::-1], np.ones(3), detector=detector)
    <Pattern of shape (3, 3), 3 entries, 33 %>
    """

    local: bool = False
    unknown: str = "raise"
    backend: Backend | None = None

    def __post_init__(self) -> None:
        if self.unknown not in ("raise", "dense"):
            raise ArgumentError(f"unknown is 'raise' or 'dense', not {self.unknown!r}")

    @property
    def of_points(self) -> bool:
        """Whether the pattern is that of a point, not of the function."""
        return self.local

    def bound(self, backend: Backend) -> TracingDetector:
        """The same for a backend."""
        return dataclasses.replace(self, backend=backend)

    def jacobian_sparsity(self, problem: Problem) -> Pattern:
        """The pattern of the Jacobian."""
        indptr, indices = self._backend().jacobian_sparsity(
            problem, local=self.local, dense=self.unknown == "dense"
        )
        return Pattern.trusted((len(indptr) - 1, size(problem.inputs)), indptr, indices)

    def hessian_sparsity(self, problem: Problem) -> Pattern:
        """The pattern of the Hessian."""
        indptr, indices = self._backend().hessian_sparsity(
            problem, local=self.local, dense=self.unknown == "dense"
        )
        n = size(problem.inputs)
        return Pattern.trusted((n, n), indptr, indices)

    def _backend(self) -> Backend:
        if self.backend is None:
            raise ArgumentError("this detector must know who differentiates: detector.bound(backend)")
        return self.backend


def size(specs: tuple[ArraySpec, ...]) -> int:
    """How many entries leaves have together."""
    return sum(spec.size for spec in specs)


def detector_of(detector: Any, backend: Backend) -> Any:
    """A detector for a backend; ``"auto"`` is the pattern from the function itself."""
    if isinstance(detector, str):
        if detector != "auto":
            raise ArgumentError(f"detector is 'auto' or a detector, not {detector!r}")
        detector = TracingDetector()
    if not (hasattr(detector, "jacobian_sparsity") and hasattr(detector, "hessian_sparsity")):
        raise ArgumentError(
            f"a {type(detector).__name__} is no detector, which has jacobian_sparsity and hessian_sparsity"
        )
    bind = getattr(detector, "bound", None)
    return detector if bind is None else bind(backend)
