"""What a run of the suite found."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator

from polyad.errors import ConformanceError
from polyad.systems.operations import operations
from polyad.testing.scenario import Scenario

__all__ = ["Report", "Row", "is_fallback"]

# Words of a strategy that say that an operator is derived at a higher cost.
FALLBACKS = (
    "one pullback per output entry",
    "one pushforward per input entry",
    "one direction after the other",
)


def is_fallback(strategy: str) -> bool:
    """Whether the words of a strategy name one of the slower derivations."""
    return any(words in strategy for words in FALLBACKS)


@dataclasses.dataclass(frozen=True)
class Row:
    """One scenario under one backend.

    Parameters
    ----------
    scenario : Scenario
        What ran.
    status : {"passed", "refused", "failed"}
        Refused means: by a polyad error that was declared beforehand.
    message : str
        The strategy where it passed, the reason where not.
    """

    scenario: Scenario
    status: str
    message: str


@dataclasses.dataclass(frozen=True)
class Report:
    """What ``check_backend`` found.

    Parameters
    ----------
    backend : str
        The backend.
    rows : tuple of Row
        One per scenario.
    """

    backend: str
    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def select(self, status: str) -> tuple[Row, ...]:
        """The rows that passed, were refused or failed."""
        return tuple(row for row in self.rows if row.status == status)

    @property
    def ok(self) -> bool:
        """Whether nothing failed and something passed."""
        return not self.select("failed") and bool(self.select("passed"))

    def raise_if_failed(self) -> None:
        """Raise ``ConformanceError`` with every failure, unless ``ok``."""
        if not self.ok:
            raise ConformanceError(str(self))

    def support(self, operator: str) -> str:
        """``"yes"``, ``"slower fallback"``, ``"refused"`` or ``"failed"`` for an operator."""
        rows = [r for r in self.rows if r.scenario.operator == operator and r.scenario.raises is None]
        if any(row.status == "failed" for row in rows):
            return "failed"
        passed = [row for row in rows if row.status == "passed"]
        if not passed:
            return "refused" if rows else "not run"
        return "slower fallback" if all(is_fallback(row.message) for row in passed) else "yes"

    def table(self) -> str:
        """Families against outcomes, as a Markdown table, then every refusal's reason."""
        counts: dict[str, Counter[str]] = {}
        for row in self.rows:
            counts.setdefault(row.scenario.family, Counter())[row.status] += 1
        lines = ["| family | passed | refused | failed |", "|---|---:|---:|---:|"]
        lines += [f"| {f} | {n['passed']} | {n['refused']} | {n['failed']} |" for f, n in counts.items()]
        total = Counter(row.status for row in self.rows)
        lines.append(f"| **all** | {total['passed']} | {total['refused']} | {total['failed']} |")
        reasons = Counter(row.message for row in self.select("refused"))
        if reasons:
            lines.append("")
            lines += [f"* refused {n} times: {reason}" for reason, n in reasons.most_common()]
        return "\n".join(lines)

    def __str__(self) -> str:
        failed = self.select("failed")
        lines = [f"{self.backend}: {len(failed)} of {len(self.rows)} scenarios failed"]
        lines += [f"  {row.scenario.id}: {row.message}" for row in failed]
        if not self.select("passed"):
            lines.append("  nothing passed")
        return "\n".join(lines)


def operators() -> tuple[str, ...]:
    """The operators in the order of tables."""
    return tuple(operations())
