"""Write the tables of the documentation from what polyad does: ``python docs/generate_tables.py``.

The pages include ``docs/_generated/*.md``; a test runs this again and compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

import scipy.special

from polyad.backends.registry import is_installed, load, names
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
    """The functions of NumPy and SciPy that the engine follows and the lift forwards."""
    from polyad.engine.dispatch import FUNCTIONS, STRUCTURAL, UFUNCS, VIEWS

    special = {getattr(scipy.special, name, None): name for name in scipy.special.__all__}
    groups: dict[str, set[str]] = {}
    for f in (*UFUNCS, *FUNCTIONS, *VIEWS, *STRUCTURAL):
        module = "scipy.special" if f in special else getattr(f, "__module__", "numpy") or "numpy"
        name = special.get(f) or f.__name__
        groups.setdefault(module.replace("numpy.linalg._linalg", "numpy.linalg"), set()).add(name)
    lines = ["| module | functions |", "|---|---|"]
    lines += [f"| `{m}` | {', '.join(f'`{n}`' for n in sorted(groups[m]))} |" for m in sorted(groups)]
    return "\n".join(lines) + "\n"


TABLES = {"support.md": support, "scenarios.md": scenarios, "numpy.md": numpy_functions}


def main() -> None:
    """Write every table."""
    missing = [name for name in BACKENDS if not is_installed(load(name))]
    if missing:
        sys.exit(f"the tables need every framework; missing: {', '.join(missing)}")
    FOLDER.mkdir(exist_ok=True)
    for name, make in TABLES.items():
        table = make()
        if "failed" in table:
            sys.exit(f"{table}\nnot written: what fails is to be repaired, not documented")
        (FOLDER / name).write_text(table)
        print(f"wrote {FOLDER.name}/{name}")


if __name__ == "__main__":
    main()
