"""A simple coloring: at distance two, in the natural order."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from polyad.arrays.types import Array

if TYPE_CHECKING:
    from polyad.sparse.pattern import Pattern

__all__ = ["Greedy", "color"]


@dataclasses.dataclass(frozen=True, eq=False)
class Greedy:
    """Colors of the columns or of the rows, from 0 on."""

    pattern: Pattern
    column_colors: Array | None
    row_colors: Array | None
    ncolors: int
    symmetric: bool
    decompression: str = "direct"

    @property
    def groups(self) -> list[Array]:
        """The columns (rows) of each color."""
        colors = self.row_colors if self.column_colors is None else self.column_colors
        return [np.flatnonzero(colors == k) for k in range(self.ncolors)]


def color(pattern: Pattern, partition: str = "column", *, symmetric: bool = False) -> Greedy:
    """Color columns (rows) so that those of one color have no row (column) in common."""
    other = pattern.T
    down, across = (other, pattern) if partition == "column" else (pattern, other)
    count = down.shape[0]
    colors = [-1] * count
    starts, members = down.indptr.tolist(), down.indices.tolist()
    taken: list[set[int]] = [set() for _ in range(across.shape[0])]
    for k in range(count):
        lines = members[starts[k] : starts[k + 1]]
        if not lines:
            continue  # nothing is there to be computed
        used = set().union(*(taken[line] for line in lines))
        mine = next(c for c in range(len(used) + 1) if c not in used)
        colors[k] = mine
        for line in lines:
            taken[line].add(mine)
    found = np.array(colors, dtype=np.int32)
    total = int(found.max(initial=-1)) + 1
    by_columns = partition == "column"
    return Greedy(pattern, found if by_columns else None, None if by_columns else found, total, symmetric)
