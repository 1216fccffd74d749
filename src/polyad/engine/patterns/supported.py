"""An array of which is known what it depends on: an example of its values, and a set for each entry."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.interpretations.example import Example
from polyad.engine.patterns.sets import IndexSets

__all__ = ["Analysis", "Supported"]


class Analysis:
    """One run of a function on such arrays.

    Parameters
    ----------
    columns : int
        How many input entries there are.
    local : bool
        Whether the pattern is that at the example: branches, choices and indices are decided by its values.
        Otherwise it holds for every input of the same form.
    """

    __slots__ = ("columns", "local")

    def __init__(self, columns: int, *, local: bool) -> None:
        self.columns, self.local = columns, local

    def input(self, value: Any, start: int | None) -> Supported:
        """An input whose entries are the columns from ``start`` on; None for one that has none."""
        size = int(np.size(value))
        return Supported(
            value, None if start is None else IndexSets.identity(start, size, self.columns), self
        )


class Supported(Example):
    """An array whose values may differ from run to run.

    Parameters
    ----------
    value : numpy.ndarray or numpy.generic
        The example.
    sets : IndexSets or None
        What each entry's derivative depends on; None where there is no derivative.
    analysis : Analysis
        The run.
    """

    __slots__ = ("analysis", "sets")

    refusal = ("a value was demanded of an array whose pattern is looked for", "local=True")

    def __init__(self, value: Any, sets: IndexSets | None, analysis: Analysis) -> None:
        self.value, self.sets, self.analysis = value, sets, analysis

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(self.value.size)

    def rows(self) -> IndexSets:
        """The sets, empty ones where there is no derivative."""
        return IndexSets.empty(self.size, self.analysis.columns) if self.sets is None else self.sets

    def __repr__(self) -> str:
        return f"supported {self.value!r}"
