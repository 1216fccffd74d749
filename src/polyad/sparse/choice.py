"""Which coloring a matrix is compressed by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyad.errors import ArgumentError, PatternError
from polyad.sparse.greedy import color

if TYPE_CHECKING:
    from polyad.sparse.pattern import Pattern
    from polyad.systems.base import Backend

__all__ = ["chosen"]


def chosen(wanted: Any, pattern: Pattern, backend: Backend, *, second: bool) -> Any:
    """The coloring that the caller wants, or the one with the fewest products."""
    if hasattr(wanted, "column_colors"):
        if tuple(wanted.pattern.shape) != tuple(pattern.shape):
            raise PatternError(
                f"the coloring is of a pattern of shape {tuple(wanted.pattern.shape)}, the pattern here has "
                f"shape {tuple(pattern.shape)}"
            )
        return wanted
    if wanted != "auto" and not callable(wanted):
        raise ArgumentError(
            f"coloring={wanted!r}: pass 'auto', a Coloring, or a callable such as polyad.sparse.color"
        )
    make = color if wanted == "auto" else wanted
    if second:
        return make(pattern, partition="column", symmetric=True)
    candidates = []
    if backend.forward:
        candidates.append(make(pattern, partition="column"))
    if backend.reverse and (not candidates or candidates[0].ncolors > 1):
        candidates.append(make(pattern, partition="row"))
    return min(candidates, key=lambda c: c.ncolors)
