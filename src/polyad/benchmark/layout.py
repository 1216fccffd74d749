"""The table in lines of styled text, one layout for plain output and for rich.

* The columns take what their contents need. What remains of the line is the strategy's; where that
  is too little, the strategy has a line of its own.
* Where the columns do not fit, each row is a paragraph with the names in it.
* A line is a list of pairs (text, style); the styles are rich's.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from polyad.benchmark.recommend import why_none
from polyad.benchmark.table import Heading, Recommendation, Row, Table
from polyad.benchmark.units import bytes_text, number_text, seconds_text
from polyad.workers.progress import NARROWEST, terminal_width

__all__ = ["Line", "lines", "terminal_width"]

Line = list[tuple[str, str]]

COLUMNS = ("agreement", "prepare", "per call", "spread", "x f", "calls of f", "memory")
LEGEND = (
    "agreement: largest difference from the reference, over its largest entry; prepare: until the "
    "first result, without imports; per call: median; spread: interquartile range over the median, "
    "noisy from 30 % on (the machine was busy: run it again); x f: per call over f itself in plain "
    "Python; calls of f: at preparation + in every call; memory: growth of the process at its peak."
)
STRATEGY_LEAST = 36
FIXED = "\N{NO-BREAK SPACE}"
STYLES = {"agrees": "", "disagrees": "bold red", "failed": "yellow"}


def lines(table: Table, width: int, *, legend: bool = True) -> Iterator[Line]:
    """The lines of a table, none longer than ``width``, which is 20 at least."""
    width = max(NARROWEST, width)
    chosen = {(r.function, r.operator): r for r in table.recommendations}
    groups = table.groups()
    label_width = max([len(r.backend) for r in table] + [len(r.operator) for r in table], default=0)
    widths = [
        max([len(name)] + [len(_cells(row)[k]) for row in table if row.samples])
        for k, name in enumerate(COLUMNS)
    ]
    fits = 2 + label_width + sum(widths) + len(widths) <= width
    for number, heading in enumerate(table.headings):
        if number:
            yield []
        yield from _heading(heading, width)
        for rows in groups:
            if rows[0].function == heading.function:
                yield []
                recommendation = chosen.get((rows[0].function, rows[0].operator))
                if fits:
                    yield from _group(rows, recommendation, label_width, widths, width)
                else:
                    yield from _paragraphs(rows, recommendation, width)
                yield from _advice(rows, recommendation, width)
    if legend and any(row.samples for row in table):
        yield []
        for text in textwrap.wrap(LEGEND, width):
            yield [(text, "dim")]


def _heading(heading: Heading, width: int) -> Iterator[Line]:
    own = "" if heading.primal is None else f"{seconds_text(heading.primal)} a call in plain Python"
    text = ", ".join(part for part in (heading.title, own) if part)
    words = textwrap.wrap(f"{heading.function}: {text}", width, subsequent_indent="  ")
    if words[0].startswith(heading.function):
        yield [(heading.function, "bold"), (words[0].removeprefix(heading.function), "")]
    else:  # a name longer than the line
        yield [(words[0], "bold")]
    yield from ([(part, "")] for part in words[1:])
    for note in heading.notes:
        for part in textwrap.wrap(note, width - 2):
            yield [(f"  {part}", "dim")]


def _paragraphs(rows: list[Row], chosen: Recommendation | None, width: int) -> Iterator[Line]:
    """A group in a narrow terminal: every row in a few lines of its own."""
    yield [("  ", ""), (rows[0].operator, "bold cyan")]
    for row in rows:
        best = chosen is not None and row.backend == chosen.backend
        style = "bold green" if best else STYLES[row.status]
        mark = "> " if best else "  "
        for k, part in enumerate(textwrap.wrap(row.backend, width - 4)):
            yield [(f"{mark if k == 0 else '    '}{part}", style)]
        if row.samples:
            pairs = zip(COLUMNS, _cells(row), strict=True)
            # a number stays with its unit
            text = ", ".join(f"{name} {cell.replace(' ', FIXED)}" for name, cell in pairs)
            yield from _indented(text, style, 4, width)
            yield from _indented(row.strategy, "dim", 4, width)
        yield from _indented(_words(row), style, 4, width)


def _indented(text: str, style: str, indent: int, width: int) -> Iterator[Line]:
    for part in textwrap.wrap(text, width - indent):
        yield [(" " * indent + part.replace(FIXED, " "), style)]


def _words(row: Row) -> str:
    """What is to be said of a row besides its numbers."""
    if not row.samples:
        return f"no result: {row.reason}"
    if row.status == "disagrees":
        return f"DISAGREES: {row.reason}"
    return f"the result is {row.not_finite}" if row.not_finite else ""


def _advice(rows: list[Row], chosen: Recommendation | None, width: int) -> Iterator[Line]:
    if chosen is not None:
        text, style = f"take {chosen.backend}: {chosen.reason}.", "green"
    else:
        text, style = f"none can be recommended: {why_none(rows)}.", "yellow"
    for k, part in enumerate(textwrap.wrap(text, width - 5)):
        yield [("  -> " if k == 0 else "     ", style), (part, style)]


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
            words = textwrap.wrap(_words(row), width - len(indent) - 2)
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
        yield from _indented(_words(row), style, len(indent) + 2, width)


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
        f"{100 * row.spread:.0f} %{' noisy' if row.noisy else ''}",
        "-" if row.ratio is None else number_text(row.ratio),
        f"{row.preparation_calls} + {row.calls}",
        "-" if row.memory is None else bytes_text(row.memory),
    ]
