"""Write the tables of the documentation from what polyad does: ``python docs/generate_tables.py``.

A table stands in its page between two comments, so that a page reads the same on a code host as on the
site. With ``--coverage`` the list of all functions and the table of distributions are written too, which
runs for some minutes; a name after it takes that one alone. A test runs this again and compares, of the
long ones a sample.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import polyad as ad
from polyad.systems.registry import is_installed, load, names
from polyad.testing import all_scenarios, support_table
from polyad.testing.scenarios import count

FOLDER = Path(__file__).parent
RESULTS = FOLDER.parent / "benchmarks" / "results"
ORDER = ("numpy", "jax", "torch", "autograd", "casadi", "sympy", "finite")
# The backends that have a column: polyad's own, in this order.
BACKENDS = tuple(name for name in ORDER if name in names())


def support() -> str:
    """Which backend can do what, from a run of the scenarios."""
    return support_table(BACKENDS) + "\n"


def scenarios() -> str:
    """How many scenarios there are of each family."""
    families = count()["family"]
    lines = ["| family | scenarios |", "|---|---:|"]
    lines += [f"| {family} | {number} |" for family, number in families.items()]
    lines.append(f"| **all** | {len(all_scenarios())} |")
    return "\n".join(lines) + "\n"


def numpy_functions() -> str:
    """What the engine and the lift do with every function of NumPy and SciPy; takes minutes."""
    import function_coverage

    return function_coverage.page()


def distributions() -> str:
    """What every backend has of the distributions of ``scipy.stats``; takes minutes."""
    import distribution_table

    return distribution_table.table()


def conventions() -> str:
    """What polyad gives where a function has no derivative, from a run; the points are those of a test."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "engine"))
    from edges import CONVENTIONS, function

    lines = ["| function | at | value | derivative by each operand | why |", "|---|---|---|---|---|"]
    for row in CONVENTIONS:
        point = np.array(row.point)

        def f(x: Any, row: Any = row) -> Any:
            return function(row.name)(*[x[k : k + 1] for k in range(len(row.point))])

        with np.errstate(all="ignore"):
            value, slopes = ad.value_and_jacobian(f, point)
        shown = ", ".join(f"{s + 0.0:g}" for s in slopes.ravel())
        where = ", ".join(f"{p:g}" for p in row.point)
        lines.append(f"| `{row.name}` | {where} | {value[0]:g} | {shown} | {row.why} |")
    return "\n".join(lines) + "\n"


def printed(kind: str) -> Callable[[], str]:
    """What the newest run of a benchmark printed: the versions, then the table."""
    newest = sorted(RESULTS.glob(f"{kind}-*.md"))[-1]
    return lambda: f"{newest.read_text().rstrip()}\n"


# name of a table: its page, and what makes it
TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "support": ("choosing.md", support),
    "scenarios": ("testing.md", scenarios),
    "conventions": ("conventions.md", conventions),
    "prepared calls": ("benchmarks.md", printed("rosenbrock")),
    "engine": ("benchmarks.md", printed("engine")),
    "compiled programs": ("benchmarks.md", printed("compiled")),
    "casadi": ("benchmarks.md", printed("casadi_calls")),
}
LONG: dict[str, tuple[str, Callable[[], str]]] = {
    "functions": ("followed.md", numpy_functions),
    "distributions": ("distributions.md", distributions),
}


def _place(text: str, name: str) -> tuple[int, int]:
    """Where a table begins and ends in the text of its page."""
    head = f"<!-- table {name}: python docs/generate_tables.py"
    start = text.index("-->\n\n", text.index(head)) + len("-->\n\n")
    return start, text.index("\n<!-- end of table -->", start)


def shown(name: str) -> str:
    """The table that stands in the documentation."""
    text = (FOLDER / (TABLES | LONG)[name][0]).read_text()
    start, end = _place(text, name)
    return text[start:end]


def main() -> None:
    """Write every table."""
    missing = [name for name in BACKENDS if not is_installed(load(name))]
    if missing:
        sys.exit(f"the tables need every framework; missing: {', '.join(missing)}")
    chosen = {**TABLES, **LONG} if "--coverage" in sys.argv else TABLES
    asked = [name for name in sys.argv[1:] if name in chosen]
    chosen = {name: chosen[name] for name in asked} if asked else chosen
    for name, (page, make) in chosen.items():
        table = make()
        if "failed" in table:
            sys.exit(f"{table}\nnot written: what fails is to be repaired, not documented")
        text = (FOLDER / page).read_text()
        start, end = _place(text, name)
        (FOLDER / page).write_text(text[:start] + table + text[end:])
        print(f"wrote the table of {name} to docs/{page}")


if __name__ == "__main__":
    main()
