"""The run times as violins: one panel per function and operator, one line per backend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.benchmark.table import Row, Table
from polyad.benchmark.units import seconds_text
from polyad.errors import ArgumentError, OptionalPackageError, how_to_install

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["check_ending", "violins"]

# Okabe and Ito's colours, told apart by every eye
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#777777")
GREY = "#666666"
PLAIN = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}  # behind words
# narrowest violin in decades, so that a steady backend still shows
NARROWEST = 0.012


def violins(table: Table, path: str | Path | None = None) -> Figure:
    """Draw the run times of a table; see ``Table.plot``."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise OptionalPackageError(
            f"the plot needs matplotlib, which is not installed: {how_to_install('plot')}"
        ) from None
    if path is not None:
        check_ending(path)
    groups = table.groups()
    if not groups:
        raise ArgumentError("the table is empty: there is nothing to plot")
    functions = [heading.function for heading in table.headings]
    columns = max(sum(rows[0].function == name for rows in groups) for name in functions)
    labels = list(dict.fromkeys(row.backend for row in table))
    colours = {label: COLOURS[k % len(COLOURS)] for k, label in enumerate(labels)}
    height = 0.9 + sum(_panel_height(groups, name) for name in functions)
    figure = Figure(figsize=(5.6 * columns + 1.2, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)  # draws without a display and without touching pyplot
    grid: Any = figure.subplots(
        len(functions),
        columns,
        squeeze=False,
        height_ratios=[_panel_height(groups, name) for name in functions],
    )
    for line, heading in enumerate(table.headings):
        panels = [rows for rows in groups if rows[0].function == heading.function]
        for column in range(columns):
            axes = grid[line, column]
            if column < len(panels):
                _panel(axes, panels[column], colours, heading.primal)
            else:
                axes.set_visible(False)
    figure.suptitle("Time per prepared call (dashed: $f$ itself in plain Python)", fontsize=11)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def check_ending(path: str | Path) -> None:
    """Refuse a file name whose ending says no format that matplotlib writes.

    Raises
    ------
    polyad.errors.ArgumentError
        If it does not; the message lists those that do.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.get_supported_filetypes())
    if Path(path).suffix.removeprefix(".").lower() not in known:
        raise ArgumentError(f"{path} has no ending of a picture: take one of .{', .'.join(known)}")


def _panel_height(groups: Sequence[Sequence[Row]], function: str) -> float:
    return 0.9 + 0.42 * max((len(rows) for rows in groups if rows[0].function == function), default=1)


def _panel(axes: Axes, rows: Sequence[Row], colours: dict[str, str], primal: float | None) -> None:
    """One operator: the fastest on top, what failed in words."""
    timed = [row for row in rows if row.samples]
    low, high = _limits(timed, primal)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [row.backend for row in rows])
    for place, row in enumerate(rows):
        if row.samples:
            _violin(axes, place, row, colours[row.backend])
        else:
            words = row.reason if len(row.reason) <= 64 else f"{row.reason[:63]}\N{HORIZONTAL ELLIPSIS}"
            axes.text(
                low * 1.08, place, words, color=GREY, fontsize=8, style="italic", va="center", bbox=PLAIN
            )
    if primal is not None:
        axes.axvline(primal, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        axes.text(primal, -0.46, "f ", color=GREY, fontsize=9, style="italic", ha="right", va="top")
    axes.set_title(f"{rows[0].function}: {rows[0].operator}", fontsize=10, loc="left")
    axes.xaxis.set_major_formatter(_time_tick)
    axes.xaxis.set_minor_formatter(lambda *_: "")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", which="major", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _violin(axes: Axes, place: int, row: Row, colour: str) -> None:
    """Density of the logarithm of the times, mirrored; quartiles and median over it."""
    logs = np.log10(row.samples)
    # Silverman's rule: the smaller of both spreads, so that a few late samples do not blur the rest
    spread = min(float(np.std(logs)), float(np.subtract(*np.quantile(logs, [0.75, 0.25]))) / 1.34)
    width = max(NARROWEST, 0.9 * spread * len(logs) ** -0.2)
    x = np.linspace(logs.min() - 2 * width, logs.max() + 2 * width, 400)
    density = np.exp(-0.5 * ((x[:, None] - logs) / width) ** 2).sum(axis=1)
    half = 0.38 * density / density.max()
    axes.fill_between(10**x, place - half, place + half, color=colour, alpha=0.35, linewidth=0)
    axes.plot([row.q25, row.q75], [place, place], color=colour, linewidth=3, solid_capstyle="butt")
    axes.plot(row.time, place, "o", color="white", markeredgecolor=colour, markersize=4.5)
    mark = "" if row.status == "agrees" else "  disagrees"
    noisy = "  noisy" if row.noisy else ""
    axes.annotate(
        f"{seconds_text(row.time)}{noisy}{mark}",
        (10 ** x[-1], place),
        xytext=(4, 0),
        textcoords="offset points",
        fontsize=8,
        va="center",
        color="#b00020" if mark else "#222222",
        bbox=PLAIN,
    )


def _limits(timed: Sequence[Row], primal: float | None) -> tuple[float, float]:
    """Limits with room for the labels at the right; a decade at least."""
    times = [t for row in timed for t in row.samples] + ([primal] if primal else [])
    if not times:
        return 1e-6, 1e-3
    low, high = np.log10(min(times)) - 0.15, np.log10(max(times)) + 0.1
    span = max(1.0, high - low)
    return float(10**low), float(10 ** (low + span * 1.28))


def _time_tick(x: float, _position: float | None = None) -> str:
    return seconds_text(x).replace(".00", "").replace(".0 ", " ")
