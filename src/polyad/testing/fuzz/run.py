"""One program under many ways, against differences and against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from polyad.systems.base import Backend
from polyad.testing.fuzz.check import check, profile_is_approximate, references
from polyad.testing.fuzz.finding import Finding
from polyad.testing.fuzz.generate import generate
from polyad.testing.fuzz.ways import OPERATORS, backend_of

__all__ = ["Outcome", "run"]

AGREE = 1e-9


@dataclasses.dataclass
class Outcome:
    """What came of one program.

    Parameters
    ----------
    findings : list of Finding
        What is wrong.
    refusals : list of str
        Errors of polyad, with the way in front and without the line.
    passed : int
        Results that are right.
    rejected : bool
        Whether differences say nothing about the program.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    refusals: list[str] = dataclasses.field(default_factory=list)
    passed: int = 0
    rejected: bool = False


def run(
    seed: int,
    ways: Sequence[str | Backend],
    operators: Sequence[str] = tuple(OPERATORS),
    *,
    branches: bool | None = None,
    limit: float = 60.0,
) -> Outcome:
    """Generate the program of a seed and run it every way.

    Parameters
    ----------
    seed : int
        Of the program.
    ways : sequence of str or Backend
        The ways.
    operators : sequence of str
        The operators.
    branches : bool, optional
        As for ``generate``.
    limit : float
        Seconds for one operator.

    Returns
    -------
    Outcome
        Findings, refusals and how many results are right.
    """
    program = generate(seed, branches=branches)
    refs = references(program, second=any(OPERATORS[name].second for name in operators))
    outcome = Outcome(rejected=not refs)
    first: dict[tuple[str, int], tuple[str | Backend, np.ndarray]] = {}
    for way in ways if refs else ():
        checked = check(program, way, refs, operators, limit=limit)
        outcome.findings += checked.findings
        outcome.passed += checked.passed
        outcome.refusals += [f"{way}: {text.partition(' at <')[0][:160]}" for text in set(checked.refusals)]
        if profile_is_approximate(backend_of(way)):
            continue
        for key, got in checked.results.items():
            other, kept = first.setdefault(key, (way, got))
            ref = refs[key[1]]
            scale = max(ref.scale, 0.1, float(np.max(np.abs(kept), initial=0.0)))
            unsure = ref.second_error if OPERATORS[key[0]].second else ref.error
            off = float(np.max(np.abs(got - kept), initial=0.0))
            if off > AGREE * scale + 0.1 * unsure:
                detail = f"{other} gives something {off:.3g} beside it (relative {off / scale:.1e})"
                name, point = key
                outcome.findings.append(
                    Finding(program, way, name, True, point, "ways disagree", detail, kept, got)
                )
    return outcome
