"""The table in lines of styled text, one layout for plain output and for rich.

* The columns take what their contents need. What remains of the line is the strategy's; where that
  is too little, the strategy has a line of its own.
* A line is a list of pairs (text, style); the styles are rich's.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from polyad.benchmark.table import Heading, Recommendation, Row, Table
from polyad.benchmark.units import bytes_text, number_text, seconds_text

__all__ = ["Line", "lines"]

Line = list[tuple[str, str]]

COLUMNS = ("agreement", "prepare", "per call", "spread", "x f", "calls of f", "memory")
LEGEND = (
    "agreement: largest difference from the reference, over its largest entry; prepare: until the "
    "first result, without imports; per call: median; spread: interquartile range over the median; "
    "x f: per call over f itself in plain Python; calls of f: at preparation + in every call; "
    "memory: growth of the process at its peak."
)
STRATEGY_LEAST = 36
STYLES = {"agrees": "", "disagrees": "bold red", "failed": "yellow"}


def lines(table: Table, width: int, *, legend: bool = True) -> Iterator[Line]:
    """The lines of a table, none longer than ``width`` (as long as ``width`` is at least 80)."""
    chosen = {(r.function, r.operator): r for r in table.recommendations}
    groups = table.groups()
    label_width = max([len(r.backend) for r in table] + [len(r.operator) for r in table], default=0)
    widths = [
        max([len(name)] + [len(_cells(row)[k]) for row in table if row.samples])
        for k, name in enumerate(COLUMNS)
    ]
    for number, heading in enumerate(table.headings):
        if number:
            yield []
        yield from _heading(heading, width)
        for rows in groups:
            if rows[0].function == heading.function:
                yield []
                recommendation = chosen.get((rows[0].function, rows[0].operator))
                yield from _group(rows, recommendation, label_width, widths, width)
    if legend and any(row.samples for row in table):
        yield []
        for text in textwrap.wrap(LEGEND, width):
            yield [(text, "dim")]


def _heading(heading: Heading, width: int) -> Iterator[Line]:
    own = "" if heading.primal is None else f"{seconds_text(heading.primal)} a call in plain Python"
    text = ", ".join(part for part in (heading.title, own) if part)
    start = f"{heading.function}: "
    words = textwrap.wrap(text, width, initial_indent=start, subsequent_indent="  ")
    yield [(heading.function, "bold"), (words[0].removeprefix(heading.function) if words else "", "")]
    yield from ([(part, "")] for part in words[1:])
    for note in heading.notes:
        for text in textwrap.wrap(note, width - 2):
            yield [(f"  {text}", "dim")]


def _group(
    rows: list[Row], chosen: Recommendation | None, label_width: int, widths: list[int], width: int
) -> Iterator[Line]:
    operator = rows[0].operator
    used = 2 + label_width + sum(widths) + 2 * len(widths)
    room = width - used - 2
    beside = room >= STRATEGY_LEAST
    gap = "  " if used <= width else " "
    if any(row.samples for row in rows):
        names = gap.join(name.rjust(w) for name, w in zip(COLUMNS, widths, strict=True))
        tail = f"{gap}strategy" if beside else ""
        yield [("  ", ""), (operator.ljust(label_width), "bold cyan"), (f"{gap}{names}{tail}", "dim")]
    else:
        yield [("  ", ""), (operator, "bold cyan")]
    for row in rows:
        best = chosen is not None and row.backend == chosen.backend
        style = "bold green" if best else STYLES[row.status]
        label: Line = [("> " if best else "  ", style), (row.backend.ljust(label_width), style)]
        indent = " " * (2 + label_width)
        if not row.samples:
            words = textwrap.wrap(f"no result: {row.reason}", width - len(indent) - 2)
            yield [*label, (f"  {words[0]}", style)]
            for text in words[1:]:
                yield [(f"{indent}  {text}", style)]
            continue
        cells = gap.join(cell.rjust(w) for cell, w in zip(_cells(row), widths, strict=True))
        if beside:
            words = textwrap.wrap(row.strategy, room) or [""]
            yield [*label, (gap + cells, style), (gap + words[0], "dim")]
            for text in words[1:]:
                yield [(" " * used + gap + text, "dim")]
        else:
            yield [*label, (gap + cells, style)]
            for text in textwrap.wrap(row.strategy, width - 4):
                yield [(f"    {text}", "dim")]
        if row.status == "disagrees":
            for text in textwrap.wrap(f"DISAGREES: {row.reason}", width - len(indent) - 2):
                yield [(f"{indent}  {text}", style)]
    if chosen is not None:
        text = f"take {chosen.backend}: {chosen.reason}."
        for k, part in enumerate(textwrap.wrap(text, width - 5)):
            yield [("  -> " if k == 0 else "     ", "green"), (part, "green")]


def _cells(row: Row) -> list[str]:
    if not row.samples:
        return [""] * len(COLUMNS)
    agreement = "reference" if row.reference else "-"
    if row.agreement is not None:
        agreement = "0" if row.agreement == 0 else f"{row.agreement:.1e}"
    return [
        agreement,
        seconds_text(row.preparation),
        seconds_text(row.time),
        f"{100 * row.spread:.0f} %",
        "-" if row.ratio is None else number_text(row.ratio),
        f"{row.preparation_calls} + {row.calls}",
        "-" if row.memory is None else bytes_text(row.memory),
    ]
