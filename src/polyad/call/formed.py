"""Results that are not blocks of arrays, sparse matrices above all: made, filled, described and looked at."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from polyad.arrays.trees import flatten
from polyad.arrays.types import Leaves
from polyad.arrays.user_code import stack_level
from polyad.call.dependence import check_zeros
from polyad.call.function.flat import label_of
from polyad.call.results import Delivery
from polyad.errors import NonFiniteWarning, UnsupportedOperatorError
from polyad.systems.contract import Form, Problem

if TYPE_CHECKING:
    from polyad.call.prepared import Prepared

__all__ = ["Formed", "Sparsity", "look"]

# so many entries are named in a message
NAMED = 3


class Formed(Delivery):
    """A delivery whose results a form makes of the kernel's leaves."""

    def __init__(self, plain: Delivery, form: Form) -> None:
        self.__dict__.update(vars(plain))
        self.form = form

    def result(self, leaves: Leaves, places: Leaves | None, others: Sequence[Any], out: Any) -> Any:
        """The result, or ``out`` with the result in it."""
        if places is not None:
            self.form.fill(places, leaves)
            return out
        made = self.form.made(leaves)
        return made[0] if self.form.single else self.arranged(self.gives, made)

    def places(self, out: Any, problem: Problem, others: Sequence[Any]) -> Leaves:
        """The matrices of ``out``, after every check that can be made before anything runs."""
        # a matrix alone is no tree to be looked through, which takes longer than the check
        places = (out,) if hasattr(out, "tocsr") else tuple(flatten(out)[0])
        self.form.check(places)
        return places


class Sparsity:
    """What a prepared object knows of the pattern of its result and of the coloring."""

    operator: ClassVar[str]
    backend: Any
    _form: Any

    def _sparse(self) -> Any:
        if self._form is None:
            raise UnsupportedOperatorError(
                f"{self.backend!r} computes this {self.operator} without a pattern: prepare it with "
                f"backend=polyad.Sparse({self.backend.name!r})"
            )
        return self._form

    @property
    def pattern(self) -> Any:
        """The pattern of a sparse result, all output entries by all input entries.

        Raises
        ------
        polyad.errors.UnsupportedOperatorError
            If the backend is not ``Sparse``.
        """
        return self._sparse().pattern

    @property
    def coloring(self) -> Any:
        """The coloring by which a sparse result is compressed; None where the backend has its own."""
        return self._sparse().coloring

    @property
    def ncolors(self) -> int | None:
        """How many products a sparse result takes."""
        found: int | None = self._sparse().products
        return found

    @property
    def colors(self) -> Any:
        """The color of each column, or of each row; of columns and rows where both are compressed."""
        coloring = self.coloring
        if coloring is None:
            return None
        both = [c for c in (coloring.column_colors, coloring.row_colors) if c is not None]
        return both[0] if len(both) == 1 else tuple(both)

    @property
    def groups(self) -> Any:
        """The columns (rows) of each color."""
        coloring = self.coloring
        return None if coloring is None else coloring.groups

    def save_pattern(self, path: Any) -> None:
        """Write pattern and colors of a sparse result to a file.

        ``polyad.KnownPattern.load(path)`` is the detector that knows them: with it nothing is searched.
        """
        from polyad.sparse.known import KnownPattern

        form = self._sparse()
        known = KnownPattern(form.pattern, form.coloring)
        known.of_points = form.of_points
        known.save(path)

    def spy(self) -> str:
        """The pattern as text."""
        return str(self._sparse().pattern.spy())

    def plot(self, path: Any = None) -> Any:
        """A picture of the pattern with the colors (matplotlib's Figure), saved where a path is given."""
        from polyad.sparse.plot import spy

        form = self._sparse()
        return spy(form.pattern, form.coloring, path)


def look(prepared: Prepared, form: Form, x: Leaves, c: Leaves, result: Leaves, *, example: bool) -> None:
    """Refuse rows of zeros that are none, and warn of entries that are not a number."""
    if prepared.lower is None and not prepared._flat.stops:
        summary = form.summary(result)
        if summary is not None and not all(a.all() for a in summary):
            check_zeros(prepared, x, c, (), summary)
    places = form.undefined(result)
    if places:
        named = ", ".join(f"({i}, {j})" for i, j in places[:NAMED])
        more = f" and {len(places) - NAMED} more" if len(places) > NAMED else ""
        where = "at the point of preparation" if example else "at this point"
        warnings.warn(
            f"the {prepared.operator} of {label_of(prepared.f)} by {prepared.backend!r} is not a number in "
            f"(row, column) {named}{more} {where}",
            NonFiniteWarning,
            stacklevel=stack_level(),
        )
