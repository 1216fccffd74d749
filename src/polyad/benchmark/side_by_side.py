"""Backends at work: one after the other, or side by side, each in a process of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from polyad.benchmark import transport
from polyad.benchmark.events import Event, Task
from polyad.benchmark.worker import act, run
from polyad.sparse.backend import Sparse
from polyad.systems.base import Backend
from polyad.systems.registry import class_of
from polyad.workers.pools import count_of
from polyad.workers.progress import Progress
from polyad.workers.run import each

__all__ = ["Process", "Run", "SideBySide"]

Chosen = tuple[int, str, "Backend | str"]


@dataclasses.dataclass(frozen=True)
class Run:
    """What became of one backend."""

    label: str
    exact: bool
    events: list[Event]


@dataclasses.dataclass
class Process:
    """Where tasks are done: in other processes, or in this one where the function cannot be sent."""

    function: str
    limit: float
    show: Progress
    # why in this process; empty as long as it is another
    here: str

    def work(self, task: Task, words: str) -> tuple[list[Event], str]:
        """The events of a task, and why it ended early."""
        events: list[Event] = []
        self.show.say(f"{words}: starting")

        def report(event: Event) -> None:
            events.append(event)
            if event.kind == "phase":
                self.show.say(f"{words}: {event.data}")

        try:
            if not self.here:
                try:
                    return events, run(task, self.limit, report, self.show.tick)
                except transport.NotSendableError as error:
                    self.here = f"{self.function} cannot be sent to another ({error})"
                    events.clear()
            act(task, report)
            return events, ""
        finally:
            self.show.clear()


@dataclasses.dataclass
class SideBySide:
    """All backends on a task.

    Attributes
    ----------
    process : Process
        Where each is done.
    task : Task
        What each does.
    preparing : float
        Seconds that a variant which nobody has named may take to prepare one operator.
    unnamed : bool
        Whether the caller has named no backends.
    sparse : tuple of str
        The operators that sparse backends are tried on.
    spread : bool
        Whether some were at work at the same time.
    """

    process: Process
    task: Task
    preparing: float
    unnamed: bool
    sparse: tuple[str, ...]
    spread: bool = False

    def runs(self, chosen: Sequence[tuple[str, Backend | str]], workers: Any) -> Iterator[Run]:
        """What became of each, in their order, whoever was first."""
        numbered = [(k, label, backend) for k, (label, backend) in enumerate(chosen)]
        groups = [list(group) for _, group in itertools.groupby(numbered, key=self._family)]
        count = count_of(workers)
        self.spread = count != 1 and len(groups) > 1
        self._of = len(chosen)
        with contextlib.ExitStack() as stack:
            if self.spread:
                # one line is not for several
                self.process = dataclasses.replace(self.process, show=Progress(False))
                if count:  # threads that wait for processes
                    workers = stack.enter_context(ThreadPoolExecutor(count))
            shown = None if self.spread else False
            for found in each(self, groups, workers, progress=shown, label="backend"):
                yield from found

    def __call__(self, group: list[Chosen]) -> list[Run]:
        """A backend and its variants, which are given up where it was stopped: they would take as long."""
        found: list[Run] = []
        given_up = ""
        for k, label, backend in group:
            exact = bool(_shown(backend).exact)
            if self.unnamed and given_up:
                reason = f"not tried, because {given_up} was stopped; name it as a backend to try it"
                events = [Event("failed", operator, reason) for operator in self.task.operators]
                found.append(Run(label, True, events))
                continue
            unasked = self.unnamed and (":" in label or isinstance(backend, Sparse))
            preparing = self.preparing if unasked else math.inf
            mine = dataclasses.replace(self.task, backend=backend, preparing=preparing)
            if isinstance(backend, Sparse) and unasked:
                mine = dataclasses.replace(mine, operators=self.sparse)
            words = f"[{k + 1}/{self._of}] {self.process.function}, {label}"
            events, why = self.process.work(mine, words)
            found.append(Run(label, exact, events))
            if why.startswith("stopped") and ":" not in label:
                given_up = label
        return found

    def _family(self, chosen: Chosen) -> Any:
        """What stands together: a backend with its variants, where the caller has named none."""
        return chosen[1].partition(":")[0] if self.unnamed else chosen[0]


def _shown(backend: Backend | str) -> Any:
    """The class or object that says whether it is exact; approximations have ``exact = False``."""
    return class_of(backend) if isinstance(backend, str) else backend
