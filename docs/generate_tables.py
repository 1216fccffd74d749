"""Write the tables of the documentation from what polyad does: ``python docs/generate_tables.py``.

With ``--coverage`` also that of all functions, which runs for some minutes. The pages include
``docs/_generated/*.md``; a test runs this again and compares, of the long one a sample.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import polyad as ad
from polyad.systems.registry import is_installed, load, names
from polyad.testing import all_scenarios, support_table
from polyad.testing.scenarios import count

FOLDER = Path(__file__).parent / "_generated"
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


TABLES = {"support.md": support, "scenarios.md": scenarios, "conventions.md": conventions}
LONG = {"numpy.md": numpy_functions}


def main() -> None:
    """Write every table."""
    missing = [name for name in BACKENDS if not is_installed(load(name))]
    if missing:
        sys.exit(f"the tables need every framework; missing: {', '.join(missing)}")
    FOLDER.mkdir(exist_ok=True)
    chosen = {**TABLES, **LONG} if "--coverage" in sys.argv else TABLES
    for name, make in chosen.items():
        table = make()
        if "failed" in table:
            sys.exit(f"{table}\nnot written: what fails is to be repaired, not documented")
        (FOLDER / name).write_text(table)
        print(f"wrote {FOLDER.name}/{name}")


if __name__ == "__main__":
    main()
