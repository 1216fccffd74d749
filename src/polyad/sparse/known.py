"""A pattern that the caller knows, in place of one that is found."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.errors import PatternError
from polyad.sparse.coloring.result import Coloring
from polyad.sparse.detection import detector_of
from polyad.sparse.pattern import Pattern

if TYPE_CHECKING:
    from polyad.systems.base import Backend
    from polyad.systems.contract import Problem

__all__ = ["Kept", "KnownPattern"]


class KnownPattern:
    """A detector that gives a pattern which the caller knows.

    Parameters
    ----------
    pattern : Pattern, SciPy sparse matrix or array
        Where the Jacobian (or the Hessian) may have entries, all output entries in a row by all input
        entries in a row. Of a sparse matrix the stored entries count, zeros among them; of an array those
        that are not zero.
    coloring : Coloring, optional
        A coloring of it, which is taken where it suits the backend and the caller asks for no other.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> backend = ad.Sparse("numpy", detector=ad.KnownPattern(np.eye(3)))
    >>> ad.jacobian(lambda x: x**2, np.array([1.0, 2.0, 3.0]), backend=backend).diagonal()
    array([2., 4., 6.])
    """

    # whether the pattern holds whatever the whole numbers among the constant arguments are
    for_all_constants = True
    # who finds the pattern for others
    searching = None
    # whether it was found at some points, where alone it is known to hold
    of_points = False

    def __init__(self, pattern: Any, coloring: Coloring | None = None) -> None:
        self.pattern = pattern_of(pattern)
        if coloring is not None and coloring.pattern != self.pattern:
            raise PatternError(
                f"the coloring is of {coloring.pattern!r}, the pattern is {self.pattern!r}: color that one"
            )
        self.coloring = coloring

    def __repr__(self) -> str:
        return f"KnownPattern({self.pattern!r})"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write pattern and colors to a file of NumPy's format ``npz``."""
        parts: dict[str, Any] = {
            "shape": np.array(self.pattern.shape),
            "indptr": self.pattern.indptr,
            "indices": self.pattern.indices,
        }
        if self.coloring is not None:
            parts |= self.coloring.parts()
        if self.of_points:
            parts["of_points"] = np.array(True)
        with Path(path).open("wb") as file:  # a name is left as it is, to which NumPy would add ".npz"
            np.savez_compressed(file, **parts)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> KnownPattern:
        """What ``save``, or ``save_pattern`` of a prepared sparse derivative, has written.

        Whole numbers among the constant arguments must stay what they are at preparation, as with a pattern
        that is found: which entries there are may depend on them.
        """
        with np.load(path) as found:
            m, n = found["shape"].tolist()
            pattern = Pattern((m, n), found["indptr"], found["indices"])
            coloring = Coloring.of_parts(pattern, found) if "symmetric" in found else None
            of_points = "of_points" in found
        made = cls(pattern, coloring)
        made.for_all_constants, made.of_points = False, of_points
        return made

    def fits(self, shape: tuple[int, int]) -> bool:
        """Whether it is a pattern of matrices of that shape."""
        return tuple(self.pattern.shape) == shape

    def jacobian_sparsity(self, problem: Problem) -> Pattern:
        """The pattern, if it has the shape of the problem's Jacobian."""
        return self._fitting(problem, "Jacobian", _shape(problem, second=False))

    def hessian_sparsity(self, problem: Problem) -> Pattern:
        """The pattern, if it has the shape of the problem's Hessian and is symmetric."""
        found = self._fitting(problem, "Hessian", _shape(problem, second=True))
        other = found.T
        if not (np.array_equal(found.indptr, other.indptr) and np.array_equal(found.indices, other.indices)):
            raise PatternError(
                f"the pattern of the Hessian of {problem.label} is not symmetric: pass both triangles, as "
                "S + S.T has them"
            )
        return found

    def _fitting(self, problem: Problem, what: str, shape: tuple[int, int]) -> Pattern:
        if not self.fits(shape):
            raise PatternError(
                f"the {what} of {problem.label} has shape {shape} (all output entries by all input entries), "
                f"the known pattern has shape {tuple(self.pattern.shape)}"
            )
        return self.pattern


def _shape(problem: Problem, *, second: bool) -> tuple[int, int]:
    columns = sum(s.size for s in problem.inputs)
    return (columns if second else sum(s.size for s in problem.outputs)), columns


@dataclasses.dataclass(frozen=True)
class Kept:
    """What a preparation found, for another one of the same; a detector for problems of other shapes."""

    known: KnownPattern
    detector: Any
    backend: Backend | None = None

    def __repr__(self) -> str:
        return repr(self.detector)

    @property
    def coloring(self) -> Coloring | None:
        """The coloring that was used."""
        return self.known.coloring

    @property
    def for_all_constants(self) -> bool:
        """Whether the pattern holds whatever the whole numbers among the constants are."""
        return getattr(self.detector, "for_all_constants", False)

    @property
    def of_points(self) -> bool:
        """Whether the pattern is that of some points, not of the function."""
        return getattr(self.detector, "of_points", False)

    @property
    def searching(self) -> Any:
        """Who finds the pattern for other whole numbers."""
        assert self.backend is not None
        found = detector_of(self.detector, self.backend)
        return getattr(found, "searching", found)

    def bound(self, backend: Backend) -> Kept:
        """The same for a backend."""
        return dataclasses.replace(self, backend=backend)

    def jacobian_sparsity(self, problem: Problem) -> Pattern:
        """The pattern of the Jacobian."""
        if self.known.fits(_shape(problem, second=False)):
            return self.known.jacobian_sparsity(problem)
        assert self.backend is not None
        found: Pattern = detector_of(self.detector, self.backend).jacobian_sparsity(problem)
        return found

    def hessian_sparsity(self, problem: Problem) -> Pattern:
        """The pattern of the Hessian."""
        if self.known.fits(_shape(problem, second=True)):
            return self.known.hessian_sparsity(problem)
        assert self.backend is not None
        found: Pattern = detector_of(self.detector, self.backend).hessian_sparsity(problem)
        return found


def pattern_of(given: Any) -> Pattern:
    """A ``Pattern`` for what a caller has: a pattern, a sparse matrix of SciPy's, an array."""
    if isinstance(given, Pattern):
        return given
    if hasattr(given, "tocoo"):
        return Pattern.from_scipy(given)
    array = np.asarray(given)
    if array.ndim != 2:
        raise PatternError(
            f"a pattern has two axes, all output entries by all input entries, not shape {array.shape}"
        )
    return Pattern.from_coordinates(array.shape, *np.nonzero(array))
