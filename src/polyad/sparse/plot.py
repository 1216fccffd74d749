"""A picture of a pattern, each entry in the color of the product that it comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.errors import OptionalPackageError, how_to_install

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from polyad.arrays.types import Array
    from polyad.sparse.pattern import Pattern

__all__ = ["spy"]

# more entries than that are drawn as a picture of so many points along the longer side
MOST, POINTS = 20_000, 600


def spy(pattern: Pattern, coloring: Any = None, path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw a pattern, its entries in the colors of a coloring; saved where a path is given."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise OptionalPackageError(
            f"the plot needs matplotlib, which is not installed: {how_to_install('plot')}"
        ) from None
    m, n = pattern.shape
    rows, columns = pattern.row_ids(), pattern.indices
    colors = _colors(coloring, rows, columns)
    wide = max(n, 1) / max(m, n, 1)
    high = max(m, 1) / max(m, n, 1)
    figure = Figure(
        figsize=(1.6 + 5 * max(wide, 0.2), 1.4 + 5 * max(high, 0.2)), layout="constrained", facecolor="white"
    )
    FigureCanvasAgg(figure)  # draws without a display and without touching pyplot
    axes = figure.subplots()
    count = int(colors.max(initial=0)) + 1
    if pattern.nnz > MOST:
        # of several entries on one point the last one is seen
        down, across = max(1, round(POINTS * high)), max(1, round(POINTS * wide))
        image = np.full((down, across), np.nan)
        image[rows.astype(np.int64) * down // m, columns.astype(np.int64) * across // n] = colors
        axes.imshow(
            image,
            cmap=_palette(count),
            vmin=-0.5,
            vmax=count - 0.5,
            interpolation="nearest",
            extent=(-0.5, n - 0.5, m - 0.5, -0.5),
            aspect="auto",
        )
    else:
        size = (300.0 / max(m, n, 1)) ** 2
        axes.scatter(
            columns,
            rows,
            c=colors,
            cmap=_palette(count),
            vmin=-0.5,
            vmax=count - 0.5,
            marker="s",
            s=min(max(size, 0.5), 400.0),
            linewidths=0,
        )
    axes.set(xlim=(-0.5, n - 0.5), ylim=(m - 0.5, -0.5), xlabel="input entry", ylabel="output entry")
    axes.locator_params(integer=True)
    if m == n:
        axes.set_aspect("equal")
    words = f"{m} x {n}, {pattern.nnz} entries"
    if coloring is not None:
        words += f", {coloring.ncolors} color{'s' * (coloring.ncolors != 1)}"
    axes.set_title(words, fontsize=10)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _colors(coloring: Any, rows: Array, columns: Array) -> Array:
    """The color of each entry: that of its column, else that of its row."""
    if coloring is None:
        return np.zeros(len(rows), dtype=int)
    of_columns = np.full(len(rows), -1) if coloring.column_colors is None else coloring.column_colors[columns]
    if coloring.row_colors is None:
        return of_columns
    pushes = 0 if coloring.column_colors is None else int(coloring.column_colors.max(initial=-1)) + 1
    of_rows = coloring.row_colors[rows]
    return np.where((of_rows >= 0) & (of_columns < 0), pushes + of_rows, np.maximum(of_columns, 0))


def _palette(count: int) -> Any:
    from matplotlib import colormaps

    return colormaps["tab10" if count <= 10 else "tab20" if count <= 20 else "turbo"].resampled(max(count, 1))
