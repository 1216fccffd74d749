"""Ratios in one run: two calls timed in turns, so that a noisy machine hits both alike."""

from __future__ import annotations

import dataclasses
import datetime
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

Call = Callable[[], object]


@dataclasses.dataclass
class Row:
    """One line of a table: polyad beside hand-written code."""

    problem: str
    operator: str
    system: str
    arrays: str
    n: int
    native: float
    polyad: float
    ratio: float

    @property
    def share(self) -> float:
        """Microseconds that polyad adds to a call."""
        return (self.polyad - self.native) * 1e6


def repeat(call: Call, seconds: float) -> int:
    """How many calls fill about that many seconds."""
    start = time.perf_counter()
    call()
    once = max(time.perf_counter() - start, 1e-7)
    return max(1, min(2000, int(seconds / once)))


def timed(call: Call, count: int) -> float:
    """Seconds per call over ``count`` calls."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def compare(
    native: Call, polyad: Call, rounds: int = 41, seconds: float = 0.01
) -> tuple[float, float, float]:
    """Medians of both, and the median of the ratios of neighbours in time."""
    for call in (native, polyad):
        for _ in range(3):
            call()
    count = repeat(native, seconds)
    pairs = []
    for k in range(rounds):
        first, second = (native, polyad) if k % 2 else (polyad, native)
        a, b = timed(first, count), timed(second, count)
        pairs.append((a, b) if k % 2 else (b, a))
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def header() -> str:
    """Versions and date, for the top of a table."""
    parts = []
    for name in ("polyad", "numpy", "scipy", "jax", "torch", "autograd"):
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    today = datetime.date.today().isoformat()
    return f"{today}, Python {platform.python_version()}, {', '.join(parts)}, {platform.machine()} CPU"


def duration(seconds: float) -> str:
    """A duration with three digits."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def table(rows: list[Row]) -> str:
    """A Markdown table."""
    lines = [
        "| problem | operator | system | arrays | n | native | polyad | ratio | polyad's share (us) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.problem} | {r.operator} | {r.system} | {r.arrays} | {r.n} | {duration(r.native)} | "
        f"{duration(r.polyad)} | {r.ratio:.2f} | {r.share:.1f} |"
        for r in rows
    ]
    return "\n".join(lines)


def _rounds(calls: dict[str, Call], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Seconds per call of several calls, timed in turns."""
    counts = {}
    for name, call in calls.items():
        for _ in range(2):
            call()
        counts[name] = repeat(call, seconds)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(timed(call, counts[name]))
    return times


def medians(calls: dict[str, Call], rounds: int = 21, seconds: float = 0.02) -> dict[str, float]:
    """Median seconds per call of several calls, timed in turns."""
    return {name: statistics.median(found) for name, found in _rounds(calls, rounds, seconds).items()}


def least(calls: dict[str, Call], rounds: int = 21, seconds: float = 0.005) -> dict[str, float]:
    """The least seconds per call of several calls, timed in turns: what a machine with others on it tells."""
    return {name: min(found) for name, found in _rounds(calls, rounds, seconds).items()}
