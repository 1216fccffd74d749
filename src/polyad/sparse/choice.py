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


def chosen(wanted: Any, pattern: Pattern, backend: Backend, *, second: bool, known: Any = None) -> Coloring:
    """The coloring that the caller wants, or the one with the fewest products of what the backend has.

    ``known`` came with the pattern and is taken where it fits, if the caller leaves the choice.
    """
    if isinstance(wanted, str) and known is not None and not _misfit(known, pattern, backend, second=second):
        return known
    if hasattr(wanted, "column_colors"):
        misfit = _misfit(wanted, pattern, backend, second=second)
        if misfit:
            raise PatternError(misfit)
        return wanted
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


def _misfit(coloring: Any, pattern: Pattern, backend: Backend, *, second: bool) -> str:
    """Why a coloring cannot be used for a matrix of that pattern; empty where it can."""
    if coloring.pattern != pattern:
        return f"the coloring is of {coloring.pattern!r}, the matrix here has {pattern!r}: color that one"
    if second:
        rows = coloring.row_colors is not None
        return "a Hessian is compressed by its columns: color with partition='column'" * rows
    if coloring.symmetric:
        return "a Jacobian need not be symmetric as the matrix of this coloring: leave symmetric=True out"
    for count, has, kind, lacks in (
        (coloring.pushes, backend.forward, "row", "forward"),
        (coloring.pulls, backend.reverse, "column", "reverse"),
    ):
        if count and not has:
            return f"{backend!r} has no {lacks} mode, which the coloring needs: color with partition={kind!r}"
    return ""
