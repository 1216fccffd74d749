"""The conformance suite: every scenario under a backend, and what may be refused.

A refusal counts only where it was declared beforehand, need by need, with its reason; so a backend
that refuses everything does not pass. A backend's class declares it (``Backend.refusals``), or the call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from polyad.systems.base import Backend
from polyad.systems.registry import resolve
from polyad.testing.check import Refused, check_scenario
from polyad.testing.report import Report, Row, operators
from polyad.testing.scenario import RTOL, Scenario
from polyad.testing.scenarios import all_scenarios, smoke_scenarios

__all__ = ["Profile", "check_backend", "profile_of", "run_scenario", "support_table"]


@dataclasses.dataclass(frozen=True)
class Profile:
    """What is known of a backend before it runs.

    Parameters
    ----------
    refuses : mapping from str to str
        A need of scenarios (``"complex"``, ``"branch"``, ...), an operator, or ``"second order"``,
        and the reason why the backend refuses it.
    rtol : tuple of float, optional
        For approximations: the allowed errors of first and of second order. None means exact.
    """

    refuses: Mapping[str, str] = dataclasses.field(default_factory=dict)
    rtol: tuple[float, float] | None = None

    def reason(self, scenario: Scenario) -> str | None:
        """Why the backend may refuse the scenario, or None if it may not."""
        order = ("first order", "second order")[scenario.order - 1]
        for need in (*scenario.needs, scenario.operator, order):
            if need in self.refuses:
                return self.refuses[need]
        return None


def profile_of(backend: Backend) -> Profile:
    """What a backend declares of itself; a wrapper has the profile of the backend inside."""
    inner = getattr(backend, "backend", None)
    if isinstance(inner, Backend):
        backend = inner.replace(mode=backend.mode or inner.mode)
    return Profile(backend.refusals, backend.tolerances)


def run_scenario(
    backend: Backend, scenario: Scenario, profile: Profile | None = None, *, native: bool = False
) -> Row:
    """One scenario under one backend, as a row of the report; unforeseen errors are failures."""
    profile = profile_of(backend) if profile is None else profile
    rtol: Mapping[str, float] | float = RTOL
    scale = 0.0
    if profile.rtol is not None:
        # what is zero has no relative error: differences are judged against entries near one
        rtol, scale = profile.rtol[scenario.order - 1], 1.0
    try:
        return Row(
            scenario, "passed", check_scenario(backend, scenario, rtol=rtol, scale=scale, native=native)
        )
    except Refused as refusal:
        reason = profile.reason(scenario)
        if reason is None:
            return Row(scenario, "failed", f"refused without having declared it: {refusal}")
        return Row(scenario, "refused", reason)
    except AssertionError as failure:
        return Row(scenario, "failed", str(failure))
    except Exception as error:  # whatever a backend raises is its failure, and is reported
        return Row(scenario, "failed", f"{type(error).__name__}: {error}")


def check_backend(
    backend: Backend | str,
    scenarios: Iterable[Scenario] | None = None,
    *,
    exclude: Iterable[str] | Callable[[Scenario], bool] = (),
    refuses: Mapping[str, str] | None = None,
    rtol: tuple[float, float] | None = None,
) -> Report:
    """Run the conformance suite under a backend.

    Parameters
    ----------
    backend : Backend or str
        The backend.
    scenarios : iterable of Scenario, optional
        Which scenarios; None runs all of ``all_scenarios()``.
    exclude : iterable of str, or callable
        Families, operators or needs to leave out; or a predicate of scenarios to leave out.
    refuses : mapping from str to str, optional
        What the backend may refuse (a need of scenarios, an operator, ``"second order"``) with the
        reason; a refusal that is not declared is a failure. None takes what the backend's class declares.
    rtol : tuple of float, optional
        Allowed errors of first and second order for a backend that approximates.

    Returns
    -------
    Report
        A row per scenario; ``report.ok``, ``report.raise_if_failed()``, ``report.table()``.

    Examples
    --------
    >>> from polyad.testing import all_scenarios, check_backend
    >>> chosen = [s for s in all_scenarios() if s.family == "number to number"]
    >>> report = check_backend("autograd", chosen)
    >>> report.ok, len(report.rows)
    (True, 24)
    """
    chosen = resolve(backend)
    profile = profile_of(chosen)
    if refuses is not None:
        profile = dataclasses.replace(profile, refuses=refuses)
    if rtol is not None:
        profile = dataclasses.replace(profile, rtol=rtol)
    leave_out = exclude if callable(exclude) else _named(frozenset(exclude))
    wanted = all_scenarios() if scenarios is None else scenarios
    return Report(
        repr(chosen),
        tuple(run_scenario(chosen, s, profile) for s in wanted if not leave_out(s)),
    )


def _named(words: frozenset[str]) -> Callable[[Scenario], bool]:
    return lambda s: bool(words & {s.family, s.operator, *s.needs})


def support_table(backends: Sequence[Backend | str], scenarios: Iterable[Scenario] | None = None) -> str:
    """The table of which backend can do what, from a run of the suite.

    Parameters
    ----------
    backends : sequence of Backend or str
        The columns.
    scenarios : iterable of Scenario, optional
        What to run; None runs one scenario for each function.

    Returns
    -------
    str
        A Markdown table: operators and needs against backends; ``"yes"``, ``"slower fallback"``,
        ``"refused"`` or ``"failed"``.

    Examples
    --------
    >>> from polyad.testing import all_scenarios, support_table
    >>> chosen = [s for s in all_scenarios() if s.name == "sine times exponential"]
    >>> print(support_table(["autograd"], chosen).splitlines()[2])
    | derivative | yes |
    """
    chosen = tuple(smoke_scenarios() if scenarios is None else scenarios)
    reports = [check_backend(backend, chosen) for backend in backends]
    names = [b if isinstance(b, str) else repr(b) for b in backends]
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for operator in operators():
        lines.append(f"| {operator} | {' | '.join(report.support(operator) for report in reports)} |")
    for need in sorted({need for s in chosen for need in s.needs}):
        lines.append(f"| {need} | {' | '.join(_need(report, need) for report in reports)} |")
    return "\n".join(lines)


def _need(report: Report, need: str) -> str:
    found = {row.status for row in report if need in row.scenario.needs}
    for status, word in (("failed", "failed"), ("refused", "refused")):
        if status in found:
            return word
    return "yes"
