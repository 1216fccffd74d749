"""All scenarios, and the small selections of them."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping

from polyad.testing.cases import Case
from polyad.testing.families import arguments, arrays, special
from polyad.testing.scenario import Scenario

__all__ = ["all_scenarios", "count", "smoke_scenarios"]

FAMILIES: dict[str, list[Case]] = {
    **arrays.FAMILIES,
    **arguments.FAMILIES,
    **special.FAMILIES,
}


@functools.cache
def all_scenarios() -> tuple[Scenario, ...]:
    """Every scenario of the suite."""
    return tuple(s for family, cases in FAMILIES.items() for case in cases for s in case.scenarios(family))


@functools.cache
def smoke_scenarios() -> tuple[Scenario, ...]:
    """One scenario for each function, its operators in turn, for backends that compile slowly.

    For every function the operator that has been chosen least so far, so that each operator and
    each family is there.
    """
    chosen: list[Scenario] = []
    seen: Counter[str] = Counter()
    groups: dict[tuple[str, str], list[Scenario]] = {}
    for scenario in all_scenarios():
        if not scenario.dear:
            groups.setdefault((scenario.family, scenario.name), []).append(scenario)
    for group in groups.values():
        scenario = min(group, key=lambda s: seen[s.operator])
        seen[scenario.operator] += 1
        chosen.append(scenario)
    return tuple(chosen)


def count(scenarios: Iterable[Scenario] | None = None) -> Mapping[str, Counter[str]]:
    """How many scenarios there are, by family and by operator."""
    chosen = all_scenarios() if scenarios is None else tuple(scenarios)
    return {
        "family": Counter(s.family for s in chosen),
        "operator": Counter(s.operator for s in chosen),
    }
