"""A pattern that the caller knows, in place of one that is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.errors import PatternError
from polyad.sparse.pattern import Pattern

if TYPE_CHECKING:
    from polyad.systems.contract import Problem

__all__ = ["KnownPattern"]


class KnownPattern:
    """A detector that gives a pattern which the caller knows.

    Parameters
    ----------
    pattern : Pattern, SciPy sparse matrix or array
        Where the Jacobian (or the Hessian) may have entries, all output entries in a row by all input
        entries in a row. Of a sparse matrix the stored entries count, zeros among them; of an array those
        that are not zero.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> backend = ad.Sparse("numpy", detector=ad.KnownPattern(np.eye(3)))
    >>> ad.jacobian(lambda x: x**2, np.array([1.0, 2.0, 3.0]), backend=backend).diagonal()
    array([2., 4., 6.])
    """

    def __init__(self, pattern: Any) -> None:
        self.pattern = pattern_of(pattern)

    def __repr__(self) -> str:
        return f"KnownPattern({self.pattern!r})"

    def jacobian_sparsity(self, problem: Problem) -> Pattern:
        """The pattern, if it has the shape of the problem's Jacobian."""
        shape = (sum(s.size for s in problem.outputs), sum(s.size for s in problem.inputs))
        return self._fitting(problem, "Jacobian", shape)

    def hessian_sparsity(self, problem: Problem) -> Pattern:
        """The pattern, if it has the shape of the problem's Hessian and is symmetric."""
        count = sum(s.size for s in problem.inputs)
        found = self._fitting(problem, "Hessian", (count, count))
        other = found.T
        if not (np.array_equal(found.indptr, other.indptr) and np.array_equal(found.indices, other.indices)):
            raise PatternError(
                f"the pattern of the Hessian of {problem.label} is not symmetric: pass both triangles, as "
                "S + S.T has them"
            )
        return found

    def _fitting(self, problem: Problem, what: str, shape: tuple[int, int]) -> Pattern:
        if tuple(self.pattern.shape) != shape:
            raise PatternError(
                f"the {what} of {problem.label} has shape {shape} (all output entries by all input entries), "
                f"the known pattern has shape {tuple(self.pattern.shape)}"
            )
        return self.pattern


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
