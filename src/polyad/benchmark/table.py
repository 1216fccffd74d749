"""The outcome of a comparison: rows, what each function is, and what is recommended."""

from __future__ import annotations

import csv
import dataclasses
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from polyad.errors import OptionalPackageError, how_to_install
from polyad.workers.progress import terminal_width

if TYPE_CHECKING:
    import pandas
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

__all__ = ["Heading", "Recommendation", "Row", "Table"]


# spread from which on a row is called noisy
NOISY = 0.3


@dataclasses.dataclass(frozen=True)
class Row:
    """One operator of one backend. Times are in seconds, memory in bytes.

    Parameters
    ----------
    function, operator, backend : str
        What was computed, and by whom.
    status : {"agrees", "disagrees", "failed"}
        Whether the result is that of the others; ``"failed"`` where there is none.
    strategy : str
        How it was computed, in words.
    agreement : float or None
        Largest difference from the reference over the reference's largest entry; None where the
        row is the reference or there is nothing to compare.
    reference : bool
        Whether the others are measured against this row.
    exact : bool
        Whether the backend computes to rounding; False for finite differences.
    preparation : float
        From nothing to the first result: ``prepare_...`` and the first call.
    time : float
        Median time of a later call.
    q25, q75 : float
        Quartiles of the time of a call.
    ratio : float or None
        ``time`` over the time of the plain function.
    preparation_calls, calls : int
        Calls of the function at preparation, and in every later call.
    memory : int or None
        How far the process grew at its peak above where it stood before the preparation.
    samples : tuple of float
        All times.
    not_finite : str
        Where the result is not finite, as ``"nan at [0]"``; empty where it is.
    reason : str
        Why it failed, or in what it differs.
    details : str
        The traceback of a failure.
    """

    function: str
    operator: str
    backend: str
    status: str
    strategy: str = ""
    agreement: float | None = None
    reference: bool = False
    exact: bool = True
    preparation: float = math.nan
    time: float = math.nan
    q25: float = math.nan
    q75: float = math.nan
    ratio: float | None = None
    preparation_calls: int | None = None
    calls: int | None = None
    memory: int | None = None
    samples: tuple[float, ...] = ()
    not_finite: str = ""
    reason: str = ""
    details: str = ""

    @property
    def spread(self) -> float:
        """Interquartile range of the time of a call over its median."""
        return (self.q75 - self.q25) / self.time

    @property
    def noisy(self) -> bool:
        """Whether the spread is so wide that the time of a call says little."""
        return self.spread > NOISY

    def record(self) -> dict[str, Any]:
        """The row for a table of another program: without the samples and the traceback."""
        row = dataclasses.asdict(self)
        del row["samples"], row["details"]
        return row


@dataclasses.dataclass(frozen=True)
class Heading:
    """What is said of a function once: its title, its own run time, and what to know."""

    function: str
    title: str = ""
    primal: float | None = None
    notes: tuple[str, ...] = ()
    # for how many calls a backend is recommended, its preparation included
    calls: int | None = None


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """The backend to take for an operator, and why."""

    function: str
    operator: str
    backend: str
    reason: str


class Table(Sequence[Row]):
    """What ``compare`` returns: a sequence of rows that prints as a table.

    Printing adapts to the terminal; with ``rich`` installed, ``rich.print(table)`` shows it in
    colour. The columns are explained under the table and in ``Row``.

    Parameters
    ----------
    rows : iterable of Row
        The rows.
    headings : iterable of Heading
        One for every function.

    Examples
    --------
    >>> table = Table([Row("f", "gradient", "jax", "failed", reason="no")], [Heading("f")])
    >>> len(table), table[0].backend, table.recommendations
    (1, 'jax', [])
    """

    def __init__(self, rows: Sequence[Row], headings: Sequence[Heading]) -> None:
        self._rows = tuple(rows)
        self.headings = tuple(headings)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Table: ...
    def __getitem__(self, index: int | slice) -> Row | Table:
        if isinstance(index, slice):
            return Table(self._rows[index], self.headings)
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __add__(self, other: Table) -> Table:
        return Table([*self, *other], [*self.headings, *other.headings])

    @property
    def disagreements(self) -> list[Row]:
        """Rows whose result is not that of the others."""
        return [row for row in self if row.status == "disagrees"]

    @property
    def recommendations(self) -> list[Recommendation]:
        """One for every operator that some backend could do."""
        from polyad.benchmark.recommend import recommend

        calls = {heading.function: heading.calls for heading in self.headings}
        found = [recommend(rows, calls.get(rows[0].function)) for rows in self.groups()]
        return [recommendation for recommendation in found if recommendation is not None]

    def groups(self) -> list[list[Row]]:
        """Rows of the same function and operator, the fastest first, failures last."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in self:
            groups.setdefault((row.function, row.operator), []).append(row)
        order = {"agrees": 0, "disagrees": 1, "failed": 2}
        return [
            sorted(rows, key=lambda row: (order[row.status], row.time if row.samples else 0.0))
            for rows in groups.values()
        ]

    # -- other forms --------------------------------------------------------------------------

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a DataFrame, one column per field.

        Raises
        ------
        polyad.errors.OptionalPackageError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise OptionalPackageError(
                f"to_pandas needs pandas, which is not installed: {how_to_install('plot')}"
            ) from None
        return pandas.DataFrame([row.record() for row in self], columns=_columns())

    def to_csv(self, path: str | Path) -> None:
        """Write the rows to a file of comma-separated values with a header line.

        Parameters
        ----------
        path : str or Path
            The file; an existing one is replaced.
        """
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _columns())
            writer.writeheader()
            writer.writerows(row.record() for row in self)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the run times as violins, one panel per function and operator.

        Parameters
        ----------
        path : str or Path, optional
            Where to save the picture; the ending decides the format.

        Returns
        -------
        matplotlib.figure.Figure
            The figure, for changes of one's own.

        Raises
        ------
        polyad.errors.OptionalPackageError
            If matplotlib is not installed.
        """
        from polyad.benchmark.plot import violins

        return violins(self, path)

    # -- as text ------------------------------------------------------------------------------

    def to_text(self, width: int | None = None, *, legend: bool = True) -> str:
        """The table as plain text.

        Parameters
        ----------
        width : int, optional
            Characters in a line, at least 20; by default those of the terminal.
        legend : bool
            Whether to explain the columns at the end.
        """
        from polyad.benchmark.layout import lines

        drawn = lines(self, width or terminal_width(sys.stdout), legend=legend)
        return "\n".join("".join(text for text, _ in line).rstrip() for line in drawn)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        from polyad.benchmark.layout import lines

        for line in lines(self, options.max_width):
            yield Text.assemble(*line, no_wrap=True, overflow="ignore")


def _columns() -> list[str]:
    return [f.name for f in dataclasses.fields(Row) if f.name not in ("samples", "details")]
