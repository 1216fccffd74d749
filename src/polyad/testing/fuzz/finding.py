"""Something wrong: what it is, and the file that shows it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from polyad.systems.base import Backend
from polyad.testing.fuzz.differences import Unreliable, reference
from polyad.testing.fuzz.program import Program, literal
from polyad.testing.fuzz.ways import OPERATORS, backend_of

__all__ = ["Finding", "script"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something wrong.

    Parameters
    ----------
    program : Program
        With which program.
    way : str or Backend
        Differentiated how.
    operator : str
        By which operator.
    prepared : bool
        Whether a prepared object gave it.
    point : int
        At which point.
    kind : str
        ``"wrong"``, ``"wrong value"``, ``"raw error"``, ``"shape"``, ``"dtype"``, ``"changed argument"``, ...
    detail : str
        What was there.
    expected, got : object
        What had to come and what came.
    """

    program: Program
    way: str | Backend
    operator: str
    prepared: bool
    point: int
    kind: str
    detail: str
    expected: Any = None
    got: Any = None

    @property
    def signature(self) -> tuple[str, str, str]:
        """What a shorter program has to have in common with it."""
        name = self.detail.partition(":")[0] if self.kind == "raw error" else ""
        return self.operator, self.kind, name

    def __str__(self) -> str:
        how = "prepared" if self.prepared else "unprepared"
        where = f"point {self.point}" if self.point else "the point of preparation"
        return f"{self.kind}: {self.operator}, {self.way}, {how}, at {where}: {self.detail}"


def script(finding: Finding) -> str:
    """A finding as a file that runs and prints what came and what had to come.

    Parameters
    ----------
    finding : Finding
        The finding.

    Returns
    -------
    str
        Python source.
    """
    program, operator = finding.program, OPERATORS[finding.operator]
    point = finding.point if finding.point < len(program.points) else 0
    way = finding.way if isinstance(finding.way, str) else repr(finding.way)
    lines = [f"# {line}" for line in str(finding).splitlines()]
    lines += ["import polyad as ad", program.text, ""]

    def arguments(k: int) -> str:
        return ", ".join(literal(program.points[k][name]) for name in program.parameters)

    keywords = f", argnums={program.argnums}" if program.argnums else ""
    if operator.seed:
        try:
            seeds = operator.seeds(program, reference(program, point, second=operator.second))
            seed = seeds[operator.seed]
            text = f"({', '.join(map(literal, seed))})" if isinstance(seed, tuple) else literal(seed)
        except Unreliable:
            text = "..."
        lines.append(f"{operator.seed} = {text}")
        keywords += f", {operator.seed}={operator.seed}"
    lines.append(f"args = ({arguments(point)},)")
    if isinstance(finding.way, Backend):
        lines.append(f"backend = ...  # {way}")
    else:
        lines.append(f"backend = {_written(finding.way)}")
    if finding.prepared:
        before = f"({arguments(0)},)" if point else "args"
        lines.append(f"p = ad.prepare_{operator.name}(f, *{before}{keywords}, backend=backend)")
        seed_only = f", {operator.seed}={operator.seed}" if operator.seed else ""
        lines.append(f'print("got     ", p(*args{seed_only}))')
    else:
        lines.append(f'print("got     ", ad.{operator.name}(f, *args{keywords}, backend=backend))')
    what = "  # projected on s, see differences.py" if operator.second else ""
    lines.append(
        f"# expected {np.array2string(np.asarray(finding.expected), separator=', ')}{what}".replace(
            "\n", "\n# "
        )
    )
    lines.append(f"# got      {finding.got!r}".replace("\n", "\n# "))
    return "\n".join(lines) + "\n"


def _written(way: str) -> str:
    """A way as source text."""
    option = way.partition("+")[2]
    if not option:
        return repr(way)
    backend = backend_of(way)
    mode = f"mode={backend.mode!r}, " if backend.mode else ""
    return f"ad.{type(backend).__name__}({mode}{option}={getattr(backend, option)})"
