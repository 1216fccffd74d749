"""Which coloring a matrix is compressed by: the one that takes the fewest products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyad.errors import ArgumentError, PatternError
from polyad.sparse.coloring.choose import color

if TYPE_CHECKING:
    from polyad.sparse.coloring.result import Coloring
    from polyad.sparse.pattern import Pattern
    from polyad.systems.base import Backend

__all__ = ["chosen"]

# with so few products of one kind, products of both kinds are not tried
ENOUGH = 3


def chosen(wanted: Any, pattern: Pattern, backend: Backend, *, second: bool) -> Coloring:
    """The coloring that the caller wants, or the one with the fewest products of what the backend has."""
    if hasattr(wanted, "column_colors"):
        return _given(wanted, pattern, second=second)
    if not callable(wanted) and wanted != "auto":
        raise ArgumentError(
            f"coloring={wanted!r}: pass 'auto', a Coloring, or a callable such as polyad.sparse.color"
        )
    make = color if wanted == "auto" else wanted
    if second:
        symmetric: Coloring = make(pattern, "column", symmetric=True)
        return symmetric
    found: list[Coloring] = []
    if backend.forward:
        found.append(make(pattern, "column"))
    # no coloring of the rows has fewer colors than the fullest column has entries
    if backend.reverse and (not found or found[0].ncolors > 1):
        found.append(make(pattern, "row"))
    if backend.forward and backend.reverse and min(c.ncolors for c in found) > ENOUGH:
        found.append(make(pattern, "bidirectional"))
    best = min(found, key=lambda c: c.ncolors)
    return best


def _given(coloring: Any, pattern: Pattern, *, second: bool) -> Any:
    if coloring.pattern != pattern:
        raise PatternError(
            f"the coloring is of {coloring.pattern!r}, the matrix here has {pattern!r}: color that one"
        )
    if second and coloring.row_colors is not None:
        raise PatternError("a Hessian is compressed by its columns: color with partition='column'")
    return coloring
