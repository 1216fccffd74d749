"""A coloring: who shares a product with whom, why, and how the entries come out of the products."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import PatternError
from polyad.sparse.decompression import Decompression, plan

if TYPE_CHECKING:
    from polyad.sparse.pattern import Pattern

__all__ = ["Coloring"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Coloring:
    """Which columns (rows) of a sparse matrix are computed in one product.

    Parameters
    ----------
    pattern : Pattern
        What is colored.
    column_colors, row_colors : array of int or None
        The color of each column and of each row, from 0 on; -1 for one that needs no product. None where no
        products of that kind are used.
    symmetric : bool
        Whether an entry may be read from its mirror image.
    decompression : str
        "direct" (each entry stands alone in a product) or "substitution".
    method : str
        How it was found.
    lower_bound : int
        No coloring of the kind has fewer colors.
    tried : tuple of (str, int)
        What was tried, with the number of products of each.

    Examples
    --------
    >>> import polyad as ad, scipy.sparse
    >>> bands = scipy.sparse.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(6, 6))
    >>> pattern = ad.sparse.Pattern.from_scipy(bands)
    >>> coloring = ad.sparse.color(pattern)
    >>> coloring
    <Coloring of 6 columns in 3 colors, the fewest possible: natural order>
    >>> coloring.column_colors
    array([0, 1, 2, 0, 1, 2], dtype=int32)
    """

    pattern: Pattern
    column_colors: Array | None
    row_colors: Array | None
    symmetric: bool = False
    decompression: str = "direct"
    method: str = "given"
    lower_bound: int = 0
    tried: tuple[tuple[str, int], ...] = ()

    @property
    def pushes(self) -> int:
        """The number of products with columns (pushforwards, J v)."""
        return 0 if self.column_colors is None else int(self.column_colors.max(initial=-1)) + 1

    @property
    def pulls(self) -> int:
        """The number of products with rows (pullbacks, w J)."""
        return 0 if self.row_colors is None else int(self.row_colors.max(initial=-1)) + 1

    @property
    def ncolors(self) -> int:
        """The number of products."""
        return self.pushes + self.pulls

    @property
    def column_groups(self) -> list[Array]:
        """The columns of each color."""
        return _groups(self.column_colors, self.pushes)

    @property
    def row_groups(self) -> list[Array]:
        """The rows of each color."""
        return _groups(self.row_colors, self.pulls)

    @property
    def groups(self) -> list[Array]:
        """The columns of each color, then the rows of each color."""
        return [*self.column_groups, *self.row_groups]

    def seeds(self, dtype: Any = float) -> tuple[Array, Array]:
        """The directions of the products: one row for each color, columns' colors and rows' colors."""
        m, n = self.pattern.shape
        return _seeds(self.column_groups, n, dtype), _seeds(self.row_groups, m, dtype)

    @functools.cached_property
    def plan(self) -> Decompression:
        """Where the entries are in the products; made, and so checked, when it is first asked for."""
        return plan(self.pattern, self.column_colors, self.row_colors, symmetric=self.symmetric)

    def decompress(
        self, products: Any, pulled: Any = None, *, out: Array | None = None, work: Array | None = None
    ) -> Array:
        """The entries of the matrix, in the CSR order of the pattern.

        Parameters
        ----------
        products : array
            The products with the columns' groups, one after the other (shape ``(pushes, m)``). With
            ``pulled`` left out, all products in one row: these, then those with the rows' groups.
        pulled : array, optional
            The products with the rows' groups, shape ``(pulls, n)``.
        out : array, optional
            Where the entries are written.
        work : array, optional
            Memory for a copy of the products in one row, which a substitution needs.

        Raises
        ------
        OutMismatchError
            If the products or ``out`` do not have the size or dtype that they should have.
        """
        if pulled is not None:
            products = np.concatenate([np.asarray(products).reshape(-1), np.asarray(pulled).reshape(-1)])
        return self.plan(products, out, work)

    def parts(self) -> dict[str, Any]:
        """All but the pattern, as arrays for a file."""
        colors = {"columns": self.column_colors, "rows": self.row_colors}
        words = {"decompression": self.decompression, "method": self.method}
        numbers = {"symmetric": self.symmetric, "lower_bound": self.lower_bound}
        return {k: np.asarray(v) for k, v in (colors | words | numbers).items() if v is not None}

    @classmethod
    def of_parts(cls, pattern: Pattern, parts: Mapping[str, Any]) -> Coloring:
        """The coloring of ``parts``; whether it fits the pattern is checked when its plan is made."""
        colors = {name: parts[name] if name in parts else None for name in ("columns", "rows")}
        for name, size in (("columns", pattern.shape[1]), ("rows", pattern.shape[0])):
            found = colors[name]
            if found is not None and (
                found.shape != (size,) or found.dtype.kind != "i" or np.any(found < -1)
            ):
                raise PatternError(f"the colors of {size} {name} are as many whole numbers from -1 on")
        return cls(
            pattern,
            colors["columns"],
            colors["rows"],
            bool(parts["symmetric"]),
            str(parts["decompression"]),
            str(parts["method"]),
            int(parts["lower_bound"]),
        )

    def __repr__(self) -> str:
        m, n = self.pattern.shape
        what = []
        if self.column_colors is not None:
            what.append(f"{n} columns in {_colors(self.pushes)}")
        if self.row_colors is not None:
            what.append(f"{m} rows in {_colors(self.pulls)}")
        fewest = self.ncolors <= self.lower_bound
        bound = "the fewest possible" if fewest else f"at least {self.lower_bound} are needed"
        return f"<Coloring of {' and '.join(what)}, {bound}: {self.method}>"


def _colors(count: int) -> str:
    return f"{count} color" + "s" * (count != 1)


def _groups(colors: Array | None, count: int) -> list[Array]:
    if colors is None or not count:
        return []
    order = np.argsort(colors, kind="stable")
    sizes = np.bincount(colors + 1, minlength=count + 1)
    return list(np.split(order, np.cumsum(sizes)[:-1])[1:])


def _seeds(groups: list[Array], size: int, dtype: Any) -> Array:
    seeds = np.zeros((len(groups), size), dtype=dtype)
    for seed, members in zip(seeds, groups, strict=True):
        seed[members] = 1
    return seeds
