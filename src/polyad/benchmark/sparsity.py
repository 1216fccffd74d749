"""Whether a Jacobian or Hessian is sparse enough for ``Sparse`` to pay, and what it saves."""

from __future__ import annotations

from typing import Any

from polyad.benchmark.events import CAUGHT, Event, Report, Task
from polyad.benchmark.plain import function_of
from polyad.benchmark.timing import fresh
from polyad.operators.hessian_sparsity import hessian_sparsity
from polyad.operators.jacobian_sparsity import jacobian_sparsity
from polyad.sparse.backend import Sparse
from polyad.sparse.coloring.choose import color
from polyad.systems.overview import backends as registered

__all__ = ["FEWEST", "candidates", "find", "saved"]

# with fewer inputs all columns together cost as much as a few
FEWEST = 32
# products in place of all columns (or rows): so many times fewer must they be to be tried
PAYS = 3
OPERATORS = {"jacobian": jacobian_sparsity, "hessian": hessian_sparsity}


def candidates() -> list[tuple[str, Any]]:
    """The sparse backends that are tried, by the words that make them."""
    found = []
    for info in registered():
        if info.installed and info.cls is not None and info.cls.compared_sparse:
            found.append((f"Sparse({info.name!r})", Sparse(info.name)))
    return found


def find(task: Task, report: Report) -> None:
    """Report for each operator whose pattern can be found ``"pattern"``: what is saved, empty if little."""
    report(Event("phase", data="looking for the pattern"))
    try:
        f = function_of(task)
    except CAUGHT:
        return
    if task.has_aux:
        whole = f
        f = lambda *args: whole(*args)[0]  # noqa: E731
    for operator in task.operators:
        try:
            pattern = OPERATORS[operator](f, *fresh(task.args), argnums=task.argnums, backend="numpy")
            report(Event("pattern", operator, saved(pattern, operator)))
        except CAUGHT:
            continue  # a function whose pattern cannot be found is one for the other backends


def saved(pattern: Any, operator: str) -> str:
    """What compression saves, in words; nothing where that is little."""
    m, n = pattern.shape
    if operator == "hessian":
        full, count = n, color(pattern, symmetric=True).ncolors
    else:
        full = min(m, n)
        count = min(color(pattern, partition).ncolors for partition in ("column", "row", "bidirectional"))
    if not count or PAYS * count > full:
        return ""
    share = 100 * pattern.nnz / (m * n)
    return (
        f"The {operator} is sparse ({m} x {n}, {pattern.nnz} entries, {share:.2g} %): Sparse takes {count} "
        f"product{'s' * (count != 1)} in place of {full}."
    )
